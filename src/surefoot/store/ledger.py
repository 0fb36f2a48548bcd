"""The ledger in SQLite: what the accounts have spent and reserved, all levels of a claim in one transaction.

It belongs to the thread that writes. Balances are kept in memory between two commits of this process; a commit of
another process (``PRAGMA data_version`` tells) makes it read them anew, under the write lock: every decision is exact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from surefoot.budget.accounts import AMOUNTS, Amounts, Rule, RuleBook, make_payers, name_parts
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import UNPRICED, Claim, Posting, Refusal, Settlement
from surefoot.clock import Clock
from surefoot.errors import StoreError
from surefoot.store.database import find_newer
from surefoot.store.declared import Declared
from surefoot.store.held import (
    DELETE_HOLDS,
    FIND_LEFT,
    FIND_LOST,
    FIND_UNKNOWN,
    INSERT_HOLDS,
    MARK_HOLDS,
    NOTE_UNKNOWN,
    Held,
)
from surefoot.store.statements import ManyRows
from surefoot.store.windows import Window, Windows

_FREEZE: Final = """
    INSERT INTO freezes VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens, nano = nano + excluded.nano
"""
_read_names = msgspec.json.Decoder(dict[str, int]).decode


class Ledger:
    """Decides claims and books them. Every method needs an open transaction, and `refresh` at its beginning.

    Attributes:
        book: The limits as they are in force.
        frozen: Accounts that admit nothing until somebody has acknowledged their overrun.
        declared: The limits of the settings.
        outdated: Why nothing must be written any more, None if it may.
    """

    def __init__(
        self,
        cursor: sqlite3.Cursor,
        clock: Clock,
        worker: int,
        declared: Sequence[Rule],
        zones: Mapping[str, ZoneInfo],
    ) -> None:
        """For the cursor of the connection that writes; ``declared`` and ``zones`` are those of the settings."""
        self.book = RuleBook(declared, ())
        self.frozen: set[str] = set()
        self.outdated: StoreError | None = None
        self._cursor = cursor
        self._clock = clock
        self.declared = Declared(cursor, declared, zones)
        self._version = self._revision = -1
        self._touched = False  # within a transaction that is not committed yet
        self._first_hold = self._last_hold = worker << 32
        self._windows = Windows(cursor)
        self._open: dict[tuple[int, int], Held] = {}
        self._charged: set[int] = set()  # open holds of ours that another process took for lost
        self._undo: list[tuple[tuple[int, int], Held | None]] = []
        self._new: list[int | float | str] = []
        self._closed: list[int] = []
        self._unknown: list[int] = []
        self._insert_holds = ManyRows(9, INSERT_HOLDS)
        self._delete_holds = ManyRows(1, DELETE_HOLDS)
        self._mark_holds = ManyRows(1, MARK_HOLDS)

    def is_idle(self) -> bool:
        """Whether a posting would change nothing: nobody has set a limit. Needs no transaction."""
        if self.book.limits_anything or self.frozen or self._open:
            return False
        return bool(self._cursor.execute("PRAGMA data_version").fetchone()[0] == self._version)

    def refresh(self) -> None:
        """See what other processes have committed; a `StoreError` if one of them has migrated the database."""
        self._touched = True
        version = self._cursor.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return
        self.outdated = find_newer(self._cursor)
        if self.outdated is not None:
            raise self.outdated
        self._version = version
        self._windows.forget()
        if self._cursor.execute("SELECT rules FROM counter").fetchone()[0] != self._revision:
            self.reload()
        if self._open:
            ours = "SELECT hold FROM holds INDEXED BY holds_unknown WHERE unknown = 1 AND hold BETWEEN ? AND ?"
            found = self._cursor.execute(ours, (self._first_hold, self._last_hold))
            self._charged = {hold for (hold,) in found}

    def reload(self) -> None:
        """Read the rules, whoever changed them."""
        execute = self._cursor.execute
        self._revision = execute("SELECT rules FROM counter").fetchone()[0]
        stored = [Rule(account, period, _read_names(limits)) for account, period, limits in execute(
            "SELECT account, period, limits FROM rules"
        )]  # fmt: skip
        zones = {tenant: ZoneInfo(zone) for tenant, zone in execute("SELECT tenant, zone FROM zones")}
        self.book = RuleBook(self.declared.rules, stored, {**self.declared.zones, **zones})
        self.declared.compare()
        self.frozen = {account for (account,) in execute("SELECT account FROM freezes")}
        self._windows.forget()
        # A hold of ours that was charged as lost may have been refunded since: there is nothing to settle.
        if self._open:
            found = execute("SELECT hold FROM holds WHERE hold BETWEEN ? AND ?", (self._first_hold, self._last_hold))
            kept = {hold for (hold,) in found}
            for key, held in [item for item in self._open.items() if item[1].hold not in kept]:
                del self._open[key]
                self._undo.append((key, held))

    def post(self, run: int, posting: Posting) -> Refusal | None:
        """Book a posting of a run; the settlement counts even if the claim is refused."""
        if posting.settlement is not None:
            self._settle(run, posting.settlement)
        if posting.used is not None:
            self._book_used(posting.used)
        return None if posting.claim is None else self._claim(run, posting.claim)

    def flush(self) -> None:
        """Write what was booked."""
        cursor = self._cursor
        if self._new:
            self._insert_holds.execute(cursor, self._new)
        if self._closed:
            self._delete_holds.execute(cursor, self._closed)
        if self._unknown:
            self._mark_holds.execute(cursor, self._unknown)
        self._windows.flush()
        self._new, self._closed, self._unknown = [], [], []

    def keep_one(self) -> None:
        """An operation by itself is done; the transaction is not committed yet."""
        self._undo.clear()

    def keep(self) -> None:
        """The transaction is committed."""
        self._undo.clear()
        self._touched = False

    def undo(self) -> None:
        """The transaction was rolled back, or is about to be: what it booked never happened."""
        if not self._touched:
            return
        self._touched = False
        for key, held in reversed(self._undo):
            if held is None:
                self._open.pop(key, None)
            else:
                self._open[key] = held
        self._undo.clear()
        self._new, self._closed, self._unknown = [], [], []
        self._windows.dirty = {}
        self._version = self._revision = -1
        self._windows.forget()

    def drop(self, run: int) -> None:
        """Nothing more will come of a run: whoever looks for lost holds charges what it has open."""
        for key in [key for key in self._open if key[0] == run]:
            del self._open[key]

    def charge_lost(self) -> int:
        """Charge in full the open holds of runs whose worker is gone or that have ended; how many there were."""
        rows = self._cursor.execute(FIND_LOST, (self._clock.now(),)).fetchall()
        ours = {held.hold: key for key, held in self._open.items()}
        lost = [row for row in rows if row[0] not in ours or row[4]]
        for hold, tokens, nano, windows, _ in lost:
            if hold in ours:  # its run has ended without it
                self._undo.append((ours[hold], self._open.pop(ours[hold])))
            for window in map(self._windows.change, _numbers(windows)):
                window.reserved_tokens -= tokens
                window.reserved_nano -= nano
                window.spent_tokens += tokens
                window.spent_nano += nano
            self._unknown.append(hold)
        self.flush()
        return len(lost)

    def declare(self) -> None:
        """Limits of the settings are others than those of the process before: see `Declared`."""
        self.declared.catch_up(self._windows, self.book, self._clock.now())
        self.flush()
        self.reload()

    def catch_up(self, before: RuleBook, account: str = "*") -> None:
        """Limits or time zones were changed from ``before``: see `Windows.catch_up`."""
        self._windows.catch_up(self._clock.now(), before, self.book, account)
        self.flush()

    def refund(self, run_id: str, number: int, tokens: int, nano: int) -> Held | None:
        """Replace the full charge of an unknown hold by what it cost; None if there is no such hold (any more)."""
        row = self._cursor.execute(FIND_UNKNOWN, (run_id, number)).fetchone()
        if row is None:
            row = self._cursor.execute(FIND_LEFT, (run_id, self._clock.now(), 0.0, number)).fetchone()
        if row is None:
            return None
        hold, held_tokens, held_nano, windows, account, at, *names = row
        account = account or make_payers(*names).chain[-1]
        held = Held(hold, held_tokens, held_nano, tuple(_numbers(windows)), account, at)
        self._correct(held, tokens, nano)
        self.flush()
        return held

    # Within one posting:

    def _claim(self, run: int, claim: Claim) -> Refusal | None:
        if not self.book.limits_anything and not self.frozen:
            return None
        now = self._clock.now()
        path = self._windows.find_path(claim.payers, self.book, now)
        windows, dirty = path.windows, self._windows.dirty
        tokens, nano = claim.tokens, claim.nano
        for window in windows:
            limits = window.limits
            if (
                window.spent_tokens + window.reserved_tokens + tokens > limits.tokens
                or window.spent_nano + window.reserved_nano + nano > limits.nano
                or window.steps + claim.steps > limits.steps
                or window.model_calls + claim.model_calls > limits.model_calls
                or window.tool_calls + claim.tool_calls > limits.tool_calls
            ):
                return self._refuse(claim, windows)
        if self.frozen and not self.frozen.isdisjoint(claim.payers.chain):
            return self._refuse(claim, windows)
        if claim.hold and not claim.prices:
            for window in windows:
                if window.limits.nano < INFINITE:
                    return Refusal(window.account, window.period, UNPRICED, window.limits.nano, 0, 0, None)
        if not windows:
            return None
        for window in windows:
            window.reserved_tokens += tokens
            window.reserved_nano += nano
            window.steps += claim.steps
            window.model_calls += claim.model_calls
            window.tool_calls += claim.tool_calls
            window.caps = window.limits
            dirty[window.window] = window
        if claim.hold:
            self._hold(run, claim, windows[-1].account, path.numbers, now)
        return None

    def _book_used(self, used: Claim) -> None:
        """Tool calls that were made: they are the truth, whatever the limit says."""
        if self.book.limits_anything:
            for window in self._windows.find_path(used.payers, self.book, self._clock.now()).windows:
                spent = window.spent()
                window.count(replace(spent, tool_calls=spent.tool_calls + used.tool_calls))
                self._windows.dirty[window.window] = window

    def _hold(self, run: int, claim: Claim, account: str, windows: tuple[int, ...], now: float) -> None:
        self._last_hold += 1
        key = run, claim.hold
        assert key not in self._open, "a hold is claimed once"
        self._open[key] = Held(self._last_hold, claim.tokens, claim.nano, windows, account)
        self._undo.append((key, None))
        names = " ".join(map(str, windows))
        self._new += (
            self._last_hold, run, claim.hold, claim.tokens, claim.nano, now, names, account, claim.prices
        )  # fmt: skip

    def _settle(self, run: int, settlement: Settlement) -> None:
        key = run, settlement.hold
        held = self._open.pop(key, None)
        if held is None:  # nothing was booked, or it is settled
            if not (settlement.known or settlement.limited):
                self._last_hold += 1
                values = (self._last_hold, run, settlement.hold, settlement.tokens, settlement.nano, self._clock.now())
                self._cursor.execute(NOTE_UNKNOWN, values)
            return
        self._undo.append((key, held))
        tokens, nano = (settlement.tokens, settlement.nano) if settlement.known else (held.tokens, held.nano)
        if held.hold in self._charged:
            if settlement.known:
                self._correct(held, tokens, nano)
            return
        if tokens > held.tokens or nano > held.nano:
            self._book_excess(held, tokens, nano)
        change = self._windows.change
        for number in held.windows:
            window = change(number)
            window.reserved_tokens -= held.tokens
            window.reserved_nano -= held.nano
            window.spent_tokens += tokens
            window.spent_nano += nano
        (self._closed if settlement.known else self._unknown).append(held.hold)

    def _correct(self, held: Held, tokens: int, nano: int) -> None:
        """Late evidence: the hold was charged in full, and this is what it cost."""
        if held.windows and (tokens > held.tokens or nano > held.nano):
            self._book_excess(held, tokens, nano)
        for window in map(self._windows.change, held.windows):
            window.spent_tokens += tokens - held.tokens
            window.spent_nano += nano - held.nano
        self._closed.append(held.hold)

    def _book_excess(self, held: Held, tokens: int, nano: int) -> None:
        """The provider charged more than was held: the truth is booked, and the nearest account waits for a person."""
        more_tokens, more_nano = max(0, tokens - held.tokens), max(0, nano - held.nano)
        for window in map(self._windows.change, held.windows):
            window.overrun_tokens += more_tokens
            window.overrun_nano += more_nano
        values = (held.account, self._clock.now(), more_tokens, more_nano)
        self._cursor.execute(_FREEZE, values)
        self._cursor.execute("UPDATE counter SET rules = rules + 1")
        self._revision = self._cursor.execute("SELECT rules FROM counter").fetchone()[0]
        self.frozen.add(held.account)

    def _refuse(self, claim: Claim, windows: tuple[Window, ...]) -> Refusal:
        room_tokens = min([w.limits.tokens - w.spent_tokens - w.reserved_tokens for w in windows], default=INFINITE)
        room_nano = min([w.limits.nano - w.spent_nano - w.reserved_nano for w in windows], default=INFINITE)
        needed = Amounts(claim.tokens, claim.nano, claim.steps, claim.model_calls, claim.tool_calls).named()
        for account in claim.payers.chain:
            if account in self.frozen:
                return Refusal(account, "total", "frozen", 0, 0, 0, None)
            for window in windows:
                if window.account != account:
                    continue
                used, limits = window.committed().named(), window.limits.named()
                for name in AMOUNTS:
                    if used[name] + needed[name] > limits[name]:
                        resets_at = None if window.period == "total" else float(window.ends_at)
                        left = max(0, limits[name] - used[name])
                        room = max(0, room_tokens), max(0, room_nano)
                        zone = self.book.zone(name_parts(account)[0]).key
                        reserved = {"tokens": window.reserved_tokens, "usd": window.reserved_nano}
                        held = reserved.get(name, 0)
                        return Refusal(
                            account, window.period, name, limits[name], left, needed[name], resets_at, zone, *room, held
                        )
        raise AssertionError("one of the accounts has no room")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split()]

"""Limits and balances in SQLite: what people ask of the ledger, beside what runs post to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from surefoot.budget.accounts import (
    AMOUNTS,
    Amounts,
    Period,
    Rule,
    RuleBook,
    check_change,
    make_payers,
    name_parts,
    to_table,
)
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import Balance, RuleChange, UnknownHold
from surefoot.budget.windows import FOREVER, find_window, read_zone
from surefoot.clock import Clock
from surefoot.errors import StoreError
from surefoot.store.declared import digest
from surefoot.store.ledger import Ledger
from surefoot.store.purge import purge
from surefoot.store.reader import Reader
from surefoot.store.said import SAID
from surefoot.store.writer import Writer
from surefoot.types import Unlimited

ZONE: Final = "timezone"
ACKNOWLEDGED: Final = "acknowledged"
REFUNDED: Final = "refunded"
"""Changes that are no limits, where a limit has its period."""

_FIND_RULE: Final = "SELECT limits FROM rules WHERE account = ? AND period = ?"
_BALANCES: Final = """
    SELECT account, period, starts_at, ends_at, spent_tokens, spent_nano, steps, model_calls, tool_calls,
           reserved_tokens, reserved_nano, overrun_tokens, overrun_nano, account IN (SELECT account FROM freezes)
    FROM windows AS here WHERE (starts_at <= ? AND ends_at > ? OR account IN (SELECT account FROM freezes)
        AND window = (SELECT max(window) FROM windows WHERE account = here.account))
"""
_CHANGES: Final = "SELECT at, account, period, before, after, by FROM changes"
_UNKNOWN: Final = f"""
    WITH live AS (SELECT run FROM runs JOIN leases USING (run) WHERE finished_at = 0 AND expires_at <= ?), {SAID},
    refunded AS (
        SELECT before ->> '$.run' AS run_id, before ->> '$.hold' AS number FROM changes WHERE period = 'refunded'
    )
    SELECT run_id, number, at, holds.tokens, holds.nano, prices FROM holds JOIN runs USING (run) WHERE unknown = 1
    UNION
    SELECT run_id, hold, at, hold_tokens, hold_nano, prices FROM open JOIN runs USING (run)
    WHERE (run, hold) NOT IN (SELECT run, number FROM holds) AND (run_id, hold) NOT IN refunded
    ORDER BY at DESC, number DESC LIMIT ?
"""
"""Those that the ledger has, and of runs whose process is gone those that no account was charged for."""
_read_limits = msgspec.json.Decoder(dict[str, int]).decode
_read_table = msgspec.json.Decoder(dict[str, int | str] | None).decode

T = TypeVar("T")
Books = tuple[sqlite3.Cursor, Ledger]
"""What the thread that writes works with."""
Transaction = Callable[[Books], T]
Table = Mapping[str, int | str] | None


class SqliteAccounts:
    """Implements `surefoot.store.base.Accounts`."""

    def __init__(self, clock: Clock, reader: Reader) -> None:
        """Nothing is opened yet; `attach` follows."""
        self.rules: Sequence[Rule] = ()
        self.zones: Mapping[str, ZoneInfo] = {}
        self._clock = clock
        self._reader = reader
        self._writer: Writer
        self._is_open = False

    def attach(self, writer: Writer) -> None:
        """The writer is open."""
        self._writer = writer
        self._is_open = True

    @property
    def book(self) -> RuleBook:
        """See `Accounts.book`."""
        return self._writer.ledger.book

    def declare(self, rules: Sequence[Rule], zones: Mapping[str, ZoneInfo]) -> None:
        """See `Accounts.declare`."""
        self.rules, self.zones = rules, zones

    async def differs(self) -> bool:
        """See `Accounts.differs`."""
        ((written,),) = await self._reader.read("SELECT declared FROM counter")
        return bool(written != digest(self.rules, self.zones))

    async def change_rule(
        self, account: str, period: Period, limits: Mapping[str, int | Unlimited | None], *, by: str = ""
    ) -> dict[str, int]:
        """See `Accounts.change_rule`."""
        checked = check_change(account, period, limits)
        plain = {name: None if limit is None else int(limit) for name, limit in checked.items()}  # `Money` is one, too
        return await self._do(partial(self._change_rule, Rule(account, period, {}), plain, by))

    async def change_zone(self, tenant: str, zone: str, *, by: str = "") -> None:
        """See `Accounts.change_zone`."""
        if zone:
            read_zone(zone, f"the time zone of {tenant or 'all tenants'}")
        await self._do(partial(self._change_zone, tenant, zone, by))

    async def changes(self, account: str | None = None, limit: int = 100) -> list[RuleChange]:
        """See `Accounts.changes`."""
        which, values = ("", ()) if account is None else (" WHERE account = ?", (account,))
        rows = await self._reader.read(f"{_CHANGES}{which} ORDER BY rowid DESC LIMIT ?", *values, limit)
        return [
            RuleChange(
                at=at,
                account=name,
                period=period,
                before=_read_table(before or "null"),
                after=_read_table(after or "null"),
                by=by,
            )
            for at, name, period, before, after, by in rows
        ]

    async def balances(self, accounts: Sequence[str] | None = None) -> list[Balance]:
        """See `Accounts.balances`."""
        book = await self._do(lambda books: books[1].book)  # as it is now, whoever changed it
        now = self._clock.now()
        rows: list[Any] = []
        if accounts is None:
            rows = await self._reader.read(f"{_BALANCES} ORDER BY window", now, now)
        for account in accounts or ():
            rows += await self._reader.read(f"{_BALANCES} AND account = ? ORDER BY window", now, now, account)
        return [balance for row in rows if (balance := _make_balance(row, book, now)) is not None]

    async def acknowledge(self, account: str, *, by: str = "") -> bool:
        """See `Accounts.acknowledge`."""
        return await self._do(partial(self._acknowledge, account, by))

    async def charge_lost(self) -> int:
        """See `Accounts.charge_lost`."""
        return await self._do(lambda books: books[1].charge_lost())

    async def refund(self, run_id: str, hold: int, tokens: int, nano: int, *, by: str = "") -> bool:
        """See `Accounts.refund`."""
        assert tokens >= 0
        assert nano >= 0
        evidence = UnknownHold(run_id=run_id, hold=hold, at=self._clock.now(), tokens=int(tokens), nano=int(nano))
        return await self._do(partial(self._refund, evidence, by))

    async def unknown_holds(self, limit: int = 100) -> list[UnknownHold]:
        """See `Accounts.unknown_holds`."""
        rows = await self._reader.read(_UNKNOWN, self._clock.now(), 0.0, limit)
        return [
            UnknownHold(run_id=run_id, hold=hold, at=at, tokens=tokens, nano=nano, prices=prices)
            for run_id, hold, at, tokens, nano, prices in rows
        ]

    async def purge(self, before: float, most: int = 1_000) -> int:
        """See `Accounts.purge`."""
        assert most > 0
        return await self._do(partial(_purge, before, most))

    async def _do(self, work: Transaction[T]) -> T:
        if not self._is_open:
            raise StoreError("the store is not open: use the runtime inside `async with Runtime() as runtime:`")
        outcome: T = await self._writer.transact(work)
        return outcome

    # In the thread that writes:

    def _change_rule(self, rule: Rule, limits: Mapping[str, int | None], by: str, books: Books) -> dict[str, int]:
        cursor, ledger = books
        where, book = (rule.account, rule.period), ledger.book
        row = cursor.execute(_FIND_RULE, where).fetchone()
        before = {} if row is None else _read_limits(row[0])
        merged = {**before, **limits}
        after = {name: limit for name in AMOUNTS if (limit := merged.get(name)) is not None}
        if after:
            cursor.execute("REPLACE INTO rules VALUES (?, ?, ?)", (*where, _to_json(after)))
        else:
            cursor.execute("DELETE FROM rules WHERE account = ? AND period = ?", where)
        self._note(books, where, (to_table(before) or None, to_table(after) or None), by)
        ledger.catch_up(book, rule.account)
        return after

    def _change_zone(self, tenant: str, zone: str, by: str, books: Books) -> None:
        cursor, ledger = books
        book = ledger.book
        row = cursor.execute("SELECT zone FROM zones WHERE tenant = ?", (tenant,)).fetchone()
        if zone:
            cursor.execute("REPLACE INTO zones VALUES (?, ?)", (tenant, zone))
        else:
            cursor.execute("DELETE FROM zones WHERE tenant = ?", (tenant,))
        before: Table = None if row is None else {ZONE: row[0]}
        account = make_payers(tenant, "", "").chain[-1]
        self._note(books, (account, ZONE), (before, {ZONE: zone} if zone else None), by)
        ledger.catch_up(book)

    def _acknowledge(self, account: str, by: str, books: Books) -> bool:
        cursor, _ = books
        row = cursor.execute("SELECT tokens, nano FROM freezes WHERE account = ?", (account,)).fetchone()
        if row is None:
            return False
        cursor.execute("DELETE FROM freezes WHERE account = ?", (account,))
        self._note(books, (account, ACKNOWLEDGED), ({"tokens": row[0], "usd": row[1]}, None), by)
        return True

    def _refund(self, hold: UnknownHold, by: str, books: Books) -> bool:
        _, ledger = books
        held = ledger.refund(hold.run_id, hold.hold, hold.tokens, hold.nano)
        if held is None:
            return False
        amounts = {"tokens": held.tokens, "usd": held.nano}
        before: Table = {"run": hold.run_id, "hold": hold.hold, "at": int(held.at), **amounts}
        self._note(books, (held.account, REFUNDED), (before, {"tokens": hold.tokens, "usd": hold.nano}), by)
        return True

    def _note(self, books: Books, what: tuple[str, str], tables: tuple[Table, Table], by: str) -> None:
        """For the history, and for every process to see."""
        cursor, ledger = books
        values = (self._clock.now(), *what, *map(_to_json, tables), by)
        cursor.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)", values)
        cursor.execute("UPDATE counter SET rules = rules + 1")
        ledger.reload()


def _purge(before: float, most: int, books: Books) -> int:
    cursor, ledger = books
    ledger.charge_lost()
    gone = purge(cursor, before, most)
    ledger.reload()
    return gone


def _to_json(table: Table) -> str | None:
    return None if table is None else msgspec.json.encode(table).decode()


def _make_balance(row: tuple[Any, ...], book: RuleBook, now: float) -> Balance | None:
    """None for a window that does not count any more: its limit was taken back, or its time zone is another now."""
    account, period, starts_at, ends_at, *figures = row
    limits = dict(book.limits_of(account)).get(period)
    is_frozen = bool(figures[-1])
    zone = book.zone(name_parts(account)[0])
    if (limits is None or find_window(period, now, zone) != (starts_at, ends_at)) and not is_frozen:
        return None
    return Balance(
        account=account,
        period=period,
        starts_at=float(starts_at),
        ends_at=float("inf") if ends_at >= FOREVER else float(ends_at),
        zone=zone.key,
        limits=limits or Amounts(*[INFINITE] * len(AMOUNTS)),
        spent=Amounts(*figures[:5]),
        reserved_tokens=figures[5],
        reserved_nano=figures[6],
        overrun_tokens=figures[7],
        overrun_nano=figures[8],
        frozen=is_frozen,
    )

"""The windows of accounts in SQLite: what was spent and reserved in each, as it will be after this transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, cast

from msgspec import Struct
from msgspec.structs import astuple

from surefoot.budget.accounts import Amounts, Payers, Period, RuleBook, is_pattern, name_parts
from surefoot.budget.windows import FOREVER, find_window
from surefoot.store.said import SAID
from surefoot.store.statements import ManyRows

MAX_WINDOWS: Final = 50_000
"""Windows in memory; when there are more, all are forgotten and those in use are read again."""

_COLUMNS: Final = (
    "spent_tokens, reserved_tokens, overrun_tokens, cap_tokens, spent_nano, reserved_nano, overrun_nano, cap_nano, "
    "steps, cap_steps, model_calls, cap_model_calls, tool_calls, cap_tool_calls"
)
_COUNT: Final = _COLUMNS.count(",") + 1
_FIND: Final = f"SELECT window, {_COLUMNS} FROM windows WHERE account = ? AND period = ? AND starts_at = ?"
_LOAD: Final = f"SELECT account, period, starts_at, ends_at, {_COLUMNS} FROM windows WHERE window = ?"
_INSERT: Final = f"""
    INSERT INTO windows (account, period, starts_at, ends_at, {_COLUMNS}) VALUES (?, ?, ?, ?{", ?" * _COUNT})
"""
_UPDATE: Final = f"""
    WITH new AS (:rows)
    UPDATE windows SET ({_COLUMNS}) = ({", ".join([f"column{number}" for number in range(2, _COUNT + 2)])})
    FROM new WHERE window = column1
"""
_SPENT_BEFORE: Final = """
    SELECT coalesce(sum(tokens), 0), coalesce(sum(nano), 0), coalesce(sum(steps), 0), coalesce(sum(model_calls), 0),
           coalesce(sum(tool_calls), 0)
    FROM runs WHERE started_at >= ? AND finished_at > 0
"""
_SPENT_BY_LIVE: Final = f"""
    WITH live AS MATERIALIZED (
        SELECT run FROM runs WHERE run IN (SELECT run FROM leases) AND finished_at = 0:of
        UNION SELECT run FROM runs WHERE started_at >= ? AND finished_at = 0:of
    ), {SAID}, asked AS MATERIALIZED (
        SELECT run, hold FROM said WHERE type = 'model_requested'
    ), ended AS (
        SELECT tokens, nano FROM said WHERE type IN ('model_replied', 'model_failed') AND (run, hold) IN asked
    ), elsewhere AS (
        SELECT * FROM open WHERE NOT EXISTS (
            SELECT 1 FROM holds WHERE holds.run = open.run AND number = open.hold AND unknown = 0
                AND ' ' || windows || ' ' LIKE '% ' || ? || ' %')
    )
    SELECT (SELECT coalesce(sum(tokens), 0) FROM ended) + (SELECT coalesce(sum(hold_tokens), 0) FROM elsewhere),
           (SELECT coalesce(sum(nano), 0) FROM ended) + (SELECT coalesce(sum(hold_nano), 0) FROM elsewhere),
           (SELECT count(*) FROM said WHERE type = 'model_requested' AND attempt = 1),
           (SELECT count(*) FROM said WHERE type = 'model_requested'),
           (SELECT count(*) FROM said WHERE type = 'tool_intended')
"""
"""The same of runs that have not ended, from their journals. A call in flight counts as all that it holds, for nobody
will tell the window how it ended, unless its hold is booked there; and so does one of a run whose process is gone. A
call is of the window in which it was asked for: that is where its hold was booked, if it was."""
_REFUNDED: Final = """
    SELECT coalesce(sum((after ->> '$.tokens') - (before ->> '$.tokens')), 0),
           coalesce(sum((after ->> '$.usd') - (before ->> '$.usd')), 0)
    FROM changes JOIN runs ON run_id = before ->> '$.run'
    WHERE period = 'refunded'
        AND CASE finished_at WHEN 0 THEN coalesce(before ->> '$.at', changes.at) ELSE started_at END >= ?
"""
"""What late evidence has changed of the two."""
_OF_ACCOUNT: Final = {
    "global": "",
    "tenant": " AND tenant = ? AND tenant <> ''",
    "user": " AND tenant = ? AND user = ?",
    "session": " AND tenant = ? AND user = ? AND session = ? AND session <> ''",
}


Bounds = tuple[int, int]
"""First second of a window, and the first after it."""


class Window:
    """One window of an account as it will be after this transaction."""

    __slots__ = (
        "account", "caps", "ends_at", "limits", "model_calls", "overrun_nano", "overrun_tokens", "period",
        "reserved_nano", "reserved_tokens", "spent_nano", "spent_tokens", "starts_at", "steps", "tool_calls", "window",
    )  # fmt: skip

    limits: Amounts

    def __init__(self, window: int, account: str, period: Period, bounds: Bounds, values: Sequence[int]) -> None:
        self.window = window
        self.account = account
        self.period: Period = period
        self.starts_at, self.ends_at = bounds
        self.spent_tokens, self.reserved_tokens, self.overrun_tokens, cap_tokens = values[:4]
        self.spent_nano, self.reserved_nano, self.overrun_nano, cap_nano = values[4:8]
        self.steps, cap_steps, self.model_calls, cap_model_calls, self.tool_calls, cap_tool_calls = values[8:]
        self.caps = Amounts(cap_tokens, cap_nano, cap_steps, cap_model_calls, cap_tool_calls)

    def spent(self) -> Amounts:
        """What was charged."""
        return Amounts(self.spent_tokens, self.spent_nano, self.steps, self.model_calls, self.tool_calls)

    def committed(self) -> Amounts:
        """What was charged, and what is held for calls in flight."""
        tokens, nano = self.spent_tokens + self.reserved_tokens, self.spent_nano + self.reserved_nano
        return Amounts(tokens, nano, self.steps, self.model_calls, self.tool_calls)

    def count(self, spent: Amounts) -> None:
        """Raise what was charged; the caps give way, for it is spent already."""
        self.spent_tokens, self.spent_nano = spent.tokens, spent.nano
        self.steps, self.model_calls, self.tool_calls = spent.steps, spent.model_calls, spent.tool_calls
        tokens, nano = spent.tokens + self.reserved_tokens, spent.nano + self.reserved_nano
        used = tokens, nano, spent.steps, spent.model_calls, spent.tool_calls
        self.caps = Amounts(*map(max, astuple(self.caps), used))

    def values(self) -> tuple[int, ...]:
        """Its columns, in the order of ``_COLUMNS``."""
        caps = self.caps
        return (
            self.spent_tokens, self.reserved_tokens, self.overrun_tokens, caps.tokens,
            self.spent_nano, self.reserved_nano, self.overrun_nano, caps.nano,
            self.steps, caps.steps, self.model_calls, caps.model_calls, self.tool_calls, caps.tool_calls,
        )  # fmt: skip


class Path(Struct, frozen=True):
    """The windows that a chain of accounts pays from.

    Attributes:
        begin: Wall time, seconds, from which they are these.
        end: Wall time, seconds, until which they are these.
        windows: The windows, those of the root first.
        numbers: Their numbers.
    """

    begin: float
    end: float
    windows: tuple[Window, ...]
    numbers: tuple[int, ...]


_CURRENT: Final = """
    SELECT window, account, period, starts_at, ends_at FROM windows
    WHERE account BETWEEN ? AND ? AND starts_at <= ? AND ends_at > ?
"""
_ALL: Final = "*"
_LAST_CHARACTER: Final = "\U0010ffff"


class Windows:
    """The windows in use. Every method needs an open transaction.

    Attributes:
        dirty: Windows to be written by `flush`, by number.
    """

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.dirty: dict[int, Window] = {}
        self._cursor = cursor
        self._windows: dict[int, Window] = {}
        self._paths: dict[tuple[str, ...], Path] = {}
        self._update = ManyRows(_COUNT + 1, _UPDATE)

    def find_path(self, payers: Payers, book: RuleBook, now: float) -> Path:
        """Where a claim of these payers is booked at this instant."""
        path = self._paths.get(payers.chain)
        if path is not None and path.begin <= now < path.end:
            return path
        if len(self._windows) + len(self._paths) > MAX_WINDOWS:
            self.flush()
            self.forget()
        begin, end = 0, FOREVER
        windows: list[Window] = []
        for account in payers.chain:
            zone = book.zone(name_parts(account)[0])  # all tenants share the days of ``global``
            for period, limits in book.limits_of(account):
                if period != "run":
                    bounds = find_window(period, now, zone)
                    begin, end = max(begin, bounds[0]), min(end, bounds[1])
                    windows.append(window := self._find(account, period, bounds, limits))
                    window.limits = limits
        path = Path(begin, end, tuple(windows), tuple([window.window for window in windows]))
        self._paths[payers.chain] = path
        return path

    def change(self, number: int) -> Window:
        """A window that is about to be changed."""
        window = self._windows.get(number) or self._load(number)
        self.dirty[number] = window
        return window

    def catch_up(self, now: float, before: RuleBook, book: RuleBook, account: str = _ALL) -> None:
        """Count what was spent past the windows of now that count from here on, and did not under ``before``.

        They had no limit, or began elsewhere: their time zone was another. Of ``account`` or pattern, or of all.
        """
        first = account.removesuffix("*") if is_pattern(account) else account
        last = first + _LAST_CHARACTER if is_pattern(account) else first
        for number, name, period, *bounds in self._cursor.execute(_CURRENT, (first, last, now, now)).fetchall():
            if _counts(book, name, period, now, bounds) and not _counts(before, name, period, now, bounds):
                window = self.change(number)
                spent = self._spent_before(name, window.starts_at, number)
                window.count(Amounts(*map(max, spent, astuple(window.spent()))))

    def flush(self) -> None:
        """Write what was changed."""
        if self.dirty:
            rows = [value for window in self.dirty.values() for value in (window.window, *window.values())]
            self._update.execute(self._cursor, rows)
            self.dirty = {}

    def forget(self) -> None:
        """Read everything anew."""
        self._windows.clear()
        self._paths.clear()

    def _find(self, account: str, period: Period, bounds: Bounds, limits: Amounts) -> Window:
        row = self._cursor.execute(_FIND, (account, period, bounds[0])).fetchone()
        if row is None:
            return self._begin(account, period, bounds, limits)
        number: int = row[0]
        found = self._windows.get(number)
        if found is None:
            self._windows[number] = found = Window(number, account, period, bounds, row[1:])
        return found

    def _begin(self, account: str, period: Period, bounds: Bounds, limits: Amounts) -> Window:
        """A new window, with what finished runs have spent in it before anybody set a limit."""
        tokens, nano, steps, calls, tool_calls = self._spent_before(account, bounds[0])
        values = (
            tokens, 0, 0, max(limits.tokens, tokens), nano, 0, 0, max(limits.nano, nano), steps,
            max(limits.steps, steps), calls, max(limits.model_calls, calls), tool_calls,
            max(limits.tool_calls, tool_calls),
        )  # fmt: skip
        self._cursor.execute(_INSERT, (account, period, *bounds, *values))
        number = cast("int", self._cursor.lastrowid)
        self._windows[number] = window = Window(number, account, period, bounds, values)
        return window

    def _spent_before(self, account: str, start: int, window: int = 0) -> tuple[int, ...]:
        """What the runs of an account have spent since ``start``, past what is held in ``window`` if it is there."""
        which = _OF_ACCOUNT[account.partition(":")[0]]
        names = name_parts(account)[: which.count("?")]
        ended = self._cursor.execute(_SPENT_BEFORE + which, (start, *names)).fetchone()
        of_live = (*names, start, *names, start, window)
        live = self._cursor.execute(_SPENT_BY_LIVE.replace(":of", which), of_live).fetchone()
        late = self._cursor.execute(_REFUNDED + which, (start, *names)).fetchone()
        return tuple([max(0, sum(parts)) for parts in zip(ended, live, (*late, 0, 0, 0), strict=True)])

    def _load(self, number: int) -> Window:
        account, period, starts_at, ends_at, *values = self._cursor.execute(_LOAD, (number,)).fetchone()
        self._windows[number] = window = Window(number, account, period, (starts_at, ends_at), values)
        return window


def _counts(book: RuleBook, account: str, period: Period, now: float, bounds: Sequence[int]) -> bool:
    """Whether calls of now are booked in that window under those limits and time zones."""
    if all(limited != period for limited, _ in book.limits_of(account)):
        return False
    assert period != "run", "it has no window"
    return find_window(period, now, book.zone(name_parts(account)[0])) == tuple(bounds)

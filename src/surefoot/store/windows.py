"""The windows of accounts in SQLite: what was spent and reserved in each, as it will be after this transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, cast

from msgspec import Struct
from msgspec.structs import astuple

from surefoot.budget.accounts import Amounts, Payers, Period, Rule, RuleBook, is_pattern, name_parts
from surefoot.budget.windows import FOREVER, find_window
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
_SPENT_BY_LIVE: Final = """
    WITH live AS MATERIALIZED (SELECT run FROM runs JOIN leases USING (run) WHERE finished_at = 0:of),
    said AS MATERIALIZED (
        SELECT run, value ->> '$.type' AS type, value ->> '$.hold' AS hold, value ->> '$.tokens' AS tokens,
               coalesce(value ->> '$.nano', 0) AS nano, value ->> '$.hold_tokens' AS hold_tokens,
               coalesce(value ->> '$.hold_nano', 0) AS hold_nano, coalesce(value ->> '$.attempt', 1) AS attempt
        FROM (SELECT run, CAST(body AS TEXT) AS record FROM live JOIN records USING (run) ORDER BY records.rowid),
             json_each(CASE WHEN json_valid(record) AND json_type(record) = 'array' THEN record ELSE '[]' END)
        WHERE json_each.type = 'object' AND value ->> '$.at' >= ?
    ),
    open AS (
        SELECT * FROM said AS asked WHERE type = 'model_requested' AND NOT EXISTS (
            SELECT 1 FROM said
            WHERE run = asked.run AND hold = asked.hold AND type IN ('model_replied', 'model_failed'))
    )
    SELECT (SELECT coalesce(sum(tokens), 0) FROM said WHERE type IN ('model_replied', 'model_failed'))
               + (SELECT coalesce(sum(hold_tokens), 0) FROM open),
           (SELECT coalesce(sum(nano), 0) FROM said WHERE type IN ('model_replied', 'model_failed'))
               + (SELECT coalesce(sum(hold_nano), 0) FROM open),
           (SELECT count(*) FROM said WHERE type = 'model_requested' AND attempt = 1),
           (SELECT count(*) FROM said WHERE type = 'model_requested'),
           (SELECT count(*) FROM said WHERE type = 'tool_intended')
"""
"""The same of runs that have not ended, from their journals: the one place where the store reads what is in a record. A
call in flight counts as all that it holds, for nobody will tell the window how it ended."""
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
    SELECT window, account FROM windows
    WHERE account BETWEEN ? AND ? AND period = ? AND starts_at <= ? AND ends_at > ?
"""
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

    def catch_up(self, rule: Rule, now: float, before: RuleBook, book: RuleBook) -> None:
        """Count what finished runs have spent while a window was without a limit, where ``rule`` gives it one again."""
        pattern = is_pattern(rule.account)
        first = rule.account.removesuffix("*") if pattern else rule.account
        last = first + _LAST_CHARACTER if pattern else first
        for number, account in self._cursor.execute(_CURRENT, (first, last, rule.period, now, now)).fetchall():
            had, has = [any(period == rule.period for period, _ in of.limits_of(account)) for of in (before, book)]
            if has and not had:
                window = self.change(number)
                spent = self._spent_before(account, window.starts_at)
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

    def _spent_before(self, account: str, start: int) -> tuple[int, ...]:
        """What the runs of an account have spent since ``start``, in the order of `AMOUNTS`."""
        which = _OF_ACCOUNT[account.partition(":")[0]]
        names = name_parts(account)[: which.count("?")]
        ended = self._cursor.execute(_SPENT_BEFORE + which, (start, *names)).fetchone()
        live = self._cursor.execute(_SPENT_BY_LIVE.replace(":of", which), (*names, start)).fetchone()
        return tuple([sum(pair) for pair in zip(ended, live, strict=True)])

    def _load(self, number: int) -> Window:
        account, period, starts_at, ends_at, *values = self._cursor.execute(_LOAD, (number,)).fetchone()
        self._windows[number] = window = Window(number, account, period, (starts_at, ends_at), values)
        return window

"""An accountant of its own: what every account must have spent and reserved, from what passes the store's port.

It shares no code with the ledger but the reading of limits and time zones. It is told of claims and settlements when
they are committed, and compares its sums with the rows that the commit has written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from surefoot.budget.accounts import Rule
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import Claim, Settlement
from surefoot.budget.windows import WindowPeriod, find_window

Key = tuple[str, WindowPeriod, int]
"""Account, period and first second of a window."""

Row = tuple[Any, ...]
"""Of the windows, as `_COLUMNS` says."""

FIGURES: Final = ("tokens", "usd", "steps", "model_calls", "tool_calls")
_NOTHING: Final[tuple[None, list[Key]]] = (None, [])
_WATCH: Final = (
    "CREATE TEMP TABLE touched (window INTEGER PRIMARY KEY)",
    """CREATE TEMP TRIGGER begun AFTER INSERT ON main.windows
       BEGIN INSERT OR IGNORE INTO touched VALUES (new.window); END""",
    """CREATE TEMP TRIGGER changed AFTER UPDATE ON main.windows
       BEGIN INSERT OR IGNORE INTO touched VALUES (new.window); END""",
)
_COLUMNS: Final = (
    "account, period, starts_at, spent_tokens + reserved_tokens, spent_nano + reserved_nano, steps, model_calls, "
    "tool_calls, overrun_tokens, overrun_nano, spent_tokens, spent_nano, reserved_tokens, reserved_nano"
)
_TOUCHED: Final = f"SELECT {_COLUMNS} FROM windows JOIN touched USING (window) ORDER BY window"
_ALL: Final = f"SELECT {_COLUMNS} FROM windows ORDER BY window"


class Books:
    """What the accounts must say."""

    def __init__(self, rules: Iterable[Rule], zones: Mapping[str, ZoneInfo]) -> None:
        """For the limits and time zones of the settings."""
        self._rules = sorted(rules, key=lambda rule: len(rule.account))
        self._zones = zones
        self._limits: dict[str, dict[WindowPeriod, dict[str, int]]] = {}
        self._committed: dict[Key, list[int]] = {}
        self._overrun: dict[Key, list[int]] = {}
        self._billed: dict[Key, list[int]] = {}
        self._open: dict[tuple[int, int], tuple[Claim, list[Key]]] = {}

    def claim(self, run: int, claim: Claim, now: float) -> None:
        """A claim was committed."""
        keys = self._keys(claim.payers.chain, claim.payers.tenant, now)
        amounts = (claim.tokens, claim.nano, claim.steps, claim.model_calls, claim.tool_calls)
        self._add(keys, amounts)
        if claim.hold:
            self._open[run, claim.hold] = claim, keys

    def settle(self, run: int, settlement: Settlement) -> Claim | None:
        """A settlement was committed; the claim that it settles, None if there is none."""
        claim, keys = self._open.pop((run, settlement.hold), _NOTHING)
        if claim is not None:
            more = settlement.tokens - claim.tokens, settlement.nano - claim.nano
            self._add(keys, more)
            for key in keys:
                overrun = self._overrun.setdefault(key, [0, 0])
                for place, amount in enumerate(more):
                    overrun[place] += max(0, amount)
        return claim

    def find_open(self, run: int) -> tuple[int, Claim] | None:
        """The open claim of a run: a run has one call of a model at a time."""
        return next(((hold, claim) for (of, hold), (claim, _) in self._open.items() if of == run), None)

    def bill(self, run: int, hold: int, tokens: int, nano: int) -> str:
        """The provider charges for a call whose claim is open; what is wrong with that, "" if nothing is."""
        claim, keys = self._open[run, hold]
        beyond = max(0, tokens - claim.tokens), max(0, nano - claim.nano)
        for key in keys:
            billed = self._billed.setdefault(key, [0, 0, 0, 0])
            for place, amount in enumerate((tokens, nano, *beyond)):
                billed[place] += amount
            limits = self._limits_of(key[0]).get(key[1], {})
            for place, name in enumerate(FIGURES[:2]):
                limit, most = limits.get(name, INFINITE), self._committed[key][place] + billed[place + 2]
                if billed[place] > min(limit + billed[place + 2], most):
                    return (
                        f"{key[0]} was billed {billed[place]:,} {name} in its {key[1]}: its limit is {limit:,}, and "
                        f"{self._committed[key][place]:,} are spent or reserved"
                    )
        return ""

    def watch(self, connection: sqlite3.Connection) -> None:
        """Note from now on which rows are written through ``connection``."""
        for statement in _WATCH:
            connection.execute(statement)

    def check_touched(self, connection: sqlite3.Connection) -> str:
        """What is wrong with the rows that were written since the last look, "" if nothing is."""
        rows: list[Row] = connection.execute(_TOUCHED).fetchall()
        if rows:
            connection.execute("DELETE FROM touched")
        return next((wrong for wrong in map(self._check, rows) if wrong), "")

    def check_end(self, connection: sqlite3.Connection) -> str:
        """What is wrong with the books after the last call has been settled, "" if nothing is."""
        rows: dict[Key, Row] = {row[:3]: row for row in connection.execute(_ALL)}
        for key, committed in self._committed.items():
            row = rows.get(key)
            if row is None:
                return f"{key[0]} has no window for its {key[1]}, and has paid for {committed[0]:,} tokens in it"
        for key, row in rows.items():
            wrong = self._check(row)
            if wrong:
                return wrong
            if row[12] or row[13]:
                return f"{key[0]} still has {row[12]:,} tokens and {row[13]:,} nano-dollars reserved at the end"
            tokens, nano, *beyond = self._billed.get(key, [0, 0, 0, 0])
            if tokens > row[10] + beyond[0] or nano > row[11] + beyond[1]:  # what is beyond a hold, nobody may tell
                return f"{key[0]} was billed {tokens:,} tokens and {nano:,} nano-dollars, and has spent {row[10:12]}"
        return ""

    def _check(self, row: Row) -> str:
        key: Key = row[:3]
        account, period, _ = key
        committed = list(row[3:8])
        expected = self._committed.get(key, [0] * 5)
        if committed != expected:
            named = "(tokens, nano-dollars, steps, model calls, tool calls)"
            said = f"{account} says for its {period} that {committed} are spent or reserved"
            return f"{said}, and what passed the port makes {expected} {named}"
        overrun = self._overrun.get(key, [0, 0])
        if list(row[8:10]) != overrun:
            return f"{account} says for its {period} that {list(row[8:10])} were overrun, and it makes {overrun}"
        limits = self._limits_of(account).get(period, {})
        for name, amount, beyond in zip(FIGURES, committed, (*row[8:10], 0, 0, 0), strict=True):
            if amount > limits.get(name, INFINITE) + beyond:
                return f"{account} has {amount:,} {name} spent or reserved in its {period}, of {limits[name]:,}"
        return ""

    def _add(self, keys: list[Key], amounts: tuple[int, ...]) -> None:
        for key in keys:
            committed = self._committed.setdefault(key, [0] * 5)
            for place, amount in enumerate(amounts):
                committed[place] += amount

    def _keys(self, chain: tuple[str, ...], tenant: str, now: float) -> list[Key]:
        found: list[Key] = []
        for account in chain:
            zone = self._zones.get("" if account == "global" else tenant) or self._zones.get("") or ZoneInfo("UTC")
            for period in self._limits_of(account):
                key: Key = account, period, find_window(period, now, zone)[0]
                found.append(key)
        return found

    def _limits_of(self, account: str) -> dict[WindowPeriod, dict[str, int]]:
        """By period and amount: the longest pattern that mentions an amount decides."""
        known = self._limits.get(account)
        if known is None:
            known = self._limits[account] = {}
            for rule in self._rules:
                name, period = rule.account, rule.period
                fits = name == account or (name.endswith("*") and account.startswith(name.removesuffix("*")))
                if fits and period != "run":
                    known.setdefault(period, {}).update(rule.limits)
        return known

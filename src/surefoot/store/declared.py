"""Limits that the settings of a process declare: who has written under which, so that none comes back uncounted."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from surefoot.budget.accounts import UTC_NAME, Rule, RuleBook
from surefoot.logs import get_logger
from surefoot.store.windows import Windows

_READ: Final = "SELECT declared FROM counter"
_log = get_logger(__name__)


def digest(rules: Sequence[Rule], zones: Mapping[str, ZoneInfo]) -> str:
    """Of what settings declare, whatever the order of their lines; "" for nothing."""
    keys = {tenant: zone.key for tenant, zone in zones.items() if tenant or zone.key != UTC_NAME}
    if not rules and not keys:
        return ""
    declared = (
        sorted([(rule.account, rule.period, sorted(rule.limits.items())) for rule in rules]),
        sorted(keys.items()),
    )
    return hashlib.sha256(msgspec.json.encode(declared)).hexdigest()[:16]


class Declared:
    """What this process declares, for the thread that writes.

    Nobody counts for limits that no process declares. So whoever writes under others than the one before him counts all
    windows of now again: what was spent past them is in the rows of runs.
    """

    def __init__(self, cursor: sqlite3.Cursor, rules: Sequence[Rule], zones: Mapping[str, ZoneInfo]) -> None:
        self.rules, self.zones = rules, zones
        self._cursor = cursor
        self._digest = digest(rules, zones)
        self._is_written = False  # only who writes runs declares: a look at the books changes nothing
        self._has_warned = False

    def is_due(self) -> bool:
        """Whether `catch_up` has to come before the next runs are written."""
        if self._is_written:
            return False
        self._is_written = self._cursor.execute(_READ).fetchone()[0] == self._digest
        return not self._is_written

    def catch_up(self, windows: Windows, book: RuleBook, now: float) -> None:
        """Declare, and count what was spent past the windows of now. Needs a transaction; every process is told."""
        self._cursor.execute("UPDATE counter SET rules = rules + 1, declared = ?", (self._digest,))
        windows.catch_up(now, RuleBook((), ()), book)

    def keep(self) -> None:
        """It is committed."""
        self._is_written = True

    def compare(self) -> None:
        """Warn, once, that another process has declared something else since."""
        if self._is_written and not self._has_warned and self._cursor.execute(_READ).fetchone()[0] != self._digest:
            self._has_warned = True
            _log.warning(
                "another process at this database has other limits or time zones in its surefoot.toml; each keeps "
                "to its own: give all the same file, or use `surefoot budget set`"
            )

"""What the ledger forgets: holds of unknown outcome and windows that ended long ago, some at a time."""

from __future__ import annotations

import sqlite3
from typing import Final

_HOLDS: Final = "DELETE FROM holds WHERE hold IN (SELECT hold FROM holds WHERE unknown = 1 AND at < ? LIMIT ?)"
_WINDOWS: Final = """
    DELETE FROM windows WHERE window IN (
        SELECT window FROM windows WHERE ends_at < min(?, coalesce((SELECT min(at) FROM holds), 1e18))
            AND account NOT IN (SELECT account FROM freezes) LIMIT ?)
"""
"""A hold was taken before the end of each of its windows: those that ended before the oldest hold have none. What froze
an account is kept until somebody has seen it."""
_LEASES: Final = """
    DELETE FROM leases WHERE run IN (
        SELECT run FROM leases JOIN runs USING (run)
        WHERE expires_at < ?1 AND started_at < ?1 AND run NOT IN (SELECT run FROM holds) LIMIT ?2)
"""
"""Of runs that were lost: without it their open call is not listed any more. They stay lost, and in the reports."""


def purge(cursor: sqlite3.Cursor, before: float, most: int) -> int:
    """Delete at most ``most`` rows of each kind that ended before ``before`` (wall time, seconds); how many went."""
    return sum([cursor.execute(sql, (before, most)).rowcount for sql in (_HOLDS, _LEASES, _WINDOWS)])

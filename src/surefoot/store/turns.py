"""Whose turn it is in a session: decided, taken and ended in the transactions of the runs themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from surefoot.clock import Clock
from surefoot.store.base import RunRow
from surefoot.store.session_rows import Moved, SessionClaim
from surefoot.store.statements import RunAt

_FIND: Final = """
    SELECT head, live, (SELECT run FROM runs JOIN leases USING (run) WHERE run_id = live AND expires_at > ?)
    FROM sessions WHERE tenant = ? AND user = ? AND session = ?
"""
_BEGIN: Final = """
    INSERT INTO sessions (tenant, user, session, created_at, used_at, turns, head, live)
    VALUES (?, ?, ?, ?, ?, 1, '', ?)
"""
_TAKE: Final = """
    UPDATE sessions SET head = ?, live = ?, turns = turns + 1, used_at = max(used_at, ?)
    WHERE tenant = ? AND user = ? AND session = ?
"""
_END: Final = """
    UPDATE sessions SET head = live, live = '', used_at = max(used_at, ?)
    WHERE tenant = ? AND user = ? AND session = ? AND live = ?
"""
_REVOKE: Final = """
    WITH RECURSIVE lost (run, run_id) AS (
        SELECT run, run_id FROM runs WHERE run_id = ?1
        UNION ALL
        SELECT runs.run, runs.run_id FROM runs JOIN lost ON parent = lost.run_id
        WHERE session <> '' AND session = ?2 AND user = ?3 AND finished_at = 0
    )
    DELETE FROM leases WHERE run IN (SELECT run FROM lost)
"""
"""Of a lost run, and of those that its tools have begun: whoever wakes up late writes nothing more."""


class Turns:
    """The sessions' heads, for the thread that writes. Every method needs an open transaction."""

    def __init__(self, cursor: sqlite3.Cursor, clock: Clock) -> None:
        """For the cursor of the connection that writes."""
        self._cursor = cursor
        self._clock = clock
        self._live = ""  # in the session that was looked at last

    def look(self, row: RunRow, claim: SessionClaim, given_up: Sequence[int]) -> Moved | None:
        """Whether a run may not begin: the session is not as its claim says, or a run with a lease is under way in it.

        Args:
            row: The run.
            claim: What its history was built from.
            given_up: Runs of this worker that nobody works at any more, whatever their leases say.
        """
        owner = row.tenant, row.user, row.session
        self._live = ""
        found = self._cursor.execute(_FIND, (self._clock.now(), *owner)).fetchone()
        if found is None:
            return Moved() if claim.exists else None
        head, live, holder = found
        self._live = live
        if holder is not None and holder not in given_up:
            return Moved(live)
        return None if claim.exists and claim.head == (live or head) else Moved()

    def take(self, row: RunRow, claim: SessionClaim) -> None:
        """The session is the run's from now on, and no more that of a run that was lost in it."""
        owner = row.tenant, row.user, row.session
        if claim.exists:
            if self._live:
                self._cursor.execute(_REVOKE, (self._live, row.session, row.user))
            self._cursor.execute(_TAKE, (claim.head, row.run_id, row.started_at, *owner))
        else:
            self._cursor.execute(_BEGIN, (*owner, row.started_at, row.started_at, row.run_id))

    def end(self, finished: Sequence[RunAt]) -> None:
        """Runs have ended: each is the head of its session, unless somebody has taken the session from it."""
        ended = [
            (row.finished_at, row.tenant, row.user, row.session, row.run_id)
            for _, row in finished
            if row.session and not row.parent
        ]
        if ended:
            self._cursor.executemany(_END, ended)

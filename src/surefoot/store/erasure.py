"""What becomes of words and names: sessions that are deleted by policy, users who want to be forgotten.

The figures stay: what runs used, what stands in the books of the accounts. What is deleted is overwritten with zeros.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Sequence
from typing import Final

from surefoot.budget.accounts import is_pattern, make_payers, name_parts
from surefoot.clock import Clock
from surefoot.errors import TooManyRequests
from surefoot.store.ledger import Ledger
from surefoot.store.said import SAID
from surefoot.store.session_rows import Erased

BATCH_RUNS: Final = 50
"""Runs of one transaction: other writers wait for it."""
BATCH_SESSIONS: Final = 50
RETRY_S: Final = 1.0
"""After which an erasure that was refused is worth another try: nobody knows when the user is done."""

_LAST_CHARACTER: Final = "\U0010ffff"
_OLD: Final = """
    SELECT number, tenant, user, session FROM sessions WHERE used_at < ? AND NOT (live <> '' AND EXISTS (
        SELECT 1 FROM runs JOIN leases USING (run) WHERE run_id = live AND expires_at > ?))
    ORDER BY used_at LIMIT ?
"""
_WITH_WORDS: Final = """
    SELECT run FROM runs WHERE session = ? AND session <> '' AND user = ? AND tenant = ?
        AND EXISTS (SELECT 1 FROM records WHERE records.run = runs.run) LIMIT ?
"""
_UNDER_WAY: Final = """
    SELECT count(*) FROM leases CROSS JOIN runs USING (run) WHERE user = ? AND tenant = ? AND expires_at > ?
"""
_LOST: Final = "SELECT run FROM runs WHERE user = ? AND tenant = ? AND finished_at = 0"
_DISOWN: Final = "REPLACE INTO leases SELECT run, 0, ? FROM runs WHERE user = ? AND tenant = ?"
_TO_STRIP: Final = "SELECT run FROM leases WHERE worker = 0 LIMIT ?"
_SESSIONS: Final = "SELECT DISTINCT session FROM runs WHERE user = ? AND tenant = ? AND session <> ''"
_SET_NAMES: Final = "SET user = ?, session = ?, question = '', output = '' WHERE user = ? AND tenant = ?"
_RENAME_SESSION: Final = f"UPDATE runs INDEXED BY runs_by_conversation {_SET_NAMES} AND session = ? AND session <> ''"
_RENAME_REST: Final = f"UPDATE runs {_SET_NAMES}"
_SILENCE: Final = """
    UPDATE runs SET question = '', output = '', stop_reason = iif(finished_at = 0, 'cancelled', stop_reason),
        finished_at = iif(finished_at = 0, ?, finished_at) WHERE run = ?
"""
_FIGURES: Final = f"""
    WITH live AS MATERIALIZED (SELECT ? AS run), {SAID}
    SELECT coalesce((SELECT sum(tokens) FROM said WHERE type IN ('model_replied', 'model_failed')), 0)
               + coalesce((SELECT sum(hold_tokens) FROM open), 0),
           coalesce((SELECT sum(nano) FROM said WHERE type IN ('model_replied', 'model_failed')), 0)
               + coalesce((SELECT sum(hold_nano) FROM open), 0),
           (SELECT count(*) FROM said WHERE type = 'model_requested' AND attempt = 1),
           (SELECT count(*) FROM said WHERE type = 'model_requested'),
           (SELECT count(*) FROM said WHERE type = 'tool_intended')
"""
_KEEP_FIGURES: Final = """
    UPDATE runs SET tokens = ?, nano = ?, steps = ?, model_calls = ?, tool_calls = ? WHERE run = ?
"""
_WITH_ACCOUNTS: Final = ("windows", "holds", "rules", "freezes", "changes")


def purge_some(cursor: sqlite3.Cursor, before: float, now: float) -> tuple[int, bool]:
    """Delete some sessions unused since ``before``, with the words of their runs; how many, and whether more are left.

    Needs an open transaction. A session with many runs goes in several calls. An erasure cut short is ended first.
    """
    if strip_some(cursor, now):
        return 0, True
    sessions = cursor.execute(_OLD, (before, now, BATCH_SESSIONS)).fetchall()
    room = BATCH_RUNS
    with _overwriting(cursor):
        for done, (number, tenant, user, session) in enumerate(sessions):
            runs = [run for (run,) in cursor.execute(_WITH_WORDS, (session, user, tenant, room)).fetchall()]
            _silence(cursor, runs, now)
            room -= len(runs)
            if not room:
                return done, True
            cursor.execute("DELETE FROM sessions WHERE number = ?", (number,))
    return len(sessions), len(sessions) == BATCH_SESSIONS


def strip_some(cursor: sqlite3.Cursor, now: float) -> bool:
    """Take the journals of some runs of erased users out of the database; whether there are more."""
    runs = [run for (run,) in cursor.execute(_TO_STRIP, (BATCH_RUNS,)).fetchall()]
    with _overwriting(cursor):
        _silence(cursor, runs, now)
    return len(runs) == BATCH_RUNS


class Erasure:
    """Takes the names of one user out of the database, in one transaction: rows and accounts must not part.

    What the user begins later is that of somebody new. The journals, which are long, are left to `strip_some`: a lease
    of nobody's tells which, so that whoever comes next ends an erasure that was cut short.
    """

    def __init__(self, tenant: str, user: str, pseudonym: str, clock: Clock) -> None:
        self._tenant, self._user, self._pseudonym = tenant, user, pseudonym
        self._clock = clock
        self._names: dict[str, str] = {}

    def rename(self, books: tuple[sqlite3.Cursor, Ledger]) -> Erased:
        """Delete the sessions, and give runs and accounts the pseudonym; every process reads its limits anew.

        Raises:
            TooManyRequests: A run of the user is under way, in whatever process: it would go on under the name.
        """
        cursor, ledger = books
        of_user, now = (self._user, self._tenant), self._clock.now()
        under_way = cursor.execute(_UNDER_WAY, (*of_user, now)).fetchone()[0]
        if under_way:
            raise refuse_erasure(self._user, f"has {under_way:,} run{'' if under_way == 1 else 's'} under way")
        with _overwriting(cursor):
            _silence(cursor, [run for (run,) in cursor.execute(_LOST, of_user).fetchall()], now)
            cursor.execute(_DISOWN, (now, *of_user))
            sessions = cursor.execute("DELETE FROM sessions WHERE user = ? AND tenant = ?", of_user).rowcount
            runs = 0
            for (old,) in cursor.execute(_SESSIONS, of_user).fetchall():
                runs += cursor.execute(
                    _RENAME_SESSION, (self._pseudonym, self._rename_session(old), *of_user, old)
                ).rowcount
            runs += cursor.execute(_RENAME_REST, (self._pseudonym, "", *of_user)).rowcount
            for table in _WITH_ACCOUNTS:
                for old in self._accounts_in(cursor, table):
                    renamed = f"UPDATE {table} SET account = ? WHERE account = ?"
                    cursor.execute(renamed, (self._rename_account(old), old))
        cursor.execute("UPDATE counter SET rules = rules + 1")
        ledger.reload()
        return Erased(self._pseudonym, sessions, runs)

    def _accounts_in(self, cursor: sqlite3.Cursor, table: str) -> list[str]:
        user = _account(self._tenant, self._user)
        sessions = f"{user.replace('user:', 'session:', 1)}/"
        which = f"SELECT DISTINCT account FROM {table} WHERE account = ? OR account BETWEEN ? AND ?"
        found = cursor.execute(which, (user, sessions, sessions + _LAST_CHARACTER)).fetchall()
        return [account for (account,) in found if account == user or self._is_his(account)]

    def _is_his(self, account: str) -> bool:
        """``session:a/b/c`` is that of a customer, whose name a user without a customer may have, too."""
        if is_pattern(account):
            return bool(self._tenant)
        return name_parts(account)[:2] == (self._tenant, self._user)

    def _rename_account(self, account: str) -> str:
        session = name_parts(account)[2] if account.startswith("session:") else ""
        if is_pattern(account):
            return f"{_account(self._tenant, self._pseudonym).replace('user:', 'session:', 1)}/*"
        return make_payers(self._tenant, self._pseudonym, self._rename_session(session)).chain[-1]

    def _rename_session(self, session: str) -> str:
        return session and self._names.setdefault(session, f"s{len(self._names) + 1}")


def refuse_erasure(user: str, why: str) -> TooManyRequests:
    """The error for an erasure that has to wait."""
    told = f"user {user!r:.80} {why}: erase when they have ended"
    return TooManyRequests(told, reason="session", retry_after_s=RETRY_S)


def _account(tenant: str, user: str) -> str:
    return make_payers(tenant, user, "").chain[-1]


def _count_lost(cursor: sqlite3.Cursor, run: int) -> None:
    """What a lost run was charged, a call in flight with all that it held, goes from its journal into its row."""
    figures = cursor.execute(_FIGURES, (run, 0.0)).fetchone()
    cursor.execute(_KEEP_FIGURES, (*figures, run))


def _silence(cursor: sqlite3.Cursor, runs: Sequence[int], now: float) -> None:
    """Take the words out of runs, and the leases of those that were lost: who wakes up late writes nothing."""
    ids = [(run,) for run in runs]
    for run in runs:
        if not cursor.execute("SELECT finished_at FROM runs WHERE run = ?", (run,)).fetchone()[0]:
            _count_lost(cursor, run)
    cursor.executemany("DELETE FROM records WHERE run = ?", ids)
    cursor.executemany("DELETE FROM leases WHERE run = ?", ids)
    cursor.executemany(_SILENCE, [(now, run) for run in runs])


@contextlib.contextmanager
def _overwriting(cursor: sqlite3.Cursor) -> Generator[None]:
    """What is deleted inside leaves nothing in the file. Elsewhere nothing is, and zeros would only cost time."""
    cursor.execute("PRAGMA secure_delete = ON").fetchall()
    try:
        yield
    finally:
        cursor.execute("PRAGMA secure_delete = OFF").fetchall()

"""Holds in SQLite: of calls in flight, and of calls whose outcome nobody knows."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.store.said import SAID

INSERT_HOLDS: Final = """
    WITH new AS (:rows)
    INSERT INTO holds (hold, run, number, tokens, nano, at, windows, account, prices)
    SELECT * FROM new WHERE column1 <> 0
"""
DELETE_HOLDS: Final = "WITH new AS (:rows) DELETE FROM holds WHERE hold IN (SELECT column1 FROM new)"
MARK_HOLDS: Final = "WITH new AS (:rows) UPDATE holds SET unknown = 1 WHERE hold IN (SELECT column1 FROM new)"
FIND_LOST: Final = """
    SELECT hold, holds.tokens, holds.nano, windows, coalesce(finished_at > 0, 0)
    FROM holds LEFT JOIN leases USING (run) LEFT JOIN runs USING (run)
    WHERE unknown = 0 AND coalesce(expires_at, 0) <= ?
"""
FIND_UNKNOWN: Final = """
    SELECT hold, holds.tokens, holds.nano, windows, account, at, tenant, user, session FROM holds JOIN runs USING (run)
    WHERE unknown = 1 AND run_id = ? AND number = ?
"""
FIND_LEFT: Final = f"""
    WITH live AS (
        SELECT run FROM runs JOIN leases USING (run) WHERE run_id = ? AND finished_at = 0 AND expires_at <= ?
    ), {SAID}
    SELECT 0, hold_tokens, hold_nano, '', '', at, tenant, user, session FROM open JOIN runs USING (run)
    WHERE hold = ?
        AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.run = open.run AND number = open.hold AND unknown = 0)
        AND NOT EXISTS (SELECT 1 FROM changes
            WHERE period = 'refunded' AND before ->> '$.run' = run_id AND before ->> '$.hold' = open.hold)
"""
"""The call that a lost run had in flight, where no account has a hold of it."""
NOTE_UNKNOWN: Final = """
    INSERT INTO holds (hold, run, number, tokens, nano, at, windows, account, prices, unknown)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, '', '', '', 1
    WHERE NOT EXISTS (SELECT 1 FROM holds WHERE run = ?2 AND number = ?3 AND unknown = 1)
"""
"""No account has a limit for it: it is there to be listed, and to be refunded in the reports."""


class Held(Struct, frozen=True, gc=False):
    """A hold: its number in the table, its amounts, its windows, the account nearest to the run, and when it began."""

    hold: int
    tokens: int
    nano: int
    windows: tuple[int, ...]
    account: str
    at: float = 0.0

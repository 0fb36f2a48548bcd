"""The statements that write, each for any number of rows."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from surefoot.store.base import RunRow

CHUNK_ROWS: Final = 256
"""Rows of one statement, a power of two."""

CHUNK_BYTES: Final = 4 << 20
"""What so many rows may hold, or they go one by one: SQLite keeps what is bound until the statement is used again."""

FEW_ROWS: Final = 8
"""Up to so many rows are deleted sooner one by one than through a table of their numbers."""

RECORD_WIDTH: Final = 3
"""Values of one operation in `Group.records`: run, number and body."""

RunAt = tuple[int, RunRow]
"""A run's number and its row."""


class ManyRows:
    """One SQL statement for any number of rows.

    With its share of the commit, a record of 700 bytes among 64 takes 17,500 instructions; by ``executemany`` it takes
    29,200. Rows are padded with zeros to a power of two, so that nine prepared statements serve every size.
    """

    def __init__(self, width: int, text: str) -> None:
        """``text`` reads rows of ``width`` values from ``:rows``, and must pass over those that begin with 0."""
        self._width = width
        self._text = text
        self._statements: dict[int, str] = {}

    def execute(self, cursor: sqlite3.Cursor, values: list[Any], *last: float, size: int = 0) -> None:
        """Write rows, their values one after another; ``last`` is for what follows them, ``size`` their bytes."""
        count = len(values) // self._width
        most = CHUNK_ROWS if size * CHUNK_ROWS <= count * CHUNK_BYTES else 1
        if count <= most:
            rows = 1 << (count - 1).bit_length()
            padding = [0] * ((rows - count) * self._width)
            cursor.execute(self._statements.get(rows) or self._write(rows), [*values, *padding, *last])
            return
        step = most * self._width
        for start in range(0, len(values), step):
            self.execute(cursor, values[start : start + step], *last)

    def _write(self, rows: int) -> str:
        row = f"({', '.join('?' * self._width)})"
        self._statements[rows] = statement = self._text.replace(":rows", f"VALUES {', '.join([row] * rows)}")
        return statement


INSERT_RUNS: Final = """
    WITH new AS (:rows)
    INSERT INTO runs (run, run_id, agent, model, user, session, question, started_at,
                      finished_at, stop_reason, steps, tokens, nano, output,
                      tenant, parent, model_calls, tool_calls, usage)
    SELECT * FROM new WHERE column1 <> 0
"""
INSERT_LEASES: Final = """
    WITH new (run) AS (:rows)
    INSERT INTO leases (run, worker, expires_at) SELECT run, ?, ? FROM new WHERE run <> 0
"""
INSERT_RECORDS: Final = """
    WITH new (run, seq, body) AS (:rows)
    INSERT INTO records (run, seq, body)
    SELECT (SELECT leases.run FROM leases WHERE leases.run = new.run AND leases.worker = ?), seq, body
    FROM new WHERE run <> 0
"""
FINISH_RUN: Final = """
    UPDATE runs SET finished_at = ?, stop_reason = ?, steps = ?, tokens = ?, nano = ?, output = ?, model_calls = ?,
        tool_calls = ?, usage = ? WHERE run = ?
"""
DELETE_LEASES: Final = "WITH new (run) AS (:rows) DELETE FROM leases WHERE run IN (SELECT run FROM new) AND worker = ?"
DELETE_LEASE: Final = "DELETE FROM leases WHERE run = ? AND worker = ?"
RENEW_LEASES: Final = "UPDATE leases SET expires_at = ? WHERE worker = ?"
FIND_EXPIRED: Final = """
    SELECT run FROM runs LEFT JOIN leases USING (run)
    WHERE run_id = ? AND finished_at = 0 AND coalesce(expires_at, 0) <= ?
"""


def run_values(at: RunAt) -> tuple[int | float | str, ...]:
    """The row of `INSERT_RUNS`."""
    run, new = at
    return (
        run, new.run_id, new.agent, new.model, new.user, new.session, new.question, new.started_at,
        new.finished_at, new.stop_reason, new.steps, new.tokens, new.nano, new.output,
        new.tenant, new.parent, new.model_calls, new.tool_calls, new.usage,
    )  # fmt: skip


def end_values(at: RunAt) -> tuple[int | float | str, ...]:
    """The values of `FINISH_RUN`."""
    run, end = at
    return (
        end.finished_at, end.stop_reason, end.steps, end.tokens, end.nano, end.output, end.model_calls,
        end.tool_calls, end.usage, run,
    )  # fmt: skip


RUN_WIDTH: Final = 19
"""Values of one run in `run_values`."""

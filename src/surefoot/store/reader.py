"""What is read of the SQLite file, in a thread of its own."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from surefoot.clock import Clock
from surefoot.errors import NotFound, StoreError
from surefoot.store.base import RunRow
from surefoot.store.database import explaining, open_reader
from surefoot.store.said import REFUNDS

PAGE_ROWS: Final = 2_000
"""Rows that a scan reads at a time: about 2 MB."""

_READ_RECORDS: Final = "SELECT body FROM records WHERE run = (SELECT run FROM runs WHERE run_id = ?) ORDER BY seq"
_FIELDS: Final[tuple[str, ...]] = RunRow.__struct_fields__
_STATUS: Final = "CASE WHEN finished_at > 0 THEN 'finished' WHEN expires_at > ? THEN 'running' ELSE 'lost' END"
_SAYS: Final = {
    "status": _STATUS,
    "tokens": "tokens + coalesce(more_tokens, 0)",
    "nano": "nano + coalesce(more_nano, 0)",
}
_READ_RUNS: Final = f"""
    WITH refunds AS MATERIALIZED ({REFUNDS})
    SELECT {", ".join([_SAYS.get(field, field) for field in _FIELDS])}, run
    FROM runs LEFT JOIN leases USING (run) LEFT JOIN refunds ON refunded = run_id
"""
_BY_PREFIX: Final = _READ_RUNS + "WHERE run_id BETWEEN ? AND ? ORDER BY run_id LIMIT 5"
_NEWEST: Final = "parent = '' AND started_at < ? ORDER BY started_at DESC, run DESC LIMIT ?"
_PAGE: Final = _READ_RUNS + "WHERE (started_at, run) > (?, ?) AND started_at >= ? AND started_at < ?"
_LAST_CHARACTER: Final = "\U0010ffff"


class Reader:
    """A connection that can only read."""

    def __init__(self, path: Path, clock: Clock, busy_s: float) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._clock = clock
        self._busy_s = busy_s
        self._thread = ThreadPoolExecutor(1, "surefoot-reader")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def read(self, sql: str, *parameters: float | str) -> list[Any]:
        """All rows of a query.

        Raises:
            StoreError: The database cannot be read, or the reader is closed.
        """
        if self._closed:
            raise StoreError(f"{self._path}: the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._fetch, sql, parameters)

    async def close(self) -> None:
        """Idempotent."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def records(self, run_id: str) -> list[bytes]:
        """See `Store.records`."""
        return [body for (body,) in await self.read(_READ_RECORDS, run_id)]

    async def find_run(self, run_id: str) -> RunRow | None:
        """See `Store.find_run`.

        Raises:
            NotFound: The beginning fits several runs.
        """
        rows = await self.read(_BY_PREFIX, self._clock.now(), run_id, run_id + _LAST_CHARACTER)
        if len(rows) > 1 and rows[0][0] != run_id:
            found = ", ".join(row[0] for row in rows)
            raise NotFound(f"{run_id!r} is the beginning of several runs, write more of it: {found}")
        return _make_row(rows[0]) if rows else None

    async def runs(
        self, tenant: str | None, user: str | None, session: str | None, limit: int, before: float | None
    ) -> Sequence[RunRow]:
        """See `Store.runs`."""
        assert limit > 0
        owners = {"tenant": tenant, "user": user, "session": session}
        given = {name: value for name, value in owners.items() if value is not None}
        # The partial indexes are of use only where the query says what they leave out.
        named = [f"{name} = ?" + (f" AND {name} <> ''" if name != "user" and given[name] else "") for name in given]
        age = math.inf if before is None else before
        sql = f"{_READ_RUNS} WHERE {' AND '.join([*named, _NEWEST])}"
        return [_make_row(row) for row in await self.read(sql, self._clock.now(), *given.values(), age, limit)]

    async def scan_runs(
        self, since: float, until: float | None, tenant: str | None, user: str | None
    ) -> AsyncIterator[Sequence[RunRow]]:
        """See `Store.scan_runs`."""
        last: tuple[float, int] = (-math.inf, 0)
        end = math.inf if until is None else until
        given = {name: value for name, value in (("tenant", tenant), ("user", user)) if value is not None}
        which = "".join([f" AND {name} = ?" for name in given])
        sql = f"{_PAGE}{which} ORDER BY started_at, run LIMIT ?"
        while rows := await self.read(sql, self._clock.now(), *last, since, end, *given.values(), PAGE_ROWS):
            yield [_make_row(row) for row in rows]
            last = rows[-1][_FIELDS.index("started_at")], rows[-1][-1]

    def _fetch(self, sql: str, parameters: tuple[float | str, ...]) -> list[Any]:
        with explaining(self._path):
            if self._connection is None:
                self._connection = open_reader(self._path, self._busy_s)
            return self._connection.execute(sql, parameters).fetchall()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _make_row(values: tuple[Any, ...]) -> RunRow:
    return RunRow(**dict(zip(_FIELDS, values[:-1], strict=True)))

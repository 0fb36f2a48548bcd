"""Sessions in SQLite: what people ask of them, beside the turns that runs take."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from surefoot.clock import Clock
from surefoot.errors import StoreError
from surefoot.store.erasure import Erasure, purge_some, strip_some
from surefoot.store.ledger import Ledger
from surefoot.store.reader import Reader
from surefoot.store.session_rows import Erased, SessionRow
from surefoot.store.writer import Writer

_FIELDS: Final[tuple[str, ...]] = SessionRow.__struct_fields__
_LIVES: Final = (
    "live <> '' AND EXISTS (SELECT 1 FROM runs JOIN leases USING (run) WHERE run_id = live AND expires_at > ?)"
)
_READ: Final = f"""
    SELECT session, user, tenant, created_at, used_at, turns,
           CASE WHEN live <> '' AND NOT lives THEN live ELSE head END, CASE WHEN lives THEN live ELSE '' END
    FROM (SELECT *, {_LIVES} AS lives FROM sessions)
"""
_OF_USER: Final = "WHERE tenant = ? AND user = ? AND number > ? ORDER BY number LIMIT ?"
PAGE_ROWS: Final = 500
_INSERT: Final = """
    INSERT INTO sessions (tenant, user, session, created_at, used_at, turns, head, live)
    VALUES (?, ?, ?, ?, ?, 0, '', '')
"""


class SqliteSessions:
    """Implements `surefoot.store.base.Sessions`."""

    def __init__(self, clock: Clock, reader: Reader) -> None:
        """Nothing is opened yet; `attach` follows."""
        self._clock = clock
        self._reader = reader
        self._opened: Writer | None = None

    def attach(self, writer: Writer) -> None:
        """The writer is open."""
        self._opened = writer

    @property
    def _writer(self) -> Writer:
        if self._opened is None:
            raise StoreError("the store is not open: use the runtime inside `async with Runtime() as runtime:`")
        return self._opened

    async def create(self, row: SessionRow) -> None:
        """See `Sessions.create`."""
        values = (row.tenant, row.user, row.session, row.created_at, row.used_at)

        def insert(books: tuple[sqlite3.Cursor, Ledger]) -> None:
            books[0].execute(_INSERT, values)

        await self._writer.transact(insert)

    async def find(self, tenant: str, user: str, session: str) -> SessionRow | None:
        """See `Sessions.find`."""
        sql = f"{_READ} WHERE tenant = ? AND user = ? AND session = ?"
        rows = await self._reader.read(sql, self._clock.now(), tenant, user, session)
        return _make_row(rows[0]) if rows else None

    async def list(
        self,
        *,
        tenant: str | None = None,
        user: str | None = None,
        session: str | None = None,
        limit: int = 50,
        before: float | None = None,
    ) -> Sequence[SessionRow]:
        """See `Sessions.list`."""
        assert limit > 0
        owners = {"tenant": tenant, "user": user, "session": session}
        given = {name: value for name, value in owners.items() if value is not None}
        which = " AND ".join([*[f"{name} = ?" for name in given], "used_at < ?"])
        sql = f"{_READ} WHERE {which} ORDER BY used_at DESC, number DESC LIMIT ?"
        age = math.inf if before is None else before
        rows = await self._reader.read(sql, self._clock.now(), *given.values(), age, limit)
        return [_make_row(row) for row in rows]

    async def scan(self, tenant: str, user: str) -> AsyncIterator[Sequence[SessionRow]]:
        """See `Sessions.scan`."""
        sql = f"{_READ.replace('SELECT session', 'SELECT number, session')} {_OF_USER}"
        last = 0
        while rows := await self._reader.read(sql, self._clock.now(), tenant, user, last, PAGE_ROWS):
            yield [_make_row(row[1:]) for row in rows]
            last = rows[-1][0]

    async def purge(self, before: float) -> tuple[int, bool]:
        """See `Sessions.purge`."""
        now = self._clock.now()
        done: tuple[int, bool] = await self._writer.transact(lambda books: purge_some(books[0], before, now))
        return done

    async def erase(self, tenant: str, user: str, pseudonym: str, *, compact: bool = False) -> Erased:
        """See `Sessions.erase`."""
        erased: Erased = await self._writer.transact(Erasure(tenant, user, pseudonym, self._clock).rename)
        while await self._writer.transact(lambda books: strip_some(books[0], self._clock.now())):
            pass  # other work goes between two transactions
        if compact:
            await self._writer.call(self._writer.compact)
        await self._writer.call(self._writer.checkpoint)
        return erased


def _make_row(values: Sequence[Any]) -> SessionRow:
    return SessionRow(**dict(zip(_FIELDS, values, strict=True)))

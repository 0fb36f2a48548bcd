"""All that is stored of a user, as JSON, for the user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Final

import msgspec

from surefoot.caller import Caller
from surefoot.store.base import Store
from surefoot.types import Message

VERSION: Final = 1
PIECE_BYTES: Final = 64 << 10
"""About so much is put together at once."""

_encode = msgspec.json.Encoder().encode
_BETWEEN: Final = b",\n"


async def export_user(
    store: Store, read_messages: Callable[[str], Awaitable[tuple[Message, ...]]], of: Caller, now: float
) -> AsyncGenerator[bytes, None]:
    """``{"version", "tenant", "user", "exported_at", "sessions": [...], "runs": [...]}`` in pieces.

    A session has its row and its ``transcript``, a run its row and its ``events``; one of them at a time is in memory.

    Args:
        store: What it is read from.
        read_messages: The conversation that a run left.
        of: The user and tenant.
        now: Wall time, seconds.
    """
    head = {"version": VERSION, "tenant": of.tenant, "user": of.user, "exported_at": now}
    yield _encode(head)[:-1] + b',"sessions":[\n'
    between = b""
    async for sessions in store.sessions.scan(of.tenant, of.user):
        for row in sessions:
            yield between + b'{"session":' + _encode(row) + b',"transcript":['
            async for piece in _list(map(_encode, await read_messages(row.head))):
                yield piece
            yield b"]}"
            between = _BETWEEN
    yield b'],\n"runs":[\n'
    between = b""
    async for page in store.scan_runs(tenant=of.tenant, user=of.user):
        for run in page:
            yield between + b'{"run":' + _encode(run) + b',"events":['
            # A record is a JSON array of events already: nothing of it is decoded.
            async for piece in _list([record[1:-1] for record in await store.records(run.run_id) if len(record) > 2]):
                yield piece
            yield b"]}"
            between = _BETWEEN
    yield b"]}\n"


async def _list(items: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The items with commas between them, a piece of the list in each turn of the event loop."""
    piece: list[bytes] = []
    size = 0
    before = b""
    for item in items:
        piece.append(item)
        size += len(item)
        if size >= PIECE_BYTES:
            yield before + b",".join(piece)
            await asyncio.sleep(0)
            piece, size, before = [], 0, b","
    if piece:
        yield before + b",".join(piece)

"""Between a transport and the SDK: a server that asks, and asks, and reads no answer, is shown the door.

The SDK has a task for each question of a server until the answer has left, and as many as the server asks.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Self, cast

from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

MOST_ASKED: Final = 64
"""Questions of a server that wait for their answers to leave."""


@asynccontextmanager
async def watch(
    streams: AbstractAsyncContextManager[Any], lose: Callable[[str], None]
) -> AsyncGenerator[tuple[_Incoming, _Outgoing], None]:
    """The streams of a transport, with the questions of the server counted.

    Args:
        streams: Of the transport: what comes from the server, what goes to it.
        lose: Told why, if there are too many.
    """
    async with streams as (incoming, outgoing):
        asked = _Asked(lose)
        yield _Incoming(incoming, asked), _Outgoing(outgoing, asked)


class _Asked:
    """Questions of the server that wait."""

    def __init__(self, lose: Callable[[str], None]) -> None:
        self._lose = lose
        self._waiting = 0

    def come(self) -> None:
        """One more."""
        self._waiting += 1
        if self._waiting > MOST_ASKED:
            self._lose(f"it asked more than {MOST_ASKED} questions and read no answer")

    def go(self) -> None:
        """An answer has left."""
        self._waiting -= 1


class _Stream:
    def __init__(self, inner: Any, asked: _Asked) -> None:
        self.inner = inner
        self.asked = asked

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> bool | None:
        return cast("bool | None", await self.inner.__aexit__(*raised))


class _Incoming(_Stream):
    @property
    def last_context(self) -> Any:
        """That of whoever sent the last message, where the transport keeps it."""
        return getattr(self.inner, "last_context", None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        item: SessionMessage | Exception = await self.inner.__anext__()
        if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCRequest):
            self.asked.come()
        return item


class _Outgoing(_Stream):
    async def send(self, item: SessionMessage) -> None:
        await self.inner.send(item)
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self.asked.go()

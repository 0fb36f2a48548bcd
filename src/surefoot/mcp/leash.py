"""What the SDK does on our behalf, told from what it does for others of this process, and ended when nobody waits.

The SDK does each request in tasks of its own, which go on when the request was given up, and it logs what a server
does wrong, traceback and all, as often as the server does it. Its tasks have the context of ours; so they know.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

import anyio


class Leash:
    """Ends what is done for a caller who has gone."""

    def __init__(self) -> None:
        self._is_gone = False
        self._scope: anyio.CancelScope | None = None

    def hold(self) -> anyio.CancelScope:
        """A scope that `let_go` cancels; the last one counts."""
        self._scope = anyio.CancelScope()
        if self._is_gone:
            self._scope.cancel()
        return self._scope

    def let_go(self) -> None:
        """Nobody waits any more."""
        self._is_gone = True
        if self._scope is not None:
            self._scope.cancel()


LEASH: Final[ContextVar[Leash | None]] = ContextVar("surefoot_mcp_leash", default=None)
"""Of the request, or the connection, for which a task runs; None in tasks that are not ours."""

_LOGGERS: Final = (
    "client",
    "mcp.client.client",
    "mcp.client.streamable_http",
    "mcp.shared.dispatcher",
    "mcp.shared.jsonrpc_dispatcher",
    "httpx2",  # which logs each address that is asked, with the key that may stand in it
    *[f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")],
)


class _OthersAlone(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """What a server of ours does wrong is told by the call: a log would be filled by it, and quote it."""
        del record
        return LEASH.get() is None


_OTHERS: Final = _OthersAlone()


def keep_quiet() -> None:
    """Let the SDK log nothing of what it does on our behalf."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_OTHERS)  # a second time it does nothing

"""A server behind streamable HTTP.

The SDK speaks the protocol; the client given to it keeps three promises the SDK's own does not: an answer has a limit,
a failure ends its own call and not all that are under way, and it is known whether a request had left.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import msgspec
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED

from surefoot.mcp.limits import MAX_MESSAGE_BYTES

CONNECT_TIMEOUT_S: Final = 10.0
SILENCE_S: Final = 300.0
"""Longest time without a byte in an answer; the time of a call is up long before."""
_SESSION: Final = "mcp-session-id"


class Site(msgspec.Struct, frozen=True):
    """Where requests go.

    Attributes:
        url: The endpoint.
        headers: Sent with each request.
        unsent: What an error says of a request that the server has not looked at; only this process knows the word.
    """

    url: str
    headers: Mapping[str, str]
    unsent: str


FORGOTTEN: Final = "the server has forgotten the session"
"""The message of an error, with the word of `Site`: nothing will go through this connection any more."""


@asynccontextmanager
async def open_http(site: Site, _lose: Callable[[str], None]) -> AsyncGenerator[Any, None]:
    """Streams to and from the server; nothing is connected yet.

    Args:
        site: Where to.
        _lose: Nobody is told of an end: each request says what became of it.
    """
    async with (
        _Client(site) as client,
        streamable_http_client(site.url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES) as streams,
    ):
        yield streams


class _Client(httpx2.AsyncClient):
    def __init__(self, site: Site) -> None:
        # A compressed answer could be larger than it looks, so none is asked for and none is read
        headers = {**site.headers, "accept-encoding": "identity"}
        super().__init__(headers=headers, timeout=httpx2.Timeout(CONNECT_TIMEOUT_S, read=SILENCE_S))
        self._unsent = site.unsent

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The answer, whole if it is no stream of events; an error of the connection is an answer, too."""
        try:
            response = await super().send(request, **options)
        except httpx2.TransportError as error:
            early = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
            return _refuse(request, f"the server cannot be reached: {error}", self._unsent if early else "")
        if response.status_code == 404 and _SESSION in request.headers:
            await response.aclose()
            return _refuse(request, FORGOTTEN, self._unsent)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            return _refuse(request, "the answer is compressed, which was not asked for", "")
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream), "of an asynchronous client"
            response.stream = _Limited(response.stream)
            try:
                await response.aread()
            except httpx2.TransportError as error:
                await response.aclose()
                return _refuse(request, f"the answer broke off: {error}", "")
        return response


class _Limited(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_MESSAGE_BYTES
        async for chunk in self._inner:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"it has more than {MAX_MESSAGE_BYTES >> 20} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def _refuse(request: httpx2.Request, why: str, unsent: str) -> httpx2.Response:
    """An answer that says what happened, in the words of the protocol."""
    error = {"code": CONNECTION_CLOSED, "message": why, "data": unsent}
    return httpx2.Response(502, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)

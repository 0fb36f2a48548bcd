"""A server behind streamable HTTP.

The SDK speaks the protocol; the client given to it keeps the promises that the SDK's own does not: an answer has a
limit, a failure ends its own call and not all that are under way, it is known whether a request had left, nobody who
has gone is waited for, and a stream that breaks off is not asked for again and again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import msgspec
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED

from surefoot.mcp.leash import LEASH, Leash
from surefoot.mcp.limits import MAX_MESSAGE_BYTES, MAX_VALUES, MESSAGE_BYTES, Pace, is_too_much

CONNECT_TIMEOUT_S: Final = 10.0
SILENCE_S: Final = 300.0
"""Longest time without a byte in an answer; the time of a call is up long before."""
TELL_S: Final = 2.0
"""Longest time for what has no answer; the SDK sends nothing else meanwhile."""
LISTEN_EVERY_S: Final = 10.0
"""Between attempts to hear what the server has to say by itself: one that hangs up at once is not called all day."""
_SESSION: Final = "mcp-session-id"
_EVENTS: Final = "text/event-stream"


class Site(msgspec.Struct, frozen=True):
    """Where requests go.

    Attributes:
        url: The endpoint.
        headers: Sent with each request.
        unsent: What an error says of a request that the server has not looked at; only this process knows the word.
        tls: Whom it trusts; takes a tenth of a second to make.
    """

    url: str
    headers: Mapping[str, str]
    unsent: str
    tls: ssl.SSLContext


def make_tls() -> ssl.SSLContext:
    """For `Site`."""
    return httpx2.create_ssl_context()


FORGOTTEN: Final = "the server has forgotten the session"
"""The message of an error, with the word of `Site`: nothing will go through this connection any more."""


@asynccontextmanager
async def open_http(site: Site, _lose: Callable[[str], None], pace: Pace) -> AsyncGenerator[Any, None]:
    """Streams to and from the server; nothing is connected yet.

    Args:
        site: Where to.
        _lose: Nobody is told of an end: each request says what became of it.
        pace: How fast its events are read.
    """
    async with (
        _Client(site, pace) as client,
        streamable_http_client(site.url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES) as streams,
    ):
        yield streams


class _Sent(msgspec.Struct):
    """What the SDK sends: a request has both, an answer of ours no method, anything else no id."""

    method: str = ""
    id: Any = None


_read_sent: Final = msgspec.json.Decoder(_Sent).decode


class _Client(httpx2.AsyncClient):
    def __init__(self, site: Site, pace: Pace) -> None:
        # A compressed answer could be larger than it looks, so none is asked for and none is read
        headers = {**site.headers, "accept-encoding": "identity"}
        timeout = httpx2.Timeout(CONNECT_TIMEOUT_S, read=SILENCE_S)
        super().__init__(headers=headers, timeout=timeout, verify=site.tls)
        self._unsent = site.unsent
        self._pace = pace
        self._listen_at = 0.0

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The answer, whole if it is no stream of events; an error of the connection is an answer, too."""
        if request.method == "GET":
            await self._wait_to_listen()
            return await self._fetch(request, options, Leash())
        sent = _read_sent(request.content or b"{}")
        if sent.method and sent.id is not None:
            answer = await self._fetch(request, options, LEASH.get() or Leash())
            return answer if _is_for(sent.id, answer) else _refuse(request, "it is the answer to another request", "")
        return await self._tell(request, options)

    async def _wait_to_listen(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._listen_at - loop.time())
        self._listen_at = loop.time() + LISTEN_EVERY_S

    async def _tell(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        """Nobody reads an answer, so none is waited for."""
        leash = Leash()
        try:
            async with asyncio.timeout(TELL_S):
                response = await self._fetch(request, options, leash)
        except TimeoutError:
            return httpx2.Response(504, request=request)
        if not response.has_redirect_location:  # one within the site is followed
            await response.aclose()
            return httpx2.Response(response.status_code, request=request)
        return response

    async def _fetch(self, request: httpx2.Request, options: dict[str, Any], leash: Leash) -> httpx2.Response:
        answer: httpx2.Response | None = None
        with leash.hold():
            try:
                answer = await self._read(request, await super().send(request, **options), leash)
            except httpx2.TransportError as error:
                early = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
                why = str(error).rstrip(".") or type(error).__name__
                return _refuse(request, f"the server cannot be reached: {why}", self._unsent if early else "")
        return answer or _refuse(request, "nobody waits for it any more", "")

    async def _read(self, request: httpx2.Request, response: httpx2.Response, leash: Leash) -> httpx2.Response:
        if response.status_code == 404 and _SESSION in request.headers:
            await response.aclose()
            return _refuse(request, FORGOTTEN, self._unsent)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            return _refuse(request, "the answer is compressed, which was not asked for", "")
        assert isinstance(response.stream, httpx2.AsyncByteStream), "of an asynchronous client"
        if response.headers.get("content-type", "").lower().startswith(_EVENTS):
            paced = _Paced(response.stream, self._pace, leash)
            inner = httpx2.Response(200, headers=response.headers, stream=paced, request=request)
            response.stream = _Events(inner, self._pace)
            response.headers["content-type"] = _EVENTS
            return response
        response.stream = _Limited(response.stream)
        try:
            content = await response.aread()
        except httpx2.TransportError as error:
            await response.aclose()
            return _refuse(request, f"the answer broke off: {error}", "")
        return _refuse(request, _TOO_MUCH, "") if is_too_much(content) else response


def _is_for(sent: Any, answer: httpx2.Response) -> bool:
    """Whether an answer, if it is one message, has the id of its request; else it would be that of somebody else."""
    if answer.status_code != 200 or isinstance(answer.stream, _Events):
        return True
    try:
        return str(_read_sent(answer.content).id) == str(sent)
    except msgspec.DecodeError:  # the SDK says what is wrong
        return True


_TOO_MUCH: Final = f"the answer has more than {MAX_VALUES:,} values"


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


class _Paced(httpx2.AsyncByteStream):
    """Not faster than the server may be read, and not longer than somebody waits."""

    def __init__(self, inner: httpx2.AsyncByteStream, pace: Pace, leash: Leash) -> None:
        self._inner = inner
        self._pace = pace
        self._leash = leash

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._inner)
        while True:
            chunk: bytes | None = None
            with self._leash.hold() as scope:
                chunk = await anext(chunks, None)
            if scope.cancelled_caught:
                raise httpx2.ReadError("nobody waits for it any more")
            if chunk is None:
                return
            await self._pace.spend(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Events(httpx2.AsyncByteStream):
    """The messages of a stream, and nothing else: with an id, the SDK would ask again for what comes after it.

    It would do so without an end, and as fast as the server says: by ``retry``.
    """

    def __init__(self, inner: httpx2.Response, pace: Pace) -> None:
        self._inner = inner
        self._pace = pace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in httpx2.EventSource(self._inner, max_event_size=MAX_MESSAGE_BYTES):
            if event.event == "message" and event.data:
                data = event.data.encode()
                if is_too_much(data):
                    raise httpx2.SSEError(_TOO_MUCH)
                await self._pace.spend(MESSAGE_BYTES)
                yield b"".join([b"data: " + line + b"\n" for line in data.split(b"\n")]) + b"\n"

    async def aclose(self) -> None:
        await self._inner.aclose()


def _refuse(request: httpx2.Request, why: str, unsent: str) -> httpx2.Response:
    """An answer that says what happened, in the words of the protocol."""
    error = {"code": CONNECTION_CLOSED, "message": why, "data": unsent}
    return httpx2.Response(502, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)

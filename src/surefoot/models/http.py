"""The one HTTP client: a pool of connections to the providers. The only file that names the HTTP library.

What the library is used for, and what it is kept from doing:

* No retries and no redirects: each call sends at most one request (a redirect would carry the key elsewhere); only
  `download`, which sends no key, follows them.
* Proxies come from the environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``), but never for
  loopback: a model on this machine is not behind a proxy.
* An idle connection is dropped after `IDLE_TIMEOUT_S`, before common servers do it (uvicorn: 5 s). A request that goes
  out on a connection which the server closes at that moment has an unknown outcome, and costs its whole hold.
* A cancelled `HttpClient.post` frees the caller at once; the library gives the connection up when the answer comes or
  the timeout of the request is over. A cancelled stream closes its connection as soon as headers have come.
* Where an answer, or an error, and a cancellation come in the same moment the library gives the answer out, and nobody
  would ever learn of the cancellation: so it is looked whether there was one after each wait (`_heed`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult

from surefoot.errors import ConfigError, ModelBroken, ModelError, ModelUnreachable
from surefoot.models.address import check_base_url, find_address, is_loopback
from surefoot.models.status import HeaderLookup, Peer

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.exceptions import DetailedPyreqwestError
    from pyreqwest.http import HeaderMap, Url
    from pyreqwest.request import StreamRequest
    from pyreqwest.response import Response

CONNECT_TIMEOUT_S: Final = 10.0
IDLE_TIMEOUT_S: Final = 4.0
MAX_BODY_BYTES: Final = 2 << 20
"""A whole reply beyond this, after decompression, is not read to its end; 128,000 tokens of text are a third of it."""
MAX_STREAM_BYTES: Final = 32 << 20
"""The same for a stream: each token comes with hundreds of bytes around it."""

_MIN_TIMEOUT_S: Final = 0.001
_NOT_CONNECTED: Final = "client error (Connect)"  # the library's connector: DNS, TCP, proxy or TLS failed


class Endpoint:
    """Where requests go, with headers, prepared once.

    Attributes:
        peer: For messages.
        url: The full URL.
    """

    __slots__ = ("_carry", "_client", "_copy", "_headers", "_templates", "peer", "url")

    def __init__(self, client: Client, url: Url, headers: HeaderMap, peer: Peer) -> None:
        from pyreqwest.request import RequestBody, StreamRequest

        self.peer = peer
        self._client = client
        self.url = url
        self._headers = headers
        self._copy = StreamRequest.from_request_and_body
        self._carry = RequestBody.from_bytes
        self._templates: dict[bool, tuple[float, StreamRequest]] = {}

    def build(self, body: bytes, timeout_s: float, *, piecewise: bool) -> StreamRequest:
        """A request; with ``piecewise`` its answer is handed out as it comes.

        Nearly all requests have the same timeout: a copy of the last one with another body takes 7,000 instructions
        less than a new one.
        """
        template = self._templates.get(piecewise)
        if template is None or template[0] != timeout_s:
            timeout = timedelta(seconds=max(timeout_s, _MIN_TIMEOUT_S))
            builder = self._client.post(self.url).headers(self._headers).timeout(timeout)
            if piecewise:  # without this the library hands nothing out before 64 KiB have gathered
                builder = builder.streamed_read_buffer_limit(0)
            self._templates[piecewise] = template = timeout_s, builder.build_streamed()
        return self._copy(template[1], self._carry(body))


class HttpClient:
    """A pool of connections, shared by all models of a runtime.

    Args:
        max_connections: Requests in flight; further ones wait within their timeout.
        connect_timeout_s: Longest time for DNS, TCP, proxy and TLS together.
    """

    def __init__(self, *, max_connections: int = 10_000, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._max_connections = max_connections
        self._connect_timeout_s = connect_timeout_s
        self._clients: dict[bool, Client] = {}

    def prepare(self, url: SplitResult, headers: Mapping[str, str], peer: Peer) -> Endpoint:
        """Where requests will go.

        Args:
            url: The full URL, from `check_base_url`.
            headers: Sent with each request.
            peer: For messages.

        Raises:
            ConfigError: A header value cannot be sent, or the library does not take the URL.
        """
        from pyreqwest.http import HeaderMap, Url

        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ConfigError(
                    f"{peer.model}: the value of {name} holds a character that a header cannot carry; "
                    f"check {peer.key_setting}"
                )
        try:
            target = Url(url.geturl())
        except ValueError as error:
            raise ConfigError(f"{peer.model}: base_url {peer.address} is not a URL: {error}") from None
        lines = HeaderMap()
        for name, value in headers.items():
            lines.insert(name, value, is_sensitive=True)
        return Endpoint(self._find_client(direct=is_loopback(url)), target, lines, peer)

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: float) -> tuple[int, HeaderLookup, bytes]:
        """One request and its whole answer: status, headers and body, whatever the status.

        Args:
            endpoint: Where to.
            body: JSON.
            timeout_s: For all of it, from the wait for a connection to the last byte.

        Raises:
            ModelUnreachable: Nothing was sent.
            ModelBroken: The outcome is unknown.
        """
        task, cancels = _count_cancels()
        try:
            request = endpoint.build(body, timeout_s, piecewise=False)
            response = await request.__aenter__()
            try:
                _heed(task, cancels)
                data = await response.body_reader.read(MAX_BODY_BYTES + 1)
                _heed(task, cancels)
            except BaseException:
                await request.__aexit__(None, None, None)
                raise
        except _failures() as error:
            _heed(task, cancels)
            raise _translate(error, endpoint.peer, timeout_s) from None
        if data is not None and len(data) > MAX_BODY_BYTES:
            await request.__aexit__(None, None, None)
            raise build_overflow(endpoint.peer)
        # The whole body was read, and with its last byte the connection is free: to leave the request, too, would
        # only take 5,000 instructions more.
        return response.status, partial(_look_up, response.get_header), b"" if data is None else data.to_bytes()

    async def open(self, endpoint: Endpoint, body: bytes, timeout_s: float) -> HttpStream:
        """One request and an answer whose body is read as it comes; the caller closes it.

        Args:
            endpoint: Where to.
            body: JSON.
            timeout_s: For all of it, to the last byte of the stream.

        Raises:
            ModelUnreachable: Nothing was sent.
            ModelBroken: The outcome is unknown.
        """
        task, cancels = _count_cancels()
        request = endpoint.build(body, timeout_s, piecewise=True)
        try:
            response = await request.__aenter__()
        except _failures() as error:
            _heed(task, cancels)
            raise _translate(error, endpoint.peer, timeout_s) from None
        if task.cancelling() > cancels:
            await request.__aexit__(None, None, None)
            raise asyncio.CancelledError
        return HttpStream(request, response, endpoint.peer, timeout_s)

    async def close(self) -> None:
        """Give all connections up; requests in flight end as `ModelBroken`."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()

    def _find_client(self, *, direct: bool) -> Client:
        client = self._clients.get(direct)
        if client is None:
            from pyreqwest.client import ClientBuilder

            builder = (
                ClientBuilder()
                .max_connections(self._max_connections)
                .connect_timeout(timedelta(seconds=self._connect_timeout_s))
                .pool_idle_timeout(timedelta(seconds=IDLE_TIMEOUT_S))
                .follow_redirects(enable=False)
                .referer(enable=False)
                .user_agent("surefoot")
            )
            client = self._clients[direct] = (builder.no_proxy() if direct else builder).build()
        return client


class HttpStream:
    """An answer whose body is still coming.

    Attributes:
        status: HTTP status.
        header: Looks up response headers.
    """

    __slots__ = ("_bytes_read", "_peer", "_read_chunk", "_request", "_timeout_s", "header", "status")

    def __init__(self, request: StreamRequest, response: Response, peer: Peer, timeout_s: float) -> None:
        self.status = response.status
        self.header: HeaderLookup = partial(_look_up, response.get_header)
        self._request = request
        self._read_chunk = response.body_reader.read_chunk
        self._peer = peer
        self._timeout_s = timeout_s
        self._bytes_read = 0

    async def read(self) -> bytes:
        """The next bytes as they came, b"" at the end.

        Raises:
            ModelBroken: The stream was cut, is too long, or the time is over.
        """
        task, cancels = _count_cancels()
        try:
            chunk = await self._read_chunk()
        except _failures() as error:
            _heed(task, cancels)
            raise _translate(error, self._peer, self._timeout_s) from None
        _heed(task, cancels)
        if chunk is None:
            return b""
        self._bytes_read += len(chunk)
        if self._bytes_read > MAX_STREAM_BYTES:
            raise build_overflow(self._peer, MAX_STREAM_BYTES)
        return chunk.to_bytes()

    async def read_all(self) -> bytes:
        """The rest, of an answer that is no stream.

        Raises:
            ModelBroken: As `read`, and as of a whole reply.
        """
        chunks: list[bytes] = []
        while chunk := await self.read():
            chunks.append(chunk)
            if self._bytes_read > MAX_BODY_BYTES:
                raise build_overflow(self._peer)
        return b"".join(chunks)

    async def close(self) -> None:
        """Give the connection back, or up if the body has not ended."""
        task, cancels = _count_cancels()
        await self._request.__aexit__(None, None, None)
        _heed(task, cancels)


async def download(url: str, *, connect_timeout_s: float, read_timeout_s: float) -> AsyncGenerator[bytes, None]:
    """A public file in pieces; redirects are followed, for files are stored elsewhere than they are published.

    Args:
        url: Where the file is.
        connect_timeout_s: Longest time until there is a connection.
        read_timeout_s: Longest time without a byte.

    Raises:
        ConfigError: That is no URL.
        ModelUnreachable: There is no such server, or it does not give the file.
        ModelBroken: The connection broke before the end.
    """
    from pyreqwest.client import ClientBuilder

    parts = check_base_url(url, "local.url")
    peer = Peer("download", find_address(parts), "local.url")
    builder = ClientBuilder().connect_timeout(timedelta(seconds=connect_timeout_s)).user_agent("surefoot")
    builder = builder.read_timeout(timedelta(seconds=read_timeout_s)).follow_redirects(enable=True)
    try:
        async with (
            (builder.no_proxy() if is_loopback(parts) else builder).build() as client,
            client.get(url).build_streamed() as response,
        ):
            if response.status != 200:
                raise ModelUnreachable(f"{peer.address} answers {response.status}", status=response.status)
            while (chunk := await response.body_reader.read_chunk()) is not None:
                yield chunk.to_bytes()
    except _failures() as error:
        raise _translate(error, peer, read_timeout_s) from None


def _count_cancels() -> tuple[asyncio.Task[Any], int]:
    """The current task, and how often somebody has asked it to end and has not taken it back."""
    task = asyncio.current_task()
    assert task is not None, "a request is sent by a task"
    return task, task.cancelling()


def _heed(task: asyncio.Task[Any], cancels: int) -> None:
    """End the current task if that was asked for since `_count_cancels` counted."""
    if task.cancelling() > cancels:
        raise asyncio.CancelledError


def _look_up(find: HeaderLookup, name: str) -> str | None:
    """A header; one whose value is no text counts as one that is not there."""
    try:
        return find(name)
    except ValueError:
        return None


def build_overflow(peer: Peer, most_bytes: int = MAX_BODY_BYTES) -> ModelBroken:
    """What is said of a reply that is too long."""
    return ModelBroken(f"{peer.model}: the reply from {peer.address} is longer than {most_bytes >> 20} MiB")


def _failures() -> type[DetailedPyreqwestError]:
    """What to catch; looked up when something is caught, since the library is imported late."""
    from pyreqwest.exceptions import DetailedPyreqwestError

    return DetailedPyreqwestError


def _translate(error: DetailedPyreqwestError, peer: Peer, timeout_s: float) -> ModelError:
    """What an error of the library means.

    Its class does not tell whether a request was sent (a timeout while the model thinks is a ``ConnectTimeoutError``);
    the chain of causes does.
    """
    from pyreqwest.exceptions import PoolTimeoutError, RequestTimeoutError

    causes = [cause["message"] for cause in error.details["causes"] or ()]
    reason = peer.clean(causes[-1] if causes else error.message)
    if isinstance(error, PoolTimeoutError):
        return ModelUnreachable(f"{peer.model}: no connection became free within {timeout_s:.3g} s")
    if _NOT_CONNECTED in causes:
        return ModelUnreachable(f"{peer.model}: {peer.address} cannot be reached: {reason}")
    if isinstance(error, RequestTimeoutError):
        return ModelBroken(f"{peer.model}: no complete reply from {peer.address} within {timeout_s:.3g} s")
    return ModelBroken(f"{peer.model}: the connection to {peer.address} broke: {reason}")

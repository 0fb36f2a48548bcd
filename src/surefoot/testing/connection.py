"""One connection of the fake provider: keep-alive, both kinds of body, slow responses and rude endings."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from typing import Final, Literal, Protocol, cast

import msgspec

from surefoot.testing.http1 import (
    MAX_HEAD_BYTES,
    End,
    Head,
    HttpRequest,
    Problem,
    Response,
    read_head,
    read_size,
    write_head,
)

_MAX_LINE_BYTES: Final = 1_024  # before a chunk
_DRAIN_S: Final = 1.0  # how long a caller may take to read that its request is refused
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # closing then sends RST instead of FIN


class Host(Protocol):
    """What owns the connections."""

    max_body_bytes: int

    def connect(self, connection: Connection) -> Literal["serve", "refuse", "drop"]:
        """A connection came: serve it, answer its first request with 503, or drop it at once."""
        ...

    def disconnect(self, connection: Connection, *, waiting: bool) -> None:
        """A connection is gone; ``waiting`` tells whether it was owed a response."""
        ...

    def finish(self, connection: Connection) -> None:
        """The response to the last request is written."""
        ...

    def serve(self, connection: Connection, request: HttpRequest) -> None:
        """Answer with `Connection.respond`, now or later; no other request of this connection comes before that."""
        ...


class Connection(asyncio.Protocol):
    """One connection: reads requests one at a time, and not ahead of a caller that does not read its responses."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = bytearray()
        self._body = bytearray()  # chunks that have come
        self._head: Head | None = None
        self._busy = False
        self._lost = False
        self._over = False  # one connection too many: its first request gets 503
        self._deaf = False  # refused for good: what still comes is thrown away
        self._writable = True
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        verdict = self._host.connect(self)
        self._over = verdict == "refuse"
        if verdict == "drop":
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._lost = True
        waiting, self._busy = self._busy, False
        if self._task is not None:
            self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._host.disconnect(self, waiting=waiting)

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._writable = False

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._writable = True
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._deaf:
            return
        self._buffer += data
        if self._busy or not self._writable:
            self._transport.pause_reading()  # a caller far ahead of its responses must not fill the buffer
        else:
            self._advance()

    # --- called by the host

    def respond(self, response: Response) -> None:
        """Send the response to the request that is being served."""
        if self._lost:
            return
        if response.delay_s > 0 or response.pace_s > 0 or response.end == "reset":
            self.run(self._play(response))
        else:
            self._transport.write(b"".join(response.pieces))
            self._end(response.end)

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Work on the response in a task; it is cancelled when the caller goes away."""
        self._task = asyncio.get_running_loop().create_task(work)

    def abort(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    # --- responses

    async def _play(self, response: Response) -> None:
        await asyncio.sleep(response.delay_s)
        if response.pace_s > 0:
            for index, piece in enumerate(response.pieces):
                await asyncio.sleep(response.pace_s if index > 1 else 0)
                self._transport.write(piece)
        else:
            self._transport.write(b"".join(response.pieces))
        await asyncio.sleep(0)  # uvloop writes at the end of its turn: a reset must not overtake the pieces
        self._end(response.end)

    def _end(self, end: End) -> None:
        if end == "hang":
            return
        self._busy = False
        self._host.finish(self)
        if end == "keep":
            self._go_on()
        elif end == "close":
            self._deaf = True
            self._transport.close()
        else:
            sock = cast("socket.socket", self._transport.get_extra_info("socket"))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self._transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer what is no request of ours, and read no further; the caller has time to read the answer."""
        error = {"message": problem.message, "type": "invalid_request_error", "code": None}
        body = msgspec.json.encode({"error": error})
        self._deaf = True
        self._buffer.clear()
        self._transport.write(write_head(problem.status, "application/json", len(body), "connection: close\r\n") + body)
        self._transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(_DRAIN_S, self._transport.abort)

    # --- requests

    def _go_on(self) -> None:
        if self._buffer and not self._lost:
            self._transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        while self._buffer and not (self._busy or self._deaf or self._lost) and self._writable:
            request = self._take_request()
            if request is None:
                return
            if isinstance(request, HttpRequest) and self._over:
                request = Problem(
                    503, "the fake provider has no connection left: raise max_connections or lower the load"
                )
            if isinstance(request, Problem):
                self._refuse(request)
                return
            self._busy = True
            self._host.serve(self, request)

    def _take_request(self) -> HttpRequest | Problem | None:
        """The next request, None while it is not complete."""
        head = self._head or self._take_head()
        if not isinstance(head, Head):
            return head
        self._head = head
        body = self._take_chunks() if head.length is None else self._take_bytes(head.length)
        if not isinstance(body, bytes):
            return body
        self._head = None
        return HttpRequest(head.method, head.path, head.headers, body)

    def _take_head(self) -> Head | Problem | None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # RFC 9112, 2.2: an empty line before a request is no mistake
            del buffer[:2]
        end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0:
            too_long = len(buffer) >= MAX_HEAD_BYTES
            return Problem(431, f"the request head is over {MAX_HEAD_BYTES} bytes") if too_long else None
        head = read_head(bytes(buffer[:end]).decode("latin-1"), self._host.max_body_bytes)
        del buffer[: end + 4]
        if isinstance(head, Head) and head.headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return head

    def _take_bytes(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _take_chunks(self) -> bytes | Problem | None:
        buffer = self._buffer
        while True:
            line_end = buffer.find(b"\r\n", 0, _MAX_LINE_BYTES)
            if line_end < 0:
                return Problem(400, "a chunk has no size") if len(buffer) >= _MAX_LINE_BYTES else None
            size = read_size(bytes(buffer[:line_end]).partition(b";")[0].strip().decode("latin-1"), 16)
            if size is None:
                return Problem(400, "the size of a chunk is no number")
            if size == 0:
                return self._take_trailers(line_end)
            if len(self._body) + size > self._host.max_body_bytes:
                return Problem(413, f"the body is over {self._host.max_body_bytes} bytes")
            start = line_end + 2
            if len(buffer) < start + size + 2:
                return None
            self._body += buffer[start : start + size]
            del buffer[: start + size + 2]

    def _take_trailers(self, start: int) -> bytes | Problem | None:
        end = self._buffer.find(b"\r\n\r\n", start, start + MAX_HEAD_BYTES)
        if end < 0:
            too_long = len(self._buffer) - start >= MAX_HEAD_BYTES
            return Problem(431, f"the trailers are over {MAX_HEAD_BYTES} bytes") if too_long else None
        del self._buffer[: end + 4]
        body = bytes(self._body)
        self._body.clear()
        return body

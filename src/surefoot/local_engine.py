"""The child process of the embedded model: the engine, and a gate in front of it.

The engine holds Python's global lock while it loads and while it stops, and may abort the process; so it lives in a
process of its own. It has no limit on its queue and its keep-alive connections drop now and then; so a gate stands
before it, which lets one request through at a time, keeps a bounded number waiting, answers the others 429, and closes
each connection after its reply.

Run by `surefoot.local`, which writes `EngineOptions` as a line of JSON to the standard input and reads one line of JSON
back: ``{"port": N}`` or ``{"error": "..."}``. The child ends when its standard input ends, so it never outlives its
parent. It imports nothing of Surefoot and starts no tool.
"""

from __future__ import annotations

import asyncio
import hmac
import importlib
import json
import os
import sys
from typing import Any, Final, NamedTuple, TypedDict

BODY_BYTES_MAX: Final = 4 << 20
"""Longest request body; a context window holds far less."""
REQUEST_TIMEOUT_S: Final = 30.0
"""How long a client may take to send its request."""
_HEAD_BYTES_MAX: Final = 64 << 10
_CHUNK_BYTES: Final = 64 << 10
_CACHE_MIB: Final = 256  # prompts of earlier conversations; the engine's own default is 8 GiB
_FIRST_SERVICE_S: Final = 5.0  # a guess of one reply's time until one is measured
_SMOOTHING: Final = 0.3  # weight of the newest reply in the mean


class EngineOptions(TypedDict):
    """What the parent tells the child.

    Attributes:
        path: GGUF file.
        api_key: Key that every request must carry.
        context_tokens: Size of the context window.
        threads: Threads that compute; 0 is one for each core.
        max_waiting: Requests that may wait.
    """

    path: str
    api_key: str
    context_tokens: int
    threads: int
    max_waiting: int


class _Request(NamedTuple):
    line: bytes
    headers: list[bytes]
    length: int
    authorized: bool


class _BadRequest(Exception):
    """Not an HTTP/1.1 request that the gate can pass on."""


class Gate:
    """Passes HTTP requests to the engine one at a time, in order of arrival."""

    def __init__(
        self, engine_port: int, api_key: str, max_waiting: int, request_timeout_s: float = REQUEST_TIMEOUT_S
    ) -> None:
        self._request_timeout_s = request_timeout_s
        self._engine_port = engine_port
        self._key = f"Bearer {api_key}".encode()
        self._max_waiting = max_waiting
        self._open = 0
        self._engine_free = asyncio.Semaphore(1)
        self._service_s = _FIRST_SERVICE_S

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one request, one reply."""
        try:
            async with asyncio.timeout(self._request_timeout_s):
                request = await self._read_head(reader)
                reply = self._refusal(request)
                if reply is not None:
                    await reader.read(min(request.length, BODY_BYTES_MAX))  # or the reset would eat the reply
                    writer.write(reply)
                    return await writer.drain()
            await self._serve(request, reader, writer)
        except _BadRequest as error:
            writer.write(_reply(400, "Bad Request", str(error)))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return None  # the client has gone, or sends too slowly to be worth a reply
        finally:
            writer.close()
        return None

    async def _read_head(self, reader: asyncio.StreamReader) -> _Request:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise _BadRequest("the request's headers are too long") from None
        line, *headers = head[:-4].split(b"\r\n")
        length, authorized = 0, False
        kept: list[bytes] = []
        for header in headers:
            name, _, value = header.partition(b":")
            name, value = name.strip().lower(), value.strip()
            if name == b"content-length":
                if not value.isdigit() or int(value) > BODY_BYTES_MAX:
                    raise _BadRequest(f"the body must have a length of at most {BODY_BYTES_MAX} bytes")
                length = int(value)
            elif name == b"transfer-encoding":
                raise _BadRequest("send the body with Content-Length, not in chunks")
            elif name == b"authorization":
                authorized = hmac.compare_digest(value, self._key)
            if name != b"connection":
                kept.append(header)
        return _Request(line, kept, length, authorized)

    def _refusal(self, request: _Request) -> bytes | None:
        if not request.authorized:
            return _reply(401, "Unauthorized", "the API key is wrong")
        if self._open > self._max_waiting:
            retry_after_s = max(1, round(self._service_s * self._open))
            message = f"{self._max_waiting} requests wait for the embedded model already"
            return _reply(429, "Too Many Requests", message, f"Retry-After: {retry_after_s}\r\n")
        return None

    async def _serve(self, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(self._request_timeout_s):
                body = await reader.readexactly(request.length)
            passing = asyncio.create_task(self._pass_on(request, body, writer))
            leaving = asyncio.create_task(reader.read(1))  # ends when the client hangs up
            try:
                await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                passing.cancel()  # closes the connection to the engine, which then stops computing
                await asyncio.wait({passing, leaving})
            if not passing.cancelled():
                passing.result()
        finally:
            self._open -= 1

    async def _pass_on(self, request: _Request, body: bytes, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        async with self._engine_free:
            began = loop.time()
            engine_reader, engine_writer = await asyncio.open_connection("127.0.0.1", self._engine_port)
            try:
                head = b"\r\n".join([request.line, *request.headers, b"Connection: close", b"", b""])
                engine_writer.write(head + body)
                while chunk := await engine_reader.read(_CHUNK_BYTES):
                    writer.write(chunk)
                    await writer.drain()
            finally:
                engine_writer.close()
            self._service_s += _SMOOTHING * (loop.time() - began - self._service_s)


def _reply(status: int, reason: str, message: str, headers: str = "") -> bytes:
    body = json.dumps(
        {"error": {"message": message, "code": status, "type": reason.lower().replace(" ", "_")}}
    ).encode()
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def load_engine(options: EngineOptions) -> Any:
    """The engine with the model in memory, listening on a free port of the loopback interface.

    Raises:
        RuntimeError: The file cannot be loaded.
    """
    engine: Any = importlib.import_module("xllamacpp")  # an extra without types
    params = engine.CommonParams()
    params.model.path = options["path"]
    params.n_ctx = options["context_tokens"]
    params.n_parallel = 1  # on a few cores a second slot only makes both slower and reads the system prompt twice
    params.cache_ram_mib = _CACHE_MIB
    params.no_extra_bufts = True  # repacked weights are a second copy: 0.6 GB for nothing measurable here
    params.sampling.temp = 0.0  # small models are at their best when they do not guess; a request may say otherwise
    params.api_keys = [options["api_key"]]
    params.cors_origins = "null"  # no page of a browser has business here
    params.cors_credentials = False
    params.ui = params.endpoint_slots = False
    params.hostnames = ["127.0.0.1"]
    params.n_threads_http = 2
    params.verbosity = 0
    if options["threads"]:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    return engine.Server(params)


async def serve(engine_port: int, options: EngineOptions, answer_fd: int) -> None:
    """Serve until the standard input ends."""
    gate = Gate(engine_port, options["api_key"], options["max_waiting"])
    server = await asyncio.start_server(gate.handle, "127.0.0.1", 0, limit=_HEAD_BYTES_MAX)
    os.write(answer_fd, json.dumps({"port": server.sockets[0].getsockname()[1]}).encode() + b"\n")
    os.close(answer_fd)
    await asyncio.to_thread(sys.stdin.buffer.read)
    server.close()


def main() -> None:
    """Load, serve, end with the parent."""
    options: EngineOptions = json.loads(sys.stdin.buffer.readline())
    answer_fd = os.dup(1)
    os.dup2(2, 1)  # the answer is the only thing on the standard output, whatever the engine prints
    try:
        engine = load_engine(options)
    except Exception as error:  # noqa: BLE001 - reported to the parent, which has the words for it
        os.write(answer_fd, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        return
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # nobody reads a log here: a full pipe would stop the engine
    os.dup2(quiet, 1)
    asyncio.run(serve(int(engine.listening_address.rpartition(":")[2]), options, answer_fd))


if __name__ == "__main__":
    main()

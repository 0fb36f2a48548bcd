"""A provider of models on loopback: real HTTP, scripted replies, and a bill of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Literal, Self

from surefoot.clock import Clock, SystemClock
from surefoot.errors import ConfigError
from surefoot.event_loop import run_in_loop
from surefoot.testing.anthropic_wire import AnthropicWire
from surefoot.testing.bill import Price
from surefoot.testing.brain import Brain
from surefoot.testing.connection import Connection
from surefoot.testing.generation import check_multiplier
from surefoot.testing.http1 import HttpRequest
from surefoot.testing.openai_wire import OpenAiWire
from surefoot.testing.pace import Pace
from surefoot.testing.request import Wire
from surefoot.testing.responses import write_json
from surefoot.testing.teller import Latency, ProviderScript, Teller, Terms
from surefoot.types import UNLIMITED, Unlimited

REPORT_PATH: Final = "/fake"
"""``GET`` it for the bill and the statistics as JSON: for a provider that runs in a process of its own."""

_WIRES: Final[dict[str, Wire]] = {"/v1/chat/completions": OpenAiWire(), "/v1/messages": AnthropicWire()}


class FakeProvider:
    """An OpenAI-compatible and Anthropic-compatible provider on loopback.

    ``async with`` serves on the running event loop, `start_in_thread` on a thread of its own, and
    ``python -m surefoot.testing.provider`` in a process of its own. It is as strict as a real one: a request without
    key, with a tool message that answers no call, or without ``max_tokens`` is refused in the provider's own form, and
    any path but ``/v1/chat/completions`` and ``/v1/messages`` answers 404: a wrong ``base_url`` does not go unnoticed.

    A script is a list of replies and faults, taken in the order in which requests come; a `Brain` or a `Mix`; or a
    function of the request, which may be async. An exception in such a function answers 500 and is raised again at
    the end of the ``with`` block.

    Args:
        script: What happens; a text stands for `say`.
        api_key: The key that it accepts; "" accepts every caller.
        prices: Prices for `bill`. A mapping also says which models exist: others answer 404.
        latency_s: Seconds before each reply, on top of the script's own.
        input_multiplier: Makes it count more tokens of a prompt, up to 4: see `surefoot.testing.generation`.
        rpm: Requests a minute.
        tpm: Tokens a minute: a request is let in if its prompt and its ``max_tokens`` fit, and counts what it came to.
        burst_s: How much of a minute's rate may come at once, in seconds.
        context_tokens: The models' window: a prompt that does not fit in together with ``max_tokens`` answers 400.
        strict: Whether requests are checked for what a real provider may let pass, such as a missing ``max_tokens``.
        chunk_bytes: Cuts streams into chunks of so many bytes, across events and characters; 0 for one event a chunk.
        seed: For random usage and latency.
        port: TCP port, 0 for any free one.
        max_body_bytes: Larger requests answer 413.
        max_connections: Further ones answer 503, and beyond twice as many are dropped.
        record: At most so many requests are remembered, and 64 MiB of bodies.
        clock: Wall time for headers, and time for rates.

    Attributes:
        base_url: ``http://127.0.0.1:PORT/v1``, for both wires.
        api_key: As given.
        bill: What it charges: see `Bill`.
        requests: The newest requests, for assertions.
        stats: See `Stats`.

    Raises:
        ConfigError: A value out of range, or a port that is taken.
    """

    def __init__(
        self,
        script: ProviderScript | None = None,
        *,
        api_key: str = "sk-fake",
        prices: Price | Mapping[str, Price] | None = None,
        latency_s: Latency = 0.0,
        input_multiplier: float = 1.0,
        rpm: int | Unlimited = UNLIMITED,
        tpm: int | Unlimited = UNLIMITED,
        burst_s: float = 60.0,
        context_tokens: int | Unlimited = UNLIMITED,
        strict: bool = True,
        chunk_bytes: int = 0,
        seed: int = 0,
        port: int = 0,
        max_body_bytes: int = 16 << 20,
        max_connections: int = 10_000,
        record: int = 1_000,
        clock: Clock | None = None,
    ) -> None:
        terms = Terms(
            api_key=api_key,
            latency_s=latency_s,
            input_multiplier=check_multiplier(input_multiplier),
            context_tokens=context_tokens,
            strict=strict,
            chunk_bytes=chunk_bytes,
            seed=seed,
        )
        self._teller = Teller(
            Brain() if script is None else script,
            terms,
            prices=prices,
            pace=Pace.build(rpm, tpm, burst_s),
            record=record,
            clock=SystemClock() if clock is None else clock,
        )
        self.api_key = api_key
        self.base_url = ""
        self.bill = self._teller.bill
        self.requests = self._teller.requests
        self.stats = self._teller.stats
        self.max_body_bytes = max_body_bytes
        self._port = port
        self._max_connections = max_connections
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    # --- life

    async def __aenter__(self) -> Self:
        assert self._server is None, "a provider is started once at a time"
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self._port, backlog=4096)
        except OSError as error:
            raise ConfigError(f"the fake provider cannot listen on port {self._port}: {error.strerror}") from None
        port: int = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "a provider is stopped after it was started"
        self._server.close()
        while self._connections:
            for connection in self._connections:
                connection.abort()
            await asyncio.sleep(0)
        await self._server.wait_closed()
        self._server = None
        if self._teller.error is not None and error is None:
            raise self._teller.error

    @classmethod
    @contextmanager
    def start_in_thread(cls, script: ProviderScript | None = None, **options: Any) -> Generator[Self]:
        """Serve on a thread of its own: ``with FakeProvider.start_in_thread([...]) as provider: ...``.

        For tests without an event loop, or whose event loop must not share its time with the provider. The arguments
        are those of the class.

        Raises:
            ConfigError: A value out of range, or a port that is taken.
        """
        provider = cls(script, **options)
        ready = threading.Event()
        stop: list[Callable[[], object]] = []
        failed: list[Exception] = []

        async def serve() -> None:
            done = asyncio.Event()
            loop = asyncio.get_running_loop()
            async with provider:
                stop.append(lambda: loop.call_soon_threadsafe(done.set))
                ready.set()
                await done.wait()

        def work() -> None:
            try:
                run_in_loop(serve)
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                failed.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=work, name="surefoot-fake-provider", daemon=True)
        thread.start()
        ready.wait()
        try:
            if stop:
                yield provider
        finally:
            for call in stop:
                call()
            thread.join()
        if failed:
            raise failed[0]

    # --- `Host` of the connections

    def connect(self, connection: Connection) -> Literal["serve", "refuse", "drop"]:
        """See `surefoot.testing.http1.Host`."""
        stats = self.stats
        self._connections.add(connection)
        stats.connections += 1
        stats.max_connections = max(stats.max_connections, stats.connections)
        if stats.connections <= self._max_connections:
            return "serve"
        stats.refused_connections += 1
        return "refuse" if stats.connections <= 2 * self._max_connections else "drop"

    def disconnect(self, connection: Connection, *, waiting: bool) -> None:
        """See `surefoot.testing.http1.Host`."""
        self._connections.discard(connection)
        self.stats.connections -= 1
        if waiting:
            self.stats.in_flight -= 1
            self.stats.abandoned += 1

    def finish(self, connection: Connection) -> None:
        """See `surefoot.testing.http1.Host`."""
        self.stats.in_flight -= 1

    def serve(self, connection: Connection, request: HttpRequest) -> None:
        """See `surefoot.testing.http1.Host`."""
        stats = self.stats
        stats.in_flight += 1
        stats.max_in_flight = max(stats.max_in_flight, stats.in_flight)
        path = request.path.partition("?")[0]
        if "://" in path:  # a client that takes this for its proxy sends the whole URL
            path = "/" + path.partition("://")[2].partition("/")[2]
        wire = _WIRES.get(path)
        if path == REPORT_PATH and request.method == "GET":
            connection.respond(write_json(200, self.report()))
        elif wire is None:
            connection.respond(
                write_json(404, _explain(f"nothing is at {path}; use /v1/chat/completions or /v1/messages"))
            )
        elif request.method != "POST":
            connection.respond(write_json(405, _explain("only POST is understood here"), "allow: POST\r\n"))
        else:
            self._teller.serve(connection, wire, request)

    def report(self) -> dict[str, Any]:
        """The sums of the bill and the statistics, as `REPORT_PATH` gives them."""
        bill = {"charges": self.bill.charges.total, "tokens": self.bill.tokens, "nano": int(self.bill.nano)}
        return {"bill": bill | {"usage": self.bill.usage}, "stats": self.stats}


def _explain(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}

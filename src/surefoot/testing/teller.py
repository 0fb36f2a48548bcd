"""What the fake provider does with a call: check it, choose what happens, charge, and answer."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from surefoot.clock import Clock
from surefoot.errors import ConfigError
from surefoot.testing.bill import Bill, Price
from surefoot.testing.brain import Brain
from surefoot.testing.chance import Random, draw
from surefoot.testing.choice import Choice, Mix, resolve_choice
from surefoot.testing.connection import Connection
from surefoot.testing.generation import generate
from surefoot.testing.http1 import HttpRequest
from surefoot.testing.pace import Pace
from surefoot.testing.recent import Recent
from surefoot.testing.request import ProviderRequest, Wire, check_request
from surefoot.testing.responses import write_answer, write_fault
from surefoot.testing.script import Answer, Failure, Fault, overflow, status
from surefoot.types import Unlimited, Usage

ProviderHandler = Callable[[ProviderRequest], Choice | Awaitable[Choice]]
"""Told a request, says what happens; async where it has to wait for the test."""

ProviderScript = Sequence[Choice] | ProviderHandler | Brain | Mix

Latency = float | Callable[[Random], float]
"""Seconds before each reply, or a function that draws them, such as ``lambda r: r.lognormvariate(0, 0.5)``."""

_FALLBACK_MAX_TOKENS = 4096  # of a request without max_tokens when strict is off


class Stats(Struct):
    """What went on at the provider.

    Attributes:
        connections: Open connections.
        max_connections: The most there ever were at one time.
        refused_connections: Connections above the limit.
        requests: Requests for a reply, the invalid ones included.
        in_flight: Requests that wait for the end of their reply.
        max_in_flight: The most there ever were at one time.
        abandoned: Requests whose caller went away before the end.
        replies: Replies sent or begun.
        faults: Scripted faults and errors of the caller, by name: ``429``, ``hang``, ``reset``, ...
    """

    connections: int = 0
    max_connections: int = 0
    refused_connections: int = 0
    requests: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    abandoned: int = 0
    replies: int = 0
    faults: dict[str, int] = {}


class Terms(Struct, frozen=True, kw_only=True):
    """On what terms a `Teller` answers; the fields are arguments of `surefoot.testing.FakeProvider`."""

    api_key: str
    latency_s: Latency
    input_multiplier: float
    context_tokens: int | Unlimited
    strict: bool
    chunk_bytes: int
    seed: int


class Teller:
    """Answers calls.

    Attributes:
        bill: What it charges.
        requests: The newest requests.
        stats: What went on.
        error: The first exception of the script's own function.
    """

    def __init__(
        self,
        script: ProviderScript,
        terms: Terms,
        *,
        prices: Price | Mapping[str, Price] | None,
        pace: Pace,
        record: int,
        clock: Clock,
    ) -> None:
        self.bill = Bill(prices)
        self.requests: Recent[ProviderRequest] = Recent(record, 64 << 20)
        self.stats = Stats()
        self.error: Exception | None = None
        self._choose = _build_chooser(script)
        self._terms = terms
        self._pace = pace
        self._clock = clock

    def serve(self, connection: Connection, wire: Wire, http: HttpRequest) -> None:
        """Answer a request on ``wire``, now or later."""
        call = _Call(connection, wire)
        self.stats.requests += 1
        number = self.stats.requests
        if self._terms.api_key and call.wire.find_key(http.headers) != self._terms.api_key:
            self._send_fault(call, status(401, "Incorrect API key provided."))
            return
        asked = call.wire.read(number, http.headers, http.body)
        if isinstance(asked, Fault):
            self._send_fault(call, asked)
            return
        call.request = asked
        self.requests.append(asked, len(http.body))
        fault = self._check(asked)
        if fault is not None:
            self._send_fault(call, fault)
            return
        try:
            choice = self._choose(asked)
            if inspect.isawaitable(choice):
                call.connection.run(self._serve_later(call, asked, choice))
            else:
                self._play(call, asked, choice)
        except Exception as error:  # noqa: BLE001 - the script is the test's own: raised again when the test ends
            self._break(call, error)

    async def _serve_later(self, call: _Call, asked: ProviderRequest, choice: Awaitable[Choice]) -> None:
        try:
            self._play(call, asked, await choice)
        except asyncio.CancelledError:
            self.bill.charge(asked.number, asked.model, self._count_worst(asked), "cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._break(call, error)

    def _check(self, asked: ProviderRequest) -> Fault | None:
        """What is wrong with a request of the right form, or with its time."""
        if self.bill.models and asked.model not in self.bill.models:
            return status(404, f"The model {asked.model!r} does not exist or you do not have access to it.")
        fault = check_request(asked) if self._terms.strict else None
        if fault is not None:
            return fault
        worst = self._count_worst(asked).total_tokens
        if not isinstance(self._terms.context_tokens, Unlimited) and worst > self._terms.context_tokens:
            return overflow(self._terms.context_tokens)
        wait_s = self._pace.wait_s(worst, self._clock.monotonic())
        if wait_s > 0:
            headers = {"retry-after-ms": str(math.ceil(wait_s * 1000))}
            return status(429, "Rate limit reached.", retry_after_s=math.ceil(wait_s), headers=headers)
        return None

    def _play(self, call: _Call, asked: ProviderRequest, choice: Choice) -> None:
        tools = asked.tools if asked.allow_tools else ()
        key = (self._terms.seed, asked.number)
        step = resolve_choice(choice, key, lambda brain: brain.think(asked.messages, tools, asked.response_schema))
        if isinstance(step, Answer):
            self._send_answer(call, asked, step, key)
        elif isinstance(step, Fault):
            if step.billed:
                name = str(step.status) if step.kind == "status" else step.kind
                self.bill.charge(asked.number, asked.model, self._count_worst(asked), name)
            self._send_fault(call, step)
        else:
            raise _reject_failure()

    def _send_answer(self, call: _Call, asked: ProviderRequest, answer: Answer, key: tuple[int | str, ...]) -> None:
        max_tokens = asked.max_tokens or _FALLBACK_MAX_TOKENS
        call_id = f"call_{asked.number}"
        generation = generate(
            answer, asked.count, max_tokens, multiplier=self._terms.input_multiplier, key=key, call_id=call_id
        )
        # The harshest moment: a caller that has sent its request owes the reply, whatever becomes of it.
        self.bill.charge(asked.number, asked.model, generation.billed, "reply")
        self._pace.take(generation.billed.total_tokens)
        self.stats.replies += 1
        latency_s = self._terms.latency_s
        if callable(latency_s):
            latency_s = latency_s(draw("latency", *key))
        call.connection.respond(
            write_answer(
                call.wire,
                asked,
                answer,
                generation,
                created_s=int(self._clock.now()),
                delay_s=answer.delay_s + latency_s,
                chunk_bytes=self._terms.chunk_bytes,
                extra=self._write_pace(call),
            )
        )

    def _send_fault(self, call: _Call, fault: Fault) -> None:
        name = str(fault.status) if fault.kind == "status" else fault.kind
        self.stats.faults[name] = self.stats.faults.get(name, 0) + 1
        stream = call.request is not None and call.request.stream
        extra = self._write_pace(call)
        call.connection.respond(write_fault(call.wire, fault, stream=stream, now_s=self._clock.now(), extra=extra))

    def _break(self, call: _Call, error: Exception) -> None:
        self.error = self.error or error
        self._send_fault(call, status(500, f"the fake provider's script raised {type(error).__name__}: {error}"))

    def _count_worst(self, asked: ProviderRequest) -> Usage:
        return Usage(asked.count.tokens(self._terms.input_multiplier), asked.max_tokens or _FALLBACK_MAX_TOKENS)

    def _write_pace(self, call: _Call) -> str:
        lines: list[str] = []
        now_s = self._clock.now()
        if (requests := self._pace.requests) is not None:
            lines.append(call.wire.name_pace("requests", requests.limit, requests.left, requests.reset_s, now_s))
        if (tokens := self._pace.tokens) is not None:
            lines.append(call.wire.name_pace("tokens", tokens.limit, tokens.left, tokens.reset_s, now_s))
        return "".join(lines)


class _Call(Struct):
    """A call while it is served."""

    connection: Connection
    wire: Wire
    request: ProviderRequest | None = None


def _build_chooser(
    script: ProviderScript,
) -> Callable[[ProviderRequest], Choice | Awaitable[Choice]]:
    """The script as a function of the request."""
    if isinstance(script, Brain | Mix):
        return lambda _: script
    if callable(script):
        return script
    replies = list(script)
    if any(isinstance(choice, Failure) for choice in replies):
        raise _reject_failure()
    coming = iter(replies)
    message = f"The fake provider's script is exhausted: it has {len(replies)} replies; add some, or use a Brain."
    exhausted = status(400, message, name="script_exhausted")
    return lambda _: next(coming, exhausted)


def _reject_failure() -> ConfigError:
    return ConfigError(
        "fail(...) works in process only; give the fake provider status(...), reset(), hang() or garbage()"
    )

"""The provider of a simulation: a `Model` with a latency, a bill, limits and troubles of its own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from msgspec import Struct
from msgspec.json import encode as encode_json

from surefoot.errors import ModelBroken, ModelError, ModelUnreachable
from surefoot.models.base import FinishReason, ModelProfile, Options, Prompt, Reply
from surefoot.models.status import Peer, build_status_error
from surefoot.testing.chance import Random, draw
from surefoot.testing.simulation.ask import CANARY, KEY, Ask
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.plan import Trouble
from surefoot.testing.simulation.world import World
from surefoot.types import Message, ToolCall, ToolSpec, Usage

BYTES_PER_TOKEN: Final = 6
"""The simulated vocabulary: fewer tokens than any real one makes of English words."""
FRAMING_TOKENS: Final = 3
FRAMING_BYTES: Final = 24
WORD: Final = " model"
PIECES: Final = 3
OVERLONG: Final = 8
MINUTE_S: Final = 60.0


class SimulatedPrompt:
    """A conversation as the provider gets it."""

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._bytes = len(encode_json(tools)) if tools else 0
        self._messages = 0
        self.has_tools = bool(tools)
        self.keys: list[str] = []
        self.canaries: set[str] = set()
        self.results = 0

    def append(self, message: Message) -> None:
        """Add the next message."""
        text = message.text
        self._messages += 1
        self._bytes += len(text.encode()) + len(message.tool_call_id)
        self.canaries.update(CANARY.findall(text))
        for call in message.tool_calls:
            self._bytes += len(call.id) + len(call.name) + len(call.arguments.encode())
            self.canaries.update(CANARY.findall(call.arguments))
        if message.role == "user":
            found = KEY.search(text)
            if found is not None:
                self.keys.append(found[1])
                self.results = 0
        elif message.role == "tool":
            self.results += 1

    def body(self, max_tokens: int, options: Options, *, stream: bool) -> bytes:
        """Nothing is sent anywhere."""
        return b""

    @property
    def size(self) -> int:
        """Upper bound of the tokens: a byte is at least one token of any vocabulary."""
        return self._bytes + FRAMING_BYTES * (self._messages + 1)

    @property
    def tokens(self) -> int:
        """What the provider counts."""
        return self._bytes // BYTES_PER_TOKEN + FRAMING_TOKENS * self._messages


Price = Callable[[Usage], int]
"""Nano-dollars of a call."""


class Tally(Struct):
    """What the provider has seen.

    Attributes:
        calls: Requests that reached it.
        turned_away: Requests that it answered with 429.
        failed: Requests that failed otherwise.
        usage: Tokens billed.
        nano: Nano-dollars billed.
        in_flight: Requests that are being answered.
        busiest: The most at once.
        by_tenant: Nano-dollars and tokens by customer.
    """

    calls: int = 0
    turned_away: int = 0
    failed: int = 0
    usage: Usage = Usage()
    nano: int = 0
    in_flight: int = 0
    busiest: int = 0
    by_tenant: dict[str, list[int]] = {}


class _Bucket:
    """So much a minute, a sixth of it at once."""

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._size = max(1.0, per_minute / 6)
        self._level = self._size
        self._at_s = 0.0

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there; nothing is taken."""
        self._level = min(self._size, self._level + (now - self._at_s) * self.per_minute / MINUTE_S)
        self._at_s = now
        return max(0.0, (min(amount, self._size) - self._level) * MINUTE_S / self.per_minute)

    def take(self, amount: float) -> None:
        self._level -= amount


class SimulatedModel:
    """See the module.

    Attributes:
        profile: Its provider's name is one of the settings.
        tally: What it has seen.
    """

    def __init__(self, world: World, observer: Observer, troubles: Sequence[Trouble], price: Price) -> None:
        model = world.model
        provider, _, name = model.id.partition(":")
        self.profile = ModelProfile(model.id, provider, name, max_output_tokens=model.max_tokens)
        self.tally = Tally()
        self._world = world
        self._observer = observer
        self._troubles = [trouble for trouble in troubles if trouble.kind != "crash"]
        self._price = price
        self._peer = Peer(model.id, "the simulated provider", "")
        self._requests = _Bucket(model.rpm) if model.rpm else None
        self._tokens = _Bucket(model.tpm) if model.tpm else None

    def open(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> SimulatedPrompt:
        """See `Model.open`."""
        return SimulatedPrompt(tools)

    async def respond(self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float) -> Reply:
        """See `Model.respond`."""
        reply: Reply | None = None
        async for piece in self.stream(prompt, max_tokens, options, timeout_s):
            if isinstance(piece, Reply):
                reply = piece
        assert reply is not None, "a stream ends with a reply or an error"
        return reply

    async def stream(
        self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float
    ) -> AsyncIterator[str | Reply]:
        """See `Model.stream`."""
        assert isinstance(prompt, SimulatedPrompt), "a prompt serves the model that opened it"
        worst = Usage(prompt.tokens, max_tokens)
        ask, hold = self._observer.called(prompt.keys, prompt.canaries, (worst.total_tokens, self._price(worst)))
        tally = self.tally
        tally.calls += 1
        tally.in_flight += 1
        tally.busiest = max(tally.busiest, tally.in_flight)
        known = False
        try:
            async with (
                asyncio.timeout(timeout_s),
                aclosing(self._serve(_Call(ask, hold, prompt, max_tokens, options))) as pieces,
            ):
                async for piece in pieces:
                    known = isinstance(piece, Reply)
                    yield piece
        except ModelError:
            known = True
            raise
        except TimeoutError:
            tally.failed += 1
            raise ModelBroken(f"{self.profile.id}: no reply within {timeout_s:g} s") from None
        finally:
            tally.in_flight -= 1
            if not known:  # whoever asked has gone: he does not know what it cost
                ask.outcomes[hold] = None

    async def close(self) -> None:
        """There is nothing to release."""

    async def _serve(self, call: _Call) -> AsyncGenerator[str | Reply, None]:
        now = asyncio.get_running_loop().time()
        chance = draw(self._world.seed, call.ask.key, "call", call.ask.calls)
        self._check_limits(call, now)
        slow = self._meet_trouble(call, now, chance)
        model, faults = self._world.model, self._world.faults
        if slow == math.inf:
            await asyncio.get_running_loop().create_future()
        latency_s = spread(model.latency_s * slow, model.spread, chance)
        if chance.random() < faults.errors:
            self._bill(call, Usage(call.prompt.tokens, call.max_tokens), None)
            await asyncio.sleep(latency_s)
            raise self._status(500)
        is_cut = chance.random() < faults.cut
        reply, usage = self._compose(call, chance)
        known = None if is_cut or reply.usage is None else usage
        self._bill(call, usage, known)
        text = reply.message.text
        for number in range(PIECES):
            await asyncio.sleep(latency_s / PIECES)
            if is_cut and number == PIECES - 1:
                self.tally.failed += 1
                raise ModelBroken(f"{self.profile.id}: the stream broke off")
            yield text[len(text) * number // PIECES : len(text) * (number + 1) // PIECES]
        yield reply

    def _meet_trouble(self, call: _Call, now: float, chance: Random) -> float:
        """How many times as long the call takes; infinite if it never ends.

        Raises:
            ModelError: It fails at once.
        """
        factor = 1.0
        for trouble in self._troubles:
            if not trouble.at_s <= now < trouble.at_s + trouble.for_s:
                continue
            if trouble.kind == "slow":
                factor = self._world.faults.slow_factor
            elif trouble.kind == "storm" and chance.random() < 0.8:
                raise self._turn_away(call, {"retry-after": f"{1 + 4 * chance.random():.2f}"})
            elif trouble.kind == "outage":
                way = chance.random()
                self.tally.failed += 1
                if way < 0.4:
                    call.ask.outcomes[call.hold] = 0, 0
                    raise ModelUnreachable(f"{self.profile.id}: the connection was refused")
                if way < 0.6:
                    call.ask.outcomes[call.hold] = 0, 0
                    raise self._status(503)
                self._bill(call, Usage(call.prompt.tokens, call.max_tokens), None)
                if way < 0.8:
                    raise self._status(502)
                return math.inf
        return factor

    def _check_limits(self, call: _Call, now: float) -> None:
        """The provider's own limits.

        Raises:
            ModelOverloaded: One of them is reached.
        """
        model = self._world.model
        if model.concurrency and self.tally.in_flight > model.concurrency:
            raise self._turn_away(call, {})
        asked = call.prompt.tokens + call.max_tokens
        waits = [
            (bucket, amount, bucket.wait_s(amount, now))
            for bucket, amount in ((self._requests, 1), (self._tokens, asked))
            if bucket is not None
        ]
        wait_s = max([wait for _, _, wait in waits], default=0.0)
        if wait_s > 0:
            headers = {"retry-after": f"{wait_s:.3f}"} if model.headers else {}
            raise self._turn_away(call, headers)
        for bucket, amount, _ in waits:
            bucket.take(amount)

    def _turn_away(self, call: _Call, headers: Mapping[str, str]) -> ModelError:
        self.tally.turned_away += 1
        call.ask.outcomes[call.hold] = 0, 0
        return self._status(429, headers)

    def _status(self, code: int, headers: Mapping[str, str] | None = None) -> ModelError:
        return build_status_error(code, (headers or {}).get, b"", self._peer)

    def _bill(self, call: _Call, usage: Usage, known: Usage | None) -> None:
        nano = self._price(usage)
        ask, tally = call.ask, self.tally
        ask.outcomes[call.hold] = None if known is None else (known.total_tokens, self._price(known))
        tally.usage += usage
        tally.nano += nano
        share = tally.by_tenant.setdefault(ask.request.tenant, [0, 0])
        share[0] += nano
        share[1] += usage.total_tokens
        self._observer.billed(ask, call.hold, usage, nano)

    def _compose(self, call: _Call, chance: Random) -> tuple[Reply, Usage]:
        """What the model says, and what it costs."""
        model, faults, ask = self._world.model, self._world.faults, call.ask
        wants = max(1, round(spread(model.reply_tokens, model.spread, chance)))
        finish: FinishReason = "stop"
        calls: tuple[ToolCall, ...] = ()
        persona = ask.persona
        if (
            call.options.allow_tools
            and call.prompt.has_tools
            and (persona.endless or call.prompt.results < persona.tool_steps)
        ):
            query = encode_json(
                {"query": f"#{ask.key}# @@{ask.canary}@@ {0 if persona.endless else call.prompt.results}"}
            )
            calls = (ToolCall(f"c{call.prompt.results}", "look_up", query.decode()),)
            finish = "tool_calls"
            wants = max(12, wants // 4)
        out = min(wants, call.max_tokens)
        if out < wants:
            finish = "length"
            calls = ()
        if chance.random() < faults.overlong:
            out = OVERLONG * call.max_tokens
        usage = Usage(call.prompt.tokens, out)
        text = "" if calls else f"@@{ask.canary}@@ the answer:{WORD * min(out, call.max_tokens)}"
        reported = None if chance.random() < faults.no_usage else usage
        return Reply(Message.assistant(text, calls), reported, finish), usage


class _Call(Struct):
    """One wire attempt."""

    ask: Ask
    hold: int
    prompt: SimulatedPrompt
    max_tokens: int
    options: Options


def spread(median: float, sigma: float, chance: Random) -> float:
    """Lognormal: around ``median``, ``sigma`` is the standard deviation of the logarithm."""
    return median * math.exp(sigma * chance.gauss(0.0, 1.0)) if sigma else median


def price_of(input_nano: int, output_nano: int) -> Price:
    """A price from nano-dollars for a million tokens."""
    return lambda usage: -(-(usage.input_tokens * input_nano + usage.output_tokens * output_nano) // 1_000_000)

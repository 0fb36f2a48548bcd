"""The providers of a simulation: each a `Model` with a latency, a bill, limits and troubles of its own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from surefoot.errors import ModelBroken, ModelError, ModelUnreachable
from surefoot.models.base import ModelProfile, Options, Prompt, Reply
from surefoot.models.rate_hint import RateHint
from surefoot.models.status import Peer, build_status_error
from surefoot.testing.chance import Random, draw
from surefoot.testing.simulation.allowance import Allowances, lie
from surefoot.testing.simulation.ask import Ask
from surefoot.testing.simulation.mind import Call, compose, spread
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.pacing import HURRIED_S, Price, Quote, Trip
from surefoot.testing.simulation.plan import OF_PROCESSES, Trouble
from surefoot.testing.simulation.prompt import SimulatedPrompt
from surefoot.testing.simulation.world import World
from surefoot.types import ToolSpec, Usage

PIECES: Final = 3
NEVER_S: Final = 1e9
"""What a hostile provider asks to wait."""


class Tally(Struct):
    """What all providers have seen.

    Attributes:
        calls: Requests that reached one.
        turned_away: Requests that were answered with 429.
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

    def begin(self) -> None:
        """A request has reached a provider."""
        self.calls += 1
        self.in_flight += 1
        self.busiest = max(self.busiest, self.in_flight)

    def bill(self, ask: Ask, usage: Usage, nano: int) -> None:
        """A request is billed."""
        self.usage += usage
        self.nano += nano
        share = self.by_tenant.setdefault(ask.request.tenant, [0, 0])
        share[0] += nano
        share[1] += usage.total_tokens


class SimulatedModel:
    """See the module.

    Attributes:
        profile: Its provider's name is one of the settings.
    """

    def __init__(  # noqa: PLR0917 - the one caller is the course that it is a part of
        self,
        model: str,
        world: World,
        observer: Observer,
        troubles: Sequence[Trouble],
        price: Price,
        tally: Tally,
        *,
        is_flat: bool,
    ) -> None:
        """``is_flat``: the settings have the same price, and nothing but a rate for input and one for output."""
        provider, _, name = model.partition(":")
        said = world.model
        self.profile = ModelProfile(
            model, provider, name, max_output_tokens=said.max_tokens, context_tokens=said.window
        )  # fmt: skip
        self._tally = tally
        self._in_flight = 0
        self._world = world
        self._observer = observer
        where = "first" if model == said.id else "fallback"
        self._troubles = [one for one in troubles if one.kind not in OF_PROCESSES and one.where in {where, "all"}]
        self._price = price
        self._is_flat = is_flat
        self._peer = Peer(model, "the simulated provider", "")
        self._allowances = Allowances(said.rpm, said.tpm)

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
        price = self._price if self._is_flat else None
        quote = Quote(worst.total_tokens, self._price(worst), max_tokens, options.allow_tools, price)
        trip = self._observer.called(self.profile.id, prompt, quote, is_hurried=timeout_s <= HURRIED_S)
        call = Call(trip.ask, trip.hold, prompt, max_tokens, options)
        if self.profile.context_tokens:
            self._observer.check_window(trip.ask, worst.total_tokens, self.profile.context_tokens)
        self._tally.begin()
        self._in_flight += 1
        try:
            async with asyncio.timeout(timeout_s), aclosing(self._serve(call)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        self._replied(trip, piece)
                    yield piece
        except ModelError as error:
            trip.fail(error)
            raise
        except TimeoutError:
            self._tally.failed += 1
            raise ModelBroken(f"{self.profile.id}: no reply within {timeout_s:g} s") from None
        finally:
            self._tally.in_flight -= 1
            self._in_flight -= 1
            if not trip.is_over:  # whoever asked has gone: he does not know what it cost
                call.ask.outcomes[call.hold] = None
            self._observer.returned(trip)

    def _replied(self, trip: Trip, reply: Reply) -> None:
        trip.succeed(reply.usage, reply.rate)
        trip.ask.replies += bool(reply.message.tool_calls)

    async def close(self) -> None:
        """There is nothing to release."""

    async def _serve(self, call: Call) -> AsyncGenerator[str | Reply, None]:
        now = asyncio.get_running_loop().time()
        chance = draw(self._world.seed, call.ask.key, "call", call.ask.calls)
        self._check_limits(call, now, chance)
        slow = self._meet_trouble(call, now, chance)
        model, faults = self._world.model, self._world.faults
        if slow == math.inf:
            await asyncio.get_running_loop().create_future()
        latency_s = spread(model.latency_s * slow, model.spread, chance)
        if chance.random() < faults.errors:
            self._bill(call, Usage(call.prompt.tokens, call.max_tokens), None)
            await asyncio.sleep(latency_s)
            raise self._fail(500)
        is_cut = chance.random() < faults.cut
        reply, usage = compose(self._world, call, chance)
        known = None if is_cut or reply.usage is None else usage
        self._bill(call, usage, known)
        text = reply.message.text
        for number in range(PIECES):
            await asyncio.sleep(latency_s / PIECES)
            if is_cut and number == PIECES - 1:
                self._tally.failed += 1
                raise ModelBroken(f"{self.profile.id}: the stream broke off")
            yield text[len(text) * number // PIECES : len(text) * (number + 1) // PIECES]
        yield replace(reply, rate=self._say(chance))

    def _meet_trouble(self, call: Call, now: float, chance: Random) -> float:
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
                wait_s = NEVER_S if chance.random() < self._world.faults.lies else 1 + 4 * chance.random()
                raise self._turn_away(call, chance, {"retry-after": f"{wait_s:.2f}"})
            elif trouble.kind == "dead":
                raise self._refuse_connection(call)
            elif trouble.kind == "outage":
                way = chance.random()
                if way < 0.4:
                    raise self._refuse_connection(call)
                if way < 0.6:
                    call.ask.outcomes[call.hold] = 0, 0
                    raise self._fail(503)
                self._bill(call, Usage(call.prompt.tokens, call.max_tokens), None)
                if way < 0.8:
                    raise self._fail(502)
                return math.inf
        return factor

    def _check_limits(self, call: Call, now: float, chance: Random) -> None:
        """The provider's own limits.

        Raises:
            ModelOverloaded: One of them is reached.
        """
        model = self._world.model
        if model.concurrency and self._in_flight > model.concurrency:
            raise self._turn_away(call, chance, {})
        wait_s = self._allowances.admit(call.prompt.tokens + call.max_tokens, now)
        if wait_s > 0:
            headers = {"retry-after": f"{wait_s:.3f}"} if model.headers else {}
            raise self._turn_away(call, chance, headers)

    def _say(self, chance: Random) -> RateHint | None:
        """What the headers of an answer say."""
        said = self._allowances.say(asyncio.get_running_loop().time()) if self._world.model.headers else None
        if chance.random() < self._world.faults.lies:
            self._observer.cover("headers that lied")
            return lie(chance, said)
        if said is not None:
            self._observer.cover("headers that told limits")
        return said

    def _turn_away(self, call: Call, chance: Random, headers: Mapping[str, str]) -> ModelError:
        self._tally.turned_away += 1
        call.ask.outcomes[call.hold] = 0, 0
        error = build_status_error(429, headers.get, b"", self._peer)
        error.rate = self._say(chance)
        return error

    def _refuse_connection(self, call: Call) -> ModelError:
        self._tally.failed += 1
        call.ask.outcomes[call.hold] = 0, 0
        return ModelUnreachable(f"{self.profile.id}: the connection was refused")

    def _fail(self, code: int) -> ModelError:
        self._tally.failed += 1
        return build_status_error(code, lambda _: None, b"", self._peer)

    def _bill(self, call: Call, usage: Usage, known: Usage | None) -> None:
        nano = self._price(usage)
        ask = call.ask
        ask.outcomes[call.hold] = None if known is None else (known.total_tokens, self._price(known))
        self._tally.bill(ask, usage, nano)
        self._observer.billed(ask, call.hold, usage, nano)


def price_of(input_nano: int, output_nano: int) -> Price:
    """A price from nano-dollars for a million tokens."""
    return lambda usage: -(-(usage.input_tokens * input_nano + usage.output_tokens * output_nano) // 1_000_000)

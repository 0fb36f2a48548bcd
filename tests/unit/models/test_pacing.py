"""The bar of pacing, as discrete events: a provider that enforces its limits, more calls than it takes, no wall time."""

import asyncio
from random import Random

import pytest
from tests.unit.models.test_router import FAR, build
from tests.unit.models.ticking import run_virtually

from surefoot.errors import ModelOverloaded
from surefoot.models.rate_hint import RateHint, Said
from surefoot.testing.pace import Pace
from surefoot.types import UNLIMITED

MINUTES = 20


class Limiter:
    """A provider that lets a call in if its worst case fits, and counts what it came to."""

    def __init__(self, clock, rng, *, rpm, tpm, burst_s, tells):
        self.clock, self.rng, self.tells = clock, rng, tells
        self.pace = Pace.build(rpm, tpm, burst_s)
        self.served = self.tokens = self.refused = 0

    def hint(self):
        if not self.tells:
            return None
        said = [
            None if bucket is None else Said(bucket.limit, bucket.left, f"{bucket.reset_s:.3f}s")
            for bucket in (self.pace.requests, self.pace.tokens)
        ]
        return RateHint(*said)

    async def answer(self, worst, used, latency_s):
        """What the call used, and what is said of the limits; or the 429."""
        await asyncio.sleep(self.rng.uniform(0, 0.02))  # calls overtake each other on their way
        wait_s = self.pace.wait_s(worst, self.clock.monotonic())
        if wait_s > 0:
            self.refused += 1
            error = ModelOverloaded("rate limit", status=429, retry_after_s=wait_s if self.tells else None)
            error.rate = self.hint()
            raise error
        self.pace.take(used)
        hint = self.hint()
        self.served += 1
        self.tokens += used
        await asyncio.sleep(latency_s)
        return used, hint


async def work_off(clock, routes, limiter, users, *, padding):
    """Users who always have a next call, for `MINUTES`; a hold is up to ``padding`` times what is used."""
    end = MINUTES * 60

    async def use(who):
        rng = Random(who)
        while clock.monotonic() < end:
            used = rng.randint(500, 1_500)
            worst = int(used * rng.uniform(1, 1.5))
            hold = int(worst * rng.uniform(1, padding))
            permit = routes.take(hold) or await routes.wait(hold, who, FAR)
            try:
                tokens, hint = await limiter.answer(worst, used, rng.uniform(0.5, 4))
            except ModelOverloaded as error:
                permit.fail(error, who)
                await asyncio.sleep(rng.uniform(0, 1))
            else:
                permit.succeed(tokens, hint)

    await asyncio.gather(*[use(who) for who in range(users)])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rpm", "tpm", "padding"), [(UNLIMITED, 100_000, 1.5), (UNLIMITED, 100_000, 4), (90, UNLIMITED, 2), (90, 60_000, 2)]
)
def test_a_limited_provider_is_used_to_the_full_and_hardly_ever_refuses(rpm, tpm, padding, seed):
    async def work(clock):
        limiter = Limiter(clock, Random(seed), rpm=rpm, tpm=tpm, burst_s=60, tells=True)
        await work_off(clock, build(clock, concurrency=50), limiter, 60, padding=padding)
        return limiter

    limiter = run_virtually(work)
    most = [limiter.served / (90 * (MINUTES + 1)) if rpm == 90 else 0]
    most.append(limiter.tokens / (tpm * (MINUTES + 1)) if tpm is not UNLIMITED else 0)
    print(f"{limiter.served} served, {limiter.refused} refused, used {max(most):.1%}")
    assert limiter.refused < 0.01 * limiter.served
    assert max(most) >= 0.95


def test_what_others_use_of_the_same_key_is_left_to_them():
    """Two processes share the key, and neither knows of the other but by the headers."""

    async def work(clock):
        limiter = Limiter(clock, Random(7), rpm=UNLIMITED, tpm=100_000, burst_s=60, tells=True)
        halves = [build(clock, concurrency=50) for _ in range(2)]
        await asyncio.gather(*[work_off(clock, half, limiter, 30, padding=2) for half in halves])
        return limiter

    limiter = run_virtually(work)
    print(f"{limiter.served} served, {limiter.refused} refused")
    assert limiter.refused < 0.10 * limiter.served
    assert limiter.tokens >= 0.95 * 100_000 * MINUTES


def test_configured_rates_do_without_headers():
    async def work(clock):
        limiter = Limiter(clock, Random(7), rpm=UNLIMITED, tpm=100_000, burst_s=60, tells=False)
        await work_off(clock, build(clock, concurrency=50, tpm=100_000), limiter, 60, padding=2)
        return limiter

    limiter = run_virtually(work)
    assert limiter.refused == 0
    assert limiter.tokens >= 0.95 * 100_000 * MINUTES


def test_without_headers_and_rates_the_concurrency_adapts():
    """The provider bears ten at once, and says nothing."""

    async def work(clock):
        routes = build(clock, concurrency=50)
        at_once = refused = served = 0

        async def use(who):
            nonlocal at_once, refused, served
            while clock.monotonic() < 600:
                permit = routes.take(1) or await routes.wait(1, who, FAR)
                at_once += 1
                if at_once > 10:
                    at_once -= 1
                    refused += 1
                    permit.fail(ModelOverloaded("overloaded", status=529), who)
                    await asyncio.sleep(0.1)
                    continue
                await asyncio.sleep(1)
                at_once -= 1
                served += 1
                permit.succeed(1, None)

        await asyncio.gather(*[use(who) for who in range(50)])
        return served, refused

    served, refused = run_virtually(work)
    print(served, refused)
    assert served >= 0.8 * 6_000
    assert refused < 0.1 * served

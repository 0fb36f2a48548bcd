"""The bar of pacing, as discrete events: a provider that enforces its limits, more calls than it takes, no wall time."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.models.test_router import FAR, build
from tests.unit.models.ticking import run_virtually

from surefoot.errors import ModelOverloaded
from surefoot.models.pace import Bucket
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


# --- a provider that says nothing of its limits, with calls coming at a rate of their own


LATENCY_S, REFUSAL_S, SECONDS = 0.5, 0.05, 60


async def offer(clock, routes, rate_per_s, bears, *, seed=0):
    """Calls at random times; ``bears(at_once)`` is whether the provider lets one more in. Answers and refusals a second.

    A call that is turned away comes back, three times at most, and waits as `surefoot.retry` does.
    """
    rng = Random(seed)
    at_once = 0
    answers, refusals = [0] * SECONDS, [0] * SECONDS

    async def call(who):
        nonlocal at_once
        for attempt in range(4):
            permit = routes.take(1) or await routes.wait(1, who, FAR)
            if clock.monotonic() >= SECONDS:
                permit.drop(sent=False)
                return
            if not bears(at_once):
                await asyncio.sleep(rng.uniform(0.5, 1.5) * REFUSAL_S)
                refusals[min(int(clock.monotonic()), SECONDS - 1)] += 1
                retry_after_s = rng.choice([None, 0.1])
                permit.fail(ModelOverloaded("no", status=rng.choice([429, 503]), retry_after_s=retry_after_s), who)
                await asyncio.sleep((retry_after_s or 0) + rng.uniform(0, 0.5 * 2**attempt))
                continue
            at_once += 1
            await asyncio.sleep(rng.uniform(0.5, 1.5) * LATENCY_S)
            at_once -= 1
            answers[min(int(clock.monotonic()), SECONDS - 1)] += 1
            permit.succeed(1, None)
            return

    async with asyncio.TaskGroup() as group:
        who = 0
        while clock.monotonic() < SECONDS:
            await asyncio.sleep(rng.expovariate(rate_per_s))
            group.create_task(call(who := who + 1))
    return answers, refusals


@pytest.mark.parametrize(
    ("concurrency", "rate_per_s", "share"), [(150, 270, 0.03), (150, 270, 0.04), (50, 85, 0.03), (20, 30, 0.03)]
)
def test_a_provider_that_turns_a_few_away_at_random_is_not_throttled(concurrency, rate_per_s, share):
    chance = Random(7)

    async def work(clock, share):
        routes = build(clock, concurrency=concurrency)
        return await offer(clock, routes, rate_per_s, lambda _: chance.random() >= share)

    without, none = run_virtually(lambda clock: work(clock, 0))
    answers, refusals = run_virtually(lambda clock: work(clock, share))
    kept = sum(answers) / sum(without)
    print(f"{concurrency} at once, {sum(refusals) / sum(answers):.1%} turned away, {kept:.1%} of the throughput")
    assert sum(none) == 0
    assert kept >= 0.90


@pytest.mark.parametrize("bearable", [10, 60])
def test_a_storm_is_over_in_a_second_and_soon_forgotten(bearable):
    """For twenty seconds the provider bears only a few of its hundred calls at once."""

    async def work(clock):
        def bears(at_once):
            return at_once < (bearable if 10 <= clock.monotonic() < 30 else 150)

        return await offer(clock, build(clock, concurrency=150), 180, bears)

    answers, refusals = run_virtually(work)
    during = range(12, 30)
    turned_away = sum(refusals[n] for n in during) / sum(answers[n] + refusals[n] for n in during)
    used = sum(answers[n] for n in during) / (len(during) * bearable / LATENCY_S)
    print(f"first two seconds {refusals[10:12]}, then {turned_away:.1%} turned away, {used:.0%} of what is borne used")
    assert sum(refusals[10:12]) < 150
    assert turned_away < 0.15
    assert used > 0.8
    assert sum(answers[45:]) >= 0.95 * 15 * 180


@given(
    asks=st.lists(
        st.tuples(st.floats(0, 40), st.floats(0.1, 30), st.sampled_from(["take", "cut", "give back"])), max_size=12
    )
)
def test_a_bucket_that_has_room_never_asks_to_wait(asks):
    """Asked in whatever way, it knows the same: two buckets, of which one is only ever asked for seconds."""
    quick, slow, now = Bucket(60, 20, 0.0), Bucket(60, 20, 0.0), 0.0
    for elapsed_s, amount, then in asks:
        now += elapsed_s
        has, wait_s = quick.has(amount, now), slow.wait_s(amount, now)
        assert not has or wait_s == 0
        assert quick.wait_s(amount, now) == wait_s
        assert quick.level == slow.level
        for bucket in (quick, slow):
            if then == "cut":
                bucket.cut(bucket.level / 2, now)
            else:
                bucket.level -= amount
                if then == "give back":
                    bucket.give_back(amount)
    assert Bucket(60, 20, 0.0).has(20, 0.0)

"""Calls that wait for a provider in vain are told as soon as the line's pace shows it."""

import asyncio
import random
import re

import pytest
from tests.unit.models.test_router import FAR, ask, build
from tests.unit.models.ticking import run_virtually

from surefoot.errors import ModelOverloaded
from surefoot.models.gate import REVIEW_MOST


def test_a_burst_before_any_call_was_let_in_is_told_when_some_were():
    """4 at once, of 10 s each, and nobody has more than 60 s: 24 go in time, and one more round if all is lucky."""

    async def work(clock):
        routes, log, told = build(clock, concurrency=4), [], []

        async def try_it(who):
            try:
                await ask(routes, clock, who, log, took_s=10.0, deadline=60.0)
            except ModelOverloaded as error:
                told.append((clock.monotonic(), who, error))

        await asyncio.gather(*[try_it(f"u{n}") for n in range(200)])
        assert 24 <= len(log) <= 28
        assert [who for who, _ in log] == [f"u{n}" for n in range(len(log))]
        assert len([at for at, _, _ in told if at <= 20.1]) > 120
        assert {type(error) for _, _, error in told} == {ModelOverloaded}
        first = told[0][2]
        assert re.match(
            r"scripted:m: the limits of provider 'p' leave room in \d+\.\d s, and the run has \d+\.\d s left",
            str(first),
        )
        assert not first.sent
        assert first.retry_after_s > 40
        assert routes._gate.waiting == routes.routes[0].pace.key.in_flight == 0

    run_virtually(work)


@pytest.mark.parametrize("seed", range(12))
def test_nobody_who_waits_is_refused_by_a_pace_that_would_have_been_in_time(seed):
    """Against the same calls with a patience that has no end."""
    chance = random.Random(seed)
    limits = chance.choice([{"concurrency": 1}, {"concurrency": 20}, {"rpm": 60}, {"rpm": 600, "concurrency": 5}])
    median = chance.choice([0.3, 2.0, 8.0])
    calls = [(f"u{chance.randrange(30)}", median * chance.lognormvariate(0, 0.4)) for _ in range(300)]

    def play(deadline):
        async def work(clock):
            routes, went, told = build(clock, **limits), {}, []

            async def try_it(number, who, took_s):
                log = []
                try:
                    await ask(routes, clock, who, log, took_s=took_s, deadline=deadline)
                except ModelOverloaded:
                    told.append(clock.monotonic())
                else:
                    went[number] = log[0][1]

            await asyncio.gather(*[try_it(number, *call) for number, call in enumerate(calls)])
            return went, told

        return run_virtually(work)

    (patient, nobody), (hasty, told) = play(FAR), play(60.0)
    in_time = {number for number, at in patient.items() if at < 60.0}
    print(
        f"seed {seed}, {limits}: {len(in_time)} in time, {len([at for at in told if at < 59])} of {len(told)} told early"
    )
    assert nobody == []
    assert in_time <= set(hasty)


def test_a_provider_that_gets_over_a_storm_says_nothing_of_its_pace():
    """It lets in one call a second, and then recovers: all go in time."""

    async def work(clock):
        routes, log = build(clock, concurrency=50), []
        for permit in [routes.take(1) for _ in range(50)]:
            permit.fail(ModelOverloaded("storm", status=429), "u")
        routes.routes[0].pace.key.allowed = 1.0
        await asyncio.gather(*[ask(routes, clock, f"u{n}", log, deadline=60.0) for n in range(600)])
        assert len(log) == 600

    run_virtually(work)


@pytest.mark.parametrize("from_s", [0.0, 5.0])
def test_a_pause_that_the_provider_wants_says_nothing_of_its_pace(from_s):
    """Nothing goes for 30 s, and then 50 a second as before."""

    async def work(clock):
        routes, log = build(clock, concurrency=50), []

        async def pause():
            await asyncio.sleep(from_s)
            routes.routes[0].pace.resume_at = clock.monotonic() + 30.0

        asking = [ask(routes, clock, f"u{n}", log, deadline=70.0) for n in range(1_700)]
        await asyncio.gather(pause(), *asking)
        assert len(log) == 1_700

    run_virtually(work)


def test_some_are_told_at_once_and_the_others_with_the_next_call():
    async def work(clock):
        routes, log, told = build(clock, concurrency=2), [], []

        async def try_it(number):
            try:
                await ask(routes, clock, f"u{number}", log, took_s=1.0 + number / 1e4, deadline=30.0)
            except ModelOverloaded:
                told.append(clock.monotonic())

        await asyncio.gather(*[try_it(number) for number in range(1_000)])
        early = [at for at in told if at < 20]
        assert len(early) > 800
        assert max(early.count(at) for at in early) <= REVIEW_MOST

    run_virtually(work)

"""Permits: who may go, which way, and when. In virtual time, so that no test waits and none depends on the machine."""

import asyncio
from collections import Counter

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.models.ticking import HandClock, LoopClock, VirtualLoop, run_virtually

from surefoot.errors import ModelBroken, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.models.breaker import LONE_FACTOR, Breaker
from surefoot.models.pace import BURST_S, CUT, MAX_PAUSE_S, SLACK, Bucket
from surefoot.models.rate_hint import MOST_SKIPPED, SKIPPED, RateHint, RateReader, Said
from surefoot.models.registry import Way
from surefoot.models.router import Direct, Router
from surefoot.providers import Provider, ProviderEndpoint
from surefoot.sections import BreakerSettings
from surefoot.testing import ScriptedModel, say

FAR = 1e9


def build(clock, *, ways=1, weights=None, breaker=None, router=None, name="m", **provider):
    router = router or Router(breaker or BreakerSettings(), clock)
    weights = weights or [1.0] * ways
    made = [Way(ScriptedModel([], name=name), weight) for weight in weights]
    return router.route(made, "p", Provider("http://p", **provider))


def broken(status=500):
    return ModelBroken("it broke", status=status)


# --- concurrency


def test_calls_at_once_are_bounded_and_a_permit_makes_room_again():
    routes = build(HandClock(), concurrency=2)
    first, second = routes.take(10), routes.take(10)
    assert None not in {first, second}
    assert routes.take(10) is None
    first.succeed(10, None)
    assert routes.take(10) is not None


@pytest.mark.parametrize("end", ["succeed", "fail", "drop sent", "drop unsent"])
def test_every_end_gives_the_slot_back_once(end):
    routes = build(HandClock(), concurrency=1)
    permit = routes.take(10)
    ends = {
        "succeed": lambda: permit.succeed(5, None),
        "fail": lambda: permit.fail(broken(), "u"),
        "drop sent": lambda: permit.drop(sent=True),
        "drop unsent": lambda: permit.drop(sent=False),
    }
    ends[end]()
    assert routes.routes[0].pace.key.in_flight == 0
    with pytest.raises(AssertionError, match="given back once"):
        permit.drop(sent=False)


def test_models_of_one_key_share_its_concurrency():
    clock = HandClock()
    router = Router(BreakerSettings(), clock)
    one = build(clock, router=router, name="one", concurrency=1)
    two = build(clock, router=router, name="two", concurrency=1)
    assert one.take(1) is not None
    assert two.take(1) is None


def test_without_headers_an_overload_cuts_to_what_was_let_in_and_success_grows_it_back():
    clock = HandClock()
    routes = build(clock, concurrency=10)
    key = routes.routes[0].pace.key
    permits = [routes.take(1) for _ in range(10)]
    permits[0].fail(ModelOverloaded("later", status=429), "u")
    assert key.allowed == pytest.approx(10 * CUT)
    for left, permit in enumerate(permits[1:5], 1):
        clock.time += 0.01
        permit.fail(ModelOverloaded("later", status=429), "u")
        assert key.allowed == pytest.approx(min(10 * CUT, 9 - left))
    for permit in permits[5:]:
        permit.drop(sent=True)
    rounds = 0
    while key.allowed < 10:
        rounds += 1
        batch = [routes.take(1) for _ in range(int(key.allowed))]
        for permit in batch:
            permit.succeed(1, None)
        assert key.allowed <= 10
    assert 3 <= rounds <= 5
    assert not key.is_strained


def test_a_few_calls_of_many_that_are_turned_away_change_nothing_and_more_do():
    clock = HandClock()
    routes = build(clock, concurrency=100)
    key = routes.routes[0].pace.key
    tolerated = int(100 * SLACK)
    permits = [routes.take(1) for _ in range(100)]
    for permit in permits[:tolerated]:
        permit.fail(ModelOverloaded("later", status=429, retry_after_s=5), "u")
    assert key.allowed == 100
    assert routes.take(1) is not None, "nobody is held back for their sake"
    for permit in permits[tolerated:90]:
        permit.succeed(1, None)
    for _ in range(200):
        routes.take(1).succeed(1, None)
    assert not key.is_strained, "what went well makes up for it"
    for permit in permits[90 : 90 + tolerated]:
        permit.fail(ModelOverloaded("later", status=429), "u")
    assert key.allowed == 100
    permits[90 + tolerated].fail(ModelOverloaded("later", status=429, retry_after_s=5), "u")
    assert key.allowed == pytest.approx(100 * CUT)
    assert routes.take(1) is None


def test_what_counts_are_the_calls_that_there_are_not_those_that_there_may_be():
    routes = build(HandClock(), concurrency=10_000)
    key = routes.routes[0].pace.key
    permits = [routes.take(1) for _ in range(40)]
    for permit in permits[:4]:
        permit.fail(ModelOverloaded("later", status=503), "u")
    assert key.allowed == pytest.approx(40 * CUT)


def test_a_refusal_that_the_provider_s_own_figures_do_not_explain_takes_nothing_of_its_rate():
    clock = HandClock()
    routes = build(clock)
    routes.take(0).succeed(0, RateHint(tokens=Said(60_000, 60_000)))
    for _ in range(20):
        clock.time += 10
        error = ModelOverloaded("the engine is overloaded", status=429)
        error.rate = RateHint(tokens=Said(60_000, 60_000))
        routes.take(100).fail(error, "u")
    bucket = routes.routes[0].pace.tokens.bucket
    bucket.level = 0.0
    assert bucket.wait_s(1_000, clock.time) == pytest.approx(1.0)


def test_the_concurrency_never_goes_below_one():
    clock = HandClock()
    routes = build(clock, concurrency=3)
    for _ in range(20):
        clock.time += 1
        routes.take(1).fail(ModelOverloaded("later", status=529), "u")
    assert routes.routes[0].pace.key.allowed == 1.0


def test_with_headers_that_explain_it_a_429_does_not_cut():
    clock = HandClock()
    routes = build(clock, concurrency=10)
    error = ModelOverloaded("later", status=429)
    error.rate = RateHint(tokens=Said(60_000, 5))
    routes.take(100).fail(error, "u")
    assert routes.routes[0].pace.key.allowed == 10
    assert routes.take(100) is None
    clock.time += 0.2  # a thousand tokens a second
    assert routes.take(100) is not None


# --- rates


def test_configured_rates_let_a_burst_go_and_then_the_rate():
    clock = HandClock()
    routes = build(clock, rpm=60)
    burst = int(60 * BURST_S / 60)
    for _ in range(burst):
        routes.take(1).succeed(1, None)
    assert routes.take(1) is None
    clock.time += 1.0
    assert routes.take(1) is not None
    assert routes.take(1) is None


def test_what_flows_in_while_nobody_calls_is_not_more_than_a_burst():
    clock = HandClock()
    routes = build(clock, rpm=60)
    routes.take(1).succeed(1, None)
    clock.time += 1_000
    burst = 0
    while (permit := routes.take(1)) is not None:
        permit.succeed(1, None)
        burst += 1
    assert burst == int(60 * BURST_S / 60)


def test_what_is_held_is_corrected_by_what_was_used():
    clock = HandClock()
    routes = build(clock, tpm=6_000)  # a thousand at once
    permit = routes.take(900)
    assert routes.take(900) is None
    permit.succeed(100, None)
    assert routes.take(900) is not None


@pytest.mark.parametrize(("error", "has_room"), [(ModelUnreachable("x"), True), (ModelBroken("x"), False)])
def test_what_was_never_sent_counts_nowhere_and_what_is_unknown_counts_in_full(error, has_room):
    routes = build(HandClock(), tpm=6_000, rpm=60)
    routes.take(900).fail(error, "u")
    assert (routes.take(900) is not None) is has_room


def test_a_call_beyond_the_capacity_goes_when_all_is_there():
    clock = HandClock()
    routes = build(clock, tpm=6_000)
    routes.take(5_000).succeed(5_000, None)
    assert routes.take(1) is None
    clock.time += 40
    assert routes.take(1) is None
    clock.time += 1
    assert routes.take(1) is not None


def test_learned_limits_belong_to_the_key_and_the_model():
    clock = HandClock()
    router = Router(BreakerSettings(), clock)
    one, two = build(clock, router=router, name="one"), build(clock, router=router, name="two")
    one.take(100).succeed(100, RateHint(Said(60, 0), Said(60_000, 0)))
    assert one.take(1) is None
    assert two.take(1) is not None
    clock.time += 1
    assert one.take(1) is not None


def test_use_by_others_is_seen_once_however_many_calls_tell_of_it():
    clock = HandClock()
    routes = build(clock)
    routes.take(0).succeed(0, RateHint(tokens=Said(60_000, 60_000)))
    bucket = routes.routes[0].pace.tokens.bucket
    permits = [routes.take(1_000) for _ in range(5)]
    for number, permit in enumerate(permits, 1):  # somebody else has used 20,000 meanwhile
        permit.succeed(1_000, RateHint(tokens=Said(60_000, 60_000 - 20_000 - 1_000 * number)))
    assert bucket.level == 35_000


def test_our_own_later_calls_are_not_taken_for_those_of_others():
    routes = build(HandClock())
    routes.take(0).succeed(0, RateHint(tokens=Said(60_000, 60_000)))
    bucket = routes.routes[0].pace.tokens.bucket
    first, second = routes.take(1_000), routes.take(1_000)
    first.succeed(1_000, RateHint(tokens=Said(60_000, 58_000)))  # the second one was counted before
    second.succeed(1_000, RateHint(tokens=Said(60_000, 58_000)))
    assert bucket.level == 58_000


def test_a_bucket_says_how_much_it_holds_and_a_changed_limit_is_heeded():
    clock = HandClock()
    routes = build(clock)
    routes.take(0).succeed(0, RateHint(tokens=Said(60_000, 4_000, "6s")))
    flow = routes.routes[0].pace.tokens
    assert (flow.bucket.limit, flow.bucket.capacity) == (60_000, 10_000)
    routes.take(0).succeed(0, RateHint(tokens=Said(6_000, 4_000)))
    assert (flow.bucket.limit, flow.bucket.capacity, flow.bucket.level) == (6_000, 6_000, 4_000)


@pytest.mark.parametrize("before", [10_000, 10**15 - 1])
def test_what_was_left_under_another_limit_says_nothing_of_what_is_left_now(before):
    routes = build(HandClock())
    for used in (1, 2):
        routes.take(0).succeed(0, RateHint(Said(before, before - used)))
    routes.take(0).succeed(0, RateHint(Said(500, 490)))
    assert routes.routes[0].pace.requests.bucket.level == 490
    assert routes.take(0) is not None


@pytest.mark.parametrize("lie", [Said(1, 0, "24h"), Said(1, 0), Said(3, 0, "9999999h")])
def test_whatever_a_provider_says_it_is_asked_again_after_a_while(lie):
    clock = HandClock()
    routes = build(clock)
    first = routes.take(5_000)
    others = [routes.take(5_000) for _ in range(9)]
    first.succeed(5_000, RateHint(tokens=lie))
    for other in others:
        other.succeed(None, None)
    assert routes.take(5_000) is None
    clock.time += MAX_PAUSE_S
    routes.take(5_000).succeed(5_000, RateHint(tokens=Said(100_000, 90_000)))
    assert routes.take(5_000) is not None


def test_retry_after_holds_everybody_back_but_not_for_ever():
    clock = HandClock()
    routes = build(clock)
    routes.take(1).fail(ModelOverloaded("later", status=429, retry_after_s=5), "u")
    assert routes.take(1) is None
    clock.time += 5
    permit = routes.take(1)
    permit.fail(ModelOverloaded("later", status=429, retry_after_s=86_400), "u")
    clock.time += MAX_PAUSE_S
    assert routes.take(1) is not None


@pytest.mark.parametrize("amount", [1, 7, 1e6])
def test_a_bucket_never_waits_for_ever(amount):
    bucket, now = Bucket(7, 3, 0.0), 0.0
    bucket.level -= amount
    for _ in range(10):
        wait_s = bucket.wait_s(amount, now)
        if wait_s == 0:
            break
        now += wait_s
    assert bucket.wait_s(amount, now) == 0


# --- headers


@pytest.mark.parametrize(
    ("names", "headers"),
    [
        (
            "x-ratelimit-{field}-{kind}",
            {"x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "30", "x-ratelimit-reset-tokens": "6s"},
        ),
        (
            "anthropic-ratelimit-{kind}-{field}",
            {"anthropic-ratelimit-tokens-limit": "100", "anthropic-ratelimit-tokens-remaining": "30",
             "anthropic-ratelimit-tokens-reset": "6s"},
        ),
    ],
)  # fmt: skip
def test_headers_of_both_wires_are_read(names, headers):
    assert RateReader(names).read(headers.get) == RateHint(tokens=Said(100, 30, "6s"))


@pytest.mark.parametrize("text", ["", "-1", "1e9", "9" * 16, "٣", "ten", "0"])
def test_a_limit_that_is_no_number_is_none(text):
    headers = {"x-limit-tokens": text, "x-remaining-tokens": "5"}
    assert RateReader("x-{field}-{kind}").read(headers.get) is None


@pytest.mark.parametrize(("left", "skipped"), [(None, MOST_SKIPPED), (80, SKIPPED), (20, 0)])
def test_headers_are_looked_at_as_often_as_they_tell_something(left, skipped):
    asked = []

    def header(name):
        asked.append(name)
        return {"x-limit-tokens": "100", "x-remaining-tokens": str(left)}.get(name) if left is not None else None

    reader = RateReader("x-{field}-{kind}")
    reader.glance(header)
    asked.clear()
    passed_over = 0
    while not asked:
        reader.glance(header)
        passed_over += not asked
    assert passed_over == skipped


# --- several ways


def test_calls_are_spread_by_weight():
    clock = HandClock()
    routes = build(clock, weights=[3.0, 1.0], concurrency=5_000)
    count = Counter(routes.routes.index(routes.take(1).route) for _ in range(4_000))
    assert 2_850 < count[0] < 3_150


def test_a_full_way_gives_way_and_a_retry_goes_another_way():
    routes = build(HandClock(), ways=2, concurrency=1)
    first = routes.take(1)
    second = routes.take(1)
    assert {first.route, second.route} == set(routes.routes)
    assert routes.take(1) is None
    routes = build(HandClock(), ways=2, concurrency=50)
    for avoid, other in (routes.routes, routes.routes[::-1]):
        assert {routes.take(1, avoid=avoid).route.model for _ in range(20)} == {other.model}


def test_the_way_to_avoid_is_taken_if_it_is_the_only_one():
    routes = build(HandClock())
    assert routes.take(1, avoid=routes.routes[0]).route is routes.routes[0]
    assert not routes.has_other(routes.routes[0])


def test_a_dead_way_is_left_out_and_the_other_goes_on():
    routes = build(HandClock(), ways=2)
    dead, alive = routes.routes
    for _ in range(5):
        dead.breaker.fail(None, "refused", probe=False)
    assert {routes.take(1).route for _ in range(20)} == {alive}
    assert not routes.has_other(alive)
    assert routes.has_other(dead)


def test_a_model_that_nothing_limits():
    direct = Direct(ScriptedModel([say("x")]))
    permits = [direct.take(10) for _ in range(1_000)]
    assert {permit.model for permit in permits} == {direct.model}
    permits[0].fail(broken(), "u")
    permits[0].succeed(1, None)
    permits[0].drop(sent=True)
    assert not direct.has_other(None)
    assert asyncio.run(direct.wait(1, "u", FAR)) is permits[0]


# --- when a way is left alone


def fail_until_open(breaker, culprit, most=1_000):
    count = 0
    while breaker.is_closed and count < most:
        breaker.fail(culprit(count), "broke", probe=False)
        count += 1
    return count


def test_failures_of_different_users_open_it_sooner_than_those_of_one():
    clock = HandClock()
    settings = BreakerSettings(failures=5)
    assert fail_until_open(Breaker(settings, clock), lambda n: f"u{n}") == 5
    assert fail_until_open(Breaker(settings, clock), lambda n: None) == 5  # a refused connection is nobody's fault
    assert fail_until_open(Breaker(settings, clock), lambda n: "poison") == 5 * LONE_FACTOR


def test_one_user_s_poison_among_the_calls_of_others_opens_nothing():
    breaker = Breaker(BreakerSettings(), HandClock())
    for number in range(1_000):
        breaker.fail("poison", "500", probe=False)
        if number % 10 == 9:
            breaker.succeed(0.0, probe=False)
        assert breaker.is_closed


def test_a_probe_at_a_time_closes_it_or_opens_it_for_longer():
    clock = HandClock()
    routes = build(clock, breaker=BreakerSettings(failures=2, cooldown_s=10, max_cooldown_s=25))
    breaker = routes.routes[0].breaker
    for _ in range(2):
        routes.take(1).fail(ModelUnreachable("refused"), "u")
    waits = []
    for _ in range(3):
        with pytest.raises(ModelUnreachable, match=r"left alone for another .* refused") as raised:
            routes.take(1)
        assert not raised.value.sent
        waits.append(raised.value.retry_after_s)
        clock.time += waits[-1]
        probe = routes.take(1)
        with pytest.raises(ModelUnreachable):
            routes.take(1)
        probe.fail(ModelUnreachable("refused"), "u")
    assert all(base <= wait <= 1.5 * base for base, wait in zip((10, 20, 25), waits, strict=True))
    clock.time += 40
    routes.take(1).succeed(1, None)
    assert breaker.is_closed
    assert routes.take(1) is not None


def test_processes_whose_provider_died_together_do_not_come_back_together():
    waits = []
    for seed in range(20):
        routes = build(HandClock(seed), breaker=BreakerSettings(failures=1, cooldown_s=10))
        routes.take(1).fail(ModelUnreachable("refused"), "u")
        waits.append(routes.routes[0].breaker.wait_s(routes._clock.time))
    assert len(set(waits)) == 20
    assert 10 <= min(waits) < 12
    assert 13 < max(waits) <= 15


def test_what_a_provider_says_of_requests_is_not_used_up_by_calls_that_were_not_sent():
    clock = HandClock()
    routes = build(clock)
    routes.take(1).succeed(1, RateHint(requests=Said(60, 2, "58s")))
    for _ in range(2):
        routes.take(1).fail(ModelUnreachable("refused"), "u")
        routes.take(1).drop(sent=False)
    assert [routes.take(1) is None for _ in range(3)] == [False, False, True]


def test_who_leaves_the_line_lets_those_behind_go_at_once():
    """The first of a line waits for many tokens; when it leaves, there is room for the small call behind it."""

    async def work(clock):
        routes = build(clock, tpm=6_000)  # a thousand at once, a hundred a second
        routes.take(1_000).drop(sent=True)
        clock_at = clock.monotonic()
        large = asyncio.create_task(routes.wait(1_000, "u1", FAR))
        await asyncio.sleep(0)
        small = asyncio.create_task(routes.wait(100, "u2", FAR))
        await asyncio.sleep(2.0)
        assert not small.done()
        large.cancel()
        permit = await small
        assert clock.monotonic() - clock_at == pytest.approx(2.0)
        permit.succeed(100, None)

    run_virtually(work)


def test_a_probe_without_a_verdict_leaves_room_for_the_next():
    clock = HandClock()
    routes = build(clock, breaker=BreakerSettings(failures=1, cooldown_s=1))
    routes.take(1).fail(ModelUnreachable("refused"), "u")
    clock.time += 2
    routes.take(1).drop(sent=True)
    assert routes.take(1) is not None


def test_the_same_user_s_failed_probe_does_not_make_the_others_wait_longer():
    clock = HandClock()
    breaker = Breaker(BreakerSettings(failures=2, cooldown_s=10), clock)
    fail_until_open(breaker, lambda n: "poison")
    for _ in range(5):
        clock.time += 15
        assert breaker.begin()
        breaker.fail("poison", "500", probe=True)
        assert breaker.wait_s(clock.time) <= 15


@pytest.mark.parametrize(
    "error",
    [ModelRefused("no", status=400), ModelRefused("no", status=401), ModelOverloaded("x", status=429),
     ModelOverloaded("x", status=529), ModelOverloaded("x", status=409)],
)  # fmt: skip
def test_an_answer_of_any_kind_is_no_sign_of_death(error):
    clock = HandClock()
    routes = build(clock, breaker=BreakerSettings(failures=1))
    for _ in range(50):
        clock.time += 1
        routes.take(1).fail(error, "u")
    assert routes.routes[0].breaker.is_closed


def test_a_burst_that_is_turned_away_counts_once_and_round_after_round_is_a_death():
    clock = HandClock()
    routes = build(clock, breaker=BreakerSettings(failures=3), concurrency=40)
    rounds = 0
    while routes.routes[0].breaker.is_closed:
        rounds += 1
        burst = [permit for permit in (routes.take(1) for _ in range(40)) if permit is not None]
        for permit in burst:
            clock.time += 0.001
            permit.fail(ModelOverloaded("no server", status=503), "u")
    assert rounds == 3


def test_a_caller_in_a_hurry_says_nothing_of_the_provider():
    routes = build(HandClock(), breaker=BreakerSettings(failures=1))
    routes.take(1).fail(broken(status=0), "u", hurried=True)
    assert routes.routes[0].breaker.is_closed
    routes.take(1).fail(broken(status=0), "u")
    assert not routes.routes[0].breaker.is_closed


def test_an_answer_to_an_older_call_does_not_close_it():
    clock = HandClock()
    routes = build(clock, breaker=BreakerSettings(failures=1, cooldown_s=100))
    old = routes.take(1)
    clock.time += 1
    routes.take(1).fail(ModelUnreachable("refused"), "u")
    clock.time += 1
    old.succeed(1, None)
    assert not routes.routes[0].breaker.is_closed


# --- waiting


async def ask(routes, clock, who, log, *, tokens=1, took_s=1.0, deadline=FAR):
    permit = routes.take(tokens) or await routes.wait(tokens, who, deadline)
    log.append((who, clock.monotonic()))
    await asyncio.sleep(took_s)
    permit.succeed(tokens, None)


def test_users_take_turns_whoever_came_with_how_many():
    async def work(clock):
        routes, log = build(clock, concurrency=1), []
        crowd = [asyncio.create_task(ask(routes, clock, "flood", log)) for _ in range(100)]
        await asyncio.sleep(0.5)
        await asyncio.gather(*[ask(routes, clock, f"u{n}", log) for n in range(5)])
        assert max(at for who, at in log if who != "flood") <= 0.5 + 2 * 6
        await asyncio.gather(*crowd)

    run_virtually(work)


def test_the_calls_go_at_the_configured_rate():
    async def work(clock):
        routes, log = build(clock, rpm=600), []
        await asyncio.gather(*[ask(routes, clock, f"u{n}", log, took_s=0.1) for n in range(300)])
        assert log[-1][1] == pytest.approx((300 - 600 * BURST_S / 60) / 10, rel=0.05)

    run_virtually(work)


def test_a_wait_that_cannot_end_in_time_is_refused_at_once():
    async def work(clock):
        routes = build(clock, tpm=6_000)
        routes.take(6_000).succeed(6_000, None)
        with pytest.raises(ModelOverloaded, match=r"leave room in 50.1 s, and the run has 20.0 s left") as raised:
            await routes.wait(10, "u", 20.0)
        assert clock.monotonic() == 0
        assert raised.value.retry_after_s == pytest.approx(50.1, abs=0.2)
        assert not raised.value.sent

    run_virtually(work)


def test_a_wait_ends_at_the_deadline():
    async def work(clock):
        routes = build(clock, concurrency=1)
        routes.take(1)
        with pytest.raises(ModelOverloaded, match="the run's time was over before provider 'p' had room"):
            await routes.wait(1, "u", 7.0)
        assert clock.monotonic() == pytest.approx(7.0)
        assert routes._gate.waiting == 0

    run_virtually(work)


def test_the_queue_is_bounded():
    async def work(clock):
        routes = build(clock, concurrency=1, max_waiting=3)
        held = routes.take(1)
        waiting = [asyncio.create_task(routes.wait(1, "u", FAR)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ModelOverloaded, match=r"3 calls wait for provider 'p' already; providers\.p\.max_waiting"):
            await routes.wait(1, "v", FAR)
        held.drop(sent=True)
        for task in waiting:
            (await task).drop(sent=True)

    run_virtually(work)


def test_who_waits_fails_at_once_when_the_breaker_opens():
    async def work(clock):
        routes = build(clock, concurrency=1, breaker=BreakerSettings(failures=1))
        held = routes.take(1)
        waiting = [asyncio.create_task(routes.wait(1, f"u{n}", FAR)) for n in range(20)]
        await asyncio.sleep(3)
        held.fail(ModelUnreachable("refused"), "u")
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ModelUnreachable}
        assert clock.monotonic() == 3

    run_virtually(work)


@pytest.mark.parametrize("release_first", [True, False])
def test_cancelling_a_waiter_in_the_turn_in_which_it_is_let_in_loses_no_slot(release_first):
    async def work(clock):
        routes = build(clock, concurrency=1)
        held = routes.take(1)
        first, second = [asyncio.create_task(routes.wait(1, who, FAR)) for who in "ab"]
        await asyncio.sleep(1)
        for act in (lambda: held.drop(sent=True), first.cancel)[:: 1 if release_first else -1]:
            act()
        (await asyncio.wait_for(second, 5)).drop(sent=True)
        assert first.cancelled()
        assert routes.routes[0].pace.key.in_flight == 0

    run_virtually(work)


def test_a_large_call_is_not_overtaken_for_ever_by_the_small_ones_of_another_model():
    async def work(clock):
        router = Router(BreakerSettings(), clock)
        large = build(clock, router=router, name="large", tpm=6_000)
        small = build(clock, router=router, name="small", tpm=6_000)
        large.take(1_000).succeed(1_000, None)
        log = []
        crowd = [asyncio.create_task(ask(small, clock, f"s{n}", log, tokens=100)) for n in range(3)]
        big = asyncio.create_task(ask(large, clock, "big", log, tokens=1_000))
        crowd += [asyncio.create_task(ask(small, clock, f"s{n}", log, tokens=100)) for n in range(3, 300)]
        await big
        assert clock.monotonic() < 20
        await asyncio.gather(*crowd)

    run_virtually(work)


def test_a_model_at_its_own_limit_does_not_hold_up_another():
    async def work(clock):
        router = Router(BreakerSettings(), clock)
        one, two = build(clock, router=router, name="one"), build(clock, router=router, name="two")
        one.take(1).succeed(1, RateHint(requests=Said(1, 0)))
        log = []
        stuck = asyncio.create_task(ask(one, clock, "a", log))
        await asyncio.sleep(0)
        await ask(two, clock, "b", log)
        assert clock.monotonic() == 1.0
        await stuck
        assert [who for who, _ in log] == ["b", "a"]

    run_virtually(work)


def test_a_waiter_goes_the_way_that_is_free_first():
    async def work(clock):
        routes = build(clock, ways=2, concurrency=1)
        first, second = routes.take(1), routes.take(1)
        waiting = asyncio.create_task(routes.wait(1, "u", FAR, first.route))
        await asyncio.sleep(1)
        second.drop(sent=True)
        assert (await waiting).route is second.route

    run_virtually(work)


# --- against an independent model


class Permits(RuleBasedStateMachine):
    """Pace and breaker of one route against the simplest statement of what they promise.

    The model keeps lists of what happened and sums them up anew each time.
    """

    @initialize(
        concurrency=st.integers(1, 4), rpm=st.sampled_from([0, 30]), tpm=st.sampled_from([0, 600]),
        failures=st.integers(1, 3),
    )  # fmt: skip
    def begin(self, concurrency, rpm, tpm, failures):
        self.loop = VirtualLoop()
        self.clock = LoopClock(self.loop)
        self.settings = BreakerSettings(failures=failures, cooldown_s=4, max_cooldown_s=16)
        self.routes = build(self.clock, concurrency=concurrency, rpm=rpm, tpm=tpm, breaker=self.settings)
        self.concurrency, self.rpm, self.tpm, self.failures = concurrency, rpm, tpm, failures
        self.held = []
        self.waiting = []
        self.starts = []  # (when, tokens) of all permits; tokens become what was used
        self.streak = []  # culprits of failures since the last answer
        self.open_until = None  # earliest time of a probe

    def run(self, seconds=0.0):
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for task, tokens in list(self.waiting):
            if task.done():
                self.waiting.remove((task, tokens))
                if not task.cancelled() and task.exception() is None:
                    self.note(task.result(), tokens)
                elif not task.cancelled():
                    assert isinstance(task.exception(), ModelUnreachable), task.exception()

    def note(self, permit, tokens):
        self.starts.append([permit._begun_at, tokens])
        self.held.append((permit, tokens, self.starts[-1]))

    @rule(tokens=st.integers(1, 60), who=st.sampled_from("ab"))
    def ask(self, tokens, who):
        self.loop.run_until_complete(self._ask(tokens, who))
        self.run()

    async def _ask(self, tokens, who):
        try:
            permit = self.routes.take(tokens)
        except ModelUnreachable:
            assert self.open_until is not None, "a closed breaker refuses nobody"
            return
        if permit is not None:
            assert not self.waiting, "nobody overtakes those who wait"
            self.note(permit, tokens)
        else:
            self.waiting.append((asyncio.create_task(self.routes.wait(tokens, who, FAR)), tokens))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["reply", "refused", "unreachable", "broken", "429", "drop", "unsent"]))
    def end(self, data, how):
        permit, tokens, start = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.loop.run_until_complete(self._end(permit, tokens, start, how))
        self.run()

    async def _end(self, permit, tokens, start, how):
        probe = permit._probe
        current = probe or self.open_until is None
        if how == "reply":
            start[1] = tokens // 2
            permit.succeed(tokens // 2, None)
        elif how == "drop":
            permit.drop(sent=True)
        elif how == "unsent":
            self.starts.remove(start)
            permit.drop(sent=False)
        else:
            error = {
                "refused": ModelRefused("no", status=400), "unreachable": ModelUnreachable("x"),
                "broken": ModelBroken("x"), "429": ModelOverloaded("x", status=429),
            }[how]  # fmt: skip
            if not error.sent:
                self.starts.remove(start)
            permit.fail(error, "u")
        if (how in {"reply", "refused"} and (current or permit._begun_at >= self.opened_at)) or (
            how == "429" and probe
        ):
            self.streak, self.open_until = [], None
        elif how in {"unreachable", "broken"} and current:
            self.streak.append(None if how == "unreachable" else "u")
            blamed = self.streak.count(None) + ("u" in self.streak)
            if probe or blamed >= self.failures or len(self.streak) >= LONE_FACTOR * self.failures:
                self.opened_at = self.clock.monotonic()
                self.open_until = self.opened_at + self.settings.cooldown_s

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data):
        task, _ = data.draw(st.sampled_from(self.waiting))
        task.cancel()
        self.run()

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 30.0]))
    def pass_time(self, seconds):
        self.run(seconds)

    @invariant()
    def promises_hold(self):
        if not hasattr(self, "held"):
            return
        key, gate = self.routes.routes[0].pace.key, self.routes._gate
        assert key.in_flight == len(self.held) <= self.concurrency
        assert 1 <= key.allowed <= self.concurrency
        assert gate.waiting == len(self.waiting)
        assert self.routes.routes[0].breaker.is_closed is (self.open_until is None)
        if self.open_until is not None:
            assert sum(permit._probe for permit, *_ in self.held) <= 1
        for limit, amounts in (
            (self.rpm, [(at, 1) for at, _ in self.starts]),
            (self.tpm, [(at, tokens) for at, tokens in self.starts]),
        ):
            if limit:  # over any stretch: a burst, what flows in, and the one call that may go beyond
                for at, _ in amounts:
                    within = [amount for when, amount in amounts if at <= when]
                    most = limit * (BURST_S + self.clock.monotonic() - at) / 60 + max(within)
                    assert sum(within) <= most + 1e-6

    @invariant()
    def nobody_waits_while_there_is_room(self):
        if not getattr(self, "waiting", None) or self.rpm or self.tpm:
            return
        key = self.routes.routes[0].pace.key
        assert key.in_flight + 1 > key.allowed, "a slot is free and somebody waits"

    def teardown(self):
        if hasattr(self, "loop"):
            for task, _ in self.waiting:
                task.cancel()
            self.run()
            while self.held:
                self.held.pop()[0].drop(sent=True)
                self.run()
            assert self.routes.routes[0].pace.key.in_flight == 0
            self.loop.close()


Permits.TestCase.settings = hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None)
TestPermits = Permits.TestCase


def test_several_endpoints_are_read_from_the_settings():
    provider = Provider("http://one", "ONE", endpoints=(ProviderEndpoint(), ProviderEndpoint("http://two", "TWO", 2.0)))
    assert [(way.base_url, way.api_key_env, way.weight) for way in provider.ways] == [
        ("http://one", "ONE", 1.0), ("http://two", "TWO", 2.0),
    ]  # fmt: skip

"""What is said on arrival, and what of it can be computed by other means."""

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.admission.virtual import VirtualClock, VirtualLoop, run_virtually

from surefoot.admission import Admission
from surefoot.caller import Caller
from surefoot.config import Settings
from surefoot.errors import TooManyRequests
from surefoot.overload import FRESH_S, INTERVAL_S, StandingDelay
from surefoot.run_times import MAX_KINDS, RunTimes
from surefoot.sections import AdmissionSettings, Tenant

ANN, BOB = Caller("ann"), Caller("bob")


def virtually(test):
    """Run an async test in a loop of its own, with an `Admission` maker as its argument."""

    def run():
        loop = VirtualLoop()

        def make(tenants=None, **section):
            return Admission(
                Settings(admission=AdmissionSettings(**section), tenants=tenants or {}), VirtualClock(loop)
            )

        run_virtually(test(make), loop)

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


def refused(admission, caller, **options):
    with pytest.raises(TooManyRequests) as caught:
        admission.enter(caller, **options)
    return caught.value


async def pass_time(seconds):
    await asyncio.sleep(seconds)


async def begin(admission, caller=ANN, **options):
    ticket = admission.enter(caller, **options)
    await ticket.start()
    return ticket


async def run_for(admission, run_s, caller=ANN, **options):
    async with admission.enter(caller, **options):
        await asyncio.sleep(run_s)


@given(
    per_minute=st.sampled_from([1, 7, 30, 90]),
    gaps=st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.0, 13.0, 61.0]), max_size=80),
)
@settings(deadline=None)
def test_in_any_span_a_user_gets_no_more_in_than_the_rate_admits(per_minute, gaps):
    async def main(loop):
        section = AdmissionSettings(user_requests_per_minute=per_minute, user_runs=1_000)
        admission = Admission(Settings(admission=section), VirtualClock(loop))
        came = []
        for gap in gaps:
            await asyncio.sleep(gap)
            try:
                admission.enter(ANN).leave()
                came.append(loop.time())
            except TooManyRequests as refusal:
                wait_s = refusal.retry_after_s
                assert wait_s <= 60 / per_minute + 0.1 + 1e-9  # never longer than one more takes
        for first, begin_s in enumerate(came):
            for last, end_s in enumerate(came[first:], 1):
                assert last <= per_minute + (end_s - begin_s) * per_minute / 60 + 1e-6

    run_virtually(main(loop := VirtualLoop()), loop)


@virtually
async def test_retry_after_of_a_rate_is_exact(make):
    admission = make(user_requests_per_minute=30, user_runs=100)
    for _ in range(30):
        admission.enter(ANN).leave()
    refusal = refused(admission, ANN)
    assert (refusal.reason, refusal.retry_after_s) == ("rate", 2.0)
    assert str(refusal) == "user 'ann' has used up its 30 requests per minute: try again in 2 s"
    admission.enter(BOB).leave()
    await pass_time(1.5)
    assert refused(admission, ANN).retry_after_s == 0.5
    await pass_time(0.5)
    admission.enter(ANN).leave()
    assert refused(admission, ANN).retry_after_s == 2.0


@virtually
async def test_a_tenant_has_a_rate_for_all_its_users_and_may_have_one_of_its_own(make):
    admission = make({"own": Tenant(tenant_requests_per_minute=2)}, tenant_requests_per_minute=3)
    for name, most in (("own", 2), ("other", 3)):
        for number in range(most):
            admission.enter(Caller(f"u{number}", "", name)).leave()
        refusal = refused(admission, Caller("late", "", name))
        assert str(refusal).startswith(f"tenant '{name}' has used up its {most} requests per minute")
        assert refusal.retry_after_s == 60 / most
    for _ in range(40):
        admission.enter(Caller()).leave()  # nobody's have no rate


@virtually
async def test_whom_the_tenants_rate_refuses_has_used_nothing_of_the_own(make):
    admission = make(user_requests_per_minute=2, tenant_requests_per_minute=3)
    for name in ("u1", "u2", "u3"):
        admission.enter(Caller(name, "", "acme")).leave()
    for _ in range(5):  # more often than a user may come in a minute
        assert str(refused(admission, Caller("ann", "", "acme"))).startswith("tenant 'acme' has used up")
    await pass_time(60.0)
    for _ in range(2):
        admission.enter(Caller("ann", "", "acme")).leave()
    assert str(refused(admission, Caller("ann", "", "acme"))).startswith("user 'ann' has used up")


@virtually
async def test_a_full_queue_says_whose_it_is_and_when_a_place_is_free(make):
    admission = make(user_runs=2, user_queue=1)
    await run_for(admission, 8.0)
    one, two = await begin(admission), await begin(admission)
    waiting = asyncio.create_task(run_for(admission, 0))
    await asyncio.sleep(0)
    refusal = refused(admission, ANN)
    assert str(refusal) == (
        "user 'ann' has 2 of 2 runs under way and 1 requests waiting, and 1 may wait: try again in 4 s"
    )
    assert (refusal.reason, refusal.retry_after_s) == ("queue", 4.0)  # runs of 8 s, two slots
    one.leave()
    await waiting
    two.leave()
    assert admission.state().users == 0


@virtually
async def test_what_all_have_under_way_is_told_to_nobody(make):
    admission = make(runs=1, queue=1)
    await begin(admission)
    admission.enter(BOB)
    refusal = refused(admission, Caller("carl"))
    assert str(refusal) == "as many requests of all users wait as may: try again in 1 s"
    assert refusal.reason == "queue"


@virtually
async def test_who_cannot_be_done_in_time_is_refused_at_once(make):
    admission = make(user_runs=1, max_wait_s=25.0)
    await run_for(admission, 10.0, kind="slow")
    await run_for(admission, 10.0, kind="slow")
    await begin(admission, kind="slow")
    refusal = refused(admission, ANN, kind="slow", seconds=19)
    assert refusal.reason == "deadline"
    assert str(refusal) == (
        "it would wait for about 10.0 s and run for about 10.0 s, and is to be done in 19 s: try again in 1 s"
    )
    admission.enter(ANN, kind="slow", seconds=20)  # just in time
    admission.enter(ANN, kind="unknown", seconds=20)  # nothing is known of how long that runs
    refusal = refused(admission, ANN)
    assert str(refusal) == "it would wait for about 30.0 s, and nobody waits for more than 25 s: try again in 5 s"
    admission.enter(BOB, kind="slow", seconds=1)  # whose slot is free is not refused on an estimate


@virtually
async def test_before_any_run_has_ended_nobody_is_refused_on_a_guess(make):
    admission = make(user_runs=1)
    await begin(admission, kind="slow")
    await pass_time(1_000.0)
    admission.enter(ANN, kind="slow", seconds=0.001)


@virtually
async def test_nobody_waits_longer_than_may_be_nor_past_the_own_deadline(make):
    admission = make(user_runs=1, max_wait_s=30.0)
    await begin(admission)
    loop = asyncio.get_running_loop()
    for seconds, told in ((math.inf, "nobody waits for more than 30 s"), (7.0, "is to be done in 7 s")):
        began = loop.time()
        with pytest.raises(TooManyRequests, match=f"it has waited for .* s, and {told}") as caught:
            await run_for(admission, 0, seconds=seconds)
        assert caught.value.reason == "deadline"
        assert loop.time() - began == min(30.0, seconds)
    assert (admission.state().waiting, admission.state().refused["deadline"]) == (0, 2)


@virtually
async def test_a_slot_that_is_free_when_the_time_is_over_starts_nothing(make):
    """The timer is late: whoever gives the slot away sees that the time to wait is over."""
    admission = make(user_runs=1, max_wait_s=5.0)
    first = await begin(admission)
    waiting = asyncio.create_task(run_for(admission, 0))
    await asyncio.sleep(0)
    asyncio.get_running_loop().now += 5.0
    first.leave()
    with pytest.raises(TooManyRequests):
        await waiting
    assert admission.state().users == 0


@virtually
async def test_runs_of_tools_go_on_the_slot_of_the_run_that_waits_for_them(make):
    admission = make(user_runs=1, user_queue=2, runs=1, queue=1)
    outer = await begin(admission)
    inner = [await begin(admission, outer="run_1") for _ in range(3)]
    refusal = refused(admission, ANN, outer="run_1")
    assert (refusal.reason, admission.state().inside) == ("queue", 3)
    assert "tools of run run_1 have 3 runs under way that they began, as many as they may" in str(refusal)
    await begin(admission, outer="run_2")
    for ticket in inner:
        ticket.leave()
        ticket.leave()
    assert (admission.state().inside, admission.state().running) == (1, 1)
    outer.leave()
    assert admission.state().users == 0


# --- load


@virtually
async def test_who_has_most_under_way_is_shed_first_while_turns_take_too_long(make):
    admission = make(user_runs=8, user_queue=8, runs=8, target_wait_s=5.0, max_wait_s=1e6, user_requests_per_minute=1e6)
    many = [await begin(admission) for _ in range(8)]
    tasks = [asyncio.create_task(run_for(admission, 100.0)) for _ in range(3)]
    tasks.append(asyncio.create_task(run_for(admission, 100.0, BOB)))
    await asyncio.sleep(0)
    await pass_time(5.5)
    tasks.append(asyncio.create_task(run_for(admission, 100.0)))  # 12 of 16, and the delay does not stand yet
    await asyncio.sleep(0)
    await pass_time(INTERVAL_S)
    refusal = refused(admission, ANN)
    assert refusal.reason == "load"
    assert str(refusal).startswith(
        "the service is overloaded (the next in turn waits more than 5 s, for 1 s now): user 'ann' has 12 requests under "
        "way, and until that is over nobody gets more than 8"
    )
    assert admission.state().shedding == 1
    tasks.append(asyncio.create_task(run_for(admission, 100.0, BOB)))  # has little
    for depth in (2, 3, 4, 5):
        await asyncio.sleep(INTERVAL_S)
        assert refused(admission, ANN).reason == "load"
        assert admission.state().shedding == depth
    assert "has 2 requests under way, and until that is over nobody gets more than 1:" in str(refused(admission, BOB))
    tasks.append(asyncio.create_task(run_for(admission, 100.0, Caller("carl"))))  # has none
    await asyncio.sleep(0)
    assert admission.state().waiting == 7
    for ticket in many:
        ticket.leave()
    await asyncio.sleep(0)
    await pass_time(FRESH_S + 0.1)
    assert admission.state().shedding == 0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert admission.state().users == 0


@virtually
async def test_a_queue_of_ones_own_making_is_no_overload(make):
    """A user whose own slots are taken waits for long, and a tenant as well: all others are served at once."""
    admission = make(user_runs=1, tenant_runs=2, target_wait_s=1.0, max_wait_s=1e6)
    callers = [ANN, Caller("a", "", "acme"), Caller("b", "", "acme"), Caller("c", "", "acme")]
    turns = []

    async def run(caller):
        async with admission.enter(caller):
            turns.append(admission.state().turn_s)
            await asyncio.sleep(4.0 + len(turns) / 8)  # no two end at the same time

    tasks = [asyncio.create_task(run(caller)) for caller in callers for _ in range(4)]
    for _ in range(40):
        await asyncio.sleep(0.5)
        admission.enter(BOB).leave()
        assert admission.state().shedding == 0
        await asyncio.sleep(0.6)
    await asyncio.gather(*tasks)
    assert turns == [0.0] * 16


@virtually
async def test_each_user_has_one_turn_in_a_round_whosever_it_is(make):
    admission = make(runs=1)
    first = await begin(admission)
    served = []

    async def run(caller):
        async with admission.enter(caller):
            served.append(caller.user)

    busy = [Caller("busy", "", "b")] * 5
    tasks = [asyncio.create_task(run(caller)) for caller in (*busy, *[Caller(name, "", "a") for name in "wxyz"])]
    await asyncio.sleep(0)
    first.leave()
    await asyncio.gather(*tasks)
    assert sorted(served[:5]) == ["busy", "w", "x", "y", "z"]
    assert served[5:] == ["busy"] * 4


@virtually
async def test_a_late_event_loop_sheds_load(make):
    admission = make(user_runs=4, user_queue=4, max_lag_ms=200.0, user_requests_per_minute=1e6)
    loop = asyncio.get_running_loop()
    tickets = [await begin(admission) for _ in range(4)]

    def block():
        loop.now += 0.3  # as if something held the loop for so long

    for _ in range(8):
        if admission.state().shedding:
            break
        admission.enter(BOB).leave()
        loop.call_soon(block)
        loop._ready.rotate(1)  # before the probe
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert admission.state().lag_ms == pytest.approx(300.0)
    assert "its event loop is late by more than 0.2 s" in str(refused(admission, ANN))
    admission.enter(BOB).leave()
    await asyncio.sleep(1)
    admission.enter(BOB).leave()
    await asyncio.sleep(1)
    assert (admission.state().shedding, admission.state().lag_ms) == (0, 0.0)
    tickets.append(await begin(admission, BOB))
    for ticket in tickets:
        ticket.leave()


def test_a_delay_stands_only_if_it_never_falls_below_its_target():
    delay = StandingDelay(1.0)
    assert (delay.depth(0.0), delay.above_s(0.0)) == (0, 0.0)
    for now in (0.0, 0.5, 0.9):
        delay.note(1.5, now)
        assert delay.depth(now) == 0
    delay.note(1.5, 1.0)
    assert delay.depth(1.0) == 1
    delay.note(1.0, 1.5)
    assert delay.depth(1.5) == 0
    delay.note(2.0, 2.0)
    delay.note(2.0, 3.9)
    assert (delay.depth(3.9), delay.depth(3.9 + FRESH_S + 0.1)) == (1, 0)
    delay.note(2.0, 9.0)  # nothing was measured for long: it begins anew
    assert delay.depth(9.0) == 0
    assert delay.is_above


# --- bounds


def test_run_times_follow_and_forget():
    times = RunTimes()
    assert (times.known, times.mean_s, times.typical_s("a")) == (False, 0.0, 0.0)
    for _ in range(50):
        times.add("a", 10.0)
    times.add("b", 2.0)
    assert times.typical_s("a") == 10.0
    assert times.typical_s("b") == 2.0
    assert times.mean_s == pytest.approx(9.6)
    for number in range(MAX_KINDS):
        times.add(f"k{number}", 1.0)
    assert len(times._kinds) == MAX_KINDS
    assert times.typical_s("a") == 0.0


@virtually
async def test_who_has_nothing_under_way_takes_no_memory(make):
    admission = make()
    for number in range(5_000):
        (await begin(admission, Caller(f"u{number}", "", f"t{number % 50}"))).leave()
    assert (admission._turns.users, admission._turns.tenants, admission._inner) == ({}, {}, {})
    assert admission.state().users == 0

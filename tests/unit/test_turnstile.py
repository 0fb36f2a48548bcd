"""Many runs that begin at once come in the order of arrival, a turn of the loop at a time, and none is forgotten."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from surefoot.turnstile import LEAST, MOST, SLICE_S, Turnstile


class WorkClock:
    """Time passes only by work."""

    def __init__(self):
        self.at_s = 100.0

    def monotonic(self):
        return self.at_s


class Crowd:
    """Tasks that go through the turnstile and then work for ``cost_s`` of the clock's time."""

    def __init__(self, cost_s):
        self.clock = WorkClock()
        self.turnstile = Turnstile(self.clock)
        self.cost_s = cost_s
        self.order = []
        self.by_turn = []
        self.turn = 0

    async def go(self, number):
        if (wait := self.turnstile.enter()) is not None:
            await wait
        self.clock.at_s += self.cost_s
        self.order.append(number)
        self.by_turn.append(self.turn)

    async def count_turns(self):
        while True:
            await asyncio.sleep(0)
            self.turn += 1

    async def let_in(self, count, cancelled=()):
        counting = asyncio.create_task(self.count_turns())
        tasks = [asyncio.create_task(self.go(number)) for number in range(count)]
        await asyncio.sleep(0)
        for number in cancelled:
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        counting.cancel()

    def most_in_a_turn(self):
        return max(self.by_turn.count(turn) for turn in set(self.by_turn))


async def test_few_runs_wait_for_nothing():
    turnstile = Turnstile(WorkClock())
    assert [turnstile.enter() for _ in range(10)] == [None] * 10


async def test_a_thousand_that_come_at_once_are_spread_over_turns_that_are_short_enough():
    crowd = Crowd(cost_s=0.001)
    await crowd.let_in(1_000)
    assert crowd.order == list(range(1_000))
    settled = crowd.by_turn[200:]
    most = max(settled.count(turn) for turn in set(settled))
    assert LEAST <= most <= SLICE_S / 0.001 + 2


async def test_what_costs_nothing_is_let_through_in_large_groups():
    crowd = Crowd(cost_s=0.0)
    await crowd.let_in(5_000)
    assert crowd.order == list(range(5_000))
    assert 100 < crowd.most_in_a_turn() <= MOST


async def test_work_that_takes_too_long_still_goes_on():
    crowd = Crowd(cost_s=1.0)
    await crowd.let_in(100)
    assert crowd.order == list(range(100))


async def test_a_crowd_later_passes_as_the_first_one_did():
    crowd = Crowd(cost_s=0.001)
    for _ in range(3):
        await crowd.let_in(50)
        await asyncio.sleep(0)
    assert crowd.order == [*range(50)] * 3


@given(st.integers(1, 120), st.sets(st.integers(0, 119)), st.sampled_from([0.0, 0.0005, 0.003, 0.02]))
def test_those_who_leave_hold_up_nobody(count, leavers, cost_s):
    crowd = Crowd(cost_s)
    leavers = {number for number in leavers if number < count}
    asyncio.run(crowd.let_in(count, leavers))
    assert crowd.order == sorted(crowd.order)
    assert set(range(count)) - leavers <= set(crowd.order)

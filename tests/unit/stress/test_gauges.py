"""What the gauges show."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from surefoot.resident import resident_mb
from surefoot.stress.gauges import Gauges, LoopLag, cpu_s


class Loop:
    """As much of an event loop as the gauge uses; time passes by hand."""

    def __init__(self):
        self.now_s = 0.0
        self.due = None

    def time(self):
        return self.now_s

    def call_at(self, when_s, call, *arguments):
        self.due = when_s, call, arguments
        return self

    def cancel(self):
        self.due = None

    def turn(self, late_s):
        when_s, call, arguments = self.due
        self.now_s = max(self.now_s, when_s) + late_s
        call(*arguments)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=50))
def test_a_stall_counts_for_as_long_as_it_lasted(late_ticks):
    loop, lag = Loop(), LoopLag(tick_s=1.0)
    lag._schedule(loop)
    for late in late_ticks:
        loop.turn(float(late))
    assert len(lag.lags_s) == sum(late + 1 for late in late_ticks)
    assert max(lag.lags_s) == max(late_ticks)
    assert sum(lag_s > 0 for lag_s in lag.lags_s) == sum(late_ticks)


def test_a_long_test_is_thinned_out_and_keeps_its_share_of_late_ticks():
    loop, lag = Loop(), LoopLag(tick_s=1.0, most=1_000)
    lag._schedule(loop)
    for number in range(10_000):
        loop.turn(0.5 if number % 4 == 0 else 0.0)
    assert len(lag.lags_s) <= 1_000
    assert len(lag.lags_s) * lag._kept_of >= 5_000


async def test_it_ticks_on_a_real_loop_until_it_is_left():
    with LoopLag(tick_s=0.001) as lag:
        for _ in range(1_000):
            await asyncio.sleep(0.001)
            if len(lag.lags_s) >= 5:
                break
    count = len(lag.lags_s)
    assert count >= 5
    await asyncio.sleep(0.01)
    assert len(lag.lags_s) == count
    assert min(lag.lags_s) >= 0


def test_memory_and_cpu_are_those_of_this_process():
    before_mb, before_s = resident_mb(), cpu_s()
    ballast = bytearray(80_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert resident_mb() - before_mb > 60
    assert cpu_s() >= before_s
    del ballast


def test_where_there_is_no_proc_the_peak_is_told(tmp_path):
    assert resident_mb(tmp_path / "statm") >= resident_mb() * 0.5


def test_samples_are_limited_and_cover_the_whole_test():
    taken = Gauges(most=10)
    for number in range(1_000):
        taken.look(float(number), number)
    assert len(taken.samples) <= 10
    assert taken.samples[-1].at_s > 500
    assert taken.samples[0].at_s < 500
    assert taken.peak_mb >= taken.begin_mb > 0

import asyncio

import pytest
from tests.unit.store.conformance import HandClock

from surefoot.errors import TooManyRequests
from surefoot.lines import FIRST_GUESS_S, LEAST_WAIT_S, Lines

KEY = "t", "u", "s"


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def lines(clock):
    return Lines(clock, 3)


def is_next(place):
    return place.ready is None or place.ready.done()


async def test_places_come_in_the_order_of_arrival_and_leave_nothing_behind(lines):
    places = [lines.join(KEY, "queue") for _ in range(4)]
    for number, place in enumerate(places):
        assert [is_next(one) for one in places] == [one <= number for one in range(4)]
        lines.leave(KEY, place)
    assert len(lines) == 0


async def test_other_sessions_have_lines_of_their_own(lines):
    keys = [("t", "u", "a"), ("t", "u", "b"), ("t", "v", "a"), ("w", "u", "a")]
    places = [lines.join(key, "reject") for key in keys]
    assert all(map(is_next, places))
    assert lines.holds("t", "v")
    for key, place in zip(keys, places, strict=True):
        lines.leave(key, place)
    assert not lines.holds("t", "v")


async def test_who_waits_no_more_is_passed_over(lines):
    first, second, third = [lines.join(KEY, "queue") for _ in range(3)]
    second.ready.cancel()  # its task was cancelled and has not left the line yet
    lines.leave(KEY, first)
    assert is_next(third)
    lines.leave(KEY, second)
    lines.leave(KEY, third)
    assert len(lines) == 0


async def test_who_waits_no_more_may_leave_after_the_line_is_gone(lines):
    first, second = [lines.join(KEY, "queue") for _ in range(2)]
    second.ready.cancel()
    lines.leave(KEY, first)
    assert len(lines) == 0
    lines.leave(KEY, second)
    another = lines.join(KEY, "reject")
    lines.leave(KEY, second)
    assert len(lines) == 1
    lines.leave(KEY, another)
    assert len(lines) == 0


async def test_a_line_that_is_full_refuses_and_says_when_there_is_room(lines, clock):
    first, *_ = [lines.join(KEY, "queue") for _ in range(4)]
    clock.move(0.5)
    for on_busy in ("queue", "interrupt"):
        with pytest.raises(TooManyRequests, match="session 's' has 3 runs waiting already") as caught:
            lines.join(KEY, on_busy)
        assert (caught.value.reason, caught.value.retry_after_s) == ("session", FIRST_GUESS_S - 0.5)
    lines.leave(KEY, first)
    lines.join(KEY, "queue")


async def test_who_does_not_wait_is_told_when_the_line_will_be_empty(lines, clock):
    first = lines.join(KEY, "queue")
    lines.join(KEY, "queue")
    with pytest.raises(TooManyRequests, match=r"busy with another run; try again in 4\.0 s") as caught:
        lines.join(KEY, "reject")
    assert caught.value.retry_after_s == 2 * FIRST_GUESS_S
    clock.move(7.0)  # it takes longer than thought: from now on turns are thought to take 3 s
    lines.leave(KEY, first)
    with pytest.raises(TooManyRequests) as caught:
        lines.join(KEY, "reject")
    assert caught.value.retry_after_s == pytest.approx(3.0)
    clock.move(2.99)
    with pytest.raises(TooManyRequests) as caught:
        lines.join(KEY, "reject")
    assert caught.value.retry_after_s == LEAST_WAIT_S
    clock.move(10.0)
    with pytest.raises(TooManyRequests) as caught:
        lines.join(KEY, "reject")
    assert caught.value.retry_after_s == pytest.approx(3.0)


async def test_an_interruption_cancels_who_is_on_and_goes_before_who_only_waits(lines):
    stopped = []
    first = lines.join(KEY, "queue")
    first.attach(lambda: stopped.append("first"))
    second = lines.join(KEY, "queue")
    third = lines.join(KEY, "interrupt")
    assert stopped == ["first"]
    fourth = lines.join(KEY, "interrupt")  # it interrupts the third, too, which has not begun yet
    lines.leave(KEY, first)
    assert is_next(third)
    third.attach(lambda: stopped.append("third"))
    assert "third" not in stopped, "it begins first, so that its question is kept"
    await asyncio.sleep(0)
    assert stopped[-1] == "third"
    lines.leave(KEY, third)
    assert is_next(fourth)
    assert not is_next(second)
    lines.leave(KEY, fourth)
    second.attach(lambda: stopped.append("second"))
    await asyncio.sleep(0)
    assert "second" not in stopped

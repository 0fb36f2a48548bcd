import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.fair_queue import FairQueue


def test_a_key_with_thousands_of_items_delays_another_by_one_turn():
    queue = FairQueue()
    for number in range(5_000):
        queue.push("flood", number)
    queue.push("quiet", "mine")
    assert [queue.pop(), queue.pop()] == [0, "mine"]
    assert (len(queue), queue.waiting("flood"), queue.waiting("quiet"), queue.keys) == (4_999, 4_999, 0, 1)


def test_the_items_come_about_in_the_order_of_their_turns():
    queue = FairQueue()
    for key, number in ("a", 1), ("a", 2), ("b", 3), ("a", 4), ("c", 5), ("c", 6):
        queue.push(key, number)
    assert list(queue) == [1, 3, 5, 2, 6, 4] == [queue.pop() for _ in range(6)]


def test_weights_are_shares():
    queue = FairQueue()
    for number in range(300):
        queue.push("gold", ("gold", number), weight=3.0)
        queue.push("plain", ("plain", number))
    first = [queue.pop()[0] for _ in range(200)]
    assert first.count("gold") == 150


def test_costs_count():
    queue = FairQueue()
    for number in range(100):
        queue.push("dear", ("dear", number), cost=4.0)
        queue.push("cheap", ("cheap", number), cost=1.0)
    first = [queue.pop()[0] for _ in range(50)]
    assert first.count("dear") == 10


def test_an_item_that_waits_no_longer_is_taken_out():
    queue = FairQueue()
    first, second, third, fourth = object(), object(), object(), object()
    for item in (first, second, third, fourth):
        queue.push("a", item)
    assert queue.remove("a", [first]) == 1
    assert queue.remove("a", [first]) == 0
    assert queue.remove("b", [second]) == 0
    assert (list(queue), len(queue)) == ([second, third, fourth], 3)
    assert queue.remove("a", [fourth, object(), second, first]) == 2
    assert (list(queue), len(queue)) == ([third], 1)
    assert queue.remove("a", [third]) == 1
    assert (len(queue), queue.keys) == (0, 0)
    with pytest.raises(IndexError):
        queue.pop()


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0.5, 1.0, 2.5])), max_size=60))
def test_every_item_comes_once_and_each_key_keeps_its_order(items):
    queue = FairQueue()
    for number, (key, cost) in enumerate(items):
        queue.push(key, (key, number), cost=cost)
    popped = [queue.pop() for _ in items]
    assert sorted(popped, key=lambda item: item[1]) == [(key, number) for number, (key, _) in enumerate(items)]
    for key in "abcd":
        mine = [number for other, number in popped if other == key]
        assert mine == sorted(mine)
    assert len(queue) == 0

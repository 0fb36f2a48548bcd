"""Percentiles, histograms, fairness: against their definitions."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.stress.figures import (
    MOST_BINS,
    Spread,
    fairness,
    histogram,
    most_frequent,
    percentile,
    round_up_step,
    spread,
)

values = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200)


@given(values, st.floats(0.01, 100))
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(numbers, percent):
    found = percentile(sorted(numbers), percent)
    assert found in numbers
    needed = round(percent * len(numbers) / 100, 9)
    assert sum(number <= found for number in numbers) >= needed
    below = [number for number in numbers if number < found]
    assert len(below) < needed


def test_percentiles_of_a_hundred_are_the_numbers_themselves():
    ordered = [float(number) for number in range(1, 101)]
    assert [percentile(ordered, percent) for percent in (1, 29, 50, 95, 99, 100)] == [1, 29, 50, 95, 99, 100]
    assert percentile([7.0], 50) == 7.0
    assert percentile([], 50) == 0.0


def test_a_spread_of_nothing_is_zero_and_of_values_in_any_order_right():
    assert spread([]) == Spread()
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 2.0, 3.0, 3.0, 3.0, 3.0)


@given(st.lists(st.one_of(st.floats(0, 1e6), st.floats(0.001, 1.0)), max_size=200))
def test_a_histogram_has_each_value_in_the_bin_that_holds_it(numbers):
    bins = histogram(numbers)
    above = [number for number in numbers if number > 0]
    assert sum(one.count for one in bins) == len(above)
    assert len(bins) <= MOST_BINS + 1
    for one, after in pairwise(bins):
        assert one.high == after.low
    for one in bins:
        assert one.count == sum(one.low <= number < one.high for number in above) or one is bins[-1]
    if bins:
        assert bins[0].low <= min(above) * (1 + 1e-9)
        assert bins[-1].high >= max(above)


def test_equal_latencies_make_one_bin_and_a_narrow_spread_many():
    assert [one.count for one in histogram([1.6] * 9)] == [9]
    assert len(histogram([1.0 + number / 100 for number in range(100)])) > 10


@given(values)
def test_the_fairness_index_is_between_one_share_and_one(shares):
    assert 1 / len(shares) - 1e-9 <= fairness(shares) <= 1 + 1e-9


def test_the_fairness_index_at_its_ends():
    assert fairness([2.0] * 5) == pytest.approx(1.0)
    assert fairness([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert fairness([1.0, 3.0]) == pytest.approx(16 / 20)
    assert fairness([]) == fairness([0.0, 0.0]) == 1.0


@given(st.floats(1e-9, 1e9))
def test_a_round_step_is_one_two_or_five_times_a_power_of_ten(step):
    found = round_up_step(step)
    assert step * (1 - 1e-6) <= found <= step * 2.5 * (1 + 1e-6)
    assert round(found / 10 ** math.floor(math.log10(found * (1 + 1e-9))), 6) in {1, 2, 5}


def test_what_is_frequent_comes_first():
    assert most_frequent({"b": 2, "a": 2, "c": 9}) == [("c", 9), ("a", 2), ("b", 2)]


def test_a_histogram_of_next_to_nothing():
    assert [one.count for one in histogram([5e-324])] == [1]

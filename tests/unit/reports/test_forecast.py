"""Bands around what is expected."""

import math
from fractions import Fraction
from random import Random
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.reports.forecast import SMALL, Band, Sample, days_until


def sample(values):
    made = Sample()
    for value in values:
        made.add(value)
    return made


@settings(max_examples=20)
@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=40), st.lists(st.integers(1, 10**6), max_size=3))
def test_bands_hold_what_is_expected_and_are_never_negative(values, counts):
    a_request, sums = sample(values).project(counts)
    assert 0 <= a_request.low <= a_request.mean <= a_request.high
    assert a_request.mean == pytest.approx(mean(values))
    for count, band in zip(counts, sums, strict=True):
        assert 0 <= band.low <= band.mean <= band.high
        assert band.mean == pytest.approx(count * a_request.mean)


@given(st.lists(st.integers(0, 10**15), min_size=2, max_size=300))
def test_the_spread_is_exact(values):
    assert sample(values).spread == pytest.approx(stdev(map(Fraction, values)), rel=1e-12, abs=1e-12)


def test_equal_requests_leave_no_doubt():
    for count in (2, SMALL):
        a_request, (total,) = sample([7] * count).project([1_000])
        assert a_request == Band(7.0, 7.0, 7.0)
        assert total == Band(7_000.0, 7_000.0, 7_000.0)


def test_from_many_requests_on_the_band_is_the_formulas():
    values = [10, 30] * (SMALL // 2)
    a_request, (total,) = sample(values).project([10_000])
    error = 1.6448536269514722 * stdev(values) / math.sqrt(SMALL)
    assert a_request.high - 20 == pytest.approx(error)
    assert 20 - a_request.low == pytest.approx(error)
    doubt = 1.6448536269514722 * stdev(values) * math.sqrt(10_000**2 / SMALL + 10_000)
    assert total.high - 200_000 == pytest.approx(doubt)


def test_both_methods_agree_where_one_takes_over():
    chance = Random(3)
    values = [chance.randint(50, 150) for _ in range(SMALL - 1)]
    (small, (small_sum,)), (large, (large_sum,)) = sample(values).project([500]), sample([*values, 100]).project([500])
    assert small.low == pytest.approx(large.low, rel=0.01)
    assert small.high == pytest.approx(large.high, rel=0.01)
    assert small_sum.low == pytest.approx(large_sum.low, rel=0.01)
    assert small_sum.high == pytest.approx(large_sum.high, rel=0.01)


def test_the_band_keeps_the_skew_of_few_uneven_costs():
    band, _ = sample([1] * 19 + [100]).project([])
    assert band.high - band.mean > band.mean - band.low


def test_the_same_records_give_the_same_forecast():
    assert sample([1, 5, 9]).project([100]) == sample([1, 5, 9]).project([100])


@pytest.mark.parametrize("count", [40, 250])
def test_nine_bands_in_ten_hold_the_truth(count):
    """Costs evenly spread over 0..1000: the true mean is 500. 90 bands; 73 to 88 hits are within four sigma."""
    chance, hits, sums = Random(11), 0, 0
    for _ in range(90):
        band, (total,) = sample([chance.randint(0, 1_000) for _ in range(count)]).project([400])
        hits += band.low <= 500 <= band.high
        sums += total.low <= sum(chance.randint(0, 1_000) for _ in range(400)) <= total.high
    assert 70 <= hits <= 89
    assert 70 <= sums <= 89


def test_when_a_limit_is_reached():
    assert days_until(1_000, Band(5, 10, 20), 10) == (10.0, 5.0, 20.0)
    assert days_until(1_000, Band(0, 0, 0), 10) == (math.inf, math.inf, math.inf)

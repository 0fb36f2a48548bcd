"""Figures of many measurements: percentiles, histograms, fairness. Pure arithmetic."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

MOST_BINS: Final = 24
WIDE: Final = 8
BINS_PER_DOUBLING: Final = 4
"""A bin that widens is a whole number of quarters of a doubling wide."""


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that at least ``percent`` of all values do not exceed.

    It is the value at rank ``ceil(percent / 100 * n)``, so always one that was measured (Hyndman and Fan 1996, type 1).

    Args:
        ordered: Values in ascending order; 0 if there are none.
        percent: Above 0, at most 100.
    """
    assert 0 < percent <= 100, "a percentile is above 0 and at most 100"
    if not ordered:
        return 0.0
    # 28.999999999999996 is 29: the product of two numbers that are whole must not jump over a rank
    return ordered[max(1, math.ceil(round(percent * len(ordered) / 100, 9))) - 1]


class Spread(Struct, frozen=True):
    """How values are spread, all in the unit of the values; zeros if there are none."""

    mean: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    most: float = 0.0


def spread(values: Sequence[float]) -> Spread:
    """Mean and nearest-rank percentiles of ``values`` in any order."""
    ordered = sorted(values)
    if not ordered:
        return Spread()
    p50, p90, p95, p99 = (percentile(ordered, percent) for percent in (50, 90, 95, 99))
    return Spread(math.fsum(ordered) / len(ordered), p50, p90, p95, p99, ordered[-1])


class Bin(Struct, frozen=True):
    """How many values are at least ``low`` and below ``high``."""

    low: float
    high: float
    count: int


def histogram(values: Sequence[float]) -> list[Bin]:
    """At most `MOST_BINS` bins from the smallest to the largest value, none left out between two others.

    They are equally wide, at round edges. Where the largest value is more than `WIDE` times the smallest they widen
    with the value instead, so that a long tail does not hide the bulk. Values that are not above 0 are left out.
    """
    above = [value for value in values if value > 0]
    if not above:
        return []
    low, high = min(above), max(above)
    edges = _widening_edges(low, high) if high > WIDE * low else _round_edges(low, high)
    counts = [0] * (len(edges) - 1)
    for value in above:
        counts[min(bisect_right(edges, value), len(counts)) - 1] += 1
    return [Bin(start, end, count) for start, end, count in zip(edges, edges[1:], counts, strict=False)]


LEAST_STEP: Final = 1e-300
"""Of values that are next to nothing: a share of them would be nothing, and has no logarithm."""


def _round_edges(low: float, high: float) -> list[float]:
    step = round_up_step(max(high - low, high / 4) / (MOST_BINS - 2))
    first, last = math.floor(low / step), math.floor(high / step) + 1
    return [number * step for number in range(first, last + 1)]


def _widening_edges(low: float, high: float) -> list[float]:
    doublings = math.log2(high) - math.log2(low)  # their ratio may be infinite
    each = math.ceil(doublings / (MOST_BINS - 2) * BINS_PER_DOUBLING) / BINS_PER_DOUBLING
    first, last = math.floor(math.log2(low) / each), math.floor(math.log2(high) / each) + 1
    return [2.0 ** (number * each) for number in range(first, last + 1)]


def round_up_step(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(step, LEAST_STEP)))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= step * (1 - 1e-9))


def fairness(shares: Sequence[float]) -> float:
    """Jain's index ``(Σx)² / (n Σx²)``: 1 when all get the same, 1/n when one gets all; 1 when nobody gets anything.

    Source: Jain, Chiu, Hawe, "A quantitative measure of fairness and discrimination", DEC-TR-301, 1984.
    """
    squares = math.fsum(share * share for share in shares)
    return math.fsum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def most_frequent(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names and counts, the highest count first; equal ones by name."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

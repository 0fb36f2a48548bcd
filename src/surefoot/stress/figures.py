"""Figures of many measurements: percentiles, histograms, fairness. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

BINS_PER_DOUBLING: Final = 4
"""Each bin of a histogram is 19 % wider than the one before it."""
MOST_BINS: Final = 40


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
    """Bins that widen with the value, so that a long tail does not hide the bulk; none are left out between two others.

    At most `MOST_BINS`: where the values span more, bins are joined.
    """
    ordered = [value for value in values if value > 0]
    if not ordered:
        return []
    lowest, highest = _place(min(ordered)), _place(max(ordered))
    joined = 1 + (highest - lowest) // MOST_BINS
    counts = [0] * ((highest - lowest) // joined + 1)
    for value in ordered:
        counts[(_place(value) - lowest) // joined] += 1
    edges = [2.0 ** ((lowest + joined * number) / BINS_PER_DOUBLING) for number in range(len(counts) + 1)]
    return [Bin(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def _place(value: float) -> int:
    return math.floor(math.log2(value) * BINS_PER_DOUBLING)


def fairness(shares: Sequence[float]) -> float:
    """Jain's index ``(Σx)² / (n Σx²)``: 1 when all get the same, 1/n when one gets all; 1 when nobody gets anything.

    Source: Jain, Chiu, Hawe, "A quantitative measure of fairness and discrimination", DEC-TR-301, 1984.
    """
    squares = math.fsum(share * share for share in shares)
    return math.fsum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def most_frequent(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names and counts, the highest count first; equal ones by name."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

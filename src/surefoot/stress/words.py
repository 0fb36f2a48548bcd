"""Figures of a report as people read them."""

from __future__ import annotations

from typing import Final

from surefoot.narrator import duration
from surefoot.stress.figures import Spread
from surefoot.types import NANO_PER_USD

NOTHING: Final = "–"
"""In place of what nothing was measured of: a zero would be a figure, and a good one."""


def say_spread(values: Spread, *, measured: bool = True) -> list[str]:
    """Times, in seconds: mean, p50, p90, p95, p99 and most; dashes if there are none."""
    figures = (values.mean, values.p50, values.p90, values.p95, values.p99, values.most)
    return [say_s(value) if measured else NOTHING for value in figures]


def say_index(index: float, *, measured: bool) -> str:
    """An index to three digits, a dash if there is none."""
    return f"{index:.3f}" if measured else NOTHING


def say_s(seconds: float) -> str:
    """A time in at most three digits and a unit."""
    if seconds <= 0:
        return "0 ms"
    if seconds < 0.01:
        return f"{seconds * 1_000:.1f} ms"
    return f"{seconds:.2f} s" if 1 <= seconds < 10 else duration(seconds * 1_000)


def say_count(count: float) -> str:
    """A count, to three digits from 10,000 up: ``9,999``, ``12.3k``, ``4.56M``."""
    if count < 10_000:
        return f"{count:,.0f}" if count >= 10 or count == int(count) else f"{count:.3g}"
    size, unit = (1e6, "M") if count >= 999_500 else (1e3, "k")
    value = count / size
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.1f}{unit}" if value >= 10 else f"{value:.2f}{unit}"


def say_usd(nano: float) -> str:
    """Dollars: whole cents from a dollar up, four digits after the point below."""
    usd = nano / NANO_PER_USD
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"

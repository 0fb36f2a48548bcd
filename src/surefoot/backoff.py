"""How long to wait before the next attempt: the only backoff."""

from __future__ import annotations

from surefoot.clock import Clock


def draw_backoff_s(attempt: int, base_s: float, max_s: float, clock: Clock) -> float:
    """Seconds to wait after attempt number ``attempt``, from 1.

    Full jitter, a uniform draw up to a doubling bound (Brooker, "Exponential Backoff And Jitter", AWS Architecture
    Blog, 2015).

    Args:
        attempt: Number of the attempt that failed.
        base_s: Bound of the first wait, seconds; doubled each time.
        max_s: Bound of all.
        clock: Source of chance.
    """
    return min(max_s, base_s * 2.0 ** min(attempt - 1, 30)) * clock.random()

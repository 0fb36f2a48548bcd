"""The only retry: bounded, jittered, within the run's deadline; each attempt takes its own hold."""

from __future__ import annotations

from surefoot.clock import Clock
from surefoot.errors import ModelError
from surefoot.sections import RetrySettings


def delay_before_retry(
    error: ModelError, attempt: int, settings: RetrySettings, clock: Clock, deadline: float
) -> float | None:
    """Seconds to wait before the next attempt, None to give up.

    Full jitter (a uniform draw up to a doubling bound) spreads the callers of a recovering provider most evenly; see
    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. A ``Retry-After`` of the provider is the
    least that is waited; one beyond the deadline ends the attempts at once.

    Args:
        error: What went wrong.
        attempt: Number of the attempt that failed, from 1.
        settings: ``[retry]``.
        clock: Source of time and chance.
        deadline: Monotonic seconds at which the run ends.
    """
    if not error.retryable or attempt >= settings.attempts:
        return None
    bound = min(settings.max_s, settings.base_s * 2.0 ** min(attempt - 1, 30))
    delay = bound * clock.random() + (error.retry_after_s or 0.0)
    if clock.monotonic() + delay >= deadline:
        return None
    return delay

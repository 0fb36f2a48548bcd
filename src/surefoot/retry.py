"""The only retry: bounded, jittered, within the run's deadline and the provider's budget; each attempt has its hold.

==========================================  ==================  =====================================================
what went wrong                             error               tried again
==========================================  ==================  =====================================================
refused connection, DNS, TLS                `ModelUnreachable`  yes
409, 425, 429, 503, 529                     `ModelOverloaded`   yes, not before ``Retry-After``
timeout, cut stream, 408, 5xx, unreadable   `ModelBroken`       yes: both attempts may be billed, and both are held
401, 402, 403, no credit                    `ModelRefused`      at once, if another endpoint is open
other 4xx: our own making                   `ModelRefused`      never
our own limits: no route, no room in time   no attempt          never: nothing of it would change soon
==========================================  ==================  =====================================================
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from surefoot.backoff import draw_backoff_s
from surefoot.clock import Clock
from surefoot.errors import ModelError
from surefoot.models.status import OF_THE_KEY
from surefoot.sections import RetrySettings

MOST_SAVED: Final = 100.0  # in good times: enough for a gust, too few for a storm
MAX_PROVIDERS: Final = 256
MAX_USERS: Final = 10_000
_WINDOW_S: Final = 60.0


def delay_before_retry(
    error: ModelError, attempt: int, settings: RetrySettings, clock: Clock, deadline: float, *, elsewhere: bool = False
) -> float | None:
    """Seconds to wait before the next attempt, None to give up.

    ``Retry-After`` is the least that is waited; one beyond the deadline ends the attempts at once.

    Args:
        error: What went wrong.
        attempt: Number of the attempt that failed, from 1.
        settings: ``[retry]``.
        clock: Source of time and chance.
        deadline: Monotonic seconds at which the run ends.
        elsewhere: The next attempt can go to another endpoint, which has not asked for a wait.
    """
    if attempt >= settings.attempts or not (error.retryable or (elsewhere and error.status in OF_THE_KEY)):
        return None
    if not error.retryable:
        return 0.0
    backoff_s = draw_backoff_s(attempt, settings.base_s, settings.max_s, clock)
    delay = backoff_s + (0.0 if elsewhere else error.retry_after_s or 0.0)
    return delay if clock.monotonic() + delay < deadline else None


class RetryBudget:
    """How many retries a provider is worth: a share of the first attempts, and a few a minute for those who are alone.

    After Finagle and gRPC. Shared fairly: who has had more retries in this minute than are left for everybody gets none
    (dynamic threshold; Choudhury and Hahne, IEEE/ACM Trans. Networking 6, 1998), so that one user has half at most.
    """

    __slots__ = ("_at", "_left", "_most", "_reserve", "_share", "_taken", "_window_ends")

    def __init__(self, settings: RetrySettings, now: float) -> None:
        self._share, self._reserve = settings.budget, float(settings.reserve)
        self._most = max(MOST_SAVED, self._reserve)
        self._left, self._at = self._reserve, now
        self._taken: dict[Hashable, int] = {}
        self._window_ends = now + _WINDOW_S

    def feed(self) -> None:
        """A first attempt is made."""
        left = self._left + self._share
        if left < self._most:
            self._left = left

    def take(self, who: Hashable, now: float) -> bool:
        """Whether ``who`` may retry; counts it."""
        if self._left < self._reserve:
            self._left = min(self._reserve, self._left + (now - self._at) * self._reserve / _WINDOW_S)
        self._at = now
        if now >= self._window_ends or len(self._taken) >= MAX_USERS:
            self._taken.clear()
            self._window_ends = now + _WINDOW_S
        taken = self._taken.get(who, 0)
        if self._left < 1 or taken >= self._left:
            return False
        self._left -= 1
        self._taken[who] = taken + 1
        return True


class Retries:
    """The retries of one runtime."""

    def __init__(self, settings: RetrySettings, clock: Clock) -> None:
        """Retry by ``settings``."""
        self._settings = settings
        self._clock = clock
        self._budgets: dict[str, RetryBudget] = {}

    def feed(self, provider: str) -> None:
        """A first attempt is made at ``provider``."""
        budget = self._budgets.get(provider)
        if budget is None:
            if len(self._budgets) >= MAX_PROVIDERS:
                del self._budgets[next(iter(self._budgets))]
            budget = self._budgets[provider] = RetryBudget(self._settings, self._clock.monotonic())
        budget.feed()

    def allow(
        self, error: ModelError, attempt: int, deadline: float, *, at: str, who: Hashable, elsewhere: bool, free: bool
    ) -> float | None:
        """See `delay_before_retry`; None as well if ``who`` may not retry ``at`` a provider now, unless ``free``."""
        delay = delay_before_retry(error, attempt, self._settings, self._clock, deadline, elsewhere=elsewhere)
        if delay is None or free or not error.retryable:  # a refused key shuts its endpoint, and needs no budget
            return delay
        budget = self._budgets.get(at)
        return delay if budget and budget.take(who, self._clock.monotonic()) else None

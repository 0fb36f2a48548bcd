"""A route that does not answer is left alone for a while, so that a dead provider costs few calls, whoever makes them.

Closed, calls go. After a streak of failures it opens: calls fail at once, without a byte. After a cool-down one call
goes as a probe; it closes the breaker, or opens it again for longer. After Nygard, "Release It!", 2007, chapter 5.

A failure may be the fault of the request and not of the provider: one user's prompt that crashes a server must not shut
the others out. So it counts who was behind each failure (the culprit). The breaker opens after failures of so many
different culprits in a row, where a failed connection counts by itself since no prompt has a part in it; or after four
times as many in a row by anybody, since with one user alone there is nobody to compare with.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from surefoot.clock import Clock
from surefoot.sections import BreakerSettings

LONE_FACTOR: Final = 4
"""So many times ``failures`` in a row open the breaker whoever is behind them."""


class Breaker:
    """The breaker of one route. Every method is immediate; tasks of one event loop use it.

    Attributes:
        is_closed: Calls go.
        is_troubled: A call has failed since the last one that was answered.
        failure: What the last failure said, for messages.
    """

    __slots__ = (
        "_clock", "_cooldown_s", "_culprits", "_opened_at", "_probes_at", "_probing", "_round_at", "_settings",
        "_streak", "_sure", "failure", "is_closed", "is_troubled",
    )  # fmt: skip

    def __init__(self, settings: BreakerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.is_closed = True
        self.failure = ""
        self._cooldown_s = settings.cooldown_s
        self._probing = False
        self._opened_at = self._probes_at = 0.0
        self._round_at = float("-inf")
        self._close()

    def lets_through(self, now: float) -> bool:
        """Whether a call may go: the breaker is closed, or its probe is due and nobody makes it yet."""
        return self.is_closed or (now >= self._probes_at and not self._probing)

    def wait_s(self, now: float) -> float:
        """Seconds until the next probe may go; while one is under way, the time that another would have to wait."""
        assert not self.is_closed
        return self._cooldown_s if self._probing else max(0.0, self._probes_at - now)

    def begin(self) -> bool:
        """A call goes; whether it is the probe."""
        if self.is_closed:
            return False
        assert not self._probing, "one probe at a time"
        self._probing = True
        return True

    def succeed(self, begun_at: float, *, probe: bool) -> None:
        """The provider has answered, be it with an error of its own choice."""
        if self.is_closed:
            self._close()
        elif probe or begun_at >= self._opened_at:  # an older call may have been answered before the trouble began
            self.is_closed = True
            self._close()

    def fail(self, culprit: Hashable | None, failure: str, *, probe: bool) -> None:
        """A call ended without an answer; ``culprit`` is who was behind it, None if it cannot have been the request."""
        if not self.is_closed and not probe:
            return  # it began before the breaker opened, and says nothing new
        self.failure = failure
        known = culprit is not None and culprit in self._culprits
        self._count(culprit)
        if probe or self._is_enough():
            self._open(longer=probe and not known)  # not if it is the trouble of the one who had it before

    def shut(self, failure: str, *, probe: bool) -> None:
        """The key is refused: nothing that goes this way is answered, whoever is behind it."""
        if self.is_closed or probe:
            self.failure = failure
            self._open(longer=probe)

    def fail_round(self, begun_at: float, failure: str, *, probe: bool) -> None:
        """The provider says that it is not available: calls that went at the same time count as one.

        It turns away a burst that is too large for it, which the pace sees to; only round after round of it is a death.
        """
        if begun_at < self._round_at:
            self.forget(probe=probe)
            return
        self._round_at = self._clock.monotonic()
        self.fail(None, failure, probe=probe)

    def forget(self, *, probe: bool) -> None:
        """A call ended without a verdict: it was cancelled, or turned away."""
        if probe:
            self._probing = False

    def _count(self, culprit: Hashable | None) -> None:
        self.is_troubled = True
        self._streak += 1
        if culprit is None:
            self._sure += 1
        elif len(self._culprits) < self._settings.failures:
            self._culprits.add(culprit)

    def _is_enough(self) -> bool:
        least = self._settings.failures
        return self._sure + len(self._culprits) >= least or self._streak >= LONE_FACTOR * least

    def _open(self, *, longer: bool) -> None:
        if longer:
            self._cooldown_s = min(self._settings.max_cooldown_s, 2 * self._cooldown_s)
        self.is_closed = self._probing = False
        self._opened_at = self._clock.monotonic()
        # Between once and one and a half times, so that many processes do not come back as one.
        self._probes_at = self._opened_at + self._cooldown_s * (1 + self._clock.random() / 2)

    def _close(self) -> None:
        self.is_troubled = False
        self._probing = False
        self._streak = self._sure = 0
        self._culprits: set[Hashable] = set()
        self._cooldown_s = self._settings.cooldown_s

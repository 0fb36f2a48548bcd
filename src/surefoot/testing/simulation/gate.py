"""A second opinion on admission: who may be inside, counted at the clients and at the provider."""

from __future__ import annotations

from collections import Counter
from typing import Final

from surefoot.budget.limits import INFINITE, read_limits
from surefoot.config import Settings
from surefoot.errors import TooManyRequests
from surefoot.sections import OnBusy

AT_ONCE: Final = frozenset({"rate", "queue", "load"})
"""Reasons for which a request is refused on arrival or never."""
SLACK_S: Final = 0.01
"""Rounding of sums of seconds, and a round of the event loop."""
MINUTE_S: Final = 60.0

Who = tuple[str, str, str]
"""The process that a request came to, since its last start; the tenant; the user."""


class Gate:
    """Limits of ``[admission]`` and ``[retry]``, as the settings say them.

    Attributes:
        attempts: Of one call, at most.
    """

    def __init__(self, settings: Settings) -> None:
        self.attempts = settings.retry.attempts
        self._run_s = read_limits(settings.limits, "[limits]").amounts().get("seconds", INFINITE)
        self._settings = settings
        self._running: Counter[tuple[str, ...]] = Counter()
        self._levels: dict[tuple[str, ...], tuple[float, float]] = {}

    def limit(self, tenant: str, name: str) -> float:
        """A limit of a tenant, or of all."""
        own: float | None = getattr(self._settings.tenants.get(tenant), name, None)
        wide: float = getattr(self._settings.admission, name)
        return wide if own is None else own

    def admitted(self, who: Who, now: float) -> str:
        """A request was let in, its arrival being ``now``; what is wrong with that. Told in the order of arrival."""
        host, tenant, _ = who
        owners: list[tuple[tuple[str, ...], str]] = [(who, "user_requests_per_minute")]
        if tenant:
            owners.append(((host, tenant), "tenant_requests_per_minute"))
        for owner, name in owners:
            rate = self.limit(tenant, name)
            size = max(1.0, rate)
            level, at_s = self._levels.get(owner, (size, now))
            level = min(size, level + (now - at_s) * rate / MINUTE_S) - 1
            self._levels[owner] = level, now
            if level < -SLACK_S * rate / MINUTE_S - 1e-6:
                return f"{owner} has {size - level:.2f} requests in a minute, of {rate:g}"
        return ""

    def started(self, who: Who) -> str:
        """A run begins its work; what is wrong with that."""
        host, tenant, _ = who
        for owner, name in ((who, "user_runs"), ((host, tenant), "tenant_runs"), ((host,), "runs")):
            self._running[owner] += 1
            most = self.limit(tenant, name)
            if self._running[owner] > most and (tenant or name != "tenant_runs"):
                return f"{owner} has {self._running[owner]} runs at once, of {most:g}"
        return ""

    def stopped(self, who: Who) -> None:
        """It has ended."""
        host, tenant, _ = who
        for owner in (who, (host, tenant), (host,)):
            self._running[owner] -= 1

    def refused(
        self, refusal: TooManyRequests, waited_s: float, on_busy: OnBusy = "queue", *, has_turn: bool = False
    ) -> str:
        """A request was turned away; what is wrong with how.

        Who has the turn in his session (``has_turn``) learns of another process when his run is to begin, and that may
        have waited for a provider.
        """
        if not refusal.retry_after_s > 0:
            return f"refused ({refusal.reason}) without a time to come back"
        longest_s = self._settings.admission.max_wait_s
        if refusal.reason == "session":
            longest_s = 0.0 if on_busy == "reject" else min(longest_s, self._settings.sessions.max_wait_s)
            longest_s += self._run_s if has_turn else 0.0
        elif refusal.reason in AT_ONCE:
            longest_s = 0.0
        if waited_s > longest_s + SLACK_S:
            return f"refused ({refusal.reason}) after {waited_s:.3f} s, later than {longest_s:g} s"
        return ""

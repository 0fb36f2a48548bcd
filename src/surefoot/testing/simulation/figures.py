"""What a simulation measures, and the report of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from surefoot.testing.simulation.ask import Ask, Breach
from surefoot.testing.simulation.plan import FLOODER, Request
from surefoot.testing.simulation.provider import Tally
from surefoot.testing.simulation.world import World

SLOTS: Final = 48
"""Pieces of the time in which the load is told."""
MONTH_DAYS: Final = 30


class Percentiles(Struct, frozen=True):
    """Seconds that so many of a hundred do not exceed; 0 of nothing."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    most: float = 0.0


class Slot(Struct, frozen=True):
    """One piece of the time.

    Attributes:
        at_s: Virtual seconds at which it begins.
        requests: Requests that came first in it.
        refused: Refusals in it.
        wait_p95_s: As `Report.wait_s`, of the requests that came in it.
        busy: Runs on their way, on average.
    """

    at_s: float
    requests: int
    refused: int
    wait_p95_s: float
    busy: float


class Report(Struct, frozen=True, kw_only=True):
    """What a simulation gave.

    Attributes:
        seed: Of the world.
        requests: Requests in all.
        answered: Those that got an answer, be it one that a limit cut short.
        stopped: Those of them that a limit ended, by the limit.
        unanswered: The others, by why: ``gave up`` (refused, or cut off), ``cancelled``, or the error's code.
        refusals: Refusals by reason; a request that comes back may count several times.
        wait_s: From the arrival of the try that was admitted to its first call of the model; without the flooding user.
        latency_s: From the first arrival of an answered request to its answer; likewise.
        calls: Calls of the model.
        retries: Those of them that repeat one that failed.
        turned_away: Calls that the provider answered with 429.
        failed_calls: Calls that failed otherwise.
        busiest_calls: The most calls at once.
        tokens: Tokens billed.
        nano: Nano-dollars billed.
        by_tenant: Nano-dollars, tokens and requests by customer, the dearest first.
        month_nano: Nano-dollars of thirty days like this time.
        slots: The load over the time.
        crashes: How often a process was killed.
        virtual_s: Virtual seconds from the first event to the last.
        events: Events of the course.
        trace_hash: Names the course: the same for the same world and version.
        covered: What else happened, and how often: child runs, switches of the model, interrupted runs and so on.
        breaches: Broken promises; none, if all is well.
        trace: The last events before the breach.
    """

    seed: int
    requests: int
    answered: int
    stopped: dict[str, int]
    unanswered: dict[str, int]
    refusals: dict[str, int]
    wait_s: Percentiles
    latency_s: Percentiles
    calls: int
    retries: int
    turned_away: int
    failed_calls: int
    busiest_calls: int
    tokens: int
    nano: int
    by_tenant: dict[str, tuple[int, int, int]]
    month_nano: int
    slots: tuple[Slot, ...]
    crashes: int
    virtual_s: float
    events: int
    trace_hash: str
    covered: dict[str, int] = {}
    breaches: tuple[Breach, ...] = ()
    trace: tuple[str, ...] = ()

    @property
    def unanswered_share(self) -> float:
        """Share of the requests that found no answer, but for those that their clients cancelled."""
        return (sum(self.unanswered.values()) - self.unanswered.get("cancelled", 0)) / max(1, self.requests)


class Figures:
    """Collects while it happens."""

    def __init__(self, world: World) -> None:
        self._slot_s = world.hours * 3600 / SLOTS
        self._waits: list[list[float]] = [[] for _ in range(SLOTS)]
        self._latencies: list[float] = []
        self._outcomes: Counter[str] = Counter()
        self._stopped: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._arrived = [0] * SLOTS
        self._refused = [0] * SLOTS
        self._busy_s = [0.0] * SLOTS
        self._requests: Counter[str] = Counter()
        self.done = 0

    def refused(self, reason: str, now_s: float) -> None:
        """A try was turned away."""
        self._refusals[reason] += 1
        self._refused[self._slot(now_s)] += 1

    def ended(self, request: Request, how: str, ask: Ask, asked_s: float, now_s: float) -> None:
        """A request is over; ``how`` is "" if it was answered."""
        self.done += 1
        self._outcomes[how] += 1
        self._requests[request.tenant] += 1
        self._arrived[self._slot(request.at_s)] += 1
        if ask.first_call_s >= 0:
            self._spend(ask.first_call_s, now_s)
            if request.user != FLOODER:
                self._waits[self._slot(request.at_s)].append(ask.first_call_s - ask.began_s)
        if not how:
            if request.user != FLOODER:
                self._latencies.append(now_s - asked_s)
            if ask.limit:
                self._stopped[ask.limit] += 1

    def _spend(self, from_s: float, to_s: float) -> None:
        """A run was on its way: count it in each slot that it was in."""
        place = self._slot(from_s)
        while from_s < to_s:
            end_s = to_s if place == SLOTS - 1 else min(to_s, (place + 1) * self._slot_s)
            self._busy_s[place] += end_s - from_s
            from_s, place = end_s, place + 1

    def _slot(self, at_s: float) -> int:
        return min(SLOTS - 1, int(at_s / self._slot_s))

    def report(
        self, world: World, tally: Tally, *, retries: int, crashes: int, virtual_s: float, course: tuple[int, str]
    ) -> Report:
        """All of it."""
        unanswered = {how: count for how, count in sorted(self._outcomes.items()) if how}
        tenants = sorted(tally.by_tenant.items(), key=lambda item: (-item[1][0], item[0]))
        return Report(
            seed=world.seed,
            requests=self.done,
            answered=self._outcomes[""],
            stopped=dict(sorted(self._stopped.items())),
            unanswered=unanswered,
            refusals=dict(sorted(self._refusals.items())),
            wait_s=percentiles([wait for waits in self._waits for wait in waits]),
            latency_s=percentiles(self._latencies),
            calls=tally.calls,
            retries=retries,
            turned_away=tally.turned_away,
            failed_calls=tally.failed,
            busiest_calls=tally.busiest,
            tokens=tally.usage.total_tokens,
            nano=tally.nano,
            by_tenant={name: (nano, tokens, self._requests[name]) for name, (nano, tokens) in tenants},
            month_nano=round(tally.nano * MONTH_DAYS * 24 / world.hours),
            slots=tuple([self._make_slot(place) for place in range(SLOTS)]),
            crashes=crashes,
            virtual_s=virtual_s,
            events=course[0],
            trace_hash=course[1],
        )

    def _make_slot(self, place: int) -> Slot:
        return Slot(
            at_s=place * self._slot_s,
            requests=self._arrived[place],
            refused=self._refused[place],
            wait_p95_s=percentiles(self._waits[place]).p95,
            busy=self._busy_s[place] / self._slot_s,
        )


def percentiles(values: Sequence[float]) -> Percentiles:
    """The nearest-rank percentiles."""
    if not values:
        return Percentiles()
    ordered = sorted(values)
    last = len(ordered) - 1
    p50, p95, p99 = [ordered[min(last, int(share * len(ordered)))] for share in (0.50, 0.95, 0.99)]
    return Percentiles(p50, p95, p99, ordered[-1])

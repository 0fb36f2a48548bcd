"""What has become of the requests so far, in a bounded number of bytes for each."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from itertools import compress
from typing import Final

from msgspec import Struct

from surefoot.stress.figures import fairness, percentile, round_up_step, spread

RECENT: Final = 1_000
"""Latencies that the live view looks at."""
MAX_REASONS: Final = 50
OTHER: Final = "other"


class UserScore(Struct):
    """How one user was served.

    Attributes:
        name: Who.
        succeeded: Requests answered.
        failed: Requests refused, failed or stopped by a limit.
        waited_s: Time that all of them together took, seconds.
    """

    name: str
    succeeded: int = 0
    failed: int = 0
    waited_s: float = 0.0

    @property
    def rate_per_s(self) -> float:
        """Answers for each second of waiting: what the fairness index compares; 0 if there was no answer."""
        return self.succeeded / self.waited_s if self.succeeded else 0.0

    @property
    def mean_s(self) -> float:
        """Mean time of a request, answered or not, seconds."""
        return self.waited_s / max(1, self.succeeded + self.failed)


class Score:
    """Keeps score of requests: 25 bytes for each, and a line for each user and each kind of failure.

    Attributes:
        total: Requests that were planned.
        begun: Requests sent.
        ended_s: When each ended, seconds from the beginning.
        latency_s: From when each was due to its end, seconds.
        is_answer: 1 where it succeeded, 0 where it did not.
        failures: Failed ones, by reason.
        examples: The first error of each reason that has one, in its words.
        users: By name.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.begun = 0
        self.ended_s = array("d")
        self.latency_s = array("d")
        self.is_answer = bytearray()
        self.failures: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.users: dict[str, UserScore] = {}

    def begin(self) -> None:
        """A request is sent."""
        self.begun += 1

    def end(self, user: str, *, ended_s: float, latency_s: float, reason: str, told: str = "") -> None:
        """A request has ended; ``reason`` is "" for an answer, ``told`` the words of an error."""
        self.ended_s.append(ended_s)
        self.latency_s.append(latency_s)
        self.is_answer.append(not reason)
        theirs = self.users.setdefault(user, UserScore(user))
        theirs.waited_s += latency_s
        if reason:
            theirs.failed += 1
            reason = reason if reason in self.failures or len(self.failures) < MAX_REASONS else OTHER
            self.failures[reason] += 1
            if told and reason != OTHER:
                self.examples.setdefault(reason, told)
        else:
            theirs.succeeded += 1

    @property
    def ended(self) -> int:
        """Requests that have ended."""
        return len(self.ended_s)

    @property
    def succeeded(self) -> int:
        """Requests that were answered."""
        return sum(self.is_answer)

    @property
    def failed(self) -> int:
        """Requests that were not."""
        return self.failures.total()

    @property
    def under_way(self) -> int:
        """Requests sent and not ended."""
        return self.begun - self.ended

    def answered_s(self) -> list[float]:
        """Latencies of the answers."""
        return [latency_s for latency_s, is_answer in zip(self.latency_s, self.is_answer, strict=True) if is_answer]

    def recent_s(self) -> tuple[float, float]:
        """Median and 95th percentile of the answers among the newest requests, seconds."""
        newest = spread(list(compress(self.latency_s[-RECENT:], self.is_answer[-RECENT:])))
        return newest.p50, newest.p95

    def fairness(self) -> float:
        """Jain's index over the users' answers for each second of waiting."""
        return fairness([user.rate_per_s for user in self.users.values()])

    def worst_first(self) -> list[UserScore]:
        """Users by answers for each second of waiting, the least served first."""
        return sorted(self.users.values(), key=lambda user: (user.rate_per_s, -user.failed, user.name))


class Moment(Struct, frozen=True):
    """A slice of the test's time.

    Attributes:
        at_s: Its end, seconds from the beginning.
        answered: Answers within it.
        failed: Failures within it.
        p50_s: Median latency of its answers, seconds; 0 if there are none.
        p95_s: 95th percentile of the same.
    """

    at_s: float
    answered: int
    failed: int
    p50_s: float
    p95_s: float


def slice_time(score: Score, seconds: float, most: int) -> list[Moment]:
    """The test in at most ``most`` slices of time, equally wide by a round figure; none if it took no time."""
    if seconds <= 0:
        return []
    width_s = round_up_step(seconds / most)
    slices = math.ceil(round(seconds / width_s, 9))
    latencies: list[list[float]] = [[] for _ in range(slices)]
    failed = [0] * slices
    for ended_s, latency_s, is_answer in zip(score.ended_s, score.latency_s, score.is_answer, strict=True):
        place = min(int(ended_s / width_s), slices - 1)
        if is_answer:
            latencies[place].append(latency_s)
        else:
            failed[place] += 1
    moments: list[Moment] = []
    for place, values in enumerate(latencies):
        values.sort()
        p50_s, p95_s = percentile(values, 50), percentile(values, 95)
        moments.append(Moment(width_s * (place + 1), len(values), failed[place], p50_s, p95_s))
    return moments

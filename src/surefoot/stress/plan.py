"""What a stress test does: how many ask, who they are, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.testing.chance import draw

MAX_USERS: Final = 10_000
MAX_REQUESTS: Final = 1_000_000

Arrival = Literal["burst", "poisson"]


class Plan(Struct, frozen=True, kw_only=True):
    """What a stress test does.

    Requester number ``r`` makes requests ``r``, ``r + users``, ``r + 2 users``, ... one after the other, in the name of
    user ``r % unique``.

    Attributes:
        users: Requesters, each with at most one request under way.
        unique: Users behind them.
        requests: Requests in all.
        arrival: ``burst``: all begin at once, and ask again as soon as they are answered. ``poisson``: requests are due
            at random times, whether or not earlier ones have been answered.
        rate_per_s: Requests a second of ``poisson`` arrivals, on average.
        seed: For the times and the questions.
        sessions: Each requester keeps one conversation.
    """

    users: int = 100
    unique: int = 20
    requests: int = 100
    arrival: Arrival = "burst"
    rate_per_s: float = 0.0
    seed: int = 0
    sessions: bool = False

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ConfigError: A figure is out of range, or two do not fit together.
        """
        for name, value, most in (
            ("users", self.users, MAX_USERS),
            ("unique", self.unique, MAX_USERS),
            ("requests", self.requests, MAX_REQUESTS),
        ):
            if not 1 <= value <= most:
                raise ConfigError(f"--{name} {value}: must be from 1 to {most:,}")
        if self.unique > self.users:
            raise ConfigError(f"--unique {self.unique}: there are only {self.users} requesters (--users)")
        if self.arrival == "poisson" and not self.rate_per_s:
            raise ConfigError("--arrival poisson needs --rate: requests a second, for example --rate 20")
        if self.arrival == "poisson" and not 0 < self.rate_per_s <= MAX_REQUESTS:
            raise ConfigError(f"--rate {self.rate_per_s:g}: must be above 0 and at most {MAX_REQUESTS:,} a second")
        if self.arrival == "burst" and self.rate_per_s:
            raise ConfigError("--rate goes with --arrival poisson; in a burst everybody asks as fast as answers come")

    def name_user(self, requester: int) -> str:
        """The user in whose name a requester asks."""
        return f"user-{requester % self.unique:0{len(str(self.unique - 1))}}"

    def write_question(self, number: int) -> str:
        """What request ``number`` asks."""
        return f"Where is order {draw('order', self.seed, number).randint(1000, 9999)}?"

    def due_times(self) -> Iterator[float]:
        """When each request is due, seconds from the beginning: a Poisson process, or all at 0."""
        chance, at_s = draw("arrival", self.seed), 0.0
        for _ in range(self.requests):
            if self.arrival == "poisson":
                at_s += chance.expovariate(self.rate_per_s)
            yield at_s

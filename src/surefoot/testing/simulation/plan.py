"""What will happen in a simulation: every request and every trouble, drawn before it begins.

A plan is a list, so that it can be made smaller as long as something still goes wrong: what a request does depends on
its own number and the seed, and not on the others.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from typing import Final, Literal

from msgspec import Struct

from surefoot.testing.chance import Random, draw
from surefoot.testing.simulation.world import World

FLOODER: Final = "flood"
FLOOD_AT: Final = 0.1
"""After which part of the time the flood comes."""
DAY_S: Final = 86_400.0
SLOTS: Final = 288
"""Pieces of the time within which people ask evenly: five minutes of a day."""

TroubleKind = Literal["storm", "outage", "dead", "slow", "crash", "stall"]
OF_PROCESSES: Final[frozenset[TroubleKind]] = frozenset({"crash", "stall"})
"""The others happen at a provider."""
Where = Literal["first", "fallback", "all"]
DEAD_FACTOR: Final = 3
"""How many times as long as other troubles a provider is dead."""


class Request(Struct, frozen=True, gc=False):
    """One question.

    Attributes:
        number: Names it, from 1.
        at_s: Virtual seconds.
        tenant: The customer, "" for none.
        user: Who asks.
        session: The conversation, "" for none.
    """

    number: int
    at_s: float
    tenant: str
    user: str
    session: str


class Trouble(Struct, frozen=True):
    """One thing that goes wrong: from ``at_s`` on, for ``for_s`` seconds; a crash ``after`` events later.

    ``where`` are the providers that it happens at.
    """

    kind: TroubleKind
    at_s: float
    for_s: float
    after: int = 0
    where: Where = "all"


class Plan(Struct, frozen=True):
    """What will happen.

    Attributes:
        requests: In the order of time.
        troubles: In the order of time.
    """

    requests: tuple[Request, ...]
    troubles: tuple[Trouble, ...]


def make_plan(world: World) -> Plan:
    """The plan of a world and its seed."""
    chance = draw(world.seed, "plan")
    end_s = world.hours * 3600
    pick_user = _make_picker(world, chance)
    requests: list[Request] = []
    conversations: Counter[tuple[str, str]] = Counter()
    number = 0
    while number < world.requests:
        tenant, user = pick_user()
        at_s = _draw_arrival(world, chance, end_s)
        in_session = chance.random() < world.arrivals.sessions
        session = ""
        if in_session:
            conversations[tenant, user] += 1
            session = f"s{conversations[tenant, user]}"  # a name that other users have, too
        turns = min(_draw_turns(world.arrivals.turns, chance) if in_session else 1, world.requests - number)
        for _ in range(turns):
            number += 1
            requests.append(Request(number, at_s, tenant, user, session))
            at_s += chance.expovariate(1 / world.arrivals.think_s) if world.arrivals.think_s else 0.0
    flood = range(number + 1, number + 1 + world.arrivals.flood_requests)
    requests += [Request(extra, end_s * FLOOD_AT, _tenant_of(0, world), FLOODER, "") for extra in flood]
    requests.sort(key=lambda request: (request.at_s, request.number))
    return Plan(tuple(requests), tuple(_draw_troubles(world, chance, end_s)))


def _make_picker(world: World, chance: Random) -> Callable[[], tuple[str, str]]:
    """Draws who asks: few ask much, most ask little."""
    weights = list(accumulate([(rank + 1) ** -world.arrivals.skew for rank in range(world.users)]))

    def pick() -> tuple[str, str]:
        rank = bisect(weights, chance.random() * weights[-1])
        return _tenant_of(rank, world), f"u{min(rank, world.users - 1):05d}"

    return pick


def _tenant_of(rank: int, world: World) -> str:
    """A user's customer: the first has the most users."""
    if not world.tenants:
        return ""
    spread = draw("tenant", rank).random()
    return f"t{int(world.tenants * spread ** (1 + world.arrivals.skew)):03d}"


def _draw_turns(mean: float, chance: Random) -> int:
    """Geometric, at least 1."""
    if mean <= 1:
        return 1
    return 1 + int(math.log(1 - chance.random()) / math.log(1 - 1 / mean))


def _draw_arrival(world: World, chance: Random, end_s: float) -> float:
    arrivals = world.arrivals
    if arrivals.pattern == "burst":
        return chance.random() * min(arrivals.burst_s, end_s)
    if arrivals.pattern == "poisson":
        return chance.random() * end_s
    ratio = (arrivals.peak_factor - 1) / (arrivals.peak_factor + 1)
    while True:  # accepted with at least the chance 1 / peak_factor
        at_s = chance.random() * end_s
        phase = 2 * math.pi * (at_s / DAY_S - arrivals.peak_hour / 24)
        if chance.random() * (1 + ratio) <= 1 + ratio * math.cos(phase):
            return at_s


def _draw_troubles(world: World, chance: Random, end_s: float) -> list[Trouble]:
    faults = world.faults
    kinds: dict[TroubleKind, int] = {
        "storm": faults.storms, "outage": faults.outages, "dead": faults.dead, "slow": faults.slow,
        "crash": faults.crashes, "stall": faults.stalls,
    }  # fmt: skip
    last_s = min(end_s, world.arrivals.burst_s) if world.arrivals.pattern == "burst" else end_s
    length_s = max(faults.length_s, 0.001)
    troubles: list[Trouble] = []
    for kind, count in kinds.items():
        for _ in range(count):
            at_s, for_s, after = chance.random() * last_s, chance.expovariate(1 / length_s), chance.randint(1, 60)
            where = _draw_where(kind, chance)
            troubles.append(Trouble(kind, at_s, for_s * (DEAD_FACTOR if kind == "dead" else 1), after, where))
    return sorted(troubles, key=lambda trouble: trouble.at_s)


def _draw_where(kind: TroubleKind, chance: Random) -> Where:
    """Mostly at the first provider: then the fallback has something to do."""
    place = chance.random()
    if kind == "dead" or place < 0.6:
        return "first"
    return "fallback" if place < 0.7 else "all"

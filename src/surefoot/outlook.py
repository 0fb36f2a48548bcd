"""Who of those that wait will do so in vain, by what has turned out since they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

from surefoot.turns import Level, Turns, UserLevel

ItemT = TypeVar("ItemT")


def find_late(
    turns: Turns[ItemT], least_s: float, left_s: Callable[[ItemT], float], most: int
) -> list[tuple[UserLevel[ItemT], ItemT]]:
    """Those whose turn does not come within the time that is left to them, the next in turn first.

    Of a level's R slots all come free at this moment if it is lucky, and R more within each run's time S: whoever is
    the n-th there waits for at least (n / R - 1) S. Who is found late is before nobody.

    Args:
        turns: Who waits.
        least_s: How long a run takes on average, at least, in seconds.
        left_s: How long an item may wait yet.
        most: How many are looked for.
    """
    late: list[tuple[UserLevel[ItemT], ItemT]] = []
    places: dict[Level, int] = {}
    for user, item, levels in _walk(turns.in_order()):
        rounds = 0.0
        for level in levels:
            place = places[level] = places.get(level, 0) + 1
            if place > level.runs * (1 + rounds):
                rounds = place / level.runs - 1
        if rounds and rounds * least_s > left_s(item):
            for level in levels:
                places[level] -= 1
            late.append((user, item))
            if len(late) >= most:
                break
    return late


def _walk(users: list[UserLevel[ItemT]]) -> Iterator[tuple[UserLevel[ItemT], ItemT, list[Level]]]:
    """What waits in the order of its turns, with the levels at which it may have to wait for more than one run."""
    lanes = [
        (user, user.tenant.weight, iter(user.items), [level for level in user.levels if level.waiting > level.runs])
        for user in users
    ]
    number = 0
    while lanes:
        number += 1
        for user, weight, items, levels in lanes:
            for item in islice(items, int(number * weight) - int((number - 1) * weight)):
                yield user, item, levels
        lanes = [lane for lane in lanes if int(number * lane[1]) < len(lane[0].items)]

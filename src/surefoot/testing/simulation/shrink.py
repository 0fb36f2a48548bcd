"""Makes what broke a promise small: fewer requests, fewer troubles, less chance, as long as the same promise breaks.

Delta debugging after Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.testing.simulation.plan import Plan
from surefoot.testing.simulation.world import World

MAX_PLAYS: Final = 300
"""Simulations that one shrinking may take."""

ItemT = TypeVar("ItemT")


class Case(Struct, frozen=True):
    """Everything that a simulation depends on.

    Attributes:
        world: The world.
        settings: Settings of its runtime.
        plan: What happens in it.
    """

    world: World
    settings: Settings
    plan: Plan


Breaks = Callable[[Case], str]
"""Plays a case; the promise that breaks first, "" if none does."""


def shrink(case: Case, breaks: Breaks, progress: Callable[[int, int], None] | None = None) -> Case:
    """The smallest case found in which the same promise breaks.

    Args:
        case: One in which it does.
        breaks: Plays a case.
        progress: Told of simulations played, and at most to be played.
    """
    wanted, played = breaks(case), 0
    assert wanted, "there is something to shrink"

    def still(candidate: Case) -> bool:
        nonlocal played
        played += 1
        if progress is not None:
            progress(played, MAX_PLAYS)
        return played <= MAX_PLAYS and breaks(candidate) == wanted

    def with_requests(requests: Sequence[Any]) -> Case:
        return replace(case, plan=replace(case.plan, requests=tuple(requests)))

    def with_troubles(troubles: Sequence[Any]) -> Case:
        return replace(case, plan=replace(case.plan, troubles=tuple(troubles)))

    for _ in range(2):  # what was needed before something else went may not be any more
        case = with_troubles(_reduce(case.plan.troubles, lambda kept: still(with_troubles(kept))))
        case = with_requests(_reduce(case.plan.requests, lambda kept: bool(kept) and still(with_requests(kept))))
        case = _calm(case, still)
    return case


def _reduce(items: Sequence[ItemT], still: Callable[[Sequence[ItemT]], bool]) -> Sequence[ItemT]:
    """Fewer items, of which none can be left out."""
    if items and still(()):
        return ()
    size = max(1, len(items) // 2)
    while items:
        place = 0
        while place < len(items):
            fewer = [*items[:place], *items[place + size :]]
            if still(fewer):
                items = fewer
            else:
                place += size
        if size == 1:
            return items
        size = max(1, size // 2)
    return items


_CALM: Final[tuple[tuple[str, str, Any], ...]] = (
    ("", "processes", 1),
    ("clients", "cancel", 0.0),
    ("clients", "stream", 0.0),
    ("clients", "retries", 0),
    ("clients", "reject", 0.0),
    ("clients", "interrupt", 0.0),
    ("clients", "roam", 0.0),
    ("model", "fallback", ""),
    ("model", "summariser", ""),
    ("model", "window", 0),
    ("model", "circles", 0.0),
    ("model", "parallel", 0.0),
    ("model", "endless", 0.0),
    ("model", "spread", 0.0),
    ("model", "rpm", 0),
    ("model", "tpm", 0),
    ("model", "concurrency", 0),
    ("model", "tool_steps", 0.0),
    ("tool", "children", 0.0),
    ("tool", "writes", 0.0),
    ("tool", "errors", 0.0),
    ("tool", "hangs", 0.0),
    ("faults", "errors", 0.0),
    ("faults", "cut", 0.0),
    ("faults", "no_usage", 0.0),
    ("faults", "overlong", 0.0),
    ("faults", "lies", 0.0),
)
"""What is left out of a world if it can be."""


def _calm(case: Case, still: Callable[[Case], bool]) -> Case:
    for section, field, calm in _CALM:
        part: Any = getattr(case.world, section) if section else case.world
        if getattr(part, field) != calm:
            part = replace(part, **{field: calm})
            calmer = replace(case, world=replace(case.world, **{section: part}) if section else part)
            if still(calmer):
                case = calmer
    return case


def write_case(case: Case, path: Path) -> None:
    """Save a case, so that it can be played again."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(case), indent=1))


def read_case(path: Path) -> Case:
    """A case that was saved.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Case)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no case of `surefoot sim`: {error}") from None

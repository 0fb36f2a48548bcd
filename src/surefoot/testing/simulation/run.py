"""The front door of the simulator: `simulate`, `find_breaking_point`, and what they do when a promise breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from surefoot.config import Settings
from surefoot.testing.simulation.course import Progress, play
from surefoot.testing.simulation.figures import Report
from surefoot.testing.simulation.plan import make_plan
from surefoot.testing.simulation.shrink import Case, shrink
from surefoot.testing.simulation.world import World

SWEEP_HOURS: Final = 0.1
MAX_DOUBLINGS: Final = 12
REFINEMENTS: Final = 3
MAX_SWEEP_REQUESTS: Final = 12_000


class Load(Struct, frozen=True):
    """One load of a sweep.

    Attributes:
        factor: How many times that of the world's peak.
        per_day: Requests a day at this rate.
        report: What it gave.
        broken: Which targets it missed, in words; none if it is carried.
    """

    factor: float
    per_day: float
    report: Report
    broken: tuple[str, ...]


def simulate(world: World, settings: Settings | None = None, *, progress: Progress | None = None) -> Report:
    """Let a world happen to a real runtime, in virtual time. The same world and settings give the same report.

    Args:
        world: Who asks how much, and what goes wrong.
        settings: Limits, retries, admission and prices; None takes the defaults. Its store is not touched.
        progress: Told how many requests have ended, and of how many.

    Returns:
        The figures; its ``breaches`` are empty if every promise held.

    Raises:
        ConfigError: The price of the model is unknown, or a setting is wrong.
    """
    return play_case(make_case(world, settings), progress)


def make_case(world: World, settings: Settings | None = None) -> Case:
    """All that a simulation of this world depends on."""
    return Case(world, settings or Settings(), make_plan(world))


def play_case(case: Case, progress: Progress | None = None) -> Report:
    """As `simulate`."""
    return play(case.world, case.settings, case.plan, progress)


def shrink_case(case: Case, progress: Progress | None = None) -> Case:
    """The smallest case found in which the same promise breaks."""
    return shrink(case, name_broken, progress)


def name_broken(case: Case) -> str:
    """Plays a case; the promise that breaks first, "" if none does."""
    breaches = play_case(case).breaches
    return breaches[0].promise if breaches else ""


def find_breaking_point(
    world: World, settings: Settings | None = None, *, progress: Callable[[float], None] | None = None
) -> Sequence[Load]:
    """Twice the load, and again, until the world's targets are missed; then somewhat closer. In ascending order.

    Each load is six minutes at an even rate: that of the world's busiest hour, times the factor.

    Args:
        world: Its targets decide.
        settings: As in `simulate`.
        progress: Told the factor that is about to be tried.
    """
    loads: list[Load] = []
    peak = find_peak(world)

    def carry(factor: float) -> bool:
        if progress is not None:
            progress(factor)
        loads.append(_load(replace(peak, requests=max(1, round(peak.requests * factor))), settings, factor))
        return not loads[-1].broken

    factor = 1.0
    while factor * peak.requests <= MAX_SWEEP_REQUESTS and carry(factor) and len(loads) < MAX_DOUBLINGS:
        factor *= 2
    if loads and loads[-1].broken and factor > 1:
        low, high = factor / 2, factor
        for _ in range(REFINEMENTS):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if carry(middle) else (low, middle)
    return sorted(loads, key=lambda load: load.factor)


def find_peak(world: World) -> World:
    """Six minutes of the world's busiest time, without the troubles that come once."""
    arrivals = world.arrivals
    ratio = (arrivals.peak_factor - 1) / (arrivals.peak_factor + 1) if arrivals.pattern == "daily" else 0.0
    per_hour = world.requests / world.hours * (1 + ratio)
    return replace(
        world,
        requests=max(1, min(MAX_SWEEP_REQUESTS, round(per_hour * SWEEP_HOURS))),
        hours=SWEEP_HOURS,
        arrivals=replace(arrivals, pattern="poisson", flood_requests=0),
        faults=replace(world.faults, crashes=0, storms=0, outages=0, slow=0),
    )


def _load(world: World, settings: Settings | None, factor: float) -> Load:
    report = simulate(world, settings)
    targets = world.targets
    checks = (
        ("unanswered", report.unanswered_share, targets.refused, "{:.1%}"),
        ("wait p95", report.wait_s.p95, targets.wait_p95_s, "{:.1f} s"),
        ("latency p95", report.latency_s.p95, targets.latency_p95_s, "{:.1f} s"),
    )
    broken = [
        f"{name} {form.format(value)} > {form.format(most)}" for name, value, most, form in checks if value > most
    ]
    return Load(factor, world.requests / world.hours * 24, report, tuple(broken))

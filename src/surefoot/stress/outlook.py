"""What will probably become of a load, from one request that was made alone: slow providers meet deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from surefoot.agent import Agent
from surefoot.budget.limits import read_limits
from surefoot.config import Settings
from surefoot.models.registry import split_model
from surefoot.narrator import counted
from surefoot.stress.plan import Plan
from surefoot.stress.words import say_s
from surefoot.types import UNLIMITED

ROOM: Final = 0.5
"""Share of a run's seconds that a load may take which is chosen for the user: under load a provider is slower."""
LONG_S: Final = 600.0
"""A test that takes longer is announced."""


class Bounds(Struct, frozen=True, kw_only=True):
    """What bounds a load.

    Attributes:
        calls: Calls at once that the provider takes, as far as is known.
        is_own: It runs on a machine of one's own, which may compute fewer at once than it takes.
        user_runs: Runs of one user at once.
        runs: Runs of all at once.
        run_s: Seconds that a run may take, None for no limit.
        wait_s: Seconds that a request may wait for its run to begin.
    """

    calls: int
    is_own: bool
    user_runs: int
    runs: int
    run_s: float | None
    wait_s: float

    def runs_at_once(self, plan: Plan) -> int:
        """Runs of a plan that are under way together at most."""
        return min(plan.users, plan.requests, plan.unique * self.user_runs, self.runs)


def read_bounds(settings: Settings, agent: Agent[Any]) -> Bounds:
    """What bounds a load by these settings."""
    name = split_model(agent.model)[0] if isinstance(agent.model, str) else ""
    provider, admission = settings.provider(name), settings.admission
    seconds = (agent.limits or read_limits(settings.limits, "[limits]")).seconds
    calls = admission.runs if provider is None else provider.concurrency * len(provider.ways)
    return Bounds(
        calls=1 if name == "local" else calls,
        is_own=provider is not None and provider.free,
        user_runs=admission.user_runs,
        runs=min(admission.runs, admission.tenant_runs),
        run_s=float(seconds) if seconds is not UNLIMITED else None,
        wait_s=admission.max_wait_s,
    )


def fit_plan(plan: Plan, alone_s: float, bounds: Bounds) -> Plan:
    """A plan with no more requesters than are answered in time."""
    if bounds.run_s is None or alone_s <= 0 or plan.arrival != "burst":
        return plan
    most = min(bounds.runs_at_once(plan), max(1, int(ROOM * bounds.run_s * bounds.calls / alone_s)))
    if bounds.runs_at_once(plan) * alone_s / bounds.calls <= ROOM * bounds.run_s:
        return plan
    return replace(plan, users=most, unique=min(plan.unique, most), requests=min(plan.requests, most))


def foresee(plan: Plan, alone_s: float, bounds: Bounds) -> Iterator[str]:
    """What is to be expected, a sentence each; the first says what was measured."""
    yield f"one request alone took {say_s(alone_s)} of the model"
    runs = bounds.runs_at_once(plan)
    share = max(1.0, runs / bounds.calls)
    each_s, all_s = alone_s * share, alone_s * plan.requests / min(bounds.calls, runs)
    if all_s > LONG_S:
        yield f"all {plan.requests:,} will take {say_s(all_s)} or more"
    if plan.arrival == "poisson":
        most_per_s = bounds.calls / alone_s
        if plan.rate_per_s > most_per_s:
            yield (
                f"{plan.rate_per_s:g} requests a second are more than {counted(bounds.calls, 'call')} at once can "
                f"answer: most will be refused; try --rate {most_per_s:.2g}"
            )
        return
    if bounds.run_s is not None and each_s > bounds.run_s:
        yield (
            f"{counted(runs, 'run')} at once share {counted(bounds.calls, 'call')} at once, so that each takes about "
            f"{say_s(each_s)}: longer than the {bounds.run_s:g} s that a run may take ([limits] seconds), which will "
            f"end most of them; try --users {max(1, int(ROOM * bounds.run_s * bounds.calls / alone_s))}"
        )
    if plan.users > runs and each_s > bounds.wait_s:
        yield (
            f"{counted(plan.users - runs, 'requester')} of {plan.users:,} must wait for a run to begin, about "
            f"{say_s(each_s)}: longer than the {bounds.wait_s:g} s of [admission] max_wait_s, so they are refused; "
            f"try --users {runs}"
        )
    if bounds.is_own and bounds.run_s is not None and share == 1 and alone_s * runs > bounds.run_s:
        yield (
            f"if your machine computes one reply at a time, each run takes about {say_s(alone_s * runs)}, and may take "
            f"{bounds.run_s:g} s; --concurrency says how many it computes at once"
        )

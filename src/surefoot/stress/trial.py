"""A stress test from its first request to its report."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from surefoot.agent import Agent
from surefoot.clock import Clock
from surefoot.config import Settings
from surefoot.errors import ConfigError, ModelError, NotFound, SurefootError
from surefoot.journal.events import ModelReplied
from surefoot.runtime import Runtime
from surefoot.stress.gauges import Gauges
from surefoot.stress.load import Load
from surefoot.stress.plan import Plan
from surefoot.stress.report import Report, make_report, read_spent
from surefoot.stress.score import Score

LOOK_S: Final = 0.2
"""How often the process is looked at, and the live view is told."""

Watcher = Callable[[Score, float], None]
"""Shown the score and the seconds since the beginning, several times a second."""
Settle = Callable[[float], tuple[Plan, Sequence[str]]]
"""Given the seconds that the model took for one request alone, 0 if it failed: the plan to play, and what to expect."""


async def run_trial(
    plan: Plan,
    settings: Settings,
    agent: Agent[Any],
    clock: Clock,
    *,
    endpoint: str,
    warm_up: bool,
    watch: Watcher,
    settle: Settle | None = None,
) -> Report:
    """Play ``plan`` on a runtime with these settings.

    A cancellation (Ctrl-C) ends the load; what there is by then is reported.

    Args:
        plan: What to do.
        settings: Of the runtime; the database is to be a new one.
        agent: Who answers.
        clock: Time.
        endpoint: Name of the endpoint for the report.
        warm_up: Make one request before that does not count, into another database: it reads prices and tokenizers.
        watch: See `Watcher`.
        settle: See `Settle`; None plays ``plan`` as it is.

    Raises:
        ConfigError: What every request would fail of.
        NotFound: The same, of a name.
        StoreError: The database does not open.
    """
    if warm_up:
        await _warm_up(plan, settings, agent, clock)
    async with Runtime(settings=settings, clock=clock) as runtime:
        notes: Sequence[str] = ()
        if settle is not None:
            plan, notes = settle(await _measure_alone(runtime, agent, plan))
        began_at = clock.now()
        gauges, load = Gauges(), Load(runtime, agent, plan, clock)
        looking = asyncio.create_task(_look(load, gauges, clock, watch))
        try:
            with gauges.lag:
                interrupted = await _play(load)
        finally:
            looking.cancel()
        gauges.look(clock.monotonic() - load.began_s, load.score.under_way)
        watch(load.score, clock.monotonic() - load.began_s)
        spent = await read_spent(runtime, began_at)
    model = agent.model if isinstance(agent.model, str) else agent.model.profile.id
    return make_report(
        plan, load.score, gauges, spent, model=model, endpoint=endpoint, began_at=began_at,
        interrupted=interrupted, notes=notes,
    )  # fmt: skip


async def _warm_up(plan: Plan, settings: Settings, agent: Agent[Any], clock: Clock) -> None:
    """One request into a database of its own: that of the test holds the test, whoever reports on it later."""
    with tempfile.TemporaryDirectory(prefix="surefoot-warm-up-") as folder:
        async with Runtime(Path(folder) / "warm-up.db", settings=settings, clock=clock) as runtime:
            with suppress(ModelError):  # a provider that fails is what the test is to tell of, not the end of it
                await runtime.run(agent, plan.write_question(0))


async def _measure_alone(runtime: Runtime, agent: Agent[Any], plan: Plan) -> float:
    """Seconds that the model takes for one request, 0 if it fails: then the test tells of it.

    It counts in the ceiling of the test, and starts the embedded model.
    """
    try:
        result = await runtime.run(agent, plan.write_question(0))
    except (ConfigError, NotFound):
        raise
    except SurefootError:
        return 0.0
    _, events = await runtime.read_run(result.run_id)
    return sum([event.latency_ms for event in events if isinstance(event, ModelReplied)]) / 1e3


async def _play(load: Load) -> bool:
    """Whether it was interrupted."""
    try:
        await load.play()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        task.uncancel()
        return True
    return False


async def _look(load: Load, gauges: Gauges, clock: Clock, watch: Watcher) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        seconds = clock.monotonic() - load.began_s
        gauges.look(seconds, load.score.under_way)
        watch(load.score, seconds)

"""One simulation from its first event to its last."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from surefoot.budget.prices import open_prices
from surefoot.config import Settings
from surefoot.errors import ConfigError, RunLost, StoreError
from surefoot.providers import Provider
from surefoot.sections import StoreSettings
from surefoot.store.group import Group
from surefoot.testing.chance import draw
from surefoot.testing.simulation.cast import Cast
from surefoot.testing.simulation.figures import Figures, Report
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.pacing import Price
from surefoot.testing.simulation.people import People
from surefoot.testing.simulation.plan import OF_PROCESSES, Plan, Trouble
from surefoot.testing.simulation.process import Process
from surefoot.testing.simulation.provider import SimulatedModel, Tally, price_of
from surefoot.testing.simulation.virtual import VirtualClock, run_virtually
from surefoot.testing.simulation.world import World

EPOCH_S: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""When simulations begin: so that the same world gives the same prices and windows on any day."""
PATIENCE_S: Final = 6 * 3600.0
"""After the last request everything must have ended within this time."""
OPERATOR_S: Final = 30.0
"""How often the operator looks at frozen accounts."""
PROGRESS_EVERY: Final = 50
LOOK_EVERY: Final = 8
"""Commits between two looks into the queues and caches of a process."""

Progress = Callable[[int, int], None]


class Course:
    """A world, its settings and a plan, played once.

    Attributes:
        observer: Who watches.
    """

    def __init__(self, world: World, settings: Settings, plan: Plan, path: Path, progress: Progress | None) -> None:
        self._world = world
        self._plan = plan
        self._progress = progress
        self._settings = adapt(settings, world, path)
        self._loop = asyncio.get_running_loop()
        self._clock = VirtualClock(self._loop, world.seed, EPOCH_S)
        self.observer = Observer(self._clock, self._settings)
        self._figures = Figures(world)
        self._tally = Tally()
        models = [self._make_model(name) for name in (world.model.id, world.model.fallback) if name]
        self.observer.models = [model.profile.id for model in models]
        summarisers = [self._make_model(name) for name in (world.model.summariser,) if name]
        self._cast = Cast(world, settings, models, self.observer)
        self._processes = [
            Process(
                place, path, self._settings, self._clock, self._cast.agent, summarisers, self.observer,
                _Disk(self, place),
            )
            for place in range(world.processes)
        ]  # fmt: skip
        self._path = path
        self._armed: dict[int, int] = {}
        self._crashes = 0
        self._helpers: list[asyncio.Task[Any]] = []

    def _make_model(self, name: str) -> SimulatedModel:
        price, is_flat = find_price(name, self._world, self._settings, self._clock.now)
        troubles = self._plan.troubles
        return SimulatedModel(name, self._world, self.observer, troubles, price, self._tally, is_flat=is_flat)

    async def play(self) -> Report:
        """Let it happen."""
        for process in self._processes:
            await process.start()
        self._begin(self._operate())
        for number, trouble in enumerate(self._plan.troubles):
            if trouble.kind in OF_PROCESSES:
                self._begin(self._arm(trouble, number))
        everybody = self._loop.create_task(self._send())
        done, _ = await asyncio.wait(
            [everybody, self.observer.failed], timeout=self._horizon_s(), return_when=asyncio.FIRST_COMPLETED
        )
        if everybody in done:
            everybody.result()
            await self._finish()
        elif not done:
            self.observer.breach("liveness", f"after {self._loop.time():,.0f} s some requests have no end")
        return self._report()

    def step(self, place: int) -> None:
        """Something is about to happen at the disk of a process: if it was doomed, it may be killed now."""
        left = self._armed.get(place)
        if left is not None and left > 0:
            self._armed[place] = left - 1
            if left == 1:
                del self._armed[place]
                self._kill(place)

    def _kill(self, place: int) -> None:
        process = self._processes[place]
        if process.is_up:
            self._crashes += 1
            process.crash()
            self._begin(self._restart(process))

    async def _restart(self, process: Process) -> None:
        await asyncio.sleep(self._world.faults.restart_s)
        await process.start()

    async def _arm(self, trouble: Trouble, number: int) -> None:
        await asyncio.sleep(trouble.at_s)
        place = draw(self._world.seed, trouble.kind, number).randrange(len(self._processes))
        if trouble.kind == "crash":
            self._armed[place] = trouble.after
        else:
            self._processes[place].stall(trouble.for_s)

    def look_into(self, place: int) -> None:
        """Whether every queue and cache of a process keeps to its limit."""
        process = self._processes[place]
        if process.is_up:
            self.observer.check_bounds(process.runtime)

    async def _operate(self) -> None:
        """Somebody looks at frozen accounts."""
        while self._world.faults.overlong:
            await asyncio.sleep(OPERATOR_S)
            process = self._processes[0]
            if process.is_up:
                try:
                    for balance in await process.runtime.accounts.balances():
                        if balance.frozen:
                            await process.runtime.accounts.acknowledge(balance.account, by="operator")
                except (RunLost, StoreError):  # the process went down meanwhile: the next one is asked
                    self.observer.note("operator", "lost")

    async def _send(self) -> None:
        """Every request at its time; until all have ended."""
        people = People(self._world, self._processes, self._cast.limits, self.observer, self._figures)
        tasks: list[asyncio.Task[None]] = []
        last: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        for request in self._plan.requests:
            delay_s = request.at_s - self._loop.time()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            key = request.tenant, request.user, request.session
            task = self._loop.create_task(people.ask(request, last.get(key) if request.session else None))
            tasks.append(task)
            last[key] = task
            if self._progress is not None and len(tasks) % PROGRESS_EVERY == 0:
                self._progress(self._figures.done, len(self._plan.requests))
        for task in tasks:
            await task

    async def _finish(self) -> None:
        """Close everything in good order, let what was lost run out, and look at what is left."""
        self._armed.clear()
        for helper in self._helpers:
            if helper.get_name() == "restart":
                await helper  # a process that is down comes up again
            else:
                helper.cancel()
        await asyncio.sleep(self._settings.store.lease_s * 2)
        for process in self._processes:
            self.observer.check_idle(process.runtime, process.abandoned)
            await process.stop()
        with closing(sqlite3.connect(self._path)) as connection:
            self.observer.check_end(connection)

    def _begin(self, work: Any) -> None:
        self._helpers.append(self._loop.create_task(work, name=work.__name__.strip("_")))

    def _horizon_s(self) -> float:
        last = self._plan.requests[-1].at_s if self._plan.requests else 0.0
        return last + PATIENCE_S

    def _report(self) -> Report:
        observer = self.observer
        report = self._figures.report(
            self._world,
            self._tally,
            retries=observer.retries,
            crashes=self._crashes,
            virtual_s=self._loop.time(),
            course=(observer.events, observer.trace_hash),
        )
        covered = dict(sorted(observer.covered.items()))
        return replace(
            report,
            covered=covered,
            breaches=tuple(observer.breaches),
            trace=tuple(observer.trace if observer.breaches else ()),
        )


class _Disk:
    """The `DiskWatcher` of one process."""

    def __init__(self, course: Course, place: int) -> None:
        self._course = course
        self._place = place
        self._commits = 0

    def opened(self, connection: sqlite3.Connection) -> None:
        self._course.observer.opened(connection)

    def step(self) -> None:
        self._course.step(self._place)

    def committed(self, connection: sqlite3.Connection, group: Group | None, failed: frozenset[int]) -> None:
        self._course.observer.committed(connection, group, failed)
        self._commits += 1
        if self._commits % LOOK_EVERY == 0:
            self._course.look_into(self._place)


def play(world: World, settings: Settings, plan: Plan, progress: Progress | None = None) -> Report:
    """Play a plan once, on a file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="surefoot-sim-") as folder:

        async def main() -> Report:
            return await Course(world, settings, plan, Path(folder) / "sim.db", progress).play()

        return run_virtually(main)


def adapt(settings: Settings, world: World, path: Path) -> Settings:
    """The settings as the runtime gets them: with its own file, and each simulated provider by its settings.

    A provider that nobody knows gets the limits of one that is known and says nothing of its own.
    """
    model = world.model
    names = {one.partition(":")[0] for one in (model.id, model.fallback, model.summariser) if one}
    unknown = Provider("http://127.0.0.1:9/v1", needs_key=False)
    providers = {**settings.providers, **{name: settings.provider(name) or unknown for name in sorted(names)}}
    store = StoreSettings(str(path), lease_s=settings.store.lease_s)
    context = replace(settings.context, summarise_with=model.summariser or settings.context.summarise_with)
    return replace(settings, store=store, providers=providers, context=context)


def find_price(model: str, world: World, settings: Settings, now: Callable[[], float]) -> tuple[Price, bool]:
    """What the provider of a model charges: the world's prices, or those that Surefoot knows; and whether that is all.

    Raises:
        ConfigError: Nobody knows the price.
    """
    said = world.model
    provider, _, name = model.partition(":")
    is_flat = model in settings.prices and set(settings.prices[model]) == {"input", "output"}
    if model == said.id and said.input_usd >= 0 and said.output_usd >= 0:
        return price_of(round(said.input_usd * 1e9), round(said.output_usd * 1e9)), is_flat
    rates = open_prices(settings, now).resolve(provider, name)
    if rates is None:
        advice = "give it in [settings.prices]"
        if model == said.id:
            advice = "give [prices] in surefoot.toml, or input_usd and output_usd in [model] of a world"
        raise ConfigError(f"model {model!r}: no price is known for it; {advice}")
    return price_of(rates.input, rates.output), is_flat

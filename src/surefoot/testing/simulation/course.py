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

from surefoot.agent import Agent
from surefoot.budget.accounts import read_rules
from surefoot.budget.prices import open_prices
from surefoot.budget.windows import read_zones
from surefoot.config import Settings
from surefoot.errors import ConfigError, RunLost, StoreError, ToolError
from surefoot.run_context import RunContext
from surefoot.sections import StoreSettings
from surefoot.store.group import Group
from surefoot.testing.chance import draw
from surefoot.testing.simulation.ask import Ask
from surefoot.testing.simulation.books import Books
from surefoot.testing.simulation.figures import Figures, Report
from surefoot.testing.simulation.gate import Gate
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.people import People
from surefoot.testing.simulation.plan import Plan, Trouble
from surefoot.testing.simulation.process import Process
from surefoot.testing.simulation.provider import WORD, Price, SimulatedModel, price_of, spread
from surefoot.testing.simulation.virtual import VirtualClock, run_virtually
from surefoot.testing.simulation.world import World
from surefoot.tools import Tool, tool

EPOCH_S: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""When simulations begin: so that the same world gives the same prices and windows on any day."""
PATIENCE_S: Final = 6 * 3600.0
"""After the last request everything must have ended within this time."""
OPERATOR_S: Final = 30.0
"""How often the operator looks at frozen accounts."""
PROGRESS_EVERY: Final = 50

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
        self._settings = replace(settings, store=StoreSettings(str(path), lease_s=settings.store.lease_s))
        self._loop = asyncio.get_running_loop()
        self._clock = VirtualClock(self._loop, world.seed, EPOCH_S)
        books = Books(read_rules(settings.budgets), read_zones(settings.timezone, settings.tenants))
        self.observer = Observer(self._clock, books, Gate(settings))
        self._figures = Figures(world)
        price = find_price(world, settings, self._clock.now)
        self._model = SimulatedModel(world, self.observer, plan.troubles, price)
        agent = make_agent(world, self._model, self.observer)
        self._processes = [
            Process(place, path, self._settings, self._clock, agent, self.observer, _Disk(self, place))
            for place in range(world.processes)
        ]
        self._path = path
        self._armed: dict[int, int] = {}
        self._crashes = 0
        self._helpers: list[asyncio.Task[Any]] = []

    async def play(self) -> Report:
        """Let it happen."""
        for process in self._processes:
            await process.start()
        self._begin(self._operate())
        for number, trouble in enumerate(self._plan.troubles):
            if trouble.kind == "crash":
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
            self.observer.note("crash", place)
            self._crashes += 1
            process.crash()
            self._begin(self._restart(process))

    async def _restart(self, process: Process) -> None:
        await asyncio.sleep(self._world.faults.restart_s)
        await process.start()

    async def _arm(self, trouble: Trouble, number: int) -> None:
        await asyncio.sleep(trouble.at_s)
        self._armed[draw(self._world.seed, "crash", number).randrange(len(self._processes))] = trouble.after

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
        people = People(self._world, self._processes, self.observer, self._figures)
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
            self._model.tally,
            retries=observer.retries,
            crashes=self._crashes,
            virtual_s=self._loop.time(),
            course=(observer.events, observer.trace_hash),
        )
        return replace(
            report, breaches=tuple(observer.breaches), trace=tuple(observer.trace if observer.breaches else ())
        )


class _Disk:
    """The `DiskWatcher` of one process."""

    def __init__(self, course: Course, place: int) -> None:
        self._course = course
        self._place = place

    def opened(self, connection: sqlite3.Connection) -> None:
        self._course.observer.opened(connection)

    def step(self) -> None:
        self._course.step(self._place)

    def committed(self, connection: sqlite3.Connection, group: Group | None, failed: frozenset[int]) -> None:
        self._course.observer.committed(connection, group, failed)


def play(world: World, settings: Settings, plan: Plan, progress: Progress | None = None) -> Report:
    """Play a plan once, on a file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="surefoot-sim-") as folder:

        async def main() -> Report:
            return await Course(world, settings, plan, Path(folder) / "sim.db", progress).play()

        return run_virtually(main)


def find_price(world: World, settings: Settings, now: Callable[[], float]) -> Price:
    """What the provider charges: the world's prices, or those that Surefoot knows.

    Raises:
        ConfigError: Nobody knows the price.
    """
    model = world.model
    if model.input_usd >= 0 and model.output_usd >= 0:
        return price_of(round(model.input_usd * 1e9), round(model.output_usd * 1e9))
    provider, _, name = model.id.partition(":")
    rates = open_prices(settings, now).resolve(provider, name)
    if rates is None:
        raise ConfigError(
            f"model.id = {model.id!r}: no price is known for it; give model.input_usd and model.output_usd"
        )
    return price_of(rates.input, rates.output)


def make_agent(world: World, model: SimulatedModel, observer: Observer) -> Agent[str]:
    """The agent that all users talk to."""
    return Agent(
        model,
        instructions="You are simulated." + WORD * world.model.instructions_tokens,
        tools=[_make_tool(world, observer)],
        name="simulated",
        max_tokens=world.model.max_tokens,
    )


def _make_tool(world: World, observer: Observer) -> Tool[Any, Any]:
    told = world.tool

    async def look_up(context: RunContext, query: str) -> str:
        """Look something up."""
        ask: Ask = context.deps
        observer.tool_called(ask, context.user, context.tenant, query, context.idempotency_key)
        chance = draw(world.seed, ask.key, "tool", context.call_id)
        if chance.random() < told.hangs:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(spread(told.latency_s, world.model.spread, chance))
        ask.tools_done.add(context.idempotency_key)
        if chance.random() < told.errors:
            raise ToolError("the simulated tool failed")
        return f"found for @@{ask.canary}@@:{WORD * told.result_tokens}"

    return tool(look_up, effect="read", timeout_s=told.timeout_s)

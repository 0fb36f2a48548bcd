"""A process of the simulation: a runtime on the shared file, which can be killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from surefoot.agent import Agent
from surefoot.config import Settings
from surefoot.journal.events import RunFinished, TextDelta
from surefoot.models.base import Model
from surefoot.runtime import Runtime
from surefoot.testing.simulation.ask import ASKING, Ask
from surefoot.testing.simulation.cast import ask_in_words
from surefoot.testing.simulation.disk import DiskWatcher, VirtualStore
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.talks import Stall
from surefoot.testing.simulation.virtual import VirtualClock


class Lost(Exception):
    """The connection is gone: the process is down, or went down."""


class Process:
    """One process.

    Attributes:
        runtime: What runs in it.
        is_up: Whether it takes requests.
    """

    def __init__(  # noqa: PLR0917 - the one caller is the course that it is a part of
        self,
        place: int,
        path: Path,
        settings: Settings,
        clock: VirtualClock,
        agent: Agent[str],
        models: Sequence[Model],
        observer: Observer,
        watcher: DiskWatcher,
    ) -> None:
        self.is_up = False
        self.runtime: Runtime
        self._place = place
        self._path = path
        self._settings = settings
        self._clock = clock
        self._agent = agent
        self._models = models
        self._observer = observer
        self._watcher = watcher
        self._store: VirtualStore
        self._starts = 0
        self._calls: dict[asyncio.Task[None], asyncio.Future[None]] = {}
        self.abandoned: list[asyncio.Task[None]] = []

    @property
    def host(self) -> str:
        """Its name, since its last start; "" while it is down."""
        return f"{self._place}.{self._starts}" if self.is_up else ""

    async def start(self) -> None:
        """Open the runtime on whatever the file holds."""
        store = self._settings.store
        self._store = VirtualStore(self._path, clock=self._clock, lease_s=store.lease_s, watcher=self._watcher)
        self.runtime = Runtime(self._store, settings=self._settings, clock=self._clock, models=self._models)
        await self.runtime.__aenter__()
        self.is_up = True
        self._starts += 1

    async def stop(self) -> None:
        """Close it in good order."""
        self.is_up = False
        await self.runtime.__aexit__(None, None, None)

    def crash(self) -> None:
        """Kill it: what it had not written is lost, and whoever was connected is cut off."""
        self._observer.crashed(self.host)
        self.is_up = False
        self._store.crash()
        self.abandoned.append(asyncio.get_running_loop().create_task(self.runtime.sessions.end_house_keeping()))
        calls, self._calls = self._calls, {}
        for task, outcome in calls.items():
            task.cancel()
            self.abandoned.append(task)
            if not outcome.done():
                outcome.set_exception(Lost("the process went down"))

    def stall(self, for_s: float) -> None:
        """Its disk stands still for so many seconds."""
        if self.is_up:
            now = asyncio.get_running_loop().time()
            self._observer.stalled(self.host, Stall(now, now + for_s))
            self._store.stall(now + for_s)

    async def ask(self, ask: Ask) -> None:
        """Run the agent for a client.

        Raises:
            Lost: The process is down, or goes down meanwhile.
            SurefootError: As `Runtime.run`.
        """
        if not self.is_up:
            raise Lost("the process is down")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[None] = loop.create_future()
        task = loop.create_task(self._run(ask))
        self._calls[task] = outcome
        task.add_done_callback(self._hand_on)
        if ask.persona.cancel_after_s > 0:
            timer = loop.call_later(ask.persona.cancel_after_s, self._disconnect, ask, task)
            outcome.add_done_callback(lambda _: timer.cancel())
        await outcome

    def _disconnect(self, ask: Ask, task: asyncio.Task[None]) -> None:
        """The client goes away."""
        if task in self._calls:
            ask.cancelled = True
            task.cancel()

    def _hand_on(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        outcome = self._calls.pop(task, None)
        if outcome is None or outcome.done():
            return
        if task.cancelled():
            outcome.set_exception(Lost("cancelled"))
        elif error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    async def _run(self, ask: Ask) -> None:
        request, observer = ask.request, self._observer
        who: dict[str, Any] = {"user": request.user, "session": request.session, "tenant": request.tenant}
        who["on_busy"] = ask.persona.on_busy
        question = ask_in_words(ask)
        ASKING.set(ask)
        if ask.persona.stream:
            async with aclosing(self.runtime.stream(self._agent, question, deps=ask, **who)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        observer.seen(ask, event.text, "a stream")
                    elif isinstance(event, RunFinished):
                        observer.seen(ask, event.output, "an answer")
                        ask.limit = event.limit
                        ask.stop_reason = event.stop_reason
        else:
            result = await self.runtime.run(self._agent, question, deps=ask, **who)
            observer.result(ask, result.messages)
            observer.seen(ask, result.text, "an answer")
            ask.limit = result.limit
            ask.stop_reason = result.stop_reason

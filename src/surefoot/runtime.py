"""The front door: a `Runtime` wires the parts and runs agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext
from pathlib import Path
from typing import Any, Final, Self

from surefoot.agent import Agent, OutputT
from surefoot.budget.limits import Limits, read_limits
from surefoot.clock import Clock, SystemClock
from surefoot.compiler import Compiler, check_price
from surefoot.config import Settings, load_settings
from surefoot.errors import ConfigError, NotFound
from surefoot.event_loop import run_in_loop
from surefoot.journal.events import JournalEvent, RunEvent, RunStarted, decode_record
from surefoot.journal.fold import fold
from surefoot.loop import drive, stop_runs
from surefoot.result import RunResult, make_result
from surefoot.run import Caller, Desk, Run, begin_run
from surefoot.sessions import SessionLocks, continue_from
from surefoot.store.base import RunRow, Store
from surefoot.store.sqlite import GATHER_RELAXED_S, GATHER_S, SqliteStore
from surefoot.threads import ToolThreads
from surefoot.types import Message

TOOL_THREADS: Final = 32
"""Blocking tools that run at once in one process."""
_NO_TURN: Final = nullcontext()


class Runtime:
    """Runs agents: wires models, budget, tools, journal and store. One for a process; use it with ``async with``."""

    def __init__(
        self,
        store: str | Path | Store | None = None,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Wire the parts; nothing is opened yet.

        Args:
            store: A SQLite file or a `Store`; None takes the file of the settings.
            settings: Settings; None reads ``surefoot.toml`` and the environment.
            clock: Source of time, chance and ids.
            progress: Called with bytes done and bytes in all while the weights of the embedded model are fetched.

        Raises:
            ConfigError: The settings are wrong.
        """
        self.settings = settings = load_settings() if settings is None else settings
        self._clock = clock or SystemClock()
        self._limits = read_limits(settings.limits, "[limits]")
        self._compiler = Compiler(settings, self._clock, progress)
        self._store = _make_store(settings.store.path if store is None else store, settings, self._clock)
        self._sessions = SessionLocks()
        self._live: dict[str, Run] = {}
        self._desk: Desk | None = None

    async def __aenter__(self) -> Self:
        """Open the store.

        Raises:
            StoreError: It cannot be opened.
        """
        await self._store.open()
        self._desk = Desk(
            clock=self._clock,
            retry=self.settings.retry,
            threads=ToolThreads(TOOL_THREADS),
            timeout_s=self.settings.model_timeout_s,
            durable=self.settings.store.durability == "full",
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel what still runs, write what is waiting, close everything."""
        assert self._desk is not None, "entered before"
        desk, self._desk = self._desk, None
        async with AsyncExitStack() as stack:  # the last one closes first, and each whatever became of the others
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._compiler.close)
            stack.callback(desk.threads.close)
            await stop_runs(list(self._live.values()))

    async def run(
        self,
        agent: Agent[OutputT],
        question: str,
        *,
        user: str = "",
        session: str = "",
        deps: object = None,
        limits: Limits | None = None,
    ) -> RunResult[OutputT]:
        """Run an agent to its end.

        Args:
            agent: The agent.
            question: What the user asks.
            user: Whose run it is.
            session: A conversation to continue or to begin, "" for none. One run of a session at a time; others wait.
            deps: Given to tools as ``ctx.deps``.
            limits: Instead of the agent's.

        Raises:
            SurefootError: The run failed; nothing of it is lost, see ``surefoot show``.
            BudgetExceeded: A limit was reached and it says ``on_limit="raise"``.
        """
        caller = Caller(user, session, deps)
        async with self._take_turn(caller):
            run, started = await self._open_run(agent, question, caller, limits, live=False)
            try:
                async for _ in drive(run, started):
                    pass
                return make_result(run)
            finally:
                del self._live[run.run_id]

    async def stream(
        self,
        agent: Agent[Any],
        question: str,
        *,
        user: str = "",
        session: str = "",
        deps: object = None,
        limits: Limits | None = None,
    ) -> AsyncGenerator[RunEvent, None]:
        """The events of a run as they happen, `RunFinished` last; arguments and errors as `run`.

        Closing the generator early cancels the run. After a `ModelFailed` the text streamed in that attempt is void.
        """
        caller = Caller(user, session, deps)
        async with self._take_turn(caller):
            run, started = await self._open_run(agent, question, caller, limits, live=True)
            try:
                async with aclosing(drive(run, started)) as batches:
                    async for batch in batches:
                        for event in batch:
                            yield event
            finally:
                del self._live[run.run_id]

    async def cancel(self, run_id: str) -> bool:
        """Stop a run of this process: ``run`` returns with ``stop_reason="cancelled"``, a stream ends with it.

        Returns:
            False if no such run is live here, or it has ended already.
        """
        run = self._live.get(run_id)
        return run is not None and run.cancel()

    async def read_run(self, run_id: str) -> tuple[RunRow, list[JournalEvent]]:
        """A run of the store by its id or a unique beginning of it, and its journal; `fold` makes its state.

        Raises:
            NotFound: No such run, or several.
        """
        row = await self._store.find_run(run_id)
        if row is None:
            raise NotFound(f"no run {run_id!r}; `surefoot runs` lists what there is")
        return row, await self._events(row.run_id)

    async def list_runs(
        self, *, user: str | None = None, session: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        """Runs of the store, newest first."""
        return await self._store.runs(user=user, session=session, limit=limit)

    async def _events(self, run_id: str) -> list[JournalEvent]:
        return [event for record in await self._store.records(run_id) for event in decode_record(record)]

    def _take_turn(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """Entered first of all: what is awaited before may change the order of arrival."""
        if self._desk is None:
            raise ConfigError("the runtime is not open: use it inside `async with Runtime() as runtime:`")
        return self._sessions.turn(caller.user, caller.session) if caller.session else _NO_TURN

    async def _open_run(
        self, agent: Agent[Any], question: str, caller: Caller, limits: Limits | None, *, live: bool
    ) -> tuple[Run, RunStarted]:
        """A run that stands in `_live`: whoever opened it takes it out again."""
        desk = self._check_open(self._desk)
        limits = limits or agent.limits or self._limits
        history = await self._history(caller.user, caller.session) if caller.session else ()
        compiled = await self._compiler.compile(agent)
        check_price(compiled, limits)
        self._check_open(desk)
        run, started = begin_run(
            compiled,
            desk,
            limits=limits,
            store=self._store,
            question=question,
            history=history,
            caller=caller,
            live=live,
        )
        self._live[run.run_id] = run
        return run, started

    def _check_open(self, desk: Desk | None) -> Desk:
        if desk is None or self._desk is not desk:
            raise ConfigError("the runtime was closed before the run could begin")
        return desk

    async def _history(self, user: str, session: str) -> tuple[Message, ...]:
        """What the session's last run left, whoever ran it and whether it ended well."""
        for row in await self._store.runs(user=user, session=session, limit=5):
            if row.status != "running":
                return continue_from(fold(await self._events(row.run_id)).messages)
        return ()


def run_sync(
    agent: Agent[OutputT],
    question: str,
    *,
    user: str = "",
    session: str = "",
    deps: object = None,
    settings: Settings | None = None,
) -> RunResult[OutputT]:
    """Run once in an event loop of its own; arguments and errors as `Runtime.run`.

    Raises:
        ConfigError: Called inside a running event loop.
    """

    async def run() -> RunResult[OutputT]:
        async with Runtime(settings=settings) as runtime:
            return await runtime.run(agent, question, user=user, session=session, deps=deps)

    return run_in_loop(run)


def _make_store(store: str | Path | Store, settings: Settings, clock: Clock) -> Store:
    if not isinstance(store, (str, Path)):
        return store
    if "://" in str(store):
        raise ConfigError(f"store {str(store).partition('://')[0]}://…: only a SQLite file is supported, give its path")
    gather_s = GATHER_S if settings.store.durability == "full" else GATHER_RELAXED_S
    return SqliteStore(Path(store), clock=clock, lease_s=settings.store.lease_s, gather_s=gather_s)

"""The front door: a `Runtime` wires the parts and runs agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any, Final, Self

from surefoot.admission import Admission
from surefoot.admission_state import AdmissionState
from surefoot.agent import Agent, OutputT
from surefoot.budget.accounts import read_rules
from surefoot.budget.limits import Limits, read_limits
from surefoot.budget.windows import read_zones
from surefoot.caller import Caller
from surefoot.calm import OF_THE_PROCESS
from surefoot.clock import Clock, SystemClock
from surefoot.compiler import Compiler
from surefoot.config import Settings, check_settings, load_settings, read_secrets
from surefoot.conversations import Sessions
from surefoot.desk import Desk
from surefoot.errors import ConfigError, NotFound
from surefoot.journal.events import JournalEvent, RunEvent
from surefoot.loop import drive, stop_runs
from surefoot.models.base import Model
from surefoot.policing import Policing
from surefoot.policy.approval import Approve
from surefoot.policy.decide import Rule
from surefoot.redaction import read_redaction
from surefoot.result import RunResult, make_result
from surefoot.retry import Retries
from surefoot.run_arguments import check_list
from surefoot.screening import Screen
from surefoot.sections import OnBusy
from surefoot.sessions import SessionMoved, SessionTurns
from surefoot.starter import Starter
from surefoot.store.base import Accounts, RunRow, Store
from surefoot.store.choose import choose_store
from surefoot.threads import ToolThreads
from surefoot.turnstile import Turnstile


class Runtime:
    """Runs agents: wires models, budget, tools, journal and store. One for a process; use it with ``async with``."""

    def __init__(
        self,
        store: str | Path | Store | None = None,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        progress: Callable[[int, int], None] | None = None,
        approve: Approve | None = None,
        policy: Sequence[Rule] = (),
        models: Sequence[Model] = (),
    ) -> None:
        """Wire the parts; nothing is opened yet.

        Args:
            store: A SQLite file or a `Store`; None takes the file of the settings.
            settings: Settings; None reads ``surefoot.toml`` and the environment.
            clock: Source of time, chance and ids.
            progress: Called with bytes done and bytes in all while the weights of the embedded model are fetched.
            approve: Asks a person about a tool call that the policy does not allow by itself; None: nobody is there.
            policy: Rules of the application's own, asked before the built-in ones; see docs/policy.md.
            models: Models of your own that settings and ladders may name, each by the ``id`` of its profile.

        Raises:
            ConfigError: The settings are wrong.
        """
        self.settings = settings = load_settings() if settings is None else check_settings(settings)
        read_secrets(settings)
        self._clock = clock or SystemClock()
        limits = read_limits(settings.limits, "[limits]")
        self._policing = Policing.read(settings.policy, approve, policy)
        self._compiler = Compiler(settings, self._clock, progress, models)
        self._store = choose_store(store, settings, self._clock)
        self._store.accounts.declare(read_rules(settings.budgets), read_zones(settings.timezone, settings.tenants))
        turns = SessionTurns(self._store, self._clock, settings.sessions)
        self._starter = Starter(self._compiler, self._store, limits, Admission(settings, self._clock), turns)
        self.sessions: Final = Sessions(turns, self._store, self._clock, settings.sessions)

    async def __aenter__(self) -> Self:
        """Open the store.

        Raises:
            ConfigError: It is open already.
            StoreError: It cannot be opened.
        """
        if self._starter.desk is not None:
            raise ConfigError("the runtime is open already: `async with` it once, and share it")
        await self._store.open()
        self._starter.desk = Desk(
            clock=self._clock,
            retries=Retries(self.settings.retry, self._clock),
            threads=ToolThreads(),
            timeout_s=self.settings.model_timeout_s,
            begin_child=self._starter.run_child,
            find_kept=self._starter.find_kept,
            durable=self.settings.store.durability == "full",
            turnstile=Turnstile(self._clock),
            policing=self._policing,
            screen=Screen.read(self.settings.guard),
            open_redactor=read_redaction(self.settings.guard),
        )
        self.sessions.begin_house_keeping()
        if self.settings.calm_gc:
            OF_THE_PROCESS.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel what still runs, write what is waiting, close everything."""
        desk, self._starter.desk = self._starter.desk, None
        assert desk is not None, "entered before"
        async with AsyncExitStack() as stack:  # the last one closes first, and each whatever became of the others
            if self.settings.calm_gc:
                stack.callback(OF_THE_PROCESS.end)
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._compiler.close)
            stack.callback(desk.threads.close)
            stack.push_async_callback(self.sessions.end_house_keeping)
            await stop_runs(list(self._starter.live.values()))

    async def run(
        self,
        agent: Agent[OutputT],
        question: str,
        *,
        user: str = "",
        session: str = "",
        tenant: str = "",
        deps: object = None,
        limits: Limits | None = None,
        on_busy: OnBusy | None = None,
    ) -> RunResult[OutputT]:
        """Run an agent to its end.

        Args:
            agent: The agent.
            question: What the user asks.
            user: Whose run it is.
            session: A conversation to continue or to begin, "" for none. One run of a session at a time; inside a tool
                of a run of the same session, which would wait for itself, it is a `ConfigError`. See docs/sessions.md.
            tenant: The customer that the user belongs to, "" for none; see docs/budgets.md.
            deps: Given to tools as ``ctx.deps``.
            limits: Instead of the agent's.
            on_busy: If the session is, ``queue`` waits, ``reject`` refuses, ``interrupt`` cancels what runs.

        Raises:
            NotFound: There is no such session, or it has expired.
            SurefootError: The run failed; nothing of it is lost, see ``surefoot show``.
            BudgetExceeded: A limit was reached and it says ``on_limit="raise"``.
            TooManyRequests: Not now; see docs/admission.md and docs/sessions.md.
        """
        caller = Caller(user, session, tenant, deps)
        starter = self._starter
        async with starter.take_turn(agent, caller, limits, on_busy) as seat:
            while True:
                run, started = await starter.open_run(agent, question, caller, limits, seat, live=False)
                try:
                    async for _ in drive(run, started):
                        pass
                    return make_result(run)
                except SessionMoved:
                    await seat.look_again(run)
                finally:
                    starter.close_run(run)

    async def stream(
        self,
        agent: Agent[Any],
        question: str,
        *,
        user: str = "",
        session: str = "",
        tenant: str = "",
        deps: object = None,
        limits: Limits | None = None,
        on_busy: OnBusy | None = None,
    ) -> AsyncGenerator[RunEvent, None]:
        """The events of a run as they happen, `RunFinished` last; arguments and errors as `run`.

        Closing the generator early cancels the run. After a `ModelFailed` the text streamed in that attempt is void.
        """
        caller = Caller(user, session, tenant, deps)
        starter = self._starter
        async with starter.take_turn(agent, caller, limits, on_busy) as seat:
            while True:
                run, started = await starter.open_run(agent, question, caller, limits, seat, live=True)
                try:
                    async with aclosing(drive(run, started)) as batches:
                        async for batch in batches:
                            for event in batch:
                                yield event
                    return
                except SessionMoved:  # before the first event was told
                    await seat.look_again(run)
                finally:
                    starter.close_run(run)

    async def cancel(self, run_id: str) -> bool:
        """Stop a run of this process: ``run`` returns with ``stop_reason="cancelled"``, a stream ends with it.

        False if no such run is live here, or it has ended already.
        """
        run = self._starter.live.get(run_id)
        return run is not None and run.cancel()

    async def read_run(self, run_id: str) -> tuple[RunRow, list[JournalEvent]]:
        """A run of the store by its id or a unique beginning of it, and its journal; `fold` makes its state.

        Raises:
            NotFound: No such run, or several.
        """
        row = await self._store.find_run(run_id)
        if row is None:
            raise NotFound(f"no run {run_id!r}; `surefoot runs` lists what there is")
        (row,) = await self._starter.count_lost([row])
        return row, await self._starter.read_events(row.run_id)

    async def list_runs(
        self, *, tenant: str | None = None, user: str | None = None, session: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        """Runs of the store, newest first; without those that a tool of another run began."""
        check_list(limit, tenant=tenant, user=user, session=session)
        rows = await self._store.runs(tenant=tenant, user=user, session=session, limit=limit)
        return await self._starter.count_lost(rows)

    async def scan_runs(
        self, *, since: float = 0.0, until: float | None = None
    ) -> AsyncGenerator[Sequence[RunRow], None]:
        """All runs of the store that began in that time (wall time, seconds), the oldest first, in pages.

        One that was lost with its process has what it was charged, with all that was held for its call in flight.
        """
        async for page in self._store.scan_runs(since=since, until=until):
            yield await self._starter.count_lost(page)

    @property
    def accounts(self) -> Accounts:
        """Limits and balances of those who pay: tenants, users, sessions."""
        return self._store.accounts

    @property
    def admission(self) -> AdmissionState:
        """Who is inside and who waits at this moment, and what was refused so far; see docs/admission.md."""
        return self._starter.admission.state()

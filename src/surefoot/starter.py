"""Everything between a question and the first event of its run: whose turn, which history, what limits, what price."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final, Self

from surefoot.admission import Admission, Ticket
from surefoot.agent import Agent, OutputT
from surefoot.budget.accounts import Payers, make_payers
from surefoot.budget.limits import MODEL_RUNG, Limits
from surefoot.caller import Caller, mend
from surefoot.compiled import Compiled
from surefoot.compiler import Compiler, check_price
from surefoot.desk import Desk
from surefoot.errors import ConfigError, NotFound, ToolError
from surefoot.journal.context_events import OutputKept
from surefoot.journal.events import JournalEvent, RunStarted
from surefoot.journal.records import decode_record
from surefoot.ladder import SUMMARISER
from surefoot.loop import drive
from surefoot.policy.handed_on import Carried
from surefoot.read_more import is_of_run
from surefoot.result import RunResult, make_result
from surefoot.run import NO_RUNGS, Run
from surefoot.run_arguments import check_run
from surefoot.run_row import make_lost_row
from surefoot.sections import OnBusy
from surefoot.sessions import SessionTurns, Turn
from surefoot.store.base import RunRow, Store
from surefoot.store.session_rows import SessionClaim
from surefoot.tool_calls import check_turn, find_outer
from surefoot.types import USER_LABEL, Label, Message, Unlimited

MAX_DEPTH: Final = 5
"""How deep runs may begin runs: deeper is a loop of agents that call each other."""
MAX_RUNGS: Final = 256
"""Agents on models of their ladders that are remembered; of others it is asked again."""
CHILD_QUESTION: Final = Label("assistant", source="run_agent")
"""Of what a tool asks an agent: made of what the model wrote, so that it is not the user's word."""
_HAS_ENDED: Final = "run_agent: the run that this context belongs to has ended"
MAX_EARLIER_RUNS: Final = 1_000
"""Newest runs of a session in whose cut outputs the model may read on."""


class Seat:
    """A slot, and the turn in the session if there is one. ``async with`` waits for the slot and gives it back.

    Attributes:
        ticket: For the slot.
        turn: In the session, None without one.
    """

    __slots__ = ("ticket", "turn")

    def __init__(self, ticket: Ticket, turn: Turn | None = None) -> None:
        self.ticket = ticket
        self.turn = turn

    async def look_again(self, run: Run) -> None:
        """Another process has used the session, so that ``run`` did not begin: see `Turn.look_again`."""
        assert self.turn is not None, "only a turn can be lost"
        await self.turn.look_again(stopped=run.cancelled)

    async def __aenter__(self) -> Self:
        await self.ticket.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ticket.leave()


class Starter:
    """Opens the runs of one runtime.

    Attributes:
        desk: What the runtime lends to every run, None while it is closed.
        live: Its runs on their way, by id.
        admission: Who is let in.
    """

    def __init__(
        self, compiler: Compiler, store: Store, limits: Limits, admission: Admission, turns: SessionTurns
    ) -> None:
        """``limits`` are for agents without limits of their own, ``turns`` those of sessions."""
        self.desk: Desk | None = None
        self.live: dict[str, Run] = {}
        self.admission = admission
        self._compiler = compiler
        self._store = store
        self._limits = limits
        self._turns = turns
        self._rungs: dict[tuple[Agent[Any], str], Agent[Any]] = {}
        self._children: dict[str, set[Run]] = {}  # live, by the run whose tool began them

    async def read_events(self, run_id: str) -> list[JournalEvent]:
        """The journal of a run."""
        return [event for record in await self._store.records(run_id) for event in decode_record(record)]

    async def count_lost(self, rows: Sequence[RunRow]) -> list[RunRow]:
        """The rows; those of lost runs with what they were charged, from their journals."""
        read = self._turns.read_state
        return [make_lost_row(row, await read(row.run_id)) if row.status == "lost" else row for row in rows]

    def take_turn(
        self, agent: Agent[Any], caller: Caller, limits: Limits | None, on_busy: OnBusy | None
    ) -> AbstractAsyncContextManager[Seat]:
        """A turn in the session and a slot, entered first of all: what is awaited before may change who came first.

        Raises:
            ConfigError: The runtime is not open, the run would wait for itself, or an argument is wrong.
            TooManyRequests: It is not let in, or has waited for too long.
        """
        if self.desk is None:
            raise ConfigError("the runtime is not open: use it inside `async with Runtime() as runtime:`")
        check_run(agent, limits, on_busy)
        if caller.session:
            check_turn(caller, self.live)
        seconds = (limits or agent.limits or self._limits).seconds
        ticket = self.admission.enter(
            caller,
            seconds=math.inf if isinstance(seconds, Unlimited) else seconds,
            kind=agent.name,
            outer=find_outer(self.live),
        )
        return self._take_turn(self.desk, ticket, caller, on_busy) if caller.session else Seat(ticket)

    @asynccontextmanager
    async def _take_turn(
        self, desk: Desk, ticket: Ticket, caller: Caller, on_busy: OnBusy | None
    ) -> AsyncGenerator[Seat, None]:
        """The turn in the session first: who waits for it takes no slot meanwhile."""
        async with AsyncExitStack() as stack:
            stack.callback(ticket.leave)
            try:
                async with asyncio.timeout(ticket.expires - desk.clock.monotonic()):
                    turn = await stack.enter_async_context(self._turns.turn(caller, on_busy))
            except TimeoutError:
                raise ticket.give_up() from None
            await ticket.start()
            yield Seat(ticket, turn)

    async def open_run(
        self, agent: Agent[Any], question: str, caller: Caller, limits: Limits | None, seat: Seat, *, live: bool
    ) -> tuple[Run, RunStarted]:
        """A run that has not happened yet, and the event that begins it; whoever opened it closes it.

        Raises:
            SurefootError: It cannot begin; nothing of it was written.
        """
        desk = self._check_open(self.desk)
        if (pause := desk.turnstile.enter()) is not None:
            await pause
        turn = seat.turn
        history, carried = ((), None) if turn is None else await turn.history()
        claim = None if turn is None else turn.claim
        about: dict[str, Any] = {"question": question, "caller": caller, "live": live, "ticket": seat.ticket}
        run, started = await self._begin(agent, desk, limits, history=history, carried=carried, turn=claim, **about)
        if turn is not None:
            turn.attach(run.run_id, run.state, run.cancel)
        return run, started

    async def _begin(
        self, agent: Agent[Any], desk: Desk, limits: Limits | None, *, parent: Run | None = None, **rest: Any
    ) -> tuple[Run, RunStarted]:
        """Compile and check; then the run and its first event. What is left is passed on to `begin_run`."""
        compiled = self._compiler.recall(agent) or await self._compiler.compile(agent)
        caller: Caller = rest["caller"]
        payers = make_payers(caller.tenant, caller.user, caller.session) if parent is None else parent.payers
        given = limits or agent.limits or self._limits
        for one in (compiled, *compiled.fallbacks):
            for above in _find_lineage(parent):
                check_price(one, above.account.limits)
            limits = self._check_limits(one, given, payers)
        assert limits is not None, "an agent has a model"
        more = limits.ladder or self._compiler.summariser
        rungs = await self._compile_rungs(agent, limits, payers) if more else NO_RUNGS
        self._check_open(desk)
        if parent is not None and parent.run_id not in self.live:  # nobody would end what it begins now
            raise ConfigError(_HAS_ENDED)
        run, started = begin_run(compiled, desk, store=self._store, limits=limits, parent=parent, rungs=rungs, **rest)
        self.live[run.run_id] = run
        if parent is not None:
            self._children.setdefault(parent.run_id, set()).add(run)
        return run, started

    async def _compile_rungs(self, agent: Agent[Any], limits: Limits, payers: Payers) -> dict[str, Compiled]:
        """The agent on each model of its ladder: a wrong name, key or price is refused before the run begins."""
        rungs: dict[str, Compiled] = {}
        models = {rung: rung.removeprefix(MODEL_RUNG) for rung in limits.ladder if rung.startswith(MODEL_RUNG)}
        if self._compiler.summariser:
            models[SUMMARISER] = self._compiler.summariser
        for rung, model in models.items():
            key = agent, rung
            if key not in self._rungs:
                if len(self._rungs) >= MAX_RUNGS:
                    del self._rungs[next(iter(self._rungs))]
                self._rungs[key] = agent.replace(model=model, protocol="auto")
            try:
                compiled = await self._compiler.compile(self._rungs[key])
                self._check_limits(compiled, limits, payers)
            except (ConfigError, NotFound) as error:
                raise type(error)(f"{rung}: {error}") from None
            rungs[rung] = compiled
        return rungs

    def close_run(self, run: Run) -> None:
        """It is over, and so is what its tools began and did not wait for."""
        del self.live[run.run_id]
        for child in self._children.pop(run.run_id, ()):
            child.cancel()
        if run.parent is not None and (siblings := self._children.get(run.parent.run_id)) is not None:
            siblings.discard(run)
        run.close()

    def _check_limits(self, compiled: Compiled, limits: Limits, payers: Payers) -> Limits:
        """What the accounts above allow to each run; the price must be known where dollars are limited."""
        book = self._store.accounts.book
        if book.limits_anything:
            limits = book.limit_run(limits, payers)
            check_price(compiled, limits, book.limits_usd(payers))
        check_price(compiled, limits)
        return limits

    async def run_child(
        self, parent_id: str, agent: Agent[OutputT], question: str, limits: Limits | None
    ) -> RunResult[OutputT]:
        """See `RunContext.run_agent`."""
        check_run(agent, limits)
        desk, parent = self.desk, self.live.get(parent_id)
        if parent is not None and asyncio.get_running_loop() is not parent.loop:
            raise ToolError("ctx.run_agent: only an async tool can run an agent; this one has a loop of its own")
        if desk is None or parent is None or parent.state.finished is not None:
            raise ConfigError(_HAS_ENDED)
        if len(_find_lineage(parent)) > MAX_DEPTH:
            raise ToolError(f"agents may run agents {MAX_DEPTH} deep, and this one is there")
        run, started = await self._begin(
            agent,
            desk,
            limits,
            parent=parent,
            question=question,
            history=(),
            carried=await parent.state.origins.hand_on(),
            caller=parent.caller,
            live=False,
        )
        try:
            async with aclosing(drive(run, started)) as batches:
                async for _ in batches:
                    pass
            if run.state.origins.is_slow:
                await run.state.origins.catch_up()
            return make_result(run)
        finally:
            parent.take_child(run)
            self.close_run(run)

    async def find_kept(self, caller: Caller, reference: str) -> OutputKept | None:
        """An output that an earlier run of the caller's session has kept, None if there is none of that reference.

        Raises:
            StoreError: The store cannot be read.
        """
        owner = caller.tenant, caller.user, caller.session
        if not caller.session:
            return None
        for row in await self._store.runs(tenant=owner[0], user=owner[1], session=owner[2], limit=MAX_EARLIER_RUNS):
            if is_of_run(reference, row.run_id):
                return (await self._turns.read_state(row.run_id)).kept.get(reference)
        return None

    def _check_open(self, desk: Desk | None) -> Desk:
        if desk is None or self.desk is not desk:
            raise ConfigError("the runtime was closed before the run could begin")
        return desk


def _find_lineage(run: Run | None) -> list[Run]:
    """The run, the one whose tool began it, and so on up."""
    lineage: list[Run] = []
    while run is not None:
        lineage.append(run)
        run = run.parent
    return lineage


def begin_run(
    compiled: Compiled,
    desk: Desk,
    *,
    limits: Limits,
    store: Store,
    question: str,
    history: tuple[Message, ...],
    carried: Carried | None,
    caller: Caller,
    live: bool,
    rungs: Mapping[str, Compiled],
    parent: Run | None = None,
    ticket: Ticket | None = None,
    turn: SessionClaim | None = None,
) -> tuple[Run, RunStarted]:
    """A run that has not happened yet, and the event that begins it."""
    run_id = desk.clock.token("run")
    asked_by = USER_LABEL if parent is None else CHILD_QUESTION
    system = () if compiled.system is None else (compiled.system,)
    started = RunStarted(
        at=desk.clock.now(),
        run_id=run_id,
        agent=compiled.name,
        model=compiled.model.profile.id,
        protocol=compiled.protocol.name,
        user=caller.user,
        session=caller.session,
        tenant=caller.tenant,
        parent="" if parent is None else parent.run_id,
        messages=(*system, *history, Message.user(_read_question(question), asked_by)),
        limits=limits.to_table(),
        tools=compiled.tools,
        output_schema=compiled.answer.schema if compiled.answer else None,
        prices=compiled.price_source,
        rates=compiled.price_snapshot,
        waited_ms=0 if ticket is None else ticket.waited_ms,
        carried=carried,
    )
    run = Run(
        run_id,
        compiled,
        desk,
        limits=limits,
        store=store,
        caller=caller,
        live=live,
        parent=parent,
        rungs=rungs,
        arrived=None if ticket is None else ticket.arrived,
        turn=turn,
    )
    return run, started


def _read_question(question: object) -> str:
    if not isinstance(question, str):
        raise ConfigError(f"the question must be text, not {type(question).__name__}")
    return mend(question)

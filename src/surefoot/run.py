"""One run on its way: what its parts share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.structs import replace

from surefoot.answer import AnswerType
from surefoot.budget.ledger import Account
from surefoot.budget.limits import Limits
from surefoot.budget.rates import Rates
from surefoot.budget.tokens import TokenCounter
from surefoot.clock import Clock
from surefoot.config import RetrySettings
from surefoot.errors import ConfigError
from surefoot.journal.events import JournalEvent, RunEvent, RunStarted
from surefoot.journal.fold import APPLY, RunState
from surefoot.journal.recorder import Recorder
from surefoot.models.base import Model
from surefoot.protocol.base import Protocol, Stage
from surefoot.store.base import RunRow, Store
from surefoot.threads import ToolThreads
from surefoot.tools import RunContext, Toolbox
from surefoot.types import Message, ToolSpec

LISTED_CHARS: Final = 200
"""How much of a question and an answer a run's row keeps for listings; the journal has them whole."""
REPEAT_MESSAGES: Final = 16
"""Among how many of the last messages a call counts as repeated: eight steps of one call each."""
_NONE: Final[frozenset[str]] = frozenset()


class Compiled(Struct, frozen=True):
    """An agent made ready to run: shared by all its runs.

    Attributes:
        name: Name of the agent.
        model: Its model.
        protocol: How the model speaks ReAct.
        toolbox: Its tools.
        native_specs: Tools that go to the provider's own field.
        tools: All tools as JSON, for the journal.
        rates: Price of the model, None when unknown.
        counter: Exact tokenizer of the model, None when there is none.
        answer: Type of a structured answer, None for text.
        repairs: How often a structured answer may be mended.
        max_tokens: Output tokens wished for in one reply.
        temperature: Sampling temperature or None.
        system: System message, None if there is nothing to say.
    """

    name: str
    model: Model
    protocol: Protocol
    toolbox: Toolbox
    native_specs: tuple[ToolSpec, ...]
    tools: Raw
    rates: Rates | None
    counter: TokenCounter | None
    answer: AnswerType[Any] | None
    repairs: int
    max_tokens: int
    temperature: float | None
    system: Message | None


class Desk(Struct, frozen=True):
    """What the runtime lends to every run.

    Attributes:
        clock: Time, chance and ids.
        retry: Attempts for one model call.
        threads: Where blocking tools run.
        timeout_s: Longest wait for one reply.
        durable: Whether a record is on disk before it is relied on.
    """

    clock: Clock
    retry: RetrySettings
    threads: ToolThreads
    timeout_s: float
    durable: bool


class Caller(Struct, frozen=True):
    """Who runs the agent: the user, the conversation ("" for none), and what tools get as ``ctx.deps``.

    Raises:
        ConfigError: A name is no text that can be stored.
    """

    user: str = ""
    session: str = ""
    deps: object = None

    def __post_init__(self) -> None:
        """Check the names: they tell people apart, so that nothing in them is replaced."""
        _check_name("user", self.user)
        _check_name("session", self.session)


class Run:
    """One run, owned by one `surefoot.loop.react` generator.

    Attributes:
        compiled: Its agent.
        desk: What the runtime lends.
        caller: Whose it is.
        context: What its tools are told; each call has its own id and key in it.
        account: Its budget.
        state: Its state: its own events, folded.
        run_id: Its id.
        started: Monotonic seconds of its beginning.
        live: Whether text is wanted while it streams.
        final_only: The budget is at its end: only an answer is of use now.
        repairs_left: How often the answer may still be mended.
        value: The structured answer.
        news: Events that the generator has not handed out yet.
        abandon: Settles the model call in flight, if there is one; takes a code and a message for the journal.
        cancelled: Somebody asked Surefoot (not the task) to stop the run.
        task: The task that waits for the run's next events, None between two events.
        interrupted: `cancel` has cancelled that task.
        over: Done when nothing more will come of the run; None if nobody waits for that.
    """

    __slots__ = (
        "_behind", "_recorder", "_store", "abandon", "account", "caller", "cancelled", "compiled", "context", "desk",
        "final_only", "interrupted", "live", "news", "over", "repairs_left", "run_id", "started", "state", "task",
        "value",
    )  # fmt: skip

    abandon: Callable[[str, str], None]

    def __init__(
        self, run_id: str, compiled: Compiled, desk: Desk, *, limits: Limits, store: Store, caller: Caller, live: bool
    ) -> None:
        self.run_id = run_id
        self.compiled = compiled
        self.desk = desk
        self.caller = caller
        self.live = live
        self.started = desk.clock.monotonic()
        self.account = Account(limits, compiled.rates, self.started)
        self.context = RunContext(
            user=caller.user,
            session=caller.session,
            run_id=run_id,
            call_id="",
            idempotency_key="",
            deadline=self.account.deadline,
            deps=caller.deps,
            clock=desk.clock,
        )
        self.state = RunState()
        self.final_only = self.cancelled = self.interrupted = False
        self.repairs_left = compiled.repairs
        self.value: Any = None
        self.news: list[RunEvent] = []
        self.task: asyncio.Task[Any] | None = None
        self.over: asyncio.Future[None] | None = None
        self._behind: asyncio.Future[None] | None = None
        self._store = store
        self._recorder = Recorder()

    def emit(self, event: JournalEvent) -> None:
        """One event: into the state, the journal and the stream."""
        APPLY[type(event)](self.state, event)
        self._recorder.pending.append(event)
        if self.live:
            self.news.append(event)

    def take_news(self) -> list[RunEvent]:
        """Events since the last call."""
        news, self.news = self.news, []
        return news

    def cancel(self) -> bool:
        """Stop the run; False if it has ended already."""
        if self.state.finished is not None:
            return False
        if not self.cancelled:
            self.cancelled = True
            # Between two events, or where one of its own tools asks, it ends when the next event is asked for.
            if self.task is not None and self.task is not asyncio.current_task():
                self.interrupted = True
                self.task.cancel()
        return True

    def write(self) -> asyncio.Future[None] | None:
        """Append what is pending; what to await before it is relied on, None where the disk is not waited for.

        Raises:
            StoreError: An earlier record could not be written; the future fails if this one cannot.
            RunLost: Another worker has taken the run over; so does the future.
        """
        behind = self._behind
        if behind is not None and behind.done():
            behind.result()  # nobody waited for it, but nothing goes on after a record that was not written
        assert self._recorder.pending, "there is something to write"
        future = self._append()
        if self.desk.durable:
            return future
        self._behind = future
        return None

    def _append(self) -> asyncio.Future[None]:
        first, record = self._recorder.take()
        return self._store.append(self.run_id, first, record) if first else self._store.create(_make_row(self), record)

    def write_behind(self) -> None:
        """Append what is pending, if anything is: before something that may take long. Nobody waits for the disk."""
        if self._recorder.pending:
            self._behind = self._append()

    def write_end(self) -> asyncio.Future[None]:
        """Append the last record and close the run in the store; fails as `write`."""
        if not self._recorder.taken:  # it ended before anything was written
            _, record = self._recorder.take(keep=1)
            self._behind = self._store.create(_make_row(self), record)  # if it fails, so does what follows
        first, record = self._recorder.take()
        return self._store.finish(_make_last_row(self), first, record)

    @property
    def stage(self) -> Stage:
        """Where the run stands."""
        state = self.state
        repeated = _NONE if self.compiled.protocol.native_tools else find_repeated(state.messages)
        return Stage(self.account.steps, self.final_only, state.results > 0, repeated)


def find_repeated(messages: Sequence[Message]) -> frozenset[str]:
    """Tools of which the last messages have the same call twice. Only those, so no step walks the whole history."""
    seen: set[tuple[str, str]] = set()
    repeated: list[str] = []
    for message in messages[-REPEAT_MESSAGES:]:
        for call in message.tool_calls:
            key = call.name, call.arguments
            if key in seen:
                repeated.append(call.name)
            seen.add(key)
    return frozenset(repeated) if repeated else _NONE


def begin_run(
    compiled: Compiled,
    desk: Desk,
    *,
    limits: Limits,
    store: Store,
    question: str,
    history: tuple[Message, ...],
    caller: Caller,
    live: bool,
) -> tuple[Run, RunStarted]:
    """A run that has not happened yet, and the event that begins it."""
    run_id = desk.clock.token("run")
    system = () if compiled.system is None else (compiled.system,)
    started = RunStarted(
        at=desk.clock.now(),
        run_id=run_id,
        agent=compiled.name,
        model=compiled.model.profile.id,
        protocol=compiled.protocol.name,
        user=caller.user,
        session=caller.session,
        messages=(*system, *history, Message.user(_read_question(question))),
        limits=limits.to_table(),
        tools=compiled.tools,
        output_schema=compiled.answer.schema if compiled.answer else None,
        prices=compiled.rates.source if compiled.rates else "",
    )
    run = Run(run_id, compiled, desk, limits=limits, store=store, caller=caller, live=live)
    return run, started


def _check_name(field: str, name: object) -> None:
    if not isinstance(name, str) or _mend(name) != name:
        raise ConfigError(f"{field}={name!r}: must be text that UTF-8 can carry")


def _read_question(question: object) -> str:
    if not isinstance(question, str):
        raise ConfigError(f"the question must be text, not {type(question).__name__}")
    return _mend(question)


def _mend(text: str) -> str:
    """``text`` without halves of surrogate pairs: a command line that is not UTF-8 has them, no database takes them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _make_row(run: Run) -> RunRow:
    """What listings show of a run from its beginning."""
    started = run.state.started
    assert started is not None, "RunStarted is the first event"
    return RunRow(
        run_id=run.run_id,
        agent=started.agent,
        model=started.model,
        user=started.user,
        session=started.session,
        question=started.messages[-1].text[:LISTED_CHARS],
        started_at=started.at,
    )


def _make_last_row(run: Run) -> RunRow:
    """What listings show of a run that has ended."""
    state, finished = run.state, run.state.finished
    assert finished is not None, "RunFinished is the last event"
    return replace(
        _make_row(run),
        status="finished",
        finished_at=finished.at,
        stop_reason=finished.stop_reason,
        steps=state.steps,
        tokens=state.tokens,
        nano=state.nano,
        output=_mend(finished.output[:LISTED_CHARS]),
    )

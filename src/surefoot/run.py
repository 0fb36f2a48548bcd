"""One run on its way: what its parts share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from surefoot.budget.accounts import Payers, make_payers
from surefoot.budget.holds import Charge, Hold
from surefoot.budget.ledger import Account
from surefoot.budget.limits import Limits
from surefoot.budget.posting import Claim, Posting, Refusal, Settlement
from surefoot.caller import Caller
from surefoot.compiled import Compiled
from surefoot.desk import Desk
from surefoot.journal.events import JournalEvent, RunEvent
from surefoot.journal.fold import APPLY, RunState
from surefoot.journal.policy_events import ChildEnded
from surefoot.journal.recorder import Recorder
from surefoot.protocol.base import Stage, Turn
from surefoot.redaction import CLEAN
from surefoot.repeats import NO_REPEATS, find_repeated
from surefoot.run_context import RunContext
from surefoot.run_row import make_last_row, make_row
from surefoot.sessions import SessionMoved
from surefoot.store.base import Outcome, Store
from surefoot.store.session_rows import Moved, SessionClaim
from surefoot.types import Message

NO_RUNGS: Final[Mapping[str, Compiled]] = MappingProxyType({})


class Run:
    """One run, owned by one `surefoot.loop.react` generator.

    Attributes:
        compiled: Its agent.
        desk: What the runtime lends.
        caller: Whose it is.
        context: What its tools are told; each call has its own id and key in it.
        account: Its budget.
        parent: The run whose tool began it, None for a run of its own.
        payers: Who pays for it beside its own budget.
        refusal: An account above the run has refused tool calls; the run is to answer without.
        settlement: What the last hold cost, until it is posted with a record.
        tool_calls_untold: Tool calls that the accounts have not been told of yet.
        state: Its state: its own events, folded.
        redactor: Takes out what must not be kept or shown, None if nothing is.
        run_id: Its id.
        started: Monotonic seconds of its beginning: when the request for it arrived.
        live: Whether text is wanted while it streams.
        loop: The event loop that it runs in.
        models: Its agent on each of its models, in the order in which they are asked.
        failures: What was wrong with models that have failed for good, by model string.
        rungs: Its agent on the models of its ladder, by rung.
        sums_up: The next call is a summary of the conversation.
        summary_failed: The last summary did not come: what is oldest is left out instead.
        summed_up_for: Its agent on the model that waits for that summary, None if that is the same one.
        read_through_children: A run that one of its tools began has read text by others.
        final_only: The budget is at its end: only an answer is of use now.
        repairs_left: How often the answer may still be mended.
        value: The structured answer.
        news: Events that the generator has not handed out yet.
        abandon: Settles the model call in flight, if there is one; takes a code and a message for the journal.
        cancelled: Somebody asked Surefoot (not the task) to stop the run.
        is_moved: It was cancelled, and nothing of it was written: another process has used the session meanwhile.
        turn: What it claims of its session with its first record, None if it has no turn in one.
        task: The task that waits for the run's next events, None between two events.
        interrupted: `cancel` has cancelled that task.
        over: Done when nothing more will come of the run; None if nobody waits for that.
    """

    __slots__ = (
        "_accounts", "_behind", "_claimed", "_recorder", "_store", "abandon", "account", "caller", "cancelled",
        "compiled", "context", "desk", "failures", "final_only", "interrupted", "is_moved", "live", "loop", "models",
        "news", "over", "parent", "payers", "read_through_children", "redactor", "refusal", "repairs_left", "run_id",
        "rungs", "settlement", "started", "state", "summary_failed", "summed_up_for", "sums_up", "task",
        "tool_calls_untold", "turn", "value",
    )  # fmt: skip

    abandon: Callable[[str, str], None]
    account: Account
    payers: Payers

    def __init__(
        self,
        run_id: str,
        compiled: Compiled,
        desk: Desk,
        *,
        limits: Limits,
        store: Store,
        caller: Caller,
        live: bool,
        parent: Run | None = None,
        rungs: Mapping[str, Compiled] = NO_RUNGS,
        arrived: float | None = None,
        turn: SessionClaim | None = None,
    ) -> None:
        self.run_id = run_id
        self.turn = turn
        self.parent = parent
        self.payers = make_payers(caller.tenant, caller.user, caller.session) if parent is None else parent.payers
        self.settlement: Settlement | None = None
        self.refusal: Refusal | None = None
        self.tool_calls_untold = 0
        self.compiled = compiled
        self.models = compiled, *compiled.fallbacks
        self.failures: dict[str, str] = {}
        self.desk = desk
        self.caller = caller
        self.live = live
        self.loop = asyncio.get_running_loop()
        self.started = desk.clock.monotonic() if arrived is None else arrived
        self.account = Account(limits, compiled.rates, self.started, None if parent is None else parent.account)
        self.context = RunContext(
            user=caller.user,
            session=caller.session,
            run_id=run_id,
            call_id="",
            idempotency_key="",
            deadline=self.account.deadline,
            deps=caller.deps,
            clock=desk.clock,
            tenant=caller.tenant,
            starter=partial(desk.begin_child, run_id),  # the run itself would be a cycle: for the garbage collector
        )
        self.state = RunState()
        self.redactor = desk.open_redactor(compiled, self.state)
        self.rungs = rungs
        self.final_only = self.cancelled = self.interrupted = self.is_moved = self.sums_up = self.summary_failed = False
        self.read_through_children = False
        self.summed_up_for: Compiled | None = None
        self.repairs_left = compiled.repairs
        self.value: Any = None
        self.news: list[RunEvent] = []
        self.task: asyncio.Task[Any] | None = None
        self.over: asyncio.Future[None] | None = None
        self._behind: asyncio.Future[Outcome] | None = None
        self._claimed = False  # the accounts above know of the last hold
        self._store, self._accounts = store, store.accounts
        self._recorder = Recorder()

    def emit(self, event: JournalEvent) -> None:
        """One event: into the state, the journal and the stream, without what must not be kept."""
        kind = type(event)
        if self.redactor is not None and kind in CLEAN:
            event = CLEAN[kind](self.redactor, event)
        APPLY[kind](self.state, event)
        self._recorder.pending.append(event)
        if self.live:
            self.news.append(event)

    def parse(self, reply: Message) -> Turn:
        """What the model has said, its calls with ids that may be kept."""
        turn = self.compiled.protocol.parse(reply, self.stage)
        return turn if self.redactor is None or not turn.calls else self.redactor.keep_ids(turn, self.state.steps)

    def take_child(self, child: Run) -> None:
        """A run that one of its tools began has ended: what it has read and done counts here, too."""
        if self.state.finished is not None:
            return
        origins = child.state.origins
        self.read_through_children |= origins.exposed
        done = origins.done()
        if done is not None:
            self.emit(ChildEnded(at=self.desk.clock.now(), run_id=child.run_id, done=done))

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

    def close(self) -> None:
        """Nothing more will come of it. Its call knows it and is known by it: let go, or a garbage collection must."""
        self.abandon = _abandon_nothing

    def write(self) -> asyncio.Future[Outcome] | None:
        """Append what is pending; what to await before it is relied on, None where the disk is not waited for.

        Raises:
            StoreError: An earlier record could not be written; the future fails if this one cannot.
            RunLost: Another worker has taken the run over; so does the future.
        """
        self._check_behind()
        assert self._recorder.pending, "there is something to write"
        future = self._append()
        if self.desk.durable:
            return future
        self._behind = future
        return None

    def claim(self, events: Sequence[JournalEvent], claim: Claim | None) -> Coroutine[Any, Any, Refusal | None] | None:
        """Append what is pending and ``events`` if every account above the run has room for ``claim``; else nothing.

        A claim of None is for a run that `asks` nobody: it does not wait for the disk.

        Returns:
            None if it is done; otherwise await what says whether it was refused.

        Raises:
            StoreError: This or an earlier record could not be written.
            RunLost: Another worker has taken the run over.
            SessionMoved: This was the first record, and another process has used the session meanwhile.
        """
        self._check_behind()
        recorder = self._recorder
        if self.redactor is not None and type(events[0]) in CLEAN:  # all are of one kind
            events = [CLEAN[type(event)](self.redactor, event) for event in events]
        if claim is None and (self.turn is None or recorder.taken):
            self._apply(events)
            recorder.pending += events
            self._behind = self._append()
            return None
        return self._claim_above(events, claim)

    async def _claim_above(self, events: Sequence[JournalEvent], claim: Claim | None) -> Refusal | None:
        recorder = self._recorder
        recorder.pending += events
        taken = recorder.pending
        future = self._append(claim)
        refusal: Outcome = None
        try:
            refusal = await future  # such a future cannot be cancelled, so that its outcome is known in any case
        except asyncio.CancelledError:
            refusal = future.result()
            raise
        finally:
            if refusal is None:
                self._apply(events)
            else:
                recorder.give_back(taken, drop=len(events))
        if isinstance(refusal, Moved):
            raise SessionMoved
        return refusal

    def asks(self) -> bool:
        """Whether accounts above the run are asked: else nobody waits for the disk, nor is there a limit."""
        return self.desk.durable or self._accounts.book.limits_anything

    def claim_for(self, hold: Hold, prices: str, *, begins_step: bool) -> Claim | None:
        """What a hold claims of the accounts above, None where nobody is asked."""
        self._claimed = self.asks()
        if not self._claimed:
            return None
        return Claim(
            self.payers, hold.number, hold.tokens, hold.nano, begins_step, 1, self.tool_calls_untold, prices
        )  # fmt: skip

    def tell(self, hold: Hold, charge: Charge, *, known: bool) -> None:
        """What a hold cost, for the accounts above; posted with the next record.

        Where nobody was asked, nobody is told, but of what is unknown: people look at that.
        """
        if known and not self._claimed:
            return
        limited = known or self._accounts.book.limits_any(self.payers)
        self.settlement = Settlement(hold.number, charge.tokens, charge.nano, known, limited)

    def limits_tool_calls(self) -> bool:
        """Whether an account above some run limits tool calls: then they are claimed before they are made."""
        return self._accounts.book.limits_tool_calls

    def _apply(self, events: Sequence[JournalEvent]) -> None:
        for event in events:
            APPLY[type(event)](self.state, event)
            if self.live:
                self.news.append(event)

    def _append(self, claim: Claim | None = None) -> asyncio.Future[Outcome]:
        first, record = self._recorder.take()
        posting = None if claim is None and self.settlement is None else self._take_posting(claim)
        if first:
            return self._store.append(self.run_id, first, record, posting)
        return self._store.create(make_row(self.state), record, posting, self.turn)

    def _take_posting(self, claim: Claim | None = None, used: Claim | None = None) -> Posting | None:
        settlement, self.settlement = self.settlement, None
        return None if settlement is None and claim is None and used is None else Posting(settlement, claim, used)

    def _check_behind(self) -> None:
        behind = self._behind
        if behind is not None and behind.done():
            behind.result()  # nobody waited for it, but nothing goes on after a record that was not written

    def write_behind(self) -> None:
        """Append what is pending, if anything is: before something that may take long. Nobody waits for the disk.

        Not the record that takes the turn in the session: what becomes of it must be known before anything follows.
        """
        if self._recorder.pending and not self._takes_turn:
            self._behind = self._append()

    @property
    def _takes_turn(self) -> bool:
        """Whether the next record is the one with which it takes its turn in the session, which may be refused."""
        return self.turn is not None and not self._recorder.taken

    def write_end(self) -> asyncio.Future[Outcome]:
        """Append the last record and close the run in the store; fails as `write`.

        The result is `Moved` if it is the first record, too, and another process has used the session meanwhile.
        """
        first, record = self._recorder.take()
        untold, self.tool_calls_untold = self.tool_calls_untold, 0
        used = Claim(self.payers, 0, tool_calls=untold) if untold and self.asks() else None
        posting = self._take_posting(used=used)
        row = make_last_row(self.state, self.account.rates)
        if not first:  # it ended before anything was written
            return self._store.create(row, record, posting, self.turn)
        return self._store.finish(row, first, record, posting)

    @property
    def stage(self) -> Stage:
        """Where the run stands."""
        state = self.state
        repeated = NO_REPEATS if self.compiled.protocol.native_tools else find_repeated(state.messages)
        return Stage(self.state.steps, self.final_only, state.results > 0, repeated)


def _abandon_nothing(code: str, message: str) -> None:
    """`Run.abandon` of a run that is over."""

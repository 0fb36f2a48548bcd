"""A runtime under audit: whatever happens in it, journal, live state, result, ledger and the provider's bill must agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from surefoot.agent import Agent
from surefoot.budget.posting import Posting
from surefoot.budget.rates import cost_as_served, dearest_rates, price_bound, read_rates
from surefoot.clock import Clock, SystemClock
from surefoot.config import Settings
from surefoot.errors import SurefootError
from surefoot.journal.events import (
    BudgetWarning,
    JournalEvent,
    LimitReached,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    ModelSwitched,
    RunEvent,
    RunFinished,
    RunStarted,
    TextDelta,
    Thought,
    ToolFinished,
    ToolIntended,
)
from surefoot.journal.fold import RunState, fold
from surefoot.journal.records import decode_record
from surefoot.result import RunResult
from surefoot.run import Run
from surefoot.runtime import Runtime
from surefoot.sections import AdmissionSettings, RetrySettings, StoreSettings
from surefoot.store.base import RunRow, Store
from surefoot.store.session_rows import SessionClaim
from surefoot.store.sqlite import SqliteStore
from surefoot.testing import Bill

QUICK = RetrySettings(attempts=4, base_s=0.0005, max_s=0.002, reserve=10_000)
MANY = AdmissionSettings(user_requests_per_minute=1_000_000, user_runs=1_000, user_queue=1_000, max_lag_ms=60_000)
"""For tests of something else, in which one user has a great many runs."""

Fault = Callable[[str, int], Exception | None]
"""Told the kind of write (create, append, finish) and its number in the run from 1: the error it fails with, or None."""


class WatchedStore:
    """A store that keeps hold of the runs which write into it, and fails where a test says so."""

    def __init__(self, inner: Store, fault: Fault | None = None) -> None:
        self.inner = inner
        self.fault = fault
        self.live: dict[str, Run] = {}
        self.writes: dict[str, list[str]] = {}
        self.runs_of: Callable[[], dict[str, Run]] = dict

    def _write(self, kind: str, run_id: str, write: Callable[[], asyncio.Future[None]]) -> asyncio.Future[None]:
        if run_id not in self.live:
            self.live[run_id] = self.runs_of()[run_id]
        writes = self.writes.setdefault(run_id, [])
        writes.append(kind)
        error = self.fault(kind, len(writes)) if self.fault else None
        if error is None:
            return write()
        future = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        future.exception()  # as the port has it: it may be left unread
        return future

    def create(
        self, row: RunRow, record: bytes | bytearray, posting: Posting | None = None, turn: SessionClaim | None = None
    ) -> asyncio.Future[Any]:
        return self._write("create", row.run_id, lambda: self.inner.create(row, record, posting, turn))

    def append(
        self, run_id: str, seq: int, record: bytes | bytearray, posting: Posting | None = None
    ) -> asyncio.Future[Any]:
        return self._write("append", run_id, lambda: self.inner.append(run_id, seq, record, posting))

    def finish(
        self, row: RunRow, seq: int, record: bytes | bytearray, posting: Posting | None = None
    ) -> asyncio.Future[Any]:
        return self._write("finish", row.run_id, lambda: self.inner.finish(row, seq, record, posting))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Bench:
    """A runtime, its store, and what must hold of every run in it."""

    def __init__(self, runtime: Runtime, store: WatchedStore) -> None:
        self.runtime = runtime
        self.store = store
        self.events: list[RunEvent] = []  # of the newest stream
        store.runs_of = lambda: runtime._starter.live

    async def run(self, agent: Agent[Any], question: str = "Go.", **options: Any) -> RunResult[Any]:
        result = await self.runtime.run(agent, question, **options)
        below = any(one.parent is self.store.live[result.run_id] for one in self.store.live.values())
        check_result(result, await self.audit(result.run_id), below=below)
        return result

    async def stream(self, agent: Agent[Any], question: str = "Go.", **options: Any) -> list[RunEvent]:
        """The events of a run that is streamed to its end; they stay in `events` if it raises."""
        self.events = events = []
        async with aclosing(self.runtime.stream(agent, question, **options)) as stream:
            async for event in stream:
                events.append(event)  # noqa: PERF401 - what came before an error stays
        await self.audit_stream(events)
        return events

    async def audit_stream(self, events: Sequence[RunEvent]) -> RunState:
        """What was streamed is what is journaled, apart from the deltas."""
        started = events[0]
        assert isinstance(started, RunStarted)
        _, journal = await self.runtime.read_run(started.run_id)
        assert [event for event in events if not isinstance(event, TextDelta)] == journal
        return await self.audit(started.run_id)

    async def fails(self, error: type[Exception], agent: Agent[Any], *, match: str = "", **options: Any) -> Any:
        """Run it both ways: each must fail with this error, and leave a closed journal. Returns the error."""
        caught: list[Exception] = []
        for way in (self.run, self.stream):
            before = set(self.store.live)
            try:
                await way(agent, **options)
            except error as raised:
                caught.append(raised)
            assert len(caught) == (1 if way == self.run else 2), f"{way.__name__} did not raise"
            assert match in str(caught[-1])
            for run_id in set(self.store.live) - before:
                state = await self.audit(run_id)
                assert state.finished is not None
                code = caught[-1].code if isinstance(caught[-1], SurefootError) else "internal"
                assert state.finished.error_code == code
        assert self.events == [] or isinstance(self.events[-1], RunFinished)
        return caught[0]

    async def last(self) -> RunState:
        """The audited state of the run that began last."""
        return await self.audit(list(self.store.live)[-1])

    async def _late_evidence(self, run_id: str) -> tuple[int, int]:
        """What refunds have changed of the tokens and nano-dollars of a run: its row has it, its journal is history."""
        tables = [
            (change.before, change.after)
            for change in await self.runtime.accounts.changes(limit=10_000)
            if change.before and change.after and change.before.get("run") == run_id
        ]
        tokens, nano = [
            sum([int(after[name]) - int(before[name]) for before, after in tables]) for name in ("tokens", "usd")
        ]
        return tokens, nano

    async def audit(self, run_id: str) -> RunState:
        """Everything that holds of a run that has ended."""
        row, events = await self.runtime.read_run(run_id)
        state = check_journal(events)
        live = self.store.live[run_id]
        assert live.state.models == state.models  # kept once it is known: from here on by both
        for slot in RunState.__slots__:
            assert getattr(live.state, slot) == getattr(state, slot), f"{slot}: alive {live.state}, folded {state}"
        account = live.account
        assert account.reserved == (0, 0)
        below = [one.account for one in self.store.live.values() if one.parent is live]
        charged = (
            state.tokens + sum(one.spent_tokens for one in below),
            state.nano + sum(one.spent_nano for one in below),
        )
        assert (account.spent_tokens, account.spent_nano) == charged
        assert account.steps == state.steps + sum(one.steps for one in below)
        assert account.model_calls == state.model_calls + sum(one.model_calls for one in below)
        refused = sum(isinstance(e, ToolFinished) and e.content.startswith("Not run: the budget") for e in events)
        tool_calls = state.tool_calls + len(state.intended) - refused
        assert account.tool_calls == tool_calls + sum(one.tool_calls for one in below)
        finished = state.finished
        assert finished is not None, "the run has ended"
        assert (row.status, row.stop_reason, row.finished_at) == ("finished", finished.stop_reason, finished.at)
        tokens, nano = await self._late_evidence(run_id)
        assert (row.steps, row.tokens, row.nano) == (state.steps, state.tokens + tokens, state.nano + nano)
        assert row.output == finished.output[:200]
        return state


def check_journal(events: Sequence[JournalEvent]) -> RunState:
    """What holds of every journal of a run that has ended; its state."""
    started, finished = events[0], events[-1]
    assert isinstance(started, RunStarted)
    assert isinstance(finished, RunFinished)
    assert sum(isinstance(event, RunFinished) for event in events) == 1
    _check_limits(started, events)
    _check_attempts(events)
    _check_tools(events)
    _check_prices(started, events)
    warned = [event.limit for event in events if isinstance(event, BudgetWarning)]
    assert len(warned) == len(set(warned)), "a limit warns once"
    reached = [event for event in events if isinstance(event, LimitReached)]
    assert sum(event.account == "" for event in reached) <= 1
    assert sum(event.account != "" for event in reached) <= 1, "an account may refuse the last answer, too"
    state = fold(events)
    assert state.holds == {}, "every hold is settled"
    assert finished.limit in {"", state.limit, "tokens", "usd"}  # the last two: they cut the answer itself
    return state


def _check_limits(started: RunStarted, events: Sequence[JournalEvent]) -> None:
    """``spent + reserved <= limit + overrun`` after every single event."""
    most = {name: value for name, value in started.limits.items() if isinstance(value, int)}
    state, over_tokens, over_nano = RunState(), 0, 0
    for event in events:
        if isinstance(event, ModelReplied):
            hold = state.holds[event.hold]
            over_tokens += max(0, event.tokens - hold.hold_tokens)
            over_nano += max(0, event.nano - hold.hold_nano)
        state.apply(event)
        tokens = state.tokens + sum(hold.hold_tokens for hold in state.holds.values())
        nano = state.nano + sum(hold.hold_nano for hold in state.holds.values())
        assert tokens <= most.get("tokens", tokens) + over_tokens
        assert nano <= most.get("usd", nano) + over_nano
        assert state.steps <= most.get("steps", state.steps)
        assert state.model_calls <= most.get("model_calls", state.model_calls)
        assert len(state.holds) <= 1, "one call at a time"


def _check_attempts(events: Iterable[JournalEvent]) -> None:
    """Holds are numbered without gap, each attempt has its own, and a retry belongs to the step of its first attempt."""
    number = step = attempt = 0
    settled = True
    for event in events:
        match event:
            case ModelRequested():
                assert settled
                number += 1
                attempt = attempt + 1 if event.attempt > 1 else 1
                step += event.attempt == 1
                assert (event.hold, event.attempt, event.step) == (number, attempt, step)
                assert 0 < event.max_tokens <= event.hold_tokens
                settled = False
            case ModelReplied() | ModelFailed():
                assert event.hold == number
                assert not settled
                settled = True
                if isinstance(event, ModelReplied):
                    attempt = 0
            case Thought() | ToolIntended() | ToolFinished():
                assert settled
            case _:
                pass


def _check_prices(started: RunStarted, events: Iterable[JournalEvent]) -> None:
    """The journal alone says what every call was held for and charged, and why."""
    rates = read_rates(started.rates)
    assert started.prices == ("" if rates is None else rates.source)
    reach = started.limits["tokens"]
    holds: dict[int, ModelRequested] = {}
    for event in events:
        if isinstance(event, ModelSwitched):
            rates = read_rates(event.rates)
            assert event.prices == ("" if rates is None else rates.source)
        elif isinstance(event, ModelRequested):
            holds[event.hold] = event
            assert event.prices == ("" if rates is None else rates.digest)
            here, out = (0, 0) if rates is None else dearest_rates(rates, reach if isinstance(reach, int) else 1 << 62)
            prompt = event.hold_tokens - event.max_tokens
            assert event.hold_nano == price_bound(prompt, here, event.max_tokens, out)
        elif isinstance(event, ModelReplied):
            hold_nano = holds[event.hold].hold_nano
            if event.usage is None:
                assert event.nano == hold_nano
            elif rates is not None:
                assert event.nano == cost_as_served(rates, event.usage, event.service_tier, hold_nano)


def _check_tools(events: Iterable[JournalEvent]) -> None:
    """An intent stands before its result, and no call has two of either."""
    intended: list[tuple[int, str]] = []
    finished: list[tuple[int, str]] = []
    step = 0
    for event in events:
        if isinstance(event, ModelRequested):
            step = event.step
        elif isinstance(event, ToolIntended):
            intended.append((step, event.call.id))
            assert (step, event.call.id) not in finished
        elif isinstance(event, ToolFinished):
            finished.append((step, event.call_id))
    assert len(intended) == len(set(intended))
    assert len(finished) == len(set(finished))


def check_result(result: RunResult[Any], state: RunState, *, below: bool = False) -> None:
    """What a caller is told is what the journal says; with runs ``below`` it, its report counts theirs as well."""
    finished = state.finished
    assert finished is not None
    assert (result.text, result.stop_reason, result.limit) == (finished.output, finished.stop_reason, finished.limit)
    assert result.messages == tuple(state.messages)
    assert result.usage == result.budget.usage == state.usage
    budget = result.budget
    if not below:
        assert result.cost in {None, state.nano}
        assert (budget.tokens, budget.steps, budget.model_calls) == (state.tokens, state.steps, state.model_calls)


def check_bill(bill: Bill, states: Iterable[RunState]) -> None:
    """The provider asks for no more than the journals say was charged."""
    states = list(states)
    assert bill.tokens <= sum(state.tokens for state in states)
    assert bill.nano <= sum(state.nano for state in states)


@asynccontextmanager
async def open_bench(
    folder: Path,
    *,
    fault: Fault | None = None,
    inner: Store | None = None,
    clock: Clock | None = None,
    durability: str = "full",
    audit_again: bool = True,
    **settings: Any,
) -> AsyncGenerator[Bench, None]:
    """A bench over an SQLite file in ``folder``; with ``audit_again`` every run is audited at the end, too."""
    clock = clock or SystemClock()
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    settings = {"retry": QUICK, "model_timeout_s": 30.0, "admission": MANY} | settings
    chosen = Settings(store=StoreSettings(durability=durability), **settings)
    store = WatchedStore(inner or SqliteStore(folder / "bench.db", clock=clock), fault)
    async with Runtime(store, settings=chosen, clock=clock) as runtime:
        bench = Bench(runtime, store)
        yield bench
        assert runtime._starter.live == {}
        inside = runtime.admission
        assert (inside.running, inside.waiting, inside.inside, inside.users) == (0, 0, 0, 0)
        assert len(runtime._starter._turns.lines) == 0
        for run_id, run in store.live.items() if audit_again else ():
            if run.state.finished is not None and "finish" in store.writes[run_id] and fault is None:
                await bench.audit(run_id)


async def read_journal(store: Store, run_id: str) -> list[JournalEvent]:
    return [event for record in await store.records(run_id) for event in decode_record(record)]

"""10,000 random runs: whatever model, tools, callers and limits do, the budget holds and the books agree.

Each run is made from its seed alone: limits, prices, tools, replies, faults and the moment at which somebody gives up. A
failure names the seed; ``python -m tests.e2e.test_budget_property SEED`` runs that one again.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.unit.audit import Bench, check_result, open_bench

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.errors import ModelBroken, ModelOverloaded, ModelUnreachable, SurefootError
from surefoot.event_loop import run_in_loop
from surefoot.journal.events import JournalEvent, ModelFailed, ModelReplied, ModelRequested, RunEvent, TextDelta
from surefoot.journal.fold import RunState
from surefoot.models.base import Model
from surefoot.providers import Provider
from surefoot.sections import BreakerSettings
from surefoot.testing import (
    Bill,
    Charge,
    Choice,
    FakeProvider,
    Price,
    ProviderRequest,
    ScriptedModel,
    call,
    call_raw,
    calls,
    fail,
    garbage,
    hang,
    refuse,
    reset,
    say,
    status,
)
from surefoot.types import Message, Money, Usage

BATCHES = 10
RUNS_IN_BATCH = 970
RUNS_OVER_HTTP = 300
AT_ONCE = 200
MODEL_TIMEOUT_S = 0.05

TABLES: dict[str, dict[str, Any]] = {
    "cheap": {"input": "0.10", "output": "0.40"},
    "dear": {"input": 15, "output": 75, "cache_read": "1.5", "cache_write": "18.75"},
    "odd": {"input": "0.000001", "output": "999999.999999999"},
    "free": {"input": 0, "output": 0},
}
WORDS = ["alpha ", "beta. ", '"quoted" ', "new\nline ", "näher ", "日本語 ", "🙂 ", "\\slash ", "\x01", "{json: 1} "]


class Odd(Exception):
    """What a model of the user's own may raise."""


@dataclass
class Verdict:
    ok: bool


@tool(effect="read")
async def look(words: int = 3) -> str:
    """Look something up."""
    return "".join(WORDS[n % len(WORDS)] for n in range(words))


@tool
async def note(text: str = "") -> str:
    """Write something down, slowly."""
    await asyncio.sleep(0)
    return f"noted {text}"


@tool(effect="read")
async def trip() -> str:
    """Fail."""
    raise LookupError("tripped")


@tool(effect="read", timeout_s=0.02)
def block() -> str:
    """Block a thread for a moment."""
    return "x" * 50


TOOLS = [look, note, trip, block]


# --- a run, from its seed


@dataclass
class Scenario:
    seed: int
    honest: bool
    agent_options: dict[str, Any]
    limits: Limits
    question: str
    session: str
    price: str
    streams: bool
    quits: str  # how the caller gives up: "", "task", "run", "close", "timeout"
    quits_at: int  # number of the model call in which it does, and of loop turns or events to let pass there


def draw_scenario(seed: int) -> Scenario:
    rng = Random(seed)
    protocol = rng.choices(["native", "json", "text"], [6, 2, 2])[0]
    return Scenario(
        seed=seed,
        honest=rng.random() < 0.9,
        agent_options={
            "protocol": protocol,
            "instructions": rng.choice(["", "Be brief.", draw_text(rng, 60)]),
            "tools": TOOLS if rng.random() < 0.9 else [],
            "output": Verdict if rng.random() < 0.15 else None,
            "max_tokens": rng.choice([1, 17, 64, 200, 600]),
            "repairs": rng.randint(0, 2),
        },
        limits=draw_limits(rng),
        question=draw_text(rng, rng.choice([1, 5, 40])),
        session=f"s{seed // 4}" if rng.random() < 0.1 else "",
        price=rng.choice(list(TABLES)),
        streams=rng.random() < 0.4,
        quits=rng.choices(["", "task", "run", "close", "timeout"], [12, 2, 2, 2, 1])[0],
        quits_at=min(rng.randint(1, 6), rng.randint(1, 6)),
    )


def draw_limits(rng: Random) -> Limits:
    def maybe(value: Any, odds: float) -> Any:
        return value if rng.random() < odds else UNLIMITED

    return Limits(
        tokens=maybe(int(10 ** rng.uniform(2.8, 5)), 0.9),
        usd=maybe(Money(int(10 ** rng.uniform(5, 10.5))), 0.7),
        steps=maybe(rng.randint(1, 8), 0.8),
        model_calls=maybe(rng.randint(1, 12), 0.9),
        tool_calls=maybe(rng.randint(1, 8), 0.8),
        seconds=rng.choice([0.01, 0.05, 0.3]) if rng.random() < 0.1 else 300,
        warn_at=rng.choice([0.1, 0.7, 1]),
        on_limit=rng.choice(["finish", "finish", "raise"]),
    )


def draw_text(rng: Random, words: int) -> str:
    return "".join(rng.choices(WORDS, k=rng.randint(1, words)))


def draw_reply(scenario: Scenario, step: int, *, wire: bool) -> Choice:
    """What the model does when it is called for the ``step``-th time."""
    rng = Random(f"{scenario.seed}/{step}")
    if step > 14:
        return say(wrap(scenario, "Enough.", None))
    kind = rng.choices(["act", "answer", "fault", "mumble"], [10, 5, 4, 1])[0]
    if kind == "fault":
        return draw_fault(rng, wire=wire)
    if kind == "mumble":
        return rng.choice([say(""), say(draw_text(rng, 30)), refuse(), say("no", finish_reason="content_filter")])
    options: dict[str, Any] = {
        "usage": rng.choices(["computed", "random", None, Usage()], [12, 4, 2, 1])[0],
        "reasoning_tokens": rng.choice([0, 0, 30]),
        "cache_read_tokens": rng.choice([0, 0, 20]),
        "cache_write_tokens": rng.choice([0, 0, 20]),
        "delay_s": rng.choice([0, 0, 0, 0.001]),
        "overlong": not scenario.honest and rng.random() < 0.3,
    }
    if rng.random() < 0.05:
        options["cut_after"] = rng.randint(0, 3)
    if kind == "act" and scenario.agent_options["protocol"] == "native":
        acts = [draw_call(rng) for _ in range(rng.choice([1, 1, 1, 2, 4]))]
        return calls(*acts, text=draw_text(rng, 20) if rng.random() < 0.5 else "", **options)
    return say(wrap(scenario, draw_text(rng, 40), rng if kind == "act" else None), **options)


def draw_call(rng: Random) -> Any:
    return rng.choice(
        [
            call("look", words=rng.choice([1, 20, 400])),
            call("note", text=draw_text(rng, 5)),
            call("trip"),
            call("block"),
            call("nothing"),
            call_raw("look", '{"words": "many"}'),
            call_raw("look", '{"wor'),
        ]
    )


def wrap(scenario: Scenario, text: str, acts: Random | None) -> str:
    """``text`` in the form of the scenario's protocol; with ``acts`` a call of a tool."""
    protocol = scenario.agent_options["protocol"]
    answer = '{"ok": true}' if scenario.agent_options["output"] and len(text) % 3 else text
    if protocol == "text":
        if acts:
            return f'Thought: {text}\nAction: look\nAction Input: {{"words": {acts.choice([1, 30, 300])}}}'
        return f"Thought: hm\nFinal Answer: {answer}"
    if protocol == "json":
        if acts:
            return f'{{"thought": "t", "action": "look", "args": {{"words": {acts.choice([1, 30, 300])}}}}}'
        return '{"thought": "t", "action": "final", "answer": "fine"}'
    return answer


def draw_fault(rng: Random, *, wire: bool) -> Choice:
    faults: list[Choice] = [
        status(429, retry_after_s=rng.choice([0, 0.002])),
        status(503),
        status(529),
        status(500),
        status(504),
        status(408),
        reset(),
        garbage(),
        say("cut off somewhere in here", cut_after=rng.randint(0, 4)),
        rng.choice([hang(), status(401), status(400)]),
    ]
    if not wire:
        faults += [
            fail(ModelBroken("broken")),
            fail(ModelUnreachable("nobody there")),
            fail(ModelOverloaded("later", retry_after_s=0.001)),
            fail(Odd("odd")),
        ]
    return rng.choice(faults)


# --- running it


class Caller:
    """Runs one scenario, and gives up where the scenario says so."""

    def __init__(self, bench: Bench, scenario: Scenario) -> None:
        self.bench = bench
        self.scenario = scenario
        self.rng = Random(f"{scenario.seed}/quits")
        self.task: asyncio.Task[None] | None = None
        self.events: list[RunEvent] = []
        self.has_left = False

    def find_run(self) -> str | None:
        runs = self.bench.store.live.items()
        return next((run_id for run_id, run in runs if run.caller.deps is self.scenario), None)

    def hear(self, step: int) -> None:
        """The model is called for the ``step``-th time."""
        if step == self.scenario.quits_at and self.scenario.quits in {"task", "run"}:
            self._quit_after(self.rng.randint(0, 12))

    def _quit_after(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._quit_after, turns - 1)
        elif self.scenario.quits == "task":
            assert self.task is not None
            self.task.cancel()
        elif (run_id := self.find_run()) is not None:
            run = self.bench.runtime._starter.live.get(run_id)
            if run is not None:
                run.cancel()

    async def call(self, model: Model | str) -> tuple[RunState | None, list[Attempt]]:
        """The audited end of the run, None if it never began; and its attempts."""
        scenario = self.scenario
        self.task = asyncio.create_task(self._work(Agent(model, **scenario.agent_options)))
        try:
            await self.task
        except (SurefootError, Odd):
            pass
        except (asyncio.CancelledError, TimeoutError):
            assert scenario.quits in {"task", "timeout"}
        run_id = self.find_run()
        if run_id is None:
            return None, []
        state = await self.bench.audit(run_id)
        _, journal = await self.bench.runtime.read_run(run_id)
        if scenario.streams:
            self._check_stream(journal)
        asked = [event for event in journal if isinstance(event, ModelRequested)]
        ended = [event for event in journal if isinstance(event, ModelReplied | ModelFailed)]
        return state, list(zip(asked, ended, strict=True))

    async def _work(self, agent: Agent[Any]) -> None:
        scenario = self.scenario
        async with asyncio.timeout(self.rng.uniform(0, 0.02) if scenario.quits == "timeout" else None):
            options = {"user": "u", "session": scenario.session, "limits": scenario.limits, "deps": scenario}
            if not scenario.streams:
                result = await self.bench.runtime.run(agent, scenario.question, **options)
                check_result(result, await self.bench.audit(result.run_id))
                return
            async with aclosing(self.bench.runtime.stream(agent, scenario.question, **options)) as stream:
                async for event in stream:
                    self.events.append(event)
                    if scenario.quits == "close" and len(self.events) >= scenario.quits_at * 3:
                        self.has_left = True
                        break
                    if self.rng.random() < 0.1:
                        await asyncio.sleep(0)

    def _check_stream(self, journal: list[JournalEvent]) -> None:
        seen = [event for event in self.events if not isinstance(event, TextDelta)]
        assert seen == journal[: len(seen)]
        if self.scenario.quits not in {"close", "task", "timeout"}:
            assert len(seen) == len(journal)


Attempt = tuple[ModelRequested, ModelReplied | ModelFailed]


def check_charges(charges: Iterable[Charge], attempts: list[Attempt]) -> None:
    """Line by line: the provider asks for no more than the journal says was charged.

    Only a reply that is longer than it was allowed to be, and of which nobody was told, may cost more: see B1.
    """
    for charge in charges:
        asked, ended = attempts[charge.number - 1]
        told = isinstance(ended, ModelReplied) and ended.usage is not None
        if told or charge.usage.output_tokens <= asked.max_tokens:
            assert charge.usage.total_tokens <= ended.tokens, f"line {charge.number} of the bill: {charge}"
            assert charge.nano <= ended.nano, f"line {charge.number} of the bill: {charge}"


def check_end(scenario: Scenario, state: RunState | None, attempts: list[Attempt]) -> str:
    """What must hold of every run. Returns how it ended."""
    if state is None:
        return "never began"
    if scenario.honest:
        for asked, ended in attempts:
            assert ended.tokens <= asked.hold_tokens
            assert ended.nano <= asked.hold_nano
        assert scenario.limits.tokens is UNLIMITED or state.tokens <= scenario.limits.tokens
        assert scenario.limits.nano is UNLIMITED or state.nano <= scenario.limits.nano
    finished = state.finished
    assert finished is not None
    return f"{finished.stop_reason} {finished.limit}".strip()


async def play_in_process(bench: Bench, seed: int) -> str:
    """One run with a model of its own."""
    scenario = draw_scenario(seed)
    rng = Random(f"{seed}/model")
    caller = Caller(bench, scenario)

    def reply(messages: list[Message], step: int) -> Choice:
        caller.hear(step)
        return draw_reply(scenario, step, wire=False)

    model = ScriptedModel(
        reply,
        name=scenario.price,
        protocol=scenario.agent_options["protocol"],
        prices=Price(**TABLES[scenario.price]),
        input_multiplier=rng.choice([0, 1, 1, 4]),
        seed=seed,
        record=1,
    )
    state, attempts = await caller.call(model)
    check_charges(model.bill.charges, attempts)
    return check_end(scenario, state, attempts)


async def play_all(plays: Iterable[tuple[int, Awaitable[str]]]) -> Counter[str]:
    """Some hundreds at a time; how many ended in which way."""
    places = asyncio.Semaphore(AT_ONCE)
    ends: Counter[str] = Counter()

    async def play(seed: int, work: Awaitable[str]) -> None:
        async with places:
            try:
                ends[await work] += 1
            except Exception as error:
                error.add_note(f"seed {seed}: run `python -m tests.e2e.test_budget_property {seed}`")
                raise

    wrong = await asyncio.gather(*[play(seed, work) for seed, work in plays], return_exceptions=True)
    errors = [error for error in wrong if error is not None]
    if errors:
        print(f"{len(errors)} runs are wrong:", *{str(error).partition("\n")[0] for error in errors}, sep="\n")
        raise errors[0]
    return ends


SETTINGS: dict[str, Any] = {
    "durability": "relaxed",
    "prices": TABLES,
    "model_timeout_s": MODEL_TIMEOUT_S,
    "breaker": BreakerSettings(failures=10_000),  # more faults than any provider makes, and each shall have its turn
}


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_the_budget_holds_in_any_run(tmp_path, batch):
    async with open_bench(tmp_path, audit_again=False, **SETTINGS) as bench:
        seeds = range(batch * RUNS_IN_BATCH, (batch + 1) * RUNS_IN_BATCH)
        ends = await play_all([(seed, play_in_process(bench, seed)) for seed in seeds])
    print(f"seeds {seeds}: {ends}")
    assert ends.total() == RUNS_IN_BATCH
    for reason in ("final", "cancelled", "error", "refusal", "content_filter", "length"):
        assert ends[reason] > 0, f"no run ended with {reason}: the scenarios have become too tame"
    for limit in ("tokens", "usd", "steps", "model_calls", "tool_calls", "seconds"):
        assert ends[f"budget {limit}"] > 0, f"no run ended at {limit}: the scenarios have become too tame"


class Wire:
    """The fake provider's side of all scenarios."""

    def __init__(self, first_seed: int) -> None:
        self.scenarios = {seed: draw_scenario(seed) for seed in range(first_seed, first_seed + RUNS_OVER_HTTP)}
        self.calls: Counter[int] = Counter()
        self.owners: dict[int, int] = {}
        self.callers: dict[int, Caller] = {}

    def reply(self, request: ProviderRequest) -> Choice:
        asked = [re.search(r"run (\d+): ", message.text) for message in request.messages if message.role == "user"]
        seed = next(int(found[1]) for found in asked if found)
        self.calls[seed] += 1
        self.owners[request.number] = seed
        self.callers[seed].hear(self.calls[seed])
        return draw_reply(self.scenarios[seed], self.calls[seed], wire=True)

    async def play(self, bench: Bench, seed: int) -> str:
        scenario = self.scenarios[seed]
        scenario.question = f"run {seed}: {scenario.question}"
        scenario.session = ""
        caller = self.callers[seed] = Caller(bench, scenario)
        return check_end(scenario, *await caller.call(f"fake:{scenario.price}"))

    def check_bill(self, bill: Bill, bench: Bench) -> None:
        """Run by run: the provider may have taken a request in long after its caller had given up."""
        states = {run.caller.deps.seed: run.state for run in bench.store.live.values()}
        tokens: Counter[int] = Counter()
        nano: Counter[int] = Counter()
        assert bill.charges.total == len(bill.charges), "all lines are kept"
        for charge in bill.charges:
            seed = self.owners[charge.number]
            tokens[seed] += charge.usage.total_tokens
            nano[seed] += charge.nano
        for seed, state in states.items():
            if not self.scenarios[seed].honest:
                continue
            assert (tokens[seed] <= state.tokens, nano[seed] <= state.nano) == (True, True), f"seed {seed}"
            assert self.calls[seed] <= state.model_calls, f"seed {seed}: more requests than holds"


async def test_the_budget_holds_over_real_http(tmp_path):
    wire = Wire(1_000_000)
    tables = TABLES | {"dear": {"input": 15, "output": 75, "cache_read": "1.5"}}  # this wire tells of no cache writes
    prices = {name: Price(**table) for name, table in tables.items()}
    async with FakeProvider(wire.reply, api_key="", prices=prices, record=10_000) as provider:
        served = {"fake": Provider(provider.base_url, needs_key=False)}
        settings = SETTINGS | {"providers": served, "prices": tables, "model_timeout_s": 0.3}
        async with open_bench(tmp_path, audit_again=False, **settings) as bench:
            ends = await play_all([(seed, wire.play(bench, seed)) for seed in wire.scenarios])
        async with asyncio.timeout(30):
            while provider.stats.connections:  # noqa: ASYNC110 - what is on its way still counts
                await asyncio.sleep(0.001)
        wire.check_bill(provider.bill, bench)
    print(ends)
    assert ends.total() == RUNS_OVER_HTTP
    assert min(ends["final"], ends["cancelled"], ends["error"], ends["budget tokens"]) > 0
    assert sum(wire.calls.values()) > RUNS_OVER_HTTP


async def replay(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_bench(Path(folder), **SETTINGS) as bench:
            end = await play_in_process(bench, seed)
            for run_id in bench.store.live:
                for event in (await bench.runtime.read_run(run_id))[1]:
                    print(event)
            print(f"{draw_scenario(seed)}\nended: {end}")


if __name__ == "__main__":
    run_in_loop(lambda: replay(int(sys.argv[1])))

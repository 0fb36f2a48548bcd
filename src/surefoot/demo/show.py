"""``surefoot demo``: the tasks, live, and what they would have cost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import click
import msgspec
from msgspec import Struct
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from surefoot.agent import Agent
from surefoot.budget.limits import Limits
from surefoot.budget.prices import open_prices
from surefoot.budget.rates import Rates, cost
from surefoot.clock import SystemClock
from surefoot.config import Settings
from surefoot.demo.tasks import TASKS, TINY, Task, judge
from surefoot.errors import SurefootError
from surefoot.journal.fold import RunState
from surefoot.models.registry import split_model
from surefoot.narrator import duration, plain
from surefoot.runtime import Runtime
from surefoot.terminal import RunView, open_console, readable
from surefoot.types import UNLIMITED, Money, StopReason, Usage

SHOWN_TASKS: Final = 3
PRICED_AS: Final = "openai:gpt-4.1-mini"
"""Whose prices say what a run would cost where tokens are not free."""
TASK_LIMITS: Final = Limits(tokens=20_000, steps=8, seconds=900, usd=UNLIMITED)
TINY_LIMITS: Final = Limits(tokens=5_600, steps=8, seconds=900, usd=UNLIMITED)


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one task.

    Attributes:
        task: Its name.
        question: What was asked.
        run_id: Its run; ``surefoot show`` has the steps.
        answer: What the model answered.
        stop_reason: Why the run ended.
        limit: The limit that ended it, "" if none did.
        faults: What is missing or wrong; empty if the task is solved.
        steps: Steps taken.
        tokens: Tokens charged.
        usage: Tokens by kind.
        nano: What the tokens would have cost, in nano-dollars.
        seconds: Wall-clock seconds.
    """

    task: str
    question: str
    run_id: str
    answer: str
    stop_reason: StopReason
    limit: str
    faults: list[str]
    steps: int
    tokens: int
    usage: Usage
    nano: int
    seconds: float


class _Price(Struct, frozen=True):
    name: str
    rates: Rates


async def run_demo(settings: Settings, *, all_tasks: bool, as_json: bool) -> bool:
    """Run the tasks on the model of the settings (the embedded one unless they name another), and show what happens.

    Args:
        settings: Settings; runs are journaled where they say.
        all_tasks: All twelve tasks and their score, instead of three and one inside a budget that is too small.
        as_json: JSON on stdout, and what happens on stderr.

    Returns:
        Whether a task was not solved.

    Raises:
        ConfigError: The engine is not installed, or the weights are not to be had.
        StoreError: The runs cannot be journaled.
    """
    tasks = [(task, TASK_LIMITS) for task in (TASKS if all_tasks else TASKS[:SHOWN_TASKS])]
    if not all_tasks:
        tasks.append((TINY, TINY_LIMITS))
    price = await _find_price(settings, SystemClock().now)
    stage = _Stage(settings, open_console(stderr=as_json), price)
    stage.open(len(tasks))
    outcomes: list[Outcome] = []
    async with Runtime(settings=settings, progress=stage.progress) as runtime:
        for number, (task, limits) in enumerate(tasks, 1):
            stage.announce(f"{number} of {len(tasks)}", task, limits)
            outcomes.append(await stage.perform(runtime, task, limits))
    stage.conclude(outcomes)
    solved = sum(not outcome.faults for outcome in outcomes)
    if as_json:
        report = {"model": settings.model, "priced_as": price.name, "solved": solved, "tasks": outcomes}
        click.echo(msgspec.json.encode(report))
    return solved < len(outcomes)


class _Stage:
    """Where the demo is seen."""

    def __init__(self, settings: Settings, console: Console, price: _Price) -> None:
        self._settings = settings
        self._console = console
        self._price = price
        self._clock = SystemClock()
        self._view: RunView | None = None
        self._is_local = split_model(settings.model)[0] == "local"

    def open(self, count: int) -> None:
        """Say what is going to happen."""
        where = "a small, real language model on this machine's CPU, no key" if self._is_local else self._settings.model
        self._say(f"{count} tasks with tools, on {where}", "bold")
        self._say(
            "Each call of the model is paid for in advance, at its worst case; each step is journaled.", "bright_black"
        )

    def progress(self, done_bytes: int, all_bytes: int) -> None:
        """Weights are being fetched."""
        assert self._view is not None, "the weights are fetched for the first run"
        self._view.progress(done_bytes, all_bytes)

    def announce(self, number: str, task: Task, limits: Limits) -> None:
        """Say which task comes."""
        self._say("")
        self._console.rule(Text(f"{number} · {task.name}", "bold"), align="left", style="bright_black")
        if task is TINY:
            self._say(f"too small a budget, on purpose: {limits.tokens:,} tokens", "yellow")

    async def perform(self, runtime: Runtime, task: Task, limits: Limits) -> Outcome:
        """Run one task in front of the audience."""
        agent = Agent(self._settings.model, name=f"demo-{task.name}", tools=task.tools, temperature=0.0, limits=limits)
        doing = "loading the embedded model" if self._is_local else "getting ready"
        view = self._view = RunView(self._console, self._clock, doing=doing)
        failure = ""
        with view:
            try:
                async with aclosing(runtime.stream(agent, task.question)) as events:
                    async for event in events:
                        view.show(event)
            except SurefootError as error:
                if view.state.finished is None:  # there is no model, or no journal: no other task would do better
                    raise
                failure = str(error)
        outcome = self._sum_up(task, view.state, failure)
        if outcome.answer:
            is_right = outcome.stop_reason == "final" and not outcome.faults
            self._say(readable(outcome.answer), "bold green" if is_right else "bold")
        self._console.print(_verdict(outcome))
        return outcome

    def _sum_up(self, task: Task, state: RunState, failure: str) -> Outcome:
        started, finished = state.started, state.finished
        assert started is not None
        assert finished is not None, "a run that raised nothing else has ended"
        faults = [failure] if failure else judge(task, state.messages, finished.output)
        if task is TINY and finished.stop_reason != "budget":
            faults.append("the budget did not stop it")
        # Without the discounts for cached prompts, which differ from provider to provider
        usage = Usage(state.usage.input_tokens, state.usage.output_tokens)
        return Outcome(
            task=task.name,
            question=task.question,
            run_id=started.run_id,
            answer=finished.output,
            stop_reason=finished.stop_reason,
            limit=finished.limit,
            faults=faults,
            steps=state.steps,
            tokens=state.tokens,
            usage=state.usage,
            nano=cost(self._price.rates, usage),
            seconds=finished.at - started.at,
        )

    def conclude(self, outcomes: list[Outcome]) -> None:
        """The table at the end."""
        self._say("")
        self._console.print(_result_table(outcomes))
        solved = sum(not outcome.faults for outcome in outcomes)
        self._say(
            f"{solved} of {len(outcomes)} tasks ended as they should",
            "bold green" if solved == len(outcomes) else "bold red",
        )
        for one in outcomes:
            if one.stop_reason == "budget":
                self._say(f"{one.task}: stopped after {one.tokens:,} tokens, its last answer included", "yellow")
        rates, free = self._price.rates, "; here free" if self._is_local else ""
        price = f"{Money(rates.input)} in and {Money(rates.output)} out per million tokens"
        self._say(f"cost: by today's prices of {self._price.name}, {price}{free}", "bright_black")
        self._say("look again: surefoot runs, surefoot show last", "bright_black")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style))


async def _find_price(settings: Settings, now: Callable[[], float]) -> _Price:
    """The price of the model itself, or of another one where it has none or costs nothing."""
    prices = open_prices(settings, now)
    own = await prices.find(*split_model(settings.model))
    if own is not None and own.output:
        return _Price(settings.model, own)
    rates = await prices.find(*split_model(PRICED_AS))
    assert rates is not None, "genai-prices knows it"
    return _Price(PRICED_AS, rates)


def _result_table(outcomes: list[Outcome]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", show_footer=True)
    sums = [sum(counts) for counts in zip(*[(one.steps, one.tokens, one.nano) for one in outcomes], strict=True)]
    seconds = sum(outcome.seconds for outcome in outcomes)
    table.add_column("task", "all", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    for name, total in (
        ("steps", str(sums[0])),
        ("tokens", f"{sums[1]:,}"),
        ("cost", str(Money(sums[2]))),
        ("time", duration(seconds * 1e3)),
    ):
        table.add_column(name, total, justify="right", no_wrap=True)
    for one in outcomes:
        numbers = (str(one.steps), f"{one.tokens:,}", str(Money(one.nano)), duration(one.seconds * 1e3))
        table.add_row(one.task, _verdict(one), *numbers)
    return table


def _verdict(outcome: Outcome) -> Text:
    if outcome.faults:
        return Text(f"✗ {plain('; '.join(outcome.faults))}", "red")
    if outcome.stop_reason == "budget":
        return Text(f"■ stopped at its limit on {outcome.limit}, with an answer", "yellow")
    return Text("✓ right tools, right figures", "green")

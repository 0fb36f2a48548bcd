"""``surefoot policy``: try a policy on cases, and see why a call of a run was allowed or not."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import replace
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from surefoot.agent import Agent
from surefoot.agent_file import load_agent
from surefoot.commands.options import json_option, open_existing, print_json, read_settings, run_to_end
from surefoot.errors import ConfigError, NotFound
from surefoot.journal.events import JournalEvent, ModelReplied, Thought
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged
from surefoot.narrator import describe_call, plain
from surefoot.policing import read_rules
from surefoot.policy.approval import Approval, ApprovalRequest
from surefoot.policy.cases import Declared, name_verdict, read_cases, try_cases
from surefoot.policy.decision import Trace
from surefoot.terminal import open_console

EXIT_FAILED: Final = 1
_STYLES: Final = {"allowed": "green", "asks": "yellow", "denied": "red"}
_ORIGINS: Final = {
    "user": "the user's words",
    "record": "a system of record",
    "allowed": "an allow-list",
    "vouched": "a vouched source",
    "worked out": "a sum of what the user said",
    "others": "text by others",
    "nowhere": "nobody named it",
}


@click.group()
def policy() -> None:
    """Which tool calls may run, and why."""


@policy.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--agent", "agent_name", metavar="MODULE:NAME", required=True, help="Agent whose tools the cases call.")
@json_option
@click.pass_context
def run_cases(context: click.Context, /, *, file: Path, agent_name: str, as_json: bool) -> int:
    """Try the cases of FILE: what the user said, what was read, a call, and what should be decided."""
    rules = read_rules(read_settings(context).policy)
    agent = load_agent(agent_name)
    tried = try_cases(read_cases(file), lambda name: _find_tool(agent, name), rules)
    if as_json:
        print_json([{"name": case.name, "expect": case.expect, "decided": name_verdict(decision), "rule": decision.rule,
                     "reason": decision.reason, "ok": ok} for case, decision, ok in tried])  # fmt: skip
    else:
        table = Table("", "case", "expected", "decided", "rule", "why", box=None, pad_edge=False)
        for case, decision, ok in tried:
            verdict = name_verdict(decision)
            shown = Text(verdict, _STYLES[verdict])
            mark = Text("✓", "green") if ok else Text("✗", "red")
            table.add_row(mark, plain(case.name), case.expect, shown, decision.rule, plain(decision.reason))
        console = open_console()
        console.print(table)
        console.print(f"{sum(ok for *_, ok in tried)} of {len(tried)} cases are decided as they should be")
    return 0 if all(ok for *_, ok in tried) else EXIT_FAILED


def _find_tool(agent: Agent[Any], name: str) -> Declared:
    tool = agent.toolbox.find(name)
    if tool is None:
        known = ", ".join([spec.name for spec in agent.toolbox.specs]) or "none"
        raise ConfigError(f"agent {agent.name!r} has no tool {name!r}; its tools are: {known}")
    return Declared(tool.policy, tool.label, tool.records, tool.spec.parameters)


@policy.command()
@click.argument("run_id", metavar="RUN")
@click.argument("call_id", metavar="[CALL]", default="")
@json_option
@click.pass_context
def explain(context: click.Context, /, *, run_id: str, call_id: str, as_json: bool) -> None:
    """Say why calls of RUN were allowed or not. CALL is a tool's name or the id of a call; without it, all."""
    settings = read_settings(context)

    async def read() -> list[JournalEvent]:
        async with open_existing(settings) as runtime:
            rows = await runtime.list_runs(limit=1) if run_id == "last" else ()
            _, events = await runtime.read_run(rows[0].run_id if rows else run_id)
            return events

    events = run_to_end(read())
    judged = [one for one in events if isinstance(one, CallJudged) and call_id in {"", one.name, one.call_id}]
    if not judged:
        raise NotFound(
            f"run {run_id}: the policy had nothing to decide"
            + (f" on {call_id!r}" if call_id else "")
            + ": a read is free, and so is all before anything by others was read"
        )
    answers = {one.call_id: one for one in events if isinstance(one, ApprovalAnswered)}
    if as_json:
        print_json([{"judged": one, "answered": answers.get(one.call_id)} for one in judged])
        return
    calls = _find_calls(events)
    console = open_console()
    for one in judged:
        console.print(_draw(one, answers.get(one.call_id), calls.get(one.call_id, one.name)))


def _find_calls(events: list[JournalEvent]) -> dict[str, str]:
    messages = [event.message for event in events if isinstance(event, (ModelReplied, Thought))]
    return {call.id: describe_call(call) for message in messages for call in message.tool_calls}


def _draw(judged: CallJudged, answered: ApprovalAnswered | None, call: str) -> Group:
    verdict = Text(judged.verdict, f"bold {_STYLES[judged.verdict]}")
    said = Text() if answered is None else Text(f" · answered: {answered.answer}")
    observed = Text(" · only observed" if judged.observed else "")
    why = f" by rule {judged.rule}: {plain(judged.reason)}"
    head = Text.assemble((plain(call), "bold"), "\n  ", verdict, why, said, observed)
    return Group(head, traces_table(judged.traces))


def traces_table(traces: tuple[Trace, ...]) -> Table:
    """Where each value of a call came from."""
    table = Table("", "argument", "decides", "value", "came from", box=None, pad_edge=False)
    for one in traces:
        mark = Text("✓", "green") if one.proven else Text("✗", "red")
        source = f"{_ORIGINS[one.origin]}{f': {one.source}' if one.source else ''}"
        table.add_row(mark, plain(one.place, 60), one.kind, plain(one.value, 100), plain(source, 120))
    return table


# --- asking on the terminal -------------------------------------------------------------------------------------------


async def ask(console: Console, request: ApprovalRequest) -> list[Approval]:
    """Show the calls that need a person, and read the answer to all or to each; the end of the input is a no."""
    for one in request.calls:
        _show(console, one)
    if request.more:
        answer = read_answer(await _read_line(console, list_choices(request)), request)
        if answer:
            return answer
    answers: list[Approval] = []
    for one in request.calls:
        alone = replace(one, more=())
        if request.more:
            console.print(Text(plain(f"{one.tool} {one.arguments}", 200), "bold"))
        answers += read_answer(await _read_line(console, list_choices(alone)), alone)
    return answers


def list_choices(request: ApprovalRequest) -> str:
    """What may be typed."""
    every = f" to all {len(request.calls)}" if request.more else ", once"
    each = "; e = ask about each" if request.more else ""
    sources = dict.fromkeys([source for one in request.calls for source in one.sources])
    trusts = f"; a = yes, and let {plain(', '.join(sources), 200)} say so in this conversation" if sources else ""
    return f"y = yes{every}; n = no{every if request.more else ''}{each}{trusts}"


async def _read_line(console: Console, choices: str) -> str:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()

    def take(answer: str) -> None:
        if not answered.done():  # it came too late
            answered.set_result(answer)

    def read() -> None:
        try:
            answer = console.input(Text(f"{choices}: "))
        except EOFError:
            answer = ""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(take, answer)

    # Not of the pool: nobody can end a thread that reads, and a pool would wait for it at the end
    threading.Thread(target=read, daemon=True).start()
    return await answered


def read_answer(answer: str, request: ApprovalRequest) -> list[Approval]:
    """What was typed, for each call: ``y``, ``a`` where there is a source to trust; everything else is a no.

    Of several calls ``e`` is none yet: each is asked about.
    """
    word = answer.strip().lower()
    if word in {"e", "each"} and request.more:
        return []
    always = word in {"a", "always"} and any(one.sources for one in request.calls)
    if not always and word not in {"y", "yes"}:
        return ["no" for _ in request.calls]
    return ["session" if always and one.sources else "once" for one in request.calls]


def _show(console: Console, request: ApprovalRequest) -> None:
    arguments = Table.grid(padding=(0, 1))
    for name, value in request.arguments.items():
        arguments.add_row(Text(name, "bold"), Text(plain(str(value), 1_000)))
    warnings = [
        Text(f"Beware: what {plain(tool, 100)} returned looks like an attack ({risk:.2f}).", "bold red")
        for tool, risk in request.suspects
    ]
    console.print(
        Panel(
            Group(arguments, Text(f"\nWhy: {plain(request.reason, 500)}"), *warnings, traces_table(request.traces)),
            title=Text(f"May {request.tool} run?"),
            border_style="yellow",
        )
    )

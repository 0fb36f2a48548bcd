"""``surefoot policy``: try a policy on cases, and see why a call of a run was allowed or not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from surefoot.agent import Agent
from surefoot.agent_file import load_agent, load_rules
from surefoot.commands.lineage import Recorded, name_sources, read_family
from surefoot.commands.options import (
    json_option,
    open_existing,
    print_json,
    read_settings,
    rules_option,
    run_to_end,
    within,
)
from surefoot.commands.tables import DIM, indent
from surefoot.errors import ConfigError, NotFound
from surefoot.journal.events import JournalEvent, ModelReplied, Thought
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged
from surefoot.narrator import counted, describe_arguments, describe_call, plain
from surefoot.policing import find_slips, read_rules
from surefoot.policy.cases import Declared, Tried, read_cases, try_cases
from surefoot.policy.decision import Trace, name_verdict
from surefoot.runtime import Runtime
from surefoot.sections import PolicySettings
from surefoot.terminal import open_console
from surefoot.types import ToolCall

EXIT_FAILED: Final = 1
MOST_NAMED: Final = 20
_REASON_CHARS: Final = 2_000
"""A proposal that is cut cannot be copied."""
_PLACE_CHARS: Final = 60
_VALUE_CHARS: Final = 100
_SOURCE_CHARS: Final = 120
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


class Explained(Struct, frozen=True):
    """What was decided of a call.

    Attributes:
        run: The run that it is of.
        judged: What was decided, and why.
        call: The call, None if the journal has no more of it than that.
        answered: What a person said, None if nobody was asked.
    """

    run: Recorded
    judged: CallJudged
    call: ToolCall | None
    answered: ApprovalAnswered | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be asked for by."""
        return "", self.judged.name, self.judged.call_id

    def describe(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {"run_id": self.run.row.run_id, "judged": self.judged, "answered": self.answered, "call": self.call}


@click.group()
def policy() -> None:
    """Which tool calls may run, and why."""


@policy.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--agent", "agent_name", metavar="MODULE:NAME", required=True, help="Agent whose tools the cases call.")
@rules_option
@json_option
@click.pass_context
def run_cases(
    context: click.Context, /, *, file: Path, agent_name: str, rule_names: tuple[str, ...], as_json: bool
) -> int:
    """Try the cases of FILE: what the user said, what was read, a call, and what should be decided."""
    settings = read_settings(context).policy
    with redirect_stdout(sys.stderr):  # what modules print does not mix with the table
        agent, rules = load_agent(agent_name), read_rules(settings, load_rules(rule_names))
    warn(settings, agent)
    tried = try_cases(read_cases(file), lambda name: _find_tool(agent, name), rules)
    failed = [one for one in tried if not one.ok]
    if as_json:
        print_json([_describe(one) for one in tried])
    else:
        console = open_console()
        console.print(_cases_table(tried))
        for one in failed:
            console.print(_draw_failure(one, console))
        console.print(f"\ndecided as it should be: {len(tried) - len(failed)} of {counted(len(tried), 'case')}")
    return EXIT_FAILED if failed else 0


def warn(settings: PolicySettings, agent: Agent[Any]) -> None:
    """Say what of ``[policy]`` means nothing for this agent: a slip in a name lets a tool run that was to be denied."""
    if settings.mode != "enforce":
        click.echo(f"note: policy.mode is {settings.mode!r}: runs are not held back by what is decided", err=True)
    for slip in find_slips(settings, [spec.name for spec in agent.toolbox.specs]):
        click.echo(f"note: {plain(slip.tell(agent.name), _REASON_CHARS)}", err=True)


def _describe(one: Tried) -> dict[str, Any]:
    case, decision = one.case, one.decision
    return {
        "name": case.name, "place": one.place, "expect": case.expect, "decided": name_verdict(decision),
        "rule": decision.rule, "reason": decision.reason, "traces": decision.traces, "ok": one.ok,
    }  # fmt: skip


def _cases_table(tried: Sequence[Tried]) -> Table:
    table = Table("", "case", "expected", "decided", "rule", box=None, pad_edge=False)
    for one in tried:
        verdict = name_verdict(one.decision)
        mark = Text("✓", "green") if one.ok else Text("✗", "red")
        shown = Text(verdict, _STYLES[verdict])
        table.add_row(mark, Text(plain(one.case.name)), one.case.expect, shown, one.decision.rule)
    return table


def _draw_failure(one: Tried, console: Console) -> Group:
    """A case that is decided otherwise: where it stands, the call, which rule decided, and on what."""
    call, decision = one.case.call, one.decision
    verdict = name_verdict(decision)
    head = Text(f"\n{plain(one.place)} {plain(one.case.name)!r}", "bold red")
    told = Text.assemble(
        f"{describe_arguments(call.tool, call.arguments)}\n",
        "expected ", (one.case.expect, _STYLES[one.case.expect]), ", decided ", (verdict, _STYLES[verdict]),
        f" by rule {decision.rule}: {plain(decision.reason, _REASON_CHARS)}",
    )  # fmt: skip
    return Group(head, indent(told, console), *([traces_table(decision.traces)] if decision.traces else []))


def _find_tool(agent: Agent[Any], name: str) -> Declared:
    tool = agent.toolbox.find(name)
    if tool is None:
        known = ", ".join([spec.name for spec in agent.toolbox.specs]) or "none"
        raise ConfigError(f"agent {agent.name!r} has no tool {name!r}; its tools are: {known}")
    return Declared(tool.policy, tool.label, tool.records, tool.spec.parameters, tool.decode)


@policy.command()
@click.argument("run_id", metavar="RUN")
@click.argument("call_id", metavar="[CALL]", default="")
@json_option
@click.pass_context
def explain(context: click.Context, /, *, run_id: str, call_id: str, as_json: bool) -> None:
    """Say why calls of RUN were allowed or not, and of the runs that its tools began.

    CALL is a tool's name or the id of a call; without it, all.
    """
    runtime = open_existing(read_settings(context))
    found = run_to_end(within(runtime, lambda runtime: _read_explained(runtime, run_id, call_id)))
    if as_json:
        print_json([one.describe() for one in found])
        return
    console, shown = open_console(), None
    for one in found:
        row = one.run.row
        if row.parent and row is not shown:
            console.print(Text(f"{row.run_id}  {plain(row.agent, 64)}, begun by a tool", "bold cyan"))
        shown = row
        console.print(_draw(one, console))


async def _read_explained(runtime: Runtime, run_id: str, call_id: str) -> list[Explained]:
    """What was decided of the calls of a run, and of those that its tools began."""
    family = await read_family(runtime, run_id)
    found = [explained for one in family for explained in _walk(one) if call_id in explained.names]
    if not found:
        calls = [call for one in family for call in _list_calls(one.events)]
        raise NotFound(f"run {family[0].row.run_id}: {_explain_nothing(calls, call_id)}")
    return [replace(one, judged=await name_sources(runtime, one.run, one.judged)) for one in found]


def _walk(run: Recorded) -> list[Explained]:
    """What was decided, in order; a model may give two calls the same id."""
    calls: dict[str, ToolCall] = {}
    found: list[Explained] = []
    for event in run.events:
        if isinstance(event, (ModelReplied, Thought)):
            calls.update([(call.id, call) for call in event.message.tool_calls])
        elif isinstance(event, CallJudged):
            found.append(Explained(run, event, calls.get(event.call_id)))
        elif isinstance(event, ApprovalAnswered):
            places = [place for place, one in enumerate(found) if one.judged.call_id == event.call_id]
            found[places[-1]] = replace(found[places[-1]], answered=event)
    return found


def _explain_nothing(calls: Sequence[ToolCall], call_id: str) -> str:
    """Why there is nothing to explain of a call, or of any."""
    if not calls:
        return "no tool was called"
    if call_id and not any(call_id in {call.name, call.id} for call in calls):
        known = ", ".join([f"{plain(call.name, 64)} ({plain(call.id, 64)})" for call in calls[:MOST_NAMED]])
        more = f" and {counted(len(calls) - MOST_NAMED, 'other')}" if len(calls) > MOST_NAMED else ""
        return f"there is no call {call_id!r}; its calls are {known}{more}"
    which = f" on {call_id!r}" if call_id else ""
    return (
        f"the policy had nothing to decide{which}: a read is free, and so is all before anything by others was read, "
        "or where policy.mode is off"
    )


def _list_calls(events: Sequence[JournalEvent]) -> list[ToolCall]:
    messages = [event.message for event in events if isinstance(event, (ModelReplied, Thought))]
    return list({call.id: call for message in messages for call in message.tool_calls}.values())


def _draw(one: Explained, console: Console) -> Group:
    judged, call = one.judged, one.judged.name if one.call is None else describe_call(one.call)
    verdict = Text(judged.verdict, f"bold {_STYLES[judged.verdict]}")
    said = "" if one.answered is None else f" · answered: {one.answered.answer}"
    observed = " · only observed" if judged.observed else ""
    why = plain(judged.reason, _REASON_CHARS)
    head = Text.assemble((plain(call), "bold"), (f"  {plain(judged.call_id, 64)}", DIM))
    told = Text.assemble(verdict, f" by rule {judged.rule}{said}{observed}\n{why}")
    return Group(head, indent(told, console), *([traces_table(judged.traces)] if judged.traces else []))


def traces_table(traces: tuple[Trace, ...]) -> Table:
    """Where each value of a call came from; `is_cut` tells whether something is shown only in part."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "argument", "decides", "value", "came from"):
        table.add_column(name, overflow="fold")
    for one in traces:
        mark = Text("✓", "green") if one.proven else Text("✗", "red")
        place, value, source = _cells(one)
        table.add_row(
            mark, plain(place, _PLACE_CHARS), one.kind, plain(value, _VALUE_CHARS), plain(source, _SOURCE_CHARS)
        )
    return table


def _cells(one: Trace) -> tuple[str, str, str]:
    return one.place, one.value, f"{name_origin(one)}{f': {one.source}' if one.source else ''}"


def name_origin(one: Trace) -> str:
    """Where a value came from, as people say it."""
    return _ORIGINS[one.origin]


def is_cut(one: Trace) -> bool:
    """Whether the table has not all of it."""
    most = (_PLACE_CHARS, _VALUE_CHARS, _SOURCE_CHARS)
    return any(plain(cell, chars) != cell for cell, chars in zip(_cells(one), most, strict=True))

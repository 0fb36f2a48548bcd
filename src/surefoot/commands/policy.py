"""``surefoot policy``: try a policy on cases, and see why a call of a run was allowed or not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from surefoot.agent import Agent
from surefoot.agent_file import load_agent, load_rules
from surefoot.commands.options import find_run, json_option, print_json, read_settings, rules_option, run_to_end
from surefoot.commands.tables import DIM
from surefoot.errors import ConfigError, NotFound
from surefoot.journal.events import JournalEvent, ModelReplied, Thought
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged
from surefoot.narrator import counted, describe_arguments, describe_call, plain
from surefoot.policing import read_rules
from surefoot.policy.cases import Declared, Tried, read_cases, try_cases
from surefoot.policy.decision import Trace, name_verdict
from surefoot.sections import PolicySettings
from surefoot.terminal import open_console
from surefoot.types import ToolCall

EXIT_FAILED: Final = 1
MOST_NAMED: Final = 20
_REASON_CHARS: Final = 2_000
"""A proposal that is cut cannot be copied."""
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
            console.print(_draw_failure(one))
        console.print(f"\ndecided as it should be: {len(tried) - len(failed)} of {counted(len(tried), 'case')}")
    return EXIT_FAILED if failed else 0


def warn(settings: PolicySettings, agent: Agent[Any]) -> None:
    """Say what of ``[policy]`` means nothing for this agent: a slip in a name lets a tool run that was to be denied."""
    if settings.mode != "enforce":
        click.echo(f"note: policy.mode is {settings.mode!r}: runs are not held back by what is decided", err=True)
    known = {spec.name for spec in agent.toolbox.specs}
    for name, given in (("tools", settings.tools), ("vouch", settings.vouch)):
        for tool in given:
            if tool not in known:
                click.echo(
                    f"note: policy.{name} names {plain(tool, 64)!r}: agent {agent.name!r} has no such tool", err=True
                )


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


def _draw_failure(one: Tried) -> Group:
    """A case that is decided otherwise: where it stands, the call, which rule decided, and on what."""
    call, decision = one.case.call, one.decision
    verdict = name_verdict(decision)
    head = Text.assemble(
        "\n", (f"{plain(one.place)} {plain(one.case.name)!r}", "bold red"),
        f"\n  {describe_arguments(call.tool, call.arguments)}",
        "\n  expected ", (one.case.expect, _STYLES[one.case.expect]), ", decided ", (verdict, _STYLES[verdict]),
        f" by rule {decision.rule}: {plain(decision.reason, _REASON_CHARS)}",
    )  # fmt: skip
    return Group(head, *([traces_table(decision.traces)] if decision.traces else []))


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
    """Say why calls of RUN were allowed or not. CALL is a tool's name or the id of a call; without it, all."""
    row, events = run_to_end(find_run(read_settings(context), run_id))
    calls = _find_calls(events)
    judged = [one for one in events if isinstance(one, CallJudged) and call_id in {"", one.name, one.call_id}]
    if not judged:
        raise NotFound(f"run {row.run_id}: {_explain_nothing(list(calls.values()), call_id)}")
    answers = {one.call_id: one for one in events if isinstance(one, ApprovalAnswered)}
    if as_json:
        print_json(
            [{"judged": one, "answered": answers.get(one.call_id), "call": calls.get(one.call_id)} for one in judged]
        )
        return
    console = open_console()
    for one in judged:
        call = calls.get(one.call_id)
        told = one.name if call is None else describe_call(call)
        console.print(_draw(one, answers.get(one.call_id), told))


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


def _find_calls(events: list[JournalEvent]) -> dict[str, ToolCall]:
    messages = [event.message for event in events if isinstance(event, (ModelReplied, Thought))]
    return {call.id: call for message in messages for call in message.tool_calls}


def _draw(judged: CallJudged, answered: ApprovalAnswered | None, call: str) -> Group:
    verdict = Text(judged.verdict, f"bold {_STYLES[judged.verdict]}")
    said = "" if answered is None else f" · answered: {answered.answer}"
    observed = " · only observed" if judged.observed else ""
    why = plain(judged.reason, _REASON_CHARS)
    head = Text.assemble(
        (plain(call), "bold"), (f"  {plain(judged.call_id, 64)}", DIM),
        "\n  ", verdict, f" by rule {judged.rule}{said}{observed}\n  {why}",
    )  # fmt: skip
    return Group(head, *([traces_table(judged.traces)] if judged.traces else []))


def traces_table(traces: tuple[Trace, ...]) -> Table:
    """Where each value of a call came from. Nothing of a value is cut: what is approved must be seen."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "argument", "decides", "value", "came from"):
        table.add_column(name, overflow="fold")
    for one in traces:
        mark = Text("✓", "green") if one.proven else Text("✗", "red")
        source = f"{_ORIGINS[one.origin]}{f': {one.source}' if one.source else ''}"
        table.add_row(mark, plain(one.place, 60), one.kind, plain(one.value, 100), plain(source, 120))
    return table

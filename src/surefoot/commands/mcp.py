"""``surefoot mcp``: what the tools of MCP servers say, what of it is approved, and what has changed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import click
import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from surefoot.commands.options import json_option, print_json, read_settings, run_to_end
from surefoot.commands.tables import DIM, figures_table, fitted, named
from surefoot.errors import ConfigError
from surefoot.mcp.approval import Standing
from surefoot.mcp.definition import Definition
from surefoot.mcp.lock import Lock, find_lock
from surefoot.mcp.options import check_server
from surefoot.mcp.server import McpServer
from surefoot.narrator import counted, plain
from surefoot.sections import McpSettings, McpToolSettings
from surefoot.terminal import open_console, readable

EXIT_DIFFERS: Final = 1
_STYLES: Final = {"approved": "green", "changed": "bold red", "new": "yellow", "gone": "magenta", "unusable": "red"}
_NONE: Final = "there are no servers: write [mcp.NAME] into surefoot.toml, see docs/mcp.md"
_SHOWN_THREATS: Final = 5
_WHY_CHARS: Final = 100
_PROBLEM_CHARS: Final = 2_000


@click.group()
def mcp() -> None:
    """Servers of tools: what they say of their tools, what of it is approved, and what has changed."""


@mcp.command("list")
@json_option
@click.pass_context
def list_servers(context: click.Context, /, *, as_json: bool) -> None:
    """Show the servers of the settings and their approved tools. Starts nothing."""
    settings, lock = read_settings(context).mcp, Lock(find_lock(context.obj[0]))
    for name, one in settings.items():
        check_server(name, one)
    found = [(name, one, lock.read(name)) for name, one in settings.items()]
    if as_json:
        print_json([_describe_server(*server) for server in found])
    elif not found:
        click.echo(_NONE, err=True)
    else:
        console = open_console()
        table = figures_table(["server", "tool", "effect", "trust", "sha256"], left=4)
        for name, one, approved in found:
            if approved is None:
                table.add_row(named(name), Text(f"nobody has approved it: surefoot mcp pin {name}", "yellow"))
            for tool in approved or ():
                declared = one.tools.get(tool, McpToolSettings())
                if not one.allows(tool):
                    table.add_row(named(name), Text(named(tool), DIM), Text("not allowed", DIM))
                    continue
                effect = Text(declared.effect, "green" if declared.effect == "read" else "yellow")
                assert approved is not None, "it has tools"
                table.add_row(
                    named(name), named(tool), effect, declared.output or one.trust, approved[tool].sha256[:12]
                )
        console.print(fitted(table, console))


def _describe_server(name: str, settings: McpSettings, approved: dict[str, Definition] | None) -> dict[str, Any]:
    tools = None if approved is None else {tool: one.sha256 for tool, one in approved.items()}
    return {"server": name, "command": settings.command, "url": _show_url(settings.url), "approved": tools}


def _show_url(url: str) -> str:
    """An address without a password, and without what it asks for: a key may stand there."""
    parts = urlsplit(url)
    query = "…" if parts.query else ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment=""))


@mcp.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@click.pass_context
def diff(context: click.Context, /, *, names: tuple[str, ...], as_json: bool) -> int:
    """Ask the servers (all, or those named) what their tools say now. Exit code 1 if that is not what is approved."""
    chosen = names or tuple(read_settings(context).mcp)
    seen: list[tuple[McpServer, list[Standing]]] = []
    problems: list[str] = []
    for name in chosen:  # one that is down hides nothing of the others
        try:
            server = McpServer.named(name, config=context.obj[0])
            seen.append((server, run_to_end(_look(server))))
        except ConfigError as error:
            problems.append(str(error))
    if as_json:
        print_json([{"server": server.name, "tools": [_describe(one) for one in tools]} for server, tools in seen])
    elif not chosen:
        click.echo(_NONE, err=True)
    else:
        console = open_console()
        for server, tools in seen:
            console.print(draw_standings(server, tools))
    if problems:
        for problem in problems[:-1]:
            click.echo(f"surefoot: {plain(problem, _PROBLEM_CHARS)}", err=True)
        raise ConfigError(problems[-1])
    return EXIT_DIFFERS if any(_differs(server, one) for server, tools in seen for one in tools) else 0


async def _look(server: McpServer) -> list[Standing]:
    server.hold()
    try:
        return await server.look()
    finally:
        await server.release()


def _differs(server: McpServer, standing: Standing) -> bool:
    """Whether somebody must look: a tool that the settings do not allow may say what it likes."""
    return standing.state != "approved" and server.is_allowed(standing.name)


@mcp.command()
@click.argument("name")
@click.argument("tools", metavar="[TOOL]...", nargs=-1)
@click.option("--accept", is_flag=True, help="Approve also what looks like an attack; read it first.")
@click.pass_context
def pin(context: click.Context, /, *, name: str, tools: tuple[str, ...], accept: bool) -> None:
    """Approve what the tools of server NAME say now: all of them, or the TOOLs named. Writes surefoot.mcp.lock."""
    server = McpServer.named(name, config=context.obj[0])
    seen = run_to_end(_look(server))
    known = [one.name for one in seen]
    for tool in tools:
        if tool not in known:
            raise ConfigError(f"mcp.{name}: there is no tool {tool!r}; there are: {', '.join(known) or 'none'}")
    wanted = [one for one in seen if one.state != "approved" and (one.name in tools or not tools)]
    suspicious = [one.name for one in wanted if server.is_suspicious(one)]
    console = open_console()
    console.print(draw_standings(server, wanted))
    if suspicious and not accept:
        raise ConfigError(
            f"mcp.{name}: nothing was approved: what {', '.join(suspicious)} says looks like an attack. Read it above; "
            "--accept approves it all the same, and naming other tools approves those alone"
        )
    server.approve(_settle(seen, {one.name for one in wanted}))
    if wanted:
        console.print(
            Text(f"{counted(len(wanted), 'change')} approved; commit {find_lock(context.obj[0]).name}", "green")
        )


def _settle(seen: Sequence[Standing], wanted: set[str]) -> list[Definition]:
    """What is approved afterwards: of the tools that are wanted what they say now, of the others what was approved."""
    chosen = [one.offered if one.name in wanted else one.approved for one in seen]
    return [definition for definition in chosen if definition is not None]


def _describe(standing: Standing) -> dict[str, Any]:
    return {
        "name": standing.name,
        "state": standing.state,
        "risk": standing.risk,
        "threats": [
            {"kind": threat.kind.value, "score": threat.score, "why": threat.why} for threat in standing.threats
        ],
        "why": standing.why,
        "approved": standing.approved,
        "offered": standing.offered,
    }


def draw_standings(server: McpServer, standings: Sequence[Standing]) -> RenderableType:
    """A line for each tool; what changed, word for word; what the detector sees in it."""
    parts: list[RenderableType] = [Text(plain(server.name), "bold")]
    if not standings:
        parts.append(Text("  nothing to approve", DIM))
    for one in standings:
        line = Text.assemble("  ", (f"{one.state:<9}", _STYLES[one.state]), " ", (plain(one.name), "bold"))
        if not server.is_allowed(one.name):
            line.append("  not allowed by the settings", DIM)
        if one.why:
            line.append(f"  {plain(one.why, _WHY_CHARS)}", "red")
        parts.append(line)
        if one.state in {"changed", "new"}:
            parts += _draw_change(one)
            parts += _draw_threats(server, one)
    return Group(*parts)


def _draw_change(standing: Standing) -> list[Text]:
    lines = difflib.ndiff(_lines(standing.approved), _lines(standing.offered))
    styles = {"-": "red", "+": "green", " ": DIM}
    return [Text(f"    {readable(line)}", styles[line[0]]) for line in lines if line[0] in styles]


def _lines(definition: Definition | None) -> list[str]:
    if definition is None:
        return []
    schema = msgspec.json.format(msgspec.json.encode(definition.schema, order="deterministic"), indent=2).decode()
    return [*definition.description.splitlines(), *schema.splitlines()]


def _draw_threats(server: McpServer, standing: Standing) -> list[Text]:
    if not server.is_suspicious(standing):
        return []
    surest = {(one.kind.value, one.why): one.score for one in sorted(standing.threats, key=lambda one: one.score)}
    worst = sorted(surest.items(), key=lambda one: -one[1])[:_SHOWN_THREATS]
    shown = [Text(f"    {score:.2f} {kind}: {plain(why, _WHY_CHARS)}", "red") for (kind, why), score in worst]
    return [Text(f"    looks like an attack, risk {standing.risk:.2f}:", "bold red"), *shown]

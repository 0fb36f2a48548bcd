"""``surefoot sessions``: look at conversations, export or erase what is stored of a user, delete what is old."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO, Final

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from surefoot.caller import MAX_NAME_BYTES
from surefoot.clock import SystemClock
from surefoot.commands.options import (
    CommandT,
    json_option,
    open_existing,
    print_json,
    read_settings,
    run_to_end,
    within,
    writing,
)
from surefoot.commands.tables import DIM, figures_table, fitted
from surefoot.config import Settings
from surefoot.conversations import check_user
from surefoot.durations import read_duration_s
from surefoot.errors import ConfigError, NotFound
from surefoot.narrator import counted, plain
from surefoot.runtime import Runtime
from surefoot.store.session_rows import Erased, SessionRow
from surefoot.terminal import open_console, readable
from surefoot.types import Label, Message

_SHOWN_CHARS: Final = 2_000
_STDOUT: Final = "-"
_NAME_CHARS: Final = 100
_MOST_OWNERS: Final = 10
"""So many are told apart who have a session of one name."""
_NONE: Final = "(none)"
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


def _owner_options(command: CommandT) -> CommandT:
    command = click.option("--tenant", default="", help="Customer that the user belongs to.")(command)
    return click.option("--user", required=True, help="Whose it is.")(command)


@click.group()
def sessions() -> None:
    """Look at conversations, and export or erase what is stored of a user."""


@sessions.command(name="list")
@click.option("--user", help="Only sessions of this user.")
@click.option("--tenant", help="Only sessions of this customer.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@json_option
@click.pass_context
def list_sessions(
    context: click.Context, /, *, user: str | None, tenant: str | None, limit: int, as_json: bool
) -> None:
    """List sessions, those used last first."""
    settings = read_settings(context)

    async def read(runtime: Runtime) -> Sequence[SessionRow]:
        return await runtime.sessions.list(user=user, tenant=tenant, limit=limit)

    rows = run_to_end(within(open_existing(settings), read))
    if as_json:
        print_json(rows)
    elif rows:
        console = open_console()
        console.print(fitted(_list_table(rows, SystemClock().now(), settings), console))
    elif user is not None or tenant is not None:
        whose = [f"{kind} {name!r}" for kind, name in (("user", user), ("tenant", tenant)) if name is not None]
        click.echo(f"there are no sessions of {' of '.join(whose)}", err=True)
    else:
        click.echo("there are no sessions; `surefoot run QUESTION --session NAME` begins one", err=True)


@sessions.command()
@click.argument("session")
@click.option("--user", help="Whose it is; needed only if several have one of that name.")
@click.option("--tenant", help="Customer that the user belongs to.")
@json_option
@click.pass_context
def show(context: click.Context, /, *, session: str, user: str | None, tenant: str | None, as_json: bool) -> None:
    """Show the conversation of SESSION, and who wrote what."""
    settings = read_settings(context)

    async def read(runtime: Runtime) -> tuple[SessionRow, Sequence[Message]]:
        row = await _find(runtime, session, user, tenant)
        return row, await runtime.sessions.transcript(row.session, user=row.user, tenant=row.tenant)

    row, messages = run_to_end(within(open_existing(settings), read))
    if as_json:
        print_json({"session": row, "transcript": messages})
    else:
        open_console().print(_transcript(row, messages))


@sessions.command()
@_owner_options
@click.option("--output", default=_STDOUT, metavar="FILE", help="File to write; `-`, the default, is stdout.")
@click.pass_context
def export(context: click.Context, /, *, user: str, tenant: str, output: str) -> None:
    """Write all that is stored of a user as JSON: sessions, transcripts, runs."""
    check_user("export", user, tenant)
    settings = read_settings(context)

    async def write(runtime: Runtime) -> int:
        if not await _is_known(runtime, user, tenant):
            raise NotFound(f"nothing is stored of user {plain(user, _NAME_CHARS)!r}; is the --tenant the right one?")
        if output == _STDOUT:
            return await _write_export(runtime, user, tenant, sys.stdout.buffer)
        with writing(output), Path(output).open("wb") as file:  # noqa: ASYNC230 - nothing else runs in this process
            return await _write_export(runtime, user, tenant, file)

    with open_console(stderr=True).status("exporting"):
        size = run_to_end(within(open_existing(settings), write))
    if output != _STDOUT:
        click.echo(f"wrote {output}, {counted(size, 'byte')}", err=True)


@sessions.command()
@_owner_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--compact", is_flag=True, help="Rewrite the whole file, too; nobody else writes as long as that takes.")
@json_option
@click.pass_context
def erase(context: click.Context, /, *, user: str, tenant: str, yes: bool, compact: bool, as_json: bool) -> None:
    """Erase the words and names of a user; the figures of budgets and reports stay, under a pseudonym."""
    check_user("erase", user, tenant)
    settings = read_settings(context)
    whose = f"user {plain(user, _NAME_CHARS)!r}" + (f" of {plain(tenant, _NAME_CHARS)!r}" if tenant else "")
    is_known = run_to_end(within(open_existing(settings), lambda runtime: _is_known(runtime, user, tenant)))
    if not is_known:
        click.echo(f"nothing is kept of {whose}: is the name, and the --tenant, the right one?", err=True)
    elif not yes and not _confirm(f"erase all that {whose} wrote and was answered? It cannot be undone"):
        raise ConfigError("nothing was erased")

    async def change(runtime: Runtime) -> Erased:
        return await runtime.sessions.erase(user=user, tenant=tenant, compact=compact)

    erased = Erased("", 0, 0)
    if is_known or yes:
        with open_console(stderr=True).status("erasing, and rewriting the file" if compact else "erasing"):
            erased = run_to_end(within(open_existing(settings), change))
    if as_json:
        print_json(erased)
    elif erased.sessions or erased.runs:
        gone = f"{counted(erased.sessions, 'session')} and the words of {counted(erased.runs, 'run')}"
        click.echo(f"erased {gone} of {whose}")
        if erased.runs:
            click.echo(f"their figures are those of {erased.pseudonym} now")


@sessions.command()
@click.option(
    "--older-than", metavar="TIME", help="Unused for so long: `90d`, `12h`; else `delete_after` of the settings."
)
@json_option
@click.pass_context
def purge(context: click.Context, /, *, older_than: str | None, as_json: bool) -> None:
    """Delete sessions that were not used for long, and the words of their runs; the figures stay."""
    settings = read_settings(context)
    unused_s = None if older_than is None else read_duration_s(older_than, "--older-than")

    async def change(runtime: Runtime) -> int:
        return await runtime.sessions.purge(unused_s=unused_s)

    with open_console(stderr=True).status("deleting old sessions"):
        count = run_to_end(within(open_existing(settings), change))
    if as_json:
        print_json({"sessions": count})
    else:
        click.echo(f"deleted {counted(count, 'session')} unused for {older_than or settings.sessions.delete_after}")


def _confirm(question: str) -> bool:
    nobody = ConfigError("nothing was erased: there is nobody to ask; --yes answers the question")
    if sys.stdin is None:
        raise nobody
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise nobody from None


async def _is_known(runtime: Runtime, user: str, tenant: str) -> bool:
    runs = await runtime.list_runs(user=user, tenant=tenant, limit=1)
    return bool(runs or await runtime.sessions.list(user=user, tenant=tenant, limit=1))


async def _find(runtime: Runtime, session: str, user: str | None, tenant: str | None) -> SessionRow:
    """The one session of that name."""
    found = await runtime.sessions.list(session=session, user=user, tenant=tenant, limit=_MOST_OWNERS + 1)
    if not found:
        raise NotFound(f"no session {plain(session, _NAME_CHARS)!r}; `surefoot sessions list` lists what there is")
    if len(found) > 1:
        told = " or ".join([_name_owner(row) for row in found[:_MOST_OWNERS]])
        more = " (these are the ones used last, there are more)" if len(found) > _MOST_OWNERS else ""
        raise NotFound(f"several have a session {plain(session, _NAME_CHARS)!r}: add {told}{more}")
    return found[0]


def _name_owner(row: SessionRow) -> str:
    """The options that name whose it is, to be copied."""
    user, tenant = [shlex.quote(plain(name, MAX_NAME_BYTES)) for name in (row.user, row.tenant)]
    return f"--user {user} --tenant {tenant}"


def _owner(row: SessionRow) -> str:
    return f"user {plain(row.user, _NAME_CHARS)!r}" + (f" of {plain(row.tenant, _NAME_CHARS)!r}" if row.tenant else "")


async def _write_export(runtime: Runtime, user: str, tenant: str, file: BinaryIO) -> int:
    size = 0
    async with aclosing(runtime.sessions.export(user=user, tenant=tenant)) as pieces:
        async for piece in pieces:
            size += file.write(piece)
    file.flush()
    return size


def _list_table(rows: Sequence[SessionRow], now: float, settings: Settings) -> Table:
    expire_s = read_duration_s(settings.sessions.expire_after, "sessions.expire_after")
    table = figures_table(["session", "user", "tenant", "state", "used", "turns"], left=4)
    for row in rows:
        idle_s = now - row.used_at
        state = (
            Text("run under way", "green") if row.live else Text("expired", DIM) if idle_s > expire_s else Text("idle")
        )
        names = [plain(name, MAX_NAME_BYTES) or _NONE for name in (row.session, row.user, row.tenant)]  # never cut
        table.add_row(*names, state, f"{_ago(idle_s)} ago", f"{row.turns:,}")
    return table


def _ago(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.0f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:.0f} d"


_ROLES: Final = {"user": "bold cyan", "assistant": "bold green", "tool": "bold yellow", "system": "bold"}


def _transcript(row: SessionRow, messages: Sequence[Message]) -> RenderableType:
    told = f"{plain(row.session, _NAME_CHARS)}  {_owner(row)}, {counted(row.turns, 'turn')}"
    lines: list[RenderableType] = [Text(f"{told}, a run is under way" if row.live else told)]
    if not messages:
        lines.append(Text("nothing was said yet", DIM))
    for message in messages:
        asked = [plain(f"{call.name} {call.arguments}", _SHOWN_CHARS) for call in message.tool_calls]
        lines += [Text.assemble(("\ncalls ", DIM), call) for call in asked]
        for part in message.parts:
            head = Text.assemble("\n", (message.role, _ROLES[message.role]), (f"  {_tell(part.label)}", DIM))
            lines += [head, Text(readable(part.text[:_SHOWN_CHARS]))]
    return Group(*lines)


def _tell(label: Label) -> str:
    source = f" ({plain(label.source, _NAME_CHARS)})" if label.source else ""
    return f"written by: {label.author}{source}, {'trusted' if label.trusted else 'not trusted'}"

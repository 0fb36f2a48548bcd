"""The command line: ``surefoot COMMAND``, each of which stands in `commands`.

Exit codes: 0 done; 1 the run failed inside Surefoot, the provider stopped or cut the answer, or the output cannot
be written; 2 the command, settings or agent are wrong; 3 a limit ended the run (the answer so far is printed); 4 the
model's provider failed; 5 the answer never matched its type; 6 the database cannot be used; 7 too many requests, come
back later; 130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import asyncio
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing, redirect_stdout
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click

from surefoot import __version__, exits
from surefoot.agent import Agent
from surefoot.agent_file import load_agent, load_rules
from surefoot.budget.limits import Limits, read_limits
from surefoot.caller import Caller
from surefoot.clock import SystemClock
from surefoot.commands.asking import Asker
from surefoot.commands.attack import attack
from surefoot.commands.budget import budget
from surefoot.commands.compare import compare
from surefoot.commands.forecast import forecast
from surefoot.commands.guard import guard
from surefoot.commands.lineage import WithChildren, draw_children, read_with_children
from surefoot.commands.mcp import mcp
from surefoot.commands.options import (
    json_option,
    open_existing,
    point_to,
    print_json,
    read_settings,
    read_stdin,
    rules_option,
    run_to_end,
    within,
)
from surefoot.commands.policy import policy
from surefoot.commands.prices import prices
from surefoot.commands.report import report
from surefoot.commands.sessions import sessions
from surefoot.commands.sim import sim
from surefoot.commands.spans import read_zone_of
from surefoot.commands.stress import stress
from surefoot.commands.unknown import purge, refund, unknown
from surefoot.config import Settings
from surefoot.errors import ConfigError, SurefootError
from surefoot.journal.events import RunFinished
from surefoot.narrator import plain
from surefoot.policy.approval import Approval, ApprovalRequest
from surefoot.policy.decide import Rule
from surefoot.runtime import Runtime
from surefoot.sections import OnBusy
from surefoot.store.base import RunRow
from surefoot.terminal import RunView, explain_no_runs, open_console, readable, runs_table, timeline

ERROR_CHARS: Final = 2_000

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; an error is one line on stderr."""
    _mend_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = commands.main(arguments or ["--help"], "surefoot", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)  # the help as it is, not an error in one line
        code = error.exit_code
    except click.UsageError as error:
        told = error.format_message().rstrip(".")
        where = f"see {error.ctx.command_path} --help" if error.ctx is not None else ""
        code = _complain(f"{told} ({where})" if told.endswith(("?", ")")) else f"{told}; {where}", error.exit_code)
    except SurefootError as error:
        code = _complain(str(error), error.exit_code)
    except click.Abort:
        code = _complain("interrupted", exits.INTERRUPTED)
    except asyncio.CancelledError:
        code = _complain("terminated", exits.TERMINATED)
    except OSError as error:  # a broken pipe is click's: it exits with 1
        code = _complain(f"{error.filename or 'the output'}: {error.strerror or error}", exits.STOPPED)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter would try, and fail, once more
    sys.exit(code)


def _mend_streams() -> None:
    """Make the standard streams safe to use: there, and able to take any text."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a closed standard stream: its number must not go to a socket
    os.close(spare)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for the whole process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows "?" where it must


def _complain(message: str, code: int) -> int:
    click.echo(f"surefoot: {plain(message, ERROR_CHARS)}", err=True)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="surefoot")
@click.option(
    "--config", metavar="FILE", type=click.Path(path_type=Path), help="Settings file instead of surefoot.toml."
)
@click.option(
    "--store", metavar="FILE", type=click.Path(path_type=Path), help="Database file instead of the settings'."
)
@click.pass_context
def commands(context: click.Context, /, *, config: Path | None, store: Path | None) -> None:
    """Run ReAct agents inside hard budgets, and look at what they did."""
    context.obj = config, store


@commands.command()
@click.argument("question")
@click.option("--agent", "agent_name", metavar="MODULE:NAME", help="Agent object to run; else one without tools.")
@click.option("--model", metavar="PROVIDER:NAME", help="Model instead of the agent's.")
@click.option("--base-url", metavar="URL", help="Root of the model's API, for any OpenAI-compatible endpoint.")
@click.option("--protocol", type=click.Choice(["auto", "native", "json", "text"]), help="How the model speaks ReAct.")
@click.option("--usd", help="Limit in US dollars, or `unlimited`.")
@click.option("--tokens", help="Limit on tokens, or `unlimited`.")
@click.option("--steps", help="Limit on steps, or `unlimited`.")
@click.option("--seconds", help="Limit on seconds, or `unlimited`.")
@click.option("--user", default="", help="Whose run it is.")
@click.option("--session", default="", help="Conversation to begin or to continue.")
@click.option("--tenant", default="", help="Customer that the user belongs to.")
@rules_option
@click.option("--on-busy", type=click.Choice(get_args(OnBusy)), help="What to do while the session has another run.")
@click.option("--quiet", is_flag=True, help="Show no steps.")
@json_option
@click.pass_context
def run(
    context: click.Context,
    /,
    *,
    question: str,
    agent_name: str | None,
    model: str | None,
    base_url: str | None,
    protocol: str | None,
    user: str,
    session: str,
    tenant: str,
    on_busy: OnBusy | None,
    rule_names: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    **limits: str | None,
) -> int:
    """Run an agent on QUESTION (`-` reads it from stdin): steps on stderr, the answer on stdout."""
    settings = read_settings(context)
    with redirect_stdout(sys.stderr):  # what modules and tools print does not mix with the answer
        agent, rules = _make_agent(settings, agent_name, model, protocol), load_rules(rule_names)
    if base_url is not None:
        settings = point_to(settings, agent, base_url)
    if question == "-":
        question = read_stdin().decode(errors="replace")
    if not question.strip():
        raise ConfigError("the question is empty")
    given = {name: _read_limit(name, value) for name, value in limits.items() if value is not None}
    allowed = _change_limits(agent.limits or read_limits(settings.limits, "[limits]"), given)
    who = Caller(user, session, tenant)
    if on_busy is not None and not session:
        raise ConfigError(f"--on-busy {on_busy}: is about a session; name it with --session")
    finished = run_to_end(
        _watch(settings, agent, question, allowed, who, rules=rules, on_busy=on_busy, quiet=quiet, as_json=as_json)
    )
    if not as_json:
        click.echo(readable(finished.output) if sys.stdout.isatty() else finished.output.encode(errors="replace"))
    return exits.BY_STOP_REASON[finished.stop_reason]


async def _watch(
    settings: Settings,
    agent: Agent[Any],
    question: str,
    limits: Limits,
    who: Caller,
    *,
    rules: Sequence[Rule],
    on_busy: OnBusy | None,
    quiet: bool,
    as_json: bool,
) -> RunFinished:
    console = open_console(stderr=True, quiet=quiet)
    loads = isinstance(agent.model, str) and agent.model.startswith("local:")
    view = RunView(console, SystemClock(), doing="loading the embedded model" if loads else "getting ready")

    asker, asking = Asker(console, keyboard=0), asyncio.Lock()

    async def approve(request: ApprovalRequest) -> list[Approval]:
        async with asking:  # runs that tools of one reply began may ask at once
            with view.paused():
                return await asker.ask(request)

    asks = approve if sys.stdin is not None and sys.stdin.isatty() and console.is_terminal else None
    async with Runtime(settings=settings, progress=view.progress, approve=asks, policy=rules) as runtime:
        try:
            with redirect_stdout(sys.stderr), view:
                names = {"user": who.user, "session": who.session, "tenant": who.tenant}
                stream = runtime.stream(agent, question, limits=limits, on_busy=on_busy, **names)
                async with aclosing(stream) as events:
                    async for event in events:
                        view.show(event)
        except asyncio.CancelledError:
            if view.state.started is not None:
                console.print(f"cancelled; what was in flight is settled: surefoot show {view.state.started.run_id}")
            raise
        finally:
            if as_json and view.state.started is not None:
                print_json(_describe_run(await read_with_children(runtime, view.state.started.run_id)))
    assert view.state.finished is not None, "a stream that did not raise has ended"
    return view.state.finished


def _describe_run(found: WithChildren) -> dict[str, Any]:
    run, children = found
    return {"run": run[0], "events": run[1], "children": children}


@commands.command()
@click.option("--user", help="Only runs of this user.")
@click.option("--session", help="Only runs of this session.")
@click.option("--tenant", help="Only runs of this customer.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@json_option
@click.pass_context
def runs(context: click.Context, /, *, limit: int, as_json: bool, **owners: str | None) -> None:
    """List runs, newest first."""
    settings = read_settings(context)

    async def read() -> tuple[Sequence[RunRow], str]:
        async with open_existing(settings) as runtime:
            rows = await runtime.list_runs(limit=limit, **owners)
            return rows, "" if rows else await explain_no_runs(runtime, **owners)

    rows, why = run_to_end(read())
    if as_json:
        print_json(rows)
    elif rows:
        console = open_console()
        console.print(runs_table(rows, console, read_zone_of(settings)))
    else:
        click.echo(why, err=True)


@commands.command()
@click.argument("run_id", metavar="RUN")
@json_option
@click.pass_context
def show(context: click.Context, /, *, run_id: str, as_json: bool) -> None:
    """Show a run step by step. RUN is an id, the beginning of one, or `last`."""
    settings = read_settings(context)
    found = run_to_end(within(open_existing(settings), lambda runtime: read_with_children(runtime, run_id)))
    if as_json:
        print_json(_describe_run(found))
    else:
        run, children = found
        console = open_console()
        console.print(timeline(*run, console, read_zone_of(settings)))
        if children:
            console.print(draw_children(children, console))


@commands.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def init(*, folder: Path, force: bool) -> None:
    """Write a commented surefoot.toml and an agent to start from into FOLDER."""
    templates = Path(__file__).parent / "scaffold"
    names = ("surefoot.toml", "agent.py")
    try:
        there = [name for name in names if (folder / name).exists()]
        if there and not force:
            raise ConfigError(f"{folder / there[0]} is there already: nothing was written; --force overwrites it")
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes((templates / name).read_bytes())
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: cannot be written: {error.strerror}") from None
    for name in names:
        click.echo(f"wrote {folder / name}")
    where = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f'next: {where}surefoot run "Where is order 4711?" --agent agent:agent')
    click.echo("its model is the embedded one, pip install 'surefoot[local]'; --model openai:gpt-4.1 takes another")


@commands.command()
@click.option("--all", "all_tasks", is_flag=True, help="Run all twelve tasks and score them.")
@json_option
@click.pass_context
def demo(context: click.Context, /, *, all_tasks: bool, as_json: bool) -> int:
    """See a real language model solve real tasks with tools, inside a budget. Needs no key."""
    from surefoot.demo.show import run_demo  # brings the tasks: only for this command

    failed = run_to_end(run_demo(read_settings(context), all_tasks=all_tasks, as_json=as_json))
    return exits.STOPPED if failed else 0


def _make_agent(settings: Settings, name: str | None, model: str | None, protocol: str | None) -> Agent[Any]:
    agent = Agent(settings.model, name="cli") if name is None else load_agent(name)
    if model is None and protocol is None:
        return agent
    if model is not None and ":" not in model:
        model = "local:" if model == "local" else f"openai:{model}"
    return agent.replace(model=model or agent.model, protocol=protocol or agent.protocol)


def _change_limits(limits: Limits, given: dict[str, int | float | str]) -> Limits:
    for name, value in given.items():
        table = limits.to_table()
        if not isinstance(table["usd"], str):
            table["usd"] = f"{table['usd']}e-9"
        limits = read_limits({**table, name: value}, f"--{name}")
    return limits


def _read_limit(name: str, value: str) -> int | float | str:
    if value == "unlimited" or name == "usd":
        return value
    try:
        return float(value) if name == "seconds" else int(value)
    except ValueError:
        kind = "number" if name == "seconds" else "whole number"
        raise ConfigError(f"--{name} {plain(value, 40)!r}: must be a {kind}, or `unlimited`") from None


for command in (sessions, budget, report, compare, forecast, prices, policy, guard, attack, mcp, sim, stress):
    commands.add_command(command)
for command in (unknown, refund, purge):
    budget.add_command(command)

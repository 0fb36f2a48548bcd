"""The command line: ``surefoot demo | run | runs | show | init``.

Exit codes: 0 done; 1 the run failed inside Surefoot or was stopped by the provider (content filter, refusal); 2 the command,
settings or agent are wrong; 3 a limit ended the run (the answer so far is printed); 4 the model's provider failed; 5 the answer never
matched its type; 6 the database cannot be used; 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console

from surefoot import __version__
from surefoot.agent import Agent
from surefoot.budget.limits import Limits, read_limits
from surefoot.config import KNOWN_PROVIDERS, Provider, Settings, StoreSettings, load_settings
from surefoot.errors import ConfigError, NotFound, SurefootError
from surefoot.event_loop import run_in_loop
from surefoot.journal.events import RunFinished, RunStarted
from surefoot.models.registry import split_model
from surefoot.runtime import Runtime
from surefoot.terminal import RunView, runs_table, timeline

EXIT_STOPPED: Final = 1
EXIT_BUDGET: Final = 3
EXIT_INTERRUPTED: Final = 130
_EXIT_BY_STOP: Final = {"budget": EXIT_BUDGET, "content_filter": EXIT_STOPPED, "refusal": EXIT_STOPPED}

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; an error is one line on stderr."""
    try:
        commands.main(arguments, standalone_mode=False)
        code = 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except SurefootError as error:
        click.echo(f"surefoot: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("surefoot: interrupted; what was in flight is settled and journaled", err=True)
        code = EXIT_INTERRUPTED
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        code = 0
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="surefoot")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file instead of surefoot.toml.")
@click.option("--store", type=click.Path(path_type=Path), help="Database file instead of the settings'.")
@click.pass_context
def commands(context: click.Context, config: Path | None, store: Path | None) -> None:
    """Run ReAct agents inside hard budgets, and look at what they did."""
    context.obj = config, store


def _read_settings(context: click.Context) -> Settings:
    config, store = context.obj
    settings = load_settings(config)
    if store is not None:
        kept = settings.store
        settings = replace(settings, store=StoreSettings(str(store), kept.durability, kept.lease_s))
    return settings


def _json_option(command: CommandT) -> CommandT:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead.")(command)


@commands.command()
@click.argument("question")
@click.option("--agent", "agent_name", metavar="MODULE:NAME", help="Agent object to run; else one without tools.")
@click.option("--model", metavar="PROVIDER:NAME", help="Model instead of the agent's.")
@click.option("--base-url", help="Root of the model's API, for any OpenAI-compatible endpoint.")
@click.option("--protocol", type=click.Choice(["auto", "native", "json", "text"]), help="How the model speaks ReAct.")
@click.option("--usd", help="Limit in US dollars, or `unlimited`.")
@click.option("--tokens", help="Limit on tokens, or `unlimited`.")
@click.option("--steps", help="Limit on steps, or `unlimited`.")
@click.option("--seconds", help="Limit on seconds, or `unlimited`.")
@click.option("--user", default="", help="Whose run it is.")
@click.option("--session", default="", help="Conversation to begin or to continue.")
@click.option("--quiet", is_flag=True, help="Print the answer only.")
@_json_option
@click.pass_context
def run(
    context: click.Context,
    question: str,
    agent_name: str | None,
    model: str | None,
    base_url: str | None,
    protocol: str | None,
    user: str,
    session: str,
    quiet: bool,  # noqa: FBT001 - click passes flags by name
    as_json: bool,  # noqa: FBT001
    **limits: str | None,
) -> None:
    """Run an agent on QUESTION: steps on stderr, the answer on stdout."""
    settings = _read_settings(context)
    agent = _make_agent(settings, agent_name, model, protocol)
    if base_url is not None:
        settings = _point_to(settings, agent, base_url)
    given = {name: _read_limit(name, value) for name, value in limits.items() if value is not None}
    agent_limits = (agent.limits or read_limits(settings.limits, "[limits]")).to_table()
    changed = read_limits({**agent_limits, "usd": _in_usd(agent_limits["usd"]), **given}, "command line")
    finished, run_id = _run(_watch(settings, agent, question, changed, user, session, quiet=quiet or as_json))
    if as_json:
        click.echo(_run(_show(settings, run_id, as_json=True)))
    else:
        click.echo(finished.output)
    context.exit(_EXIT_BY_STOP.get(finished.stop_reason, 0))


async def _watch(
    settings: Settings, agent: Agent[Any], question: str, limits: Limits, user: str, session: str, *, quiet: bool
) -> tuple[RunFinished, str]:
    console = Console(stderr=True, quiet=quiet)
    run_id = ""
    finished = RunFinished(at=0, stop_reason="cancelled")
    async with Runtime(settings=settings) as runtime:
        with RunView(console) as view:
            stream = runtime.stream(agent, question, user=user, session=session, limits=limits)
            async with aclosing(stream) as events:
                async for event in events:
                    view.show(event)
                    if isinstance(event, RunStarted):
                        run_id = event.run_id
                    elif isinstance(event, RunFinished):
                        finished = event
    return finished, run_id


@commands.command()
@click.option("--user", help="Only runs of this user.")
@click.option("--session", help="Only runs of this session.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@_json_option
@click.pass_context
def runs(context: click.Context, user: str | None, session: str | None, limit: int, as_json: bool) -> None:  # noqa: FBT001
    """List runs, newest first."""
    settings = _read_settings(context)

    async def read() -> Any:
        async with _existing(settings) as runtime:
            return await runtime.list_runs(user=user, session=session, limit=limit)

    rows = _run(read())
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
    elif rows:
        Console().print(runs_table(rows))
    else:
        click.echo("no runs yet: surefoot run \"...\" makes one", err=True)


@commands.command()
@click.argument("run_id", metavar="RUN")
@_json_option
@click.pass_context
def show(context: click.Context, run_id: str, as_json: bool) -> None:  # noqa: FBT001
    """Show a run step by step. RUN is an id, the beginning of one, or `last`."""
    shown = _run(_show(_read_settings(context), run_id, as_json=as_json))
    if as_json:
        click.echo(shown)
    else:
        Console().print(shown)


async def _show(settings: Settings, run_id: str, *, as_json: bool) -> Any:
    async with _existing(settings) as runtime:
        if run_id == "last":
            rows = await runtime.list_runs(limit=1)
            if not rows:
                raise NotFound("there are no runs yet")
            run_id = rows[0].run_id
        row, events = await runtime.read_run(run_id)
    if as_json:
        return msgspec.json.encode({"run": row, "events": events}).decode()
    return timeline(row, events)


def _existing(settings: Settings) -> Runtime:
    path = Path(settings.store.path)
    if not path.exists():
        raise NotFound(f"{path}: there is no such database yet; `surefoot run` makes it, --store names another")
    return Runtime(settings=settings)


@commands.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def init(folder: Path, force: bool) -> None:  # noqa: FBT001
    """Write a commented surefoot.toml and an agent to start from into FOLDER."""
    templates = Path(__file__).parent / "scaffold"
    names = ("surefoot.toml", "agent.py")
    there = [name for name in names if (folder / name).exists()]
    if there and not force:
        raise ConfigError(f"{folder / there[0]} is there already: nothing was written; --force overwrites it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes((templates / name).read_bytes())
            click.echo(f"wrote {folder / name}")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None
    click.echo('next: surefoot run "Where is order 4711?" --agent agent:agent')


@commands.command()
@click.option("--all", "all_tasks", is_flag=True, help="Run all twelve tasks and score them.")
@_json_option
@click.pass_context
def demo(context: click.Context, all_tasks: bool, as_json: bool) -> None:  # noqa: FBT001
    """See a real language model solve real tasks with tools, inside a budget. Needs no key."""
    from surefoot.demo.show import run_demo  # brings the tasks: only for this command

    settings = _read_settings(context)
    failed = _run(run_demo(settings, all_tasks=all_tasks, as_json=as_json))
    context.exit(EXIT_STOPPED if failed else 0)


def _make_agent(settings: Settings, name: str | None, model: str | None, protocol: str | None) -> Agent[Any]:
    agent = Agent(settings.model, name="cli") if name is None else _load_agent(name)
    if model is None and protocol is None:
        return agent
    if model is not None and ":" not in model:
        model = f"openai:{model}"
    return agent.replace(model=model or agent.model, protocol=protocol or agent.protocol)


def _load_agent(name: str) -> Agent[Any]:
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError(f"--agent {name!r}: must be written module:name, for example agent:agent")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except SurefootError:
        raise
    except Exception as error:  # noqa: BLE001 - a module of the user may raise anything
        raise ConfigError(f"--agent {name!r}: cannot import {module_name}: {type(error).__name__}: {error}") from error
    agent = getattr(module, attribute, None)
    if not isinstance(agent, Agent):
        what = "has no such name" if agent is None else f"is a {type(agent).__name__}, not an Agent"
        raise ConfigError(f"--agent {name!r}: {attribute} of {module_name} {what}")
    return agent


def _point_to(settings: Settings, agent: Agent[Any], base_url: str) -> Settings:
    """The settings with another address for the agent's provider; its key is used if it is set."""
    if not isinstance(agent.model, str):
        raise ConfigError("--base-url: the agent brings a model object of its own; give --model too")
    name, _ = split_model(agent.model)
    if name == "local":
        raise ConfigError("--base-url: `local:` is the embedded model; name the model of the endpoint with --model")
    provider = settings.provider(name) or Provider(base_url)
    moved = replace(provider, base_url=base_url, needs_key=False, free=provider.free and name in settings.providers)
    return replace(settings, providers={**KNOWN_PROVIDERS, **settings.providers, name: moved})


def _read_limit(name: str, value: str) -> int | float | str:
    if value == "unlimited" or name == "usd":
        return value
    try:
        return float(value) if name == "seconds" else int(value)
    except ValueError:
        raise ConfigError(f"--{name} {value!r}: must be a number, or `unlimited`") from None


def _in_usd(nano: int | float | str) -> str:
    return nano if isinstance(nano, str) else f"{int(nano)}e-9"


def _run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    async def main() -> ResultT:
        return await work

    return run_in_loop(main)

"""What the commands share: settings, the options that several have, and how they run and print."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from msgspec.structs import replace

from surefoot.agent import Agent
from surefoot.config import Settings, load_settings
from surefoot.errors import ConfigError, NotFound
from surefoot.event_loop import run_in_loop
from surefoot.journal.events import JournalEvent
from surefoot.models.registry import split_model
from surefoot.providers import KNOWN_PROVIDERS, Provider
from surefoot.runtime import Runtime
from surefoot.sections import StoreSettings
from surefoot.store.base import RunRow

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def read_settings(context: click.Context) -> Settings:
    """The settings that ``--config`` and ``--store`` name.

    Raises:
        ConfigError: They are wrong.
    """
    config, store = context.obj
    settings = load_settings(config)
    if store is not None:
        kept = settings.store
        settings = replace(settings, store=StoreSettings(str(store), kept.durability, kept.lease_s))
    return settings


class FloatRange(click.FloatRange):
    """As click's, which lets NaN pass: it is neither below nor above anything."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; fails for what is none, or out of the range."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


def json_option(command: CommandT) -> CommandT:
    """The option ``--json``, given to the command as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead.")(command)


def rules_option(command: CommandT) -> CommandT:
    """The option ``--rules``, given to the command as ``rule_names``; see `surefoot.agent_file.load_rules`."""
    told = "Rules of your own, functions of Python or a list of them, asked as Runtime(policy=...) asks them."
    return click.option("--rules", "rule_names", metavar="MODULE:NAME", multiple=True, help=told)(command)


def read_stdin(most_bytes: int = -1) -> bytes:
    """What stands on stdin, at most so many bytes of it; -1 is all.

    Raises:
        ConfigError: It is closed. That is no empty text, which a program might take for a harmless one.
    """
    if sys.stdin is None:
        raise ConfigError("-: stdin is closed; give it a text, or name a file")
    return sys.stdin.buffer.read(most_bytes)


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    click.echo(msgspec.json.encode(value))  # bytes: JSON is UTF-8, whatever the terminal is


@contextmanager
def writing(path: Path | str) -> Generator[None]:
    """Whatever goes wrong with the output is said of ``path``: a disk that is full does not say where."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def point_to(settings: Settings, agent: Agent[Any], base_url: str, *, send_key: bool = True) -> Settings:
    """The settings with another address for the agent's provider; its key is used if it is set.

    Raises:
        ConfigError: The agent's model has no provider with an address.
    """
    if not isinstance(agent.model, str):
        raise ConfigError("--base-url: the agent brings a model object of its own; give --model too")
    name, _ = split_model(agent.model)
    if name == "local":
        raise ConfigError("--base-url: `local:` is the embedded model; name the model of the endpoint with --model")
    provider = settings.provider(name) or Provider(base_url)
    moved = replace(provider, base_url=base_url, needs_key=False, free=provider.free and name in settings.providers)
    moved = moved if send_key else replace(moved, api_key_env="")
    return replace(settings, providers={**KNOWN_PROVIDERS, **settings.providers, name: moved})


def open_existing(settings: Settings) -> Runtime:
    """A runtime over a database that is there already.

    Raises:
        NotFound: There is none.
    """
    runtime = Runtime(settings=settings)  # refuses what is no path, without repeating it
    path = Path(settings.store.path)
    if not path.exists():
        raise NotFound(f"{path}: there is no such database yet; `surefoot run` makes it, --store names another")
    return runtime


async def pick_run(runtime: Runtime, run_id: str) -> tuple[RunRow, list[JournalEvent]]:
    """A run and its events, by its id, the beginning of one, or ``last``.

    Raises:
        NotFound: There is no such run, or several begin so.
    """
    rows = await runtime.list_runs(limit=1) if run_id == "last" else ()
    if run_id == "last" and not rows:
        raise NotFound("there are no runs yet")
    return await runtime.read_run(rows[0].run_id if rows else run_id)


def run_to_end(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What ``work`` returns, run in an event loop of its own; SIGTERM cancels it as Ctrl-C does."""

    async def main() -> ResultT:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # as Ctrl-C: settle, then end
        return await work

    return run_in_loop(main)


async def within(runtime: Runtime, work: Callable[[Runtime], Awaitable[ResultT]]) -> ResultT:
    """What ``work`` gives with an open runtime."""
    async with runtime:
        return await work(runtime)

"""``surefoot sim``: a day of traffic in virtual time, what it costs, and where it breaks."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import replace

from surefoot.commands.options import json_option, open_existing, print_json, read_settings, run_to_end
from surefoot.commands.progress import show_progress
from surefoot.commands.sim_view import draw_breaches, draw_loads, draw_report
from surefoot.config import Settings, convert_settings
from surefoot.errors import ConfigError, NotFound
from surefoot.sections import StoreSettings
from surefoot.terminal import open_console

EXIT_BROKEN: Final = 1
CASE_NAME: Final = "surefoot-sim-case.json"
EXAMPLE_NAME: Final = "world.toml"


@click.command()
@click.argument("world_file", metavar="[WORLD]", required=False, type=click.Path(path_type=Path))
@click.option("--requests", type=int, help="Questions in all.")
@click.option("--users", type=int, help="People who may ask.")
@click.option("--hours", type=float, help="Within how many hours they are asked.")
@click.option("--seed", type=int, help="Of all chance.")
@click.option("--arrivals", "pattern", type=click.Choice(["daily", "poisson", "burst"]), help="When people ask.")
@click.option("--model", metavar="PROVIDER:NAME", help="Whose price and provider's settings apply.")
@click.option("--latency", "latency_s", type=float, metavar="SECONDS", help="Median seconds of a reply.")
@click.option("--crashes", type=int, help="How often the process is killed.")
@click.option(
    "--from",
    "recorded",
    type=click.Path(path_type=Path),
    metavar="DB",
    help="Learn the model and tool from recorded runs.",
)
@click.option("--sweep", is_flag=True, help="Double the load until the targets are missed.")
@click.option("--replay", type=click.Path(path_type=Path), metavar="CASE", help="Play a saved case again.")
@click.option(
    "--save",
    "case_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=CASE_NAME,
    show_default=True,
    help="Where a case that breaks a promise is saved.",
)
@click.option("--init", "write_example", is_flag=True, help=f"Write a commented {EXAMPLE_NAME} to start from.")
@json_option
@click.pass_context
def sim(
    context: click.Context,
    /,
    *,
    world_file: Path | None,
    recorded: Path | None,
    sweep: bool,
    replay: Path | None,
    case_file: Path,
    write_example: bool,
    as_json: bool,
    **changes: Any,
) -> int:
    """Let a day of traffic happen to a real runtime, in virtual time: what does it cost, and where does it break?

    WORLD is a TOML file, see --init; without one it is 10,000 requests of 10,000 users in a day. Limits, retries and
    prices are those of the settings. Exit code 1: a promise was broken; it is shrunk and saved, to be replayed.
    """
    if not case_file.parent.is_dir():
        raise ConfigError(f"--save {case_file}: its directory does not exist; create {case_file.parent}")
    for alone, allowed in _ALONE.items():
        _refuse_others(context, alone, allowed)
    if write_example:
        return _write_example(world_file or Path(EXAMPLE_NAME))
    from surefoot.testing import simulation  # brings the runtime's own parts: only for this command

    settings = read_settings(context)
    if replay is not None:
        case = simulation.read_case(replay)
    else:
        world, table = simulation.World(), dict[str, Any]()
        if world_file is not None:
            world, table = simulation.read_world(world_file)
        settings = change_settings(settings, table, world_file)
        if recorded is not None and not recorded.exists():
            raise NotFound(f"--from {recorded}: there is no such database")
        if recorded is not None:
            world = run_to_end(_learn(world, recorded))
        case = simulation.make_case(change_world(world, changes), settings)
    with _without_warnings():
        return _sweep(case, as_json=as_json) if sweep else _play(case, case_file, as_json=as_json)


_ALONE: Final = {"write_example": {"world_file"}, "replay": {"case_file", "as_json"}}
"""What takes no other options than these: the figures of a case are those with which it was saved."""


def _refuse_others(context: click.Context, alone: str, allowed: set[str]) -> None:
    """An option that would do nothing is a mistake."""
    if not context.params[alone]:
        return
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE
        if given and option.name != alone and option.name not in allowed:
            name = option.human_readable_name if isinstance(option, click.Argument) else option.opts[0]
            beside = "init" if alone == "write_example" else alone
            raise ConfigError(f"{name} does nothing beside --{beside}; leave it out")


def _play(case: Any, case_file: Path, *, as_json: bool) -> int:
    from surefoot.testing import simulation

    with show_progress("simulating") as told:
        report = simulation.play_case(case, told)
    if as_json:
        print_json(report)
    else:
        console = open_console()
        console.print(draw_report(report, case.world, console))
    if not report.breaches:
        return 0
    with show_progress("shrinking") as told:
        small = simulation.shrink_case(case, told)
    simulation.write_case(small, case_file)
    open_console(stderr=True).print(draw_breaches(simulation.play_case(small), small, case_file))
    return EXIT_BROKEN


async def _learn(world: Any, path: Path) -> Any:
    from surefoot.testing.simulation.recorded import learn

    async with open_existing(Settings(store=StoreSettings(str(path)))) as runtime:
        return await learn(world, runtime)


def _sweep(case: Any, *, as_json: bool) -> int:
    from surefoot.testing import simulation

    console = open_console(stderr=True)
    with console.status("") if console.is_terminal else _nothing() as status:

        def tell(factor: float) -> None:
            if status is not None:
                status.update(f"{factor:.2f} times the load of the busiest hour")

        loads = simulation.find_breaking_point(case.world, case.settings, progress=tell)
    if as_json:
        print_json(loads)
    else:
        console = open_console()
        console.print(draw_loads(loads, console))
    return EXIT_BROKEN if any(load.report.breaches for load in loads) else 0


@contextmanager
def _without_warnings() -> Generator[None]:
    """What the runtime warns of in a simulated world is in the report; hundreds of lines would hide it."""
    logger = logging.getLogger("surefoot")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _nothing() -> Generator[None]:
    yield None


def change_world(world: Any, changes: dict[str, Any]) -> Any:
    """The world with what the command line says.

    Raises:
        ConfigError: A figure is out of range.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    for section, names in _SECTIONS.items():
        inner = {names[name]: given.pop(name) for name in names if name in given}
        if inner:
            given[section] = replace(getattr(world, section), **inner)
    return replace(world, **given)


_SECTIONS: Final = {
    "arrivals": {"pattern": "pattern"},
    "model": {"model": "id", "latency_s": "latency_s"},
    "faults": {"crashes": "crashes"},
}


def change_settings(settings: Settings, table: dict[str, Any], path: Path | None) -> Settings:
    """The settings with ``[settings]`` of a world's file: each of its sections goes before the whole section.

    Raises:
        ConfigError: It is wrong.
    """
    given = convert_settings(table, f"{path}: [settings]")
    return replace(settings, **{name: getattr(given, name) for name in table})


def _write_example(path: Path) -> int:
    example = Path(__file__).parent.parent / "scaffold" / EXAMPLE_NAME
    if path.exists():
        raise ConfigError(f"{path} is there already: nothing was written")
    try:
        path.write_bytes(example.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    click.echo(f"wrote {path}; next: surefoot sim {path}")
    return 0

"""``surefoot attack``: hijacked models against the policy, on AgentDojo's tasks or on an agent of one's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any, Final, Protocol, TypeVar

import click
from rich.console import Console, RenderableType

from surefoot.agent_file import load_agent, load_rules
from surefoot.commands.options import json_option, print_json, read_settings, rules_option, run_to_end
from surefoot.commands.policy import warn
from surefoot.commands.progress import show_progress
from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.terminal import open_console


class _Made(Protocol):
    @property
    def held(self) -> bool: ...


MadeT = TypeVar("MadeT", bound=_Made)
EXIT_THROUGH: Final = 1
ALL_SUITES: Final = "banking,slack,travel,workspace"


@click.command()
@click.option("--suite", default=ALL_SUITES, show_default=True, help="AgentDojo's suites to run.")
@click.option(
    "--model",
    "models",
    type=click.Choice(["oracle", "h1", "h2", "h3", "all"]),
    default="all",
    show_default=True,
    help="oracle: no attack. h1 does besides what it reads it should. h2 puts that into its next call. "
    "h3 waits until the user has what he wants. all: h1 and h2.",
)
@click.option(
    "--approver",
    type=click.Choice(["none", "user", "vouching"]),
    default="none",
    show_default=True,
    help="Whom the runs under attack ask: nobody; somebody who allows exactly what the user wants, once; or the same, "
    "who vouches for sources that he has named.",
)
@click.option("--agent", "agent_name", metavar="MODULE:NAME", help="Attack this agent instead; its tools are not run.")
@rules_option
@click.option("--limit", type=click.IntRange(min=1), help="At most so many attacks, always the same ones.")
@json_option
@click.pass_context
def attack(
    context: click.Context,
    /,
    *,
    suite: str,
    models: Any,
    approver: Any,
    agent_name: str | None,
    rule_names: tuple[str, ...],
    limit: int | None,
    as_json: bool,
) -> int:
    """Attack the policy of the settings with models that do whatever they read.

    Without --agent on the tasks of AgentDojo, an extra: pip install 'surefoot[attack]'. Exit code 1: an attack had its
    effect.
    """
    settings = read_settings(context)
    if agent_name is not None:
        for name, option in (("suite", "--suite"), ("models", "--model"), ("approver", "--approver")):
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                raise ConfigError(f"{option} is for AgentDojo's tasks; with --agent leave it out")
        return _attack_agent(settings, agent_name, rule_names, limit, as_json=as_json)
    if rule_names:
        raise ConfigError("--rules is for an agent of your own; give --agent, too")
    from surefoot.attack.campaign import run_campaign  # brings the test doubles: only for this command
    from surefoot.commands.attack_view import draw_campaign

    with show_progress("attacking") as told:
        names = [name.strip() for name in suite.split(",")]
        made = run_to_end(run_campaign(settings, names, models=models, approver=approver, limit=limit, progress=told))
    return _show(made, draw_campaign, as_json=as_json)


def _attack_agent(settings: Settings, name: str, rule_names: Sequence[str], limit: int | None, *, as_json: bool) -> int:
    from surefoot.attack.survey import survey
    from surefoot.commands.attack_view import draw_survey

    with redirect_stdout(sys.stderr):
        agent, rules = load_agent(name), load_rules(rule_names)
    warn(settings.policy, agent)
    with show_progress("attacking") as told:
        made = run_to_end(survey(agent, settings, policy=rules, limit=limit, progress=told))
    return _show(made, draw_survey, as_json=as_json)


def _show(made: MadeT, draw: Callable[[MadeT, Console], RenderableType], *, as_json: bool) -> int:
    if as_json:
        print_json(made)
    else:
        console = open_console()
        console.print(draw(made, console))
    return 0 if made.held else EXIT_THROUGH

"""``surefoot stress``: many users at once, against a fake provider or a real endpoint."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click
from msgspec import Struct
from msgspec.structs import replace

from surefoot import exits
from surefoot.agent import Agent
from surefoot.agent_file import load_agent
from surefoot.budget.accounts import read_rule
from surefoot.clock import SystemClock
from surefoot.commands.options import FloatRange, json_option, point_to, print_json, read_settings, run_to_end, writing
from surefoot.commands.stress_view import LiveView, draw
from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.models.address import check_base_url, find_address
from surefoot.models.registry import split_model
from surefoot.narrator import counted
from surefoot.stress.desk import make_desk
from surefoot.stress.fake import Fake, run_fake
from surefoot.stress.outlook import fit_plan, foresee, read_bounds
from surefoot.stress.plan import MAX_REQUESTS, MAX_USERS, Arrival, Plan
from surefoot.stress.report import Report
from surefoot.stress.trial import run_trial
from surefoot.terminal import open_console

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

EXIT_FAILURES: Final = 1
DEFAULT_MODEL: Final = "openai:gpt-4.1"
DEFAULT_USD: Final = "1.00"
"""What a test against a real endpoint may cost unless it is told."""
FAKE_NAME: Final = "the built-in fake provider"
SPARE_FILES: Final = 64
_RUNS_AND_QUEUES: Final = ("user_runs", "tenant_runs", "runs", "user_queue", "tenant_queue", "queue")
_RATES: Final = ("user_requests_per_minute", "tenant_requests_per_minute")
_DATABASE: Final = "stress.db"


class Target(Struct, frozen=True, kw_only=True):
    """Whom the test asks.

    Attributes:
        model: Model string, None for that of the agent or the settings.
        base_url: Root of an endpoint, None for none.
        real: The endpoint that the settings know for the model.
        agent: ``MODULE:NAME``, None for the built-in order desk.
        usd: Ceiling for all requests together, None for the default.
        concurrency: Calls at once to the provider, None for what the settings say.
        raise_limits: Lift what admission allows to each user.
    """

    model: str | None
    base_url: str | None
    real: bool
    agent: str | None
    usd: str | None
    concurrency: int | None
    raise_limits: bool

    @property
    def is_fake(self) -> bool:
        """Whether the built-in fake provider answers."""
        return self.base_url is None and not self.real


def plan_options(command: CommandT) -> CommandT:
    """The options that make a `Plan`."""
    whole = click.IntRange
    for option in (
        click.option("--seed", default=0, show_default=True, help="For times, questions and the fake provider."),
        click.option("--sessions", is_flag=True, help="Each requester keeps one conversation."),
        click.option("--rate", "rate_per_s", default=0.0, metavar="R", help="Requests a second of poisson arrivals."),
        click.option("--arrival", type=click.Choice(get_args(Arrival)), default="burst", show_default=True),
        click.option("--requests", type=whole(1, MAX_REQUESTS), help="Requests in all; else one for each requester."),
        click.option("--unique", type=whole(1, MAX_USERS), help="Users behind the requesters; 20 if not given."),
        click.option("--users", type=whole(1, MAX_USERS), default=100, show_default=True, help="Requesters at once."),
    ):  # fmt: skip
        command = option(command)
    return command


def target_options(command: CommandT) -> CommandT:
    """The options that make a `Target`."""
    for option in (
        click.option(
            "--raise-limits", is_flag=True, help="Lift what admission allows to each user, to the load's size."
        ),
        click.option("--concurrency", type=click.IntRange(1, MAX_USERS), help="Calls at once to the provider."),
        click.option("--usd", help=f"Ceiling for all requests together; {DEFAULT_USD} against a real endpoint."),
        click.option("--agent", metavar="MODULE:NAME", help="Agent to test; else an order desk with two tools."),
        click.option("--real", is_flag=True, help="Ask the endpoint that the settings know for the model."),
        click.option("--base-url", metavar="URL", help="Ask this OpenAI-compatible endpoint."),
        click.option("--model", metavar="PROVIDER:NAME", help=f"Model to ask; {DEFAULT_MODEL} for the fake provider."),
    ):
        command = option(command)
    return command


def fake_options(command: CommandT) -> CommandT:
    """The options that make a `Fake`."""
    for option in (
        click.option("--tpm", type=click.IntRange(1), help="Tokens a minute that the fake provider allows."),
        click.option("--rpm", type=click.IntRange(1), help="Requests a minute that the fake provider allows."),
        click.option("--fault-rate", type=FloatRange(0, 1), default=0.0, help="Share of its replies that fail."),
        click.option("--reply-tokens", type=click.IntRange(1, 8_000), default=50, help="Tokens of its answer."),
        click.option("--tool-calls", type=click.IntRange(0, 100), default=2, help="Tool calls before its answer."),
        click.option("--latency-sigma", type=FloatRange(0, 3), default=0.0, help="Log-normal spread of that."),
        click.option("--latency-s", type=FloatRange(0, 600), default=0.5, help="Seconds that it takes to reply."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@plan_options
@target_options
@fake_options
@click.option("--max-failures", type=FloatRange(0, 100), default=0.0, help="Per cent of requests that may fail.")
@click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the report to FILE as a page, too.",
)
@json_option
@click.pass_context
def stress(
    context: click.Context,
    /,
    *,
    users: int,
    unique: int | None,
    requests: int | None,
    max_failures: float,
    html_file: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Let many users ask at once, and report what became of it.

    Exit code 1 if more than --max-failures per cent of the requests fail, 130 if interrupted (with the report so far).
    """
    plan = Plan(users=users, unique=unique or min(20, users), requests=requests or users, **_take(options, Plan))
    target = Target(**_take(options, Target))
    fake = Fake(**_take(options, Fake))
    if not target.is_fake:
        _refuse_options_of_fake(context)
    if target.real and target.base_url is not None:
        raise ConfigError("--real asks the endpoint of the settings, --base-url another one; choose one of them")
    if html_file is not None:
        _check_writable(html_file)
    settings = read_settings(context)
    agent = _make_agent(settings, target, fake)
    allow_files(2 * min(plan.users, target.concurrency or plan.users) + SPARE_FILES)
    default = click.core.ParameterSource.DEFAULT
    choose = context.get_parameter_source("users") is default and context.get_parameter_source("requests") is default
    report = run_to_end(_test(settings, agent, plan, target, fake, store=context.obj[1], choose=choose))
    if as_json:
        print_json(report)
    else:
        console = open_console()
        console.print(draw(report, console))
    if html_file is not None:  # after the report, which is there whatever becomes of the page
        from surefoot.stress.page import write_page  # only for those who want one

        with writing(html_file):
            html_file.write_text(write_page(report), encoding="utf-8")
        click.echo(f"wrote {html_file}", err=True)
    if report.outcome == "interrupted":
        return exits.INTERRUPTED
    return EXIT_FAILURES if report.failed_share * 100 > max_failures else 0


async def _test(
    settings: Settings,
    agent: Agent[Any],
    plan: Plan,
    target: Target,
    fake: Fake,
    *,
    store: Path | None,
    choose: bool,
) -> Report:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="surefoot-stress-"))
        settings = use_new_database(settings, store or Path(folder) / _DATABASE)
        if target.is_fake:
            wire = _find_wire(settings, agent)
            origin = await stack.enter_async_context(run_fake(fake))
            base_url = origin if wire == "anthropic" else f"{origin}/v1"
            settings = point_to(settings, agent, base_url, send_key=False)
        elif target.base_url is not None:
            settings = point_to(settings, agent, target.base_url)
        if target.concurrency is not None:
            settings = set_concurrency(settings, agent, target.concurrency)
        if target.raise_limits:
            settings = raise_limits(settings, plan)
        usd = target.usd or (None if target.is_fake else DEFAULT_USD)
        if usd is not None:
            settings = limit_spending(settings, usd)
        console = open_console(stderr=True)
        doing = "getting ready" if target.is_fake else "one request alone, to see how long it takes"
        with LiveView(console, plan, doing=doing) as view:

            def settle(alone_s: float) -> tuple[Plan, Sequence[str]]:
                """Say what will happen, and choose a load for a slow provider if nobody has."""
                if not alone_s:
                    return plan, ()
                bounds = read_bounds(settings, agent)
                fitting = fit_plan(plan, alone_s, bounds) if choose else plan
                notes = list(foresee(fitting, alone_s, bounds))
                if fitting != plan:
                    asked = f"{counted(fitting.users, 'requester')} instead of {plan.users:,}"
                    notes.append(f"{asked}, so that all are answered in time; --users N asks for more")
                for note in notes:
                    console.print(note)
                view.settle(fitting)
                return fitting, notes

            return await run_trial(
                plan, settings, agent, SystemClock(), endpoint=_name_endpoint(settings, agent, target),
                warm_up=target.is_fake, watch=view.show, settle=None if target.is_fake else settle,
            )  # fmt: skip


def _take(options: dict[str, Any], kind: type[Struct]) -> dict[str, Any]:
    """The options that are fields of ``kind``."""
    return {name: options[name] for name in kind.__struct_fields__ if name in options}


def _refuse_options_of_fake(context: click.Context) -> None:
    """A real endpoint is as slow and as faulty as it is: an option that would do nothing is a mistake."""
    for name in ("latency_s", "latency_sigma", "tool_calls", "reply_tokens", "fault_rate", "rpm", "tpm"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} is for the built-in fake provider; with --base-url or --real leave it out")


def _check_writable(path: Path) -> None:
    """A report that cannot be written is to be known before the test, not after it."""
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise ConfigError(f"--html {path}: cannot be written: {error.strerror}") from None


def _make_agent(settings: Settings, target: Target, fake: Fake) -> Agent[Any]:
    model = target.model
    if model is not None and ":" not in model:
        model = f"openai:{model}"
    if target.agent is not None:
        agent = load_agent(target.agent)
        model = model or (DEFAULT_MODEL if target.is_fake and _is_local(agent.model) else None)
        return agent if model is None else agent.replace(model=model, protocol=agent.protocol)
    model = model or (DEFAULT_MODEL if target.is_fake and _is_local(settings.model) else settings.model)
    return make_desk(model, max_tokens=max(1_024, 2 * fake.reply_tokens) if target.is_fake else None)


def _is_local(model: object) -> bool:
    return isinstance(model, str) and split_model(model)[0] == "local"


def _find_wire(settings: Settings, agent: Agent[Any]) -> str:
    provider = settings.provider(split_model(agent.model)[0]) if isinstance(agent.model, str) else None
    return "openai" if provider is None else provider.wire


def _name_endpoint(settings: Settings, agent: Agent[Any], target: Target) -> str:
    if target.is_fake:
        return FAKE_NAME
    provider = settings.provider(split_model(agent.model)[0]) if isinstance(agent.model, str) else None
    return "this process" if provider is None else find_address(check_base_url(provider.base_url, "--base-url"))


def use_new_database(settings: Settings, path: Path) -> Settings:
    """The settings with a database of the test's own: what other runs have spent does not count in it.

    Raises:
        ConfigError: There is something at that path.
    """
    if path.exists():
        raise ConfigError(f"--store {path}: is there already; a stress test makes a database of its own")
    return replace(settings, store=replace(settings.store, path=str(path)))


def limit_spending(settings: Settings, usd: str) -> Settings:
    """The settings with a ceiling in dollars for all runs together.

    Raises:
        ConfigError: That is no amount.
    """
    limit = read_rule("global", "total", {"usd": usd}, "--usd").limits["usd"]
    rules = {account: dict(periods) for account, periods in settings.budgets.items()}
    total = dict(rules.setdefault("global", {}).get("total", {}))
    if "usd" not in total or read_rule("global", "total", total, "[budgets.global.total]").limits["usd"] > limit:
        total["usd"] = usd
    rules["global"]["total"] = total
    return replace(settings, budgets=rules)


def raise_limits(settings: Settings, plan: Plan) -> Settings:
    """The settings with an admission that has room for all requesters of the plan, however few users they stand for."""
    given, room = settings.admission, plan.users
    raised = {name: max(getattr(given, name), room) for name in _RUNS_AND_QUEUES}
    rates = {name: max(getattr(given, name), float(MAX_REQUESTS)) for name in _RATES}
    return replace(settings, admission=replace(given, **raised, **rates))


def set_concurrency(settings: Settings, agent: Agent[Any], concurrency: int) -> Settings:
    """The settings with so many calls at once to the agent's provider.

    Raises:
        ConfigError: The agent's model has no provider of the settings.
    """
    name = split_model(agent.model)[0] if isinstance(agent.model, str) else ""
    provider = settings.provider(name)
    if provider is None:
        raise ConfigError("--concurrency: the agent's model has no provider in the settings")
    return replace(settings, providers={**settings.providers, name: replace(provider, concurrency=concurrency)})


def allow_files(count: int) -> None:
    """Let this process and its children open so many files: each request under way has a socket.

    Raises:
        ConfigError: The system allows fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    if count > most:
        raise ConfigError(
            f"--users, --concurrency: {count:,} files would be open and this system allows {most:,}; see `ulimit -Hn`"
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

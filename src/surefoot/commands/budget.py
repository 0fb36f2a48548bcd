"""``surefoot budget``: limits of tenants, users, sessions and of all together, and what stands in their books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click
from msgspec import to_builtins
from msgspec.structs import replace

from surefoot.budget.accounts import (
    PERIODS,
    Period,
    is_pattern,
    patterns_of,
    read_rule,
    read_rules,
    split_account,
    to_table,
)
from surefoot.budget.posting import Balance, RuleChange
from surefoot.budget.windows import read_zone
from surefoot.clock import SystemClock
from surefoot.commands.budget_view import (
    AccountView,
    Row,
    changes_table,
    draw_account,
    list_rows,
    list_table,
    to_json,
    view_account,
)
from surefoot.commands.options import (
    CommandT,
    json_option,
    open_existing,
    print_json,
    read_settings,
    run_to_end,
    within,
)
from surefoot.commands.spans import read_zone_of
from surefoot.commands.tables import fitted, in_nano, json_name
from surefoot.config import Settings, read_login
from surefoot.errors import ConfigError, NotFound
from surefoot.narrator import plain
from surefoot.runtime import Runtime
from surefoot.store.base import Accounts
from surefoot.terminal import open_console

ALL_CHANGES: Final = 10_000
"""How far back the history of one account is read to tell what is set."""
ZONE: Final = "timezone"
_NAME_CHARS: Final = 100


@click.group()
def budget() -> None:
    """Set limits above the runs, and see what is used of them.

    ACCOUNT is `global`, `tenant:ACME`, `user:ACME/U1`, `session:ACME/U1/S1` (without a tenant `user:U1`,
    `session:U1/S1`), or a pattern for many: `user:*`, `user:ACME/*`.
    """


def _amount_options(command: CommandT) -> CommandT:
    for name, told in reversed([
        ("--usd", "US dollars"), ("--tokens", "Tokens, input and output"), ("--steps", "Steps"),
        ("--model-calls", "Model calls, retries included"), ("--tool-calls", "Tool calls"),
    ]):  # fmt: skip
        command = click.option(name, metavar="N", help=f"{told}; `unlimited` lifts a wider limit.")(command)
    return command


@budget.command(name="set")
@click.argument("account")
@_amount_options
@click.option("--per", type=click.Choice(PERIODS), help="For how long the limit counts; `run` is for each run.")
@click.option("--timezone", metavar="ZONE", help="Where days and months begin: of a tenant, or of global for all.")
@json_option
@click.pass_context
def set_limits(
    context: click.Context,
    /,
    *,
    account: str,
    per: str | None,
    timezone: str | None,
    as_json: bool,
    **amounts: str | None,
) -> None:
    """Set limits of ACCOUNT; they take effect at once. Others that are set stay."""
    settings = read_settings(context)
    payers = split_account(account)
    given = {name: _read_amount(name, text) for name, text in amounts.items() if text is not None}
    if not given and timezone is None:
        raise ConfigError("nothing to set: give a limit such as --usd 500 --per month, or --timezone")
    if given and per is None:
        raise ConfigError("--per is missing: a limit counts per run, hour, day, month or total")
    rule = read_rule(account, per or "", given, f"budget set {plain(account, _NAME_CHARS)}") if given else None
    if timezone is not None:
        _check_zone(account, timezone)

    async def change(runtime: Runtime) -> AccountView:
        by = read_login()
        if rule is not None:
            await runtime.accounts.change_rule(account, rule.period, rule.limits, by=by)
        if timezone is not None:
            await runtime.accounts.change_zone(payers.tenant, timezone, by=by)
        return await _look(runtime, settings, account)

    _show(run_to_end(within(Runtime(settings=settings), change)), as_json=as_json)


@budget.command(name="unset")
@click.argument("account")
@click.option("--usd", is_flag=True, help="Only this limit.")
@click.option("--tokens", is_flag=True, help="Only this limit.")
@click.option("--steps", is_flag=True, help="Only this limit.")
@click.option("--model-calls", is_flag=True, help="Only this limit.")
@click.option("--tool-calls", is_flag=True, help="Only this limit.")
@click.option("--per", type=click.Choice(PERIODS), help="Only limits of this period.")
@click.option("--timezone", is_flag=True, help="The time zone, and no limit.")
@json_option
@click.pass_context
def unset_limits(
    context: click.Context, /, *, account: str, per: str | None, timezone: bool, as_json: bool, **amounts: bool
) -> None:
    """Take back what was set for ACCOUNT; limits of surefoot.toml stay."""
    settings = read_settings(context)
    split_account(account)
    names = [name for name, is_given in amounts.items() if is_given]
    if timezone and (names or per):
        raise ConfigError("--timezone is taken back by itself: leave the limits out")

    async def change(runtime: Runtime) -> AccountView:
        if timezone:
            await _unset_zone(runtime.accounts, account)
        else:
            await _unset_limits(runtime.accounts, account, per, names)
        return await _look(runtime, settings, account)

    _show(run_to_end(within(open_existing(settings), change)), as_json=as_json)


async def _unset_zone(accounts: Accounts, account: str) -> None:
    if not (await _read_set(accounts, account)).get(ZONE):
        raise NotFound(f"no time zone is set for {plain(account, _NAME_CHARS)}")
    await accounts.change_zone(split_account(account).tenant, "", by=read_login())


async def _unset_limits(accounts: Accounts, account: str, per: str | None, names: Sequence[str]) -> None:
    found: dict[Period, list[str]] = {}
    for period, limits in (await _read_set(accounts, account)).items():
        chosen = [name for name in limits if not names or name in names]
        if chosen and period in PERIODS and per in {None, period}:
            found[period] = chosen
    if not found:
        told = f"nothing of the kind is set for {plain(account, _NAME_CHARS)}"
        raise NotFound(f"{told}; limits of the settings stand in surefoot.toml")
    for period, chosen in found.items():
        await accounts.change_rule(account, period, dict.fromkeys(chosen), by=read_login())


@budget.command()
@click.argument("account")
@json_option
@click.pass_context
def show(context: click.Context, /, *, account: str, as_json: bool) -> None:
    """Show the limits of ACCOUNT, what is used and held, when they reset, and where each comes from."""
    settings = read_settings(context)
    split_account(account)
    _show(
        run_to_end(within(open_existing(settings), lambda runtime: _look(runtime, settings, account))), as_json=as_json
    )


@budget.command(name="list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="How many lines at most.")
@json_option
@click.pass_context
def list_accounts(context: click.Context, /, *, limit: int, as_json: bool) -> None:
    """List all accounts that have limits, with what is used of each."""
    settings = read_settings(context)

    async def read(runtime: Runtime) -> tuple[dict[str, Any], dict[str, Any], list[Balance], list[Row], bool]:
        book = runtime.accounts.book
        rules = {
            account: {period: in_nano(to_table(limits)) for period, limits in book.rules_of(account).items()}
            for account in book.accounts()
        }
        origins = {
            account: {
                period: in_nano({name: book.origin(account, period, name) for name in limits})
                for period, limits in book.rules_of(account).items()
            }
            for account in book.accounts()
        }
        balances = await runtime.accounts.balances()
        return rules, origins, balances, list_rows(book, balances), await runtime.accounts.differs()

    rules, origins, balances, rows, differs = run_to_end(within(open_existing(settings), read))
    if as_json:
        windows = [to_json(balance) for balance in balances]
        print_json({"rules": rules, "origins": origins, "windows": windows, "differs": differs})
    elif rows:
        console = open_console()
        console.print(list_table(rows, limit, console))
    else:
        click.echo("nothing is limited above the runs: surefoot budget set global --usd 500 --per month", err=True)
    if differs and not as_json:
        told = "the process that ran last read other limits or time zones from its surefoot.toml, and keeps to those"
        click.echo(f"{told}: restart what still runs, give all the same file, or use `surefoot budget set`", err=True)


@budget.command()
@click.argument("account", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, ALL_CHANGES), help="How many at most.")
@json_option
@click.pass_context
def history(context: click.Context, /, *, account: str | None, limit: int, as_json: bool) -> None:
    """Show who changed what and when, the newest first."""
    settings = read_settings(context)
    if account is not None:
        split_account(account)

    async def read(runtime: Runtime) -> list[RuleChange]:
        return await runtime.accounts.changes(account, limit)

    changes = run_to_end(within(open_existing(settings), read))
    if as_json:
        print_json([_change_to_json(change) for change in changes])
    elif changes:
        console = open_console()
        console.print(fitted(changes_table(changes, read_zone_of(settings)), console))
    else:
        click.echo("nothing was changed yet", err=True)


@budget.command()
@click.argument("account")
@json_option
@click.pass_context
def acknowledge(context: click.Context, /, *, account: str, as_json: bool) -> None:
    """Let a frozen ACCOUNT go on: you have seen that a provider charged more than was held."""
    settings = read_settings(context)

    async def change(runtime: Runtime) -> AccountView:
        if not await runtime.accounts.acknowledge(account, by=read_login()):
            raise NotFound(
                f"{plain(account, _NAME_CHARS)} is not frozen; `surefoot budget list` shows which account is"
            )
        return await _look(runtime, settings, account)

    _show(run_to_end(within(open_existing(settings), change)), as_json=as_json)


def _read_amount(name: str, text: str) -> int | str:
    """As `read_rule` takes it, which says what is wrong with the rest."""
    if name == "usd" or text == "unlimited":
        return text
    try:
        return int(text)
    except ValueError:
        return text


def _check_zone(account: str, timezone: str) -> None:
    if is_pattern(account) or account.partition(":")[0] not in {"global", "tenant"}:
        raise ConfigError("--timezone is for a tenant, or for global: users and sessions have that of their tenant")
    read_zone(timezone, "--timezone")


async def _read_set(accounts: Accounts, account: str) -> dict[str, dict[str, Any]]:
    """What is set for exactly this account, beside the settings: by period, then by name; the time zone likewise."""
    newest: dict[str, dict[str, Any]] = {}
    for change in await accounts.changes(account, ALL_CHANGES):
        if change.period in (*PERIODS, ZONE):
            newest.setdefault(change.period, dict(change.after or {}))
    return newest


async def _look(runtime: Runtime, settings: Settings, account: str) -> AccountView:
    accounts = runtime.accounts
    stored = {name: await _read_set(accounts, name) for name in patterns_of(account)}
    balances = [] if is_pattern(account) else await accounts.balances([account])
    return view_account(
        account,
        accounts.book,
        declared=read_rules(settings.budgets),
        stored=stored,
        balances=balances,
        now=SystemClock().now(),
    )


def _show(view: AccountView, *, as_json: bool) -> None:
    if as_json:
        print_json(_view_to_json(view))
    else:
        console = open_console()
        console.print(draw_account(view, console))


def _view_to_json(view: AccountView) -> dict[str, Any]:
    """An account for programs: the limit in US dollars is called ``nano``, as its figures are nano-dollars."""
    limits = [replace(line, limit=json_name(line.limit)) for line in view.limits]
    return {**to_builtins(view), "limits": to_builtins(limits)}


def _change_to_json(change: RuleChange) -> dict[str, Any]:
    """A change for programs, amounts in nano-dollars."""
    tables = [None if table is None else in_nano(table) for table in (change.before, change.after)]
    return {**to_builtins(change), "before": tables[0], "after": tables[1]}

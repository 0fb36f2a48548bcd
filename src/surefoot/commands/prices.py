"""``surefoot prices``: what is known of a model's price, and since when."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import click
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from surefoot.budget.prices import name_setting, open_prices
from surefoot.budget.rates import KINDS, Rates
from surefoot.clock import SystemClock
from surefoot.commands.options import json_option, print_json, read_settings
from surefoot.commands.tables import GAP, fitted
from surefoot.config import Settings
from surefoot.models.registry import split_model
from surefoot.narrator import plain
from surefoot.terminal import open_console
from surefoot.types import NANO_PER_USD

EXIT_UNKNOWN: Final = 2
_DEFAULT_PROVIDER: Final = "openai"
_NAME_CHARS: Final = 200


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--provider", metavar="NAME", help="Provider of all MODELs; else PROVIDER:NAME, or a name of `openai`.")
@json_option
@click.pass_context
def prices(context: click.Context, /, *, models: tuple[str, ...], provider: str | None, as_json: bool) -> int:
    """Show what MODELs cost and since when; without one, those that [prices] of the settings names."""
    settings = read_settings(context)
    known = open_prices(settings, SystemClock().now)
    named = [_split(model, provider) for model in models] or [_split_setting(name) for name in settings.prices]
    if not named:
        click.echo("the settings have no [prices]; name a model: surefoot prices openai:gpt-4.1", err=True)
    found = [(name, model, known.resolve(name, model)) for name, model in named]
    if as_json:
        print_json([_describe(settings, *one) for one in found])
    else:
        console = open_console()
        for name, model, rates in found:
            if rates is not None:
                console.print(_draw(_join(name, model), rates, console))
    for name, model, rates in found:
        if rates is None:
            told = f"surefoot: no price is known for {_join(name, model)}; add to surefoot.toml: "
            click.echo(told + plain(_name_setting(settings, name, model), 2 * _NAME_CHARS), err=True)
    return EXIT_UNKNOWN if any(rates is None for _, _, rates in found) else 0


def _split(model: str, provider: str | None) -> tuple[str, str]:
    if provider is not None:
        return provider, model
    return split_model(model) if ":" in model else (_DEFAULT_PROVIDER, model)


def _split_setting(name: str) -> tuple[str, str]:
    """Provider and model of a key of ``[prices]``; a price that holds anywhere has no provider."""
    provider, colon, model = name.rpartition(":")
    return (provider, model) if colon else ("", name)


def _join(provider: str, model: str) -> str:
    return plain(f"{provider}:{model}" if provider else model, _NAME_CHARS)


def _name_setting(settings: Settings, provider: str, model: str) -> str:
    given = settings.provider(provider)
    return name_setting(provider, model, given.service_tier if given is not None else "")


def _describe(settings: Settings, provider: str, model: str, rates: Rates | None) -> dict[str, Any]:
    """One model for programs; rates are whole nano-dollars per million tokens."""
    if rates is None:
        return {"model": _join(provider, model), "known": False, "setting": _name_setting(settings, provider, model)}
    return {"model": _join(provider, model), "known": True, "digest": rates.digest, "rates": rates.snapshot}


def _draw(model: str, rates: Rates, console: Console) -> Group:
    """One model: a row for each kind of token, a column for each service tier and length of prompt."""
    columns = [column for service in (rates, *rates.services) for column in (service, *service.tiers)]
    names = [service.service or "standard" for service in (rates, *rates.services) for _ in (service, *service.tiers)]
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("USD per million tokens", no_wrap=True)
    for name, column in zip(names, columns, strict=True):
        head = f"{name}, prompt > {column.above:,}" if column.above else name
        table.add_column(Text(plain(head, 80)), justify="right")
    for kind in KINDS:
        if any(getattr(column, kind) is not None for column in columns):
            table.add_row(kind, *[_write_usd(column.rate(kind)) for column in columns])
    since = "since when is not known" if rates.since is None else f"since {rates.since.isoformat()}"
    asked = f" · requests ask for {plain(rates.asked, 64)}" if rates.asked else ""
    told = f"{plain(rates.source, _NAME_CHARS)} · {since} · digest {rates.digest}{asked}"
    return Group(Text(model, "bold"), fitted(table, console), Text(told, "bright_black"))


def _write_usd(rate: int) -> str:
    usd = (Decimal(rate) / NANO_PER_USD).normalize()
    return max(f"{usd:f}", f"{usd:.2f}", key=len)

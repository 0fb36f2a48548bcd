"""``surefoot compare``: what recorded requests would have cost with other models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click
from msgspec.structs import replace
from rich.console import Console, Group, RenderableType
from rich.text import Text

from surefoot.budget.prices import name_setting, open_prices
from surefoot.budget.rates import Rates
from surefoot.clock import Clock, SystemClock
from surefoot.commands.options import json_option, open_existing, print_json, read_settings, run_to_end
from surefoot.commands.spans import Span, read_span, read_zone_of, scan, span_options
from surefoot.commands.tables import (
    DIM,
    amount_bar,
    check_outputs,
    csv_option,
    dollars,
    exact_usd,
    figures_table,
    fit_columns,
    fitted,
    named,
    write_csv,
)
from surefoot.config import Settings
from surefoot.errors import ConfigError, NotFound
from surefoot.models.registry import split_model
from surefoot.narrator import plain
from surefoot.reports.comparison import Comparison, Offer
from surefoot.reports.requests import Request, Requests
from surefoot.runtime import Runtime
from surefoot.terminal import open_console

EXIT_UNKNOWN: Final = 2
BAR_CELLS: Final = 14
_NAME_CHARS: Final = 200
CAVEAT: Final = (
    "Another model might take other steps, count the same text as more or fewer tokens, and cache differently: "
    "this prices the recorded tokens, it does not predict a run."
)


@click.command()
@click.option("--models", required=True, metavar="A,B,...", help="Models to price for: NAME or PROVIDER:NAME.")
@click.option("--runs", "run_ids", multiple=True, metavar="ID,...", help="Only these runs; `last` is the newest.")
@span_options
@csv_option
@json_option
@click.pass_context
def compare(
    context: click.Context,
    /,
    *,
    models: str,
    run_ids: tuple[str, ...],
    since: str | None,
    until: str | None,
    csv_file: str | None,
    as_json: bool,
) -> int:
    """Show what recorded requests would have cost with other models."""
    check_outputs(csv_file, as_json=as_json)
    settings, clock = read_settings(context), SystemClock()
    ids = [name for text in run_ids for name in _split(text)]
    if ids and (since or until):
        raise ConfigError("--runs names the runs: --since and --until do not go with it")
    span = read_span(since, until, read_zone_of(settings), clock.now())
    names = list(dict.fromkeys(_split(models)))
    if not names:
        raise ConfigError("--models is empty; write for example --models gpt-4.1,claude-sonnet-4-5")
    found = _find_rates(settings, names, clock)
    unknown = [name for name, rates in found.items() if rates is None]
    priced = Comparison({name: rates for name, rates in found.items() if rates is not None})

    async def read() -> None:
        async with open_existing(settings) as runtime:
            if ids:
                await _price_runs(runtime, priced, ids, clock)
            else:
                await _price_span(runtime, priced, span, clock)

    run_to_end(read())
    _print(priced, unknown, settings, csv_file, as_json=as_json)
    for name in unknown:
        told = f"surefoot: no price is known for {plain(name, _NAME_CHARS)}; add to surefoot.toml: "
        click.echo(told + plain(_name_setting(settings, name), 2 * _NAME_CHARS), err=True)
    return EXIT_UNKNOWN if len(unknown) == len(names) else 0


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _find_rates(settings: Settings, names: Sequence[str], clock: Clock) -> dict[str, Rates | None]:
    """Prices by name; one without a provider is looked for in [prices], then at whoever is known for it."""
    prices = open_prices(settings, clock.now)
    return {name: prices.resolve(*(split_model(name) if ":" in name else ("", name))) for name in names}


def _name_setting(settings: Settings, name: str) -> str:
    provider, model = split_model(name) if ":" in name else ("", name)
    given = settings.provider(provider)
    return name_setting(provider, model, given.service_tier if given is not None else "")


async def _price_span(runtime: Runtime, priced: Comparison, span: Span, clock: Clock) -> None:
    requests = Requests()
    async for row in scan(runtime, span, clock, open_console(stderr=True)):
        for request in requests.add(row):
            priced.add(request)
    for request in requests.rest():
        priced.add(request)


async def _price_runs(runtime: Runtime, priced: Comparison, ids: Sequence[str], clock: Clock) -> None:
    """Each of these runs with those that its tools began."""
    wanted: dict[str, Span] = {}
    for run_id in ids:
        if run_id == "last":
            newest = await runtime.list_runs(limit=1)
            if not newest:
                raise NotFound("there are no runs yet")
            row = newest[0]
        else:
            row, _ = await runtime.read_run(run_id)
        end = row.finished_at or clock.now()
        wanted[row.run_id] = Span(row.started_at, end + 1e-6)  # a run that a tool begins at the very end
    for run_id, span in wanted.items():
        priced.add(await _read_request(runtime, run_id, span, clock))


async def _read_request(runtime: Runtime, run_id: str, span: Span, clock: Clock) -> Request:
    requests, made = Requests(), list[Request]()
    async for row in scan(runtime, span, clock, open_console(stderr=True)):
        made += requests.add(replace(row, parent="") if row.run_id == run_id else row)  # it may be a child itself
    made += requests.rest()
    return next(request for request in made if request.run_id == run_id)


def _print(
    priced: Comparison, unknown: Sequence[str], settings: Settings, csv_file: str | None, *, as_json: bool
) -> None:
    offers = priced.offers()
    if csv_file is not None and not write_csv(csv_file, *_tabulate(priced, offers)):
        return
    if as_json:
        print_json(_describe(priced, offers, {name: _name_setting(settings, name) for name in unknown}))
    elif priced.requests and offers:
        console = open_console()
        console.print(draw(priced, offers, console))
    elif offers:
        click.echo("; ".join(["there is no request to price", *_left_out(priced)]), err=True)


def draw(priced: Comparison, offers: Sequence[Offer], console: Console) -> RenderableType:
    """The table, and below it what it cannot know."""
    most = max(offer.nano for offer in offers)
    rows = [_cells(offer, priced.requests, most) for offer in offers]
    shown = fit_columns(rows, ("", "all"), console.width)
    table = figures_table(shown)
    for row in rows:
        table.add_row(*[Text(row[name], "cyan" if not name else "") for name in shown])
    if not shown[-1]:
        table.columns[-1].justify = "left"
    recorded = priced.recorded_nano
    ran_with = ", ".join(map(named, sorted(priced.recorded_models)))
    told = f"{dollars(recorded / priced.requests)} a request, {dollars(recorded)} in all, with {plain(ran_with)}"
    notes = [f"{priced.requests:,} recorded {_requests(priced.requests)}; as they ran: {told}", CAVEAT]
    if any(offer.rates.tiers for offer in offers):
        notes.append(
            "Where long prompts cost more, the average prompt of a run's calls decides; prices are of short ones."
        )
    notes += [f"Left out: {reason}." for reason in _left_out(priced)]
    return Group(fitted(table, console), Text(), *[Text(note, DIM) for note in notes])


def _cells(offer: Offer, requests: int, most: int) -> dict[str, str]:
    return {
        "model": named(offer.model),
        "in/MTok": dollars(offer.rates.input),
        "out/MTok": dollars(offer.rates.output),
        "a request": dollars(offer.nano / requests),
        "all": dollars(offer.nano),
        "saving": f"{offer.saving:.1%}" if offer.nano < most else "–",
        "": amount_bar(offer.nano / most if most else 0.0, BAR_CELLS).plain,
    }


def _left_out(priced: Comparison) -> list[str]:
    reasons = {
        "whose usage is not known in full": priced.unknown,
        "without an end": priced.unended,
        "without a charged token": priced.empty,
    }
    return [f"{count:,} {_requests(count)} {reason}" for reason, count in reasons.items() if count]


def _requests(count: int) -> str:
    return "request" if count == 1 else "requests"


def _tabulate(priced: Comparison, offers: Sequence[Offer]) -> tuple[list[str], list[list[str | int | float]]]:
    head = ["model", "input_usd_per_mtok", "output_usd_per_mtok", "requests", "usd_per_request", "usd", "saving"]
    rows: list[list[str | int | float]] = []
    for offer in offers:
        each = exact_usd(round(offer.nano / priced.requests)) if priced.requests else ""
        rates = exact_usd(offer.rates.input), exact_usd(offer.rates.output)
        rows.append([offer.model, *rates, priced.requests, each, exact_usd(offer.nano), round(offer.saving, 6)])
    return head, rows


def _describe(priced: Comparison, offers: Sequence[Offer], unknown: dict[str, str]) -> dict[str, Any]:
    """For programs; amounts are whole nano-dollars, rates those of a million tokens."""
    return {
        "requests": priced.requests,
        "recorded": {"nano": priced.recorded_nano, "models": sorted(priced.recorded_models)},
        "left_out": {"unknown_usage": priced.unknown, "unended": priced.unended, "no_call": priced.empty},
        "offers": [
            {
                "model": offer.model,
                "rates": offer.rates.snapshot,
                "nano": offer.nano,
                "nano_per_request": offer.nano / priced.requests if priced.requests else None,
                "saving": offer.saving,
            }
            for offer in offers
        ],
        "unknown": unknown,
        "caveat": CAVEAT,
    }

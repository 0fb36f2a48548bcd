"""``surefoot forecast``: what so many requests will cost, from those on record."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console, Group, RenderableType
from rich.text import Text

from surefoot.budget.accounts import AMOUNTS, shown
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import PER
from surefoot.clock import SystemClock
from surefoot.commands.options import json_option, open_existing, print_json, read_settings, run_to_end
from surefoot.commands.spans import read_span, read_zone_of, scan, span_options
from surefoot.commands.tables import (
    DIM,
    amount_bar,
    check_outputs,
    csv_option,
    dollars,
    exact_usd,
    figures_table,
    fitted,
    in_nano,
    json_name,
    short,
    write_csv,
)
from surefoot.errors import ConfigError, NotFound
from surefoot.narrator import counted, plain
from surefoot.reports.forecast import CONFIDENCE, DAYS, FEW, LEAST, RESAMPLES, SEED, SMALL, Band, Sample, days_until
from surefoot.reports.requests import Request, Requests
from surefoot.runtime import Runtime
from surefoot.terminal import open_console

MAX_DAYS: Final = 366
MAX_REQUESTS: Final = 1_000_000_000
PLOT_ROWS: Final = 15
PLOT_CELLS: Final = 36
LEAST_CELLS: Final = 4
WIDE_COLUMNS: Final = 80
FIGURES_CHARS: Final = 22
"""What stands beside a bar in a narrow terminal."""
SUMMED: Final = ("usd", "tokens")
_PER_DAY: Final = {"hour": 24.0, "day": 1.0, "week": 1 / 7, "month": 1 / 30}
_RATE: Final = re.compile(r"(\d[\d_,]{0,12})(?:/(hour|day|week|month))?")


class Reached(Struct, frozen=True):
    """When a limit of ``global`` is reached at the rate that was asked about.

    Attributes:
        period: For how long the limit counts.
        limit: One of `AMOUNTS`.
        of: The limit.
        left: What is left of it now; for periods that come again, all of it.
        after_days: Days into the period; infinite if it never is. Not above the period's length if it is reached.
        earliest_days: With the upper end of the band of a request.
        latest_days: With the lower end.
    """

    period: str
    limit: str
    of: int
    left: int
    after_days: float
    earliest_days: float
    latest_days: float


class Forecast(Struct, frozen=True):
    """What is projected.

    Attributes:
        requests: Recorded requests that it stands on.
        unended: Requests left out because one of their runs has not ended.
        requests_per_day: The rate.
        days: How many days.
        a_request: Bands of one request, by the names in `AMOUNTS`.
        sums: Bands after each day, by the names in `SUMMED`.
        reached: Limits of ``global``.
    """

    requests: int
    unended: int
    requests_per_day: float
    days: int
    a_request: dict[str, Band]
    sums: dict[str, list[Band]]
    reached: list[Reached]


class _Records:
    """The recorded requests, each counted when it is complete."""

    def __init__(self) -> None:
        self.samples = {name: Sample() for name in AMOUNTS}
        self.unended = 0

    def take(self, requests: Sequence[Request]) -> None:
        for request in requests:
            if request.is_ended:
                for name, sample in self.samples.items():
                    sample.add(request.used[name])
            else:
                self.unended += 1


@click.command()
@click.option("--requests", "rate", required=True, metavar="N/day", help="How many: per hour, day, week or month.")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=30, show_default=True, help="How many days.")
@span_options
@csv_option
@json_option
@click.pass_context
def forecast(
    context: click.Context,
    /,
    *,
    rate: str,
    days: int,
    since: str | None,
    until: str | None,
    csv_file: str | None,
    as_json: bool,
) -> None:
    """Project what so many requests will cost, with a band, from those on record."""
    check_outputs(csv_file, as_json=as_json)
    per_day = read_rate(rate)
    settings, clock = read_settings(context), SystemClock()
    span = read_span(since, until, read_zone_of(settings), clock.now())

    async def read() -> Forecast:
        records, requests = _Records(), Requests()
        async with open_existing(settings) as runtime:
            async for row in scan(runtime, span, clock, open_console(stderr=True)):
                records.take(requests.add(row))
            records.take(requests.rest())
            return await _project(runtime, records, per_day, days)

    made = run_to_end(read())
    if csv_file is not None and not write_csv(csv_file, *_tabulate(made)):
        return
    if as_json:
        print_json(_describe(made))
    else:
        console = open_console()
        console.print(draw(made, clock.now(), console))


def read_rate(text: str) -> float:
    """Requests a day, from ``10000/day``, ``500/hour``, ``2_000/week`` or ``300,000/month`` (of 30 days).

    Raises:
        ConfigError: It is none of these.
    """
    found = _RATE.fullmatch(text.strip())
    count = int(found[1].replace(",", "").replace("_", "")) if found is not None else 0
    if found is None or not 0 < count <= MAX_REQUESTS:
        told = f"write a number above zero, at most {MAX_REQUESTS:,}, and per what: 10000/day, 500/hour, 300000/month"
        raise ConfigError(f"--requests {plain(text, 40)!r}: {told}")
    return count * _PER_DAY[found[2] or "day"]


async def _project(runtime: Runtime, records: _Records, per_day: float, days: int) -> Forecast:
    samples = records.samples
    count = samples["usd"].count
    if count < LEAST:
        was = "was" if count == 1 else "were"
        raise NotFound(f"a forecast needs at least {LEAST} requests on record that have ended; there {was} {count}")
    counts = [max(1, round(per_day * day)) for day in range(1, days + 1)]
    projected = {name: samples[name].project(counts if name in SUMMED else []) for name in AMOUNTS}
    a_request = {name: band for name, (band, _) in projected.items()}
    sums = {name: projected[name][1] for name in SUMMED}
    reached = await _find_reached(runtime, a_request, per_day)
    return Forecast(count, records.unended, per_day, days, a_request, sums, reached)


async def _find_reached(runtime: Runtime, a_request: Mapping[str, Band], per_day: float) -> list[Reached]:
    """The limits of ``global``: for a period that comes again from its beginning, in all from what is used now."""
    used = {balance.period: balance for balance in await runtime.accounts.balances(["global"])}
    reached: list[Reached] = []
    for period, limits in runtime.accounts.book.limits_of("global"):
        for name, limit in limits.named().items():
            if limit >= INFINITE or period == "run":
                continue
            spent = used[period].spent.named()[name] if period == "total" and period in used else 0
            left = max(0, limit - spent)
            reached.append(Reached(period, name, limit, left, *days_until(left, a_request[name], per_day)))
    return reached


def draw(made: Forecast, now: float, console: Console) -> RenderableType:
    """The figures, the cumulated cost day by day, and what they stand on."""
    table = figures_table(["", "expected", "90 % band", ""])
    table.columns[2].justify = "left"
    cost, tokens = made.a_request["usd"], made.a_request["tokens"]
    requests = round(made.requests_per_day * made.days)
    days = counted(made.days, "day")
    table.add_row("cost of a request", dollars(cost.mean), _between(cost, dollars))
    table.add_row(f"cost of {days}", *_bold(made.sums["usd"][-1], dollars), Text(counted(requests, "request"), DIM))
    table.add_row("tokens of a request", short(tokens.mean), _between(tokens, short))
    table.add_row(f"tokens of {days}", short(made.sums["tokens"][-1].mean), _between(made.sums["tokens"][-1], short))
    parts: list[RenderableType] = [fitted(table, console)]
    if made.sums["usd"][-1].high > 0 and made.days > 1:
        parts += [Text("\ncost day by day: expected, and what the band adds", "bold"), _plot(made, console.width)]
    if made.reached:
        parts.append(Text())
    parts += [Text(line, style) for line, style in _tell_reached(made, now)]
    return Group(*parts, Text(), *[Text(note, style) for note, style in _notes(made)])


def _bold(band: Band, say: Any) -> tuple[Text, Text]:
    return Text(say(band.mean), "bold"), Text(_between(band, say), "bold")


def _between(band: Band, say: Any) -> str:
    return f"{say(band.low)} – {say(band.high)}"


def _plot(made: Forecast, width: int) -> RenderableType:
    wide = width >= WIDE_COLUMNS
    cells = PLOT_CELLS if wide else max(LEAST_CELLS, min(PLOT_CELLS, width - FIGURES_CHARS))
    bands, most = made.sums["usd"], made.sums["usd"][-1].high
    step = math.ceil(made.days / PLOT_ROWS)
    shown_days = sorted({*range(step, made.days + 1, step), made.days})
    plot = figures_table(["", "", "", ""] if wide else ["", "", ""], left=0)
    plot.show_header = False
    plot.columns[1].justify = "left"
    for day in shown_days:
        band = bands[day - 1]
        bar = amount_bar(band.mean / most, cells, more=(band.high - band.mean) / most)
        told = [Text(_between(band, dollars), DIM)] if wide else []  # the last band stands above
        plot.add_row(f"day {day}", bar, dollars(band.mean), *told)
    return plot


def _tell_reached(made: Forecast, now: float) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for one in made.reached:
        limit = f"global: {shown(one.limit, one.of)}{'' if one.limit == 'usd' else ' ' + one.limit.replace('_', ' ')}"
        per = PER[one.period]
        length = DAYS[one.period]
        if math.isinf(one.after_days):
            lines.append((f"{limit} {per} is not reached: a request uses none of it", ""))
        elif one.after_days > length:
            share = length / one.after_days
            early = (
                f"; at the upper end of the band after {_span(one.earliest_days)}"
                if one.earliest_days <= length
                else ""
            )
            told = f"{limit} {per} is not reached: {share:.0%} of it would be used{early}"
            lines.append((told, "yellow" if early else ""))
        else:
            latest = "never" if one.latest_days > length or math.isinf(one.latest_days) else _span(one.latest_days)
            when = f" ({_date(now, one.after_days)})" if one.period == "total" else ""
            band = f"{_span(one.earliest_days)} – {latest}"
            lines.append((f"{limit} {per} is reached after {_span(one.after_days)}{when}; 90 %: {band}", "yellow"))
    return lines


def _span(days: float) -> str:
    if days >= 1:
        return f"{days:,.1f} days"
    return f"{days * 24:.1f} hours" if days >= 1 / 24 else f"{days * 1440:.0f} minutes"


def _date(now: float, days: float) -> str:
    try:
        return datetime.fromtimestamp(now + days * 86_400, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "beyond the calendar"


def _notes(made: Forecast) -> list[tuple[str, str]]:
    count = made.requests
    method = f"bootstrap, {RESAMPLES:,} resamples, seed {SEED}" if count < SMALL else "normal approximation"
    notes = [(f"{counted(count, 'request')} on record; {method}. It assumes that future requests are like them.", DIM)]
    if count < FEW:
        told = f"! Under {FEW} requests the band is too narrow: a rare, dear request may not be on record yet."
        notes.append((told, "yellow"))
    if made.requests_per_day * made.days < FEW:
        notes.append((f"! The sum of fewer than {FEW} requests is not normal: read its band with care.", "yellow"))
    if made.unended:
        notes.append((f"Left out: {counted(made.unended, 'request')} without an end.", DIM))
    return notes


def _tabulate(made: Forecast) -> tuple[list[str], list[list[str | int | float]]]:
    head = ["day", "requests", "usd", "usd_low", "usd_high", "tokens", "tokens_low", "tokens_high"]
    rows: list[list[str | int | float]] = []
    for day, (usd, tokens) in enumerate(zip(made.sums["usd"], made.sums["tokens"], strict=True), 1):
        money = [exact_usd(round(value)) for value in (usd.mean, usd.low, usd.high)]
        counts = [round(value) for value in (tokens.mean, tokens.low, tokens.high)]
        rows.append([day, round(made.requests_per_day * day), *money, *counts])
    return head, rows


def _describe(made: Forecast) -> dict[str, Any]:
    """For programs; amounts of money are nano-dollars and called so, infinite days are null."""
    reached = [replace(one, limit=json_name(one.limit)) for one in made.reached]
    made = replace(made, a_request=in_nano(made.a_request), sums=in_nano(made.sums), reached=reached)
    method = "bootstrap" if made.requests < SMALL else "normal"
    return {
        "method": method,
        "confidence": CONFIDENCE,
        "seed": SEED if method == "bootstrap" else None,
        "few": made.requests < FEW,
        "forecast": made,
    }

"""``surefoot report``: what runs used, by tenant, user, session, model, tool or day."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.text import Text

from surefoot.budget.accounts import quote
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
    fit_columns,
    fitted,
    named,
    short,
    write_csv,
)
from surefoot.narrator import counted, duration
from surefoot.reports import groups as sums_by
from surefoot.reports.groups import GROUPINGS, KEYS, Grouping, Report, Sums
from surefoot.terminal import open_console

DEFAULT_TOP: Final = 20
"""Lines of a table that nobody asked for more of; CSV and JSON have all."""
BAR_CELLS: Final = 40
LEAST_BAR_CELLS: Final = 4
FIGURES_CHARS: Final = 22
"""What stands beside a bar: share, amount and gaps."""
_WHAT: Final = {"nano": "cost", "tokens": "tokens", "runs": "runs", "calls": "calls"}
_LEAST_WANTED: Final = ("cached", "steps", "latency", "a run", "of calls", "failed", "out", "in")
"""What a narrow terminal goes without, in this order."""


@click.command()
@click.option("--by", type=click.Choice(GROUPINGS), default="day", show_default=True, help="What to group by.")
@span_options
@click.option("--top", type=click.IntRange(1), help="How many lines; the rest is one line. Else 20, CSV and JSON all.")
@csv_option
@json_option
@click.pass_context
def report(
    context: click.Context,
    /,
    *,
    by: Grouping,
    since: str | None,
    until: str | None,
    top: int | None,
    csv_file: str | None,
    as_json: bool,
) -> None:
    """Show what runs used and cost, by tenant, user, session, model, tool or day."""
    check_outputs(csv_file, as_json=as_json)
    settings, clock = read_settings(context), SystemClock()
    zone = read_zone_of(settings)
    span = read_span(since, until, zone, clock.now())

    async def read() -> Report:
        made = Report(by, zone)
        async with open_existing(settings) as runtime:
            async for row in scan(runtime, span, clock, open_console(stderr=True)):
                made.add(row)
        return made

    made = run_to_end(read())
    if csv_file is not None and not write_csv(csv_file, *_tabulate(made, top)):
        return
    if as_json:
        print_json(_describe(made, top))
    elif made.total.runs:
        console = open_console()
        console.print(draw(made, DEFAULT_TOP if top is None else top, console))
    else:
        click.echo("there are no runs in that time", err=True)


def _name(by: str, group: sums_by.Group) -> str:
    """A group in one word: users and sessions as their accounts are named."""
    if group.others:
        return f"({group.others:,} {'earlier' if by == 'day' else 'others'})"
    *above, last = group.key
    parts = [*filter(None, above[:1]), *above[1:], last] if above else [last]
    return named("/".join(map(quote, parts)) if any(parts) and above else last)


def draw(made: Report, top: int, console: Console) -> RenderableType:
    """A table, a bar for each of its lines, and what must be known to read them."""
    found = made.groups(top)
    rows = [{made.by: _name(made.by, group), **_cells(made, group.sums, group.share)} for group in found]
    if len(found) > 1:
        rows.append({made.by: "all", **_cells(made, made.total, 1.0)})
    shown = fit_columns(rows, _LEAST_WANTED, console.width)
    table = figures_table(shown)
    for number, row in enumerate(rows):
        style = "bold" if number == len(found) else ""
        table.add_row(*[Text(row[name], style) for name in shown])
    parts: list[RenderableType] = [fitted(table, console)]
    if made.by == "tool" and not found:
        parts = [Text("no run called a tool")]
    elif len(found) > 1:
        parts += [Text(f"\nshare of {_WHAT[made.measure()]}", "bold"), _chart(made, found, console.width)]
    parts += [Text(note, DIM) for note in _notes(made)]
    return Group(*parts)


def _chart(made: Report, found: list[sums_by.Group], width: int) -> RenderableType:
    cells = max(
        LEAST_BAR_CELLS, min(BAR_CELLS, width - max(len(_name(made.by, group)) for group in found) - FIGURES_CHARS)
    )
    chart = figures_table(["", "", "", ""], left=2)
    chart.show_header = False
    most = max([group.share for group in found if not group.others], default=0.0)
    for group in found:  # the sum of many others would make all bars short
        bar = Text() if group.others else amount_bar(group.share / most if most else 0.0, cells)
        amount = getattr(group.sums, made.measure())
        told = dollars(amount) if made.measure() == "nano" else short(amount)
        chart.add_row(Text(_name(made.by, group)), bar, f"{group.share:.1%}", Text(told, DIM))
    return chart


def _cells(made: Report, sums: Sums, share: float) -> dict[str, str]:
    latency = duration(sums.latency_ms / sums.calls) if sums.calls else ""
    if made.by == "tool":
        return {
            "runs": short(sums.runs),
            "calls": short(sums.calls),
            "errors": short(sums.errors),
            "of calls": f"{sums.errors / sums.calls:.1%}" if sums.calls else "",
            "latency": latency,
            "share": f"{share:.1%}",
        }
    cells = {"runs": short(sums.runs), "failed": short(sums.failures), "steps": short(sums.steps)}
    if made.by == "model":  # a run may use several models, so that failed runs say nothing of one
        cells = {"runs": short(sums.runs), "calls": short(sums.calls), "failed": short(sums.errors)}
    return {
        **cells,
        "in": short(sums.usage.input_tokens),
        "out": short(sums.usage.output_tokens),
        "cached": f"{sums.usage.cached_share:.0%}" if sums.usage.input_tokens else "",
        "cost": dollars(sums.nano),
        "a run": dollars(sums.nano / sums.runs) if sums.runs else "",
        **({"latency": latency} if made.by == "model" else {}),
        "share": f"{share:.1%}",
    }


def _notes(made: Report) -> list[str]:
    total, notes = made.total, list[str]()
    if total.children:
        notes.append(f"begun by a tool of another run: {total.children:,} of {counted(total.runs, 'run')}")
    if total.unended:
        notes.append(
            f"{counted(total.unended, 'run')} without an end: under way they count as nothing, lost as all they held"
        )
    unknown = total.tokens - total.usage.total_tokens
    if unknown > 0:
        notes.append(
            f"{short(unknown)} tokens were charged in full, their kind unknown: they cost, but are not in in/out"
        )
    if made.by in {"model", "tool"} and made.groups(1):
        notes.append(f"a run counts on each line whose {made.by} it used")
    return notes


_FIELDS: Final = ("runs", "children", "failures", "unended", "steps", "calls", "errors")


def _tabulate(made: Report, top: int | None) -> tuple[list[str], list[list[str | int | float]]]:
    head = [
        *KEYS[made.by], "others", *_FIELDS, "latency_ms", "tokens", "input_tokens", "output_tokens",
        "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost_usd", "share",
    ]  # fmt: skip
    rows: list[list[str | int | float]] = []
    for group in made.groups(top):
        sums, usage = group.sums, group.sums.usage
        key = [*group.key, *[""] * (len(KEYS[made.by]) - len(group.key))]
        counts = [getattr(sums, name) for name in _FIELDS]
        rows.append([
            *key, group.others, *counts, round(sums.latency_ms, 3), sums.tokens, usage.input_tokens,
            usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens,
            exact_usd(sums.nano), round(group.share, 6),
        ])  # fmt: skip
    return head, rows


def _describe(made: Report, top: int | None) -> dict[str, Any]:
    found = [
        {
            "key": dict(zip(KEYS[made.by], group.key, strict=False)),
            "others": group.others,
            "share": group.share,
            "sums": group.sums,
        }
        for group in made.groups(top)
    ]
    return {"by": made.by, "share_of": made.measure(), "total": made.total, "groups": found}

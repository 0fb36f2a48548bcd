"""How a simulation looks in a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from surefoot.commands.tables import DIM, amount_bar, dollars, figures_table, fitted, named, short
from surefoot.narrator import counted, plain

BLOCKS: Final = " ▁▂▃▄▅▆▇█"
BAR_CELLS: Final = 28
MOST_TENANTS: Final = 10
TRACE_LINES: Final = 12
PROMISES: Final = {
    "B1": "no account spends more than its limit",
    "B2": "no call without a hold that covers it",
    "B3": "a hold is at the price of the model that is called",
    "B4": "a call is charged what the provider said, or all that was held",
    "B6": "a child run spends its parent's budget",
    "C1": "nobody sees another's words",
    "C2": "conversations keep their order, and lose nothing",
    "C3": "every queue and cache has a limit",
    "C4": "admission keeps its limits",
    "R1": "what was acknowledged, or acted on, is on record",
    "R2": "no tool call is made twice",
    "R3": "a process that was silent for too long does no more",
    "R4": "attempts are bounded, and a run goes to the next model",
    "R5": "loops end",
    "context": "what fits goes whole",
    "liveness": "everything ends",
    "pace": "calls keep to what a provider says",
}
"""In words; docs/simulator.md has more of them."""
_LABEL_CELLS: Final = 13
_HOUR_CELLS: Final = 8
_WIDE: Final = 90
"""From so many columns on, a line of blocks has its largest figure beside it, else below."""
_SLOTS_IN_A_BLOCK: Final = (1, 2, 3, 4, 6)


def spark(values: Sequence[float]) -> Text:
    """A line of blocks, the highest for the largest value; 0 is a space."""
    most = max(values, default=0.0)
    if most <= 0:
        return Text("·" * len(values), DIM)
    cells = [BLOCKS[0 if value <= 0 else max(1, round(value / most * (len(BLOCKS) - 1)))] for value in values]
    return Text("".join(cells), "cyan")


def draw_report(report: Any, world: Any, console: Console) -> RenderableType:
    """All figures of a simulation."""
    head = Text.assemble(
        (counted(report.requests, "request"), "bold"),
        f" of {counted(world.users, 'user')} in {world.hours:g} h on {world.model.id}  ",
        (f"seed {report.seed} · {report.events:,} events · trace {report.trace_hash[:12]}", DIM),
    )
    tables = [_outcomes(report), _times(report), _money(report, world)]
    if len(report.by_tenant) > 1:
        tables.append(_tenants(report))
    if report.covered:
        tables.append(_covered(report))
    parts: list[RenderableType] = [head]
    for table in tables:
        parts += [Text(), fitted(table, console)]
    parts += [Text(), _load(report, world, console)]
    if report.breaches:
        told = [
            Text(f"✗ {_name_promise(breach)}, broken at {breach.at_s:,.3f} s: {breach.message}", "red")
            for breach in report.breaches
        ]
        parts += [Text(), *told[:3]]
    else:
        parts += [Text(), Text("✓ every promise was watched all along, and held", "green")]
    return Group(*parts)


def _name_promise(breach: Any) -> str:
    return f"{breach.promise} ({PROMISES.get(breach.promise, 'see docs/simulator.md')})"


def _outcomes(report: Any) -> Table:
    table = figures_table(["outcome", "requests", "share", ""])
    stopped = sum(report.stopped.values())
    rows: list[tuple[str, int, str]] = [("answered", report.answered - stopped, "green")]
    rows += [(f"answered in part: limit on {limit}", count, "yellow") for limit, count in report.stopped.items()]
    rows += [
        (_UNANSWERED.get(how, str(how).replace("_", " ")), count, "red") for how, count in report.unanswered.items()
    ]
    for name, count, style in rows:
        share = count / max(1, report.requests)
        table.add_row(name, f"{count:,}", f"{share:.1%}", amount_bar(share, BAR_CELLS, style=style))
    for reason, count in report.refusals.items():
        table.add_row(Text(f"refused for now: {reason}", DIM), Text(f"{count:,}", DIM), "", Text("tries", DIM))
    return table


_UNANSWERED: Final = {"gave up": "gave up after refusals", "cancelled": "cancelled by the user"}


def _times(report: Any) -> Table:
    table = figures_table(["seconds", "p50", "p95", "p99", "most"])
    for name, figures in (("wait for the first call", report.wait_s), ("until the answer", report.latency_s)):
        table.add_row(name, *[f"{value:,.2f}" for value in (figures.p50, figures.p95, figures.p99, figures.most)])
    return table


def _money(report: Any, world: Any) -> Table:
    table = figures_table(["cost and calls", "", ""])
    per = report.nano / max(1, report.requests)
    table.add_row("cost", dollars(report.nano), f"{dollars(per)} a request")
    table.add_row(
        "a month like this", dollars(report.month_nano), f"{short(report.requests * 720 / world.hours)} requests"
    )
    table.add_row("tokens", short(report.tokens), f"{short(report.tokens / max(1, report.requests))} a request")
    table.add_row("calls of the model", f"{report.calls:,}", f"{report.busiest_calls:,} at once at most")
    table.add_row("  of them repeated", f"{report.retries:,}", f"{report.retries / max(1, report.calls):.1%}")
    table.add_row("  turned away (429)", f"{report.turned_away:,}", f"{report.turned_away / max(1, report.calls):.1%}")
    table.add_row("  failed", f"{report.failed_calls:,}", f"{report.failed_calls / max(1, report.calls):.1%}")
    if report.crashes:
        planned = world.faults.crashes
        table.add_row("crashes", f"{report.crashes:,}", f"of {planned:,}" if report.crashes < planned else "")
    return table


def _covered(report: Any) -> Table:
    """What happened that promises were watched in, and how often."""
    table = figures_table(["what happened", "times"])
    for name, count in sorted(report.covered.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(name, f"{count:,}")
    return table


def _tenants(report: Any) -> Table:
    table = figures_table(["tenant", "cost", "a request", "tokens", "requests", ""])
    most = max([nano for nano, _, _ in report.by_tenant.values()], default=0)
    for name, (nano, tokens, requests) in list(report.by_tenant.items())[:MOST_TENANTS]:
        table.add_row(
            named(name), dollars(nano), dollars(nano / max(1, requests)), short(tokens), f"{requests:,}",
            amount_bar(nano / max(1, most), BAR_CELLS),
        )  # fmt: skip
    if len(report.by_tenant) > MOST_TENANTS:
        table.add_row(Text(f"and {len(report.by_tenant) - MOST_TENANTS} more", DIM))
    return table


def _load(report: Any, world: Any, console: Console) -> Table:
    """How it went over the hours: a block for each slot of time, or for each few of them where there is no room."""
    table = Table.grid(padding=(0, 1))
    slots = report.slots
    minutes = world.hours * 60 / len(slots)
    is_wide = not console.is_terminal or console.width >= _WIDE
    room = len(slots) if is_wide else max(1, console.width - _LABEL_CELLS)
    few = next(few for few in _SLOTS_IN_A_BLOCK if len(slots) <= few * room or few == _SLOTS_IN_A_BLOCK[-1])
    lines: tuple[tuple[str, list[float], Callable[[float], str]], ...] = (
        ("requests", [slot.requests for slot in slots], lambda most: f"{most:,.0f} in {minutes:g} min"),
        ("runs at once", [slot.busy for slot in slots], lambda most: f"{_say_figure(most)} on average"),
        ("refused", [slot.refused for slot in slots], lambda most: f"{most:,.0f}"),
        ("wait p95", [slot.wait_p95_s for slot in slots], lambda most: f"{most:,.2f} s"),
    )
    for name, values, tell in lines:
        blocks = [max(values[first : first + few]) for first in range(0, len(values), few)]
        told = Text("at most " + tell(max(values)), DIM)
        if is_wide:
            table.add_row(Text(name, "bold"), spark(blocks), told)
        else:
            table.add_row(Text(name, "bold"), spark(blocks))
            table.add_row("", told)
    marks = max(1, len(slots) // (few * _HOUR_CELLS))
    hours = "".join([f"{_say_hour(world.hours * place / marks):<{_HOUR_CELLS}}" for place in range(marks)])
    table.add_row(Text("hour", DIM), Text(hours.rstrip(), DIM))
    return table


def _say_figure(value: float) -> str:
    """To a tenth, and below a tenth to two digits that count."""
    return f"{value:,.1f}" if value >= 0.1 or value <= 0 else f"{value:.2g}"


def _say_hour(hours: float) -> str:
    """``4``, ``0:20``, or a fraction of less than a minute."""
    minutes = round(hours * 60)
    if not minutes:
        return f"{hours:.2g}"
    return f"{minutes // 60}:{minutes % 60:02}" if minutes % 60 else f"{minutes // 60}"


def draw_loads(loads: Sequence[Any], console: Console) -> RenderableType:
    """What each load of a sweep gave, and which is carried."""
    table = figures_table(
        ["load", "requests a day", "answered", "wait p95", "latency p95", "429s", "cost a day", "missed"]
    )
    for load in loads:
        report = load.report
        style = "red" if load.broken else "green"
        cells = (
            f"{load.per_day:,.0f}",
            f"{report.answered / max(1, report.requests):.1%}",
            f"{report.wait_s.p95:,.2f} s",
            f"{report.latency_s.p95:,.1f} s",
            f"{report.turned_away:,}",
            dollars(report.month_nano / 30),
        )
        missed = ", ".join([broken.partition(" ")[0] for broken in load.broken])
        table.add_row(Text(f"{load.factor:.2f} ×", style), *cells, Text(missed, style))
    carried = [load for load in loads if not load.broken]
    broken = [load for load in loads if load.broken]
    if not carried:
        told = Text("the world's own load misses its targets already", "red")
    elif not broken:
        told = Text(f"{carried[-1].per_day:,.0f} requests a day are carried; no more was tried", "green")
    else:
        told = Text(
            f"carries the busiest hour of {carried[-1].per_day:,.0f} requests a day, "
            f"and breaks at {broken[0].per_day:,.0f}: {broken[0].broken[0]}",
            "yellow",
        )
    return Group(fitted(table, console), Text(), told)


def draw_breaches(report: Any, case: Any, path: Path) -> RenderableType:
    """A small reproduction of a broken promise."""
    lines: list[RenderableType] = [
        Text(
            f"shrunk to {counted(len(case.plan.requests), 'request')} and "
            f"{counted(len(case.plan.troubles), 'trouble')} of seed {case.world.seed}",
            "bold",
        )
    ]
    lines += [Text(f"  {line}", DIM) for line in report.trace[-TRACE_LINES:]]
    lines += [
        Text(f"✗ {_name_promise(breach)}: {plain(breach.message, 1_000)}", "red") for breach in report.breaches[:1]
    ]
    lines.append(Text(f"play it again: surefoot sim --replay {shlex.quote(str(path))}"))
    return Group(*lines)

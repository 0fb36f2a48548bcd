"""What a stress test looks like in a terminal: how far it is, and its report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from surefoot.commands.tables import DIM, amount_bar, fitted, named, short
from surefoot.narrator import counted, plain
from surefoot.stress.figures import Bin
from surefoot.stress.plan import Plan
from surefoot.stress.report import Report
from surefoot.stress.score import Score
from surefoot.stress.words import NOTHING, say_index, say_s, say_spread, say_usd

BAR_CELLS: Final = 40
NARROW_CELLS: Final = 20
NARROW_COLUMNS: Final = 80
_BAR_COLUMNS: Final = 110
"""In less, the figures need the room."""
TOLD_PARTS: Final = 4
"""Without a terminal the progress is told after each of so many parts,"""
TOLD_EVERY_S: Final = 30.0
"""and after so many seconds in which there was nothing to tell."""


class LiveView:
    """Shows how far a test is: a bar on a terminal, a few lines elsewhere."""

    def __init__(self, console: Console, plan: Plan, *, doing: str = "getting ready") -> None:
        self._console = console
        self._total = plan.requests
        self._told, self._told_at_s = 0, 0.0
        bar = (TextColumn("[bold]stress"), BarColumn(BAR_CELLS)) if console.width >= _BAR_COLUMNS else ()
        self._progress = Progress(
            *bar, MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=plan.requests, told=doing)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def settle(self, plan: Plan) -> None:
        """It is settled what the test does."""
        self._total = plan.requests
        self._progress.update(self._task, total=plan.requests)

    def show(self, score: Score, seconds: float) -> None:
        """Draw how far it is."""
        told = self._tell(score, seconds)
        self._progress.update(self._task, completed=score.ended, told=told)
        part = score.ended * TOLD_PARTS // self._total
        if not self._console.is_terminal and (part > self._told or seconds >= self._told_at_s + TOLD_EVERY_S):
            self._told, self._told_at_s = part, seconds
            self._console.print(f"{score.ended:,} of {counted(self._total, 'request')}  {told}")

    def _tell(self, score: Score, seconds: float) -> str:
        p50_s, p95_s = score.recent_s()
        rate = score.ended / seconds if seconds > 0 else 0.0
        failed = f" · {score.failed:,} failed" if score.failed else ""
        latency = f" · p50 {say_s(p50_s)} · p95 {say_s(p95_s)}" if p95_s else ""
        return f"{rate:,.1f}/s · {score.under_way:,} under way{latency}{failed}"


def draw(report: Report, console: Console) -> RenderableType:
    """The report."""
    cells = BAR_CELLS if console.width >= NARROW_COLUMNS else NARROW_CELLS
    parts: list[RenderableType] = [_headline(report), Text(_describe(report), DIM), Text()]
    parts += [_facts(report), Text(), fitted(_latency_table(report), console)]
    if report.latency_bins:
        parts += [Text(), Text("latency of the answers", "bold"), _bins(report.latency_bins, cells)]
    if report.failures:
        parts += [Text(), Text("failed", "bold"), _failures(report, cells)]
        first = report.examples.items()
        parts += [Text.assemble((plain(reason, 40), "red"), "  ", plain(told, 300)) for reason, told in first]
        parts += [Text(f"expected: {note}", DIM) for note in report.notes]
    return Group(*parts)


def _headline(report: Report) -> Text:
    style = "bold green" if not report.failed else "bold red" if not report.succeeded else "bold yellow"
    text = Text(f"{report.succeeded:,} of {counted(report.total, 'request')} succeeded", style)
    return text.append(", then it was interrupted", "bold red") if report.outcome == "interrupted" else text


def _describe(report: Report) -> str:
    plan = report.plan
    how = "all at once" if plan.arrival == "burst" else f"{plan.rate_per_s:g} a second at random"
    who = f"{counted(plan.users, 'requester')} in the name of {counted(plan.unique, 'user')}"
    return plain(f"{who}, {how}; {report.model} at {report.endpoint}; seed {plan.seed}", 300)


def _facts(report: Report) -> Table:
    spent, table = report.spent, Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    for name, told in (
        ("requests", f"{report.total:,} · {report.succeeded:,} succeeded · {report.failed:,} failed"),
        ("total time", f"{report.seconds:,.2f} s"),
        ("throughput", f"{report.throughput_per_s:,.1f} requests a second"),
        ("model calls", f"{spent.model_calls:,}{_tell_failed_calls(report)} · {spent.tool_calls:,} tool calls"),
        ("429s", f"{report.refused:,} from admission · {report.not_now:,} from the provider"),
        ("tokens", _tell_tokens(report)),
        ("cost", f"{say_usd(spent.nano)} · {say_usd(spent.nano / max(1, report.total))} a request"),
        ("fairness", _tell_fairness(report)),
        ("worst user", _tell_worst(report)),
        ("memory", f"{report.peak_mb:,.0f} MB at most, {report.begin_mb:,.0f} MB before"),
        ("CPU", f"{report.cpu_s:,.2f} s of this process"),
    ):
        table.add_row(name, Text(told))
    return table


def _tell_failed_calls(report: Report) -> str:
    failed = [f"{count:,} {plain(code, 40)}" for code, count in report.spent.failed_calls.items()]
    return f" ({', '.join(failed)})" if failed else ""


def _tell_tokens(report: Report) -> str:
    spent = report.spent
    told = f"{short(spent.input_tokens)} in ({spent.cached_share:.0%} cached) · {short(spent.output_tokens)} out"
    more = spent.tokens > spent.input_tokens + spent.output_tokens  # calls of which nobody knows what they used
    return f"{told} · {short(spent.tokens)} charged" if more else told


def _tell_fairness(report: Report) -> str:
    index = say_index(report.fairness, measured=report.succeeded > 0)
    return f"{index} over {counted(report.users, 'user')} (1 is equal service)"


def _tell_worst(report: Report) -> str:
    if not report.worst:
        return NOTHING
    user = report.worst[0]
    return (
        f"{named(user.name)}: {counted(user.succeeded, 'answer')}, {counted(user.failed, 'failure')}, "
        f"{say_s(user.mean_s)} on average"
    )


def _latency_table(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for name in ("", "mean", "p50", "p90", "p95", "p99", "most"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    table.add_row(Text("latency", "bold"), *say_spread(report.latency_s, measured=report.succeeded > 0))
    table.add_row(Text("event loop late", "bold"), *say_spread(report.loop_lag_s))
    return table


def _bins(bins: Iterable[Bin], cells: int) -> Table:
    table = Table.grid(padding=(0, 1))
    for justify in ("right", "left", "right"):
        table.add_column(justify=justify)
    bins = list(bins)
    most = max(one.count for one in bins)
    for one in bins:
        table.add_row(f"< {say_s(one.high)}", amount_bar(one.count / most, cells), f"{one.count:,}")
    return table


def _failures(report: Report, cells: int) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column()
    table.add_column(justify="right")
    for reason, count in report.failures:
        table.add_row(plain(reason, 40), amount_bar(count / report.failed, cells, style="red"), f"{count:,}")
    return table

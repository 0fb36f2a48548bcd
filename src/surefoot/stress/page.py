"""The report of a stress test as one page that needs nothing else: no script, no network, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from surefoot.narrator import counted, plain
from surefoot.stress.charts import Axes, Mark, Series, draw_bars, draw_lines, thin
from surefoot.stress.figures import Bin, Spread
from surefoot.stress.report import Report
from surefoot.stress.score import Moment
from surefoot.stress.words import say_count, say_index, say_s, say_spread, say_usd

STYLE: Final = Path(__file__).with_name("page.css")
MOST_USER_BARS: Final = 60


def write_page(report: Report) -> str:
    """The whole page."""
    verdict = f"{report.succeeded:,} of {counted(report.total, 'request')} succeeded"
    tone = "good" if not report.failed else "bad" if not report.succeeded else "mixed"
    if report.outcome == "interrupted":
        verdict, tone = f"{verdict}, then the test was interrupted", "mixed"
    when = datetime.fromtimestamp(report.began_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = [
        f'<header><p class="kicker">Stress test · {when}</p><h1 class="{tone}">{escape(verdict)}</h1>',
        f"<p>{escape(_describe(report))}</p></header>",
        f'<section class="tiles">{"".join(_tiles(report))}</section>',
        f'<section class="charts">{"".join(_charts(report))}</section>',
        f'<section class="tables">{"".join(_tables(report))}</section>',
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(verdict)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _describe(report: Report) -> str:
    plan = report.plan
    how = "all at once" if plan.arrival == "burst" else f"{plan.rate_per_s:g} a second at random"
    who = f"{counted(plan.users, 'requester')} in the name of {counted(plan.unique, 'user')}, {how}"
    return plain(f"{who}. {report.model} at {report.endpoint}. Seed {plan.seed}.", 400)


def _tiles(report: Report) -> Iterable[str]:
    late, answered = report.loop_lag_s, report.succeeded > 0
    mean, p50, _, _, p99, most = say_spread(report.latency_s, measured=answered)
    for name, value, more in (
        ("Throughput", f"{report.throughput_per_s:,.1f}/s", f"{report.seconds:,.2f} s in all"),
        ("Latency p50", p50, f"mean {mean}"),
        ("Latency p99", p99, f"most {most}"),
        ("Failed", f"{report.failed:,}", f"{report.failed_share:.1%} of {report.total:,}"),
        ("429s", f"{report.refused + report.not_now:,}", f"{report.refused:,} ours, {report.not_now:,} upstream"),
        ("Tokens charged", say_count(report.spent.tokens), f"{say_count(report.spent.output_tokens)} generated"),
        ("Cost", say_usd(report.spent.nano), f"{say_usd(report.spent.nano / max(1, report.total))} a request"),
        ("Fairness", say_index(report.fairness, measured=answered), f"over {counted(report.users, 'user')}"),
        ("Event loop late", say_s(late.p99), f"at p99; p50 {say_s(late.p50)}"),
        ("Memory", f"{report.peak_mb:,.0f} MB", f"{report.begin_mb:,.0f} MB before"),
    ):
        yield f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b><small>{escape(more)}</small></div>'


def _charts(report: Report) -> Iterable[str]:
    if report.latency_bins:
        yield _latency_chart(report.latency_bins, report.latency_s)
    yield _ended_chart(report.moments)
    seconds = max(report.seconds, 1e-9)
    ends = [(0.0, "0 s"), (1.0, say_s(report.seconds))]
    if ended := [moment for moment in report.moments if moment.answered]:
        p95_s, p50_s = [moment.p95_s for moment in ended], [moment.p50_s for moment in ended]
        lines = [Series("p95", "two", p95_s), Series("p50", "one", p50_s)]
        axes = Axes(title="Latency as the test went on", labels=ends, say=say_s)
        yield draw_lines(axes, lines, [moment.at_s / seconds for moment in ended])
    places = [sample.at_s / seconds for sample in report.samples]
    axes = Axes(title="Requests under way", labels=ends, say=say_count, whole=True)
    yield draw_lines(axes, [Series("", "one", [sample.under_way for sample in report.samples])], places)
    axes = Axes(title="Resident memory", labels=ends, say=_say_mb)
    yield draw_lines(axes, [Series("", "two", [sample.memory_mb for sample in report.samples])], places)
    if report.succeeded:
        yield _user_chart(report.rates_per_s)


def _say_mb(value: float) -> str:
    return f"{value:,.0f} MB"


def _latency_chart(bins: Sequence[Bin], latency: Spread) -> str:
    named = (("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99))
    axes = Axes(
        title="Latency of the answers",
        labels=thin([(number / len(bins), say_s(one.low)) for number, one in enumerate(bins)]),
        say=say_count,
        whole=True,
        marks=[Mark(f"{name} {say_s(value)}", _find_place(bins, value)) for name, value in named],
    )
    tips = [f"{say_s(one.low)} to {say_s(one.high)}: {one.count:,}" for one in bins]
    return draw_bars(axes, [Series("", "one", [one.count for one in bins])], tips)


def _find_place(bins: Sequence[Bin], value: float) -> float:
    """Where a value stands along the axis of a histogram."""
    for number, one in enumerate(bins):
        if value < one.high:
            return (number + (value - one.low) / (one.high - one.low)) / len(bins)
    return 1.0


def _ended_chart(moments: Sequence[Moment]) -> str:
    count = len(moments)
    width_s = moments[0].at_s if moments else 0.0
    axes = Axes(
        title=f"Requests that ended, in each {say_s(width_s)}",
        labels=thin([((number + 1) / count, say_s(moment.at_s)) for number, moment in enumerate(moments)]),
        say=say_count,
        whole=True,
    )
    answered = Series("answered", "one", [moment.answered for moment in moments])
    failed = Series("failed", "bad", [moment.failed for moment in moments])
    tips = [f"to {moment.at_s:.2f} s: {moment.answered:,} answered, {moment.failed:,} failed" for moment in moments]
    return draw_bars(axes, [answered, failed], tips)


def _user_chart(rates_per_s: Sequence[float]) -> str:
    """Every user, or the worst of each group of neighbours when there are too many."""
    step = -(-len(rates_per_s) // MOST_USER_BARS) or 1
    shown = rates_per_s[::step]
    whose = "by user" if step == 1 else f"the worst of each {step} users"
    axes = Axes(
        title=f"Answers for each second of waiting, {whose}",
        labels=[(0.0, "served worst"), (1.0, "served best")],
        say=lambda value: f"{value:.3g}",
    )
    return draw_bars(axes, [Series("", "one", shown)], [f"{rate:.3g} a second" for rate in shown])


def _tables(report: Report) -> Iterable[str]:
    spent = report.spent
    latency = say_spread(report.latency_s, measured=report.succeeded > 0)
    names = ("mean", "p50", "p90", "p95", "p99", "most")
    rows = zip(names, latency, say_spread(report.loop_lag_s), strict=True)
    yield _table("Percentiles (nearest rank)", ("", "latency", "event loop late"), rows)
    if report.failures:
        yield _table(
            "Failed", ("reason", "requests"), [(plain(name, 60), f"{count:,}") for name, count in report.failures]
        )
    if report.examples:
        yield _list("The first of them said", report.examples)
    if report.failures and report.notes:
        yield _list("Was to be expected", {str(number): note for number, note in enumerate(report.notes, 1)})
    calls = [("model calls", f"{spent.model_calls:,}"), ("tool calls", f"{spent.tool_calls:,}")]
    calls += [(f"failed: {plain(code, 40)}", f"{count:,}") for code, count in spent.failed_calls.items()]
    calls += [("tokens in", f"{spent.input_tokens:,}"), ("of them cached", f"{spent.cached_share:.0%}")]
    calls += [("tokens out", f"{spent.output_tokens:,}"), ("tokens charged", f"{spent.tokens:,}")]
    calls += [("cost", say_usd(spent.nano)), ("CPU of the process", f"{report.cpu_s:,.2f} s")]
    yield _table("What it used", ("", ""), calls)
    worst = [
        (plain(user.name, 40), f"{user.succeeded:,}", f"{user.failed:,}", say_s(user.mean_s)) for user in report.worst
    ]
    yield _table("The least served users", ("user", "answers", "failures", "mean latency"), worst)


def _list(title: str, told: Mapping[str, str]) -> str:
    lines = [f"<dt>{escape(plain(name, 60))}</dt><dd>{escape(plain(text, 300))}</dd>" for name, text in told.items()]
    return f'<div class="card"><h2>{escape(title)}</h2><dl>{"".join(lines)}</dl></div>'


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="card"><h2>{escape(title)}</h2><div class="scroll">{table}</div></div>'

"""5,000 runs at once in one process, each of five model calls that take one second: what does it come to?

    python bench/scale.py                        # limit and surefoot on uvloop, about a minute
    python bench/scale.py --runs 10000 --loops asyncio,uvloop --rounds 3

The ideal is five seconds. Bars: every run gets its right answer; the total is at most 1.5 times that of `limit` in the
same round; the event loop is late by at most 50 ms at the 99th percentile of the time. Exit code 1 if an answer was
wrong or missing; times depend on what else the machine does, so that a missed bar is only shown.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from rich.table import Table
from run import OURS, Bench, Contestant, console, show, upstream

RATIO_BAR, LAG_BAR_MS = 1.5, 50.0
COLUMNS = ("ok", "wall_s", "lag_p50_ms", "lag_p99_ms", "lag_most_ms", "cpu_ms_per_step", "rss_kb_per_session")


def measure(bench: Bench, runs: int, rounds: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Interleaved rounds: figures by label and loop."""
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number in range(rounds):
        for contestant, loop in bench.pairs():
            console.print(f"round {number + 1} of {rounds}: {contestant.label}, {loop}", style="dim")
            load = ["--runs", runs, "--concurrency", runs, "--delay-ms", 1_000, "--warm-up", 8, "--lag"]
            if measured := bench.measure(contestant, loop, *load):
                seen.setdefault((contestant.label, loop), []).append(measured[0])
    return seen


def judge(seen: dict[tuple[str, str], list[dict[str, Any]]], runs: int) -> Table:
    """Medians of the rounds, each total against that of `limit` in the same round."""
    table = Table(title=f"{runs:,} runs at once, five calls of one second each", title_justify="left")
    table.add_column("contestant")
    table.add_column("loop")
    for name in (
        "finished",
        "total s",
        "× limit",
        "loop late\np50 ms",
        "p99 ms",
        "most ms",
        "CPU ms\na step",
        "KB a run",
    ):
        table.add_column(name, justify="right")
    for (label, loop), rounds in seen.items():
        medians = {column: statistics.median(figures[column] for figures in rounds) for column in COLUMNS}
        limits = [figures["wall_s"] for figures in seen.get(("limit", loop), [])]
        ratios = [figures["wall_s"] / limit for figures, limit in zip(rounds, limits, strict=False)]
        ratio = statistics.median(ratios) if ratios else None
        table.add_row(
            label,
            loop,
            show(medians["ok"]),
            show(medians["wall_s"], "{:.2f}"),
            verdict(ratio, RATIO_BAR, "{:.2f}"),
            show(medians["lag_p50_ms"], "{:.1f}"),
            verdict(medians["lag_p99_ms"], LAG_BAR_MS, "{:.1f}"),
            show(medians["lag_most_ms"], "{:.1f}"),
            show(medians["cpu_ms_per_step"], "{:.3f}"),
            show(medians["rss_kb_per_session"]),
        )
    return table


def verdict(figure: float | None, bar: float, pattern: str) -> str:
    if figure is None:
        return show(None)
    return f"[{'green' if figure <= bar else 'red'}]{show(figure, pattern)}[/]"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="many runs at once in one process")
    parser.add_argument("--runs", type=int, default=5_000)
    parser.add_argument("--loops", default="uvloop")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--unguarded", action="store_true", help="Surefoot without detection and redaction")
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    options = parser.parse_args()
    options.loops = options.loops.split(",")
    return options


def main() -> int:
    options = arguments()
    guard = " unguarded" * options.unguarded
    labels = {"limit", f"surefoot{guard}", f"surefoot-durable{guard}"}
    contestants: list[Contestant] = [one for one in OURS if one.label in labels]
    with upstream() as url:
        bench = Bench(url, options, contestants)
        seen = measure(bench, options.runs, options.rounds)
    console.print(judge(seen, options.runs))
    console.print(f"bars: {RATIO_BAR} × limit, loop late by {LAG_BAR_MS:g} ms at p99; the ideal is 5 s", style="dim")
    for failure in bench.results.failed:
        console.print(f"[red]failed: {failure}[/red]", highlight=False)
    if options.json:
        options.json.write_text(json.dumps(bench.results.raw, indent=1))
    return 1 if bench.results.failed else 0


if __name__ == "__main__":
    sys.exit(main())

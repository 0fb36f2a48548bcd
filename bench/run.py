"""The benchmark: every contestant does the same work, each measurement in a process of its own, each ratio to `limit`.

    python bench/run.py                              # all modes, limit and surefoot: less than ten minutes
    python bench/run.py --modes instructions,cpu --only '^(limit|surefoot)$' --loops uvloop
    python bench/run.py --peers --modes cpu          # other frameworks too, each installed into .venv-bench-NAME

Exit code 1 if a contestant gave a wrong answer, or if a bar is missed that can be measured on a busy machine: the
instructions.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parent
console = Console(width=None if sys.stdout.isatty() else 140)

MODES = ("instructions", "cpu", "sessions", "stream", "import", "long")
DEFAULT_MODES = "instructions,cpu,sessions,stream,import"
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

# Bars of the project: (contestant, most times `limit`).
BARS = {"surefoot": 3.0, "surefoot-durable": 3.5}
SESSIONS_BAR, STREAM_BAR, IMPORT_BAR_MS, MEMORY_BAR_KB = 1.3, 1.5, 60, 60


@dataclass(frozen=True)
class Contestant:
    """One row of the table.

    Attributes:
        label: What the table calls it.
        module: Its file in bench/, without the suffix.
        variant: One of the file's VARIANTS.
        python: The interpreter that has its libraries.
        runs: Runs of one `cpu` measurement: enough for about a second.
    """

    label: str
    module: str
    variant: str
    python: str = sys.executable
    runs: int = 2_000


OURS = [
    Contestant("limit", "limit", "full"),
    Contestant("limit-durable", "limit", "durable"),
    Contestant("pyreqwest alone", "limit", "pyreqwest-bare"),
    Contestant("surefoot", "contestant_surefoot", "relaxed"),
    Contestant("surefoot-durable", "contestant_surefoot", "durable"),
    Contestant("surefoot unguarded", "contestant_surefoot", "unguarded"),
    Contestant("surefoot-durable unguarded", "contestant_surefoot", "unguarded-durable"),
]

# Versions are pinned so that a table can be compared with an older one.
PEERS: dict[str, list[str]] = {
    "langgraph": ["langgraph==1.2.22", "langchain==1.4.7", "langchain-openai==1.7.3", "openai==3.54.0"],
    "pydantic_ai": ["pydantic-ai-slim[openai]==2.68.0", "openai==3.54.0"],
    "openai_agents": ["openai-agents==0.24.0", "openai==3.54.0"],
    "agno": ["agno==3.1.10", "openai==3.54.0"],
}


@dataclass
class Rows:
    """Figures gathered so far: ``rows[label, loop][column]``."""

    rows: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    raw: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def put(self, label: str, loop: str, **figures: float) -> None:
        self.rows.setdefault((label, loop), {}).update(figures)

    def get(self, label: str, loop: str, column: str) -> float | None:
        return self.rows.get((label, loop), {}).get(column)

    def ratio(self, label: str, loop: str, column: str) -> float | None:
        mine, limit = self.get(label, loop, column), self.get("limit", loop, column)
        return mine / limit if mine is not None and limit else None


class Bench:
    """Runs measurements against one upstream."""

    def __init__(self, upstream: str, options: argparse.Namespace, contestants: list[Contestant]) -> None:
        self.upstream, self.options, self.contestants = upstream, options, contestants
        self.loops: list[str] = options.loops
        self.results = Rows()

    def pairs(self) -> Iterator[tuple[Contestant, str]]:
        for contestant in self.contestants:
            for loop in self.loops:
                yield contestant, loop

    def command(self, contestant: Contestant, loop: str, *arguments: object) -> list[str]:
        command = [contestant.python, str(HERE / "harness.py"), contestant.module, "--variant", contestant.variant]
        command += ["--upstream", self.upstream, "--loop", loop]
        if len(CORES) > 1:
            command += ["--cpu", str(CORES[-1])]
        return command + [str(argument) for argument in arguments]

    def measure(
        self, contestant: Contestant, loop: str, *arguments: object, prefix: tuple[str, ...] = ()
    ) -> tuple[dict[str, Any], str] | None:
        """One process; its figures and its stderr, or None after noting the failure."""
        command = [*prefix, *self.command(contestant, loop, *arguments)]
        child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
        lines = child.stdout.splitlines()
        if child.returncode or not lines:
            self.note_failure(contestant, child.stderr.strip()[-400:] or f"exit code {child.returncode}")
            return None
        figures: dict[str, Any] = json.loads(lines[-1])
        self.results.raw.append(figures | {"label": contestant.label, "under": prefix[:1]})
        if figures["ok"] != figures["runs"]:
            self.note_failure(contestant, f"{figures['ok']} of {figures['runs']} runs right: {figures['failures']}")
        elif figures["model_calls"] != figures["runs"] * figures["steps"]:
            self.note_failure(contestant, f"{figures['model_calls']} model calls: hidden retries or an old history")
        return figures, child.stderr

    def note_failure(self, contestant: Contestant, what: str) -> None:
        console.print(f"[red]{contestant.label}: {what}[/red]", highlight=False)
        self.results.failed.append(f"{contestant.label}: {what}")

    # ------------------------------------------------------------------------------------------------------- modes

    def instructions(self) -> None:
        """User-space instructions per step: the difference of two run lengths under cachegrind."""
        if shutil.which("valgrind") is None:
            console.print(
                "[yellow]valgrind is not installed: no instructions column (Debian, Ubuntu: valgrind)[/yellow]"
            )
            return
        for contestant, loop in self.pairs():
            if (figure := self.count(contestant, loop)) is not None:
                self.results.put(contestant.label, loop, kilo_instructions=figure)

    def count(self, contestant: Contestant, loop: str, *arguments: object) -> float | None:
        """Thousands of instructions per step, at a concurrency of 8."""
        tool = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
        totals: list[tuple[int, int]] = []
        for runs in (8, 40):
            load = ("--runs", runs, "--concurrency", 8, "--warm-up", 8, *arguments)
            measured = self.measure(contestant, loop, *load, prefix=tool)
            found = re.search(r"I\s+refs:\s+([\d,]+)", measured[1]) if measured else None
            if not measured or not found:
                return None
            totals.append((int(found[1].replace(",", "")), runs * measured[0]["steps"]))
        (short, short_steps), (long, long_steps) = totals
        return (long - short) / (long_steps - short_steps) / 1000

    def cpu(self) -> None:
        """CPU time per step and steps per second at 64 connections: medians of interleaved rounds."""
        self.rounds("cpu", ["cpu_ms_per_step", "steps_per_s"], lambda contestant: ("--runs", contestant.runs))

    def long(self) -> None:
        """The same with runs of 50 steps: what a step costs once the history is long."""
        columns = {"cpu_ms_per_step": "long_cpu_ms_per_step"}
        load = lambda contestant: ("--runs", contestant.runs // 20, "--steps", 50)  # noqa: E731 - one of two loads
        self.rounds("long", ["cpu_ms_per_step"], load, columns)

    def rounds(
        self,
        name: str,
        columns: list[str],
        load: Callable[[Contestant], tuple[object, ...]],
        renamed: dict[str, str] | None = None,
    ) -> None:
        seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for number in range(self.options.rounds):
            console.print(f"{name}: round {number + 1} of {self.options.rounds}", style="dim")
            for contestant, loop in self.pairs():
                if measured := self.measure(contestant, loop, *load(contestant)):
                    seen.setdefault((contestant.label, loop), []).append(measured[0])
        for (label, loop), rounds in seen.items():
            for column in columns:
                median = statistics.median(figures[column] for figures in rounds)
                self.results.put(label, loop, **{(renamed or {}).get(column, column): median})

    def sessions(self) -> None:
        """1,000 runs at once, each of five model calls that take a second: wall time, memory per live session."""
        for contestant, loop in self.pairs():
            load = ("--runs", 1_000, "--concurrency", 1_000, "--delay-ms", 1_000, "--warm-up", 0)
            if measured := self.measure(contestant, loop, *load):
                figures = measured[0]
                kept = {"sessions_wall_s": figures["wall_s"], "sessions_ok": figures["ok"]}
                self.results.put(contestant.label, loop, **kept, rss_kb_per_session=figures["rss_kb_per_session"])

    def stream(self) -> None:
        """What streaming adds for the same tokens: about 16 events a step, passed on one by one."""
        with_valgrind = shutil.which("valgrind") is not None
        for contestant, loop in self.pairs():
            if contestant.label not in {"surefoot", "pyreqwest alone"}:
                continue
            for column, flags in (("plain", ()), ("stream", ("--stream",))):
                rounds = [self.measure(contestant, loop, "--runs", 1_000, *flags) for _ in range(self.options.rounds)]
                times = [measured[0]["cpu_ms_per_step"] for measured in rounds if measured]
                if times:
                    self.results.put(contestant.label, loop, **{f"{column}_cpu_ms": statistics.median(times)})
                if with_valgrind and (counted := self.count(contestant, loop, *flags)) is not None:
                    self.results.put(contestant.label, loop, **{f"{column}_kilo_instructions": counted})

    def imports(self) -> None:
        """CPU time of importing the framework in a fresh interpreter: the best of six."""
        for contestant in self.contestants:
            source = (HERE / f"{contestant.module}.py").read_text(encoding="utf-8")
            for name, column in (("LIBRARIES", "import_ms"), ("PACKAGE", "package_ms")):
                found = re.search(rf'^{name} = "(.*)"$', source, re.MULTILINE)
                if found and (best_ms := self.time_import(contestant, found[1])) is not None:
                    for loop in self.loops:
                        self.results.put(contestant.label, loop, **{column: best_ms})

    def time_import(self, contestant: Contestant, statement: str) -> float | None:
        code = f"import time; at = time.process_time(); {statement}; print((time.process_time() - at) * 1000)"
        times: list[float] = []
        for _ in range(6):
            command = [contestant.python, "-c", code]
            child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
            if child.returncode:
                self.note_failure(contestant, child.stderr.strip()[-300:])
                return None
            times.append(float(child.stdout))
        return min(times)


def environment() -> dict[str, str]:
    """The environment of a measurement: repeatable hashes, nothing that phones home."""
    return os.environ | {
        "PYTHONHASHSEED": "0",
        "AGNO_TELEMETRY": "false",
        "DO_NOT_TRACK": "1",
        "LANGCHAIN_TRACING_V2": "false",
        "LANGSMITH_TRACING": "false",
        "NO_PROXY": "127.0.0.1",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "OTEL_SDK_DISABLED": "true",
    }


@contextmanager
def upstream() -> Iterator[str]:
    """The fake provider, in its own process and on its own core where there are two."""
    command = [sys.executable, str(HERE / "upstream.py")]
    if len(CORES) > 1:
        command += ["--cpu", str(CORES[0])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
    finally:
        child.terminate()
        child.wait()


def install_peer(name: str, requirements: list[str]) -> Contestant:
    """A contestant in a virtual environment of its own, made on first use."""
    venv = ROOT / f".venv-bench-{name}"
    python = venv / "bin" / "python"
    stamp = venv / "requirements.txt"
    wanted = "\n".join([*requirements, "uvloop"])
    if not stamp.exists() or stamp.read_text() != wanted:
        console.print(f"installing {name} into {venv.name}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, *requirements, "uvloop"], check=True)
        subprocess.run([python, "-m", "compileall", "-q", venv], check=False, capture_output=True)
        stamp.write_text(wanted)
    return Contestant(name.replace("_", "-"), f"contestant_{name}", "default", str(python), runs=60)


# -------------------------------------------------------------------------------------------------------------- report


def show(figure: float | None, pattern: str = "{:,.0f}") -> str:
    return "-" if figure is None else pattern.format(figure)


def main_table(results: Rows) -> Table:
    table = Table(title="One ReAct step: a model call and a tool call", title_justify="left")
    for name in ("contestant", "loop"):
        table.add_column(name)
    for name in (
        "thousand\ninstructions",
        "× limit",
        "CPU ms",
        "× limit",
        "steps/s",
        "50 steps:\nCPU ms",
        "KB per\nsession",
        "import\nCPU ms",
    ):
        table.add_column(name, justify="right")
    for label, loop in results.rows:
        table.add_row(
            label,
            loop,
            show(results.get(label, loop, "kilo_instructions")),
            show(results.ratio(label, loop, "kilo_instructions"), "{:.2f}"),
            show(results.get(label, loop, "cpu_ms_per_step"), "{:.3f}"),
            show(results.ratio(label, loop, "cpu_ms_per_step"), "{:.2f}"),
            show(results.get(label, loop, "steps_per_s")),
            show(results.get(label, loop, "long_cpu_ms_per_step"), "{:.3f}"),
            show(results.get(label, loop, "rss_kb_per_session")),
            show(results.get(label, loop, "import_ms")),
        )
    return table


def verdicts(results: Rows, loops: list[str]) -> Iterator[tuple[str, float, float, bool]]:
    """Each bar that was measured: what, the figure, the bar, and whether it is repeatable on a busy machine."""
    for loop in loops:
        for label, bar in BARS.items():
            if (ratio := results.ratio(label, loop, "kilo_instructions")) is not None:
                yield f"{label}, {loop}: instructions per step, times limit", ratio, bar, True
            if (ratio := results.ratio(label, loop, "cpu_ms_per_step")) is not None:
                yield f"{label}, {loop}: CPU per step, times limit", ratio, bar, False
        if (ratio := results.ratio("surefoot", loop, "sessions_wall_s")) is not None:
            yield f"surefoot, {loop}: wall time of 1,000 sessions, times limit", ratio, SESSIONS_BAR, False
        ours, library = (results.get(name, loop, "rss_kb_per_session") for name in ("surefoot", "pyreqwest alone"))
        if ours is not None and library is not None:
            yield f"surefoot, {loop}: KB per live session beyond pyreqwest's", ours - library, MEMORY_BAR_KB, False
        for unit, repeatable in (("kilo_instructions", True), ("cpu_ms", False)):
            streamed, plain = (results.get("surefoot", loop, f"{kind}_{unit}") for kind in ("stream", "plain"))
            if streamed is not None and plain:
                yield (
                    f"surefoot, {loop}: streaming, times not streaming ({unit})",
                    streamed / plain,
                    STREAM_BAR,
                    repeatable,
                )
    if (import_ms := results.get("surefoot", loops[0], "package_ms")) is not None:
        yield "import surefoot, CPU ms", import_ms, IMPORT_BAR_MS, False


def report(results: Rows, loops: list[str]) -> bool:
    """Print everything; whether all answers were right and all repeatable bars kept."""
    console.print(main_table(results))
    bars = Table(title="Bars", title_justify="left")
    for name, justify in (("what", "left"), ("measured", "right"), ("at most", "right"), ("", "left")):
        bars.add_column(name, justify=justify)  # type: ignore[arg-type]
    good = not results.failed
    for what, figure, bar, repeatable in verdicts(results, loops):
        kept = figure <= bar
        good = good and (kept or not repeatable)
        bars.add_row(what, f"{figure:.2f}", f"{bar:g}", "[green]kept[/green]" if kept else "[red]missed[/red]")
    if bars.row_count:
        console.print(bars)
    for failure in results.failed:
        console.print(f"[red]failed: {failure}[/red]", highlight=False)
    return good


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="the cost of one ReAct step")
    parser.add_argument("--modes", default=DEFAULT_MODES, help=f"comma-separated, of: {', '.join(MODES)}")
    parser.add_argument("--only", default="", help="regular expression on the contestant's name")
    parser.add_argument("--loops", default="asyncio,uvloop")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds of the timed modes")
    parser.add_argument("--peers", action="store_true", help="also measure other frameworks (installs them from PyPI)")
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    options = parser.parse_args()
    options.modes, options.loops = options.modes.split(","), options.loops.split(",")
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    return options


def main() -> int:
    options = arguments()
    contestants = [contestant for contestant in OURS if re.search(options.only, contestant.label)]
    if options.peers:
        wanted = {name: needed for name, needed in PEERS.items() if re.search(options.only, name.replace("_", "-"))}
        contestants += [install_peer(name, needed) for name, needed in wanted.items()]
    with upstream() as url:
        bench = Bench(url, options, contestants)
        for mode in options.modes:
            console.print(f"measuring: {mode}", style="dim")
            getattr(bench, "imports" if mode == "import" else mode)()
    good = report(bench.results, options.loops)
    if options.json:
        rows = [{"label": label, "loop": loop} | row for (label, loop), row in bench.results.rows.items()]
        options.json.write_text(json.dumps({"rows": rows, "measurements": bench.results.raw}, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

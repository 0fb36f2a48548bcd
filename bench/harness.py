"""One measurement of one contestant, in a process of its own: load, answers checked, one line of JSON on stdout.

    python bench/harness.py limit --upstream http://127.0.0.1:PORT --runs 200 --concurrency 64

A contestant is a module with ``VARIANTS``, ``LIBRARIES`` (what it imports, for the import column) and
``async def prepare(setup) -> run``, where ``await run(i)`` plays one conversation and returns the final text.
It imports its framework inside `prepare`, so that memory and time are charged to it.
"""

import argparse
import asyncio
import gc
import importlib
import json
import os
import resource
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from workload import FINAL, KEY

Run = Callable[[int], Awaitable[str]]


@dataclass(frozen=True)
class Setup:
    """What a contestant is given.

    Attributes:
        base_url: The provider, up to and including ``/v1``.
        variant: One of the contestant's ``VARIANTS``.
        stream: Whether replies are to be streamed.
        directory: An empty directory for a journal or database.
        stack: Closes what the contestant opens.
    """

    base_url: str
    variant: str
    stream: bool
    directory: Path
    stack: AsyncExitStack


class Load:
    """Plays runs and keeps score."""

    def __init__(self, run: Run, steps: int) -> None:
        self.run, self.expected = run, f"{FINAL} k={steps - 1}"
        self.latencies_s: list[float] = []
        self.failures: Counter[str] = Counter()

    async def play(self, number: int) -> None:
        start = time.perf_counter()
        try:
            output = await self.run(number)
        except Exception as error:  # noqa: BLE001 - a contestant may fail in any way: the table shows how
            self.failures[f"{type(error).__name__}: {str(error)[:160]}"] += 1
            return
        if self.expected not in output:
            self.failures[f"wrong answer: {output[:80]!r}"] += 1
            return
        self.latencies_s.append(time.perf_counter() - start)

    async def work(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self.play(number)

    async def play_all(self, count: int, concurrency: int, first: int = 0) -> None:
        numbers = iter(range(first, first + count))
        await asyncio.gather(*(self.work(numbers) for _ in range(min(count, concurrency))))


class Peak:
    """The most resident memory while it is open, sampled."""

    def __init__(self) -> None:
        self.before_kb = self.most_kb = resident_kb()
        self.task = asyncio.get_running_loop().create_task(self._sample())

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self.most_kb = max(self.most_kb, resident_kb())

    def grown_kb(self) -> int:
        self.task.cancel()
        return max(self.most_kb, resident_kb()) - self.before_kb


def resident_kb() -> int:
    """Resident memory of this process in KiB (Linux); the peak so far where /proc is missing."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() // 1024
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)


def cpu_s() -> float:
    """User and system time of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ask(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url) as reply:
        counters: dict[str, int] = json.load(reply)
    return counters


async def measure(options: argparse.Namespace) -> dict[str, object]:
    contestant = importlib.import_module(options.contestant)
    base_url = f"{options.upstream}/s{options.steps}/d{options.delay_ms}/p{options.pace_ms}/v1"
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        async with AsyncExitStack() as stack:
            setup = Setup(base_url, options.variant, options.stream, Path(directory), stack)
            run = await contestant.prepare(setup)
            warm_up = Load(run, options.steps)
            await warm_up.play_all(options.warm_up, options.concurrency, first=1_000_000_000)
            gc.collect()
            ask(f"{options.upstream}/reset")
            load, peak = Load(run, options.steps), Peak()
            cpu_before_s, wall_before_s = cpu_s(), time.perf_counter()
            with measure_lag(on=options.lag) as lag:
                await load.play_all(options.runs, options.concurrency)
            wall_s, used_s = time.perf_counter() - wall_before_s, cpu_s() - cpu_before_s
            grown_kb = peak.grown_kb()
            served = ask(f"{options.upstream}/stats")
    return report(options, load, served, wall_s=wall_s, used_s=used_s, grown_kb=grown_kb) | lag


@contextmanager
def measure_lag(*, on: bool) -> Iterator[dict[str, float]]:
    """How late the event loop was, filled in when the block ends; it needs Surefoot, which peers lack."""
    figures: dict[str, float] = {}
    if not on:
        yield figures
        return
    from surefoot.stress.figures import spread
    from surefoot.stress.gauges import LoopLag

    with LoopLag() as lag:
        yield figures
    late = spread(lag.lags_s)
    for name, lag_s in (("p50", late.p50), ("p99", late.p99), ("most", late.most)):
        figures[f"lag_{name}_ms"] = round(lag_s * 1000, 1)


def report(
    options: argparse.Namespace, load: Load, served: dict[str, int], *, wall_s: float, used_s: float, grown_kb: int
) -> dict[str, object]:
    steps, latencies_s = options.runs * options.steps, sorted(load.latencies_s)
    return {
        "contestant": options.contestant,
        "variant": options.variant,
        "loop": options.loop,
        "stream": options.stream,
        "runs": options.runs,
        "concurrency": options.concurrency,
        "steps": options.steps,
        "ok": len(latencies_s),
        "failures": dict(load.failures.most_common(3)),
        "model_calls": served["requests"],
        "most_connections": served["most_connections"],
        "wall_s": round(wall_s, 3),
        "cpu_ms_per_step": round(used_s * 1000 / steps, 4),
        "steps_per_s": round(steps / wall_s, 1),
        "p50_ms": round(latencies_s[len(latencies_s) // 2] * 1000, 1) if latencies_s else None,
        "p99_ms": round(latencies_s[int(len(latencies_s) * 0.99)] * 1000, 1) if latencies_s else None,
        "rss_kb_per_session": round(grown_kb / options.concurrency, 1),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="measure one contestant")
    parser.add_argument("contestant")
    parser.add_argument("--variant", default="")
    parser.add_argument("--upstream", required=True, help="root of bench/upstream.py, http://127.0.0.1:PORT")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--pace-ms", type=int, default=0)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--lag", action="store_true", help="measure the delay of the event loop, too")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--warm-up", type=int, default=64, help="runs that are not counted")
    parser.add_argument("--directory", help="where journals are written (default: the system's temporary directory)")
    parser.add_argument("--cpu", type=int, help="pin the process to this core")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    if hasattr(resource, "RLIMIT_NOFILE"):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ["OPENAI_API_KEY"] = KEY
    if options.loop == "uvloop":
        import uvloop

        result = uvloop.run(measure(options))
    else:
        result = asyncio.run(measure(options))
    print(json.dumps(result), flush=True)
    os._exit(0)  # frameworks leave threads behind that would delay the exit, and instructions that nobody asked for


if __name__ == "__main__":
    main()

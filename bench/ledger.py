"""What do budgets cost? Reserve and settle through four levels of accounts, on SQLite, with every commit on disk.

    python bench/ledger.py [--runs 1000] [--calls 10] [--rounds 5]

The same runs are journaled twice, interleaved: with claim and settlement for each call on all four levels (global,
tenant, user, session; all limited, one hot tenant), and without. The difference is the price of the ledger, in CPU of the
whole process (both threads). Exits with 1 where a bar is missed.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from surefoot.budget.accounts import Rule, make_payers
from surefoot.budget.posting import Claim, Posting, Settlement
from surefoot.clock import SystemClock
from surefoot.store.base import RunRow
from surefoot.store.sqlite import SqliteStore

MOST_CPU_US = 30.0
LEAST_CALLS_PER_S = 10_000.0
USERS = 200
RECORD = b"x" * 700
HOLD = (1_500, 3_000_000)
CHARGE = (700, 900_000)
RULES = [
    Rule("global", "month", {"usd": 10**15}),
    Rule("tenant:*", "month", {"usd": 10**15, "tokens": 10**12}),
    Rule("user:*", "day", {"usd": 10**13}),
    Rule("session:*", "total", {"tokens": 10**9}),
]


@dataclass(frozen=True)
class Round:
    """CPU for a call in microseconds, and calls a second."""

    cpu_us: float
    calls_per_s: float


class Load:
    """Runs that all wait for their next commit at the same time."""

    def __init__(self, store: SqliteStore, runs: int, calls: int, *, limited: bool) -> None:
        self.store, self.runs, self.calls, self.limited = store, runs, calls, limited

    async def play(self, number: int) -> None:
        store = self.store
        run_id, now = f"run_{number:06}", time.time()
        user = f"u{number % USERS}"
        payers = make_payers("acme", user, f"s{number}")
        row = RunRow(
            run_id=run_id, agent="a", model="m", started_at=now, tenant="acme", user=user, session=f"s{number}"
        )
        await store.create(row, RECORD)
        seq = 1
        for call in range(1, self.calls + 1):
            claim = settled = None
            if self.limited:
                claim = Posting(None, Claim(payers, call, *HOLD, steps=1, model_calls=1, prices="digest"))
                settled = Posting(Settlement(call, *CHARGE))
            refusal = await store.append(run_id, seq, RECORD, claim)
            assert refusal is None, refusal
            store.append(run_id, seq + 1, RECORD, settled)
            seq += 2
        await store.finish(row, seq, RECORD)

    async def measure(self) -> Round:
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*[self.play(number) for number in range(self.runs)])
        calls = self.runs * self.calls
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if self.limited:
            await self.check(calls)
        return Round(cpu / calls * 1e6, calls / wall)

    async def check(self, calls: int) -> None:
        """A ledger that is fast and wrong would be no use."""
        (tenant,) = await self.store.accounts.balances(["tenant:acme"])
        spent = tenant.spent
        assert (spent.tokens, spent.nano, spent.model_calls) == (calls * CHARGE[0], calls * CHARGE[1], calls)
        assert (tenant.reserved_tokens, tenant.reserved_nano) == (0, 0)


async def play_round(runs: int, calls: int, *, limited: bool) -> Round:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "bench.db", clock=SystemClock())
        store.accounts.declare(RULES if limited else [], {})
        await store.open()
        try:
            return await Load(store, runs, calls, limited=limited).measure()
        finally:
            await store.close()


async def compare(runs: int, calls: int, rounds: int) -> bool:
    """Measure, print the table, and say whether both bars hold."""
    pairs = [[await play_round(runs, calls, limited=limited) for limited in (False, True)] for _ in range(rounds)]
    plain, limited = [[pair[index] for pair in pairs] for index in (0, 1)]
    table = Table(title=f"{runs:,} runs at once, {calls} calls each, {rounds} rounds, medians")
    for column in ("", "CPU µs a call", "calls/s"):
        table.add_column(column, justify="right" if column else "left")
    for name, found in (("two appends", plain), ("with claim and settlement", limited)):
        cpu_us, speed = [
            statistics.median(column) for column in zip(*[(r.cpu_us, r.calls_per_s) for r in found], strict=True)
        ]
        table.add_row(name, f"{cpu_us:.1f}", f"{speed:,.0f}")
    margin = statistics.median([pair[1].cpu_us - pair[0].cpu_us for pair in pairs])
    speed = statistics.median([one.calls_per_s for one in limited])
    table.add_section()
    table.add_row("the ledger", f"{margin:.1f}", f"{speed:,.0f}")
    table.add_row("bar", f"≤ {MOST_CPU_US:.0f}", f"≥ {LEAST_CALLS_PER_S:,.0f}")
    Console().print(table)
    return margin <= MOST_CPU_US and speed >= LEAST_CALLS_PER_S


def main() -> int:
    parser = argparse.ArgumentParser(description="what reserve and settle cost")
    parser.add_argument("--runs", type=int, default=1_000, help="runs at once")
    parser.add_argument("--calls", type=int, default=10, help="calls of each run")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    return 0 if asyncio.run(compare(options.runs, options.calls, options.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Pacing over real HTTP: a provider that enforces a rate of tokens, more runs than it takes, all learned from headers.

    python bench/pacing.py                       # 600,000 tokens a minute, 30 s
    python bench/pacing.py --tpm 100000 --seconds 60 --users 50

Prints how much of the allowed throughput was used and how many calls were refused. Exit code 1 if a bar is missed: 95 %
of the throughput, fewer than 1 % refused.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from surefoot import Agent, Limits, Runtime
from surefoot.clock import SystemClock
from surefoot.config import Settings
from surefoot.errors import ModelError
from surefoot.providers import Provider
from surefoot.sections import AdmissionSettings, StoreSettings
from surefoot.testing import FakeProvider, say

LEAST_USED, MOST_REFUSED = 0.95, 0.01
BURST_S = 10.0  # of the provider: a full minute would let a short measurement pass without any pacing


async def measure(tpm: int, seconds: float, users: int) -> tuple[int, int, int]:
    """Replies and refusals of all, and tokens of ``seconds``, after a beginning in which the burst is used up."""
    clock = SystemClock()
    with FakeProvider.start_in_thread(
        lambda _: say("word " * 120), api_key="", tpm=tpm, burst_s=BURST_S, latency_s=lambda r: r.uniform(0.1, 0.6)
    ) as provider, tempfile.TemporaryDirectory() as folder, Progress(transient=True) as progress:  # fmt: skip
        task = progress.add_task("asking", total=seconds + BURST_S)
        settings = Settings(
            providers={"fake": Provider(provider.base_url, needs_key=False, free=True)},
            store=StoreSettings(durability="relaxed"),
            admission=AdmissionSettings(user_requests_per_minute=1_000_000),
        )
        async with Runtime(Path(folder) / "pacing.db", settings=settings) as runtime:
            agent = Agent("fake:m", max_tokens=200, limits=Limits(seconds=600))
            begin = clock.monotonic() + BURST_S
            end = begin + seconds
            at_begin = 0

            async def ask(user: str) -> None:
                while clock.monotonic() < end:
                    try:
                        await runtime.run(agent, "word " * 100, user=user)
                    except ModelError as error:
                        progress.console.print(error)

            asking = [asyncio.create_task(ask(f"u{number}")) for number in range(users)]
            while (left := end - clock.monotonic()) > 0:
                progress.update(task, completed=seconds + BURST_S - left)
                await asyncio.sleep(min(0.2, left))
                if clock.monotonic() <= begin:
                    at_begin = provider.bill.tokens
            counted = provider.stats.replies, provider.stats.faults.get("429", 0), provider.bill.tokens - at_begin
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return counted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tpm", type=int, default=600_000, help="tokens a minute that the provider lets through")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to measure")
    parser.add_argument("--users", type=int, default=100, help="users who always have something to ask")
    options = parser.parse_args()
    replies, refused, tokens = asyncio.run(measure(options.tpm, options.seconds, options.users))
    allowed = options.tpm / 60 * options.seconds
    table = Table(title="Pacing by headers alone")
    for column in ("", "measured", "bar"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("replies", f"{replies:,}", "")
    table.add_row("tokens of those allowed", f"{tokens / allowed:.1%}", f">= {LEAST_USED:.0%}")
    table.add_row("refused (429)", f"{refused / max(1, replies + refused):.2%}", f"< {MOST_REFUSED:.0%}")
    Console().print(table)
    return int(tokens < LEAST_USED * allowed or refused >= MOST_REFUSED * (replies + refused))


if __name__ == "__main__":
    sys.exit(main())

"""Resident memory over 100,000 sessions that are created, used and evicted; and whether each can still be continued.

    python bench/sessions.py [--sessions 100000] [--plot docs/sessions.svg]

Every session has two turns, with a tool call in the first one, over a real runtime and a real SQLite file; the model
is scripted, so that nothing but Surefoot is measured. 10,000 are in memory at most. At the end a sample of them, most
of it evicted, is continued: each must answer with all that was said before.

Linux only: resident memory is read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import random
import tempfile
import time
from pathlib import Path

from surefoot import Agent, Limits, Runtime, Settings, tool
from surefoot.sections import AdmissionSettings, SessionSettings, StoreSettings
from surefoot.testing import ScriptedModel, call, say

WORKERS = 128
SAMPLE = 500
LOOKS = 100
SEED = 20261128


@tool(effect="read")
async def order_status(order_id: str) -> str:
    """Status of one order."""
    tracking = f"{hash(order_id) & 0xFFFFFFFF:08x}"
    return f"Order {order_id} was shipped on Monday with tracking number {tracking}, and arrives on Thursday."


def reply(messages, step):
    """A model that looks an order up, or tells what it was asked before."""
    asked = [message.text for message in messages if message.role == "user"]
    if "order" in asked[-1] and messages[-1].role == "user":
        return call("order_status", order_id=asked[-1].split()[-1])
    if messages[-1].role == "tool":
        return say(f"I have looked it up for you. {messages[-1].text} Is there anything else that I can do?")
    return say(f"You have asked me {len(asked)} questions: {' | '.join(asked)}")


AGENT = Agent(
    ScriptedModel(reply), instructions="You are the order desk.", tools=[order_status], limits=Limits(seconds=600)
)


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Bench:
    """One run of the benchmark.

    Attributes:
        looks: Sessions so far, and resident bytes at that time.
    """

    def __init__(self, runtime: Runtime, count: int) -> None:
        self.runtime = runtime
        self.count = count
        self.looks: list[tuple[int, int]] = []
        self.names: dict[int, str] = {}
        self._numbers = itertools.count()

    async def use(self, number: int) -> None:
        user = f"user-{number % 2_000}"
        session = f"s{number}"
        if number % 20 == 0:  # ids of ours: each is a commit of its own
            session = self.names[number] = await self.runtime.sessions.create(user=user)
        for question in (f"My name is Visitor{number}. Where is my order {number}", f"Thanks for {number}"):
            await self.runtime.run(AGENT, question, user=user, session=session)

    async def work(self) -> None:
        for number in self._numbers:
            if number >= self.count:
                return
            await self.use(number)
            if number % max(1, self.count // LOOKS) == 0:
                self.looks.append((number, resident_bytes()))

    async def check(self, number: int) -> bool:
        session = self.names.get(number, f"s{number}")
        result = await self.runtime.run(AGENT, "And?", user=f"user-{number % 2_000}", session=session)
        first = f"My name is Visitor{number}. Where is my order {number}"
        return result.output == f"You have asked me 3 questions: {first} | Thanks for {number} | And?"


async def measure(count: int, max_in_memory: int, folder: str) -> tuple[Bench, float, float]:
    settings = Settings(
        store=StoreSettings(path=f"{folder}/bench.db", durability="relaxed"),
        sessions=SessionSettings(max_in_memory=max_in_memory),
        admission=AdmissionSettings(user_requests_per_minute=1_000_000, user_runs=1_000, max_lag_ms=60_000),
    )
    async with Runtime(settings=settings) as runtime:
        bench = Bench(runtime, count)
        began = time.monotonic()
        await asyncio.gather(*[bench.work() for _ in range(WORKERS)])
        took_s = time.monotonic() - began
        gc.collect()
        bench.looks.append((count, resident_bytes()))
        in_memory, size = runtime.sessions.in_memory
        assert in_memory == min(count, max_in_memory)
        sample = random.Random(SEED).sample(range(count), min(SAMPLE, count))
        checked = [await bench.check(number) for number in sample]
        assert all(checked), f"{checked.count(False)} of {len(checked)} sessions have lost something"
        return bench, took_s, size / in_memory


def per_session_bytes(looks: list[tuple[int, int]], most: int) -> float:
    """What a session in memory takes: the growth of resident memory from a fifth of them to all of them."""
    few = min(looks, key=lambda look: abs(look[0] - most / 5))
    many = min(looks, key=lambda look: abs(look[0] - most))
    return (many[1] - few[1]) / (many[0] - few[0])


def draw(looks: list[tuple[int, int]], most: int, path: Path) -> None:
    """The plot as SVG."""
    width, height, left, bottom = 760, 300, 60, 40
    top_mib = max(1.0, max(size for _, size in looks) / (1 << 20) * 1.25)
    end = looks[-1][0]

    def place(number: float, mib: float) -> str:
        x = left + number / end * (width - left - 20)
        return f"{x:.1f},{height - bottom - mib / top_mib * (height - bottom - 20):.1f}"

    line = " ".join([place(number, size / (1 << 20)) for number, size in looks])
    marks = []
    for share in range(5):
        mib = top_mib * share / 4
        x, y = place(0, mib).split(",")
        marks.append(f'<line x1="{x}" y1="{y}" x2="{width - 20}" y2="{y}" stroke="#8884"/>')
        marks.append(f'<text x="{left - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{mib:.0f}</text>')
        number = end * share / 4
        x, y = place(number, 0).split(",")
        marks.append(f'<text x="{x}" y="{height - bottom + 18}" text-anchor="middle">{number:,.0f}</text>')
    x = place(most, 0).split(",")[0]
    marks.append(f'<line x1="{x}" y1="20" x2="{x}" y2="{height - bottom}" stroke="#888" stroke-dasharray="4"/>')
    marks.append(f'<text x="{float(x) + 6:.1f}" y="32">{most:,} in memory, the rest is evicted</text>')
    box = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12"'
    path.write_text(f"""<svg xmlns="http://www.w3.org/2000/svg" {box}>
<rect width="{width}" height="{height}" fill="#fff"/>
{chr(10).join(marks)}
<polyline points="{line}" fill="none" stroke="#0969da" stroke-width="2"/>
<text x="{left}" y="14" font-weight="bold">Resident memory, MiB, over sessions created and used</text>
</svg>
""")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--in-memory", type=int, default=10_000)
    parser.add_argument("--plot", type=Path, help="SVG to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench, took_s, counted = asyncio.run(measure(options.sessions, options.in_memory, folder))
    looks = bench.looks
    plateau = [size for number, size in looks if number >= 2 * options.in_memory] or [looks[-1][1]]
    print(f"{options.sessions:,} sessions of two turns in {took_s:.0f} s: {2 * options.sessions / took_s:,.0f} runs/s")
    first, low, high = [size / (1 << 20) for size in (looks[0][1], min(plateau), max(plateau))]
    print(f"resident {first:.0f} MiB at first, {low:.0f} to {high:.0f} MiB once the memory is full")
    resident = per_session_bytes(looks, options.in_memory)
    print(f"an idle session in memory: {counted:,.0f} bytes counted, {resident:,.0f} resident")
    print(f"continued from a sample of {min(SAMPLE, options.sessions)}: all")
    if options.plot:
        draw(looks, options.in_memory, options.plot)
        print(f"wrote {options.plot}")


if __name__ == "__main__":
    main()

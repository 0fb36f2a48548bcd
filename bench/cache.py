"""The share of the prompts that a provider's cache can serve: how much of each prompt it has seen before, byte by byte.

    python bench/cache.py

The fake provider, over real HTTP, keeps a cache as OpenAI documents theirs: whole blocks of 128 tokens from the
beginning of a prompt, from 1,024 tokens on. What Surefoot reports is held against the provider's own count; exit code 1
if they differ or a share is below its bar.
"""

import asyncio
import hashlib
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from surefoot import UNLIMITED, Agent, Limits, Runtime, tool
from surefoot.config import Settings
from surefoot.providers import Provider
from surefoot.sections import AdmissionSettings, ContextSettings, StoreSettings
from surefoot.testing import FakeProvider, call, say

BLOCK_TOKENS, LEAST_TOKENS = 128, 1_024
BYTES_A_TOKEN = 4
WIDE = Limits(
    tokens=UNLIMITED, usd=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED, seconds=600
)
CASES = {
    # name: (wire, turns, steps of a turn, window, whether it sums up, least share)
    "a run of 10 steps": ("openai", 1, 10, 128_000, False, 0.8),
    "the same on Anthropic's wire": ("anthropic", 1, 10, 128_000, False, 0.8),
    "a session of 20 turns of 2 steps": ("openai", 20, 2, 128_000, False, 0.9),
    "a run of 200 steps in a window of 16,000": ("openai", 1, 200, 16_000, False, 0.9),
    "the same, what is left out is summed up": ("openai", 1, 200, 16_000, True, 0.9),
}


@tool(effect="read")
async def read_page(number: int) -> str:
    """Read a page of the book."""
    return f"page {number}: " + f"what stands on page {number}, " * 20


class Cache:
    """Blocks of prompts that were seen before."""

    def __init__(self):
        self.blocks = set()
        self.cached = self.tokens = 0

    def look_up(self, request):
        body = re.split(rb'"max_tokens":', request.body)[0]
        size, seen, chain, known = BLOCK_TOKENS * BYTES_A_TOKEN, 0, b"", True
        for start in range(0, len(body) - size + 1, size):
            chain = hashlib.blake2b(chain + body[start : start + size], digest_size=16).digest()
            known = known and chain in self.blocks
            seen += known
            self.blocks.add(chain)
        tokens = request.count.tokens(1)
        cached = int(tokens * seen * size / len(body))
        cached = cached if cached >= LEAST_TOKENS else 0
        self.cached, self.tokens = self.cached + cached, self.tokens + tokens
        return cached


async def measure(wire, turns, steps, window, sums_up):
    cache = Cache()

    def reply(request):
        said = (
            call("read_page", number=request.number) if request.tools and request.number % steps else say("It is so.")
        )
        return said.but(cache_read_tokens=cache.look_up(request))

    async with FakeProvider(reply, api_key="", context_tokens=window) as provider:
        own = Provider(provider.base_url, needs_key=False, free=True, wire=wire, context_tokens=window)
        settings = Settings(
            providers={"own": own},
            store=StoreSettings(durability="relaxed"),
            admission=AdmissionSettings(user_requests_per_minute=100_000),
            context=ContextSettings(summarise_with="own:m" if sums_up else ""),
        )
        agent = Agent("own:m", instructions="Be kind. " * 600, tools=[read_page], limits=WIDE)
        cached = tokens = 0
        with tempfile.TemporaryDirectory() as folder:
            async with Runtime(Path(folder) / "cache.db", settings=settings) as runtime:
                for turn in range(turns):
                    result = await runtime.run(agent, f"What stands in the book? ({turn})", user="u", session="s")
                    cached += result.usage.cache_read_tokens
                    tokens += result.usage.input_tokens
    assert (cached, tokens) == (cache.cached, cache.tokens), "what is reported is what the provider said"
    return cached / tokens, tokens, provider.stats.requests


def main():
    table = Table(title="Prompt tokens that the provider's cache served")
    for column in ("", "calls", "prompt tokens", "cached", "bar"):
        table.add_column(column, justify="right" if column else "left")
    missed = False
    for name, (*case, bar) in track(CASES.items(), "measuring", transient=True):
        share, tokens, calls = asyncio.run(measure(*case))
        missed = missed or share < bar
        table.add_row(name, f"{calls:,}", f"{tokens:,}", f"{share:.0%}", f">= {bar:.0%}")
    Console().print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())

"""A process that asks one agent of two models, for `test_fallback_http`. Arguments: database, seconds of a lease, the two base URLs.

The first is on the OpenAI wire, the second on Anthropic's. It is killed before it ends.
"""

import asyncio
import sys

from surefoot import Agent, Runtime, Settings, tool
from surefoot.providers import Provider
from surefoot.sections import RetrySettings, StoreSettings

PRICES = {"a:one": {"input": 2.0, "output": 8.0}, "b:two": {"input": 5.0, "output": 25.0}}
BUDGETS = {account: {"total": {"usd": 100}} for account in ("global", "user:*", "session:*")}


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def agent_of_two():
    return Agent(models=["a:one", "b:two"], tools=[look], max_tokens=500)


def settings_for(path, lease_s, one, two):
    return Settings(
        store=StoreSettings(path=path, lease_s=float(lease_s)),
        prices=PRICES,
        budgets=BUDGETS,
        retry=RetrySettings(attempts=2, base_s=0.001, max_s=60.0),
        providers={
            "a": Provider(one, needs_key=False),
            "b": Provider(two, wire="anthropic", needs_key=False),
        },
    )


async def main(*arguments):
    async with Runtime(settings=settings_for(*arguments)) as runtime:
        await runtime.run(agent_of_two(), "What do the pages say?", user="u", session="s")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

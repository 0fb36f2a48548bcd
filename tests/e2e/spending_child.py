"""A process that spends money of shared accounts, for `test_overspend` and `test_ledger_kill`. Arguments: see `main`.

``some``: so many runs at once, one call each; then one line of JSON for each: how it ended, and how long that took.
``endless``: runs without end, until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from surefoot import Agent, Limits, Runtime, tool
from surefoot.config import Settings
from surefoot.event_loop import run_in_loop
from surefoot.journal.events import LimitReached, ModelRequested
from surefoot.providers import Provider
from surefoot.sections import AdmissionSettings, RetrySettings, StoreSettings

PRICES = {"m": {"input": 2, "output": 8}}
QUESTION = "How many of these does a budget admit?"
MAX_TOKENS = 100
AT_ONCE = 6
LIMITS = Limits(tokens=1_000_000, usd=100, steps=1_000, model_calls=1_000, tool_calls=1_000)


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def make_settings(base_url: str, budgets: dict[str, Any]) -> Settings:
    return Settings(
        store=StoreSettings(lease_s=5.0),
        admission=AdmissionSettings(
            user_requests_per_minute=1_000_000, tenant_requests_per_minute=1_000_000, user_runs=1_000
        ),
        providers={"fake": Provider(base_url, needs_key=False)},
        prices=PRICES,
        budgets=budgets,
        retry=RetrySettings(attempts=2, base_s=0.001, max_s=0.002),
    )


def agent_of(*, tools: bool = False) -> Agent[str]:
    return Agent("fake:m", tools=[look] if tools else [], max_tokens=MAX_TOKENS, limits=LIMITS)


async def spend(runtime: Runtime, count: int) -> list[dict[str, Any]]:
    """So many runs of one call at once, as different users of one tenant."""
    agent = agent_of()

    async def one(number: int) -> dict[str, Any]:
        began = time.monotonic()
        result = await runtime.run(agent, QUESTION, tenant="acme", user=f"u{number % 20}")
        took_ms = (time.monotonic() - began) * 1e3
        _, events = await runtime.read_run(result.run_id)
        reached = [event for event in events if isinstance(event, LimitReached)]
        asked = [event for event in events if isinstance(event, ModelRequested)]
        return {
            "stop_reason": result.stop_reason,
            "output": result.limit_message,
            "took_ms": took_ms,
            "reached": [[event.account, event.period, event.limit, event.resets_at] for event in reached],
            "holds": [[event.hold_tokens, event.hold_nano] for event in asked],
            "nano": int(result.cost or 0),
        }

    return await asyncio.gather(*[one(number) for number in range(count)])


async def spend_endlessly(runtime: Runtime) -> None:
    agent = agent_of(tools=True)

    async def worker(number: int) -> None:
        while True:
            await runtime.run(
                agent, QUESTION, tenant="acme", user=f"u{number}", session=f"s{number}-{os.urandom(4).hex()}"
            )

    await asyncio.gather(*[worker(number) for number in range(AT_ONCE)])


async def main(what: str, path: str, base_url: str, budgets: str, count: str) -> None:
    async with Runtime(Path(path), settings=make_settings(base_url, json.loads(budgets))) as runtime:
        os.write(1, b"ready\n")
        if what == "endless":
            await spend_endlessly(runtime)
        else:
            await asyncio.to_thread(sys.stdin.readline)  # so that all processes begin together
            for outcome in await spend(runtime, int(count)):
                sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    run_in_loop(lambda: main(*sys.argv[1:]))

"""200 concurrent calls over real HTTP against a budget worth 10 of them: 10 are admitted, in one process and in four."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.spending_child import MAX_TOKENS, make_settings, spend

from surefoot import Runtime
from surefoot.testing import FakeProvider, Price, ProviderRequest, say
from surefoot.types import Usage

CHILD = Path(__file__).with_name("spending_child.py")
CALLS = 200
WORTH = 10
PROCESSES = 4
BILL = Price(2, 8)


async def find_hold(folder: Path) -> tuple[int, int]:
    """Tokens and nano-dollars that one of the calls is held for."""
    async with FakeProvider([say("Hi.")], api_key="") as provider:
        settings = make_settings(provider.base_url, {})
        async with Runtime(folder / "probe.db", settings=settings) as runtime:
            (outcome,) = await spend(runtime, 1)
    ((tokens, nano),) = outcome["holds"]
    return tokens, nano


def bill_all(tokens: int) -> Any:
    """A provider that bills every call as dearly as its hold allows."""

    def reply(request: ProviderRequest) -> Any:
        return say("word " * 200, usage=Usage(tokens - MAX_TOKENS, request.max_tokens), delay_s=0.02)

    return reply


async def spend_in_processes(path: Path, base_url: str, budgets: dict[str, Any]) -> list[dict[str, Any]]:
    arguments = ["some", str(path), base_url, json.dumps(budgets), str(CALLS // PROCESSES)]
    pipe = asyncio.subprocess.PIPE
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(CHILD), *arguments, stdin=pipe, stdout=pipe, stderr=pipe
        )
        for _ in range(PROCESSES)
    ]
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    ends = await asyncio.gather(*[child.communicate(b"go\n") for child in children])
    assert [(child.returncode, errors) for child, (_, errors) in zip(children, ends, strict=True)] == [
        (0, b"")
    ] * PROCESSES
    return [json.loads(line) for output, _ in ends for line in output.splitlines()]


async def spend_here(path: Path, base_url: str, budgets: dict[str, Any]) -> list[dict[str, Any]]:
    async with Runtime(path, settings=make_settings(base_url, budgets)) as runtime:
        return await spend(runtime, CALLS)


def check_refused(outcomes: list[dict[str, Any]], limit: str) -> None:
    now = datetime.now(UTC)
    month = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC).timestamp()
    for outcome in outcomes:
        assert outcome["stop_reason"] == "budget"
        assert outcome["reached"] == [["tenant:acme", "month", limit, month]]
        assert "tenant:acme has" in outcome["output"]
        assert "a month" in outcome["output"]
        assert "resets 2" in outcome["output"]
        assert outcome["nano"] == 0
    waited = sorted(outcome["took_ms"] for outcome in outcomes)
    print(f"{len(waited)} refused in {waited[len(waited) // 2]:.0f} ms (median), {waited[-1]:.0f} ms at most")


@pytest.mark.parametrize("work", [spend_here, spend_in_processes], ids=["one process", "four processes"])
@pytest.mark.parametrize("limit", ["usd", "tokens"])
@pytest.mark.parametrize("counting", ["as held", "more than a tokenizer"])
async def test_a_budget_worth_ten_calls_admits_ten(tmp_path, work, limit, counting):
    """As held: the dearest bill that a hold allows. More than a tokenizer: every byte of the prompt is billed as a token."""
    tokens, nano = await find_hold(tmp_path)
    worth = {"usd": f"{WORTH * nano / 1e9:.9f}", "tokens": WORTH * tokens}[limit]
    dearest = bill_all(tokens) if counting == "as held" else lambda _: say("word " * 200, delay_s=0.02)
    multiplier = 1.0 if counting == "as held" else 4.0
    async with FakeProvider(dearest, prices=BILL, api_key="", input_multiplier=multiplier) as provider:
        path = tmp_path / "surefoot.db"
        budgets = {"tenant:acme": {"month": {limit: worth}}, "user:*": {"day": {"model_calls": CALLS}}}
        outcomes = await work(path, provider.base_url, budgets)
        async with Runtime(path, settings=make_settings(provider.base_url, budgets)) as runtime:
            (balance,) = await runtime.accounts.balances(["tenant:acme"])
        assert len(outcomes) == CALLS
        admitted = [outcome for outcome in outcomes if outcome["holds"]]
        refused = [outcome for outcome in outcomes if not outcome["holds"]]
        print(f"{len(admitted)} of {CALLS} admitted, {provider.bill.nano} billed of {WORTH * nano / 1e9:.9f} USD")
        assert provider.stats.requests == len(admitted)
        assert balance.spent.model_calls == len(admitted)
        assert (balance.reserved_tokens, balance.reserved_nano) == (0, 0)
        assert (balance.overrun_tokens, balance.overrun_nano) == (0, 0)
        assert (provider.bill.tokens, provider.bill.nano) == (balance.spent.tokens, balance.spent.nano)
        assert {"usd": provider.bill.nano, "tokens": provider.bill.tokens}[limit] <= WORTH * {
            "usd": nano,
            "tokens": tokens,
        }[limit]
        check_refused(refused, limit)
        if counting == "as held":
            assert WORTH - 1 <= len(admitted) <= WORTH
        else:  # what a call leaves of its hold admits a late one, so there may be more of them, or shorter ones
            assert len(admitted) >= WORTH - 1
            assert provider.bill.tokens > 2 * sum(request.count.tokens(1.0) for request in provider.requests)

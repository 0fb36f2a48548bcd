"""Calls that found a dead endpoint, or one that lets no more through, are answered all the same: over real HTTP."""

import asyncio

from tests.unit.audit import open_bench

from surefoot import Agent
from surefoot.journal.events import ModelFailed
from surefoot.providers import Provider, ProviderEndpoint
from surefoot.sections import RetrySettings
from surefoot.testing import FakeProvider, say

AT_ONCE = 24
HASTY = RetrySettings(base_s=0.01, max_s=0.01, budget=0.1, reserve=1)


async def run_all(tmp_path, provider):
    """What so many runs at once come to, each of another user; the failed attempts of all."""
    async with open_bench(tmp_path, providers={"pool": provider}, retry=HASTY) as bench:
        agent = Agent("pool:m")
        asked = [bench.runtime.run(agent, "Hi!", user=f"u{number}") for number in range(AT_ONCE)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        journals = [await bench.runtime.read_run(run) for run in bench.store.live]
    failed = [event for _, events in journals for event in events if isinstance(event, ModelFailed)]
    return [getattr(result, "output", repr(result)) for result in results], failed


async def test_a_burst_at_a_pool_with_a_dead_endpoint_is_answered_by_the_other(tmp_path):
    async with FakeProvider(lambda request: say("Done."), api_key="") as alive:
        ends = ProviderEndpoint(alive.base_url), ProviderEndpoint("http://127.0.0.1:9/v1")
        pool = Provider(alive.base_url, needs_key=False, free=True, endpoints=ends)
        outputs, failed = await run_all(tmp_path, pool)
        assert outputs == ["Done."] * AT_ONCE
        assert len(failed) > 4, "more than the budget of retries is good for"
        assert alive.stats.requests == AT_ONCE


async def test_a_burst_that_nobody_knew_to_be_too_large_waits_as_long_as_the_headers_say(tmp_path):
    async with FakeProvider(lambda request: say("Done."), api_key="", rpm=3_000, burst_s=0.2) as narrow:
        outputs, failed = await run_all(tmp_path, Provider(narrow.base_url, needs_key=False, free=True))
        assert outputs == ["Done."] * AT_ONCE
        assert {event.code for event in failed} == {"model_overloaded"}
        assert len(failed) > 4, "more than the budget of retries is good for"

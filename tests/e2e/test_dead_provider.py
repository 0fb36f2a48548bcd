"""Providers in trouble, over real HTTP with hundreds of runs at once: bounded wire attempts, and nobody pays for another."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.unit.audit import MANY

from surefoot import Agent, Limits, Runtime
from surefoot.config import Settings
from surefoot.errors import ModelError
from surefoot.journal.events import ModelRequested
from surefoot.providers import Provider, ProviderEndpoint
from surefoot.sections import BreakerSettings, RetrySettings, StoreSettings
from surefoot.testing import FakeProvider, Price, hang, reset, say, status

RUNS = 300
CONCURRENCY = 20
RELAXED = StoreSettings(durability="relaxed")
QUICK = RetrySettings(base_s=0.001, max_s=0.002)
LONG = BreakerSettings(failures=5, cooldown_s=600, max_cooldown_s=600)


def settings(providers, **options):
    return Settings(providers=providers, store=RELAXED, retry=QUICK, breaker=LONG, admission=MANY, **options)


def served(*providers, **options):
    ways = tuple(ProviderEndpoint(provider.base_url) for provider in providers)
    return Provider(ways[0].base_url, needs_key=False, free=True, endpoints=ways, concurrency=CONCURRENCY, **options)


async def run_all(runtime, agent, user=lambda number: f"u{number}", runs=RUNS):
    outcomes = await asyncio.gather(
        *[runtime.run(agent, "Go.", user=user(number)) for number in range(runs)], return_exceptions=True
    )
    others = [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, ModelError)]
    assert others == []
    return outcomes


async def count_holds(runtime):
    count = 0
    for row in await runtime.list_runs(limit=10_000):
        count += sum(isinstance(event, ModelRequested) for event in (await runtime.read_run(row.run_id))[1])
    return count


@pytest.mark.parametrize("user", [lambda number: f"u{number}", lambda number: "", lambda number: "one"])
@pytest.mark.parametrize("death", [hang(), reset(), status(500), status(503)], ids=["hangs", "resets", "500", "503"])
async def test_a_dead_provider_costs_few_calls_however_many_runs_there_are(tmp_path, death, user):
    async with FakeProvider(lambda _: death, api_key="") as provider:
        options = settings({"p": served(provider)}, model_timeout_s=0.3)
        async with Runtime(tmp_path / "r.db", settings=options) as runtime:
            outcomes = await run_all(runtime, Agent("p:m"), user)
            assert {type(one).__name__ for one in outcomes} <= {"ModelUnreachable", "ModelBroken", "ModelOverloaded"}
            asked = await count_holds(runtime)
            print(f"{provider.stats.requests} requests, {asked} holds, {RUNS} runs")
            # what was under way when it opened, and what it takes to open: for one user alone, four times as many
            assert provider.stats.requests <= asked <= 5 * CONCURRENCY
            assert "left alone for another" in str(outcomes[-1])


async def test_one_dead_endpoint_of_two_is_left_out(tmp_path):
    dead, good = FakeProvider(lambda _: reset(), api_key=""), FakeProvider(lambda _: say("Hi."), api_key="")
    async with dead, good:
        both = settings({"p": served(dead, good)})
        async with Runtime(tmp_path / "r.db", settings=both) as runtime:
            outcomes = await run_all(runtime, Agent("p:m"))
            answered = [one for one in outcomes if not isinstance(one, ModelError)]
            assert dead.stats.requests <= 5 * CONCURRENCY
            assert len(answered) >= RUNS - dead.stats.requests
            assert dead.stats.requests + good.stats.requests == await count_holds(runtime)


async def test_a_dead_provider_sends_everybody_on(tmp_path):
    async with (
        FakeProvider(lambda _: status(500), api_key="") as dead,
        FakeProvider(lambda _: say("Hi."), api_key="") as good,
    ):
        providers = {"p": served(dead), "q": served(good)}
        async with Runtime(tmp_path / "r.db", settings=settings(providers)) as runtime:
            outcomes = await run_all(runtime, Agent(models=["p:m", "q:m"]))
            assert Counter(one.models for one in outcomes) == {("q:m",): RUNS}
            assert dead.stats.requests <= 5 * CONCURRENCY
            assert dead.stats.requests + good.stats.requests == await count_holds(runtime)


@pytest.mark.parametrize("code", [400, 500])
async def test_one_user_s_poisoned_request_is_nobody_else_s_trouble(tmp_path, code):
    """It fails each time; the others' calls go through, and what they need of the retry budget is there."""
    shaky: Counter[str] = Counter()

    def reply(request):
        text = request.messages[-1].text
        if text == "poison":
            return status(code)
        shaky[text] += 1
        return status(500) if text.startswith("shaky") and shaky[text] == 1 else say("Hi.")

    async with FakeProvider(reply, api_key="") as provider:
        options = settings({"p": served(provider)})
        async with Runtime(tmp_path / "r.db", settings=options) as runtime:
            agent = Agent("p:m")

            async def poison():
                for _ in range(60):
                    with pytest.raises(ModelError):
                        await runtime.run(agent, "poison", user="mallory")

            async def others():
                for number in range(60):
                    question = f"shaky {number}" if number % 20 == 19 else f"ordinary {number}"
                    assert (await runtime.run(agent, question, user=f"u{number % 7}")).output == "Hi."

            await asyncio.gather(poison(), others())
            assert sum(count == 2 for count in shaky.values()) == 3  # each shaky one had its retry


async def test_retries_add_no_more_than_a_tenth(tmp_path):
    """Half of all calls fail, which no breaker sees; without a retry budget that would double the load."""
    provider = FakeProvider(lambda request: status(500) if request.number % 2 else say("Hi."), api_key="")
    async with provider, Runtime(tmp_path / "r.db", settings=settings({"p": served(provider)})) as runtime:
        await run_all(runtime, Agent("p:m", limits=Limits(seconds=60)), runs=600)
        assert provider.stats.requests <= 600 * 1.1 + 2 * QUICK.reserve
        assert provider.stats.requests > 600 + QUICK.reserve / 2


async def test_a_budget_is_kept_with_retries_and_fallback_in_the_mix(tmp_path):
    """200 runs at once against a budget worth about ten, a first model that fails in every way, a second that answers."""
    faults = [status(500), status(503), status(429, retry_after_s=0.01), reset(), status(401)]

    def fail_somehow(request):
        return say("Hi.") if request.number % 6 == 0 else faults[request.number % 5]

    price = Price(2, 8)
    first = FakeProvider(fail_somehow, api_key="", prices=price)
    second = FakeProvider(lambda _: say("word " * 300), api_key="", prices=price)
    async with first, second:
        # served() is free of charge; here both have a price, and a breaker that leaves the faults their turn
        providers = {
            name: Provider(provider.base_url, needs_key=False, concurrency=CONCURRENCY)
            for name, provider in (("p", first), ("q", second))
        }
        limit_nano = 40_000_000
        options = Settings(
            providers=providers,
            prices={"m": {"input": 2, "output": 8}},
            budgets={"tenant:acme": {"month": {"usd": "0.04"}}},
            store=StoreSettings(durability="full"),
            retry=RetrySettings(base_s=0.001, max_s=0.002, reserve=100),
            breaker=BreakerSettings(failures=1_000),
            admission=MANY,
        )
        async with Runtime(tmp_path / "r.db", settings=options) as runtime:
            agent = Agent(models=["p:m", "q:m"], max_tokens=400)
            outcomes = await asyncio.gather(
                *[runtime.run(agent, "Go.", tenant="acme", user=f"u{number}") for number in range(200)],
                return_exceptions=True,
            )
            assert [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, ModelError)] == []
            (balance,) = await runtime.accounts.balances(["tenant:acme"])
            holds = await count_holds(runtime)
        requests = first.stats.requests + second.stats.requests
        print(f"{requests} requests, {holds} holds, {balance.spent.nano} of {limit_nano} spent")
        assert requests == holds == balance.spent.model_calls
        assert first.bill.nano + second.bill.nano <= balance.spent.nano <= limit_nano
        assert (balance.reserved_nano, balance.overrun_nano) == (0, 0)
        assert balance.spent.nano > 0.7 * limit_nano
        assert second.stats.replies > 0

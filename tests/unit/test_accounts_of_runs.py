"""What runs spend of the accounts above them: every way in which a call can end settles right, here and in the books."""

import asyncio
import socket
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.audit import QUICK, open_bench

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.budget.accounts import read_rule
from surefoot.errors import BudgetExceeded, ModelBroken, ModelRefused, ModelUnreachable, PriceUnknown, SurefootError
from surefoot.journal.events import BudgetOverrun, LimitReached, ModelFailed, ModelReplied, ModelRequested, ToolFinished
from surefoot.providers import Provider
from surefoot.sections import RetrySettings
from surefoot.testing import FakeProvider, Price, ScriptedModel, call, calls, fail, hang, overflow, reset, say, status
from surefoot.types import Usage

PRICE = {"input": 2, "output": 8}
PRICES = {"model": PRICE, "m": PRICE}
BILL = Price(2, 8)
ALL = {"tokens": 100_000, "usd": 10, "steps": 1_000, "model_calls": 1_000, "tool_calls": 1_000}
CALLER = {"tenant": "acme", "user": "u1", "session": "s1"}
CHAIN = ["global", "tenant:acme", "user:acme/u1", "session:acme/u1/s1"]
PATTERNS = ["global", "tenant:*", "user:*", "session:*"]
NO_RETRY = RetrySettings(attempts=1)


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def budgets(period="month", **limits):
    return {pattern: {period: limits or ALL} for pattern in PATTERNS}


def bench_of(tmp_path, limits=None, **settings):
    return open_bench(tmp_path, prices=PRICES, budgets=budgets() if limits is None else limits, **settings)


async def spent_of(bench, account="tenant:acme"):
    (balance,) = await bench.runtime.accounts.balances([account])
    return balance


async def check_books(bench, model=None):
    """All levels say the same: what the journals charge, and nothing is reserved. Returns what was spent."""
    await bench.runtime.accounts.charge_lost()
    balances = await bench.runtime.accounts.balances(CHAIN)
    assert [balance.account for balance in balances] == CHAIN
    for balance in balances:
        assert (balance.reserved_tokens, balance.reserved_nano) == (0, 0)
        assert balance.spent == balances[0].spent
    states = [run.state for run in bench.store.live.values()]
    spent = balances[0].spent
    assert (spent.tokens, spent.nano) == (sum(s.tokens for s in states), sum(s.nano for s in states))
    assert (spent.steps, spent.model_calls) == (sum(s.steps for s in states), sum(s.model_calls for s in states))
    if model is not None:
        assert model.bill.tokens <= spent.tokens
        assert model.bill.nano <= spent.nano
    return spent


async def holds_of(bench):
    """Requests of the newest run, and how each ended."""
    _, events = await bench.runtime.read_run(list(bench.store.live)[-1])
    asked = [event for event in events if isinstance(event, ModelRequested)]
    ended = [event for event in events if isinstance(event, ModelReplied | ModelFailed)]
    return list(zip(asked, ended, strict=True))


async def unknown(bench):
    return await bench.runtime.accounts.unknown_holds()


# --- a call that ends well


async def test_all_levels_are_charged_what_the_provider_bills(tmp_path):
    async with bench_of(tmp_path) as bench:
        model = ScriptedModel([calls(call("look", page=1), call("look", page=2)), say("Done.")], prices=BILL)
        await bench.run(Agent(model, tools=[look]), **CALLER)
        spent = await check_books(bench, model)
        assert (spent.tokens, spent.nano) == (model.bill.tokens, model.bill.nano)
        assert (spent.steps, spent.model_calls, spent.tool_calls) == (2, 2, 2)
        assert await unknown(bench) == []


async def test_an_explicit_zero_is_free_and_a_missing_usage_is_not(tmp_path):
    async with bench_of(tmp_path) as bench:
        await bench.run(Agent(ScriptedModel([say("Hi.", usage=Usage())])), **CALLER)
        assert (await check_books(bench)).nano == 0
        await bench.run(Agent(ScriptedModel([say("Hi.", usage=None)])), **CALLER)
        ((asked, _),) = await holds_of(bench)
        assert (await check_books(bench)).tokens == asked.hold_tokens
        (hold,) = await unknown(bench)
        assert (hold.hold, hold.tokens, hold.nano, hold.prices) == (1, asked.hold_tokens, asked.hold_nano, asked.prices)


# --- calls that fail


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def test_a_refused_connection_costs_nothing(tmp_path):
    served = Provider(f"http://127.0.0.1:{closed_port()}/v1", needs_key=False)
    async with bench_of(tmp_path, providers={"fake": served}) as bench:
        with pytest.raises(ModelUnreachable):
            await bench.run(Agent("fake:m"), **CALLER)
        spent = await check_books(bench)
        assert (spent.tokens, spent.nano, spent.steps, spent.model_calls) == (0, 0, 1, QUICK.attempts)
        assert await unknown(bench) == []


@pytest.mark.parametrize("fault", [status(400), status(401), overflow()])
async def test_a_request_that_is_refused_costs_nothing(tmp_path, fault):
    async with bench_of(tmp_path) as bench:
        with pytest.raises(ModelRefused):
            await bench.run(Agent(ScriptedModel([fault])), **CALLER)
        spent = await check_books(bench)
        assert (spent.tokens, spent.nano, spent.model_calls) == (0, 0, 1)


@pytest.mark.parametrize("code", [429, 503, 529])
async def test_each_attempt_has_its_own_claim(tmp_path, code):
    async with bench_of(tmp_path) as bench:
        model = ScriptedModel([status(code), status(code), say("Done.")], prices=BILL)
        await bench.run(Agent(model), **CALLER)
        spent = await check_books(bench, model)
        assert (spent.steps, spent.model_calls, spent.nano) == (1, 3, model.bill.nano)
        assert [asked.hold for asked, _ in await holds_of(bench)] == [1, 2, 3]


@pytest.mark.parametrize(
    "fault", [status(500), reset(), fail(ModelBroken("cut")), say("cut off", cut_after=1), hang()], ids=str
)
@pytest.mark.parametrize("way", ["run", "stream"])
async def test_an_unknown_outcome_is_charged_in_full_until_somebody_knows_better(tmp_path, fault, way):
    async with bench_of(tmp_path, retry=NO_RETRY, model_timeout_s=0.05) as bench:
        with pytest.raises(ModelBroken):
            await getattr(bench, way)(Agent(ScriptedModel([fault], prices=BILL)), **CALLER)
        ((asked, ended),) = await holds_of(bench)
        assert (ended.tokens, ended.nano) == (asked.hold_tokens, asked.hold_nano)
        spent = await check_books(bench)
        assert (spent.tokens, spent.nano) == (asked.hold_tokens, asked.hold_nano)
        (hold,) = await unknown(bench)
        accounts = bench.runtime.accounts
        assert await accounts.refund(hold.run_id, hold.hold, 7, 9)
        assert not await accounts.refund(hold.run_id, hold.hold, 0, 0)
        for balance in await accounts.balances(CHAIN):
            assert (balance.spent.tokens, balance.spent.nano) == (7, 9)
        assert await unknown(bench) == []


async def test_a_retry_after_an_unknown_outcome_pays_for_both(tmp_path):
    async with bench_of(tmp_path) as bench:
        model = ScriptedModel([status(500), say("Done.")], prices=BILL)
        await bench.run(Agent(model), **CALLER)
        spent = await check_books(bench, model)
        (lost, _), (_, replied) = await holds_of(bench)
        assert (spent.tokens, spent.model_calls) == (lost.hold_tokens + replied.tokens, 2)
        assert [hold.hold for hold in await unknown(bench)] == [1]


async def test_a_fallback_pays_for_both_models_each_at_its_own_price(tmp_path):
    dear = ScriptedModel([status(500)] * 4, name="dear", prices=Price(20, 80))
    cheap = ScriptedModel([say("Done.")], name="model", prices=BILL)
    prices = PRICES | {"dear": {"input": 20, "output": 80}}
    async with open_bench(tmp_path, prices=prices, budgets=budgets()) as bench:
        await bench.run(Agent(models=[dear, cheap]), **CALLER)
        spent = await check_books(bench)
        pairs = await holds_of(bench)
        assert [asked.model for asked, _ in pairs] == ["scripted:dear"] * 4 + ["scripted:model"]
        assert spent.nano == sum(ended.nano for _, ended in pairs)
        assert [ended.nano for _, ended in pairs[:4]] == [asked.hold_nano for asked, _ in pairs[:4]]
        assert pairs[0][0].hold_nano > 9 * pairs[4][0].hold_nano
        assert dear.bill.nano + cheap.bill.nano <= spent.nano
        assert sorted([hold.hold for hold in await unknown(bench)]) == [1, 2, 3, 4]


async def test_a_fallback_after_a_refusal_pays_for_the_second_alone(tmp_path):
    first, second = ScriptedModel([status(401)], name="dear"), ScriptedModel([say("Done.")], prices=BILL)
    async with bench_of(tmp_path) as bench:
        await bench.run(Agent(models=[first, second]), **CALLER)
        spent = await check_books(bench, second)
        assert (spent.model_calls, spent.steps, spent.nano) == (2, 1, second.bill.nano)


async def test_a_call_that_waits_for_its_turn_or_is_turned_away_holds_nothing(tmp_path):
    """Two runs, one slot: while the first one is answered the second has nothing reserved, and cancelling it is free."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def reply(messages, step):
        asked.set()
        await answer.wait()
        return say("Done.")

    one_slot = {"scripted": Provider("http://127.0.0.1:9/v1", needs_key=False, concurrency=1)}
    async with bench_of(tmp_path, providers=one_slot) as bench:
        agent = Agent(ScriptedModel(reply, prices=BILL))
        first = asyncio.create_task(bench.runtime.run(agent, "Go.", tenant="acme", user="ann"))
        await asked.wait()
        held = await spent_of(bench)
        second = asyncio.create_task(bench.runtime.run(agent, "Go.", tenant="acme", user="bob"))
        gate = bench.runtime._compiler._router._gates["scripted"]
        while not gate.waiting:  # noqa: ASYNC110 - until it stands in line
            await asyncio.sleep(0)
        assert (await spent_of(bench)).reserved_tokens == held.reserved_tokens > 0
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert gate.waiting == 0
        answer.set()
        await first
        spent = await spent_of(bench)
        assert (spent.reserved_tokens, spent.spent.model_calls) == (0, 1)


# --- somebody goes away


async def test_cancelling_while_the_model_answers_charges_in_full(tmp_path):
    async with bench_of(tmp_path) as bench:
        asked = asyncio.Event()

        async def answer(_messages, _step):
            asked.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(bench.run(Agent(ScriptedModel(answer)), **CALLER))
        await asked.wait()
        (balance,) = await bench.runtime.accounts.balances(["tenant:acme"])
        assert balance.reserved_tokens > 0
        assert await bench.runtime.cancel(next(iter(bench.store.live)))
        result = await task
        assert result.stop_reason == "cancelled"
        ((request, _),) = await holds_of(bench)
        assert (await check_books(bench)).tokens == request.hold_tokens == balance.reserved_tokens
        assert len(await unknown(bench)) == 1


async def test_a_reader_that_closes_its_stream_charges_in_full(tmp_path):
    async with bench_of(tmp_path) as bench:
        model = ScriptedModel([say("one two three", pace_s=0.001)], prices=BILL)
        async with aclosing(bench.runtime.stream(Agent(model), "Go.", **CALLER)) as events:
            async for event in events:
                if type(event).__name__ == "TextDelta":
                    break
        ((request, _),) = await holds_of(bench)
        assert (await check_books(bench, model)).tokens == request.hold_tokens


async def test_a_deadline_charges_in_full(tmp_path):
    async with bench_of(tmp_path) as bench:
        result = await bench.run(Agent(ScriptedModel([hang()]), limits=Limits(seconds=0.05)), **CALLER)
        assert (result.stop_reason, result.limit) == ("budget", "seconds")
        ((request, _),) = await holds_of(bench)
        assert (await check_books(bench)).tokens == request.hold_tokens


@pytest.mark.parametrize("way", ["task", "run"])
async def test_cancelling_while_the_claim_waits_for_the_disk(tmp_path, way):
    """The claim is booked, so it must be released: nothing was sent."""
    async with bench_of(tmp_path) as bench:
        model = ScriptedModel([say("never")])
        loop = asyncio.get_running_loop()

        def stop(kind, number):
            if number > 1:
                return  # whoever is cancelled once more does not wait for the end of the journal
            if way == "task":
                loop.call_soon(task.cancel)
            else:
                loop.call_soon(next(iter(bench.store.live.values())).cancel)

        bench.store.fault = stop
        task = asyncio.create_task(bench.runtime.run(Agent(model), "Go.", **CALLER))
        if way == "task":
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            result = await task
            assert (result.stop_reason, result.budget.steps, result.budget.model_calls) == ("cancelled", 1, 1)
        bench.store.fault = None
        ((request, failed),) = await holds_of(bench)
        assert (request.hold, failed.tokens, failed.code) == (1, 0, "cancelled")
        assert failed.latency_ms < 60_000
        assert (await bench.last()).holds == {}
        spent = await check_books(bench)
        assert (spent.tokens, spent.nano, spent.steps, spent.model_calls) == (0, 0, 1, 1)
        assert model.requests.total == 0


async def test_cancelling_while_a_claim_is_refused(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"tokens": 10}}}) as bench:
        loop = asyncio.get_running_loop()
        bench.store.fault = lambda kind, number: loop.call_soon(task.cancel) and None if number == 1 else None
        task = asyncio.create_task(bench.runtime.run(Agent(ScriptedModel([say("never")])), "Go.", tenant="acme"))
        with pytest.raises(asyncio.CancelledError):
            await task
        bench.store.fault = None
        state = await bench.last()
        assert (state.steps, state.model_calls, state.finished.stop_reason) == (0, 0, "cancelled")


# --- more than was held


async def test_an_overrun_is_booked_freezes_the_nearest_account_and_waits_for_a_person(tmp_path):
    limits = {"tenant:*": {"month": ALL}, "user:acme/u1": {"day": ALL}}
    async with bench_of(tmp_path, limits) as bench:
        model = ScriptedModel([say("x", usage=Usage(50, 5_000))])
        agent = Agent(model, max_tokens=100)
        await bench.run(agent, **CALLER)
        _, events = await bench.runtime.read_run(list(bench.store.live)[-1])
        (alarm,) = [event for event in events if isinstance(event, BudgetOverrun)]
        ((asked, replied),) = await holds_of(bench)
        assert alarm.tokens == replied.tokens - asked.hold_tokens == 5_050 - asked.hold_tokens
        user, tenant = [await spent_of(bench, account) for account in ("user:acme/u1", "tenant:acme")]
        assert (user.frozen, tenant.frozen) == (True, False)
        for balance in (user, tenant):
            assert (balance.spent.tokens, balance.overrun_tokens) == (5_050, alarm.tokens)
            assert (balance.reserved_tokens, balance.reserved_nano) == (0, 0)

        result = await bench.run(agent, **CALLER)
        assert (result.stop_reason, result.limit) == ("budget", "frozen")
        assert "surefoot budget acknowledge user:acme/u1" in result.limit_message
        assert "on hold" in result.output
        await bench.run(agent, tenant="acme", user="u2")  # nobody else has to wait; this freezes the tenant instead
        assert (await spent_of(bench)).frozen

        accounts = bench.runtime.accounts
        assert await accounts.acknowledge("user:acme/u1", by="ann")
        assert await accounts.acknowledge("tenant:acme", by="ann")
        assert not await accounts.acknowledge("tenant:acme")
        assert (await bench.run(Agent(ScriptedModel([say("Hi.")])), **CALLER)).stop_reason == "final"


# --- a claim that is refused


async def test_a_run_that_is_refused_at_once_says_whose_limit_it_is(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"tokens": 10}}}) as bench:
        model = ScriptedModel([say("never")])
        result = await bench.run(Agent(model), tenant="acme")
        assert (result.stop_reason, result.limit, result.budget.steps, result.budget.model_calls) == (
            "budget",
            "tokens",
            0,
            0,
        )
        (reached,) = [
            event for event in (await bench.runtime.read_run(result.run_id))[1] if isinstance(event, LimitReached)
        ]
        assert (reached.account, reached.period, reached.limit) == ("tenant:acme", "month", "tokens")
        (balance,) = await bench.runtime.accounts.balances(["tenant:acme"])
        assert reached.resets_at == balance.ends_at
        assert "tenant:acme has 10 left of 10 tokens a month" in result.limit_message
        assert "resets 2" in result.limit_message
        assert (result.limit_account, result.resets_at) == ("tenant:acme", balance.ends_at)
        assert "the limit on tokens of this organisation was reached; there is more from 2" in result.output
        assert model.requests.total == 0
        assert (balance.spent.tokens, balance.spent.steps, balance.spent.model_calls) == (0, 0, 0)


async def test_a_claim_refused_in_mid_run_ends_it_with_what_was_found(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"model_calls": 1}}}) as bench:
        model = ScriptedModel([calls(call("look", page=1), call("look", page=2)), say("never")], prices=BILL)
        result = await bench.run(Agent(model, tools=[look]), tenant="acme")
        assert (result.stop_reason, result.limit) == ("budget", "model_calls")
        assert "page 1" in result.output
        assert "page 2" in result.output
        balance = await spent_of(bench)
        assert (balance.spent.tokens, balance.reserved_tokens) == (model.bill.tokens, 0)
        assert balance.spent.model_calls == model.requests.total == 1


async def test_a_settlement_counts_though_the_claim_that_came_with_it_is_refused(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"tokens": 100_000, "steps": 1}}}) as bench:
        model = ScriptedModel([call("look", page=1), say("never")])
        result = await bench.run(Agent(model, tools=[look]), tenant="acme")
        assert result.limit == "steps"
        assert (await spent_of(bench)).spent.tokens == model.bill.tokens


@pytest.mark.parametrize("amount", ["tokens", "usd"])
async def test_max_tokens_is_lowered_to_the_room_of_the_account(tmp_path, amount):
    async with bench_of(tmp_path) as bench:
        await bench.run(Agent(ScriptedModel([say("Hi.")]), max_tokens=1_000))
        ((asked, _),) = await holds_of(bench)
        bound = asked.hold_tokens - 1_000
    limit = {"tokens": bound + 300, "usd": (bound * 2 + 300 * 8) / 1_000_000}[amount]
    async with bench_of(tmp_path / "other", {"tenant:acme": {"total": {amount: limit}}}) as bench:
        model = ScriptedModel([say("word " * 2_000)], prices=BILL)
        result = await bench.run(Agent(model, max_tokens=1_000), tenant="acme")
        assert [request.max_tokens for request in model.requests] == [300]
        assert (result.stop_reason, result.limit) == ("budget", amount)
        assert (result.budget.steps, result.budget.model_calls) == (1, 1)
        balance = await spent_of(bench)
        assert balance.spent.tokens == model.bill.tokens <= bound + 300


async def test_raise_tells_whose_limit_and_when_it_resets(tmp_path):
    async with bench_of(tmp_path, {"user:u1": {"day": {"usd": "0.000001"}}}) as bench:
        agent = Agent(ScriptedModel([say("never")]), limits=Limits(on_limit="raise"))
        error = await bench.fails(BudgetExceeded, agent, match="user:u1 has", user="u1")
        (balance,) = await bench.runtime.accounts.balances(["user:u1"])
        assert (error.limit, error.account, error.resets_at) == ("usd", "user:u1", balance.ends_at)


async def test_the_last_answer_may_be_refused_too(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"model_calls": 1}}}) as bench:
        model = ScriptedModel([call("look", page=1), say("never")])
        result = await bench.run(Agent(model, tools=[look], limits=Limits(steps=2)), tenant="acme")
        assert (result.stop_reason, result.limit) == ("budget", "model_calls")
        assert "page 1" in result.output


async def test_a_retry_may_be_refused(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"model_calls": 1}}}) as bench:
        result = await bench.run(Agent(ScriptedModel([status(503), say("never")])), tenant="acme")
        assert (result.stop_reason, result.limit, result.budget.steps) == ("budget", "model_calls", 1)


# --- tools


async def test_tool_calls_are_claimed_before_they_run(tmp_path):
    ran = []

    @tool(effect="read")
    async def count(number: int) -> str:
        """Count."""
        balance = await spent_of(bench)
        ran.append((number, balance.spent.tool_calls))
        return str(number)

    async with bench_of(tmp_path, {"tenant:acme": {"month": {"tool_calls": 3}}}) as bench:
        two = calls(call("count", number=1), call("count", number=2))
        model = ScriptedModel([two, two, say("Done.")])
        result = await bench.run(Agent(model, tools=[count]), tenant="acme")
        assert sorted(ran) == [(1, 2), (2, 2)]
        assert (result.output, result.stop_reason, result.limit) == ("Done.", "budget", "tool_calls")
        assert not model.requests[-1].options.allow_tools
        assert "tenant:acme has 1 left of 3 tool calls a month, and the next call may need 2" in result.limit_message
        _, events = await bench.runtime.read_run(result.run_id)
        refused = [event for event in events if isinstance(event, ToolFinished) and event.is_error]
        assert [event.content for event in refused] == [refused[0].content] * 2
        assert refused[0].content.startswith("Not run: the limit on tool_calls of this organisation was reached")
        assert (await spent_of(bench)).spent.tool_calls == 2
        strict = Agent(ScriptedModel([two]), tools=[count], limits=Limits(on_limit="raise"))
        with pytest.raises(BudgetExceeded) as caught:
            await bench.run(strict, tenant="acme")
        assert (caught.value.limit, caught.value.account) == ("tool_calls", "tenant:acme")


async def test_tool_calls_of_the_last_step_are_booked_with_the_end(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"steps": 100}}}) as bench:
        script = [calls(call("look", page=1), call("look", page=2))]
        agent = Agent(ScriptedModel(script), tools=[look], limits=Limits(steps=1, on_limit="raise"))
        with pytest.raises(BudgetExceeded):
            await bench.run(agent, tenant="acme")
        assert (await spent_of(bench)).spent.tool_calls == 2


async def test_a_limit_set_during_a_run_knows_what_the_run_has_spent(tmp_path):
    @tool(effect="read")
    async def restrict() -> str:
        """Somebody sets a limit."""
        await set_limit(bench, "user:acme/u1", "day", model_calls=3, tokens=1_000_000)
        return "restricted"

    async with bench_of(tmp_path, {}) as bench:
        script = [call("look", page=1), call("restrict"), call("look", page=2), say("never")]
        result = await bench.run(Agent(ScriptedModel(script), tools=[look, restrict]), **CALLER)
        assert (result.stop_reason, result.limit, result.budget.model_calls) == ("budget", "model_calls", 3)
        spent = (await spent_of(bench, "user:acme/u1")).spent
        assert (spent.tokens, spent.steps, spent.model_calls) == (result.budget.tokens, 3, 3)


async def test_tool_calls_that_nobody_limits_are_booked_with_the_next_model_call(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"steps": 100}}}) as bench:
        await bench.run(Agent(ScriptedModel([call("look", page=1), say("Done.")]), tools=[look]), tenant="acme")
        assert (await spent_of(bench)).spent.tool_calls == 1


# --- prices


def obscure(script):
    """A model that nobody knows the price of; scripted ones are free."""
    model = ScriptedModel(script)
    model.profile = replace(model.profile, provider="obscure", name="obscure")
    return model


async def test_an_unknown_price_under_a_limit_in_dollars_is_refused(tmp_path):
    async with bench_of(tmp_path, {"user:u1": {"day": {"usd": 1}}}) as bench:
        agent = Agent(obscure([say("Hi.")]), limits=Limits(usd=UNLIMITED))
        with pytest.raises(PriceUnknown, match=r"limit of user:u1 in US dollars.*surefoot\.toml"):
            await bench.run(agent, user="u1")
        assert (await bench.run(agent, user="u2")).output == "Hi."


async def set_limit(bench, account, period, **limits):
    rule = read_rule(account, period, limits, "test")
    await bench.runtime.accounts.change_rule(account, period, rule.limits)


async def test_a_limit_in_dollars_that_is_set_meanwhile_stops_a_model_without_price(tmp_path):
    @tool(effect="read")
    async def restrict() -> str:
        """Somebody sets a limit."""
        await set_limit(bench, "tenant:acme", "month", usd=500)
        return "restricted"

    async with bench_of(tmp_path, {}) as bench:
        model = obscure([call("restrict"), say("never")])
        result = await bench.run(Agent(model, tools=[restrict], limits=Limits(usd=UNLIMITED)), tenant="acme")
        assert (result.stop_reason, result.limit) == ("budget", "price")
        assert "tenant:acme has a limit of $500.00 a month, and no price is known" in result.limit_message
        assert "[prices]" in result.limit_message
        assert model.requests.total == 1


# --- limits of many kinds


@pytest.mark.parametrize(("amount", "calls_made"), [("steps", 2), ("model_calls", 2)])
async def test_limits_on_steps_and_calls_are_exact(tmp_path, amount, calls_made):
    async with bench_of(tmp_path, {"session:*": {"total": {amount: 2}}}) as bench:
        model = ScriptedModel([call("look", page=1), call("look", page=2), say("never")])
        result = await bench.run(Agent(model, tools=[look]), user="u1", session="s1")
        assert (result.limit, model.requests.total) == (amount, calls_made)
        assert (await bench.run(Agent(ScriptedModel([say("Hi.")])), user="u1", session="s2")).stop_reason == "final"


async def test_what_an_account_allows_to_each_run_tightens_its_limits(tmp_path):
    limits = {"tenant:*": {"run": {"steps": 4, "tool_calls": 1}}, "user:acme/u1": {"run": {"steps": 2}}}
    async with bench_of(tmp_path, limits) as bench:
        model = ScriptedModel([call("look", page=1), say("Done.")])
        result = await bench.run(Agent(model, tools=[look], limits=Limits(steps=3, tool_calls=UNLIMITED)), **CALLER)
        assert (result.stop_reason, result.limit) == ("budget", "steps")
        table = (await bench.last()).started.limits
        assert (table["steps"], table["tool_calls"]) == (2, 1)
        await bench.run(Agent(model, tools=[look], limits=Limits(steps=3)), tenant="acme", user="u2")
        assert (await bench.last()).started.limits["steps"] == 3


async def test_settings_and_stored_limits_hold_together(tmp_path):
    async with bench_of(tmp_path, {"tenant:acme": {"month": {"tokens": 100_000, "model_calls": 2}}}) as bench:
        await set_limit(bench, "tenant:acme", "month", model_calls=1)
        await set_limit(bench, "user:*", "day", steps=50)
        agent = Agent(ScriptedModel([say("Hi.")]))
        assert (await bench.run(agent, **CALLER)).stop_reason == "final"
        assert (await bench.run(agent, **CALLER)).limit == "model_calls"
        balance = await spent_of(bench)
        assert (balance.limits.tokens, balance.limits.model_calls) == (100_000, 1)
        assert (await spent_of(bench, "user:acme/u1")).spent.steps == 1


@pytest.mark.parametrize("durability", ["full", "relaxed"])
async def test_a_limit_takes_effect_at_the_next_call(tmp_path, durability):
    @tool(effect="read")
    async def restrict() -> str:
        """Somebody sets a limit."""
        await set_limit(bench, "global", "total", model_calls=3 if durability == "full" else 1)
        return "restricted"

    async with bench_of(tmp_path, {}, durability=durability) as bench:
        model = ScriptedModel([call("look", page=1), call("restrict"), say("counts"), say("never")])
        first = await bench.run(Agent(model, tools=[look, restrict], limits=Limits()))
        if (
            durability == "full"
        ):  # the two calls before count, too; otherwise they may still be on their way to the disk
            assert (first.output, first.stop_reason) == ("counts", "final")
        assert (await bench.run(Agent(model))).limit == "model_calls"
        await set_limit(bench, "global", "total", model_calls="unlimited")
        assert (await bench.run(Agent(ScriptedModel([say("Hi.")])))).stop_reason == "final"


async def test_a_limit_of_another_process_reaches_a_relaxed_one_without_a_gap_in_its_journal(tmp_path):
    """Nobody waits for a claim there, so nobody could heed a refusal."""
    async with bench_of(tmp_path, {}, durability="relaxed") as bench, bench_of(tmp_path, {}) as other:

        @tool(effect="read")
        async def restrict() -> str:
            """Somebody else sets a limit."""
            await set_limit(other, "tenant:acme", "month", model_calls=3)
            await bench.runtime.accounts.charge_lost()  # any transaction of this process reads what is new
            return "restricted"

        model = ScriptedModel([call("look", page=1), call("restrict"), call("look", page=2), say("never")])
        result = await bench.run(Agent(model, tools=[look, restrict]), tenant="acme")
        assert (result.stop_reason, result.limit) == ("budget", "model_calls")
        assert model.requests.total in {3, 4}  # what is still on its way to the disk the window may not know
        assert (await spent_of(bench)).spent.model_calls == 3


async def test_nothing_is_reserved_when_all_runs_are_over(tmp_path):
    script = [status(429), calls(call("look", page=1), call("look", page=2)), status(500), say("Done.")]
    async with bench_of(tmp_path, budgets(tokens=40_000, model_calls=60)) as bench:
        agents = [Agent(ScriptedModel(script), tools=[look]) for _ in range(40)]
        tasks = [
            asyncio.create_task(bench.run(agent, tenant="acme", user=f"u{n % 5}")) for n, agent in enumerate(agents)
        ]
        for _ in range(20):
            await asyncio.sleep(0)
        for victim in tasks[::7]:
            victim.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [end for end in ends if isinstance(end, Exception) and not isinstance(end, SurefootError)]
        for balance in await bench.runtime.accounts.balances():
            assert (balance.reserved_tokens, balance.reserved_nano) == (0, 0)
            assert balance.spent.tokens <= 40_000
            assert balance.spent.model_calls <= 60


async def test_over_http_the_accounts_are_charged_the_provider_s_bill(tmp_path: Path):
    script = [status(503), status(400), say("one two three", cut_after=1), say("Done.")]
    async with FakeProvider(script, prices=BILL, api_key="") as provider:
        served = Provider(provider.base_url, needs_key=False)
        async with bench_of(tmp_path, providers={"fake": served}, retry=QUICK) as bench:
            agent = Agent("fake:m")
            with pytest.raises(SurefootError):
                await bench.run(agent, **CALLER)
            await bench.run(agent, **CALLER)
            spent = await check_books(bench, provider)
            assert spent.model_calls == provider.stats.requests == 4
            ((lost, _), (_, replied)) = await holds_of(bench)
            assert spent.tokens == lost.hold_tokens + replied.tokens

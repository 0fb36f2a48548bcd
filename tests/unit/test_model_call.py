"""One call of the model: holds, attempts, charges. In process where that suffices, over real HTTP where the wire matters."""

import asyncio
import socket
from datetime import date
from itertools import pairwise

import pytest
from msgspec.json import encode as encode_json
from msgspec.structs import replace
from tests.unit.audit import check_bill, open_bench

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.budget.rates import Rates, cost, read_rates
from surefoot.errors import ModelBroken, ModelError, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.journal.events import ModelFailed, ModelReplied, ModelRequested, TextDelta
from surefoot.providers import Provider
from surefoot.sections import BreakerSettings, RetrySettings
from surefoot.testing import (
    FakeProvider,
    Price,
    ScriptedModel,
    call,
    fail,
    garbage,
    hang,
    overflow,
    reset,
    say,
    status,
)
from surefoot.types import Usage

PRICE = Price(2, 8, cache_read="0.5", cache_write="2.5")
PRICES = {
    name: {"input": 2, "output": 8, "cache_read": "0.5", "cache_write": "2.5"} for name in ("m", "model", "gpt-4.1")
}
RATES = Rates(
    input=2 * 10**9, output=8 * 10**9, cache_read=5 * 10**8, cache_write=25 * 10**8, cache_write_1h=0, source="test"
)


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path, prices=PRICES) as bench:
        yield bench


def fake(provider, **settings):
    """Settings under which ``fake:m`` is the provider."""
    served = Provider(provider.base_url, needs_key=False)
    return {"providers": {"fake": served, "openai": served}, "prices": PRICES} | settings


async def attempts(bench):
    """Pairs of request and outcome of the newest run."""
    _, events = await bench.runtime.read_run(list(bench.store.live)[-1])
    asked = [event for event in events if isinstance(event, ModelRequested)]
    ended = [event for event in events if isinstance(event, ModelReplied | ModelFailed)]
    return list(zip(asked, ended, strict=True))


# --- what is held and what is charged


async def test_a_reply_is_charged_as_reported_by_kind(bench):
    usage = Usage(20, 10, cache_read_tokens=8, cache_write_tokens=4, reasoning_tokens=5)
    result = await bench.run(Agent(ScriptedModel([say("Hi.", usage=usage)], prices=PRICE)))
    ((asked, ended),) = await attempts(bench)
    assert (ended.usage, ended.tokens, ended.nano) == (usage, 30, cost(RATES, usage))
    assert asked.hold_nano >= ended.nano
    assert asked.max_tokens == 1024
    assert (result.usage, result.cost) == (usage, cost(RATES, usage))


async def test_money_is_rounded_up_and_never_a_float(tmp_path):
    """999,999,999,999,999 nano-dollars for a million tokens: a float would lose the last ones."""
    usd = "999999.999999999"
    async with open_bench(tmp_path, prices={"model": {"input": "0.000000001", "output": usd}}) as bench:
        model = ScriptedModel([say("word " * 300)], prices=Price("0.000000001", usd))
        await bench.run(Agent(model, max_tokens=333, limits=Limits(usd=UNLIMITED)))
        ((asked, ended),) = await attempts(bench)
        bound = asked.hold_tokens - 333
        assert asked.hold_nano == -(-(bound + 333 * 999_999_999_999_999) // 1_000_000)
        assert ended.nano == -(-(ended.usage.input_tokens + 333 * 999_999_999_999_999) // 1_000_000) == model.bill.nano


async def test_the_hold_is_the_worst_case_in_whole_nano_dollars(bench):
    model = ScriptedModel([say("Hi.")])
    await bench.run(Agent(model, max_tokens=77), "Hello.")
    ((asked, _),) = await attempts(bench)
    bound = asked.hold_tokens - 77
    assert bound >= len("Hello.")
    assert asked.hold_nano == bound * 2500 + 77 * 8000  # the dearest input is one that is written to the cache
    assert model.requests[0].max_tokens == 77


@pytest.mark.parametrize("usage", [None, Usage(-5, 3), Usage(10**30, 1), Usage(1, 1, cache_read_tokens=1 << 40)])
async def test_a_missing_or_impossible_usage_is_charged_in_full(bench, usage):
    result = await bench.run(Agent(ScriptedModel([say("Hi.", usage=usage)])))
    ((asked, ended),) = await attempts(bench)
    assert (ended.usage, ended.tokens, ended.nano) == (None, asked.hold_tokens, asked.hold_nano)
    assert (result.usage, result.budget.tokens) == (Usage(), asked.hold_tokens)


async def test_an_explicit_zero_is_free(bench):
    result = await bench.run(Agent(ScriptedModel([say("Hi.", usage=Usage())])))
    assert (result.budget.tokens, result.cost) == (0, 0)


async def test_an_overrun_is_booked_as_the_truth_and_ends_the_run(bench):
    model = ScriptedModel([call("look", page=1).but(overlong=True), say("never")], prices=PRICE)
    limits = Limits(tokens=2_600)
    result = await bench.run(Agent(model, tools=[look], limits=limits, max_tokens=900))
    ((asked, ended),) = await attempts(bench)
    assert ended.usage.output_tokens == 1_800 > asked.max_tokens
    assert result.budget.overrun_tokens == ended.tokens - asked.hold_tokens > 0
    assert (result.stop_reason, result.limit) == ("budget", "tokens")
    assert result.output.endswith("- page 1")
    check_bill(model.bill, [await bench.last()])


class Served(ScriptedModel):
    """A model whose provider says at which service tier it served the call."""

    tier = ""

    async def respond(self, *request):
        return replace(await super().respond(*request), service_tier=self.tier)


@pytest.mark.parametrize(("tier", "nano"), [("", 30_000), ("flex", 15_000), ("priority", 60_000), ("scale", None)])
async def test_the_reported_service_tier_is_charged_and_journaled(tmp_path, tier, nano):
    own = Provider("http://127.0.0.1:9/v1", needs_key=False, tier_factors={"flex": 0.5, "priority": "2"})
    prices = {"model": {"input": 1, "output": 1}}
    async with open_bench(tmp_path, prices=prices, providers={"scripted": own}) as bench:
        model = Served([say("Hi.", usage=Usage(20, 10))])
        model.tier = tier
        await bench.run(Agent(model))
        ((asked, ended),) = await attempts(bench)
        assert (ended.service_tier, ended.nano) == (tier, asked.hold_nano if nano is None else nano)
        _, (started, *_) = await bench.runtime.read_run(list(bench.store.live)[-1])
        snapshot = read_rates(started.rates)
        assert [service.service for service in snapshot.services] == ["flex", "priority"]
        assert asked.prices == snapshot.digest


async def test_a_tier_that_is_asked_for_is_sent_and_held_for_and_where_no_tier_is_told_the_dearer_is_charged(tmp_path):
    async with FakeProvider([say("Hi.")], api_key="") as provider:
        own = Provider(provider.base_url, needs_key=False, service_tier="priority", tier_factors={"priority": 3})
        async with open_bench(tmp_path, prices={"m": 1}, providers={"fake": own}) as bench:
            await bench.run(Agent("fake:m"))
            ((asked, ended),) = await attempts(bench)
            assert b'"service_tier":"priority"' in provider.requests[0].body
            assert asked.hold_nano == 3_000 * asked.hold_tokens
            assert ended.nano == 3_000 * ended.tokens


async def test_the_prices_of_a_run_are_those_of_its_day(tmp_path):
    dated = [{"input": 1, "output": 1}, {"since": date(2999, 1, 1), "input": 9, "output": 9}]
    async with open_bench(tmp_path, prices={"model": dated}) as bench:
        await bench.run(Agent(ScriptedModel([say("Hi.", usage=Usage(20, 10))])))
        ((_, ended),) = await attempts(bench)
        assert ended.nano == 30_000


async def test_a_model_without_a_price_costs_none_where_usd_is_unlimited(tmp_path):
    class Unpriced(ScriptedModel):
        def __init__(self, script):
            super().__init__(script)
            self.profile = type(self.profile)("own:unheard-of", "own", "unheard-of")

    async with open_bench(tmp_path) as bench:
        result = await bench.run(Agent(Unpriced([say("Hi.")]), limits=Limits(usd=UNLIMITED)))
        assert (result.cost, result.budget.average_cost) == (None, None)


@pytest.mark.parametrize("protocol", ["json", "text", "native"])
async def test_the_schema_that_a_reply_is_held_to_is_part_of_the_bound(bench, protocol):
    model = ScriptedModel(
        [say('{"thought": "t", "action": "final", "answer": "x"}'), say("Final Answer: x")], protocol=protocol
    )
    await bench.run(Agent(model, tools=[look]))
    (asked, _), *_ = await attempts(bench)
    schema = model.requests[0].options.response_schema
    assert (schema is not None) is (protocol == "json")
    shown = model.open((), None)
    for message in model.requests[0].messages:
        shown.append(message)
    bound = asked.hold_tokens - asked.max_tokens
    assert bound >= shown.size + (0 if schema is None else len(encode_json(schema)))


async def test_a_trusted_count_bounds_what_it_has_counted(bench):
    """Only what has joined since is bounded by its bytes."""
    question = "word " * 400
    holds = {}
    for trusted in (False, True):
        model = ScriptedModel([call("look", page=1), say("Done.")], trusts_usage=trusted)
        await bench.run(Agent(model, tools=[look]), question)
        holds[trusted] = [asked.hold_tokens - asked.max_tokens for asked, _ in await attempts(bench)]
    assert holds[True][0] == holds[False][0] > 2_000
    assert holds[True][1] < 1_000 < holds[False][1]


async def test_openais_models_are_counted_exactly_where_the_bound_does_not_fit(tmp_path):
    question = "A token is about four letters of English text. " * 60
    async with (
        FakeProvider([say("Short.")] * 3, api_key="") as provider,
        open_bench(tmp_path, **fake(provider)) as bench,
    ):
        for tokens, exact in [(20_000, False), (3_000, True)]:
            result = await bench.run(Agent("openai:gpt-4.1", limits=Limits(tokens=tokens)), question)
            assert result.stop_reason == "final"
            ((asked, _),) = await attempts(bench)
            bound = asked.hold_tokens - asked.max_tokens
            assert (bound < 1_000) is exact
            assert bound > len(question.split())
        result = await bench.run(Agent("fake:m", limits=Limits(tokens=3_500)), question)
        assert (result.stop_reason, result.budget.model_calls) == ("budget", 1)  # straight to the last answer


async def test_exact_counts_go_on_where_they_stopped(tmp_path):
    question = "A token is about four letters of English text. " * 60
    script = [call("look", page=1), call("look", page=2), say("Short.")]
    async with FakeProvider(script, api_key="") as provider, open_bench(tmp_path, **fake(provider)) as bench:
        result = await bench.run(
            Agent("openai:gpt-4.1", tools=[look], limits=Limits(tokens=4_500), max_tokens=300), question
        )
        assert (result.output, result.stop_reason) == ("Short.", "final")
        bounds = [asked.hold_tokens - asked.max_tokens for asked, _ in await attempts(bench)]
        assert min(bounds) == bounds[0]
        assert max(bounds) < bounds[0] + 300 < len(question)


# --- attempts


async def test_each_attempt_on_the_wire_has_a_hold_of_its_own(tmp_path):
    script = [
        status(429, retry_after_s=0), reset(), garbage(), call("look", page=1),
        status(503), say("cut", cut_after=1), status(500), say("Done."),
    ]  # fmt: skip
    for way in ("run", "stream"):
        async with (
            FakeProvider(script, api_key="", prices=PRICE) as provider,
            open_bench(tmp_path / way, **fake(provider)) as bench,
        ):
            limits = Limits(tokens=UNLIMITED)
            await getattr(bench, way)(Agent("fake:m", tools=[look], limits=limits))
            pairs = await attempts(bench)
            assert [asked.hold for asked, _ in pairs] == list(range(1, 9))
            assert len(pairs) == provider.stats.requests == provider.requests.total
            assert [asked.max_tokens for asked, _ in pairs] == [request.max_tokens for request in provider.requests]
            assert [asked.attempt for asked, _ in pairs] == [1, 2, 3, 4, 1, 2, 3, 4]
            charged = [ended.tokens == asked.hold_tokens for asked, ended in pairs if isinstance(ended, ModelFailed)]
            assert charged == [False, True, True, False, True, True]
            check_bill(provider.bill, [await bench.last()])


@pytest.mark.parametrize(
    ("fault", "error", "charged", "retried"),
    [
        (status(400, "no"), ModelRefused, False, False),
        (status(401, "bad key"), ModelRefused, False, False),
        (status(404), ModelRefused, False, False),
        (overflow(), ModelRefused, False, False),
        (status(429, name="insufficient_quota"), ModelRefused, False, False),
        (status(429), ModelOverloaded, False, True),
        (status(503), ModelOverloaded, False, True),
        (status(529), ModelOverloaded, False, True),
        (status(408), ModelBroken, True, True),
        (status(500), ModelBroken, True, True),
        (reset(), ModelBroken, True, True),
        (reset(after_headers=True), ModelBroken, True, True),
        (garbage(), ModelBroken, True, True),
        (garbage(html=True), ModelRefused, False, False),
        (say("x", cut_after=0), ModelBroken, True, True),
    ],
)
async def test_how_each_failure_of_the_wire_is_charged(tmp_path, *, fault, error, charged, retried):
    retry = RetrySettings(attempts=2, base_s=0.0005, max_s=0.001)
    async with (
        FakeProvider(lambda _: fault, api_key="", prices=PRICE) as provider,
        open_bench(tmp_path, **fake(provider, retry=retry)) as bench,
    ):
        raised = await bench.fails(error, Agent("fake:m"))
        assert "\n" not in str(raised)
        assert provider.stats.requests == (4 if retried else 2)  # each is run and streamed
        for asked, ended in await attempts(bench):
            assert ended.code == error.code
            assert (ended.tokens, ended.nano) == ((asked.hold_tokens, asked.hold_nano) if charged else (0, 0))
        states = [run.state for run in bench.store.live.values()]
        check_bill(provider.bill, states)
        assert states[0].finished.error == str(raised)
        assert ended.message == states[1].finished.error


async def test_nothing_is_charged_where_nobody_listens(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # never listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        nobody = {"fake": Provider(address, needs_key=False)}
        patient = BreakerSettings(failures=100)
        async with open_bench(tmp_path, providers=nobody, prices=PRICES, breaker=patient) as bench:
            await bench.fails(ModelUnreachable, Agent("fake:m"), match=address)
            state = await bench.last()
            assert (state.model_calls, state.tokens, state.nano) == (4, 0, 0)


async def test_a_model_that_never_answers_is_given_up_and_charged(tmp_path):
    for way in ("run", "stream"):
        async with (
            FakeProvider([hang(), say("Hi.")], api_key="", prices=PRICE) as provider,
            open_bench(tmp_path / way, **fake(provider, model_timeout_s=0.6)) as bench,
        ):
            await getattr(bench, way)(Agent("fake:m"))
            (_, first), (_, second) = await attempts(bench)
            assert (first.code, second.finish_reason) == ("model_broken", "stop")
            check_bill(provider.bill, [await bench.last()])


async def test_the_deadline_cancels_what_is_in_flight(tmp_path):
    """No attempt outlives the run, whatever the model's own timeout is."""
    async with FakeProvider([hang()], api_key="") as provider, open_bench(tmp_path, **fake(provider)) as bench:
        result = await bench.run(Agent("fake:m", limits=Limits(seconds=0.5)))
        assert (result.stop_reason, result.limit) == ("budget", "seconds")
        ((asked, failed),) = await attempts(bench)
        assert (failed.code, failed.tokens) == ("model_broken", asked.hold_tokens)


async def test_a_deadline_in_the_last_answer_ends_in_a_digest(bench):
    result = await bench.run(Agent(ScriptedModel([hang()]), limits=Limits(seconds=0.5, steps=1)))
    assert (result.stop_reason, result.limit) == ("budget", "steps")
    assert result.budget.model_calls == 1


async def test_retry_after_is_waited_for(bench):
    model = ScriptedModel([status(429, retry_after_s=0.05), status(503, retry_after_s=0.03), say("Hi.")])
    await bench.run(Agent(model))
    pairs = await attempts(bench)
    for ((_, failed), (asked, _)), least in zip(pairwise(pairs), [0.05, 0.03], strict=True):
        assert failed.retry_in_s >= least
        assert asked.at - failed.at >= least * 0.9  # loops of some systems wake a millisecond early


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(bench):
    model = ScriptedModel([status(429, retry_after_s=60), say("never")])
    error = await bench.fails(ModelOverloaded, Agent(model, limits=Limits(seconds=30)))
    assert error.retry_after_s == 60
    ((_, failed),) = await attempts(bench)
    assert failed.retry_in_s is None


async def test_attempts_are_bounded_and_the_last_error_is_raised(bench):
    errors = [ModelBroken(f"number {number}") for number in range(9)]
    raised = await bench.fails(ModelBroken, Agent(ScriptedModel([fail(error) for error in errors])))
    assert raised is errors[3]
    pairs = await attempts(bench)
    assert [failed.retry_in_s is None for _, failed in pairs] == [False, False, False, True]
    assert all(failed.tokens == asked.hold_tokens for asked, failed in pairs)


async def test_the_base_of_the_models_errors_counts_as_sent(bench):
    await bench.fails(ModelError, Agent(ScriptedModel([fail(ModelError("odd"))])))
    ((asked, failed),) = await attempts(bench)
    assert failed.tokens == asked.hold_tokens


# --- streams


async def test_the_text_of_a_cut_stream_is_void_and_charged(tmp_path):
    async with (
        FakeProvider([say("one two three", cut_after=2), say("one two three")], api_key="", prices=PRICE) as provider,
        open_bench(tmp_path, **fake(provider)) as bench,
    ):
        events = await bench.stream(Agent("fake:m"))
        failed = next(index for index, event in enumerate(events) if isinstance(event, ModelFailed))
        before = "".join(event.text for event in events[:failed] if isinstance(event, TextDelta))
        after = "".join(event.text for event in events[failed:] if isinstance(event, TextDelta))
        assert "one two three".startswith(before)
        assert after == events[-1].output == "one two three"
        check_bill(provider.bill, [await bench.last()])


class Wordless(ScriptedModel):
    """Its first streams end without a reply."""

    async def stream(self, prompt, max_tokens, options, timeout_s):
        async for piece in super().stream(prompt, max_tokens, options, timeout_s):
            if isinstance(piece, str) or prompt.step > 2:
                yield piece


async def test_a_stream_without_a_reply_is_broken(bench):
    await bench.stream(Agent(Wordless([say("one"), say("two"), say("three")])))
    pairs = await attempts(bench)
    assert [type(ended) for _, ended in pairs] == [ModelFailed, ModelFailed, ModelReplied]
    assert pairs[0][1].message == "the model's stream ended without a reply"


async def test_latency_is_that_of_the_attempt(bench):
    await bench.run(Agent(ScriptedModel([fail(ModelBroken("x")), say("Hi.", delay_s=0.05)])))
    (_, failed), (_, replied) = await attempts(bench)
    assert failed.latency_ms >= 0
    assert replied.latency_ms >= 45


async def test_text_with_halves_of_surrogate_pairs_reaches_the_journal(bench):
    result = await bench.runtime.run(Agent(ScriptedModel([say("so \ud83d")])), "What \udcff?")
    _, events = await bench.runtime.read_run(result.run_id)
    assert events[0].messages[-1].text == "What ??"
    assert events[-1].output == "so ?"
    bench.store.live.clear()  # the live run still holds what the model said


async def test_many_runs_at_once_each_on_its_own(tmp_path):
    def reply(request):
        return say(f"You are {request.messages[0].text}.")

    async with (
        FakeProvider(reply, api_key="", latency_s=0.01) as provider,
        open_bench(tmp_path, **fake(provider)) as bench,
    ):
        results = await asyncio.gather(*[bench.run(Agent("fake:m"), f"number {n}") for n in range(50)])
        assert [result.output for result in results] == [f"You are number {n}." for n in range(50)]
        assert provider.stats.requests == 50

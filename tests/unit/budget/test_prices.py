from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice, TieredPrices, TimeOfDateConstraint
from genai_prices.types import Usage as TheirUsage
from hypothesis import given
from hypothesis import strategies as st

from surefoot.budget import prices as prices_module
from surefoot.budget.prices import PriceList
from surefoot.budget.rates import Rates, cost, worst_case
from surefoot.errors import ConfigError
from surefoot.types import Usage

TODAY = datetime(2026, 10, 1, 12, tzinfo=UTC)
ARTICLE = Path(__file__).parents[3] / "examples" / "article-prices.toml"


def price_list(overrides=None, moment=TODAY):
    return PriceList(overrides or {}, moment.timestamp)


def rates(**given):
    return Rates(**{"cache_read": 5, "cache_write": 7, "cache_write_1h": 9, "source": "test", **given})


# ------------------------------------------------------------------------------------------------------------ cost


def test_cost_counts_each_kind_once_and_rounds_up():
    prices = rates(input=2_000_000, output=8_000_000, cache_read=500_000, cache_write=2_500_000)
    usage = Usage(
        input_tokens=1000, output_tokens=10, cache_read_tokens=300, cache_write_tokens=200, reasoning_tokens=9
    )
    assert cost(prices, usage) == 500 * 2 + 300 // 2 + 200 * 2.5 + 10 * 8
    assert cost(prices, Usage(cache_read_tokens=1, input_tokens=1)) == 1
    assert cost(prices, Usage()) == 0


def test_cost_of_gpt_4_1_in_nano_dollars():
    prices = price_list().resolve("openai", "gpt-4.1")
    assert prices is not None
    assert cost(prices, Usage(input_tokens=1_000_000, output_tokens=1_000_000)) == 10_000_000_000
    assert cost(prices, Usage(input_tokens=1_000_000, cache_read_tokens=1_000_000)) == 500_000_000


def test_a_usage_with_more_cached_than_prompt_is_never_a_rebate():
    prices = rates(input=1_000_000, output=0, cache_read=1_000_000)
    assert cost(prices, Usage(input_tokens=10, cache_read_tokens=25)) == 25


def test_a_tier_is_a_cliff_for_the_whole_call():
    prices = rates(input=1_000_000, output=2_000_000, tiers=(rates(input=3_000_000, output=4_000_000, above=100),))
    assert cost(prices, Usage(input_tokens=100, output_tokens=10)) == 120
    assert cost(prices, Usage(input_tokens=101, output_tokens=10)) == 343


# ------------------------------------------------------------------------------------------------------ worst case

rate = st.integers(0, 10**12)


@st.composite
def any_rates(draw):
    def draw_flat(above=0, tiers=()):
        kinds = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
        return Rates(**{kind: draw(rate) for kind in kinds}, source="", above=above, tiers=tiers)

    starts = sorted(draw(st.sets(st.integers(1, 500_000), max_size=3)))
    return draw_flat(tiers=tuple(draw_flat(above) for above in starts))


@st.composite
def usage_within(draw, input_tokens, output_tokens):
    prompt = draw(st.integers(0, input_tokens))
    read = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - read))
    reply = draw(st.integers(0, output_tokens))
    return Usage(prompt, reply, read, written, draw(st.integers(0, reply)))


@given(any_rates(), st.integers(0, 1_000_000), st.integers(0, 100_000), st.data())
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(prices, input_tokens, output_tokens, data):
    usage = data.draw(usage_within(input_tokens, output_tokens))
    assert cost(prices, usage) <= worst_case(prices, input_tokens, output_tokens)


@given(any_rates(), st.integers(0, 1_000_000), st.integers(0, 1_000_000))
def test_within_drops_only_tiers_out_of_reach(prices, input_tokens, bound):
    near = prices.within(bound)
    assert near.at(min(input_tokens, bound)).input == prices.at(min(input_tokens, bound)).input
    assert all(tier.above < bound for tier in near.tiers)
    assert near.dearest_input <= prices.dearest_input
    assert near.dearest_output <= prices.dearest_output


def test_the_worst_case_takes_the_dearest_kind_and_the_dearest_tier_in_reach():
    prices = rates(
        input=1_000_000,
        output=2_000_000,
        cache_write_1h=5_000_000,
        tiers=(rates(input=9_000_000, output=0, above=100),),
    )
    assert worst_case(prices, 100, 10) == 100 * 5 + 10 * 2
    assert worst_case(prices, 101, 10) == 101 * 9 + 10 * 2
    assert worst_case(rates(input=1, output=0, cache_read=0, cache_write=0, cache_write_1h=0), 1, 0) == 1


# ---------------------------------------------------------------------------------- the whole table of genai-prices

USAGES = [
    Usage(1, 1),
    Usage(1_234, 567),
    Usage(50_001, 3, 20_000, 0),
    Usage(999_999, 4_096, 100_000, 50_000),
    Usage(2_000_001, 65_536, 0, 300_000),
]
MODELS = [
    (provider, model.id)
    for provider in providers
    for model in provider.models
    if provider.find_model(model.id) is not None  # the id of a few is not one of the names that they answer to
]


def priced_models():
    prices = price_list()
    found = [(provider, model, prices.resolve(provider.id, model)) for provider, model in MODELS]
    return [(provider, model, known) for provider, model, known in found if known is not None]


def their_prices(provider, model):
    found = provider.find_model(model.lower(), all_providers=providers)
    return {name: price for name, price in vars(found.get_prices(TODAY)).items() if price is not None}


def their_nano(provider, model, usage, moment=TODAY):
    found = provider.find_model(model.lower(), all_providers=providers)
    theirs = TheirUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return found.calc_price(theirs, provider, genai_request_timestamp=moment).total_price * 10**9


def is_priced_otherwise(provider, model):
    """What our rates simplify: prices by the hour, and output of several kinds."""
    prices = provider.find_model(model.lower(), all_providers=providers).prices
    by_hour = isinstance(prices, list) and any(isinstance(price.constraint, TimeOfDateConstraint) for price in prices)
    kinds = [name for name in their_prices(provider, model) if name.startswith("output_") and name != "output_mtok"]
    return by_hour or bool(kinds)


def test_every_model_costs_what_genai_prices_says():
    models = priced_models()
    assert len(models) > 1_900
    for number, (provider, model, prices) in enumerate(models):
        # genai-prices takes 0.3 ms for a call: a model without tiers is asked about one of the five
        for usage in USAGES if prices.tiers else (USAGES[number % 5],):
            exact = their_nano(provider, model, usage)
            ours = cost(prices, usage)
            assert ours >= exact, (provider.id, model, usage)
            if not is_priced_otherwise(provider, model):
                # each rate is rounded up to a nano-dollar per million tokens, and then the sum to a nano-dollar
                slack = Decimal(usage.input_tokens + usage.output_tokens) / 1_000_000 + 1
                assert ours - exact < slack, (provider.id, model, usage)


def test_no_model_of_the_table_can_cost_more_than_its_worst_case():
    for provider, model, prices in priced_models():
        for usage in USAGES:
            for input_tokens in (usage.input_tokens, usage.input_tokens + 1, 3 * usage.input_tokens):
                bound = worst_case(prices, input_tokens, usage.output_tokens)
                assert cost(prices, usage) <= bound, (provider.id, model, usage)


def test_a_model_is_unknown_only_for_a_reason():
    prices = price_list()
    assert len(MODELS) > 2_200
    for provider, model in MODELS:
        if prices.resolve(provider.id, model) is None:
            theirs = their_prices(provider, model)
            tokens_alone = {"input_mtok", "output_mtok"} <= set(theirs) and "requests_kcount" not in theirs
            assert not tokens_alone or "search" in model or "sonar" in model, (provider.id, model)


def test_every_tier_of_the_table_is_known():
    prices = price_list()
    tiered = [
        (provider.id, model)
        for provider, model in MODELS
        if isinstance(their_prices(provider, model).get("output_mtok"), TieredPrices)
    ]
    assert len(tiered) > 50
    for provider, model in tiered:
        assert prices.resolve(provider, model).tiers, (provider, model)


# --------------------------------------------------------------------------------------------------------- resolve


def test_a_dated_snapshot_is_priced_as_its_model():
    prices = price_list()
    dated, plain = prices.resolve("openai", "gpt-4o-mini-2024-07-18"), prices.resolve("openai", "gpt-4o-mini")
    assert dated == plain
    assert dated.source.endswith("openai/gpt-4o-mini")
    assert dated.source.startswith("genai-prices ")


def test_a_claude_has_dearer_cache_writes_and_a_tier():
    prices = price_list().resolve("anthropic", "claude-sonnet-4-5-20250929")
    assert (prices.input, prices.cache_read, prices.cache_write) == (3 * 10**9, 3 * 10**8, 375 * 10**7)
    assert prices.cache_write_1h == 6 * 10**9
    assert [tier.above for tier in prices.tiers] == [200_000]
    assert prices.within(200_000).dearest_input == 6 * 10**9
    assert prices.dearest_input == 12 * 10**9


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-99"),
        ("openai", "claude-sonnet-4-5"),  # not sold there
        ("openai", "text-embedding-3-small"),  # writes nothing
        ("openai", "gpt-4o-search-preview"),  # bills searches that nobody asked for
        ("openai", "o3-deep-research"),
        ("perplexity", "sonar-pro"),  # bills each request beside its tokens
        ("openrouter", "perplexity/sonar"),
        ("github-copilot", "gpt-4.1"),  # a subscription: no price per token
        ("acme", "gpt-oss-20b"),  # its sellers ask different prices
        ("acme", "deepseek/deepseek-chat"),
        ("acme", "qwen3-32b"),  # sold, but by nobody who made it
        ("acme", "my-model"),
        ("openai", ""),
        ("openai", "gpt-4.1" + "x" * 10_000),
    ],
)
def test_a_price_is_never_guessed(provider, model):
    assert price_list().resolve(provider, model) is None


@pytest.mark.parametrize(
    ("provider", "model", "like"),
    [
        ("acme", "gpt-4.1", ("openai", "gpt-4.1")),
        ("acme", "openai/gpt-4.1", ("openai", "gpt-4.1")),
        ("acme", "claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
        ("acme", "anthropic/claude-sonnet-4.5", ("anthropic", "claude-sonnet-4-5")),
        ("OpenAI", " GPT-4.1 ", ("openai", "gpt-4.1")),
    ],
)
def test_a_name_that_its_maker_claims_and_all_sell_alike_is_known_anywhere(provider, model, like):
    prices = price_list()
    assert prices.resolve(provider, model) == prices.resolve(*like) is not None


def test_a_fee_for_each_request_is_more_than_tokens_can_bound():
    tokens = {"input_mtok": Decimal(1), "output_mtok": Decimal(2)}
    assert prices_module._token_prices(ModelPrice(**tokens), "m") == tokens
    assert prices_module._token_prices(ModelPrice(**tokens, requests_kcount=Decimal(5)), "m") is None


def test_models_of_another_maker_are_found_where_their_seller_has_them():
    prices = price_list()
    assert prices.resolve("azure", "gpt-4.1").input == prices.resolve("openai", "gpt-4.1").input
    assert prices.resolve("openrouter", "anthropic/claude-sonnet-4.5").input == 3 * 10**9


def test_an_answer_of_several_kinds_is_priced_at_the_dearest():
    assert price_list().resolve("google", "gemini-2.5-flash-image").output == 30 * 10**9


def test_a_price_by_the_hour_is_that_of_the_dearest_hour():
    prices = price_list().resolve("deepseek", "deepseek-v4-pro")
    provider = next(provider for provider in providers if provider.id == "deepseek")
    for usage in USAGES:
        hours = [their_nano(provider, "deepseek-v4-pro", usage, TODAY.replace(hour=hour)) for hour in range(24)]
        assert min(hours) < cost(prices, usage)
        assert max(hours) <= cost(prices, usage) <= max(hours) + 1


def test_prices_change_with_the_date():
    moment = datetime(2025, 6, 9, 23, 59, tzinfo=UTC).timestamp()
    prices = PriceList({}, lambda: moment)
    before = prices.resolve("openai", "o3")
    assert (before.input, before.since) == (10 * 10**9, None)
    moment += 60
    after = prices.resolve("openai", "o3")
    assert (after.input, str(after.since)) == (2 * 10**9, "2025-06-10")


def test_free_providers_cost_nothing_and_name_themselves():
    prices = PriceList({}, TODAY.timestamp, free={"ollama", "local"})
    for provider in ("ollama", "local"):
        known = prices.resolve(provider, "gpt-4.1")
        assert (known.dearest_input, known.dearest_output, known.source) == (0, 0, provider)
    assert price_list().resolve("scripted", "x").dearest_input == 0
    assert price_list().resolve("openrouter", "openai/gpt-oss-20b:free").dearest_output == 0


def test_what_is_remembered_is_bounded():
    prices = price_list()
    for number in range(2_100):
        prices.resolve("local", f"model-{number}")
    assert len(prices._known) <= 1_000
    assert prices.resolve("openai", "gpt-4.1") is prices.resolve("openai", "gpt-4.1")


async def test_find_looks_up_in_a_thread_and_remembers():
    asked_in = []

    def now():
        asked_in.append(threading.get_ident())
        return TODAY.timestamp()

    prices = PriceList({}, now)
    first = await prices.find("openai", "gpt-4.1")
    assert set(asked_in) - {threading.get_ident()}
    asked_in.clear()
    assert await prices.find("openai", "gpt-4.1") is first is prices.resolve("openai", "gpt-4.1")
    assert set(asked_in) == {threading.get_ident()}


def test_genai_prices_is_imported_when_needed_and_asks_no_network():
    story = """
import socket, sys, time
def refuse(*_, **__): raise AssertionError("the network was asked")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from surefoot.budget.prices import PriceList
prices = PriceList({"mine": 1}, time.time)
assert prices.resolve("local", "x") and prices.resolve("acme", "mine")
assert "genai_prices" not in sys.modules
assert prices.resolve("openai", "gpt-4.1").input
assert "genai_prices" in sys.modules
"""
    subprocess.run([sys.executable, "-c", story], check=True, timeout=60)


# ----------------------------------------------------------------------------------------------- prices of the user


def test_a_number_is_the_price_of_input_and_output():
    known = price_list({"gpt-4.1": 8.00}).resolve("openai", "gpt-4.1")
    assert {known.input, known.output, known.cache_read, known.cache_write, known.cache_write_1h} == {8 * 10**9}
    assert known.source == "[prices]"


@pytest.mark.parametrize("cached", ["cache_read", "cached_input"])
def test_a_table_prices_each_kind(cached):
    table = {"input": "3", "output": 15, cached: 0.3, "cache_write": Decimal("3.75")}
    known = price_list({"Mine": table}).resolve("acme", "mine")
    assert (known.input, known.output, known.cache_read, known.cache_write) == (
        3 * 10**9,
        15 * 10**9,
        3 * 10**8,
        375 * 10**7,
    )
    assert known.cache_write_1h == known.cache_write


def test_a_fraction_of_a_nano_dollar_is_rounded_up():
    assert price_list({"m": "0.0000000001"}).resolve("acme", "m").input == 1
    assert price_list({"m": 0}).resolve("acme", "m").input == 0
    assert price_list({"m": 0.1}).resolve("acme", "m").input == 10**8


def test_the_price_at_one_provider_goes_before_the_price_anywhere():
    prices = price_list({"acme:gpt-4.1": 1, "gpt-4.1": 2, "local:tiny": 3})
    assert prices.resolve("acme", "gpt-4.1").input == 10**9
    assert prices.resolve("openai", "gpt-4.1").input == 2 * 10**9
    assert prices.resolve("local", "tiny").input == 3 * 10**9


def test_the_prices_of_the_article():
    prices = price_list(tomllib.loads(ARTICLE.read_text())["prices"])
    usd = {
        ("openai", "gpt-4.1"): "8.00",
        ("anthropic", "claude-sonnet-4-5"): "15.00",
        ("deepseek", "deepseek-chat"): "0.42",
        ("google", "gemini-2.5-flash"): "2.50",
    }
    for (provider, model), price in usd.items():
        known = prices.resolve(provider, model)
        assert known.input == known.output == int(Decimal(price) * 10**9)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"m": float("nan")}, r'prices\."m" = NaN: must be US dollars per million tokens'),
        ({"m": float("inf")}, r'prices\."m" = Inf'),
        ({"m": -1}, r'prices\."m" = -1'),
        ({"m": "-0.01"}, r"prices\.\"m\" = '-0\.01'"),
        ({"m": "eight"}, r"prices\.\"m\" = 'eight'"),
        ({"m": True}, r'prices\."m" = True'),
        ({"m": None}, r'prices\."m" = None'),
        ({"m": [1, 2]}, r'prices\."m" = \[1, 2\]'),
        ({"m": 2_000_000}, r'prices\."m" = 2000000: .* from 0 to 1000000'),
        ({"m": 10**4000}, r'prices\."m" = 1000000000'),
        ({"m": "1e999999999999"}, r"prices\.\"m\" = '1e9999"),
        ({"m": {"input": 1, "output": "NaN"}}, r'prices\."m"\.output = '),
        (
            {"m": {"input": 1, "output": 1, "cached": 1}},
            r"prices\.\"m\": unknown key 'cached'; known are input, output",
        ),
        (
            {"m": {"input": 1, "output": 1, "cached_input": 1, "cache_read": 1}},
            r'prices\."m": cache_read is given twice',
        ),
        ({"m": {"input": 1}}, r'prices\."m": output is missing'),
        ({"m": {}}, r'prices\."m": input is missing'),
        ({" ": 1}, r'prices\." ": the name of a model is empty'),
        (tomllib.loads("gpt-4.1 = 8.00"), r"prices\.\"gpt-4\": unknown key '1'; .* needs quotes"),
    ],
)
def test_a_bad_price_is_named(overrides, told):
    with pytest.raises(ConfigError, match=told):
        price_list(overrides)

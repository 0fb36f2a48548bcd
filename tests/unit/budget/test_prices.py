from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice, TieredPrices, TimeOfDateConstraint
from genai_prices.types import Usage as TheirUsage
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from surefoot.budget import quotes
from surefoot.budget.prices import PriceList
from surefoot.budget.rates import cost, cost_as_served, dearest_rates, price_bound
from surefoot.types import Usage

TODAY = datetime(2026, 10, 1, 12, tzinfo=UTC)
ARTICLE = Path(__file__).parents[3] / "examples" / "article-prices.toml"


def price_list(overrides=None, moment=TODAY):
    return PriceList(overrides or {}, moment.timestamp)


def bound(prices, input_tokens, output_tokens):
    rate, out = dearest_rates(prices, input_tokens)
    return price_bound(input_tokens, rate, output_tokens, out)


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


@cache
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


@st.composite
def usage_within(draw, input_tokens, output_tokens):
    """A usage of text: Surefoot sends nothing else. A reply may be of any kind."""
    prompt = draw(st.integers(0, input_tokens))
    read = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - read))
    reply = draw(st.integers(0, output_tokens))
    spoken = draw(st.integers(0, reply))
    return Usage(
        prompt,
        reply,
        read,
        written,
        draw(st.integers(0, reply - spoken)),
        draw(st.integers(0, written)),
        audio_output_tokens=spoken,
    )


@pytest.fixture(scope="module")
def table():
    return [(f"{provider.id}:{model}", known) for provider, model, known in priced_models()]


@pytest.fixture(scope="module")
def served_table():
    prices = price_list(moment=datetime(2026, 11, 15, tzinfo=UTC))
    varied = {(provider.id, model.id) for provider in providers for model in provider.models if model.price_variants}
    found = [(":".join(name), prices.resolve(*name)) for name in sorted(varied)]
    served = [(name, known) for name, known in found if known is not None and known.services]
    assert len(served) > 90
    return served


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([1_000, 128_000, 200_001, 1_000_000]), st.integers(1, 65_536), st.data())
def test_settled_is_at_most_the_hold_over_the_whole_price_table(table, input_tokens, output_tokens, data):
    usages = [data.draw(usage_within(input_tokens, output_tokens)) for _ in range(3)]
    for name, prices in table:
        hold = bound(prices, input_tokens, output_tokens)
        assert all(cost(prices, usage) <= hold for usage in usages), name


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([1_000, 200_001, 1_000_000]), st.integers(1, 65_536), st.data())
def test_settled_is_at_most_the_hold_at_every_service_tier_that_can_be_asked_for(
    served_table, input_tokens, output_tokens, data
):
    usage = data.draw(usage_within(input_tokens, output_tokens))
    for name, prices in served_table:
        for service in prices.services:
            asked = replace(prices, asked=service.service)
            hold = bound(asked, input_tokens, output_tokens)
            for served in (service.service, "", "default", "unheard-of"):
                assert cost_as_served(asked, usage, served, hold) <= hold, (name, served)


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
    assert dearest_rates(prices, 200_000) == (6 * 10**9, 15 * 10**9)
    assert dearest_rates(prices, 200_001) == (12 * 10**9, 225 * 10**8)


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
    assert quotes._token_prices(ModelPrice(**tokens), "m") == tokens
    assert quotes._token_prices(ModelPrice(**tokens, requests_kcount=Decimal(5)), "m") is None


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
        assert (dearest_rates(known, 10**6), known.source) == ((0, 0), provider)
    assert dearest_rates(price_list().resolve("scripted", "x"), 1) == (0, 0)
    assert price_list().resolve("openrouter", "openai/gpt-oss-20b:free").output == 0


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

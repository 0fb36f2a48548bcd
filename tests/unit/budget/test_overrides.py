"""Prices of the user: kinds, tiers, days, currencies and service tiers, and what is wrong with them told by name."""

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.budget.overrides import Terms, read_terms
from surefoot.budget.prices import PriceList, name_setting, open_prices
from surefoot.budget.rates import KINDS, dearest_rates
from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.providers import Provider

TODAY = datetime(2026, 10, 1, 12, tzinfo=UTC)
ARTICLE = Path(__file__).parents[3] / "examples" / "article-prices.toml"


def price_list(overrides=None, moment=TODAY, currencies=None):
    return PriceList(overrides or {}, moment.timestamp, currencies=currencies)


def asking(service_tier="", wire="openai", name="openai", **more):
    provider = Provider("http://h/v1", wire=wire, service_tier=service_tier, **more)
    return open_prices(
        Settings(providers={name: provider}, prices={"mine": {"input": 1, "output": 3}}), TODAY.timestamp
    )


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
        ({"m": float("nan")}, r'prices\."m" = nan: must be US dollars per million tokens'),
        ({"m": float("inf")}, r'prices\."m" = inf'),
        ({"m": -1}, r'prices\."m" = -1'),
        ({"m": "-0.01"}, r"prices\.\"m\" = '-0\.01'"),
        ({"m": "eight"}, r"prices\.\"m\" = 'eight'"),
        ({"m": True}, r'prices\."m" = True'),
        ({"m": None}, r'prices\."m" = None'),
        ({"m": [1, 2]}, r'prices\."m": two prices hold from the same day'),
        ({"m": 2_000_000}, r'prices\."m" = 2000000: .* from 0 to 1000000'),
        ({"m": 10**5000}, r'prices\."m" = 1000000000'),
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


def test_each_kind_of_token_can_have_its_price():
    table = {kind: number for number, kind in enumerate(KINDS, 1)}
    known = price_list({"m": table}).resolve("acme", "m")
    assert [getattr(known, kind) for kind in KINDS] == [number * 10**9 for number in range(1, 9)]


def test_an_hour_in_the_cache_costs_what_five_minutes_cost_unless_it_is_told():
    known = price_list({"m": {"input": 1, "output": 1, "cache_write": 2}}).resolve("acme", "m")
    assert known.cache_write_1h == 2 * 10**9
    assert (known.audio_input, known.audio_output, known.reasoning) == (None, None, None)


def test_longer_prompts_have_their_own_table():
    above = [{"tokens": 500, "input": 9, "output": 10}, {"tokens": 200, "input": 5, "output": 6, "cache_read": 1}]
    known = price_list({"m": {"input": 3, "output": 4, "cache_read": 0.3, "above": above}}).resolve("acme", "m")
    assert [(tier.above, tier.input, tier.cache_read) for tier in known.tiers] == [
        (200, 5 * 10**9, 10**9),
        (500, 9 * 10**9, 9 * 10**9),
    ]
    assert known.at(200).input == 3 * 10**9
    assert known.at(201).input == 5 * 10**9


# ------------------------------------------------------------------------------------------------------------ days


def test_a_price_takes_effect_on_its_day_without_a_restart():
    moment = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    dated = [
        {"since": date(2027, 1, 1), "input": 3, "output": 3},
        {"input": 1, "output": 1},
        {"since": date(2026, 6, 1), "input": 2, "output": 2},
    ]
    prices = PriceList({"m": dated}, lambda: moment)
    before = prices.resolve("acme", "m")
    assert (before.input, before.since) == (2 * 10**9, date(2026, 6, 1))
    moment += 1
    after = prices.resolve("acme", "m")
    assert (after.input, after.since) == (3 * 10**9, date(2027, 1, 1))
    moment -= 86_400 * 365
    assert prices.resolve("acme", "m").input == 10**9


def test_before_its_first_day_a_price_is_not_there():
    later = {"since": date(2026, 10, 2), "input": 1, "output": 1}
    prices = price_list({"gpt-4.1": later, "m": [later], "acme:n": later, "n": 7})
    assert prices.resolve("openai", "gpt-4.1").source.startswith("genai-prices")
    assert prices.resolve("acme", "m") is None
    assert prices.resolve("acme", "n").input == 7 * 10**9


# ------------------------------------------------------------------------------------------------------ currencies


def test_a_price_in_another_currency_is_converted_once_and_rounded_up():
    table = {"input": "1", "output": "0.0000000001", "currency": "cny"}
    known = price_list({"m": table}, currencies={"CNY": "0.14"}).resolve("acme", "m")
    assert (known.input, known.output) == (14 * 10**7, 1)
    assert known.source == "[prices] in cny at 0.14 USD"
    plain = price_list({"m": {"input": 1, "output": 1, "currency": "USD"}}).resolve("acme", "m")
    assert (plain.input, plain.source) == (10**9, "[prices]")


def test_the_currency_holds_for_the_tiers_too():
    table = {"input": 1, "output": 1, "currency": "EUR", "above": [{"tokens": 9, "input": 2, "output": 2}]}
    known = price_list({"m": table}, currencies={"EUR": 1.1}).resolve("acme", "m")
    assert known.tiers[0].input == 22 * 10**8
    assert known.tiers[0].source == known.source


@given(st.decimals("0.0001", "100", places=6), st.decimals("0", "1000", places=6))
def test_a_converted_price_is_never_less_than_exact(unit, price):
    known = price_list({"m": {"input": str(price), "output": 0, "currency": "X"}}, currencies={"X": str(unit)})
    exact = price * unit * 10**9
    assert exact <= known.resolve("acme", "m").input < exact + 1


def test_a_coarse_decimal_context_of_the_program_around_changes_nothing():
    def look_up():
        table = {"input": "1.23456789", "output": "0.000000001", "currency": "CNY"}
        return price_list({"m": table}, currencies={"CNY": "0.1400001"}).resolve("acme", "m")

    with localcontext(prec=2):
        coarse = look_up()
    assert coarse == look_up()
    assert coarse.input == 172_839_629


def test_large_numbers_of_a_small_unit_are_prices_too():
    table = {"input": 2_000_000, "output": 2_000_000, "currency": "IDR"}
    assert price_list({"m": table}, currencies={"IDR": "0.00006"}).resolve("acme", "m").input == 120 * 10**9


@pytest.mark.parametrize(
    ("currencies", "told"),
    [
        ({"CNY": "a lot"}, r"currencies\.CNY = 'a lot': must be the US dollars .* CNY = \"0\.14\""),
        ({"CNY": 0}, r"currencies\.CNY = 0"),
        ({"CNY": True}, r"currencies\.CNY = True"),
        ({"CNY": "inf"}, r"currencies\.CNY = 'inf'"),
        ({"CNY": 10**9}, r"currencies\.CNY = 1000000000"),
        ({"usd": 2}, r"currencies\.usd = 2: a US dollar is a US dollar"),
    ],
)
def test_a_bad_currency_is_named(currencies, told):
    with pytest.raises(ConfigError, match=told):
        price_list(currencies=currencies)


TIER = {"tokens": 5, "input": 1, "output": 1}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"currency": "CNY"}, r"prices\.\"m\"\.currency = 'CNY': is not known; .*\[currencies\] CNY = \"0\.14\""),
        ({"currency": 5}, r'prices\."m"\.currency = 5: is not known'),
        ({"since": "2026-01-01"}, r"prices\.\"m\"\.since = '2026-01-01': must be a day without quotes"),
        ({"since": datetime(2026, 1, 1, tzinfo=UTC)}, r'prices\."m"\.since = 2026-01-01 00'),
        ({"above": 5}, r'prices\."m"\.above: must be a list of tables'),
        ({"above": [5]}, r'prices\."m"\.above\[0\] = 5: must be a table'),
        ({"above": [TIER, TIER]}, r'prices\."m"\.above\[1\]\.tokens = 5: .* each once'),
        ({"above": [{**TIER, "tokens": 0}]}, r'prices\."m"\.above\[0\]\.tokens = 0: must be the whole number'),
        ({"above": [{**TIER, "tokens": True}]}, r'prices\."m"\.above\[0\]\.tokens = True'),
        ({"above": [{"tokens": 5, "input": 1}]}, r'prices\."m"\.above\[0\]: output is missing'),
        ({"above": [{**TIER, "since": 1}]}, r"prices\.\"m\"\.above\[0\]: unknown key 'since'"),
        ({"tokens": 5}, r"prices\.\"m\": unknown key 'tokens'"),
    ],
)
def test_a_bad_table_is_named(more, told):
    with pytest.raises(ConfigError, match=told):
        price_list({"m": {"input": 1, "output": 1, **more}})


@pytest.mark.parametrize(
    ("dated", "told"),
    [
        ([], r'prices\."m": the list is empty'),
        ([{"input": 1, "output": 1}, {"input": 2, "output": 2}], r'prices\."m": two prices hold from the same day'),
        ([{"input": 1}], r'prices\."m"\[0\]: output is missing'),
        ([1, "x"], r"prices\.\"m\"\[1\] = 'x': must be US dollars"),
    ],
)
def test_a_bad_list_is_named(dated, told):
    with pytest.raises(ConfigError, match=told):
        price_list({"m": dated})


# --------------------------------------------------------------------------------------------------- service tiers


def test_without_settings_the_tiers_of_genai_prices_are_known_and_none_is_asked_for():
    october = datetime(2026, 11, 1, tzinfo=UTC)
    known = price_list(moment=october).resolve("openai", "gpt-5")
    assert known.asked == ""
    assert {"batch", "flex", "priority"} <= {service.service for service in known.services}
    assert not {"default", ""} & {service.service for service in known.services}
    flex = known.by_service["flex"]
    assert flex.input * 2 == known.input
    assert flex.cache_read * 2 == known.cache_read
    assert known.by_service["default"] is known


def test_a_factor_prices_a_tier_and_wins_over_the_list():
    prices = asking("flex", tier_factors={"flex": "0.25", "priority": 2.5})
    known = prices.resolve("openai", "gpt-4.1")
    assert known.asked == "flex"
    assert known.by_service["flex"].input == known.input // 4
    assert known.by_service["priority"].output == known.output * 5 // 2
    assert known.by_service["flex"].source == f"{known.source} × 0.25"
    mine = prices.resolve("openai", "mine")
    assert (mine.by_service["flex"].output, dearest_rates(mine, 1)[1]) == (75 * 10**7, 3 * 10**9)
    assert prices.resolve("acme", "mine").services == ()


def test_a_tier_without_a_price_makes_the_price_unknown():
    prices = asking("turbo")
    assert prices.resolve("openai", "gpt-4.1") is None
    assert prices.resolve("openai", "mine") is None
    assert prices.resolve("acme", "mine") is not None
    assert asking("default").resolve("openai", "mine").asked == ""


def test_what_is_free_is_free_at_every_tier():
    known = asking("turbo", name="mine", free=True).resolve("mine", "m")
    assert (known.input, known.asked) == (0, "")


def test_the_setting_that_would_help_is_named():
    assert (
        name_setting("acme", "m", "") == name_setting("acme", "m", "default") == '[prices] "m" = USD per million tokens'
    )
    told = name_setting("acme", "m", "flex")
    assert told.startswith("[providers.acme.tier_factors] flex = ")
    assert told.endswith('[prices] "m" = USD per million tokens')


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"service_tier": "batch"}, r"providers\.openai\.service_tier = 'batch': must be the name of one tier"),
        ({"service_tier": "auto"}, r"leave it out to take what the project is set to"),
        ({"service_tier": "a b"}, r"service_tier = 'a b'"),
        ({"service_tier": "x" * 99}, r"service_tier = 'xxx"),
        ({"service_tier": "flex", "wire": "anthropic"}, r"service_tier = 'flex': is only for wire = \"openai\""),
        ({"tier_factors": {"flex": 0}}, r"providers\.openai\.tier_factors\.flex = 0: must be a number above 0"),
        ({"tier_factors": {"flex": "half"}}, r"tier_factors\.flex = 'half'"),
        ({"tier_factors": {"flex": 1001}}, r"tier_factors\.flex = 1001: .* at most 1000"),
        ({"tier_factors": {"default": 2}}, r"tier_factors\.default: the ordinary tier has no factor"),
        ({"tier_factors": {"": 2}}, r"tier_factors\.: the ordinary tier has no factor"),
    ],
)
def test_bad_service_tiers_are_named(settings, told):
    with pytest.raises(ConfigError, match=told):
        asking(**settings)


def test_terms_are_exact():
    terms = read_terms("acme", Provider("http://h", service_tier="on_demand", tier_factors={"flex": 0.1}))
    assert terms == Terms("", (("flex", Decimal("0.1")),))

"""The arithmetic of a call: each kind of token once, tiers, service tiers, and the bound that holds for all of them."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from surefoot.budget.rates import (
    KINDS,
    Rates,
    cost,
    cost_as_served,
    dearest_rates,
    flat_rates,
    multiply,
    price_bound,
    read_rates,
)
from surefoot.errors import StoreError
from surefoot.types import Usage

M = 1_000_000


def rates(**given):
    return Rates(**{"cache_read": 5, "cache_write": 7, "cache_write_1h": 9, "source": "test", **given})


def worst_case(prices, input_tokens, output_tokens):
    here, out = dearest_rates(prices, input_tokens)
    return price_bound(input_tokens, here, output_tokens, out)


def test_cost_counts_each_kind_once_and_rounds_up():
    prices = rates(input=2 * M, output=8 * M, cache_read=M // 2, cache_write=5 * M // 2)
    usage = Usage(
        input_tokens=1000, output_tokens=10, cache_read_tokens=300, cache_write_tokens=200, reasoning_tokens=9
    )
    assert cost(prices, usage) == 500 * 2 + 300 // 2 + 200 * 2.5 + 10 * 8
    assert cost(prices, Usage(cache_read_tokens=1, input_tokens=1)) == 1
    assert cost(prices, Usage()) == 0


def test_a_usage_with_more_cached_than_prompt_is_never_a_rebate():
    prices = rates(input=M, output=0, cache_read=M)
    assert cost(prices, Usage(input_tokens=10, cache_read_tokens=25)) == 25


def test_a_tier_is_a_cliff_for_the_whole_call():
    prices = rates(input=M, output=2 * M, tiers=(rates(input=3 * M, output=4 * M, above=100),))
    assert cost(prices, Usage(input_tokens=100, output_tokens=10)) == 120
    assert cost(prices, Usage(input_tokens=101, output_tokens=10)) == 343


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(100, 10, 0, 50), 50 * 1 + 50 * 2 + 10 * 10),
        (Usage(100, 10, 0, 50, cache_write_1h_tokens=20), 50 * 1 + 30 * 2 + 20 * 4 + 10 * 10),
        (Usage(100, 10, audio_input_tokens=30), 70 * 1 + 30 * 8 + 10 * 10),
        (Usage(100, 10, 90, audio_input_tokens=30), 10 * 8 + 90 * 0 + 10 * 10),
        (Usage(100, 10, audio_output_tokens=4), 100 * 1 + 6 * 10 + 4 * 40),
        (Usage(100, 10, 0, 0, 3), 100 * 1 + 7 * 10 + 3 * 20),
        (Usage(100, 10, 0, 0, 3, audio_output_tokens=4), 100 * 1 + 3 * 10 + 3 * 20 + 4 * 40),
        # parts larger than the whole: never more than the whole
        (Usage(100, 10, 0, 50, cache_write_1h_tokens=90), 50 * 1 + 50 * 4 + 10 * 10),
        (Usage(100, 10, 0, 0, 99, audio_output_tokens=99), 100 * 1 + 10 * 40),
    ],
)
def test_the_parts_of_a_usage_have_their_own_rates(usage, nano):
    dear = Rates(
        input=1 * M,
        output=10 * M,
        cache_read=0,
        cache_write=2 * M,
        cache_write_1h=4 * M,
        audio_input=8 * M,
        audio_output=40 * M,
        reasoning=20 * M,
        source="test",
    )
    assert cost(dear, usage) == nano


def test_parts_without_a_rate_of_their_own_cost_what_the_whole_costs():
    plain = flat_rates({"input": 3 * M, "output": 7 * M}, source="test")
    usage = Usage(100, 50, 10, 20, 30, cache_write_1h_tokens=20, audio_input_tokens=40, audio_output_tokens=9)
    assert cost(plain, usage) == 100 * 3 + 50 * 7
    assert [plain.rate(kind) // M for kind in KINDS] == [3, 7, 3, 3, 3, 3, 7, 7]


# ------------------------------------------------------------------------------------------------------ worst case

rate = st.integers(0, 10**12)


@st.composite
def any_rates(draw, with_services=True):
    def draw_flat(above=0, tiers=(), **more):
        needed = {kind: draw(rate) for kind in KINDS[:5]}
        others = {kind: draw(st.none() | rate) for kind in KINDS[5:]}
        return Rates(**needed, **others, source="", above=above, tiers=tiers, **more)

    def draw_tiered(**more):
        starts = sorted(draw(st.sets(st.integers(1, 500_000), max_size=3)))
        return draw_flat(tiers=tuple(draw_flat(above) for above in starts), **more)

    if not with_services:
        return draw_tiered()
    names = draw(st.lists(st.sampled_from(["flex", "priority", "batch"]), unique=True))
    services = tuple(draw_tiered(service=name) for name in names)
    return draw_tiered(services=services, asked=draw(st.sampled_from(["", *names])))


@st.composite
def usage_within(draw, input_tokens, output_tokens):
    """Any counts at all of text sent and any reply, the parts not even parts; only the two sums are bounded."""
    part = st.integers(0, 2 * output_tokens)
    prompt = draw(st.integers(0, input_tokens))
    read = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - read))
    return Usage(prompt, draw(st.integers(0, output_tokens)), read, written, draw(part), draw(part), 0, draw(part))


@given(any_rates(), st.integers(0, 1_000_000), st.integers(0, 100_000), st.data())
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(prices, input_tokens, output_tokens, data):
    usage = data.draw(usage_within(input_tokens, output_tokens))
    bound = worst_case(prices, input_tokens, output_tokens)
    assert 0 <= cost(prices, usage) <= bound
    served = data.draw(st.sampled_from(["", "default", "standard", "unheard-of", prices.asked]))
    assert cost_as_served(prices, usage, served, bound) <= bound


@given(any_rates(with_services=False), st.integers(0, 1_000_000), st.integers(0, 1_000_000))
def test_the_bound_grows_with_the_prompt_and_ends_with_the_last_tier(prices, some, more):
    near, far = dearest_rates(prices, some), dearest_rates(prices, some + more)
    assert near[0] <= far[0]
    assert near[1] <= far[1]
    assert dearest_rates(prices, 500_001) == dearest_rates(prices, 1 << 62)


def test_the_worst_case_takes_the_dearest_kind_and_the_dearest_tier_in_reach():
    far = rates(input=9 * M, output=0, above=100)
    prices = rates(input=M, output=2 * M, cache_write_1h=5 * M, audio_output=3 * M, tiers=(far,))
    assert worst_case(prices, 100, 10) == 100 * 5 + 10 * 3
    assert worst_case(prices, 101, 10) == 101 * 9 + 10 * 3
    assert worst_case(rates(input=1, output=0, cache_read=0, cache_write=0, cache_write_1h=0), 1, 0) == 1


def test_sound_in_the_prompt_is_not_held_for_since_only_text_is_sent():
    assert dearest_rates(rates(input=10, output=20, audio_input=500), 1) == (10, 20)


# --------------------------------------------------------------------------------------------------- service tiers

FLEX = rates(input=M // 2, output=M, service="flex")
PRIORITY = rates(input=2 * M, output=4 * M, service="priority")
SERVED = rates(input=M, output=2 * M, services=(FLEX, PRIORITY))
USAGE = Usage(100, 10)  # 120 at the ordinary tier, 60 at flex, 240 at priority


@pytest.mark.parametrize(
    ("asked", "served", "nano"),
    [
        ("", "", 120),
        ("", "default", 120),
        ("", "standard", 120),
        ("", "on_demand", 120),
        ("", "flex", 60),
        ("", "priority", 240),  # the project's own setting: the truth, although more than was held
        ("", "scale", 150),  # unknown: the full hold
        ("flex", "flex", 60),
        ("flex", "default", 120),
        ("flex", "", 120),  # it does not say: the dearer
        ("priority", "", 240),
        ("priority", "default", 120),
        ("priority", "scale", 150),
    ],
)
def test_a_call_is_billed_at_the_tier_that_the_provider_reports(asked, served, nano):
    assert cost_as_served(replace(SERVED, asked=asked), USAGE, served, hold=150) == nano


def test_an_unknown_tier_costs_at_least_the_ordinary_price():
    assert cost_as_served(SERVED, Usage(1_000, 10), "scale", hold=150) == 1_020


def test_the_hold_covers_the_tier_asked_for_and_the_ordinary_one():
    assert dearest_rates(SERVED, 1) == (M, 2 * M)
    assert dearest_rates(replace(SERVED, asked="flex"), 1) == (M, 2 * M)
    assert dearest_rates(replace(SERVED, asked="priority"), 1) == (2 * M, 4 * M)


def test_a_factor_multiplies_every_rate_and_tier_and_rounds_up():
    tier = rates(input=11, output=0, reasoning=1, above=100)
    half = multiply(rates(input=3, output=8, audio_input=1, tiers=(tier,), services=(FLEX,)), Decimal("0.5"))
    assert [getattr(half, kind) for kind in KINDS] == [2, 4, 3, 4, 5, 1, None, None]
    assert [getattr(half.tiers[0], kind) for kind in KINDS] == [6, 0, 3, 4, 5, None, None, 1]
    assert (half.services, half.tiers[0].above) == ((), 100)


# -------------------------------------------------------------------------------------------------------- snapshot


def test_the_digest_names_the_prices_and_nothing_else():
    one, same = rates(input=1, output=2, services=(FLEX,)), rates(input=1, output=2, services=(FLEX,))
    assert one.digest == same.digest
    assert len(one.digest) == 16
    assert int(one.digest, 16) >= 0
    changed = [
        replace(one, input=2),
        replace(one, audio_output=2),
        replace(one, source="other"),
        replace(one, tiers=(rates(input=1, output=2, above=5),)),
        replace(one, services=()),
        replace(one, asked="flex"),
    ]
    assert len({one.digest, *[other.digest for other in changed]}) == 7
    assert replace(one, input=2).digest != one.digest, "what was computed once is not copied"


@given(any_rates())
def test_a_snapshot_is_read_back_as_it_was(prices):
    again = read_rates(prices.snapshot)
    assert again == prices
    assert again.digest == prices.digest


def test_an_unknown_price_is_null_and_anything_else_is_refused():
    assert read_rates(msgspec.Raw(b"null")) is None
    with pytest.raises(StoreError, match="prices that this version cannot read"):
        read_rates(msgspec.Raw(b'{"input":"x"}'))

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ConfigError
from surefoot.testing import Bill, Price
from surefoot.types import Money, Usage


def test_each_kind_of_token_has_its_price():
    bill = Bill(Price("8.00", 2, cache_read=Decimal("0.5"), cache_write=10.0))
    bill.charge(1, "m", Usage(1_000, 10, cache_read_tokens=600, cache_write_tokens=100), "reply")
    assert bill.nano == (300 * 8_000) + (10 * 2_000) + (600 * 500) + (100 * 10_000)
    assert bill.tokens == 1_010
    assert bill.charges[0].nano == bill.nano
    assert repr(bill) == "Bill(1 charges, 1010 tokens, $0.0037)"


def test_cached_tokens_cost_what_others_cost_unless_told():
    bill = Bill(Price("1", "1"))
    bill.charge(1, "m", Usage(100, 0, cache_read_tokens=50, cache_write_tokens=50), "reply")
    assert bill.nano == 100_000


def test_each_model_has_its_price_and_tokens_are_counted_without_one():
    bill = Bill({"a": Price("1", "1"), "b": Price("2", "2")})
    for model in ("a", "b"):
        bill.charge(1, model, Usage(1, 1), "reply")
    assert bill.nano == 2_000 + 4_000
    assert bill.models == {"a", "b"}
    plain = Bill()
    plain.charge(1, "m", Usage(1, 2), "reply")
    assert (plain.nano, plain.tokens, plain.models) == (0, 3, frozenset())


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.decimals(0, 100, places=4))
def test_a_charge_is_the_exact_amount_rounded_up_to_a_nano_dollar(input_tokens, output_tokens, usd):
    bill = Bill(Price(usd, usd))
    bill.charge(1, "m", Usage(input_tokens, output_tokens), "reply")
    exact = usd * (input_tokens + output_tokens) / 1_000_000 * 1_000_000_000
    assert exact <= bill.nano < exact + 1
    assert isinstance(bill.nano, Money)


def test_lines_are_bounded_and_sums_are_of_all():
    bill = Bill(limit=2)
    for number in range(5):
        bill.charge(number, "m", Usage(1, 0), "reply")
    assert [charge.number for charge in bill.charges] == [3, 4]
    assert bill.tokens == 5


@pytest.mark.parametrize("usd", ["free", "-1", float("nan"), "Infinity", "0.0000000001", None])
def test_what_is_no_price_is_refused(usd):
    with pytest.raises(ConfigError, match="is not a price: write US dollars for a million tokens"):
        Bill({"m": Price(usd, "1")})

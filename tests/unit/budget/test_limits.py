import math
from decimal import Decimal

import pytest

from surefoot.budget.limits import Limits, read_limits
from surefoot.errors import ConfigError
from surefoot.types import UNLIMITED, Money


@pytest.mark.parametrize("name", ["tokens", "steps", "model_calls", "tool_calls"])
@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, math.inf, None, "8000", True])
def test_counts_are_positive_whole_numbers(name, value):
    with pytest.raises(ConfigError, match=rf"Limits\({name}=.*must be a positive whole number or UNLIMITED"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["0", 0, -0.01, "NaN", math.nan, math.inf, None, "a lot", True, [], "1e300"])
def test_usd_is_a_positive_amount(value):
    with pytest.raises(ConfigError, match=r"Limits\(usd="):
        Limits(usd=value)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, None, "60", True])
def test_seconds_are_positive_and_finite(value):
    with pytest.raises(ConfigError, match=r"Limits\(seconds="):
        Limits(seconds=value)


@pytest.mark.parametrize("value", [0, 1.01, math.nan, -0.5, None])
def test_warn_at_is_a_share(value):
    with pytest.raises(ConfigError, match=r"Limits\(warn_at="):
        Limits(warn_at=value)


def test_on_limit_is_one_of_two():
    with pytest.raises(ConfigError, match=r"Limits\(on_limit='explode'\): must be 'finish' or 'raise'"):
        Limits(on_limit="explode")


@pytest.mark.parametrize("value", ["0.05", 0.05, Decimal("0.05"), Money(50_000_000)])
def test_usd_in_every_form(value):
    assert Limits(usd=value).nano == 50_000_000


def test_no_default_is_infinite():
    limits = Limits()
    assert UNLIMITED not in [getattr(limits, name) for name in Limits.__struct_fields__]


def test_a_table_goes_there_and_back():
    limits = Limits(tokens=5, usd=UNLIMITED, seconds=UNLIMITED, warn_at=0.5, on_limit="raise")
    table = limits.to_table()
    assert table["usd"] == "unlimited"
    assert read_limits(dict(table), "here") == limits
    assert Limits(usd="0.5").to_table()["usd"] == 500_000_000


def test_settings_say_where_a_limit_is_wrong():
    with pytest.raises(ConfigError, match=r"\[limits\]: unknown limit 'token'; known are tokens, usd"):
        read_limits({"token": 5}, "[limits]")
    with pytest.raises(ConfigError, match=r'^\[limits\]: tokens=-5: must be a positive whole number or "unlimited"$'):
        read_limits({"tokens": -5}, "[limits]")

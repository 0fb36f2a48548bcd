from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ConfigError
from surefoot.types import UNLIMITED, Label, Message, Money, Part, ToolCall, Usage


@pytest.mark.parametrize(
    ("amount", "nano"),
    [("0.05", 50_000_000), (1, 10**9), (0.1, 100_000_000), (Decimal("1e-9"), 1), ("0.0000000001", 1), ("-1", -(10**9))],
)
def test_usd_is_exact_and_rounds_up(amount, nano):
    assert Money.usd(amount) == nano


@pytest.mark.parametrize("amount", ["NaN", "inf", "-Infinity", "five", "", "1e999999999"])
def test_usd_refuses_what_is_no_amount(amount):
    with pytest.raises(ConfigError, match="not an amount of US dollars"):
        Money.usd(amount)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (1, "$0.0000000010"),
        (1_234, "$0.0000012"),
        (4_200_000, "$0.0042"),
        (50_000_000, "$0.050"),
        (999_000_000, "$1.00"),
        (10**9, "$1.00"),
        (1234 * 10**7, "$12.34"),
    ],
)
def test_money_shows_as_many_decimals_as_it_needs(nano, text):
    assert str(Money(nano)) == text


@given(st.integers(0, 10**15))
def test_money_never_shows_nothing_for_something(nano):
    assert (Decimal(str(Money(nano))[1:]) == 0) == (nano == 0)


def test_money_repr_and_unlimited_repr():
    assert repr(Money(5)) == "Money(5)"
    assert repr(UNLIMITED) == "UNLIMITED"


tokens = st.integers(0, 10**6)
usages = st.builds(Usage, tokens, tokens, tokens, tokens, tokens)


@given(usages, usages)
def test_usage_adds_up_field_by_field(a, b):
    total = a + b
    for name in Usage.__struct_fields__:
        assert getattr(total, name) == getattr(a, name) + getattr(b, name)
    assert total.total_tokens == a.total_tokens + b.total_tokens


labels = st.builds(
    Label, st.sampled_from(["system", "user", "assistant", "tool", "third_party"]), st.booleans(), st.text(max_size=5)
)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.lists(st.builds(Part, st.text(), labels), max_size=3).map(tuple),
    st.lists(st.builds(ToolCall, st.text(), st.text(), st.text()), max_size=2).map(tuple),
    st.text(),
    st.booleans(),
    st.text(),
)


@given(messages)
def test_a_message_with_its_labels_survives_json(message):
    assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message


@given(messages)
def test_text_joins_all_parts(message):
    assert message.text == "".join(part.text for part in message.parts)


def test_constructors_label_who_wrote_it():
    assert Message.system("a").parts[0].label == Label("system", trusted=True)
    assert Message.user("a").parts[0].label == Label("user", trusted=True)
    assert not Message.assistant("a").parts[0].label.trusted
    assert Message.assistant("").parts == ()


def test_every_public_name_is_there_and_no_other():
    import surefoot

    assert {name: getattr(surefoot, name) is not None for name in surefoot.__all__} == dict.fromkeys(
        surefoot._HOME, True
    )
    with pytest.raises(AttributeError, match="module 'surefoot' has no attribute 'Agnet'"):
        surefoot.Agnet  # noqa: B018

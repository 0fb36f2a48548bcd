"""What a number or a word of the user's is for."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policy.bound import _NUMBER, MOST_PLACES, Amounts, Secrets, _is_amount
from surefoot.policy.matching import normalise


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Pay bob@x.org 50 EUR", {"50"}),
        ("a fee of 5.29.", {"5.29"}),
        ("rent is 2200. Also, refund that 10.00 I got", {"2200", "10"}),
        ("pay $50, or 1,000 USD, or 1.234,50 €", {"50", "1000", "1234.5"}),
        ("转500元给张三", {"500"}),
        ("chuyển 500000 đồng", {"500000"}),
        ("Pay 5", {"5"}),
        ("order 3 pizzas", {"3"}),
        ("EUR 20 at 10", {"20"}),
        ("1. Read it. 2. Pay 30 to bob.\n3) Go.", {"30"}),
        ("room 12 at 10 am on 15 May 2024, May 16, 2025", set()),
        ("2024-05-15 10:00 15/05/2024 7pm", set()),
        ("call 555 160-0023 or +49 30 1234 5678", set()),
        ("1234 Elm Street, New York, NY 10001", set()),
        ("order 4711, invoice 12, id: 77, #88, No. 9, ticket 5", set()),
        ("IBAN DE89 3704 0044 0532 0130 00", set()),
        ("in 2024 there were files v2 and a1b 007", set()),
        ("5月15日 10点", set()),
    ],
)
def test_which_numbers_say_how_much(text, amounts):
    numbers = {part for part in re.split(r"[^\d.]+", normalise(text)) if part.strip(".")} | amounts
    assert {number for number in numbers if Amounts(text).has(number)} == amounts


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("Change my password to S3cret-x, please.", "S3cret-x", True),
        ("My password is: hunter22", "hunter22", True),
        ("Use hunter22 as my password.", "hunter22", True),
        ("update the password from 'old one' to 'new one'", "new one", True),
        ("The PIN 4711 is mine", "4711", True),
        ("密码改为 abc123", "abc123", True),
        ("Đổi mật khẩu thành abc123", "abc123", True),
        ("Make a door code for her then, 482913.", "482913", True),
        ("Make a door code for her, 4829 or 4711.", "4829", False),
        ("Make a door code for her. She has room 4829.", "4829", False),
        ("Make a door code for her, 48.", "48", False),
        ("Change my password to S3cret-x, please.", "please", False),
        ("Change my password to S3cret-x, please.", "s3cret-x", False),
        ("Change my password to S3cret-x, please.", "S3cret", False),
        ("Change my password to the one of Al.", "the", False),
        ("Mail to bob about the table", "bob", False),
        ("Change my password to x", "", False),
        ("Change my password to x ", "x ", False),
    ],
)
def test_which_words_give_access(text, value, expected):
    assert Secrets(text).has(value) == expected


@given(st.text(max_size=60), st.text(max_size=8))
def test_of_any_text_it_can_be_told(text, value):
    assert not Amounts(text).has("5") or "5" in unicodedata.normalize("NFKC", text)
    assert not Secrets(text).has(value) or value in text


def search(text, number):
    """One number, looked for by reading the text."""
    found = [
        one
        for one in _NUMBER.finditer(text)
        if one["digits"] == number
        or (
            (one["digits"][0] == number[0] or not one["digits"].isascii())
            and normalise(one["digits"]).strip() == number
        )
    ]
    return any(_is_amount(text, one) for one in found[:MOST_PLACES])


@given(
    st.lists(
        st.sampled_from(
            [*"0512.,-$€ :#付x", "1,000", "1.234,50", "05.5", "٣", "EUR ", "May ", "room ", " 7 " * (MOST_PLACES + 1)]
        ),
        max_size=30,
    ).map("".join),
    st.lists(st.sampled_from(["5", "0", "1000", "1234.5", "5.5", "7", "3", "1", "05", "12"]), min_size=1, max_size=4),
)
def test_a_text_that_was_read_once_tells_the_same_of_each_number(text, numbers):
    amounts = Amounts(text)
    assert [amounts.has(number) for number in numbers] == [search(text, number) for number in numbers]

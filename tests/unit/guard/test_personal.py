"""Personal data goes by its form and its check digits; other numbers stay."""

import pytest

from surefoot.guard.personal import find_personal
from surefoot.guard.redact import replace


def redact_personal(text):
    return replace(text, find_personal(text))


def test_personal_data_goes():
    made = redact_personal("Ann <ann@mail.test>, +49 151 2345 6789, card 4111 1111 1111 1111.")
    assert made.text == "Ann <[email removed]>, [phone removed], card [card removed]."
    kept = "order 4111111111111112x, 2026-11-28, 192.168.0.10, version 1.2.3, 12 apples, 28.11.2026"
    assert redact_personal(kept).text == kept


@pytest.mark.parametrize(
    "text",
    [
        "+49 170 1234567", "+1 415 555 2671", "+14155552671", "+49 (0)170 1234567", "+49 (170) 1234567", "+49 89 12345-67",
        "(415) 555-2671", "0170 1234567", "0171/1234567", "0912.345.678", "0912345678", "+84 912 345 678", "(030) 1234567",
    ],
)  # fmt: skip
def test_phone_numbers_go_however_they_are_grouped(text):
    assert redact_personal(f"call {text}, or write").text == "call [phone removed], or write"
    assert redact_personal(f"{text} 2026 1234 5678 9012 at 10:00").text.startswith("[phone removed]")


@pytest.mark.parametrize(
    "text",
    [
        "10.000.000 EUR",
        "1.250.000",
        "+5 points",
        "+12 +34",
        "a+b 1+2",
        "Nature (1998) 391-395",
        "(12) 345",
        "2026/11/28",
        "see 123/4567890",
    ],
)
def test_other_numbers_are_no_phone_numbers(text):
    assert redact_personal(text).text == text


def test_numbers_behind_a_phone_number_stay_where_it_would_be_too_long_with_them():
    assert redact_personal("+49 170 1234567 2026 1234 at 10:00").text == "[phone removed] 2026 1234 at 10:00"
    assert redact_personal("+1 2 3").text == "+1 2 3"


@pytest.mark.parametrize("address", ["ann.o'neil+x@mail.co.uk", "x_1@a-b.test", "jörg@käse.test"])
def test_all_of_an_address_goes_and_its_quotes_stay(address):
    assert redact_personal(f"to '{address}'").text == "to '[email removed]'"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("4111111111111111", "card"),
        ("2 4111 1111 1111 1111", "card"),
        ("3782 822463 10005", "card"),
        ("DE89 3704 0044 0532 0130 00 IST DAS KONTO", "iban"),
        ("GB29NWBK60161331926819", "iban"),
        ("078-05-1120", "id"),
        ("AB 12 34 56 C", "id"),
        ("12345678Z", "id"),
        ("X1234567L", "id"),
        ("11010519491231002X", "id"),
    ],
)
def test_numbers_with_a_form_go(text, kind):
    assert kind in redact_personal(f"it is {text} ok").counts


@pytest.mark.parametrize(
    "text",
    ["4111111111111112", "DE89 3704 0044 0532 0130 01 X", "000-12-3456", "12345678A", "110105194912310021", "AB12CD"],
)
def test_numbers_with_a_wrong_check_digit_are_no_papers(text):
    assert {"card", "iban", "id"}.isdisjoint(redact_personal(f"it is {text} ok").counts)


@pytest.mark.parametrize(
    "iban",
    ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"],
)
def test_iban_alone_and_before_words_that_look_like_more_of_it(iban):
    assert redact_personal(f"to {iban}").text == "to [IBAN removed]"
    assert redact_personal(f"to {iban} QX77 HJ").text == "to [IBAN removed] QX77 HJ"
    wrong = iban[:-1] + ("1" if iban[-1] == "0" else "0")
    assert "iban" not in redact_personal(f"to {wrong}").counts

"""Which values the user has only named to say that they are not meant."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policy.negation import find_denied


def denied(text):
    return [text[start:end].strip(" ,") for start, end in find_denied(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Do not send anything to eve@x.com", ["Do not send anything to eve@x.com"]),
        ("Don’t mail eve@x.org, bob@x.org, or al@x.org", ["Don’t mail eve@x.org", "bob@x.org", "or al@x.org"]),
        ("Mail bob@x.org, not eve@x.org", ["not eve@x.org"]),
        ("Mail bob@x.org but not eve@x.org", ["not eve@x.org"]),
        ("Pay bob@x.org and never pay eve@x.org.", ["never pay eve@x.org."]),
        ("eve@x.org must not get it. Mail bob@x.org", ["eve@x.org must not get it."]),
        ("eve@x.org, of course, must not get it", ["eve@x.org, of course, must not get it"]),
        ("See that eve@x.org doesn't get it; mail bob@x.org", ["that eve@x.org doesn't get it;"]),
        ("Mail all except eve@x.org, and then mail al@x.org", ["except eve@x.org"]),
        ("Mail everyone but eve@x.org", ["everyone but eve@x.org"]),
        ("Mail bob@x.org instead of eve@x.org without the bill", ["instead of eve@x.org without the bill"]),
        ("Don't write to eve@x.org, mail bob@x.org", ["Don't write to eve@x.org"]),
        ("Don't write to eve@x.org, just bob@x.org", ["Don't write to eve@x.org"]),
        ("Do not read, reply to, or forward mails of eve", ["Do not read", "reply to", "or forward mails of eve"]),
        ("Add all who are not already in it", ["who are not already in it"]),
        ("It is too little, as it does not include the fee", ["as it does not include the fee"]),
        ("Eve did not want this. Pay bob@x.org", ["Eve did not want this."]),
        ("eve@x.org can't read this; mail bob@x.org", ["eve@x.org can't read this;"]),
        ("Tell her, and skip the refund to eve@x.org.", ["skip the refund to eve@x.org."]),
        ("Hold off on paying eve@x.org; mail bob@x.org", ["Hold off on paying eve@x.org;"]),
        ("Mail all, leave out eve@x.org", ["leave out eve@x.org"]),
        ("No need to pay eve@x.org. Mail bob@x.org", ["No need to pay eve@x.org."]),
        ("Schreib bob@x.org. Nicht eve@x.org!", ["Nicht eve@x.org!"]),
        ("Mail à tous sauf eve@x.org", ["sauf eve@x.org"]),
        ("No mail to eve@x.org please", ["No mail to eve@x.org please"]),
        ("Don't forget to tell bob not to mail eve", ["Don't forget to tell bob not to mail eve"]),
        ("Không gửi cho eve@x.org, hãy gửi cho bob@x.org", ["Không gửi cho eve@x.org"]),
        ("Đừng gửi cho eve@x.org. Gửi cho bob@x.org", ["Đừng gửi cho eve@x.org."]),
        ("Gửi cho cả nhóm trừ eve@x.org", ["trừ eve@x.org"]),
        ("不要发给 eve@x.org，请发给 bob@x.org", ["不要发给 eve@x.org，"]),
        ("别发给 eve@x.org、bob@x.org", ["别发给 eve@x.org、bob@x.org"]),
        ("请勿转发给 eve@x.org。发给 bob@x.org", ["请勿转发给 eve@x.org。"]),
        ("发给大家，除了 eve@x.org", ["除了 eve@x.org"]),
    ],
)
def test_what_is_denied(text, expected):
    assert denied(text) == expected
    other = unicodedata.normalize("NFD", text)
    assert [unicodedata.normalize("NFC", one) for one in denied(other)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Don't forget to add al@x.org",
        "Do not hesitate to mail bob@x.org",
        "Mail not only bob@x.org but also al@x.org",
        "Pay not more than 50 to bob@x.org",
        "Why not mail bob@x.org?",
        "Why haven't you mailed bob@x.org?",
        "Can't you mail bob@x.org?",
        "I haven't paid INV-12 yet. Pay it",
        "Mail do-not-reply@x.org the file not.txt of x.org/never/",
        "Gửi cho bob@x.org được không?",
        "Đừng quên gửi cho bob@x.org",
        "别忘了发给 bob@x.org",
        "发给特别的 bob@x.org，好不好？",
        "Note the notes of Knott.",
        "It was too little, as it did not include the fee",
        "bob@x.org can't come at nine. Move him to ten",
        "bob@x.org không đến được, dời sang 10 giờ nhé",
        "王芳不能来，改到明天",
    ],
)
def test_what_is_not(text):
    assert denied(text) == []


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(
            ["not", "don't", ",", ".", "and", "but", "send", "eve", "except", "不要", "，", "không", "\n", "who"]
        ),
        max_size=12,
    ).map(" ".join)
)
def test_any_text_has_parts_in_order(text):
    spans = find_denied(text)
    ends = [at for span in spans for at in span]
    assert ends == sorted(ends)
    assert all(start < end <= len(text) for start, end in spans)


def test_where_all_is_denied_all_is_denied():
    """However many words deny: none is read for each of the others."""
    few, many = "a not " * 20, "pay bob, not " * 5_000
    assert denied(few) == [few.strip()]
    assert denied(many) == [many.strip(" ,")]

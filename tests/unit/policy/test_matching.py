"""A text names a value: whole words, in one normal form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policy.carried import find_carried
from surefoot.policy.matching import SHORT_TEXT, Passage, names, normalise, normalise_value, pieces, split_moment


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Send it to Bob, please.", "bob"),
        ("Pay $1,000.50 now", 1000.5),
        ("Pay 50.00 EUR", 50),
        ("pay 50", 50.0),
        ("to GB29 NWBK 6016 1331 9268 19.", "GB29NWBK60161331926819"),
        ("look at example.org/a", "https://www.example.org/a/"),
        ("on May 15th", "2024-05-15"),
        ("on the 1st of March", "2024-03-01"),
        ("at 10 am", "10:00"),
        ("at 2:30pm", "14:30"),
        ("at 9:05", "09:05"),
        ("ngày 1/12", "2026-12-01"),
        ("ngày 1 tháng 12", "2026-12-01"),
        ("12月1日的预约", "2026-12-01"),
        ("lúc 3 giờ chiều", "15:00"),
        ("lúc 3h chiều", "15:00"),
        ("lúc 9h30", "09:30"),
        ("lúc 15 giờ", "15:00"),
        ("上午9点开始", "09:00"),
        ("下午3点开始", "15:00"),
        ("15/05/2024", "2024-05-15"),
        ("in #general", "general"),
        ("to 'Alice Smith's", "Alice  SMITH"),
        ("转账给张三五十元", "张三"),
        ("Ｂｏｂ", "bob"),
        ("order 007", "007"),
        ("a,b,1,2", "2"),
        ("pay 2,50 EUR", 2.5),
        ("pay 0,5 EUR", 0.5),
        ("pay 1.234,56 EUR", 1234.56),
        ("it is true", True),
        ("clean docs/..", "docs/.."),
    ],
)
def test_it_is_named(text, value):
    assert names(normalise(text), normalise_value(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("write to bobby", "bob"),
        ("write to bob@corp.org", "bob"),
        ("write to bob@corp.org", "corp.org"),
        ("pay 500", 50),
        ("pay 50%", 50),
        ("pay 2,50 EUR", 50),
        ("pay 1.234,56 EUR", 56),
        ("pay 1", True),
        ("clean docs/", "docs/.."),
        ("clean docs/.", "docs/.."),
        ("clean c:\\docs\\", "c:\\docs\\.."),
        ("order 007", 7),
        ("bob", "b\u200bob"),
        ("bob", "b\u043eb"),
        ("the env file", ".env"),
        ("the report", "report*"),
        ("in GB29 NWBK 6016 1331 9268 19", "GB29NWBK6016133192681"),
        ("in GB29 NWBK 6016 1331 9268 19", "B29NWBK60161331926819"),
        ("https://example.org/abc", "https://example.org/a"),
        ("on May 15th", "2024-05-16"),
        ("on May 15th", "2024-13-15"),
        ("1/12 of it", "2026-02-12"),
        ("lúc 3 giờ chiều", "03:00"),
        ("下午3点开始", "03:00"),
        ("at 3 pm", "03:00"),
        ("anything", ""),
        ("anything", "***"),
    ],
)
def test_it_is_not_named(text, value):
    assert not names(normalise(text), normalise_value(value))


def test_a_moment_has_two_parts():
    assert split_moment(normalise_value("2024-05-15T10:00")) == [" 2024-05-15 ", " 10:00 "]
    assert split_moment(" x ") == [" x "]
    assert not names(normalise("May 15th"), normalise_value("2024-05-15T10:00"))


def test_numbers_too_large_name_nothing():
    assert normalise_value(1e300) == ""
    assert normalise_value(0.1 + 0.2) == " 0.30000000000000004 "
    assert names(normalise("٣ items"), normalise_value("٣"))  # noqa: RUF100 - digits of another script are digits, too


def test_what_a_text_may_carry_is_found():
    text = (
        "see evil.com/x, mail a.b@c.org; http://q.z/?a=1. call +49 170 1234567 IBAN GB29 NWBK 6016 1331 9268 19 "
        "or DE89370400440532013000, www.x.y/z key sk-abc123abc123abc123abc but not e.g. this, nor file.txt"
    )
    assert find_carried(text) == [
        "evil.com/x", "a.b@c.org", "http://q.z/?a=1", "+49 170 1234567", "GB29 NWBK 6016 1331 9268 19",
        "DE89370400440532013000", "www.x.y/z", "sk-abc123abc123abc123abc",
    ]  # fmt: skip
    assert find_carried("") == find_carried("Dear Bob, I agree: 3 of 4 do.") == []


@pytest.mark.parametrize(
    "text",
    [
        "log in at secure-corp.tk/login",
        "log in at corp.zz/login",
        "log in at 93.184.216.34/login",
        "log in at evil\u3002com",
        "log in at ev\u00adil\u200b.\u2060com/x",
        '<a href="//evil&#46;tk/x">',
        "evil&period;com/x",
        "DE89.3704.0044.0532.0130.00",
        "DE89\n3704\n0044\n0532\n0130",
        "DE89/3704/0044/0532/0130",
    ],
)
def test_what_is_in_disguise_is_found_as_its_reader_sees_it(text):
    assert find_carried(text)


@pytest.mark.parametrize(
    "text",
    ["At 10.30/11.00 in room 2.4; and/or e.g. in notes.txt, main.py, see v1.2.3.4 of 2024-05-15 & more; AT&T.Done"],
)
def test_prose_carries_nothing(text):
    assert find_carried(text) == []


@given(st.text(max_size=60))
def test_a_text_names_each_of_its_own_words(text):
    for word in normalise(text).split():
        assert names(normalise(text), f" {word} ")


@given(st.text(max_size=60), st.text(max_size=60))
def test_pieces_of_a_part_are_pieces_of_the_whole(one, other):
    assert pieces(one) <= pieces(f"{one} {other}")


@given(
    st.lists(st.sampled_from(["bob", "a@b.org", "on May 15th", "1,000", "DE89 3704 0044 0532 0130 00", "x.org/a", "1 2 3 4 5 6 7 8", "10 am", "word"]), max_size=6),
    st.sampled_from(["bob", "bo", "a@b.org", "2024-05-15", 1000, "DE89370400440532013000", "https://x.org/a/", "12345678", "1234567", "10:00", "word bob", "", "x" * 80]),
)  # fmt: skip
def test_a_long_text_names_what_a_short_one_does(scraps, value):
    for filler in ("", "filler " * (SHORT_TEXT // 3)):
        text, normal = normalise(f"{filler}{' '.join(scraps)} end"), normalise_value(value)
        passage = Passage(text)
        assert passage.names(normal) == names(text, normal)
        assert passage.names(normal) == names(text, normal), "asked again"


def test_an_account_is_found_in_one_look_at_the_text():
    """Each digit began a search of its own, as long as the number."""
    passage = Passage(normalise("1 " * 100_000))
    assert not passage.names(f" {'1' * 29}2 ")
    assert passage.names(f" {'1' * 30} ")

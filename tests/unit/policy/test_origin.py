"""What is known of texts by others, and which sources a person has vouched for."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from surefoot.policy.decision import Trace
from surefoot.policy.matching import names, normalise, normalise_value, split_moment
from surefoot.policy.origin import Origins
from surefoot.policy.source import EARLIER, MOST_RECALLED_CHARS, name_earlier, name_source, recall
from surefoot.types import Label, Message, Part, ToolCall

OTHERS = Label("third_party", source="inbox")


def read(*texts, said="Hi.", arguments="{}"):
    origins = Origins()
    origins.begin([Message.user(said)], None)
    for text in texts:
        origins.take("inbox", arguments, text, OTHERS, ())
    return origins


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("pay 1,000 now", "1000"),
        ("pay 1,000 now", "1000.0"),
        ("pay 2,50 now", "2.5"),
        ("IBAN DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("IBAN DE89370400440532013000", "DE89 3704 0044 0532 0130 00"),
        ("call 030 1234 5678", "03012345678"),
        ("at 10 am", "10:00"),
        ("on May 15th at 2:30 pm", "2024-05-15 14:30"),
        ("see x.org/a", "https://www.x.org/a/"),
    ],
)
def test_others_name_a_value_however_they_write_it(text, value):
    assert read(text).evidence().others_name(value)
    assert not read("all is well").evidence().others_name(value)


def test_digits_that_stand_anywhere_name_no_account():
    assert not read("1 2 3 4 5 6 7 8 on May 15th").evidence().others_name("12345678")
    assert not read("see 03 and 0123").evidence().others_name("0123012")


SCRAPS = st.sampled_from(
    ["bob", "Bob's", "1,000", "1.234,50", "2,50", "0,5", "1,2,x", "007", "a@b.org", "(x)", "docs/..", ".env", "#a", "50%",
     "$5", "-3", "+4", "2024-05-15", "2024-05-15T10:00", "10:00", "10am", "may 15th", "http://x.org/a", "www.x.org", "，", "１０", "張三"]
)  # fmt: skip


@given(st.lists(SCRAPS | st.text(max_size=5), min_size=1, max_size=6), st.data())
@example(["1,000"], None)
@example(["%"], None)
@example(["2024-05-15T10:00"], None)
def test_what_a_text_names_its_marks_know(scraps, data):
    """More that others wrote is only then stricter if nothing that they name is overlooked."""
    text = " ".join(scraps)
    first, last = (0, 0) if data is None else sorted(data.draw(st.tuples(*[st.integers(0, len(scraps) - 1)] * 2)))
    value = normalise_value(" ".join(scraps[first : last + 1]))
    known = read(text).evidence()
    if value and all(names(normalise(text), part) for part in split_moment(value)):
        assert known.others_name(value), (text, value)


def test_a_call_that_reads_on_is_named_with_what_it_reads():
    label = Label("third_party", source="inbox")
    assert name_source("inbox", '{"n":1}', label) == 'inbox({"n":1})'
    assert name_source("read_more", "{}", label) == "read_more({}) of inbox"
    assert name_source("old", "{}", Label("third_party")) == "old({})"


def test_what_earlier_runs_have_read_is_recalled_by_its_call_the_newest_of_it():
    """Under names of calls, which a model may give twice; what the tool's own system wrote is nobody's to vouch for."""
    reads = [
        Message("assistant", (), (ToolCall("c", "inbox", '{"n":1}'),)),
        Message("tool", (Part("eve@evil.org", OTHERS),), (), "c", is_error=True),
        Message("assistant", (), (ToolCall("c", "read_more", '{"n":2}'), ToolCall("d", "book", "{}"))),
        Message("tool", (Part("al@evil.org", OTHERS),), (), "c"),
        Message("tool", (Part("mine", Label("tool", trusted=True, source="book")),), (), "d"),
        Message("tool", (Part("of nobody", OTHERS),), (), "gone"),
        Message.user("eve@evil.org"),
    ]
    found = list(recall(reads, ()))
    assert [(one.source, one.text, one.failed) for one in found] == [
        ('inbox({"n":1})', "eve@evil.org", True),
        ('read_more({"n":2}) of inbox', "al@evil.org", False),
    ]
    long = Message("tool", (Part("x" * MOST_RECALLED_CHARS, OTHERS),), (), "c")
    assert list(recall([*reads, long], ())) == []
    short = Message("tool", (Part("x" * (MOST_RECALLED_CHARS - 30), OTHERS),), (), "c")
    assert [one.text[:2] for one in recall([*reads, short], ())] == ["al", "xx"]


def test_the_reason_tells_of_the_first_text_that_had_no_name():
    traces = (
        Trace("a", "bob", "who", "user", proven=True),
        Trace("b", "eve", "who", "others", EARLIER),
        Trace("c", "AL", "who", "others", EARLIER),
        Trace("d", "zoe", "who", "others", "inbox({})"),
    )
    made, reason = name_earlier(traces, f"b comes from ({EARLIER})", {" al ": "book({})"}.get)
    assert [one.source for one in made] == ["", EARLIER, "book({})", "inbox({})"]
    assert reason == f"b comes from ({EARLIER})"
    made, reason = name_earlier(traces, f"b comes from ({EARLIER})", {" eve ": "book({})"}.get)
    assert [one.source for one in made] == ["", "book({})", EARLIER, "inbox({})"]
    assert reason == "b comes from (book({}))"

"""Server-sent events: the standard's rules, any chunking, and a bound on what is kept."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.models.sse import MAX_EVENT_BYTES, EventOverflow, SseParser


def parse(*chunks):
    parser = SseParser()
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data:\ndata:\n\n", [b"\n"]),
        (b"data: \n\ndata: a\n\n", [b"a"]),
        (b"data: a\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b": keep-alive\n\nevent: x\nid: 7\nretry: 1\ndata: a\n\n", [b"a"]),
        (b"database: a\nDATA: b\n data: c\n\n", []),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: a\r", [b"a"]),
        (b"data: a\n\ndata: [DONE]", [b"a", b"[DONE]"]),
        (b"<!doctype html>\n<p>data: no\n", []),
        (b"", []),
    ],
)
def test_the_rules_of_the_standard(stream, events):
    assert parse(stream) == events
    assert parse(*[stream[at : at + 1] for at in range(len(stream))]) == events


def test_an_event_is_given_out_as_soon_as_it_is_complete():
    parser = SseParser()
    assert parser.feed(b"data: a\n\nda") == [b"a"]
    assert parser.feed(b"ta: b\n") == []
    assert parser.feed(b"\ndata: c\n\n") == [b"b", b"c"]
    assert parser.finish() == []


def read_slowly(stream):
    """The standard's algorithm, word by word."""
    events, data = [], []
    for line in [*re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf")), b""]:
        if not line:
            events.append(b"\n".join(data))
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
    return [event for event in events if event]


TOKENS = [
    b"data: ",
    b"data:",
    b"data",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"event: x",
    b":",
    b"\xef\xbb\xbf",
    b'{"a":1}',
    b"\xc3\xa9",
]


@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(b"".join), st.lists(st.integers(0, 200), max_size=12))
def test_however_a_stream_is_cut_its_events_are_the_same(stream, cuts):
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(places)]
    assert parse(*chunks) == parse(stream) == read_slowly(stream)


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda b: not {10, 13} & set(b)), max_size=8), st.integers(1, 30)
)
def test_the_usual_events_come_out_as_they_went_in(payloads, size):
    stream = b"".join([b"data: %b\n\n" % payload for payload in payloads])
    assert parse(*[stream[at : at + size] for at in range(0, len(stream), size)]) == payloads


@pytest.mark.parametrize(
    "chunk",
    [b"x" * (1 << 20), b"data: " + b"x" * (1 << 20) + b"\n", b"data:\n" * (1 << 16), b"data: " + b"x" * (1 << 20)],
    ids=["one line", "long lines", "empty lines", "one line of data"],
)
def test_an_event_without_an_end_is_not_kept(chunk):
    parser = SseParser()
    held = b"data: " + b"x" * (MAX_EVENT_BYTES - 2 * len(chunk) - 6)
    assert parser.feed(held if chunk.startswith(b"x") else held + b"\n") == []
    assert parser.feed(chunk) == []
    with pytest.raises(EventOverflow):
        parser.feed(chunk * 3)


def test_a_long_line_is_put_together_once():
    """Joined piece by piece this one would take hours."""
    parser = SseParser()
    assert parser.feed(b"data: ") == []
    for _ in range(100_000):
        assert parser.feed(b"x" * 64) == []
    assert parser.feed(b"\r") == []
    assert parser.feed(b"\n\n") == [b"x" * 6_400_000]
    assert parser.feed(b"data: next") == parser.feed(b"!") == []
    assert parser.finish() == [b"next!"]


def test_a_stream_may_be_longer_than_any_event():
    parser = SseParser()
    event = b"data: " + b"x" * (1 << 20) + b"\ndata: y\n\n"
    assert sum(len(parser.feed(event)) for _ in range(20)) == 20

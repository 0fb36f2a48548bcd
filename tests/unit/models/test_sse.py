import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.models.sse import MAX_EVENT_BYTES, EventOverflow, SseParser


def parse(*chunks):
    parser = SseParser()
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.finish()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\n", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\ndata: b\n\ndata: c\n\n", [b"a\nb", b"c"]),
        (b": hello\n\ndata: a\n: again\n\n", [b"a"]),
        (b"event: x\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"data\n\ndata: \n\ndata: a\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\n\ndata: b", [b"a", b"b"]),
        (b"data: a\n\ndata: b\n", [b"a", b"b"]),
        (b"data: a\n\ndata: b\r\n", [b"a", b"b"]),
        (b"data: a\n\n: bye", [b"a"]),
        (b"", []),
        (b"database: x\n\n", []),
        ("data: „ü“ 😀\n\n".encode(), ["„ü“ 😀".encode()]),
    ],
)
def test_events_of_all_forms(stream, expected):
    assert parse(stream) == expected
    assert parse(*(stream[at : at + 1] for at in range(len(stream)))) == expected


LINE = st.sampled_from(
    [b"data: {}", b"data:x", b"data: a b", b"", b"", b": note", b"event: e", b"data", b"data: \xc3\xa9", b"id: 1"]
)


@given(st.lists(st.tuples(LINE, st.sampled_from([b"\n", b"\r\n", b"\r"]))), st.data())
def test_where_the_network_cuts_makes_no_difference(lines, data):
    stream = b"".join(line + end for line, end in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    assert parse(*(stream[a:b] for a, b in zip(edges, edges[1:], strict=False))) == parse(stream)


def test_an_endless_line_is_given_up():
    parser = SseParser()
    with pytest.raises(EventOverflow):
        for _ in range(MAX_EVENT_BYTES // (1 << 20) + 1):
            parser.feed(b"x" * (1 << 20))


def test_endless_data_lines_are_given_up():
    parser = SseParser()
    with pytest.raises(EventOverflow):
        for _ in range(MAX_EVENT_BYTES // (1 << 20) + 1):
            parser.feed(b"data: " + b"x" * (1 << 20) + b"\n")


def test_many_large_events_are_not_one_long_event():
    parser = SseParser()
    for _ in range(20):
        assert parser.feed(b"event: e\ndata: " + b"x" * (1 << 20) + b"\n\n") == [b"x" * (1 << 20)]

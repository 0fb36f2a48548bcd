"""Much that others wrote is taken in a little at a time, and the same is known of it afterwards."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.counting import Counting

from surefoot.policy.backlog import AT_ONCE_CHARS
from surefoot.policy.matching import LONGEST_NUMBER, LONGEST_SLICE, SLICE_CHARS, normalise, pieces, slices
from surefoot.policy.origin import MOST_FRESH_CHARS, MOST_TEXT_CHARS, MOST_TEXTS, Origins
from surefoot.schema import encode_json
from surefoot.types import Label, Message


def encode(value):
    return encode_json(value).decode()


OTHERS = Label("third_party", source="inbox")
LONG = " ".join([f"word{number} 1,{number % 10}" for number in range(20_000)])


def read(*texts, said="Hi.", arguments="{}"):
    origins = Origins()
    origins.begin([Message.user(said)], None)
    for text in texts:
        origins.take("inbox", arguments, text, OTHERS, ())
    return origins


class Turns:
    """Counts how often others get their turn, and how much is taken in between two turns."""

    def __init__(self, origins):
        self.origins, self.count, self.most = origins, 0, 0

    async def count_turns(self):
        known = 0
        while True:
            now = len(self.origins._marks)
            self.count, self.most, known = self.count + 1, max(self.most, now - known), now
            await asyncio.sleep(0)


async def test_others_go_on_while_much_is_taken_in():
    origins = read(LONG)
    assert origins.behind
    assert origins.is_slow
    turns = Turns(origins)
    other = asyncio.create_task(turns.count_turns())
    await origins.catch_up()
    other.cancel()
    assert not origins.is_slow
    assert turns.count >= len(LONG) // SLICE_CHARS
    assert turns.most <= SLICE_CHARS / 4
    assert origins == read(LONG)


async def test_what_the_user_said_in_earlier_turns_is_read_before_it_is_asked_for():
    carried = read(said="Pay bob.").carry()
    origins = Origins()
    said = tuple([f"Mail {number}@x.org. " * 100 for number in range(50)])
    origins.begin([Message.user("Hi.")], type(carried)(said=said))
    assert origins.is_slow
    assert not origins.behind, "to go on it need not be known"
    await origins.catch_up()
    assert not origins.is_slow
    assert origins.evidence().user_names(" 7@x.org ")


async def test_whoever_is_overtaken_files_nothing_twice():
    origins = read(LONG, LONG)
    waiting = asyncio.create_task(origins.catch_up())
    also = asyncio.create_task(origins.catch_up())
    await asyncio.sleep(0)
    known = origins.evidence()
    origins.take("inbox", "{}", "and eve@x.org", OTHERS, ())
    await asyncio.gather(waiting, also)
    assert len(origins.evidence().texts) == 3
    assert known.others_name(" word7 ")
    assert origins == read(LONG, LONG, "and eve@x.org")


@pytest.mark.parametrize("chars", [MOST_FRESH_CHARS, MOST_FRESH_CHARS - 10])
def test_little_may_be_put_off(chars):
    assert read("x" * chars).behind is (chars + len("Hi.") > MOST_FRESH_CHARS)


@pytest.mark.parametrize("chars", [AT_ONCE_CHARS, AT_ONCE_CHARS - 10])
def test_little_is_taken_in_at_once(chars):
    assert read("x" * chars).is_slow is (chars + len("Hi.") > AT_ONCE_CHARS)


def test_the_arguments_of_a_text_count_as_much_as_it():
    most = MOST_TEXT_CHARS // 10
    origins = read(*[f"t{number}" for number in range(30)], arguments=f'{{"q":"{"x" * most}"}}')
    assert len(origins.evidence().texts) <= 10


RECORDS = Label("tool", trusted=True, source="records")
ROWS = encode([{"id": number, "name": f"name {number}"} for number in range(600)])


async def test_a_long_result_is_read_in_a_thread_and_nothing_of_it_is_lost():
    """It gives the same as at once; long arguments of an act, too."""
    at_once, later = Origins(), Origins()
    for origins in (at_once, later):
        origins.begin([Message.user("Hi.")], None)
        origins.take("records", "{}", ROWS, RECORDS, ())
        origins.take("inbox", "{}", ROWS, OTHERS, ("[].id",))
        origins.act("note", encode({"text": LONG[: 2 * AT_ONCE_CHARS]}), ())
        origins.take("records", "{}", encode([{"name": "word7 bob"}]), RECORDS, ())
    counting = Counting()
    asyncio.get_running_loop().set_default_executor(counting)
    await later.catch_up()
    assert len(counting.names) == 3
    assert later == at_once
    assert len(later.evidence().index.lookups) == 3
    assert later.evidence().index.find(" bob ")


async def test_others_go_on_while_very_many_small_texts_are_taken_in():
    origins = Origins()
    origins.begin([Message.user("Hi.")], None)
    values = {f"k{number}": f"v{number}" for number in range(9_000)}
    origins.take("inbox", "{}", encode(values), OTHERS, (".id",))
    turns = Turns(origins)
    other = asyncio.create_task(turns.count_turns())
    await origins.catch_up()
    other.cancel()
    assert turns.most <= SLICE_CHARS / 4
    assert turns.count < 9_000, "not one turn for each of them"
    assert len(origins.evidence().texts) == MOST_TEXTS


@settings(max_examples=10)
@given(
    st.lists(
        st.sampled_from(["bob", "1,000", ",", " ", "1.234,50", "a@b.org", "é", "\u0301", "x" * 50, "2024-05-15T10:00"]),
        max_size=40,
    ),
    st.integers(1, 3),
    st.sampled_from(["word ", "付款人", "กขค", "あイ", "가나", "😀🚀"]),
)
def test_slices_have_all_pieces(scraps, times, filler):
    text = (
        "".join(scraps)
        + ","
        + filler * (times * SLICE_CHARS // len(filler))
        + "".join(scraps)
        + "1,2" * (SLICE_CHARS // 3)
        + "".join(scraps)
    )
    parts = list(slices(text, commas=True))
    assert len(parts) > 1
    assert max(map(len, parts)) <= SLICE_CHARS + 2 * LONGEST_NUMBER + 200
    assert pieces(text) <= set().union(*map(pieces, parts))


@settings(max_examples=10)
@given(
    st.lists(
        st.sampled_from(
            ["bob", "1,000", ",", " ", "\n", "a@b.org", "é", "\u0301", "張三", "docs/..", "2024-05-15T10:00"]
        ),
        max_size=40,
    ),
    st.integers(1, 3),
    st.sampled_from([" word", "付款人", "กขค", "あイ", "가나"]),
)
def test_slices_at_spaces_have_all_words(scraps, times, filler):
    text = "".join(scraps) + filler * (times * SLICE_CHARS // len(filler)) + "".join(scraps) + " "
    assert "".join(slices(text)) == text
    assert " ".join(" ".join(map(normalise, slices(text))).split()) == normalise(text).strip()


@pytest.mark.parametrize("text", ["x", "付款", "😀", "1,", "e\u0301"])
@pytest.mark.parametrize("commas", [False, True])
def test_no_slice_is_long_whatever_is_in_the_text(text, commas):
    parts = list(slices(text * 200_000, commas=commas))
    assert max(map(len, parts)) <= LONGEST_SLICE
    assert commas or "".join(parts) == text * 200_000

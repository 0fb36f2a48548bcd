import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.store.conformance import HandClock

from surefoot.journal.fold import LAST_CALL
from surefoot.transcripts import (
    ENTRY_BYTES,
    LARGEST_SHARE,
    PACK_FROM_BYTES,
    PACK_UP_TO_BYTES,
    Transcripts,
    continue_from,
    pack,
    pack_all,
    unpack,
)
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall

LABELS = st.builds(
    Label,
    st.sampled_from(["system", "user", "assistant", "tool", "third_party"]),
    st.booleans(),
    st.text(max_size=8),
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=80)
MESSAGES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["user", "assistant", "tool"]),
        st.lists(st.builds(Part, TEXT, LABELS), max_size=3).map(tuple),
        st.lists(st.builds(ToolCall, TEXT, TEXT, TEXT), max_size=2).map(tuple),
        TEXT,
        st.booleans(),
        TEXT,
    ),
    max_size=12,
).map(tuple)


@given(MESSAGES)
def test_what_is_unpacked_is_what_was_packed_labels_included(messages):
    assert unpack(pack(messages)) == messages


def test_long_conversations_are_compressed_and_noise_is_not():
    talk = (Message.user("Where is order 4711? " * 100),)
    assert len(pack(talk)) < 200
    noise = (Message.user("".join(random.Random(1).choices("abcdefghijklmnop0123456789", k=400))),)
    assert len(pack(noise)) < PACK_FROM_BYTES
    assert unpack(pack(noise)) == noise


@pytest.fixture
def clock():
    return HandClock()


def make(clock, most=3, most_bytes=1 << 20, ttl_s=60.0):
    return Transcripts(clock, most=most, most_bytes=most_bytes, ttl_s=ttl_s)


def fill(transcripts, *names, text="hello"):
    for name in names:
        transcripts.put(("t", "u", name), f"run_{name}", 1.0, pack((Message.user(f"{text} {name}"),)))


def names(transcripts, *wanted):
    return [name for name in wanted if transcripts.get(("t", "u", name)) is not None]


def test_those_used_last_are_kept(clock):
    transcripts = make(clock)
    fill(transcripts, "a", "b", "c", "a", "d")
    assert names(transcripts, *"abcd") == ["a", "c", "d"]
    kept = transcripts.get(("t", "u", "a"))
    assert (kept.head, kept.used_at, [m.text for m in kept.read()[0]]) == ("run_a", 1.0, ["hello a"])
    assert len(transcripts) == 3


def test_bytes_are_limited_too(clock):
    transcripts = make(clock, most=1_000, most_bytes=9 * (ENTRY_BYTES + 400))
    chance = random.Random(2)
    for name in "abcdefghijkl":
        fill(transcripts, name, text="".join(chance.choices("abcdefghijklmnop0123456789", k=300)))
    assert names(transcripts, *"abcdefghijkl") == list("defghijkl")
    assert 9 * ENTRY_BYTES < transcripts.size_bytes <= 9 * (ENTRY_BYTES + 400)


def test_one_that_is_too_large_is_not_kept_and_puts_nobody_out(clock):
    transcripts = make(clock, most=1_000, most_bytes=1_000 * LARGEST_SHARE)
    fill(transcripts, "a", "b")
    noise = random.Random(2).choices("abcdefghijklmnop0123456789", k=1_500)
    fill(transcripts, "b", text="".join(noise))
    assert names(transcripts, "a", "b") == ["a"], "what it was before is no more"


def test_what_is_compressed_is_short_enough_to_hold_up_nobody():
    short, long = ("Where is order 4711? " * (size // 21) for size in (PACK_UP_TO_BYTES - 99, PACK_UP_TO_BYTES + 99))
    assert len(pack((Message.user(short),))) < PACK_UP_TO_BYTES / 10
    assert len(pack((Message.user(long),))) > PACK_UP_TO_BYTES
    assert unpack(pack((Message.user(long),))) == (Message.user(long),)


def test_what_is_not_used_is_forgotten_after_its_time(clock):
    transcripts = make(clock)
    fill(transcripts, "a")
    clock.move(40)
    fill(transcripts, "b")
    clock.move(30)
    assert names(transcripts, "a", "b") == ["b"]
    clock.move(40)
    fill(transcripts, "c")
    assert len(transcripts) == 1
    clock.move(60)
    transcripts.forget_idle()
    assert (len(transcripts), transcripts.size_bytes) == (0, 0)


def test_a_user_is_forgotten_without_the_others(clock):
    transcripts = make(clock)
    fill(transcripts, "a", "b")
    others = [("t", "v", "a"), ("other", "u", "a"), ("", "u", "a")]
    for key in others:
        transcripts.put(key, "run_v", 1.0, pack(()))
    transcripts.drop_user("t", "u")
    assert names(transcripts, "a", "b") == []
    assert all(transcripts.get(key) is not None for key in others)
    assert transcripts.size_bytes == 3 * (ENTRY_BYTES + len(pack(())))


def test_what_utf_8_cannot_carry_is_left_to_the_journal():
    assert pack_all((Message.user("\ud800"),), None) is None
    assert pack_all((Message.user("a"),), None) == (pack((Message.user("a"),)), b"")


def test_the_next_run_inherits_all_but_the_system_message_and_unanswered_calls():
    call = ToolCall("c1", "look", "{}")
    answered = Message.assistant("", (call,))
    result = Message("tool", (Part("found", Label("third_party", source="look")),), tool_call_id="c1")
    open_call = Message.assistant("", (ToolCall("c2", "look", "{}"),))
    question = Message.user("q")
    told = Message.user("Answer now.", LAST_CALL)
    messages = [Message.system("s"), question, answered, result, told, open_call]
    assert continue_from(messages) == (question, answered, result)


def test_an_id_that_stands_for_two_calls_answers_only_the_one_before_it():
    """Models repeat ids from step to step: the second call was never answered, though the first one of its name was."""
    asked = Message.assistant("", (ToolCall("call_0", "look", "{}"),))
    answer = Message("tool", (Part("seen", SYSTEM_LABEL),), (), "call_0")
    kept = continue_from([Message.user("q"), asked, answer, asked])
    assert kept == (Message.user("q"), asked, answer)
    assert continue_from([Message.user("q"), asked, Message.user("next")]) == (Message.user("q"), Message.user("next"))
    both = Message.assistant("", (ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}")))
    half = Message("tool", (Part("seen", SYSTEM_LABEL),), (), "a")
    assert continue_from([Message.user("q"), both, half]) == (Message.user("q"),)


def test_a_long_conversation_is_looked_through_once():
    """Copied for each of its calls this one would take minutes."""
    asked = Message.assistant("", (ToolCall("call_0", "look", "{}"),))
    answer = Message("tool", (Part("seen", SYSTEM_LABEL),), (), "call_0")
    assert len(continue_from([asked, answer] * 120_000)) == 240_000

"""Shortening a conversation, over any conversation: pairs stay whole, labels stay, the question stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from surefoot.context import (
    LEAST_OUTPUT,
    NOTE_LABEL,
    NOTE_TOKENS,
    SHORTENED,
    SUMMARY,
    SUMMARY_OF_OTHERS,
    Trim,
    find_question,
    is_note,
    is_summary,
    least_output,
    plan_forget,
    plan_trim,
    replace_by_summary,
    trim,
)
from surefoot.testing.request import check_calls
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall

THIRD = Label("third_party", source="look")
TEXTS = st.text("abc é", max_size=60)


def result(call_id, text):
    return Message("tool", (Part(text, THIRD),), tool_call_id=call_id)


@st.composite
def steps(draw, number):
    """A step of a run: calls with all their results, or a reply that was wrong and what it was told."""
    if draw(st.booleans()) or draw(st.booleans()):
        ids = [f"c{number}_{place}" for place in range(draw(st.integers(1, 3)))]
        calls = tuple(ToolCall(one, "look", "{}") for one in ids)
        return [Message.assistant(draw(TEXTS), calls), *[result(one, draw(TEXTS) * 20) for one in ids]]
    return [Message.assistant(draw(TEXTS) or "hm"), Message.user("that was wrong", SYSTEM_LABEL)]


@st.composite
def conversations(draw):
    """Earlier turns, the question, and the steps of this run so far; the question."""
    messages = [Message.system("Be kind.")] if draw(st.booleans()) else []
    number = 0
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.integers(0, 4)) == 0:
            messages.append(Message.user("note", NOTE_LABEL))
        messages.append(Message.user(draw(TEXTS)))
        if draw(st.integers(0, 4)) == 0:
            messages.append(Message.user("summed up", draw(st.sampled_from([SUMMARY, SUMMARY_OF_OTHERS]))))
        for _ in range(draw(st.integers(0, 3))):
            number += 1
            messages += draw(steps(number))
        messages.append(Message.assistant(draw(TEXTS) or "so"))
    question = Message.user(draw(TEXTS))
    messages.append(question)
    for _ in range(draw(st.integers(0, 4))):
        number += 1
        messages += draw(steps(number))
    return messages, question


def sizes_of(messages):
    return [len(message.text.encode()) + 20 + 30 * len(message.tool_calls) for message in messages]


def shorten(messages, question, room, most):
    plan = plan_trim(messages, sizes_of(messages), question, room, most)
    return (None, messages) if plan is None else (plan, trim(messages, question, plan.keeps, plan.keep_bytes))


def last_step(messages, question):
    """What follows from the last reply on, or the question where there is none."""
    asked = find_question(messages, question)
    replies = [place for place in range(asked, len(messages)) if messages[place].role == "assistant"]
    return messages[replies[-1] if replies else asked :]


@given(conversations(), st.integers(0, 3_000), st.integers(0, 1_000))
def test_what_stays_is_whole_and_in_order(conversation, room, more):
    messages, question = conversation
    plan, kept = shorten(messages, question, room, room + more)
    assert check_calls(tuple(kept)) is None
    assert any(message is question for message in kept)
    assert kept[:1] == messages[:1] or messages[0].role != "system"
    own = [message for message in kept if not is_note(message)]
    if plan is None or not plan.keep_bytes:
        places = [next(place for place, one in enumerate(messages) if one is message) for message in own]
        assert [id(message) for message in last_step(messages, question)] == [
            id(m) for m in kept[-len(last_step(messages, question)) :]
        ]
        tail = [place for place in places if not is_summary(messages[place]) and place != places[0]]
        assert tail == sorted(tail)
        gone = [m for m in messages if m.role != "system" and not is_note(m) and not is_summary(m) and m not in own]
        assert (plan is None) == (
            not gone and len(own) >= len([m for m in messages if not is_note(m) and not is_summary(m)])
        )
    if plan is not None and plan.left_out:
        assert any(is_note(message) for message in kept)


@given(conversations(), st.integers(0, 3_000))
def test_the_room_is_kept_unless_only_what_always_stays_is_left(conversation, room):
    messages, question = conversation
    _, kept = shorten(messages, question, room, room)
    if sum(sizes_of(kept)) > room:
        must = last_step(messages, question)
        results = [m for m in kept if m.role == "tool" and len(m.text.encode()) > 256 + len(SHORTENED.encode())]
        assert results == []
        assert [m.role for m in kept[-len(must) :]] == [m.role for m in must]
        around = kept[: -len(must)]
        assert all(m.role == "system" or m is question or is_note(m) or is_summary(m) for m in around)


@given(conversations(), st.integers(0, 3_000), st.integers(0, 1_000))
def test_shortening_again_changes_nothing(conversation, room, more):
    messages, question = conversation
    _, once = shorten(messages, question, room, room + more)
    plan, twice = shorten(once, question, room, room + more)
    while plan is not None and plan.keep_bytes:  # an estimate: the first cut may have saved too little
        assert sum(sizes_of(twice)) < sum(sizes_of(once))
        once = twice
        plan, twice = shorten(once, question, room, room + more)
    assert plan is None
    assert twice == once


@given(conversations(), st.integers(0, 3_000), st.integers(0, 1_000))
def test_labels_stay(conversation, room, more):
    messages, question = conversation
    _, kept = shorten(messages, question, room, room + more)
    before = {(message.role, message.tool_call_id, part.label) for message in messages for part in message.parts}
    for message in kept:
        for part in message.parts:
            assert is_note(message) or (message.role, message.tool_call_id, part.label) in before
    assert shorten(messages, question, room, room + more)[1] == kept


def turn(number):
    call = ToolCall(f"c{number}", "look", "{}")
    return [
        Message.user(f"question {number}"),
        Message.assistant("", (call,)),
        result(call.id, f"result {number} " * 10),
        Message.assistant(f"answer {number}"),
    ]


def test_the_oldest_turns_go_first_and_a_turn_goes_whole():
    question = Message.user("and now?")
    messages = [Message.system("Be kind."), *turn(1), *turn(2), *turn(3), question]
    sizes = [100] * len(messages)
    plan = plan_trim(messages, sizes, question, room=NOTE_TOKENS + 600, most=5_000)
    assert (plan.keeps, plan.left_out, plan.keep_bytes) == (5, 8, 0)
    kept = trim(messages, question, plan.keeps)
    assert [m.text for m in kept if m.role == "user"] == [kept[1].text, "question 3", "and now?"]
    assert is_note(kept[1])
    assert [id(m) for m in kept[2:]] == [id(m) for m in messages[-5:]]


def test_inside_a_run_the_question_and_the_last_step_stay():
    question = Message.user("read the book")
    run = [message for number in range(5) for message in turn(number)[1:3]]
    messages = [Message.system("Be kind."), *turn(9), question, *run]
    plan = plan_trim(messages, [10] * len(messages), question, room=0, most=1_000)
    kept = trim(messages, question, plan.keeps)
    assert [m.role for m in kept] == ["system", "user", "user", "assistant", "tool"]
    assert kept[1] is question
    assert is_note(kept[2])
    assert kept[3:] == run[-2:]
    assert plan.left_out == 4 + 8


def test_the_newest_summary_stays_beside_the_question():
    question = Message.user("go on")
    old, new = (Message.user(f"summary {n}", SUMMARY_OF_OTHERS) for n in (1, 2))
    messages = [old, *turn(1), new, *turn(2), question]
    plan = plan_trim(messages, [10] * len(messages), question, room=0, most=1_000)
    assert trim(messages, question, plan.keeps)[0] is new
    assert old not in trim(messages, question, plan.keeps)


@pytest.mark.parametrize("much", [400, 5_000, 20_000, 100_000])
def test_results_that_alone_are_too_much_are_cut_with_their_labels(much):
    question = Message.user("read")
    messages = [question, *turn(1)[1:2], result("c1", "é" * much)]
    sizes = [len(message.text.encode()) for message in messages]
    most = sizes[0] + 600
    plan = plan_trim(messages, sizes, question, room=most // 2, most=most)
    kept = trim(messages, question, plan.keeps, plan.keep_bytes)
    assert len(kept[-1].text.encode()) <= 600
    assert kept[-1].text.endswith(SHORTENED)
    assert kept[-1].parts[0].label == THIRD
    assert not any(is_note(message) for message in kept)  # nothing was left out


def test_a_summary_is_never_trusted_and_remembers_that_others_wrote():
    question = Message.user("read")
    own = [question, Message.assistant("I think.")]
    (summary,) = [m for m in replace_by_summary(own, question, "thought", []) if is_summary(m)]
    assert summary.parts[0].label == SUMMARY
    assert not SUMMARY.trusted
    messages = replace_by_summary([*own, *turn(1)], question, "read", [])
    assert messages[1].parts[0].label == SUMMARY_OF_OTHERS
    again = replace_by_summary(messages, question, "read more", [])
    assert again[1].parts[0].label == SUMMARY_OF_OTHERS
    assert not SUMMARY_OF_OTHERS.trusted


def test_a_summary_is_as_risky_as_the_riskiest_of_what_it_sums_up():
    question = Message.user("read")
    risky = [Message.user("x", replace(THIRD, risk=risk)) for risk in (0.2, 0.9, 0.4)]
    for messages, risk in ((risky, 0.9), (turn(1), 0.0)):
        summary = replace_by_summary([question, *messages], question, "read", [])[1]
        assert summary.parts[0].label == replace(SUMMARY_OF_OTHERS, risk=risk)


def test_turns_are_forgotten_only_where_that_helps():
    question = Message.user("and now?")
    messages = [Message.system("Be kind."), *turn(1), *turn(2), question, *turn(3)[1:3]]
    sizes = [100] * len(messages)
    kept = 400 + NOTE_TOKENS  # system message, question and the run's own step, and the note
    assert plan_forget(messages, sizes, question, room=0, most=kept) == Trim(3, 8)
    assert plan_forget(messages, sizes, question, room=0, most=kept - 1) is None


def test_what_was_set_aside_comes_after_the_summary_and_the_question_is_not_said_twice():
    question = Message.user("read")
    tail = turn(2)[1:]
    assert replace_by_summary([Message.system("s"), question, *turn(1)[1:]], question, "x", tail)[1] is question
    messages = replace_by_summary([Message.system("s"), *turn(1)], question, "x", [question, *tail])
    assert [m.role for m in messages] == ["system", "user", "user", "assistant", "tool", "assistant"]
    assert messages[2] is question


def test_the_least_output():
    assert least_output(1_024, 100_000) == LEAST_OUTPUT
    assert least_output(100, 100_000) == 100
    assert least_output(1_024, 800) == 100
    assert least_output(1_024, 4) == 1

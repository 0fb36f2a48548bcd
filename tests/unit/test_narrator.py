"""A run, told in lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from surefoot.journal.events import (
    BudgetWarning,
    LimitReached,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    Nudged,
    RunFinished,
    RunStarted,
    Thought,
    ToolFinished,
    ToolIntended,
)
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged
from surefoot.narrator import Line, Narrator, counted, describe_call, duration, plain
from surefoot.types import Label, Message, ToolCall

STARTED = RunStarted(
    at=0, run_id="run_1", agent="a", model="m:x", protocol="native", messages=(Message.user("?"),), limits={}
)
CALL = ToolCall("c1", "order_status", '{"order_id":"4711"}')


def asked(step=1, hold=1, attempt=1):
    return ModelRequested(at=0, step=step, hold=hold, attempt=attempt, model="m:x", max_tokens=10, hold_tokens=100)


def replied(message, *, hold=1, joins=True, tokens=42, nano=0):
    return ModelReplied(
        at=1, hold=hold, message=message, joins=joins, tokens=tokens, nano=nano, finish_reason="stop", latency_ms=1_500
    )


def failed(message="it broke", *, hold=1, retry_in_s=None, tokens=0):
    return ModelFailed(
        at=1, hold=hold, code="model_broken", message=message, tokens=tokens, retry_in_s=retry_in_s, latency_ms=7
    )


def observed(content="shipped", **more):
    return ToolFinished(
        at=2, call_id="c1", name="order_status", content=content, label=Label("tool"), latency_ms=3, **more
    )


def tell(*events):
    narrator = Narrator()
    told = [line for event in events for line in narrator.tell(event)]
    return told + narrator.rest()


def texts(*events):
    return [f"{line.step:1} {line.mark} {line.text}" for line in tell(*events)]


def test_a_step_and_an_answer():
    lines = tell(
        STARTED,
        asked(),
        replied(Message.assistant("I look it up.", (CALL,)), nano=280_000),
        ToolIntended(at=1, call=CALL),
        observed(),
        asked(2, 2),
        replied(Message.assistant("It was shipped."), hold=2),
        RunFinished(at=3, stop_reason="final", output="It was shipped."),
    )
    assert lines == [
        Line("·", "I look it up.", "", "italic", "1", 42, "$0.00028", "1.5 s"),
        Line("→", 'order_status(order_id="4711")', "magenta", "bold"),
        Line("←", "shipped", "green", time="3 ms"),
        Line("·", "the answer", step="2", tokens=42, time="1.5 s"),
    ]


def test_a_call_without_a_thought_carries_the_numbers():
    assert tell(asked(), replied(Message.assistant("", (CALL,))))[0] == Line(
        "→", 'order_status(order_id="4711")', "magenta", "bold", "1", 42, "", "1.5 s"
    )


def test_what_a_protocol_reads_carries_the_numbers_of_its_reply():
    thought = Thought(at=1, message=Message.assistant("Hm.", (CALL,)))
    lines = tell(asked(), replied(Message.assistant("{...}"), joins=False), thought)
    assert [(line.text, line.tokens) for line in lines] == [("Hm.", 42), ('order_status(order_id="4711")', 0)]


def test_a_reply_that_cannot_be_read_is_told_with_what_was_wrong():
    thought = Thought(at=1, message=Message.assistant("Action: x("), problem="The bracket is not closed.")
    assert texts(asked(), replied(Message.assistant("Action: x("), joins=False), thought, asked(2, 2)) == [
        "1 · Action: x(",
        "  ! The bracket is not closed.",
    ]


def test_an_answer_that_had_to_be_mended_is_told():
    said = [asked(), replied(Message.assistant("yes")), Nudged(at=1, text="The answer does not fit: it is no JSON.")]
    mended = [
        asked(2, 2),
        replied(Message.assistant("{}"), hold=2),
        RunFinished(at=3, stop_reason="final", output="{}"),
    ]
    assert texts(*said, *mended) == [
        "1 · yes",
        "  » The answer does not fit: it is no JSON.",
        "2 · the answer",
    ]


def test_a_warning_comes_after_the_reply_that_caused_it():
    warning = BudgetWarning(at=1, limit="steps", used=8, of=10)
    end = RunFinished(at=3, stop_reason="final", output="Done.")
    assert texts(asked(), replied(Message.assistant("Done.")), warning, end) == [
        "1 · the answer",
        "  ! 80% of the limit on steps is used",
    ]
    assert texts(warning) == ["  ! 80% of the limit on steps is used"]
    thought = Thought(at=1, message=Message.assistant("", (CALL,)))
    lines = texts(asked(), replied(Message.assistant("{}"), joins=False), warning, thought)
    assert lines == ['1 → order_status(order_id="4711")', "  ! 80% of the limit on steps is used"]


def test_a_limit_and_its_last_answer():
    lines = texts(
        LimitReached(at=1, limit="steps", message="step 3 of 3 is kept for the answer"),
        Nudged(at=1, text="The budget of this run is at its end. " * 9),
        asked(3, 1),
        replied(Message.assistant("So far: 200.")),
        RunFinished(at=3, stop_reason="budget", output="So far: 200.", limit="steps"),
    )
    assert lines == [
        "  ■ limit on steps: step 3 of 3 is kept for the answer",
        "  » asked for a last answer, without tools",
        "3 · the answer",
    ]


def test_a_last_answer_that_nothing_is_left_for_is_not_told_as_asked_for():
    reached = LimitReached(at=1, limit="tokens", message="900 of 1,000 are used")
    nudged = Nudged(at=1, text="The budget of this run is at its end.")
    told = "  ■ limit on tokens: 900 of 1,000 are used"
    end = RunFinished(at=3, stop_reason="budget", output="Stopped before an answer.", limit="tokens")
    assert texts(reached, nudged, end) == [told, "  » nothing fits any more, not even a last answer"]
    assert texts(reached, nudged, RunFinished(at=3, stop_reason="cancelled")) == [told]
    assert texts(reached, nudged) == [told]


def test_what_is_to_be_mended_after_a_limit_is_told_as_it_is():
    lines = texts(
        LimitReached(at=1, limit="tool_calls", message="all are used"),
        asked(1),
        replied(Message.assistant("yes")),
        Nudged(at=1, text="The answer does not fit."),
        asked(2, 2),
    )
    assert lines == ["  ■ limit on tool_calls: all are used", "1 · yes", "  » The answer does not fit."]


def test_arguments_that_cannot_be_read_are_shown_as_they_are():
    for arguments in ("{oops", '{"a":' + "[" * 100_000, '{"a": "\ud800"}'):
        assert describe_call(ToolCall("c1", "f", arguments)).startswith(plain(f"f {arguments}", 12)[:11])


def test_an_answer_that_no_model_wrote_does_not_pass_for_one():
    end = RunFinished(at=3, stop_reason="budget", output="Stopped before an answer.")
    assert texts(asked(), replied(Message.assistant("I think")), end) == ["1 · I think"]
    assert texts(asked(), replied(Message.assistant("")), RunFinished(at=3, stop_reason="final")) == ["1 · (no text)"]


def test_attempts_and_their_number_once():
    lines = tell(asked(), failed(retry_in_s=0.5, tokens=9), asked(1, 2, 2), replied(Message.assistant("Ok"), hold=2))
    assert lines[0] == Line("✗", "it broke; again in 0.5 s", "red", "red", "1", 9, "", "7 ms")
    assert (lines[1].step, lines[1].text) == ("", "Ok")


def test_the_error_that_ends_a_run_is_left_to_whoever_shows_the_end():
    end = RunFinished(at=3, stop_reason="error", error_code="model_broken", error="it broke")
    assert texts(asked(), failed(), end) == ["1 ✗ model_broken"]
    other = RunFinished(at=3, stop_reason="error", error_code="internal", error="something else")
    assert texts(asked(), failed(), other) == ["1 ✗ it broke"]
    assert texts(asked(), failed("the time is over"), LimitReached(at=2, limit="seconds", message="60 s are over")) == [
        "1 ✗ the time is over",
        "  ■ limit on seconds: 60 s are over",
    ]


def test_results_of_several_calls_are_named():
    two = (CALL, ToolCall("c2", "explode", "{}"))
    lines = texts(asked(), replied(Message.assistant("", two)), observed("no such order", is_error=True), observed())
    assert lines[2:] == ["  ✗ order_status: no such order", "  ← order_status: shipped"]


def test_what_an_output_cap_removed_is_told():
    assert texts(observed("abc", cut_bytes=12_345)) == ["  ← abc … 12,345 bytes cut"]


def test_a_journal_that_begins_in_the_middle_is_told_all_the_same():
    assert texts(replied(Message.assistant("Ok"), hold=7)) == ["  · Ok"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"a": 1, "b": [true, null], "c": "ü"}', 'f(a=1, b=[true, null], c="ü")'),
        ("{}", "f()"),
        ("", "f()"),
        ("[1]", "f [1]"),
        ('{"a": ', 'f {"a":'),
        ('{"a": "\\u001b[31m"}', 'f(a="\\u001b[31m")'),
    ],
)
def test_a_call_is_written_as_a_person_would(arguments, told):
    assert describe_call(ToolCall("c", "f", arguments)) == told


@pytest.mark.parametrize(
    ("ms", "told"), [(0, "0 ms"), (999.4, "999 ms"), (1_000, "1.0 s"), (61_240, "61.2 s"), (600_000, "10 min")]
)
def test_a_time_span_is_told_in_three_digits(ms, told):
    assert duration(ms) == told


@given(st.text(), st.integers(1, 50))
def test_plain_text_is_one_short_line_without_control_characters(text, limit):
    told = plain(text, limit)
    assert len(told) <= limit
    assert told.isprintable()
    assert plain(told, limit) == told


TAKEN = {"openai": 1, "link": 2}


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ({"output": "A key.", "redacted": TAKEN}, 1),
        ({"output": "A key.", "redacted": {"openai": 2}}, 2),
        ({"output": "Another answer.", "redacted": TAKEN}, 2),
        ({"output": "A key."}, 1),
    ],
)
def test_what_was_taken_out_of_an_answer_is_told_once(end, told):
    reply = replace(replied(Message.assistant("A key.")), redacted=TAKEN)
    finished = RunFinished(at=2, stop_reason="final", **end)
    assert [text[:11] for text in texts(asked(), reply, finished)].count("  ▒ taken o") == told


def test_what_was_taken_out_of_a_thought_is_told_once_and_of_the_next_reply_anew():
    one = replace(replied(Message.assistant("A key."), joins=False), redacted=TAKEN)
    thought = Thought(at=1, message=Message.assistant("A key."), redacted=TAKEN)
    told = texts(asked(), one, thought, asked(2, 2), replace(one, hold=2), replace(thought))
    assert told.count("  ▒ taken out: openai, 2 × link") == 2


@pytest.mark.parametrize(
    ("redacted", "told"),
    [
        ({"image": 1, "leak": 1}, "taken out: image; left as it is: a part of the agent's instructions"),
        ({"leak": 2}, "left as it is: a part of the agent's instructions"),
        ({"prompt": 1}, "taken out: prompt"),
    ],
)
def test_what_is_only_flagged_is_not_said_to_be_taken_out(redacted, told):
    reply = replace(replied(Message.assistant("An answer.")), redacted=redacted)
    assert f"  ▒ {told}" in texts(asked(), reply, RunFinished(at=2, stop_reason="final", output="An answer."))


@pytest.mark.parametrize(
    ("answer", "sources", "line"),
    [
        ("once", (), ["  ? allowed, this once"]),
        ("session", ("read({})",), ["  ? allowed; may say so in this conversation from now on: read({})"]),
        ("no", (), ["  ? a person said no"]),
        ("timeout", (), ["  ? nobody answered in time: that is a no"]),
        ("nobody", (), []),
    ],
)
def test_what_a_person_answered_is_told(answer, sources, line):
    assert texts(ApprovalAnswered(at=0, call_id="c1", answer=answer, digest="d", sources=sources)) == line


def test_one_is_not_many():
    assert [counted(n, "run") for n in (0, 1, 2_000)] == ["0 runs", "1 run", "2,000 runs"]
    assert (counted(1, "query", "queries"), counted(2, "query", "queries")) == ("1 query", "2 queries")


def test_a_wait_for_others_is_told_and_the_time_that_a_start_takes_is_not():
    told = [[line.text for line in Narrator().tell(replace(STARTED, waited_ms=ms))] for ms in (0, 1, 49, 50, 1_500)]
    assert told == [[], [], [], ["waited 50 ms for its turn"], ["waited 1.5 s for its turn"]]


def test_what_was_taken_out_of_a_call_is_told_once():
    """With the reply that makes it, and not again when it is decided on and when it begins."""
    made = ToolCall("c", "pay", '{"password":"[password removed]"}')
    taken = {"password": 1}
    reply = replace(replied(Message("assistant", (), (made,))), redacted=taken)
    judged = CallJudged(at=3, call_id="c", name="pay", verdict="allowed", rule="proven", redacted=taken)
    intended = ToolIntended(at=4, call=made, effect="write", redacted=taken)
    told = texts(asked(), reply, judged, intended)
    assert told.count("  ▒ taken out: password") == 1

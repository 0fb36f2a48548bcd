"""`fold` rebuilds a run from its journal, and refuses what is no journal."""

import msgspec
import pytest

from surefoot.errors import StoreError
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
from surefoot.journal.fold import fold
from surefoot.journal.recorder import Recorder
from surefoot.journal.records import decode_record, encode_record
from surefoot.types import Label, Message, Part, ToolCall, Usage

THIRD = Label("third_party", source="look")
STARTED = RunStarted(
    at=1.0, run_id="run_1", agent="a", model="m", protocol="native", messages=(Message.user("q"),), limits={"tokens": 5}
)
CALLS = (ToolCall("c1", "look", '{"x":1}'), ToolCall("c2", "look", "{}"))


def requested(hold, step=1):
    return ModelRequested(at=2.0, step=step, hold=hold, model="m", max_tokens=10, hold_tokens=50, hold_nano=7)


def finished(call_id, content):
    return ToolFinished(at=4.0, call_id=call_id, name="look", content=content, label=THIRD)


WHOLE = [
    STARTED,
    requested(1),
    ModelFailed(at=2.5, hold=1, code="model_broken", message="cut", tokens=50, nano=7, retry_in_s=0.5, latency_ms=1.0),
    requested(2),
    ModelReplied(
        at=3.0,
        hold=2,
        message=Message.assistant("hm", CALLS),
        joins=True,
        usage=Usage(20, 5),
        tokens=25,
        nano=3,
        finish_reason="tool_calls",
        latency_ms=9.0,
    ),
    BudgetWarning(at=3.1, limit="tokens", used=75, of=100),
    ToolIntended(at=3.2, call=CALLS[0], effect="read", idempotency_key="run_1:1:c1"),
    ToolIntended(at=3.2, call=CALLS[1], effect="read", idempotency_key="run_1:1:c2"),
    finished("c2", "second came first"),
    finished("c1", "first came second"),
    LimitReached(at=5.0, limit="steps", message="over"),
    Nudged(at=5.0, text="answer now"),
    requested(3, step=2),
    ModelReplied(
        at=6.0,
        hold=3,
        message=Message.assistant("{bad"),
        usage=None,
        tokens=50,
        nano=7,
        finish_reason="stop",
        latency_ms=1.0,
    ),
    Thought(at=6.0, message=Message.assistant("{bad"), problem="that was no JSON"),
    RunFinished(at=7.0, stop_reason="budget", output="partly", limit="steps"),
]


def test_the_whole_story():
    state = fold(WHOLE)
    assert [(m.role, m.text) for m in state.messages] == [
        ("user", "q"),
        ("assistant", "hm"),
        ("tool", "first came second"),
        ("tool", "second came first"),
        ("user", "answer now"),
        ("assistant", "{bad"),
        ("user", "that was no JSON"),
    ]
    assert state.messages[2].parts == (Part("first came second", THIRD),)
    assert (state.tokens, state.nano, state.usage) == (125, 17, Usage(20, 5))
    assert (state.steps, state.model_calls, state.tool_calls, state.results) == (2, 3, 2, 2)
    assert state.holds == {}
    assert state.intended == {}
    assert state.limit == "steps"
    assert state.finished is WHOLE[-1]


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
def test_a_crash_anywhere_leaves_what_is_open_visible(cut):
    state = fold(WHOLE[:cut])
    asked = {event.hold for event in WHOLE[:cut] if isinstance(event, ModelRequested)}
    settled = {event.hold for event in WHOLE[:cut] if isinstance(event, ModelReplied | ModelFailed)}
    assert set(state.holds) == asked - settled
    begun = {event.call.id for event in WHOLE[:cut] if isinstance(event, ToolIntended)}
    done = {event.call_id for event in WHOLE[:cut] if isinstance(event, ToolFinished)}
    assert set(state.intended) == begun - done
    assert state.finished is None


def test_records_hold_any_events_and_survive_the_disk():
    assert decode_record(encode_record(WHOLE)) == WHOLE
    assert fold(decode_record(encode_record(WHOLE))).messages == fold(WHOLE).messages


def test_a_reader_ignores_fields_of_a_later_version():
    table = msgspec.json.decode(encode_record([STARTED]))
    table[0]["a_new_field"] = 5
    assert decode_record(msgspec.json.encode(table)) == [STARTED]


@pytest.mark.parametrize("record", [b"", b"{}", b'[{"type":"dreamt_up"}]', b"\xff", b'[{"type":"nudged"}]'])
def test_what_is_no_record_is_refused(record):
    with pytest.raises(StoreError, match="the journal holds a record that this version cannot read"):
        decode_record(record)


@pytest.mark.parametrize("events", [WHOLE[1:], [STARTED, STARTED], [STARTED, WHOLE[4]]])
def test_what_is_no_journal_is_refused(events):
    with pytest.raises(StoreError, match="out of order"):
        fold(events)


def test_the_recorder_numbers_records_by_their_first_event():
    recorder = Recorder()
    recorder.pending += WHOLE[:2]
    first, record = recorder.take()
    assert (first, decode_record(record)) == (0, WHOLE[:2])
    recorder.pending.append(WHOLE[2])
    first, record = recorder.take()
    assert (first, decode_record(record)) == (2, WHOLE[2:3])
    assert (recorder.taken, recorder.pending) == (3, [])

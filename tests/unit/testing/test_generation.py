import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ConfigError
from surefoot.testing import Answer, call, calls, refuse, say
from surefoot.testing.generation import (
    PromptCount,
    check_multiplier,
    count_bytes,
    count_message,
    generate,
    split_pieces,
)
from surefoot.types import ASSISTANT_LABEL, Message, Part, ToolCall, Usage

PROMPT = PromptCount(400, 2)
ANSWERS = st.builds(
    Answer,
    text=st.text(max_size=80),
    thinking=st.text(max_size=40),
    calls=st.lists(
        st.builds(ToolCall, st.just(""), st.text(min_size=1, max_size=9), st.text(max_size=40)), max_size=3
    ).map(tuple),
    usage=st.sampled_from(["computed", "random", None]),
    reasoning_tokens=st.integers(0, 30),
    cache_read_tokens=st.integers(0, 300),
    cache_write_tokens=st.integers(0, 300),
)


def make(answer: Answer, max_tokens: int = 100, multiplier: float = 1, key: tuple[int | str, ...] = (1,)):
    return generate(answer, PROMPT, max_tokens, multiplier=multiplier, key=key, call_id="call_7")


def test_the_counting_rule():
    assert PROMPT.tokens(1) == 100 + 3 * 2 + 3
    assert PROMPT.tokens(4) == 400 + 3 * 2 + 3
    assert PromptCount(5, 0).tokens(1) == 2 + 3
    message = Message(
        "assistant", (Part("añb", ASSISTANT_LABEL), Part("c", ASSISTANT_LABEL)), (ToolCall("id", "ab", "{}"),)
    )
    assert count_message(message) == 4 + 1 + 2 + 2
    reply = make(calls(call("tool", a=1), text="word", thinking="1234", reasoning_tokens=3)).billed
    assert reply.output_tokens == 3 + math.ceil((4 + 4 + 4 + 7) / 4)
    assert reply.reasoning_tokens == 3 + 1
    assert make(say("")).billed.output_tokens == 1


@given(ANSWERS, st.integers(1, 60), st.integers(0, 5))
def test_max_tokens_holds_and_cuts_only_what_does_not_fit(answer, max_tokens, seed):
    reply = make(answer, max_tokens, key=(seed,))
    for usage in (reply.billed, reply.reported):
        if usage is not None:
            assert usage.output_tokens <= max_tokens
            assert usage.reasoning_tokens <= usage.output_tokens
            assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens <= PROMPT.tokens(4)
    assert answer.text.startswith(reply.text)
    whole = [(one.name, one.arguments) for one in answer.calls]
    made = [(one.name, one.arguments) for one in reply.calls]
    if reply.finish_reason != "length":
        assert (reply.text, reply.thinking, made) == (answer.text, answer.thinking, whole)
    else:
        assert (reply.text, reply.thinking, made) != (answer.text, answer.thinking, whole) or answer.reasoning_tokens
        assert made[:-1] == whole[: max(0, len(made) - 1)]


@given(ANSWERS, st.integers(1, 60))
def test_an_overlong_reply_is_whole_and_reports_more_than_allowed(answer, max_tokens):
    reply = make(answer.but(overlong=True, usage="computed"), max_tokens)
    assert reply.text == answer.text
    assert len(reply.calls) == len(answer.calls)
    assert reply.reported is not None
    assert reply.reported.output_tokens >= 2 * max_tokens
    assert reply.finish_reason != "length"


def test_a_call_is_cut_in_its_arguments_and_lost_in_its_name():
    two = calls(call("first", a="b"), call("second"))
    reply = make(two, max_tokens=2)
    assert reply.calls == (ToolCall("call_7_0", "first", '{"a'),)
    assert reply.finish_reason == "length"
    reply = make(two, max_tokens=4)
    assert [one.name for one in reply.calls] == ["first"]
    assert make(two).calls == (ToolCall("call_7_0", "first", '{"a":"b"}'), ToolCall("call_7_1", "second", "{}"))


def test_text_is_cut_between_characters():
    assert make(say("ab€"), max_tokens=1).text == "ab"
    assert make(say("é" * 10), max_tokens=1).text == "éé"


def test_usage_as_told():
    assert make(say("x", usage=None)).reported is None
    assert make(say("x", usage=None)).billed.output_tokens == 1
    told = Usage(10**6, 10**6)
    assert make(say("x", usage=told)).reported == make(say("x", usage=told)).billed == told
    assert make(say("x", usage=Usage())).reported == Usage()


def test_random_usage_depends_on_its_key_alone_and_spreads():
    drawn = [make(say("x", usage="random"), key=(key,)).reported for key in range(30)]
    assert drawn == [make(say("x", usage="random"), key=(key,)).reported for key in range(30)]
    assert len({usage.output_tokens for usage in drawn if usage}) > 10
    assert (
        max(make(say("x", usage="random", overlong=True), key=(key,)).billed.output_tokens for key in range(30)) > 100
    )


def test_finish_reasons():
    assert make(say("x")).finish_reason == "stop"
    assert make(call("x")).finish_reason == "tool_calls"
    assert make(refuse()).finish_reason == "refusal"
    assert make(say("x", finish_reason="content_filter")).finish_reason == "content_filter"
    assert make(say("long enough"), max_tokens=1).finish_reason == "length"
    assert make(say("x", reasoning_tokens=500)).finish_reason == "length"
    assert not make(say("x", reasoning_tokens=500)).text


@given(st.text())
def test_pieces_make_the_text(text):
    pieces = split_pieces(text)
    assert "".join(pieces) == text
    assert all(pieces)


def test_lone_surrogates_are_counted_too():
    assert count_bytes("\ud800") == 3


@pytest.mark.parametrize("multiplier", [-1, 4.1, float("nan")])
def test_a_multiplier_above_the_byte_bound_is_refused(multiplier):
    with pytest.raises(ConfigError, match="input_multiplier"):
        check_multiplier(multiplier)


def test_max_tokens_of_none_is_a_mistake():
    with pytest.raises(AssertionError):
        make(say("x"), max_tokens=0)

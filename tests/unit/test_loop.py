"""The ReAct loop: how a run goes on, and each way in which it ends. Every run here is audited: see `tests.unit.audit`."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from tests.unit.audit import check_bill, open_bench, read_journal

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.budget.ledger import NUDGE_TOKENS
from surefoot.clock import SystemClock
from surefoot.config import Settings
from surefoot.errors import BudgetExceeded, ModelRefused, OutputInvalid, RunLost, StoreError
from surefoot.journal.events import (
    BudgetWarning,
    LimitReached,
    ModelFailed,
    ModelRequested,
    Nudged,
    RunFinished,
    TextDelta,
    Thought,
    ToolFinished,
)
from surefoot.journal.fold import fold
from surefoot.loop import DIGEST_BYTES
from surefoot.models.base import ModelProfile, Reply
from surefoot.next_call import FINAL_NUDGE
from surefoot.repeats import REPEAT_MESSAGES, find_repeated
from surefoot.runtime import Runtime
from surefoot.sections import RetrySettings
from surefoot.store.sqlite import SqliteStore
from surefoot.testing import ScriptedModel, call, calls, hang, refuse, say, status
from surefoot.types import Message, ToolCall, Usage

PRICES = {"model": {"input": 2, "output": 8}}


@tool(effect="read", output="trusted")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


@tool
async def note(text: str) -> str:
    """Write a note."""
    return f"noted {text}"


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path) as bench:
        yield bench


def kinds(events):
    return [type(event).__name__ for event in events if not isinstance(event, TextDelta)]


async def journal(bench, run_id=None):
    return (await bench.runtime.read_run(run_id or list(bench.store.live)[-1]))[1]


# --- a run that goes well


async def test_an_answer_at_once(bench):
    model = ScriptedModel([say("Fine.")])
    result = await bench.run(Agent(model, instructions="Be kind."), "How are you?", user="u")
    assert (result.output, result.text, result.stop_reason, result.limit) == ("Fine.", "Fine.", "final", "")
    assert [(m.role, m.text) for m in result.messages] == [
        ("system", "Be kind."), ("user", "How are you?"), ("assistant", "Fine."),
    ]  # fmt: skip
    assert kinds(await journal(bench)) == ["RunStarted", "ModelRequested", "ModelReplied", "RunFinished"]
    assert (result.budget.steps, result.budget.model_calls, result.budget.tool_calls) == (1, 1, 0)
    assert result.usage == model.bill.usage


async def test_reason_act_observe_until_the_answer(bench):
    model = ScriptedModel([calls(call("look", page=1), text="I look."), call("note", text="x"), say("Done.")])
    result = await bench.run(Agent(model, tools=[look, note]))
    assert [(m.role, m.text) for m in result.messages] == [
        ("user", "Go."), ("assistant", "I look."), ("tool", "page 1"), ("assistant", ""), ("tool", "noted x"),
        ("assistant", "Done."),
    ]  # fmt: skip
    assert kinds(await journal(bench)) == [
        "RunStarted",
        *["ModelRequested", "ModelReplied", "ToolIntended", "ToolFinished"] * 2,
        *["ModelRequested", "ModelReplied", "RunFinished"],
    ]
    assert [request.step for request in model.requests] == [1, 2, 3]
    assert [message.text for message in model.requests[2].messages] == [m.text for m in result.messages[:-1]]
    assert result.budget.tool_calls == 2


async def test_streaming_is_the_same_run_with_the_text_as_it_comes(bench):
    script = [calls(call("look", page=1), text="I look."), say("It is page one.")]
    events = await bench.stream(Agent(ScriptedModel(script), tools=[look]))
    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert texts == ["I ", "look.", "It ", "is ", "page ", "one."]
    plain = await bench.run(Agent(ScriptedModel(script), tools=[look]))
    assert kinds(events) == kinds(await journal(bench, plain.run_id))
    assert events[-1].output == plain.output
    first = next(index for index, event in enumerate(events) if isinstance(event, TextDelta))
    assert isinstance(events[first - 1], ModelRequested)


async def test_only_the_answer_streams_where_the_protocol_wraps_it(bench):
    script = [
        say('Thought: hm\nAction: look\nAction Input: {"page": 1}'),
        say("Thought: I know\nFinal Answer: One page."),
    ]
    events = await bench.stream(Agent(ScriptedModel(script, protocol="text"), tools=[look]))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "One page."
    assert events[-1].output == "One page."
    thoughts = [event.message.text for event in events if isinstance(event, Thought)]
    assert thoughts == ["hm", "One page."]


async def test_what_cannot_be_read_is_told_to_the_model(bench):
    model = ScriptedModel([say("no form at all"), say("Final Answer: 4")], protocol="text")
    result = await bench.run(Agent(model, tools=[look]))
    assert result.output == "4"
    thought = next(event for event in await journal(bench) if isinstance(event, Thought))
    assert "neither an Action nor a Final Answer" in thought.problem
    assert model.requests[1].messages[-1].text == thought.problem


async def test_an_empty_reply_is_not_an_answer(bench):
    result = await bench.run(Agent(ScriptedModel([say(""), say("Now.")])))
    assert result.output == "Now."
    assert "empty" in result.messages[2].text


# --- structured answers


@dataclass
class Verdict:
    ok: bool


async def test_a_structured_answer_is_mended_and_counted(bench):
    model = ScriptedModel([say("yes"), say('{"ok": 1}'), say('{"ok": true}')])
    result = await bench.run(Agent(model, output=Verdict))
    assert result.output == Verdict(ok=True)
    assert result.text == '{"ok": true}'
    events = await journal(bench)
    assert [event.purpose for event in events if isinstance(event, ModelRequested)] == ["step", "repair", "repair"]
    nudges = [event.text for event in events if isinstance(event, Nudged)]
    assert len(nudges) == 2
    assert nudges[0].startswith("The answer does not fit: ")
    assert model.requests[1].messages[-1].text == nudges[0]


async def test_repairs_are_bounded(bench):
    error = await bench.fails(OutputInvalid, Agent(ScriptedModel([say("no")] * 9), output=Verdict, repairs=1))
    assert error.code == "output_invalid"
    assert (await bench.last()).model_calls == 2
    await bench.fails(OutputInvalid, Agent(ScriptedModel([say("no")] * 9), output=Verdict, repairs=0))
    assert (await bench.last()).model_calls == 1


async def test_a_structured_answer_at_the_budgets_end_is_taken_if_it_fits_and_never_raises(bench):
    limits = Limits(steps=1)
    result = await bench.run(Agent(ScriptedModel([say('{"ok": true}')]), output=Verdict, limits=limits))
    assert (result.output, result.stop_reason, result.limit) == (Verdict(ok=True), "budget", "steps")
    result = await bench.run(Agent(ScriptedModel([say("perhaps")]), output=Verdict, limits=limits))
    assert (result.output, result.text, result.stop_reason) == (None, "perhaps", "budget")


# --- how a reply may end


@pytest.mark.parametrize("reason", ["content_filter", "refusal"])
async def test_a_blocked_reply_ends_the_run(bench, reason):
    model = ScriptedModel([refuse("I will not.", finish_reason=reason)])
    result = await bench.run(Agent(model, output=Verdict))
    assert (result.output, result.text, result.stop_reason, result.limit) == (None, "I will not.", reason, "")


async def test_a_blocked_reply_without_a_word_ends_the_run_too(bench):
    result = await bench.run(Agent(ScriptedModel([refuse("", finish_reason="content_filter")])))
    assert (result.output, result.stop_reason) == ("", "content_filter")


async def test_a_blocked_reply_at_the_budgets_end_says_so(bench):
    result = await bench.run(Agent(ScriptedModel([refuse()]), limits=Limits(steps=1)))
    assert (result.stop_reason, result.limit) == ("refusal", "")


async def test_an_answer_cut_by_the_models_own_maximum(bench):
    result = await bench.run(Agent(ScriptedModel([say("word " * 100)]), max_tokens=8))
    assert (result.stop_reason, result.limit) == ("length", "")
    assert len(result.output) == 32


@pytest.mark.parametrize(("limits", "limit"), [(Limits(tokens=1_000), "tokens"), (Limits(usd="0.003"), "usd")])
async def test_an_answer_cut_by_the_budget_names_the_limit(tmp_path, limits, limit):
    async with open_bench(tmp_path, prices=PRICES) as bench:
        model = ScriptedModel([say("word " * 1_000)])
        result = await bench.run(Agent(model, limits=limits))
        assert (result.stop_reason, result.limit) == ("budget", limit)
        requested = next(event for event in await journal(bench) if isinstance(event, ModelRequested))
        assert model.requests[0].max_tokens == requested.max_tokens < 1024


# --- limits


def endless(**options):
    return ScriptedModel(lambda messages, step: call("look", page=step), **options)


def greedy(last="So far: page 1."):
    """Asks for tools as long as it may, then answers."""
    model = ScriptedModel(lambda messages, step: choose(model, step))

    def choose(model, step):
        return call("look", page=step) if model.requests[-1].options.allow_tools else say(last)

    return model


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(steps=3), "steps"),
        (Limits(model_calls=3), "model_calls"),
        (Limits(tool_calls=2), "tool_calls"),
        (Limits(tokens=1_600, steps=UNLIMITED), "tokens"),
        (Limits(usd="0.006", steps=UNLIMITED), "usd"),
    ],
)
async def test_a_run_that_hits_a_limit_gives_the_answer_it_has(tmp_path, limits, limit):
    async with open_bench(tmp_path, prices=PRICES) as bench:
        model = greedy()
        result = await bench.run(Agent(model, tools=[look], limits=limits, max_tokens=200))
        assert (result.output, result.stop_reason, result.limit) == ("So far: page 1.", "budget", limit)
        assert result.budget.tool_calls >= 1
        last = model.requests[-1]
        assert not last.options.allow_tools
        reached = next(event for event in await journal(bench) if isinstance(event, LimitReached))
        assert reached.limit == limit
        assert last.messages[-1].text == FINAL_NUDGE.format(why=reached.message)
        requested = [event for event in await journal(bench) if isinstance(event, ModelRequested)]
        assert [event.purpose for event in requested] == ["step"] * (len(requested) - 1) + ["final"]


class Skipping(SystemClock):
    """A clock that a test can put forward."""

    def __init__(self):
        super().__init__()
        self.skipped_s = 0
        now_s = self.monotonic
        self.monotonic = lambda: now_s() + self.skipped_s


async def test_the_last_part_of_the_time_is_kept_for_the_answer(tmp_path):
    clock = Skipping()

    @tool(effect="read")
    async def wait() -> str:
        """Wait."""
        clock.skipped_s = 900
        return "waited"

    async with open_bench(tmp_path, clock=clock) as bench:
        model = ScriptedModel([call("wait"), say("Waited.")])
        result = await bench.run(Agent(model, tools=[wait], limits=Limits(seconds=1_000)))
        assert (result.output, result.stop_reason, result.limit) == ("Waited.", "budget", "seconds")
        assert result.budget.seconds > 900


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(steps=3, on_limit="raise"), "steps"),
        (Limits(model_calls=3, on_limit="raise"), "model_calls"),
        (Limits(tool_calls=2, on_limit="raise"), "tool_calls"),
        (Limits(tokens=1_200, steps=UNLIMITED, on_limit="raise"), "tokens"),
        (Limits(usd="0.006", steps=UNLIMITED, on_limit="raise"), "usd"),
        (Limits(seconds=0.2, on_limit="raise"), "seconds"),
    ],
)
async def test_a_limit_raises_if_it_is_told_to(tmp_path, limits, limit):
    async with open_bench(tmp_path, prices=PRICES) as bench:
        model = ScriptedModel([hang()] * 9) if limit == "seconds" else endless()
        error = await bench.fails(BudgetExceeded, Agent(model, tools=[look], limits=limits, max_tokens=200))
        assert error.limit == limit
        state = await bench.last()
        assert (state.finished.stop_reason, state.finished.limit) == ("budget", limit)
        assert state.finished.error_code == "budget"
        if limit in {"steps", "model_calls"}:
            assert state.model_calls == 3  # nothing is kept back
        if limit == "tool_calls":
            assert state.tool_calls == 2


async def test_raising_leaves_a_run_alone_that_keeps_to_its_limits(bench):
    limits = Limits(steps=3, model_calls=3, tool_calls=2, on_limit="raise")
    result = await bench.run(Agent(ScriptedModel([call("look", page=1), call("look", page=2), say("Both.")]),
                                   tools=[look], limits=limits))  # fmt: skip
    assert (result.output, result.stop_reason) == ("Both.", "final")


async def test_a_prompt_that_never_fits_ends_in_a_digest_and_costs_nothing(bench):
    model = ScriptedModel([say("never")])
    result = await bench.run(Agent(model, limits=Limits(tokens=20)), "A question of some length.")
    assert (result.stop_reason, result.limit, result.budget.model_calls) == ("budget", "tokens", 0)
    assert result.output.splitlines() == [
        (
            "Stopped before an answer: the limit on tokens was reached "
            "(20 of 20 tokens are left; two prompts of up to 42, the last kept, do not fit)."
        ),
        "Nothing was found yet.",
    ]
    assert model.requests.total == 0
    assert (await bench.runtime.list_runs())[0].question == "A question of some length."


async def test_a_digest_lists_what_the_tools_found(bench):
    @tool(effect="read")
    async def bad() -> str:
        """Fail."""
        raise ValueError

    model = ScriptedModel([calls(call("look", page=1), call("bad"), call("look", page=2)), call("look", page=3)])
    result = await bench.run(Agent(model, tools=[look, bad], limits=Limits(steps=2)))
    assert result.output == (
        "Stopped before an answer: the limit on steps was reached (step 2 of 2 is kept for the answer).\nFound so far:\n- page 1\n- page 2"
    )


async def test_a_digest_without_findings_gives_the_last_thought_and_is_bounded(bench):
    model = ScriptedModel([calls(call("nothing"), text="I wonder. " * 900), call("nothing")], max_output_tokens=4096)
    result = await bench.run(Agent(model, limits=Limits(steps=2)))
    assert "Last thought:\nI wonder. I wonder." in result.output
    assert len(result.output.encode()) <= DIGEST_BYTES + 100
    assert "bytes cut" in result.output


async def test_a_last_answer_that_is_none_ends_the_run_with_a_digest(bench):
    result = await bench.run(Agent(endless(), tools=[look], limits=Limits(steps=2)))
    assert result.output.endswith("- page 1")
    assert result.budget.model_calls == 2


async def test_warnings_come_once_for_each_limit(bench):
    limits = Limits(steps=10, tokens=UNLIMITED, tool_calls=4, warn_at=0.5)
    model = ScriptedModel([*[call("look", page=n) for n in range(4)], say("Done.")])
    events = await bench.stream(Agent(model, tools=[look], limits=limits))
    warned = [(event.limit, event.used, event.of) for event in events if isinstance(event, BudgetWarning)]
    assert warned == [("tool_calls", 2, 4), ("steps", 5, 10)]
    assert sum(isinstance(event, ToolFinished) for event in events) == 4  # more has passed the mark than was told of


async def test_a_result_is_cut_to_leave_room_for_the_answer(bench):
    @tool(effect="read", max_output_bytes=100_000)
    async def read(what: str) -> str:
        """Read much."""
        return {"quotes": '"' * 40_000, "words": "word " * 8_000, "control": "\x01" * 20_000, "wide": "\ufdfa" * 9_000}[
            what
        ]

    for what in ("quotes", "words", "control", "wide"):
        model = ScriptedModel(lambda messages, step, what=what: call("read", what=what) if step == 1 else say("Read."))
        result = await bench.run(Agent(model, tools=[read], limits=Limits(tokens=6_000)))
        assert result.output == "Read."
        finished = next(event for event in await journal(bench) if isinstance(event, ToolFinished))
        assert finished.cut_bytes > 0
        assert f"[{finished.cut_bytes} of " in finished.content


async def test_every_event_is_on_disk_when_it_is_seen(bench):
    """A stream is never ahead of the journal, except with the text of a reply that is still coming."""
    script = [calls(call("look", page=1), call("note", text="x"), text="I look."), status(503), say("Done.")]
    seen = []
    async with aclosing(bench.runtime.stream(Agent(ScriptedModel(script), tools=[look, note]), "Go.")) as stream:
        async for event in stream:
            if not isinstance(event, TextDelta):
                seen.append(event)
                assert (await journal(bench))[: len(seen)] == seen
    assert isinstance(seen[-1], RunFinished)


async def test_the_nudge_fits_what_is_kept_for_it():
    longest = "9999999999 of 9999999999 tokens are left; two prompts of up to 9999999999, the last kept, do not fit"
    assert len(FINAL_NUDGE.format(why=longest)) + 40 <= NUDGE_TOKENS


# --- retries and what is kept for the answer


async def test_a_retry_leaves_what_is_kept_for_the_answer(bench):
    model = ScriptedModel([call("look", page=1), status(503), status(503), status(503), say("Partly.")])
    result = await bench.run(Agent(model, tools=[look], limits=Limits(model_calls=4)))
    assert (result.stop_reason, result.limit) == ("budget", "model_calls")
    requested = [event for event in await journal(bench) if isinstance(event, ModelRequested)]
    assert [(event.step, event.attempt, event.purpose) for event in requested] == [
        (1, 1, "step"), (2, 1, "step"), (2, 2, "step"), (3, 1, "final"),
    ]  # fmt: skip
    assert (
        result.output
        == "Stopped before an answer: the limit on model_calls was reached (model call 4 of 4 is kept for the answer).\nFound so far:\n- page 1"
    )


async def test_the_last_answer_is_tried_again_while_the_budget_allows(bench):
    model = ScriptedModel([call("look", page=1), status(503), say("Partly.")])
    result = await bench.run(Agent(model, tools=[look], limits=Limits(steps=2)))
    assert (result.output, result.stop_reason) == ("Partly.", "budget")
    assert result.budget.steps == 2


# --- failures


async def test_a_refusal_of_the_request_ends_the_run_with_an_error(bench):
    error = await bench.fails(ModelRefused, Agent(ScriptedModel([status(401, "bad key")])), match="HTTP 401")
    assert "\n" not in str(error)
    state = await bench.last()
    assert (state.finished.stop_reason, state.finished.error) == ("error", str(error))
    assert (state.tokens, state.model_calls) == (0, 1)


class Odd(Message, frozen=True):
    """Can be journaled but not read."""

    @property
    def text(self):
        raise ZeroDivisionError("text")


class Broken:
    """A model of the user's own with a bug in it."""

    def __init__(self, where):
        self.profile = ModelProfile("own:broken", "scripted", "broken")
        self.where = where
        self.inner = ScriptedModel([say("x")])

    def open(self, tools, temperature):
        if self.where == "open":
            raise ZeroDivisionError("open")
        return self.inner.open(tools, temperature)

    async def respond(self, prompt, max_tokens, options, timeout_s):
        match self.where:
            case "none":
                return None
            case "message":
                return Reply(None, Usage(1, 1), "stop")
            case "text":
                return Reply(Odd("assistant"), Usage(1, 1), "stop")
            case "usage":
                return Reply(Message.assistant("x"), "many", "stop")
            case "cancelled":
                raise asyncio.CancelledError
            case _:
                raise ZeroDivisionError(self.where)

    async def stream(self, prompt, max_tokens, options, timeout_s):
        reply = await self.respond(prompt, max_tokens, options, timeout_s)
        if reply is not None:
            yield reply


@pytest.mark.parametrize(
    ("where", "error", "held"),
    [
        ("open", ZeroDivisionError, False),
        ("respond", ZeroDivisionError, True),
        ("none", AssertionError, True),
        ("usage", AttributeError, True),
        ("message", AssertionError, True),
    ],
)
async def test_a_bug_in_a_model_is_journaled_and_costs_what_it_may_have(bench, where, error, held):
    with pytest.raises(error):
        await bench.run(Agent(Broken(where)))
    state = await bench.last()
    assert (state.finished.stop_reason, state.finished.error_code) == ("error", "internal")
    assert (state.tokens > 0) is held


async def test_a_bug_in_a_streaming_model_is_journaled(bench):
    with pytest.raises(ZeroDivisionError):
        await bench.stream(Agent(Broken("respond")))
    state = await bench.audit_stream(bench.events)
    assert state.finished.error == "respond"


async def test_a_reply_is_charged_before_it_is_read(bench):
    """What the protocol trips over has been paid for, and the journal says so."""
    with pytest.raises(ZeroDivisionError):
        await bench.run(Agent(Broken("text")))
    state = await bench.last()
    assert (state.tokens, state.usage, state.finished.error) == (2, Usage(1, 1), "text")


async def test_a_model_that_cancels_itself_ends_as_cancelled(bench):
    with pytest.raises(asyncio.CancelledError):
        await bench.run(Agent(Broken("cancelled")))
    state = await bench.last()
    assert state.finished.stop_reason == "cancelled"
    assert state.tokens > 0


def test_only_the_same_call_counts_as_repeated():
    def asked(name, arguments):
        return Message.assistant("", (ToolCall("c", name, arguments),))

    assert find_repeated([asked("a", "1"), asked("a", "2"), asked("b", "1")]) == frozenset()
    assert find_repeated([asked("a", "1"), Message.user("x"), asked("b", "1"), asked("a", "1")]) == {"a"}
    assert find_repeated([asked("a", "1"), *[Message.user("x")] * REPEAT_MESSAGES, asked("a", "1")]) == frozenset()


# --- cancellation


def waiting_model(waits_at, reached):
    """Calls tools until its call ``waits_at``, in which it never replies."""

    async def reply(messages, step):
        if step == waits_at:
            reached.set()
            await asyncio.get_running_loop().create_future()
        return call("look", page=step)

    return ScriptedModel(reply)


async def cancel(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("way", ["run", "stream"])
@pytest.mark.parametrize("waits_at", [1, 2])
async def test_a_task_cancelled_while_the_model_answers(bench, way, waits_at):
    reached = asyncio.Event()
    model = waiting_model(waits_at, reached)
    task = asyncio.create_task(getattr(bench, way)(Agent(model, tools=[look])))
    await reached.wait()
    await cancel(task)
    state = await bench.last()
    assert (state.finished.stop_reason, state.finished.error) == ("cancelled", "")
    assert state.model_calls == waits_at
    failed = (await journal(bench))[-2]
    requested = next(event for event in reversed(await journal(bench)) if isinstance(event, ModelRequested))
    assert (failed.code, failed.tokens, failed.nano) == ("cancelled", requested.hold_tokens, requested.hold_nano)
    check_bill(model.bill, [state])


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_task_cancelled_while_tools_run(bench, parallel):
    reached = asyncio.Event()
    undone = []

    @tool
    async def wait() -> str:
        """Wait."""
        reached.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            undone.append(1)

    both = calls(call("look", page=1), call("wait")) if parallel else call("wait")
    task = asyncio.create_task(bench.run(Agent(ScriptedModel([both]), tools=[look, wait])))
    await reached.wait()
    await cancel(task)
    assert undone == [1]
    state = await bench.last()
    assert state.finished.stop_reason == "cancelled"
    assert [intent.call.name for intent in state.intended.values()] == ["wait"]
    assert state.tool_calls == parallel
    assert state.tokens == state.usage.total_tokens > 0


async def test_a_task_cancelled_between_two_attempts(tmp_path):
    async with open_bench(tmp_path, retry=RetrySettings(base_s=30, max_s=30)) as bench:
        reached = asyncio.Event()

        def reply(messages, step):
            asyncio.get_running_loop().call_later(0.01, reached.set)
            return status(503)

        task = asyncio.create_task(bench.run(Agent(ScriptedModel(reply))))
        await reached.wait()
        await cancel(task)
        state = await bench.last()
        assert (state.finished.stop_reason, state.tokens, state.model_calls) == ("cancelled", 0, 1)


async def test_a_stream_closed_early_at_any_event_ends_as_cancelled(bench):
    """What was in flight is settled, what never left costs nothing, and what had ended has ended."""
    script = [calls(call("look", page=1), text="I look."), status(500), say("One page it is.")]
    whole = await bench.stream(Agent(ScriptedModel(script), tools=[look]))
    assert len(whole) > 10
    last = max(index for index, event in enumerate(whole) if isinstance(event, TextDelta))
    for stop in range(1, len(whole)):
        model = ScriptedModel(script)
        seen = []
        async with aclosing(bench.runtime.stream(Agent(model, tools=[look]), "Go.")) as stream:
            async for event in stream:
                seen.append(event)
                if len(seen) == stop:
                    break
        state = await bench.last()
        assert kinds(seen) == kinds(whole[:stop])
        assert state.finished.stop_reason == ("cancelled" if stop <= last + 1 else "final")
        check_bill(model.bill, [state])
        failed = [
            event for event in await journal(bench) if isinstance(event, ModelFailed) and event.code == "cancelled"
        ]
        if isinstance(seen[-1], TextDelta) and not seen[-1].text.endswith("."):  # the last word waits for the reply
            assert failed[0].tokens > 0
        elif isinstance(seen[-1], ModelRequested):
            assert (failed[0].tokens, model.requests.total) == (0, state.model_calls - 1)


async def test_a_stream_that_is_left_after_the_end_has_ended_well(bench):
    async with aclosing(bench.runtime.stream(Agent(ScriptedModel([say("Hi.")])), "Go.")) as stream:
        async for event in stream:
            if isinstance(event, RunFinished):
                break
    assert (await bench.last()).finished.stop_reason == "final"


class Streaming(ScriptedModel):
    """Streams what a test's own generator gives."""

    def __init__(self, pieces):
        super().__init__([])
        self.pieces = pieces

    def stream(self, prompt, max_tokens, options, timeout_s):
        return self.pieces()


async def test_a_closed_stream_closes_the_models_at_once(bench):
    ended = []

    async def stream():
        try:
            yield "word "
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            ended.append(bench.store.live[next(iter(bench.store.live))].state.finished)

    async with aclosing(bench.runtime.stream(Agent(Streaming(stream)), "Go.")) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    assert ended == [None]  # before the run's own end was written
    assert (await bench.last()).finished.stop_reason == "cancelled"


class Pieces:
    """An iterator that is no generator, and needs no closing."""

    def __init__(self):
        self.words = iter(["one", " two"])

    def __aiter__(self):
        return self

    async def __anext__(self):
        return next(self.words)


async def test_a_stream_that_is_no_generator_can_be_left_too(bench):
    async with aclosing(bench.runtime.stream(Agent(Streaming(Pieces)), "Go.")) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    assert (await bench.last()).finished.stop_reason == "cancelled"


async def test_a_reply_that_came_before_the_cancellation_is_charged_as_reported(bench):
    reached = asyncio.Event()

    async def stream():
        yield Reply(Message.assistant("Hi."), Usage(5, 2), "stop")
        reached.set()
        await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(bench.stream(Agent(Streaming(stream))))
    await reached.wait()
    await cancel(task)
    state = await bench.last()
    assert (state.tokens, state.usage, state.finished.stop_reason) == (7, Usage(5, 2), "cancelled")


# --- a store that fails


def failing(kind, number, error=None):
    return lambda what, count: (error or StoreError("disk full")) if (what, count) == (kind, number) else None


@pytest.mark.parametrize(("kind", "number", "requests"), [("create", 1, 0), ("append", 2, 1), ("finish", 3, 2)])
@pytest.mark.parametrize(
    ("way", "error"), [("run", StoreError("disk full")), ("run", RunLost("taken over")), ("stream", StoreError("full"))]
)
async def test_nothing_is_sent_after_a_hold_that_is_not_written(tmp_path, *, kind, number, requests, way, error):
    async with open_bench(tmp_path, fault=failing(kind, number, error)) as bench:
        model = ScriptedModel([call("look", page=1), say("Done.")])
        with pytest.raises(type(error), match=str(error)):
            await getattr(bench, way)(Agent(model, tools=[look]))
        assert model.requests.total == requests
        run_id = next(iter(bench.store.live))
        assert bench.store.writes[run_id][-1] == kind  # and nothing after it


async def test_a_tool_that_writes_never_starts_without_its_intent(tmp_path):
    started = []

    @tool
    async def pay() -> str:
        """Pay."""
        started.append(1)
        return "paid"

    for error in (StoreError("disk full"), RunLost("taken over")):
        async with open_bench(tmp_path, fault=failing("append", 2, error)) as bench:
            with pytest.raises(type(error)):
                await bench.run(Agent(ScriptedModel([call("pay"), say("Done.")]), tools=[pay]))
    assert started == []


async def test_relaxed_durability_notices_a_failed_write_at_the_next_one(tmp_path):
    """Nothing waits for the disk, and yet a run that lost its journal does not go on for long."""
    async with open_bench(tmp_path, fault=failing("create", 1), durability="relaxed") as bench:
        model = endless()
        with pytest.raises(StoreError):
            await bench.run(Agent(model, tools=[look]))
        assert model.requests.total == 1


async def test_a_store_of_another_kind_may_raise_what_it_likes(tmp_path):
    for kind, number in (("append", 2), ("finish", 3)):
        async with open_bench(tmp_path, fault=failing(kind, number, OSError("no route"))) as bench:
            with pytest.raises(OSError, match="no route"):
                await bench.run(Agent(ScriptedModel([call("look", page=1), say("Done.")]), tools=[look]))


class Slow(SqliteStore):
    """A disk that takes its time when a run ends."""

    def __init__(self, path):
        super().__init__(path, clock=SystemClock())
        self.asked, self.may_finish = asyncio.Event(), asyncio.Event()

    def finish(self, row, seq, record, posting=None):
        self.asked.set()
        return asyncio.ensure_future(self._finish(row, seq, record, posting))

    async def _finish(self, row, seq, record, posting):
        await self.may_finish.wait()
        await super().finish(row, seq, record, posting)


@pytest.mark.parametrize("model", [ScriptedModel([say("Hi.")]), ScriptedModel([status(401)])])
async def test_whoever_is_cancelled_while_the_end_is_written_leaves_a_closed_journal(tmp_path, model):
    store = Slow(tmp_path / "slow.db")
    async with open_bench(tmp_path, inner=store) as bench:
        task = asyncio.create_task(bench.run(Agent(model)))
        await store.asked.wait()
        task.cancel()
        asyncio.get_running_loop().call_later(0.01, store.may_finish.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await bench.last()).finished.stop_reason == ("final" if model.bill.tokens else "error")


async def test_a_run_that_is_cancelled_while_its_end_is_written_has_ended(tmp_path):
    """Asked of Surefoot: too late, so the answer stands."""
    store = Slow(tmp_path / "slow.db")
    async with open_bench(tmp_path, inner=store) as bench:
        task = asyncio.create_task(bench.run(Agent(ScriptedModel([say("Hi.")]))))
        await store.asked.wait()
        assert await bench.runtime.cancel(next(iter(bench.store.live))) is False
        store.may_finish.set()
        assert (await task).stop_reason == "final"


async def test_a_full_disk(tmp_path):
    store = SqliteStore(tmp_path / "small.db", clock=SystemClock(), max_bytes=200_000)
    async with open_bench(tmp_path, inner=store) as bench:
        words = ScriptedModel(lambda messages, step: call("note", text="x" * 20_000), max_output_tokens=8_000)
        limits = Limits(tokens=UNLIMITED, steps=UNLIMITED, tool_calls=UNLIMITED, model_calls=UNLIMITED)
        with pytest.raises(StoreError, match="no space left"):
            await bench.run(Agent(words, tools=[note], limits=limits))
        run_id = next(iter(bench.store.live))
        written = fold(await read_journal(store, run_id))
        assert written.finished is None
        assert words.requests.total == written.model_calls  # nothing was sent that is not in the journal
        assert (await bench.runtime.read_run(run_id))[0].status in {"running", "lost"}


async def test_a_store_that_fails_at_the_end_of_a_cancelled_run_is_heard_of(tmp_path):
    async with open_bench(tmp_path, fault=failing("finish", 2)) as bench:
        reached = asyncio.Event()
        task = asyncio.create_task(bench.run(Agent(waiting_model(1, reached))))
        await reached.wait()
        task.cancel()
        with pytest.raises(StoreError, match="disk full"):
            await task


class Hanging(SqliteStore):
    """A disk that never answers when a run ends."""

    def finish(self, row, seq, record, posting=None):
        return asyncio.get_running_loop().create_future()


async def test_a_store_that_hangs_does_not_hold_a_cancelled_run_for_ever(tmp_path, caplog):
    """Takes `FINISH_TIMEOUT_S`: one run is cancelled before the runtime ends, the other by its end."""
    reached, both = asyncio.Event(), asyncio.Event()
    async with Runtime(Hanging(tmp_path / "h.db", clock=SystemClock()), settings=Settings()) as runtime:
        other = asyncio.create_task(runtime.run(Agent(waiting_model(1, both)), "Go."))
        task = asyncio.create_task(runtime.run(Agent(waiting_model(1, reached)), "Go."))
        await asyncio.gather(both.wait(), reached.wait())
        task.cancel()
    assert task.cancelled()
    assert (await other).stop_reason == "cancelled"
    assert "its end is not on disk 5 s after it was cancelled" in caplog.text


class Outcome(BaseException):
    """What a test framework raises, no `Exception`."""


async def test_whatever_a_model_raises_the_journal_has_an_end(bench):
    def reply(messages, step):
        raise Outcome

    with pytest.raises(Outcome):
        await bench.run(Agent(ScriptedModel(reply)))
    events = await journal(bench)
    assert (events[-1].stop_reason, events[-1].error_code) == ("error", "internal")
    assert fold(events).holds == {}

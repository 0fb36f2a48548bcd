"""What was cut of a tool's output can be read on in, by the session it belongs to and nobody else."""

import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.audit import open_bench, read_journal

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.errors import StoreError
from surefoot.journal.context_events import OutputKept
from surefoot.journal.events import ToolFinished
from surefoot.observation import MOST_KEPT_BYTES
from surefoot.read_more import (
    MOST_KEPT,
    MOST_KEPT_OF_RUN,
    Passage,
    count_in_prompt,
    find_longest,
    read_more,
    show_passage,
)
from surefoot.sections import ContextSettings
from surefoot.testing import ScriptedModel, call, calls, say
from surefoot.types import Label

WIDE = Limits(tokens=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED)
THIRD = Label("third_party", source="dump")
BOOK = "".join(f"line {number}: é{number * 7}\n" for number in range(1_500))
NOTE = re.compile(r"\n\[(\d+) of (\d+) bytes are left\. To read on, call read_more with (\{.*\})\]$")


@tool(effect="read", max_output_bytes=2_000)
async def dump() -> str:
    """Dump the book."""
    return BOOK


def read_all(messages, _):
    """Dumps, then follows the notes to the end."""
    last = messages[-1]
    if last.role != "tool" and "Observation" not in last.text and "Result" not in last.text:
        return call("dump")
    note = NOTE.search(last.text)
    return say("read") if note is None else call_with(note[3])


def call_with(arguments):
    return call("read_more", **msgspec.json.decode(arguments))


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path) as bench:
        yield bench


def results(messages):
    return [message for message in messages if message.role == "tool"]


def join(texts):
    return "".join([NOTE.sub("", text) for text in texts])


def kept_of(events):
    return [event for event in events if isinstance(event, OutputKept)]


async def test_the_model_reads_on_to_the_end_by_what_the_notes_say(bench):
    result = await bench.run(Agent(ScriptedModel(read_all), tools=[dump], limits=WIDE))
    read = results(result.messages)
    assert join(message.text for message in read) == BOOK
    assert all(len(message.text.encode()) <= 2_000 for message in read[:1])
    assert all(len(message.text.encode()) <= read_more.max_output_bytes for message in read)
    assert {part.label for message in read for part in message.parts} == {THIRD}
    events = await read_journal(bench.store, result.run_id)
    (kept,) = kept_of(events)
    assert (kept.text, kept.label, kept.name, kept.all_bytes) == (BOOK, THIRD, "dump", len(BOOK.encode()))
    assert result.budget.tool_calls == len(read) > 2


@pytest.mark.parametrize("protocol", ["json", "text"])
async def test_protocols_without_native_calls_read_on_as_well(bench, protocol):
    def reply(messages, _):
        note = NOTE.search(messages[-1].text)
        begun = len(messages) > 2
        name, arguments = ("dump", "{}") if not begun else ("read_more", note[3]) if note else ("", "")
        if protocol == "text":
            return say(
                f"Thought: t\nAction: {name}\nAction Input: {arguments}" if name else "Thought: t\nFinal Answer: read"
            )
        if name:
            return say(f'{{"thought": "t", "action": "{name}", "args": {arguments}}}')
        return say('{"thought": "t", "action": "final", "answer": "read"}')

    result = await bench.run(Agent(ScriptedModel(reply, protocol=protocol), tools=[dump], limits=WIDE))
    assert result.output == "read"
    assert join(message.text for message in results(result.messages)) == BOOK


async def test_what_the_budget_has_no_room_for_is_kept_as_well(bench):
    @tool(effect="read", max_output_bytes=100_000)
    async def read() -> str:
        """Read."""
        return BOOK

    result = await bench.run(
        Agent(ScriptedModel([call("read"), say("Done.")]), tools=[read], limits=Limits(tokens=6_000))
    )
    (kept,) = kept_of(await read_journal(bench.store, result.run_id))
    (shown,) = results(result.messages)
    note = NOTE.search(shown.text)
    offset = msgspec.json.decode(note[3])["offset"]
    assert kept.text.encode()[:offset].decode() == NOTE.sub("", shown.text)
    assert (int(note[1]), int(note[2])) == (len(BOOK.encode()) - offset, len(BOOK.encode()))


async def test_a_later_turn_of_the_session_reads_on_and_nobody_else_does(bench):
    first = ScriptedModel([call("dump"), say("cut")])
    result = await bench.run(Agent(first, tools=[dump], limits=WIDE), "a", user="u", session="s", tenant="t")
    arguments = msgspec.json.decode(NOTE.search(results(result.messages)[0].text)[3])

    async def ask(**who):
        model = ScriptedModel([call("read_more", **arguments), say("Done.")])
        later = await bench.run(Agent(model, tools=[dump], limits=WIDE), "b", **who)
        return results(later.messages)[-1]

    mine = await ask(user="u", session="s", tenant="t")
    assert BOOK.encode()[arguments["offset"] :].decode().startswith(NOTE.sub("", mine.text))
    assert mine.parts[0].label == THIRD
    alone = await bench.run(Agent(first, tools=[dump], limits=WIDE), "a", user="u")
    arguments = msgspec.json.decode(NOTE.search(results(alone.messages)[0].text)[3])
    assert (await ask(user="u")).is_error, "runs without a session share nothing"
    arguments = msgspec.json.decode(NOTE.search(results(result.messages)[0].text)[3])
    again = await ask(user="u", session="s", tenant="t")
    assert again.text == mine.text
    for who in ({"user": "v", "session": "s", "tenant": "t"}, {"user": "u", "session": "s"}, {"user": "u"}, {},
                {"user": "u", "session": "s2", "tenant": "t"}):  # fmt: skip
        other = await ask(**who)
        assert other.is_error
        assert other.text.startswith("There is no text")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"reference": "x.1"}, "There is no text 'x.1'"),
        ({"reference": ""}, "There is no text ''"),
        ({"reference": "y" * 500}, "There is no text 'yyyy"),
        ({}, "reference"),
        ({"reference": "REF", "offset": -1}, "offset: must be from 0 to"),
        ({"reference": "REF", "offset": 10**9}, "offset: must be from 0 to"),
        ({"reference": "REF", "offset": "far"}, "offset"),
        ({"reference": "REF", "more": 1}, "more"),
    ],
)
async def test_wrong_arguments_are_told(bench, arguments, says):
    def reply(messages, step):
        if step > 1 and "reference" in arguments:
            note = NOTE.search(messages[2].text)
            arguments["reference"] = arguments["reference"].replace("REF", msgspec.json.decode(note[3])["reference"])
        return [call("dump"), call("read_more", **arguments), say("Done.")][step - 1]

    result = await bench.run(Agent(ScriptedModel(reply), tools=[dump], limits=WIDE))
    told = results(result.messages)[-1]
    assert told.is_error
    assert says in told.text
    assert len(told.text) < 400


async def test_reading_on_costs_tool_calls_like_any_other(bench):
    result = await bench.run(
        Agent(ScriptedModel(read_all), tools=[dump], limits=Limits(tool_calls=2, tokens=UNLIMITED))
    )
    assert (result.stop_reason, result.limit, result.budget.tool_calls) == ("budget", "tool_calls", 2)


async def test_what_a_run_keeps_is_bounded_in_number_and_bytes(bench):
    @tool(effect="read", max_output_bytes=300)
    async def small() -> str:
        """Give a little more than fits."""
        return "x" * 1_000

    @tool(effect="read", max_output_bytes=300)
    async def huge() -> str:
        """Give far more than fits."""
        return "é" * MOST_KEPT_BYTES

    many = ScriptedModel([calls(*[call("small") for _ in range(MOST_KEPT + 3)]), say("Done.")])
    result = await bench.run(Agent(many, tools=[small], limits=WIDE))
    assert len(kept_of(await read_journal(bench.store, result.run_id))) == MOST_KEPT
    shown = [message.text for message in results(result.messages)]
    assert sum(NOTE.search(text) is None and "ask for less at a time" in text for text in shown) == 3

    much = ScriptedModel([calls(*[call("huge") for _ in range(6)]), say("Done.")])
    result = await bench.run(Agent(much, tools=[huge], limits=WIDE))
    kept = kept_of(await read_journal(bench.store, result.run_id))
    assert len(kept) == MOST_KEPT_OF_RUN // MOST_KEPT_BYTES == 4
    assert all(len(event.text.encode()) == MOST_KEPT_BYTES and event.all_bytes == 2 * MOST_KEPT_BYTES for event in kept)

    def to_the_end(messages, step):
        if step == 1:
            return call("huge")
        note = NOTE.search(messages[-1].text)
        if note is None:
            return say("end")
        at = msgspec.json.decode(note[3])
        return call("read_more", reference=at["reference"], offset=max(at["offset"], MOST_KEPT_BYTES - 100))

    result = await bench.run(Agent(ScriptedModel(to_the_end), tools=[huge], limits=WIDE))
    assert results(result.messages)[-1].text.endswith(
        f"\n[the last {MOST_KEPT_BYTES} of {2 * MOST_KEPT_BYTES} bytes are not kept: ask for less at a time]"
    )


async def test_it_is_offered_always_or_never(tmp_path):
    @tool(name="read_more", effect="read")
    async def own(page: int) -> str:
        """Read a page."""
        return f"page {page}"

    def names(model):
        return [[spec.name for spec in request.tools] for request in model.requests]

    async with open_bench(tmp_path) as bench:
        model = ScriptedModel([call("dump"), say("Done.")])
        await bench.run(Agent(model, tools=[dump], limits=WIDE))
        assert names(model) == [["dump", "read_more"]] * 2
        model = ScriptedModel([say("Done.")])
        await bench.run(Agent(model))
        assert names(model) == [[]]
        model = ScriptedModel([call("read_more", page=3), say("Done.")])
        result = await bench.run(Agent(model, tools=[own, dump]))
        assert [message.text for message in results(result.messages)] == ["page 3"]
    async with open_bench(tmp_path, context=ContextSettings(read_more=False)) as bench:
        model = ScriptedModel([call("dump"), say("Done.")])
        result = await bench.run(Agent(model, tools=[dump], limits=WIDE))
        assert names(model) == [["dump"]] * 2
        assert kept_of(await read_journal(bench.store, result.run_id)) == []
        assert "ask for less at a time" in results(result.messages)[0].text


async def test_errors_are_not_kept_and_a_store_that_cannot_be_read_is_told(bench):
    @tool(effect="read", max_output_bytes=300)
    async def fails() -> str:
        """Fail at length."""
        raise ValueError("x" * 3_000)

    class Broken:
        def __getattr__(self, name):
            return getattr(bench.store, name)

        async def runs(self, **_):
            raise StoreError("the disk is gone")

    result = await bench.run(Agent(ScriptedModel([call("fails"), say("Done.")]), tools=[fails], limits=WIDE))
    assert kept_of(await read_journal(bench.store, result.run_id)) == []
    bench.runtime._starter._store = Broken()
    try:
        model = ScriptedModel([call("read_more", reference="abcdefgh.1"), say("Done.")])
        run = await bench.runtime.run(Agent(model, tools=[dump], limits=WIDE), "Go.", user="u")
    finally:
        bench.runtime._starter._store = bench.store
    assert results(run.messages)[0].is_error


async def test_the_function_itself_reads_nothing():
    assert "There is no text" in await read_more("abc.1")


PASSAGES = st.builds(
    lambda text, more: OutputKept(
        at=0.0, reference="abcdefgh.1", call_id="c", name="n", text=text, label=THIRD,
        all_bytes=len(text.encode()) + more,
    ),
    st.text('aé"\x01\U0001f600\ufdfa', min_size=1, max_size=800), st.sampled_from([0, 0, 500]),
)  # fmt: skip


@given(PASSAGES, st.integers(0, 900), st.integers(256, 2_000), st.integers(200, 3_000))
@example(
    OutputKept(at=0.0, reference="r.1", call_id="c", name="n", text="\x01" * 900, label=THIRD, all_bytes=900),
    3,
    900,
    300,
)
def test_a_passage_fits_and_gets_on(kept, offset, most_bytes, room):
    data = kept.text.encode()
    offset %= len(data)
    text, left = show_passage(Passage(kept, offset), most_bytes, room)
    shown = NOTE.sub("", text)
    shown = shown.partition("\n[the last ")[0]
    begin = len(data[:offset].decode(errors="ignore").encode())
    assert len(text.encode()) <= most_bytes
    assert count_in_prompt(shown) <= room
    assert shown != ""
    assert data[begin:].startswith(shown.encode())
    assert left == kept.all_bytes - begin - len(shown.encode())
    if left:
        note = NOTE.search(text)
        assert note is None or msgspec.json.decode(note[3]) == {
            "reference": kept.reference,
            "offset": begin + len(shown.encode()),
        }
        assert note is not None or begin + len(shown.encode()) == len(data)


@given(st.text('aé"\x01', max_size=300), st.integers(-5, 500))
def test_the_longest_beginning(text, room):
    longest = find_longest(text, room)
    assert text.startswith(longest)
    assert longest == "" or count_in_prompt(longest) <= room
    assert longest == text or count_in_prompt(text[: len(longest) + 1]) > room


def test_finished_events_count_what_comes_after():
    assert ToolFinished(at=0.0, call_id="c", name="n", content="x", label=THIRD).cut_bytes == 0

"""Tools and the one door to them: whatever a model or a tool does, a result comes back; only cancellation passes."""

import asyncio
import contextvars
import functools
import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.clock import SystemClock
from surefoot.errors import ConfigError, ToolError
from surefoot.threads import ToolThreads
from surefoot.tools import Prepared, RunContext, Tool, Toolbox, tool
from surefoot.types import SYSTEM_LABEL, Label, ToolCall, ToolResult, ToolSpec

CURRENT = contextvars.ContextVar("CURRENT", default="none")
SOON_S = 0.02
"""A timeout that these tests wait for: what it stops would last for ever."""


@pytest.fixture
def gate():
    """What holds blocking tools up; opened at the end whatever happens, so that no thread stays behind."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def threads():
    pool = ToolThreads(2, max_waiting=1)
    yield pool
    pool.close()


def do_nothing():
    """Nothing is to be written while a tool is waited for."""


@pytest.fixture
def run(threads):
    async def run(made, arguments="{}", *, deadline=math.inf, deps=None):
        toolbox = Toolbox([made])
        prepared = toolbox.prepare(ToolCall("c1", toolbox.specs[0].name, arguments))
        assert isinstance(prepared, Prepared), prepared
        return await toolbox.run(prepared, make_context(deadline=deadline, deps=deps), threads, do_nothing)

    return run


def make_context(*, deadline=math.inf, deps=None, clock=None):
    return RunContext(
        user="u1",
        session="s1",
        run_id="r1",
        call_id="c1",
        idempotency_key="r1:1",
        deadline=deadline,
        deps=deps,
        clock=clock or SystemClock(),
    )


def said(content, name):
    return ToolResult(content, Label("third_party", source=name))


def failed(content, name):
    return ToolResult(content, Label("third_party", source=name), is_error=True)


def refused(content):
    return ToolResult(content, SYSTEM_LABEL, is_error=True)


@tool(effect="read")
async def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


# --- definition -------------------------------------------------------------------------------------------------------


def test_a_tool_is_told_to_the_model_and_stays_a_function():
    assert add.spec == ToolSpec(
        "add",
        "Add two numbers.",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}},
            "required": ["a"],
            "additionalProperties": False,
        },
    )
    assert asyncio.run(add(2, b=3)) == 5
    assert repr(add) == "Tool('add', effect='read')"


def test_options_and_their_defaults():
    @tool
    def plain(a: int) -> None: ...

    @tool(
        effect="read",
        idempotent=True,
        timeout_s=5,
        max_output_bytes=512,
        name="other",
        description="Said otherwise.",
    )
    def full(a: int) -> None: ...

    assert (plain.effect, plain.idempotent, plain.timeout_s, plain.max_output_bytes) == ("write", False, 30.0, 16_384)
    assert (full.effect, full.idempotent, full.timeout_s, full.max_output_bytes) == ("read", True, 5.0, 512)
    assert (full.spec.name, full.spec.description) == ("other", "Said otherwise.")
    assert full.label == Label("third_party", trusted=False, source="other")


def test_a_tool_cannot_be_changed():
    with pytest.raises(AttributeError):
        add.effect = "write"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"effect": "reed"}, "tool 'plain': effect='reed' must be 'read' or 'write'"),
        ({"idempotent": 1}, "tool 'plain': idempotent=1 must be True or False"),
        ({"timeout_s": 0}, "tool 'plain': timeout_s=0 must be a positive number of seconds"),
        ({"timeout_s": -1.5}, "tool 'plain': timeout_s=-1.5 must be"),
        ({"timeout_s": math.nan}, "tool 'plain': timeout_s=nan must be"),
        ({"timeout_s": math.inf}, "tool 'plain': timeout_s=inf must be"),
        ({"timeout_s": 10**400}, "tool 'plain': timeout_s=1000"),
        ({"timeout_s": True}, "tool 'plain': timeout_s=True must be"),
        ({"timeout_s": "1"}, "tool 'plain': timeout_s='1' must be"),
        ({"timeout_s": None}, "tool 'plain': timeout_s=None must be"),
        ({"max_output_bytes": 255}, "tool 'plain': max_output_bytes=255 must be an int, 256 or more"),
        ({"max_output_bytes": 1e4}, "tool 'plain': max_output_bytes=10000.0 must be"),
        ({"max_output_bytes": None}, "tool 'plain': max_output_bytes=None must be"),
        ({"name": "a b"}, "tool name 'a b': must be 1 to 64 of"),
    ],
)
def test_wrong_options(options, problem):
    def plain(a: int) -> None: ...

    with pytest.raises(ConfigError) as caught:
        tool(plain, **options)
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


def test_a_tool_of_a_tool():
    with pytest.raises(ConfigError, match="is a tool already"):
        tool(add)


def test_a_toolbox_finds_tools_by_name():
    def plain(a: int) -> None: ...

    toolbox = Toolbox([add, plain])
    assert [spec.name for spec in toolbox.specs] == ["add", "plain"]
    assert toolbox.find("add") is add
    made = toolbox.find("plain")
    assert isinstance(made, Tool)
    assert made.effect == "write"
    assert toolbox.find("nothing") is None
    assert Toolbox().specs == ()


def test_two_tools_of_one_name():
    with pytest.raises(ConfigError, match="two tools are called 'add': rename one"):
        Toolbox([add, tool(add.function)])


# --- the door: what a model may write ---------------------------------------------------------------------------------


def test_a_good_call_is_prepared():
    call = ToolCall("c1", "add", '{"a": 2}')
    assert Toolbox([add]).prepare(call) == Prepared(call, add, {"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("name", "arguments", "content"),
    [
        ("adds", "{}", "There is no tool 'adds'. Did you mean add? The tools are: add."),
        (
            "add",
            '{"a": "2"}',
            (
                "add was not called. Wrong arguments: Expected `int`, got `str` - at `$.a`. "
                'Expected for `a`: {"type":"integer"}'
            ),
        ),
        (
            "add",
            "a=2",
            (
                "add was not called. The arguments are not valid JSON: JSON is malformed: invalid character (byte 0). "
                "Expected: a JSON object with `a`, `b` (optional), and nothing else."
            ),
        ),
    ],
)
def test_a_bad_call_is_answered(name, arguments, content):
    assert Toolbox([add]).prepare(ToolCall("c1", name, arguments)) == refused(content)


BOX = Toolbox([add])


@settings(deadline=None)
@given(st.sampled_from(["add"]) | st.text(st.characters()), st.text(st.characters()) | st.just('{"a": 1}'))
def test_prepare_never_raises(name, arguments):
    prepared = BOX.prepare(ToolCall("c1", name, arguments))
    assert isinstance(prepared, Prepared) or prepared.is_error


# --- running: async tools ---------------------------------------------------------------------------------------------


async def test_an_async_tool_that_does_not_wait(run):
    assert await run(add, '{"a": 2}') == said("3", "add")


async def test_an_async_tool_that_waits(run):
    async def wait(times: int) -> str:
        for _ in range(times):
            await asyncio.sleep(0)
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, "done")
        return await done

    assert await run(wait, '{"times": 3}') == said("done", "wait")


def test_on_uvloop_too(threads):
    uvloop = pytest.importorskip("uvloop")

    async def wait() -> str:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, "done"))
        return task.result()

    async def main():
        toolbox = Toolbox([wait])
        return await toolbox.run(toolbox.prepare(ToolCall("c1", "wait", "")), make_context(), threads, do_nothing)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == said("done", "wait")


async def test_a_tool_may_use_timeouts_and_task_groups_of_its_own(run):
    async def own() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.sleep(0, "in time"))
            return task.result()

    assert await run(own) == said("in time", "own")


async def test_a_tool_that_mends_its_first_wait(run):
    async def mend() -> str:
        broken = asyncio.get_running_loop().create_future()
        broken.set_exception(OSError("gone"))
        await asyncio.sleep(0)
        try:
            await broken
        except OSError:
            return "mended"

    async def first() -> str:
        later = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(later.set_exception, OSError("gone"))
        try:
            await later
        except OSError:
            await asyncio.sleep(0)
        return "mended"

    assert await run(mend) == said("mended", "mend")
    assert await run(first) == said("mended", "first")


async def test_a_tool_gets_its_context(run):
    def where(ctx: RunContext, more: str) -> list[str]:
        return [ctx.user, ctx.session, ctx.run_id, ctx.call_id, ctx.idempotency_key, ctx.deps["name"], more]

    async def where_async(_: RunContext, more: str) -> list[str]:
        return where(_, more)

    expected = '["u1","s1","r1","c1","r1:1","deps","x"]'
    assert await run(where, '{"more": "x"}', deps={"name": "deps"}) == said(expected, "where")
    assert await run(where_async, '{"more": "x"}', deps={"name": "deps"}) == said(expected, "where_async")


class FrozenClock(SystemClock):
    def __init__(self, now_s):
        super().__init__()
        self.monotonic = lambda: now_s


@pytest.mark.parametrize(("deadline_s", "left_s"), [(math.inf, 30.0), (1040.0, 30.0), (1010.0, 10.0)])
async def test_the_deadline_of_a_call_is_the_earlier_of_tool_and_run(threads, deadline_s, left_s):
    @tool
    async def left(ctx: RunContext) -> float:
        return ctx.remaining_s()

    toolbox = Toolbox([left])
    context = make_context(deadline=deadline_s, clock=FrozenClock(1000.0))
    result = await toolbox.run(toolbox.prepare(ToolCall("c1", "left", "")), context, threads, do_nothing)
    assert result == said(str(left_s), "left")


def test_no_time_is_left_after_the_deadline():
    assert make_context(deadline=5.0, clock=FrozenClock(9.0)).remaining_s() == 0.0


@pytest.mark.parametrize(
    ("effect", "advice"), [("read", ""), ("write", " It may have had its effect: check before you call it again.")]
)
async def test_an_async_tool_is_stopped_at_its_timeout(run, effect, advice):
    stopped = []

    @tool(effect=effect, timeout_s=SOON_S)
    async def sleep() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    assert await run(sleep) == refused(f"sleep timed out after 0.02 s.{advice}")
    assert stopped == [True]


async def test_a_tool_is_stopped_at_the_end_of_the_run(threads):
    @tool(effect="read")
    async def sleep() -> None:
        await asyncio.Event().wait()

    toolbox, now = Toolbox([sleep]), asyncio.get_running_loop().time()
    context = make_context(deadline=now + SOON_S, clock=FrozenClock(now))
    result = await toolbox.run(toolbox.prepare(ToolCall("c1", "sleep", "")), context, threads, do_nothing)
    assert result == refused("sleep timed out after 0.02 s, the end of this run.")


@pytest.mark.parametrize("blocking", [True, False])
async def test_no_tool_starts_after_the_end_of_the_run(run, blocking):
    started = []

    def blocks() -> None:
        started.append(True)

    async def waits() -> None:
        started.append(True)

    made = blocks if blocking else waits
    assert await run(made, deadline=0.0) == refused(f"{made.__name__} was not called: the time of this run is over.")
    assert started == []


async def test_what_a_tool_saves_when_it_is_stopped_is_kept(run):
    @tool(timeout_s=SOON_S)
    async def save() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "half of it"

    assert await run(save) == said("half of it", "save")


@pytest.mark.parametrize("waits", [0, 1])
@pytest.mark.parametrize(
    ("error", "content"),
    [
        (ValueError("bad id"), "fail failed: ValueError: bad id"),
        (ToolError("Ask for the number."), "Ask for the number."),
        (TimeoutError("of the database"), "fail failed: TimeoutError: of the database"),
        (asyncio.CancelledError("of a task of the tool's"), "fail failed: CancelledError: of a task of the tool's"),
        (SystemExit(3), "fail failed: SystemExit: 3"),
        (ExceptionGroup("g", [OSError("disk")]), "fail failed: OSError: disk"),
    ],
)
async def test_an_exception_is_something_to_observe(run, error, content, waits):
    async def fail() -> None:
        for _ in range(waits):
            await asyncio.sleep(0)
        raise error

    assert await run(fail) == failed(content, "fail")


async def test_a_tool_whose_child_was_cancelled_does_not_end_the_run(run):
    async def child() -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    assert await run(child) == failed("child failed: CancelledError", "child")


async def begin(coroutine, started):
    task = asyncio.create_task(coroutine)
    await started.wait()
    return task


async def test_cancellation_passes_through(run):
    started, cleaned = asyncio.Event(), []

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    task = await begin(run(wait), started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]


@pytest.mark.parametrize("end", ["return", "raise"])
async def test_a_tool_cannot_save_a_cancelled_run(run, end):
    started = asyncio.Event()

    async def stubborn() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if end == "raise":
                raise ValueError("something else") from None
        return "went on"

    task = await begin(run(stubborn), started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_run_leaves_a_blocking_tool_alone(run, gate):
    started = asyncio.Event()
    loop, ended = asyncio.get_running_loop(), []

    def block() -> None:
        loop.call_soon_threadsafe(started.set)
        gate.wait()
        ended.append(True)

    task = await begin(run(block), started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == []


# --- running: blocking tools ------------------------------------------------------------------------------------------


async def test_a_blocking_tool_runs_in_a_thread_with_the_context_variables(run):
    def where() -> list[str]:
        return [threading.current_thread().name, CURRENT.get()]

    CURRENT.set("of the run")
    assert await run(where) == said('["surefoot-tool-0","of the run"]', "where")


@pytest.mark.parametrize(
    ("error", "content"),
    [
        (ValueError("bad id"), "fail failed: ValueError: bad id"),
        (ToolError("Ask for the number."), "Ask for the number."),
        (StopIteration("end"), "fail failed: StopIteration: end"),
        (SystemExit(3), "fail failed: SystemExit: 3"),
        (asyncio.CancelledError(), "fail failed: CancelledError"),
    ],
)
async def test_an_exception_in_a_thread_is_something_to_observe(run, error, content):
    def fail() -> None:
        raise error

    assert await run(fail) == failed(content, "fail")


async def test_a_plain_function_around_an_async_one_is_awaited(run):
    @functools.wraps(add.function)
    def around(**arguments):
        return add.function(**arguments)

    async def hang() -> None:
        await asyncio.Event().wait()

    @tool(effect="read", timeout_s=SOON_S)
    def late() -> object:
        return hang()

    assert await run(around, '{"a": 4}') == said("5", "add")
    assert await run(late) == refused("late timed out after 0.02 s and goes on in the background.")


async def test_a_blocking_tool_that_is_late_goes_on_and_the_model_is_told(run, gate):
    @tool(timeout_s=SOON_S)
    def block() -> None:
        gate.wait()

    assert await run(block) == refused(
        "block timed out after 0.02 s and goes on in the background. "
        "It may have had its effect: check before you call it again."
    )


async def test_a_full_pool_refuses_instead_of_hanging(run, threads, gate):
    @tool(timeout_s=SOON_S)
    def block() -> None:
        gate.wait()

    for _ in range(threads.size):
        assert "goes on in the background" in (await run(block)).content
    assert await run(block) == refused("block was not called: all 2 tool threads were busy for 0.02 s.")
    assert threads.submit(list) is not None
    assert await run(block) == refused("block was not called: 1 calls wait for a thread already. Try again later.")
    assert await run(add, '{"a": 1}') == said("2", "add")


async def test_a_thousand_blocking_calls_at_once():
    threads, toolbox = ToolThreads(8), Toolbox([tool(double, effect="read")])
    names.clear()

    async def call(number):
        prepared = toolbox.prepare(ToolCall(str(number), "double", f'{{"number": {number}}}'))
        return await toolbox.run(prepared, make_context(), threads, do_nothing)

    results = await asyncio.gather(*[call(number) for number in range(1000)])
    assert [result.content for result in results] == [str(2 * number) for number in range(1000)]
    assert len(names) <= 8
    threads.close()


names: set[str] = set()


def double(number: int) -> int:
    names.add(threading.current_thread().name)
    return 2 * number


# --- results ----------------------------------------------------------------------------------------------------------


async def test_a_long_result_is_cut_to_the_tools_own_size(run):
    @tool(max_output_bytes=300)
    async def long() -> str:
        return "ž" * 1000

    result = await run(long)
    assert len(result.content.encode()) <= 300
    assert result.cut_bytes > 1700
    assert result.content.endswith(f"\n[{result.cut_bytes} of 2000 bytes are cut here: ask for less at a time]")
    assert result.label == Label("third_party", source="long")


async def test_a_result_that_cannot_be_shown(run):
    async def odd() -> object:
        return object()

    result = await run(odd)
    assert result.is_error
    assert result.content.startswith("odd has run, but its result cannot be shown (TypeError: object has no JSON form)")


async def test_bound_methods_and_partials_are_tools(run):
    class Shop:
        def __init__(self):
            self.sold = 0

        async def sell(self, number: int, price: float = 1.0) -> float:
            self.sold += number
            return number * price

    shop = Shop()
    assert await run(shop.sell, '{"number": 2}') == said("2.0", "sell")
    assert await run(functools.partial(shop.sell, price=3.0), '{"number": 2}') == said("6.0", "sell")
    assert shop.sold == 4

"""Servers that want to hurt: each ends as one error or one result, and costs a call, not the process."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import pytest
from tests.unit.mcp.conftest import HERE, SOON_S, tools_of, until

from surefoot.errors import ConfigError, ToolError
from surefoot.mcp import McpServer
from surefoot.mcp.connection import MOST_UNANSWERED
from surefoot.mcp.limits import MESSAGE_BYTES, UNASKED_BYTES, UNASKED_BYTES_A_S, Pace

MOST_TASKS = 40
"""Far fewer than a flood has messages."""


@pytest.fixture
def hostile(tmp_path, marks):
    def make(mode="", **options):
        options = {"name": "h", "lock": tmp_path / "surefoot.mcp.lock", **options}
        return McpServer.stdio(sys.executable, str(HERE / "hostile_server.py"), str(marks.folder), mode, **options)

    return make


async def ticking(ticks):
    while True:
        ticks.append(len(asyncio.all_tasks()))
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("one line", "wrote a line of more than 4 MiB"),
        ("pings", "asked more than 64 questions and read no answer"),
        ("dense", "wrote a message of more than 50,000 values"),
    ],
)
async def test_a_flood_is_one_clear_error_and_the_next_call_finds_another_process(hostile, marks, said, told):
    async with hostile() as server:
        echo, most = tools_of(server)["echo"], []
        counting = asyncio.create_task(ticking(most))
        with pytest.raises(ToolError, match=f"The outcome of [a-z]+_echo is unknown: MCP server 'h' was lost .*{told}"):
            await echo(text=said)
        assert await echo(text="hi") == "hi"
        counting.cancel()
        assert marks("started") == 2
    assert max(most) < MOST_TASKS + 64


@pytest.mark.parametrize("said", ["notes", "errors"])
async def test_a_flood_without_an_end_costs_its_own_call_alone(hostile, marks, said, ask):
    async with hostile(timeout_s=SOON_S) as server:
        most = []
        counting = asyncio.create_task(ticking(most))
        seen = await ask(server.tools, "h_echo", text=said)
        counting.cancel()
        assert seen.text.startswith("h_echo timed out after 0.3 s")
        assert marks("flooding") == 1
    assert max(most) < MOST_TASKS


async def test_who_says_more_than_asked_is_read_slowly_and_the_others_have_their_turn():
    loop, pace = asyncio.get_running_loop(), Pace()
    ticks = []
    counting = asyncio.create_task(ticking(ticks))
    for _ in range(UNASKED_BYTES // MESSAGE_BYTES):
        await pace.spend(MESSAGE_BYTES)
    assert len(ticks) >= UNASKED_BYTES // (128 << 10)
    counting.cancel()
    began = loop.time()
    await pace.spend(UNASKED_BYTES_A_S // 2)
    assert loop.time() - began > 0.1  # a timer never rings early
    pace.grant()
    began = loop.time()
    await pace.spend(1)
    ticks.clear()
    for _ in range(100):
        await pace.spend(1)
    assert not ticks, "an answer that is due is read at once"


async def test_lines_that_are_no_messages_hold_up_nobody(hostile):
    async with hostile() as server:
        ticks = []
        counting = asyncio.create_task(ticking(ticks))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tools_of(server)["echo"](text="lines"), SOON_S)
        counting.cancel()
        assert len(ticks) > 20


async def test_the_log_is_not_filled_by_what_a_server_does_wrong_and_others_of_the_process_may_log(hostile, caplog):
    caplog.set_level(logging.DEBUG)
    async with hostile() as server:
        assert await tools_of(server)["echo"](text="wrong notes") == "after the notes"
        logging.getLogger("client").warning("of another client of this process")
    assert [one.getMessage() for one in caplog.records if one.name.startswith(("mcp", "client"))] == [
        "of another client of this process"
    ]


async def test_what_it_asks_for_is_refused(hostile, marks):
    async with hostile() as server:
        assert await tools_of(server)["echo"](text="ask") == "after the questions"
    said = (marks.folder / "asked").read_text()
    assert said.count("not supported") == 3
    assert "granted" not in said


async def test_the_first_answer_counts(hostile):
    async with hostile() as server:
        assert await tools_of(server)["echo"](text="twice") == "first"
        assert await tools_of(server)["echo"](text="hi") == "hi"


async def test_a_number_that_is_none_of_ours(hostile):
    async with hostile() as server:
        assert str(10**400) in await tools_of(server)["echo"](text="number")


async def test_a_secret_that_a_tool_says_as_its_error_is_masked(hostile):
    async with hostile(env={"TOKEN": "hunter"}) as server:
        with pytest.raises(ToolError, match=r"^\*\*\*$"):
            await tools_of(server)["echo"](text="secret")


async def test_a_secret_that_a_tool_returns_reaches_neither_the_model_nor_the_journal(hostile, ask, tmp_path):
    async with hostile(env={"TOKEN": "hunter"}) as server:
        seen = await ask(server.tools, "h_echo", text="tell")
    assert seen.text.startswith("it is [")
    assert "hunter" not in seen.text
    assert b"hunter" not in b"".join([file.read_bytes() for file in tmp_path.glob("runs.db*")])


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("old", ".*Unsupported protocol version from the server: 1999-01-01"),
        ("other id", "it did not answer within 0.3 s"),
        ("die", "it ended with code 5"),
        ("crowd", "it has more than 256 tools"),
    ],
)
async def test_a_start_that_is_none_is_one_clear_error(hostile, mode, told):
    with pytest.raises(ConfigError, match=f"mcp.h: the server cannot be used: {told}"):
        await hostile(mode, start_timeout_s=SOON_S if mode == "other id" else 30.0).__aenter__()


async def test_of_three_tools_of_one_name_none_is_used(hostile):
    async with hostile("thrice") as server:
        assert list(tools_of(server)) == ["echo"]


async def test_a_server_that_starts_more_slowly_than_a_call_may_take_is_there_in_the_end(hostile, marks):
    async with hostile():
        pass
    server = hostile("slow", timeout_s=SOON_S)
    server.hold()
    try:
        echo = tools_of(server)["echo"]
        for _ in range(50):
            try:
                assert await asyncio.wait_for(echo(text="hi"), SOON_S) == "hi"
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("it was never there")
        assert marks("started") == 2
    finally:
        await server.release()


async def test_one_that_answers_nothing_any_more_is_replaced_and_calls_under_way_are_not_lost(hostile, marks):
    async with hostile() as server:
        echo = tools_of(server)["echo"]
        patient = asyncio.create_task(echo(text="hang"))
        await until(lambda: marks("hanging"), "it hangs")
        for _ in range(MOST_UNANSWERED):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(echo(text="hi"), 0.05)
        assert await echo(text="hi") == "hi"
        assert marks("started") == 2
        assert not patient.done()
        patient.cancel()
        pid = int((marks.folder / "started").read_text().split()[0])
        await until(lambda: not Path(f"/proc/{pid}").exists(), "the old one ends with its last call")


async def test_nothing_is_left_of_it(hostile):
    def count():
        mine = f"\nPPid:\t{os.getpid()}\n"
        kids = [one for one in Path("/proc").glob("[0-9]*/status") if mine in _read(one)]
        return len(list(Path("/proc/self/fd").iterdir())), len(kids)

    async with hostile():
        before = None
    for _ in range(3):
        async with hostile() as server:
            await asyncio.gather(*[tools_of(server)["echo"](text="hi") for _ in range(100)])
        before = before or count()
    assert count() == before


def _read(path):
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""

"""What was approved is what a model is told and what is called; the rest asks."""

import asyncio
import json
import multiprocessing

import msgspec
import pytest
from tests.unit.mcp.conftest import tools_of, until

from surefoot.errors import ConfigError, ToolError
from surefoot.mcp.definition import Definition
from surefoot.mcp.lock import Lock

ECHO = Definition("echo", "Says it.", {"type": "object", "properties": {}, "required": []})


async def test_the_first_sight_is_recorded_and_may_be_read_by_people(plain, tmp_path):
    async with plain():
        pass
    text = (tmp_path / "surefoot.mcp.lock").read_text()
    held = json.loads(text)["servers"]["plain"]
    assert list(held) == ["echo", "note", "variables"]
    assert held["echo"]["description"] == "Says a text again."
    assert text.count("\n") > 40
    async with plain():
        pass
    assert (tmp_path / "surefoot.mcp.lock").read_text() == text


@pytest.mark.parametrize("mode", ["changed", "schema"])
async def test_a_tool_that_says_something_else_is_not_called_and_the_model_is_told_what_was_approved(
    plain, marks, caplog, mode
):
    async with plain():
        pass
    before = marks("called-echo")
    async with plain(mode) as server:
        echo = tools_of(server)["echo"]
        assert echo.spec.description == "Says a text again."
        assert list(echo.spec.parameters["properties"]) == ["text"]
        for _ in range(2):
            with pytest.raises(
                ToolError, match=r"has changed since it was approved\. A person has to look: surefoot mcp diff"
            ):
                await echo(text="hi")
        assert await tools_of(server)["note"](text="hi") == "hi"
    assert marks("called-echo") == before
    (told,) = [one.getMessage() for one in caplog.records if one.name == "surefoot.mcp.server"]
    assert "says of its tool 'echo' has changed since it was approved: its calls are refused" in told


async def test_a_new_tool_is_not_there_and_one_that_is_gone_is_not_called(plain):
    async with plain():
        pass
    async with plain("more") as server:
        assert "extra" not in tools_of(server)
    async with plain("less") as server:
        with pytest.raises(ToolError, match="plain_variables was not called: the server no longer has it"):
            await tools_of(server)["variables"]()


async def test_what_looks_like_an_attack_is_not_recorded_at_first_sight(plain, tmp_path):
    async with plain("hostile") as server:
        assert list(tools_of(server)) == ["note", "variables"]
        standings = {one.name: one for one in await server.look()}
    assert standings["echo"].state == "new"
    assert standings["echo"].risk >= 0.5
    assert "eve@evil.org" not in (tmp_path / "surefoot.mcp.lock").read_text()


async def test_a_tool_that_changes_while_we_are_connected_is_looked_at_again(plain, marks):
    async with plain() as server:
        assert await tools_of(server)["echo"](text="change") == "changed"
        with pytest.raises(ToolError, match="has changed since it was approved"):
            await tools_of(server)["echo"](text="hi")
        assert marks("called-echo") == 1
        assert marks("listed") == 2


async def test_nobody_calls_by_what_it_said_before_while_it_is_looked_at_again(plain, marks):
    async with plain("slow again") as server:
        tools = tools_of(server)
        assert await tools["echo"](text="change") == "changed"
        note = asyncio.create_task(tools["note"](text="hi"))
        await until(lambda: marks("listed") == 2, "it is asked anew")
        with pytest.raises(ToolError, match="has changed since it was approved"):
            await tools["echo"](text="hi")
        assert await note == "hi"
    assert marks("called-echo") == 1


async def test_tools_that_cannot_be_used_leave_the_others(plain):
    async with plain() as before:
        note = tools_of(before)["note"]
        assert note.spec.description == "Writes a note."
    async with plain("odd") as server:
        standings = {one.name: one for one in await server.look()}
        assert {one.name: one.why for one in standings.values() if one.why} == {
            "note": "the server has two tools of that name",
            "strange": "its schema is not valid: 'strange' is not valid under any of the given schemas",
            "far": "its schema refers to 'http://evil.example', which is not one of its own $defs",
        }
        assert await tools_of(server)["echo"](text="hi") == "hi"
        with pytest.raises(ToolError, match=r"plain_note was not called: the server has two tools of that name\."):
            await tools_of(server)["note"](text="hi")


async def test_a_server_of_which_nothing_is_allowed(plain):
    with pytest.raises(ConfigError, match=r"mcp\.plain: none of its 3 tools is approved and allowed: see"):
        async with plain(allow=[]):
            pass


def test_a_schema_is_more_than_a_description():
    """The order of its members is nothing, everything else is."""
    turned = Definition("echo", "Says it.", {"required": [], "properties": {}, "type": "object"})
    assert turned.sha256 == ECHO.sha256
    others = [
        Definition("Echo", "Says it.", ECHO.schema),
        Definition("echo", "Says it!", ECHO.schema),
        Definition("echo", "Says it.", {**ECHO.schema, "required": ["a"]}),
    ]
    assert ECHO.sha256 not in {one.sha256 for one in others}


def test_nobody_is_approved_without_being_seen(plain):
    with pytest.raises(
        ConfigError, match=r"its tools are not in .*surefoot.mcp.lock yet: run `surefoot mcp pin plain`"
    ):
        _ = plain().tools


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("Says it.", "Says it!"), "tool 'echo' of 'plain' is not what its sha256 says"),
        (lambda _: "<<<<<<< HEAD", "is no lock file"),
        (lambda _: "", "is no lock file"),
        (lambda text: text.replace("Says", "\udcff"), "is no lock file"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "is no lock file"),
    ],
)
def test_a_lock_file_that_was_edited_or_badly_merged_is_refused(tmp_path, change, told):
    lock = Lock(tmp_path / "lock")
    lock.write("plain", {"echo": ECHO})
    assert lock.read("plain") == {"echo": ECHO}
    lock.path.write_bytes(change(lock.path.read_text()).encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=rf"lock: {told}.*version control.*surefoot mcp pin"):
        lock.read("plain")


async def test_what_the_error_of_an_edited_lock_file_says_to_do_is_enough(plain, tmp_path):
    path = tmp_path / "surefoot.mcp.lock"
    async with plain():
        pass
    path.write_text(path.read_text().replace("Says a text again.", "Says it twice."))
    with pytest.raises(ConfigError, match=r"delete 'plain' in it and approve its tools anew"):
        _ = plain().tools
    held = msgspec.json.decode(path.read_bytes())
    del held["servers"]["plain"]
    path.write_bytes(msgspec.json.encode(held))
    async with plain() as server:
        assert server.tools[0].spec.description == "Says a text again."


def test_where_the_lock_file_cannot_be(tmp_path):
    with pytest.raises(ConfigError, match="cannot be opened"):
        Lock(tmp_path / "no" / "lock").write("plain", {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        Lock(tmp_path / "folder").read("plain")
    lock = Lock(tmp_path / "lock")
    (tmp_path / "lock.new").mkdir()
    with pytest.raises(ConfigError, match="cannot be written: Is a directory; make it with `surefoot mcp pin plain`"):
        lock.write("plain", {})


def write_many(path, name):
    for number in range(20):
        Lock(path).write(f"{name}{number}", {"echo": ECHO})


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=write_many, args=(tmp_path / "lock", name)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    held = json.loads((tmp_path / "lock").read_text())["servers"]
    assert len(held) == 60


def test_who_comes_second_takes_what_the_first_recorded(tmp_path):
    lock = Lock(tmp_path / "lock")
    other = Definition("echo", "Says nothing.", ECHO.schema)
    assert lock.write_first("plain", {"echo": ECHO}) == {"echo": ECHO}
    assert lock.write_first("plain", {"echo": other}) == {"echo": ECHO}

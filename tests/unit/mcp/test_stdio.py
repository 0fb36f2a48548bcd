"""A server as a child process: what it may do to us, and what it leaves behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.mcp.conftest import HERE, SOON_S, tools_of, until

from surefoot.errors import ConfigError, ToolError
from surefoot.event_loop import run_in_loop
from surefoot.mcp import McpServer


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_of(marks, what="started"):
    return int((marks.folder / what).read_text().splitlines()[-1])


async def test_its_tools_are_tools(plain, marks):
    async with plain() as server:
        tools = tools_of(server)
        assert list(tools) == ["echo", "note", "variables"]
        echo = tools["echo"]
        assert (echo.spec.name, echo.spec.description) == ("plain_echo", "Says a text again.")
        assert (echo.effect, echo.label.trusted, echo.label.author) == ("write", False, "third_party")
        assert await echo(text="grüße") == "grüße"
        assert marks("started") == 1
    assert not is_alive(pid_of(marks))


async def test_an_agent_uses_one_without_async_with_and_the_runtime_ends_it(plain, marks, ask):
    async with plain():
        pass
    server = plain()
    assert marks("started") == 1
    seen = await ask(server.tools, "plain_echo", text="hi")
    assert (seen.text, seen.is_error) == ("hi", False)
    assert [part.label.author for part in seen.parts] == ["third_party"]
    assert marks("started") == 2
    assert not is_alive(pid_of(marks))
    with pytest.raises(ToolError, match="is closed"):
        await server.tools[0](text="hi")


async def test_a_child_gets_the_variables_that_are_named_and_no_others(plain, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("LANG", "C.UTF-8")
    async with plain(env={"TOKEN": "t"}) as server:
        names = json.loads(await tools_of(server)["variables"]())
    assert set(names) - {"TMPDIR", "LC_CTYPE", "COVERAGE_PROCESS_CONFIG"} == {"PATH", "HOME", "LANG", "TOKEN"}


async def test_what_a_server_says_to_people_on_the_wrong_stream_is_passed_over(plain):
    async with plain() as server:
        assert await tools_of(server)["echo"](text="chat") == "chat"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("fail", "the note is full"),
        ("refuse", "the server refuses: internal trouble"),
        ("odd", "its answer cannot be read"),
    ],
)
async def test_what_the_server_says_is_a_failure_of_the_tool_and_the_connection_lives(plain, marks, said, told):
    async with plain() as server:
        with pytest.raises(ToolError, match=told):
            await tools_of(server)["echo"](text=said)
        assert await tools_of(server)["echo"](text="hi") == "hi"
        assert marks("started") == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("die", r"it ended with code 3 and wrote: fatal: the token is \*\*\*"),
        ("garbage", "that is no MCP message"),
        ("flood", "a line of more than 4 MiB"),
    ],
)
async def test_lost_in_the_middle_of_a_write_the_outcome_is_unknown_and_nothing_is_repeated(plain, marks, said, told):
    async with plain(env={"TOKEN": "sekret-4711"}) as server:
        echo = tools_of(server)["echo"]
        with pytest.raises(ToolError, match=f"outcome of [a-z]+_echo is unknown.*{told}") as caught:
            await echo(text=said)
        assert "sekret" not in str(caught.value)
        assert marks("called-echo") == 1
        assert await echo(text="hi") == "hi"
        assert marks("started") == 2


@pytest.mark.parametrize("declared", [{"effect": "read"}, {"idempotent": True}])
async def test_what_you_declare_harmless_is_repeated_on_a_new_connection(plain, marks, declared):
    async with plain(tools={"echo": declared}) as server:
        assert await tools_of(server)["echo"](text="die once") == "die once"
    assert marks("called-echo") == 2
    assert marks("started") == 2


async def test_what_is_harmless_and_always_fails_is_given_up(plain, marks):
    async with plain(tools={"echo": {"effect": "read"}}) as server:
        with pytest.raises(ToolError, match="cannot be used: it ended with code 3"):
            await tools_of(server)["echo"](text="die")
    assert marks("called-echo") == 3


async def test_a_call_that_hangs_ends_with_its_timeout_and_the_server_is_told(plain, marks, ask):
    async with plain(timeout_s=SOON_S) as server:
        seen = await ask(server.tools, "plain_echo", text="hang")
        assert seen.text.startswith("plain_echo timed out after 0.3 s")
        assert "may have had its effect" in seen.text
        await until(lambda: marks("cancelled") == 1, "the server is told")
        assert await tools_of(server)["echo"](text="hi") == "hi"
        assert marks("started") == 1


async def test_many_calls_at_once_share_the_connection_and_one_that_is_cancelled_leaves_the_others(plain, marks):
    async with plain() as server:
        echo = tools_of(server)["echo"]
        hanging = [asyncio.create_task(echo(text="hang")) for _ in range(20)]
        await until(lambda: marks("called-echo") == 20, "all are there")
        for task in hanging:
            task.cancel()
        assert await asyncio.gather(*[echo(text=str(number)) for number in range(50)]) == [str(n) for n in range(50)]
        ended = await asyncio.gather(*hanging, return_exceptions=True)
        assert {type(one) for one in ended} == {asyncio.CancelledError}
    assert marks("started") == 1


async def test_calls_in_flight_at_the_end_are_told(plain, marks):
    server = plain()
    async with server:
        task = asyncio.create_task(tools_of(server)["echo"](text="hang"))
        await until(lambda: marks("called-echo") == 1, "it is there")
    with pytest.raises(ToolError, match=r"outcome of [a-z]+_echo is unknown"):
        await task


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("mute", "it did not answer within 0.3 s"),
        ("dead", "it ended with code 7 and wrote: cannot start: no database"),
        ("endless", "more than 32 pages of tools"),
        ("refuse to list", "it cannot list its tools: ask tomorrow"),
        ("die at list", "it ended with code 4"),
        ("mute at list", "it did not list its tools within 0.3 s"),
    ],
)
async def test_a_server_that_does_not_start_is_one_clear_error(plain, mode, told, marks):
    server = plain(mode, start_timeout_s=SOON_S if mode.startswith("mute") else 30.0)
    with pytest.raises(ConfigError, match=f"mcp.plain: the server cannot be used: .*{told}"):
        async with server:
            pass
    assert marks("started") == 3
    assert not is_alive(pid_of(marks))


async def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(
        ConfigError, match=r"mcp\.no: the server cannot be used: No such file or directory: /no/such/program"
    ):
        async with McpServer.stdio("/no/such/program", name="no", lock=tmp_path / "lock"):
            pass


def test_a_program_that_is_not_there_on_the_loop_of_the_command_line(tmp_path):
    """Which does not say by itself what was not there."""

    async def use():
        async with McpServer.stdio("/no/such/program", name="no", lock=tmp_path / "lock"):
            pass

    with pytest.raises(ConfigError, match="/no/such/program"):
        run_in_loop(use)


async def test_after_failures_a_dead_server_costs_a_call_nothing_for_a_while(plain, marks):
    async with plain():
        pass
    server = plain("dead")
    server.hold()
    with pytest.raises(ToolError, match="cannot be used: it ended with code 7"):
        await server.tools[0](text="hi")
    assert marks("started") == 4
    with pytest.raises(ToolError, match="the next try is in"):
        await server.tools[0](text="hi")
    assert marks("started") == 4
    await server.release()


async def test_a_slow_start_is_waited_for(plain):
    async with plain("slow") as server:
        assert await tools_of(server)["echo"](text="hi") == "hi"


@pytest.mark.parametrize("mode", ["brood", "deaf"])
async def test_a_server_that_does_not_want_to_end_is_killed_with_all_that_it_began(plain, marks, mode):
    async with plain(mode):
        pid = pid_of(marks)
        children = [int(path.name.removeprefix("child-")) for path in marks.folder.glob("child-*")]
        assert len(children) == (mode == "brood")
        assert all(map(is_alive, [pid, *children]))
    await until(lambda: not any(map(is_alive, [pid, *children])), "all are dead")


async def test_a_run_that_is_cancelled_while_the_server_starts_leaves_nothing_behind(plain, marks):
    async with plain():
        pass
    server = plain("mute")
    server.hold()
    task = asyncio.create_task(server.tools[0](text="hi"))
    await until(lambda: marks("started") == 2, "it has started")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.release()
    assert not is_alive(pid_of(marks))


async def test_calls_that_find_no_connection_share_the_one_that_is_made(plain, marks):
    async with plain():
        pass
    server = plain()
    server.hold()
    echo = server.tools[0]
    assert await asyncio.gather(*[echo(text=str(number)) for number in range(20)]) == [str(n) for n in range(20)]
    assert marks("started") == 2
    await server.release()


WITHOUT = """
import asyncio, sys
sys.modules["mcp"] = None
from surefoot import cli
cli.main(["mcp", "diff"])
"""


def test_without_the_extra_there_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUREFOOT_CONFIG", raising=False)
    (tmp_path / "surefoot.toml").write_text("[mcp.plain]\ncommand = 'true'\n")
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "mcp.plain: MCP needs an extra: pip install 'surefoot[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr


PARENT = """
import asyncio, sys
from surefoot.mcp import McpServer

async def main():
    async with McpServer.stdio(sys.executable, *sys.argv[1:4], name="plain", lock=sys.argv[4]):
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_if_this_process_is_killed_the_server_sees_the_end_of_its_input(tmp_path, marks, how):
    arguments = [str(HERE / "plain_server.py"), "good", str(marks.folder), str(tmp_path / "lock")]
    parent = subprocess.Popen(  # noqa: ASYNC220 - the reading is what takes time
        [sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert await asyncio.to_thread(parent.stdout.readline) == b"ready\n"
        pid = pid_of(marks)
        assert is_alive(pid)
        os.kill(parent.pid, how)
        await asyncio.to_thread(parent.wait)
        await until(lambda: not is_alive(pid), "it has ended")
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


async def test_one_that_has_changed_hands_between_loops(plain, marks):
    server = plain()

    def run_elsewhere():
        async def use():
            async with server:
                return await tools_of(server)["echo"](text="there")

        return asyncio.run(use())

    async with server:
        assert await asyncio.to_thread(run_elsewhere) == "there"
        assert await tools_of(server)["echo"](text="here") == "here"
    assert marks("started") == 2

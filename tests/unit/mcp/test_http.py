"""A server behind streamable HTTP: made with the SDK, and one that misbehaves."""

import asyncio
import logging
import subprocess
import sys

import pytest
from tests.unit.mcp.conftest import HERE, SOON_S, tools_of
from tests.unit.mcp.plain_http import PlainHttp, serve

from surefoot.errors import ConfigError, ToolError
from surefoot.mcp import McpServer


@pytest.fixture
def state():
    return PlainHttp()


@pytest.fixture
def web(tmp_path, state):
    """Makes the misbehaving server's client."""
    with serve(state) as url:

        def make(**options):
            return McpServer.http(url, name="web", lock=tmp_path / "surefoot.mcp.lock", **options)

        yield make


async def test_headers_go_with_each_request(web, state):
    async with web(headers={"authorization": "Bearer sekret-4711"}) as server:
        assert await tools_of(server)["echo"](text="hi") == "hi"
    assert {headers["authorization"] for headers in state.headers} == {"Bearer sekret-4711"}
    assert state.begun == 1


async def test_a_key_in_the_address_is_in_no_log_whatever_is_logged(tmp_path, state, caplog):
    key = "k9f8e7d6c5b4a3210zz"
    with serve(state) as url, caplog.at_level(logging.DEBUG):
        async with McpServer.http(f"{url}?token={key}", name="web", lock=tmp_path / "lock") as server:
            assert await tools_of(server)["echo"](text="hi") == "hi"
    assert state.calls == ["hi"]
    assert [record.name for record in caplog.records if key in record.getMessage()] == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("reset", "the server cannot be reached"),
        ("huge", "the answer broke off: it has more than 4 MiB"),
        ("huge event", "SSE stream"),
        ("half an event", "SSE stream ended without a response"),
        ("bomb", "the answer is compressed"),
    ],
)
async def test_lost_on_the_way_the_outcome_is_unknown_and_the_others_go_on(web, state, fault, told):
    async with web() as server:
        echo = tools_of(server)["echo"]
        state.faults.append(fault)
        with pytest.raises(ToolError, match=f"outcome of [a-z]+_echo is unknown.*{told}"):
            await echo(text="once")
        assert state.calls == ["once"]
        assert await echo(text="hi") == "hi"
        assert state.begun == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("page", "Server returned an error response"),
        ("html", "Unexpected content type"),
        ("no json", "Failed to parse JSON"),
        ("elsewhere", "Redirect to http://evil.example/mcp not followed"),
    ],
)
async def test_what_is_no_answer_is_a_failure_of_the_call(web, state, fault, told):
    async with web() as server:
        state.faults.append(fault)
        with pytest.raises(ToolError, match=told):
            await tools_of(server)["echo"](text="once")
        assert await tools_of(server)["echo"](text="hi") == "hi"
    assert state.calls == ["once", "hi"]


async def test_an_answer_as_an_event(web, state):
    async with web() as server:
        state.faults.append("event")
        assert await tools_of(server)["echo"](text="hi") == "hi"


async def test_a_harmless_call_is_repeated(web, state):
    async with web(tools={"echo": {"effect": "read"}}) as server:
        state.faults += ["reset", "huge"]
        assert await tools_of(server)["echo"](text="hi") == "hi"
    assert state.calls == ["hi", "hi", "hi"]


async def test_a_session_that_the_server_has_forgotten_is_begun_anew_and_the_write_is_done_once(web, state):
    async with web() as server:
        assert await tools_of(server)["echo"](text="one") == "one"
        state.session = "s2"
        assert await tools_of(server)["echo"](text="two") == "two"
        assert state.begun == 2
    assert state.calls == ["one", "two"]


async def test_a_call_that_hangs_holds_up_nobody(web, state, ask):
    async with web(timeout_s=SOON_S) as server:
        state.faults.append("hang")
        seen = await ask(server.tools, "web_echo", text="once")
        assert seen.text.startswith("web_echo timed out after 0.3 s")
        assert await tools_of(server)["echo"](text="hi") == "hi"
        state.gate.set()


async def test_a_server_that_is_not_there_is_one_clear_error_without_the_secret(tmp_path):
    server = McpServer.http(
        "http://127.0.0.1:9/mcp", name="web", headers={"key": "sekret-4711"}, lock=tmp_path / "lock"
    )
    with pytest.raises(ConfigError, match=r"mcp\.web: the server cannot be used: the server cannot be reached"):
        async with server:
            pass


@pytest.mark.parametrize("kind", [[], ["json"]])
async def test_one_made_with_the_sdk_that_is_killed_and_comes_back(tmp_path, kind):
    port = 0

    def start():
        return subprocess.Popen(
            [sys.executable, str(HERE / "sdk_server.py"), str(port), *kind], stderr=subprocess.PIPE, text=True
        )

    def find_port(process):
        for line in process.stderr:
            if "running on http" in line:
                return int(line.partition("127.0.0.1:")[2].split()[0])
        raise AssertionError("it did not start")

    process = start()
    try:
        port = await asyncio.to_thread(find_port, process)
        server = McpServer.http(f"http://127.0.0.1:{port}/mcp", name="sdk", lock=tmp_path / "lock")
        async with server:
            tools = tools_of(server)
            assert await tools["add"](a=1, b=2) == "3"
            assert (tools["greet"].effect, tools["greet"].idempotent) == ("write", False)  # whatever its hints say
            process.kill()
            process.wait()
            process.stderr.close()
            with pytest.raises(ToolError, match="sdk_greet was not done: MCP server 'sdk' cannot be used"):
                await tools["greet"](name="Ann")
            process = start()
            await asyncio.to_thread(find_port, process)
            assert await tools["greet"](name="Ann") == "Hello, Ann!"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


async def test_one_made_with_the_sdk_over_standard_streams(tmp_path):
    server = McpServer.stdio(sys.executable, str(HERE / "sdk_server.py"), name="sdk", lock=tmp_path / "lock")
    async with server:
        add = tools_of(server)["add"]
        assert await add(**add.decode('{"a": 1, "b": 2}')) == "3"

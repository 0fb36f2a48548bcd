"""Servers over HTTP that want to hurt: each ends as one error, and nothing goes on when nobody waits any more."""

import asyncio

import pytest
from tests.unit.mcp.conftest import tools_of, until
from tests.unit.mcp.hostile_http import HostileHttp, serve

from surefoot.errors import ConfigError, ToolError
from surefoot.mcp import McpServer


@pytest.fixture
def state():
    return HostileHttp()


@pytest.fixture
async def web(tmp_path, state):
    async with serve(state) as url:

        def make(scheme="http", **options):
            where = url.replace("http", scheme, 1)
            return McpServer.http(where, name="web", lock=tmp_path / "surefoot.mcp.lock", **options)

        yield make


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("resume", "SSE stream ended without a response"),
        ("head", "the server cannot be reached"),
        ("dense", "the answer has more than 50,000 values"),
        ("dense event", "the answer has more than 50,000 values"),
    ],
)
async def test_what_is_too_much_is_one_clear_error_and_the_others_go_on(web, state, said, told):
    async with web() as server:
        echo = tools_of(server)["echo"]
        with pytest.raises(ToolError, match=f"The outcome of [a-z]+_echo is unknown.*{told}"):
            await echo(text=said)
        assert await echo(text="hi") == "hi"
    assert (state.begun, state.resumed) == (1, 0)


async def test_a_stream_that_hangs_up_is_not_called_all_day(web, state):
    async with web() as server:
        for number in range(20):
            assert await tools_of(server)["echo"](text=str(number)) == str(number)
        await until(lambda: state.gets, "it is listened to")
        await asyncio.sleep(1.3)  # the SDK would have called it again after a second, and without an end
    assert (state.gets, state.resumed) == (1, 0)


@pytest.mark.parametrize("holds", [False, True])
async def test_a_request_that_was_given_up_holds_no_connection_whether_the_server_hears_of_it_or_not(web, state, holds):
    async with web() as server:
        echo = tools_of(server)["echo"]
        state.holds = holds
        calls = [asyncio.create_task(echo(text="drip")) for _ in range(8)]
        await until(lambda: state.dripping == len(calls), "all are under way")
        for call in calls:
            call.cancel()
        await until(lambda: not state.dripping, "nobody waits for them")
        state.holds = False
        assert await echo(text="hi") == "hi"
        assert state.begun == 1


async def test_a_server_that_asks_and_takes_no_answers_is_left(web, state):
    async with web() as server:
        echo = tools_of(server)["echo"]
        with pytest.raises(ToolError, match=r"The outcome of [a-z]+_echo is unknown.*it asked more than 64 questions"):
            await echo(text="pings")
        state.holds = False
        assert await echo(text="hi") == "hi"
    assert state.begun == 2
    assert state.answers <= 64


async def test_an_answer_with_the_id_of_somebody_elses_request_is_nobodys(web, state):
    async with web() as server:
        echo = tools_of(server)["echo"]
        drip = asyncio.create_task(echo(text="drip"))
        await until(lambda: state.dripping, "somebody waits")
        with pytest.raises(
            ToolError, match=r"The outcome of [a-z]+_echo is unknown.*it is the answer to another request"
        ):
            await echo(text="not yours")
        assert not drip.done()
        drip.cancel()


async def test_a_token_that_comes_back_is_masked_for_the_model(web, state):
    async with web(headers={"authorization": "Bearer hunter"}) as server:
        with pytest.raises(ToolError) as caught:
            await tools_of(server)["echo"](text="token")
        assert state.token == "bearer hunter"
    assert "hunter" not in str(caught.value)
    assert "the server refuses: bad" in str(caught.value)


async def test_a_redirect_to_a_private_address_is_not_followed_and_nothing_is_sent_there(web, state):
    other = HostileHttp()
    async with serve(other) as url, web(headers={"authorization": "Bearer hunter"}) as server:
        state.url = url
        with pytest.raises(ToolError, match=r"Redirect to http://127\.0\.0\.1:.* not followed"):
            await tools_of(server)["echo"](text="elsewhere")
    assert (other.begun, other.token) == (0, "")


async def test_who_is_not_who_he_says_is_told_nothing(web, state):
    with pytest.raises(
        ConfigError, match=r"mcp.web: the server cannot be used: the server cannot be reached"
    ) as caught:
        await web("https", headers={"authorization": "Bearer hunter"}).__aenter__()
    assert "hunter" not in str(caught.value)
    assert state.token == ""


async def test_a_hundred_calls_at_once(web, state):
    async with web() as server:
        echo = tools_of(server)["echo"]
        assert await asyncio.gather(*[echo(text=str(n)) for n in range(100)]) == [str(n) for n in range(100)]


async def test_a_server_that_holds_the_goodbye_holds_up_nobody(web, state):
    async with web() as server:
        assert await tools_of(server)["echo"](text="hi") == "hi"
        state.holds = True
    assert not [task for task in asyncio.all_tasks() if "_keep" in str(task.get_coro())]

import asyncio
import json
from email.utils import parsedate_to_datetime

import pytest
from pyreqwest.exceptions import RequestError
from tests.unit.testing.wire_client import (
    CLAUDE_TOOL,
    TOOL,
    Got,
    ask,
    auth,
    connect,
    message,
    post,
    until,
    write_request,
)

from surefoot.clock import SystemClock
from surefoot.errors import ConfigError, ModelRefused
from surefoot.models.base import ModelProfile, Options
from surefoot.models.http import HttpClient
from surefoot.models.openai_chat import OpenAIChat
from surefoot.testing import (
    Answer,
    Brain,
    FakeProvider,
    Mix,
    Price,
    ProviderRequest,
    call,
    fail,
    garbage,
    hang,
    overflow,
    reset,
    say,
    status,
)
from surefoot.types import Message, Usage


class Hands(SystemClock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 1_700_000_000.0
        self.now = self.monotonic = lambda: self.at_s


# --- who may ask, and for what


async def test_a_request_needs_the_key():
    async with FakeProvider(["hi", "ho"], api_key="sk-right") as provider:
        for headers in ({}, {"authorization": "Bearer sk-wrong"}, {"authorization": "Basic sk-right"}):
            got = await post(provider, ask(), headers=headers)
            assert got.status == 401
            assert got.json["error"]["code"] == "invalid_api_key"
        assert (await post(provider, ask())).status == 200
        assert provider.stats.faults == {"401": 3}
        assert provider.bill.charges.total == 1


async def test_an_empty_key_lets_everybody_in():
    async with FakeProvider(["hi"], api_key="") as provider:
        assert (await post(provider, ask(), headers={})).status == 200


async def test_only_the_calls_are_there():
    async with FakeProvider() as provider:
        for path in ("/embeddings", "/v1/chat/completions", "/api/messages", "/chat/completions/"):
            missing = await post(provider, ask(), path=path)
            assert (missing.status, missing.json["error"]["type"]) == (404, "invalid_request_error")
        for base_url in (f"{provider.base_url}/v2", provider.base_url.removesuffix("/v1")):
            http = HttpClient()
            model = OpenAIChat(ModelProfile("fake:m", "fake", "m"), base_url, provider.api_key, http)
            prompt = model.open((), None)
            prompt.append(Message.user("hi"))
            with pytest.raises(
                ModelRefused, match=rf"not found \(HTTP 404\), check .* base_url {base_url}: nothing is at"
            ):
                await model.respond(prompt, 10, Options(), 5.0)
            await http.close()
        assert provider.bill.tokens == 0
        async with connect(provider) as socket:
            await socket.send(b"GET /v1/chat/completions?x=1 HTTP/1.1\r\n\r\n")
            got = await socket.receive()
            assert (got.status, got.headers["allow"]) == (405, "POST")
            await socket.send(b"GET /fake HTTP/1.1\r\n\r\n")
            report = (await socket.receive()).json
    assert report["stats"]["connections"] >= 1
    assert report["bill"] == {"charges": 0, "tokens": 0, "nano": 0, "usage": {}}
    assert provider.stats.requests == 0


TWO = [
    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
]
USER = {"role": "user", "content": "Go."}
CALLER = {"role": "assistant", "tool_calls": TWO}


def tool(call_id: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": call_id, "content": "x"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_tokens": None}, "max_tokens .* is required"),
        ({"max_tokens": 0}, "at least 1"),
        ({"messages": []}, "must not be empty"),
        ({"messages": [USER, tool("1")]}, r"messages\[1\]: .* answers '1', which nobody called"),
        ({"messages": [CALLER, tool("1")]}, "missing: 2"),
        ({"messages": [CALLER, tool("1"), USER, tool("2")]}, "missing: 2"),
        ({"messages": [CALLER, tool("1"), tool("1"), tool("2")]}, "answers '1'"),
        ({"messages": [{"role": "assistant", "tool_calls": TWO[:1] * 2}, tool("1")]}, "ids of tool calls must differ"),
        ({"tools": [TOOL, TOOL]}, "must be unique"),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "'no spaces' is no tool name"),
    ],
)
async def test_a_strict_provider_refuses_what_a_real_one_would(change, reason):
    body = ask() | change
    async with FakeProvider(["fine"]) as provider:
        got = await post(provider, body)
        assert got.status == 400
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(got.json["error"]["message"])
        assert provider.bill.tokens == 0
    async with FakeProvider(["fine"], strict=False) as provider:
        assert (await post(provider, body)).status == 200


async def test_pairs_of_calls_and_results_pass():
    messages = [USER, CALLER, tool("2"), tool("1"), {"role": "assistant", "tool_calls": TWO[:1]}, tool("1"), USER]
    async with FakeProvider(["fine"]) as provider:
        assert (await post(provider, ask(messages=messages, tools=[TOOL]))).status == 200


async def test_a_claude_request_is_checked_alike():
    result = {"type": "tool_result", "tool_use_id": "1"}
    async with FakeProvider(["fine"]) as provider:
        got = await message(provider, ask(messages=[{"role": "user", "content": [result]}]))
    assert got.status == 400
    assert got.json["error"] == {
        "type": "invalid_request_error",
        "message": "messages[0]: the tool message answers '1', which nobody called",
    }


async def test_the_window_bounds_prompt_and_reply_together():
    async with FakeProvider(["a", "b"], context_tokens=200) as provider:
        assert (await post(provider, ask(max_tokens=100))).status == 200
        got = await post(provider, ask(max_tokens=200))
        assert (got.status, got.json["error"]["code"]) == (400, "context_length_exceeded")
        assert (await message(provider, ask("x" * 800))).json["error"]["type"] == "context_length_exceeded"


async def test_models_are_those_with_a_price():
    async with FakeProvider(["a"], prices={"m": Price("1", "1")}) as provider:
        assert (await post(provider, ask())).status == 200
        got = await post(provider, ask(model="other"))
        assert (got.status, got.json["error"]["code"]) == (404, "model_not_found")


# --- the script


async def test_a_list_is_played_in_the_order_of_requests_and_ends():
    async with FakeProvider(["one", say("two"), status(503)]) as provider:
        bodies = [await post(provider, ask()) for _ in range(4)]
    assert [got.status for got in bodies] == [200, 200, 503, 400]
    assert bodies[1].json["choices"][0]["message"]["content"] == "two"
    assert bodies[3].json["error"]["code"] == "script_exhausted"
    assert "it has 3 replies" in bodies[3].json["error"]["message"]


async def test_a_function_answers_what_it_sees():
    def reply(request: ProviderRequest) -> Answer | str:
        return call("look_up", key=request.messages[-1].text) if request.tools else f"no tools in {request.wire}"

    async with FakeProvider(reply) as provider:
        first = await post(provider, ask("key 1", tools=[TOOL]))
        second = await message(provider, ask("key 2"))
    assert first.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"key":"key 1"}'
    assert second.json["content"][0]["text"] == "no tools in anthropic"
    assert [request.number for request in provider.requests] == [1, 2]
    assert json.loads(provider.requests[0].body)["max_tokens"] == 100
    assert provider.requests[0].headers["authorization"] == "Bearer sk-fake"


async def test_an_async_function_lets_the_test_decide_when_and_many_wait_at_once():
    gate = asyncio.Event()

    async def reply(request: ProviderRequest) -> str:
        await gate.wait()
        return request.messages[0].text

    async with FakeProvider(reply) as provider:
        tasks = [asyncio.create_task(post(provider, ask(f"{number}"))) for number in range(50)]
        await until(lambda: provider.stats.in_flight == 50)
        assert provider.bill.tokens == 0
        gate.set()
        texts = [(await task).json["choices"][0]["message"]["content"] for task in tasks]
    assert texts == [f"{number}" for number in range(50)]
    assert provider.stats.max_in_flight == 50
    assert provider.stats.in_flight == 0
    assert provider.stats.max_connections == 50


def oops(request: ProviderRequest) -> str:
    raise KeyError("oops")


async def number(request: ProviderRequest) -> int:
    await asyncio.sleep(0)
    return 5


async def ask_once(provider: FakeProvider) -> Got:
    async with provider:
        return await post(provider, ask())


async def test_a_mistake_in_the_script_is_told_to_both_sides():
    got: list[Got] = []

    async def use(script) -> None:
        async with FakeProvider(script) as provider:
            got.append(await post(provider, ask()))

    with pytest.raises(KeyError, match="oops"):
        await use(oops)
    with pytest.raises(ConfigError, match="a script holds replies such as"):
        await use(number)
    assert [one.status for one in got] == [500, 500]
    assert "script raised KeyError" in got[0].json["error"]["message"]


async def test_the_tests_own_failure_comes_before_that_of_the_script():
    async def use() -> None:
        async with FakeProvider(oops) as provider:
            await post(provider, ask())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()


async def test_an_exception_cannot_go_over_the_wire():
    with pytest.raises(ConfigError, match="works in process only"):
        FakeProvider([fail(ValueError())])
    with pytest.raises(ConfigError, match="works in process only"):
        await ask_once(FakeProvider(lambda request: fail(ValueError())))


async def test_the_default_is_a_brain_that_calls_the_first_tool_and_answers():
    async with FakeProvider() as provider:
        first = (await post(provider, ask(tools=[TOOL]))).json["choices"][0]["message"]
        history = [USER, first, {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "found"}]
        second = (await post(provider, ask(messages=history, tools=[TOOL]))).json["choices"][0]["message"]
        none = (await post(provider, ask(tools=[TOOL], tool_choice="none"))).json["choices"][0]["message"]
        claude = (await message(provider, ask(tools=[CLAUDE_TOOL]))).json
    assert first["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"key":"text"}'}
    assert second["content"] == none["content"] == "Done."
    assert claude["content"][0]["input"] == {"key": "text"}


async def test_an_echo_shows_the_canaries_of_the_whole_prompt():
    async with FakeProvider(Brain(echo=True)) as provider:
        system = {"role": "system", "content": "For canary-Other1 only"}
        got = await post(provider, ask(messages=[system, {"role": "user", "content": "canary-Mine1"}]))
    assert got.json["choices"][0]["message"]["content"] == "Done. canary-Other1 canary-Mine1"


async def test_a_mix_repeats_itself_for_the_same_seed():
    async def statuses(seed: int) -> list[int]:
        async with FakeProvider(Mix([(1, Brain()), (1, status(500))], seed=seed), seed=seed) as provider:
            return [(await post(provider, ask())).status for _ in range(20)]

    first = await statuses(1)
    assert first == await statuses(1)
    assert set(first) == {200, 500}


# --- faults


async def test_retry_after_in_seconds_as_a_date_and_other_headers():
    clock = Hands()
    script = [
        status(429, retry_after_s=2, headers={"x-ratelimit-remaining-requests": "0"}),
        status(429, retry_after_s=0.25),
        status(503, "Down for maintenance.", retry_after_s=90, retry_after_date=True),
    ]
    async with FakeProvider(script, clock=clock) as provider:
        first, second, third = [await post(provider, ask()) for _ in range(3)]
    assert first.headers["retry-after"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert first.json["error"]["type"] == "rate_limit_error"
    assert second.headers["retry-after"] == "0.25"
    assert parsedate_to_datetime(third.headers["retry-after"]).timestamp() == clock.at_s + 90
    assert parsedate_to_datetime(third.headers["date"]).timestamp() == clock.at_s
    assert third.json["error"]["message"] == "Down for maintenance."


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(401), 401),
        (status(403), 403),
        (status(404), 404),
        (overflow(), 400),
        (status(529), 529),
        (status(799), 799),
    ],
)
async def test_any_status_is_answered_in_the_providers_form(fault, code):
    async with FakeProvider([fault]) as provider:
        got = await post(provider, ask())
        assert got.status == code
        assert got.json["error"]["message"]
        assert provider.stats.faults == {str(code): 1}
        assert provider.bill.tokens == 0


@pytest.mark.parametrize(
    "fault", [status(500), status(503, billed=True), hang(), reset(), garbage(), garbage(html=True, billed=True)]
)
async def test_a_billed_fault_costs_the_worst(fault):
    async with FakeProvider([fault], prices=Price("1", "2"), input_multiplier=4) as provider:
        task = asyncio.create_task(post(provider, ask("12345678", max_tokens=70)))
        await until(lambda: provider.bill.charges.total)
        charge = provider.bill.charges[0]
        assert charge.usage == Usage(8 + 6, 70)
        assert charge.nano == 14 * 1_000 + 70 * 2_000
        assert charge.reason in {"500", "503", "hang", "reset", "garbage", "html"}
        if fault.kind in {"hang", "reset"}:
            task.cancel()
        await asyncio.wait([task])


async def test_a_provider_that_hangs_is_left_and_stays_paid():
    async with FakeProvider([hang(), "fine"]) as provider:
        async with connect(provider) as socket:
            await socket.send(write_request(provider, ask()))
            await until(lambda: provider.stats.in_flight == 1)
        await until(lambda: provider.stats.abandoned == 1)
        assert provider.stats.in_flight == 0
        assert provider.bill.usage.output_tokens == 100
        assert (await post(provider, ask())).status == 200


@pytest.mark.parametrize("in_thread", [False, True], ids=["asyncio", "uvloop"])
async def test_a_reset_comes_before_or_after_the_headers(in_thread):
    script = [reset(), reset(after_headers=True), reset(after_headers=True), "fine"]
    if in_thread:
        with FakeProvider.start_in_thread(script) as provider:
            await check_resets(provider)
    else:
        async with FakeProvider(script) as provider:
            await check_resets(provider)
    assert provider.stats.faults == {"reset": 1, "reset_after_headers": 2}
    assert provider.stats.in_flight == 0


async def check_resets(provider: FakeProvider) -> None:
    async with connect(provider) as socket:
        await socket.send(write_request(provider, ask()))
        with pytest.raises(ConnectionResetError):
            await socket.receive_rest()
    for stream, framing in ((False, b"content-length: 512"), (True, b"transfer-encoding: chunked")):
        async with connect(provider) as socket:
            await socket.send(write_request(provider, ask(stream=stream)))
            head = await socket.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert framing in head
            with pytest.raises(ConnectionResetError):
                await socket.receive_rest()
    assert (await post(provider, ask())).status == 200


async def test_bodies_that_are_no_reply():
    async with FakeProvider([garbage(), garbage(), garbage(html=True)]) as provider:
        broken = await post(provider, ask())
        broken_stream = await post(provider, ask(stream=True))
        page = await post(provider, ask())
    assert broken.status == broken_stream.status == page.status == 200
    assert broken.headers["content-type"] == "application/json"
    for got in (broken, broken_stream):
        with pytest.raises(json.JSONDecodeError):
            json.loads(got.body.removeprefix(b"data: "))
    assert [charge.reason for charge in provider.bill.charges] == ["garbage", "garbage"]  # a page costs nothing
    assert page.headers["content-type"] == "text/html"
    assert page.body.startswith(b"<!doctype html>")


async def test_a_cut_stream_ends_as_told_and_is_billed_in_full():
    script = [say("one two three", cut_after=2, cut=cut) for cut in ("close", "error", "silent")]
    async with FakeProvider(script) as provider:
        with pytest.raises(RequestError):
            await post(provider, ask(stream=True))
        error = await post(provider, ask(stream=True))
        silent = await post(provider, ask(stream=True))
        assert [charge.usage.output_tokens for charge in provider.bill.charges] == [4, 4, 4]
        assert provider.stats.in_flight == 0
    assert len(error.events) == 3
    assert error.events[-1]["error"]["message"] == "the stream was cut by the script"
    assert silent.text == "one"
    assert "[DONE]" not in silent.events
    assert all(event["choices"][0]["finish_reason"] is None for event in silent.events)


async def test_a_cut_never_lets_the_last_event_through():
    async with FakeProvider([say("x", cut_after=99, cut="silent"), say("x", cut_after=0, cut="silent")]) as provider:
        assert (await post(provider, ask(stream=True))).events[-1] != "[DONE]"
        assert (await post(provider, ask(stream=True))).events == []


async def test_a_claude_stream_may_end_in_an_error_event():
    async with FakeProvider([say("one two", cut_after=3, cut="error")]) as provider:
        events = (await message(provider, ask(stream=True))).events
    assert [event["type"] for event in events] == ["message_start", "ping", "content_block_start", "error"]


async def test_a_whole_reply_is_cut_in_its_middle():
    script = [say("one two three", cut_after=0), say("one two three", cut_after=0, cut="silent")]
    async with FakeProvider(script) as provider:
        async with connect(provider) as socket:
            await socket.send(write_request(provider, ask()))
            head = await socket.reader.readuntil(b"\r\n\r\n")
            announced = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            assert 0 < len(await socket.receive_rest()) < announced
        silent = await post(provider, ask())
    with pytest.raises(json.JSONDecodeError):
        json.loads(silent.body)


# --- tokens and money


async def test_max_tokens_is_kept_unless_a_reply_is_overlong():
    async with FakeProvider(
        [say("a b c d e f g"), say("a b c d e f g", overlong=True)], prices=Price("0", "1")
    ) as provider:
        kept = (await post(provider, ask(max_tokens=2))).json
        overlong = (await post(provider, ask(max_tokens=2))).json
    assert kept["choices"][0]["message"]["content"] == "a b c d "
    assert kept["usage"]["completion_tokens"] == 2
    assert kept["choices"][0]["finish_reason"] == "length"
    assert overlong["choices"][0]["message"]["content"] == "a b c d e f g"
    assert overlong["usage"]["completion_tokens"] == 4
    assert provider.bill.nano == 6_000


async def test_the_bill_does_not_depend_on_what_is_reported():
    async with FakeProvider([say("word", usage=None), say("word", usage=Usage(10**6, 10**6))]) as provider:
        assert "usage" not in (await post(provider, ask("12345678"))).json
        assert provider.bill.usage == Usage(2 + 6, 1)
        assert (await post(provider, ask("12345678"))).json["usage"]["prompt_tokens"] == 10**6
        assert provider.bill.usage.input_tokens == 10**6 + 8


async def test_a_caller_that_goes_away_pays_all_the_same():
    never = asyncio.Event()

    async def reply(request: ProviderRequest) -> Answer:
        if request.number == 1:
            await never.wait()
        return say("four words of text", delay_s=60)

    async with FakeProvider(reply) as provider:
        for number in (1, 2):
            async with connect(provider) as socket:
                await socket.send(write_request(provider, ask(max_tokens=50)))
                await until(lambda: provider.stats.in_flight == 1)
            await until(lambda number=number: provider.stats.abandoned == number)
    assert [(charge.reason, charge.usage.output_tokens) for charge in provider.bill.charges] == [
        ("cancelled", 50),
        ("reply", 5),
    ]


async def test_a_script_that_will_not_be_cancelled_answers_nobody():
    async def stubborn(request: ProviderRequest) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "too late"
        raise AssertionError

    async with FakeProvider(stubborn) as provider:
        async with connect(provider) as socket:
            await socket.send(write_request(provider, ask()))
            await until(lambda: provider.stats.in_flight == 1)
        await until(lambda: provider.stats.replies == 1)
    assert provider.bill.charges[0].reason == "reply"


# --- time


async def test_latency_is_fixed_or_drawn_and_the_same_for_the_same_seed():
    async def latencies(seed: int) -> list[float]:
        drawn: list[float] = []

        def draw(chance) -> float:
            drawn.append(chance.random() / 1_000)
            return drawn[-1]

        async with FakeProvider(["a", "b", "c"], latency_s=draw, seed=seed) as provider:
            for _ in range(3):
                assert (await post(provider, ask())).status == 200
        return drawn

    first = await latencies(1)
    assert len(set(first)) == 3
    assert first == await latencies(1)
    assert first != await latencies(2)
    async with FakeProvider(["late"], latency_s=60) as provider, connect(provider) as socket:
        await socket.send(write_request(provider, ask()))
        await until(lambda: provider.stats.replies == 1)
        assert provider.stats.in_flight == 1


async def test_a_paced_stream_comes_event_by_event():
    async with FakeProvider([say("one two", pace_s=0.001, delay_s=0.001)], chunk_bytes=50) as provider:
        got = await post(provider, ask(stream=True))
    assert got.text == "one two"
    async with FakeProvider([say("one two", pace_s=60)]) as provider, connect(provider) as socket:
        await socket.send(write_request(provider, ask(stream=True)))
        await socket.reader.readuntil(b"data: ")
        assert provider.stats.in_flight == 1


@pytest.mark.parametrize("chunk_bytes", [1, 7, 10**6])
async def test_chunks_fall_anywhere(chunk_bytes):
    text = "Größe, 大きさ, величина"
    async with FakeProvider([say(text)], chunk_bytes=chunk_bytes) as provider:
        got = await post(provider, ask(stream=True))
    assert got.text == text
    assert got.events[-1] == "[DONE]"


async def test_requests_a_minute_are_limited_and_announced():
    clock = Hands()
    async with FakeProvider(lambda request: "ok", rpm=60, burst_s=2, clock=clock) as provider:
        first, second, third = [await post(provider, ask()) for _ in range(3)]
        assert [got.status for got in (first, second, third)] == [200, 200, 429]
        assert first.headers["x-ratelimit-limit-requests"] == "60"
        assert [got.headers["x-ratelimit-remaining-requests"] for got in (first, second, third)] == ["1", "0", "0"]
        assert third.headers["x-ratelimit-reset-requests"] == "2.000s"
        assert (third.headers["retry-after"], third.headers["retry-after-ms"]) == ("1", "1000")
        clock.at_s += 1
        assert (await post(provider, ask())).status == 200
        claude = await message(provider, ask())
        assert claude.status == 429
        assert claude.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert claude.headers["anthropic-ratelimit-requests-reset"] == "2023-11-14T22:13:23Z"
        assert claude.headers["retry-after"] == "1"


async def test_tokens_a_minute_admit_by_the_worst_and_count_the_truth():
    clock = Hands()
    async with FakeProvider(lambda request: "four", tpm=1_200, burst_s=10, clock=clock) as provider:
        got = await post(provider, ask("1234", max_tokens=150))
        assert got.status == 200
        assert got.headers["x-ratelimit-remaining-tokens"] == str(200 - 8)
        assert (await post(provider, ask(max_tokens=190))).status == 429
        assert (await post(provider, ask(max_tokens=150))).status == 200
    assert provider.bill.tokens == 8 + 9


# --- life


async def test_above_the_limit_a_connection_is_refused_and_far_above_dropped():
    async with FakeProvider(["fine"], max_connections=1) as provider, connect(provider) as first:
        await until(lambda: provider.stats.connections == 1)
        async with connect(provider) as second:
            await until(lambda: provider.stats.connections == 2)
            async with connect(provider) as third:
                assert await third.receive_rest() == b""
            await second.send(write_request(provider, ask()))
            refused = await second.receive()
            assert refused.status == 503
            assert "raise max_connections" in refused.json["error"]["message"]
            assert await second.receive_rest() == b""
        await first.send(write_request(provider, ask()))
        assert (await first.receive()).status == 200
    assert provider.stats.refused_connections == 2
    assert provider.stats.connections == 0


async def test_what_is_remembered_is_bounded():
    async with FakeProvider(lambda request: "ok", record=2) as provider:
        for _ in range(4):
            await post(provider, ask())
    assert [request.number for request in provider.requests] == [3, 4]
    assert provider.bill.charges.total == 4


async def test_it_ends_while_callers_wait_and_can_be_started_again():
    provider = FakeProvider([hang(), "again"])
    async with provider:
        task = asyncio.create_task(post(provider, ask()))
        await until(lambda: provider.stats.in_flight == 1)
    with pytest.raises(RequestError):
        await task
    async with provider:
        assert (await post(provider, ask())).status == 200


async def test_a_port_that_is_taken_is_said_to_be():
    async with FakeProvider() as provider:
        port = int(provider.base_url.split(":")[2].split("/")[0])
        with pytest.raises(ConfigError, match=f"cannot listen on port {port}"):
            async with FakeProvider(port=port):
                pass
        with pytest.raises(ConfigError, match="cannot listen"), FakeProvider.start_in_thread(port=port):
            pass


def test_values_out_of_range_are_refused():
    with pytest.raises(ConfigError):
        FakeProvider(input_multiplier=9)
    with pytest.raises(ConfigError):
        FakeProvider(rpm=0)


def test_in_a_thread_of_its_own():
    async def use(provider: FakeProvider) -> list[Got]:
        return await asyncio.gather(*[post(provider, ask()) for _ in range(20)])

    with FakeProvider.start_in_thread(Brain()) as provider:
        replies = asyncio.run(use(provider))
        assert [got.status for got in replies] == [200] * 20
        assert len(list(provider.requests)) == 20
    assert provider.stats.connections == 0


def test_a_mistake_in_the_script_reaches_the_caller_of_the_thread():
    def use(*, broken: bool) -> None:
        with FakeProvider.start_in_thread(oops, api_key="sk") as provider:
            assert asyncio.run(post(provider, ask(), headers=auth(provider))).status == 500
            if broken:
                raise ZeroDivisionError

    with pytest.raises(KeyError, match="oops"):
        use(broken=False)
    with pytest.raises(ZeroDivisionError):
        use(broken=True)

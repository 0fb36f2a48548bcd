"""The HTTP client against real connections that go wrong in every way."""

import asyncio
import gzip
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager

import pytest
from tests.unit.testing.wire_client import until

from surefoot.errors import ConfigError, ModelBroken, ModelError, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.models.address import check_base_url, find_address
from surefoot.models.base import ModelProfile, Options
from surefoot.models.http import MAX_BODY_BYTES, MAX_STREAM_BYTES, HttpClient, download
from surefoot.models.openai_chat import OpenAIChat
from surefoot.models.status import Peer
from surefoot.models.wire import MAX_PIECE_BYTES
from surefoot.testing import FakeProvider, hang, say, status
from surefoot.types import Message

KEY = "sk-secret-0123456789"
OK = b'{"choices":[{"message":{"content":"fine"}}]}'
PROFILE = ModelProfile("fake:m", "fake", "m")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


async def ask(http, url, *, streamed=False, timeout_s=10.0):
    """The text of one reply."""
    model = OpenAIChat(PROFILE, url, KEY, http)
    prompt = model.open((), None)
    prompt.append(Message.user("hi"))
    if not streamed:
        return (await model.respond(prompt, 50, Options(), timeout_s)).message.text
    items = [item async for item in model.stream(prompt, 50, Options(), timeout_s)]
    assert "".join(items[:-1]) == items[-1].message.text
    return items[-1].message.text


ENDLESS = (b":" + b" " * 1022 + b"\n") * (MAX_STREAM_BYTES // 1024 + 1)

both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


# --- nothing was sent


@both
async def test_a_refused_port(http, unused_tcp_port, streamed):
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    with pytest.raises(ModelUnreachable, match=f"^fake:m: {url} cannot be reached: Connection refused") as caught:
        await ask(http, url, streamed=streamed)
    assert (caught.value.sent, caught.value.retryable) == (False, True)


@both
async def test_a_name_that_does_not_exist(streamed, monkeypatch):
    for name in (*PROXIES, *[name.lower() for name in PROXIES]):
        monkeypatch.delenv(name, raising=False)
    http = HttpClient()
    with pytest.raises(ModelUnreachable, match="cannot be reached: "):
        await ask(http, "http://nowhere.invalid/v1", streamed=streamed)
    await http.close()


async def test_a_server_without_tls(http):
    async with serve(b"HTTP/1.1 400 Bad Request\r\n\r\n", until=b"") as (url, heads):
        with pytest.raises(ModelUnreachable, match=r"cannot be reached"):
            await ask(http, url.replace("http://", "https://"))
        assert KEY.encode() not in heads[0]


async def test_no_connection_is_free():
    http = HttpClient(max_connections=1)
    async with FakeProvider([hang()], api_key="") as provider:
        first = asyncio.create_task(ask(http, provider.base_url, timeout_s=60))
        await until(lambda: provider.stats.in_flight == 1)
        with pytest.raises(ModelUnreachable, match=r"no connection became free within 0\.05 s"):
            await ask(http, provider.base_url, timeout_s=0.05)
        assert provider.stats.requests == 1
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    await http.close()


# --- the outcome is unknown


@both
async def test_no_answer_in_time(http, streamed):
    async with FakeProvider([hang()], api_key="") as provider:
        with pytest.raises(ModelBroken, match=r"^fake:m: no complete reply from .* within 0\.1 s$") as caught:
            await ask(http, provider.base_url, streamed=streamed, timeout_s=0.1)
        assert (caught.value.sent, caught.value.retryable) == (True, True)
        await until(lambda: provider.stats.abandoned == 1)


@both
@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
async def test_no_time_is_left(http, streamed, timeout_s):
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ModelError, match="within"):
        await ask(http, f"http://127.0.0.1:{silent.getsockname()[1]}/v1", streamed=streamed, timeout_s=timeout_s)


@both
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"",
    ],
    ids=["cut", "length", "chunk", "gzip", "no HTTP", "nothing"],
)
async def test_an_answer_that_is_not_whole_http(http, raw, answer, streamed):
    async def play(_, writer):
        writer.write(answer)
        await writer.drain()
        raise ConnectionError

    async with raw(play) as server:
        with pytest.raises(ModelBroken, match=f"^fake:m: the connection to {server.url} broke: ") as caught:
            await ask(http, server.url, streamed=streamed)
        assert len(server.requests) == 1
    assert KEY not in str(caught.value)


async def test_a_stream_has_one_timeout_for_all_of_it(http):
    async with FakeProvider([say("word " * 400, pace_s=0.01)], api_key="") as provider:
        with pytest.raises(ModelBroken, match=r"no complete reply from .* within 0\.15 s"):
            await ask(http, provider.base_url, streamed=True, timeout_s=0.15)


async def test_a_page_of_html_is_no_reply(http, raw, write_answer):
    page = b"<!doctype html><title>Welcome to nginx</title>"
    async with raw(write_answer(page, content_type="text/html")) as server:
        said = rf"^fake:m: {server.url}/chat/completions answers with a page \(text/html\) and not as an API; check base_url"
        for streamed in (False, True):
            with pytest.raises(ModelRefused, match=said) as caught:
                await ask(http, server.url, streamed=streamed)
            assert (caught.value.sent, caught.value.retryable) == (False, False)
        assert len(server.requests) == 2
    async with raw(write_answer(page, "502 Bad Gateway", content_type="text/html")) as server:
        with pytest.raises(ModelBroken, match=r"the provider failed \(HTTP 502\)$"):
            await ask(http, server.url)


# --- odd, but whole


@both
async def test_a_compressed_answer_is_read(http, raw, write_answer, streamed):
    answer = write_answer(gzip.compress(OK), content_encoding="gzip", content_type="application/json")
    async with raw(answer) as server:
        assert await ask(http, server.url, streamed=streamed) == "fine"


@both
async def test_an_answer_without_a_length_ends_with_its_connection(http, raw, streamed):
    async def play(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + OK)
        await writer.drain()
        raise ConnectionError

    async with raw(play) as server:
        assert await ask(http, server.url, streamed=streamed) == "fine"


@both
async def test_a_header_that_is_no_text_counts_as_absent(http, raw, streamed):
    odd = b"retry-after: \xff\r\ncontent-type: application/json\r\nx-ratelimit-limit-tokens: \xff\r\n"
    answers = [
        b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n" % (line, odd, len(OK)) + OK for line in (b"429 X", b"200 OK")
    ]
    async with raw(*answers) as server:
        with pytest.raises(ModelOverloaded) as caught:
            await ask(http, server.url, streamed=streamed)
        assert caught.value.retry_after_s is None
        assert await ask(http, server.url, streamed=streamed) == "fine"


# --- too much


async def test_a_long_stream_is_taken_in_by_turns(http, raw, write_events):
    event = b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"x" * 4_000)
    end = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    async with raw(write_events(event * 500 + end)) as server:
        model = OpenAIChat(PROFILE, server.url, KEY, http)
        items = [item async for item in model.stream(model.open((), None), 50, Options(), 10.0)]
    assert sum(len(item) for item in items[:-1]) == len(items[-1].message.text) == 2_000_000
    assert max(len(item) for item in items[:-1]) <= MAX_PIECE_BYTES + 4_000


@both
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_an_answer_without_measure_is_not_read_to_its_end(http, raw, write_answer, streamed, kind):
    most = 32 if streamed and kind == "text/event-stream" else 2
    async with raw(write_answer(ENDLESS, content_type=kind)) as server:
        with pytest.raises(ModelBroken, match=rf"the reply from .* is longer than {most} MiB"):
            await ask(http, server.url, streamed=streamed)


async def test_a_stream_may_not_say_more_than_a_whole_reply(http, raw, write_answer):
    event = b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"word " * 20_000)
    end = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    fits = MAX_BODY_BYTES // 100_000
    async with raw(write_answer(event * fits + end, content_type="text/event-stream")) as server:
        assert len(await ask(http, server.url, streamed=True)) == fits * 100_000
    async with raw(write_answer(event * (fits + 1) + end, content_type="text/event-stream")) as server:
        with pytest.raises(ModelBroken, match=r"the reply from .* is longer than 2 MiB"):
            await ask(http, server.url, streamed=True)


@both
async def test_a_small_answer_that_unpacks_without_measure_is_not_read_to_its_end(http, raw, write_answer, streamed):
    packed = gzip.compress(ENDLESS, 1)
    assert len(packed) < 1 << 20
    async with raw(write_answer(packed, content_encoding="gzip", content_type="text/event-stream")) as server:
        with pytest.raises(ModelBroken, match=rf"the reply from .* is longer than {32 if streamed else 2} MiB"):
            await ask(http, server.url, streamed=streamed)


# --- where a key may go


@both
async def test_a_redirect_is_not_followed(http, streamed):
    async with FakeProvider(["never"], api_key="") as other:
        location = other.base_url.replace("http://", "http://user:pass@") + "/chat/completions?token=1"
        async with FakeProvider([status(307, headers={"location": location})], api_key="") as provider:
            with pytest.raises(ModelRefused, match="redirects to") as caught:
                await ask(http, provider.base_url, streamed=streamed)
        assert other.stats.connections == other.stats.requests == 0
    assert "pass" not in str(caught.value)
    assert "token" not in str(caught.value)


async def test_no_proxy_stands_before_this_machine(monkeypatch, unused_tcp_port):
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.delenv("NO_PROXY")
    http = HttpClient()
    async with FakeProvider(["one", "two"], api_key="") as provider:
        assert await ask(http, provider.base_url) == "one"
        assert await ask(http, provider.base_url.replace("127.0.0.1", "localhost")) == "two"
    await http.close()


async def test_the_proxy_of_the_environment_stands_before_others(monkeypatch):
    for name in (*PROXIES, *[name.lower() for name in PROXIES]):
        monkeypatch.delenv(name, raising=False)
    async with FakeProvider(["by proxy"], api_key="") as provider:
        monkeypatch.setenv("HTTP_PROXY", provider.base_url.removesuffix("/v1"))
        http = HttpClient()
        assert await ask(http, "http://llm.example.com/v1") == "by proxy"
        assert provider.requests[0].headers["host"] == "llm.example.com"
        await http.close()


# --- cancellation


async def test_a_cancelled_call_ends_at_once_and_its_connection_with_its_timeout(http):
    async with FakeProvider([hang()], api_key="") as provider:
        task = asyncio.create_task(ask(http, provider.base_url, timeout_s=0.5))
        await until(lambda: provider.stats.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert provider.stats.abandoned == 0
        await until(lambda: provider.stats.abandoned == 1)


async def test_a_cancelled_stream_closes_its_connection(http):
    async with FakeProvider([say("a b c d e f", pace_s=60)], api_key="") as provider:
        task = asyncio.create_task(ask(http, provider.base_url, streamed=True, timeout_s=600))
        await until(lambda: provider.stats.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: provider.stats.abandoned == 1)


async def cancel_as_its_end_comes(task, has_come):
    """Hold the event loop until the answer is there and nobody has seen it, then cancel."""
    await asyncio.sleep(0)  # it is sent, by a thread of the library
    while not has_come():
        time.sleep(0.001)  # noqa: ASYNC251 - that is the point
    time.sleep(0.03)  # noqa: ASYNC251 - on a slow machine nothing has come yet, which is an ordinary cancellation
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@both
async def test_a_call_that_is_cancelled_as_its_answer_comes_is_cancelled(http, streamed):
    """The library would give the answer out, and a run whose user has gone away would go on."""
    with FakeProvider.start_in_thread([say("fine")] * 3, api_key="", latency_s=0.02) as provider:
        for number in range(1, 4):
            task = asyncio.create_task(ask(http, provider.base_url, streamed=streamed))
            stats = provider.stats
            await cancel_as_its_end_comes(task, lambda: stats.requests >= number and not stats.in_flight)  # noqa: B023


@both
async def test_a_call_that_is_cancelled_as_it_fails_is_cancelled(http, streamed):
    """It would be tried again, for nobody."""
    dropped = []

    def drop():
        for _ in range(4):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                time.sleep(0.02)
            dropped.append(1)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as threads:
        dropping = threads.submit(drop)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        for number in range(1, 5):
            task = asyncio.create_task(ask(http, url, streamed=streamed))
            await cancel_as_its_end_comes(task, lambda: len(dropped) >= number)  # noqa: B023
        dropping.result()


async def test_a_stream_that_is_cancelled_as_a_piece_comes_is_cancelled(http):
    body = b'{"stream":true,"max_tokens":9000,"model":"m","messages":[{"role":"user","content":"hi"}]}'
    with FakeProvider.start_in_thread([say("word " * 1_000, pace_s=0.01)] * 3, api_key="") as provider:
        url = check_base_url(f"{provider.base_url}/chat/completions", "t")
        endpoint = http.prepare(url, {}, Peer("fake:m", "there", "the key"))
        for _ in range(3):
            stream = await http.open(endpoint, body, 10.0)
            while True:
                task = asyncio.create_task(stream.read())
                await asyncio.sleep(0)
                if not task.done():  # nothing was there yet
                    break
            time.sleep(0.03)  # noqa: ASYNC251 - a piece comes meanwhile, and nobody sees it
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await stream.close()


async def test_closing_the_pool_ends_what_is_in_flight_and_what_comes_later():
    http = HttpClient()
    async with FakeProvider([hang()], api_key="") as provider:
        task = asyncio.create_task(ask(http, provider.base_url))
        await until(lambda: provider.stats.in_flight == 1)
        model = OpenAIChat(PROFILE, provider.base_url, "", http)
        await http.close()
        with pytest.raises(ModelBroken, match=r"the connection to .* broke"):
            await task
        with pytest.raises(ModelBroken, match="closed"):
            await model.respond(model.open((), None), 5, Options(), 5)


async def test_a_closed_pool_makes_new_connections_for_new_models():
    http = HttpClient()
    async with FakeProvider(["one", "two"], api_key="") as provider:
        assert await ask(http, provider.base_url) == "one"
        await http.close()
        assert await ask(http, provider.base_url) == "two"
    await http.close()


# --- addresses


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must begin with http"),
        ("api.openai.com/v1", "must begin with http"),
        ("ftp://host/v1", "must begin with http"),
        ("http://", "is not the address of an API"),
        ("http://:80/v1", "is not the address of an API"),
        ("http://host:0/v1", "is not the address of an API"),
        ("http://ho st/v1", "is not the address of an API"),
        ("http://host/v1\n", "is not the address of an API"),
        ("http://host/v1#part", "is not the address of an API"),
        ("http://host/\x7f", "is not the address of an API"),
        ("http://host:99999/v1", "is not a URL: Port out of range"),
        ("http://host:port/v1", "is not a URL: Port could not be cast"),
        ("http://[::1/v1", "is not a URL: "),
    ],
)
def test_a_wrong_base_url(url, said):
    with pytest.raises(ConfigError, match=f"^fake:m: base_url .*{said}"):
        check_base_url(url, "fake:m")


@pytest.mark.parametrize(
    "url", [f"user:{KEY}@host/v1", f"http://user:{KEY}@host:port/v1?key={KEY}", f"ftp://h/?key={KEY}"]
)
def test_a_wrong_base_url_is_shown_without_secrets(url):
    with pytest.raises(ConfigError) as caught:
        check_base_url(url, "fake:m")
    assert KEY not in str(caught.value)


def test_an_address_for_messages_has_no_secrets():
    url = f"https://user:{KEY}@host:8443/v1/?key={KEY}"
    assert find_address(check_base_url(url, "fake:m")) == "https://host:8443/v1"


def test_a_url_that_only_the_library_does_not_take(http):
    with pytest.raises(ConfigError, match="base_url http://%zz/v1 is not a URL: "):
        http.prepare(check_base_url("http://%zz/v1", "fake:m"), {}, Peer("fake:m", "http://%zz/v1", "KEY"))


@pytest.mark.parametrize("key", ["sk-ünï", "sk-1\nx: y", "sk-\x00"])
def test_a_key_that_is_no_header(http, key):
    with pytest.raises(
        ConfigError, match=r"^fake:m: the value of authorization holds a character .* check KEY$"
    ) as caught:
        http.prepare(check_base_url("http://h", ""), {"authorization": key}, Peer("fake:m", "http://h", "KEY"))
    assert key not in str(caught.value)


# --- downloads


@asynccontextmanager
async def serve(answer, *, until=b"\r\n\r\n"):
    """A server that reads up to ``until``, or whatever comes first, and answers; no request needs a body."""
    heads = []

    async def handle(reader, writer):
        heads.append(await (reader.readuntil(until) if until else reader.read(1000)))
        writer.write(answer)
        await (writer.drain() if b"\r\n\r\n" in answer else reader.read())
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", heads


async def fetch(url):
    async with aclosing(download(url, connect_timeout_s=5, read_timeout_s=0.2)) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_a_download_follows_redirects(write_answer):
    async with (
        serve(write_answer(b"the file")) as (store, heads),
        serve(write_answer(b"", "302 Found", location=f"{store}/file?signature=1")) as (site, _),
    ):
        assert await fetch(f"{site}/file") == b"the file"
    assert heads[0].startswith(b"GET /v1/file?signature=1 ")


async def test_a_download_that_fails(write_answer, unused_tcp_port):
    async with serve(write_answer(b"gone", "404 Not Found")) as (site, _):
        with pytest.raises(ModelUnreachable, match=r"/v1/file answers 404$") as caught:
            await fetch(f"{site}/file?signature=1")
        assert caught.value.status == 404
    with pytest.raises(ModelUnreachable, match="cannot be reached"):
        await fetch(f"http://127.0.0.1:{unused_tcp_port}/file")
    with pytest.raises(ConfigError, match=r"^local\.url: base_url 'file' must begin with http"):
        await fetch("file")


async def test_a_download_that_stops_in_the_middle():
    async with serve(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome") as (site, _):
        with pytest.raises(ModelBroken, match=r"the connection to .*/v1/file broke: "):
            await fetch(f"{site}/file")
    async with serve(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n") as (site, _):
        with pytest.raises(ModelBroken, match=r"no complete reply from .*/v1/file within 0\.2 s"):
            await fetch(f"{site}/file")

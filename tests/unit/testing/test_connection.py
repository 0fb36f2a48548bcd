import asyncio
import json

import pytest
from tests.unit.testing.wire_client import ask, connect, until, write_request

from surefoot.testing import FakeProvider, ProviderRequest, say

BODY = json.dumps(ask()).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer sk-fake\r\n"


def echo(request: ProviderRequest) -> str:
    return request.messages[0].text


async def test_one_connection_serves_many_requests():
    async with FakeProvider(echo) as provider, connect(provider) as socket:
        for number in range(5):
            await socket.send(write_request(provider, ask(f"{number}")))
            got = await socket.receive()
            assert got.json["choices"][0]["message"]["content"] == f"{number}"
        assert provider.stats.max_connections == 1


async def test_requests_that_come_together_are_answered_in_order():
    async with FakeProvider(lambda request: say(echo(request), delay_s=0.001)) as provider, connect(provider) as socket:
        await socket.send(b"".join([write_request(provider, ask(f"{number}")) for number in range(5)]))
        texts = [(await socket.receive()).json["choices"][0]["message"]["content"] for _ in range(5)]
    assert texts == ["0", "1", "2", "3", "4"]
    assert provider.stats.max_in_flight == 1


async def test_requests_that_come_byte_by_byte():
    request = b"\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    request += b"%x;name=value\r\n%b\r\n%X\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (
        20,
        BODY[:20],
        len(BODY) - 20,
        BODY[20:],
    )
    async with FakeProvider(echo) as provider, connect(provider) as socket:
        for _ in range(2):
            await socket.send(*[request[index : index + 1] for index in range(len(request))])
            assert (await socket.receive()).json["choices"][0]["message"]["content"] == "Hello"
        await socket.send(b"%bcontent-length: %d\r\n\r\n" % (HEAD, len(BODY)))
        await socket.send(*[BODY[index : index + 1] for index in range(len(BODY))])
        assert (await socket.receive()).status == 200


async def test_a_caller_that_waits_to_be_asked_for_the_body():
    async with FakeProvider(echo) as provider, connect(provider) as socket:
        await socket.send(b"%bexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % (HEAD, len(BODY)))
        assert await socket.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await socket.send(BODY)
        assert (await socket.receive()).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "code", "reason"),
    [
        (b"hello\r\n\r\n", 400, "request line is not HTTP"),
        (b"GET / FTP/1.1\r\n\r\n", 400, "request line is not HTTP"),
        (b"GET / HTTP/1.0\r\n\r\n", 505, "only HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\n", 505, "only HTTP/1.1"),
        (HEAD + b"no colon\r\n\r\n", 400, "not 'name: value'"),
        (HEAD + b"name : value\r\n\r\n", 400, "not 'name: value'"),
        (HEAD + b": value\r\n\r\n", 400, "not 'name: value'"),
        (HEAD + b"content-length: -1\r\n\r\n", 400, "content-length is no number"),
        (HEAD + b"content-length: 1_0\r\n\r\n", 400, "content-length is no number"),
        (HEAD + b"content-length: 0x10\r\n\r\n", 400, "content-length is no number"),
        (HEAD + b"content-length: 9999999999999999\r\n\r\n", 400, "content-length is no number"),
        (HEAD + b"content-length: 1001\r\n\r\n", 413, "over 1000 bytes"),
        (HEAD + b"transfer-encoding: gzip\r\n\r\n", 400, "framed by its length or by chunks"),
        (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n", 400, "framed by its length or by chunks"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n3e9\r\n", 413, "over 1000 bytes"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nsize\r\n", 400, "size of a chunk is no number"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"1" * 2_000, 400, "a chunk has no size"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x" * 70_000, 431, "trailers are over"),
        (b"GET /" + b"x" * 70_000, 431, "head is over 65536 bytes"),
    ],
)
async def test_what_is_no_request_is_answered_and_the_connection_closed(request_bytes, code, reason):
    async with FakeProvider(echo, max_body_bytes=1_000) as provider, connect(provider) as socket:
        await socket.send(request_bytes)
        got = await socket.receive()
        assert (got.status, got.headers["connection"]) == (code, "close")
        assert reason in got.json["error"]["message"]
        await socket.send(b"more of the same")
        assert await socket.receive_rest() == b""
        assert provider.stats.requests == 0


async def test_a_caller_far_ahead_of_its_replies_is_not_read_until_they_are_sent():
    gate = asyncio.Event()

    async def wait(request: ProviderRequest) -> str:
        await gate.wait()
        return "ok"

    async with FakeProvider(wait) as provider, connect(provider) as socket:
        count = 200
        long = ask("x" * 100_000)
        sending = asyncio.create_task(socket.send(*[write_request(provider, long)] * count))
        await until(lambda: provider.stats.in_flight == 1)
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not sending.done()
        assert provider.stats.requests == 1
        gate.set()
        for _ in range(count):
            assert (await socket.receive()).status == 200
        await sending


async def test_a_caller_that_does_not_read_gets_no_more_than_it_takes():
    async with FakeProvider(lambda request: "word " * 40_000) as provider, connect(provider) as socket:
        count = 100
        await socket.send(write_request(provider, ask(max_tokens=10**6)) * count)
        await until(lambda: provider.stats.requests > 0)
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert provider.stats.requests < count
        for _ in range(count):
            assert len((await socket.receive()).body) > 200_000
        assert provider.stats.requests == count


async def test_a_caller_that_never_closes_a_refused_connection_is_cut_off():
    async with FakeProvider(echo) as provider, connect(provider) as socket:
        await socket.send(b"nonsense\r\n\r\n")
        assert (await socket.receive()).status == 400
        await socket.receive_rest()
        await until(lambda: provider.stats.connections == 0)

"""What goes over a healthy connection, and when."""

import asyncio

import pytest

from surefoot.models.address import check_base_url, find_address
from surefoot.models.status import Peer

SECRET = "s3cret-value"


def prepare(http, url, **headers):
    parts = check_base_url(url, "test")
    return http.prepare(parts, headers, Peer("test:m", find_address(parts), "the key", (SECRET,)))


async def send(http, url, body=b"{}", timeout_s=5.0, **headers):
    status, header, data = await http.post(prepare(http, url, **headers), body, timeout_s)
    return status, header, data


async def send_streamed(http, url, body=b"{}", timeout_s=5.0):
    stream = await http.open(prepare(http, url), body, timeout_s)
    try:
        return stream.status, stream.header, await stream.read_all()
    finally:
        await stream.close()


BOTH = pytest.mark.parametrize("send", [send, send_streamed], ids=["whole", "streamed"])
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@BOTH
async def test_any_status_comes_back_with_headers_and_body(http, raw, write_answer, send):
    async with raw(write_answer(b"no", "418 I am a teapot", x_Thing="Value", retry_after="3")) as server:
        status, header, body = await send(http, server.url + "/x", b'{"a":1}')
        assert (status, body) == (418, b"no")
        assert header("x-thing") == "Value"
        assert header("retry-after") == "3"
        assert header("missing") is None
        head, sent = server.requests[0]
        assert head.startswith(b"POST /v1/x HTTP/1.1\r\n")
        assert sent == b'{"a":1}'


async def test_headers_are_sent(http, raw, write_answer):
    async with raw(write_answer(b"")) as server:
        await send(http, server.url, authorization=f"Bearer {SECRET}")
        lines = server.requests[0][0].decode().lower().split("\r\n")
        assert f"authorization: bearer {SECRET}" in lines
        assert "user-agent: surefoot" in lines


async def test_a_connection_carries_one_request_after_another(http, raw, write_answer, write_events):
    async with raw(write_answer(b"one"), write_events(b"two", 1), write_answer(b"three")) as server:
        assert (await send(http, server.url))[2] == b"one"
        assert (await send_streamed(http, server.url))[2] == b"two"
        assert (await send(http, server.url))[2] == b"three"
        assert server.connections == 1


@BOTH
@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_bodies_of_unknown_length(http, raw, write_events, send, size):
    async with raw(write_events(b"hello world", size)) as server:
        assert (await send(http, server.url))[2] == b"hello world"


async def test_chunks_of_a_stream_come_when_they_are_sent(http, raw):
    taken = asyncio.Queue()

    async def talk(reader, writer):
        writer.write(CHUNKED)
        for number in range(3):
            writer.write(b"1\r\n%d\r\n" % number)
            await writer.drain()
            assert await taken.get() == b"%d" % number, "the chunk arrived before the next one was sent"
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async with raw(talk) as server, asyncio.timeout(5):
        stream = await http.open(prepare(http, server.url), b"{}", 60.0)
        while chunk := await stream.read():
            taken.put_nowait(chunk)
        await stream.close()
        assert taken.empty()

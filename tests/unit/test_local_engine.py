"""The gate before the engine, over real connections to a scripted engine."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from surefoot.local_engine import BODY_BYTES_MAX, Gate

KEY = "made-anew"


class Engine:
    """Answers each request when it is told to."""

    def __init__(self):
        self.requests = []
        self.arrived = asyncio.Semaphore(0)
        self.may_answer = asyncio.Semaphore(0)
        self.hung_up = asyncio.Event()
        self.running = self.most = 0

    async def handle(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        self.requests.append((head, await reader.readexactly(length)))
        self.running += 1
        self.most = max(self.most, self.running)
        self.arrived.release()
        answering = asyncio.create_task(self.may_answer.acquire())
        leaving = asyncio.create_task(reader.read())
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            body = b"answer to " + self.requests[-1][1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        else:
            self.hung_up.set()
        self.running -= 1
        for task in (answering, leaving):
            task.cancel()
        writer.close()


class Client:
    def __init__(self, port):
        self.port = port

    async def send(self, data):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(data)
        await self.writer.drain()
        return self

    async def receive(self):
        data = await self.reader.read()
        self.writer.close()
        return data

    async def ask(self, body=b"x", key=KEY, headers=b""):
        return await self.send(request(body, key, headers))


def request(body=b"x", key=KEY, headers=b""):
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nConnection: keep-alive\r\nAuthorization: Bearer %s\r\n" % key.encode()
    )
    return head + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def gate(max_waiting=2, request_timeout_s=20.0):
    engine = Engine()
    async with await asyncio.start_server(engine.handle, "127.0.0.1", 0) as behind:
        guard = Gate(behind.sockets[0].getsockname()[1], KEY, max_waiting, request_timeout_s)
        async with await asyncio.start_server(guard.handle, "127.0.0.1", 0, limit=64 << 10) as front:
            port = front.sockets[0].getsockname()[1]
            yield engine, lambda: Client(port)


def status(reply):
    return int(reply[9:12])


async def test_a_request_is_passed_on_and_its_connection_closed():
    async with gate() as (engine, client):
        engine.may_answer.release()
        reply = await (await client().ask(b"hello")).receive()
    assert reply.endswith(b"answer to hello")
    head, body = engine.requests[0]
    assert body == b"hello"
    assert b"Connection: close" in head
    assert b"keep-alive" not in head
    assert b"Authorization: Bearer made-anew" in head


async def test_requests_reach_the_engine_one_at_a_time_in_order():
    async with gate(max_waiting=5) as (engine, client):
        clients = [await client().ask(b"%d" % number) for number in range(3)]
        await engine.arrived.acquire()
        for _ in clients:
            engine.may_answer.release()
        replies = [await asked.receive() for asked in clients]
    assert [reply[-1:] for reply in replies] == [b"0", b"1", b"2"]
    assert [body for _, body in engine.requests] == [b"0", b"1", b"2"]
    assert engine.most == 1


async def test_beyond_the_queue_it_says_when_to_come_back():
    async with gate(max_waiting=1) as (engine, client):
        first = await client().ask(b"first")
        await engine.arrived.acquire()
        second = await client().ask(b"second")
        refused = b""
        while not refused:  # the second is counted as soon as its head is read
            third = await client().ask(b"third")
            refused = await third.receive()
        engine.may_answer.release()
        engine.may_answer.release()
        served = [await first.receive(), await second.receive()]
    assert status(refused) == 429
    head, _, body = refused.partition(b"\r\n\r\n")
    assert int(head.partition(b"Retry-After: ")[2].split(b"\r\n")[0]) >= 1
    assert json.loads(body)["error"]["code"] == 429
    assert [status(reply) for reply in served] == [200, 200]


async def test_a_client_that_hangs_up_frees_the_engine_for_the_next():
    async with gate() as (engine, client):
        first = await client().ask(b"first")
        await engine.arrived.acquire()
        waiting = await client().ask(b"waiting")
        waiting.writer.close()
        first.writer.close()
        await engine.hung_up.wait()
        engine.may_answer.release()
        reply = await (await client().ask(b"next")).receive()
    assert reply.endswith(b"answer to next")
    assert [body for _, body in engine.requests] in ([b"first", b"next"], [b"first", b"waiting", b"next"])


@pytest.mark.parametrize("key", ["", "made-anew-not", "made-ane", "größer"])
async def test_a_wrong_key_reaches_nothing(key):
    async with gate() as (engine, client):
        reply = await (await client().ask(key=key)).receive()
    assert status(reply) == 401
    assert engine.requests == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (request().replace(b"Content-Length: 1", b"Content-Length: %d" % (BODY_BYTES_MAX + 1)), "at most"),
        (request().replace(b"Content-Length: 1", b"Content-Length: -1"), "at most"),
        (request(headers=b"Transfer-Encoding: chunked\r\n"), "not in chunks"),
        (request(headers=b"X-Long: " + b"x" * (70 << 10) + b"\r\n"), "headers are too long"),
    ],
)
async def test_what_is_not_an_ordinary_request_is_refused(data, said):
    async with gate() as (engine, client):
        reply = await (await client().send(data)).receive()
    assert status(reply) == 400
    assert said in reply.decode()
    assert engine.requests == []


@pytest.mark.parametrize("data", [b"", b"POST /v1", request()[:-1]])
async def test_a_client_that_never_sends_its_request_is_dropped(data):
    async with gate(request_timeout_s=0.05) as (engine, client):
        assert await (await client().send(data)).receive() == b""
    assert engine.requests == []


async def test_a_client_that_leaves_before_it_has_asked_is_forgotten():
    async with gate() as (engine, client):
        gone = await client().send(b"POST")
        gone.writer.close()
        engine.may_answer.release()
        reply = await (await client().ask(b"next")).receive()
    assert status(reply) == 200

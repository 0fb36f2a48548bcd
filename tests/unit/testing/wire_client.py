"""A caller of the fake provider: pyreqwest for ordinary calls, a bare socket where each byte matters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

from msgspec import Struct
from pyreqwest.client import Client, ClientBuilder

from surefoot.testing import FakeProvider

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks something up.",
        "parameters": {
            "type": "object",
            "properties": {"key": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}},
            "required": ["key"],
        },
    },
}
CLAUDE_TOOL = {"name": "look_up", "description": "", "input_schema": TOOL["function"]["parameters"]}


class Got(Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events; ``[DONE]`` as that text."""
        lines = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    @property
    def text(self) -> str:
        """The streamed text."""
        deltas = [choice["delta"] for event in self.events if event != "[DONE]" for choice in event["choices"]]
        return "".join([delta.get("content") or delta.get("refusal") or "" for delta in deltas])


def ask(text: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 100, **more}


def auth(provider: FakeProvider) -> dict[str, str]:
    return {"authorization": f"Bearer {provider.api_key}"}


def claude_auth(provider: FakeProvider) -> dict[str, str]:
    return {"x-api-key": provider.api_key, "anthropic-version": "2023-06-01"}


@cache
def open_client() -> Client:
    """One client for all tests: to make one takes longer than a hundred calls."""
    return ClientBuilder().no_proxy().build()


async def post(
    provider: FakeProvider,
    body: Mapping[str, Any] | bytes,
    *,
    path: str = "/chat/completions",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10,
) -> Got:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = dict(auth(provider) if headers is None else headers)
    async with asyncio.timeout(timeout_s):
        request = open_client().post(provider.base_url + path).headers(sent).body_bytes(data).build()
        response = await request.send()
        return Got(response.status, dict(response.headers), (await response.bytes()).to_bytes())


async def message(provider: FakeProvider, body: Mapping[str, Any] | bytes, **options: Any) -> Got:
    """Post to the Anthropic side."""
    options.setdefault("headers", claude_auth(provider))
    return await post(provider, body, path="/messages", **options)


class Socket:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *data: bytes) -> None:
        for piece in data:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)  # the other side reads this piece before the next one is there

    async def receive(self) -> Got:
        """One response that is framed by its length or by chunks."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {line.partition(": ")[0]: line.partition(": ")[2] for line in head[1:] if line}
        body = b""
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        else:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        return Got(int(head[0].split(" ")[1]), headers, body)

    async def receive_rest(self) -> bytes:
        """Everything until the other side ends the connection."""
        return await self.reader.read()


@asynccontextmanager
async def connect(provider: FakeProvider) -> AsyncIterator[Socket]:
    port = int(provider.base_url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Socket(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def write_request(provider: FakeProvider, body: Mapping[str, Any] | bytes, *extra: str) -> bytes:
    """A request as bytes, framed by its length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"authorization: Bearer {provider.api_key}", f"content-length: {len(data)}", *extra]
    return "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *lines, "", ""]).encode() + data


async def until(condition: Any) -> None:
    """Let others run until ``condition()`` holds: on one event loop that is a matter of turns, not of time."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the provider has no event for it, and needs none
            await asyncio.sleep(0)

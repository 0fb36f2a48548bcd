"""A fake OpenAI-compatible provider that is fast enough never to be the bottleneck; it runs in a process of its own.

    python bench/upstream.py [--port 0] [--cpu 0]      # prints the port it listens on

``POST /s<STEPS>/d<DELAY_MS>/p<PACE_MS>/v1/chat/completions``

    STEPS     model calls of a run: the reply calls `add` until STEPS - 1 results are in the body, then it answers
    DELAY_MS  time before the reply
    PACE_MS   with "stream": true, time between two events; 0 sends them all in one write

``GET /stats`` returns counters as JSON, ``GET /reset`` clears them. Loopback only.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
from functools import lru_cache
from typing import Any

from workload import FINAL, MARKER

MAX_REQUEST_BYTES = 4 * 2**20
NEEDLE = MARKER.encode()
HEADERS = (
    b"date: Mon, 02 Nov 2026 09:00:00 GMT\r\nserver: upstream\r\nopenai-processing-ms: 380\r\n"
    b"x-ratelimit-limit-requests: 30000\r\nx-ratelimit-remaining-requests: 29999\r\nx-ratelimit-reset-requests: 2ms\r\n"
    b"x-ratelimit-limit-tokens: 90000000\r\nx-ratelimit-remaining-tokens: 89998000\r\nx-ratelimit-reset-tokens: 1ms\r\n"
)
ANSWER = (
    "The five partial shipments have been added with the calculator, one after another, and each running total was "
    "taken from the tool. Enter the last total into the stock book of the north branch; no batch could be verified."
)
ID_WIDTH = 24  # every id has the same length, so the size of a chunk is known before the id is


def usage_of(done: int, *, final: bool) -> dict[str, object]:
    prompt, completion = 900 + 60 * done, 58 if final else 18
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def escape(text: str) -> bytes:
    """``text`` as a template of bytes, in which ``@ID@`` stands for the id of the request."""
    return text.replace("%", "%%").replace("@ID@", f"%(id)0{ID_WIDTH}d").encode()


def arguments_of(done: int) -> str:
    return json.dumps({"a": 17 * done, "b": 17})


@lru_cache
def plain_reply(done: int, *, final: bool) -> bytes:
    """Template of a whole HTTP response without streaming."""
    message: dict[str, object] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if final:
        message["content"] = f"{ANSWER} {FINAL} k={done}"
    else:
        function = {"name": "add", "arguments": arguments_of(done)}
        message["tool_calls"] = [{"id": "call_@ID@", "type": "function", "function": function}]
    body = {
        "id": "chatcmpl-@ID@",
        "object": "chat.completion",
        "created": 1793610000,
        "model": "gpt-4.1-2025-04-14",
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop" if final else "tool_calls"}
        ],
        "usage": usage_of(done, final=final),
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    text = escape(json.dumps(body, separators=(",", ":")))
    length = len(text % {b"id": 0})
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n" % (length, HEADERS)
    return head + text


def deltas_of(done: int, *, final: bool) -> list[dict[str, Any]]:
    """The same reply cut into the deltas that a provider sends: about four characters, or a word, at a time."""
    if final:
        words = f"{ANSWER} {FINAL} k={done}".split(" ")
        pieces = [words[0], *(" " + word for word in words[1:])]
        opening: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        return [opening, *[{"content": piece} for piece in pieces]]
    text = arguments_of(done)
    call = {"index": 0, "id": "call_@ID@", "type": "function", "function": {"name": "add", "arguments": ""}}
    first: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    return [first, *[{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]]


@lru_cache
def streamed_reply(done: int, *, final: bool, with_usage: bool) -> tuple[bytes, ...]:
    """Templates of the chunks of a streamed response: the head with the first event, then one event each."""
    base = {
        "id": "chatcmpl-@ID@",
        "object": "chat.completion.chunk",
        "created": 1793610000,
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    events = [
        base | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
        for delta in deltas_of(done, final=final)
    ]
    reason = "stop" if final else "tool_calls"
    events.append(base | {"choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}]})
    if with_usage:
        events = [event | {"usage": None} for event in events]
        events.append(base | {"choices": [], "usage": usage_of(done, final=final)})
    chunks = [_chunk(escape(f"data: {json.dumps(event, separators=(',', ':'))}\n\n")) for event in events]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
    chunks[0] = head + HEADERS + b"\r\n" + chunks[0]
    chunks[-1] += _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return tuple(chunks)


def _chunk(template: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(template % {b"id": 0}), template)


class Counters:
    """What has happened since the last reset."""

    def __init__(self) -> None:
        self.open_connections = 0
        self.next_id = 0
        self.reset()

    def reset(self) -> None:
        self.requests = self.streams = self.bad_requests = self.cut_replies = 0
        self.most_connections = self.open_connections

    def as_json(self) -> bytes:
        return json.dumps(vars(self)).encode()


class Knobs:
    """What the path of a request asks for."""

    __slots__ = ("delay_s", "pace_s", "steps")

    def __init__(self, path: str) -> None:
        parts = path.strip("/").split("/")
        if parts[3:] != ["v1", "chat", "completions"] or [part[:1] for part in parts[:3]] != ["s", "d", "p"]:
            raise ValueError(path)
        steps, delay_ms, pace_ms = (int(part[1:]) for part in parts[:3])
        self.steps, self.delay_s, self.pace_s = steps, delay_ms / 1000, pace_ms / 1000


knobs_of = lru_cache(Knobs)


class Upstream(asyncio.Protocol):
    """One keep-alive connection."""

    __slots__ = ("buffer", "counters", "loop", "needed", "timer", "transport")

    def __init__(self, counters: Counters, loop: asyncio.AbstractEventLoop) -> None:
        self.counters, self.loop = counters, loop
        self.buffer, self.needed = b"", 0
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # uvloop's transports are no subclasses of asyncio's
        self.transport = transport
        counters = self.counters
        counters.open_connections += 1
        counters.most_connections = max(counters.most_connections, counters.open_connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self.counters.open_connections -= 1
        if self.timer is not None:
            self.timer.cancel()
            self.counters.cut_replies += 1

    def data_received(self, data: bytes) -> None:
        self.buffer = data = self.buffer + data if self.buffer else data
        if len(data) < self.needed:
            return
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = data[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 : (head + b"\r\n").find(b"\r\n", at + 2)]) if at >= 0 else 0
        self.needed = end + 4 + length
        if self.needed > MAX_REQUEST_BYTES:
            self.refuse(b"413 Content Too Large")
        elif len(data) >= self.needed:
            body = data[end + 4 : self.needed]
            self.buffer, self.needed = data[self.needed :], 0
            self.answer(data[: data.find(b"\r\n")].decode("latin-1"), body)

    def refuse(self, status: bytes) -> None:
        self.counters.bad_requests += 1
        self.transport.write(b"HTTP/1.1 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        self.transport.close()

    def answer(self, request_line: str, body: bytes) -> None:
        method, path, _ = request_line.split(" ")
        if method == "GET" and path in {"/stats", "/reset"}:
            if path == "/reset":
                self.counters.reset()
            text = self.counters.as_json()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)
            )
            return
        try:
            knobs = knobs_of(path)
        except (ValueError, IndexError):
            self.refuse(b"404 Not Found")
            return
        if knobs.delay_s:
            self.timer = self.loop.call_later(knobs.delay_s, self.reply, knobs, body)
        else:
            self.reply(knobs, body)

    def reply(self, knobs: Knobs, body: bytes) -> None:
        counters = self.counters
        self.timer = None
        counters.requests += 1
        counters.next_id += 1
        done = body.count(NEEDLE)
        final = done >= knobs.steps - 1
        if not (b'"stream":true' in body or b'"stream": true' in body):
            self.transport.write(plain_reply(done, final=final) % {b"id": counters.next_id})
            return
        counters.streams += 1
        chunks = streamed_reply(done, final=final, with_usage=b'"include_usage"' in body)
        if knobs.pace_s:
            self.pace(chunks, 0, counters.next_id, knobs.pace_s)
        else:
            self.transport.write(b"".join(chunks) % {b"id": counters.next_id})

    def pace(self, chunks: tuple[bytes, ...], at: int, number: int, pace_s: float) -> None:
        self.timer = None
        self.transport.write(chunks[at] % {b"id": number})
        if at + 1 < len(chunks):
            self.timer = self.loop.call_later(pace_s, self.pace, chunks, at + 1, number, pace_s)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    counters = Counters()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    server = await loop.create_server(lambda: Upstream(counters, loop), sock=listener, backlog=8192)
    print(listener.getsockname()[1], flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with server:
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="fake OpenAI-compatible provider")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cpu", type=int, help="pin the process to this core")
    options = parser.parse_args()
    if options.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(options.port))
    else:
        uvloop.run(serve(options.port))


if __name__ == "__main__":
    main()

"""A server as a child process that speaks over its standard streams: one JSON text a line.

The transport of the SDK is not used: it hands the child six variables of our own environment, keeps a line of any
length, and its standard error goes to ours. This one gives the child what is named, no more; a line has a limit; the
end of the standard error is kept for the message about its death. A child is the leader of a session of its own, and
whatever it has begun dies with it; if this process is killed, the child sees the end of its input.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from msgspec import Struct

from surefoot.mcp.limits import LINE_BYTES, MAX_MESSAGE_BYTES, MAX_VALUES, MESSAGE_BYTES, Pace, is_too_much

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]

GRACE_S: Final = 2.0
"""Between the end of a server's input and SIGTERM, and between that and SIGKILL."""
SAID_BYTES: Final = 2_000
_POLL_S: Final = 0.01
_CHUNK_BYTES: Final = 4_096
_LOG_CHEAPER: Final = 20


class Command(Struct, frozen=True):
    """What is started.

    Attributes:
        words: The program and its arguments.
        environment: All that it gets.
        folder: Where it runs, "" for ours.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str = ""


@asynccontextmanager
async def open_stdio(command: Command, lose: Callable[[str], None], pace: Pace) -> AsyncGenerator[Streams, None]:
    """Start the server; when the block is left, it is dead.

    Args:
        command: What to start.
        lose: Told why, if the server ends by itself or says what nobody can read.
        pace: How fast its output is read.

    Raises:
        OSError: It cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command.words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(command.environment),
            cwd=command.folder or None,
            start_new_session=True,
            limit=MAX_MESSAGE_BYTES,
        )
    except OSError as error:
        if error.filename is None:  # not every event loop says of what
            error.filename = command.words[0] if not command.folder else f"{command.words[0]} in {command.folder}"
        raise
    to_us, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_us = anyio.create_memory_object_stream[SessionMessage](0)
    said = bytearray()

    def keep(chunk: bytes) -> None:
        """The end of what it says to people."""
        said.extend(chunk[-SAID_BYTES:])
        del said[:-SAID_BYTES]

    gathering = asyncio.create_task(_gather(process, keep))

    async def explain() -> str:
        """How it ended; its last words and its exit code may come a moment after the end of its output."""
        await asyncio.wait({gathering, asyncio.create_task(process.wait())}, timeout=GRACE_S)
        words = said.decode(errors="replace").strip()
        how = "closed its output" if process.returncode is None else f"ended with code {process.returncode}"
        return f"it {how}" + (f" and wrote: {words}" if words else "")

    is_over = False

    def tell(why: str) -> None:
        """Not of an end that is ours: it would hide why we want it."""
        if not is_over:
            lose(why)

    listening = asyncio.create_task(_listen(process, to_us, explain, keep, tell, pace=pace))
    tasks = (listening, gathering, asyncio.create_task(_speak(process, from_us)))
    try:
        yield from_server, to_server
    finally:
        is_over = True
        for stream in (from_server, to_server):
            stream.close()
        try:
            await _end(process)
        finally:
            _kill_group(process.pid)  # also what it has begun, and also if this was cancelled
            for task in tasks:
                task.cancel()
            for end in (to_us, from_us):
                end.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        _close_pipes(process)


async def _listen(
    process: asyncio.subprocess.Process,
    to_us: MemoryObjectSendStream[SessionMessage | Exception],
    explain: Callable[[], Awaitable[str]],
    keep: Callable[[bytes], None],
    lose: Callable[[str], None],
    *,
    pace: Pace,
) -> None:
    """Messages of the server until it ends; then the rest of its output is thrown away, so that it can end."""
    assert process.stdout is not None, "a pipe was asked for"
    why = ""
    try:
        while line := await process.stdout.readline():
            is_message = line.startswith(b"{")
            await pace.spend(len(line) + (MESSAGE_BYTES if is_message else LINE_BYTES))
            if is_message and is_too_much(line):
                why = f"it wrote a message of more than {MAX_VALUES:,} values"
                break
            if is_message:
                await to_us.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))
            else:
                keep(line)  # many servers greet or log on the wrong stream
        why = why or await explain()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        why = "it was closed"
    except ValueError as error:  # pydantic's: it is no message; asyncio's: the line is too long
        why = f"it wrote a line of more than {MAX_MESSAGE_BYTES >> 20} MiB on its standard output"
        if hasattr(error, "errors"):
            why = "it wrote something on its standard output that is no MCP message"
    lose(why)
    to_us.close()
    while chunk := await process.stdout.read(_CHUNK_BYTES):
        await pace.spend(len(chunk))


async def _speak(process: asyncio.subprocess.Process, from_us: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None, "a pipe was asked for"
    async for message in from_us:
        text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()
        except (ConnectionError, RuntimeError):  # it is dead: `_listen` tells
            return


async def _gather(process: asyncio.subprocess.Process, keep: Callable[[bytes], None]) -> None:
    """What the server writes on its standard error; it costs less than messages, and so may be more."""
    assert process.stderr is not None, "a pipe was asked for"
    pace = Pace()
    while chunk := await process.stderr.read(_CHUNK_BYTES):
        keep(chunk)
        await pace.spend(len(chunk) // _LOG_CHEAPER)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the server's input, and wait; ask it to end, and wait."""
    assert process.stdin is not None, "a pipe was asked for"
    process.stdin.close()
    if not await _has_ended(process):
        _signal_group(process.pid, signal.SIGTERM)
        if not await _has_ended(process):
            _kill_group(process.pid)
            await _has_ended(process)


async def _has_ended(process: asyncio.subprocess.Process) -> bool:
    """Not ``process.wait()``: that waits for the end of the pipes, too, and a grandchild may hold them."""
    for _ in range(round(GRACE_S / _POLL_S)):
        if process.returncode is not None:
            return True
        await asyncio.sleep(_POLL_S)
    return process.returncode is not None


def _kill_group(pid: int) -> None:
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # nobody of it is left; PermissionError: only zombies, on macOS
        return


def _close_pipes(process: asyncio.subprocess.Process) -> None:
    """A grandchild that has left the group may hold them open for ever; asyncio would warn of it."""
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()

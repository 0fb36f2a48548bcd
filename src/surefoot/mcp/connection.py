"""One live connection to a server. All that the SDK does happens in tasks of this module.

The SDK's scopes must be left by the task that entered them, and their end cancels it. A run, which may be cancelled at
any moment by anybody, is no such task: so one task keeps the connection from its beginning to its end, each request has
a task of its own, and those who wait for one are told, never cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar, cast

from mcp import MCPError
from mcp.client import Client
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    ToolListChangedNotification,
)
from mcp_types import Tool as McpTool

from surefoot import __version__
from surefoot.mcp.content import show_result
from surefoot.mcp.definition import MAX_NAME_CHARS, MAX_TOOLS, read_definition
from surefoot.mcp.gate import watch
from surefoot.mcp.http import FORGOTTEN
from surefoot.mcp.leash import LEASH, Leash, keep_quiet
from surefoot.mcp.limits import MAX_PAGES, Pace
from surefoot.mcp.outcome import Listing, Lost, Shown
from surefoot.mcp.validation import check_schema

R = TypeVar("R")

CLOSE_S: Final = 10.0
"""Longest wait for a server's end; the transports take less by themselves."""
MOST_UNANSWERED: Final = 5
"""Calls one after the other that were given up: the server may hang for ever, and another process of it need not."""
_SHOWN_NAME_CHARS: Final = MAX_NAME_CHARS  # a longer one is unusable, so that none of the same name is used
_US: Final = Implementation(name="surefoot", version=__version__)

OpenStreams = Callable[[Callable[[str], None], Pace], AbstractAsyncContextManager[Any]]
"""Streams to and from the server, given whom to tell that it is lost, and why; and how fast it may be read."""


class Connection:
    """A connection that is open, or has been.

    Attributes:
        why_lost: Why it has ended, "" while it lives.
        listing: What it offers, as it said last.
    """

    def __init__(self, open_streams: OpenStreams, unsent: str) -> None:
        """Nothing is opened yet.

        Args:
            open_streams: The transport.
            unsent: How the transport says that a request has not left.
        """
        self.why_lost = ""
        self.listing = Listing({}, {})
        self._changes = 0  # that the server has told us of, and how many of them the listing knows
        self._listed = -1
        self._open_streams = open_streams
        self._unsent = unsent
        self._client: Client | None = None
        self._end = asyncio.Event()
        self._requests: set[asyncio.Task[Any]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._pace: Pace | None = None
        self._unanswered = 0

    async def open(self, timeout_s: float) -> str:
        """Connect, and shake hands; why it did not work, "" if it did."""
        ready = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep(ready))
        try:
            await asyncio.wait({ready}, timeout=timeout_s)
        finally:  # whoever waited may have been cancelled
            if self._client is None:
                self.lose(f"it did not answer within {timeout_s:.3g} s")
        return self.why_lost

    def lose(self, why: str) -> None:
        """It has ended, or is to end; only the first reason counts. `close` waits for the end."""
        self.why_lost = self.why_lost or why
        self._end.set()
        if self._client is None and self._keeper is not None:  # in the middle of the handshake
            self._keeper.cancel()

    @property
    def is_usable(self) -> bool:
        """Whether new calls may go through it: one that answers nothing any more ends with the last call under way."""
        return not self.why_lost and self._unanswered < MOST_UNANSWERED

    @property
    def is_listed(self) -> bool:
        """Whether `listing` is what it offers: it was asked, and has told of no change since."""
        return self._listed == self._changes

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is left, no process either."""
        return self._keeper is None or self._keeper.done()

    async def close(self) -> None:
        """End it, and wait for the server's end; whoever waits for an answer is told that it is lost."""
        self.lose("it was closed")
        if self._keeper is not None:
            await asyncio.wait({self._keeper}, timeout=CLOSE_S)
            if not self._keeper.done():
                self._keeper.cancel()
                await asyncio.wait({self._keeper}, timeout=CLOSE_S)

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        try:
            LEASH.set(Leash())
            keep_quiet()
            self._pace = Pace()
            streams: Any = watch(self._open_streams(self.lose, self._pace), self.lose)
            async with Client(streams, mode="auto", cache=None, client_info=_US, message_handler=self._hear) as client:
                self._client = client
                ready.set_result(None)
                await self._end.wait()
        except Exception as error:  # noqa: BLE001 - the SDK and its libraries raise what they like, in groups
            self.why_lost = self.why_lost or _describe(error)
        finally:
            self.why_lost = self.why_lost or "it was closed"
            self._client = None
            self._end.set()
            if not ready.done():
                ready.set_result(None)

    async def _hear(self, message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changes += 1

    async def list_tools(self) -> str:
        """Ask for all tools, page by page; why they are not known, "" if they are."""
        changes, found = self._changes, Listing({}, {})
        cursor, count = None, 0
        for _ in range(MAX_PAGES):
            client = self._client
            if client is None:
                return self.why_lost
            page = await self._ask(client.session.list_tools(params=PaginatedRequestParams(cursor=cursor)))
            if isinstance(page, Lost):
                return page.why
            if isinstance(page, str):
                return f"it cannot list its tools: {page}"
            count += len(page.tools)
            if count > MAX_TOOLS:
                return f"it has more than {MAX_TOOLS} tools"
            await asyncio.to_thread(_read_page, page.tools, found)
            cursor = page.next_cursor
            if not cursor:
                self.listing, self._listed = found, changes
                return ""
        return f"it has more than {MAX_PAGES} pages of tools"

    async def call(self, name: str, arguments: dict[str, Any]) -> Shown | Lost:
        """Call a tool and wait for its result."""
        client = self._client
        if client is None or self._end.is_set():
            return Lost(self.why_lost, sent=False)
        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
        result = await self._ask(client.session.send_request(request, CallToolResult))
        if isinstance(result, str):
            return Shown(f"the server refuses: {result}", is_error=True)
        return result if isinstance(result, Lost) else show_result(result)

    async def _ask(self, request: Coroutine[Any, Any, R]) -> R | str | Lost:
        """The answer, in words what the server says instead, or `Lost`. If the caller is cancelled, so is the request.

        The caller does not wait for the end of a cancelled request: a server that reads nothing could hold it up.
        """
        leash = Leash()
        assert self._pace is not None, "it was opened"
        self._pace.grant()
        unanswered = self._unanswered
        task = asyncio.create_task(_send(request, leash))
        self._requests.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task})
            self._unanswered = 0
        finally:
            if not task.done():
                if self._unanswered == unanswered:  # of those that were given up together one counts
                    self._unanswered += 1
                task.cancel()
            leash.let_go()
        try:
            return task.result()
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                return error.error.message
            sent = error.error.data != self._unsent
            if not sent and error.error.message == FORGOTTEN:
                self.lose(FORGOTTEN)
            return Lost(self.why_lost or error.error.message, sent=sent)
        except ValueError as error:  # pydantic's: no answer of this protocol
            return f"its answer cannot be read: {' '.join(str(error).split())[:200]}"
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - of the connection: its end, its libraries
            return Lost(self.why_lost or _describe(error), sent=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._requests.discard(task)
        if not task.cancelled():
            task.exception()  # that of a request nobody waits for any more is nobody's
        if self._unanswered >= MOST_UNANSWERED and not self._requests:
            self.lose(f"it left {MOST_UNANSWERED} calls in a row unanswered")


async def _send(request: Coroutine[Any, Any, R], leash: Leash) -> R:
    LEASH.set(leash)
    return await request


def _read_page(tools: Iterable[McpTool], found: Listing) -> None:
    """In a thread: the schema of a stranger takes a tenth of a second."""
    for tool in tools:
        read = read_definition(tool.name, tool.description or "", tool.input_schema)
        problem = read if isinstance(read, str) else check_schema(read.schema)
        if tool.name in found.tools or tool.name in found.unusable:
            problem = "the server has two tools of that name"
        if problem or isinstance(read, str):
            found.tools.pop(tool.name, None)
            found.unusable[tool.name[:_SHOWN_NAME_CHARS]] = problem
        else:
            found.tools[tool.name] = read


def _describe(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if isinstance(error, MCPError):
        return error.error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"

"""A server of tools, as an agent's author sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from surefoot.backoff import draw_backoff_s
from surefoot.clock import Clock, SystemClock
from surefoot.config import load_settings
from surefoot.errors import ConfigError, ToolError
from surefoot.logs import get_logger
from surefoot.mcp.approval import Standing, compare
from surefoot.mcp.definition import Definition
from surefoot.mcp.given import given_to_all, mask_secrets, read_headers, read_variables, remember_given
from surefoot.mcp.live import ATTEMPTS, BASE_S, MAX_S, Live
from surefoot.mcp.lock import Lock, find_lock
from surefoot.mcp.options import McpOptions, check_server, read_options
from surefoot.mcp.outcome import Lost
from surefoot.mcp.tools import make_tools
from surefoot.sections import GuardSettings, McpSettings
from surefoot.tools import Tool

if TYPE_CHECKING:
    from surefoot.mcp.connection import Connection

_log = get_logger(__name__)


class McpServer:
    """A server of tools. ``async with`` connects it; a `Runtime` does so for its agents by itself, on demand.

    Made by `stdio`, `http` or `named`. What its tools say of themselves is pinned in ``surefoot.mcp.lock``: a model is
    told what was approved, and a tool that says something else now is not called.

    Attributes:
        name: Its name in the lock file, the settings and the names of its tools.
    """

    def __init__(
        self,
        name: str,
        settings: McpSettings,
        *,
        variables: Mapping[str, str],
        headers: Mapping[str, str],
        lock: str | Path | None = None,
        risk: float = GuardSettings().detect_risk,
        clock: Clock | None = None,
    ) -> None:
        """See `stdio`, `http` and `named`.

        Raises:
            ConfigError: A setting is wrong.
        """
        check_server(name, settings)
        remember_given(settings.url, variables, headers)
        self.name: Final = name
        self._settings = settings
        self._variables = dict(variables)
        self._headers = read_headers(name, headers)
        self._lock = Lock(find_lock() if lock is None else Path(lock))
        self._risk = risk
        self._clock = clock or SystemClock()
        self._lives: dict[asyncio.AbstractEventLoop, Live] = {}
        self._tools: tuple[Tool[..., Any], ...] | None = None
        self._told: dict[str, str] = {}

    @classmethod
    def stdio(
        cls,
        command: str,
        *args: str,
        name: str,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "",
        lock: str | Path | None = None,
        **options: Unpack[McpOptions],
    ) -> Self:
        """A server that is started as a child process and speaks over its standard streams.

        Args:
            command: The program, then its arguments.
            *args: Arguments of the program.
            name: What to call it.
            env: Variables that it gets beside PATH, HOME, LANG and TMPDIR of this process; nothing else is handed on.
            cwd: Folder it runs in.
            lock: Another file than ``surefoot.mcp.lock`` in the working folder.
            **options: See `McpOptions`.

        Raises:
            ConfigError: An option is wrong.
        """
        settings = read_options(name, {"command": command, "args": list(args), "cwd": str(cwd), **options})
        return cls(name, settings, variables={**given_to_all(), **(env or {})}, headers={}, lock=lock)

    @classmethod
    def http(
        cls,
        url: str,
        *,
        name: str,
        headers: Mapping[str, str] | None = None,
        lock: str | Path | None = None,
        **options: Unpack[McpOptions],
    ) -> Self:
        """A server behind streamable HTTP.

        Args:
            url: Its endpoint.
            name: What to call it.
            headers: Sent with each request: ``{"authorization": "Bearer ..."}``.
            lock: Another file than ``surefoot.mcp.lock`` in the working folder.
            **options: See `McpOptions`.

        Raises:
            ConfigError: An option is wrong.
        """
        return cls(name, read_options(name, {"url": url, **options}), variables={}, headers=headers or {}, lock=lock)

    @classmethod
    def named(cls, name: str, *, config: str | Path | None = None) -> Self:
        """The server that ``[mcp.NAME]`` of ``surefoot.toml`` describes; the lock file stands beside it.

        Raises:
            ConfigError: There is none, it is wrong, or a variable that it names is not set.
        """
        settings = load_settings(config)
        found = settings.mcp.get(name)
        if found is None:
            known = ", ".join(settings.mcp) or "none"
            raise ConfigError(f"there is no [mcp.{name}] in the settings; there are: {known}")
        return cls(
            name,
            found,
            variables={**given_to_all(), **read_variables(name, {key: key for key in found.env})},
            headers=read_variables(name, found.headers),
            lock=find_lock(config),
            risk=settings.guard.detect_risk,
        )

    @property
    def tools(self) -> tuple[Tool[..., Any], ...]:
        """Its tools that are approved and allowed, as they were when they were approved; for ``Agent(tools=[...])``.

        Raises:
            ConfigError: Nobody has approved any yet, or what the settings say of them is wrong.
        """
        if self._tools is None:
            approved = self._lock.read(self.name)
            if approved is None:
                raise ConfigError(
                    f"mcp.{self.name}: its tools are not in {self._lock.path} yet: run `surefoot mcp pin {self.name}` "
                    "and look at them, or enter the server with `async with` first, which records what it sees"
                )
            self._tools = make_tools(self.name, self._settings, approved, self._call, self)
        return self._tools

    def hold(self) -> None:
        """Keep the server open, once it is, until `release`; for the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._lives:
            self._lives[loop] = Live(self._make_connection, self._settings.start_timeout_s, self._clock)
        self._lives[loop].holders += 1

    async def release(self) -> None:
        """The opposite of `hold`: the last one ends the server."""
        loop = asyncio.get_running_loop()
        live = self._lives[loop]
        live.holders -= 1
        if not live.holders:
            del self._lives[loop]
            await live.close()

    async def __aenter__(self) -> Self:
        """Connect; record what is seen for the first time, but for what looks like an attack.

        Raises:
            ConfigError: The server cannot be started or reached, or has nothing that is approved.
        """
        self.hold()
        try:
            await self._record_first(await self.look())
        except BaseException:
            await self.release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the server if nobody else holds it."""
        await self.release()

    async def _record_first(self, standings: list[Standing]) -> None:
        if self._lock.read(self.name) is None:
            clean = {one.name: one.offered for one in standings if one.offered and not self.is_suspicious(one)}
            await asyncio.to_thread(self._lock.write_first, self.name, clean)
        if not self.tools:
            counted = f"none of its {len(standings)} tools is approved and allowed"
            raise ConfigError(f"mcp.{self.name}: {counted}: see `surefoot mcp diff {self.name}`")

    async def look(self) -> list[Standing]:
        """How each of its tools stands against what is approved.

        Raises:
            ConfigError: The server cannot be started or reached.
        """
        live = self._lives.get(asyncio.get_running_loop())
        assert live is not None, "the server is held"
        reached = await live.reach()
        if isinstance(reached, Lost):
            raise ConfigError(f"mcp.{self.name}: the server cannot be used: {self._mask(reached.why)}")
        approved = self._lock.read(self.name) or {}
        return await asyncio.to_thread(compare, approved, reached.listing)  # the detector reads all their words

    def is_suspicious(self, standing: Standing) -> bool:
        """Whether what the server says of a tool looks like an attack: ``guard.detect_risk`` says from when on."""
        return standing.risk >= self._risk

    def is_allowed(self, tool: str) -> bool:
        """Whether the settings allow a tool, by the server's own name."""
        return self._settings.allows(tool)

    def approve(self, definitions: Iterable[Definition]) -> None:
        """Make these, and no others, the approved tools; agents made from now on are told of them.

        Raises:
            ConfigError: The lock file cannot be written.
        """
        self._lock.write(self.name, {one.name: one for one in definitions})
        self._tools = None

    async def _call(
        self,
        name: str,
        definition: Definition,
        repeatable: bool,  # noqa: FBT001
        arguments: dict[str, Any],
    ) -> str:
        """The text of a result. Errors call the tool by ``name``, as the model does.

        Raises:
            ToolError: The tool failed, is not as it was approved, or there was no answer.
        """
        live = self._lives.get(asyncio.get_running_loop())
        if live is None:
            raise ToolError(f"MCP server {self.name!r} is closed: call its tools in a Runtime, or inside `async with`.")
        lost = Lost("", sent=False)
        for attempt in range(1, ATTEMPTS + 1):
            if attempt > 1:
                await asyncio.sleep(draw_backoff_s(attempt - 1, BASE_S, MAX_S, self._clock))
            reached = await live.reach()
            if isinstance(reached, Lost):
                lost = reached
                break
            self._check_approved(name, definition, reached)
            result = await reached.call(definition.name, arguments)
            if not isinstance(result, Lost):
                if result.is_error:
                    raise ToolError(self._mask(result.text) or f"{name} failed, and says nothing of it.")
                return result.text
            lost = result
            if lost.sent and not repeatable:
                raise ToolError(
                    f"The outcome of {name} is unknown: MCP server {self.name!r} was lost while it ran "
                    f"({self._mask(lost.why)}). It may have had its effect: check before you call it again."
                )
        why = self._mask(lost.why)
        raise ToolError(f"{name} was not done: MCP server {self.name!r} cannot be used: {why}.")

    def _check_approved(self, name: str, definition: Definition, connection: Connection) -> None:
        now = connection.listing.tools.get(definition.name)
        if now is None:
            why = connection.listing.unusable.get(definition.name, "the server no longer has it")
            raise ToolError(f"{name} was not called: {why}.")
        if now.sha256 != definition.sha256:
            if self._told.get(definition.name) != now.sha256:  # once, for whoever looks after it
                self._told[definition.name] = now.sha256
                _log.warning(
                    "what MCP server %r says of its tool %r has changed since it was approved: its calls are refused. "
                    "See `surefoot mcp diff %s`; `surefoot mcp pin %s` approves it",
                    self.name, definition.name, self.name, self.name,
                )  # fmt: skip
            raise ToolError(
                f"{name} was not called: what MCP server {self.name!r} says of it has changed since it was "
                f"approved. A person has to look: surefoot mcp diff {self.name}. Go on without it."
            )

    async def _make_connection(self) -> Connection:
        """The SDK takes most of a second to import: in a thread, so that it holds up nobody."""
        try:
            return await asyncio.to_thread(self._prepare)
        except ImportError as error:
            raise ConfigError(f"mcp.{self.name}: MCP needs an extra: pip install 'surefoot[mcp]' ({error})") from None

    def _prepare(self) -> Connection:
        from surefoot.mcp.connection import Connection, OpenStreams
        from surefoot.mcp.http import Site, make_tls, open_http
        from surefoot.mcp.stdio import Command, open_stdio

        settings, unsent = self._settings, self._clock.token("unsent")
        streams: OpenStreams
        if settings.command:
            command = Command((settings.command, *settings.args), self._variables, settings.cwd)
            streams = partial[AbstractAsyncContextManager[Any]](open_stdio, command)
        else:
            site = Site(settings.url, self._headers, unsent, make_tls())
            streams = partial[AbstractAsyncContextManager[Any]](open_http, site)
        return Connection(streams, unsent)

    def _mask(self, text: str) -> str:
        return mask_secrets(text, {**self._variables, **self._headers})

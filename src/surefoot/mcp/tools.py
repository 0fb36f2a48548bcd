"""From what a server says of a tool, and what you say of it, to a `Tool`.

What you say counts. The hints of a server (that a tool only reads, say) are by whoever wrote the server, and would
lower the guard: they are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from msgspec.structs import replace

from surefoot.errors import ConfigError
from surefoot.mcp.definition import Definition
from surefoot.mcp.validation import make_decode
from surefoot.policy.declared import PolicyOptions, read_policy
from surefoot.policy.intent import list_intents
from surefoot.sections import McpSettings, McpToolSettings
from surefoot.tools import Tool
from surefoot.types import Label, Source, ToolSpec

_NAME_CHARS: Final = 64
_OURS: Final = "read_more"
"""A tool that Surefoot adds: one of that name would take its place."""
_FORBIDDEN: Final = re.compile(r"[^a-zA-Z0-9_-]")

Call = Callable[[str, Definition, bool, dict[str, Any]], Awaitable[str]]
"""A tool's name for the model, the tool, whether its call may be repeated, and its arguments, to the model's text."""


def make_tools(
    server: str, settings: McpSettings, approved: Mapping[str, Definition], call: Call, source: Source
) -> tuple[Tool[..., Any], ...]:
    """The tools of a server that are approved and allowed.

    Raises:
        ConfigError: A setting is about a tool that there is not, or two tools have one name, or one has none.
    """
    for name in [*settings.tools, *[name for name in settings.allow if name != "*"]]:
        if name not in approved:
            known = ", ".join(approved) or "none"
            raise ConfigError(f"mcp.{server}: there is no approved tool {name!r}; there are: {known}")
    made: dict[str, Tool[..., Any]] = {}
    for definition in approved.values():
        if settings.allows(definition.name):
            tool = _make_tool(server, settings, definition, call, source)
            if tool.spec.name in made:
                raise ConfigError(
                    f"mcp.{server}: two tools are called {tool.spec.name!r} for the model: "
                    f"give one a name in [mcp.{server}.tools.{definition.name!r}]"
                )
            made[tool.spec.name] = tool
    return tuple(made.values())


def _make_tool(
    server: str, settings: McpSettings, definition: Definition, call: Call, source: Source
) -> Tool[..., Any]:
    declared = settings.tools.get(definition.name, McpToolSettings())
    name = _name(server, settings, definition.name, declared)
    trusted = (declared.output or settings.trust) == "trusted"
    repeatable = declared.effect == "read" or declared.idempotent
    options: PolicyOptions = {
        "egress": declared.egress,
        "destructive": declared.destructive,
        "sinks": declared.sinks,
        "intents": declared.intents,
    }
    hints = dict.fromkeys(cast("dict[str, Any]", definition.schema["properties"]), Any)
    policy = read_policy(name, hints, definition.schema, declared.effect, options, idempotent=declared.idempotent)
    # The prefix is no word of a request; and a default that a server has written proves no value
    policy = replace(policy, intents=list_intents(replace(policy, name=_plain(definition.name))), defaults={})

    async def function(**arguments: Any) -> str:
        return await call(name, definition, repeatable, arguments)

    return Tool(
        function=function,
        spec=ToolSpec(name, definition.description, definition.schema),
        decode=make_decode(definition.schema),
        effect=declared.effect,
        idempotent=declared.idempotent,
        timeout_s=declared.timeout_s or settings.timeout_s,
        max_output_bytes=settings.max_output_bytes,
        takes_context=False,
        is_async=True,
        label=Label("tool" if trusted else "third_party", trusted=trusted, source=name),
        settle=None,
        policy=policy,
        records=(),
        checked=not policy.is_free,
        source=source,
    )


def _plain(name: str) -> str:
    return _FORBIDDEN.sub("_", name)


def _name(server: str, settings: McpSettings, tool: str, declared: McpToolSettings) -> str:
    prefix = f"{server}_" if settings.prefix is None else settings.prefix
    name = declared.name or _plain(f"{prefix}{tool}")
    if not name or len(name) > _NAME_CHARS or _FORBIDDEN.search(name):
        raise ConfigError(
            f"mcp.{server}: tool name {name!r} must be 1 to {_NAME_CHARS} of a-z, A-Z, 0-9, _ and -: "
            f"give it one in [mcp.{server}.tools.{tool!r}], or a shorter prefix"
        )
    if name == _OURS:
        raise ConfigError(
            f"mcp.{server}: {name!r} is a tool of Surefoot: give it a name in [mcp.{server}.tools.{tool}]"
        )
    return name

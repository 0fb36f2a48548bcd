"""A model call as the fake provider got it, in one form for both wires, and what a strict provider checks in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, Protocol

from msgspec import Struct

from surefoot.testing.generation import Generation, PromptCount, count_message
from surefoot.testing.script import Fault, status
from surefoot.types import JsonSchema, Message, ToolSpec

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class ProviderRequest(Struct, frozen=True, kw_only=True):
    """One request for a reply.

    Attributes:
        number: Number of the request at this provider, from 1.
        wire: ``openai`` or ``anthropic``.
        model: Name of the model.
        messages: The prompt; everything in the user's role counts as the user's.
        tools: Tools on offer.
        allow_tools: Whether the model may call them.
        response_schema: Schema of a structured answer, or None.
        max_tokens: Limit of the reply; 0 when the request has none (only without strictness).
        stream: Whether server-sent events are asked for.
        include_usage: Whether a stream ends with usage.
        temperature: Sampling temperature, None when not given.
        headers: Header names in lower case, and values.
        body: The body as it came.
        count: Size of the prompt by the counting rule.
    """

    number: int
    wire: Literal["openai", "anthropic"]
    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    allow_tools: bool
    response_schema: JsonSchema | None
    max_tokens: int
    stream: bool
    include_usage: bool
    temperature: float | None
    headers: Mapping[str, str]
    body: bytes
    count: PromptCount


class Wire(Protocol):
    """One way to write requests and replies."""

    def find_key(self, headers: Mapping[str, str]) -> str:
        """The API key of a request, "" if it has none."""
        ...

    def read(self, number: int, headers: Mapping[str, str], body: bytes) -> ProviderRequest | Fault:
        """The request, or what is wrong with its form."""
        ...

    def write_reply(self, request: ProviderRequest, generation: Generation, created_s: int) -> bytes:
        """The body of a whole reply."""
        ...

    def write_events(self, request: ProviderRequest, generation: Generation, created_s: int) -> list[bytes]:
        """The server-sent events of a reply, the last ones after its last piece included."""
        ...

    def write_error(self, fault: Fault) -> bytes:
        """The body of an error."""
        ...

    def write_error_event(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        ...

    def name_pace(
        self, kind: Literal["requests", "tokens"], limit: int, left: int, reset_s: float, now_s: float
    ) -> str:
        """Header lines that tell a caller how much of a rate is left, each ended by CRLF."""
        ...


def count_prompt(messages: tuple[Message, ...], other_bytes: int) -> PromptCount:
    """The size of a prompt; ``other_bytes`` are those of tools and schemas in JSON."""
    return PromptCount(other_bytes + sum([count_message(message) for message in messages]), len(messages))


def invalid(message: str, name: str = "") -> Fault:
    """The 400 that a provider answers a wrong request with."""
    return status(400, message, name=name)


def check_request(request: ProviderRequest) -> Fault | None:
    """What a strict provider finds wrong with a request of the right form."""
    if request.max_tokens < 1:
        return invalid(
            "max_tokens (or max_completion_tokens) is required and must be at least 1", "max_tokens_required"
        )
    if not request.messages:
        return invalid("messages: must not be empty")
    names = [tool.name for tool in request.tools]
    for name in names:
        if not _TOOL_NAME.fullmatch(name):
            return invalid(f"tools: {name!r} is no tool name; use 1 to 64 of a-z, A-Z, 0-9, _ and -")
    if len(set(names)) < len(names):
        return invalid("tools: tool names must be unique")
    return check_calls(request.messages)


def check_calls(messages: tuple[Message, ...]) -> Fault | None:
    """What is wrong with the pairs of tool calls and tool messages: each call has one answer, right after it."""
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                return invalid(
                    f"messages[{index}]: the tool message answers {message.tool_call_id!r}, which nobody called"
                )
            waiting.remove(message.tool_call_id)
            continue
        if waiting:
            break
        waiting = {one.id for one in message.tool_calls}
        if len(waiting) < len(message.tool_calls):
            return invalid(f"messages[{index}]: the ids of tool calls must differ")
    if waiting:
        return invalid(f"tool calls must be followed by a tool message for each; missing: {', '.join(sorted(waiting))}")
    return None

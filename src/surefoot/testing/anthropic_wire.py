"""Anthropic Messages, the provider's side.

Forms after https://docs.anthropic.com/en/api/messages and .../streaming (request, message, event and error objects).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from surefoot.models.base import FinishReason
from surefoot.testing.generation import Generation, split_pieces
from surefoot.testing.request import ProviderRequest, count_prompt, invalid
from surefoot.testing.script import Fault
from surefoot.types import USER_LABEL, JsonSchema, Label, Message, Part, ToolCall, ToolSpec, Usage

_TOOL_LABEL: Final = Label("tool")
_ARGUMENT_PIECE: Final = 24  # characters of a tool call's input in one event
_STOP: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class _Text(Struct, tag_field="type", tag="text"):
    text: str


class _ToolUse(Struct, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: Raw


class _ToolResult(Struct, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | list[_Text] = ""
    is_error: bool = False


class _Thinking(Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


_Block = _Text | _ToolUse | _ToolResult | _Thinking


class _Message(Struct):
    role: Literal["user", "assistant"]
    content: str | list[_Block]


class _Tool(Struct):
    name: str
    input_schema: JsonSchema
    description: str = ""


class _Choice(Struct):
    type: Literal["auto", "any", "tool", "none"]


class _Body(Struct):
    model: str
    messages: list[_Message]
    max_tokens: int = 0
    system: str | list[_Text] = ""
    stream: bool = False
    tools: Raw | UnsetType = UNSET
    tool_choice: _Choice | None = None
    temperature: float | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_tools = msgspec.json.Decoder(list[_Tool]).decode
_encode = msgspec.json.encode


class AnthropicWire:
    """`Wire` of ``POST /messages``."""

    def find_key(self, headers: Mapping[str, str]) -> str:
        """The ``x-api-key``."""
        return headers.get("x-api-key", "")

    def read(self, number: int, headers: Mapping[str, str], body: bytes) -> ProviderRequest | Fault:
        """The request, or what is wrong with its form."""
        if "anthropic-version" not in headers:
            return invalid("the header anthropic-version is required, for example 2023-06-01")
        try:
            asked = _decode(body)
            raw_tools = b"" if isinstance(asked.tools, UnsetType) else bytes(asked.tools)
            tools = read_tools(raw_tools) if raw_tools else ()
        except msgspec.DecodeError as error:
            return invalid(f"the body is not a valid request: {error}")
        except UnicodeDecodeError as error:
            return invalid(f"the body is not UTF-8: {error.reason}")
        system = _join(asked.system)
        messages = [Message.system(system)] if system else []
        for message in asked.messages:
            problem = _read_message(message, messages)
            if problem:
                return invalid(f"messages.{len(messages)}: {problem}")
        prompt = tuple(messages)
        return ProviderRequest(
            number=number,
            wire="anthropic",
            model=asked.model,
            messages=prompt,
            tools=tools,
            allow_tools=asked.tool_choice is None or asked.tool_choice.type != "none",
            response_schema=None,
            max_tokens=asked.max_tokens,
            stream=asked.stream,
            include_usage=True,
            temperature=asked.temperature,
            headers=headers,
            body=body,
            count=count_prompt(prompt, len(raw_tools)),
        )

    def write_reply(self, request: ProviderRequest, generation: Generation, created_s: int) -> bytes:
        """A ``message`` object."""
        content: list[dict[str, Any]] = []
        if generation.thinking:
            content.append(
                {"type": "thinking", "thinking": generation.thinking, "signature": sign(generation.thinking)}
            )
        if generation.text:
            content.append({"type": "text", "text": generation.text})
        content += [
            {"type": "tool_use", "id": one.id, "name": one.name, "input": _read_input(one.arguments)}
            for one in generation.calls
        ]
        message = _write_message(request, _STOP[generation.finish_reason], content)
        if generation.reported is not None:
            message["usage"] = _write_usage(generation.reported)
        return _encode(message)

    def write_events(self, request: ProviderRequest, generation: Generation, created_s: int) -> list[bytes]:
        """From ``message_start`` to ``message_stop``."""
        message = _write_message(request, None, [])
        ending: dict[str, Any] = {"type": "message_delta"}
        ending["delta"] = {"stop_reason": _STOP[generation.finish_reason], "stop_sequence": None}
        usage = generation.reported
        if usage is not None:
            message["usage"] = _write_usage(usage) | {"output_tokens": min(1, usage.output_tokens)}
            ending["usage"] = {"output_tokens": usage.output_tokens}
        events = [_write_event({"type": "message_start", "message": message}), _write_event({"type": "ping"})]
        for index, (block, deltas) in enumerate(_write_blocks(generation)):
            events.append(_write_event({"type": "content_block_start", "index": index, "content_block": block}))
            events += [
                _write_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas
            ]
            events.append(_write_event({"type": "content_block_stop", "index": index}))
        return [*events, _write_event(ending), _write_event({"type": "message_stop"})]

    def write_error(self, fault: Fault) -> bytes:
        """An ``error`` object."""
        fallback = "api_error" if fault.status >= 500 else "invalid_request_error"
        kind = fault.code or _ERROR_TYPES.get(fault.status, fallback)
        return _encode({"type": "error", "error": {"type": kind, "message": fault.message}})

    def write_error_event(self, message: str) -> bytes:
        """An ``error`` event."""
        return _write_event({"type": "error", "error": {"type": "overloaded_error", "message": message}})

    def name_pace(
        self, kind: Literal["requests", "tokens"], limit: int, left: int, reset_s: float, now_s: float
    ) -> str:
        """``anthropic-ratelimit-*`` headers; the reset is a time in RFC 3339."""
        reset = datetime.fromtimestamp(now_s + reset_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        start = f"anthropic-ratelimit-{kind}"
        return f"{start}-limit: {limit}\r\n{start}-remaining: {left}\r\n{start}-reset: {reset}\r\n"


@lru_cache(maxsize=256)
def read_tools(tools: bytes) -> tuple[ToolSpec, ...]:
    """Tools from their JSON, kept for the many requests that offer the same ones.

    Raises:
        msgspec.DecodeError: Not a list of tools.
    """
    return tuple([ToolSpec(one.name, one.description, one.input_schema) for one in _decode_tools(tools)])


def sign(thinking: str) -> str:
    """The signature without which a thinking block is not taken back."""
    return f"sig-{zlib.crc32(thinking.encode()):08x}"


def _join(content: str | list[_Text]) -> str:
    return content if isinstance(content, str) else "".join([block.text for block in content])


def _read_message(message: _Message, messages: list[Message]) -> str:
    """Append the message to ``messages``, tool results as messages of their own; what is wrong with it, or ""."""
    content = message.content
    blocks: list[_Block] = [_Text(content)] if isinstance(content, str) else content
    parts: list[Part] = []
    made: list[ToolCall] = []
    for block in blocks:
        if isinstance(block, _Text):
            parts.append(Part(block.text, USER_LABEL))
        elif isinstance(block, _ToolResult):
            answer = Part(_join(block.content), _TOOL_LABEL)
            if message.role != "user" or parts:
                return "tool_result blocks come first, and only from the user"
            messages.append(Message("tool", (answer,), tool_call_id=block.tool_use_id, is_error=block.is_error))
        elif message.role != "assistant":
            return "only the assistant makes tool_use and thinking blocks"
        elif isinstance(block, _ToolUse):
            made.append(ToolCall(block.id, block.name, bytes(block.input).decode()))
        elif block.signature != sign(block.thinking):
            return "the thinking block's signature does not fit: give it back as it came"
    if message.role == "assistant":
        messages.append(Message.assistant("".join([part.text for part in parts]), tuple(made)))
    elif parts:
        messages.append(Message("user", tuple(parts)))
    return ""


def _read_input(arguments: str) -> dict[str, Any]:
    """The arguments as an object; {} for a text that is none, since this wire cannot carry it in a whole reply."""
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _write_message(request: ProviderRequest, stop_reason: str | None, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{request.number}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }


def _write_blocks(generation: Generation) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it starts, with the deltas that fill it."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if generation.thinking:
        deltas: list[dict[str, Any]] = [
            {"type": "thinking_delta", "thinking": piece} for piece in split_pieces(generation.thinking)
        ]
        deltas.append({"type": "signature_delta", "signature": sign(generation.thinking)})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if generation.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in split_pieces(generation.text)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for one in generation.calls:
        pieces = [
            one.arguments[start : start + _ARGUMENT_PIECE] for start in range(0, len(one.arguments), _ARGUMENT_PIECE)
        ]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces]]
        blocks.append(({"type": "tool_use", "id": one.id, "name": one.name, "input": {}}, deltas))
    return blocks


def _write_event(data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), _encode(data))


def _write_usage(usage: Usage) -> dict[str, int]:
    """In this provider's exclusive convention: cached tokens are not part of ``input_tokens``."""
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }

"""OpenAI Chat Completions, the provider's side.

Forms after https://platform.openai.com/docs/api-reference/chat (request, response, chunk and error objects).
"""

from __future__ import annotations

from collections.abc import Mapping
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
_ARGUMENT_PIECE: Final = 24  # characters of a tool call's arguments in one event
_FINISH: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "stop",
}
_ERROR_TYPES: Final = {
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


class _Text(Struct):
    type: str
    text: str = ""


class _Function(Struct):
    name: str
    arguments: str


class _Call(Struct):
    id: str
    function: _Function
    type: Literal["function"] = "function"


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Text] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""
    refusal: str | None = None


class _Definition(Struct):
    name: str
    description: str = ""
    parameters: JsonSchema = {}


class _Tool(Struct):
    function: _Definition
    type: Literal["function"]


class _Schema(Struct):
    name: str
    schema: Raw = Raw(b"{}")


class _Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _StreamOptions(Struct):
    include_usage: bool = False


class _Body(Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    tools: Raw | UnsetType = UNSET
    tool_choice: Any = None
    response_format: _Format | None = None
    temperature: float | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_tools = msgspec.json.Decoder(list[_Tool] | None).decode
_encode = msgspec.json.encode


class OpenAiWire:
    """`Wire` of ``POST /chat/completions``."""

    def find_key(self, headers: Mapping[str, str]) -> str:
        """The key of ``Authorization: Bearer``."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def read(self, number: int, headers: Mapping[str, str], body: bytes) -> ProviderRequest | Fault:
        """The request, or what is wrong with its form."""
        try:
            asked = _decode(body)
            tools = () if isinstance(asked.tools, UnsetType) else read_tools(bytes(asked.tools))
        except msgspec.DecodeError as error:
            return invalid(f"the body is not a valid request: {error}")
        except UnicodeDecodeError as error:
            return invalid(f"the body is not UTF-8: {error.reason}")
        messages = tuple([_read_message(message) for message in asked.messages])
        schema = asked.response_format.json_schema if asked.response_format else None
        other_bytes = 0 if isinstance(asked.tools, UnsetType) else len(bytes(asked.tools))
        if schema is not None:
            other_bytes += len(bytes(schema.schema))
        return ProviderRequest(
            number=number,
            wire="openai",
            model=asked.model,
            messages=messages,
            tools=tools,
            allow_tools=asked.tool_choice != "none",
            response_schema=msgspec.json.decode(schema.schema) if schema else None,
            max_tokens=asked.max_completion_tokens or asked.max_tokens or 0,
            stream=bool(asked.stream),
            include_usage=asked.stream_options is not None and asked.stream_options.include_usage,
            temperature=asked.temperature,
            headers=headers,
            body=body,
            count=count_prompt(messages, other_bytes),
        )

    def write_reply(self, request: ProviderRequest, generation: Generation, created_s: int) -> bytes:
        """A ``chat.completion`` object."""
        refused = generation.finish_reason == "refusal"
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if refused or (generation.calls and not generation.text) else generation.text,
            "refusal": generation.text if refused else None,
        }
        if generation.thinking:
            message["reasoning_content"] = generation.thinking
        if generation.calls:
            message["tool_calls"] = [_write_call(one) for one in generation.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[generation.finish_reason]}
        reply: dict[str, Any] = {
            "id": f"chatcmpl-{request.number}",
            "object": "chat.completion",
            "created": created_s,
            "model": request.model,
            "choices": [choice],
        }
        if generation.reported is not None:
            reply["usage"] = _write_usage(generation.reported)
        return _encode(reply)

    def write_events(self, request: ProviderRequest, generation: Generation, created_s: int) -> list[bytes]:
        """``chat.completion.chunk`` objects and ``[DONE]``."""
        model = _encode(request.model).decode()
        start = (
            f'data: {{"id":"chatcmpl-{request.number}","object":"chat.completion.chunk","created":{created_s},'
            f'"model":{model},"choices":['
        ).encode()

        def choose(delta: bytes, finish: bytes = b"null") -> bytes:
            return b'%b{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]}\n\n' % (start, delta, finish)

        events = [choose(b'{"role":"assistant","content":"","refusal":null}')]
        events += [choose(b'{"reasoning_content":%b}' % _encode(piece)) for piece in split_pieces(generation.thinking)]
        field = b"refusal" if generation.finish_reason == "refusal" else b"content"
        events += [choose(b'{"%b":%b}' % (field, _encode(piece))) for piece in split_pieces(generation.text)]
        for index, one in enumerate(generation.calls):
            events += [choose(delta) for delta in _write_call_deltas(index, one)]
        events.append(choose(b"{}", b'"%b"' % _FINISH[generation.finish_reason].encode()))
        if request.include_usage and generation.reported is not None:
            events.append(b'%b],"usage":%b}\n\n' % (start, _encode(_write_usage(generation.reported))))
        events.append(b"data: [DONE]\n\n")
        return events

    def write_error(self, fault: Fault) -> bytes:
        """An ``error`` object."""
        fallback = ("server_error", "") if fault.status >= 500 else ("invalid_request_error", "")
        kind, code = _ERROR_TYPES.get(fault.status, fallback)
        error = {"message": fault.message, "type": kind, "param": None, "code": fault.code or code or None}
        return _encode({"error": error})

    def write_error_event(self, message: str) -> bytes:
        """An ``error`` object where a chunk is expected."""
        return b"data: %b\n\n" % _encode({"error": {"message": message, "type": "server_error", "code": None}})

    def name_pace(
        self, kind: Literal["requests", "tokens"], limit: int, left: int, reset_s: float, now_s: float
    ) -> str:
        """``x-ratelimit-*`` headers."""
        return (
            f"x-ratelimit-limit-{kind}: {limit}\r\nx-ratelimit-remaining-{kind}: {left}\r\n"
            f"x-ratelimit-reset-{kind}: {reset_s:.3f}s\r\n"
        )


@lru_cache(maxsize=256)
def read_tools(tools: bytes) -> tuple[ToolSpec, ...]:
    """Tools from their JSON, kept for the many requests that offer the same ones.

    Raises:
        msgspec.DecodeError: Not a list of function tools.
    """
    return tuple(
        [
            ToolSpec(one.function.name, one.function.description, one.function.parameters)
            for one in _decode_tools(tools) or ()
        ]
    )


def _read_message(message: _Message) -> Message:
    content = message.content
    text = content if isinstance(content, str) else "".join([part.text for part in content or ()])
    if message.role == "tool":
        return Message("tool", (Part(text, _TOOL_LABEL),), tool_call_id=message.tool_call_id)
    if message.role == "assistant":
        made = tuple([ToolCall(one.id, one.function.name, one.function.arguments) for one in message.tool_calls or ()])
        return Message.assistant(text or message.refusal or "", made)
    if message.role == "user":
        return Message("user", (Part(text, USER_LABEL),))
    return Message.system(text)


def _write_call(one: ToolCall) -> dict[str, Any]:
    return {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}


def _write_call_deltas(index: int, one: ToolCall) -> list[bytes]:
    """The first delta has the id and the name, the others pieces of the arguments."""
    first = _write_call(ToolCall(one.id, one.name, ""))
    deltas = [_encode({"tool_calls": [{"index": index, **first}]})]
    for start in range(0, len(one.arguments), _ARGUMENT_PIECE):
        piece = one.arguments[start : start + _ARGUMENT_PIECE]
        deltas.append(_encode({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    return deltas


def _write_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0},
    }

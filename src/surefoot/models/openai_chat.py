"""The wire of OpenAI's Chat Completions, which most providers and servers speak.

Forms after https://platform.openai.com/docs/api-reference/chat, with what others do differently: usage in their own
fields, arguments as an object, tool-call deltas without index, errors in a reply of status 200.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from surefoot.models.base import ModelProfile, Options
from surefoot.models.http import HttpClient
from surefoot.models.openai_reply import ChatAssembly, read_reply
from surefoot.models.wire import (
    FRAMING_TOKENS,
    Wire,
    WireModel,
    build_peer,
    count_growth,
    encode_json,
    mend_message,
)
from surefoot.types import JsonSchema, Message, ToolSpec

_WIRE: Final = Wire(read_reply, ChatAssembly, "x-ratelimit-{field}-{kind}")
_PATH: Final = "/chat/completions"
_CALL: Final = b'{"id":%b,"type":"function","function":{"name":%b,"arguments":%b}}'
_CALLS: Final = b',{"role":"assistant","content":%b,"tool_calls":[%b]}'
_ONE_CALL: Final = _CALLS % (b"%b", _CALL)
_NEW_FIELD: Final = re.compile(r"(?:.*/)?(?:o\d|gpt-5)")


class OpenAIChat(WireModel["_Head"]):
    """A model behind ``POST {base_url}/chat/completions``.

    Args:
        profile: What is known of the model.
        base_url: Root of the API, for example ``https://api.openai.com/v1``; a query is kept.
        api_key: Sent as ``Authorization: Bearer``; "" sends none.
        http: The pool.
        key_setting: What a person has to check when the key is refused, for example ``OPENAI_API_KEY``.
        max_tokens_field: Name of the field; "" chooses it by the model's name: ``max_completion_tokens`` for OpenAI's
            o-series and gpt-5, which refuse the older ``max_tokens``.
        headers: Further headers.

    Raises:
        ConfigError: The base URL, the key or a header cannot be used.
    """

    def __init__(
        self,
        profile: ModelProfile,
        base_url: str,
        api_key: str,
        http: HttpClient,
        *,
        key_setting: str = "",
        max_tokens_field: Literal["", "max_tokens", "max_completion_tokens"] = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        peer, parts = build_peer(profile, base_url, api_key, key_setting, headers)
        path = parts.path.rstrip("/").removesuffix(_PATH) + _PATH
        own = {"content-type": "application/json"}
        if api_key:
            own["authorization"] = f"Bearer {api_key}"
        super().__init__(profile, parts._replace(path=path), own | dict(headers or {}), http, peer=peer, wire=_WIRE)
        newer = _NEW_FIELD.match(profile.name) is not None
        field = max_tokens_field or ("max_completion_tokens" if newer else "max_tokens")
        self._tail = b'],"%b":' % field.encode()

    def open(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> _ChatPrompt:
        """See `Model.open`."""
        head = self.find_head(tools, temperature)
        if head is None:
            head = self.keep_head(tools, temperature, self._build_head(tools, temperature))
        return _ChatPrompt(head, self._tail)

    def _build_head(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> _Head:
        fields = [b'{"model":%b' % encode_json(self.profile.name)]
        if self.profile.service_tier:
            fields.append(b'"service_tier":%b' % encode_json(self.profile.service_tier))
        if temperature is not None:
            fields.append(b'"temperature":%b' % encode_json(temperature))
        growth = 0
        if tools:
            described = encode_json([{"type": "function", "function": tool} for tool in tools])
            growth = 0 if described.isascii() else count_growth(described.decode())
            fields.append(b'"tools":%b' % described)
        fields.append(b'"messages":[')
        return _Head(b",".join(fields), growth, has_tools=bool(tools))


class _Head:
    """What the requests of an agent's runs begin with, and the bytes that its text may gain before it is tokenized.

    The system message of the last run is kept with it: an agent hands the same one to each of its runs.
    """

    __slots__ = ("growth", "has_tools", "system", "system_growth", "system_piece", "text")

    def __init__(self, text: bytes, growth: int, *, has_tools: bool) -> None:
        self.text = text
        self.growth = growth
        self.has_tools = has_tools
        self.system: Message | None = None
        self.system_piece = b""
        self.system_growth = 0


class _ChatPrompt:
    """See `surefoot.models.base.Prompt`; ``size`` grows with it."""

    __slots__ = ("_body", "_head", "_is_empty", "_schema", "_schema_field", "_tail", "size")

    def __init__(self, head: _Head, tail: bytes) -> None:
        self._head = head
        self._body = bytearray(head.text)
        # A byte of the request is at most a token, and its JSON covers the template's framing.
        self.size = len(head.text) + head.growth + FRAMING_TOKENS
        self._tail = tail
        self._is_empty = True
        self._schema: JsonSchema | None = None
        self._schema_field = b""

    def append(self, message: Message) -> None:
        """See `Prompt.append`."""
        if self._is_empty:
            self._is_empty = False
            self._begin(message)
            return
        try:
            piece = _write_message(message)
        except UnicodeEncodeError:
            piece = _write_message(mend_message(message))
        self.size += len(piece) if piece.isascii() else len(piece) + count_growth(piece.decode())
        self._body += piece

    def _begin(self, message: Message) -> None:
        head = self._head
        if message is not head.system:
            piece = _write_message(mend_message(message))
            growth = 0 if piece.isascii() else count_growth(piece.decode())
            head.system, head.system_piece, head.system_growth = message, piece[1:], growth
        self._body += head.system_piece
        self.size += len(head.system_piece) + head.system_growth

    def body(self, max_tokens: int, options: Options, *, stream: bool) -> bytes:
        """See `Prompt.body`."""
        schema = options.response_schema
        forbids_tools = self._head.has_tools and not options.allow_tools
        if not stream and schema is None and not forbids_tools:
            return b"".join((self._body, self._tail, b"%d}" % max_tokens))
        fields: list[bytes | bytearray] = [self._body, self._tail, b"%d" % max_tokens]
        if stream:
            fields.append(b',"stream":true,"stream_options":{"include_usage":true}')
        if forbids_tools:
            fields.append(b',"tool_choice":"none"')
        if schema is not None:
            fields.append(self._write_schema(schema))
        fields.append(b"}")
        return b"".join(fields)

    def _write_schema(self, schema: JsonSchema) -> bytes:
        if schema is not self._schema:
            self._schema = schema
            self._schema_field = (
                b',"response_format":{"type":"json_schema","json_schema":'
                b'{"name":"reply","strict":false,"schema":%b}}' % encode_json(schema)
            )
        return self._schema_field


def _write_message(message: Message) -> bytes:
    """A message with a comma before it."""
    role, parts = message.role, message.parts
    text = encode_json(parts[0].text if len(parts) == 1 else message.text)
    if role == "tool":
        return b',{"role":"tool","tool_call_id":%b,"content":%b}' % (encode_json(message.tool_call_id), text)
    calls = message.tool_calls
    if not calls:
        return b',{"role":"%b","content":%b}' % (role.encode(), text)
    if text == b'""':
        text = b"null"
    if len(calls) == 1:  # the usual case, written in one go
        call = calls[0]
        return _ONE_CALL % (text, encode_json(call.id), encode_json(call.name), encode_json(call.arguments))
    written = [_CALL % (encode_json(call.id), encode_json(call.name), encode_json(call.arguments)) for call in calls]
    return _CALLS % (text, b",".join(written))

"""The wire of Anthropic's Messages API.

Forms after https://platform.claude.com/docs/en/api/messages. What differs from the other wire:

* The system message stands apart; consecutive messages of one role are one message, so that the results of parallel
  tool calls come back together, as the API demands.
* Thinking blocks go back exactly as they came, signature and all: `surefoot.types.Message.blocks`.
* ``input_tokens`` leaves cached tokens out; our `Usage` includes them.
* Prompt caching has to be asked for. It is on: one mark after the tools, one after the system message (agents share
  both), and automatic caching of the growing conversation. Writing to the cache costs 1.25 times the input price, which
  the hold covers because it takes the dearest input rate; reading costs a tenth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from surefoot.models.anthropic_reply import MessagesAssembly, TextBlock, ToolUseBlock, read_object, read_reply
from surefoot.models.base import ModelProfile, Options
from surefoot.models.http import HttpClient
from surefoot.models.structured import takes_schema
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

API_VERSION: Final = "2023-06-01"

TOOL_PROMPT_TOKENS: Final = 1_024
"""Tokens of the system prompt that the API adds to a request with tools. Its documentation ("Tool use pricing") gives
up to 530 for the models that it lists (Claude 3 Opus, ``auto``), 346 for most; the rest is room for newer ones."""

_PATH: Final = "/v1/messages"
_WIRE: Final = Wire(read_reply, MessagesAssembly, "anthropic-ratelimit-{kind}-{field}")
_MARK: Final = b',"cache_control":{"type":"ephemeral"}'
_NO_FORMAT: Final = re.compile(r"claude-(?:2|3|instant)|claude-(?:opus|sonnet)-4(?:-[01])?(?:-20\d{6})?$")


class _ToolResult(Struct, gc=False, tag_field="type", tag="tool_result", omit_defaults=True):
    tool_use_id: str
    content: str
    is_error: bool = False


class _Tool(Struct, gc=False):
    name: str
    description: str
    input_schema: JsonSchema


class Anthropic(WireModel[bytes]):
    """A model behind ``POST {base_url}/v1/messages``.

    Args:
        profile: What is known of the model.
        base_url: Root of the API, for example ``https://api.anthropic.com``, with or without ``/v1``.
        api_key: Sent as ``x-api-key``.
        http: The pool.
        key_setting: What a person has to check when the key is refused, for example ``ANTHROPIC_API_KEY``.
        cache: Whether to ask for prompt caching.
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
        cache: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        peer, parts = build_peer(profile, base_url, api_key, key_setting, headers)
        path = parts.path.rstrip("/").removesuffix("/messages").removesuffix("/v1") + _PATH
        own = {"content-type": "application/json", "anthropic-version": API_VERSION}
        if api_key:
            own["x-api-key"] = api_key
        super().__init__(profile, parts._replace(path=path), own | dict(headers or {}), http, peer=peer, wire=_WIRE)
        self._mark = _MARK if cache else b""
        self._takes_format = _NO_FORMAT.search(profile.name) is None

    def open(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> _MessagesPrompt:
        """See `Model.open`."""
        head = self.find_head(tools, temperature)
        if head is None:
            head = self.keep_head(tools, temperature, self._build_head(tools, temperature))
        return _MessagesPrompt(head, self._mark, has_tools=bool(tools), takes_format=self._takes_format)

    def _build_head(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> bytes:
        head = b'{"model":%b' % encode_json(self.profile.name)
        if temperature is not None:
            head += b',"temperature":%b' % encode_json(temperature)
        if tools:
            described = [encode_json(_Tool(tool.name, tool.description, tool.parameters)) for tool in tools]
            described[-1] = described[-1][:-1] + self._mark + b"}"
            head += b',"tools":[%b]' % b",".join(described)
        return head


class _MessagesPrompt:
    """See `surefoot.models.base.Prompt`. The last message stays open for further blocks of its role."""

    __slots__ = (
        "_body", "_extra_tokens", "_has_tools", "_head", "_mark", "_role", "_schema", "_schema_field", "_system",
        "_takes_format",
    )  # fmt: skip

    def __init__(self, head: bytes, mark: bytes, *, has_tools: bool, takes_format: bool) -> None:
        self._head = head
        self._system = b""
        self._body = bytearray()
        self._role = ""
        self._mark = mark
        self._has_tools = has_tools
        self._takes_format = takes_format
        self._extra_tokens = FRAMING_TOKENS + (TOOL_PROMPT_TOKENS if has_tools else 0)
        if not head.isascii():
            self._extra_tokens += count_growth(head.decode())
        self._schema: JsonSchema | None = None
        self._schema_field = b""

    def append(self, message: Message) -> None:
        """See `Prompt.append`. A system message after the first other message joins the user's side."""
        try:
            blocks = _shape(message)
        except UnicodeEncodeError:
            blocks = _shape(mend_message(message))
        if not blocks:
            return  # the API refuses blank text, and an empty message says nothing
        if not blocks.isascii():
            self._extra_tokens += count_growth(blocks.decode())
        if message.role == "system" and not self._role:
            self._system += (b"," if self._system else b"") + blocks
            return
        role = "assistant" if message.role == "assistant" else "user"
        body = self._body
        if role == self._role:
            body += b","
        else:
            body += b'%b{"role":"%b","content":[' % (b"]}," if self._role else b"", role.encode())
            self._role = role
        body += blocks

    def body(self, max_tokens: int, options: Options, *, stream: bool) -> bytes:
        """See `Prompt.body`."""
        parts: list[bytes | bytearray] = [self._head]
        if self._system:
            parts += [b',"system":[', self._system[:-1], self._mark, b"}]"]
        parts += [b',"messages":[', self._body, b"]}]" if self._role else b"]", b',"max_tokens":%d' % max_tokens]
        if stream:
            parts.append(b',"stream":true')
        if self._has_tools and not options.allow_tools:
            parts.append(b',"tool_choice":{"type":"none"}')
        if options.response_schema is not None:
            parts.append(self._write_schema(options.response_schema))
        parts += [self._mark, b"}"]
        return b"".join(parts)

    @property
    def size(self) -> int:
        """See `Prompt.size`."""
        return len(self._head) + len(self._system) + len(self._body) + self._extra_tokens

    def _write_schema(self, schema: JsonSchema) -> bytes:
        """Structured output, where the model has it and takes the schema; otherwise the answer is only validated."""
        if schema is not self._schema:
            self._schema = schema
            fits = self._takes_format and takes_schema(schema)
            self._schema_field = (
                b',"output_config":{"format":{"type":"json_schema","schema":%b}}' % encode_json(schema) if fits else b""
            )
        return self._schema_field


def _shape(message: Message) -> bytes:
    """The content blocks of a message, without the brackets around them."""
    if message.blocks:
        return message.blocks.strip()[1:-1].encode()
    text = message.text
    if message.role == "tool":
        return encode_json(_ToolResult(message.tool_call_id, text, message.is_error))
    blocks: list[Struct] = [] if not text or text.isspace() else [TextBlock(text)]
    if message.tool_calls:
        blocks += [ToolUseBlock(call.id, call.name, read_object(call.arguments)) for call in message.tool_calls]
    return encode_json(blocks)[1:-1]

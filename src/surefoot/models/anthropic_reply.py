"""Replies of Anthropic's Messages API: whole, or assembled from the events of a stream."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from surefoot.errors import ModelBroken
from surefoot.models.base import FinishReason, Reply
from surefoot.models.status import UNREADABLE, Peer, build_reply_error
from surefoot.models.wire import encode_json
from surefoot.types import Message, ToolCall, Usage

_FINISH: Final[dict[str, FinishReason]] = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}
_PLAIN_BLOCKS: Final = frozenset({"text", "tool_use"})  # these can be told from a message's text and calls


class TextBlock(Struct, gc=False, tag_field="type", tag="text"):
    """Visible text."""

    text: str


class ToolUseBlock(Struct, gc=False, tag_field="type", tag="tool_use"):
    """A call of a tool; ``input`` is the text of a JSON object."""

    id: str
    name: str
    input: Raw


class _Block(Struct):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")
    thinking: str = ""
    signature: str = ""


class _CacheCreation(Struct):
    ephemeral_1h_input_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    service_tier: str | None = None


class _Whole(Struct):
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    id: str = ""
    error: Any = None


class _LooseWhole(Struct):
    """The same, for usage of a form that cannot be used."""

    content: list[_Block] | None = None
    stop_reason: str | None = None
    id: str = ""
    error: Any = None


class _Content(Struct):
    content: Raw = Raw(b"[]")


class _Start(Struct):
    id: str = ""
    usage: _Usage | None = None


class _Delta(Struct):
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None


class _Event(Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Raw = Raw()  # no union: msgspec then takes null only
    message: _Start | None = None
    usage: _Usage | None = None
    error: Any = None


class _LooseEvent(Struct):
    """The same, for usage of a form that cannot be used."""

    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Raw = Raw()  # no union: msgspec then takes null only
    error: Any = None


_decode = msgspec.json.Decoder(_Whole).decode
_decode_loosely = msgspec.json.Decoder(_LooseWhole).decode
_decode_content = msgspec.json.Decoder(_Content).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_event_loosely = msgspec.json.Decoder(_LooseEvent).decode
_decode_block = msgspec.json.Decoder(_Block).decode
_decode_object: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])


def read_reply(body: bytes, peer: Peer) -> Reply:
    """A whole reply.

    Raises:
        ModelBroken: It holds an error or cannot be read.
    """
    whole = _read(body, peer)
    content = whole.content
    if content is None:
        raise build_reply_error(b'"it holds no content"', peer)
    blocks = ""
    for block in content:
        if block.type not in _PLAIN_BLOCKS:
            blocks = bytes(_decode_content(body).content).decode()
            break
    text = "".join([block.text for block in content if block.type == "text"])
    calls = tuple([ToolCall(one.id, one.name, bytes(one.input).decode()) for one in content if one.type == "tool_use"])
    usage = None if whole.usage is None else _read_usage(whole.usage)
    reason = _FINISH.get(whole.stop_reason or "", "stop")
    tier = "" if whole.usage is None else whole.usage.service_tier or ""
    return Reply(Message.assistant(text, calls, blocks), usage, reason, whole.id, tier)


class _PartialBlock(Struct):
    start: Raw
    type: str
    block: _Block
    pieces: list[str]
    signature: list[str]


class MessagesAssembly:
    """See `surefoot.models.wire.Assembly`."""

    __slots__ = ("_blocks", "_finish", "_id", "_peer", "_start_usage", "_usage", "is_done")

    def __init__(self, peer: Peer) -> None:
        self.is_done = False
        self._peer = peer
        self._blocks: dict[int, _PartialBlock] = {}
        self._finish: str | None = None
        self._start_usage: _Usage | None = None
        self._usage: _Usage | None = None
        self._id = ""

    def take(self, payload: bytes) -> str:
        """See `Assembly.take`."""
        event = _read_event(payload, self._peer)
        kind, delta = event.type, event.delta
        if kind == "content_block_delta":
            return "" if delta is None else self._add(event.index, delta)
        if kind == "content_block_start":
            return self._begin(event.index, event.content_block)
        if kind == "message_start" and event.message is not None:
            self._id, self._start_usage = event.message.id, event.message.usage
        elif kind == "message_delta":
            if delta is not None and delta.stop_reason is not None:
                self._finish = delta.stop_reason
            self._usage = event.usage
        elif kind == "message_stop":
            self.is_done = True
        return ""

    def finish(self) -> Reply:
        """See `Assembly.finish`."""
        if self._finish is None and not self.is_done:
            raise ModelBroken(f"{self._peer.model}: the stream from {self._peer.address} was cut", status=200)
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        text = "".join([one.block.text + "".join(one.pieces) for one in blocks if one.type == "text"])
        calls = tuple(
            [ToolCall(one.block.id, one.block.name, _join_input(one)) for one in blocks if one.type == "tool_use"]
        )
        kept = ""
        if any(one.type not in _PLAIN_BLOCKS for one in blocks):
            kept = (b"[%b]" % b",".join([_write_block(one) for one in blocks])).decode()
        reason = _FINISH.get(self._finish or "", "stop")
        tiers = [usage.service_tier for usage in (self._usage, self._start_usage) if usage and usage.service_tier]
        tier = tiers[0] if tiers else ""
        return Reply(Message.assistant(text, calls, kept), self._sum_usage(), reason, self._id, tier)

    def _begin(self, index: int, start: Raw) -> str:
        try:
            block = _decode_block(start)
        except UNREADABLE:
            raise build_reply_error(b"", self._peer) from None
        self._blocks[index] = _PartialBlock(start.copy(), block.type, block, [], [])
        return block.text if block.type == "text" else ""

    def _add(self, index: int, delta: _Delta) -> str:
        block = self._blocks.get(index)
        if block is None:
            raise build_reply_error(b'"a piece belongs to no block"', self._peer)
        if delta.text is not None:
            block.pieces.append(delta.text)
            return delta.text if block.type == "text" else ""
        if delta.partial_json is not None:
            block.pieces.append(delta.partial_json)
        elif delta.thinking is not None:
            block.pieces.append(delta.thinking)
        elif delta.signature is not None:
            block.signature.append(delta.signature)
        return ""

    def _sum_usage(self) -> Usage | None:
        """The counts of the start with those of the end, which are cumulative and name what changed."""
        start, end = self._start_usage, self._usage
        if end is None:
            return None
        first = start or _Usage()
        return _read_usage(
            _Usage(
                first.input_tokens if end.input_tokens is None else end.input_tokens,
                end.output_tokens,
                end.cache_creation_input_tokens
                if end.cache_creation_input_tokens is not None
                else first.cache_creation_input_tokens,
                end.cache_read_input_tokens
                if end.cache_read_input_tokens is not None
                else first.cache_read_input_tokens,
                end.cache_creation or first.cache_creation,
            )
        )


def read_object(arguments: str) -> Raw:
    """Arguments as the API takes them: an object, even where the model wrote something else."""
    try:
        _decode_object.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return Raw(encode_json({"not_an_object": arguments}))
    return Raw(arguments)


def _write_block(one: _PartialBlock) -> bytes:
    """A streamed block as it would have stood in a whole reply."""
    whole = "".join(one.pieces)
    if one.type == "text":
        return encode_json(TextBlock(one.block.text + whole))
    if one.type == "tool_use":
        return encode_json(ToolUseBlock(one.block.id, one.block.name, read_object(_join_input(one))))
    if one.type == "thinking":
        thinking, signature = one.block.thinking + whole, one.block.signature + "".join(one.signature)
        return encode_json({"type": "thinking", "thinking": thinking, "signature": signature})
    return bytes(one.start)


def _join_input(one: _PartialBlock) -> str:
    return "".join(one.pieces) or bytes(one.block.input).decode()


def _read(body: bytes, peer: Peer) -> _Whole:
    try:
        whole = _decode(body)
    except UNREADABLE:
        whole = _read_loosely(body, peer)
    if whole.error is not None:
        raise build_reply_error(body, peer)
    return whole


def _read_loosely(body: bytes, peer: Peer) -> _Whole:
    """A reply whose usage has another form than ours: it counts as a reply without usage, and is charged in full."""
    try:
        loose = _decode_loosely(body)
    except UNREADABLE:
        raise build_reply_error(b"", peer) from None
    return _Whole(loose.content, loose.stop_reason, None, loose.id, loose.error)


def _read_event(payload: bytes, peer: Peer) -> _Event:
    try:
        event = _decode_event(payload)
    except UNREADABLE:
        event = _read_event_loosely(payload, peer)
    if event.error is not None:
        raise build_reply_error(payload, peer)
    return event


def _read_event_loosely(payload: bytes, peer: Peer) -> _Event:
    try:
        loose = _decode_event_loosely(payload)
    except UNREADABLE:
        raise build_reply_error(b"", peer) from None
    return _Event(loose.type, loose.index, loose.delta, loose.content_block, None, None, loose.error)


def _read_usage(usage: _Usage) -> Usage | None:
    """Tokens in our inclusive convention, None where the provider's figures are missing or cannot be right."""
    fresh, output = usage.input_tokens, usage.output_tokens
    written, read = usage.cache_creation_input_tokens or 0, usage.cache_read_input_tokens or 0
    kept = usage.cache_creation
    written_1h = 0 if kept is None else kept.ephemeral_1h_input_tokens or 0
    if fresh is None or output is None or min(fresh, output, written, read, written_1h) < 0 or written_1h > written:
        return None
    return Usage(fresh + written + read, output, read, written, 0, written_1h)

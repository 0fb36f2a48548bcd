"""Replies of OpenAI's Chat Completions: whole (message), or assembled from the pieces of a stream (delta)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from surefoot.errors import ModelBroken
from surefoot.models.base import FinishReason, Reply
from surefoot.models.delta import MAX_FRUITLESS, Template, find_template
from surefoot.models.status import UNREADABLE, Peer, build_reply_error
from surefoot.models.wire import encode_json
from surefoot.types import ASSISTANT_LABEL, Message, Part, ToolCall, Usage

_FINISH: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


# Fields stand in the order in which they come: the decoder looks for the next one first.


class _Part(Struct, gc=False):
    type: str = ""
    text: str | None = None


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(Struct, gc=False):
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    refusal: str | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _PromptDetails(Struct, gc=False):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int = -1
    completion_tokens: int = -1
    total_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    service_tier: str | None = None


class _Wire(Struct, gc=False):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    service_tier: str | None = None
    error: Any = None


class _LooseWire(Struct, gc=False):
    """The same, for usage and ids of a form that cannot be used."""

    choices: list[_Choice] | None = None
    error: Any = None


_CONTENT: Final = b'"content":'
_ARGUMENTS: Final = b'"arguments":'
_decode = msgspec.json.Decoder(_Wire).decode
_decode_loosely = msgspec.json.Decoder(_LooseWire).decode


def read_reply(body: bytes, peer: Peer) -> Reply:
    """A whole reply.

    Raises:
        ModelBroken: It holds an error or cannot be read.
    """
    try:
        wire = _decode(body)
    except UNREADABLE:
        wire = _read_loosely(body, peer)
    choices = wire.choices
    message = choices[0].message if choices else None
    if not choices or message is None or wire.error is not None:
        raise build_reply_error(body, peer)
    calls: tuple[ToolCall, ...] = ()
    if message.tool_calls:
        calls = tuple(map(_read_call, message.tool_calls))
    elif message.function_call is not None:
        calls = (_read_call(_Call(function=message.function_call)),)
    content = message.content
    text = (content if isinstance(content, str) else _join(content)) if content else ""
    return _build_reply(text, message.refusal, calls, choices[0].finish_reason, wire, peer)


class ChatAssembly:
    """See `surefoot.models.wire.Assembly`."""

    __slots__ = (
        "_calls", "_finish", "_id", "_peer", "_places", "_refusal", "_service_tier", "_template",
        "_templates_made", "_text", "_usage", "is_done",
    )  # fmt: skip

    def __init__(self, peer: Peer) -> None:
        self.is_done = False
        self._peer = peer
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[_PartialCall] = []
        self._places: dict[int | None, _PartialCall] = {}  # the last call with each index
        self._finish: str | None = None
        self._usage: _Usage | None = None
        self._template: Template | None = None
        self._templates_made = 0  # since one was of use
        self._id: str | None = None
        self._service_tier: str | None = None

    def take(self, payload: bytes) -> str:
        """See `Assembly.take`."""
        template = self._template
        if template is not None:
            text = template.read(payload)
            if text is not None:
                template.pieces.append(text)
                self._templates_made = 0
                return text if template.is_visible else ""
        try:
            wire = _decode(payload)
        except UNREADABLE:
            if payload == b"[DONE]":
                self.is_done = True
                return ""
            wire = _read_loosely(payload, self._peer)
        if wire.error is not None:
            raise build_reply_error(payload, self._peer)
        text = self._take_choice(wire.choices[0]) if wire.choices else ""
        if self._finish is None:
            self._learn(payload, wire)
        else:
            self._id = wire.id
            if wire.service_tier is not None:
                self._service_tier = wire.service_tier
            if wire.usage is not None:  # one from before the end would count too little
                self._usage = wire.usage
        return text

    def _take_choice(self, choice: _Choice) -> str:
        delta, text = choice.delta, ""
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        if delta is None or choice.index:  # one reply was asked for
            return ""
        if delta.content:
            text = delta.content if isinstance(delta.content, str) else _join(delta.content)
            self._text.append(text)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._add(call)
        elif delta.function_call is not None:
            self._add(_Call(0, None, delta.function_call))
        if delta.refusal:
            text = delta.refusal
            self._refusal.append(text)
        return text

    def _learn(self, payload: bytes, wire: _Wire) -> None:
        """Make a template of an event that adds one string and nothing else."""
        change = _find_change(wire)
        if change is None or self._templates_made >= MAX_FRUITLESS:
            return
        self._templates_made += 1
        key, index, value = change
        pieces = self._text if key == _CONTENT else self._places[index].arguments
        self._template = find_template(payload, key, value, pieces, is_visible=key == _CONTENT)

    def finish(self) -> Reply:
        """See `Assembly.finish`."""
        if self._finish is None and not self.is_done:
            raise ModelBroken(f"{self._peer.model}: the stream from {self._peer.address} was cut", status=200)
        calls = tuple([ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls])
        refusal = "".join(self._refusal)
        whole = _Wire(self._id, None, self._usage, self._service_tier)
        return _build_reply("".join(self._text), refusal, calls, self._finish, whole, self._peer)

    def _add(self, delta: _Call) -> None:
        """Find the call that a delta belongs to.

        By its index; but servers leave the index out, or give 0 to each of several whole calls. A new id begins a new
        call, and so does a name where there is no index.
        """
        index, call_id, function = delta.index, delta.id, delta.function or _Function()
        call = self._places.get(index)
        if (
            call is None
            or (call_id and call.id and call_id != call.id)
            or (index is None and not call_id and function.name)
        ):
            call = _PartialCall("", "", [])
            self._places[index] = call
            self._calls.append(call)
            self._template = None  # it may continue the call that had this index before
        if call_id:
            call.id = call_id
        if function.name:
            call.name = function.name
        arguments = function.arguments
        if arguments:
            call.arguments.append(arguments if isinstance(arguments, str) else _read_arguments(arguments))


class _PartialCall(Struct):
    id: str
    name: str
    arguments: list[str]


def _find_change(wire: _Wire) -> tuple[bytes, int | None, str] | None:
    """Key, call index and value of the one string that an event adds, None where it does more or less than that."""
    choice = wire.choices[0] if wire.choices and len(wire.choices) == 1 and wire.usage is None else None
    if choice is None or choice.index or choice.finish_reason is not None:
        return None
    delta = choice.delta
    if delta is None or delta.refusal or delta.function_call is not None:
        return None
    if not delta.tool_calls:
        return (_CONTENT, None, delta.content) if isinstance(delta.content, str) and delta.content else None
    call = delta.tool_calls[0]
    function = call.function
    if delta.content or len(delta.tool_calls) > 1 or call.id or function is None or function.name:
        return None
    return (_ARGUMENTS, call.index, function.arguments) if isinstance(function.arguments, str) else None


def _read_loosely(body: bytes, peer: Peer) -> _Wire:
    """A reply whose usage has another form than ours: it counts as a reply without usage, and is charged in full."""
    try:
        loose = _decode_loosely(body)
    except UNREADABLE:
        raise build_reply_error(b"", peer) from None
    return _Wire(None, loose.choices, None, None, loose.error)


def _build_reply(  # noqa: PLR0917 - on the path of every step, where keywords cost
    text: str, refusal: str | None, calls: tuple[ToolCall, ...], finish: str | None, wire: _Wire, peer: Peer
) -> Reply:
    if finish == "error":  # OpenRouter, when the provider behind it failed
        raise build_reply_error(b'"the provider failed in the middle"', peer)
    reason = _FINISH.get(finish or "", "stop")
    if refusal:
        text, reason = refusal, "refusal"
    elif calls and reason == "stop":
        reason = "tool_calls"
    message = Message("assistant", (Part(text, ASSISTANT_LABEL),) if text else (), calls)
    usage = wire.usage
    if usage is None:
        return Reply(message, None, reason, wire.id or "", wire.service_tier or "")
    tier = wire.service_tier or usage.service_tier or ""  # OpenRouter tells it beside the counts
    return Reply(message, _read_usage(usage), reason, wire.id or "", tier)


def _read_call(call: _Call) -> ToolCall:
    function = call.function or _Function()
    arguments = function.arguments
    if not isinstance(arguments, str):
        arguments = _read_arguments(arguments)
    return ToolCall(call.id or "", function.name or "", arguments)


def _read_arguments(arguments: str | dict[str, Any] | None) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else encode_json(arguments).decode()


def _join(parts: list[_Part]) -> str:
    """The text of a content in parts; parts of another kind (reasoning) are left out."""
    return "".join([part.text for part in parts if part.text and part.type in {"text", ""}])


def _read_usage(usage: _Usage) -> Usage | None:
    """Tokens in our convention, None where the provider's figures cannot be right.

    Some providers leave hidden reasoning out of ``completion_tokens`` but not out of ``total_tokens``; the larger of
    the two is what they bill. Counts of the cache, of sound and of reasoning are parts of the two.
    """
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if prompt < 0 or completion < 0:
        return None
    generated = usage.total_tokens - prompt
    if generated > completion:  # noqa: PLR1730 - max() is a call, on the path of every step
        completion = generated
    details, spent = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = usage.prompt_cache_hit_tokens or 0
    written = heard = reasoning = spoken = 0
    if details is not None:
        cached = details.cached_tokens or cached
        written, heard = details.cache_write_tokens or 0, details.audio_tokens or 0
    if spent is not None:
        reasoning, spoken = spent.reasoning_tokens or 0, spent.audio_tokens or 0
    parts = cached | written | heard | reasoning | spoken
    if not parts:
        return Usage(prompt, completion)
    if (
        parts < 0  # if one of them is
        or cached + written > prompt
        or heard > prompt
        or reasoning + spoken > completion
    ):
        return None
    return Usage(prompt, completion, cached, written, reasoning, 0, heard, spoken)

"""The words of a script: what a scripted model or the fake provider does when it is called.

One script plays in both: in process a fault becomes the `ModelError` that a real model raises for it, over HTTP it is
the fault itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, Unpack

import msgspec
from msgspec import Struct

from surefoot.errors import ModelError
from surefoot.models.base import FinishReason
from surefoot.types import ToolCall, Usage

Reported = Usage | Literal["computed", "random"] | None
Cut = Literal["close", "error", "silent"]


class Answer(Struct, frozen=True, kw_only=True):
    """A reply of the model. Make one with `say`, `call`, `call_raw`, `calls` or `refuse`.

    Attributes:
        text: What it says.
        calls: Tool calls; an empty id is filled in.
        thinking: Visible reasoning (Anthropic thinking block, ``reasoning_content`` elsewhere); counts as output.
        usage: What is reported: ``"computed"`` by the counting rule of `surefoot.testing.generation`, ``"random"``
            between nothing and all that is allowed, the same for the same seed and prompt; a `Usage` as it stands,
            even above what is allowed; None for a reply without usage.
        reasoning_tokens: Hidden reasoning: output tokens without text.
        cache_read_tokens: How many of the prompt's tokens are reported as read from a cache, at most all.
        cache_write_tokens: How many of the rest are reported as written to it.
        finish_reason: None to derive it: ``tool_calls``, ``stop``, or ``length`` when ``max_tokens`` cut the reply.
        overlong: Ignores ``max_tokens``: nothing is cut, and at least twice ``max_tokens`` are reported and billed.
        delay_s: Seconds before the first byte.
        pace_s: Seconds between two pieces of a stream.
        cut_after: The connection breaks after this many pieces (server-sent events) of a stream, or in the middle of
            a whole reply; None for never.
        cut: How it breaks: ``close`` drops the connection, ``error`` sends an error event, ``silent`` ends the body
            as if all had been said, without a finish reason.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    thinking: str = ""
    usage: Reported = "computed"
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    finish_reason: FinishReason | None = None
    overlong: bool = False
    delay_s: float = 0.0
    pace_s: float = 0.0
    cut_after: int | None = None
    cut: Cut = "close"

    def but(self, **options: Unpack[AnswerOptions]) -> Answer:
        """A copy with other options: ``call("search", q="tea").but(delay_s=1)``."""
        return msgspec.structs.replace(self, **options)


class AnswerOptions(TypedDict, total=False):
    """Keyword arguments of `say` and its like; see `Answer`."""

    thinking: str
    usage: Reported
    reasoning_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    finish_reason: FinishReason | None
    overlong: bool
    delay_s: float
    pace_s: float
    cut_after: int | None
    cut: Cut


FaultKind = Literal["status", "hang", "reset", "reset_after_headers", "garbage", "html"]


class Fault(Struct, frozen=True, kw_only=True):
    """Trouble instead of a reply. Make one with `status`, `overflow`, `hang`, `reset` or `garbage`.

    Attributes:
        kind: What happens.
        status: HTTP status.
        message: Text of the error.
        code: The provider's own name of the error, "" for the usual one of ``status``.
        headers: Further headers.
        retry_after_s: Seconds of ``Retry-After``, None for no such header.
        retry_after_date: Send it as an HTTP date.
        delay_s: Seconds before anything happens.
        billed: The provider charges the call all the same, at its worst: the prompt and all of ``max_tokens``.
    """

    kind: FaultKind
    status: int = 200
    message: str = ""
    code: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None
    retry_after_date: bool = False
    delay_s: float = 0.0
    billed: bool = False


class Failure(Struct, frozen=True):
    """An exception of the caller's choice, raised in process; see `fail`."""

    error: Exception


Step = Answer | Fault | Failure
"""What a script says of one call."""


def say(text: str, **options: Unpack[AnswerOptions]) -> Answer:
    """The model answers with ``text``."""
    return Answer(text=text, **options)


def call(tool: str, /, **arguments: Any) -> Answer:
    """The model calls ``tool``; for options write ``call("search", q="tea").but(delay_s=1)``."""
    return call_raw(tool, msgspec.json.encode(arguments).decode())


def call_raw(tool: str, /, arguments: str, *, id: str = "") -> Answer:  # noqa: A002 - the name on the wire
    """The model calls ``tool`` with this very text as arguments, be it JSON or not."""
    return Answer(calls=(ToolCall(id, tool, arguments),))


def calls(*answers: Answer, text: str = "", **options: Unpack[AnswerOptions]) -> Answer:
    """Several tool calls in one reply: ``calls(call("a", x=1), call("b"), text="Both at once.")``."""
    return Answer(text=text, calls=tuple([one for answer in answers for one in answer.calls]), **options)


def refuse(text: str = "I cannot help with that.", **options: Unpack[AnswerOptions]) -> Answer:
    """The model refuses, in the provider's own way of refusing."""
    options.setdefault("finish_reason", "refusal")
    return Answer(text=text, **options)


def fail(error: Exception) -> Failure:
    """The call raises ``error``: in process only, the fake provider has `status` and the other faults."""
    return Failure(error)


def status(
    code: int,
    message: str = "",
    *,
    name: str = "",
    retry_after_s: float | None = None,
    retry_after_date: bool = False,
    headers: Mapping[str, str] | None = None,
    delay_s: float = 0.0,
    billed: bool | None = None,
) -> Fault:
    """The provider answers with an error.

    Args:
        code: HTTP status, for example 401, 429, 500, 529.
        message: Text of the error, "" for a usual one.
        name: The provider's own name of the error (``error.code``), "" for the usual one.
        retry_after_s: Adds ``Retry-After``.
        retry_after_date: Sends it as an HTTP date instead of seconds.
        headers: Further headers, for example ``x-ratelimit-remaining-requests``.
        delay_s: Seconds before the answer.
        billed: Whether the call is charged. By default 408, 500, 502 and 504 are (the model may have run), others not.
    """
    return Fault(
        kind="status",
        status=code,
        message=message or f"scripted error {code}",
        code=name,
        headers=tuple((headers or {}).items()),
        retry_after_s=retry_after_s,
        retry_after_date=retry_after_date,
        delay_s=delay_s,
        billed=code in {408, 500, 502, 504} if billed is None else billed,
    )


def overflow(window_tokens: int = 8192) -> Fault:
    """The provider says that the prompt is longer than the model's window."""
    message = (
        f"This model's maximum context length is {window_tokens} tokens. Please reduce the length of the messages."
    )
    return status(400, message, name="context_length_exceeded")


def hang(*, billed: bool = True) -> Fault:
    """No answer, ever: the caller has to give up."""
    return Fault(kind="hang", billed=billed)


def reset(*, after_headers: bool = False, delay_s: float = 0.0, billed: bool = True) -> Fault:
    """The connection is reset before the first byte of the answer, or right after its headers."""
    kind: FaultKind = "reset_after_headers" if after_headers else "reset"
    return Fault(kind=kind, delay_s=delay_s, billed=billed)


def garbage(*, html: bool = False, billed: bool | None = None) -> Fault:
    """Status 200 and a body that is no reply: broken JSON (in a stream: a broken event), or a page of HTML.

    Broken JSON is billed unless told otherwise; a page is not, for no model stands behind it.
    """
    return Fault(kind="html" if html else "garbage", billed=not html if billed is None else billed)


def is_billed(step: Fault | Failure) -> bool:
    """Whether a provider would charge a call that ends so."""
    if isinstance(step, Fault):
        return step.billed
    return not isinstance(step.error, ModelError) or step.error.sent

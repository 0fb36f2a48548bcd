"""What a provider's error answer means: which `ModelError`, in one line without secrets, and when to come back.

====================  ==================  ========================================================================
status                error               why
====================  ==================  ========================================================================
401, 403              `ModelRefused`      the key, or what it may do, or that none was sent
404                   `ModelRefused`      no such model, or the base_url is wrong
400, 402, 429         `ModelRefused`      ``insufficient_quota`` and its like do not go away by waiting; all of them
without credit                            have the status 402
other 3xx, 4xx        `ModelRefused`      the same request fails again; redirects are not followed
409, 425, 429,        `ModelOverloaded`   turned away before the model ran, so nothing is billed
503, 529
408, other 5xx,       `ModelBroken`       a gateway that gave up waiting (408, 504) may have left the model running:
anything else                             the outcome is unknown, and the call counts as billed
====================  ==================  ========================================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from surefoot.errors import ModelBroken, ModelError, ModelOverloaded, ModelRefused
from surefoot.models.mask import mask

HeaderLookup = Callable[[str], str | None]
"""Value of a response header by its lower-case name, None if it is not there."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON of the form, those with a flood of brackets included."""

MAX_MESSAGE_CHARS: Final = 300
MAX_RETRY_AFTER_S: Final = 86_400.0

OF_THE_KEY: Final = frozenset({401, 402, 403})
"""Statuses of a `ModelRefused` for the sake of the key or its credit: another key may be answered."""

_OVERLOADED: Final = frozenset({409, 425, 429, 503, 529})
_UNPAID: Final = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
)
_UNPAID_TEXT: Final = "your credit balance is too low"
"""Anthropic gives this 400 and no name of its own."""
_MAX_READ: Final = 64 << 10  # bytes, or characters of a message; far beyond what is shown, so no key is cut in sight
_MAX_JSON_BYTES: Final = 1 << 20
"""A longer answer is read as text: nothing that explains an error is so long, and to decode it takes time."""
_MAX_FIGURE_CHARS: Final = 64
"""A longer figure is none that a provider can have meant, and a regular expression would look at it for minutes."""
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_RESET_HEADERS: Final = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")


class _Error(Struct):
    """The fields that providers put into an error object, each with some type of its own."""

    message: Any = None
    detail: Any = None
    code: Any = None
    type: Any = None


class _Answer(_Error):
    error: _Error | str | None = None


_answers: msgspec.json.Decoder[_Answer | list[_Answer]] = msgspec.json.Decoder(_Answer | list[_Answer])


class Peer(Struct, frozen=True):
    """Whom a request goes to, as far as an error message may say it.

    Attributes:
        model: The model string.
        address: Base URL without user, password and query.
        key_setting: What a person has to check when the key is refused.
        secrets: Texts that no message may hold, in no spelling.
        has_key: Whether a key is sent.
    """

    model: str
    address: str
    key_setting: str
    secrets: tuple[str, ...] = ()
    has_key: bool = True

    def clean(self, text: str) -> str:
        """``text`` on one line, without secrets and control characters, and not too long."""
        text = mask(text, self.secrets)
        if not text.isprintable():
            text = "".join([char if char.isprintable() else " " for char in text])
        text = " ".join(text.split())
        return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def build_status_error(status: int, header: HeaderLookup, body: bytes, peer: Peer) -> ModelError:
    """The error that an answer other than 200 stands for.

    Args:
        status: HTTP status.
        header: Looks up response headers.
        body: Body of the answer.
        peer: Who answered.
    """
    text, names = _read_explanation(body)
    said = peer.clean(text)
    tail = f": {said}" if said else ""
    retry_after_s = read_retry_after_s(header)
    if 400 <= status < 500 and (status == 402 or names & _UNPAID or text.lower().startswith(_UNPAID_TEXT)):
        return ModelRefused(f"{peer.model}: the account has no credit left (HTTP {status}){tail}", status=402)
    if status in _OVERLOADED:
        message = f"{peer.model}: the provider asks to come back later (HTTP {status}){tail}"
        return ModelOverloaded(message, status=status, retry_after_s=retry_after_s)
    if 300 <= status < 500 and status != 408:
        return ModelRefused(_say_refusal(status, header, peer) + tail, status=status)
    message = f"{peer.model}: the provider failed (HTTP {status}){tail}"
    return ModelBroken(message, status=status, retry_after_s=retry_after_s)


def build_reply_error(body: bytes, peer: Peer) -> ModelBroken:
    """The error for a reply of status 200, or an event of its stream, that holds an error object or cannot be read.

    It is `ModelBroken` even where the object names another status: the model may have run before it failed.
    """
    text, _ = _read_explanation(body)
    said = peer.clean(text) or "it cannot be read"
    return ModelBroken(f"{peer.model}: the provider's reply is broken: {said}", status=200)


def build_page_error(content_type: str, url: str, peer: Peer) -> ModelRefused:
    """The error for a page of status 200: what answers is a web site or a proxy's login, no model has run.

    Args:
        content_type: What the answer says of itself.
        url: Where it came from, fit for messages.
        peer: Who was to answer.
    """
    kind = peer.clean(content_type.partition(";")[0])
    advice = "check base_url, and whether a proxy wants a login"
    return ModelRefused(f"{peer.model}: {url} answers with a page ({kind}) and not as an API; {advice}", status=200)


def is_page(content_type: str) -> bool:
    """Whether that is for a browser."""
    return content_type.lower().startswith(("text/html", "application/xhtml"))


def read_retry_after_s(header: HeaderLookup) -> float | None:
    """Seconds that the provider asks to wait, None if it does not say.

    ``retry-after-ms`` first (it is finer), then ``Retry-After`` in seconds or as a date (RFC 9110, 10.2.3), measured
    from the answer's own ``Date`` so that no clocks are compared, then the later of ``x-ratelimit-reset-*``.
    """
    milliseconds = header("retry-after-ms")
    if milliseconds is not None and (value := _read_number(milliseconds)) is not None:
        return min(value / 1000, MAX_RETRY_AFTER_S)
    retry_after = header("retry-after")
    if retry_after is not None:
        seconds = _read_number(retry_after)
        if seconds is None:
            seconds = _read_date_s(retry_after, header("date"))
        if seconds is not None:
            return min(seconds, MAX_RETRY_AFTER_S)
    resets = [read_duration_s(header(name) or "") for name in _RESET_HEADERS]
    known = [reset for reset in resets if reset is not None]
    return min(max(known), MAX_RETRY_AFTER_S) if known else None


def _say_refusal(status: int, header: HeaderLookup, peer: Peer) -> str:
    if status in {401, 403} and not peer.has_key:
        return f"{peer.model}: the provider wants a key and none was sent (HTTP {status}), set {peer.key_setting}"
    if status in {401, 403}:
        return f"{peer.model}: the provider refuses the key (HTTP {status}), check {peer.key_setting}"
    if status == 404:
        return f"{peer.model}: not found (HTTP 404), check the model's name and base_url {peer.address}"
    if status < 400:
        place = _read_location(header("location") or "", peer)
        return f"{peer.model}: {peer.address} redirects to {place} (HTTP {status}), set base_url to the right address"
    return f"{peer.model}: the provider refuses the request (HTTP {status})"


def _read_location(location: str, peer: Peer) -> str:
    """Where a redirect leads, without user, password and query."""
    try:
        target = urlsplit(location)
    except ValueError:
        return "elsewhere"
    return peer.clean(f"{target.scheme}://{target.hostname}{target.path}") if target.hostname else "elsewhere"


def _read_explanation(body: bytes) -> tuple[str, set[str]]:
    """The message in an error answer, and the names that it gives the error."""
    try:
        if len(body) > _MAX_JSON_BYTES:
            raise msgspec.DecodeError
        answer = _answers.decode(body)
    except UNREADABLE:
        text = body[:_MAX_READ].decode("utf-8", "replace")
        return ("" if text.lstrip().startswith("<") else text), set()  # a gateway's HTML page explains nothing
    if isinstance(answer, list):
        answer = answer[0] if answer else _Answer()
    error = answer.error or answer
    if isinstance(error, str):
        return error[:_MAX_READ], set()
    said = error.message or error.detail or ""
    text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
    return text[:_MAX_READ], {str(error.code), str(error.type)}


def _read_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return max(value, 0.0) if math.isfinite(value) else None


def _read_date_s(text: str, now: str | None) -> float | None:
    from email.utils import parsedate_to_datetime  # costs milliseconds, and is for a form that few providers use

    try:
        return max((parsedate_to_datetime(text) - parsedate_to_datetime(now or "")).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def read_duration_s(text: str) -> float | None:
    """Seconds of ``6m0s``, ``20ms``, ``1.5s`` or a bare number of seconds; None for what is neither."""
    if len(text) > _MAX_FIGURE_CHARS:
        return None
    parts = _DURATION.findall(text)
    if parts and "".join([number + unit for number, unit in parts]) == text:
        return sum([float(number) * _UNIT_S[unit] for number, unit in parts])
    return _read_number(text)

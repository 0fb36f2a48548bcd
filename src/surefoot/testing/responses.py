"""From a step of the script to bytes on the wire."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any, Final

import msgspec

from surefoot.testing.generation import Generation
from surefoot.testing.http1 import Response, write_chunk, write_head
from surefoot.testing.request import ProviderRequest, Wire
from surefoot.testing.script import Answer, Fault

_JSON: Final = "application/json"
_SSE: Final = "text/event-stream; charset=utf-8"
_LOST_BYTES: Final = 512  # announced for a body that never comes
_HTML: Final = b"<!doctype html><html><body><h1>It works!</h1></body></html>"
_LAST_CHUNK: Final = write_chunk(b"")


def write_json(status: int, data: Any, extra: str = "") -> Response:
    """A body of JSON; ``extra`` are header lines, each ended by CRLF."""
    return _write_body(status, _JSON, msgspec.json.encode(data), extra)


def write_answer(
    wire: Wire,
    request: ProviderRequest,
    answer: Answer,
    generation: Generation,
    *,
    created_s: int,
    delay_s: float,
    chunk_bytes: int,
    extra: str,
) -> Response:
    """A reply, whole or in events, cut where the script says so."""
    if request.stream:
        events = wire.write_events(request, generation, created_s)
        response = _write_stream(wire, answer, events, chunk_bytes, extra)
        return msgspec.structs.replace(response, delay_s=delay_s)
    body = wire.write_reply(request, generation, created_s)
    if answer.cut_after is None:
        response = _write_body(200, _JSON, body, extra)
    elif answer.cut == "silent":
        response = _write_body(200, _JSON, body[: len(body) // 2], extra)
    else:
        head = write_head(200, _JSON, len(body), extra)
        response = Response(pieces=[head, body[: len(body) // 2]], end="close")
    return msgspec.structs.replace(response, delay_s=delay_s)


def write_fault(wire: Wire, fault: Fault, *, stream: bool, now_s: float, extra: str = "") -> Response:
    """A fault; ``stream`` tells whether the caller asked for events."""
    return msgspec.structs.replace(_write_fault(wire, fault, stream, now_s, extra), delay_s=fault.delay_s)


def _write_fault(wire: Wire, fault: Fault, stream: bool, now_s: float, extra: str) -> Response:  # noqa: FBT001
    match fault.kind:
        case "status":
            return _write_body(fault.status, _JSON, wire.write_error(fault), extra + _write_headers(fault, now_s))
        case "hang":
            return Response(pieces=[], end="hang")
        case "reset":
            return Response(pieces=[], end="reset")
        case "reset_after_headers":
            head = write_head(200, _SSE, None, extra) if stream else write_head(200, _JSON, _LOST_BYTES, extra)
            return Response(pieces=[head], end="reset")
        case "html":
            return _write_body(200, "text/html", _HTML, extra)
        case "garbage" if stream:
            event = write_chunk(b'data: {"choices": [{"del\n\n')
            return Response(pieces=[write_head(200, _SSE, None, extra), event, _LAST_CHUNK])
        case _:
            return _write_body(200, _JSON, b'{"choices": [{"mess', extra)


def _write_stream(wire: Wire, answer: Answer, events: list[bytes], chunk_bytes: int, extra: str) -> Response:
    cut = answer.cut_after is not None
    if cut:
        events = events[: min(answer.cut_after or 0, len(events) - 1)]
        if answer.cut == "error":
            events.append(wire.write_error_event("the stream was cut by the script"))
    if chunk_bytes:
        body = b"".join(events)
        events = [body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes)]
    pieces = [write_head(200, _SSE, None, extra), *map(write_chunk, events)]
    if cut and answer.cut == "close":
        return Response(pieces=pieces, end="close", pace_s=answer.pace_s)
    pieces[-1] += _LAST_CHUNK
    return Response(pieces=pieces, pace_s=answer.pace_s)


def _write_body(status: int, content_type: str, body: bytes, extra: str) -> Response:
    return Response(pieces=[write_head(status, content_type, len(body), extra), body])


def _write_headers(fault: Fault, now_s: float) -> str:
    headers = list(fault.headers)
    if fault.retry_after_s is not None and fault.retry_after_date:
        headers.append(("date", formatdate(now_s, usegmt=True)))
        headers.append(("retry-after", formatdate(now_s + fault.retry_after_s, usegmt=True)))
    elif fault.retry_after_s is not None:
        headers.append(("retry-after", f"{fault.retry_after_s:.3f}".rstrip("0").rstrip(".")))
    return "".join([f"{name}: {value}\r\n" for name, value in headers])

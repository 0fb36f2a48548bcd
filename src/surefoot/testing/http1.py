"""Just enough of HTTP/1.1 (RFC 9112) for a server: the forms of requests and responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

End = Literal["keep", "close", "reset", "hang"]

MAX_HEAD_BYTES: Final = 65_536
_SIZE_DIGITS: Final = 15  # of a body or chunk length: far above any limit, far below a costly number

_DIGITS: Final = {10: frozenset("0123456789"), 16: frozenset("0123456789abcdefABCDEF")}
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    425: "Too Early",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    529: "Overloaded",
}


class HttpRequest(Struct, frozen=True):
    """A request; header names are in lower case, of equal headers the last one counts."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Response(Struct, frozen=True, kw_only=True):
    """What to send, and how to end.

    Attributes:
        pieces: Written one after the other, ``pace_s`` apart; the head is the first.
        end: ``keep`` serves the next request, ``close`` ends the connection after the last piece, ``reset`` with RST,
            ``hang`` leaves the caller waiting.
        delay_s: Seconds before the first piece.
        pace_s: Seconds between two pieces.
    """

    pieces: list[bytes]
    end: End = "keep"
    delay_s: float = 0.0
    pace_s: float = 0.0


def write_head(status: int, content_type: str, length: int | None, extra: str = "") -> bytes:
    """A response head.

    Args:
        status: HTTP status.
        content_type: Type of the body.
        length: Bytes of the body, None for chunks.
        extra: Further header lines, each ended by CRLF.
    """
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    reason = _REASONS.get(status, "Unknown")
    return f"HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\n{framing}\r\n{extra}\r\n".encode("latin-1")


def write_chunk(data: bytes) -> bytes:
    """One chunk of a body; that of no bytes ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Head(Struct, frozen=True):
    """A request without its body.

    Attributes:
        method: Method.
        path: Path and query.
        headers: By names in lower case; of equal headers the last one counts.
        length: Bytes of the body, None for chunks.
    """

    method: str
    path: str
    headers: dict[str, str]
    length: int | None


class Problem(Struct, frozen=True):
    """Why something is no request that can be served: the status to answer with, and a message."""

    status: int
    message: str


def read_head(head: str, max_body_bytes: int) -> Head | Problem:
    """The lines before the body."""
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        return Problem(400, "the request line is not HTTP")
    if words[2] != "HTTP/1.1":
        return Problem(505, "only HTTP/1.1 is spoken here")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            return Problem(400, "a header line is not 'name: value'")
        headers[name.lower()] = value.strip()
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
            return Problem(400, "a body is framed by its length or by chunks, not by anything else")
        return Head(words[0], words[1], headers, None)
    length = read_size(headers.get("content-length", "0"), 10)
    if length is None:
        return Problem(400, "content-length is no number")
    if length > max_body_bytes:
        return Problem(413, f"the body is over {max_body_bytes} bytes")
    return Head(words[0], words[1], headers, length)


def read_size(digits: str, base: int) -> int | None:
    """A length as it is written in a request, None if it is not one or beyond all bounds."""
    if not 0 < len(digits) <= _SIZE_DIGITS or not _DIGITS[base].issuperset(digits):
        return None
    return int(digits, base)

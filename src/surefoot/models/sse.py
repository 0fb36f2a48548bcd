"""Server-sent events, incrementally: bytes in, data payloads out.

After https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, with one leniency: an
event that the end of the stream cuts before its blank line is given out, since providers forget the last newline.
Names, ids and retry times of events are skipped: the payloads of both wires say what they are.
"""

from __future__ import annotations

from typing import Final

MAX_EVENT_BYTES: Final = 8 << 20
"""An event beyond this is not one of a model's reply."""

_BOM: Final = b"\xef\xbb\xbf"
_LF: Final = 10  # as a number: looking for a bytes object of length 1 costs several times as much
_CR: Final = 13


class EventOverflow(ValueError):
    """An event exceeds `MAX_EVENT_BYTES`."""


class SseParser:
    """One stream's state: the incomplete line and the data lines of the incomplete event."""

    __slots__ = ("_data", "_has_begun", "_held_bytes", "_piece_bytes", "_pieces", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._pieces: list[bytes] = []  # of the incomplete line, after the rest: joined when its end has come
        self._piece_bytes = 0
        self._data: list[bytes] = []
        self._held_bytes = 0
        self._has_begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of all events that ``chunk`` completes.

        Raises:
            EventOverflow: An event is too long to be kept.
        """
        buffer = chunk
        if self._rest:
            if self._has_begun and _LF not in chunk and _CR not in chunk and self._rest[-1] != _CR:
                self._pieces.append(chunk)
                self._piece_bytes += len(chunk)
                self._check_size()
                return []
            buffer = self._join(chunk)
        if not self._data and buffer.startswith(b"data: ") and buffer.endswith(b"\n\n"):
            # One event of one line, as it comes where the model is slower than the reader: found without a search for
            # more of them, which takes twice as long.
            if buffer.find(b"\n") == len(buffer) - 2 > len(b"data: ") and _CR not in buffer:
                self._rest = b""
                self._has_begun = True
                return [buffer[6:-2]]
            # What providers send: whole events of one line each. Searching for the long separator is the cheapest way
            # through the bytes.
            events = buffer[6:-2].split(b"\n\ndata: ")
            if _CR not in buffer and b"" not in events and not [True for event in events if _LF in event]:
                self._rest = b""
                self._has_begun = True
                return events
        if not self._has_begun:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                self._rest = buffer
                return []
            self._has_begun = True
            buffer = buffer.removeprefix(_BOM)
        held = b""
        if _CR in buffer:
            if buffer.endswith(b"\r"):  # a line feed may follow in the next chunk
                buffer, held = buffer[:-1], b"\r"
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events, end = self._take(buffer)
        self._rest = buffer[end:] + held
        self._check_size()
        return events

    def finish(self) -> list[bytes]:
        """The data of an event that the end of the stream cut before its blank line."""
        buffer, self._rest = self._join(b"").rstrip(b"\r") + b"\n\n", b""
        return self._take(buffer)[0]

    def _join(self, chunk: bytes) -> bytes:
        """What is left of the chunks before, and ``chunk``."""
        buffer = b"".join([self._rest, *self._pieces, chunk])
        self._pieces.clear()
        self._piece_bytes = 0
        return buffer

    def _check_size(self) -> None:
        if len(self._rest) + self._piece_bytes + self._held_bytes > MAX_EVENT_BYTES:
            raise EventOverflow

    def _take(self, buffer: bytes) -> tuple[list[bytes], int]:
        """The events that end in ``buffer``, and where its last, incomplete line begins."""
        events: list[bytes] = []
        data, find, start = self._data, buffer.find, 0
        # One search for each line: find() for a single byte is memchr, many times as fast as split().
        while (end := find(b"\n", start)) >= 0:
            if end == start:
                if data:
                    event = data[0] if len(data) == 1 else b"\n".join(data)
                    data.clear()
                    self._held_bytes = 0
                    if event:
                        events.append(event)
            elif buffer.startswith(b"data:", start):
                value = buffer[start + (6 if buffer.startswith(b" ", start + 5) else 5) : end]
                data.append(value)
                self._held_bytes += end - start  # the whole line: empty ones take room in the list, too
            start = end + 1
        return events, start

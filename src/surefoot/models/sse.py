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


class EventOverflow(ValueError):
    """An event exceeds `MAX_EVENT_BYTES`."""


class SseParser:
    """One stream's state: the incomplete line and the data lines of the incomplete event."""

    __slots__ = ("_data", "_held_bytes", "_rest", "_started")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._held_bytes = 0
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of all events that ``chunk`` completes.

        Raises:
            EventOverflow: An event is too long to be kept.
        """
        buffer = self._rest + chunk if self._rest else chunk
        if not self._started:
            if _BOM.startswith(buffer[:3]) and len(buffer) < len(_BOM):
                self._rest = buffer
                return []
            self._started = True
            buffer = buffer.removeprefix(_BOM)
        held = b""
        if b"\r" in buffer:
            if buffer.endswith(b"\r"):  # a line feed may follow in the next chunk
                buffer, held = buffer[:-1], b"\r"
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = buffer.split(b"\n")
        rest = lines.pop()
        events = self._take(lines)
        if len(rest) + self._held_bytes > MAX_EVENT_BYTES:
            raise EventOverflow
        self._rest = rest + held if held else rest
        return events

    def finish(self) -> list[bytes]:
        """The data of an event that the end of the stream cut before its blank line."""
        line, self._rest = self._rest.rstrip(b"\r"), b""
        return self._take([line, b""])

    def _take(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                value = line[6:] if line.startswith(b" ", 5) else line[5:]
                data.append(value)
                self._held_bytes += len(value)
            elif not line and data:
                event = data[0] if len(data) == 1 else b"\n".join(data)
                if event:
                    events.append(event)
                data.clear()
                self._held_bytes = 0
        return events

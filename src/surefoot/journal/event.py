"""The base of all events; see `surefoot.journal.events`."""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, frozen=True, gc=False, tag_field="type", tag=True, omit_defaults=True, kw_only=True):
    """Base of all events.

    Attributes:
        at: Wall time, seconds since 1970 UTC.
        redacted: What was taken out of the event before it was written, by kind; None for nothing. See docs/output.md.
    """

    at: float
    redacted: dict[str, int] | None = None

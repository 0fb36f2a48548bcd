"""The event of the detector: what in a text looks like an attack."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from surefoot.journal.event import Event

Action = Literal["noted", "marked", "withheld"]


class FoundThreat(Struct, frozen=True, omit_defaults=True):
    """Something in a text that an attack would have.

    Attributes:
        kind: What it would be; see docs/guard.md.
        start: Where it begins in the text, in characters.
        end: Where it ends.
        score: 0 to 1: how sure it is, by itself.
        why: One line for a person.
        via: How it was disguised, "" if it was not.
    """

    kind: str
    start: int
    end: int
    score: float
    why: str
    via: str = ""


class ThreatsFound(Event, frozen=True, tag="threats_found", kw_only=True):
    """A text looks like an attack: the question, or the result of the tool call whose `ToolFinished` follows.

    Attributes:
        source: Name of the tool, "" if the user wrote it.
        call_id: Id of the call, "" if the user wrote it.
        risk: 0 to 1; 0.5 is reached by about one harmless text in a hundred.
        action: What was done: ``noted`` here only; the model was told (``marked``); or it never saw it (``withheld``).
        threats: The surest ones, by place in the text.
    """

    source: str = ""
    call_id: str = ""
    risk: float
    action: Action
    threats: tuple[FoundThreat, ...]

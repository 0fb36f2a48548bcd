"""Events of a conversation that does not fit as it is: what the model goes on with, and what it may read on in."""

from __future__ import annotations

from typing import Final

from surefoot.journal.event import Event
from surefoot.types import Label

READ_MORE: Final = "read_more"
"""Name of the tool that reads on in an output that was cut."""


class OutputKept(Event, frozen=True, tag="output_kept", kw_only=True):
    """An output did not fit and is cut in the `ToolFinished` that follows; the model may read on in what is kept here.

    Attributes:
        reference: What the model calls it: unique in its session.
        call_id: Id of the call.
        name: Name of the tool.
        text: The output from its beginning, as much of it as is kept.
        label: Who wrote it.
        all_bytes: Bytes of the whole output.
    """

    reference: str
    call_id: str
    name: str
    text: str
    label: Label
    all_bytes: int


class ContextTrimmed(Event, frozen=True, tag="context_trimmed", kw_only=True):
    """The conversation has outgrown the model's window, or the run's budget: what is oldest is left out from here on.

    Attributes:
        keeps: So many of the last messages stay, beside the system message, the question and the newest summary.
        left_out: So many messages went.
        keep_bytes: The tool results among those that stay are cut to so many bytes and a note; 0 leaves them whole.
        window: Size of the window, tokens.
        limit: Name of the run's limit that had no room, "" if it was the window.
    """

    keeps: int
    left_out: int
    keep_bytes: int = 0
    window: int
    limit: str = ""


class ContextSummarised(Event, frozen=True, tag="context_summarised", kw_only=True):
    """From here on the conversation is the system message, the question, this summary and what was set aside.

    Attributes:
        text: The summary, as the model wrote it. "" if there is none: then the conversation stays as it was.
    """

    text: str

"""What was cut of a tool's output stays within reach: it is kept with the run, and ``read_more`` reads on in it."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct
from msgspec.json import encode as encode_json

from surefoot.budget.tokens import byte_bound
from surefoot.errors import StoreError
from surefoot.journal.context_events import READ_MORE, OutputKept
from surefoot.observation import MOST_KEPT_BYTES, refuse
from surefoot.run import Run
from surefoot.tools import tool
from surefoot.types import ToolCall, ToolResult

MOST_KEPT: Final = 32
"""Outputs that one run keeps."""
MOST_KEPT_OF_RUN: Final = 1 << 20
"""Bytes of all outputs that one run keeps."""
NOTE_TOKENS: Final = 160
"""Of the note at the cut in a prompt, at most."""
_RUN_CHARS: Final = 8
"""End of a run's id that stands in a reference: 40 bits of chance, so that it is unique in its session."""
_NOTE: Final = "\n[{left} of {whole} bytes are left. To read on, call read_more with {arguments}]"
_LOST: Final = "\n[the last {left} of {whole} bytes are not kept: ask for less at a time]"
_NO_TEXT: Final = "There is no text {reference!r} to read on in: take the reference from the note in a cut result."


@tool(name=READ_MORE, effect="read", idempotent=True)
async def read_more(reference: str, offset: int = 0) -> str:
    """Read on in a tool result that was cut; the note at the cut gives the arguments."""
    return (
        _NO_TEXT.format(reference=reference[:80]) + f" (offset {offset})"
    )  # a run answers instead: see `find_passage`


class Passage(Struct, frozen=True):
    """A place in a kept output.

    Attributes:
        kept: The output.
        offset: The byte of its UTF-8 at which the text begins that is to be shown.
    """

    kept: OutputKept
    offset: int = 0


def keep_output(run: Run, call: ToolCall, result: ToolResult) -> Passage | None:
    """Keep an output that does not fit, with its label; None where the run has no room for it."""
    state = run.state
    text = result.whole or result.content
    data = text.encode("utf-8", "replace")
    if len(state.kept) >= MOST_KEPT or state.kept_bytes + min(len(data), MOST_KEPT_BYTES) > MOST_KEPT_OF_RUN:
        return None
    kept = OutputKept(
        at=run.desk.clock.now(),
        reference=f"{run.run_id[-_RUN_CHARS:]}.{len(state.kept) + 1}",
        call_id=call.id,
        name=call.name,
        text=data[:MOST_KEPT_BYTES].decode(errors="ignore"),
        label=result.label,
        all_bytes=result.all_bytes or len(data),
    )
    run.emit(kept)
    return Passage(kept)


async def find_passage(run: Run, arguments: dict[str, Any]) -> Passage | ToolResult:
    """What ``read_more`` asks for, kept by this run or an earlier one of its session, or why there is none."""
    reference, offset = arguments["reference"], arguments.get("offset", 0)
    kept = run.state.kept.get(reference)
    if kept is None:
        try:
            kept = await run.desk.find_kept(run.caller, reference)
        except StoreError:
            return refuse("The text cannot be read at the moment.")
    if kept is None:
        return refuse(_NO_TEXT.format(reference=reference[:80]))
    size = len(kept.text.encode())
    if not 0 <= offset < size:
        return refuse(f"offset: must be from 0 to {size - 1}; so much of the text is kept.")
    return Passage(kept, offset)


def is_of_run(reference: str, run_id: str) -> bool:
    """Whether a reference is to an output that this run kept."""
    return reference.partition(".")[0] == run_id[-_RUN_CHARS:]


def show_passage(passage: Passage, most_bytes: int, room: int) -> tuple[str, int]:
    """As much of a passage as fits, with a note on how to read on, and how many bytes of the output come after it.

    Args:
        passage: Where it begins.
        most_bytes: Of UTF-8, note included.
        room: Tokens in a prompt at most, `NOTE_TOKENS` for the note not included; see `count_in_prompt`.
    """
    kept, offset = passage.kept, passage.offset
    data = kept.text.encode()
    while offset and data[offset] & 0xC0 == 0x80:  # in the middle of a character
        offset -= 1
    rest = data[offset:].decode()
    is_whole = len(data) == kept.all_bytes
    if is_whole and len(data) - offset <= most_bytes and count_in_prompt(rest) <= room:
        return rest, 0
    longest = _write_note(kept, kept.all_bytes, kept.all_bytes)
    shown = data[offset : offset + max(0, most_bytes - len(longest))].decode(errors="ignore")
    shown = find_longest(shown, room) or rest[:1]
    end = offset + len(shown.encode())
    left = kept.all_bytes - end
    return shown + (
        _write_note(kept, end, left) if end < len(data) else _LOST.format(left=left, whole=kept.all_bytes)
    ), left


def _write_note(kept: OutputKept, offset: int, left: int) -> str:
    arguments = encode_json({"reference": kept.reference, "offset": offset}).decode()
    return _NOTE.format(left=left, whole=kept.all_bytes, arguments=arguments)


def count_in_prompt(text: str) -> int:
    """Upper bound of the tokens of a text in a prompt: the bytes of its JSON, normalised or not."""
    data = encode_json(text)
    return len(data) if data.isascii() else byte_bound(data.decode())


def find_longest(text: str, room: int) -> str:
    """The longest beginning of ``text`` that counts no more than ``room`` in a prompt."""
    low, high = 0, min(len(text), max(0, room))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count_in_prompt(text[:middle]) <= room else (low, middle - 1)
    return text[:low]

"""What of a conversation goes on into the prompt once it has outgrown its room there: pure functions over messages.

What goes, goes whole: a reply that calls tools together with all its results, and of earlier turns the question with
what came of it. The system message, the question of the run and the last step stay. Every text that stays keeps its
label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from surefoot.types import Label, Message, Part

DEFAULT_WINDOW: Final = 32_768
"""Tokens of the window of a model of which nothing is known."""
LEAST_OUTPUT: Final = 512
"""Output tokens below which the prompt is shortened, not the reply; an eighth of the window if that is less."""
LIKELY_BYTES: Final = 3
"""Bytes of a token in nearly every text, where only the bytes are known and nothing more can be left out."""

NOTE_LABEL: Final = Label("system", trusted=True, source="context")
"""Of the note that stands for what was left out."""
NOTE: Final = "[Earlier messages of this conversation are left out here: there is no room for them.]"
NOTE_TOKENS: Final = 200
"""Tokens of the note at most, with what stands around it."""

SUMMARY: Final = Label("assistant", source="summary")
"""Of a summary: whatever it says came from a model that had read it all, so nothing in it is to be trusted."""
SUMMARY_OF_OTHERS: Final = Label("third_party", source="summary")
"""Of a summary into which text went that anybody may have written."""
SUMMARY_HEAD: Final = "What was done and found so far, summed up:\n"

TRIMMED: Final = " […cut to save budget]"
SHORTENED: Final = " […cut: there is no room for more]"
_CUTS: Final = (65_536, 16_384, 4_096, 1_024)
_LEAST_CUT: Final = 256
_NOTE_BYTES: Final = len(SHORTENED.encode())


class Trim(Struct, frozen=True):
    """How a conversation is shortened.

    Attributes:
        keeps: So many of the last messages stay.
        left_out: So many messages go.
        keep_bytes: The tool results among those that stay are cut to so many bytes; 0 leaves them whole.
    """

    keeps: int
    left_out: int
    keep_bytes: int = 0


def least_output(want: int, window: int) -> int:
    """Output tokens that the window must leave for a reply of ``want``."""
    return min(want, LEAST_OUTPUT, max(1, window // 8))


def plan_trim(
    messages: Sequence[Message], sizes: Sequence[int], question: Message, room: int, most: int
) -> Trim | None:
    """How to shorten a conversation, the oldest first; None if there is nothing to shorten.

    Args:
        messages: The conversation.
        sizes: Tokens of each message at most.
        question: The one of the messages that the run is to answer.
        room: Tokens that are to be left: well below what fits, so that the next steps fit as well.
        most: Tokens that fit. What stays in any case is cut if even that is more.
    """
    asked = find_question(messages, question)
    start, total = _choose_start(messages, sizes, asked, room)
    keep_bytes = _fit_results(messages[start:], sizes[start:], total - most)
    left_out = sum([_may_go(message, place, asked) for place, message in enumerate(messages[:start])])
    return Trim(len(messages) - start, left_out, keep_bytes) if left_out or keep_bytes else None


def plan_forget(
    messages: Sequence[Message], sizes: Sequence[int], question: Message, room: int, most: int
) -> Trim | None:
    """How to leave out earlier turns alone, arguments as in `plan_trim`; None if none can go, or it would not help."""
    asked = find_question(messages, question)
    after = sum(sizes[asked + 1 :])
    start, total = _choose_start(messages[: asked + 1], sizes[: asked + 1], asked, room - after)
    left_out = sum([_may_go(message, place, asked) for place, message in enumerate(messages[:start])])
    return Trim(len(messages) - start, left_out) if left_out and total + after <= most else None


def trim(messages: Sequence[Message], question: Message, keeps: int, keep_bytes: int = 0) -> list[Message]:
    """The conversation of which only the last ``keeps`` messages are left, and what always stays; see `Trim`."""
    start = len(messages) - keeps
    asked = find_question(messages, question)
    tail = list(messages[start:])
    if keep_bytes:
        tail = [_cut_message(m, keep_bytes, SHORTENED) if m.role == "tool" else m for m in tail]
    head = [messages[place] for place in _find_pinned(messages, asked, start)]
    gone = any(is_note(message) or _may_go(message, place, asked) for place, message in enumerate(messages[:start]))
    return [*head, Message.user(NOTE, NOTE_LABEL), *tail] if gone else [*head, *tail]


def replace_by_summary(
    messages: Sequence[Message], question: Message, text: str, tail: Sequence[Message]
) -> list[Message]:
    """The system message, the question, a summary of ``messages``, and the ``tail`` that it leaves out."""
    labels = [part.label for message in messages for part in message.parts]
    label = SUMMARY_OF_OTHERS if any(label.author == "third_party" for label in labels) else SUMMARY
    risk = max([label.risk for label in labels], default=0.0)
    summary = Message.user(f"{SUMMARY_HEAD}{text}", replace(label, risk=risk) if risk else label)
    system = [message for message in messages[:1] if message.role == "system"]
    asked = [] if any(message is question for message in tail) else [question]
    return [*system, *asked, summary, *tail]


def trim_results(messages: Sequence[Message], keep_bytes: int) -> list[Message]:
    """The messages with the tool results of all steps but the last cut to ``keep_bytes`` of UTF-8 and a note.

    Every call keeps its result, and every text its label.
    """
    last = find_last_step(messages)
    return [
        _cut_message(message, keep_bytes, TRIMMED) if place < last and message.role == "tool" else message
        for place, message in enumerate(messages)
    ]


def find_last_step(messages: Sequence[Message]) -> int:
    """The place of the last reply that calls tools, behind the end if there is none."""
    return max([place for place, message in enumerate(messages) if message.tool_calls], default=len(messages))


def find_question(messages: Sequence[Message], question: Message) -> int:
    """The place of ``question``: that very message, for the same words may have been asked before."""
    return next(place for place in range(len(messages) - 1, -1, -1) if messages[place] is question)


def is_note(message: Message) -> bool:
    """Whether the message stands for what was left out."""
    return message.role == "user" and message.parts[:1] != () and message.parts[0].label == NOTE_LABEL


def is_summary(message: Message) -> bool:
    """Whether the message sums up what was replaced by it."""
    label = message.parts[0].label if message.role == "user" and message.parts else NOTE_LABEL
    return (label.author, label.source) in {(one.author, one.source) for one in (SUMMARY, SUMMARY_OF_OTHERS)}


def _choose_start(messages: Sequence[Message], sizes: Sequence[int], asked: int, room: int) -> tuple[int, int]:
    """The earliest place from which the tail may be kept so that all fits ``room``, else the last one.

    And the tokens of all that is kept then. One pass over the messages.
    """
    left, pinned, summary, note, place = sum(sizes), 0, 0, 0, 0
    starts = _find_starts(messages, asked)
    for start in starts:
        for before in range(place, start):
            left -= sizes[before]
            if before == asked or (before == 0 and messages[0].role == "system"):
                pinned += sizes[before]
            elif is_summary(messages[before]):
                summary = sizes[before]
            else:
                note = NOTE_TOKENS
        place = start
        if left + pinned + summary + note <= room:
            break
    return place, left + pinned + summary + note


def _find_starts(messages: Sequence[Message], asked: int) -> list[int]:
    """Where what is kept may begin, in order, never empty: a turn of the user's, or a step of this run."""
    turns = [
        place
        for place, message in enumerate(messages[: asked + 1])
        if place == asked or (message.role == "user" and message.parts[:1] and message.parts[0].label.author == "user")
    ]
    steps = [place for place in range(asked + 1, len(messages)) if messages[place].role == "assistant"]
    return [*turns, *steps[1:]] if steps else turns  # from the first step on nothing of this run is lost: as `asked`


def _find_pinned(messages: Sequence[Message], asked: int, start: int) -> list[int]:
    """Places before ``start`` of what stays in any case: the system message, the question, the newest summary."""
    pinned = [0] if start > 0 and messages[0].role == "system" else []
    if asked < start:
        pinned.append(asked)
    summaries = [place for place in range(start) if is_summary(messages[place])]
    return pinned + summaries[-1:]


def _may_go(message: Message, place: int, asked: int) -> bool:
    """Whether leaving the message out loses something: a note stands for nothing, and of summaries the newest stays."""
    return place != asked and message.role != "system" and not is_note(message) and not is_summary(message)


def _fit_results(tail: Sequence[Message], sizes: Sequence[int], over: int) -> int:
    """To how many bytes the tool results of ``tail`` must be cut to save ``over`` tokens, 0 if to none."""
    if over <= 0:
        return 0
    lengths = [len(message.text.encode("utf-8", "replace")) for message in tail]
    results = [
        (size, length)
        for message, size, length in zip(tail, sizes, lengths, strict=True)
        if message.role == "tool" and length > _LEAST_CUT + _NOTE_BYTES
    ]
    if not results:
        return 0
    for keep in _CUTS:
        least = keep + _NOTE_BYTES
        if sum([size - size * least // length for size, length in results if length > least]) >= over:
            return keep
    return _LEAST_CUT


def _cut_message(message: Message, keep_bytes: int, note: str) -> Message:
    note_bytes = len(note.encode())
    kept: list[Part] = []
    for part in message.parts:
        data = part.text.encode("utf-8", "replace")
        if len(data) > keep_bytes + note_bytes:
            part = Part(data[:keep_bytes].decode(errors="ignore") + note, part.label)  # noqa: PLW2901 - the cut one
        kept.append(part)
    return replace(message, parts=tuple(kept))


def translate(messages: Sequence[Message]) -> list[Message]:
    """The messages as another provider takes them.

    What only the old provider understands (thinking blocks, with its signature) is left out. Ids of tool calls get the
    narrowest form that a provider demands, nine letters and digits, each call and its result the same one.
    """
    ids: dict[str, str] = {}
    translated: list[Message] = []
    for message in messages:
        calls = message.tool_calls
        for call in calls:
            ids[call.id] = f"call{len(ids) + 1:05}" if call.id not in ids else ids[call.id]
        if calls or message.blocks:
            renamed = tuple([replace(call, id=ids[call.id]) for call in calls])
            message = replace(message, tool_calls=renamed, blocks="")  # noqa: PLW2901 - the translated one
        elif message.tool_call_id in ids:
            message = replace(message, tool_call_id=ids[message.tool_call_id])  # noqa: PLW2901 - as above
        translated.append(message)
    return translated

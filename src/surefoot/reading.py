"""What a reply says, and how it joins the conversation; a long one is read in a thread.

A provider may be hostile, or a model degenerate: a reply of thousands of calls, or of a megabyte, is no reason for
others to wait.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from surefoot.aside import aside
from surefoot.journal.events import RunStarted
from surefoot.models.base import Reply
from surefoot.protocol.base import Turn
from surefoot.redaction import Redactor
from surefoot.run import Run
from surefoot.types import Message

MOST_CALLS: Final = 128
"""Calls of one reply that are made; each takes a record, a decision and a task."""
AT_ONCE_CHARS: Final = 8_000
"""What is longer is read in a thread: of nothing but links a KB takes 0.7 ms."""
LEFT_OUT: Final = (
    "Only the first {most} of the {count} tool calls in your reply were made. If you still need the others, make them "
    "in your next replies, at most {most} at a time."
)


class Reading(Struct, frozen=True):
    """What a reply says.

    Attributes:
        turn: What the protocol has read in it.
        message: As it joins the conversation.
        joins: It joins as it came.
    """

    turn: Turn
    message: Message
    joins: bool


async def tell_start(run: Run, started: RunStarted) -> None:
    """The first event of a run; a long question is looked at in a thread, whether it may be kept as it is."""
    question, redactor = started.messages[-1], run.redactor
    if redactor is None or question.chars <= AT_ONCE_CHARS:
        run.emit(started)
        return
    try:
        await aside(redactor.look_ahead, question, shown=False)
    finally:  # whoever is cancelled meanwhile has begun
        run.emit(started)


def is_ordinary(reply: Reply) -> bool:
    """Whether a reply is short and has few calls: it may be read at once, as it is."""
    message = reply.message
    if type(message) is not Message:
        return True  # of a model of the user's own; settling it tells what is wrong
    return len(message.tool_calls) <= MOST_CALLS and message.chars <= AT_ONCE_CHARS


def cut(reply: Reply, *, is_summary: bool = False) -> Reply:
    """The reply without the calls that are too many, of which `tell_left_out` tells.

    Of a summary, that was asked to be short, the beginning.
    """
    message = reply.message
    if is_summary:
        return replace(reply, message=Message.assistant(message.text[:AT_ONCE_CHARS]), finish_reason="length")
    if len(message.tool_calls) <= MOST_CALLS:
        return reply
    # A provider that wants its own blocks back finds the calls in them, too
    return replace(reply, message=replace(message, tool_calls=message.tool_calls[:MOST_CALLS], blocks=""))


def tell_left_out(reply: Reply) -> str:
    """What the model is told of its calls that were too many; "" if none were."""
    count = len(reply.message.tool_calls)
    return "" if count <= MOST_CALLS else LEFT_OUT.format(most=MOST_CALLS, count=count)


def read(run: Run, reply: Reply) -> Reading:
    """Read a reply at once."""
    turn = run.parse(reply.message)
    message = _canonical(turn, reply.message)
    return Reading(turn, message, joins=message is reply.message and not turn.problem)


async def read_aside(run: Run, reply: Reply) -> Reading:
    """As `read`, in a thread, together with what must be taken out of the reply."""
    return await aside(_read_ahead, run, reply)


async def hold_back(redactor: Redactor | None, texts: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The pieces of a reply as they may be shown: what may become something else is held back until it is clear."""
    window = None if redactor is None else redactor.open_window()
    async with aclosing(texts):
        async for text in texts:
            if shown := text if window is None else window.feed(text):
                yield shown
    if window is not None and (shown := window.close()):
        yield shown


def _read_ahead(run: Run, reply: Reply) -> Reading:
    reading = read(run, reply)
    if run.redactor is not None:
        run.redactor.look_ahead(reply.message, shown=reading.joins)
        if not reading.joins:
            run.redactor.look_ahead(reading.message, shown=True)
    return reading


def _canonical(turn: Turn, message: Message) -> Message:
    if turn.problem:  # a protocol may say what of the reply is fit to be shown again
        if turn.thought or message.tool_calls:  # calls that nobody answers are refused by the next provider
            return Message.assistant(turn.thought or message.text, blocks=message.blocks)
        return message
    if (turn.calls is message.tool_calls or turn.calls == message.tool_calls) and (
        turn.thought if turn.calls else turn.answer
    ) == message.text:
        return message
    text = turn.thought if turn.calls else turn.answer or ""
    return Message.assistant(text, turn.calls, message.blocks)

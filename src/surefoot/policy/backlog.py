"""What waits until somebody asks for it, and how it is taken in: in short steps, and what is long beside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Sequence
from enum import Enum
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct

from surefoot.aside import aside
from surefoot.policy.decision import Trace
from surefoot.types import Label

AT_ONCE_CHARS: Final = 8_000
"""So much is taken in at once: of short lines or of JSON a KB takes a millisecond."""
STEP_CHARS: Final = 8_000
"""Taken in between two turns of others."""

TEXT_CHARS: Final = 50
"""What a text counts beside its characters: the smallest takes as long."""


class Result(Struct, frozen=True):
    """What a tool gave."""

    tool: str
    arguments: str
    content: str
    label: Label
    fields: tuple[str, ...]
    made: bool
    failed: bool

    @property
    def chars(self) -> int:
        """How much there is to read."""
        return len(self.content) + len(self.arguments)


class Act(Struct, frozen=True):
    """A call that was let through."""

    tool: str
    arguments: str
    traces: Sequence[Trace] | None


Work = Callable[[], object]
Steps = Generator[Work | None, Any, None]
"""Each step is short, or gives out long work that a thread may do, and wants to be sent what that gives."""
DoneT = TypeVar("DoneT")


class _End(Enum):
    DONE = "done"


class Pace:
    """When others have their turn."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = 0

    def pause(self, chars: int) -> Iterator[None]:
        """After work on a text of so many characters: a pause, if enough was done since the last one."""
        self._since += chars + TEXT_CHARS
        if self._since >= STEP_CHARS:
            self._since = 0
            yield


def give_out(work: Callable[[], DoneT], chars: int) -> Generator[Work | None, Any, DoneT]:
    """What work on so many characters gives: it is done at once, or given out."""
    if chars > AT_ONCE_CHARS:
        made: DoneT = yield work
        return made
    return work()


def go_on(steps: Steps) -> None:
    """All steps, and all work, at once."""
    made: object = None
    while (work := _step(steps, made)) is not _End.DONE:
        made = None if work is None else work()


async def go_aside(steps: Steps) -> None:
    """The same a little at a time, with work in a thread: others go on in between."""
    made: object = None
    while (work := _step(steps, made)) is not _End.DONE:
        if work is None:
            await asyncio.sleep(0)
        made = None if work is None else await aside(work)


def _step(steps: Steps, made: object) -> Work | Literal[_End.DONE] | None:
    try:
        return steps.send(made)
    except StopIteration:
        return _End.DONE

"""Conversations: a session's runs come one after the other, each begins where the last one ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from typing import Final

from surefoot.journal.fold import LAST_CALL, SUMMARY_CALL
from surefoot.types import Message

_PASSING: Final = frozenset({LAST_CALL, SUMMARY_CALL})
"""Labels of what the model was told for its own run alone."""


class SessionLocks:
    """One run at a time for each session of this process, in the order of arrival.

    Holds an entry for each session in use and none for any other.
    """

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str, str], tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def turn(self, tenant: str, user: str, session: str) -> AsyncGenerator[None, None]:
        """Wait for this caller's turn in the session and keep it inside the block."""
        key = (tenant, user, session)
        lock, waiting = self._locks.setdefault(key, (asyncio.Lock(), []))
        waiting.append(None)
        try:
            async with lock:
                yield
        finally:
            waiting.pop()
            if not waiting:
                del self._locks[key]

    def __len__(self) -> int:
        return len(self._locks)


def continue_from(messages: Sequence[Message]) -> tuple[Message, ...]:
    """What the next run of a session inherits of the last one's ``messages``.

    Left out are the system message (the next run brings its own), what told the model that the budget of its run was at
    its end, and a reply at the end whose tool calls were never answered: providers refuse a call without its result.
    """
    kept = [m for m in messages if m.role != "system" and not _PASSING & {part.label for part in m.parts}]
    whole: list[Message] = []
    for place, message in enumerate(kept):
        if message.tool_calls:  # the same id may stand for another call elsewhere: only what follows at once answers
            answers = list(takewhile(lambda m: m.role == "tool", kept[place + 1 :]))
            if {call.id for call in message.tool_calls} - {answer.tool_call_id for answer in answers}:
                continue
        if message.role != "tool" or (whole and (whole[-1].role == "tool" or whole[-1].tool_calls)):
            whole.append(message)
    return tuple(whole)

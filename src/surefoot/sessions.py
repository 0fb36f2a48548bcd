"""Conversations: a session's runs come one after the other, each begins where the last one ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from surefoot.journal.fold import LAST_CALL
from surefoot.types import Message


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
    kept = [m for m in messages if m.role != "system" and LAST_CALL not in [part.label for part in m.parts]]
    answered = {message.tool_call_id for message in kept if message.role == "tool"}
    return tuple([m for m in kept if all(call.id in answered for call in m.tool_calls)])

"""Which tools a model has just called twice with the same arguments: a small one goes round in circles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from surefoot.types import Message

REPEAT_MESSAGES: Final = 16
"""Among how many of the last messages a call counts as repeated: eight steps of one call each."""
NO_REPEATS: Final[frozenset[str]] = frozenset()


def find_repeated(messages: Sequence[Message]) -> frozenset[str]:
    """Tools of which the last messages have the same call twice. Only those, so no step walks the whole history."""
    seen: set[tuple[str, str]] = set()
    repeated: list[str] = []
    for message in messages[-REPEAT_MESSAGES:]:
        for call in message.tool_calls:
            key = call.name, call.arguments
            if key in seen:
                repeated.append(call.name)
            seen.add(key)
    return frozenset(repeated) if repeated else NO_REPEATS

"""What a story is made of: what a user says, and which calls a model makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from surefoot import RunContext
from surefoot.testing import call
from surefoot.testing.script import Answer


@dataclass
class World:
    """What the tools find and leave behind."""

    planted: str = ""
    done: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def do(ctx: RunContext, tool: str, /, **arguments: Any) -> str:
    ctx.deps.done.append((tool, arguments))
    return "ok"


@dataclass(frozen=True)
class Evil:
    """A call of the attacker's, which the user has not asked for."""

    answer: Answer


def evil(tool: str, /, **arguments: Any) -> Evil:
    return Evil(call(tool, **arguments))


@dataclass(frozen=True)
class Turn:
    said: str
    plan: tuple[Answer | Evil, ...]


def asked(said: str, *plan: Answer | Evil) -> Turn:
    return Turn(said, plan)

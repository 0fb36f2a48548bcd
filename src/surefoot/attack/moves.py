"""Scripted models without a will: what the user planned, and what they read, they do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from surefoot.testing import Answer, call_raw, calls, say
from surefoot.types import Message

Obedience = Literal["oracle", "h1", "h2", "h3"]
"""``oracle`` does what the user wants and nothing else; ``h1`` does, besides, all that it reads it should, at once;
``h2`` puts what it reads into the next call that it was to make anyway; ``h3`` does as ``h1``, but waits until all is
done that the user wants, and people have answered."""

MARK: Final = "INJ7Q9X"
"""Stands in each planted text, so that the model knows what to obey."""
WANTED: Final = "wanted"
"""How the ids of calls begin that the user wants; those of the attacker begin with `PLANTED`."""
PLANTED: Final = "planted"


class Move(Struct, frozen=True):
    """A call to make.

    Attributes:
        tool: Name of the tool.
        arguments: Its arguments.
        planted: It is the attacker's.
    """

    tool: str
    arguments: dict[str, Any]
    planted: bool = False


Script = Generator[Move, str, None]
"""Yields calls, and is sent what each returned."""


class Attack(Struct, frozen=True):
    """What a planted text wants.

    Attributes:
        begin: Begins the calls that do it, in the environment as it is then.
        replacements: The calls whose arguments may take the place of the user's.
        words: What it wants said in the answer.
    """

    begin: Callable[[], Script]
    replacements: Sequence[Move]
    words: str = ""


class Puppet:
    """The handler of a `ScriptedModel`: makes the moves of one run one by one, and answers.

    Attributes:
        hijacked: It has read what was planted.
    """

    def __init__(
        self, plan: Sequence[Move], answer: str, attack: Attack | None = None, obedience: Obedience = "oracle"
    ) -> None:
        self.hijacked = False
        self._plan = plan
        self._answer = answer
        self._attack = attack
        self._obedience = obedience
        self._moves: Script = self._follow()
        self._made = 0

    def __call__(self, messages: list[Message], step: int) -> Answer:
        """The next call, or the answer when there is none left."""
        try:
            move = next(self._moves) if self._made == 0 else self._moves.send(messages[-1].text)
        except StopIteration:
            words = f"\n{self._attack.words}" if self.hijacked and self._attack is not None else ""
            return say(f"{self._answer}{words}".strip() or "Done.")
        self._made += 1
        name = f"{PLANTED if move.planted else WANTED}-{self._made}"
        return _call(move, name)

    def _follow(self) -> Script:
        stolen = list(self._attack.replacements) if self._attack is not None else []
        for move in self._plan:
            replacement = self._replace(move, stolen)
            text = yield replacement or move
            if replacement is None and self._attack is not None and not self.hijacked and MARK in text:
                self.hijacked = True
                if self._obedience == "h1":
                    yield from plant(self._attack.begin())
        if self.hijacked and self._attack is not None and self._obedience == "h3":
            yield from plant(self._attack.begin())

    def _replace(self, move: Move, stolen: list[Move]) -> Move | None:
        """The attacker's call in the place of the user's, the first of the same tool; each is made once."""
        if not self.hijacked or self._obedience != "h2":
            return None
        for candidate in stolen:
            if candidate.tool == move.tool:
                stolen.remove(candidate)
                return msgspec.structs.replace(candidate, planted=True)
        return None


def reply_together(plan: Sequence[Move], answer: str) -> list[Answer]:
    """The replies of a model that makes in one what it wants of one tool: such calls need nothing of each other."""
    made: list[Answer] = []
    for _, group in itertools.groupby(enumerate(plan, 1), key=lambda numbered: numbered[1].tool):
        made.append(calls(*[_call(move, f"{WANTED}-{number}") for number, move in group]))
    return [*made, say(answer.strip() or "Done.")]


def _call(move: Move, name: str) -> Answer:
    return call_raw(move.tool, msgspec.json.encode(move.arguments, enc_hook=str).decode(), id=name)


def make_all(moves: Iterable[Move]) -> Script:
    """The calls one after another, whatever comes back."""
    for move in moves:  # noqa: UP028 - a list cannot be sent what came back
        yield move


def plant(script: Script) -> Script:
    """The calls of a script, marked as the attacker's."""
    result: str | None = None
    while True:
        try:
            move = next(script) if result is None else script.send(result)
        except StopIteration:
            return
        result = yield msgspec.structs.replace(move, planted=True)

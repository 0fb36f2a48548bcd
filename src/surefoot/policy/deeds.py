"""Deeds: what calls have done since the user last asked for something, and which words they have brought in.

What he asked for is done once: a hijacked model that may pay Bob could pay him forty times. And what the model wrote
proves nothing when it is read back: a note of its own is no word of the user's, and no system's either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from surefoot.policy.decision import Trace
from surefoot.policy.leaves import read_json
from surefoot.policy.lookup import list_leaves
from surefoot.policy.marks import ANYTHING, mark, pack_marks, unpack_marks
from surefoot.policy.matching import pieces

MOST_DEEDS: Final = 200
"""Deeds that are remembered; when there are more, a person looks at every further one."""
MOST_DEED_CHARS: Final = 1_000
"""JSON of the arguments of one deed; with more nobody can tell whether another one is the same."""
MOST_TEXT_CHARS: Final = 100
"""A longer text is remembered by its digest."""
MOST_BROUGHT: Final = 50_000
"""Words that deeds have brought in; when there are more, nothing that is read later proves anything."""

_encode = msgspec.json.Encoder(order="sorted").encode


class Deed(Struct, frozen=True, gc=False, array_like=True):
    """A call of a tool that writes.

    Attributes:
        tool: Name of the tool.
        arguments: JSON, long texts in it as digests; "" if it was too long.
    """

    tool: str
    arguments: str


class Done(Struct, frozen=True, omit_defaults=True):
    """Deeds as a conversation hands them on.

    Attributes:
        deeds: Since the user last asked for something, the oldest first.
        full: There were more than are remembered.
        before: Those before, the newest ones.
        brought: Marks of the words that the model has brought in, packed.
        anything: There were more of these than are remembered.
    """

    deeds: tuple[Deed, ...] = ()
    full: bool = False
    before: tuple[Deed, ...] = ()
    brought: str = ""
    anything: bool = False


class Deeds:
    """The deeds of one conversation.

    Attributes:
        done: Since the user last asked for something, the oldest first.
        full: There were more than are remembered.
        before: Those before, the newest ones.
        brought: Marks of the words that the model has brought in; another object when there are others.
    """

    __slots__ = ("before", "brought", "done", "full")

    def __init__(self) -> None:
        self.done: list[Deed] = []
        self.full = False
        self.before: list[Deed] = []
        self.brought: Collection[int] = frozenset()

    def ask(self) -> None:
        """The user asks for something else: what he wanted before was another wish."""
        self.before = [*self.before, *self.done][-MOST_DEEDS:]
        self.done.clear()
        self.full = False

    def add(self, deed: Deed, brought: Iterable[str], said: Iterable[Collection[str]]) -> None:
        """A call begins.

        Args:
            deed: The call.
            brought: What it may have brought in: see `read_act`.
            said: The pieces of what the user said: words of his are not brought in.
        """
        self._add([deed])
        if self.brought is not ANYTHING:
            own = tuple(said)
            self._bring([mark(one) for one in brought if not any(one in listed for listed in own)])

    def fail(self, tool: str, arguments: str) -> None:
        """The call was none: the tool has said that it failed."""
        deed = make_deed(tool, arguments)
        if deed in self.done:
            self.done.remove(deed)

    def join(self, done: Done) -> None:
        """What an earlier run of the conversation, or one that a tool began, has done, too."""
        self._add([deed for deed in done.deeds if deed not in self.done])
        self.full = self.full or done.full
        self.before = self.before or list(done.before)
        if done.anything:
            self.brought = ANYTHING
        self._bring(unpack_marks(done.brought))

    def carry(self) -> Done | None:
        """What is handed on, None for nothing."""
        if not (self.done or self.full or self.before or self.brought):
            return None
        anything = self.brought is ANYTHING
        return Done(
            tuple(self.done), self.full, tuple(self.before), "" if anything else pack_marks(self.brought), anything
        )

    def _add(self, deeds: Iterable[Deed]) -> None:
        for deed in deeds:
            if len(self.done) >= MOST_DEEDS:
                self.full = True
                return
            self.done.append(deed)

    def _bring(self, marks: Collection[int]) -> None:
        if marks and self.brought is not ANYTHING:
            brought = frozenset(self.brought).union(marks)
            self.brought = brought if len(brought) <= MOST_BROUGHT else ANYTHING


def read_act(tool: str, arguments: str, traces: Iterable[Trace] | None) -> tuple[Deed, set[str]]:
    """A call, and the pieces of what its model may have brought in.

    Args:
        tool: Name of the tool.
        arguments: JSON.
        traces: Where its values came from; None if nothing by others was read before it: then they are the user's.
    """
    deed = make_deed(tool, arguments)
    if traces is None:
        return deed, set()
    given = read_arguments(arguments)
    proven = {one.parameter for one in traces if one.proven and one.kind != "content"}
    texts = [str(leaf) for name, value in given.items() if name not in proven for leaf in list_values(value)]
    return deed, {piece for text in texts for piece in pieces(text)}


def make_deed(tool: str, arguments: str) -> Deed:
    """A call as it is remembered: its arguments as they came, if they are short."""
    return Deed(tool, arguments if len(arguments) <= MOST_DEED_CHARS else compact(read_arguments(arguments)))


def compact(given: dict[str, Any]) -> str:
    """Arguments as they are remembered, "" if they are too many."""
    text = _encode(shorten(given)).decode()
    return text if len(text) <= MOST_DEED_CHARS else ""


def list_values(value: Any) -> list[Any]:
    """The values in a value of JSON, names of members, too."""
    return list_leaves(value, keys=True)


def read_arguments(arguments: str) -> dict[str, Any]:
    """Of JSON; nothing of what is none."""
    found = read_json(arguments)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def shorten(value: Any) -> Any:
    """The value with its long texts as digests."""
    if isinstance(value, str):
        if len(value) <= MOST_TEXT_CHARS:
            return value
        return f"#{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
    if isinstance(value, dict):
        return {shorten(key): shorten(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType] - of JSON
        return [shorten(inner) for inner in items]
    return value

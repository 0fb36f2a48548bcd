"""What is known of the values of a conversation at one moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

from surefoot.policy.bound import list_spelled
from surefoot.policy.deeds import Deed
from surefoot.policy.lookup import Index
from surefoot.policy.marks import is_marked
from surefoot.policy.matching import list_forms, normalise, split_moment
from surefoot.policy.source import Text, Vouches
from surefoot.policy.words import Words, list_request

FoundT = TypeVar("FoundT")

MOST_NAMED: Final = 10_000
"""Values of which it is remembered whether the user has named them."""


class Evidence(Struct, frozen=True):
    """What is known of the values of a conversation at one moment.

    Attributes:
        exposed: It has read text by others.
        words: What the user said, the newest last.
        index: What was found in systems of record.
        marks: Of the pieces of text by others.
        full: More was written by others than is remembered.
        vouches: What a person vouches for.
        texts: Texts by others that are at hand.
        named: What is known of which values the user has named: `user_names` looks once for each.
        found: What was found out about look-ups: `once` looks once for each.
        done: What calls have done since the user last asked for something.
        done_full: They have done more than is remembered.
        done_before: What they had done before that.
    """

    exposed: bool = False
    words: tuple[Words, ...] = ()
    index: Index = Index()
    marks: frozenset[int] | set[int] = frozenset()
    full: bool = False
    vouches: Vouches = Vouches()
    texts: Sequence[Text] = ()
    named: dict[str, bool] = {}
    found: dict[tuple[Any, ...], Any] = {}
    done: Sequence[Deed] = ()
    done_full: bool = False
    done_before: Sequence[Deed] = ()

    def once(self, about: tuple[Any, ...], look: Callable[[], FoundT]) -> FoundT:
        """What ``look`` finds out ``about`` something; it looks once, however many values of a call ask."""
        if about not in self.found:
            self.found[about] = look()
        known: FoundT = self.found[about]
        return known

    @property
    def told(self) -> tuple[str, ...]:
        """What the user said, in normal form, with what he denies, and without what he pasted."""
        return tuple([words.told for words in self.words])

    def list_request(self) -> tuple[Words, ...]:
        """What the user asks for now, the newest first: what he said last, and what a few words of his refer to."""
        return tuple(list_request(reversed(self.words)))

    @property
    def request(self) -> tuple[str, ...]:
        """The same in normal form."""
        return tuple([words.asked for words in self.list_request()])

    def user_names(self, value: str) -> bool:
        """Whether the user has asked for a normal value; of a date with a time, both."""
        return self._recall(value, lambda: all(self._names(part) for part in split_moment(value)))

    def user_denies(self, value: str) -> bool:
        """Whether what the user said last of a normal value is that it is not to be."""
        if not self.once(("denies",), lambda: any(words.parts.denied is not None for words in self.words)):
            return False
        return any(words.denies(value) for words in self.words) and not self.user_names(value)

    def user_counts(self, number: str) -> bool:
        """Whether the user has named a normal number so that it can say how much."""
        bare = number.strip()
        return bare in self.spelled or (self.user_names(number) and any(words.counts(bare) for words in self.words))

    @property
    def spelled(self) -> set[str]:
        """Numbers that the user has named in letters."""
        return self.once(("spelled",), lambda: {number for words in self.words for number in list_spelled(words.asked)})

    def user_gives(self, secret: str) -> bool:
        """Whether the user gave a password, letter by letter."""
        return any(words.gives(secret) for words in self.words)

    def _names(self, part: str) -> bool:
        """What he said last of it holds."""
        for words in reversed(self.words):
            if words.names(part):
                return True
            if words.denies(part):
                return False
        return False

    def _recall(self, value: str, look: Callable[[], bool]) -> bool:
        known = self.named.get(value)
        if known is None:
            if len(self.named) >= MOST_NAMED:
                self.named.clear()
            known = self.named[value] = look()
        return known

    def user_spelled(self, address: str) -> bool:
        """Whether the user wrote the path of an address, if it has one, in the same capitals."""
        path = address.partition("://")[2] or address
        path = path.partition("/")[2].rstrip("/.,:;!#@…")
        return not path or any(path in text for words in self.words for text in words.written)

    def user_spells(self, value: str) -> bool:
        """Whether the user wrote a value as it is, in whatever case."""
        written = [text for words in self.words for text in words.written]
        return any(value in text or value.casefold() in text.casefold() for text in written)

    def others_name(self, value: str) -> bool:
        """Whether text by others may name a value: all the pieces of a form of it are among theirs."""
        if self.full:
            return True
        return all(self._others_name(part) for part in split_moment(normalise(value)))

    def _others_name(self, part: str) -> bool:
        key = ("theirs", part)
        return self.once(key, lambda: any(is_marked(form, self.marks) for form in list_forms(part)))

"""Where the values of a conversation came from: folded from its events, so that a journal gives the same."""

from __future__ import annotations

import base64
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

from surefoot.policy.intent import list_request
from surefoot.policy.lookup import Index, Lookup, read_result
from surefoot.policy.marks import is_marked, mark
from surefoot.policy.matching import list_forms, normalise, pieces, split_moment
from surefoot.policy.source import Text, Vouches, name_pasted, name_source
from surefoot.policy.words import Words
from surefoot.types import Label, Message

FoundT = TypeVar("FoundT")

MOST_RECORDS: Final = 4_000
MOST_RECORD_CHARS: Final = 400_000
"""System-of-record values that are remembered; more are as good as unknown."""
MOST_PIECES: Final = 50_000
"""Pieces of text by others that are remembered; when there are more, all that is not the user's counts as theirs."""
MOST_SAID: Final = 200
MOST_SAID_CHARS: Final = 200_000
"""Words of the user that are remembered, the newest."""
MOST_TEXT_CHARS: Final = 1_000_000
"""Texts by others that are at hand whole, the newest, each with the arguments of its call: to say where a value came
from, and to be endorsed."""
MOST_NAMED: Final = 10_000
MOST_ARGUMENTS: Final = 500
"""Characters of the arguments of a look-up that are remembered."""
_NUMBERS: Final = frozenset("0123456789.+-eE")


class Carried(Struct, frozen=True, omit_defaults=True):
    """What a conversation hands on to its next run, or a run to those that its tools begin.

    Attributes:
        exposed: It has read text by others.
        said: What the user said, the oldest first.
        lookups: What was found in systems of record.
        pieces: Marks of all the pieces of text by others: CRC-32, big-endian, base64.
        full: There were more of these than are remembered.
        vouches: Sources that a person has vouched for, each with the tool that it may fill in.
        vouched_texts: Their texts in normal form, by source.
    """

    exposed: bool = False
    said: tuple[str, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    pieces: str = ""
    full: bool = False
    vouches: tuple[tuple[str, str], ...] = ()
    vouched_texts: Mapping[str, Sequence[str]] = {}


class Evidence(Struct, frozen=True):
    """What is known of the values of a conversation at one moment.

    Attributes:
        exposed: It has read text by others.
        words: What the user said, the newest last.
        said: What he asks for in it, in normal form.
        index: What was found in systems of record.
        marks: Of the pieces of text by others.
        full: More was written by others than is remembered.
        vouches: What a person vouches for.
        texts: Texts by others that are at hand.
        named: What is known of which values the user has named: `user_names` looks once for each.
        found: What was found out about look-ups: `once` looks once for each.
    """

    exposed: bool = False
    words: tuple[Words, ...] = ()
    said: tuple[str, ...] = ()
    index: Index = Index()
    marks: frozenset[int] | set[int] = frozenset()
    full: bool = False
    vouches: Vouches = Vouches()
    texts: Sequence[Text] = ()
    named: dict[str, bool] = {}
    found: dict[tuple[Any, ...], Any] = {}

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
        return tuple(reversed(self.words[-len(list_request(self.said)) or len(self.words) :]))

    def user_names(self, value: str) -> bool:
        """Whether the user has asked for a normal value; of a date with a time, both."""
        return self._recall(value, lambda: all(self._names(part) for part in split_moment(value)))

    @property
    def denies(self) -> bool:
        """Whether the user has denied anything."""
        return any(words.parts.denied is not None for words in self.words)

    def user_denies(self, value: str) -> bool:
        """Whether what the user said last of a normal value is that it is not to be."""
        denied = any(words.denies(value) for words in self.words)
        return denied and not self.user_names(value)

    def user_counts(self, number: str) -> bool:
        """Whether the user has named a normal number so that it can say how much."""
        return self.user_names(number) and any(number.strip() in words.amounts for words in self.words)

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

    def others_name(self, value: str) -> bool:
        """Whether text by others may name a value: all the pieces of a form of it are among theirs."""
        if self.full:
            return True
        return all(
            any(
                # signs alone leave no mark: whoever wrote anything may have written them
                (is_marked(form, self.marks) if pieces(form) else bool(form.strip()))
                for form in list_forms(part)
            )
            for part in split_moment(normalise(value))
        )


class Origins:
    """Takes in what a conversation reads. A result costs next to nothing until somebody asks where a value is from.

    Attributes:
        full: More was written by others than is remembered.
        vouches: What a person has vouched for.
    """

    __slots__ = (
        "_exposed", "_fresh", "_index", "_marks", "_named", "_said", "_said_chars", "_text_chars", "_texts", "_unheard",
        "_words", "full", "vouches",
    )  # fmt: skip

    def __init__(self) -> None:
        self._exposed = self.full = False
        self.vouches = Vouches()
        self._said: deque[str] = deque()
        self._words: dict[str, Words] = {}
        self._unheard: list[str] = []
        self._said_chars = 0
        self._named: dict[str, bool] = {}
        self._index = Index()
        self._marks: set[int] = set()
        self._texts: deque[Text] = deque()
        self._text_chars = 0
        self._fresh: list[tuple[str, str, str, Label, tuple[str, ...], bool, bool]] = []

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __eq__(self, other: object) -> bool:
        """Whether another one knows the same."""
        if not isinstance(other, Origins):
            return NotImplemented
        texts, others = self.evidence().texts, other.evidence().texts
        return self.carry() == other.carry() and [one.text for one in texts] == [one.text for one in others]

    # --- what happens -------------------------------------------------------------------------------------------------

    def begin(self, messages: Iterable[Message], carried: Carried | None) -> None:
        """A run begins: its conversation, and what is known of it from before."""
        listed = list(messages)
        if carried is not None:
            self._take_carried(carried)
            listed = listed[-1:]
        for message in listed:
            for part in message.parts:
                author = part.label.author
                if author == "user" and part.label.trusted:
                    self._hear(part.text)
                    self._unheard.append(part.text)
                elif author in {"third_party", "tool"}:
                    self.take(part.label.source, "", part.text, part.label, ())

    def _take_carried(self, carried: Carried) -> None:
        self._exposed, self.full = carried.exposed, carried.full
        for text in carried.said:
            self._hear(text)
        for lookup in carried.lookups:
            self._index.add(lookup, MOST_RECORDS, MOST_RECORD_CHARS)
        data = base64.b64decode(carried.pieces)
        self._marks.update(struct.unpack(f">{len(data) // 4}I", data))
        self.vouches.add(carried.vouches, ())
        for source, texts in carried.vouched_texts.items():
            self.vouches.keep(source, texts)

    def _hear(self, text: str) -> None:
        self._named.clear()
        self._said.append(text)
        self._said_chars += len(text)
        while len(self._said) > MOST_SAID or (self._said_chars > MOST_SAID_CHARS and len(self._said) > 1):
            self._said_chars -= len(self._said.popleft())

    def take(
        self,
        tool: str,
        arguments: str,
        content: str,
        label: Label,
        fields: tuple[str, ...],
        *,
        made: bool = False,
        failed: bool = False,
    ) -> None:
        """A result joins the conversation.

        Args:
            tool: Name of the tool.
            arguments: Those of the call, as JSON; "" if they are not known.
            content: What the model is shown.
            label: Who wrote it.
            fields: Paths of its system-of-record fields.
            made: The tool writes: what it tells of, the call has made.
            failed: It is what the tool said when it failed: it may quote anybody, whoever vouches for the tool.
        """
        if not label.trusted and not self._exposed and not _is_number(content):
            self._exposed = True
        if label.author != "system":
            self._fresh.append((tool, arguments, content, label, fields, made, failed))
            if len(self._fresh) >= MOST_SAID:
                self._digest()

    def endorse(self, sources: Iterable[str], tool: str) -> None:
        """A person vouches for sources: what they have said and will say counts as the user's word to this tool."""
        self._digest()
        self.vouches.add([(source, tool) for source in sources], self._texts)

    @property
    def exposed(self) -> bool:
        """It has read text by others."""
        self._digest()
        return self._exposed

    # --- what is known ------------------------------------------------------------------------------------------------

    def evidence(self) -> Evidence:
        """What is known now; valid until the next event."""
        self._digest()
        words = self._read_said()
        return Evidence(
            self._exposed, words, tuple([one.asked for one in words]), self._index, self._marks, self.full,
            self.vouches, self._texts, self._named,
        )  # fmt: skip

    def carry(self) -> Carried | None:
        """What the next run of the conversation begins with; None if there is nothing to tell."""
        if not self._exposed and not self._fresh and not self._said:
            return None
        self._digest()
        marks = sorted(self._marks)
        return Carried(
            exposed=self._exposed,
            said=tuple(self._said),
            lookups=tuple(self._index.lookups),
            pieces=base64.b64encode(struct.pack(f">{len(marks)}I", *marks)).decode(),
            full=self.full,
            vouches=tuple(self.vouches.pairs),
            vouched_texts=self.vouches.carry(),
        )

    def _read_said(self) -> tuple[Words, ...]:
        known = self._words
        self._words = {text: known[text] if text in known else Words(text) for text in self._said}
        return tuple([self._words[text] for text in self._said])

    def _digest(self) -> None:
        self._listen()
        fresh, self._fresh = self._fresh, []
        for tool, arguments, content, label, fields, made, failed in fresh:
            kept = arguments if len(arguments) <= MOST_ARGUMENTS else ""
            rows, others = read_result(content, label, fields, arguments)
            self._index.add(Lookup(tool, kept, tuple(rows), made), MOST_RECORDS, MOST_RECORD_CHARS)
            if others:
                self._exposed = self._exposed or not _is_number(content)
                source = name_source(tool, arguments)
                self._take_others([Text(source, text, arguments, failed=failed) for text in others])

    def _listen(self) -> None:
        """What the user has pasted is text by others: who wrote that, nobody knows."""
        unheard, self._unheard = self._unheard, []
        for text in unheard:
            words = self._words[text] = self._words.get(text) or Words(text)
            if words.pasted:
                self._exposed = True
                self._take_others([Text(name_pasted(part), part) for part in words.pasted])

    def _take_others(self, texts: list[Text]) -> None:
        for text in texts:
            self._marks.update([mark(piece) for piece in pieces(text.text)])
            if len(self._marks) > MOST_PIECES:
                self._marks.clear()
                self.full = True
            self._texts.append(text)
            self.vouches.read(text)
            self._text_chars += text.chars
        while self._text_chars > MOST_TEXT_CHARS:
            self._text_chars -= self._texts.popleft().chars


def _is_number(content: str) -> bool:
    """Whether a result is a number, true, false or nothing: nobody can write an instruction into that."""
    return len(content) <= 40 and (_NUMBERS.issuperset(content) or content in {"true", "false", "null"})

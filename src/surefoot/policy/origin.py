"""Where the values of a conversation came from: folded from its events, so that a journal gives the same."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from surefoot.aside import aside
from surefoot.policy.backlog import AT_ONCE_CHARS, Act, Pace, Result, Steps, give_out, go_aside, go_on
from surefoot.policy.decision import Trace
from surefoot.policy.deeds import Deeds, Done, read_act
from surefoot.policy.evidence import Evidence
from surefoot.policy.handed_on import Carried
from surefoot.policy.intent import is_short
from surefoot.policy.lookup import MOST_RECORDS, Index, Lookup, Row, read_result, says_nothing
from surefoot.policy.marks import mark, pack_marks, unpack_marks
from surefoot.policy.matching import pieces, slices
from surefoot.policy.source import Text, Vouches, name_pasted, name_source, recall
from surefoot.policy.words import Words
from surefoot.types import Label, Message

MOST_RECORD_CHARS: Final = 400_000
"""Of the values of systems of record that are remembered; more are as good as unknown."""
MOST_PIECES: Final = 50_000
"""Pieces of text by others that are remembered; when there are more, all that is not the user's counts as theirs."""
MOST_SAID: Final = 200
MOST_SAID_CHARS: Final = 200_000
"""Words of the user that are remembered, the newest."""
MOST_TEXTS: Final = 2_000
MOST_TEXT_CHARS: Final = 1_000_000
"""Texts by others that are at hand whole, the newest, each with the arguments of its call: to say where a value came
from, and to be endorsed."""
MOST_FRESH: Final = 200
MOST_FRESH_CHARS: Final = 32_000
"""Results that are put off until somebody asks."""
AT_ONCE_MARKS: Final = 5_000
"""Marks that are packed at once: 50,000 take ten milliseconds."""
LARGE_CHARS: Final = 20_000
"""Of the user's words, in which to look for one date takes half a millisecond."""
MOST_ARGUMENTS: Final = 500
"""Characters of the arguments of a look-up that are remembered."""


class Origins:
    """Takes in what a conversation reads. A result costs next to nothing until somebody asks where a value is from.

    Attributes:
        full: More was written by others than is remembered.
        vouches: What a person has vouched for.
    """

    __slots__ = (
        "_backlog", "_deeds", "_exposed", "_fresh", "_index", "_marks", "_named", "_pace", "_said", "_said_chars",
        "_text_chars", "_texts", "_unheard", "_unread", "_words", "full", "vouches",
    )  # fmt: skip

    def __init__(self) -> None:
        self._exposed = self.full = False
        self._deeds = Deeds()
        self.vouches = Vouches()
        self._said: deque[str] = deque()
        self._words: dict[str, Words] = {}
        self._unheard: deque[str] = deque()
        self._said_chars = 0
        self._named: dict[str, bool] = {}
        self._index = Index()
        self._marks: set[int] = set()
        self._texts: deque[Text] = deque()
        self._text_chars = 0
        self._fresh: deque[Result | Act] = deque()
        self._backlog = self._unread = 0
        self._pace = Pace()

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
            self._keep(recall(listed[:-1], self._deeds.brought))
            listed = listed[-1:]
        for message in listed:
            for part in message.parts:
                author = part.label.author
                if author == "user" and part.label.trusted:
                    self._hear(part.text)
                    self._unheard.append(part.text)
                    self._backlog += len(part.text)
                elif author in {"third_party", "tool"}:
                    self.take(part.label.source, "", part.text, part.label, ())

    def _take_carried(self, carried: Carried) -> None:
        self._exposed, self.full = carried.exposed, carried.full
        for text in carried.said:
            self._hear(text)
        for lookup in carried.lookups:
            self._index.add(lookup, MOST_RECORDS, MOST_RECORD_CHARS)
        self._marks.update(unpack_marks(carried.pieces))
        if carried.done is not None:
            self._deeds.join(carried.done)
        self.vouches.add(carried.vouches, ())
        for source, texts in carried.vouched_texts.items():
            self.vouches.keep(source, texts)

    def _hear(self, text: str) -> None:
        self._named.clear()
        self._unread += len(text)
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
        if not label.trusted and not self._exposed and not says_nothing(content):
            self._exposed = True
        if label.author != "system":
            self._backlog += len(content)
            self._fresh.append(Result(tool, arguments, content, label, fields, made, failed))
            if len(self._fresh) >= MOST_FRESH and self._backlog <= AT_ONCE_CHARS:
                self._digest()  # whoever is far behind catches up in small steps

    def act(self, tool: str, arguments: str, traces: Sequence[Trace] | None) -> None:
        """A call of a tool that writes begins; ``traces`` are those of its values, None if none were looked for."""
        self._fresh.append(Act(tool, arguments, traces))

    def join(self, done: Done) -> None:
        """What a run has done that a tool began."""
        self._digest()
        self._deeds.join(done)

    def done(self) -> Done | None:
        """What its calls have done, None for nothing."""
        self._digest()
        return self._deeds.carry()

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
        return Evidence(
            self._exposed, self._read_said(), self._index, self._marks, self.full, self.vouches, self._texts,
            self._named, done=tuple(self._deeds.done), done_full=self._deeds.full, done_before=self._deeds.before,
        )  # fmt: skip

    def carry(self) -> Carried | None:
        """What the next run of the conversation begins with; None if there is nothing to tell."""
        if self._is_empty:
            return None
        self._digest()
        return self._carry()

    async def hand_on(self) -> Carried | None:
        """As `carry`; what takes long is done beside the loop."""
        if self._is_empty:
            return None
        if self.is_slow:
            await self.catch_up()
        self._digest()
        if len(self._marks) + len(self._deeds.brought) > AT_ONCE_MARKS:
            return await aside(self._carry)
        return self._carry()

    @property
    def _is_empty(self) -> bool:
        return not self._exposed and not self._fresh and not self._said

    def _carry(self) -> Carried:
        return Carried(
            exposed=self._exposed,
            said=tuple(self._said),
            lookups=tuple(self._index.lookups),
            pieces=pack_marks(self._marks),
            full=self.full,
            vouches=tuple(self.vouches.pairs),
            vouched_texts=self.vouches.carry(),
            done=self._deeds.carry(),
        )

    def _read_said(self) -> tuple[Words, ...]:
        words = tuple([self._read(text) for text in self._said])
        if len(self._words) > len(self._said):
            self._words = dict(zip(self._said, words, strict=True))
        return words

    # --- taking it in -------------------------------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """So much is new that `catch_up` should be awaited before long."""
        return self._backlog > MOST_FRESH_CHARS

    @property
    def is_slow(self) -> bool:
        """So much was not looked at that `catch_up` should be awaited before `evidence`."""
        return self._backlog + self._unread > AT_ONCE_CHARS

    @property
    def is_large(self) -> bool:
        """So much was said that to look for a value in it takes long."""
        return self._said_chars > LARGE_CHARS

    async def catch_up(self) -> None:
        """Look at all that was read and said, a little at a time: others go on in between."""
        await go_aside(self._take_in())
        for _ in self._make_ready():
            await asyncio.sleep(0)
        self._unread = 0

    def _make_ready(self) -> Iterator[None]:
        """Bring into normal form what a decision may look at."""
        for text in tuple(self._said):
            self._read(text).make_ready()
            yield from self._pace.pause(len(text))
        for one in [one for one in self._texts if not one.is_read]:
            for part in one.read():
                yield from self._pace.pause(len(part))

    def _digest(self) -> None:
        if self._unheard or self._fresh:
            go_on(self._take_in())

    def _take_in(self) -> Steps:
        """Each step is short, or gives out long work that a thread may do, and wants to be sent what that gives.

        Whoever is overtaken in between by another one has nothing left to do.
        """
        while self._unheard:
            text = self._unheard[0]
            words = self._read(text)
            yield from self._mark(words.pasted)
            if self._unheard and self._unheard[0] is text:
                self._unheard.popleft()
                if self._deeds.done and not is_short(words.asked):
                    self._deeds.ask()
                self._exposed = self._exposed or bool(words.pasted)
                self._keep([Text(name_pasted(part), part) for part in words.pasted])
        while self._fresh:
            one = self._fresh[0]
            if isinstance(one, Act):
                yield from self._take_act(one)
                continue
            read = partial(read_result, one.content, one.label, one.fields, one.arguments, self._deeds.brought)
            rows, others = yield from give_out(read, one.chars)
            yield from self._pace.pause(len(one.content))
            yield from self._mark(others)
            if self._fresh and self._fresh[0] is one:
                self._fresh.popleft()
                self._file(one, rows, others)
        self._backlog = 0

    def _take_act(self, one: Act) -> Steps:
        act = partial(read_act, one.tool, one.arguments, one.traces)
        deed, brought = yield from give_out(act, len(one.arguments))
        yield from self._pace.pause(len(one.arguments))
        said = self._read_said() if brought else ()
        for words in said:
            yield from self._pace.pause(len(words.told) if not words.has_pieces else 0)
            words.list_pieces()
        if self._fresh and self._fresh[0] is one:
            self._fresh.popleft()
            self._deeds.add(deed, brought, [words.list_pieces() for words in said])

    def _mark(self, texts: Sequence[str]) -> Iterator[None]:
        for text in texts:
            for part in slices(text, commas=True):
                self._marks.update([mark(piece) for piece in pieces(part)])
                if len(self._marks) > MOST_PIECES:
                    self._marks.clear()
                    self.full = True
                yield from self._pace.pause(len(part))

    def _file(self, result: Result, rows: Sequence[Row], others: Sequence[str]) -> None:
        tool, arguments, deeds = result.tool, result.arguments, self._deeds
        if result.failed and deeds.done and result.label.author == "third_party":
            deeds.fail(tool, arguments)
        kept = arguments if len(arguments) <= MOST_ARGUMENTS else ""
        after = tuple(dict.fromkeys([deed.tool for deed in deeds.done])) if deeds.done else ()
        self._index.add(Lookup(tool, kept, tuple(rows), result.made, after), MOST_RECORDS, MOST_RECORD_CHARS)
        if others:
            self._exposed = self._exposed or not says_nothing(result.content)
            source = name_source(tool, arguments, result.label)
            newest = others[-MOST_TEXTS:]
            self._keep([Text(source, text, arguments, deeds.brought, failed=result.failed) for text in newest])

    def _keep(self, texts: Iterable[Text]) -> None:
        for text in texts:
            self._texts.append(text)
            self.vouches.read(text)
            self._text_chars += text.chars
            self._unread += len(text.text)
        while self._text_chars > MOST_TEXT_CHARS or len(self._texts) > MOST_TEXTS:
            self._text_chars -= self._texts.popleft().chars

    def _read(self, text: str) -> Words:
        words = self._words.get(text)
        if words is None:
            words = self._words[text] = Words(text)
        return words

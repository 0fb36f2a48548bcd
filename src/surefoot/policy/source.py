"""Sources: texts by others as people call them, and those that a person has vouched for."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from surefoot.policy.decision import Trace
from surefoot.policy.lookup import Given
from surefoot.policy.matching import names, normalise, normalise_value, slices, split_moment
from surefoot.types import Label, Message, ToolCall

EARLIER: Final = "an earlier text"
"""Source of what is known to be by others, and of which text is not."""
MOST_SOURCES: Final = 100
MOST_VOUCHED: Final = 4_000
MOST_VOUCHED_CHARS: Final = 400_000
"""Texts of sources that a person has vouched for; what has no more room proves nothing."""
MOST_RECALLED_CHARS: Final = 32_000
"""Texts that earlier runs have read, whose marks are carried: a look at them takes some milliseconds."""
MOST_SHOWN_CHARS: Final = 180
MOST_PASTED_CHARS: Final = 60


class Text:
    """A text by others, and its normal form as soon as somebody needs it.

    Attributes:
        source: What people call where it stands.
        text: The text.
        failed: It is what a tool said that failed.
    """

    __slots__ = ("_arguments", "_brought", "_normal", "_own", "failed", "source", "text")

    def __init__(
        self, source: str, text: str, arguments: str = "", brought: Collection[int] = (), *, failed: bool = False
    ) -> None:
        self.source, self.text, self.failed, self._arguments = source, text, failed, arguments
        self._brought = brought
        self._normal: str | None = None
        self._own = ""

    @property
    def chars(self) -> int:
        """How much of it is kept."""
        return len(self.text) + len(self._arguments)

    def read(self) -> Iterator[str]:
        """Bring the text into normal form, a part at a time."""
        words = list[str]()
        for part in slices(self.text):
            words.append(normalise(part).strip())
            yield part
        joined = " ".join([part for part in words if part])
        self._normal = f" {joined} " if joined else ""

    @property
    def is_read(self) -> bool:
        """Whether it is in normal form."""
        return self._normal is not None

    @property
    def normal(self) -> str:
        """The text in normal form."""
        if self._normal is None:
            deque(self.read(), 0)
        return self._normal or ""

    @property
    def own(self) -> str:
        """The same without what the model has brought in, by the call or before: nobody can vouch for that."""
        if not self._own:
            self._own = Given(self._arguments, self._brought).leave_out(self.normal)
        return self._own


def name_source(tool: str, arguments: str, label: Label) -> str:
    """What people call what a call returned: ``read_file({"path": "bill.txt"})``; of long arguments, both ends.

    No two calls have one name: whoever vouches for a source vouches for that one. Where a call reads on in what another
    tool has returned, as the label says, the name of that stands behind it.
    """
    shown = arguments
    if len(arguments) > MOST_SHOWN_CHARS:
        digest = hashlib.sha256(arguments.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        shown = f"{arguments[: MOST_SHOWN_CHARS - 60]}…{arguments[-60:]}#{digest}"
    return f"{tool}({shown})" if label.source in {"", tool} else f"{tool}({shown}) of {label.source}"


def name_pasted(text: str) -> str:
    """What people call what a user has pasted; no two parts have one name, and no tool's results have such a one."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"pasted by the user ({' '.join(text[:MOST_PASTED_CHARS].split())}…#{digest})"


def find_source(texts: Sequence[Text], value: str) -> str:
    """The newest of the texts that names a normal value, by its source; "" for none."""
    parts = split_moment(value)
    return next((text.source for text in reversed(texts) if all(names(text.normal, part) for part in parts)), "")


def name_earlier(traces: Sequence[Trace], reason: str, find: Callable[[str], str]) -> tuple[tuple[Trace, ...], str]:
    """Traces, and the reason that tells of the first of them, with names for the texts that had none.

    Args:
        traces: Where the values of a call came from.
        reason: Why it was decided so.
        find: The source of a normal value, "" for none.
    """
    found = [find(normalise_value(one.value)) if one.source == EARLIER else one.source for one in traces]
    first = next((source for one, source in zip(traces, found, strict=True) if one.source == EARLIER), "")
    made = [replace(one, source=source) if source else one for one, source in zip(traces, found, strict=True)]
    return tuple(made), reason.replace(f"({EARLIER})", f"({first or EARLIER})")


def recall(history: Sequence[Message], brought: Collection[int]) -> Iterable[Text]:
    """What earlier runs of a conversation have read that others wrote, the newest, under the names that it had then.

    Args:
        history: Their messages; of a long one only the end is looked at.
        brought: Marks of the words that the model has brought in.
    """
    calls: dict[str, ToolCall] = {}
    texts: list[Text] = []
    for message in history[_find_recent(history) :]:
        calls.update([(call.id, call) for call in message.tool_calls])
        if (call := calls.get(message.tool_call_id)) is None:
            continue
        for part in message.parts:
            if not part.label.trusted:
                source = name_source(call.name, call.arguments, part.label)
                texts.append(Text(source, part.text, call.arguments, brought, failed=message.is_error))
    return texts


def _find_recent(history: Sequence[Message]) -> int:
    """Where the last calls begin whose results are no longer than is recalled."""
    chars, first = 0, len(history)
    for place in range(len(history) - 1, -1, -1):
        message = history[place]
        if message.role == "tool":
            chars += sum([len(part.text) for part in message.parts])
        if chars > MOST_RECALLED_CHARS:
            break
        if message.role == "assistant" and message.tool_calls:
            first = place
    return first


class Vouches:
    """What a person has vouched for: a source, to one tool.

    To no other tool: who lets a page say which link to open has not let it say whom to pay.

    Attributes:
        pairs: Each source with a tool that it may fill in.
        texts: What the sources say, in normal form, by source.
    """

    __slots__ = ("_chars", "pairs", "texts")

    def __init__(self) -> None:
        self.pairs: dict[tuple[str, str], None] = {}
        self.texts: dict[str, dict[str, None]] = {}
        self._chars = 0

    def add(self, pairs: Iterable[tuple[str, str]], texts: Iterable[Text]) -> None:
        """A person vouches for sources, each to a tool; ``texts`` are those that were read before."""
        fresh: set[str] = set()
        for source, tool in pairs:
            if len(self.pairs) < MOST_SOURCES:
                self.pairs[source, tool] = None
                fresh.add(source)
        for text in texts:
            if text.source in fresh:
                self._take(text)

    def read(self, text: Text) -> None:
        """A text by others is read: what a source says later counts, too."""
        if self.pairs and any(source == text.source for source, _ in self.pairs):
            self._take(text)

    def _take(self, text: Text) -> None:
        if not text.failed and len(text.text) <= MOST_VOUCHED_CHARS:
            self.keep(text.source, [text.own])

    def keep(self, source: str, texts: Iterable[str]) -> None:
        """Texts of a source, in normal form, as far as there is room."""
        kept = self.texts.setdefault(source, {})
        count = sum([len(others) for others in self.texts.values()])
        for text in texts:
            if text not in kept and count < MOST_VOUCHED and self._chars + len(text) <= MOST_VOUCHED_CHARS:
                kept[text] = None
                count += 1
                self._chars += len(text)

    def carry(self) -> Mapping[str, Sequence[str]]:
        """The texts, as the next run of the conversation takes them over."""
        return {source: tuple(texts) for source, texts in self.texts.items()}

    def find(self, value: str, tool: str) -> str:
        """The source that may fill in a tool and names a normal value; "" for none."""
        parts = split_moment(value) if self.pairs else ()
        for source, name in self.pairs:
            if name == tool and any(all(names(text, part) for part in parts) for text in self.texts.get(source, ())):
                return source
        return ""

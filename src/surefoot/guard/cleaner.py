"""What one runtime takes out of what comes in and of what goes out, as it is set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from surefoot.guard.credentials import HAS_NAME, NAMED, Credentials
from surefoot.guard.holdback import Holdback
from surefoot.guard.leak import NO_INSTRUCTIONS, find_leak, find_leak_start, read_instructions
from surefoot.guard.links import Hosts, find_links, may_hold_link, read_hosts
from surefoot.guard.personal import find_personal
from surefoot.guard.redact import Finding, Redacted, Redaction, replace
from surefoot.secret import KNOWN
from surefoot.sections import GuardSettings

LEAK: Final = "leak"
"""Kind of instructions that were repeated and left where they are."""
MOST_CLEAN: Final = 64
"""Instructions of agents that are known to hold nothing to be taken out."""
_LEAST_NAMED_CHARS: Final = 6
_LEAST_NUMBER: Final = 10**5


class Scene(Struct):
    """What is known where an answer is given.

    Attributes:
        instructions: What the agent was told, which is not to be repeated.
        words: What the user has said in this conversation.
        named: The hosts among them, None before anybody asks.
    """

    instructions: str = ""
    words: Callable[[], str] = str
    named: frozenset[str] | None = None

    def read_named(self) -> frozenset[str]:
        """The hosts that the user has named; the words are read when a link turns up, and once."""
        if self.named is None:
            self.named = read_hosts(self.words())
        return self.named


class Cleaner:
    """Takes out what must not be kept or shown. One for a runtime, shared by all its runs; holds nothing of any.

    Attributes:
        sees: Whether there may be something in a text that comes in, as one glance tells; `keep` takes it out.
    """

    __slots__ = ("_allowed", "_clean", "_clean_of", "_credentials", "_leak", "_personal", "sees")

    def __init__(self, settings: GuardSettings) -> None:
        self._credentials = Credentials(settings.canaries, formats=settings.secrets == "all")
        self._allowed = frozenset([host.lower() for host in settings.link_hosts])
        self._leak = settings.leak
        self._personal = settings.personal
        self.sees: Callable[[str], bool] = _always if self._personal else self._credentials.sees
        self._clean: dict[str, None] = {}
        self._clean_of: tuple[str, ...] = ()

    def is_known_clean(self, text: str) -> bool:
        """Whether there is nothing to take out of the instructions of an agent, which all its runs have in common."""
        if self._clean_of is not KNOWN.values:  # what was clean may hold a secret that the process has met since
            self._clean_of = KNOWN.values
            self._clean.clear()
        if text in self._clean:
            return True
        if self.keep(text).redactions:
            return False
        if len(self._clean) >= MOST_CLEAN:
            del self._clean[next(iter(self._clean))]
        self._clean[text] = None
        return True

    def sees_in_answer(self, text: str, scene: Scene) -> bool:
        """Whether there may be something in a text that a model has written; `show` takes it out, or flags it."""
        if self.sees(text) or may_hold_link(text) is not None:
            return True
        if self._leak == "off" or not scene.instructions:
            return False
        return next(find_leak(text, read_instructions(scene.instructions)), None) is not None

    def keep(self, text: str, *, formats: bool = True) -> Redacted:
        """What may be kept of a text that comes in, from a user, a tool or a model.

        Without ``formats`` only what the process knows as secret, and canaries, is taken out.
        """
        found = self._credentials.find(text, formats=formats)
        if self._personal:
            found += find_personal(text)
        return replace(text, found) if found else Redacted(text)

    def show(self, text: str, scene: Scene) -> Redacted:
        """What may be shown of a text that a model has written."""
        found = self._find(text, scene)
        made = replace(text, found) if found else Redacted(text)
        if self._leak == "flag" and scene.instructions:
            told = read_instructions(scene.instructions)
            leaks = [Redaction(one.start, one.end, LEAK) for one in replace(text, find_leak(text, told)).redactions]
            if leaks:
                return Redacted(made.text, (*made.redactions, *leaks))
        return made

    def stream(self, scene: Scene) -> Holdback:
        """What may be shown of a text while it is written."""
        told = read_instructions(scene.instructions) if self._leak == "redact" else NO_INSTRUCTIONS

        def find_start(text: str) -> int:
            start = self._credentials.find_start(text)
            return min(start, find_leak_start(text, told)) if told.least else start

        return Holdback(lambda text: self._find(text, scene), find_start, is_personal=self._personal)

    def _find(self, text: str, scene: Scene) -> list[Finding]:
        found = self._credentials.find(text)
        found += find_links(text, Hosts(self._allowed, scene.read_named))
        if self._personal:
            found += find_personal(text)
        if self._leak == "redact" and scene.instructions:
            found += find_leak(text, read_instructions(scene.instructions))
        return found


def _always(_text: str) -> bool:
    """Personal data has no sign that is rare."""
    return True


def clean_json(source: str, clean: Callable[[str], Redacted], secrets: Collection[str] = ()) -> Redacted:
    """JSON text with its values cleaned, each by itself, so that it stays JSON; other text as text.

    A value whose name says that it is a secret goes, whatever it looks like, and so does one of a field ``secrets``.
    """
    made = clean(source)
    if not made.redactions and not secrets and "\\" not in source and HAS_NAME.search(source) is None:
        return made
    redactions: list[Redaction] = []
    try:
        value = _clean_value(msgspec.json.decode(source), "", clean, secrets, redactions)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return made
    if not redactions:
        return made if any(redaction.kind != LEAK for redaction in made.redactions) else Redacted(source)
    return Redacted(msgspec.json.encode(value).decode(), tuple(redactions))


def clean_field(value: str, name: str, clean: Callable[[str], Redacted], secrets: Collection[str] = ()) -> Redacted:
    """One value of a field, as `clean_json` leaves it."""
    redactions: list[Redaction] = []
    return Redacted(_clean_value(value, name, clean, secrets, redactions), tuple(redactions))


def _clean_value(
    value: Any, name: str, clean: Callable[[str], Redacted], secrets: Collection[str], redactions: list[Redaction]
) -> Any:
    """A value of the field ``name``, and all that is in it."""
    if isinstance(value, str):
        made = clean(value)
        is_secret = name in secrets or NAMED.search(name) is not None
        if is_secret and len(value) >= _LEAST_NAMED_CHARS and not made.redactions:
            made = replace(value, [(0, len(value), "password", "[password removed]")])
        redactions += made.redactions
        return made.text
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for inner_name, inner in cast("dict[str, Any]", value).items():
            made = clean(inner_name)
            redactions += made.redactions
            inside = name if name in secrets else inner_name  # all that is in a secret is one
            fields[made.text] = _clean_value(inner, inside, clean, secrets, redactions)
        return fields
    if isinstance(value, list):
        return [_clean_value(one, name, clean, secrets, redactions) for one in cast("Sequence[Any]", value)]
    if type(value) is int and abs(value) >= _LEAST_NUMBER:
        made = _clean_value(str(value), name, clean, secrets, redactions)
        return value if made == str(value) else made
    return value

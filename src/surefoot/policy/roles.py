"""What a parameter probably decides, by its name: a proposal for the author of a tool, which nothing relies on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from surefoot.policy.declared import SinkKind

MOST_SUGGESTED: Final = 20
_WORDS: Final[dict[SinkKind, str]] = {
    "who": "to cc bcc who whom user users recipient recipients receiver email emails mail contact contacts attendee "
    "attendees participant participants member members owner invitee invitees assignee reviewer payee customer person "
    "people phone channel",
    "amount": "amount amounts price cost quantity qty sum total count balance rate percent percentage budget discount "
    "salary fee limit",
    "address": "address url uri urls link links host domain website webhook endpoint path paths file files filename "
    "folder directory iban account bucket",
    "credential": "password passwd passphrase secret token credential credentials pin otp apikey",
    "content": "content contents body text message note notes comment comments description subject title caption "
    "summary reason remark memo details",
}
_KIND_BY_WORD: Final[dict[str, SinkKind]] = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_IDS: Final = {"id", "ids", "uid", "uuid", "key", "number", "no"}
"""Who or what is meant: `message_id` is no text."""
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def suggest_sinks(parameters: Iterable[str]) -> dict[str, SinkKind]:
    """What these parameters probably decide, of the first `MOST_SUGGESTED` of them."""
    return {name: suggest_kind(name) for name in list(dict.fromkeys(parameters))[:MOST_SUGGESTED]}


def suggest_kind(parameter: str) -> SinkKind:
    """What a parameter of that name probably decides; ``what``, the safe one, if nothing in the name tells."""
    words = [word.lower() for word in _WORD.findall(parameter)]
    if "".join(words[-2:]) == "apikey":
        return "credential"
    known = [_KIND_BY_WORD[word] for word in words if word in _KIND_BY_WORD]
    return "what" if not known or (known[-1] == "content" and words[-1] in _IDS) else known[-1]

"""Whether a request can mean a tool: a word of the request is one of the tool's, whatever its ending."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from surefoot.policy.declared import ToolPolicy
from surefoot.policy.matching import normalise

_LEAST_TELLING: Final = 4
FEW_WORDS: Final = 5
"""A request of so few words ("yes, do that") also means what was asked before it."""
_ENDINGS: Final = ("ations", "ation", "ings", "ing", "ment", "ies", "ied", "ers", "es", "ed", "er", "al", "s", "e", "y")
_LITTLE: Final = frozenset(
    [
        "not",
        "all",
        "and",
        "any",
        "but",
        "for",
        "had",
        "her",
        "him",
        "his",
        "how",
        "now",
        "one",
        "our",
        "the",
        "was",
        "you",
    ]
)
"""Words that say nothing by themselves, which others would become without their endings."""
_DELEGATES: Final = re.compile(
    r" (?:do|perform|complete|follow|execute|carry out|work through) (?:\S+ ){0,4}?"
    r"(?:tasks?|todos?|to-dos?|actions?|instructions?|steps?|items?) (?!in the order)"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-\s]+")

# The first word of a tool's name, and what else people say for it.
_SAME: Final = (
    "send ask remind post mail email message write reply respond answer forward tell inform notify let share",
    "post publish message announce write send tell share",
    "create make add new set write book schedule plan open save generate",
    "add create insert invite put include append",
    "append add write insert put",
    "delete remove erase trash drop clean clear",
    "remove delete kick erase drop",
    "cancel delete remove abort revoke",
    "update change edit modify adjust correct rename set replace moved increase decrease raise",
    "set change update make turn put",
    "move reschedule postpone shift change transfer",
    "reschedule move postpone shift change",
    "book reserve order schedule",
    "reserve book order",
    "buy purchase order",
    "order buy purchase",
    "pay transfer settle refund bill send",
    "transfer pay send move refund",
    "schedule plan recurring set pay arrange",
    "invite add ask bring",
    "share send give invite",
    "upload save put store publish",
    "download save get fetch",
    "run execute start launch call",
    "fetch read get open visit look check browse",
    "get read fetch open visit look check browse",
    "refund return repay",
    "close end finish resolve complete",
    "approve accept confirm",
    "reply ask remind answer respond write send",
    "note write remember record save",
    "record note write log save",
    "save store write keep record",
    "write save create note record edit",
)


_SAYS: Final = frozenset({"send", "write", "mail", "email", "message", "tell", "text"})
_ASKS: Final = ("ask", "remind")
"""To whomever one may write, one may put a question."""


def stem(word: str) -> str:
    """A word of English without its ending; of what is left at least three letters, and no other word."""
    bare = word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            bare = word.removesuffix(ending)
            break
    if bare != word and bare in _LITTLE:
        return f"{bare}e"  # "note" is not "not"
    return bare[:-1] if len(bare) > 3 and bare[-1] == bare[-2] else bare


def list_stems(text: str) -> tuple[str, ...]:
    """The words of a text without their endings."""
    return tuple([stem(word) for part in normalise(text).split() for word in part.split("-")])


_SMALL: Final = frozenset(list_stems(
    "about after again also and anything around because been before being below between both call could doing "
    "done down during each every everything for from give have here into just know last like list make many "
    "more most much must need next note nothing once only other over please read same shall should since some "
    "something still such take tell than thank thanks that their them then there these they thing this those "
    "through today tomorrow under until very want well were what when where whether which while will with "
    "would write your please week weekend month year monday tuesday wednesday thursday friday saturday sunday morning "
    "afternoon evening tonight "
))  # fmt: skip
"""Words that are in every text."""


def is_telling_word(word: str) -> bool:
    """Whether a word without its ending tells what a text is about."""
    return len(word) >= _LEAST_TELLING and word not in _SMALL


_BY_VERB: Final = {words.split()[0]: tuple(words.split()) for words in _SAME}


def list_intents(tool: ToolPolicy) -> tuple[str, ...]:
    """Words of a request that mean a tool: those declared, or the first word of its name and others for the same."""
    if tool.intents:
        return (*tool.intents, *(_ASKS if not _SAYS.isdisjoint(tool.intents) else ()))
    verb = next(iter([word.casefold() for word in _CAMEL.split(tool.name) if word]), "")
    return _BY_VERB.get(verb, (verb,)) if verb else ()


def is_short(said: str) -> bool:
    """Whether a request, in normal form, is so short that it also means what was asked before it."""
    return len(said.split()) <= FEW_WORDS


def find_intent(tool: ToolPolicy, request: Sequence[str]) -> str:
    """The intent of a tool that the user's request, in normal form, has; "" if it has none."""
    asked = {word for text in request for word in list_stems(text)}
    for intent in list_intents(tool):
        parts = list_stems(intent)
        if parts and asked.issuperset(parts):
            return intent
    return ""


def delegates(request: Sequence[str]) -> bool:
    """Whether a request leaves to a list what is to be done: "do the tasks in ...", "follow the instructions"."""
    return any(_DELEGATES.search(text) for text in request)

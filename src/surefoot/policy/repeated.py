"""Whether a call would do once more what the user asked for once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from surefoot.policy.decision import Proposed, Trace
from surefoot.policy.declared import ToolPolicy
from surefoot.policy.deeds import Deed, compact, list_values, read_arguments, shorten
from surefoot.policy.evidence import Evidence
from surefoot.policy.matching import names, normalise_value

Signed = frozenset[tuple[str, str]]
"""Values of a call, each with its parameter."""

_AGAIN: Final = re.compile(r" (?:again|once more|one more|another|repeat|the same|lần nữa|thêm một|再) ")


def is_repeated(call: Proposed, traces: Iterable[Trace], known: Evidence) -> bool:
    """Whether what the user asked for was done already, so that this would do it once more.

    Where a tool moves amounts, to the same receiver goes each amount once, and a second one only if the user named it.
    What was done for an earlier request is done again if the request of now says so or names all that it decides.

    Args:
        call: The call.
        traces: Where its values came from.
        known: What was done, and asked for.
    """
    tool = call.tool
    if not tool.writes or tool.idempotent:
        return False
    given = call.arguments if call.kept is None else call.kept
    done = [deed for deed in known.done if deed.tool == tool.name]
    if known.done_full or not all(deed.arguments for deed in done) or (done and not compact(given)):
        return True
    before = [deed for deed in known.done_before if deed.tool == tool.name]
    if not done and not before:
        return False
    what, amounts = _sign(tool, given)
    unnamed = any(one.kind == "amount" and one.origin != "user" for one in traces)
    if any(_is_same(tool, deed, what, amounts, unnamed=unnamed) for deed in done):
        return True
    again = any(_is_same(tool, deed, what, amounts, unnamed=unnamed) for deed in before)
    return again and not _is_asked_for(tool, given, [words.asked for words in known.list_request()])


def _asks_again(text: str) -> bool:
    return _AGAIN.search(text) is not None and " thank" not in text


def _is_same(tool: ToolPolicy, deed: Deed, what: Signed, amounts: Signed, *, unnamed: bool) -> bool:
    was, much = _sign(tool, read_arguments(deed.arguments))
    return was == what and (unnamed or much == amounts)


def _is_asked_for(tool: ToolPolicy, given: dict[str, Any], request: Sequence[str]) -> bool:
    """Whether a request names all values of a call that decide anything, or says that it is to be done again."""
    if any(_asks_again(text) for text in request):
        return True
    values = [
        leaf
        for name, value in given.items()
        if tool.sinks.get(name) != "content"
        for leaf in list_values(value)
        if leaf is not None and not isinstance(leaf, bool)
    ]
    return all(any(names(text, normalise_value(value)) for text in request) for value in values)


def has_acted(tool: ToolPolicy, done: Iterable[Deed]) -> bool:
    """Whether a tool has done anything since the user last asked for something."""
    return any(deed.tool == tool.name for deed in done)


def _sign(tool: ToolPolicy, given: dict[str, Any]) -> tuple[Signed, Signed]:
    """What a call does, and how much: two that have the same are the same, however they spell it."""
    amounts = "amount" in tool.sinks.values()
    what, much = set[tuple[str, str]](), set[tuple[str, str]]()
    for name, value in given.items():
        kind = tool.sinks.get(name)
        if kind == "amount":
            much.update([(name, _sign_leaf(leaf)) for leaf in list_values(value)])
        elif not (amounts and kind == "content"):
            what.update([(name, _sign_leaf(leaf)) for leaf in list_values(value)])
    return frozenset(what), frozenset(much)


def _sign_leaf(leaf: Any) -> str:
    return normalise_value(shorten(leaf)) or repr(leaf)

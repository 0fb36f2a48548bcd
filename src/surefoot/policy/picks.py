"""Which values of systems of record a call may have.

Those that the user's words lead to, or of which he wants all; and one that nothing leads to, where all else in its
call is what the user wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from msgspec.structs import replace

from surefoot.policy.carried import find_carried
from surefoot.policy.decision import Proposed, Trace
from surefoot.policy.declared import ToolPolicy
from surefoot.policy.described import is_telling, list_parts
from surefoot.policy.every import asks_for_all, wants_several
from surefoot.policy.evidence import Evidence
from surefoot.policy.lookup import Leaf, Lookup, Row, is_number
from surefoot.policy.matching import names, normalise, normalise_value, split_moment
from surefoot.policy.repeated import has_acted
from surefoot.policy.selection import (
    NO_ARGUMENTS,
    is_contradicted,
    is_entitled,
    is_extreme,
    is_led_to,
    is_passed_over,
    is_settled,
)
from surefoot.policy.speech import says
from surefoot.policy.sums import is_worked_out, names_money

_OPEN: Final = frozenset(
    {
        "who",
        "whoever",
        "whom",
        "whose",
        "someone",
        "somebody",
        "anyone",
        "anybody",
        "person",
        "user",
        "sender",
        "author",
        "where",
    }
)
"""Words for a receiver whom the user does not name."""
_SUPERLATIVE: Final = ("iest", "gest", "test", "most")
LEAST_WORDS: Final = 4
"""Words that a text of the user's must have to be one that he means to be sent."""


def is_picked(found: tuple[Lookup, Row, Leaf], tool: ToolPolicy, kind: str, place: str, known: Evidence) -> bool:
    """Whether the user's words lead to a value of a system of record.

    Args:
        found: The value, in its row of its look-up.
        tool: The tool that is to be called with it.
        kind: What it decides there.
        place: Where it stands in the arguments.
        known: What is known of the conversation.
    """
    lookup, row, leaf = found
    if tool.name in lookup.after and lookup.arguments in NO_ARGUMENTS:
        return False  # of what is left then, the next one is the first, or the largest
    if any(
        known.user_denies(value) for one in row.leaves if is_telling(one) for value in (one.value, *list_parts(one))
    ):
        return False
    if tool.destructive:  # what cannot be undone must be as good as named
        return is_settled(lookup, known) and tool.name not in lookup.after and is_extreme(lookup, row, known)
    if lookup.made and kind == "what" and len(lookup.rows) == 1 and not leaf.many:
        return True
    if kind in {"who", "address"} and _is_by_number(row, known):
        return asks_for_all(found, tool, kind, place, known)
    if is_led_to(found, known) and (kind in {"content", "amount"} or not is_contradicted(leaf.value, known)):
        return True
    return asks_for_all(found, tool, kind, place, known) or (kind == "what" and is_entitled(found, known))


def walk(place: str, value: Any, fields: frozenset[str], *, empty: bool = False) -> Iterator[tuple[str, Any]]:
    """The values in an argument with their places, names of fields left out; what is empty only where it may decide."""
    todo: list[tuple[str, Any]] = [(place, value)]
    while todo:
        here, item = todo.pop()
        if empty and item in ("", [], {}):  # "delete what begins with nothing" is all
            yield here, item
        elif isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            todo += [(f"{here}.{key}", inner) for key, inner in table.items()]
            todo += [(f"{here} (a key)", key) for key in table if key not in fields]
        elif isinstance(item, list):
            items: list[Any] = item  # pyright: ignore[reportUnknownVariableType] - of JSON
            todo += [(f"{here}[{number}]", inner) for number, inner in enumerate(items)]
        elif item != "":
            yield here, item


def settle_picks(traces: list[Trace], known: Evidence, call: Proposed) -> tuple[Trace, ...]:
    """What a record has that nothing leads to may stand where all else in the call is what the user wants.

    An amount may then come from any record, or be a simple sum. One thing to act on may be taken from a list if all
    else that decides anything is the user's own words; and one thing or one receiver, if all that it gets are: once,
    until the user asks for something else.
    """
    doubtful = [one for one in traces if not one.proven]
    if not doubtful or call.tool.destructive:
        return tuple(traces)
    own = [one for one in traces if one.proven]
    picks = [one for one in doubtful if one.origin != "worked out"]
    if not picks or all(one.kind == "amount" and _is_unnamed_record(one, known) for one in picks):
        ok = (
            not any(_is_of_another(one, own, known) for one in picks)
            and (not picks or not names_money(known))
            and any(one.kind not in {"amount", "content"} for one in own)
        )
    elif (
        len(picks) > 1
        or has_acted(call.tool, known.done)
        or not _is_unnamed_record(picks[0], known)
        or any(one.origin != "user" for one in own)
        or wants_several(call.tool, known)
        or is_passed_over(normalise_value(picks[0].value), known)
    ):
        ok = False
    else:
        thing = picks[0].kind == "what"
        ok = (thing and any(one.kind != "content" for one in own)) or (
            (thing or picks[0].kind == "who")
            and _is_all_of_user(call, known, thing=thing, found=_is_found_for_user(picks[0], known))
        )
    return tuple([replace(one, proven=True) if ok and not one.proven else one for one in traces])


def _is_unnamed_record(one: Trace, known: Evidence) -> bool:
    return (
        one.origin == "record"
        and not known.others_name(one.value)
        and not (one.kind == "amount" and is_contradicted(normalise_value(one.value), known))
    )


def _is_of_another(amount: Trace, own: Iterable[Trace], known: Evidence) -> bool:
    """Whether a list has both, whom or what a call is about and an amount, and nowhere for the same thing."""
    rows = [(id(lookup), id(row)) for lookup, row, _ in known.index.find(normalise_value(amount.value))]
    about = [
        (id(lookup), id(row))
        for one in own
        if one.kind in {"who", "what", "address"}
        for lookup, row, _ in known.index.find(normalise_value(one.value))
    ]
    return set(rows).isdisjoint(about) and any(lookup == other for lookup, _ in rows for other, _ in about)


def _is_found_for_user(one: Trace, known: Evidence) -> bool:
    """Whether it is among what was found with the user's words, or in a list of all."""
    return any(is_settled(lookup, known) for lookup, _, _ in known.index.find(normalise_value(one.value)))


def _is_by_number(row: Row, known: Evidence) -> bool:
    """Whether the user has named nothing of a row but numbers, and with them somebody else: "pay al@x.org 20"."""
    named = [one.value for one in row.leaves if is_telling(one) and known.user_names(one.value)]
    if not named or not all(map(is_number, named)) or not _has_address(known):
        return False
    clauses = [clause for words in known.list_request() for clause in words.list_clauses() if find_carried(clause)]
    return any(names(clause, value) for clause in clauses for value in named)


def _has_address(known: Evidence) -> bool:
    return known.once(
        ("address",), lambda: any(find_carried(text) for words in known.list_request() for text in words.written)
    )


def _names_receiver(known: Evidence) -> bool:
    """Whether the request says itself who gets it: then it leaves that to nobody."""
    return _has_address(known) or not any(
        word in _OPEN or word.endswith(_SUPERLATIVE) for text in known.request for word in text.split()
    )


def _is_all_of_user(call: Proposed, known: Evidence, *, thing: bool, found: bool) -> bool:
    """Whether all that a call says is the user's, and at least one text says something, or gives a moment.

    A text is his if it stands in his words as it is; if it goes to what they have ``found``, also as it is reported.
    A thing must be found, and of what it gets a moment is his if it was worked out, too.
    """
    if not found if thing else _names_receiver(known):
        return False
    leaves = [
        leaf for name, value in call.arguments.items() if call.tool.sinks.get(name) == "content"
        for _, leaf in walk(name, value, call.tool.fields) if leaf is not None
    ]  # fmt: skip
    told = False
    for leaf in leaves:
        text, value = normalise(str(leaf)), normalise_value(leaf)
        if thing and len(split_moment(value)) > 1:
            own = known.user_names(value)
            told = told or own
            own = own or is_worked_out(value, "what", "", known)
        else:
            own = any(names(one, text) for one in known.told) or (found and says(known.told, text))
            told = told or len(text.split()) >= LEAST_WORDS
        if not own:
            return False
    return told

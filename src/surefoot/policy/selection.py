"""Whether the user's words pick a value among what was found in a system of record.

That a value stands in a system of record does not mean that the user wanted it: whoever has hijacked the model may let
it take the oldest mail or the dearest hotel without naming either. So the user's words must lead to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from surefoot.policy.declared import ToolPolicy
from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import list_intents, list_stems, stem
from surefoot.policy.lookup import Leaf, Lookup, Row, is_id, is_number
from surefoot.policy.matching import normalise_value

MOST_STEPS: Final = 3
"""How long a chain of look-ups may be, each by what the one before has found."""
NO_ARGUMENTS: Final = frozenset({"{}", "null"})
_LEAST_CHARS: Final = 3
_PLAIN: Final = frozenset({" true ", " false ", " none ", " null ", " yes ", " no "})
_DATED: Final = re.compile(r" \d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)? ")
_WORDS: Final = re.compile(r"[a-z]+|[A-Z][a-z]*")

# A superlative, whether it means the greatest, and of numbers or of dates.
_EXTREMES: Final = {
    **dict.fromkeys(["largest", "biggest", "highest", "most", "maximum", "greatest", "longest"], (True, False)),
    **dict.fromkeys(["smallest", "lowest", "least", "cheapest", "minimum", "shortest", "fewest"], (False, False)),
    **dict.fromkeys(["latest", "newest", "recent"], (True, True)),
    **dict.fromkeys(["oldest", "earliest"], (False, True)),
}  # fmt: skip
_SAVE: Final = frozenset({"except", "but", "not", "never", "keep", "without", "don't", "isn't"})
"""Words that may turn a superlative round."""
_EXCEPTS: Final = re.compile(
    r" (?:except|excepting|excluding|without|besides|save for|(?:other|rather) than|(?:apart|aside) from"
    r"|(?:all|\S*one|\S*body|every \S+|each \S+|all \S+|all the \S+) but) "
)
"""Not all of them."""
_EVERYBODY: Final = frozenset({"everyone", "everybody"})
_ALL: Final = frozenset({"all", "every", "each", "both"}) | _EVERYBODY
_NARROWING: Final = frozenset(
    {"of", "in", "on", "at", "who", "whose", "that", "which", "from", "with", "mentioned", "for", "named"}
)
"""Words after "all the ..." that say which: then it must have been looked up by the user's own words."""
_PEOPLE: Final = frozenset([
    stem(word)
    for word in ("user", "person", "people", "member", "participant", "recipient", "sender", "contact", "colleague")
])  # fmt: skip


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
    if known.denies and any(known.user_denies(one.value) for one in row.leaves if _is_telling(one)):
        return False
    if tool.destructive:  # what cannot be undone must be as good as named
        return is_settled(lookup, known) and tool.name not in lookup.after and _is_extreme(lookup, row, known)
    if lookup.made and kind == "what" and len(lookup.rows) == 1 and not leaf.many:
        return True
    return _is_led_to(found, known, MOST_STEPS) or _asks_for_all(found, tool, place, known)


def _is_led_to(found: tuple[Lookup, Row, Leaf], known: Evidence, steps: int) -> bool:
    """Whether the words lead to a row, and so to what stands in it."""
    lookup, row, leaf = found
    if _is_described(lookup, row, known):
        return True
    if lookup.arguments in NO_ARGUMENTS:
        alone = len(lookup.rows) == 1 and not leaf.many and not known.others_name(leaf.value)
        return alone or _is_extreme(lookup, row, known)
    if not is_settled(lookup, known, steps):
        return False
    return len(lookup.rows) == 1 or _is_only_titled(lookup, row, known) or _is_extreme(lookup, row, known)


def is_settled(lookup: Lookup, known: Evidence, steps: int = MOST_STEPS) -> bool:
    """Whether nothing in how it was looked up was the model's choice: each argument is the user's, or led to by him."""
    return known.once(("settled", id(lookup), steps), lambda: _settle(lookup, known, steps))


def _settle(lookup: Lookup, known: Evidence, steps: int) -> bool:
    if lookup.arguments in NO_ARGUMENTS:
        return True
    given = lookup.list_arguments()
    return bool(given) and all(_is_given(normalise_value(value), known, steps) for value in given)


def _is_given(value: str, known: Evidence, steps: int) -> bool:
    if not value:
        return False
    if known.user_names(value):
        return True
    return steps > 1 and any(
        leaf.value == value and _is_led_to((lookup, row, leaf), known, steps - 1)
        for lookup, row, leaf in known.index.find(value)
    )


def _is_only_titled(lookup: Lookup, row: Row, known: Evidence) -> bool:
    return row.titled and known.once(("titled", id(lookup)), lambda: sum([one.titled for one in lookup.rows])) == 1


# --- the only row that holds what the user has named ------------------------------------------------------------------


_NAMES: Final = frozenset(
    [
        "",
        "name",
        "title",
        "subject",
        "file",
        "filename",
        "path",
        "slug",
        "url",
        "link",
        "key",
        "email",
        "mail",
        "username",
    ]
)
"""Fields that say which thing it is, and not what belongs to it."""


def is_name(path: str) -> bool:
    """Whether a field says which thing a row is about: "all my notes" are no authors of notes."""
    last = path.rpartition(".")[2].rstrip("[]{}").casefold()
    return is_id(path) or last in _NAMES or last.endswith(("_name", "_title"))


def _is_described(lookup: Lookup, row: Row, known: Evidence) -> bool:
    return row is known.once(("described", id(lookup)), lambda: _find_described(lookup, known))


def _find_described(lookup: Lookup, known: Evidence) -> Row | None:
    scores = [_count_named(one, lookup, known) for one in lookup.rows]
    best = max(scores, default=0)
    rows = [one for one, score in zip(lookup.rows, scores, strict=True) if score == best]
    if best == 0 or len(rows) > 1:
        return None
    # Of what the model has chosen to look up, one word that it has in common with the user's describes nothing
    chosen = best == 1 and not is_settled(lookup, known, 1)
    return None if chosen and not any(_is_named(leaf, known) for leaf in rows[0].leaves) else rows[0]


def _is_named(leaf: Leaf, known: Evidence) -> bool:
    return is_name(leaf.path) and _is_telling(leaf) and known.user_names(leaf.value)


def _count_named(row: Row, lookup: Lookup, known: Evidence) -> int:
    named = {leaf.value for leaf in row.leaves if _is_telling(leaf) and known.user_names(leaf.value)}
    short = {value for value in named if is_number(value) and len(value.strip()) <= _LEAST_CHARS}
    return len(named) - sum([not _is_sole(value, lookup) for value in short])


def _is_telling(leaf: Leaf) -> bool:
    if leaf.value in _PLAIN:
        return False
    if is_number(leaf.value):
        return not is_id(leaf.path)
    return len(leaf.value.strip()) >= _LEAST_CHARS


def _is_sole(value: str, lookup: Lookup) -> bool:
    """Whether one row alone holds a short number: such a one is easily named by chance."""
    return sum([any(leaf.value == value for leaf in row.leaves) for row in lookup.rows]) == 1


# --- the largest, the oldest ------------------------------------------------------------------------------------------


def _is_extreme(lookup: Lookup, row: Row, known: Evidence) -> bool:
    return id(row) in known.once(("extreme", id(lookup)), lambda: _list_extremes(lookup, known))


def _list_extremes(lookup: Lookup, known: Evidence) -> set[int]:
    request = known.list_request()
    words = {word for one in request for word in one.asked.split()}
    if {word for one in request for word in one.told.split()} & _SAVE or len(lookup.rows) < 2:
        return set()
    wanted = {_EXTREMES[word] for word in words if word in _EXTREMES}
    if "recent" in words:
        wanted.discard((True, False))
    return {id(row) for greatest, dated in wanted for row in _list_ends(lookup, greatest, dated)}


def _list_ends(lookup: Lookup, greatest: bool, dated: bool) -> list[Row]:  # noqa: FBT001 - as a superlative has them
    """The rows at that end, by each field that every row has once."""
    columns: dict[str, list[tuple[str, Row]]] = {}
    for row in lookup.rows:
        for leaf in row.leaves:
            if not leaf.many and not is_id(leaf.path):
                columns.setdefault(leaf.path, []).append((leaf.value, row))
    fits, end = _DATED.fullmatch if dated else is_number, max if greatest else min
    found: list[Row] = []
    for column in columns.values():
        values = [value for value, _ in column]
        if len(values) == len(lookup.rows) and all(fits(value) for value in values):
            last = end(values) if dated else end(values, key=lambda value: Decimal(value.strip()))
            ends = [row for value, row in column if value == last]
            found += ends if len(ends) == 1 else ()
    return found


# --- all of them ------------------------------------------------------------------------------------------------------


def _asks_for_all(found: tuple[Lookup, Row, Leaf], tool: ToolPolicy, place: str, known: Evidence) -> bool:
    """Whether the user wants the tool called for each thing of this kind: ``mail every member of the team``."""
    lookup, _, leaf = found
    key = ("all", id(lookup), leaf.path, tool.name, tuple(_nouns(place)))
    return known.once(key, lambda: _wants_all(lookup, leaf, tool, place, known))


def _wants_all(lookup: Lookup, leaf: Leaf, tool: ToolPolicy, place: str, known: Evidence) -> bool:
    kinds = {*_nouns(place), *_nouns(leaf.path), *(_nouns(lookup.tool)[1:] if is_name(leaf.path) else ())}
    kinds |= _PEOPLE if kinds & _PEOPLE else frozenset()
    verbs = {word for intent in list_intents(tool) for word in list_stems(intent)}
    for one in known.list_request():
        words = one.asked.split()
        if _EXCEPTS.search(one.told) is not None:  # nobody can tell whom he means
            continue
        for at, word in enumerate(words):
            if word not in _ALL:
                continue
            end = at + 1 if word in _EVERYBODY else next(
                (place for place in range(at + 1, min(at + 5, len(words))) if stem(words[place]) in kinds), 0
            )  # fmt: skip
            near = {stem(near) for near in (*words[max(0, at - 5) : at], *words[end : end + 3])}
            if not end or (word in _EVERYBODY and not kinds & _PEOPLE) or not verbs & near:
                continue
            narrowed = bool(_NARROWING.intersection(words[end : end + 2]))
            if not narrowed or is_settled(lookup, known):
                return True
    return False


def _nouns(name: str) -> Sequence[str]:
    return [stem(word.casefold()) for word in _WORDS.findall(name) if len(word) >= _LEAST_CHARS]


def is_mentioned(lookup: Lookup, leaf: Leaf, known: Evidence) -> bool:
    """Whether the user has asked for this field: ``send him my IBAN``."""
    nouns = set(_nouns(leaf.path.rpartition(".")[2]) or _nouns(lookup.tool)[1:])
    said = {stem(word) for one in known.list_request() for word in one.asked.split()}
    return bool(nouns) and nouns <= said

"""Whether the user's words pick a value among what was found in a system of record.

That a value stands in a system of record does not mean that the user wanted it: whoever has hijacked the model may let
it take the oldest mail or the dearest hotel without naming either. So the user's words must lead to it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from surefoot.policy.described import find_called, find_described, nouns
from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import list_stems, stem
from surefoot.policy.lookup import Leaf, Lookup, Row, is_id, is_number
from surefoot.policy.matching import normalise_value

MOST_STEPS: Final = 3
"""How long a chain of look-ups may be, each by what the one before has found."""
NO_ARGUMENTS: Final = frozenset({"{}", "null"})
_LEAST_CHARS: Final = 3
_DATED: Final = re.compile(r" \d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)? ")

# A superlative, whether it means the greatest, and of numbers or of dates.
_EXTREMES: Final = {
    **dict.fromkeys(["largest", "biggest", "highest", "most", "maximum", "greatest", "longest"], (True, False)),
    **dict.fromkeys(["smallest", "lowest", "least", "cheapest", "minimum", "shortest", "fewest"], (False, False)),
    **dict.fromkeys(["latest", "newest", "recent"], (True, True)),
    **dict.fromkeys(["oldest", "earliest"], (False, True)),
}  # fmt: skip
_FIELDS: Final = {
    stem(word): [stem(other) for other in words.split()]
    for words in ("url uri link href", "phone telephone mobile number", "email mail address")
    for word in words.split()
    if word not in {"number", "address"}
}
"""Names of a field, and what people call it."""
_SAVE: Final = frozenset({"except", "but", "not", "never", "keep", "without", "don't", "isn't"})
"""Words that may turn a superlative round."""


def is_led_to(found: tuple[Lookup, Row, Leaf], known: Evidence, steps: int = MOST_STEPS) -> bool:
    """Whether the words lead to a row, and so to what stands in it."""
    lookup, row, leaf = found
    if row is _find_meant(lookup, known) and (
        find_described(lookup, known, chosen=not is_settled(lookup, known, 1)) is not None
        or not known.others_name(leaf.value)
    ):
        return True
    if lookup.arguments in NO_ARGUMENTS:
        alone = len(lookup.rows) == 1 and not leaf.many and not known.others_name(leaf.value)
        return alone or is_extreme(lookup, row, known)
    if not is_settled(lookup, known, steps):
        return False
    return len(lookup.rows) == 1 or _is_only_titled(lookup, row, known) or is_extreme(lookup, row, known)


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
        leaf.value == value and is_led_to((lookup, row, leaf), known, steps - 1)
        for lookup, row, leaf in known.index.find(value)
    )


def is_entitled(found: tuple[Lookup, Row, Leaf], known: Evidence) -> bool:
    """Whether it is the id of a thing whose title, which others may have written, the user has said, and no other's."""
    lookup, row, leaf = found
    if not is_id(leaf.path) or not is_settled(lookup, known, 1) or is_contradicted(leaf.value, known):
        return False
    named = known.once(("entitled", id(lookup)), lambda: _list_entitled(lookup, known))
    return named == [id(row)]


def _list_entitled(lookup: Lookup, known: Evidence) -> list[int]:
    common = frozenset(nouns(lookup.tool))
    return [
        id(row)
        for row in lookup.rows
        if any(known.user_names(text) and not common.issuperset(_list_long_stems(text)) for text in row.titles)
    ]


def _list_long_stems(title: str) -> list[str]:
    """What a title says, short words apart: "the pull request" says nothing where pull requests are listed."""
    return [word for word in list_stems(title) if len(word) > _LEAST_CHARS]


def _is_only_titled(lookup: Lookup, row: Row, known: Evidence) -> bool:
    return row.titled and known.once(("titled", id(lookup)), lambda: sum([one.titled for one in lookup.rows])) == 1


# --- the largest, the oldest ------------------------------------------------------------------------------------------


def is_extreme(lookup: Lookup, row: Row, known: Evidence) -> bool:
    """Whether it is the row at the end of a list that the user has named: the largest, the oldest."""
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


def is_mentioned(lookup: Lookup, leaf: Leaf, known: Evidence) -> bool:
    """Whether the user has asked for this field: ``send him my IBAN``."""
    wanted = set(nouns(leaf.path.rpartition(".")[2]) or nouns(lookup.tool)[1:])
    said = {stem(word) for one in known.list_request() for word in one.asked.split()}
    return bool(wanted) and all(not said.isdisjoint(_FIELDS.get(noun, (noun,))) for noun in wanted)


def is_contradicted(value: str, known: Evidence) -> bool:
    """Whether a look-up has a value in it, and the user's words describe a thing there to which it does not belong."""
    rows = {id(row): lookup for lookup, row, _ in known.index.find(value)}
    lookups = {id(lookup): lookup for lookup in rows.values()}
    described = [_find_meant(lookup, known) for lookup in lookups.values()]
    return any(row is not None and id(row) not in rows for row in described)


def is_passed_over(value: str, known: Evidence) -> bool:
    """Whether the user's words describe another thing of which the same is known: then he does not mean this one."""
    if is_contradicted(value, known) or _is_other_called(value, known):
        return True
    fields = {_name_field(leaf) for _, _, leaf in known.index.find(value)}
    described = [_find_meant(lookup, known) for lookup in known.index.lookups]
    return any(row is not None and any(_name_field(leaf) in fields for leaf in row.leaves) for row in described)


def _is_other_called(value: str, known: Evidence) -> bool:
    """Whether the user's words have the title of another thing of the same list: it can only make it stricter."""
    found = known.index.find(value)
    rows = {id(row) for _, row, _ in found}
    others = [row for lookup in {id(one[0]): one[0] for one in found}.values() for row in lookup.rows]
    return any(known.user_names(text) for row in others if id(row) not in rows for text in row.titles)


def _find_meant(lookup: Lookup, known: Evidence) -> Row | None:
    """The row that the user's words describe, or call by a part of a name."""
    chosen = not is_settled(lookup, known, 1)
    row = find_described(lookup, known, chosen=chosen)
    return find_called(lookup, known) if row is None and not chosen else row


def _name_field(leaf: Leaf) -> str:
    return leaf.path.rpartition(".")[2].rstrip("[]{}").casefold()

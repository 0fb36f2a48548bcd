"""Whether the user's words pick a value among what was found in a system of record.

That a value stands in a system of record does not mean that the user wanted it: whoever has hijacked the model may let
it take the oldest mail or the dearest hotel without naming either. So the user's words must lead to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from surefoot.policy.described import find_called, find_described, nouns
from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import is_telling_word, list_stems, stem
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
_FIELD_OF: Final = {
    stem(field): frozenset(words.split())
    for field, words in {
        "size": "largest biggest smallest", "price": "cheapest", "created": "newest oldest",
        "duration": "longest shortest",
    }.items()
}  # fmt: skip
"""Fields that some superlatives mean where there are others."""
_FIELDS: Final = {
    stem(word): [stem(other) for other in words.split()]
    for words in ("url uri link href", "phone telephone mobile number", "email mail")
    for word in words.split()
    if word != "number"
}
"""Names of a field, and what people call it."""
_MOST: Final = frozenset({"most", "least"})
"""They say which only after "the"."""
_CUTS: Final = frozenset({"and", "then", "but", "or", "in", "on", "of", "from", "with", "to", "for", "by"})
"""Words with which something else begins than what a superlative says which of."""
_DONE: Final = frozenset({"mail", "email", "phone", "text"})
"""Names of fields that are verbs as well."""
_WHOSE: Final = frozenset(
    [stem(word) for word in ("my", "your", "his", "her", "its", "our", "their", "the", "an", "a")]
)
_LEAST_SHARED: Final = 2
"""Telling words of a title in a request, with which it may be meant."""
_ARTICLES: Final = frozenset({"the", "for", "and", "this", "that", "with", "from"})
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
    titles = [[_list_telling(text, common) for text in row.titles] for row in lookup.rows]
    found = list[int]()
    for at, row in enumerate(lookup.rows):
        named = [words for text, words in zip(row.titles, titles[at], strict=True) if words and known.user_names(text)]
        if not named:
            continue
        others = [words for number, listed in enumerate(titles) if number != at for words in listed]
        if found or all(any(words <= other for other in others) for words in named):
            return []  # of two nobody can tell which he means, and of many it takes long
        found.append(id(row))
    return found


def _list_telling(title: str, common: frozenset[str]) -> frozenset[str]:
    """What a title says: "the pull request" says nothing where pull requests are listed, nor does "this week"."""
    words = frozenset([word for word in list_stems(title) if len(word) >= _LEAST_CHARS]) - _ARTICLES
    return words if len(words) > 1 and any(is_telling_word(word) for word in words - common) else frozenset()


def _is_only_titled(lookup: Lookup, row: Row, known: Evidence) -> bool:
    return row.titled and known.once(("titled", id(lookup)), lambda: sum([one.titled for one in lookup.rows])) == 1


# --- the largest, the oldest ------------------------------------------------------------------------------------------


def is_extreme(lookup: Lookup, row: Row, known: Evidence) -> bool:
    """Whether it is the row at the end of a list that the user has named: the largest, the oldest."""
    return id(row) in known.once(("extreme", id(lookup)), lambda: _list_extremes(lookup, known))


def _list_extremes(lookup: Lookup, known: Evidence) -> set[int]:
    request = known.list_request()
    words = {word for one in request for word in one.asked.split()}
    if (
        words.isdisjoint(_EXTREMES)
        or {word for one in request for word in one.told.split()} & _SAVE
        or len(lookup.rows) < 2
    ):
        return set()
    stems = {stem(word) for word in words}
    fields = {noun for row in lookup.rows[:1] for leaf in row.leaves for noun in nouns(leaf.path.rpartition(".")[2])}
    said = frozenset([
        noun for noun in fields if noun in stems or not words.isdisjoint(_FIELD_OF.get(noun, ()))
    ])  # fmt: skip
    wanted = {
        _EXTREMES[word]
        for one in request
        for clause in one.list_clauses()
        for word in _list_superlatives(clause.split(), frozenset([*nouns(lookup.tool), *fields]))
    }
    return {id(row) for greatest, dated in wanted for row in _list_ends(lookup, greatest, dated, said)}


def _list_superlatives(words: Sequence[str], things: frozenset[str]) -> Iterator[str]:
    """Those that say which of such things: "the latest mail" is no file, and "most of it" nothing at all."""
    for at, word in enumerate(words):
        after = words[at + 1 : at + 5]
        if word in _EXTREMES and not (word in _MOST and (after[:1] == ["recent"] or words[at - 1 : at] != ["the"])):
            end = next((place for place, one in enumerate(after) if one in _CUTS), len(after))
            if after[:1] == ["one"] or not things.isdisjoint([stem(one) for one in after[:end]]):
                yield word


def _list_ends(
    lookup: Lookup,
    greatest: bool,  # noqa: FBT001 - as a superlative has them
    dated: bool,  # noqa: FBT001
    said: frozenset[str],
) -> list[Row]:
    """The row at that end, by the fields that every row has once, of these by those ``said``, if all agree."""
    columns: dict[str, list[tuple[str, Row]]] = {}
    for row in lookup.rows:
        for leaf in row.leaves:
            if not leaf.many and not is_id(leaf.path):
                columns.setdefault(leaf.path, []).append((leaf.value, row))
    fits, end = _DATED.fullmatch if dated else is_number, max if greatest else min
    found: dict[str, Row | None] = {}
    for path, column in columns.items():
        values = [value for value, _ in column]
        if len(values) == len(lookup.rows) and all(fits(value) for value in values):
            last = end(values) if dated else end(values, key=lambda value: Decimal(value.strip()))
            ends = [row for value, row in column if value == last]
            found[path] = ends[0] if len(ends) == 1 else None
    meant = [row for path, row in found.items() if not said.isdisjoint(nouns(path.rpartition(".")[2]))]
    agreed = {id(row): row for row in meant or found.values()}
    return [row for row in agreed.values() if row is not None] if len(agreed) == 1 else []


def is_mentioned(lookup: Lookup, leaf: Leaf, known: Evidence) -> bool:
    """Whether the user has asked for this field: ``send him my IBAN``."""
    wanted = set(nouns(leaf.path.rpartition(".")[2]) or nouns(lookup.tool)[1:])
    said = [stem(word) for one in known.list_request() for word in one.asked.split()]
    return bool(wanted) and all(_asks_for(_FIELDS.get(noun, (noun,)), said) for noun in wanted)


def _asks_for(names: Sequence[str], said: Sequence[str]) -> bool:
    """Whether one of the names of a field is in a request, and not as what is to be done only: "mail him"."""
    places = [at for at, word in enumerate(said) if word in names]
    return any(said[at] not in _DONE or said[max(0, at - 1)] in _WHOSE for at in places) or len(places) > 1


def is_contradicted(value: str, known: Evidence) -> bool:
    """Whether a look-up has a value in it, and the user's words describe a thing there to which it does not belong."""
    rows = {id(row): lookup for lookup, row, _ in known.index.find(value)}
    lookups = {id(lookup): lookup for lookup in rows.values()}
    described = [_find_meant(lookup, known) for lookup in lookups.values()]
    return any(row is not None and id(row) not in rows for row in described)


def is_other_row(found: tuple[Lookup, Row, Leaf], known: Evidence) -> bool:
    """Whether the user's words describe a thing of that look-up, and this belongs to another one."""
    row = _find_meant(found[0], known)
    return row is not None and row is not found[1]


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
    mine = max([_count_shared(row, known) for _, row, _ in found], default=0)
    return any(
        _count_shared(row, known) >= max(mine, _LEAST_SHARED) or any(known.user_names(text) for text in row.titles)
        for row in others
        if id(row) not in rows
    )


def _count_shared(row: Row, known: Evidence) -> int:
    """How many telling words of its title, if others may have written that, the request has."""
    said = known.once(("stems",), lambda: {word for text in known.request for word in list_stems(text)})
    shared = [said.intersection(list_stems(text)) - _ARTICLES for text in row.titles]
    return max(
        [
            len([word for word in words if len(word) >= _LEAST_CHARS])
            for words in shared
            if any(map(is_telling_word, words))
        ],
        default=0,
    )


def _find_meant(lookup: Lookup, known: Evidence) -> Row | None:
    """The row that the user's words describe, or call by a part of a name."""
    chosen = not is_settled(lookup, known, 1)
    row = find_described(lookup, known, chosen=chosen)
    if row is not None or chosen:
        return row
    row, ends = find_called(lookup, known), known.once(("extreme", id(lookup)), lambda: _list_extremes(lookup, known))
    return row if not ends or id(row) in ends else None


def _name_field(leaf: Leaf) -> str:
    return leaf.path.rpartition(".")[2].rstrip("[]{}").casefold()

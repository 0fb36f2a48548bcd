"""What a look-up has found in a system of record, row by row; and what is known of each word of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from surefoot.policy.leaves import find_values, is_object, read_json
from surefoot.policy.marks import mark
from surefoot.policy.matching import join_account, list_forms, names, normalise, normalise_value, pieces, split_moment
from surefoot.types import Label

MOST_RECORDS: Final = 4_000
"""Values that are remembered; more are as good as unknown."""
MOST_VALUE_CHARS: Final = 100
"""A field that holds more is a text and no value: others may have written it, whatever is declared."""
MOST_TITLES: Final = 4
"""Titles of one row that are kept."""
_TITLES: Final = ("title", "name", "subject", "filename", "file_name", "topic")
MOST_SCANNED: Final = 500
"""Places that one word may stand at to be looked through; a value all of whose words stand at more is unknown."""
_GAP: Final = "\0"
_NUMBERS: Final = frozenset("0123456789.+-eE")


class Leaf(Struct, frozen=True, gc=False, array_like=True):
    """A value of a system of record.

    Attributes:
        path: Where it stands in the result: ``[].id``.
        value: The value in normal form.
        many: It is one of several at its place in its row.
        code: Digits that were written as a text: a number for a name.
    """

    path: str
    value: str
    many: bool = False
    code: bool = False


class Row(Struct, frozen=True, array_like=True):
    """What was found of one thing.

    Attributes:
        leaves: Its system-of-record values.
        titled: A text in it is, whole, what was looked for.
        titles: What it is called, in normal form, if others may have written that.
    """

    leaves: tuple[Leaf, ...]
    titled: bool = False
    titles: tuple[str, ...] = ()


class Lookup(Struct, frozen=True, array_like=True):
    """What one call has found.

    Attributes:
        tool: Name of the tool.
        arguments: Those of the call, as JSON; "" if they are too long to be kept.
        rows: What it has found, a row for each thing.
        made: The tool writes: what it tells of, the call has made.
        after: Tools that had acted before it, since the user last asked for something.
    """

    tool: str
    arguments: str
    rows: tuple[Row, ...]
    made: bool = False
    after: tuple[str, ...] = ()

    def list_arguments(self) -> list[Any]:
        """The values of the call's arguments, options (true, false and nothing) left out; of what is no JSON, none."""
        return [
            leaf for leaf in list_leaves(read_json(self.arguments)) if leaf is not None and not isinstance(leaf, bool)
        ]


Place = tuple[int, int, int]
"""Which look-up, which of its rows, which of its leaves."""


def list_leaves(value: Any, *, keys: bool = False) -> list[Any]:
    """The values in a value of JSON, names of fields left out or not."""
    found, todo = list[Any](), [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            todo += table.values()
            found += table if keys else ()
        elif isinstance(item, list):
            todo += item
        else:
            found.append(item)
    return found


# --- reading a result -------------------------------------------------------------------------------------------------


def read_result(
    content: str, label: Label, fields: tuple[str, ...], arguments: str, brought: Collection[int] = ()
) -> tuple[list[Row], list[str]]:
    """The rows of a result, and its texts by others.

    Of a result that was cut, and so is no JSON any more, nothing is a record; nor is what the call itself, or the model
    before it (``brought``, by marks), has brought in. Of more values than can be remembered there is no row at all.
    """
    given = Given(arguments, brought)
    if not fields and not label.trusted:
        return [], [content]
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return (_read_lines(content, given), []) if label.trusted else ([], [content])
    if not isinstance(value, (dict, list)):
        return (_read_lines(content, given), []) if label.trusted or "" in fields else ([], [content])
    wanted = frozenset([normalise(text) for text in _read_texts(arguments, keys=False) if text])
    rows, others, room = list[Row](), list[str](), MOST_RECORDS
    for part in _split(cast("Any", value), label.trusted):
        records, texts = find_values(part, ("",) if label.trusted else fields, most=max(room, 0))
        room -= len(records)
        row = _read_row(part, records if room >= 0 else (), texts, given, wanted)
        others += texts
        if row.leaves:
            rows.append(row)
    return rows if room >= 0 else [], others


def says_nothing(content: str) -> bool:
    """Whether a result is a number, true, false or nothing: nobody can write an instruction into that."""
    return len(content) <= 40 and (_NUMBERS.issuperset(content) or content in {"true", "false", "null"})


def _read_lines(content: str, given: Given) -> list[Row]:
    """Of a text that only a system of record writes each line is a row."""
    rows = list[Row]()
    for line in content.split("\n"):
        value = given.leave_out(normalise(line))
        if value:
            rows.append(Row((Leaf("", value, "," in line or ";" in line),)))
            if len(rows) > MOST_RECORDS:
                return []
    return rows


def _split(value: Any, trusted: bool) -> list[Any]:  # noqa: FBT001 - one caller
    """The things in a result, each inside what it came in, so that the paths in it are those declared."""
    if isinstance(value, list):
        listed: list[Any] = value  # pyright: ignore[reportUnknownVariableType] - of JSON
        return [[item] for item in listed]
    table = cast("dict[str, Any]", value)
    if trusted and not is_object(table):
        return [{key: inner} for key, inner in table.items()]
    parts, rest = list[Any](), dict[str, Any]()
    for key, inner in table.items():
        items: list[Any] = inner if isinstance(inner, list) else []  # pyright: ignore[reportUnknownVariableType] - of JSON
        if any(isinstance(item, dict) for item in items):
            parts += [{key: [item]} for item in items]
        else:
            rest[key] = inner
    return [*([rest] if rest else []), *parts] if parts else [table]


def _read_row(
    part: Any, records: Iterable[tuple[str, Any]], texts: list[str], given: Given, wanted: frozenset[str]
) -> Row:
    """The row of a thing; what is too long to be a value of it joins its ``texts``."""
    places, leaves = list[str](), list[tuple[str, str, bool]]()
    for path, value in records:
        if isinstance(value, str) and len(value) > MOST_VALUE_CHARS:
            texts.append(value)
            continue
        normal = given.leave_out(normalise_value(value))
        if normal:
            places.append(path)
            leaves.append((path, normal, isinstance(value, str) and value.strip().isdigit()))
    titled = bool(wanted) and any(len(text) <= MOST_VALUE_CHARS and normalise(text) in wanted for text in texts)
    counts: dict[str, int] = {}
    for path in places:
        counts[path] = counts.get(path, 0) + 1
    return Row(
        tuple([Leaf(path, value, counts[path] > 1, code) for path, value, code in leaves]),
        titled,
        _list_titles(part) if texts else (),
    )


def _list_titles(part: Any) -> tuple[str, ...]:
    """The titles in a thing, of two words and more: one word alone calls nothing."""
    found, todo = list[str](), [part]
    while todo and len(found) < MOST_TITLES:
        item = todo.pop()
        todo += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        if isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            titles = [table[key] for key in _TITLES if isinstance(table.get(key), str)]
            found += [normalise(text) for text in titles if len(text) <= MOST_VALUE_CHARS]
    return tuple([text for text in found if " " in text.strip()])


def list_given(arguments: str) -> set[str]:
    """The pieces that a call has brought in, whatever its JSON spells by escapes."""
    return pieces(" ".join([arguments, *_read_texts(arguments, keys=True)])) if "\\" in arguments else pieces(arguments)


def _read_texts(arguments: str, *, keys: bool) -> list[str]:
    """The texts in the arguments of a call."""
    return [leaf for leaf in list_leaves(read_json(arguments), keys=keys) if isinstance(leaf, str)]


class Given:
    """What the model has brought in: by the call itself, and by what it wrote before.

    Args:
        arguments: Of the call, as JSON.
        brought: Marks of what it wrote before.
    """

    __slots__ = ("_brought", "_given")

    def __init__(self, arguments: str, brought: Collection[int] = ()) -> None:
        self._given = list_given(arguments)
        self._brought = brought

    def leave_out(self, text: str) -> str:
        """A normal text with a gap for each word that the model has brought in: an echo proves nothing."""
        if not self._given and not self._brought:
            return text
        words = [_GAP if self._has_word(word) else word for word in text.split()]
        return "" if set(words) <= {_GAP} else f" {' '.join(words)} "

    def _has_word(self, word: str) -> bool:
        if word.isascii() and word.isalpha():  # nearly all: it is its only piece
            return word in self._given or (bool(self._brought) and mark(word) in self._brought)
        return self._has(pieces(word))

    def _has(self, found: set[str]) -> bool:
        given, brought = self._given, self._brought
        return bool(found) and (
            found <= given or (bool(brought) and all(one in given or mark(one) in brought for one in found))
        )


# --- finding a value --------------------------------------------------------------------------------------------------


class Index:
    """At which places the words of all look-ups stand: what is asked for is found without reading them again."""

    __slots__ = ("_places", "lookups", "size", "total_chars")

    def __init__(self) -> None:
        self.lookups: list[Lookup] = []
        self._places: dict[str, list[Place]] = {}
        self.size = self.total_chars = 0

    def add(self, lookup: Lookup, most: int, most_chars: int) -> None:
        """A look-up joins, if there is room for all of it: of a part nobody could tell what is missing."""
        values = [leaf.value for row in lookup.rows for leaf in row.leaves]
        titles = [text for row in lookup.rows for text in row.titles]
        chars = sum([len(value) for value in (*values, *titles)]) + len(lookup.arguments)
        if not values or self.size + len(values) > most or self.total_chars + chars > most_chars:
            return
        number = len(self.lookups)
        self.lookups.append(lookup)
        self.size += len(values)
        self.total_chars += chars
        for row_number, row in enumerate(lookup.rows):
            for leaf_number, leaf in enumerate(row.leaves):
                place = (number, row_number, leaf_number)
                for word in {*leaf.value.split(), join_account(leaf.value)}:
                    if word and word != _GAP:
                        self._places.setdefault(word, []).append(place)

    def find(self, value: str) -> list[tuple[Lookup, Row, Leaf]]:
        """Where a normal value stands; of a date with a time both must stand in one row."""
        parts = split_moment(value)
        found = self._find(parts[0])
        if len(parts) > 1:
            found = [one for one in found if any(names(leaf.value, parts[1]) for leaf in one[1].leaves)]
        return found

    def _find(self, value: str) -> list[tuple[Lookup, Row, Leaf]]:
        places = dict[Place, None]()
        for form in list_forms(value):
            lists: list[list[Place]] = [self._places.get(word, []) for word in form.split()]
            shortest = min(lists, key=len) if lists else []
            if len(shortest) <= MOST_SCANNED:
                places.update(dict.fromkeys(shortest))
        rows = [(self.lookups[at[0]], self.lookups[at[0]].rows[at[1]], at[2]) for at in places]
        return [(up, row, row.leaves[at]) for up, row, at in rows if names(row.leaves[at].value, value)]

    def numbers(self, most: int) -> Iterable[tuple[Lookup, Row, Leaf]]:
        """The newest values that are numbers and no ids."""
        for lookup in reversed(self.lookups):
            for row in lookup.rows:
                for leaf in row.leaves:
                    if most <= 0:
                        return
                    if is_number(leaf.value) and not leaf.code and not is_id(leaf.path):
                        most -= 1
                        yield lookup, row, leaf


def is_number(value: str) -> bool:
    """Whether a normal value is a number."""
    bare = value.strip()
    return bare.lstrip("-").replace(".", "", 1).isascii() and bare.lstrip("-").replace(".", "", 1).isdigit()


def is_id(path: str) -> bool:
    """Whether a field is a number for a name, of which there is no more or less."""
    name = path.rpartition(".")[2].rstrip("_[]{}").casefold()
    return name in {"id", "uid", "uuid", "number", "no", "code", "zip"} or name.endswith(("_id", "_no", "_number"))

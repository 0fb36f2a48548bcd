"""What a server says of one of its tools, and what of it may reach a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from surefoot.guard.detect import Detection, combine, detect
from surefoot.types import JsonSchema

MAX_DEFINITION_BYTES: Final = 32 << 10
"""Name, description and schema of one tool as JSON: all of it is in every prompt."""
MAX_NAME_CHARS: Final = 128
"""As the specification of 2025-11-25 has it."""
MAX_TOOLS: Final = 256
"""Of one server."""
_MAX_DEPTH: Final = 32
_LEAST_WORDS: Final = 18
"""Of a definition, with those that every schema has, from which on its wording tells anything."""
_REFERENCE: Final = "#/$defs/"
_OLD_REFERENCE: Final = "#/definitions/"
_ESCAPED: Final = frozenset("/%~")
"""In a reference these mean something else than in a name."""
_PLACES: Final = ("$id", "$schema")
"""Would give the references inside another meaning."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Definition(Struct, frozen=True):
    """What a server says of one tool: all that a model would read.

    Attributes:
        name: As the server has it.
        description: For the model.
        schema: JSON Schema of the arguments, an object.
    """

    name: str
    description: str
    schema: JsonSchema

    @property
    def sha256(self) -> str:
        """Of name, description and schema; the order of the members of an object is none."""
        return hashlib.sha256(_encode([self.name, self.description, self.schema])).hexdigest()

    def scan(self) -> Detection:
        """What the detector sees in all of its words: a parameter's description reaches the model, too.

        What tools return may not ask for deeds, and a description does so by its nature; what users write may not ask
        for the text above, which a tool may well give back. So the wording is that of an attack if it is to both; of a
        few words it says nothing, but for the phrases in them.
        """
        text = "\n".join([self.name, self.description, *_words(self.schema)])
        found = min(detect(text, "user"), detect(text, "tool"), key=lambda found: found.risk)
        return found if len(text.split()) >= _LEAST_WORDS else replace(found, risk=combine(found.threats))


def read_definition(name: str, description: str, schema: Any) -> Definition | str:
    """The definition as models are told it, or why it cannot be used.

    Args:
        name: Of the tool.
        description: As the server gives it.
        schema: As the server gives it: any JSON.
    """
    if len(name) > MAX_NAME_CHARS or not name.isprintable() or not name.strip():
        return f"its name is empty, has more than {MAX_NAME_CHARS} characters, or one that cannot be seen"
    if not isinstance(schema, dict):
        return "its schema is no object"
    members = cast("JsonSchema", schema)
    if _depth_exceeds(members, _MAX_DEPTH):
        return f"its schema is nested more than {_MAX_DEPTH} deep"
    try:
        size = len(_encode([name, description, members]))
    except (OverflowError, UnicodeEncodeError) as error:  # of 10**400, or half a surrogate pair
        return f"its definition cannot be written as JSON: {error}"
    if size > MAX_DEFINITION_BYTES:
        return f"its definition has {size:,} bytes, more than {MAX_DEFINITION_BYTES:,}"
    return _read_members(name, description, msgspec.json.decode(_encode(members)))  # what is no number becomes null


def _read_members(name: str, description: str, members: JsonSchema) -> Definition | str:
    plain = cast("JsonSchema", _tidy({key: value for key, value in members.items() if key != "definitions"}))
    old = members.get("definitions", {})  # the word for $defs until 2019
    if not isinstance(old, dict) or not isinstance(plain.get("$defs", {}), dict):
        return "its schema is wrong: `$defs` is no object"
    if old:
        plain["$defs"] = {**_tidy(old), **plain.get("$defs", {})}
    if plain.setdefault("type", "object") != "object" or not isinstance(plain.setdefault("properties", {}), dict):
        return "its arguments are no object"
    if not isinstance(plain.setdefault("required", []), list):
        return "its schema is wrong: `required` is no list"
    defined = plain.get("$defs", {})
    for reference in _references(plain):
        target = reference.removeprefix(_REFERENCE) if isinstance(reference, str) else None
        if target is None or target not in defined or not _ESCAPED.isdisjoint(target):
            return f"its schema refers to {str(reference)[:80]!r}, which is not one of its own $defs"
    return Definition(name, description, plain)


def _tidy(part: Any) -> Any:
    """References as `read_definition` leaves them, and nothing that moves them elsewhere."""
    if isinstance(part, dict):
        members = cast("JsonSchema", part)
        return {
            key: _point(value) if key == "$ref" else _tidy(value)
            for key, value in members.items()
            if key not in _PLACES or not isinstance(value, str)  # else it is a parameter of that name
        }
    return [_tidy(item) for _, item in _children(part)] if isinstance(part, list) else part


def _point(reference: Any) -> Any:
    if isinstance(reference, str) and reference.startswith(_OLD_REFERENCE):
        return _REFERENCE + reference.removeprefix(_OLD_REFERENCE)
    return reference


def _depth_exceeds(part: Any, most: int) -> bool:
    """Without recursion: JSON of a server may be nested deeper than Python's stack."""
    level: list[Any] = [part]
    for _ in range(most):
        level = [inner for item in level for _, inner in _children(item)]
    return bool(level)


def _children(part: Any) -> list[tuple[str, Any]]:
    """What stands directly in a value of JSON, with its key; "" in a list."""
    if isinstance(part, dict):
        return list(cast("JsonSchema", part).items())
    items: list[Any] = part if isinstance(part, list) else []  # pyright: ignore[reportUnknownVariableType] - of JSON
    return [("", item) for item in items]


def _walk(part: Any) -> Iterator[tuple[str, Any]]:
    """All that stands in a value of JSON, at any depth, with its key."""
    for key, value in _children(part):
        yield key, value
        yield from _walk(value)


def _references(schema: JsonSchema) -> Iterator[Any]:
    """Targets of all references, also in what is data and no schema: nobody writes such a key there."""
    return (value for key, value in _walk(schema) if key in {"$ref", "$dynamicRef", "$recursiveRef"})


def _words(schema: JsonSchema) -> Iterator[str]:
    """All texts of a schema, names of parameters too."""
    for key, value in _walk(schema):
        yield key
        if isinstance(value, str):
            yield value

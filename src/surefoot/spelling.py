"""What somebody may have meant who wrote a setting that there is not, or a value that it cannot have."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from msgspec import inspect


def suggest(kind: type, steps: Sequence[str | int], field: str) -> str:
    """The field that was meant, by its spelling; "" if none is like it.

    Args:
        kind: Type of the whole table.
        steps: Keys and places that lead to where the field stands.
        field: What was written.
    """
    found = _find_kind(kind, steps)
    names = [field.encode_name for field in found.fields] if isinstance(found, inspect.StructType) else []
    meant = get_close_matches(field, names, 1)
    return f"; did you mean {meant[0]}?" if meant else ""


def say_choice(kind: type, steps: Sequence[str | int]) -> str:
    """What else may stand at a place, if that is a few words: of a value, or of the keys of a table."""
    found = _find_kind(kind, steps)
    if isinstance(found, inspect.DictType):
        found = found.key_type
    values = [repr(value) for value in found.values] if isinstance(found, inspect.LiteralType) else []
    return f"; it may be {', '.join(values)}" if values else ""


def _find_kind(kind: type, steps: Sequence[str | int]) -> Any:
    """The type of what stands at a place, as `msgspec.inspect` tells it."""
    found: Any = inspect.type_info(kind)
    for step in steps:
        if isinstance(found, inspect.StructType):
            found = next((field.type for field in found.fields if field.encode_name == step), inspect.AnyType())
        elif isinstance(found, inspect.DictType):
            found = found.value_type
        elif isinstance(found, (inspect.ListType, inspect.VarTupleType)):
            found = found.item_type
    return found

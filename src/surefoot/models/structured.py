"""Which JSON Schemas Anthropic's structured outputs take; the API answers 400 to others.

After https://platform.claude.com/docs/en/build-with-claude/structured-outputs ("JSON Schema limitations"): objects are
closed, references stay inside the schema and do not recurse, and numbers, strings and arrays have no bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

_NOTES: Final = frozenset(
    {"type", "const", "title", "description", "default", "required", "additionalProperties", "$defs", "definitions"}
)  # definitions count where they are referred to
_VALUES: Final[dict[str, frozenset[str | int]]] = {
    "minItems": frozenset({0, 1}),
    "format": frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}),
}


def takes_schema(root: Mapping[str, Any]) -> bool:
    """Whether a request may ask for replies of this schema."""
    return _fits(root, root, ())


def _fits(schema: Any, root: Mapping[str, Any], inside: tuple[str, ...]) -> bool:
    """Whether a part of ``root`` is allowed; ``inside`` are the references that led to it."""
    if not isinstance(schema, Mapping):
        return False
    fields = cast("Mapping[str, Any]", schema)
    if fields.get("type") == "object" and fields.get("additionalProperties") is not False:
        return False
    return all(_fits_field(name, value, root, inside) for name, value in fields.items())


def _fits_field(name: str, value: Any, root: Mapping[str, Any], inside: tuple[str, ...]) -> bool:
    if name == "$ref":
        return value not in inside and _fits(_resolve(value, root), root, (*inside, value))
    if name == "properties":
        return all(_fits(one, root, inside) for one in value.values())
    if name in {"anyOf", "allOf"}:
        return all(_fits(one, root, inside) for one in value)
    if name == "items":
        return _fits(value, root, inside)
    if name == "enum":
        return not any(isinstance(one, Mapping | list) for one in value)
    if name in _VALUES:
        return value in _VALUES[name]
    return name in _NOTES


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    """What ``#/$defs/Name`` stands for, None for a reference of another kind."""
    start, *steps = reference.split("/")
    found: Any = root if start == "#" else None
    for step in steps:
        found = cast("Mapping[str, Any]", found).get(step) if isinstance(found, Mapping) else None
    return found

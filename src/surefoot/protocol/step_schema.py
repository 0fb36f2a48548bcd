"""The JSON Schema of one step: a branch for each tool and one for the answer.

What engines for constrained decoding understand of JSON Schema differs, and what they do not understand they refuse or,
worse, misread. So only the part that all of them read alike is sent; the toolbox checks the rest.
"""

from __future__ import annotations

from typing import Any, Final, cast

from surefoot.types import JsonSchema, ToolSpec

THOUGHT_CHARS: Final = 120
"""A thought is cut off here: a small model that may ramble does."""

_REPEATS_MAX: Final = 200  # of one rule; llama.cpp refuses a grammar with thousands
_FORMATS: Final = frozenset({"date", "time", "date-time", "uuid"})
_KEPT: Final = frozenset({"type", "enum", "const", "required"})
_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_COUNTS: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_LISTS: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "prefixItems": "prefixItems"}
_ONES: Final = frozenset({"items", "additionalProperties"})


def build_schema(tools: tuple[ToolSpec, ...], answer: JsonSchema | None, *, final: str, brief: bool) -> JsonSchema:
    """The schema of a step.

    Args:
        tools: Tools that may be called.
        answer: Schema of the answer, or None if the step must not be final.
        final: The word that stands for the answer in ``action``.
        brief: Leave the thought out.
    """
    defs: dict[str, Any] = {}
    branches = [
        _branch(tool.name, "args", _carry(tool.parameters, f"{tool.name}.", defs), brief=brief) for tool in tools
    ]
    if answer is not None:
        branches.append(_branch(final, "answer", _carry(answer, f"{final}.", defs), brief=brief))
    schema = branches[0] if len(branches) == 1 else {"anyOf": branches}
    return {**schema, "$defs": defs} if defs else schema


def _branch(action: str, key: str, value: JsonSchema, *, brief: bool) -> JsonSchema:
    properties: JsonSchema = {} if brief else {"thought": {"type": "string", "maxLength": THOUGHT_CHARS}}
    properties |= {"action": {"const": action}, key: value}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _carry(schema: JsonSchema, prefix: str, defs: dict[str, Any]) -> JsonSchema:
    """``schema`` reduced; what it defines goes to ``defs``, which all tools share, under names that cannot clash."""
    for name, definition in schema.get("$defs", {}).items():
        defs[prefix + name] = _reduce(definition, prefix)
    return _reduce(schema, prefix)


def _reduce(schema: Any, prefix: str) -> JsonSchema:
    if not isinstance(schema, dict):  # `true`: anything goes
        return {}
    members = cast("JsonSchema", schema)
    reference = members.get("$ref")
    if isinstance(reference, str):
        return {"$ref": f"#/$defs/{prefix}{reference.removeprefix('#/$defs/')}"}
    parts = members.get("allOf")
    if isinstance(parts, list) and len(cast("list[JsonSchema]", parts)) == 1:  # how some write a described reference
        return _reduce(parts[0], prefix)
    reduced: JsonSchema = {}
    for key, value in members.items():
        if _is_plain(key, value, members.get("type")):
            reduced[key] = value
        elif key == "properties":
            reduced[key] = {name: _reduce(member, prefix) for name, member in value.items()}
        elif key in _LISTS:
            reduced[_LISTS[key]] = [_reduce(choice, prefix) for choice in value]
        elif key in _ONES and isinstance(value, dict):
            reduced[key] = _reduce(value, prefix)
    return reduced


def _is_plain(key: str, value: Any, kind: Any) -> bool:
    """Whether the member can be sent as it is."""
    if key in _COUNTS:
        return bool(value <= _REPEATS_MAX)
    if key in _BOUNDS:
        return bool(kind == "integer")  # those of other numbers are passed over silently
    if key == "format":
        return isinstance(value, str) and value in _FORMATS
    return key in _KEPT or (key == "additionalProperties" and value is False)

"""Tools and answers described in plain text, for models that are told of them in the prompt."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from surefoot.types import JsonSchema, ToolSpec

_DEPTH: Final = 3  # below it a nested object is just "object": more than that no model fills in from one line


def describe_tools(tools: tuple[ToolSpec, ...]) -> str:
    """One entry a tool: ``- name(argument: type, optional?: type = default): description``, then its arguments' own."""
    return "\n".join([_describe_tool(tool) for tool in tools])


def describe_answer(schema: JsonSchema) -> str:
    """What the model must know to write an answer that matches ``schema``."""
    return f"one JSON value, and nothing else, that matches this JSON Schema:\n{msgspec.json.encode(schema).decode()}"


def _describe_tool(tool: ToolSpec) -> str:
    schema = tool.parameters
    members = _describe_members(schema, schema.get("$defs", {}), _DEPTH)
    lines = [f"- {tool.name}({members}): {_indent(tool.description, 2)}"]
    for name, member in _properties(schema):
        if "description" in member:
            lines.append(f"    {name}: {_indent(member['description'], 6)}")
    return "\n".join(lines)


def _indent(text: str, columns: int) -> str:
    return f"\n{' ' * columns}".join([line.strip() for line in text.splitlines() if line.strip()])


def _properties(schema: JsonSchema) -> list[tuple[str, JsonSchema]]:
    return [(name, _open(member)) for name, member in schema.get("properties", {}).items()]


def _open(schema: Any) -> JsonSchema:
    """A schema may also be ``true``: anything goes."""
    return cast("JsonSchema", schema) if isinstance(schema, dict) else {}


def _describe_members(schema: JsonSchema, defs: JsonSchema, depth: int) -> str:
    required = schema.get("required", ())
    members: list[str] = []
    for name, member in _properties(schema):
        default = f" = {_encode(member['default'])}" if member.get("default") is not None else ""
        members.append(f"{name}{'' if name in required else '?'}: {_describe_type(member, defs, depth)}{default}")
    return ", ".join(members)


def _describe_type(schema: JsonSchema, defs: JsonSchema, depth: int) -> str:
    """A JSON Schema as a type, in the notation of TypeScript, which models know best."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _describe_type(_open(defs.get(name)), defs, depth - 1) if depth else name
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values:
        return " | ".join([_encode(value) for value in values])
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return " | ".join([_describe_type(_open(choice), defs, depth) for choice in choices])
    return _describe_kind(schema.get("type", "any"), schema, defs, depth)


def _describe_kind(kind: Any, schema: JsonSchema, defs: JsonSchema, depth: int) -> str:
    if kind == "object":
        return _describe_object(schema, defs, depth)
    if kind == "array":
        item = _describe_type(_open(schema.get("items")), defs, depth)
        return f"({item})[]" if " | " in item else f"{item}[]"
    if not isinstance(kind, str):
        return " | ".join(kind)
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _describe_object(schema: JsonSchema, defs: JsonSchema, depth: int) -> str:
    if depth and schema.get("properties"):
        return f"{{{_describe_members(schema, defs, depth - 1)}}}"
    values = schema.get("additionalProperties")
    if depth and isinstance(values, dict):
        return f"{{[key]: {_describe_type(_open(values), defs, depth - 1)}}}"
    return "object"


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()

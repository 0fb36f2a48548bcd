"""What a model is told of arguments that do not fit: what is wrong, where, and what is allowed there."""

from __future__ import annotations

import re
from typing import Final, cast

import msgspec

from surefoot.arguments.walk import REFUSED
from surefoot.types import JsonSchema

_PATH: Final = re.compile(r" - at `(?:key in )?\$((?:\.[\w-]+|\[[\d.]+\])+)")
_STEP: Final = re.compile(r"\.[\w-]+|\[[\d.]+\]")
_QUOTED: Final = re.compile(r"`([^`]{64})[^`]+`")
_LONGEST_EXPECTATION: Final = 500


def explain_misfit(error: Exception, parameters: JsonSchema) -> str:
    """What was wrong, where, and what is allowed, for the model."""
    problem = str(error)
    if not problem.startswith(REFUSED):  # what quotes little, and where a text between two quoted ones is no quote
        problem = _QUOTED.sub(r"`\1...`", problem)
    if isinstance(error, UnicodeError):
        return "The arguments are not valid Unicode text."
    if isinstance(error, RecursionError):
        return "The arguments are nested too deeply."
    if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
        return f"The arguments are not valid JSON: {problem}. {_expect(parameters, '')}"
    if not isinstance(error, msgspec.ValidationError):
        problem = f"{type(error).__name__}: {problem}"
    path = _PATH.search(problem)
    return f"Wrong arguments: {problem[:1000]}. {_expect(parameters, path[1] if path else '')}"


def _expect(parameters: JsonSchema, path: str) -> str:
    """What is allowed at a path, or, where the schema does not lead so far, at the place above it."""
    schema, shared, place = parameters, parameters.get("$defs", {}), ""
    for step in _STEP.findall(path):
        inner = _enter(schema, step)
        if inner is None:
            break
        schema, place = _follow(inner, shared), place + step
    if place:
        return _shorten(f"Expected for `{place[1:]}`: {msgspec.json.encode(schema).decode()}")
    properties = parameters["properties"]
    if not properties:
        return "Expected: {}, for it takes no arguments."
    required = parameters["required"]
    shown = [f"`{name}`{'' if name in required else ' (optional)'}" for name in properties]
    return _shorten(f"Expected: a JSON object with {', '.join(shown)}, and nothing else.")


def _enter(schema: JsonSchema, step: str) -> JsonSchema | None:
    """The schema of what is in a value of ``schema``; None where it says nothing of it."""
    for part in (schema, *schema.get("anyOf", ())):
        if step[0] == ".":
            inner = part.get("properties", {}).get(step[1:])
        elif step == "[...]":
            inner = part.get("additionalProperties")
        else:
            inner = [*part.get("prefixItems", ()), part.get("items")][: int(step[1:-1]) + 1][-1]
        if isinstance(inner, dict):
            return cast("JsonSchema", inner)
    return None


def _follow(schema: JsonSchema, shared: JsonSchema) -> JsonSchema:
    """The schema with what it refers to at its top, in the choices of a union, and of what a list or a dict holds."""
    followed: JsonSchema = shared.get(schema.get("$ref", "").rpartition("/")[2], {}) | schema
    followed.pop("$ref", None)
    if "anyOf" in followed:
        followed["anyOf"] = [_follow(choice, shared) for choice in followed["anyOf"]]
    for key in ("items", "additionalProperties"):
        if isinstance(followed.get(key), dict):
            followed[key] = _follow(followed[key], shared)
    return followed


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_EXPECTATION else f"{text[:_LONGEST_EXPECTATION]}..."

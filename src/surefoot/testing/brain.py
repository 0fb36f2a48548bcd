"""A small mind for models that are not there: calls the first tool a few times, then answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from surefoot.errors import ConfigError
from surefoot.testing.script import Answer
from surefoot.types import JsonSchema, Message, ToolCall, ToolSpec

CANARY: Final = r"canary-[0-9A-Za-z]+"
"""What an echoing brain looks for."""

_DEPTH: Final = 32
_ENDLESS: Final = "no value fits this schema: it requires itself without end"
_FORMATS: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class Brain:
    """Answers from the prompt alone, so one may serve any number of conversations at once.

    It calls the first tool that it is offered, with arguments that fit the tool's schema, until ``calls`` results have
    come since the user's last message; then it says ``answer``. Asked for JSON of a schema, it answers with that.

    Args:
        calls: Tool results to collect before the answer.
        parallel: Tool calls in one reply.
        answer: The last answer.
        echo: Puts every canary of the whole prompt into the answer and into the text arguments of its tool calls: a
            canary that belongs to another user shows that a prompt was mixed up.
        canary: Regular expression of a canary.
    """

    def __init__(
        self, *, calls: int = 1, parallel: int = 1, answer: str = "Done.", echo: bool = False, canary: str = CANARY
    ) -> None:
        assert calls >= 0, "calls is a number of tool results"
        assert parallel >= 1, "a reply with calls has at least one"
        self._calls = calls
        self._parallel = parallel
        self._answer = answer
        self._canary = re.compile(canary) if echo else None

    def think(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], response_schema: JsonSchema | None = None
    ) -> Answer:
        """The reply to a prompt.

        Raises:
            ConfigError: A schema that nothing fits, for example one that contains itself without end.
        """
        echo = self._find_canaries(messages)
        missing = self._calls - count_results(messages)
        if tools and missing > 0:
            arguments = sample_json(tools[0].parameters, echo or "text")
            return Answer(calls=(ToolCall("", tools[0].name, arguments),) * min(self._parallel, missing))
        if response_schema is not None:
            return Answer(text=sample_json(response_schema, echo or "text"))
        return Answer(text=f"{self._answer} {echo}" if echo else self._answer)

    def _find_canaries(self, messages: Sequence[Message]) -> str:
        if self._canary is None:
            return ""
        found: dict[str, None] = {}
        for message in messages:
            for part in message.parts:
                found.update(dict.fromkeys(self._canary.findall(part.text)))
            for one in message.tool_calls:
                found.update(dict.fromkeys(self._canary.findall(one.arguments)))
        return " ".join(found)


def count_results(messages: Sequence[Message]) -> int:
    """Tool results since the user's last message."""
    count = 0
    for message in reversed(messages):
        if message.role == "tool":
            count += 1
        elif is_question(message):
            break
    return count


def is_question(message: Message) -> bool:
    """Whether the user wrote it, rather than Surefoot or a tool in the user's role."""
    return message.role == "user" and (not message.parts or message.parts[-1].label.author == "user")


def sample_json(schema: JsonSchema, text: str) -> str:
    """JSON text of a small value that fits ``schema``; its free strings say ``text``.

    Raises:
        ConfigError: The schema contains itself without end, or refers to a definition that is not there.
    """
    return msgspec.json.encode(_sample(schema, schema, text, 0)).decode()


def _sample(schema: Any, root: JsonSchema, text: str, depth: int) -> Any:
    if depth > _DEPTH:
        raise ConfigError(_ENDLESS)
    if not isinstance(schema, dict):
        return text
    rules = _merge(cast("JsonSchema", schema), root)
    if "const" in rules:
        return rules["const"]
    for key in ("enum", "examples"):
        if rules.get(key):
            return rules[key][0]
    for key in ("anyOf", "oneOf"):
        if rules.get(key):
            options: list[Any] = [option for option in rules[key] if option != {"type": "null"}]
            return _sample(options[0] if options else {"type": "null"}, root, text, depth + 1)
    return _sample_type(_find_type(rules), rules, root, text, depth)


def _merge(schema: JsonSchema, root: JsonSchema) -> JsonSchema:
    """The schema with what it refers to."""
    rules = dict(schema)
    for _ in range(_DEPTH):
        if "$ref" not in rules:
            break
        rules.update(_find_definition(rules.pop("$ref"), root))
    else:
        raise ConfigError(_ENDLESS)
    for part in rules.pop("allOf", ()):
        rules.update(_merge(part, root))
    return rules


def _find_definition(reference: str, root: JsonSchema) -> JsonSchema:
    found: JsonSchema | None = root
    for name in reference.removeprefix("#").split("/")[1:]:
        found = found.get(name) if found else None
    if found is None:
        raise ConfigError(f"the schema refers to {reference!r}, which it does not define")
    return found


def _find_type(rules: JsonSchema) -> str:
    kind: str | list[str] = rules.get("type", "object" if "properties" in rules else "string")
    return kind if isinstance(kind, str) else next((one for one in kind if one != "null"), "null")


def _sample_type(kind: str, rules: JsonSchema, root: JsonSchema, text: str, depth: int) -> Any:
    if kind == "object":
        properties = rules.get("properties", {})
        return {name: _sample(properties.get(name), root, text, depth + 1) for name in rules.get("required", ())}
    if kind == "array":
        given = [_sample(one, root, text, depth + 1) for one in rules.get("prefixItems", ())]
        more = max(0, rules.get("minItems", 0) - len(given))
        return given + [_sample(rules.get("items"), root, text, depth + 1) for _ in range(more)]
    if kind in {"integer", "number"}:
        return _sample_number(kind, rules)
    return {"boolean": True, "null": None}.get(kind, _sample_text(rules, text))


def _sample_number(kind: str, rules: JsonSchema) -> Any:
    low = rules.get("minimum", rules.get("exclusiveMinimum"))
    high = rules.get("maximum", rules.get("exclusiveMaximum"))
    if kind == "number" and "multipleOf" not in rules and low is not None and high is not None:
        return (low + high) / 2
    step = rules.get("multipleOf", 1)
    if low is not None:
        number = -(-low // step) * step
        return number + step if number == rules.get("exclusiveMinimum") else number
    if high is not None and high <= step:
        number = high // step * step
        return number - step if number == rules.get("exclusiveMaximum") else number
    return step


def _sample_text(rules: JsonSchema, text: str) -> str:
    text = _FORMATS.get(rules.get("format", ""), text).ljust(rules.get("minLength", 0), ".")
    return text[: rules["maxLength"]] if "maxLength" in rules else text

"""The text after ``Action:`` and ``Action Input:``, read as the name of a tool and its arguments."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, cast

import msgspec

from surefoot.loose_json import encode_text, is_json_object, read_members, read_value
from surefoot.types import JsonSchema, ToolSpec

_OPENING: Final = re.compile(r"\s*+(?P<fence>```(?:[\w+-]*+(?=[ \t]*+[\r\n{\[]))?|`)?\s*+")
_HEAD: Final = re.compile(r"[\s*`\"']*+(?P<name>[A-Za-z0-9_-]{1,64}+)(?!\w)[*`\"']*+[ \t]*+[.:;,]?+[ \t]*+")
_INLINE_INPUT: Final = re.compile(r"action[ _-]?input[*_`]*+[ \t]*+[:\uff1a][*_`]*+", re.IGNORECASE)
_NAMED: Final = re.compile(r"([A-Za-z_][\w-]*+)[ \t]*+[=:](?!=)")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_LETTERS: Final = re.compile(r"[\W_]+")
_CLOSING: Final = {"(": ")", "[": "]"}
_LINE_CHARS: Final = 80  # of a line that is quoted back to the model

# What models write where no tool is meant, squashed; a tool of that name comes first.
_NOTHING: Final = frozenset({"", "none", "na", "null", "nil", "nothing", "noaction", "noneneeded", "noactionneeded"})
_ENDING: Final = frozenset({"finalanswer", "finish", "final", "answer"})

_NAME_KEYS: Final = ("action", "name", "tool", "tool_name", "function")
_ARGUMENT_KEYS: Final = ("action_input", "arguments", "args", "input", "parameters", "tool_input")


class Parameters(NamedTuple):
    """What must be known of a tool's parameters to read arguments that are not a JSON object.

    Attributes:
        names: All, in order.
        sole: The one that a bare value must mean: the only one, or the only required one; "" if there is none.
        sole_is_text: Whether that one takes a string, so that ``42`` means ``"42"``.
    """

    names: tuple[str, ...]
    sole: str
    sole_is_text: bool

    @classmethod
    def of(cls, tool: ToolSpec) -> Parameters:
        """Those of ``tool``."""
        properties: dict[str, Any] = tool.parameters.get("properties", {})
        names = tuple(properties)
        required: list[str] = tool.parameters.get("required", [])
        sole = names[0] if len(names) == 1 else required[0] if len(required) == 1 else ""
        return cls(names, sole, sole_is_text=_takes_text(properties.get(sole)))

    def fit(self, positional: list[str], named: dict[str, str]) -> bool:
        """Whether a call could be written with these arguments."""
        return len(positional) <= len(self.names) and named.keys() <= set(self.names)

    def assign(self, positional: list[str], named: dict[str, str]) -> str:
        """Arguments (JSON texts) as a JSON object; those that fit nowhere are left for the toolbox to refuse."""
        if positional == ["null"] or not self.names:
            return "{}"
        if len(positional) == 1 and not named and (whole := self._read_whole(positional[0])):
            return whole
        names = (self.sole,) if self.sole and len(positional) == 1 else self.names
        members = {**dict(zip(names, positional, strict=False)), **named}
        if self.sole_is_text and self.sole in members and not members[self.sole].startswith('"'):
            members[self.sole] = encode_text(members[self.sole])
        return f"{{{','.join([f'{encode_text(name)}:{value}' for name, value in members.items()])}}}"

    def _read_whole(self, value: str) -> str:
        """``value`` if it is all the arguments: an object, or a string that holds their object; "" otherwise."""
        if value.startswith("{"):
            return value
        if value.startswith('"{'):
            inner: str = msgspec.json.decode(value)
            if is_json_object(inner) and msgspec.json.decode(inner, type=dict[str, Any]).keys() <= set(self.names):
                return inner
        return ""

    def wrap(self, text: str) -> str:
        """``text`` as the value of the sole parameter, without the ``name:`` that some models put before it."""
        named = _NAMED.match(text)
        if named and named[1] == self.sole:
            text = text[named.end() :].strip()
        return f"{{{encode_text(self.sole)}:{encode_text(text)}}}"

    def __str__(self) -> str:
        """For a sentence about what the tool takes."""
        return f"the keys {', '.join(self.names)}"


_UNKNOWN: Final = Parameters(("input",), "input", sole_is_text=False)


class Action(NamedTuple):
    """What follows ``Action:``.

    Attributes:
        name: The tool's name, "" when no tool is meant.
        arguments: Arguments that stood right there (text instead of JSON if ``name`` means the final answer),
            "" when ``Action Input:`` is awaited.
        end: Index after what was read.
    """

    name: str
    arguments: str
    end: int


class Toolbook:
    """The tools that a reply may name, and how their arguments may be written."""

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._parameters = {tool.name: Parameters.of(tool) for tool in tools}
        squashed = [_squash(name) for name in self._parameters]
        self._aliases = {
            alias: name for alias, name in zip(squashed, self._parameters, strict=True) if squashed.count(alias) == 1
        }
        self._listed = ", ".join(self._parameters) or "none"

    def read_action(self, text: str, start: int, end: int) -> Action:
        """Read what stands between ``Action:`` and the next marker.

        Raises:
            ValueError: No tool can be meant, or its arguments cannot be read; a sentence for the model.
        """
        at = _skip_opening(text, start, end)
        if text.startswith("{", at, end):
            return self._read_json_action(text, at, end)
        head = _HEAD.match(text, start, end)
        if head is None:
            return Action(self._read_name(text[start:end]), "", start)
        name, at = self._find(head["name"]), head.end()
        if self.means_nothing(name):
            return Action("", "", at)
        if text.startswith(("(", "["), at, end):
            return Action(name, *self._read_call(text, at, end, name))
        if inline := _INLINE_INPUT.match(text, at, end):
            return Action(name, *self.read_input(text, inline.end(), end, name))
        if text.startswith("{", _skip_opening(text, at, end), end):
            return Action(name, *self.read_input(text, at, end, name))
        if at < end and text[at] not in "\r\n":
            name = self._read_name(text[start:end])
        return Action(name, "", at)

    def read_input(self, text: str, start: int, end: int, tool: str) -> tuple[str, int]:
        """What stands after ``Action Input:``, as the text of a JSON object, and the index after it.

        An object that begins before ``end`` may go on beyond it: what looks like a marker inside a string is none.
        For a ``tool`` that means the final answer, its text instead.

        Raises:
            ValueError: The arguments cannot be read; a sentence for the model.
        """
        opening = _OPENING.match(text, start, end)
        assert opening is not None
        at = opening.end()
        if self.means_ending(tool):
            return _unquote(_unfence(text[at:end], opening["fence"])), end
        try:
            if text.startswith("{", at, end):
                return _read_object(text, at, end)
            return self._read_bare(_unfence(text[at:end], opening["fence"]), tool), end
        except ValueError as error:
            raise _unreadable(tool, error) from None

    def means_ending(self, name: str) -> bool:
        """Whether ``name`` is no tool but stands for the final answer."""
        return name not in self._parameters and _squash(name) in _ENDING

    def means_nothing(self, name: str) -> bool:
        """Whether ``Action:`` with this ``name`` is as good as absent, as in ``Action: None``."""
        name = name.strip()
        return name not in self._parameters and _squash(name) in _NOTHING and _squash(name) not in self._aliases

    def _find(self, name: str) -> str:
        return name if name in self._parameters else self._aliases.get(_squash(name), name)

    def _read_name(self, section: str) -> str:
        """A name that is one only if its line is read as a whole, as in ``Action: Search Web``."""
        line = section.strip().partition("\n")[0].strip()
        name = self._find(line)
        if name in self._parameters or self.means_ending(name):
            return name
        if self.means_nothing(name):
            return ""
        raise self._nameless(line)

    def _nameless(self, line: str) -> ValueError:
        quoted = line if len(line) <= _LINE_CHARS else f"{line[:_LINE_CHARS]}..."
        return ValueError(f'"Action: {quoted}" does not give the name of a tool alone; the tools are: {self._listed}.')

    def _read_json_action(self, text: str, at: int, end: int) -> Action:
        """``Action: {"name": ..., "arguments": {...}}``, under the keys that are in use for the two."""
        try:
            written, after = _read_object(text, at, end)
        except ValueError as error:
            raise ValueError(f"The Action cannot be read: {error}.") from None
        members: dict[str, Any] = msgspec.json.decode(written)
        name = self._find(next((members.pop(key) for key in _NAME_KEYS if isinstance(members.get(key), str)), ""))
        arguments = next((members[key] for key in _ARGUMENT_KEYS if key in members), members)
        if self.means_nothing(name):
            return Action("", "", after)
        if not _NAME.fullmatch(name) and not self.means_ending(name):
            raise self._nameless(name)
        if isinstance(arguments, str):
            return Action(name, self.read_input(arguments, 0, len(arguments), name)[0], after)
        return Action(name, "{}" if arguments is None else _encode(arguments), after)

    def _read_call(self, text: str, at: int, end: int, tool: str) -> tuple[str, int]:
        """``tool(city="Paris", days=3)``, ``tool({...})`` or ``tool[Paris]``, from the bracket on."""
        close = _CLOSING[text[at]]
        inner = text[at + 1 : end].rstrip("`*. \t\r\n")
        whole = inner.endswith(close)
        inner = inner.removesuffix(close).strip()
        if self.means_ending(tool):
            return _unquote(inner), end
        parameters = self._parameters.get(tool, _UNKNOWN)
        try:
            positional, named, after = read_members(text, at + 1, close)
        except ValueError as error:
            if whole and parameters.sole:
                return parameters.wrap(inner), end
            raise _unreadable(tool, error) from None
        if whole and parameters.sole and len(positional) > len(parameters.names):
            return parameters.wrap(inner), end
        return parameters.assign(positional, named), after

    def _read_bare(self, body: str, tool: str) -> str:
        """A value without an object around it, or members without braces."""
        parameters = self._parameters.get(tool, _UNKNOWN)
        try:
            positional, named, _ = read_members(body, 0, "")
        except ValueError as error:
            fault = f"; {error}"
        else:
            if parameters.fit(positional, named):
                return parameters.assign(positional, named)
            fault = ""
        if not parameters.names:
            return "{}"
        if parameters.sole:
            return parameters.wrap(body)
        raise ValueError(f"they must be one JSON object with {parameters}{fault}")


def _takes_text(schema: Any) -> bool:
    """Whether strings, and nothing else but null, fit ``schema``."""
    if not isinstance(schema, dict):
        return False
    opened = cast("JsonSchema", schema)
    kinds: set[Any] = {choice.get("type") for choice in opened.get("anyOf", [opened])}
    return "string" in kinds and kinds <= {"string", "null"}


def _squash(name: str) -> str:
    return _NO_LETTERS.sub("", name).lower()


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _skip_opening(text: str, start: int, end: int) -> int:
    opening = _OPENING.match(text, start, end)
    assert opening is not None
    return opening.end()


def _read_object(text: str, at: int, end: int) -> tuple[str, int]:
    """The object at ``at``: as it was written if that is JSON, else put right."""
    written = text[at:end].rstrip("` \t\r\n")
    if is_json_object(written):
        return written, end
    mended, after = read_value(text, at)
    written = text[at:after]
    return written if is_json_object(written) else mended, after


def _unfence(body: str, fence: str | None) -> str:
    """``body``, which begins after ``fence``, without the fence's end and what follows it."""
    return (body.partition(fence[0] * 3 if len(fence) > 1 else fence)[0] if fence else body).strip()


def _unquote(text: str) -> str:
    """``text`` without the quotes around the whole of it."""
    if not text.startswith(('"', "'")):
        return text
    try:
        string, end = read_value(text)
    except ValueError:
        return text
    return msgspec.json.decode(string, type=str) if end == len(text) else text


def _unreadable(tool: str, error: ValueError) -> ValueError:
    return ValueError(f"The arguments of {tool} cannot be read: {error}.")

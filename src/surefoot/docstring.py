"""What a docstring tells a model: its prose, and a description for each parameter. Google, NumPy and reST style."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

_Style = Literal["prose", "google", "numpy", "field"]

_PARAMETERS: Final = frozenset(
    {"args", "arguments", "parameters", "params", "attributes", "keyword args", "keyword arguments", "other parameters"}
)
_OTHER: Final = frozenset(
    {"returns", "return", "yields", "yield", "raises", "raise", "warns", "warnings", "receives", "methods"}
    | {"example", "examples", "note", "notes", "see also", "references", "todo"}
)
_PARAMETER_FIELDS: Final = frozenset({"param", "parameter", "arg", "argument", "key", "keyword", "var", "ivar", "cvar"})

_UNDERLINE: Final = re.compile(r"-{3,}\s*$")
_FIELD: Final = re.compile(
    r"[:@](param(?:eter)?|arg(?:ument)?|key(?:word)?|i?var|cvar|(?:var)?type|rtype|returns?|yields?|raises?|except(?:ion)?)"
    r"(?:\s+([^:]+))?:\s*(.*)"
)
_GOOGLE_ITEM: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)")
_NUMPY_ITEM: Final = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")


class Docstring(Struct, frozen=True):
    """A docstring, read.

    Attributes:
        description: Everything before, between and after the sections.
        parameters: Name to description; a parameter without one is absent.
    """

    description: str
    parameters: dict[str, str]


def parse_docstring(text: str | None) -> Docstring:
    """Read a docstring; whatever the text, something comes back."""
    prose: list[str] = []
    parameters: dict[str, str] = {}
    for style, title, body in _sections(inspect.cleandoc(text or "").splitlines()):
        if style == "prose":
            prose += body
        elif style == "field":
            kind, *words = title.split()
            if kind in _PARAMETER_FIELDS and words:
                parameters[words[-1].lstrip("*")] = _flow(body)
        elif title in _PARAMETERS:
            items = _google_items(body) if style == "google" else _numpy_items(body)
            parameters.update((name, _flow(lines)) for name, lines in items)
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(prose)).strip()
    return Docstring(description, {name: text for name, text in parameters.items() if name and text})


def _sections(lines: list[str]) -> Iterator[tuple[_Style, str, list[str]]]:
    """Cut at every header; an unindented line ends a Google section and a field, and is prose again."""
    style: _Style = "prose"
    title = ""
    body: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        field = _FIELD.match(line)
        name = line.strip().lower()
        opens: _Style | None = None
        if field:
            opens, name, line_body = "field", f"{field[1]} {field[2] or ''}", [field[3]]
        elif name in _PARAMETERS | _OTHER and _UNDERLINE.match(following):
            opens, line_body = "numpy", []
        elif name[-1:] == ":" and name[:-1] in _PARAMETERS | _OTHER and line[0].isalpha():
            opens, name, line_body = "google", name[:-1], []
        elif style in {"google", "field"} and line[:1].strip():
            opens, name, line_body = "prose", "", [line]
        else:
            body.append(line)
            continue
        yield style, title, body
        style, title, body = opens, name, line_body
    yield style, title, body


def _google_items(body: list[str]) -> Iterator[tuple[str, list[str]]]:
    """``name (type): text``, continued on deeper lines."""
    name = ""
    lines: list[str] = []
    for line in textwrap.dedent("\n".join(body)).splitlines():
        item = _GOOGLE_ITEM.match(line)
        if item:
            yield name, lines
            name, lines = item[1], [item[2]]
        else:
            lines.append(line)
    yield name, lines


def _numpy_items(body: list[str]) -> Iterator[tuple[str, list[str]]]:
    """``name, name : type``, described on the indented lines below."""
    names: list[str] = []
    lines: list[str] = []
    for line in body[1:]:
        item = _NUMPY_ITEM.match(line)
        if item:
            yield from ((name, lines) for name in names)
            names, lines = [name.strip(" *") for name in item[1].split(",")], []
        else:
            lines.append(line)
    yield from ((name, lines) for name in names)


def _flow(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())

"""What stands in a value of JSON at declared paths: ``[].id``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

MOST_FIELD_CHARS: Final = 64
"""A longer key is the name of no field."""
MOST_PATH_CHARS: Final = 300
"""What stands deeper is at no path that anybody has declared: each value below would have a copy of it."""
_FIELD: Final = re.compile(rf"[a-z_][a-zA-Z0-9_]{{0,{MOST_FIELD_CHARS - 1}}}")


def read_json(text: str) -> Any:
    """The value of JSON; None of what is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def is_object(table: Mapping[str, Any]) -> bool:
    """Whether the keys of a table are names of fields, of the author, and not of what was found."""
    return all(_FIELD.fullmatch(key) for key in table)


def find_values(value: Any, paths: Iterable[str], most: int) -> tuple[list[tuple[str, Any]], list[str]]:
    """What stands in a value of JSON: the leaves at ``paths`` with their paths, and the texts of everything else.

    Of the former no more than ``most`` and one: who wants them all can tell that there are too many.
    """
    wanted = frozenset(paths)
    records: list[tuple[str, Any]] = []
    others: list[str] = []
    todo: list[tuple[str, Any, bool]] = [("", value, False)]
    while todo:
        path, item, trusted = todo.pop()
        trusted = (trusted or path in wanted) and len(path) <= MOST_PATH_CHARS
        if isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            plain, below = is_object(table), _go_down(path, "{}")
            for key, inner in table.items():
                step = f"{path}.{key}" if len(key) <= MOST_FIELD_CHARS else below
                leads = _leads(step, wanted)
                todo.append((step if leads or (trusted and plain) else below, inner, trusted))
                if not trusted:
                    others += () if leads else (key,)
                elif not plain and len(records) <= most:
                    records.append((path, key))
        elif isinstance(item, list):
            items: list[Any] = item  # pyright: ignore[reportUnknownVariableType] - of JSON
            below = _go_down(path, "[]")
            todo += [(below, inner, trusted) for inner in items]
        elif not trusted:
            others.append(str(item))
        elif len(records) <= most:
            records.append((path, item))
    records.reverse()
    return records, others


def _go_down(path: str, step: str) -> str:
    return path + step if len(path) <= MOST_PATH_CHARS else path


def _leads(step: str, wanted: frozenset[str]) -> bool:
    return any(path == step or path.startswith((f"{step}.", f"{step}[", f"{step}{{")) for path in wanted)

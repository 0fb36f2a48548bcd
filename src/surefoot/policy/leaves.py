"""What stands in a value of JSON at declared paths: ``[].id``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

_FIELD: Final = re.compile(r"[a-z_][a-zA-Z0-9_]*")


def read_json(text: str) -> Any:
    """The value of JSON; None of what is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def is_object(table: Mapping[str, Any]) -> bool:
    """Whether the keys of a table are names of fields, of the author, and not of what was found."""
    return all(_FIELD.fullmatch(key) for key in table)


def find_values(value: Any, paths: Iterable[str]) -> tuple[list[tuple[str, Any]], list[str]]:
    """What stands in a value of JSON: the leaves at ``paths`` with their paths, and the texts of everything else."""
    wanted = frozenset(paths)
    records: list[tuple[str, Any]] = []
    others: list[str] = []
    todo: list[tuple[str, Any, bool]] = [("", value, False)]
    while todo:
        path, item, trusted = todo.pop()
        trusted = trusted or path in wanted
        if isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            plain = is_object(table)
            for key, inner in table.items():
                step = f"{path}.{key}"
                named = _leads(step, wanted) or (trusted and plain)
                todo.append((step if named else f"{path}{{}}", inner, trusted))
                if trusted:
                    if not plain:
                        records.append((path, key))
                elif not _leads(step, wanted):
                    others.append(key)
        elif isinstance(item, list):
            items: list[Any] = item  # pyright: ignore[reportUnknownVariableType] - of JSON
            todo += [(f"{path}[]", inner, trusted) for inner in items]
        elif trusted:
            records.append((path, item))
        else:
            others.append(str(item))
    records.reverse()
    return records, others


def _leads(step: str, wanted: frozenset[str]) -> bool:
    return any(path == step or path.startswith((f"{step}.", f"{step}[", f"{step}{{")) for path in wanted)

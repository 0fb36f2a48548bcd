"""Tables of TOML, and what is wrong with one, and where: msgspec's words, with the names that it leaves out."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from surefoot.errors import ConfigError

_STEP: Final = re.compile(r"\.([^.\[`]+)|\[(\d+|\.\.\.)\]")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """The table of a file, and its text.

    Raises:
        ConfigError: It cannot be read, or is no TOML; says where and why.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None


def name_fault(table: dict[str, Any], kind: type, error: msgspec.ValidationError) -> str:
    """What is wrong, where, in words; leaves of ``table`` what leads there.

    Args:
        table: What was converted, of builtin types.
        kind: Into what.
        error: Of the conversion.
    """
    fault, _, place = str(error).replace("`key` in `$", "`$").partition(" - at `$")
    what, _, field = fault.partition(" field `")
    named = _name_place(table, kind, place, str(error))
    allowed = _list_allowed(kind, place, of_key="`key` in" in str(error))
    if field:
        field = field.rstrip("`")
        name = f"{named}.{field}".lstrip(".")
        if "missing" in what:
            return f"{name} is missing"
        near = difflib.get_close_matches(field, allowed, 1)
        return f"there is no setting {name}{f'; did you mean {near[0]}?' if near else ''}"
    told = f"{named.lstrip('.')}: " if named else ""
    choice = f"; it must be {', '.join(allowed[:-1])} or {allowed[-1]}" if "enum value" in fault and allowed else ""
    return f"{told}{fault.replace('`object`', '`table`')}{choice}"


def _list_allowed(kind: type, place: str, *, of_key: bool) -> list[str]:
    """The words that may stand at a place of msgspec's, or the names of the fields that a table there may have."""
    import msgspec.inspect as look  # only for those who have made a mistake

    here: list[Any] = list(_members(look.type_info(kind)))
    for field, _ in _STEP.findall(place):
        inner = [_step_into(one, field) for one in here]
        here = [member for one in inner if one is not None for member in _members(one)]
    here = [member for one in here for member in _members(one.key_type)] if of_key else here
    fields = [str(field.encode_name) for one in here for field in getattr(one, "fields", [])]
    return fields or [str(word) for one in here for word in getattr(one, "values", [])]


def _members(kind: Any) -> Iterator[Any]:
    """A type of `msgspec.inspect`, or those of a union."""
    yield from getattr(kind, "types", [kind])


def _step_into(kind: Any, field: str) -> Any:
    """The type of a field of a class, or of the items of a list or a dict; None if it has no such part."""
    if field:
        fields = {one.encode_name: one.type for one in getattr(kind, "fields", ())}
        return fields.get(field)
    return getattr(kind, "value_type", None) or getattr(kind, "item_type", None)


def _name_place(table: dict[str, Any], kind: type, place: str, error: str) -> str:
    """The place with the keys of tables, which msgspec shows as ``[...]``."""
    named, here = "", cast("Any", table)
    for field, item in _STEP.findall(place):
        key: Any = field or item
        if item == "...":
            key = _keep_faulty(table, kind, here, error)
        elif item:
            key = int(item)
        here = here[key]
        named += f"[{key}]" if isinstance(key, int) else f".{key if _BARE_KEY.fullmatch(key) else json.dumps(key)}"
    return named


def _keep_faulty(table: dict[str, Any], kind: type, inner: dict[str, Any], error: str) -> str:
    """The key of ``inner`` that is the fault, which is the same with that key alone; the others are taken out."""
    for key, value in inner.copy().items():
        inner.clear()
        inner[key] = value
        try:
            msgspec.convert(table, kind)
        except msgspec.ValidationError as fault:
            if str(fault) == error:
                return key
    raise AssertionError("msgspec finds the same fault again")

"""Tables of TOML, and what is wrong with one, and where: msgspec's words, with the names that it leaves out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Generator
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
    steps = list(_read_steps(table, kind, place, str(error)))
    named = "".join([f"[{step}]" if isinstance(step, int) else f".{_say_key(step)}" for step in steps])
    from surefoot.spelling import say_choice, suggest  # brings parts of its own: only for a mistake

    if field:
        field = field.rstrip("`")
        name = f"{named}.{field}".lstrip(".")
        return f"{name} is missing" if "missing" in what else f"there is no setting {name}{suggest(kind, steps, field)}"
    told = f"{named.lstrip('.')}: " if named else ""
    choice = say_choice(kind, steps) if what.startswith("Invalid enum") else ""
    return f"{told}{fault.replace('`object`', '`table`')}{choice}"


def _read_steps(table: dict[str, Any], kind: type, place: str, error: str) -> Generator[str | int]:
    """What leads to a place, with the keys of tables, which msgspec shows as ``[...]``."""
    here = cast("Any", table)
    for field, item in _STEP.findall(place):
        key: Any = field or item
        if item == "...":
            key = _keep_faulty(table, kind, here, error)
        elif item:
            key = int(item)
        here = here[key]
        yield key


def _say_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key)


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

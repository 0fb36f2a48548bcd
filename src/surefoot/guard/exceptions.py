"""What an exception says, cleaned where it stands: whoever raised it keeps it, and whoever catches it shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import is_
from typing import Any, Final, cast

MAX_ERRORS: Final = 100
"""Of those that hang together, so many are looked at."""
_MAX_DEPTH: Final = 4
_FILES: Final = ("filename", "filename2", "strerror")

_SEQUENCES: Final[frozenset[object]] = frozenset({list, tuple, set, frozenset})

Clean = Callable[[str], str]


def clean_error(error: BaseException, clean: Clean) -> None:
    """Clean an error, its cause, its context and those that it gathers: arguments, notes and attributes.

    The message of an `ExceptionGroup` cannot be changed.
    """
    for one in _walk(error):
        args = tuple([clean_value(value, clean) for value in one.args])
        if args != one.args:
            one.args = args
        if isinstance(one, OSError):
            for name in _FILES:
                value = getattr(one, name, None)
                if isinstance(value, str) and (made := clean(value)) != value:
                    setattr(one, name, made)
        own: dict[str, Any] = one.__dict__  # the notes are there, too
        for name, value in [*own.items()]:
            made = clean_value(value, clean)
            if made is not value:
                own[name] = made


def clean_value(value: Any, clean: Clean, depth: int = _MAX_DEPTH) -> Any:
    """A value in plain containers, so deep, with its texts cleaned; itself where nothing was to be cleaned."""
    if isinstance(value, str):
        made = clean(value)
        return made if made != value else value
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        return value if (made := clean(text)) == text else made.encode("latin-1", "replace")
    kind = cast("Callable[[Any], Any]", type(value))
    if depth and kind in _SEQUENCES:
        items = [clean_value(item, clean, depth - 1) for item in value]
        return value if all(map(is_, items, value)) else kind(items)
    if depth and kind is dict:
        fields = {
            clean_value(key, clean, depth - 1): clean_value(item, clean, depth - 1) for key, item in value.items()
        }
        is_same = all(map(is_, fields, value)) and all(map(is_, fields.values(), value.values()))
        return value if is_same else fields
    return value


def _walk(error: BaseException) -> Iterator[BaseException]:
    seen: dict[int, BaseException] = {id(error): error}
    waiting = [error]
    while waiting:
        one = waiting.pop()
        yield one
        gathered: tuple[BaseException, ...] = getattr(one, "exceptions", ())
        gathered = gathered if isinstance(one, BaseExceptionGroup) else ()
        for behind in (one.__cause__, one.__context__, *gathered):
            if behind is not None and id(behind) not in seen and len(seen) < MAX_ERRORS:
                seen[id(behind)] = behind
                waiting.append(behind)

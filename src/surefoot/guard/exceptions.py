"""What an exception says, cleaned where it stands: whoever raised it keeps it, and whoever catches it shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

MAX_ERRORS: Final = 100
"""Of those that hang together, so many are looked at."""
_MAX_DEPTH: Final = 4
_FILES: Final = ("filename", "filename2", "strerror")

Clean = Callable[[str], str]


def clean_error(error: BaseException, clean: Clean) -> None:
    """Clean an error, its cause, its context and those that it gathers: arguments, notes and attributes.

    The message of an `ExceptionGroup` cannot be changed.
    """
    for one in _walk(error):
        args = tuple([_clean(value, clean, _MAX_DEPTH) for value in one.args])
        if args != one.args:
            one.args = args
        if isinstance(one, OSError):
            for name in _FILES:
                value = getattr(one, name, None)
                if isinstance(value, str) and (made := clean(value)) != value:
                    setattr(one, name, made)
        own: dict[str, Any] = one.__dict__  # the notes are there, too
        for name, value in [*own.items()]:
            made = _clean(value, clean, _MAX_DEPTH)
            if made is not value:
                own[name] = made


def clean_value(value: Any, clean: Clean) -> Any:
    """A value in plain containers with its texts cleaned; the value itself where nothing was to be cleaned."""
    return _clean(value, clean, _MAX_DEPTH)


def _walk(error: BaseException) -> Iterator[BaseException]:
    seen: dict[int, BaseException] = {id(error): error}
    waiting = [error]
    while waiting:
        one = waiting.pop()
        yield one
        gathered = cast("tuple[BaseException, ...]", one.exceptions) if isinstance(one, BaseExceptionGroup) else ()
        for behind in (one.__cause__, one.__context__, *gathered):
            if behind is not None and id(behind) not in seen and len(seen) < MAX_ERRORS:
                seen[id(behind)] = behind
                waiting.append(behind)


def _clean(value: Any, clean: Clean, depth: int) -> Any:
    if isinstance(value, str):
        made = clean(value)
        return made if made != value else value
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        return value if (made := clean(text)) == text else made.encode("latin-1", "replace")
    if depth and type(value) in {list, tuple, set, frozenset}:
        items = [_clean(item, clean, depth - 1) for item in value]
        return value if all(map(_is, items, value)) else type(value)(items)
    if depth and type(value) is dict:
        fields = {_clean(key, clean, depth - 1): _clean(item, clean, depth - 1) for key, item in value.items()}
        is_same = all(map(_is, fields, value)) and all(map(_is, fields.values(), value.values()))
        return value if is_same else fields
    return value


def _is(one: object, other: object) -> bool:
    return one is other

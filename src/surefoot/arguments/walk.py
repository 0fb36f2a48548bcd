"""Checks applied to a decoded value, wherever in its type they stand."""

from __future__ import annotations

import copy
import types
import typing
from collections import abc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

from msgspec import Struct, ValidationError
from msgspec.structs import force_setattr

from surefoot.arguments.check import Check, Settled
from surefoot.arguments.paths import Within
from surefoot.arguments.urls import PUBLIC, Hosts, SafeUrl
from surefoot.fields import has_fields, is_model, json_names, unwrap_alias

REFUSED: Final = "The value "
"""How an error of a check begins."""

Verb = Literal["read", "settle"]
Walk = Callable[[Any, str], Any]
"""A value and its JSON path to the value as the checks have it. Raises ``msgspec.ValidationError`` with the path."""

_LISTS: Final = {
    list: list, set: set, frozenset: frozenset, abc.Sequence: list, abc.MutableSequence: list, abc.Collection: list,
    abc.Iterable: list, abc.Set: set, abc.MutableSet: set,
}  # fmt: skip
_DICTS: Final = {dict, abc.Mapping, abc.MutableMapping}
_MARKERS: Final = {"Required", "NotRequired", "ReadOnly"}


def read_checks(kind: Any) -> tuple[Check, ...]:
    """The checks of ``Annotated[T, ...]`` or a bare `SafeUrl`, in order.

    Raises:
        TypeError: One is not for ``T``, or ``T`` is a path without its folders.
    """
    base, notes = (kind.__origin__, kind.__metadata__) if get_origin(kind) is Annotated else (kind, ())
    checks = tuple(note for note in notes if isinstance(note, Check))
    base = unwrap_alias(base)
    plain = get_origin(base) or base
    for check in checks:
        if plain not in check.kinds:
            names = ", ".join(each.__name__ for each in check.kinds)
            raise TypeError(f"{type(check).__name__} is for {names}, not for {getattr(plain, '__name__', plain)}")
    if base is SafeUrl and not any(isinstance(check, Hosts) for check in checks):
        return (PUBLIC, *checks)
    if base is Path and not any(isinstance(check, Within) for check in checks):
        raise TypeError("a Path needs its folders, as Annotated[Path, Within('/srv/files')]")
    return checks


def make_walk(kind: Any, verb: Verb) -> Walk | None:
    """The checks of a type as one function; None if there are none.

    Raises:
        TypeError: A check stands where it would not be applied: in a pydantic model or a generic class of the user's.
    """
    return _Maker(verb).make(kind)


class _Maker:
    """Makes the walk of one type; of a class that holds itself, too."""

    def __init__(self, verb: Verb) -> None:
        self._verb: Final[Verb] = verb
        self._classes: dict[type, Walk] = {}

    def make(self, kind: Any) -> Walk | None:
        kind = unwrap_alias(kind)
        if not self._has_checks(kind, set()):
            return None
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated or kind is SafeUrl:
            return self._make_annotated(kind)
        if getattr(origin, "_name", "") in _MARKERS:
            return self.make(args[0])
        if origin in {Union, types.UnionType}:
            return self._make_union(args)
        if origin in _LISTS:
            return _walk_items(_LISTS[origin], cast("Walk", self.make(args[0])))
        if origin is tuple:
            return self._make_tuple(args)
        if origin in _DICTS:
            return _walk_dict(self.make(args[0]), self.make(args[1]))
        if isinstance(kind, type) and has_fields(kind):
            return self._make_class(kind)
        raise TypeError(f"a check inside {getattr(kind, '__name__', kind)} would not be applied: use a plain dataclass")

    def _has_checks(self, kind: Any, seen: set[type]) -> bool:
        kind = unwrap_alias(kind)
        if any(self._is_wanted(check) for check in read_checks(kind)):
            return True
        if isinstance(kind, type) and (has_fields(kind) or is_model(kind)):
            if kind in seen:
                return False
            seen.add(kind)
        return any(self._has_checks(inner, seen) for inner in _parts(kind))

    def _is_wanted(self, check: Check) -> bool:
        return self._verb == "read" or isinstance(check, Settled)

    def _make_annotated(self, kind: Any) -> Walk:
        inner = None if kind is SafeUrl else self._make_base(kind.__origin__)
        steps = [(check.kinds, getattr(check, self._verb)) for check in read_checks(kind) if self._is_wanted(check)]

        def walk(value: Any, path: str) -> Any:
            if inner is not None:
                value = inner(value, path)
            try:
                for kinds, step in steps:
                    if isinstance(value, kinds):  # a default of another class is its author's business
                        value = step(value)
            except ValueError as error:
                raise ValidationError(f"{REFUSED}{error} - at `{path}`") from None
            return value

        return walk

    def _make_base(self, base: Any) -> Walk | None:
        base = unwrap_alias(base)
        return None if base is Path or base is SafeUrl else self.make(base)

    def _make_union(self, choices: tuple[Any, ...]) -> Walk:
        made = [(_class_of(choice), self.make(choice)) for choice in choices]
        walks = [(cls, walk) for cls, walk in made if walk is not None]

        def walk_choice(value: Any, path: str) -> Any:
            for cls, inner in walks:
                if isinstance(value, cls):
                    return inner(value, path)
            return value

        return walk_choice

    def _make_tuple(self, args: tuple[Any, ...]) -> Walk:
        if args[1:] == (...,):
            return _walk_items(tuple, cast("Walk", self.make(args[0])))
        walks = [self.make(arg) for arg in args]

        def walk_each(value: Any, path: str) -> Any:
            return tuple(
                inner(item, f"{path}[{index}]") if inner else item
                for index, (inner, item) in enumerate(zip(walks, value, strict=True))
            )

        return walk_each

    def _make_class(self, cls: type) -> Walk:
        if cls in self._classes:
            return self._classes[cls]
        walks: dict[str, tuple[str, Walk]] = {}
        read, write = _access(cls)

        def walk(value: Any, path: str) -> Any:
            changed: dict[str, Any] = {}
            for name, (shown, inner) in walks.items():
                old = read(value, name)
                new = inner(old, f"{path}.{shown}")
                if new is not old:
                    changed[name] = new
            return write(value, changed) if changed else value

        self._classes[cls] = walk
        names = json_names(cls)
        for name, hint in get_type_hints(cls, include_extras=True).items():
            inner = self.make(hint) if name in names else None
            if inner is not None:
                walks[name] = names[name], inner
        return walk


def _parts(kind: Any) -> Iterator[Any]:
    """The types that stand directly in a type."""
    if get_origin(kind) is Annotated:
        base = unwrap_alias(kind.__origin__)
        if base is not Path and base is not SafeUrl:
            yield base
    elif is_model(kind):
        for field in getattr(kind, "model_fields", {}).values():
            yield Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    elif isinstance(kind, type) and has_fields(kind):
        names = json_names(kind)
        yield from (hint for name, hint in get_type_hints(kind, include_extras=True).items() if name in names)
    elif get_origin(kind) is not Literal:
        yield from (arg for arg in get_args(kind) if arg is not ...)
        origin = get_origin(kind)
        if isinstance(origin, type) and has_fields(origin):
            yield origin


def _class_of(kind: Any) -> type:
    """The class of which a decoded value of the type is."""
    kind = unwrap_alias(kind)
    origin = get_origin(kind)
    if origin is Annotated:
        return _class_of(kind.__origin__)
    if typing.is_typeddict(kind) or origin in _DICTS:
        return dict
    return cast("type", _LISTS.get(origin, origin) or kind)


def _walk_items(make: Callable[[list[Any]], Any], inner: Walk) -> Walk:
    def walk(value: Any, path: str) -> Any:
        return make([inner(item, f"{path}[{index}]") for index, item in enumerate(value)])

    return walk


def _walk_dict(key: Walk | None, inner: Walk | None) -> Walk:
    def walk(value: Any, path: str) -> Any:
        return {
            (key(name, f"{path}[...]") if key else name): (inner(item, f"{path}[...]") if inner else item)
            for name, item in value.items()
        }

    return walk


def _access(cls: Any) -> tuple[Callable[[Any, str], Any], Callable[[Any, dict[str, Any]], Any]]:
    """How a field is read, and how a copy with other fields is made: the value may be a default that calls share."""
    if typing.is_typeddict(cls):
        return (lambda value, name: value.get(name)), (lambda value, changed: {**value, **changed})
    if issubclass(cls, tuple):
        return getattr, lambda value, changed: value._replace(**changed)
    put: Any = force_setattr if issubclass(cls, Struct) else object.__setattr__

    def write(value: Any, changed: dict[str, Any]) -> Any:
        value = copy.copy(value)
        for name, item in changed.items():
            put(value, name, item)
        return value

    return getattr, write

"""The user's classes with fields, told by their shape: no library of theirs is imported."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import msgspec
from msgspec import Struct


def is_model(cls: Any) -> bool:
    """Whether a class behaves as a pydantic model."""
    return isinstance(cls, type) and hasattr(cls, "model_json_schema") and hasattr(cls, "model_validate_json")


def has_fields(cls: type) -> bool:
    """Whether it is a dataclass, a NamedTuple, a TypedDict or a Struct."""
    ancestors = cls.__mro__
    named_tuple = tuple in ancestors and hasattr(cls, "_fields")
    return named_tuple or Struct in ancestors or typing.is_typeddict(cls) or dataclasses.is_dataclass(cls)


def json_names(cls: Any) -> dict[str, str]:
    """The fields' names in JSON by their own."""
    if issubclass(cls, Struct):
        return {field.name: field.encode_name for field in msgspec.structs.fields(cls)}
    if dataclasses.is_dataclass(cls):
        return {field.name: field.name for field in dataclasses.fields(cls)}
    return {name: name for name in getattr(cls, "_fields", cls.__annotations__)}


def unwrap_alias(kind: Any) -> Any:
    """What a ``type`` statement or a ``NewType`` stands for."""
    while not isinstance(kind, type):
        inner = getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None)
        if inner is None:
            break
        kind = inner
    return kind

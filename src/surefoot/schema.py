"""A Python type as JSON Schema, as a decoder of JSON text, and its values as JSON text.

msgspec does the work. This module adds what msgspec leaves out: a user's pydantic models (recognised by their methods,
never imported), descriptions from ``Annotated[T, "text"]`` and class docstrings at any depth, and formats of times.
"""

from __future__ import annotations

import datetime as dt
import re
import types
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from surefoot.arguments.check import Check
from surefoot.arguments.urls import PUBLIC, SafeUrl
from surefoot.arguments.walk import make_walk, read_checks
from surefoot.docstring import parse_docstring
from surefoot.fields import has_fields, is_model, json_names, unwrap_alias
from surefoot.types import JsonSchema

SUPPORTED_TYPES: Final = (
    "str, int, float, bool, None, Any, Literal, Enum (of str or int), Optional, unions, list, tuple, set, dict, "
    "dataclass, TypedDict, NamedTuple, msgspec.Struct, pydantic.BaseModel, date, time, datetime, timedelta, Decimal, "
    "UUID, bytes, SafeUrl, Annotated[Path, Within(...)]"
)

_CONSTRAINTS: Final = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")
_FORMATS: Final = {dt.datetime: "date-time", dt.time: "time"}
_TYPE_NAMES: Final[dict[type, str]] = {str: "string", int: "integer", bool: "boolean"}
_REFERENCE: Final = "#/$defs/"

# Where JSON Schema keeps schemas; the rest of a schema (default, enum, const) is data, whatever its keys.
_SCHEMA_MAPS: Final = frozenset({"properties", "$defs", "patternProperties"})
_SCHEMA_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMA_SINGLES: Final = frozenset({"items", "additionalProperties", "propertyNames"})
_JSON_NAMES: Final = {"NoneType": "null", "list": "array", "dict": "object"}
_CUSTOM: Final = (Path, SafeUrl)
_DEMAND: Final = "x-demand"
"""Where the words of checks stand until the descriptions are known."""
NO_DESCRIPTIONS: Final[Mapping[str, str]] = types.MappingProxyType({})
_NOISE: Final = frozenset({"title", "discriminator"})


def json_schema(kind: Any, descriptions: Mapping[str, str] = NO_DESCRIPTIONS) -> JsonSchema:
    """JSON Schema (2020-12) of a type, without titles; shared and recursive types are in ``$defs``.

    Args:
        kind: The type.
        descriptions: Of its fields, where their annotations have none.

    Raises:
        TypeError: The type, or one inside it, is not supported; the message names it. Resolving annotations of the
            user's classes may raise other errors too.
    """
    kind = annotate(kind)
    classes = _collect_classes(kind, {})
    kinds = [kind]
    for cls, fields in classes.items():
        kinds += [cls, *fields.values()]
    models: JsonSchema = {}
    made, shared = msgspec.json.schema_components(kinds, schema_hook=partial(_model_schema, models))
    rest = iter(made[1:])
    for cls, fields in classes.items():
        part = shared[_referred(next(rest))]
        _describe(part, json_names(cls), {name: next(rest) for name in fields}, descriptions if cls is kind else {})
    return _unfold(_tidy(made[0]), {name: _tidy(part) for name, part in (shared | models).items()})


def make_decoder(kind: Any) -> Callable[[str | bytes], Any]:
    """A strict decoder of JSON text into values of the type, as the checks in it have them (`surefoot.arguments`).

    It raises ``msgspec.ValidationError`` for a wrong value, with its JSON path, and ``msgspec.DecodeError`` for text
    that is no JSON. Code of the user's classes runs in it, and may raise anything.
    """
    decode = msgspec.json.Decoder(annotate(kind), dec_hook=_decode_custom).decode
    walk = make_walk(kind, "read")
    return decode if walk is None else lambda text: walk(decode(text), "$")


def _encode_model(value: Any) -> Any:
    if is_model(type(value)):
        return value.model_dump(mode="json")
    if isinstance(value, (Path, SafeUrl)):
        return str(value)
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


encode_json: Final = msgspec.json.Encoder(enc_hook=_encode_model).encode
"""Any value as JSON bytes, pydantic models included. Raises ``TypeError`` for a value without a JSON form."""


def to_plain(value: Any) -> Any:
    """The value in JSON's own types. Raises ``TypeError`` for a value without a JSON form."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_encode_model)


# --- annotations ------------------------------------------------------------------------------------------------------


def annotate(kind: Any, *, enforced: bool = True) -> Any:
    """The type with descriptions and constraints in msgspec's own terms, at any depth of generics and unions.

    Args:
        kind: A resolved annotation.
        enforced: Whether the result is what will be decoded. A field of a class is decoded as the class says, so that a
            constraint in another library's terms would be promised in the schema and never checked.

    Raises:
        TypeError: A constraint that would not be checked.
    """
    kind = unwrap_alias(kind)
    origin, args = get_origin(kind), get_args(kind)
    checks = read_checks(kind)
    if origin is Annotated or checks:
        notes, base = (kind.__metadata__, kind.__origin__) if origin is Annotated else ((), kind)
        metas = [meta for note in notes if (meta := _translate(note, enforced=enforced))]
        if checks:
            metas.append(_state(checks, base))
        inner = base if base is Path or base is SafeUrl else annotate(base, enforced=enforced)
        return Annotated[(inner, *metas, *checks)] if metas else inner
    if getattr(origin, "_name", "") in {"Required", "NotRequired", "ReadOnly"}:  # of a TypedDict
        return annotate(args[0], enforced=enforced)
    if isinstance(kind, type) and kind in _FORMATS:
        return Annotated[kind, Meta(extra_json_schema={"format": _FORMATS[kind]})]
    if origin is None or origin is Literal:
        return kind
    inner_kinds = tuple(annotate(arg, enforced=enforced) for arg in args)
    if inner_kinds == args:
        return kind
    return Union[inner_kinds] if origin in {Union, types.UnionType} else origin[inner_kinds]  # noqa: UP007 - a tuple


def _translate(note: Any, *, enforced: bool) -> Meta | None:
    """What one piece of ``Annotated`` metadata says; None when it is nobody's business here.

    Constraints of annotated-types and of pydantic's ``Field`` are known by their attributes' names.
    """
    if isinstance(note, Meta):
        return note
    if isinstance(note, str):
        return Meta(description=note)
    if isinstance(note, Check):  # all of a type's are stated together
        return None
    text = getattr(note, "description", None) or getattr(note, "documentation", None)
    inner: Any = getattr(note, "metadata", None)
    parts: list[Any] = [note, *inner] if isinstance(inner, (list, tuple)) else [note]
    found = {name: getattr(part, name, None) for part in parts for name in _CONSTRAINTS if hasattr(part, name)}
    limits = {name: value for name, value in found.items() if value is not None}
    if limits and not enforced:
        raise TypeError(
            f"constraint {', '.join(limits)} of a class's field would not be checked: use msgspec.Meta for it"
        )
    described = isinstance(text, str) and bool(text)
    return Meta(description=text if described else None, **limits) if limits or described else None


def _state(checks: tuple[Check, ...], base: Any) -> Meta:
    """What the checks demand, for the schema alone: they are applied after decoding."""
    parts = [check.schema(base) for check in checks]
    demands = [part.pop("description") for part in parts if "description" in part]
    stated: JsonSchema = {key: value for part in parts for key, value in part.items()}
    return Meta(extra_json_schema=stated | ({_DEMAND: "; ".join(demands)} if demands else {}))


# --- the user's classes -----------------------------------------------------------------------------------------------


def _collect_classes(kind: Any, found: dict[type, dict[str, Any]]) -> dict[type, dict[str, Any]]:
    """Every class with fields inside the type: its fields' types by their names in JSON."""
    for arg in get_args(kind):
        _collect_classes(arg, found)
    if isinstance(kind, type) and kind not in found and has_fields(kind):
        if hasattr(kind, "__pydantic_validator__"):
            raise TypeError(
                f"{kind.__name__} is a pydantic dataclass: make it a pydantic.BaseModel or a plain dataclass"
            )
        names = json_names(kind)
        hints = get_type_hints(kind, include_extras=True)
        found[kind] = {names[name]: annotate(hint, enforced=False) for name, hint in hints.items() if name in names}
        for field in found[kind].values():
            _collect_classes(field, found)
    return found


def _describe(
    part: JsonSchema, names: dict[str, str], fields: dict[str, JsonSchema], descriptions: Mapping[str, str]
) -> None:
    """Put what annotations and docstring say of a class into its schema."""
    doc = parse_docstring(part.pop("description", ""))
    if doc.description:
        part["description"] = doc.description
    places = part.get("properties") or dict(zip(fields, part.get("prefixItems", ()), strict=False))
    for own_name, name in names.items():
        described = descriptions.get(own_name) or doc.parameters.get(own_name)
        if described:
            fields[name].setdefault("description", described)
        places[name].update(fields[name])


def _model_schema(models: JsonSchema, cls: Any) -> JsonSchema:
    """Schema of a pydantic model; what it shares goes to ``models`` under names of its own."""
    if cls in _CUSTOM:
        return {"type": "string"}
    if not is_model(cls):
        raise TypeError(f"{getattr(cls, '__qualname__', cls)} is not a supported type")
    owner = re.sub(r"\W", "_", cls.__name__)
    schema: JsonSchema = cls.model_json_schema(ref_template=f"{_REFERENCE}{owner}.{{model}}")
    for name, part in schema.pop("$defs", {}).items():
        if models.setdefault(f"{owner}.{name}", part) != part:
            raise TypeError(f"two different models are called {cls.__name__}: rename one")
    return schema


def _decode_custom(cls: Any, value: Any) -> Any:
    """A path or URL, not yet checked, or a pydantic model.

    A model is given JSON again: its strict mode knows what JSON cannot express.
    """
    if cls in _CUSTOM:
        if not isinstance(value, str):  # in the words of msgspec
            name = value.__class__.__name__
            raise TypeError(f"Expected `str`, got `{_JSON_NAMES.get(name, name)}`")
        if not value:
            raise TypeError("Expected a text that is not empty")
        return Path(value) if cls is Path else SafeUrl(value, PUBLIC)
    try:
        return cls.model_validate_json(encode_json(value))
    except ValueError as error:
        items: list[dict[str, Any]] = getattr(error, "errors", list)()
        problems = [f"{'.'.join(map(str, item['loc'])) or cls.__name__}: {item['msg']}" for item in items]
        raise ValueError("; ".join(problems) or str(error)) from None


# --- schemas ----------------------------------------------------------------------------------------------------------


def _tidy(part: Any) -> Any:
    """Without noise; ``part`` may also be a boolean, the schema of everything or nothing."""
    if not isinstance(part, dict):
        return part
    schema, tidy = cast("JsonSchema", part), cast("JsonSchema", {})
    for key, value in schema.items():
        if key in _SCHEMA_MAPS:
            tidy[key] = {name: _tidy(part) for name, part in value.items()}
        elif key in _SCHEMA_LISTS:
            tidy[key] = [_tidy(part) for part in value]
        elif key in _SCHEMA_SINGLES:
            tidy[key] = _tidy(value)
        elif key not in _NOISE:
            tidy[key] = value
    if _DEMAND in tidy:
        demand: str = tidy.pop(_DEMAND)
        tidy["description"] = (
            f"{tidy['description'].removesuffix('.')}. {demand}" if tidy.get("description") else demand
        )
    values: list[Any] = tidy.get("enum", [])
    kinds = {_TYPE_NAMES.get(value.__class__, "") for value in values}
    if "type" not in tidy and len(kinds) == 1 and "" not in kinds:
        tidy["type"] = kinds.pop()
    return tidy


def _referred(schema: JsonSchema) -> str:
    return str(schema.get("$ref", "")).removeprefix(_REFERENCE)


def _unfold(schema: JsonSchema, shared: JsonSchema) -> JsonSchema:
    """One schema with its ``$defs``; the outermost is written out, not referred to."""
    name = _referred(schema)
    if name:
        schema = shared[name] | {key: value for key, value in schema.items() if key != "$ref"}
        others = [part for key, part in shared.items() if key != name]
        if f'"{_REFERENCE}{name}"'.encode() not in msgspec.json.encode([schema, others]):
            del shared[name]
    return schema | {"$defs": shared} if shared else schema

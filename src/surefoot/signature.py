"""A Python callable as a tool for a model: name, description, parameter schema, and a decoder of arguments."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, Optional, get_type_hints

import msgspec
from msgspec import Struct, structs

from surefoot.arguments.size import DEFAULT_LIMITS, ArgumentLimits
from surefoot.arguments.walk import make_walk
from surefoot.docstring import parse_docstring
from surefoot.errors import ConfigError, ToolError
from surefoot.misfit import explain_misfit
from surefoot.schema import SUPPORTED_TYPES, annotate, encode_json, json_schema, make_decoder, to_plain
from surefoot.types import JsonSchema

Decode = Callable[[str], dict[str, Any]]
"""JSON text of a call's arguments -> keyword arguments. Raises `ToolError` with a message for the model."""

Settle = Callable[[dict[str, Any]], dict[str, Any]]
"""Decoded arguments -> the same, with what they name followed and resolved. Blocks. Raises `ToolError`."""

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_IMPORT_ADVICE: Final = "import or define it at module level, outside `if TYPE_CHECKING:`"
_LISTS: Final = (list, tuple, set, frozenset)
_PLAIN_DEFAULTS: Final = (type(None), bool, int, float, str)


class Signature(Struct, frozen=True):
    """What a callable says of itself.

    Attributes:
        name: Name for the model.
        description: Text for the model.
        parameters: JSON Schema of the arguments, an object.
        decode: Decoder of the arguments.
        takes_context: The first parameter is the run's context, which the model does not see.
        is_async: Calling it gives a coroutine; otherwise it blocks.
        settle: What its types ask of the world before a call; None if they ask nothing.
        hints: Types of the parameters that the model sees, by name, with their marks.
        plain: The function behind it all.
    """

    name: str
    description: str
    parameters: JsonSchema
    decode: Decode
    takes_context: bool
    is_async: bool
    settle: Settle | None
    hints: dict[str, Any]
    plain: Callable[..., Any]


def read_signature(
    function: Callable[..., Any],
    context_type: type,
    *,
    name: str | None = None,
    description: str | None = None,
    limits: ArgumentLimits = DEFAULT_LIMITS,
) -> Signature:
    """Read type hints and docstring of a function, bound method, ``functools.partial`` or callable object.

    Args:
        function: What will be called, with keyword arguments.
        context_type: Annotation of a first parameter that is hidden from the model.
        name: Instead of the callable's own name.
        description: Instead of the docstring's prose.
        limits: Size of a call's arguments.

    Raises:
        ConfigError: It cannot be a tool; one line that names the function, the parameter and what is allowed.
    """
    target = _unwrap(function)
    plain = target if inspect.isroutine(target) else target.__call__
    name = _check_name(getattr(target, "__name__", type(target).__name__) if name is None else name)
    if inspect.isasyncgenfunction(plain) or inspect.isgeneratorfunction(plain):
        _refuse(name, "", "is a generator, and a tool gives one result: return a list or a text instead of yielding")
    doc = parse_docstring(inspect.getdoc(target) if plain is target else plain.__doc__ or inspect.getdoc(target))
    hidden = (context_type, context_type | None)
    hints, defaults = _read_parameters(function, plain, name, hidden)
    contexts = [parameter for parameter, hint in hints.items() if hint in hidden]
    if contexts and contexts != list(hints)[:1]:
        _refuse(name, contexts[-1], f"{context_type.__name__} must be the first parameter, and only that")
    for parameter in contexts:
        del hints[parameter]
    arguments, parameters = _build_arguments(name, hints, defaults, doc.parameters)
    return Signature(
        name=name,
        description=doc.description if description is None else description,
        parameters=parameters,
        decode=_make_decode(arguments, parameters, limits),
        takes_context=bool(contexts),
        is_async=_is_async(plain),
        settle=_make_settle(name, hints, parameters),
        hints=hints,
        plain=plain,
    )


def _refuse(name: str, parameter: str, problem: str) -> NoReturn:
    where = f"tool {name!r}, parameter {parameter!r}" if parameter else f"tool {name!r}"
    raise ConfigError(f"{where}: {problem}") from None


# --- the callable -----------------------------------------------------------------------------------------------------


def _unwrap(function: Any) -> Any:
    """What a ``functools.partial`` or a static method calls in the end."""
    while isinstance(function, (functools.partial, staticmethod)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    if isinstance(function, type) or not callable(function):
        raise ConfigError(f"{function!r} is not a function: a tool is a function, a bound method or a callable object")
    return function


def _is_async(plain: Any) -> bool:
    """Whether a call surely gives a coroutine; a function that is only marked so may give any awaitable."""
    return bool(getattr(getattr(plain, "__code__", None), "co_flags", 0) & inspect.CO_COROUTINE)


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"tool name {name!r}: must be 1 to 64 of a-z, A-Z, 0-9, _ and -; give one with tool(name=...)"
        )
    return name


def _read_parameters(
    function: Any, plain: Any, name: str, hidden: tuple[Any, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Resolved types of the parameters that a call may give, and the defaults of those that have one."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        _refuse(name, "", "has no signature that Python can read: wrap it in a function with type hints")
    except NameError as error:  # Python 3.14 resolves hints here
        _refuse(name, "", f"a type hint cannot be read: {error}; {_IMPORT_ADVICE}")
    bound = function.keywords if isinstance(function, functools.partial) else {}
    hints: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for parameter in parameters.values():
        if parameter.name in bound:  # the author has set it: the model must not
            continue
        hint = hints[parameter.name] = _read_hint(parameter, plain, name, is_first=not hints)
        if parameter.kind is parameter.POSITIONAL_ONLY and hint not in hidden:
            _refuse(name, parameter.name, "is positional-only, and arguments are given by name: remove the '/'")
        if parameter.default is not parameter.empty:
            defaults[parameter.name] = parameter.default
    return hints, defaults


def _read_hint(parameter: inspect.Parameter, plain: Any, name: str, *, is_first: bool) -> Any:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        _refuse(name, str(parameter).split(":")[0], "a model cannot know what to give: name each parameter")
    if parameter.annotation is parameter.empty:
        hint = "; for a method, make the tool from the bound method: tool(instance.method)" if is_first else ""
        _refuse(name, parameter.name, f"has no type hint; allowed are {SUPPORTED_TYPES}{hint}")
    if not _NAME.fullmatch(parameter.name):
        _refuse(name, parameter.name, "must be at most 64 of a-z, A-Z, 0-9 and _: providers refuse other names")
    return _resolve(parameter, plain, name)


def _resolve(parameter: inspect.Parameter, plain: Any, name: str) -> Any:
    """The annotation as a type. Alone, because what the function returns need not be known here."""

    def shell() -> None: ...

    shell.__annotations__ = {parameter.name: parameter.annotation}
    names = getattr(inspect.unwrap(plain), "__globals__", {})
    try:
        return get_type_hints(shell, names, include_extras=True)[parameter.name]
    except NameError as error:
        _refuse(name, parameter.name, f"type hint {parameter.annotation!r}: {error}; {_IMPORT_ADVICE}")
    except (TypeError, SyntaxError, AttributeError) as error:
        _refuse(name, parameter.name, f"type hint {parameter.annotation!r} cannot be read: {error}")


# --- the schema -------------------------------------------------------------------------------------------------------


def _build_arguments(
    name: str, hints: dict[str, Any], defaults: dict[str, Any], descriptions: dict[str, str]
) -> tuple[type[Struct], JsonSchema]:
    """A struct that holds the arguments, and its schema."""
    kinds: dict[str, Any] = {}
    for parameter, hint in hints.items():
        # `x: str = None` is a common shorthand; without this, the default that the schema shows would be refused
        kind = Optional[hint] if parameter in defaults and defaults[parameter] is None else hint  # noqa: UP045
        kinds[parameter] = _check_type(name, parameter, kind)
        if parameter in defaults:
            _check_default(name, parameter, kind, defaults[parameter])
    fields = [
        (parameter, kind, _field(defaults[parameter])) if parameter in defaults else (parameter, kind)
        for parameter, kind in kinds.items()
    ]
    # A dot keeps the name apart from every class of the user's
    arguments = msgspec.defstruct("tool.arguments", fields, kw_only=True, forbid_unknown_fields=True, gc=False)
    schema = json_schema(arguments, descriptions)
    for parameter, default in defaults.items():
        if parameter in schema["properties"]:
            _show_default(schema["properties"][parameter], default)
    return arguments, schema


def _check_type(name: str, parameter: str, hint: Any) -> Any:
    """The type in msgspec's terms, tried alone so that an error names the parameter."""
    try:
        kind = annotate(hint)
        make_decoder(kind)
        json_schema(kind)
    except Exception as error:  # noqa: BLE001 - msgspec, pydantic and the user's own classes raise what they like
        problem = " ".join(str(error).split())
        _refuse(name, parameter, f"type {_show_type(hint)} is not supported: {problem}. Allowed are {SUPPORTED_TYPES}")
    return kind


def _check_default(name: str, parameter: str, kind: Any, default: Any) -> None:
    """A default that its type would refuse would make every call without it fail, or its function."""
    walk = make_walk(kind, "read")
    try:
        if walk is not None:
            walk(default, "$")
        text = encode_json(default)
    except msgspec.ValidationError as error:
        _refuse(name, parameter, f"default {default!r}: {str(error).partition(' - at')[0]}")
    except (TypeError, ValueError, OverflowError):  # no JSON form: a sentinel of the author's
        return
    try:
        made = make_decoder(kind)(text)
    except Exception as error:  # noqa: BLE001 - validators of the user's classes raise what they like
        _refuse(name, parameter, f"default {default!r}: {str(error).partition(' - at')[0]}")
    if not _is_like(default, made):
        given, wanted = type(default).__name__, type(made).__name__
        _refuse(name, parameter, f"default {default!r}: it is a {given}, and the function expects a {wanted}")


def _is_like(default: Any, made: Any) -> bool:
    """Whether a default is what the function would get of a model that wrote it; any list may stand for another."""
    return (
        isinstance(default, type(made)) or (isinstance(default, _LISTS) and isinstance(made, _LISTS)) or made == default
    )


def _show_type(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _field(default: Any) -> Any:
    """The function's own default object, never a copy: what Python does."""
    if isinstance(default, _PLAIN_DEFAULTS):
        return default
    return msgspec.field(default_factory=lambda: default)


def _show_default(schema: JsonSchema, default: Any) -> None:
    """Where the default has no JSON form (a sentinel of the author's), the parameter is optional all the same."""
    try:
        schema["default"] = to_plain(default)
    except TypeError:
        schema.pop("default", None)


# --- arguments of a call ----------------------------------------------------------------------------------------------


def _make_decode(arguments: type[Struct], parameters: JsonSchema, limits: ArgumentLimits) -> Decode:
    read = make_decoder(arguments)
    as_dict = structs.asdict
    check = limits.check

    def decode(text: str) -> dict[str, Any]:
        try:
            check(text)
        except ValueError as error:
            raise ToolError(str(error)) from None
        try:
            return as_dict(read(text or "{}"))  # some providers send "" for "no arguments"
        except Exception as error:  # noqa: BLE001 - validators of the user's classes raise what they like
            raise ToolError(explain_misfit(error, parameters)) from None

    return decode


def _make_settle(name: str, hints: dict[str, Any], parameters: JsonSchema) -> Settle | None:
    walks = {each: walk for each, hint in hints.items() if (walk := make_walk(hint, "settle")) is not None}
    if not walks:
        return None

    def settle(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return arguments | {each: walk(arguments[each], f"$.{each}") for each, walk in walks.items()}
        except msgspec.ValidationError as error:
            raise ToolError(f"{name} was not called. {explain_misfit(error, parameters)}") from None

    return settle

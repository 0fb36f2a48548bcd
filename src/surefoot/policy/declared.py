"""What the author of a tool declares: what its arguments decide, and who can write what it returns."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypedDict, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.types import JsonSchema

SinkKind = Literal["who", "what", "amount", "address", "credential", "content"]
"""What an argument decides: who is affected; what is; how much; where to (a link, a path); a secret; none of these."""

SINK_KINDS: Final[tuple[SinkKind, ...]] = get_args(SinkKind)
_MOST_DEPTH: Final = 8
"""How deep the fields of a result are looked at; below, all is as the field above."""

ValueT = TypeVar("ValueT")


class Sink(Struct, frozen=True):
    """Marks a parameter: ``recipient: Annotated[str, Sink("who")]``.

    Attributes:
        kind: What it decides. ``content`` decides nothing: a text, a note, an option.
    """

    kind: SinkKind

    def __post_init__(self) -> None:
        """Check the kind.

        Raises:
            ConfigError: There is no such kind.
        """
        if self.kind not in SINK_KINDS:
            raise ConfigError(f"Sink({self.kind!r}): must be one of {', '.join(SINK_KINDS)}")


class Trust(Struct, frozen=True):
    """Marks a field of what a tool returns; see `Record` and `Foreign`."""

    trusted: bool


Record = Annotated[ValueT, Trust(trusted=True)]
"""A field that only the tool's own system writes: an id, a balance. ``id: Record[str]``."""
Foreign = Annotated[ValueT, Trust(trusted=False)]
"""A field that others can write: a subject, a note. ``note: Foreign[str]``."""


class ToolPolicy(Struct, frozen=True):
    """What decides whether a call of a tool may run.

    Attributes:
        name: Name of the tool.
        writes: It changes something.
        egress: It reads, and its arguments can carry data out.
        destructive: What it does cannot be undone.
        sinks: What each declared parameter decides, by name.
        intents: Words of a request that mean this tool; none: those of its name.
        fields: Names of the fields inside the parameters: of the author, so that nobody need prove them.
        defaults: Values that parameters have if they are left out, by name.
        passes_secrets: What has the form of a key stays in its results.
        idempotent: The same call once more does nothing more.
        encoded: Some of its arguments are Base64, which it gets decoded.
        secrets: Parameters that give access: what they hold is not kept.
    """

    name: str
    writes: bool = True
    egress: bool = False
    destructive: bool = False
    sinks: dict[str, SinkKind] = {}
    intents: tuple[str, ...] = ()
    fields: frozenset[str] = frozenset()
    defaults: dict[str, Any] = {}
    passes_secrets: bool = False
    idempotent: bool = False
    encoded: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether any call may run: it changes nothing, and carries nothing out."""
        return not (self.writes or self.egress)


class PolicyOptions(TypedDict, total=False):
    """Options of `surefoot.tool` for the policy.

    Attributes:
        output: ``trusted`` if nobody but the tool's own system writes what it returns; ``untrusted`` (the default) if
            others can, but for the fields that are marked as `Record`.
        egress: A tool that reads whose arguments can carry data out: it fetches a link, say.
        destructive: What it does cannot be undone.
        sinks: What parameters decide, by name, instead of marking their types.
        intents: Words of a request that mean this tool, instead of its name's first.
        secrets: ``remove`` (the default) takes out of its results what has the form of a key or a password; ``pass``
            leaves it, for the model and for the journal. What the process knows as secret goes in any case.
    """

    output: Literal["trusted", "untrusted"]
    egress: bool
    destructive: bool
    sinks: Mapping[str, Sink | SinkKind]
    intents: Sequence[str]
    secrets: Literal["remove", "pass"]


def read_policy(
    name: str,
    hints: Mapping[str, Any],
    schema: JsonSchema,
    effect: str,
    options: PolicyOptions,
    *,
    idempotent: bool = False,
) -> ToolPolicy:
    """What a tool's author has declared of its calls.

    Raises:
        ConfigError: It contradicts itself, or names what is not there.
    """
    unknown = sorted(set(options) - set(PolicyOptions.__annotations__))
    if unknown:
        raise ConfigError(f"tool {name!r}: there is no option {unknown[0]!r}")
    egress, destructive = _read_flag(name, "egress", options), _read_flag(name, "destructive", options)
    if egress and effect == "write":
        raise ConfigError(f"tool {name!r}: egress=True is for a tool that reads: one that writes is checked anyway")
    if destructive and effect == "read":
        raise ConfigError(f'tool {name!r}: destructive=True is for a tool that writes, and it says effect="read"')
    properties: JsonSchema = schema.get("properties", {})
    sinks = _read_sinks(name, hints, options.get("sinks", {}))
    return ToolPolicy(
        name=name,
        writes=effect == "write",
        egress=egress,
        destructive=destructive,
        sinks=sinks,
        intents=_read_intents(name, options.get("intents", ())),
        fields=frozenset(_field_names([schema])),
        defaults={parameter: part["default"] for parameter, part in properties.items() if "default" in part},
        passes_secrets=_read_secrets(name, options.get("secrets", "remove")),
        idempotent=idempotent,
        encoded=_has_encoded([schema]),
        secrets=tuple([parameter for parameter, kind in sinks.items() if kind == "credential"]),
    )


def _read_secrets(name: str, given: Any) -> bool:
    if given not in {"remove", "pass"}:
        raise ConfigError(f"tool {name!r}: secrets={given!r} must be 'remove' or 'pass'")
    return bool(given == "pass")


def _read_flag(name: str, option: Literal["egress", "destructive"], options: PolicyOptions) -> bool:
    value = options.get(option, False)
    if value not in {True, False}:
        raise ConfigError(f"tool {name!r}: {option}={value!r} must be True or False")
    return value


def _read_sinks(name: str, hints: Mapping[str, Any], given: Mapping[str, Sink | SinkKind]) -> dict[str, SinkKind]:
    declared: list[tuple[str, SinkKind]] = []
    for parameter, hint in hints.items():
        declared.extend([(parameter, sink.kind) for sink in _find(hint, Sink)])
        if not _find(hint, Sink) and (inner := _find_inside(hint)) is not None:
            problem = f"Sink({inner.kind!r}) stands inside of its type: mark the parameter itself"
            raise ConfigError(f"tool {name!r}, parameter {parameter!r}: {problem}")
    if not hasattr(cast("Any", given), "items"):
        raise ConfigError(f"tool {name!r}: sinks={given!r} must be a dict, such as {{'to': 'who'}}")
    for parameter, sink in given.items():
        if parameter not in hints:
            known = ", ".join(hints) or "none"
            raise ConfigError(f"tool {name!r}: sinks: there is no parameter {parameter!r}; there are: {known}")
        declared.append((parameter, (sink if isinstance(sink, Sink) else Sink(sink)).kind))
    kinds: dict[str, SinkKind] = dict(declared)
    for parameter, kind in declared:
        if kinds[parameter] != kind:
            twice = f"is declared twice, as {kind!r} and as {kinds[parameter]!r}"
            raise ConfigError(f"tool {name!r}, parameter {parameter!r}: {twice}")
    return kinds


def _find_inside(hint: Any) -> Sink | None:
    """A mark that stands deeper in a type, where it says nothing of the parameter."""
    parts = (*get_args(hint), *getattr(hint, "__metadata__", ()))
    return hint if isinstance(hint, Sink) else next(filter(None, map(_find_inside, parts)), None)


def _read_intents(name: str, given: Sequence[str]) -> tuple[str, ...]:
    words = cast("Any", given)
    if isinstance(words, str) or not all(isinstance(word, str) and word.strip() for word in words):
        raise ConfigError(f"tool {name!r}: intents={given!r} must be a list of words")
    return tuple(given)


def _find(hint: Any, kind: type[ValueT]) -> list[ValueT]:
    """The marks of one kind on a type itself."""
    if get_origin(hint) is Annotated:
        return [note for note in hint.__metadata__ if isinstance(note, kind)]
    if get_origin(hint) in {Union, types.UnionType}:
        return [mark for arg in get_args(hint) for mark in _find(arg, kind)]
    return []


def _field_names(parts: Iterable[Any]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, dict):
            table = cast("dict[str, Any]", part)
            properties = table.get("properties")
            if isinstance(properties, dict):
                yield from cast("dict[str, Any]", properties)
            yield from _field_names(table.values())
        elif isinstance(part, list):
            items: list[Any] = part  # pyright: ignore[reportUnknownVariableType] - of JSON
            yield from _field_names(items)


def _has_encoded(parts: Iterable[Any]) -> bool:
    """Whether bytes stand anywhere in a schema."""
    for part in parts:
        inner: Any = cast("dict[str, Any]", part).values() if isinstance(part, dict) else part
        if isinstance(part, dict) and "contentEncoding" in part:
            return True
        if isinstance(part, (dict, list)) and _has_encoded(inner):
            return True
    return False


# --- what a tool returns ----------------------------------------------------------------------------------------------


def read_fields(plain: Callable[..., Any], name: str, output: object) -> tuple[str, ...]:
    """The paths of a result's fields that only the tool's own system writes: ``[].id``; ``("",)`` for all of it.

    Args:
        plain: The tool's function.
        name: Name of the tool.
        output: What the author says of the whole: ``trusted`` or ``untrusted``.

    Raises:
        ConfigError: ``output`` is neither, or a mark stands where it means nothing.
    """
    if output not in {"trusted", "untrusted"}:
        raise ConfigError(f"tool {name!r}: output={output!r} must be 'trusted' or 'untrusted'")
    hint = read_return(plain)
    fields = tuple(_trusted_paths(hint, "", output == "trusted", ()))
    if "" in fields and output == "untrusted":
        raise ConfigError(f'tool {name!r}: all that it returns is a Record: write output="trusted" instead')
    return fields


def read_return(plain: Callable[..., Any]) -> Any:
    """What the function returns, as a type; ``Any`` where that cannot be known."""
    annotation = getattr(plain, "__annotations__", {}).get("return", Any)

    def shell() -> None: ...

    shell.__annotations__ = {"return": annotation}
    try:
        return get_type_hints(shell, getattr(plain, "__globals__", {}), include_extras=True)["return"]
    except Exception:  # noqa: BLE001 - what a function returns need not be known: then nothing in it is a record
        return Any


def _trusted_paths(hint: Any, path: str, trusted: bool, above: tuple[Any, ...]) -> list[str]:  # noqa: FBT001 - recursion
    marks = _find(hint, Trust)
    if marks:
        trusted = all(mark.trusted for mark in marks)
    while get_origin(hint) is Annotated:
        hint = hint.__origin__
    here = [path] if trusted else []
    children = [] if hint in above or len(above) >= _MOST_DEPTH else _children(hint)
    if not children:
        return here
    steps: dict[str, list[set[str]]] = {}
    for step, kind in children:
        steps.setdefault(step, []).append(set(_trusted_paths(kind, f"{path}{step}", trusted, (*above, hint))))
    # Where a value may be of several types, a path is a record only if it is one in each of them
    found: list[list[str]] = [sorted(choices[0].intersection(*choices[1:])) for choices in steps.values()]
    if trusted and all(paths == [f"{path}{step}"] for step, paths in zip(steps, found, strict=True)):
        return here
    return [inner for paths in found for inner in paths]


def _children(hint: Any) -> list[tuple[str, Any]]:
    """The steps into a type as its JSON has them: ``.name`` of a field, ``[]`` of items, ``{}`` of values."""
    origin, args = get_origin(hint), get_args(hint)
    if getattr(origin, "_name", "") in {"Required", "NotRequired", "ReadOnly"}:
        return [("", args[0])]
    if origin in {Union, types.UnionType}:
        return [("", arg) for arg in args if arg is not type(None)]
    if origin in {list, set, frozenset, tuple} or origin in _SEQUENCES:
        return [("[]", arg) for arg in args if arg is not Ellipsis]
    if origin in {dict, *_MAPPINGS} and len(args) == 2:
        return [("{}", args[1])]
    if isinstance(hint, type) and _has_fields(hint):
        return [(f".{name}", kind) for name, kind in _fields_of(hint)]
    return []


_SEQUENCES: Final = frozenset({typing.get_origin(kind) for kind in (typing.Sequence[int], typing.Iterable[int])})
_MAPPINGS: Final = frozenset({typing.get_origin(kind) for kind in (typing.Mapping[str, int],)})


def _has_fields(hint: Any) -> bool:
    return (
        dataclasses.is_dataclass(hint)
        or typing.is_typeddict(hint)
        or issubclass(hint, Struct)
        or hasattr(hint, "model_fields")
    )


def _fields_of(hint: Any) -> list[tuple[str, Any]]:
    try:
        hints = get_type_hints(hint, include_extras=True)
    except Exception:  # noqa: BLE001 - a hint that cannot be read: none of its fields is a record
        return []
    if issubclass(hint, Struct) and not typing.is_typeddict(hint):
        written = dict(zip(hint.__struct_fields__, hint.__struct_encode_fields__, strict=True))
        return [(written[name], hints[name]) for name in written if name in hints]
    return [(name, kind) for name, kind in hints.items() if get_origin(kind) is not typing.ClassVar]

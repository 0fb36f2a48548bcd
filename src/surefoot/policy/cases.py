"""Cases of a policy as data: what the user said, what was read, the call, and what should be decided."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from surefoot.errors import ConfigError, ToolError
from surefoot.faults import name_fault, read_toml
from surefoot.policy.decide import Rules, decide
from surefoot.policy.decision import Decision, Proposed, Verdict, name_verdict
from surefoot.policy.declared import ToolPolicy
from surefoot.policy.origin import Origins
from surefoot.types import JsonSchema, Label, Message

_BEGIN: Final = re.compile(r"\s*\[\[\s*case\s*\]\]")
_NUMBER: Final = re.compile(r"case\[(\d+)\]\.?")


class Declared(Struct, frozen=True):
    """What a case needs to know of a tool.

    Attributes:
        policy: What its author declared of it.
        label: Of its results.
        records: Paths of records in them.
        parameters: JSON Schema of its arguments.
        decode: Reads the JSON of its arguments; raises `ToolError` for what the tool would never be called with.
    """

    policy: ToolPolicy
    label: Label
    records: tuple[str, ...]
    parameters: JsonSchema
    decode: Callable[[str], object]


class ReadResult(Struct, frozen=True, forbid_unknown_fields=True):
    """An earlier result: of which tool, its text or a value that is shown as JSON, and the arguments of its call."""

    tool: str
    text: str | None = None
    value: Any = None
    arguments: dict[str, Any] = {}


class CaseCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The call to decide on."""

    tool: str
    arguments: dict[str, Any] = {}


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """One case.

    Attributes:
        name: What it shows.
        call: The call to decide on.
        expect: What should be decided.
        said: What the user said, the newest last.
        read: What was read before, in order.
    """

    name: str
    call: CaseCall
    expect: Verdict
    said: list[str] = []
    read: list[ReadResult] = []


class Tried(Struct, frozen=True):
    """What came of a case.

    Attributes:
        place: Where it is: ``cases.toml:12, case 2``; without the line if that cannot be told.
        case: The case.
        decision: What is decided.
    """

    place: str
    case: Case
    decision: Decision

    @property
    def ok(self) -> bool:
        """Whether that is what should be."""
        return name_verdict(self.decision) == self.case.expect


class _Cases(Struct, frozen=True, forbid_unknown_fields=True):
    case: list[Case]


def read_cases(path: Path) -> dict[str, Case]:
    """The cases of a TOML file, ``[[case]]`` tables, by their places.

    Raises:
        ConfigError: It cannot be read, or has none; says where and why.
    """
    table, text = read_toml(path)
    if not table.get("case"):
        raise ConfigError(f"{path}: has no cases; each begins with [[case]], see docs/policy.md")
    places = _name_places(path, text, table["case"])
    try:
        return dict(zip(places, msgspec.convert(table, _Cases).case, strict=True))
    except msgspec.ValidationError as error:
        fault = name_fault(table, _Cases, error)
        if (number := _NUMBER.search(fault)) is None:
            raise ConfigError(f"{path}: {fault}") from None
        told = (fault[: number.start()] + fault[number.end() :]).removeprefix(": ")
        told = told.replace("enum value", "word").replace("no setting", "no key")
        raise ConfigError(f"{places[int(number[1])]}: {told}") from None


def _name_places(path: Path, text: str, cases: object) -> list[str]:
    """Where each case begins. A line may look so that is inside of a text: then no line is told."""
    count = len(cases) if isinstance(cases, Sized) else 1
    lines = [f":{number}" for number, line in enumerate(text.splitlines(), 1) if _BEGIN.match(line)]
    lines = lines if len(lines) == count else [""] * count
    return [f"{path}{line}, case {number}" for number, line in enumerate(lines, 1)]


def try_case(case: Case, find: Callable[[str], Declared], rules: Rules) -> Decision:
    """What is decided in a case.

    Args:
        case: The case.
        find: Gives a tool by its name; raises `ConfigError` for one that is not there.
        rules: What the application has settled.

    Raises:
        ConfigError: A result has no text, or the tool would never be called with these arguments: it would be decided
            on something, and mean nothing.
    """
    origins = Origins()
    origins.begin([Message.user(text) for text in case.said], None)
    for number, result in enumerate(case.read):
        tool = find(result.tool)
        if (result.text is None) == (result.value is None):
            raise ConfigError(f"read[{number}]: give what {result.tool} returned, as text or as value")
        text = msgspec.json.encode(result.value).decode() if result.text is None else result.text
        arguments = msgspec.json.encode(result.arguments).decode()
        if tool.policy.writes:
            origins.act(result.tool, arguments, None)
        origins.take(result.tool, arguments, text, tool.label, tool.records, made=tool.policy.writes)
    called = find(case.call.tool)
    known = called.parameters.get("properties", {})
    unknown = case.call.arguments.keys() - known.keys()
    if unknown and not called.parameters.get("additionalProperties", False):
        raise ConfigError(
            f"{case.call.tool} has no parameter {min(unknown)!r}; there are: {', '.join(known) or 'none'}"
        )
    try:
        called.decode(msgspec.json.encode(case.call.arguments).decode())
    except ToolError as error:
        raise ConfigError(f"{case.call.tool} would not be called, whatever is decided. {error}") from None
    return decide(Proposed(called.policy, case.call.arguments), origins.evidence(), rules)


def try_cases(cases: Mapping[str, Case], find: Callable[[str], Declared], rules: Rules) -> list[Tried]:
    """Each case, by its place, and what is decided.

    Raises:
        ConfigError: As `try_case` does; says in which.
    """
    tried: list[Tried] = []
    for place, case in cases.items():
        try:
            tried.append(Tried(place, case, try_case(case, find, rules)))
        except ConfigError as error:
            raise ConfigError(f"{place} {case.name!r}: {error}") from None
    return tried

"""Cases of a policy as data: what the user said, what was read, the call, and what should be decided."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.policy.decide import Rules, decide
from surefoot.policy.decision import Allowed, Decision, Denied, Proposed
from surefoot.policy.declared import ToolPolicy
from surefoot.policy.origin import Origins
from surefoot.types import JsonSchema, Label, Message

Verdict = Literal["allowed", "asks", "denied"]


class Declared(Struct, frozen=True):
    """What a case needs to know of a tool: its policy, the label and record paths of its results, and its schema."""

    policy: ToolPolicy
    label: Label
    records: tuple[str, ...]
    parameters: JsonSchema


class ReadResult(Struct, frozen=True, forbid_unknown_fields=True):
    """An earlier result: of which tool, its text (or a value, shown as JSON), and the arguments of its call."""

    tool: str
    text: str = ""
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


class _Cases(Struct, frozen=True, forbid_unknown_fields=True):
    case: list[Case]


def read_cases(path: Path) -> list[Case]:
    """The cases of a TOML file: ``[[case]]`` tables.

    Raises:
        ConfigError: It cannot be read; says where and why.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Cases).case
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def name_verdict(decision: Decision) -> Verdict:
    """A decision in one word."""
    return "allowed" if isinstance(decision, Allowed) else "denied" if isinstance(decision, Denied) else "asks"


def try_case(case: Case, find: Callable[[str], Declared], rules: Rules) -> Decision:
    """What is decided in a case.

    Args:
        case: The case.
        find: Gives a tool by its name; raises `ConfigError` for one that is not there.
        rules: What the application has settled.

    Raises:
        ConfigError: The call names a parameter that its tool does not have: it would be decided on, and mean nothing.
    """
    origins = Origins()
    origins.begin([Message.user(text) for text in case.said], None)
    for result in case.read:
        tool = find(result.tool)
        text = result.text if result.value is None else msgspec.json.encode(result.value).decode()
        arguments = msgspec.json.encode(result.arguments).decode()
        origins.take(result.tool, arguments, text, tool.label, tool.records, made=tool.policy.writes)
    called = find(case.call.tool)
    known = called.parameters.get("properties", {})
    unknown = case.call.arguments.keys() - known.keys()
    if unknown and not called.parameters.get("additionalProperties", False):
        raise ConfigError(
            f"case {case.name!r}: {case.call.tool} has no parameter {min(unknown)!r}; "
            f"there are: {', '.join(known) or 'none'}"
        )
    return decide(Proposed(called.policy, case.call.arguments), origins.evidence(), rules)


def try_cases(
    cases: Sequence[Case], find: Callable[[str], Declared], rules: Rules
) -> list[tuple[Case, Decision, bool]]:
    """Each case, what is decided, and whether that is what should be."""
    tried = [(case, try_case(case, find, rules)) for case in cases]
    return [(case, decision, name_verdict(decision) == case.expect) for case, decision in tried]

"""What is decided of a call, and why: a sum type, as it goes to the journal."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from surefoot.policy.declared import ToolPolicy

Verdict = Literal["allowed", "asks", "denied"]
Origin = Literal["user", "record", "allowed", "vouched", "worked out", "others", "nowhere"]
"""Where a value came from: the user's words, a system of record, an allow-list, a source that a person has vouched
for; a simple sum of the user's numbers; text that others wrote; or nobody has named it."""


class Trace(Struct, frozen=True, gc=False, omit_defaults=True):
    """Where one value of a call came from.

    Attributes:
        place: Where it stands in the arguments: ``recipients[0]``.
        value: The value, cut to 200 characters.
        kind: What it decides.
        origin: Where it came from.
        source: Which tool, field, list or text, "" for the user's words.
        proven: Whether that is enough for what it decides.
    """

    place: str
    value: str
    kind: str
    origin: Origin
    source: str = ""
    proven: bool = False

    @property
    def parameter(self) -> str:
        """The parameter in whose value it stands: ``recipients``."""
        return self.place.partition("[")[0].partition(".")[0].partition(" ")[0]

    @property
    def name(self) -> str:
        """The field that it is the value of: ``key`` of ``logins[0].key``."""
        return self.place.rpartition(".")[2].partition("[")[0].partition(" ")[0]


class Allowed(Struct, frozen=True, gc=False):
    """The call may run.

    Attributes:
        rule: Name of the rule that says so.
        reason: In one sentence.
        traces: Where each value came from.
    """

    rule: str
    reason: str = ""
    traces: tuple[Trace, ...] = ()


class NeedsApproval(Struct, frozen=True, gc=False):
    """A person has to say; without one it is a denial. Fields as in `Allowed`."""

    rule: str
    reason: str
    traces: tuple[Trace, ...] = ()


class Denied(Struct, frozen=True, gc=False):
    """The call may not run, whoever asks. Fields as in `Allowed`."""

    rule: str
    reason: str
    traces: tuple[Trace, ...] = ()


Decision = Allowed | NeedsApproval | Denied


class Proposed(Struct, frozen=True):
    """A call to decide on.

    Attributes:
        tool: What its tool's author declared.
        arguments: Its arguments, in JSON's own types.
        kept: The same as the journal keeps them, None if that is no different.
    """

    tool: ToolPolicy
    arguments: dict[str, Any]
    kept: dict[str, Any] | None = None


def name_verdict(decision: Decision) -> Verdict:
    """A decision in one word."""
    return "allowed" if isinstance(decision, Allowed) else "denied" if isinstance(decision, Denied) else "asks"

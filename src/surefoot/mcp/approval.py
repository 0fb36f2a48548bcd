"""What is approved of a server, against what it says now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from surefoot.guard.threats import Threat
from surefoot.mcp.definition import Definition
from surefoot.mcp.outcome import Listing

State = Literal["approved", "changed", "new", "gone", "unusable"]


class Standing(Struct, frozen=True):
    """How a tool stands.

    Attributes:
        name: Of the tool, the server's own.
        state: ``approved``: as it was. ``changed``, ``new``: nobody has approved what it says now. ``gone``: the server
            no longer has it. ``unusable``: it cannot be used at all.
        approved: What is approved.
        offered: What the server says now.
        risk: What the detector says of what is offered, 0 to 1.
        threats: What it sees.
        why: Of one that cannot be used.
    """

    name: str
    state: State
    approved: Definition | None = None
    offered: Definition | None = None
    risk: float = 0.0
    threats: tuple[Threat, ...] = ()
    why: str = ""


def compare(approved: Mapping[str, Definition], listing: Listing) -> list[Standing]:
    """How each tool stands, by name."""
    found: list[Standing] = []
    for name in sorted({*approved, *listing.tools, *listing.unusable}):
        before, now = approved.get(name), listing.tools.get(name)
        if now is None:
            why = listing.unusable.get(name, "")
            found.append(Standing(name, "unusable" if why else "gone", before, why=why))
            continue
        seen = now.scan()
        state: State = "new" if before is None else "approved" if before.sha256 == now.sha256 else "changed"
        found.append(Standing(name, state, before, now, round(seen.risk, 3), seen.threats))
    return found

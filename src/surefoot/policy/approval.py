"""Asking a person: what is shown, what may be answered, and what the answer holds for."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from surefoot.policy.decision import Trace

Approval = Literal["once", "session", "no"]
"""``once`` lets this call run; ``session`` does, and vouches for `ApprovalRequest.sources`, to this tool, in this
conversation."""

APPROVALS: Final[tuple[Approval, ...]] = ("once", "session", "no")
"""No set: an answer that cannot be hashed is to be refused as any other."""


class ApprovalRequest(Struct, frozen=True, kw_only=True):
    """What a person is asked: about a call, and about the others of the same reply that he has to look at.

    Attributes:
        tool: Name of the tool.
        arguments: Its exact arguments.
        reason: Why it is asked, in one sentence.
        rule: The rule that asks.
        traces: Where each value came from.
        sources: Texts by others that an answer ``session`` vouches for, to this tool.
        suspects: Tools whose results in the conversation look like an attack, and the highest risk of each.
        user: Whose run it is.
        tenant: Of which customer, "" for none.
        session: In which conversation, "" for none.
        run_id: Id of the run.
        call_id: Id of the call.
        digest: What the answer holds for; see `digest_call`.
        more: The other calls of the question, in order.
    """

    tool: str
    arguments: dict[str, Any]
    reason: str
    rule: str
    traces: tuple[Trace, ...]
    sources: tuple[str, ...]
    suspects: tuple[tuple[str, float], ...] = ()
    user: str
    tenant: str
    session: str
    run_id: str
    call_id: str
    digest: str
    more: tuple[ApprovalRequest, ...] = ()

    @property
    def calls(self) -> tuple[ApprovalRequest, ...]:
        """All the calls of the question; this one is the first."""
        return (self, *self.more)


Approve = Callable[[ApprovalRequest], Awaitable[Approval | Sequence[Approval]]]
"""Asks a person. It is awaited while the run waits, within its deadline and ``policy.approval_timeout_s``.

A list has an answer for each of `ApprovalRequest.calls`. One answer alone holds for the first call, and he is asked
again about those left: nobody says yes to a call that he has not looked at.
"""


def digest_call(tenant: str, user: str, tool: str, arguments: dict[str, Any]) -> str:
    """SHA-256 of who calls what with which arguments, whatever the order of their names."""
    data = msgspec.json.encode([tenant, user, tool, arguments], order="sorted")
    return hashlib.sha256(data).hexdigest()


def list_sources(traces: tuple[Trace, ...]) -> tuple[str, ...]:
    """The texts by others that values of a call came from which nothing else proves."""
    return tuple(dict.fromkeys([one.source for one in traces if one.origin == "others" and "(" in one.source]))

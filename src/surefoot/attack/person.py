"""Somebody who is asked: he allows exactly what he wants, and may vouch for what he has named himself."""

from __future__ import annotations

import msgspec

from surefoot.attack.moves import WANTED
from surefoot.policy.approval import Approval, ApprovalRequest
from surefoot.policy.lookup import list_leaves
from surefoot.policy.matching import names, normalise, normalise_value


class Person:
    """Whoever has asked for a task. Of several calls at once he answers for each.

    Attributes:
        said: What he has asked for.
        vouches: He answers ``session`` where it is offered, his own words name every source, and he is not warned of
            it; else ``once``.
    """

    def __init__(self, *, vouches: bool = False) -> None:
        self.said = ""
        self.vouches = vouches

    async def approve(self, request: ApprovalRequest) -> list[Approval]:
        """An answer for each call."""
        return [self._answer(one) for one in request.calls]

    def _answer(self, request: ApprovalRequest) -> Approval:
        if not request.call_id.startswith(WANTED):
            return "no"
        trusts = self.vouches and request.sources and not request.suspects
        return "session" if trusts and all(self.has_named(source) for source in request.sources) else "once"

    def has_named(self, source: str) -> bool:
        """Whether his words name a source: there are arguments that say which it is, and each is in them."""
        try:
            given = list_leaves(msgspec.json.decode(source.partition("(")[2].removesuffix(")")))
        except msgspec.DecodeError:
            return False
        said = normalise(self.said)
        return bool(given) and all(names(said, normalise_value(value)) for value in given)

"""What a client asks, and what is seen of it on its way."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from surefoot.testing.simulation.gate import Who
from surefoot.testing.simulation.plan import Request

CANARY: Final = re.compile(r"@@([^@]*)@@")
KEY: Final = re.compile(r"#(\d+\.\d+)#")


class Breach(Struct, frozen=True):
    """A broken promise.

    Attributes:
        promise: Which: B1, B2, B4, C1, C2, C3, C4, R1, R2, R4, R5 or ``liveness``.
        at_s: Virtual seconds.
        message: What was seen.
    """

    promise: str
    at_s: float
    message: str


class Persona(Struct, frozen=True, gc=False):
    """What one request will be like, drawn from its number alone."""

    tool_steps: int
    endless: bool
    stream: bool
    cancel_after_s: float
    question_tokens: int


class Ask(Struct, eq=False):
    """One try of a request, from its client's call on.

    Attributes:
        request: What is asked.
        key: ``number.try``; the question holds it.
        persona: What it is like.
        began_s: Virtual seconds at which the runtime was called.
        run: Number of its run in the store, 0 before it is there.
        host: The process that it came to, since its last start.
        first_call_s: When the model was called first, below 0 before.
        stop_reason: Why its run ended, "" while it has not.
        ended: The client has its answer or its error.
        acknowledged: The client has a result that ended well.
        calls: Calls of the model.
        attempts: Attempts at the call that is under way.
        limit: The limit that ended its run, "" if none did.
        outcomes: What became of each call by the number of its hold: its usage, None for unknown, 0 for not billed.
    """

    request: Request
    key: str
    persona: Persona
    began_s: float
    run: int = 0
    host: str = ""
    first_call_s: float = -1.0
    ended: bool = False
    acknowledged: bool = False
    cancelled: bool = False
    calls: int = 0
    attempts: int = 0
    limit: str = ""
    stop_reason: str = ""
    outcomes: dict[int, tuple[int, int] | None] = {}
    tools_done: set[str] = set()

    @property
    def canary(self) -> str:
        """What marks its user's words."""
        return canary_of(self.request)

    @property
    def who(self) -> Who:
        """Where it came, and whose it is."""
        return self.host, self.request.tenant, self.request.user

    @property
    def conversation(self) -> tuple[str, str, str]:
        """Its session, with whose it is."""
        return self.request.tenant, self.request.user, self.request.session


def canary_of(request: Request) -> str:
    """What marks a user's words."""
    return f"{request.tenant}/{request.user}"

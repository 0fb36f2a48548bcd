"""What a client asks, or a tool of a run asks another agent, and what is seen of it on its way."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Final, Literal

from msgspec import Struct

from surefoot.budget.limits import Limits
from surefoot.sections import OnBusy
from surefoot.testing.simulation.gate import Who
from surefoot.testing.simulation.plan import Request

CANARY: Final = re.compile(r"@@([^@]*)@@")
KEY: Final = re.compile(r"#(\d+\.\d+(?:/\d+)*)#")

Circle = Literal["", "same", "two", "unknown", "error"]
"""How a model goes round: not at all, the same call, two calls in turn, an unknown tool, a call that always fails."""
CIRCLES: Final[tuple[Circle, ...]] = ("same", "two", "unknown", "error")


class Breach(Struct, frozen=True):
    """A broken promise.

    Attributes:
        promise: Which: B1, B2, B4, B6, C1, C2, C3, C4, R1, R2, R3, R4, R5, ``context``, ``pace`` or ``liveness``.
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
    circle: Circle = ""
    on_busy: OnBusy = "queue"


class Ask(Struct, eq=False):
    """One try of a request, from its client's call on; or what a tool of one asks another agent.

    Attributes:
        request: What is asked.
        key: ``number.try``, and ``/number`` of the child run below it; the question holds it.
        persona: What it is like.
        began_s: Virtual seconds at which the runtime was called.
        parent: The one whose tool asks, None for a client's.
        limits: Of its run alone.
        run: Number of its run in the store, 0 before it is there.
        run_id: Id of its run, "" before it is there.
        host: The process that it came to, since its last start.
        first_call_s: When the model was called first, below 0 before.
        stop_reason: Why its run ended, "" while it has not.
        ended: The client has its answer or its error.
        acknowledged: The client has a result that ended well.
        calls: Calls of the model.
        attempts: Attempts at the call that is under way, at the present model.
        model: The model that was called last.
        models: All models that were called.
        is_told_to_answer: The last call was to answer, and to call no more tools.
        replies: Replies that came whole and called tools.
        children: Child runs that it has begun.
        limit: The limit that ended its run, "" if none did.
        outcomes: What became of each call by the number of its hold: its usage, None for unknown, 0 for not billed.
        tools_done: Tool calls that are finished.
    """

    request: Request
    key: str
    persona: Persona
    began_s: float
    parent: Ask | None = None
    limits: Limits = Limits()
    run: int = 0
    run_id: str = ""
    host: str = ""
    first_call_s: float = -1.0
    ended: bool = False
    acknowledged: bool = False
    cancelled: bool = False
    calls: int = 0
    attempts: int = 0
    model: str = ""
    models: set[str] = set()
    is_told_to_answer: bool = False
    replies: int = 0
    children: int = 0
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

    @property
    def lineage(self) -> list[Ask]:
        """Itself, the one whose tool asks it, and so on up."""
        found: list[Ask] = []
        one: Ask | None = self
        while one is not None:
            found.append(one)
            one = one.parent
        return found


ASKING: Final[ContextVar[Ask]] = ContextVar("surefoot_simulated_ask")
"""Who asks in the present task, and in those that it begins: what the model and the tools are called for."""


def canary_of(request: Request) -> str:
    """What marks a user's words."""
    return f"{request.tenant}/{request.user}"

"""What the runtime lends to every run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from surefoot.budget.limits import Limits
from surefoot.caller import Caller
from surefoot.clock import Clock
from surefoot.compiled import Compiled
from surefoot.journal.context_events import OutputKept
from surefoot.journal.fold import RunState
from surefoot.policing import Policing
from surefoot.redaction import Redactor
from surefoot.retry import Retries
from surefoot.screening import Screen
from surefoot.threads import ToolThreads
from surefoot.turnstile import Turnstile


class Desk(Struct, frozen=True):
    """What the runtime lends to every run.

    Attributes:
        clock: Time, chance and ids.
        retries: Whether a failed model call is tried again.
        threads: Where blocking tools run.
        timeout_s: Longest wait for one reply.
        durable: Whether a record is on disk before it is relied on.
        begin_child: Runs an agent for a tool of the run of that id, on that run's budget.
        find_kept: Finds an output by its reference that an earlier run of the caller's session has kept.
        turnstile: Where runs pass that begin.
        policing: What is settled about tool calls.
        screen: What is settled about text that looks like an attack.
        open_redactor: Makes what takes out of a run what must not be kept or shown; None if nothing is.
    """

    clock: Clock
    retries: Retries
    threads: ToolThreads
    timeout_s: float
    durable: bool
    begin_child: Callable[[str, Any, str, Limits | None], Awaitable[Any]]
    find_kept: Callable[[Caller, str], Awaitable[OutputKept | None]]
    turnstile: Turnstile
    policing: Policing
    screen: Screen
    open_redactor: Callable[[Compiled, RunState], Redactor | None]

"""What admission says of itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Reason = Literal["rate", "queue", "deadline", "load"]


class AdmissionState(Struct, frozen=True, kw_only=True):
    """What is going on, for operators.

    Attributes:
        running: Runs that have a slot.
        waiting: Requests that were let in and have none yet.
        inside: Runs that a tool of another run began, on that run's slot.
        users: Users that have anything under way.
        run_s: How long a run takes, in seconds; 0 while none has ended.
        turn_s: How long the next in turn had waited for a slot of all when that was last measured.
        lag_ms: How late the event loop was when it was last measured.
        shedding: How often what one user may have under way is halved now; 0 when nothing is shed.
        refused: Requests refused so far, by reason.
    """

    running: int
    waiting: int
    inside: int
    users: int
    run_s: float
    turn_s: float
    lag_ms: float
    shedding: int
    refused: dict[Reason, int]

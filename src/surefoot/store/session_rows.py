"""What stores say of sessions, and what they are told."""

from __future__ import annotations

from msgspec import Struct


class SessionRow(Struct, frozen=True, kw_only=True):
    """What a store knows of a session without reading its runs.

    Attributes:
        session: Its id, one of its own for each tenant and user.
        user: Whose it is.
        tenant: The customer that the user belongs to, "" for none.
        created_at: Wall time, seconds.
        used_at: Wall time, seconds, at which its last run began or ended.
        turns: Runs that it has had, the one under way included.
        head: The run whose conversation the next one continues, "" for none: the last that ended, or was lost.
        live: The run under way, "" for none.
    """

    session: str
    user: str = ""
    tenant: str = ""
    created_at: float
    used_at: float
    turns: int = 0
    head: str = ""
    live: str = ""


class SessionClaim(Struct, frozen=True):
    """What the history of a run was built from; if its session is not so any more, the run must not begin.

    Attributes:
        exists: Whether there was such a session.
        head: Its `SessionRow.head`.
    """

    exists: bool
    head: str = ""


class Moved(Struct, frozen=True):
    """The session is not as the claim says, so nothing was written: ``live`` is the run under way, "" for none."""

    live: str = ""


class Erased(Struct, frozen=True):
    """What was erased of a user.

    Attributes:
        pseudonym: Under this name the figures stay.
        sessions: Sessions that are gone.
        runs: Runs without words and names now.
    """

    pseudonym: str
    sessions: int
    runs: int

"""The one port of all stores. Everything here is awaited on the event loop and never blocks it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from surefoot.types import StopReason

RunStatus = Literal["running", "finished", "lost"]
"""``lost``: not finished and its worker's lease has run out."""


class RunRow(Struct, frozen=True, kw_only=True):
    """What a store knows of a run without reading its journal. The last six fields are 0 or "" until it is finished.

    Attributes:
        run_id: Id of the run.
        agent: Name of the agent.
        model: Model string.
        user: Whose run it is.
        session: Its conversation, "" for none.
        question: Beginning of the question, at most 200 characters.
        started_at: Wall time, seconds.
        status: See `RunStatus`.
        finished_at: Wall time, seconds.
        stop_reason: Why it ended.
        steps: Steps taken.
        tokens: Tokens charged.
        nano: Nano-dollars charged.
        output: Beginning of the answer, at most 200 characters.
    """

    run_id: str
    agent: str
    model: str
    user: str = ""
    session: str = ""
    question: str = ""
    started_at: float
    status: RunStatus = "running"
    finished_at: float = 0.0
    stop_reason: StopReason | Literal[""] = ""
    steps: int = 0
    tokens: int = 0
    nano: int = 0
    output: str = ""


class Store(Protocol):
    """Durable journal of runs with a lease for each live one.

    Every method raises `StoreError` when the database cannot be read or written (unreadable, locked for too long, disk
    full), with the path and what to do. Appends are acknowledged only when they are on disk.
    """

    async def open(self) -> None:
        """Create or migrate the schema and begin to renew this worker's leases."""
        ...

    async def close(self) -> None:
        """Write what is waiting, stop the writer, release the leases. Idempotent."""
        ...

    def create(self, row: RunRow, record: bytes) -> asyncio.Future[None]:
        """Insert the run, its lease for this worker, and its first record, in one transaction."""
        ...

    def append(self, run_id: str, seq: int, record: bytes) -> asyncio.Future[None]:
        """Append a record whose first event has number ``seq`` (from 0). Done when on disk.

        The future fails with `RunLost` when this worker no longer holds the run's lease, or a record with that ``seq``
        is there already; nothing is written then, and other appends of the same commit are not affected. After a
        failure, awaited or not, every later append of the run fails with the same error: it would leave a gap.
        """
        ...

    def finish(self, row: RunRow, seq: int, record: bytes) -> asyncio.Future[None]:
        """Append the last record, update the run's row and drop its lease, in one transaction. Fails as `append`."""
        ...

    async def take_over(self, run_id: str) -> bool:
        """Claim an unfinished run whose lease has run out or was given up; what its last worker writes is refused.

        False for a run that is finished, unknown, alive, or held by this very store.
        """
        ...

    async def records(self, run_id: str) -> list[bytes]:
        """All records of a run in order; an empty list for an unknown run."""
        ...

    async def find_run(self, run_id: str) -> RunRow | None:
        """One run, None if unknown. A unique beginning of an id is enough.

        Raises:
            NotFound: The beginning fits several runs; the message lists some.
        """
        ...

    async def runs(
        self, *, user: str | None = None, session: str | None = None, limit: int = 50, before: float | None = None
    ) -> Sequence[RunRow]:
        """Newest first, at most ``limit``."""
        ...

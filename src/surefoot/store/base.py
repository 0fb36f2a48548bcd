"""The port of all stores: runs and their journals, the accounts that pay for them, and the sessions they belong to.

Everything here is awaited on the event loop and never blocks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from surefoot.budget.accounts import Period, Rule, RuleBook
from surefoot.budget.posting import Balance, Posting, Refusal, RuleChange, UnknownHold
from surefoot.store.session_rows import Erased, Moved, SessionClaim, SessionRow
from surefoot.types import StopReason, Unlimited

RunStatus = Literal["running", "finished", "lost"]
"""``lost``: not finished and its worker's lease has run out."""


class RunRow(Struct, frozen=True, kw_only=True):
    """What a store knows of a run without reading its journal. What it used is 0 or "" until it is finished.

    Its tokens and nano-dollars are as late evidence has corrected them (`Accounts.refund`), of an unfinished run the
    correction alone.

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
        tenant: The customer that the user belongs to, "" for none.
        parent: The run whose tool began this one, "" for none. What it used is not in the parent's row.
        model_calls: Wire attempts.
        tool_calls: Tool calls.
        usage: What it used by model and by tool, see `surefoot.journal.tally`; JSON, "" until it is finished.
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
    tenant: str = ""
    parent: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    usage: str = ""


Outcome = Refusal | Moved | None
"""What comes of an operation: it is on disk (None), or nothing of it was written, and why."""


class Sessions(Protocol):
    """The sessions of all users. `Store.create` and `Store.finish` keep them up to date, in the transaction of the run.

    Every method raises `StoreError` as `Store` does.
    """

    async def create(self, row: SessionRow) -> None:
        """A new session, whose id nobody has."""
        ...

    async def find(self, tenant: str, user: str, session: str) -> SessionRow | None:
        """One session, None if there is none."""
        ...

    async def list(
        self,
        *,
        tenant: str | None = None,
        user: str | None = None,
        session: str | None = None,
        limit: int = 50,
        before: float | None = None,
    ) -> Sequence[SessionRow]:
        """Those used last first, at most ``limit``, all used before ``before``."""
        ...

    def scan(self, tenant: str, user: str) -> AsyncIterator[Sequence[SessionRow]]:
        """All sessions of a user, the oldest first, in pages."""
        ...

    async def purge(self, before: float) -> tuple[int, bool]:
        """Delete some sessions that were not used since ``before``, and the words of their runs; the figures stay.

        One call is one short transaction.

        Returns:
            How many sessions are gone, and whether there may be more.
        """
        ...

    async def erase(self, tenant: str, user: str, pseudonym: str, *, compact: bool = False) -> Erased:
        """Take the words and names of a user out of sessions, runs, records and accounts, in short transactions.

        All that there is when it begins; what the user begins meanwhile is that of somebody new.

        Args:
            tenant: The customer that the user belongs to.
            user: Whose they are.
            pseudonym: Under this name the figures stay.
            compact: Rewrite the database, so that nothing is left in unused parts of the file either.

        Raises:
            TooManyRequests: A run of the user is under way in some process; nothing was erased.
        """
        ...


class Accounts(Protocol):
    """The tree of accounts above the runs: their limits, and what stands in their books.

    Limits and time zones take effect at once, in every process that shares the database. Every method raises
    `StoreError` as `Store` does.
    """

    @property
    def book(self) -> RuleBook:
        """The limits in force, those of the settings included, as of this store's last commit or look."""
        ...

    def declare(self, rules: Sequence[Rule], zones: Mapping[str, ZoneInfo]) -> None:
        """The rules and the tenants' time zones of the settings; called before the store is opened."""
        ...

    async def differs(self) -> bool:
        """Whether other limits or time zones were declared than these, by the process that has written runs last.

        Limits that are declared bind only who declares them. Whoever begins to write under others than the process
        before him counts all windows of now again, so that a limit which comes back has missed nothing.
        """
        ...

    async def change_rule(
        self, account: str, period: Period, limits: Mapping[str, int | Unlimited | None], *, by: str = ""
    ) -> dict[str, int]:
        """Set some limits of an account or pattern, and leave the others as they are.

        Args:
            account: Account or pattern.
            period: For how long they count.
            limits: By the names in `AMOUNTS`: nano-dollars for ``usd`` (`Money`), `UNLIMITED` to lift a wider limit,
                None to take back what was set. 0 admits nothing.
            by: Who does it, for the history.

        Returns:
            What is set for this account and period now. Where that makes a limit of none, what finished runs have spent
            in the window meanwhile counts.
        """
        ...

    async def change_zone(self, tenant: str, zone: str, *, by: str = "") -> None:
        """Where the days and months of a tenant begin ("" for all tenants without a zone); "" takes it back."""
        ...

    async def changes(self, account: str | None = None, limit: int = 100) -> list[RuleChange]:
        """What was changed, the newest first."""
        ...

    async def balances(self, accounts: Sequence[str] | None = None) -> list[Balance]:
        """The windows of today, of all accounts or of some; of one that is frozen since before, its last window."""
        ...

    async def acknowledge(self, account: str, *, by: str = "") -> bool:
        """Somebody has looked at the overrun of a frozen account: it admits calls again. False if it is not frozen."""
        ...

    async def charge_lost(self) -> int:
        """Charge in full the open holds of runs whose process is gone or that have ended; how many.

        Stores do so by themselves, too: with each renewal of their leases, and before a run is taken over.
        """
        ...

    async def refund(self, run_id: str, hold: int, tokens: int, nano: int, *, by: str = "") -> bool:
        """Replace the full charge of a hold whose outcome was unknown by what the provider charged.

        False if there is no such hold, or it has been corrected already.
        """
        ...

    async def unknown_holds(self, limit: int = 100) -> list[UnknownHold]:
        """Holds charged in full because nobody knows what became of the call, the newest first: of all runs."""
        ...

    async def purge(self, before: float, most: int = 1_000) -> int:
        """Forget holds of unknown outcome, and windows, that ended before ``before`` (wall time, seconds).

        At most ``most`` of each, so that nobody waits long for the database: call it until it returns 0. What was
        charged stays charged, runs and journals stay; a hold that is forgotten cannot be refunded any more.

        Returns:
            How many rows went.
        """
        ...


class Store(Protocol):
    """Durable journal of runs with a lease for each live one, and the ledger of those who pay for them.

    Every method raises `StoreError` when the database cannot be read or written (unreadable, locked for too long, disk
    full), with the path and what to do. Appends are acknowledged only when they are on disk.
    """

    @property
    def accounts(self) -> Accounts:
        """Limits and balances of those who pay."""
        ...

    @property
    def sessions(self) -> Sessions:
        """The sessions of all users."""
        ...

    async def open(self) -> None:
        """Create or migrate the schema and begin to renew this worker's leases."""
        ...

    async def close(self) -> None:
        """Write what is waiting, stop the writer, release the leases. Idempotent."""
        ...

    def create(
        self, row: RunRow, record: bytes | bytearray, posting: Posting | None = None, turn: SessionClaim | None = None
    ) -> asyncio.Future[Outcome]:
        """Insert the run, its lease for this worker, and its first record, in one transaction; posts as `append`.

        With a ``turn`` the session of the row is the run's until it ends or its lease does, in the same transaction: if
        the session is as the claim says, and no run with a lease is under way in it. Else the result is `Moved`, and
        nothing is written or booked. A row that is finished is a run without a lease: all of it is in this record.
        """
        ...

    def append(
        self, run_id: str, seq: int, record: bytes | bytearray, posting: Posting | None = None
    ) -> asyncio.Future[Outcome]:
        """Append a record whose first event has number ``seq`` (from 0). Done when on disk.

        The posting is booked in the same transaction. If an account has no room for its claim, the future's result is
        the `Refusal`; then nothing of the record is written, the number ``seq`` is free, and the settlement is booked
        all the same. Whoever posts a claim waits for its outcome before anything else of the run is appended.

        The future fails with `RunLost` when this worker no longer holds the run's lease, or a record with that ``seq``
        is there already; nothing is written then, and other appends of the same commit are not affected. After a
        failure, awaited or not, every later append of the run fails with the same error: it would leave a gap.
        """
        ...

    def finish(
        self, row: RunRow, seq: int, record: bytes | bytearray, posting: Posting | None = None
    ) -> asyncio.Future[Outcome]:
        """Append the last record, update the run's row and drop its lease, in one transaction. Fails as `append`.

        The posting has no claim. The run becomes the head of its session, if the session is still its own.
        """
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
        self,
        *,
        tenant: str | None = None,
        user: str | None = None,
        session: str | None = None,
        limit: int = 50,
        before: float | None = None,
    ) -> Sequence[RunRow]:
        """Newest first, at most ``limit``; without those that another run began."""
        ...

    def scan_runs(
        self, *, since: float = 0.0, until: float | None = None, tenant: str | None = None, user: str | None = None
    ) -> AsyncIterator[Sequence[RunRow]]:
        """All runs that began from ``since`` to before ``until`` (wall time, seconds), the oldest first, in pages.

        Those that another run began are among them. With a ``tenant`` or ``user``, those of that tenant or user.
        """
        ...

"""The embedded store: one SQLite file, which the processes of one machine may share.

Appends gather on the event loop while the writer thread commits those before them (group commit), so that all runs that
wait share the price of a sync. No lock is needed: the loop hands over a whole `Group` and starts the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from surefoot.budget.posting import Posting
from surefoot.clock import Clock
from surefoot.errors import RunLost, StoreError, SurefootError
from surefoot.store.accounts import SqliteAccounts
from surefoot.store.base import Outcome, RunRow
from surefoot.store.database import open_writer
from surefoot.store.group import Failures, Group
from surefoot.store.reader import Reader
from surefoot.store.session_rows import SessionClaim
from surefoot.store.sessions import SqliteSessions
from surefoot.store.statements import RECORD_WIDTH
from surefoot.store.writer import Writer
from surefoot.types import UNLIMITED, Unlimited

GATHER_S: Final = 0.002
GATHER_RELAXED_S: Final = 0.02
"""How long records gather for one commit where each step waits for it, and where only the end of a run does."""

RECORD_OVERHEAD_BYTES: Final = 512
"""What a waiting record counts beyond its length, for its future and its list entries: it bounds their number, too."""

MAX_FAILED: Final = 1_000
"""Runs whose failure is remembered for their next append; of an older one it is only said that it is not held here."""


class SqliteStore:
    """Journal of runs in a SQLite file; implements `surefoot.store.base.Store`.

    A run that could not write a record goes no further here, for a later record would leave a gap: each of its next
    appends fails with the same error, whether anybody awaited the first or not. Its lease is given up, so that any
    worker may take it over. Other runs write again as soon as the database can be written.

    Cancelling an append's future does not take the append back; one with a claim cannot be cancelled.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        lease_s: float = 15.0,
        gather_s: float = GATHER_S,
        busy_s: float = 10.0,
        max_waiting_bytes: int = 256 << 20,
        max_bytes: int | Unlimited = UNLIMITED,
    ) -> None:
        """Nothing is opened yet.

        Args:
            path: The file. Its directory must exist.
            clock: Source of time.
            lease_s: Seconds after which a run whose process went silent counts as lost; renewed three times as often.
            gather_s: Seconds that the first append of a group waits for others. A lone run's never waits.
            busy_s: Seconds that a commit waits for other processes. Less than a lease: who only waits keeps his runs.
            max_waiting_bytes: Records that wait for the disk, at most. Runs that wait for each of their appends never
                come near it; beyond it appends are refused with `StoreError`.
            max_bytes: Size of the database at which it counts as full, without its write-ahead log.
        """
        assert lease_s > 0
        assert gather_s >= 0
        self._path = path.absolute()
        self._clock = clock
        self._lease_s = lease_s
        self._gather_s = gather_s
        self._busy_s = busy_s
        self._max_bytes: int | Unlimited = max_bytes
        self._held: dict[str, int] = {}
        self._failed: dict[str, SurefootError] = {}
        self._begun = 0
        self._group = Group()
        self._max_waiting_bytes = max_waiting_bytes
        self._room_bytes = max_waiting_bytes
        self._armed = False
        self._due = False
        self._busy = False
        self._closing: asyncio.Task[None] | None = None
        self._reader = Reader(self._path, clock, busy_s)
        self._accounts = SqliteAccounts(clock, self._reader)
        self._sessions = SqliteSessions(clock, self._reader)
        self._loop: asyncio.AbstractEventLoop
        self._writer: Writer

    @property
    def accounts(self) -> SqliteAccounts:
        """See `Store.accounts`."""
        return self._accounts

    @property
    def sessions(self) -> SqliteSessions:
        """See `Store.sessions`."""
        return self._sessions

    async def open(self) -> None:
        """See `Store.open`. The store belongs to the running event loop from now on.

        Raises:
            StoreError: The database cannot be opened.
        """
        self._loop = asyncio.get_running_loop()
        self._writer = self.make_writer()
        await self._writer.open()
        self._accounts.attach(self._writer)
        self._sessions.attach(self._writer)

    def make_writer(self) -> Writer:
        """What writes for this store, not opened yet; a simulator's store makes one without a thread."""
        connect = partial(open_writer, self._path, self._busy_s, self._max_bytes)
        declared = self._accounts.rules, self._accounts.zones
        return Writer(connect, self._path, self._clock, self._lease_s, self._deliver, declared)

    async def close(self) -> None:
        """See `Store.close`.

        Raises:
            StoreError: The leases could not be released; they run out by themselves.
        """
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    def create(
        self, row: RunRow, record: bytes | bytearray, posting: Posting | None = None, turn: SessionClaim | None = None
    ) -> asyncio.Future[Outcome]:
        """See `Store.create`."""
        assert row.run_id not in self._held, "a run is created once"
        if self._closing is not None or self._room_bytes < 0:
            return self._refuse(row.run_id)
        self._begun += 1
        run = self._writer.worker << 32 | self._begun
        group, position = self._group, len(self._group.futures)
        group.created[position] = (run, row)
        if row.status == "finished":
            group.finished[position] = (run, row)
        else:
            self._held[row.run_id] = run
        if turn is not None:
            group.turns[position] = turn
        return self._add(run, 0, record, posting)

    def append(
        self, run_id: str, seq: int, record: bytes | bytearray, posting: Posting | None = None
    ) -> asyncio.Future[Outcome]:
        """See `Store.append`."""
        run = self._held.get(run_id)
        if run is None or self._room_bytes < 0:
            return self._refuse(run_id)
        return self._add(run, seq, record, posting)

    def finish(
        self, row: RunRow, seq: int, record: bytes | bytearray, posting: Posting | None = None
    ) -> asyncio.Future[Outcome]:
        """See `Store.finish`. Whatever comes of it, the run is not held here any more."""
        run = self._held.pop(row.run_id, None)
        if run is None:
            return self._refuse(row.run_id)
        self._group.finished[len(self._group.futures)] = (run, row)
        return self._add(run, seq, record, posting)

    async def take_over(self, run_id: str) -> bool:
        """See `Store.take_over`."""
        if run_id in self._held or self._closing is not None:
            return False
        claim = self._writer.call(partial(self._writer.take_over, run_id))
        try:
            run = await asyncio.shield(claim)
        except asyncio.CancelledError:
            claim.add_done_callback(self._return_claim)
            raise
        if run:
            self._held[run_id] = run
        return bool(run)

    async def records(self, run_id: str) -> list[bytes]:
        """See `Store.records`."""
        return await self._reader.records(run_id)

    async def find_run(self, run_id: str) -> RunRow | None:
        """See `Store.find_run`."""
        return await self._reader.find_run(run_id)

    async def runs(
        self,
        *,
        tenant: str | None = None,
        user: str | None = None,
        session: str | None = None,
        limit: int = 50,
        before: float | None = None,
    ) -> Sequence[RunRow]:
        """See `Store.runs`."""
        return await self._reader.runs(tenant, user, session, limit, before)

    def scan_runs(
        self, *, since: float = 0.0, until: float | None = None, tenant: str | None = None, user: str | None = None
    ) -> AsyncIterator[Sequence[RunRow]]:
        """See `Store.scan_runs`."""
        return self._reader.scan_runs(since, until, tenant, user)

    # Writing, on the event loop:

    def _add(self, run: int, seq: int, record: bytes | bytearray, posting: Posting | None) -> asyncio.Future[Outcome]:
        group = self._group
        if (posting is None or posting.claim is None) and len(group.futures) not in group.turns:
            future: asyncio.Future[Outcome] = asyncio.Future(loop=self._loop)  # create_future() is a call more
        else:
            future = _Decision(loop=self._loop)
        if posting is not None:
            group.postings[len(group.futures)] = posting
        group.futures.append(future)
        # For bytes sqlite3 looks for an adapter, and finds none, in 2,400 instructions; a bytearray it takes as it is.
        group.records += (run, seq, record if isinstance(record, bytearray) else bytearray(record))
        self._room_bytes -= len(record) + RECORD_OVERHEAD_BYTES
        if not self._armed:
            self._arm()
        return future

    def _arm(self) -> None:
        """The first append of a group: hand it over soon."""
        self._armed = True
        if len(self._held) > 1:
            self._loop.call_later(self._gather_s, self._hand_over_when_idle)
        else:
            self._loop.call_soon(self._hand_over_when_idle)

    def _hand_over_when_idle(self) -> None:
        if self._group.futures:  # a failure or the end may have handed it over before
            self._due = True
            if not self._busy:
                self._hand_over()

    def _hand_over(self) -> None:
        group, self._group = self._group, Group()
        bodies = group.records[2::RECORD_WIDTH]
        group.size = sum(map(len, bodies)) + len(bodies) * RECORD_OVERHEAD_BYTES
        self._armed = self._due = False
        self._busy = True
        self._writer.hand(group)

    def _deliver(self, group: Group, failures: Failures) -> None:
        """The writer is done with a group."""
        self._busy = False
        self._room_bytes += group.size
        if failures:
            self._fail(group, failures)
        if group.refused:
            self._tell_refused(group)
        for future in group.futures:
            if not future.done():
                future.set_result(None)
        if self._due:
            self._hand_over()

    def _tell_refused(self, group: Group) -> None:
        for position, refusal in group.refused.items():
            if position in group.created:  # it may be created again
                self._held.pop(group.created[position][1].run_id, None)
            if not group.futures[position].done():
                group.futures[position].set_result(refusal)

    def _fail(self, group: Group, failures: Failures) -> None:
        names = {run: run_id for run_id, run in self._held.items()}
        runs = [group.records[position * RECORD_WIDTH] for position, _ in failures]
        for run, (position, error) in zip(runs, failures, strict=True):
            if run in names:
                self._remember(names[run], error)
            _set_error(group.futures[position], error)
        if self._group.futures:  # it may hold more of those runs: the writer refuses them until it is told to forget
            self._hand_over()
        self._writer.call(partial(self._writer.forget, runs))

    def _remember(self, run_id: str, error: SurefootError) -> None:
        self._held.pop(run_id, None)
        self._failed[run_id] = error
        if len(self._failed) > MAX_FAILED:
            del self._failed[next(iter(self._failed))]

    def _refuse(self, run_id: str) -> asyncio.Future[Outcome]:
        future: asyncio.Future[Outcome] = self._loop.create_future()
        _set_error(future, self._failed.get(run_id) or self._judge(run_id))
        return future

    def _judge(self, run_id: str) -> SurefootError:
        if self._closing is not None:
            return StoreError(f"{self._path}: the store is closed")
        if self._room_bytes >= 0:
            return RunLost(f"run {run_id}: this process does not hold it (any more), so nothing was written")
        behind = f"{self._path}: {self._max_waiting_bytes >> 20} MiB of records wait for the disk"
        error = StoreError(f"{behind}; begin fewer runs at a time, or wait for each append")
        if run_id in self._held:
            self._writer.call(partial(self._writer.give_up, self._held[run_id]))
            self._remember(run_id, error)
        return error

    def _return_claim(self, claim: asyncio.Future[int]) -> None:
        """Nobody waits any more for a run that was taken over."""
        if claim.exception() is None and claim.result():
            self._writer.call(partial(self._writer.give_up, claim.result()))

    async def _close(self) -> None:
        self._held.clear()
        if self._group.futures:
            self._hand_over()
        await self._reader.close()
        await self._writer.close()


class _Decision(asyncio.Future[Outcome]):
    """Whether a claim was admitted: whoever is cancelled while he waits must still learn it, so it comes first."""

    def cancel(self, msg: object = None) -> bool:
        """Never: a task that is cancelled goes on waiting, and gets its cancellation with the decision."""
        return False


def _set_error(future: asyncio.Future[Outcome], error: SurefootError) -> None:
    """Each future gets an error of its own (a traceback grows where it is raised), and may be left unread."""
    if not future.done():
        future.set_exception(type(error)(*error.args))
        future.exception()

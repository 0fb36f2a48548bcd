"""The thread that writes: it alone holds the connection that can, and commits whole groups."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection, Generator
from pathlib import Path
from typing import Any, Final

from surefoot.clock import Clock
from surefoot.errors import RunLost, StoreError, SurefootError
from surefoot.store.database import explain, explaining
from surefoot.store.group import FAULTS_OF_ONE, Failures, Group
from surefoot.store.statements import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    DELETE_LEASES,
    FIND_EXPIRED,
    FINISH_RUN,
    INSERT_LEASES,
    INSERT_RECORDS,
    INSERT_RUNS,
    RECORD_WIDTH,
    RENEW_LEASES,
    RUN_WIDTH,
    ManyRows,
    RunAt,
    end_values,
    run_values,
)

RENEWALS: Final = 3
"""Renewals within the time of a lease."""

_log = logging.getLogger(__name__)


_CONSTRAINTS: Final = {
    "NOT NULL constraint failed: records.run": "this worker does not hold the run's lease any more",
    "UNIQUE constraint failed: records.run, records.seq": "that number is there; another worker goes on",
    "UNIQUE constraint failed: runs.run_id": "there is a run of that id",
}
"""What it means when SQLite says so."""

Work = Callable[[], Any]
Handed = Group | tuple[Work, "asyncio.Future[Any]"]


class Writer:
    """The connection that writes, and its thread.

    What is handed over is done one after another; the outcome is delivered on the event loop, that of a group in one
    callback. The thread is a daemon: a process that ends without closing the store does not hang, and loses nothing
    that was acknowledged.

    Attributes:
        worker: Number of this worker; leases carry it. 0 until it is open.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        path: Path,
        clock: Clock,
        lease_s: float,
        deliver: Callable[[Group, Failures], None],
    ) -> None:
        """For the running event loop, on which ``deliver`` is called for each group. Nothing is opened yet.

        Args:
            connect: Opens the database, in the thread.
            path: Its path, for messages.
            clock: Source of time.
            lease_s: Seconds that a lease lasts.
            deliver: Takes a group that was handed over, and what of it was not written.
        """
        self.worker = 0
        self._connect = connect
        self._path = path
        self._clock = clock
        self._deliver = deliver
        self._lease_s = lease_s
        self._loop = asyncio.get_running_loop()
        self._handed: queue.SimpleQueue[Handed] = queue.SimpleQueue()
        self._insert_runs = ManyRows(RUN_WIDTH, INSERT_RUNS)
        self._insert_leases = ManyRows(1, INSERT_LEASES)
        self._insert_records = ManyRows(RECORD_WIDTH, INSERT_RECORDS)
        self._delete_leases = ManyRows(1, DELETE_LEASES)
        # From here on for the thread alone:
        self._renew_at = 0.0
        self._given_up: list[int] = []
        self._failed: dict[int, SurefootError] = {}
        self._stopped = False
        self._connection: sqlite3.Connection
        self._cursor: sqlite3.Cursor

    # On the event loop:

    async def open(self) -> None:
        """Start the thread and let it open the database.

        Raises:
            StoreError: It cannot be opened; the thread has ended.
        """
        opened: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._main, args=(opened,), name="surefoot-writer", daemon=True).start()
        try:
            await opened
        except asyncio.CancelledError:
            self.call(self._close)
            raise

    async def close(self) -> None:
        """Release the leases and end the thread, after everything that was handed over before.

        Raises:
            StoreError: The leases could not be released; they run out by themselves.
        """
        await self.call(self._close)

    def hand(self, group: Group) -> None:
        """Let the thread write a group."""
        self._handed.put(group)

    def call(self, work: Work) -> asyncio.Future[Any]:
        """Let the thread call one of the methods below; the future has what it returns or raises."""
        future = self._loop.create_future()
        self._handed.put((work, future))
        return future

    # In the thread:

    def take_over(self, run_id: str) -> int:
        """Claim an unfinished run whose lease has run out; its number, or 0 if there is no such run.

        Raises:
            StoreError: The database cannot be written.
        """
        now = self._clock.now()
        with self._transaction():
            found = self._cursor.execute(FIND_EXPIRED, (run_id, now)).fetchone()
            if found is None:
                return 0
            run: int = found[0]
            self._cursor.execute("REPLACE INTO leases VALUES (?, ?, ?)", (run, self.worker, now + self._lease_s))
        if run in self._given_up:
            self._given_up.remove(run)
        return run

    def forget(self, runs: list[int]) -> None:
        """Nothing more will be handed over for these runs, which have failed."""
        for run in runs:
            self._failed.pop(run, None)

    def give_up(self, run: int) -> None:
        """Drop the lease of a run that nobody works at, with the next renewal."""
        self._given_up.append(run)

    def _main(self, opened: asyncio.Future[None]) -> None:
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 - whoever opens the store gets it
            self._post(_settle, opened, None, error)
            return
        self._post(_settle, opened, None, None)
        tick_s = self._lease_s / RENEWALS
        while not self._stopped:
            try:
                item = self._handed.get(timeout=tick_s)
            except queue.Empty:
                if self._loop.is_closed():  # and the store was not
                    with contextlib.suppress(StoreError):  # the leases then run out by themselves
                        self._close()
                    return
                item = None
            if self._clock.monotonic() >= self._renew_at:
                self._renew()
            if isinstance(item, Group):
                self._post(self._deliver, item, self._write(item))
            elif item is not None:
                self._do(*item)
            del item  # or an idle thread would keep the last group alive

    def _post(self, callback: Callable[..., object], *arguments: object) -> None:
        try:  # not suppress(): it costs 3,000 instructions
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            _log.debug("the event loop is closed: nobody is left to be told")

    def _do(self, work: Work, future: asyncio.Future[Any]) -> None:
        try:
            outcome, error = work(), None
        except Exception as raised:  # noqa: BLE001 - whoever awaits the future gets it
            outcome, error = None, raised
        self._post(_settle, future, outcome, error)

    def _open(self) -> None:
        self._connection = connection = self._connect()
        self._cursor = connection.cursor()
        try:
            with self._transaction():
                self._cursor.execute("UPDATE counter SET workers = workers + 1")
                self.worker = self._cursor.execute("SELECT workers FROM counter").fetchone()[0]
        except StoreError:
            connection.close()
            raise
        self._renew_at = self._clock.monotonic() + self._lease_s / RENEWALS

    def _close(self) -> None:
        self._stopped = True
        try:
            with explaining(self._path):
                self._cursor.execute("DELETE FROM leases WHERE worker = ?", (self.worker,))
        finally:
            self._connection.close()

    def _renew(self) -> None:
        """One statement for all runs of this worker. A failure is tried again before the leases run out."""
        self._renew_at = self._clock.monotonic() + self._lease_s / RENEWALS
        try:
            with self._transaction():
                if self._given_up:
                    self._delete_leases.execute(self._cursor, self._given_up, self.worker)
                self._cursor.execute(RENEW_LEASES, (self._clock.now() + self._lease_s, self.worker))
            self._given_up = []
        except StoreError as error:
            self._renew_at = self._clock.monotonic() + self._lease_s / RENEWALS / 5
            _log.warning("leases not renewed, trying again: %s", error)

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        with explaining(self._path):
            self._cursor.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._cursor.execute("COMMIT")
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        """End a transaction that was not committed; SQLite itself has ended it after some errors."""
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def _write(self, group: Group) -> Failures:
        try:
            if self._failed:
                return self._write_singly(group)
            self._write_together(group)
        except FAULTS_OF_ONE:
            return self._write_singly(group)
        except Exception as error:  # noqa: BLE001 - a group's futures are always resolved, whatever went wrong
            return self._fail(group, error)
        return ()

    def _fail(self, group: Group, error: Exception) -> Failures:
        """Nothing of the group is written."""
        with contextlib.suppress(sqlite3.Error):  # then the next group fails, too, and says why
            self._roll_back()
        explained = explain(error, self._path)
        return [self._fail_one(group, position, explained) for position in range(len(group.futures))]

    def _fail_one(self, group: Group, position: int, error: SurefootError) -> tuple[int, SurefootError]:
        """The run goes no further: a later record of it would leave a gap. Another worker may take it over."""
        run = group.records[position * RECORD_WIDTH]
        if run not in self._failed:
            self._failed[run] = error
            if position not in group.created:
                self._given_up.append(run)
        return position, self._failed[run]

    def _write_together(self, group: Group) -> None:
        records = group.records
        if group.created or group.finished or len(records) > CHUNK_ROWS * RECORD_WIDTH or group.size > CHUNK_BYTES:
            self._cursor.execute("BEGIN IMMEDIATE")
            self._write_rows(records, group.created.values(), group.finished.values(), group.size)
            self._cursor.execute("COMMIT")
        else:  # one statement is a transaction by itself
            self._insert_records.execute(self._cursor, records, self.worker)

    def _write_rows(
        self, records: list[Any], created: Collection[RunAt], finished: Collection[RunAt], size: int
    ) -> None:
        cursor = self._cursor
        if created:
            expires_at = self._clock.now() + self._lease_s
            self._insert_runs.execute(cursor, [value for run in created for value in run_values(run)])
            self._insert_leases.execute(cursor, [run for run, _ in created], self.worker, expires_at)
        self._insert_records.execute(cursor, records, self.worker, size=size)
        if finished:
            cursor.executemany(FINISH_RUN, map(end_values, finished))
            self._delete_leases.execute(cursor, [run for run, _ in finished], self.worker)

    def _write_singly(self, group: Group) -> Failures:
        """Every operation by itself, so that one that cannot be written takes down no other."""
        failures: list[tuple[int, SurefootError]] = []
        try:
            self._roll_back()
            self._cursor.execute("BEGIN IMMEDIATE")
            for position in range(len(group.futures)):
                error = self._failed.get(group.records[position * RECORD_WIDTH]) or self._write_one(group, position)
                if error is not None:
                    failures.append(self._fail_one(group, position, error))
            self._cursor.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - as in _write
            return self._fail(group, error)
        return failures

    def _write_one(self, group: Group, position: int) -> SurefootError | None:
        start = position * RECORD_WIDTH
        record = group.records[start : start + RECORD_WIDTH]
        created = [group.created[position]] if position in group.created else []
        finished = [group.finished[position]] if position in group.finished else []
        self._cursor.execute("SAVEPOINT one")
        try:
            self._write_rows(record, created, finished, len(record[2]))
        except FAULTS_OF_ONE as error:
            self._cursor.execute("ROLLBACK TO one")
            return self._judge(error, record[0], record[1])
        self._cursor.execute("RELEASE one")
        return None

    def _judge(self, error: Exception, run: int, seq: int) -> SurefootError:
        row = self._cursor.execute("SELECT run_id FROM runs WHERE run = ?", (run,)).fetchone()
        name = f"run {row[0]}" if row else "a new run"
        what = _CONSTRAINTS.get(str(error))
        if what is None:
            return StoreError(f"{self._path}: {name}, record {seq} cannot be stored: {error}")
        return RunLost(f"{name}, record {seq}: not written, because {what}")


def _settle(future: asyncio.Future[Any], outcome: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(outcome)
    else:
        future.set_exception(error)

"""The thread that writes: it alone holds the connection that can, and commits whole groups."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from surefoot.budget.accounts import Rule
from surefoot.clock import Clock
from surefoot.errors import StoreError
from surefoot.logs import get_logger
from surefoot.store.commits import Commits
from surefoot.store.database import explaining
from surefoot.store.group import Failures, Group
from surefoot.store.handover import Handed, Handover, Work
from surefoot.store.ledger import Ledger
from surefoot.store.statements import FIND_EXPIRED, RENEW_LEASES

RENEWALS: Final = 3
"""Renewals within the time of a lease."""

_log = get_logger(__name__)


class Writer:
    """The connection that writes, and its thread.

    What is handed over is done one after another; the outcome is delivered on the event loop, that of a group in one
    callback. The thread is a daemon: a process that ends without closing the store does not hang, and loses nothing
    that was acknowledged.

    Attributes:
        worker: Number of this worker; leases carry it. 0 until it is open.
        ledger: The accounts, once it is open. For the thread alone, but for what it knows of the rules.
    """

    def __init__(  # noqa: PLR0917 - the one caller is the store that it is a part of
        self,
        connect: Callable[[], sqlite3.Connection],
        path: Path,
        clock: Clock,
        lease_s: float,
        deliver: Callable[[Group, Failures], None],
        declared: tuple[Sequence[Rule], Mapping[str, ZoneInfo]],
    ) -> None:
        """For the running event loop, on which ``deliver`` is called for each group. Nothing is opened yet.

        Args:
            connect: Opens the database, in the thread.
            path: Its path, for messages.
            clock: Source of time.
            lease_s: Seconds that a lease lasts.
            deliver: Takes a group that was handed over, and what of it was not written.
            declared: Limits of accounts and time zones of tenants, from the settings.
        """
        self.worker = 0
        self.ledger: Ledger
        self._connect = connect
        self._path = path
        self._clock = clock
        self._deliver = deliver
        self._declared = declared
        self._lease_s = lease_s
        self._loop = asyncio.get_running_loop()
        self._handed = Handover(deliver)
        # From here on for the thread alone:
        self._renew_at = 0.0
        self._stopped = False
        self._connection: sqlite3.Connection
        self._commits: Commits

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
        try:
            await self.call(self._close)
        finally:
            self._handed.shut(f"{self._path}: the store is closed")

    def hand(self, group: Group) -> None:
        """Let the thread write a group."""
        self._handed.put(group)

    def call(self, work: Work) -> asyncio.Future[Any]:
        """Let the thread call one of the methods below; the future has what it returns or raises."""
        future = self._loop.create_future()
        self._handed.put((work, future))
        return future

    def transact(self, work: Callable[[tuple[sqlite3.Cursor, Ledger]], Any]) -> asyncio.Future[Any]:
        """Let the thread do some work in a transaction of its own; fails with `StoreError`."""
        return self.call(partial(self._transact, work))

    # In the thread:

    def _transact(self, work: Callable[[tuple[sqlite3.Cursor, Ledger]], Any]) -> object:
        with self._commits.transaction():
            return work((self._commits.cursor, self.ledger))

    def take_over(self, run_id: str) -> int:
        """Claim an unfinished run whose lease has run out; its number, or 0 if there is no such run.

        Raises:
            StoreError: The database cannot be written.
        """
        now, commits = self._clock.now(), self._commits
        with commits.transaction():
            found = commits.cursor.execute(FIND_EXPIRED, (run_id, now)).fetchone()
            if found is None:
                return 0
            run: int = found[0]
            self.ledger.charge_lost()  # its open holds, before it lives again
            commits.cursor.execute("REPLACE INTO leases VALUES (?, ?, ?)", (run, self.worker, now + self._lease_s))
        if run in commits.given_up:
            commits.given_up.remove(run)
        return run

    def compact(self) -> None:
        """Rewrite the database without its unused parts. Other writers wait as long as it takes.

        Raises:
            StoreError: It cannot be written.
        """
        with explaining(self._path):
            self._commits.cursor.execute("VACUUM")

    def checkpoint(self) -> None:
        """Bring the database up to its log and empty that, unless a reader of another process is in the way.

        Raises:
            StoreError: It cannot be written.
        """
        with explaining(self._path):
            self._commits.cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def forget(self, runs: list[int]) -> None:
        """Nothing more will be handed over for these runs, which have failed."""
        self._commits.forget(runs)

    def give_up(self, run: int) -> None:
        """Drop the lease of a run that nobody works at, with the next renewal."""
        self._commits.given_up.append(run)

    def _main(self, opened: asyncio.Future[None]) -> None:
        try:
            self._serve(opened)
        except BaseException as error:  # noqa: BLE001 - whatever it was, nobody may wait for this thread any more
            _log.critical("%s: the thread that writes has died", self._path, exc_info=True)
            why = f"{self._path}: nothing more can be written, the writer has died ({type(error).__name__}: {error})"
            self._post(_settle, opened, None, StoreError(why))
            self._post(self._handed.shut, why)
            with contextlib.suppress(AttributeError, sqlite3.Error):  # there may be none yet
                self._connection.close()

    def _serve(self, opened: asyncio.Future[None]) -> None:
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
            self._attend(item)
            item = self._handed.taken = None  # or an idle thread would keep the last group alive

    def _attend(self, item: Handed | None) -> None:
        """Do what was handed over, if anything was, and renew the leases when it is time."""
        if self._clock.monotonic() >= self._renew_at:
            self._renew()
        if isinstance(item, Group):
            self._post(self._deliver, item, self._commits.write(item))
        elif item is not None:
            self._do(*item)

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
        try:
            self._commits = Commits(connection, self._path, self._clock, self._lease_s, self._declared)
        except StoreError:
            connection.close()
            raise
        self.worker, self.ledger = self._commits.worker, self._commits.ledger
        self._renew_at = self._clock.monotonic() + self._lease_s / RENEWALS

    def _close(self) -> None:
        self._stopped = True
        try:
            with explaining(self._path):
                self._commits.cursor.execute("DELETE FROM leases WHERE worker = ?", (self.worker,))
        finally:
            self._connection.close()

    def _renew(self) -> None:
        """One statement for all runs of this worker. A failure is tried again before the leases run out."""
        self._renew_at = self._clock.monotonic() + self._lease_s / RENEWALS
        try:
            commits = self._commits
            with commits.transaction():
                if commits.given_up:
                    commits.delete_leases.execute(commits.cursor, commits.given_up, self.worker)
                commits.cursor.execute(RENEW_LEASES, (self._clock.now() + self._lease_s, self.worker))
                self.ledger.charge_lost()
            commits.given_up = []
        except StoreError as error:
            self._renew_at = self._clock.monotonic() + self._lease_s / RENEWALS / 5
            _log.warning("leases not renewed, trying again: %s", error)


def _settle(future: asyncio.Future[Any], outcome: object, error: Exception | None) -> None:
    if error is not None and not future.done():
        future.set_exception(error)
    elif not future.done():
        future.set_result(outcome)

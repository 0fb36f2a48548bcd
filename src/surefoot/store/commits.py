"""What one commit writes: a group together, or its operations one by one so that a bad one takes down no other."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from surefoot.budget.accounts import Rule
from surefoot.budget.posting import Posting, Refusal
from surefoot.clock import Clock
from surefoot.errors import RunLost, StoreError, SurefootError
from surefoot.store.database import explain, explaining
from surefoot.store.group import FAULTS_OF_ONE, Failures, Group
from surefoot.store.ledger import Ledger
from surefoot.store.session_rows import Moved
from surefoot.store.statements import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    DELETE_LEASE,
    DELETE_LEASES,
    FEW_ROWS,
    FINISH_RUN,
    INSERT_LEASES,
    INSERT_RECORDS,
    INSERT_RUNS,
    RECORD_WIDTH,
    RUN_WIDTH,
    ManyRows,
    RunAt,
    end_values,
    run_values,
)
from surefoot.store.turns import Turns

_CONSTRAINTS: Final = {
    "NOT NULL constraint failed: records.run": "this worker does not hold the run's lease any more",
    "UNIQUE constraint failed: records.run, records.seq": "that number is there; another worker goes on",
    "UNIQUE constraint failed: runs.run_id": "there is a run of that id",
}
"""What it means when SQLite says so."""


class Commits:
    """The open database, for the thread that writes.

    Attributes:
        worker: Number of this worker; leases carry it.
        cursor: Of the one connection that writes.
        ledger: The accounts.
        delete_leases: Deletes leases of this worker.
        given_up: Runs whose leases shall go with the next renewal, because nobody works at them.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        clock: Clock,
        lease_s: float,
        declared: tuple[Sequence[Rule], Mapping[str, ZoneInfo]],
    ) -> None:
        """Become a worker of the database.

        Args:
            connection: Open for writing.
            path: Its path, for messages.
            clock: Source of time.
            lease_s: Seconds that a lease lasts.
            declared: Limits of accounts and time zones of tenants, from the settings.

        Raises:
            StoreError: The database cannot be written.
        """
        self.cursor = connection.cursor()
        self.given_up: list[int] = []
        self._connection = connection
        self._path = path
        self._clock = clock
        self._lease_s = lease_s
        self._failed: dict[int, SurefootError] = {}
        self._insert_runs = ManyRows(RUN_WIDTH, INSERT_RUNS)
        self._insert_leases = ManyRows(1, INSERT_LEASES)
        self._insert_records = ManyRows(RECORD_WIDTH, INSERT_RECORDS)
        self.delete_leases = ManyRows(1, DELETE_LEASES)
        with explaining(path):
            number = "UPDATE counter SET workers = workers + 1 RETURNING workers"
            self.worker: int = self.cursor.execute(number).fetchone()[0]
        self._turns = Turns(self.cursor, clock)
        self.ledger = Ledger(self.cursor, clock, self.worker, *declared)
        with self.transaction():
            self.ledger.charge_lost()

    def forget(self, runs: list[int]) -> None:
        """Nothing more will be handed over for these runs, which have failed."""
        for run in runs:
            self._failed.pop(run, None)

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """A transaction of its own, rolled back if it raises.

        Raises:
            StoreError: It cannot be committed.
        """
        with explaining(self._path):
            self.cursor.execute("BEGIN IMMEDIATE")
            try:
                self.ledger.refresh()
                yield
                self.cursor.execute("COMMIT")
                self.ledger.keep()
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        """End a transaction that was not committed; SQLite itself has ended it after some errors."""
        self.ledger.undo()
        if self._connection.in_transaction:
            self.cursor.execute("ROLLBACK")

    def write(self, group: Group) -> Failures:
        """Write a group; what of it could not be written."""
        if self.ledger.outdated is not None:
            return self._fail(group, self.ledger.outdated)
        try:
            if self.ledger.declared.is_due():
                self._declare()
            if self._failed:
                return self._write_singly(group)
            self._write_together(group)
        except FAULTS_OF_ONE:
            return self._write_singly(group)
        except Exception as error:  # noqa: BLE001 - a group's futures are always resolved, whatever went wrong
            return self._fail(group, error)
        return ()

    def _declare(self) -> None:
        self.cursor.execute("BEGIN IMMEDIATE")
        self.ledger.refresh()
        self.ledger.declare()
        self.cursor.execute("COMMIT")
        self.ledger.keep()
        self.ledger.declared.keep()

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
            self.ledger.drop(run)
            if position not in group.created:
                self.given_up.append(run)
        return position, self._failed[run]

    def _write_together(self, group: Group) -> None:
        records = group.records
        books = bool(group.postings) and (not self.ledger.is_idle() or any(map(_is_unknown, group.postings.values())))
        if books or group.turns:
            self.cursor.execute("BEGIN IMMEDIATE")
            self._decide(group, range(len(group.futures)), books=books)
            self._write_rows(*_leave_refused(group), group.size)
            self.cursor.execute("COMMIT")
            self.ledger.keep()
        elif group.created or group.finished or len(records) > CHUNK_ROWS * RECORD_WIDTH or group.size > CHUNK_BYTES:
            self.cursor.execute("BEGIN IMMEDIATE")
            self._write_rows(records, list(group.created.values()), list(group.finished.values()), group.size)
            self.cursor.execute("COMMIT")
        else:  # one statement is a transaction by itself
            self._insert_records.execute(self.cursor, records, self.worker)

    def _decide(self, group: Group, positions: Iterable[int], *, books: bool = True) -> None:
        """Book what some of the operations bring, and give turns to their runs, before their records are written."""
        if books:
            self.ledger.refresh()
        for position in positions:
            turn, posting = group.turns.get(position), group.postings.get(position)
            refusal: Refusal | Moved | None = None
            if turn is not None:  # looked at before anything is booked, and taken after all of it was
                refusal = self._turns.look(group.created[position][1], turn, self.given_up)
            if refusal is None and books and posting is not None:
                refusal = self.ledger.post(group.records[position * RECORD_WIDTH], posting)
            if refusal is not None:
                group.refused[position] = refusal
            elif turn is not None:
                self._turns.take(group.created[position][1], turn)
        if books:
            self.ledger.flush()

    def _write_rows(self, records: list[Any], created: list[RunAt], finished: list[RunAt], size: int) -> None:
        cursor = self.cursor
        if created:
            expires_at = self._clock.now() + self._lease_s
            self._insert_runs.execute(cursor, [value for run in created for value in run_values(run)])
            self._insert_leases.execute(cursor, [run for run, _ in created], self.worker, expires_at)
        if records:
            self._insert_records.execute(cursor, records, self.worker, size=size)
        if finished:
            cursor.executemany(FINISH_RUN, map(end_values, finished))
            self._turns.end(finished)
            if len(finished) <= FEW_ROWS:
                cursor.executemany(DELETE_LEASE, [(run, self.worker) for run, _ in finished])
            else:
                self.delete_leases.execute(cursor, [run for run, _ in finished], self.worker)

    def _write_singly(self, group: Group) -> Failures:
        """Every operation by itself, so that one that cannot be written takes down no other."""
        failures: list[tuple[int, SurefootError]] = []
        group.refused.clear()
        try:
            self._roll_back()
            self.cursor.execute("BEGIN IMMEDIATE")
            for position in range(len(group.futures)):
                error = self._failed.get(group.records[position * RECORD_WIDTH]) or self._write_one(group, position)
                if error is not None:
                    failures.append(self._fail_one(group, position, error))
            self.cursor.execute("COMMIT")
            self.ledger.keep()
        except Exception as error:  # noqa: BLE001 - as in _write
            return self._fail(group, error)
        return failures

    def _write_one(self, group: Group, position: int) -> SurefootError | None:
        start = position * RECORD_WIDTH
        record = group.records[start : start + RECORD_WIDTH]
        created = [group.created[position]] if position in group.created else []
        finished = [group.finished[position]] if position in group.finished else []
        self.cursor.execute("SAVEPOINT one")
        try:
            self._decide(group, (position,))
            if position not in group.refused:
                self._write_rows(record, created, finished, len(record[2]))
        except FAULTS_OF_ONE as error:
            self.cursor.execute("ROLLBACK TO one")
            self.ledger.undo()
            return self._judge(error, record[0], record[1])
        self.cursor.execute("RELEASE one")
        self.ledger.keep_one()
        return None

    def _judge(self, error: Exception, run: int, seq: int) -> SurefootError:
        row = self.cursor.execute("SELECT run_id FROM runs WHERE run = ?", (run,)).fetchone()
        name = f"run {row[0]}" if row else "a new run"
        what = _CONSTRAINTS.get(str(error))
        if what is None:
            return StoreError(f"{self._path}: {name}, record {seq} cannot be stored: {error}")
        return RunLost(f"{name}, record {seq}: not written, because {what}")


def _is_unknown(posting: Posting) -> bool:
    """Whether it is noted even where nobody has set a limit."""
    return posting.settlement is not None and not (posting.settlement.known or posting.settlement.limited)


def _leave_refused(group: Group) -> tuple[list[Any], list[RunAt], list[RunAt]]:
    """Records, runs that begin and runs that end, without the operations whose claims were refused."""
    records, refused = group.records, group.refused
    if not refused:
        return records, list(group.created.values()), list(group.finished.values())
    written = [position for position in range(len(group.futures)) if position not in refused]
    kept = [value for at in written for value in records[at * RECORD_WIDTH : (at + 1) * RECORD_WIDTH]]
    created = [run for position, run in group.created.items() if position not in refused]
    finished = [run for position, run in group.finished.items() if position not in refused]
    return kept, created, finished

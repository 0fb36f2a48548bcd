"""What is written together, and what of it could not be."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from surefoot.budget.posting import Posting, Refusal
from surefoot.errors import SurefootError
from surefoot.store.base import Outcome
from surefoot.store.session_rows import Moved, SessionClaim
from surefoot.store.statements import RunAt


class Group:
    """What one transaction writes: operations, each of which adds one record.

    Attributes:
        futures: One for each operation, in the order of the calls.
        records: Run, number and body of each record, one after another: the statement's parameters as they are.
        created: The run that begins, by the position of its operation.
        finished: The run that ends, likewise.
        postings: What of it is for the ledger, likewise.
        turns: What the run that begins claims of its session, likewise.
        refused: Filled by the writer: the claims that had no room, likewise.
        size: Bytes of the records.
    """

    __slots__ = ("created", "finished", "futures", "postings", "records", "refused", "size", "turns")

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[Outcome]] = []
        self.records: list[Any] = []
        self.created: dict[int, RunAt] = {}
        self.finished: dict[int, RunAt] = {}
        self.postings: dict[int, Posting] = {}
        self.turns: dict[int, SessionClaim] = {}
        self.refused: dict[int, Refusal | Moved] = {}
        self.size = 0


Failures = Sequence[tuple[int, SurefootError]]
"""Position of each operation that was not written, and why."""

FAULTS_OF_ONE: Final = (
    sqlite3.IntegrityError,  # no lease, or the number is taken
    sqlite3.DataError,  # a record beyond SQLite's own limit
    sqlite3.ProgrammingError,  # a value of a type that it cannot hold
    OverflowError,  # an integer of more than 64 bits
    UnicodeError,  # text with half of a surrogate pair
)
"""What one operation does to the group that it is in; everything else is the group's own."""

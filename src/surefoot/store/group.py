"""What is written together, and what of it could not be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from surefoot.errors import SurefootError
from surefoot.store.statements import RunAt


class Group:
    """What one transaction writes: operations, each of which adds one record.

    Attributes:
        futures: One for each operation, in the order of the calls.
        records: Run, number and body of each record, one after another: the statement's parameters as they are.
        created: The run that begins, by the position of its operation.
        finished: The run that ends, likewise.
        size: Bytes of the records.
    """

    __slots__ = ("created", "finished", "futures", "records", "size")

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[None]] = []
        self.records: list[Any] = []
        self.created: dict[int, RunAt] = {}
        self.finished: dict[int, RunAt] = {}
        self.size = 0


Failures = Sequence[tuple[int, SurefootError]]
"""Position of each operation that was not written, and why."""

"""What one run writes: events gathered into numbered records."""

from __future__ import annotations

from surefoot.journal.events import JournalEvent
from surefoot.journal.records import encode_record


class Recorder:
    """Gathers a run's events into records.

    Attributes:
        pending: Events that are not in a record yet, in order; append to it.
        taken: How many events are in records.
    """

    __slots__ = ("pending", "taken")

    def __init__(self) -> None:
        self.pending: list[JournalEvent] = []
        self.taken = 0

    def give_back(self, events: list[JournalEvent], *, drop: int) -> None:
        """The last record was not written: its events are pending again, but for the last ``drop``."""
        self.pending = events[: len(events) - drop] + self.pending
        self.taken -= len(events)

    def take(self) -> tuple[int, bytearray]:
        """The next record and the number of its first event."""
        pending, first = self.pending, self.taken
        self.pending = []
        self.taken = first + len(pending)
        return first, encode_record(pending)

"""Who watches the disk: every commit against the books, and what must be there before something happens."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from surefoot.budget.accounts import make_payers, read_rules
from surefoot.budget.posting import Claim, Posting, Settlement
from surefoot.budget.windows import read_zones
from surefoot.clock import Clock
from surefoot.config import Settings
from surefoot.store.base import RunRow
from surefoot.store.group import Group
from surefoot.store.statements import RECORD_WIDTH
from surefoot.testing.simulation.ask import KEY, Ask
from surefoot.testing.simulation.books import Books

_INTENT: Final = re.compile(rb'"effect":"write","idempotency_key":"([^"]+)"')
_REQUESTED: Final = re.compile(rb'"type":"model_requested","at":([0-9.e+]+)')
_EVENTS: Final = {
    b'"type":"context_trimmed"': "conversations shortened",
    b'"type":"context_summarised"': "conversations summed up",
    b'"type":"model_switched"': "switches of the model",
    b'"type":"rung_taken"': "rungs of a ladder",
}
"""What is counted of the journal, by what a record holds of it."""


class Auditor:
    """Watches the disks of all processes.

    Attributes:
        books: What the accounts must say.
        lost: Keys of requests whose session somebody else has rightly taken: nothing of them may be written any more.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        asks: dict[str, Ask],
        breach: Callable[[str, str], None],
        cover: Callable[[str], None],
    ) -> None:
        """``breach`` is told of a promise that is broken, and how; ``cover`` of what has happened."""
        self.books = Books(read_rules(settings.budgets), read_zones(settings.timezone, settings.tenants))
        self.lost: set[str] = set()
        self._clock = clock
        self._asks = asks
        self._breach = breach
        self._cover = cover
        self._by_run: dict[int, Ask] = {}
        self._intents: set[str] = set()
        self._requested_at: dict[int, float] = {}

    def committed(self, connection: sqlite3.Connection, group: Group | None, failed: frozenset[int]) -> None:
        """See `DiskWatcher.committed`."""
        if group is not None:
            for position in range(len(group.futures)):
                if position not in failed:
                    self._read(group, position)
        wrong = self.books.check_touched(connection)
        if wrong:
            self._breach("B1", wrong)

    def _read(self, group: Group, position: int) -> None:
        """One operation that was done, or refused."""
        run: int = group.records[position * RECORD_WIDTH]
        refused = position in group.refused
        if not refused:
            if position in group.created:
                self._begin(run, group.created[position][1])
            record = group.records[position * RECORD_WIDTH + 2]
            self._check_record(self._by_run.get(run), record)
            found = _REQUESTED.search(record)
            if found is not None:
                self._requested_at[run] = float(found[1])
        posting = group.postings.get(position)
        if posting is not None:
            self._book(run, posting, refused=refused)

    def _begin(self, run: int, row: RunRow) -> None:
        found = KEY.search(row.question)
        if found is None:
            return
        ask = self._by_run[run] = self._asks[found[1]]
        ask.run, ask.run_id = run, row.run_id
        above = "" if ask.parent is None else ask.parent.run_id
        if row.parent != above:
            self._breach("B6", f"run of request {ask.key} is said to be below {row.parent!r}, and is below {above!r}")

    def _check_record(self, ask: Ask | None, record: bytes) -> None:
        if ask is not None and not self.lost.isdisjoint([one.key for one in ask.lineage]):
            self._breach("R3", f"request {ask.key} has lost its session to another process, and still writes")
        self._intents.update([key.decode() for key in _INTENT.findall(record)])
        for mark, what in _EVENTS.items():
            if mark in record:
                self._cover(what)

    def find_leave_s(self, run: int) -> float:
        """When the call that a run makes got leave to go, virtual seconds: before that was written down."""
        return self._requested_at.get(run, 0.0) - self._clock.now() + self._clock.monotonic()

    def is_intended(self, key: str) -> bool:
        """Whether the intent to make that tool call is on disk."""
        return key in self._intents

    def _book(self, run: int, posting: Posting, *, refused: bool) -> None:
        if posting.settlement is not None:
            self._check_settlement(run, posting.settlement)
        now = self._clock.now()
        for claim in (posting.used, None if refused else posting.claim):
            if claim is not None:
                self.books.claim(run, claim, now)
                self._check_payers(run, claim)

    def _check_payers(self, run: int, claim: Claim) -> None:
        ask = self._by_run.get(run)
        if ask is not None:
            wanted = make_payers(*ask.conversation).chain
            if claim.payers.chain != wanted:
                self._breach("B6", f"request {ask.key} is paid by {claim.payers.chain}, and not by {wanted}")

    def _check_settlement(self, run: int, settlement: Settlement) -> None:
        """What a call is charged is what the provider said, or all that was held."""
        claim = self.books.settle(run, settlement)
        ask = self._by_run[run]
        if claim is None:
            return
        charged = settlement.tokens, settlement.nano
        if settlement.hold not in ask.outcomes:
            wanted, why = (0, 0), "was never sent"
        elif ask.outcomes[settlement.hold] is None:
            wanted, why = (claim.tokens, claim.nano), "has an outcome that nobody knows"
        else:
            wanted, why = ask.outcomes[settlement.hold] or (0, 0), "ended as the provider said"
        if charged != wanted and not (ask.cancelled and charged == (claim.tokens, claim.nano)):
            message = f"request {ask.key}: a call that {why} is charged {charged}, not {wanted}"
            self._breach("B4", f"{message} (tokens, nano-dollars)")

    def check_end(self, connection: sqlite3.Connection) -> None:
        """Everything has ended: what must hold now."""
        wrong = self.books.check_end(connection)
        if wrong:
            self._breach("B1" if "reserved" not in wrong else "liveness", wrong)
        done: set[Any] = {run for (run,) in connection.execute("SELECT run FROM runs WHERE finished_at > 0")}
        gone = [ask.key for ask in self._asks.values() if ask.acknowledged and ask.run not in done]
        if gone:
            self._breach("R1", f"{len(gone)} requests were answered whose runs are not in the store, first {gone[0]}")

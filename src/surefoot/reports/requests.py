"""What one request of a user used: its run together with all the runs that its tools began."""

from __future__ import annotations

import heapq
from typing import Final

from msgspec import Struct

from surefoot.budget.accounts import AMOUNTS
from surefoot.journal.tally import ModelTally, decode_tally
from surefoot.store.base import RunRow

_OPEN: Final = float("inf")


class Request(Struct):
    """A run and what it began.

    Attributes:
        run_id: Id of the run that the user asked for.
        used: What all its runs used, by the names in `AMOUNTS`; USD in nano-dollars.
        models: What they used of each model, run by run, with the names of the models.
        is_ended: Whether all of them have ended.
        pending: How many of them may still begin another one, as far as the scan has come.
    """

    run_id: str
    used: dict[str, int]
    models: list[tuple[str, ModelTally]]
    is_ended: bool = True
    pending: int = 0

    def knows_usage(self) -> bool:
        """Whether a provider told the usage of every call: what was charged is what was counted."""
        return self.is_ended and all(tally.tokens == tally.usage.total_tokens for _, tally in self.models)


class Requests:
    """Puts requests together from runs in the order in which they began; feed it every run.

    It keeps only the requests that may still get another run: a tool begins a run while its own run goes on.

    Attributes:
        strays: Runs left out: what began them began before the first run, so that most of their request is missing.
    """

    def __init__(self) -> None:
        self.strays = 0
        self._of: dict[str, Request] = {}
        self._ends: list[tuple[float, str]] = []

    def add(self, row: RunRow) -> list[Request]:
        """Take one run in; the requests that are complete by now.

        Raises:
            StoreError: Its tally cannot be read.
        """
        complete = self._finish(row.started_at)
        if row.parent:
            request = self._of.get(row.parent)
            if request is None:
                self.strays += 1
                return complete
        else:
            request = Request(row.run_id, dict.fromkeys(AMOUNTS, 0), [])
        self._of[row.run_id] = request
        heapq.heappush(self._ends, (row.finished_at or _OPEN, row.run_id))
        request.pending += 1
        request.is_ended &= row.status == "finished"
        request.models += decode_tally(row.usage).models.items()
        counts = (row.tokens, row.nano, row.steps, row.model_calls, row.tool_calls)
        for name, count in zip(AMOUNTS, counts, strict=True):
            request.used[name] += count
        return complete

    def rest(self) -> list[Request]:
        """The requests that are left when there are no more runs."""
        return self._finish(_OPEN)

    def _finish(self, until: float) -> list[Request]:
        complete: list[Request] = []
        while self._ends and (self._ends[0][0] < until or until == _OPEN):
            _, run_id = heapq.heappop(self._ends)
            request = self._of.pop(run_id)
            request.pending -= 1
            if not request.pending:
                complete.append(request)
        return complete

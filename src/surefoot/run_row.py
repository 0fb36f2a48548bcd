"""What listings and reports know of a run without reading its journal."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from surefoot.budget.rates import Rates
from surefoot.caller import mend
from surefoot.journal.fold import RunState
from surefoot.journal.tally import ModelTally, Tally, encode_tally
from surefoot.store.base import RunRow

LISTED_CHARS: Final = 200
"""How much of a question and an answer a run's row keeps for listings; the journal has them whole."""


def make_row(state: RunState) -> RunRow:
    """What listings show of a run from its beginning."""
    started = state.started
    assert started is not None, "RunStarted is the first event"
    return RunRow(
        run_id=started.run_id,
        agent=started.agent,
        model=started.model,
        user=started.user,
        session=started.session,
        question=started.messages[-1].text[:LISTED_CHARS],
        started_at=started.at,
        tenant=started.tenant,
        parent=started.parent,
    )


def make_lost_row(row: RunRow, state: RunState) -> RunRow:
    """The row of a run whose process is gone with what it was charged: a call in flight costs all that it held."""
    models = {model: replace(tally) for model, tally in state.models.items()}
    for hold in state.holds.values():
        tally = models.setdefault(hold.model, ModelTally())
        tally.calls += 1
        tally.failed += 1
        tally.tokens += hold.hold_tokens
        tally.nano += hold.hold_nano
    return replace(
        row,
        steps=state.steps,
        tokens=row.tokens + sum(tally.tokens for tally in models.values()),
        nano=row.nano + sum(tally.nano for tally in models.values()),
        model_calls=state.model_calls,
        tool_calls=state.tool_calls,
        usage=encode_tally(Tally(models, state.tools)),
    )


def make_last_row(state: RunState, rates: Rates | None) -> RunRow:
    """What listings show of a run that has ended."""
    finished = state.finished
    assert finished is not None, "RunFinished is the last event"
    return replace(
        make_row(state),
        status="finished",
        finished_at=finished.at,
        stop_reason=finished.stop_reason,
        steps=state.steps,
        tokens=state.tokens,
        nano=state.nano,
        output=mend(finished.output[:LISTED_CHARS]),
        model_calls=state.model_calls,
        tool_calls=state.tool_calls,
        usage=encode_tally(Tally(state.models, state.tools, rates.digest if rates else "")),
    )

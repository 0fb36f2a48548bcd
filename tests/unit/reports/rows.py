"""Rows of the store as runs of some kind would leave them."""

from surefoot.journal.tally import ModelTally, Tally, ToolTally, encode_tally
from surefoot.store.base import RunRow
from surefoot.types import Usage

NOON = 1_795_435_200.0  # 2026-11-23 12:00 UTC


def model(tokens_in=80, tokens_out=20, nano=0, *, calls=1, failed=0, unknown=0, cached=0):
    usage = Usage(tokens_in, tokens_out, cached)
    return ModelTally(calls, failed, tokens_in + tokens_out + unknown, nano, 10.0 * calls, usage)


def row(run_id="r1", *, at=NOON, took=1.0, models=None, tools=None, **more):
    models = {"m:a": model()} if models is None else models
    values = {
        "agent": "a", "model": "m:a", "started_at": at, "finished_at": at + took, "status": "finished",
        "stop_reason": "final", "steps": 1, "tokens": sum(m.tokens for m in models.values()),
        "nano": sum(m.nano for m in models.values()), "model_calls": sum(m.calls for m in models.values()),
        "usage": encode_tally(Tally(models, {name: ToolTally(*tool) for name, tool in (tools or {}).items()})),
    }  # fmt: skip
    return RunRow(run_id=run_id, **{**values, **more})

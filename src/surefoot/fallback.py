"""What a run does when its model fails for good: it goes on with the next of ``Agent(models=[...])``."""

from __future__ import annotations

from typing import Final

from surefoot.errors import ModelBroken, ModelError, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.model_call import ModelCall
from surefoot.run import Run
from surefoot.switch import switch_model

OF_THE_ACCOUNT: Final = frozenset({401, 402, 403, 404, 410, 429})
"""Refusals for the sake of the key, the credit or the model: another provider has its own. A request that is refused as
such (400, 413, 422) is no better elsewhere."""
_KINDS: Final = (ModelUnreachable, ModelRefused, ModelOverloaded, ModelBroken)


def may_go_elsewhere(error: ModelError) -> bool:
    """Whether another model may do what this one did not; ``error`` is what its last attempt ended with."""
    if not isinstance(error, ModelRefused):
        return error.retryable
    return error.status in OF_THE_ACCOUNT or 200 <= error.status < 400  # a redirect, or the page of a web site


def fall_back(run: Run, call: ModelCall, error: ModelError) -> None:
    """Go on with the next model of the agent that has not failed in this run.

    Raises:
        ModelError: There is none, or the error is not the model's: it names each model and what failed.
    """
    failed = run.state.model
    run.failures[failed] = str(error)
    if may_go_elsewhere(error):
        for compiled in run.models:
            if compiled.model.profile.id not in run.failures:
                switch_model(run, call, compiled, reason=f"{error.code}: {error}")
                return
    if len(run.failures) == 1:
        raise error
    kind = next((kind for kind in _KINDS if isinstance(error, kind)), ModelError)
    told = "; ".join([text if text.startswith(name) else f"{name}: {text}" for name, text in run.failures.items()])
    message = f"all {len(run.failures)} models failed: {told}"
    raise kind(message, status=error.status, retry_after_s=error.retry_after_s) from error

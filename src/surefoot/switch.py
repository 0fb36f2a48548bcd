"""A run goes on with another model: its protocol, its prices, its prompt."""

from __future__ import annotations

from surefoot.compiled import Compiled
from surefoot.journal.events import ModelSwitched
from surefoot.model_call import ModelCall
from surefoot.run import Run


def switch_model(run: Run, call: ModelCall, compiled: Compiled, reason: str = "") -> None:
    """From here on the run's calls go to the model of ``compiled``; nothing may be held for one."""
    run.compiled = compiled
    run.account.set_rates(compiled.rates)
    run.emit(
        ModelSwitched(
            at=run.desk.clock.now(),
            model=compiled.model.profile.id,
            protocol=compiled.protocol.name,
            system=compiled.system,
            prices=compiled.price_source,
            rates=compiled.price_snapshot,
            reason=reason,
        )
    )
    call.reopen()

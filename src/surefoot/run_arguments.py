"""What callers give to runs and lists, looked at before anything is taken for them: a slip is one clear error."""

from __future__ import annotations

from typing import Final, get_args

from surefoot.agent import Agent
from surefoot.budget.limits import Limits
from surefoot.caller import Caller
from surefoot.errors import ConfigError
from surefoot.sections import OnBusy

MOST_LISTED: Final = 1_000_000
"""Rows of one list: they are in memory together."""
_ON_BUSY: Final = get_args(OnBusy)


def check_run(agent: object, limits: object, on_busy: object = None) -> None:
    """See that a run has an agent, limits that are some, and an ``on_busy`` that means something, in a session or not.

    Raises:
        ConfigError: One of them is something else.
    """
    if not isinstance(agent, Agent):
        hint = f"Agent({agent!r:.80}) makes one" if isinstance(agent, str) else "see surefoot.Agent"
        raise ConfigError(f"the agent must be an Agent, not {type(agent).__name__}: {hint}")
    if limits is not None and not isinstance(limits, Limits):
        raise ConfigError(f"limits={limits!r:.80}: must be surefoot.Limits")
    if on_busy is not None and on_busy not in _ON_BUSY:
        raise ConfigError(f'on_busy={on_busy!r:.80}: must be "queue", "reject" or "interrupt"')


def check_list(limit: object, **owners: object) -> None:
    """See that a list is asked for by names and a number.

    Args:
        limit: How many at most.
        owners: ``user``, ``session``, ``tenant``; None for anybody's.

    Raises:
        ConfigError: One of them cannot be.
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_LISTED:
        raise ConfigError(f"limit={limit!r:.80}: must be a whole number from 1 to {MOST_LISTED:,}")
    Caller(**{name: value for name, value in owners.items() if value is not None})  # type: ignore[arg-type]

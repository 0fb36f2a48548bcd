"""The load: requesters who ask a runtime, all at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

from surefoot.agent import Agent
from surefoot.clock import Clock
from surefoot.errors import BudgetExceeded, ConfigError, NotFound, SurefootError, TooManyRequests
from surefoot.runtime import Runtime
from surefoot.stress.plan import Plan
from surefoot.stress.score import Score

REFUSED = "refused: "
"""How the reasons of requests begin that admission has turned away."""


def name_failure(error: SurefootError) -> str:
    """Why a request failed, in a word or two that many failures share."""
    if isinstance(error, TooManyRequests):
        return f"{REFUSED}{error.reason}"
    if isinstance(error, BudgetExceeded):
        return f"budget: {error.limit}"
    return error.code


class Load:
    """Plays a plan on a runtime, and keeps score.

    Attributes:
        score: What has become of the requests so far.
        began_s: Monotonic seconds of the beginning.
    """

    def __init__(self, runtime: Runtime, agent: Agent[Any], plan: Plan, clock: Clock) -> None:
        self.score = Score(plan.requests)
        self.began_s = clock.monotonic()
        self._runtime = runtime
        self._agent = agent
        self._plan = plan
        self._clock = clock

    async def play(self) -> None:
        """Make all requests.

        Raises:
            ConfigError: What every request would fail of: the settings, the agent, the price or the key.
            NotFound: The same, of a name.
        """
        plan = self._plan
        due = list(plan.due_times()) if plan.arrival == "poisson" else None
        self.began_s = self._clock.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for requester in range(min(plan.users, plan.requests)):
                    numbers = range(requester, plan.requests, plan.users)
                    times = None if due is None else islice(due, requester, None, plan.users)
                    group.create_task(self._ask_all(requester, numbers, times))
        except BaseExceptionGroup as errors:
            raise _find_first(errors) from None

    async def _ask_all(self, requester: int, numbers: range, times: Iterator[float] | None) -> None:
        for number in numbers:
            due_s = self._seconds()
            if times is not None:
                due_s = next(times)
                await asyncio.sleep(max(0.0, due_s - self._seconds()))
            await self._ask(requester, number, due_s)

    async def _ask(self, requester: int, number: int, due_s: float) -> None:
        plan, score = self._plan, self.score
        user = plan.name_user(requester)
        session = f"conversation-{requester}" if plan.sessions else ""
        score.begin()
        reason, told = "interrupted", ""
        try:
            result = await self._runtime.run(self._agent, plan.write_question(number), user=user, session=session)
            reason = "" if result.stop_reason == "final" else result.stop_reason
            if result.limit:
                reason, told = f"budget: {result.limit}", result.limit_message
        except (ConfigError, NotFound):
            raise
        except SurefootError as error:
            reason, told = name_failure(error), str(error)
        finally:
            ended_s = self._seconds()
            score.end(user, ended_s=ended_s, latency_s=ended_s - due_s, reason=reason, told=told)

    def _seconds(self) -> float:
        return self._clock.monotonic() - self.began_s


def _find_first(errors: BaseException) -> BaseException:
    while isinstance(errors, BaseExceptionGroup):
        errors = cast("BaseExceptionGroup[BaseException]", errors).exceptions[0]
    return errors

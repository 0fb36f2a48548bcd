"""A run's leave to ask a provider: taken before anything is held, given back however the attempt ends."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from surefoot.budget.holds import MAX_CALL_TOKENS
from surefoot.errors import ModelError, ModelUnreachable
from surefoot.models.base import Model, Reply
from surefoot.models.permit import FreePermit, Permit, Route
from surefoot.run import Run

PATIENCE_S: Final = 10.0
"""A run with less time left than this, whose call times out, says nothing of the provider."""
TIMER_SLACK_S: Final = 0.01
"""A timer may fire this much before its time; a failure that near the deadline is the deadline's."""


class Passage:
    """The permits of one run, one at a time."""

    __slots__ = ("_failed_on", "_is_free", "_permit", "_run", "_who")

    def __init__(self, run: Run) -> None:
        self._run = run
        self._who = run.caller.tenant, run.caller.user
        self._permit: Permit | FreePermit | None = None
        self._failed_on: Route | None = None  # the way that the last attempt went
        self._is_free = False  # to try it again is no load for a provider in trouble

    @property
    def model(self) -> Model:
        """Whom to ask."""
        assert self._permit is not None, "take() came first"
        return self._permit.model

    def take(self, tokens: int, *, is_first: bool) -> bool:
        """Get leave for an attempt that may use so many tokens; a retry goes another way if there is one.

        Returns:
            False if it has to wait: see `wait`.

        Raises:
            ModelUnreachable: There is no way.
        """
        assert self._permit is None, "the last one was given back"
        run = self._run
        routes = run.compiled.routes
        if is_first:
            self._failed_on = None
            run.desk.retries.feed(routes.provider)
        self._permit = routes.take(tokens, self._failed_on)
        return self._permit is not None

    async def wait(self, tokens: int) -> None:
        """Wait for leave.

        Raises:
            ModelError: There is no way, or no room before the run's deadline.
        """
        run = self._run
        run.write_behind()
        self._permit = await run.compiled.routes.wait(tokens, self._who, run.account.deadline, self._failed_on)

    def reply(self, reply: Reply) -> None:
        """A reply has come."""
        usage = reply.usage
        tokens = -1 if usage is None else usage.input_tokens + usage.output_tokens
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.succeed(tokens if 0 <= tokens < MAX_CALL_TOKENS else None, reply.rate)

    def fail(self, error: ModelError, timeout_s: float, elapsed_s: float) -> None:
        """The attempt has failed after ``elapsed_s`` of the ``timeout_s`` seconds that it had."""
        permit, self._permit = self._permit, None
        if permit is not None:
            self._failed_on = permit.route
            hurried = timeout_s < min(PATIENCE_S, self._run.desk.timeout_s) and elapsed_s >= timeout_s - TIMER_SLACK_S
            elsewhere = self._run.compiled.routes.has_other(permit.route)
            is_paced = permit.fail(error, self._culprit, hurried=hurried, elsewhere=elsewhere)
            self._is_free = is_paced or (elsewhere and isinstance(error, ModelUnreachable))

    def leave(self, *, sent: bool) -> None:
        """Nobody waits for the attempt any more; give the permit back, if there still is one."""
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.drop(sent=sent)

    def delay_retry(self, error: ModelError, attempt: int) -> float | None:
        """Seconds until the next attempt, None if there is to be none."""
        run = self._run
        return run.desk.retries.allow(
            error,
            attempt,
            run.account.deadline,
            at=run.compiled.routes.provider,
            who=self._culprit,
            elsewhere=run.compiled.routes.has_other(self._failed_on),
            free=self._is_free,
        )

    @property
    def _culprit(self) -> Hashable:
        """Who is behind a failure: the user, or this very run where nobody is named."""
        return self._who if self._run.caller.user else self._run.run_id

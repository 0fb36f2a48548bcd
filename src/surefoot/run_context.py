"""What a tool may know of the run that calls it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from surefoot.clock import Clock, SystemClock
from surefoot.errors import ToolError


class RunContext(Struct, frozen=True, kw_only=True):
    """What a tool may know of the run that calls it. A tool whose first parameter has this type gets it.

    Attributes:
        user: Whose run it is.
        session: Its conversation, "" for none.
        run_id: Id of the run.
        call_id: Id of this call.
        idempotency_key: The same when this very call is run again after a crash, and never for another call.
        deadline: When the call must be done, in seconds of the clock's ``monotonic``: the earlier of the tool's timeout
            and the end of the run.
        deps: What was given to ``Runtime.run(deps=...)``.
        clock: Where the run's time comes from.
        tenant: The customer that the user belongs to, "" for none.
        starter: What `run_agent` calls; set by the runtime.
    """

    user: str
    session: str
    run_id: str
    call_id: str
    idempotency_key: str
    deadline: float
    deps: Any = None
    clock: Clock = SystemClock()
    tenant: str = ""
    starter: Callable[[Any, str, Any], Awaitable[Any]] | None = None

    async def run_agent(self, agent: Any, question: str, *, limits: Any = None) -> Any:
        """Run another agent for this tool, on the budget of the run that called it, and give its `RunResult`.

        Whatever the child uses (tokens, dollars, steps, model calls, tool calls, time) is used of this run's limits,
        too, and of its accounts'; what this run keeps for its last answer the child leaves alone.

        Args:
            agent: A `surefoot.Agent`.
            question: What it is asked.
            limits: `surefoot.Limits` of the child alone, beside those of this run; None takes the agent's, or the
                defaults.

        Raises:
            SurefootError: The child failed. Uncaught, the model is told so.
            ToolError: Children may not nest that deep, or there is no runtime.
        """
        if self.starter is None:
            raise ToolError("this context belongs to no runtime, so that it cannot run an agent")
        return await self.starter(agent, question, limits)

    def remaining_s(self) -> float:
        """Seconds until `deadline`; 0 when it has passed."""
        return max(0.0, self.deadline - self.clock.monotonic())

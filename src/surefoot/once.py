"""One run for a script or a notebook, in an event loop of its own."""

from __future__ import annotations

from surefoot.agent import Agent, OutputT
from surefoot.config import Settings
from surefoot.event_loop import run_in_loop
from surefoot.result import RunResult
from surefoot.runtime import Runtime


def run_sync(
    agent: Agent[OutputT],
    question: str,
    *,
    user: str = "",
    session: str = "",
    deps: object = None,
    settings: Settings | None = None,
) -> RunResult[OutputT]:
    """Run once in an event loop of its own; arguments and errors as `Runtime.run`.

    Raises:
        ConfigError: Called inside a running event loop.
    """

    async def run() -> RunResult[OutputT]:
        async with Runtime(settings=settings) as runtime:
            return await runtime.run(agent, question, user=user, session=session, deps=deps)

    return run_in_loop(run)

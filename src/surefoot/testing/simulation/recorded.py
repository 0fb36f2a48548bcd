"""What recorded runs say of a model and its tools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median, pstdev
from typing import Final

from msgspec.structs import replace

from surefoot.errors import NotFound
from surefoot.journal.events import ModelReplied, ToolFinished
from surefoot.runtime import Runtime
from surefoot.testing.simulation.world import SimulatedTool, World

MAX_RUNS: Final = 500
"""Newest runs that are read."""
LEAST: Final = 1e-3


async def learn(world: World, runtime: Runtime) -> World:
    """The world with sizes, latencies and the model of the newest runs of a runtime's store.

    Raises:
        NotFound: No run in it was answered by a model that reports its usage.
        StoreError: It cannot be read.
    """
    replies: list[ModelReplied] = []
    tools: list[ToolFinished] = []
    first_tokens: list[int] = []
    rows = await runtime.list_runs(limit=MAX_RUNS)
    for row in rows:
        _, events = await runtime.read_run(row.run_id)
        said = [event for event in events if isinstance(event, ModelReplied)]
        first_tokens += [event.usage.input_tokens for event in said[:1] if event.usage is not None]
        replies += said
        tools += [event for event in events if isinstance(event, ToolFinished)]
    if not replies or not first_tokens:
        raise NotFound("no run on record was answered by a model that reports its usage: nothing to learn from")
    latencies = [max(LEAST, reply.latency_ms / 1e3) for reply in replies]
    sizes = [reply.usage.output_tokens for reply in replies if reply.usage is not None]
    model = replace(
        world.model,
        id=rows[0].model,
        latency_s=median(latencies),
        spread=min(3.0, pstdev(map(math.log, latencies))),
        instructions_tokens=max(1, round(median(first_tokens)) - world.model.question_tokens),
        reply_tokens=max(1, round(median(sizes))),
        max_tokens=max(world.model.max_tokens, *sizes),
        tool_steps=min(50.0, len(tools) / len(first_tokens)),
    )
    return replace(world, model=model, tool=_learn_tool(world, tools))


def _learn_tool(world: World, tools: Sequence[ToolFinished]) -> SimulatedTool:
    if not tools:
        return world.tool
    return replace(
        world.tool,
        latency_s=median([tool.latency_ms / 1e3 for tool in tools]),
        result_tokens=max(1, round(median([len(tool.content.encode()) for tool in tools]) / 4)),
        errors=fmean([tool.is_error for tool in tools]),
    )

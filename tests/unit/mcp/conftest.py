"""Real servers: a child process over standard streams, one made with the SDK, and one over HTTP that misbehaves."""

import asyncio
import sys
from pathlib import Path

import pytest

from surefoot.mcp import McpServer
from surefoot.testing import ScriptedModel, call, say

HERE = Path(__file__).parent
SOON_S = 0.3
"""A timeout that these tests wait for: what it stops would last for ever."""


@pytest.fixture
def marks(tmp_path):
    """What the plain server has done: a file for each thing, a line each time."""
    folder = tmp_path / "marks"
    folder.mkdir()

    def count(what):
        file = folder / what
        return len(file.read_text().splitlines()) if file.exists() else 0

    count.folder = folder
    return count


@pytest.fixture
def plain(tmp_path, marks):
    """Makes the plain server; all of one test share a lock file."""

    def make(mode="good", **options):
        options = {"name": "plain", "lock": tmp_path / "surefoot.mcp.lock", **options}
        return McpServer.stdio(sys.executable, str(HERE / "plain_server.py"), mode, str(marks.folder), **options)

    return make


def tools_of(server):
    return {tool.spec.name.removeprefix(f"{server.name}_"): tool for tool in server.tools}


async def until(condition, why, timeout_s=20.0):
    """Wait for what another process does."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)
    assert condition(), why


@pytest.fixture
def ask(tmp_path):
    """One run of an agent that calls a tool once; its result as the model saw it."""
    from surefoot import Agent, Runtime

    async def run(tools, name, question="Say hi.", settings=None, **arguments):
        model = ScriptedModel([call(name, **arguments), say("done")])
        async with Runtime(tmp_path / "runs.db", settings=settings) as runtime:
            result = await runtime.run(Agent(model, tools=tools), question)
        return result.messages[-2]

    return run

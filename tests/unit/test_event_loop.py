"""A coroutine from code without an event loop."""

import asyncio
import subprocess
import sys

import pytest

from surefoot.errors import ConfigError
from surefoot.event_loop import run_in_loop


def test_it_runs_to_the_end_and_gives_the_result():
    async def main():
        await asyncio.sleep(0)
        return type(asyncio.get_running_loop()).__module__

    assert run_in_loop(main) == "uvloop"


def test_an_error_comes_through():
    async def main():
        raise LookupError("x")

    with pytest.raises(LookupError):
        run_in_loop(main)


async def test_it_refuses_to_block_a_running_loop():
    with pytest.raises(
        ConfigError, match=r"run_sync would block the running event loop: `await runtime.run\(...\)` instead"
    ):
        run_in_loop(lambda: asyncio.sleep(0))


WITHOUT_UVLOOP = """
import sys
sys.modules["uvloop"] = None
import asyncio
from surefoot.event_loop import run_in_loop
async def main():
    return type(asyncio.get_running_loop()).__module__
print(run_in_loop(main))
"""


def test_plain_asyncio_will_do():
    child = subprocess.run([sys.executable, "-c", WITHOUT_UVLOOP], capture_output=True, text=True, check=True)
    assert child.stdout.startswith("asyncio.")

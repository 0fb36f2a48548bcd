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


CALM = """
import gc
from surefoot.event_loop import RARE, calm_collections
before = gc.get_threshold()
calm_collections()
print(gc.get_freeze_count() > 0, gc.get_threshold() == (*before[:2], RARE), gc.isenabled())
"""


def test_collections_are_calm_after_it_was_asked_for():
    alone = subprocess.run([sys.executable, "-c", CALM], capture_output=True, text=True, check=True)
    assert alone.stdout.split() == ["True", "True", "True"]


CALM_SETTING = """
import asyncio, gc
from surefoot import Runtime
from surefoot.config import Settings
from surefoot.event_loop import RARE
from surefoot.sections import StoreSettings

found = gc.get_threshold()

def is_calm():
    return gc.get_freeze_count() > 0 and gc.get_threshold() == (*found[:2], RARE)

async def main():
    async with Runtime(settings=Settings(store=StoreSettings("plain.db"))):
        assert not is_calm()
    async with Runtime(settings=Settings(calm_gc=True, store=StoreSettings("one.db"))):
        assert is_calm()
        async with Runtime(settings=Settings(calm_gc=True, store=StoreSettings("two.db"))):
            assert is_calm()
        assert is_calm(), "one of them is still open"
    assert gc.get_freeze_count() == 0 and gc.get_threshold() == found
    async with Runtime(settings=Settings(calm_gc=True, store=StoreSettings("three.db"))):
        gc.set_threshold(5, 6, 7)
    assert gc.get_threshold() == (5, 6, 7), "others have set it meanwhile"

asyncio.run(main())
print("right")
"""


def test_a_runtime_calms_collections_while_it_is_open_where_the_settings_say_so(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", CALM_SETTING], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert child.stdout.split() == ["right"], child.stderr

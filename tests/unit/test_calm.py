"""Full garbage collections are rare while a runtime is open, but they come; and the collector is as it was when the last has closed."""

import gc
import subprocess
import sys
import threading

import pytest

from surefoot.calm import APART_S, GROWTH_MB, HELD, MANY, SHARE, SOONER, Calm

FOUND = (701, 11, 12)
HELD_BACK, DUE = (701, 11, HELD), (701, 11, 0)
MIDDLE = {"generation": 1}
FULL = {"generation": 2, "collected": 0}


@pytest.fixture(autouse=True)
def collector():
    """As this test wants it, and afterwards as it was."""
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    gc.set_threshold(*FOUND)
    yield
    gc.set_threshold(*thresholds)
    assert gc.callbacks == callbacks


class Process:
    """A clock and a memory that the test moves."""

    def __init__(self):
        self.now_s, self.memory_mb = 1_000.0, 100.0
        self.calm = Calm(lambda: self.now_s, lambda: self.memory_mb)

    def collect(self, took_s, freed=0):
        self.calm.notice("start", FULL)
        self.now_s += took_s
        self.calm.notice("stop", FULL | {"collected": freed})

    def thresholds(self):
        """What the collector has after one more collection of the middle generation."""
        self.calm.notice("start", MIDDLE)
        self.calm.notice("stop", MIDDLE)
        return gc.get_threshold()


@pytest.fixture
def process():
    process = Process()
    process.calm.begin()
    yield process
    process.calm.end()


def test_it_is_calm_from_the_first_to_the_last():
    calm = Process().calm
    calm.begin()
    calm.begin()
    assert gc.get_threshold() == HELD_BACK
    calm.end()
    assert gc.get_threshold() == HELD_BACK, "somebody still wants it"
    assert gc.callbacks[-1] == calm.notice
    calm.end()
    assert gc.get_threshold() == FOUND
    assert gc.get_freeze_count() == 0, "nothing is hidden from the collector"


def test_a_full_collection_waits_for_its_time(process):
    process.now_s += APART_S - 0.1
    assert process.thresholds() == HELD_BACK
    process.now_s += 0.2
    assert process.thresholds() == DUE
    process.collect(took_s=0.001)
    assert process.thresholds() == HELD_BACK
    process.now_s += APART_S
    assert process.thresholds() == DUE


def test_after_a_long_one_the_next_waits_longer(process):
    process.collect(took_s=1.0)
    process.now_s += SHARE - 0.1
    assert process.thresholds() == HELD_BACK
    process.now_s += 0.2
    assert process.thresholds() == DUE


def test_where_somebody_leaves_cycles_the_next_comes_sooner(process):
    process.collect(took_s=1.0, freed=MANY)
    process.now_s += SHARE / SOONER - 0.1
    assert process.thresholds() == HELD_BACK
    process.now_s += 0.2
    assert process.thresholds() == DUE
    process.collect(took_s=0.0, freed=MANY - 1)
    process.now_s += APART_S - 0.1
    assert process.thresholds() == HELD_BACK


def test_it_does_not_wait_while_memory_grows(process):
    process.memory_mb += GROWTH_MB - 1
    assert process.thresholds() == HELD_BACK
    process.memory_mb += 1
    assert process.thresholds() == DUE
    process.collect(took_s=0.1)
    assert process.thresholds() == HELD_BACK, "it has grown until then, and not since"


def test_a_program_that_opens_and_closes_again_and_again_gets_its_full_collections():
    process = Process()
    for _ in range(10):
        process.calm.begin()
        process.now_s += APART_S / 10
        seen = process.thresholds()
        process.calm.end()
    assert seen == DUE


def test_what_others_have_set_meanwhile_stays(process):
    gc.set_threshold(5, 6, 7)
    process.now_s += APART_S
    assert process.thresholds() == (5, 6, 7)
    process.collect(took_s=0.1)
    assert gc.get_threshold() == (5, 6, 7)
    process.calm.begin()
    process.calm.end()
    assert gc.get_threshold() == (5, 6, 7)


def test_a_collector_that_is_switched_off_stays_off():
    gc.set_threshold(0, 10, 10)
    calm = Process().calm
    calm.begin()
    assert gc.get_threshold() == (0, 10, 10)
    calm.end()
    assert gc.get_threshold() == (0, 10, 10)


def test_a_collection_in_the_middle_of_a_change_hurts_nobody(process):
    """Each may cause one: whatever is changed allocates, and another thread may be at it."""
    with process.calm._lock:
        process.calm.notice("start", FULL)
        process.calm.notice("stop", FULL)
    process.calm.notice("stop", FULL)
    assert gc.get_threshold() == HELD_BACK


def test_threads_open_and_close_while_others_collect():
    calm = Process().calm
    gc.set_threshold(FOUND[0], 1, 1)
    found = gc.get_threshold()

    def use():
        for _ in range(200):
            calm.begin()
            [[] for _ in range(20)]
            gc.collect(1)
            calm.end()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.get_threshold() == found


CYCLES = """
import gc, weakref
from surefoot.calm import Calm

now_s = 0.0
calm = Calm(lambda: now_s)
calm.begin()

class Node:
    pass

one, two = Node(), Node()
one.other, two.other = two, one
survivor = weakref.ref(one)
gc.collect(1)  # they live on, and are of the oldest generation now
del one, two

def work():
    kept = []
    for _ in range(40):
        kept.append([[] for _ in range(3_000)])
        for _ in range(3):
            [[] for _ in range(3_000)]

work()
assert survivor() is not None, "no full collection before its time"
now_s = 100.0
work()
work()
print(survivor() is None)
"""


def test_cycles_of_others_are_collected_in_the_end():
    child = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, check=False)
    assert child.stdout.split() == ["True"], child.stderr


SETTING = """
import asyncio, gc
from surefoot import Runtime
from surefoot.calm import HELD
from surefoot.config import Settings
from surefoot.errors import StoreError
from surefoot.sections import StoreSettings

found = gc.get_threshold()

def is_calm():
    return gc.get_threshold() == (*found[:2], HELD)

async def main():
    async with Runtime(settings=Settings(calm_gc=False, store=StoreSettings("plain.db"))):
        assert not is_calm()
    async with Runtime(settings=Settings(store=StoreSettings("one.db"))):
        assert is_calm()
        async with Runtime(settings=Settings(store=StoreSettings("two.db"))):
            assert is_calm()
        assert is_calm(), "one of them is still open"
    assert gc.get_threshold() == found and not gc.callbacks
    try:
        async with Runtime(settings=Settings(store=StoreSettings("/dev/null/three.db"))):
            pass
    except StoreError:
        assert gc.get_threshold() == found, "it was never open"
    async with Runtime(settings=Settings(store=StoreSettings("three.db"))):
        gc.set_threshold(5, 6, 7)
    assert gc.get_threshold() == (5, 6, 7), "others have set it meanwhile"

asyncio.run(main())
print("right")
"""


def test_a_runtime_calms_collections_while_it_is_open_unless_the_settings_say_no(tmp_path):
    child = subprocess.run([sys.executable, "-c", SETTING], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert child.stdout.split() == ["right"], child.stderr

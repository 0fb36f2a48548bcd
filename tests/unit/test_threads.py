"""The pool of threads for blocking tools: bounded, fair, and no obstacle to the end of the process."""

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest

from surefoot.threads import ToolThreads

CURRENT = contextvars.ContextVar("CURRENT", default="none")


@pytest.fixture
def gate():
    """What holds blocking work up; opened at the end whatever happens, so that no thread stays behind."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def threads():
    pool = ToolThreads(2, max_waiting=2)
    yield pool
    pool.close()


async def test_work_runs_in_a_daemon_thread_with_the_callers_context(threads):
    CURRENT.set("caller")
    job = threads.submit(lambda: (CURRENT.get(), threading.current_thread().name, threading.current_thread().daemon))
    assert job.began
    assert await job.outcome == (("caller", "surefoot-tool-0", True), None)


async def test_threads_are_reused(threads):
    names = set()
    for _ in range(10):
        (name, error) = await threads.submit(lambda: threading.current_thread().name).outcome
        assert error is None
        names.add(name)
    assert len(names) == 1


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("end"), SystemExit(3), asyncio.CancelledError()])
async def test_what_work_raises_is_its_outcome(threads, error):
    def fail():
        raise error

    assert await threads.submit(fail).outcome == (None, error)
    assert await threads.submit(lambda: "still here").outcome == ("still here", None)


async def test_more_work_than_threads_waits_in_order_and_too_much_is_refused(threads, gate):
    order = []
    running = [threads.submit(gate.wait) for _ in range(2)]
    waiting = [threads.submit(lambda n=n: order.append(n)) for n in range(2)]
    assert [job.began for job in running + waiting] == [True, True, False, False]
    assert threads.submit(list) is None
    gate.set()
    for job in waiting:
        await job.outcome
    assert sorted(order) == [0, 1]
    assert sum(thread.name.startswith("surefoot-tool-") for thread in threading.enumerate()) <= 2


async def test_work_that_nobody_wants_any_more_gives_up_its_place(threads, gate):
    done = []
    running = [threads.submit(gate.wait) for _ in range(2)]
    dropped = [threads.submit(lambda: done.append("dropped")) for _ in range(2)]
    for job in dropped:
        job.outcome.cancel()
    wanted = threads.submit(lambda: done.append("wanted"))
    also = threads.submit(lambda: done.append("also"))
    also.outcome.cancel()
    gate.set()
    await wanted.outcome
    for job in running:
        assert await job.outcome == (True, None)
    assert done == ["wanted"]
    assert not any(job.began for job in dropped)


async def test_a_thread_whose_outcome_is_unwanted_serves_again(threads, gate):
    jobs = [threads.submit(gate.wait) for _ in range(2)]
    for job in jobs:
        job.outcome.cancel()
    following = threads.submit(lambda: "next")
    assert not following.began
    gate.set()
    assert await following.outcome == ("next", None)


async def test_a_thousand_calls_through_a_bounded_pool():
    threads = ToolThreads(8)
    alive = []
    lock = threading.Lock()

    def work(number):
        with lock:
            alive.append(threading.current_thread().name)
        return number

    jobs = [threads.submit(lambda n=n: work(n)) for n in range(1000)]
    assert [await job.outcome for job in jobs] == [(n, None) for n in range(1000)]
    assert len(set(alive)) <= 8
    threads.close()


async def test_closing_ends_idle_threads_at_once_and_busy_ones_after_their_work(gate):
    threads = ToolThreads(2)
    await threads.submit(list).outcome
    busy, idle = threads.submit(threading.current_thread), threads.submit(threading.current_thread)
    first, second = (await busy.outcome)[0], (await idle.outcome)[0]
    job = threads.submit(gate.wait)
    threads.close()
    threads.close()
    gate.set()
    assert await job.outcome == (True, None)
    for thread in (first, second):
        await asyncio.to_thread(thread.join, 30)
        assert not thread.is_alive()


def test_a_thread_ends_when_its_loop_is_gone(gate):
    async def begin():
        threads = ToolThreads(1)
        thread, _ = await threads.submit(threading.current_thread).outcome
        threads.submit(gate.wait)
        return thread

    thread = asyncio.run(begin())
    gate.set()
    thread.join(30)
    assert not thread.is_alive()


HUNG = """
import asyncio, threading
from surefoot.threads import ToolThreads
async def main():
    threads = ToolThreads(1)
    threads.submit(threading.Event().wait)
    threads.close()
asyncio.run(main())
print("ended")
"""


def test_a_tool_that_never_returns_does_not_keep_the_process_alive():
    child = subprocess.run([sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=60, check=True)
    assert child.stdout == "ended\n"

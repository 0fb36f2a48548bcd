import asyncio

import pytest

from surefoot.testing.simulation.virtual import VirtualClock, VirtualLoop, run_virtually


def test_time_jumps_to_the_next_timer():
    async def main():
        loop = asyncio.get_running_loop()
        order = []

        async def wait(name, delay_s):
            await asyncio.sleep(delay_s)
            order.append((name, round(loop.time(), 6)))

        await asyncio.gather(wait("late", 86_400 * 40), wait("soon", 0.5), wait("now", 0))
        return order

    assert run_virtually(main) == [("now", 0.0), ("soon", 0.5), ("late", 3_456_000.0)]


def test_a_timeout_is_virtual():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtually(main) == pytest.approx(3_600)


def test_what_can_never_come_is_an_error():
    async def main():
        await asyncio.get_running_loop().create_future()

    loop = VirtualLoop()
    task = loop.create_task(main())
    with pytest.raises(RuntimeError, match="never happen"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


def test_a_loop_that_waits_for_nothing_is_an_error():
    async def main():
        while True:  # noqa: ASYNC110 - the very mistake
            await asyncio.sleep(0)

    loop = VirtualLoop(max_spins=1_000)
    task = loop.create_task(main())
    with pytest.raises(RuntimeError, match="busy without end"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


def test_what_is_sent_to_a_thread_runs_on_the_loop():
    async def main():
        assert await asyncio.to_thread(sum, (1, 2)) == 3
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        told = []
        asyncio.get_running_loop().call_soon_threadsafe(told.append, 1)
        await asyncio.sleep(0)
        return told

    assert run_virtually(main) == [1]


def test_tasks_in_a_set_have_their_order():
    async def main():
        async def nothing():
            pass

        tasks = [asyncio.create_task(nothing()) for _ in range(50)]
        order = [tasks.index(task) for task in set(tasks)]
        await asyncio.gather(*tasks)
        return order

    assert run_virtually(main) == run_virtually(main)


def test_the_clock_repeats_itself():
    async def main():
        clock = VirtualClock(asyncio.get_running_loop(), 7, 1_000.0)
        await asyncio.sleep(2)
        return clock.now(), clock.monotonic(), clock.random(), clock.token("run")

    assert run_virtually(main) == run_virtually(main)
    assert run_virtually(main)[:2] == (1_002.0, 2.0)

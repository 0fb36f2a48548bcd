from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.store.conformance import (
    LEASE_S,
    Database,
    HandClock,
    StoreConformance,
    StoreMachine,
    finished,
    row,
    settled,
    status,
)

from surefoot.clock import SystemClock
from surefoot.errors import RunLost, StoreError
from surefoot.store.sqlite import MAX_FAILED, SqliteStore


@pytest.fixture
async def database(tmp_path):
    def make_store(clock, lease_s) -> SqliteStore:
        return SqliteStore(tmp_path / "runs.db", clock=clock, lease_s=lease_s)

    async with Database.opened(make_store) as database:
        yield database


class TestSqliteStore(StoreConformance):
    pass


def test_any_order_of_events():
    with tempfile.TemporaryDirectory() as directory:
        numbers = itertools.count()

        def machine() -> StoreMachine:
            path = Path(directory, f"{next(numbers)}.db")
            return StoreMachine(lambda clock, lease_s: SqliteStore(path, clock=clock, lease_s=lease_s))

        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))


@contextlib.asynccontextmanager
async def opened(path: Path, clock=None, **options):
    store = SqliteStore(path / "runs.db", clock=clock or HandClock(), **{"lease_s": LEASE_S, **options})
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@contextlib.contextmanager
def locked(path: Path):
    with contextlib.closing(sqlite3.connect(path / "runs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def expiry(path: Path) -> float:
    with contextlib.closing(sqlite3.connect(path / "runs.db")) as other:
        return other.execute("SELECT max(expires_at) FROM leases").fetchone()[0]


async def passes(condition) -> None:
    """Wait for something that happens in another thread or in the database."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody there could set an event
            await asyncio.sleep(0.005)


# A full disk


async def test_a_full_database_fails_the_commit_and_nothing_else(tmp_path):
    clock = HandClock()
    async with opened(tmp_path, clock, max_bytes=200_000) as store:
        for number in range(3):
            await store.create(row(f"run_{number}"), b"0")
        await store.append("run_0", 1, bytes(100_000))
        big, small = store.append("run_0", 2, bytes(100_000)), store.append("run_1", 1, b"1")
        for future in (big, small):
            with pytest.raises(StoreError, match=r"runs\.db: no space left.*make room"):
                await future
        assert await store.records("run_0") == [b"0", bytes(100_000)]
        with pytest.raises(StoreError, match="no space left"):
            await store.append("run_1", 2, b"2")  # it would leave a gap
        await store.append("run_2", 1, b"there is room for this")

        with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as other, other:
            other.execute("DELETE FROM records WHERE length(body) = 100000")
        await store.append("run_2", 2, bytes(100_000))
        assert await store.records("run_2") == [b"0", b"there is room for this", bytes(100_000)]

        async with opened(tmp_path, clock) as another:
            clock.move(LEASE_S)  # the store renews its leases, but not of the runs that failed
            await settled(store)
            assert await status(another, "run_2") == "running"
            assert await status(another, "run_1") == "lost"
            assert await another.take_over("run_1")
            await another.append("run_1", 1, b"1")
            assert await store.take_over("run_0")
            await store.append("run_0", 2, b"2")
            clock.move(LEASE_S / 2)
            await settled(store)
            await store.append("run_0", 3, b"given up once, taken over since")


async def test_a_new_run_in_a_full_database(tmp_path):
    async with opened(tmp_path, max_bytes=100_000) as store:
        first, second = store.create(row(), bytes(200_000)), store.append("run_1", 1, b"1")
        for future in (first, second):
            with pytest.raises(StoreError, match="no space left"):
                await future
        assert await store.find_run("run_1") is None
        await store.create(row("run_2"), b"0")


async def test_a_finished_run_leaves_no_lease(tmp_path):
    async with opened(tmp_path) as store:
        for number in range(3):
            await store.create(row(f"run_{number}"), b"0")
        await asyncio.gather(*[store.finish(finished(f"run_{number}"), 1, b"1") for number in range(2)])
        with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as other:
            assert other.execute("SELECT count(*) FROM leases").fetchone() == (1,)


# What one operation does to its own group


@pytest.mark.parametrize(
    ("bad", "what"),
    [({"question": "half \ud800"}, "surrogates"), ({"tokens": 2**70}, "too large"), ({"user": []}, "type")],
)
async def test_a_row_that_cannot_be_stored(tmp_path, bad, what):
    async with opened(tmp_path) as store:
        refused, other = store.create(row("run_1", **bad), b"0"), store.create(row("run_2"), b"0")
        with pytest.raises(StoreError, match=f"a new run, record 0 cannot be stored: .*{what}"):
            await refused
        await other
        refused, other = (
            store.finish(finished("run_2", **{**bad, "user": [], "output": []}), 1, b"1"),
            store.create(row("run_3"), b"0"),
        )
        with pytest.raises(StoreError, match=r"run_2, record 1 cannot be stored"):
            await refused
        await other
        assert await store.records("run_2") == [b"0"]
        with pytest.raises(StoreError, match="surrogates"):
            await store.find_run("run_\ud800")


class FaultyClock(HandClock):
    """Fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Exception | None = None
        self.now = self.read

    def read(self) -> float:
        if self.fault is not None:
            raise self.fault
        return self.now_s


async def test_an_error_that_nobody_foresaw_fails_its_group_only(tmp_path):
    clock = FaultyClock()
    async with opened(tmp_path, clock) as store:
        await store.create(row("run_1"), b"0")
        clock.fault = ArithmeticError("the clock has no hands")
        futures = [store.create(row("run_2"), b"0"), store.append("run_1", 1, b"1")]
        for future in futures:
            with pytest.raises(StoreError, match="the clock has no hands"):
                await future
        with pytest.raises(ArithmeticError):
            await store.take_over("run_7")
        clock.fault = None
        await store.create(row("run_3"), b"0")
        assert await store.records("run_1") == [b"0"]


@pytest.mark.parametrize(("gather_s", "pause_s"), [(0.0, 0.0), (0.05, 0.001)])
async def test_a_failure_with_more_of_its_run_on_the_way(tmp_path, gather_s, pause_s):
    """Appends that gathered while the failing group was written leave no gap either, and are told the same."""
    async with opened(tmp_path, gather_s=gather_s) as store:
        for run_id in ("run_1", "run_2"):
            await store.create(row(run_id), b"0")
        futures = []
        while not futures or not futures[0].done():
            number = len(futures) // 2
            futures += [store.append("run_1", number, b"1"), store.append("run_2", number + 1, b"2")]
            await asyncio.sleep(pause_s)
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes[::2]} == {RunLost}
        assert {str(outcome).partition(":")[0] for outcome in outcomes[::2]} == {"run run_1, record 0"}
        assert set(outcomes[1::2]) == {None}
        await asyncio.sleep(2 * gather_s)  # for the timer of the group that was handed over before its time
        await store.append("run_2", len(futures), b"2")
        assert await store.records("run_1") == [b"0"]
        assert len(await store.records("run_2")) == 2 + len(futures) // 2


async def test_appends_gather_while_others_are_written(tmp_path):
    async with opened(tmp_path, gather_s=0.0) as store:
        futures = [store.create(row(run_id), b"0") for run_id in ("run_1", "run_2")]
        while len(futures) < 300:
            futures.append(store.append("run_1", len(futures), b"1"))
            await asyncio.sleep(0)
        await asyncio.gather(*futures)
        assert len(await store.records("run_1")) == len(futures) - 1


async def test_a_full_disk_and_a_number_that_is_taken_in_one_commit(tmp_path):
    async with opened(tmp_path, max_bytes=100_000) as store:
        for run_id in ("run_1", "run_2", "run_3"):
            await store.create(row(run_id), b"0")
        futures = [
            store.append("run_1", 0, b"again"),
            store.append("run_2", 1, b"1"),
            store.append("run_3", 1, bytes(200_000)),
        ]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [RunLost, StoreError, StoreError]
        assert await store.records("run_2") == [b"0"]


async def test_a_run_that_was_given_up_and_taken_back_is_not_given_up_again(tmp_path):
    clock = HandClock()
    async with opened(tmp_path, clock, busy_s=0.01) as store:
        await store.create(row(), b"0")
        with pytest.raises(RunLost):
            await store.append("run_1", 0, b"again")
        await settled(store)
        clock.move(LEASE_S + 1)
        with locked(tmp_path), pytest.raises(StoreError, match="locked"):
            await store.take_over("run_1")  # the renewal, which would have dropped the lease, was locked out, too
        assert await store.take_over("run_1")
        clock.move(LEASE_S / 2)
        await settled(store)
        await store.append("run_1", 1, b"1")


async def test_opening_can_be_cancelled(tmp_path):
    task = asyncio.create_task(SqliteStore(tmp_path / "runs.db", clock=HandClock()).open())
    await asyncio.sleep(0)
    [writer] = [thread for thread in threading.enumerate() if thread.name == "surefoot-writer"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await passes(lambda: not writer.is_alive())


async def test_failures_are_remembered_within_bounds(tmp_path):
    async with opened(tmp_path) as store:
        ids = [f"run_{number}" for number in range(MAX_FAILED + 1)]
        await asyncio.gather(*[store.create(row(run_id), b"0") for run_id in ids])
        await asyncio.gather(*[store.append(run_id, 0, b"again") for run_id in ids], return_exceptions=True)
        with pytest.raises(RunLost, match="record 0"):
            await store.append(ids[-1], 1, b"1")
        with pytest.raises(RunLost, match="does not hold it"):
            await store.append(ids[0], 1, b"1")


async def test_more_than_may_wait_is_refused(tmp_path):
    clock = HandClock()
    async with opened(tmp_path, clock, max_waiting_bytes=1 << 20) as store:
        await store.create(row("run_1"), b"0")
        await store.create(row("run_2"), b"0")
        accepted = [store.append("run_1", number, bytes(100_000)) for number in range(1, 12)]
        with pytest.raises(StoreError, match="1 MiB of records wait for the disk; begin fewer runs"):
            await store.append("run_1", 12, b"x")
        with pytest.raises(StoreError, match="1 MiB"):
            await store.create(row("run_3"), b"0")
        await store.finish(finished("run_2"), 1, b"an end is always taken")
        await asyncio.gather(*accepted)
        with pytest.raises(StoreError, match="1 MiB"):
            await store.append("run_1", 13, b"it would leave a gap")
        await store.create(row("run_4"), b"0")
        assert len(await store.records("run_1")) == 12
        clock.move(LEASE_S + 1)
        await settled(store)
        assert await status(store, "run_4") == "running"
        assert await status(store, "run_1") == "lost", "another worker may go on with it"


# Leases in real time


async def test_leases_are_renewed_while_nothing_happens(tmp_path):
    async with opened(tmp_path, SystemClock(), lease_s=0.3) as store:
        await store.create(row(), b"0")
        for _ in range(3):
            last = expiry(tmp_path)
            await passes(lambda last=last: expiry(tmp_path) > last)
        await store.append("run_1", 1, b"1")


async def test_a_renewal_that_fails_is_tried_again(tmp_path, caplog):
    async with opened(tmp_path, SystemClock(), lease_s=0.3, busy_s=0.01) as store:
        await store.create(row(), b"0")
        with locked(tmp_path), caplog.at_level(logging.WARNING, "surefoot.store.writer"):
            await passes(lambda: len(caplog.messages) > 1)
        assert "leases not renewed, trying again" in caplog.messages[0]
        assert "locked by another process" in caplog.messages[0]
        last = expiry(tmp_path)
        await passes(lambda: expiry(tmp_path) > last)
        await store.append("run_1", 1, b"1")


async def test_leases_that_cannot_be_released_run_out(tmp_path):
    clock = HandClock()
    async with opened(tmp_path, clock) as second:
        first = SqliteStore(tmp_path / "runs.db", clock=clock, lease_s=LEASE_S, busy_s=0.01)
        await first.open()
        await first.create(row(), b"0")
        with locked(tmp_path), pytest.raises(StoreError, match="locked"):
            await first.close()
        assert not await second.take_over("run_1")
        clock.move(LEASE_S + 1)
        assert await second.take_over("run_1")


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_loop_that_ends_without_closing_the_store_ends_the_writer(tmp_path, is_locked):
    async def begin() -> threading.Thread:
        store = SqliteStore(tmp_path / "runs.db", clock=SystemClock(), lease_s=0.1, busy_s=0.2)
        await store.open()
        await store.create(row(), b"0")
        if is_locked:
            lock.enter_context(locked(tmp_path))
        store.append("run_1", 1, b"nobody will be told")
        await asyncio.sleep(0)
        [writer] = [thread for thread in threading.enumerate() if thread.name == "surefoot-writer"]
        return writer

    async def look() -> str:
        async with opened(tmp_path, HandClock(0.0)) as store:
            return await status(store)

    with contextlib.ExitStack() as lock:
        writer = asyncio.run(begin())
        writer.join(20)
    assert not writer.is_alive()
    assert asyncio.run(look()) == ("running" if is_locked else "lost"), "a lease outlives its worker only if it must"


async def test_a_lone_run_does_not_wait_for_others(tmp_path):
    """A group waits ``gather_s`` for company; with an hour of it this test would never end."""
    async with opened(tmp_path, gather_s=3600.0) as store:
        await store.create(row(), b"0")
        await store.append("run_1", 1, b"1")
        await store.finish(finished(), 2, b"2")
        await store.create(row("run_2"), b"0")
        waiting = store.create(row("run_3"), b"0")
    assert waiting.done(), "closing writes it"

"""The writer's thread meets what nobody foresaw: whoever waits for it is told, and it ends."""

import asyncio
import sqlite3
import threading
from functools import partial

import pytest
from tests.unit.store.conformance import LEASE_S, HandClock, row

from surefoot.errors import StoreError
from surefoot.store.database import open_writer
from surefoot.store.group import Group
from surefoot.store.writer import Writer
from surefoot.types import UNLIMITED


class Unforeseen(BaseException):
    """Nothing that an ``except Exception`` would stop."""


class Cursor:
    def __init__(self, connection, inner):
        self.connection = connection
        self.inner = inner

    def execute(self, sql, *parameters):
        if self.connection.fails_at in sql:
            raise self.connection.error
        return self.inner.execute(sql, *parameters)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Connection:
    """A connection that raises ``error`` at the first statement which holds ``fails_at``."""

    def __init__(self, path, fails_at, error):
        self.inner = open_writer(path, 1.0, UNLIMITED)
        self.fails_at = fails_at
        self.error = error
        self.is_closed = False

    def cursor(self):
        return Cursor(self, self.inner.cursor())

    def close(self):
        self.is_closed = True
        self.inner.close()

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Bench:
    """A writer, what it delivers, and its connection."""

    def __init__(self, path, error, fails_at="no statement holds this"):
        self.clock = HandClock()
        self.connections = []
        self.fails_at = fails_at
        self.error = error
        self.path = path
        self.writer = Writer(self.connect, path, self.clock, LEASE_S, self.deliver, ((), {}))

    def connect(self):
        self.connections.append(Connection(self.path, self.fails_at, self.error))
        return self.connections[0]

    def deliver(self, group, failures):
        failed = dict(failures)
        for position, future in enumerate(group.futures):
            if position in failed:
                future.set_exception(failed[position])
            else:
                future.set_result(None)

    def group(self, run, *, creates=False):
        group = Group()
        group.futures.append(asyncio.get_running_loop().create_future())
        group.records += [run, 0 if creates else 1, b"record"]
        if creates:
            group.created[0] = (run, row(f"run_{run}"))
        self.writer.hand(group)
        return group.futures[0]


async def ended():
    """Wait until the thread is no more."""
    async with asyncio.timeout(120):
        while any(thread.name == "surefoot-writer" for thread in threading.enumerate()):  # noqa: ASYNC110 - none is told
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("error", [Unforeseen("boom"), SystemExit("boom"), MemoryError("boom"), RuntimeError("boom")])
async def test_a_fault_on_opening_is_told(tmp_path, error):
    bench = Bench(tmp_path / "runs.db", error, "UPDATE counter")
    with pytest.raises((StoreError, MemoryError, RuntimeError), match="boom"):
        async with asyncio.timeout(120):
            await bench.writer.open()
    await ended()


@pytest.mark.parametrize("error", [Unforeseen("boom"), SystemExit("boom")])
async def test_a_group_that_kills_the_thread_fails_and_so_do_all_others(tmp_path, error, caplog):
    bench = Bench(tmp_path / "runs.db", error)
    async with asyncio.timeout(120):
        await bench.writer.open()
        await bench.group(1, creates=True)
        bench.connections[0].fails_at = "INSERT INTO records"
        waiting = [bench.group(1), bench.group(2, creates=True), bench.writer.call(lambda: 5)]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert type(outcome) is StoreError
            assert f"runs.db: nothing more can be written, the writer has died ({type(error).__name__}: boom)" in str(
                outcome
            )
        await ended()
        for later in (bench.group(1), bench.group(3, creates=True), bench.writer.call(lambda: 5)):
            with pytest.raises(StoreError, match="the writer has died"):
                await later
        with pytest.raises(StoreError, match="the writer has died"):
            await bench.writer.close()
    assert bench.connections[0].is_closed
    assert "the thread that writes has died" in caplog.text


@pytest.mark.parametrize("error", [Unforeseen("boom"), MemoryError("boom"), RuntimeError("boom")])
async def test_a_renewal_that_kills_the_thread_fails_what_it_stood_before(tmp_path, error):
    bench = Bench(tmp_path / "runs.db", error)
    async with asyncio.timeout(120):
        await bench.writer.open()
        bench.connections[0].fails_at = "UPDATE leases"
        bench.clock.move(LEASE_S)
        with pytest.raises(StoreError, match="the writer has died"):
            await bench.group(1, creates=True)
        await ended()
    with sqlite3.connect(bench.path) as other:
        assert other.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    other.close()


async def test_work_that_kills_the_thread_fails(tmp_path):
    def work():
        raise Unforeseen("boom")

    bench = Bench(tmp_path / "runs.db", Unforeseen())
    async with asyncio.timeout(120):
        await bench.writer.open()
        left = bench.writer.call(work)
        left.cancel()  # nobody waits for it any more
        with pytest.raises(StoreError, match=r"died \(Unforeseen: boom\)"):
            await bench.writer.call(partial(int, "5"))
        await ended()

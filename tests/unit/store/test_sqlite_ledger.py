from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.store.conformance import LEASE_S, Database, HandClock, finished, row
from tests.unit.store.ledger_conformance import Caller, LedgerConformance, books, limit, refused, tokens
from tests.unit.store.ledger_machine import LedgerMachine

from surefoot.budget.accounts import make_payers
from surefoot.budget.posting import Claim, Posting, Settlement
from surefoot.errors import RunLost, StoreError
from surefoot.store.sqlite import SqliteStore
from surefoot.store.windows import MAX_WINDOWS


@pytest.fixture
async def database(tmp_path):
    def make_store(clock, lease_s) -> SqliteStore:
        return SqliteStore(tmp_path / "runs.db", clock=clock, lease_s=lease_s)

    async with Database.opened(make_store) as database:
        yield database


class TestSqliteLedger(LedgerConformance):
    pass


def test_any_order_of_events():
    with tempfile.TemporaryDirectory() as directory:
        numbers = itertools.count()

        def machine() -> LedgerMachine:
            path = Path(directory, f"{next(numbers)}.db")
            return LedgerMachine(lambda clock, lease_s: SqliteStore(path, clock=clock, lease_s=lease_s))

        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))


@pytest.mark.parametrize(
    "change",
    [
        "spent_tokens = 101", "spent_tokens = 51", "reserved_tokens = 91", "spent_nano = 1001", "reserved_nano = 1001",
        "steps = 4", "model_calls = 4", "tool_calls = 4", "spent_tokens = -1", "reserved_tokens = -1",
        "overrun_tokens = -1", "spent_nano = -1", "reserved_nano = -1", "overrun_nano = -1", "cap_tokens = 59",
    ],
)  # fmt: skip
async def test_the_last_line_of_defence(database, tmp_path, change):
    """What no program of ours may write, the database refuses."""
    store = await database.worker()
    await limit(store, "global", tokens=100, usd=1_000, steps=3, model_calls=3, tool_calls=3)
    run = await Caller(database, store).begin()
    assert await run.claim(1, tokens=10) is None
    await run.settle(1, 10)
    assert await run.claim(2, tokens=50, steps=1) is None
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as other:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            other.execute(f"UPDATE windows SET {change}")
        other.execute("UPDATE windows SET spent_tokens = 50")
        other.rollback()
        with pytest.raises(sqlite3.IntegrityError):
            other.execute("UPDATE holds SET tokens = -1")


async def test_a_claim_that_was_not_committed_is_nowhere(database, tmp_path):
    """A record that has no room on the disk takes its commit with it, also when its operations are written singly."""
    store = SqliteStore(tmp_path / "runs.db", clock=database.clock, lease_s=LEASE_S, max_bytes=300_000)
    await store.open()
    await limit(store, "global", tokens=100)
    runs = [await Caller(database, store, f"run_{number}").begin() for number in range(5)]
    assert await runs[4].claim(1, tokens=30) is None
    assert await runs[1].claim(1, tokens=10) is None
    failing = [
        store.append("run_0", 0, b"again"),
        store.append("run_1", 2, b"2", Posting(Settlement(1, 1, 0), runs[1].claim_of(2, {"tokens": 60}))),
        store.append("run_2", 1, bytes(400_000)),
    ]
    for future, error in zip(failing, (RunLost, StoreError, StoreError), strict=True):
        with pytest.raises(error):
            await future
    assert await tokens(store, "global") == (0, 40, 0)
    assert refused(await runs[3].claim(1, tokens=61)).left == 60
    assert await runs[3].claim(1, tokens=60) is None
    await runs[4].settle(1, 5)
    assert await tokens(store, "global") == (5, 70, 0)
    database.clock.move(LEASE_S / 2)
    await store.take_over("run_that_never_was")
    assert await tokens(store, "global") == (15, 60, 0), "the run that failed is charged for what it held"
    await store.close()


async def test_a_disk_that_is_full_takes_back_what_was_booked(database, tmp_path):
    store = SqliteStore(tmp_path / "runs.db", clock=database.clock, lease_s=LEASE_S, max_bytes=300_000)
    await store.open()
    await limit(store, "global", tokens=100)
    run, big = [await Caller(database, store, f"run_{number}").begin() for number in range(2)]
    assert await run.claim(1, tokens=10) is None
    with pytest.raises(StoreError, match="no space left"):
        await store.append("run_1", 1, bytes(400_000), Posting(None, big.claim_of(1, {"tokens": 80})))
    assert await tokens(store, "global") == (0, 10, 0)
    assert await run.claim(2, tokens=90) is None
    await store.close()


async def test_more_accounts_than_are_kept_in_memory(database):
    """All in one transaction, in the middle of which everything is forgotten."""
    store = await database.worker()
    await limit(store, "user:*", tokens=10)
    await limit(store, "global", tokens=100_000_000)
    await store.create(row(), b"0")
    count = MAX_WINDOWS // 2 + 10
    people = [make_payers("", f"u{number}", "") for number in range(count)]
    claims = [
        store.append("run_1", number, b"", Posting(None, Claim(payers, number, 10)))
        for number, payers in enumerate(people, 1)
    ]
    assert set(await asyncio.gather(*claims)) == {None}
    assert await tokens(store, "global") == (0, 10 * count, 0)
    for number in (1, count):
        account = f"user:u{number - 1}"
        assert await tokens(store, account) == (0, 10, 0)
        await store.append("run_1", count + number, b"", Posting(Settlement(number, 4, 0)))
        assert await tokens(store, account) == (4, 0, 0)
    assert (await books(store, "global")).spent.tokens == 8


async def test_a_hold_is_deleted_when_its_cost_is_known(database, tmp_path):
    """The table is of calls in flight and of unknown outcomes, and does not grow with the runs."""
    store = await database.worker()
    await limit(store, "global", tokens=1_000)
    run = await Caller(database, store).begin()
    for hold in range(1, 11):
        assert await run.claim(hold, tokens=10) is None
    for hold in range(1, 9):
        await run.settle(hold, 10, known=hold != 8)
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as other:
        found = other.execute("SELECT number, unknown FROM holds ORDER BY number").fetchall()
        assert found == [(8, 1), (9, 0), (10, 0)]
        assert await store.accounts.refund("run_1", 8, 1, 0)
        assert other.execute("SELECT number FROM holds ORDER BY number").fetchall() == [(9,), (10,)]


async def test_a_whole_run_in_one_commit(database):
    store = await database.worker()
    await limit(store, "global", tokens=100)
    run = Caller(database, store)
    claim = Posting(None, run.claim_of(1, {"tokens": 60}))
    futures = [
        store.create(row(**run.fields()), b"0", claim),
        store.append("run_1", 1, b"1", Posting(Settlement(1, 20, 0), run.claim_of(2, {"tokens": 80}))),
        store.finish(finished(**run.fields()), 2, b"2", Posting(Settlement(2, 0, 0, known=False))),
    ]
    assert await asyncio.gather(*futures) == [None] * 3
    assert await tokens(store, "global") == (100, 0, 0)
    assert [unknown.hold for unknown in await store.accounts.unknown_holds()] == [2]


async def test_a_store_that_is_not_used_sees_what_others_do(tmp_path):
    """Its own clock stands still, so that it never has a reason to look by itself."""
    clock = HandClock()
    async with Database.opened(
        lambda of, lease_s: SqliteStore(tmp_path / "runs.db", clock=clock, lease_s=lease_s)
    ) as both:
        idle, busy = await both.worker(), await both.worker()
        await limit(busy, "global", tokens=7)
        assert [balance.limits.tokens for balance in await idle.accounts.balances()] == []
        run = await Caller(both, busy).begin()
        assert await run.claim(1, tokens=7) is None
        [balance] = await idle.accounts.balances()
        assert (balance.limits.tokens, balance.reserved_tokens) == (7, 7)
        assert idle.accounts.book.limits_anything

"""What every store must do. A store's own test module has a fixture ``database`` and inherits `StoreConformance`."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from surefoot.budget.accounts import Rule
from surefoot.clock import Clock, SystemClock
from surefoot.errors import NotFound, RunLost, StoreError
from surefoot.store.base import RunRow, Store

LEASE_S = 900.0  # of the tests' clock: no test runs so long that the real renewal comes by itself


class HandClock(SystemClock):
    """Time stands still until it is moved."""

    def __init__(self, now_s: float = 1_000_000.0) -> None:
        super().__init__()
        self.now_s = now_s
        self.now = self.monotonic = lambda: self.now_s

    def move(self, seconds: float) -> None:
        self.now_s += seconds


MakeStore = Callable[[Clock, float], Store]
"""A store of one and the same database, with a clock and the seconds of a lease: each a worker of its own."""


class Database:
    """Workers of one database."""

    def __init__(self, make_store: MakeStore) -> None:
        self._make_store = make_store
        self._open = AsyncExitStack()
        self.clock = HandClock()

    async def worker(self, rules: Sequence[Rule] = (), zones: Mapping[str, ZoneInfo] | None = None) -> Store:
        """A new worker, with limits of its settings; closed at the end of the test."""
        store = self._make_store(self.clock, LEASE_S)
        store.accounts.declare(rules, zones or {})
        await store.open()
        self._open.push_async_callback(store.close)
        return store

    @classmethod
    @asynccontextmanager
    async def opened(cls, make_store: MakeStore) -> AsyncIterator[Database]:
        database = cls(make_store)
        async with database._open:
            yield database


def row(run_id: str = "run_1", **fields: object) -> RunRow:
    return RunRow(**{"run_id": run_id, "agent": "desk", "model": "openai:m", "started_at": 5.0, **fields})


def finished(run_id: str = "run_1", **fields: object) -> RunRow:
    return row(run_id, **{"status": "finished", "finished_at": 9.0, "stop_reason": "final", "output": "42", **fields})


async def status(store: Store, run_id: str = "run_1") -> str:
    found = await store.find_run(run_id)
    assert found is not None
    return found.status


async def settled(store: Store) -> None:
    """All that the worker's failures bring with them is done, and its leases are renewed if it is time."""
    for _ in range(2):
        await store.take_over("run_that_never_was")


class StoreConformance:
    """Inherit it next to a fixture ``database``."""

    async def test_a_run_from_its_beginning_to_its_end(self, database: Database):
        store = await database.worker()
        begun = row(user="u1", session="s1", question="Where is 4711?")
        await store.create(begun, b"[0]")
        assert await store.find_run("run_1") == begun
        await store.append("run_1", 1, b"[1]")
        await store.append("run_1", 4, b"[4,5]")
        assert await store.records("run_1") == [b"[0]", b"[1]", b"[4,5]"]

        end = finished(user="u1", session="s1", question="Where is 4711?", steps=3, tokens=4321, nano=10**15)
        await store.finish(end, 6, b"[6]")
        assert await store.find_run("run_1") == end
        assert await store.records("run_1") == [b"[0]", b"[1]", b"[4,5]", b"[6]"]

    async def test_a_whole_run_in_one_commit(self, database: Database):
        store = await database.worker()
        futures = [store.create(row(), b"0"), store.append("run_1", 1, b"1"), store.finish(finished(), 2, b"2")]
        assert await asyncio.gather(*futures) == [None, None, None]
        assert await store.records("run_1") == [b"0", b"1", b"2"]
        assert await store.find_run("run_1") == finished()

    async def test_records_are_any_bytes(self, database: Database):
        store = await database.worker()
        bodies = [b"", b"\x00\xff\xfe", "ä".encode(), bytes(3_000_000), b"x" * 5_000]
        await store.create(row(), bodies[0])
        futures = [store.append("run_1", number, body) for number, body in enumerate(bodies[1:], 1)]
        await asyncio.gather(*futures)
        assert await store.records("run_1") == bodies

    async def test_many_runs_at_once(self, database: Database):
        store = await database.worker()
        ids = [f"run_{number:03}" for number in range(300)]

        async def work(run_id: str) -> None:
            await store.create(row(run_id), b"0")
            for number in range(1, 5):
                await store.append(run_id, number, f"{run_id}:{number}".encode())
            await store.finish(finished(run_id), 5, b"5")

        await asyncio.gather(*[work(run_id) for run_id in ids])
        for run_id in ids[::50]:
            middle = [f"{run_id}:{number}".encode() for number in range(1, 5)]
            assert await store.records(run_id) == [b"0", *middle, b"5"]
        rows = await store.runs(limit=1_000)
        assert sorted(found.run_id for found in rows) == ids
        assert {found.status for found in rows} == {"finished"}

    async def test_an_unknown_run(self, database: Database):
        store = await database.worker()
        assert await store.records("run_9") == []
        assert await store.find_run("run_9") is None
        assert await store.runs() == []
        assert not await store.take_over("run_9")
        with pytest.raises(RunLost, match="run_9"):
            await store.append("run_9", 0, b"0")

    async def test_a_beginning_of_an_id_is_enough_if_it_is_unique(self, database: Database):
        store = await database.worker()
        for run_id in ("run_a1", "run_a2", "run_a22", "run_b_is_long"):
            await store.create(row(run_id), b"0")
        for beginning, run_id in (
            ("run_b", "run_b_is_long"),
            ("run_a1", "run_a1"),
            ("run_a2", "run_a2"),
            ("run_a22", "run_a22"),
        ):
            found = await store.find_run(beginning)
            assert found is not None
            assert found.run_id == run_id
        assert await store.find_run("run_c") is None
        assert await store.find_run("run_%") is None
        with pytest.raises(NotFound, match="run_a1, run_a2, run_a22"):
            await store.find_run("run_a")

    async def test_listings_are_newest_first_and_filtered(self, database: Database):
        store = await database.worker()
        owners = [("u1", "s1"), ("u2", "s1"), ("u1", "s2"), ("u1", ""), ("u1", "s1")]
        for number in (3, 1, 0, 4, 2):
            user, session = owners[number]
            await store.create(row(f"run_{9 - number}", user=user, session=session, started_at=float(number)), b"0")

        async def ages(**wanted: object) -> list[float]:
            return [found.started_at for found in await store.runs(**wanted)]

        assert await ages() == [4, 3, 2, 1, 0]
        assert await ages(user="u1") == [4, 3, 2, 0]
        assert await ages(session="s1") == [4, 1, 0]
        assert await ages(user="u1", session="s1") == [4, 0]
        assert await ages(user="u3") == []
        assert await ages(limit=2) == [4, 3]
        assert await ages(limit=2, before=3.0) == [2, 1]
        assert await ages(user="u1", before=3.0) == [2, 0]

    async def test_listings_of_a_tenant_leave_out_what_another_run_began(self, database: Database):
        store = await database.worker()
        for number, tenant in enumerate(["acme", "bob", "", "acme", "acme"]):
            parent = "run_0" if number == 3 else ""
            begun = row(f"run_{number}", tenant=tenant, user="u1", parent=parent, started_at=float(number))
            await store.create(begun, b"0")
            assert await store.find_run(f"run_{number}") == begun
        for wanted, expected in (
            ({}, [4, 2, 1, 0]),
            ({"tenant": "acme"}, [4, 0]),
            ({"tenant": "", "user": "u1"}, [2]),
            ({"tenant": "nobody"}, []),
        ):
            assert [found.started_at for found in await store.runs(**wanted)] == expected

    async def test_a_scan_finds_every_run_in_pages(self, database: Database):
        store = await database.worker()
        count = 2_100  # more than a page; many began at the same time
        rows = [
            row(f"run_{number}", parent="run_0" if number % 3 else "", started_at=number // 500)
            for number in range(count)
        ]
        await asyncio.gather(*[store.create(begun, b"0") for begun in reversed(rows)])
        end = finished("run_7", parent="run_0", started_at=0.0, tokens=5, model_calls=2, tool_calls=3, usage='{"m":{}}')
        await store.finish(end, 1, b"1")

        async def scan(**bounds: float) -> list[RunRow]:
            return [found async for page in store.scan_runs(**bounds) for found in page]

        found = await scan()
        assert [found.started_at for found in found] == sorted(begun.started_at for begun in rows)
        assert {found.run_id: found for found in found} == {begun.run_id: begun for begun in rows} | {"run_7": end}
        assert len(await scan(since=1.0, until=3.0)) == 1_000
        assert {found.started_at for found in await scan(since=4.0)} == {4.0}
        assert await scan(since=5.0) == await scan(until=0.0) == []

    async def test_a_run_whose_lease_ran_out_is_lost_until_somebody_takes_it_over(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        assert not await second.take_over("run_1"), "it lives"
        database.clock.move(LEASE_S - 1)
        assert await status(second) == "running"
        database.clock.move(2)
        assert await status(second) == "lost"
        assert not await first.take_over("run_1"), "it has the run in its hands"
        database.clock.move(LEASE_S + 1)
        assert await second.take_over("run_1")
        assert await status(first) == "running"
        await second.append("run_1", 1, b"1")
        await second.finish(finished(), 2, b"2")
        assert await status(first) == "finished"
        assert await first.records("run_1") == [b"0", b"1", b"2"]

    async def test_who_lost_a_run_writes_nothing(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        await first.create(row("run_2"), b"0")
        database.clock.move(LEASE_S + 1)
        assert await second.take_over("run_1")
        lost, kept = first.append("run_1", 1, b"zombie"), first.append("run_2", 1, b"1")
        with pytest.raises(RunLost, match=r"run_1.*lease"):
            await lost
        await kept
        with pytest.raises(RunLost, match="run_1"):
            await first.append("run_1", 2, b"zombie")
        with pytest.raises(RunLost, match="run_1"):
            await first.finish(finished(), 3, b"zombie")
        assert await second.records("run_1") == [b"0"]
        assert await second.records("run_2") == [b"0", b"1"]
        assert await status(second) == "running"

    async def test_who_lost_a_run_cannot_end_it(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        database.clock.move(LEASE_S + 1)
        assert await second.take_over("run_1")
        with pytest.raises(RunLost, match="run_1"):
            await first.finish(finished(), 1, b"zombie")
        assert await second.find_run("run_1") == row()
        await second.append("run_1", 1, b"1")

    async def test_a_lost_run_can_come_back_to_its_first_worker(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        database.clock.move(LEASE_S + 1)
        assert await second.take_over("run_1")
        with pytest.raises(RunLost):
            await first.append("run_1", 1, b"zombie")
        database.clock.move(LEASE_S + 1)
        assert await first.take_over("run_1")
        await first.append("run_1", 1, b"1")
        with pytest.raises(RunLost):
            await second.append("run_1", 1, b"zombie")
        assert await first.records("run_1") == [b"0", b"1"]

    async def test_only_one_of_many_takes_a_run_over(self, database: Database):
        workers = [await database.worker() for _ in range(5)]
        await workers[0].create(row(), b"0")
        database.clock.move(LEASE_S + 1)
        claims = await asyncio.gather(*[worker.take_over("run_1") for worker in workers[1:]])
        assert sorted(claims) == [False, False, False, True]

    async def test_a_worker_that_writes_keeps_all_its_runs(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        await first.create(row("run_2"), b"0")
        for number in range(1, 6):
            database.clock.move(LEASE_S * 0.6)
            await first.append("run_2", number, b"1")
            assert await status(second) == "running"
            assert not await second.take_over("run_1")

    async def test_a_finished_run_is_never_lost(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        await first.finish(finished(), 1, b"1")
        database.clock.move(LEASE_S + 1)
        assert await status(second) == "finished"
        assert not await second.take_over("run_1")

    async def test_closing_gives_the_runs_back_at_once(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        await first.close()
        assert await status(second) == "lost"
        assert await second.take_over("run_1")
        await second.append("run_1", 1, b"1")

    async def test_a_number_is_written_once(self, database: Database):
        store = await database.worker()
        await store.create(row(), b"0")
        await store.create(row("run_2"), b"0")
        await store.append("run_1", 1, b"1")
        again, other = store.append("run_1", 1, b"again"), store.append("run_2", 1, b"1")
        with pytest.raises(RunLost, match="record 1"):
            await again
        await other
        assert await store.records("run_1") == [b"0", b"1"]
        assert await store.records("run_2") == [b"0", b"1"]

    async def test_an_id_is_created_once(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        again, other = second.create(row(agent="thief"), b"1"), second.create(row("run_2"), b"0")
        with pytest.raises(RunLost, match="there is a run of that id"):
            await again
        await other
        with pytest.raises(RunLost):
            await second.append("run_1", 1, b"1")
        await first.append("run_1", 1, b"mine")
        assert await first.records("run_1") == [b"0", b"mine"]
        assert await first.find_run("run_1") == row()

    async def test_after_a_record_that_was_not_written_comes_none(self, database: Database):
        store = await database.worker()
        await store.create(row(), b"0")
        await store.create(row("run_2"), b"0")
        # Nobody awaits them, so the failure of the first is to be found in the last.
        ignored = [store.append("run_1", 0, b"again"), store.append("run_1", 5, b"5")]
        await store.append("run_2", 1, b"1")
        with pytest.raises(RunLost, match="record 0"):
            await store.append("run_1", 6, b"6")
        with pytest.raises(RunLost, match="record 0"):
            await store.finish(finished(), 7, b"7")
        assert await store.records("run_1") == [b"0"]
        assert [type(future.exception()) for future in ignored] == [RunLost, RunLost]

    async def test_a_failure_that_nobody_reads_is_not_reported_twice(self, database: Database):
        store = await database.worker()
        reports: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
        await store.create(row(), b"0")
        store.append("run_1", 0, b"again")
        with pytest.raises(RunLost):
            await store.append("run_1", 1, b"1")
        store.append("run_1", 2, b"2")
        gc.collect()
        await asyncio.sleep(0)
        assert reports == []

    async def test_who_stops_waiting_changes_nothing(self, database: Database):
        store = await database.worker()
        await store.create(row(), b"0")
        given_up, other = store.append("run_1", 1, b"1"), store.append("run_1", 2, b"2")
        given_up.cancel()
        await other
        failing = store.append("run_1", 2, b"again")
        failing.cancel()
        with pytest.raises(RunLost):
            await store.append("run_1", 3, b"3")
        assert await store.records("run_1") == [b"0", b"1", b"2"]

    async def test_closing_writes_what_is_waiting(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        futures = [first.append("run_1", number, b"x") for number in range(1, 1_000)]
        await first.close()
        await first.close()
        assert all(future.done() and future.exception() is None for future in futures)
        assert len(await second.records("run_1")) == 1_000

    async def test_a_closed_store_says_so(self, database: Database):
        store = await database.worker()
        await store.create(row(), b"0")
        await store.close()
        for refused in (
            store.create(row("run_2"), b"0"),
            store.append("run_1", 1, b"1"),
            store.finish(finished(), 1, b"1"),
        ):
            with pytest.raises(StoreError, match="closed"):
                await refused
        for read in (store.records("run_1"), store.find_run("run_1"), store.runs()):
            with pytest.raises(StoreError, match="closed"):
                await read
        assert not await store.take_over("run_1")

    async def test_a_claim_that_nobody_waits_for_is_given_back(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(row(), b"0")
        database.clock.move(LEASE_S + 1)
        claim = asyncio.create_task(second.take_over("run_1"))
        await asyncio.sleep(0)
        claim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claim
        with pytest.raises(RunLost):
            await second.append("run_1", 1, b"1")
        await settled(second)
        database.clock.move(LEASE_S + 1)
        await settled(second)
        assert await status(first) == "lost", "a live worker renewed its leases, but not this one"

    async def test_a_vain_claim_that_nobody_waits_for(self, database: Database):
        store = await database.worker()
        claim = asyncio.create_task(store.take_over("run_1"))
        await asyncio.sleep(0)
        claim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claim
        await settled(store)
        await store.create(row(), b"0")


@dataclass
class ModelRun:
    """What the database should hold of a run; ``owner`` is None when any worker may take it over."""

    run_id: str
    owner: ModelWorker | None
    bodies: list[bytes]
    is_finished: bool = False

    @property
    def status(self) -> str:
        if self.is_finished:
            return "finished"
        return "lost" if self.owner is None or self.owner.is_silent else "running"


@dataclass(eq=False)
class ModelWorker:
    """A store, the runs that it believes to hold, and those that it gave up (with its next sign of life they are free)."""

    store: Store
    held: set[str] = field(default_factory=set)
    given_up: list[ModelRun] = field(default_factory=list)
    is_silent: bool = False


class StoreMachine(RuleBasedStateMachine):
    """Two workers in any order of writing, failing, going silent, taking over and starting anew, against a model."""

    runs = Bundle("runs")
    workers = st.integers(0, 1)

    def __init__(self, make_store: MakeStore) -> None:
        super().__init__()
        self.make_store = make_store
        self.loop = asyncio.new_event_loop()
        self.clock = HandClock()
        self.model: dict[str, ModelRun] = {}
        self.team: list[ModelWorker] = []

    def teardown(self) -> None:
        for worker in self.team:
            self.loop.run_until_complete(worker.store.close())
        self.loop.close()

    @initialize()
    def start(self) -> None:
        self.team = [self.start_worker(), self.start_worker()]

    @rule(target=runs, worker=workers, count=st.integers(0, 3))
    def create(self, worker: int, count: int) -> str:
        """The appends are in the same commit."""
        actor, run_id = self.team[worker], f"run_{len(self.model)}"
        self.show_life(actor)
        futures = [actor.store.create(row(run_id), b"0")]
        futures += [actor.store.append(run_id, number, b"%d" % number) for number in range(1, count + 1)]
        assert self.outcomes(futures) == [None] * (count + 1)
        self.model[run_id] = ModelRun(run_id, actor, [b"%d" % number for number in range(count + 1)])
        actor.held.add(run_id)
        return run_id

    @rule(worker=workers, run_id=runs, again=st.booleans(), more=st.integers(0, 2))
    def append(self, worker: int, run_id: str, again: bool, more: int) -> None:
        """One append, perhaps of a number that is there already, and more behind it without waiting."""
        actor, run = self.team[worker], self.model[run_id]
        fits = self.may_write(actor, run)
        number = len(run.bodies)
        first = number - 1 if again else number
        bodies = [b"%s %d" % (run_id.encode(), first + step) for step in range(more + 1)]
        futures = [actor.store.append(run_id, first + step, body) for step, body in enumerate(bodies)]
        outcomes = self.outcomes(futures)
        if fits and not again:
            assert outcomes == [None] * len(bodies)
            run.bodies += bodies
        else:
            assert outcomes == [RunLost] * len(bodies)
            self.fail(actor, run)

    @rule(worker=workers, run_id=runs)
    def finish(self, worker: int, run_id: str) -> None:
        actor, run = self.team[worker], self.model[run_id]
        fits = self.may_write(actor, run)
        outcomes = self.outcomes([actor.store.finish(finished(run_id), len(run.bodies), b"end")])
        assert outcomes == [None if fits else RunLost]
        if fits:
            run.bodies.append(b"end")
            run.is_finished, run.owner = True, None
            actor.held.discard(run_id)
        else:
            self.fail(actor, run)

    @rule(worker=workers, run_id=runs)
    def take_over(self, worker: int, run_id: str) -> None:
        actor, run = self.team[worker], self.model[run_id]
        if run_id not in actor.held:
            self.show_life(actor)
        free = run.status == "lost" and run_id not in actor.held
        assert self.loop.run_until_complete(actor.store.take_over(run_id)) == free
        if free:
            run.owner = actor
            actor.held.add(run_id)

    @rule(silent=st.sets(workers))
    def let_a_lease_pass(self, silent: set[int]) -> None:
        self.clock.move(LEASE_S + 1)
        for number, worker in enumerate(self.team):
            worker.is_silent = True
            if number not in silent:
                self.show_life(worker)
                self.loop.run_until_complete(settled(worker.store))

    @rule(worker=workers)
    def start_anew(self, worker: int) -> None:
        actor = self.team[worker]
        self.loop.run_until_complete(actor.store.close())
        for run in self.model.values():
            if run.owner is actor:
                run.owner = None
        self.team[worker] = self.start_worker()

    @precondition(lambda self: self.model)
    @rule(worker=workers)
    def compare(self, worker: int) -> None:
        store = self.team[worker].store
        rows = self.loop.run_until_complete(store.runs(limit=1_000))
        assert {found.run_id: found.status for found in rows} == {run.run_id: run.status for run in self.model.values()}
        for run in self.model.values():
            assert self.loop.run_until_complete(store.records(run.run_id)) == run.bodies

    def start_worker(self) -> ModelWorker:
        store = self.make_store(self.clock, LEASE_S)
        self.loop.run_until_complete(store.open())
        return ModelWorker(store)

    def outcomes(self, futures: list[asyncio.Future[None]]) -> list[type[BaseException] | None]:
        async def gather() -> list[object]:
            return await asyncio.gather(*futures, return_exceptions=True)

        return [None if outcome is None else type(outcome) for outcome in self.loop.run_until_complete(gather())]

    def may_write(self, actor: ModelWorker, run: ModelRun) -> bool:
        if run.run_id not in actor.held:
            return False  # refused without a word to the database
        self.show_life(actor)
        return run.owner is actor

    def show_life(self, actor: ModelWorker) -> None:
        """Whatever it writes after a silence, its leases come first."""
        if actor.is_silent:
            actor.is_silent = False
            for run in actor.given_up:
                if run.owner is actor:
                    run.owner = None
            actor.given_up.clear()

    def fail(self, actor: ModelWorker, run: ModelRun) -> None:
        if run.run_id in actor.held:
            actor.held.discard(run.run_id)
            actor.given_up.append(run)
            self.loop.run_until_complete(settled(actor.store))

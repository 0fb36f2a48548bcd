"""Any order of events at the port of the ledger, against a model that knows only what must be true.

Which test holds which of the ledger's fourteen properties stands in ``tests/test_money.py``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.unit.store.conformance import LEASE_S, HandClock, MakeStore, finished, row, settled

from surefoot.budget.accounts import AMOUNTS, Amounts, Payers, Period, make_payers
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import Claim, Posting, Refusal, Settlement
from surefoot.errors import RunLost
from surefoot.store.base import Store

T = TypeVar("T")
Key = tuple[str, str, int]
"""Account, period and first second of a window."""

ZONES = {"": timedelta(0), "Asia/Kathmandu": timedelta(hours=5, minutes=45), "Asia/Tokyo": timedelta(hours=9)}
"""Their clocks are never changed, so that the model needs no time zone database."""
BEGIN_S = datetime(2026, 5, 31, 21, 30, tzinfo=UTC).timestamp()
PERIODS = ("hour", "day", "month", "total")
PEOPLE = [make_payers("t", "u1", ""), make_payers("t", "u2", "s"), make_payers("", "u1", ""), make_payers("", "", "")]
ACCOUNTS = ("global", "tenant:t", "user:t/u1", "user:t/*", "user:*", "session:*")
RENEW_S = LEASE_S / 3
GREAT = 10**16 + 1
"""Nano-dollars that a float cannot hold."""


@dataclass
class ModelWindow:
    ends: float
    limits: dict[str, int]
    spent: Counter[str] = field(default_factory=Counter)
    overrun: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False)
class ModelHold:
    run: ModelRun
    number: int
    tokens: int
    usd: int
    windows: list[Key]
    nearest: str
    holder: ModelWorker | None
    at: int
    state: Literal["open", "unknown", "closed"] = "open"


@dataclass(eq=False)
class ModelRun:
    run_id: str
    payers: Payers
    worker: ModelWorker
    begun: float
    expires: float = 0.0
    is_finished: bool = False
    seq: int = 1
    holds: int = 0
    spent: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False)
class ModelWorker:
    store: Store
    renew_at: float
    runs: list[ModelRun] = field(default_factory=list)


class LedgerModel:
    """Who has spent what, by the definition of each word."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.rules: dict[tuple[str, str], dict[str, int]] = {}
        self.zones: dict[str, str] = {}
        self.windows: dict[Key, ModelWindow] = {}
        self.holds: list[ModelHold] = []
        self.frozen: set[str] = set()
        self.runs: list[ModelRun] = []
        self.refunds: list[tuple[ModelHold, Counter[str]]] = []

    def limits_of(self, account: str, period: str) -> dict[str, int]:
        kind, _, rest = account.partition(":")
        parts = rest.split("/")
        patterns = [f"{kind}:*", *(f"{kind}:{'/'.join(parts[:at])}/*" for at in range(1, len(parts))), account]
        merged: dict[str, int] = {}
        for pattern in patterns:
            merged |= self.rules.get((pattern, period), {})
        return {name: limit for name, limit in merged.items() if limit < INFINITE}

    def bounds(self, account: str, period: str) -> tuple[int, float]:
        kind, _, rest = account.partition(":")
        tenant = rest.split("/")[0] if kind == "tenant" or rest.startswith("t/") else ""
        zone = timezone(ZONES[self.zones.get(tenant) or self.zones.get("", "")])
        here = datetime.fromtimestamp(self.clock.now(), zone)
        if period == "total":
            return 0, float("inf")
        if period == "hour":
            start = here.replace(minute=0, second=0, microsecond=0)
            end = start + timedelta(hours=1)
        elif period == "day":
            start = here.replace(hour=0, minute=0, second=0, microsecond=0)
            end = start + timedelta(days=1)
        else:
            start = here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        return int(start.timestamp()), end.timestamp()

    def windows_of(self, payers: Payers) -> list[Key]:
        found = []
        for account in payers.chain:
            for period in PERIODS:
                limits = self.limits_of(account, period)
                if limits:
                    start, end = self.bounds(account, period)
                    key = account, period, start
                    if key not in self.windows:
                        self.windows[key] = ModelWindow(end, limits, self.spent_before(key))
                    self.windows[key].limits = limits
                    found.append(key)
        return found

    def spent_before(self, key: Key) -> Counter[str]:
        """By runs that are finished, as corrected: these records do not say what those in flight have spent."""
        spent: Counter[str] = Counter()
        for run in self.runs:
            if run.is_finished and key[0] in run.payers.chain and run.begun >= key[2]:
                spent.update(run.spent)
        for hold, correction in self.refunds:
            run = hold.run
            if key[0] in run.payers.chain and (run.begun if run.is_finished else hold.at) >= key[2]:
                spent.update(correction)
        return +spent

    def counts(self, key: Key) -> bool:
        """Whether a call of now is booked in that window."""
        return bool(self.limits_of(*key[:2])) and (key[2], self.windows[key].ends) == self.bounds(*key[:2])

    def change(self, apply: Callable[[], object]) -> None:
        """Rules or zones change: a window that counts from now on learns what was spent past it."""
        counted = {key for key in self.windows if self.counts(key)}
        apply()
        for key in self.windows:
            if self.counts(key) and key not in counted:
                self.windows[key].spent |= self.spent_before(key)

    def reserved(self, key: Key, name: str) -> int:
        return sum(getattr(hold, name) for hold in self.holds if hold.state == "open" and key in hold.windows)

    def used(self, key: Key, name: str) -> int:
        return self.windows[key].spent[name] + (self.reserved(key, name) if name in ("tokens", "usd") else 0)

    def claim(self, run: ModelRun, number: int, amounts: dict[str, int]) -> tuple[Any, ...] | None:
        """None if it is booked, or what the refusal must say."""
        if not self.frozen and not any(limit < INFINITE for limits in self.rules.values() for limit in limits.values()):
            return None
        windows = self.windows_of(run.payers)
        for account in run.payers.chain:
            if account in self.frozen:
                return account, "frozen"
            for key in windows:
                for name in AMOUNTS if key[0] == account else ():
                    limit = self.windows[key].limits.get(name, INFINITE)
                    used = self.used(key, name)
                    if used + amounts[name] > limit:
                        ends = None if key[1] == "total" else self.windows[key].ends
                        return account, name, key[1], limit, max(0, limit - used), amounts[name], ends
        for key in windows:
            self.windows[key].spent += Counter({name: amounts[name] for name in AMOUNTS[2:]})
            for name in ("tokens", "usd"):
                limit = self.windows[key].limits.get(name, INFINITE)
                assert self.used(key, name) + amounts[name] <= limit, "safety: whatever is admitted fits the limit"
        if windows and number:
            hold = ModelHold(
                run,
                number,
                amounts["tokens"],
                amounts["usd"],
                windows,
                windows[-1][0],
                run.worker,
                int(self.clock.now()),
            )
            self.holds.append(hold)
        return None

    def settle(self, run: ModelRun, number: int, tokens: int, usd: int, known: bool) -> None:
        for hold in self.holds:
            if hold.run is run and hold.number == number and hold.holder is run.worker:
                hold.holder = None
                if hold.state == "open":
                    self.charge(hold)
                if hold.state == "unknown" and known:
                    self.correct(hold, tokens, usd)

    def charge(self, hold: ModelHold) -> None:
        hold.state = "unknown"
        for key in hold.windows:
            self.windows[key].spent += Counter(tokens=hold.tokens, usd=hold.usd)

    def correct(self, hold: ModelHold, tokens: int, usd: int) -> None:
        hold.state = "closed"
        over = Counter(tokens=tokens) - Counter(tokens=hold.tokens) + (Counter(usd=usd) - Counter(usd=hold.usd))
        for key in hold.windows:
            self.windows[key].spent.update(tokens=tokens - hold.tokens, usd=usd - hold.usd)
            self.windows[key].overrun += over
        if over:
            self.frozen.add(hold.nearest)

    def charge_lost(self, worker: ModelWorker | None) -> int:
        lost = 0
        for hold in self.holds:
            run = hold.run
            is_alive = run.expires > self.clock.now() and not run.is_finished
            if hold.state == "open" and not is_alive and (hold.holder is not worker or run.is_finished):
                self.charge(hold)
                lost += 1
        return lost

    def balances(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        found = {}
        for (account, period, start), window in self.windows.items():
            limits = self.limits_of(account, period)
            if self.counts((account, period, start)) or (
                start <= self.clock.now() < window.ends and account in self.frozen
            ):
                key = account, period, start
                found[account, period, start] = (
                    window.ends,
                    Amounts(*[limits.get(name, INFINITE) for name in AMOUNTS]),
                    Amounts(*[window.spent[name] for name in AMOUNTS]),
                    *(self.reserved(key, name) for name in ("tokens", "usd")),
                    *(window.overrun[name] for name in ("tokens", "usd")),
                    account in self.frozen,
                )
        return cast("dict[tuple[str, str], tuple[Any, ...]]", found)


amounts = st.fixed_dictionaries(
    {
        "tokens": st.integers(0, 60),
        "usd": st.sampled_from([0, 1, 7, GREAT]),
        "steps": st.integers(0, 1),
        "model_calls": st.integers(0, 1),
        "tool_calls": st.integers(0, 2),
    }
)
limits = st.dictionaries(
    st.sampled_from(AMOUNTS),
    st.one_of(st.none(), st.just(INFINITE), st.integers(1, 120), st.just(2 * GREAT)),
    min_size=1,
    max_size=3,
)


class LedgerMachine(RuleBasedStateMachine):
    """Two workers on one database: runs that claim and settle, crashes, slow workers, edits of limits, and time."""

    workers = st.integers(0, 1)
    some = st.integers(0, 1_000)

    def __init__(self, make_store: MakeStore) -> None:
        super().__init__()
        self.make_store = make_store
        self.loop = asyncio.new_event_loop()
        self.clock = HandClock(BEGIN_S)
        self.model = LedgerModel(self.clock)
        self.team: list[ModelWorker] = []
        self.graves: list[Store] = []

    def teardown(self) -> None:
        """Every worker goes, and a last one finds the rest: then nothing is reserved."""
        try:
            if self.team:
                for worker in self.team:
                    self.wait_for(worker.store.close())
                for run in self.model.runs:
                    run.expires = run.expires if run.worker.store in self.graves else 0.0
                self.clock.move(LEASE_S + 1)
                last = self.start_worker()
                self.model.charge_lost(None)
                self.check(last)
                assert not any(balance.reserved_tokens for balance in self.wait_for(last.store.accounts.balances()))
                self.wait_for(last.store.close())
        finally:
            for store in self.graves:
                self.wait_for(store.close())
            self.loop.close()

    @initialize(account=st.sampled_from(ACCOUNTS), period=st.sampled_from(PERIODS))
    def start(self, account: str, period: str) -> None:
        """Everybody is limited by something, and somebody by more; each worker has a run."""
        self.team = [self.start_worker(), self.start_worker()]
        self.edit(0, "global", "total", {"tokens": 150, "usd": 4 * GREAT})
        self.edit(0, account, period, {"tokens": 100, "usd": 3 * GREAT})
        for worker in range(2):
            self.begin(worker, worker, {"tokens": 30, "usd": GREAT, "steps": 1, "model_calls": 1, "tool_calls": 0})

    @rule(worker=workers, person=st.integers(0, len(PEOPLE) - 1), wanted=amounts)
    def begin(self, worker: int, person: int, wanted: dict[str, int]) -> None:
        actor, payers = self.awake(worker), PEOPLE[person]
        run = ModelRun(f"run_{len(self.model.runs)}", payers, actor, self.clock.now(), self.clock.now() + LEASE_S)
        names = {"tenant": payers.tenant, "user": payers.user, "session": payers.session, "started_at": run.begun}
        future = actor.store.create(row(run.run_id, **names), b"0", Posting(None, self.claim_of(run, 1, wanted)))
        expected = self.model.claim(run, 1, wanted)
        self.compare(self.wait_for(future), expected)
        if expected is None:
            run.holds = 1
            self.model.runs.append(run)
            actor.runs.append(run)
        else:
            assert self.wait_for(actor.store.find_run(run.run_id)) is None
        self.check(actor)

    @precondition(lambda self: any(worker.runs for worker in self.team))
    @rule(
        worker=workers,
        wanted=st.lists(st.tuples(some, amounts), min_size=1, max_size=3, unique_by=lambda item: item[0] % 3),
        settling=st.booleans(),
        cost=st.integers(0, 50),
    )
    def claim(self, worker: int, wanted: list[tuple[int, dict[str, int]]], settling: bool, cost: int) -> None:
        """Claims of several runs in one commit; that of the first may settle what it has held before."""
        actor = self.awake(worker)
        runs = {actor.runs[at % len(actor.runs)]: amounts for at, amounts in wanted} if actor.runs else {}
        futures, expected = [], []
        for run, amounts in runs.items():
            settlement = Settlement(run.holds, cost, cost) if settling and run.holds else None
            posting = Posting(settlement, self.claim_of(run, run.holds + 1, amounts))
            futures.append(actor.store.append(run.run_id, run.seq, b"x", posting))
            if settlement is not None:
                self.model.settle(run, run.holds, cost, cost, known=True)
            expected.append(self.model.claim(run, run.holds + 1, amounts))
            settling = False
        for run, future, refusal in zip(runs, futures, expected, strict=True):
            self.compare(self.wait_for(future), refusal)
            run.seq += refusal is None
            run.holds += refusal is None
            assert len(self.wait_for(actor.store.records(run.run_id))) == run.seq
        self.check(actor)

    @rule(
        worker=workers, at=some, number=some, cost=st.one_of(st.none(), st.integers(0, 60)), usd=st.integers(0, 8),
        times=st.integers(1, 2),
    )  # fmt: skip
    def settle(self, worker: int, at: int, number: int, cost: int | None, *, usd: int, times: int) -> None:
        """A hold of any age: perhaps settled before, charged as lost, or refunded."""
        actor = self.awake(worker)
        if not actor.runs:
            return
        run = actor.runs[at % len(actor.runs)]
        hold = run.holds - number % (run.holds + 1)
        for _ in range(times):
            settlement = Settlement(hold, cost or 0, usd, known=cost is not None)
            assert self.wait_for(actor.store.append(run.run_id, run.seq, b"x", Posting(settlement))) is None
            run.seq += 1
            self.model.settle(run, hold, settlement.tokens, settlement.nano, settlement.known)
        self.check(actor)

    @rule(worker=workers, at=some, spent=amounts)
    def finish(self, worker: int, at: int, spent: dict[str, int]) -> None:
        """Perhaps with holds that are open: they are charged when somebody looks."""
        actor = self.awake(worker)
        if not actor.runs:
            return
        run = actor.runs.pop(at % len(actor.runs))
        row_of = {"tokens": spent["tokens"], "nano": spent["usd"], **{name: spent[name] for name in AMOUNTS[2:]}}
        self.wait_for(actor.store.finish(finished(run.run_id, **row_of), run.seq, b"end"))
        run.is_finished, run.spent = True, Counter(spent)
        self.check(actor)

    @rule(worker=workers, at=some, number=some, cost=st.integers(0, 60), usd=st.integers(0, 8))
    def refund(self, worker: int, at: int, number: int, cost: int, usd: int) -> None:
        actor = self.awake(worker)
        unknown = [hold for hold in self.model.holds if hold.state == "unknown"]
        held = unknown or self.model.holds
        if not held:
            return
        hold = held[at % len(held)]
        done = self.wait_for(actor.store.accounts.refund(hold.run.run_id, hold.number, cost, usd))
        assert done == (hold.state == "unknown")
        if done:
            self.model.refunds.append((hold, Counter({"tokens": cost - hold.tokens, "usd": usd - hold.usd})))
            self.model.correct(hold, cost, usd)
        self.check(actor)

    @rule(worker=workers, account=st.sampled_from(ACCOUNTS), period=st.sampled_from(PERIODS), changes=limits)
    def edit(self, worker: int, account: str, period: str, changes: dict[str, int | None]) -> None:
        actor = self.awake(worker)
        merged = {**self.model.rules.get((account, period), {}), **changes}
        after = {name: limit for name, limit in merged.items() if limit is not None}
        self.model.change(lambda: self.model.rules.update({(account, period): after}))
        accounts = actor.store.accounts
        assert self.wait_for(accounts.change_rule(account, cast("Period", period), changes)) == after
        self.check(actor)

    @rule(worker=workers, tenant=st.sampled_from(["", "t"]), zone=st.sampled_from(sorted(ZONES)))
    def move_house(self, worker: int, tenant: str, zone: str) -> None:
        actor = self.awake(worker)
        self.wait_for(actor.store.accounts.change_zone(tenant, zone))
        self.model.change(lambda: self.model.zones.update({tenant: zone}))
        self.check(actor)

    @precondition(lambda self: self.model.frozen)
    @rule(worker=workers, account=st.sampled_from(["global", "tenant:t", "user:t/u1", "user:t/u2", "session:t/u2/s"]))
    def acknowledge(self, worker: int, account: str) -> None:
        actor = self.awake(worker)
        account = account if account in self.model.frozen else min(self.model.frozen)
        assert self.wait_for(actor.store.accounts.acknowledge(account))
        self.model.frozen.discard(account)
        self.check(actor)

    @rule(seconds=st.sampled_from([1.0, 301.0, LEASE_S, LEASE_S + 1, 3_600.0, 9_000.0, 86_400.0]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule(worker=workers)
    def charge_lost(self, worker: int) -> None:
        actor = self.awake(worker)
        assert self.wait_for(actor.store.accounts.charge_lost()) == self.model.charge_lost(actor)
        self.check(actor)

    @rule(worker=workers, at=some)
    def take_over(self, worker: int, at: int) -> None:
        """The last worker of the run is silent, and writes nothing when it comes back."""
        actor = self.awake(worker)
        live = [run for run in self.model.runs if not run.is_finished]
        if not live or (run := live[at % len(live)]) in actor.runs:
            return
        free = run.expires <= self.clock.now()
        assert self.wait_for(actor.store.take_over(run.run_id)) == free
        if free:
            self.model.charge_lost(actor)
            last, run.worker, run.expires = run.worker, actor, self.clock.now() + LEASE_S
            actor.runs.append(run)
            if last in self.team:
                last.runs.remove(run)
                self.show_life(last)
                late = last.store.append(run.run_id, run.seq, b"late", Posting(Settlement(run.holds, 0, 0)))
                assert isinstance(self.outcome(late), RunLost)
        self.check(actor)

    @rule(worker=workers, orderly=st.booleans())
    def crash(self, worker: int, orderly: bool) -> None:
        """Its leases run out by themselves, or are given up; another begins in its place."""
        gone = self.team[worker]
        if orderly:
            self.wait_for(gone.store.close())
            for run in gone.runs:
                run.expires = 0.0
        else:
            self.graves.append(gone.store)
        for hold in self.model.holds:
            if hold.holder is gone:
                hold.holder = None
        self.team[worker] = new = self.start_worker()
        self.model.charge_lost(new)
        self.check(new)

    def check(self, actor: ModelWorker) -> None:
        """The books are those of the model, and they are safe."""
        self.show_life(actor)
        accounts = actor.store.accounts
        found = self.wait_for(accounts.balances())
        assert {
            (it.account, it.period, it.starts_at): (
                it.ends_at, it.limits, it.spent, it.reserved_tokens, it.reserved_nano, it.overrun_tokens,
                it.overrun_nano, it.frozen,
            )
            for it in found
            if self.clock.now() < it.ends_at  # of a frozen account its last window is shown, over or not
        } == self.model.balances()  # fmt: skip
        unknown = self.wait_for(accounts.unknown_holds(limit=1_000))
        assert {(it.run_id, it.hold, it.tokens, it.nano) for it in unknown} == {
            (it.run.run_id, it.number, it.tokens, it.usd) for it in self.model.holds if it.state == "unknown"
        }
        assert len(unknown) == sum(it.state == "unknown" for it in self.model.holds)

    def awake(self, worker: int) -> ModelWorker:
        actor = self.team[worker]
        self.show_life(actor)
        return actor

    def show_life(self, actor: ModelWorker) -> None:
        """Whatever a worker does, its leases come first if it is time, and then the holds of the lost."""
        now = self.clock.now()
        if now >= actor.renew_at:
            actor.renew_at = now + RENEW_S
            for run in actor.runs:
                run.expires = now + LEASE_S
            self.model.charge_lost(actor)
            self.wait_for(settled(actor.store))

    def start_worker(self) -> ModelWorker:
        store = self.make_store(self.clock, LEASE_S)
        self.wait_for(store.open())
        worker = ModelWorker(store, self.clock.now() + RENEW_S)
        self.model.charge_lost(worker)
        return worker

    def claim_of(self, run: ModelRun, number: int, amounts: dict[str, int]) -> Claim:
        return Claim(run.payers, number, *[amounts[name] for name in AMOUNTS], prices="p1")

    def compare(self, refusal: Refusal | None, expected: tuple[Any, ...] | None) -> None:
        assert (refusal is None) == (expected is None), (refusal, expected)
        if refusal is not None:
            found = (
                refusal.account, refusal.limit, refusal.period, refusal.of, refusal.left, refusal.needed,
                refusal.resets_at,
            )  # fmt: skip
            assert expected == (found[:2] if refusal.limit == "frozen" else found)

    def wait_for(self, outcome: Awaitable[T]) -> T:
        async def wait() -> T:
            return await outcome

        return self.loop.run_until_complete(wait())

    def outcome(self, future: asyncio.Future[Refusal | None]) -> BaseException | None:
        [outcome] = self.wait_for(asyncio.gather(future, return_exceptions=True))
        return outcome if isinstance(outcome, BaseException) else None

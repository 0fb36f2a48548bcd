"""What the ledger of every store must do. A store's own test module has a fixture ``database`` and inherits `LedgerConformance`."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from tests.unit.store.conformance import LEASE_S, Database, finished, row, settled

from surefoot.budget.accounts import AMOUNTS, Amounts, Payers, Period, Rule, make_payers
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import Balance, Claim, Posting, Refusal, Settlement
from surefoot.errors import RunLost, StoreError
from surefoot.store.base import Store
from surefoot.types import Money

ACME = make_payers("acme", "u1", "s1")
LEVELS = ("global", "tenant:acme", "user:acme/u1", "session:acme/u1/s1")
FIELDS = dict(zip(AMOUNTS, Amounts.__struct_fields__, strict=True))
HOUR_S, DAY_S = 3_600.0, 86_400.0


class Caller:
    """One run that claims and settles as a run does: it waits for each outcome and counts what is written."""

    def __init__(self, database: Database, store: Store, run_id: str = "run_1", payers: Payers = ACME) -> None:
        self.store, self.run_id, self.payers, self.seq = store, run_id, payers, 0
        self._clock = database.clock

    def fields(self) -> dict[str, object]:
        payers = self.payers
        return {
            "tenant": payers.tenant,
            "user": payers.user,
            "session": payers.session,
            "started_at": self._clock.now(),
        }

    def claim_of(self, hold: int, amounts: dict[str, int]) -> Claim:
        return Claim(self.payers, hold, **{FIELDS[name]: value for name, value in amounts.items()}, prices="p1")

    async def begin(self) -> Caller:
        assert await self.store.create(row(self.run_id, **self.fields()), b"0") is None
        self.seq = 1
        return self

    async def claim(self, hold: int, *, settling: Settlement | None = None, **amounts: int) -> Refusal | None:
        return await self._append(Posting(settling, self.claim_of(hold, amounts)))

    async def settle(self, hold: int, tokens: int = 0, nano: int = 0, *, known: bool = True) -> None:
        assert await self._append(Posting(Settlement(hold, tokens, nano, known))) is None

    async def finish(self, **fields: object) -> None:
        await self.store.finish(finished(self.run_id, **{**self.fields(), **fields}), self.seq, b"end")

    async def _append(self, posting: Posting) -> Refusal | None:
        refusal = await self.store.append(self.run_id, self.seq, b"%d" % self.seq, posting)
        self.seq += refusal is None
        return refusal


async def _ask(run: Caller, database: Database, *, hold: int, tokens: int) -> None:
    """Claim as a run does: its record says so."""
    said = {"type": "model_requested", "hold": hold, "at": database.clock.now(), "hold_tokens": tokens, "prices": "p1"}
    posting = Posting(None, run.claim_of(hold, {"tokens": tokens, "model_calls": 1}))
    assert await run.store.append(run.run_id, run.seq, json.dumps([said]).encode(), posting) is None
    run.seq += 1


async def limit(store: Store, account: str, period: Period = "total", **limits: int | None) -> None:
    await store.accounts.change_rule(account, period, limits)


async def books(store: Store, account: str = "user:acme/u1", period: Period = "total") -> Balance:
    [found] = [balance for balance in await store.accounts.balances([account]) if balance.period == period]
    return found


async def tokens(store: Store, account: str = "user:acme/u1", period: Period = "total") -> tuple[int, int, int]:
    """Tokens spent, reserved and overrun."""
    found = await books(store, account, period)
    return found.spent.tokens, found.reserved_tokens, found.overrun_tokens


def refused(refusal: Refusal | None) -> Refusal:
    assert refusal is not None
    return refusal


def instant(zone: str, *when: int) -> float:
    return datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[arg-type,misc]


class LedgerConformance:
    """Inherit it next to a fixture ``database``."""

    # Claims

    @pytest.mark.parametrize("account", LEVELS)
    @pytest.mark.parametrize("name", AMOUNTS)
    async def test_a_limit_of_each_amount_on_each_level(self, database: Database, account: str, name: str):
        """Exactly the limit fits; one more does not, and then no level has booked anything."""
        store = await database.worker()
        for level in LEVELS:
            await limit(store, level, "day", **dict.fromkeys(AMOUNTS, 1_000))
        await limit(store, account, "day", **{name: 10})
        run = await Caller(database, store).begin()
        assert await run.claim(1, **{name: 4}) is None
        before = await store.accounts.balances()
        refusal = refused(await run.claim(2, **{name: 7}))
        assert (refusal.account, refusal.period, refusal.limit) == (account, "day", name)
        assert (refusal.of, refusal.left, refusal.needed) == (10, 6, 7)
        assert await store.accounts.balances() == before
        assert await run.claim(2, **{name: 6}) is None
        assert refused(await run.claim(3, **{name: 1})).left == 0
        assert await run.claim(3, **{next(other for other in AMOUNTS if other != name): 1}) is None

    async def test_all_levels_are_booked_or_none(self, database: Database):
        store = await database.worker()
        for level in LEVELS:
            await limit(store, level, "hour", tokens=100, usd=1_000)
            await limit(store, level, "month", tokens=100, usd=1_000)
        await limit(store, LEVELS[-1], "month", tokens=50)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=40, usd=400, steps=1, model_calls=1, tool_calls=2) is None
        assert refused(await run.claim(2, tokens=20, usd=200, steps=1)).account == LEVELS[-1]
        held = await store.accounts.balances()
        assert sorted((found.account, found.period) for found in held) == sorted(
            (level, period) for level in LEVELS for period in ("hour", "month")
        )
        for found in held:
            assert (found.reserved_tokens, found.reserved_nano) == (40, 400)
            assert found.spent == Amounts(0, 0, 1, 1, 2)
        await run.settle(1, 30, 300)
        for found in await store.accounts.balances():
            assert (found.reserved_tokens, found.reserved_nano, found.overrun_tokens) == (0, 0, 0)
            assert found.spent == Amounts(30, 300, 1, 1, 2)

    async def test_a_refused_record_is_not_written_and_its_number_stays_free(self, database: Database):
        store = await database.worker()
        await limit(store, "global", tokens=10)
        run = await Caller(database, store).begin()
        other = await Caller(database, store, "run_2").begin()
        answers = await asyncio.gather(run.claim(1, tokens=11), other.claim(1, tokens=4))
        assert [answer is None for answer in answers] == [False, True], "others of the same commit are written"
        assert await store.records("run_1") == [b"0"]
        assert await store.records("run_2") == [b"0", b"1"]
        assert await run.claim(1, tokens=6) is None
        assert await store.records("run_1") == [b"0", b"1"]

    async def test_a_refused_run_can_be_created_again(self, database: Database):
        store = await database.worker()
        await limit(store, "global", steps=1, tokens=10)
        run = Caller(database, store)
        fields = run.fields()
        first = store.create(row(**fields), b"0", Posting(None, run.claim_of(1, {"tokens": 11})))
        assert refused(await first).limit == "tokens"
        assert await store.find_run("run_1") is None
        with pytest.raises(RunLost):
            await store.append("run_1", 1, b"1")
        again = store.create(row(**fields), b"0", Posting(None, run.claim_of(1, {"tokens": 10, "steps": 1})))
        assert await again is None
        assert await store.records("run_1") == [b"0"]
        assert await tokens(store, "global") == (0, 10, 0)

    async def test_a_refusal_says_whose_limit_it_is_and_what_would_fit(self, database: Database):
        database.clock.now_s = instant("Asia/Kathmandu", 2026, 5, 6, 7, 50)
        store = await database.worker(zones={"acme": ZoneInfo("Asia/Kathmandu")})
        await limit(store, "tenant:acme", "day", tokens=100, usd=7_000)
        await limit(store, "user:acme/u1", "hour", tokens=70, usd=9_000)
        await limit(store, "global", "total", tokens=95)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=30, usd=3_000) is None
        refusal = refused(await run.claim(2, tokens=50, usd=10))
        assert (refusal.account, refusal.period, refusal.limit) == ("user:acme/u1", "hour", "tokens")
        assert (refusal.of, refusal.left, refusal.needed) == (70, 40, 50)
        assert (refusal.room_tokens, refusal.room_nano) == (40, 4_000)
        assert refusal.resets_at == instant("Asia/Kathmandu", 2026, 5, 6, 8, 0)
        assert refusal.zone == "Asia/Kathmandu"
        assert "user:acme/u1 has 40 left of 70 tokens an hour" in refusal.message
        assert "30 of it is held for calls in flight and may come free soon" in refusal.message
        assert "resets 2026-05-06T08:00+05:45" in refusal.message
        refusal = refused(await run.claim(2, tokens=1, usd=4_001))
        assert (refusal.account, refusal.limit) == ("tenant:acme", "usd")
        assert refusal.resets_at == instant("Asia/Kathmandu", 2026, 5, 7, 0, 0)
        refusal = refused(await run.claim(2, tokens=66))
        assert (refusal.account, refusal.resets_at, refusal.zone) == ("global", None, "UTC")
        assert "never resets" in refusal.message

    async def test_no_room_is_never_less_than_none(self, database: Database):
        store = await database.worker()
        await limit(store, "global", tokens=100, usd=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=80, usd=80) is None
        await limit(store, "global", tokens=50, usd=50)
        refusal = refused(await run.claim(2, tokens=1))
        assert (refusal.left, refusal.room_tokens, refusal.room_nano) == (0, 0, 0)

    async def test_without_a_limit_nothing_is_booked(self, database: Database):
        store = await database.worker([Rule("user:somebody", "day", {"tokens": 1})])
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=1 << 40, usd=1 << 60) is None
        await run.settle(1, 1 << 40)
        assert await store.accounts.balances() == []

    async def test_a_claim_that_is_never_settled_reserves_nothing(self, database: Database):
        """Tool calls are used at once."""
        store = await database.worker()
        await limit(store, "global", tool_calls=3)
        run = await Caller(database, store).begin()
        assert await run.claim(0, tool_calls=2) is None
        assert refused(await run.claim(0, tool_calls=2)).left == 1
        assert await run.claim(0, tool_calls=1) is None
        await run.finish()
        assert await store.accounts.charge_lost() == 0
        assert (await books(store, "global")).spent.tool_calls == 3

    async def test_great_amounts_are_exact(self, database: Database):
        """Beyond 2 ** 53 a float is not."""
        most = (1 << 60) + 1
        store = await database.worker()
        await limit(store, "global", usd=most)
        run = await Caller(database, store).begin()
        assert await run.claim(1, usd=most - 1) is None
        assert refused(await run.claim(2, usd=2)).left == 1
        await run.settle(1, 0, most - 2)
        assert refused(await run.claim(2, usd=3)).left == 2
        assert await run.claim(2, usd=1) is None
        assert (await books(store, "global")).spent.nano == most - 2

    # Settlements

    async def test_a_settlement_counts_even_if_the_claim_beside_it_is_refused(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=90) is None
        refusal = refused(await run.claim(2, tokens=41, settling=Settlement(1, 60, 0)))
        assert refusal.left == 40, "it is settled first"
        assert await tokens(store) == (60, 0, 0)
        assert len(await store.records("run_1")) == 2
        assert await run.claim(2, tokens=40, settling=Settlement(1, 60, 0)) is None, "posted again, it counts once"
        assert await tokens(store) == (60, 40, 0)

    async def test_a_hold_is_settled_once(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100, usd=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50, usd=50) is None
        assert await run.claim(2, tokens=20, usd=20) is None
        for cost in (30, 30, 50, 70, 0):
            await run.settle(1, cost, cost)
        await run.settle(1, 0, known=False)
        await run.settle(9, 50)
        found = await books(store)
        assert (found.spent.tokens, found.reserved_tokens) == (30, 20)
        assert (found.spent.nano, found.reserved_nano, found.frozen) == (30, 20, False)
        assert await store.accounts.unknown_holds() == []

    async def test_an_unknown_outcome_costs_the_whole_hold_and_stays_listed(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100, usd=100)
        run = await Caller(database, store).begin()
        at = database.clock.now()
        assert await run.claim(1, tokens=50, usd=40) is None
        database.clock.move(5)
        assert await run.claim(2, tokens=5, usd=5) is None
        await run.settle(1, 0, 0, known=False)
        assert await tokens(store) == (50, 5, 0)
        assert (await books(store)).spent.nano == 40
        [unknown] = await store.accounts.unknown_holds()
        assert (unknown.run_id, unknown.hold, unknown.at, unknown.prices) == ("run_1", 1, at, "p1")
        assert (unknown.tokens, unknown.nano) == (50, 40)
        await run.settle(2, known=False)
        assert [unknown.hold for unknown in await store.accounts.unknown_holds()] == [2, 1]
        assert [unknown.hold for unknown in await store.accounts.unknown_holds(limit=1)] == [2]

    async def test_no_usage_is_not_a_usage_of_nothing(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50) is None
        await run.settle(1, 0, 0)
        assert await tokens(store) == (0, 0, 0)
        assert await store.accounts.unknown_holds() == []
        assert await run.claim(2, tokens=50) is None
        await run.settle(2, 0, 0, known=False)
        assert await tokens(store) == (50, 0, 0)

    async def test_evidence_refunds_an_unknown_hold_once(self, database: Database):
        store, other = await database.worker(), await database.worker()
        for level in LEVELS:
            await limit(store, level, tokens=100, usd=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50, usd=50) is None
        assert not await store.accounts.refund("run_1", 1, 10, 10), "its call is in flight"
        await run.settle(1, known=False)
        assert not await other.accounts.refund("run_1", 2, 10, 10)
        assert not await other.accounts.refund("run_2", 1, 10, 10)
        assert await other.accounts.refund("run_1", 1, 10, 20, by="ann")
        assert not await other.accounts.refund("run_1", 1, 10, 20)
        assert not await store.accounts.refund("run_1", 1, 0, 0)
        await run.settle(1, 0, 0)
        for level in LEVELS:
            assert await tokens(store, level) == (10, 0, 0)
            assert (await books(store, level)).spent.nano == 20
        assert await store.accounts.unknown_holds() == []
        [change] = [change for change in await store.accounts.changes() if change.period == "refunded"]
        assert (change.account, change.by) == (LEVELS[-1], "ann")
        assert change.before == {"run": "run_1", "hold": 1, "at": 1_000_000, "tokens": 50, "usd": 50}
        assert change.after == {"tokens": 10, "usd": 20}

    async def test_a_refund_outlives_the_limit(self, database: Database):
        """Taken back and set again, it counts what its runs were charged in the end."""
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100, usd=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50, usd=50) is None
        await run.settle(1, known=False)
        await run.finish(tokens=50, nano=50)
        assert await store.accounts.refund("run_1", 1, 10, 20)
        for number in range(2):
            await limit(store, "user:acme/u1", tokens=None, usd=None)
            await limit(store, "user:acme/u1", tokens=100, usd=100)
            found = await books(store)
            assert (found.spent.tokens, found.spent.nano) == (10, 20), number
        await limit(store, "tenant:acme", tokens=100)
        other = await Caller(database, store, "run_2").begin()
        assert await other.claim(1, tokens=90) is None, "a new window knows of it, too"
        row = await store.find_run("run_1")
        assert row is not None
        assert (row.tokens, row.nano) == (10, 20)

    async def test_what_is_in_flight_is_not_counted_twice(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        await _ask(run, database, hold=1, tokens=20)
        await limit(store, "user:acme/u1", tokens=None)
        await limit(store, "user:acme/u1", tokens=100)
        assert await tokens(store) == (0, 20, 0)
        await limit(store, "tenant:acme", tokens=100)
        other = await Caller(database, store, "run_2").begin()
        assert refused(await other.claim(1, tokens=81)).account == "tenant:acme", "which nobody will tell of its end"

    async def test_a_time_zone_that_comes_back_counts_what_was_spent_in_the_other(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", "day", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=10) is None
        await run.settle(1, 10)
        await store.accounts.change_zone("acme", "Asia/Tokyo")
        assert await run.claim(2, tokens=60) is None
        await run.settle(2, 60)
        await run.finish(tokens=70)
        assert (await books(store, period="day")).zone == "Asia/Tokyo", "the other window is not of now"
        await store.accounts.change_zone("acme", "")
        found = await books(store, period="day")
        assert (found.spent.tokens, found.zone) == (70, "UTC")
        other = await Caller(database, store, "run_2").begin()
        assert refused(await other.claim(1, tokens=31)).left == 30

    async def test_unknown_outcomes_without_a_limit_are_listed_and_corrected(self, database: Database):
        store = await database.worker()
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50, usd=40) is None
        assert await run._append(Posting(Settlement(1, 50, 40, known=False, limited=False))) is None
        [found] = await store.accounts.unknown_holds()
        assert (found.run_id, found.hold, found.tokens, found.nano) == ("run_1", 1, 50, 40)
        assert await store.accounts.refund("run_1", 1, 50, 60), "more than the hold: nobody is frozen without a limit"
        assert not await store.accounts.refund("run_1", 1, 1, 1)
        assert await store.accounts.unknown_holds() == []
        await run.finish(tokens=50, nano=40)
        row = await store.find_run("run_1")
        assert row is not None
        assert (row.tokens, row.nano) == (50, 60)
        assert not await store.accounts.acknowledge("session:acme/u1/s1")

    async def test_the_open_call_of_a_lost_run_is_listed_and_corrected(self, database: Database):
        """No account had a hold of it: its journal says what it was."""
        store, other = await database.worker(), await database.worker()
        run = await Caller(database, store).begin()
        await _ask(run, database, hold=1, tokens=20)
        assert await other.accounts.unknown_holds() == [], "its process lives"
        assert not await other.accounts.refund("run_1", 1, 5, 0)
        database.clock.move(LEASE_S + 1)
        [found] = await other.accounts.unknown_holds()
        assert (found.run_id, found.hold, found.tokens, found.prices) == ("run_1", 1, 20, "p1")
        assert await other.accounts.refund("run_1", 1, 5, 0)
        assert not await other.accounts.refund("run_1", 1, 5, 0)
        assert await other.accounts.unknown_holds() == []
        await limit(other, "user:acme/u1", tokens=100)
        new = await Caller(database, other, "run_2").begin()
        assert refused(await new.claim(1, tokens=96)).left == 95

    async def test_what_is_old_is_forgotten_in_batches(self, database: Database):
        store = await database.worker()
        await limit(store, "user:*", "hour", tokens=100)
        await limit(store, "global", tokens=1_000)
        runs = [await Caller(database, store, f"run_{at}", make_payers("", f"u{at}", "")).begin() for at in range(4)]
        for run in runs:
            assert await run.claim(1, tokens=10) is None
        await runs[0].settle(1, known=False)
        await runs[1].settle(1, 3)
        await runs[2].settle(1, 20)
        old = database.clock.now()
        database.clock.move(2 * HOUR_S)
        for at in range(3):
            await runs[at].finish(tokens=10)
        assert await store.accounts.purge(old) == 0
        gone = [await store.accounts.purge(database.clock.now(), 1) for _ in range(4)]
        assert (gone[-1], sum(gone)) == (0, 1), "the oldest hold is open: its windows stay, and so do those after it"
        assert await store.accounts.unknown_holds() == []
        assert not await store.accounts.refund("run_0", 1, 0, 0)
        await runs[3].settle(1, 4)
        gone = [await store.accounts.purge(database.clock.now(), 1) for _ in range(5)]
        assert gone == [1, 1, 1, 0, 0], "one at a time; the one that froze its account stays"
        assert (await books(store, "user:u2", "hour")).frozen
        found = await books(store, "global")
        assert (found.spent.tokens, found.reserved_tokens) == (37, 0), "what was charged stays charged"

    async def test_a_run_that_ends_leaves_nothing_reserved(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50) is None
        await run.finish()
        assert await store.accounts.charge_lost() == 1
        assert await store.accounts.charge_lost() == 0
        assert await tokens(store) == (50, 0, 0)

    async def test_an_end_settles_too(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50) is None
        await store.finish(finished(**run.fields()), run.seq, b"end", Posting(Settlement(1, 7, 0)))
        assert await tokens(store) == (7, 0, 0)
        assert await store.accounts.charge_lost() == 0

    async def test_what_fails_beside_a_posting_does_not_change_it(self, database: Database):
        store, other = await database.worker(), await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        bad = await Caller(database, store, "run_2").begin()
        assert await bad.claim(1, tokens=30) is None
        again = Posting(Settlement(1, 1, 0), bad.claim_of(2, {"tokens": 20}))
        failing = store.append("run_2", 0, b"again", again)
        assert await run.claim(1, tokens=60) is None
        assert refused(await run.claim(2, tokens=20)).left == 10
        with pytest.raises(RunLost):
            await failing
        assert await tokens(store) == (0, 90, 0)
        await settled(store)
        assert await other.accounts.charge_lost() == 0, "the lease of the run that failed goes with the next renewal"
        database.clock.move(LEASE_S / 2)
        await settled(store)
        assert await tokens(other) == (30, 60, 0)
        await run.settle(1, 5)
        assert await tokens(other) == (35, 0, 0)

    async def test_what_fails_beside_a_settlement_does_not_change_it(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run, bad = [await Caller(database, store, f"run_{number}").begin() for number in (1, 2)]
        assert await run.claim(1, tokens=60) is None
        assert await bad.claim(1, tokens=40) is None
        settling = store.append("run_1", run.seq, b"1", Posting(Settlement(1, 6, 0)))
        failing = store.append("run_2", 0, b"again", Posting(Settlement(1, 1, 0)))
        await settling
        with pytest.raises(RunLost):
            await failing
        assert await tokens(store) == (6, 40, 0)

    # More than was held

    async def test_what_was_charged_beyond_the_hold_is_overrun_and_freezes_the_nearest_account(
        self, database: Database
    ):
        store, other = await database.worker(), await database.worker()
        for level in LEVELS[:-1]:
            await limit(store, level, tokens=100, usd=100)
        run = await Caller(database, store).begin()
        others = await Caller(database, other, "run_2", make_payers("acme", "u2", "")).begin()
        assert await run.claim(1, tokens=50, usd=50) is None
        assert await run.claim(2, tokens=10, usd=10) is None
        assert await others.claim(1, tokens=5) is None
        await others.settle(1)
        await run.settle(1, 70, 20)
        for level in LEVELS[:-1]:
            found = await books(store, level)
            assert await tokens(store, level) == (70, 10, 20)
            assert (found.spent.nano, found.overrun_nano) == (20, 0)
            assert found.frozen == (level == "user:acme/u1")
        for store_of, caller in ((store, run), (other, await Caller(database, other, "run_3").begin())):
            refusal = refused(await caller.claim(3, tokens=1))
            assert (refusal.account, refusal.limit, refusal.resets_at) == ("user:acme/u1", "frozen", None)
            assert "budget acknowledge user:acme/u1" in refusal.message
            assert "user:acme/u1" in store_of.accounts.book.accounts()
        assert await others.claim(2, tokens=5) is None
        await run.settle(2, 11, 12)
        assert not await other.accounts.acknowledge("tenant:acme")
        assert await other.accounts.acknowledge("user:acme/u1", by="ann")
        assert not await store.accounts.acknowledge("user:acme/u1")
        assert await run.claim(3, tokens=5) is None
        assert not (await books(store)).frozen
        [change] = await store.accounts.changes("user:acme/u1", limit=1)
        assert (change.period, change.before, change.after) == ("acknowledged", {"tokens": 21, "usd": 2}, None)
        assert change.by == "ann"
        assert await tokens(store) == (81, 5, 21), "what was spent stays spent"

    async def test_a_frozen_account_survives_its_limit(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50) is None
        await run.settle(1, 51)
        await limit(store, "user:acme/u1", tokens=None)
        assert refused(await run.claim(2, tokens=1)).limit == "frozen"
        [found] = await store.accounts.balances()
        assert found.frozen
        assert found.limits == Amounts(*[INFINITE] * 5)
        assert await store.accounts.acknowledge("user:acme/u1")
        assert await run.claim(2, tokens=1) is None
        assert await store.accounts.balances() == []

    async def test_an_account_frozen_yesterday_is_still_shown(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", "day", tokens=100)
        await limit(store, "user:acme/u2", "day", tokens=100)
        for user, name in (("u1", "run_1"), ("u2", "run_2")):
            run = await Caller(database, store, name, make_payers("acme", user, "")).begin()
            assert await run.claim(1, tokens=50) is None
            await run.settle(1, 51 if user == "u1" else 50)
        database.clock.move(3 * 86_400)
        [found] = await store.accounts.balances()
        assert (found.account, found.frozen, found.spent.tokens) == ("user:acme/u1", True, 51)
        assert await store.accounts.balances(["user:acme/u2"]) == []

    async def test_amounts_may_be_money(self, database: Database):
        store = await database.worker()
        set_now = await store.accounts.change_rule("global", "day", {"usd": Money.usd("2")})
        assert set_now == {"usd": 2 * 10**9}
        run = await Caller(database, store).begin()
        assert await run.claim(1, usd=100) is None
        await run.settle(1, known=False)
        assert await store.accounts.refund("run_1", 1, 0, Money(40))
        assert (await books(store, "global", "day")).spent.nano == 40

    async def test_evidence_of_more_than_was_held(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100, usd=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50, usd=100) is None
        await run.settle(1, known=False)
        assert await store.accounts.refund("run_1", 1, 20, 130)
        found = await books(store)
        assert (found.spent.tokens, found.overrun_tokens) == (20, 0)
        assert (found.spent.nano, found.overrun_nano, found.frozen) == (130, 30, True)

    # Crashes, and workers that are slow

    async def test_the_open_holds_of_a_lost_worker_are_charged_once(self, database: Database):
        first, second, third = [await database.worker() for _ in range(3)]
        for level in LEVELS:
            await limit(first, level, tokens=100, usd=100)
        run = await Caller(database, first).begin()
        done = await Caller(database, first, "run_2").begin()
        assert await run.claim(1, tokens=50, usd=20) is None
        assert await done.claim(1, tokens=10) is None
        await done.settle(1, 3)
        assert await second.accounts.charge_lost() == 0, "it lives"
        database.clock.move(LEASE_S - 1)
        assert await second.accounts.charge_lost() == 0
        assert await tokens(second) == (3, 50, 0)
        database.clock.move(1)
        counts = await asyncio.gather(second.accounts.charge_lost(), third.accounts.charge_lost())
        assert await third.accounts.charge_lost() == 0
        assert sum(counts) <= 1, "or a worker has done so by itself"
        for level in LEVELS:
            assert await tokens(third, level) == (53, 0, 0)
            assert (await books(third, level)).spent.nano == 20
        assert [(found.run_id, found.hold) for found in await third.accounts.unknown_holds()] == [("run_1", 1)]
        assert await third.accounts.refund("run_1", 1, 1, 1)
        assert await tokens(third) == (4, 0, 0)

    async def test_a_worker_that_writes_charges_the_lost_by_itself(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await limit(first, "user:acme/u1", tokens=100)
        run = await Caller(database, first).begin()
        assert await run.claim(1, tokens=50) is None
        database.clock.move(LEASE_S + 1)
        await settled(second)
        assert await tokens(second) == (50, 0, 0)

    async def test_a_new_worker_charges_the_lost(self, database: Database):
        first = await database.worker()
        await limit(first, "user:acme/u1", tokens=100)
        run = await Caller(database, first).begin()
        assert await run.claim(1, tokens=50) is None
        await first.close()
        assert await tokens(await database.worker()) == (50, 0, 0)

    async def test_a_worker_does_not_take_itself_for_lost(self, database: Database):
        first = await database.worker()
        await limit(first, "user:acme/u1", tokens=100)
        run = await Caller(database, first).begin()
        assert await run.claim(1, tokens=50) is None
        database.clock.move(LEASE_S * 10)
        assert await first.accounts.charge_lost() == 0
        assert await tokens(first) == (0, 50, 0)
        await run.settle(1, 5)
        assert await tokens(first) == (5, 0, 0)

    async def test_a_clock_that_is_set_forward_makes_nobody_lost(self, database: Database):
        """Leases are renewed by the monotonic clock: for a moment all seem to have run out."""
        database.clock.monotonic = lambda: 0.0
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=50) is None
        database.clock.move(DAY_S)
        assert await store.accounts.charge_lost() == 0
        assert await tokens(store) == (0, 50, 0)
        await run.settle(1, 5)
        assert await tokens(store) == (5, 0, 0)

    async def test_a_slow_worker_gets_the_difference_back_once(self, database: Database):
        slow, other = await database.worker(), await database.worker()
        for level in LEVELS:
            await limit(slow, level, tokens=100, usd=100)
        run = await Caller(database, slow).begin()
        assert await run.claim(1, tokens=50, usd=50) is None
        assert await run.claim(2, tokens=40, usd=40) is None
        database.clock.move(LEASE_S + 1)
        await settled(other)
        assert await tokens(other) == (90, 0, 0)
        await run.settle(1, 8, 9)
        await run.settle(1, 8, 9)
        await run.settle(2, known=False)
        for level in LEVELS:
            assert await tokens(other, level) == (48, 0, 0)
            assert (await books(slow, level)).spent.nano == 49
        assert [found.hold for found in await other.accounts.unknown_holds()] == [2]
        assert not await other.accounts.refund("run_1", 1, 0, 0)
        assert await slow.accounts.refund("run_1", 2, 0, 0)
        assert await tokens(other) == (8, 0, 0)

    @pytest.mark.parametrize("by_itself", [False, True])
    async def test_a_slow_worker_settles_what_was_refunded(self, database: Database, by_itself: bool):
        slow, other = await database.worker(), await database.worker()
        await limit(slow, "user:acme/u1", tokens=100)
        run = await Caller(database, slow).begin()
        assert await run.claim(1, tokens=50) is None
        database.clock.move(LEASE_S + 1)
        await settled(other)
        assert await (slow if by_itself else other).accounts.refund("run_1", 1, 10, 0)
        assert await run.claim(2, tokens=60) is None
        await run.settle(1, 20)
        assert await tokens(other) == (10, 60, 0)
        await run.settle(2, 5)
        assert await tokens(other) == (15, 0, 0)

    async def test_a_run_that_is_taken_over_keeps_no_hold_of_its_last_worker(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await limit(first, "user:acme/u1", tokens=100)
        run = await Caller(database, first).begin()
        assert await run.claim(1, tokens=50) is None
        database.clock.now_s += LEASE_S / 4
        await settled(second)  # so that its next renewal comes after the lease of the first has run out
        database.clock.now_s += LEASE_S
        assert await second.take_over("run_1")
        assert await tokens(second) == (50, 0, 0)
        with pytest.raises(RunLost):
            await run.settle(1, 5)
        assert await tokens(second) == (50, 0, 0)
        run.store = second
        await run.settle(1, 5)
        assert await run.claim(2, tokens=50) is None
        await run.settle(2, 5)
        assert await tokens(first) == (55, 0, 0)
        assert await first.accounts.charge_lost() == 0
        assert await second.accounts.refund("run_1", 1, 1, 0)
        assert await tokens(first) == (6, 0, 0)

    # Several workers

    async def test_two_workers_share_a_limit_in_turn(self, database: Database):
        workers = [await database.worker(), await database.worker()]
        await limit(workers[0], "tenant:acme", tokens=100, steps=12)
        runs = [await Caller(database, store, f"run_{at}").begin() for at, store in enumerate(workers)]
        for hold in range(1, 6):
            for run in runs:
                assert await run.claim(hold, tokens=10, steps=1) is None
        for run in runs:
            assert refused(await run.claim(6, tokens=1)).limit == "tokens"
        await runs[0].settle(1, 4)
        assert refused(await runs[1].claim(6, tokens=7)).left == 6
        assert await runs[1].claim(6, tokens=6, steps=2) is None
        await runs[1].settle(6, 0)
        assert refused(await runs[0].claim(6, tokens=1, steps=1)).limit == "steps"
        assert await tokens(workers[0], "tenant:acme") == (4, 90, 0)

    async def test_many_callers_of_many_workers_never_exceed_a_limit(self, database: Database):
        workers = [await database.worker() for _ in range(3)]
        await limit(workers[0], "global", usd=100)
        runs = [await Caller(database, workers[at % 3], f"run_{at:02}").begin() for at in range(60)]
        answers = await asyncio.gather(*[run.claim(1, usd=10) for run in runs])
        admitted = [run for run, answer in zip(runs, answers, strict=True) if answer is None]
        assert len(admitted) == 10
        assert (await books(workers[1], "global")).reserved_nano == 100
        await asyncio.gather(*[run.settle(1, 0, 3) for run in admitted])
        found = await books(workers[2], "global")
        assert (found.spent.nano, found.reserved_nano) == (30, 0)
        answers = await asyncio.gather(*[run.claim(2, usd=10) for run in runs])
        assert sum(answer is None for answer in answers) == 7

    async def test_a_hold_is_on_disk_when_it_is_granted(self, database: Database):
        store, other = await database.worker(), await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        for hold in range(1, 4):
            assert await run.claim(hold, tokens=10) is None
            assert await tokens(other) == (0, 10 * hold, 0)
            assert len(await other.records("run_1")) == 1 + hold

    async def test_everything_survives_a_restart(self, database: Database):
        first = await database.worker()
        await limit(first, "user:acme/u1", "month", tokens=100, usd=100)
        await first.accounts.change_zone("acme", "Asia/Kathmandu", by="ann")
        run = await Caller(database, first).begin()
        for hold, cost in ((1, 10), (2, 99)):
            assert await run.claim(hold, tokens=20, usd=2, steps=1) is None
            await run.settle(hold, cost)
        assert await run.claim(0, tool_calls=1) is not None
        before, history = await first.accounts.balances(), await first.accounts.changes()
        await first.close()
        second = await database.worker()
        assert await second.accounts.balances() == before
        assert await second.accounts.changes() == history
        assert await tokens(second, period="month") == (109, 0, 79)
        again = await Caller(database, second, "run_2").begin()
        assert refused(await again.claim(1, tokens=1)).limit == "frozen"

    async def test_the_accounts_of_a_closed_store_say_so(self, database: Database):
        store, other = await database.worker(), await database.worker()
        await store.close()
        accounts = store.accounts
        for asked in (
            accounts.balances(),
            accounts.changes(),
            accounts.unknown_holds(),
            accounts.charge_lost(),
            accounts.acknowledge("global"),
            accounts.refund("run_1", 1, 0, 0),
            accounts.change_zone("acme", "UTC"),
            accounts.change_rule("global", "day", {"tokens": 1}),
        ):
            with pytest.raises(StoreError, match="closed"):
                await asyncio.wait_for(asked, 20)
        assert await other.accounts.changes() == []

    # Limits

    async def test_limits_take_effect_at_once_for_all_workers(self, database: Database):
        store, other = await database.worker(), await database.worker()
        run = await Caller(database, other).begin()
        assert await run.claim(1, tokens=50) is None
        await limit(store, "user:acme/u1", tokens=60)
        assert refused(await run.claim(2, tokens=61)).of == 60
        assert await run.claim(2, tokens=50) is None
        assert await store.accounts.change_rule("user:acme/u1", "total", {"tokens": 40, "steps": 5}) == {
            "tokens": 40,
            "steps": 5,
        }
        refusal = refused(await run.claim(3, tokens=1))
        assert (refusal.of, refusal.left) == (40, 0)
        assert refused(await run.claim(3, steps=1)).limit == "tokens"
        await run.settle(2, 45)
        assert await tokens(other) == (45, 0, 0)
        assert (await books(other)).limits.tokens == 40
        assert refused(await run.claim(3, tokens=1)).left == 0
        await limit(store, "user:acme/u1", tokens=70)
        assert refused(await run.claim(3, tokens=26)).left == 25
        assert await run.claim(3, tokens=25, steps=5) is None
        await limit(store, "user:acme/u1", tokens=INFINITE)
        assert refused(await run.claim(4, tokens=1_000, steps=1)).limit == "steps"
        assert await run.claim(4, tokens=1_000) is None
        assert await store.accounts.change_rule("user:acme/u1", "total", {"tokens": None}) == {"steps": 5}
        assert await store.accounts.change_rule("user:acme/u1", "total", {"steps": None}) == {}
        assert await run.claim(5, tokens=1_000, steps=9) is None
        assert other.accounts.book.accounts() == []
        assert other.accounts.book.rules_of("user:acme/u1") == {}

    async def test_a_limit_below_what_is_committed_breaks_nothing(self, database: Database):
        store = await database.worker()
        for level in LEVELS:
            await limit(store, level, **dict.fromkeys(AMOUNTS, 100))
        run = await Caller(database, store).begin()
        for hold in (1, 2, 3):
            assert await run.claim(hold, **dict.fromkeys(AMOUNTS, 30)) is None
        for level in LEVELS:
            await limit(store, level, **dict.fromkeys(AMOUNTS, 10))
        assert refused(await run.claim(4, tokens=1)).left == 0
        await run.settle(1, 30, 30)
        await run.settle(2, known=False)
        assert await store.accounts.refund("run_1", 2, 1, 1)
        await run.settle(3, 40, 40)
        for level in LEVELS:
            assert await tokens(store, level) == (71, 0, 10)
        refusal = refused(await run.claim(4, tokens=0))
        assert refusal.left == 0

    async def test_a_settlement_after_a_lower_limit_was_claimed_under(self, database: Database):
        """The cap goes down with a claim that fits, and what was spent fits it still."""
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=100)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=40) is None
        await limit(store, "user:acme/u1", tokens=50)
        assert await run.claim(2, tokens=10) is None
        await run.settle(1, 40)
        await run.settle(2, 10)
        assert await tokens(store) == (50, 0, 0)

    async def test_the_narrowest_rule_decides_for_each_amount(self, database: Database):
        declared = [
            Rule("user:*", "day", {"tokens": 10, "steps": 1, "model_calls": 4}),
            Rule("user:acme/*", "day", {"tokens": 20, "steps": 2}),
            Rule("user:acme/u1", "day", {"tokens": 30}),
        ]
        store = await database.worker(declared)

        def limits(account: str) -> Amounts:
            [(period, found)] = store.accounts.book.limits_of(account)
            assert period == "day"
            return found

        assert limits("user:acme/u1") == Amounts(30, INFINITE, 2, 4, INFINITE)
        assert limits("user:acme/u2") == Amounts(20, INFINITE, 2, 4, INFINITE)
        assert limits("user:u1") == Amounts(10, INFINITE, 1, 4, INFINITE)
        run = await Caller(database, store).begin()
        assert refused(await run.claim(1, tokens=31)).of == 30
        assert refused(await run.claim(1, steps=3)).of == 2
        await limit(store, "user:*", "day", tokens=5, tool_calls=7)
        assert limits("user:acme/u1") == Amounts(30, INFINITE, 2, 4, 7), "a wide rule does not win by being set later"
        assert limits("user:u1").tokens == 5, "what is set wins over the settings"
        await limit(store, "user:acme/u1", "day", tokens=40)
        assert limits("user:acme/u1").tokens == 40
        await limit(store, "user:acme/u1", "day", tokens=None)
        assert limits("user:acme/u1").tokens == 30
        await limit(store, "user:acme/u1", "day", tokens=INFINITE)
        assert limits("user:acme/u1") == Amounts(INFINITE, INFINITE, 2, 4, 7)
        assert await run.claim(1, tokens=1_000) is None

    async def test_each_account_of_a_pattern_has_books_of_its_own(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/*", tokens=10)
        for name in ("u1", "u2"):
            run = await Caller(database, store, f"run_{name}", make_payers("acme", name, "")).begin()
            assert await run.claim(1, tokens=10) is None
            assert refused(await run.claim(2, tokens=1)).account == f"user:acme/{name}"

    async def test_a_limit_of_a_run_is_not_for_the_accounts(self, database: Database):
        store = await database.worker()
        await limit(store, "user:*", "run", tokens=10)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=1_000) is None
        assert await store.accounts.balances() == []
        assert store.accounts.book.limits_of("user:acme/u1")[0][1].tokens == 10

    async def test_a_limit_counts_what_finished_runs_have_spent(self, database: Database):
        database.clock.now_s = instant("UTC", 2026, 5, 5, 23, 59)
        store = await database.worker()
        spent = {"tokens": 10, "nano": 100, "steps": 1, "model_calls": 2, "tool_calls": 3}
        await (await Caller(database, store, "run_old").begin()).finish(**spent)
        database.clock.now_s = instant("UTC", 2026, 5, 6, 0, 0)
        for at, payers in enumerate(
            [
                make_payers("acme", "u1", "s1"),
                make_payers("acme", "u1", "s2"),
                make_payers("acme", "u2", "s1"),
                make_payers("", "u1", "s1"),
                make_payers("bob", "u1", "s1"),
            ]
        ):
            run = await Caller(database, store, f"run_{at}", payers).begin()
            await run.finish(**spent, parent="run_0" if at else "")
        await Caller(database, store, "run_live").begin()
        for level in LEVELS:
            await limit(store, level, "day", tokens=1_000)
            await limit(store, level, "total", tokens=1_000)
        run = await Caller(database, store, "run_new").begin()
        assert await run.claim(1, tokens=1) is None
        for level, count in zip(LEVELS, (5, 3, 2, 1), strict=True):
            found = await books(store, level, "day")
            assert found.spent == Amounts(*[count * value for value in spent.values()])
            assert (await books(store, level)).spent.tokens == 10 * count + 10
        await limit(store, "tenant:bob", "day", tokens=5)
        other = await Caller(database, store, "run_bob", make_payers("bob", "u1", "s1")).begin()
        assert refused(await other.claim(1, tokens=1)).left == 0, "more is spent than it allows"
        await limit(store, "tenant:bob", "day", tokens=11)
        assert await other.claim(1, tokens=1) is None

    @pytest.mark.parametrize("account", ["user:acme/u1", "user:acme/*", "user:*"])
    async def test_a_limit_that_comes_back_counts_what_was_spent_without_it(self, database: Database, account: str):
        store = await database.worker()
        await limit(store, account, tokens=100)
        run, live, other = [
            await Caller(database, store, f"run_{at}", payers).begin()
            for at, payers in enumerate((ACME, ACME, make_payers("acme", "u2", "")))
        ]
        for caller in (run, other):
            assert await caller.claim(1, tokens=10) is None
            await caller.settle(1, 10)
        assert await live.claim(1, tokens=20) is None
        await limit(store, account, tokens=None)
        assert await run.claim(2, tokens=70) is None
        await run.settle(2, 65)
        await run.finish(tokens=75, steps=4, model_calls=3, tool_calls=2, nano=1)
        await limit(store, account, tokens=99)
        found = await books(store)
        assert (found.spent, found.reserved_tokens) == (Amounts(75, 1, 4, 3, 2), 20)
        assert refused(await live.claim(2, tokens=5)).left == 4
        await limit(store, account, tokens=50, steps=1)
        assert (await books(store)).spent.tokens == 75
        await live.settle(1, 20)
        assert refused(await live.claim(2, tokens=1)).left == 0
        assert await other.claim(2, tokens=40 if "*" in account else 1_000) is None

    @pytest.mark.parametrize("meanwhile", [(), (Rule("user:acme/u2", "total", {"tokens": 9}),)])
    async def test_a_limit_of_the_settings_that_comes_back_counts_what_was_spent_without_it(
        self, database: Database, meanwhile: tuple[Rule, ...]
    ):
        rules = [Rule("user:acme/*", "total", {"tokens": 100}), Rule("global", "total", {"steps": 50})]
        store = await database.worker(rules=rules)
        run = await Caller(database, store, "run_1").begin()
        assert await run.claim(1, tokens=10) is None
        await run.settle(1, 10)
        await run.finish(tokens=10, steps=1, model_calls=1)
        without = await database.worker(rules=meanwhile)
        run = await Caller(database, without, "run_2").begin()
        assert await run.claim(1, tokens=70) is None
        await run.settle(1, 65)
        await run.finish(tokens=65, steps=4, model_calls=3)
        live = await Caller(database, store, "run_3").begin()  # holds, while the limit comes back
        assert await live.claim(1, tokens=20) is None
        back = await database.worker(rules=rules[::-1])  # in another order they are the same
        assert (await books(back)).spent.tokens == 10, "who only looks changes nothing"
        run = await Caller(database, back, "run_4").begin()
        found = await books(back)
        assert (found.spent.tokens, found.reserved_tokens) == (75, 20)
        assert (await books(back, "global")).spent.steps == 5
        assert refused(await run.claim(1, tokens=6)).left == 5
        assert await run.claim(1, tokens=5) is None
        await live.settle(1, 20)
        assert refused(await live.claim(2, tokens=1)).left == 0, "the other worker knows, too"

    async def test_whoever_has_other_limits_than_those_who_write_beside_him_is_told(
        self, database: Database, caplog: pytest.LogCaptureFixture
    ):
        rules, zones = [Rule("global", "total", {"tokens": 100})], {"": ZoneInfo("UTC")}
        store = await database.worker(rules=rules, zones=zones)
        run = await Caller(database, store, "run_1").begin()
        same = await database.worker(rules=rules)
        assert await (await Caller(database, same, "run_2").begin()).claim(1, tokens=1) is None
        other = await database.worker(rules=rules, zones={"acme": ZoneInfo("Asia/Tokyo")})
        assert not await store.accounts.differs()
        assert await other.accounts.differs(), "it has not written yet: others have other limits than its own"
        await Caller(database, other, "run_3").begin()
        assert (await store.accounts.differs(), await other.accounts.differs()) == (True, False)
        for hold in (1, 2):
            assert await run.claim(hold, tokens=1) is None
        told = [record.message for record in caplog.records]
        assert (
            len([message for message in told if "has other limits or time zones in its surefoot.toml" in message]) == 1
        )

    async def test_changes_are_remembered(self, database: Database):
        store, other = await database.worker(), await database.worker()
        await store.accounts.change_rule("user:*", "day", {"usd": 5, "tokens": INFINITE}, by="ann")
        database.clock.move(5)
        await other.accounts.change_rule("user:*", "day", {"usd": None}, by="bob")
        await other.accounts.change_rule("global", "hour", {"steps": 1})
        await other.accounts.change_zone("acme", "Asia/Kathmandu")
        await other.accounts.change_zone("acme", "", by="bob")
        await other.accounts.change_zone("", "Europe/Berlin")
        found = await store.accounts.changes()
        assert [(change.account, change.period, change.before, change.after, change.by) for change in found] == [
            ("global", "timezone", None, {"timezone": "Europe/Berlin"}, ""),
            ("tenant:acme", "timezone", {"timezone": "Asia/Kathmandu"}, None, "bob"),
            ("tenant:acme", "timezone", None, {"timezone": "Asia/Kathmandu"}, ""),
            ("global", "hour", None, {"steps": 1}, ""),
            ("user:*", "day", {"tokens": "unlimited", "usd": 5}, {"tokens": "unlimited"}, "bob"),
            ("user:*", "day", None, {"tokens": "unlimited", "usd": 5}, "ann"),
        ]
        assert found[-1].at + 5 == found[-2].at == database.clock.now()
        assert await store.accounts.changes("user:*", 1) == [found[-2]]

    async def test_names_may_hold_any_text(self, database: Database):
        """One user's odd name stops nobody, and is nobody else's account."""
        store = await database.worker()
        await limit(store, "user:*", tokens=10)
        names = ["a/b", "a%2Fb", "*", "line\nbreak", "x" * 1_000, "Zoë:☃"]
        for at, name in enumerate(names):
            run = await Caller(database, store, f"run_{at}", make_payers("", name, "")).begin()
            assert await run.claim(1, tokens=6) is None
            assert refused(await run.claim(2, tokens=6)).left == 4
        assert len(await store.accounts.balances()) == len(names)
        await limit(store, "user:a%2Fb", tokens=12)
        run = await Caller(database, store, "run_9", make_payers("", "a/b", "")).begin()
        assert await run.claim(1, tokens=6) is None

    # Windows

    @pytest.mark.parametrize(
        ("zone", "period", "before", "after", "starts", "ends"),
        [
            ("UTC", "hour", (2026, 5, 6, 7, 59), (2026, 5, 6, 8, 1), (2026, 5, 6, 8), (2026, 5, 6, 9)),
            ("UTC", "day", (2026, 5, 6, 23, 50), (2026, 5, 7, 0, 10), (2026, 5, 7), (2026, 5, 8)),
            ("UTC", "month", (2024, 2, 29, 23, 50), (2024, 3, 1, 0, 0), (2024, 3, 1), (2024, 4, 1)),
            ("UTC", "month", (2026, 12, 31, 23, 59), (2027, 1, 1, 0, 1), (2027, 1, 1), (2027, 2, 1)),
            ("Europe/Berlin", "day", (2026, 3, 28, 23, 59), (2026, 3, 29, 23, 58), (2026, 3, 29), (2026, 3, 30)),
            ("Europe/Berlin", "day", (2026, 10, 24, 23, 59), (2026, 10, 25, 23, 58), (2026, 10, 25), (2026, 10, 26)),
            ("Europe/Berlin", "month", (2026, 3, 31, 23, 59), (2026, 4, 1, 0, 0), (2026, 4, 1), (2026, 5, 1)),
            ("America/Sao_Paulo", "day", (2017, 10, 14, 23, 59), (2017, 10, 15, 1, 1), (2017, 10, 15, 1), (2017, 10, 16)),
            ("America/Sao_Paulo", "day", (2018, 2, 16, 23, 59), (2018, 2, 17, 0, 1), (2018, 2, 17), (2018, 2, 18)),
            ("Asia/Kathmandu", "hour", (2026, 5, 6, 7, 59), (2026, 5, 6, 8, 0), (2026, 5, 6, 8), (2026, 5, 6, 9)),
            ("Asia/Kathmandu", "month", (2026, 5, 31, 23, 59), (2026, 6, 1, 0, 0), (2026, 6, 1), (2026, 7, 1)),
            ("Australia/Lord_Howe", "day", (2026, 4, 4, 23, 59), (2026, 4, 5, 23, 58), (2026, 4, 5), (2026, 4, 6)),
            ("Pacific/Apia", "day", (2011, 12, 29, 23, 59), (2011, 12, 31, 0, 1), (2011, 12, 31), (2012, 1, 1)),
        ],
    )  # fmt: skip
    async def test_a_hold_is_settled_in_the_window_that_it_was_taken_in(
        self, database: Database, zone: str, period: str, *, before: tuple[int, ...], after: tuple[int, ...],
        starts: tuple[int, ...], ends: tuple[int, ...],
    ):  # fmt: skip
        """Before and after a boundary; the hold counts where it was taken, and the new window begins with nothing."""
        of = cast("Period", period)
        database.clock.now_s = instant(zone, *before)
        store = await database.worker(zones={"acme": ZoneInfo(zone)})
        await limit(store, "user:acme/u1", of, tokens=100, steps=1)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=80, steps=1) is None
        old = await books(store, period=of)
        assert refused(await run.claim(2, tokens=80)).resets_at == old.ends_at == instant(zone, *starts)
        database.clock.now_s = instant(zone, *after)
        assert await run.claim(2, tokens=90, steps=1) is None
        new = await books(store, period=of)
        assert (new.starts_at, new.ends_at) == (instant(zone, *starts), instant(zone, *ends))
        assert (new.spent.tokens, new.reserved_tokens, new.spent.steps, new.zone) == (0, 90, 1, zone)
        await run.settle(1, 70)
        assert await tokens(store, period=of) == (0, 90, 0)
        await run.settle(2, 3)
        assert await tokens(store, period=of) == (3, 0, 0)
        # Time does not go back outside of tests: it is the one way to look at a window of the past.
        database.clock.now_s = old.ends_at - 1
        assert await tokens(store, period=of) == (70, 0, 0)

    async def test_hours_that_the_clocks_repeat_are_two(self, database: Database):
        first = instant("Europe/Berlin", 2026, 10, 25, 2, 30)
        database.clock.now_s = first
        store = await database.worker(zones={"": ZoneInfo("Europe/Berlin")})
        await limit(store, "user:acme/u1", "hour", steps=1)
        await limit(store, "user:acme/u1", "day", steps=3)
        run = await Caller(database, store).begin()
        for hour in range(3):
            database.clock.now_s = first + hour * HOUR_S
            assert await run.claim(0, steps=1) is None
            assert refused(await run.claim(0, steps=1)).resets_at == first + hour * HOUR_S + HOUR_S / 2
        database.clock.now_s = first + 3 * HOUR_S
        assert refused(await run.claim(0, steps=1)).period == "day"

    async def test_a_call_across_the_end_of_a_window_counts_in_one_of_the_two(self, database: Database):
        """The next window, which begins while its run goes on, is told of what live runs have spent in it, and not of that."""
        store = await database.worker()
        database.clock.now_s = instant("UTC", 2026, 5, 6, 7, 59, 59)
        await limit(store, "user:acme/u1", "hour", tokens=100)
        run = await Caller(database, store).begin()
        await _ask(run, database, hold=1, tokens=40)
        database.clock.now_s += 10
        said = {"type": "model_replied", "hold": 1, "at": database.clock.now(), "tokens": 30}
        record = json.dumps([said]).encode()
        assert await store.append(run.run_id, run.seq, record, Posting(Settlement(1, 30, 0))) is None
        run.seq += 1
        await _ask(run, database, hold=2, tokens=100)
        assert await tokens(store, period="hour") == (0, 100, 0)

    async def test_tenants_of_other_time_zones_share_the_days_of_global(self, database: Database):
        """Or each zone would have the whole of a global limit for itself."""
        database.clock.now_s = instant("UTC", 2026, 5, 6, 12, 0)
        zones = {"acme": ZoneInfo("Asia/Kathmandu"), "bob": ZoneInfo("America/New_York")}
        store = await database.worker(zones={**zones, "": ZoneInfo("Europe/Berlin")})
        await limit(store, "global", "day", tokens=10)
        for at, name in enumerate(("acme", "bob", "")):
            run = await Caller(database, store, f"run_{at}", make_payers(name, "u1", "")).begin()
            assert await run.claim(1, tokens=3) is None
            refusal = refused(await run.claim(2, tokens=8))
            assert (refusal.left, refusal.zone) == (7 - 3 * at, "Europe/Berlin")
            assert refusal.resets_at == instant("Europe/Berlin", 2026, 5, 7)
        assert await tokens(store, "global", "day") == (0, 9, 0)

    async def test_a_time_zone_takes_effect_at_once_for_all_workers(self, database: Database):
        database.clock.now_s = instant("UTC", 2026, 5, 6, 20, 0)
        store, other = await database.worker(), await database.worker()
        await limit(store, "tenant:acme", "day", tokens=10)
        run = await Caller(database, other).begin()
        assert refused(await run.claim(1, tokens=11)).resets_at == instant("UTC", 2026, 5, 7)
        await store.accounts.change_zone("acme", "Asia/Kathmandu")
        refusal = refused(await run.claim(1, tokens=11))
        assert refusal.resets_at == instant("Asia/Kathmandu", 2026, 5, 8)
        await store.accounts.change_zone("acme", "")
        assert refused(await run.claim(1, tokens=11)).zone == "UTC"

    async def test_periods_add_up(self, database: Database):
        database.clock.now_s = instant("UTC", 2026, 5, 30, 12, 0)
        store = await database.worker()
        for period, most in (("hour", 1), ("day", 3), ("month", 5), ("total", 7)):
            await limit(store, "user:acme/u1", cast("Period", period), model_calls=most)
        run = await Caller(database, store).begin()
        refusals = []
        for _ in range(10):
            refusal = await run.claim(0, model_calls=1)
            while refusal is not None and refusal.resets_at is not None:
                refusals.append(refusal.period)
                database.clock.now_s = refusal.resets_at
                refusal = await run.claim(0, model_calls=1)
        assert refused(refusal).period == "total"
        assert refusals == ["hour", "hour", "hour", "day", "hour", "hour", "month", "hour", "hour"]

"""What the sessions of every store must do. Inherit `SessionsConformance` next to a fixture ``database``."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.unit.store.conformance import LEASE_S, Database, finished, row, settled, status
from tests.unit.store.ledger_conformance import books, limit

from surefoot.budget.accounts import make_payers
from surefoot.budget.posting import Claim, Posting, Refusal, Settlement
from surefoot.errors import RunLost, StoreError, TooManyRequests
from surefoot.store.base import RunRow, Store
from surefoot.store.erasure import BATCH_RUNS
from surefoot.store.session_rows import Moved, SessionClaim, SessionRow

FRESH = SessionClaim(exists=False)
OWNER = {"tenant": "acme", "user": "u1", "session": "s1"}
KEY = "acme", "u1", "s1"


def on(head: str) -> SessionClaim:
    return SessionClaim(exists=True, head=head)


def begun(run_id: str, **fields: object) -> RunRow:
    return row(run_id, **{**OWNER, **fields})


def ended(run_id: str, **fields: object) -> RunRow:
    return finished(run_id, **{**OWNER, **fields})


async def play(store: Store, run_id: str, claim: SessionClaim, **fields: object) -> None:
    """A whole run of the session."""
    assert await store.create(begun(run_id, **fields), b"0", None, claim) is None
    assert await store.finish(ended(run_id, **fields), 1, b"1") is None


def claiming(tokens: int, **names: str) -> Posting:
    """The first call of a run of that owner."""
    owner = {**OWNER, **names}
    payers = make_payers(owner["tenant"], owner["user"], owner["session"])
    return Posting(None, Claim(payers, 1, tokens=tokens, prices="p1"))


def settling(tokens: int) -> Posting:
    return Posting(Settlement(1, tokens, 0, True))


async def head_of(store: Store) -> tuple[str, str]:
    found = await store.sessions.find(*KEY)
    assert found is not None
    return found.head, found.live


class SessionsConformance:
    """Inherit it next to a fixture ``database``."""

    async def test_a_session_from_its_first_run_on(self, database: Database):
        store = await database.worker()
        assert await store.sessions.find(*KEY) is None
        assert await store.create(begun("run_1", started_at=5.0), b"0", None, FRESH) is None
        named = {"session": "s1", "user": "u1", "tenant": "acme", "created_at": 5.0}
        assert await store.sessions.find(*KEY) == SessionRow(**named, used_at=5.0, turns=1, live="run_1")
        assert await store.finish(ended("run_1", started_at=5.0), 1, b"1") is None
        assert await store.sessions.find(*KEY) == SessionRow(**named, used_at=9.0, turns=1, head="run_1")
        await play(store, "run_2", on("run_1"), started_at=20.0, finished_at=30.0)
        assert await store.sessions.find(*KEY) == SessionRow(**named, used_at=30.0, turns=2, head="run_2")

    async def test_a_session_that_was_created_has_no_run_yet(self, database: Database):
        store = await database.worker()
        new = SessionRow(**OWNER, created_at=3.0, used_at=3.0)
        await store.sessions.create(new)
        assert await store.sessions.find(*KEY) == new
        assert await store.create(begun("run_1"), b"0", None, FRESH) == Moved()
        await play(store, "run_1", on(""))
        assert await head_of(store) == ("run_1", "")
        with pytest.raises(StoreError):
            await store.sessions.create(new)

    async def test_a_run_on_another_head_does_not_happen(self, database: Database):
        store = await database.worker()
        await play(store, "run_1", FRESH)
        for claim in (FRESH, on(""), on("run_0")):
            assert await store.create(begun("run_2"), b"0", None, claim) == Moved()
        assert await store.create(begun("run_2", session="s2"), b"0", None, on("")) == Moved()
        assert await store.find_run("run_2") is None
        assert await store.records("run_2") == []
        assert await store.sessions.find("acme", "u1", "s2") is None
        await play(store, "run_2", on("run_1"))

    async def test_one_run_at_a_time_whoever_begins_it(self, database: Database):
        first, second = await database.worker(), await database.worker()
        assert await first.create(begun("run_1"), b"0", None, FRESH) is None
        for store in (first, second):
            for claim in (FRESH, on(""), on("run_1")):
                assert await store.create(begun("run_2"), b"0", None, claim) == Moved("run_1")
        assert await head_of(second) == ("", "run_1")
        await first.append("run_1", 1, b"1")
        assert await first.finish(ended("run_1"), 2, b"2") is None
        assert await second.create(begun("run_2"), b"0", None, on("run_1")) is None
        assert await head_of(first) == ("run_1", "run_2")

    async def test_only_one_of_many_gets_the_turn(self, database: Database):
        workers = [await database.worker() for _ in range(3)]
        futures = [
            workers[number % 3].create(begun(f"run_{number}"), b"0", None, FRESH) for number in range(12)
        ]  # several of them in one commit
        outcomes = await asyncio.gather(*futures)
        assert outcomes.count(None) == 1
        winner = f"run_{outcomes.index(None)}"
        assert [found.run_id for found in await workers[0].runs()] == [winner]
        assert await head_of(workers[1]) == ("", winner)

    async def test_sessions_of_one_name_belong_to_their_users(self, database: Database):
        store = await database.worker()
        owners = [("acme", "u1"), ("acme", "u2"), ("", "u1"), ("bob", "u1"), ("", "")]
        for number, (tenant, user) in enumerate(owners):
            await play(store, f"run_{number}", FRESH, tenant=tenant, user=user)
        for number, (tenant, user) in enumerate(owners):
            found = await store.sessions.find(tenant, user, "s1")
            assert found is not None
            assert (found.tenant, found.user, found.head) == (tenant, user, f"run_{number}")

    async def test_a_run_that_was_lost_is_what_the_next_one_continues(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await play(first, "run_1", FRESH)
        assert await first.create(begun("run_2"), b"0", None, on("run_1")) is None
        database.clock.move(LEASE_S + 1)
        assert await head_of(second) == ("run_2", "")
        assert await second.create(begun("run_3"), b"0", None, on("run_1")) == Moved()
        assert await second.create(begun("run_3"), b"0", None, on("run_2")) is None
        assert await head_of(second) == ("run_2", "run_3")
        assert await second.finish(ended("run_3"), 1, b"1") is None
        assert await head_of(second) == ("run_3", "")

    async def test_who_was_late_writes_nothing_more(self, database: Database):
        """Its lease ran out and the session went on: two runs would act in one conversation, and not know of each other."""
        first, second = await database.worker(), await database.worker()
        assert await first.create(begun("run_1"), b"0", None, FRESH) is None
        for run_id, parent in (("run_1a", "run_1"), ("run_1b", "run_1a")):
            assert await first.create(replace(begun(run_id), parent=parent), b"0") is None
        assert await first.create(replace(begun("run_9"), session="other"), b"0") is None
        database.clock.move(LEASE_S + 1)
        assert await second.create(begun("run_2"), b"0", None, on("run_1")) is None
        for run_id in ("run_1a", "run_1b", "run_1"):
            with pytest.raises(RunLost):
                await first.append(run_id, 1, b"1")
        assert await first.append("run_9", 1, b"1") is None  # nobody has taken that
        assert await head_of(second) == ("run_1", "run_2")
        assert await second.finish(ended("run_2"), 1, b"1") is None
        assert await head_of(first) == ("run_2", "")
        assert await first.records("run_1") == [b"0"]

    async def test_a_lost_run_that_is_taken_over_has_its_session_again(self, database: Database):
        first, second = await database.worker(), await database.worker()
        assert await first.create(begun("run_1"), b"0", None, FRESH) is None
        database.clock.move(LEASE_S + 1)
        assert await second.take_over("run_1")
        assert await first.create(begun("run_2"), b"0", None, on("run_1")) == Moved("run_1")
        assert await second.finish(ended("run_1"), 1, b"1") is None
        assert await first.create(begun("run_2"), b"0", None, on("run_1")) is None

    async def test_a_worker_that_closes_leaves_its_sessions_free(self, database: Database):
        first, second = await database.worker(), await database.worker()
        assert await first.create(begun("run_1"), b"0", None, FRESH) is None
        await first.close()
        assert await second.create(begun("run_2"), b"0", None, on("run_1")) is None

    async def test_a_run_that_cannot_go_on_leaves_its_session_to_its_own_worker_at_once(self, database: Database):
        store = await database.worker()
        assert await store.create(begun("run_1"), b"0", None, FRESH) is None
        with pytest.raises(RunLost):
            await store.append("run_1", 0, b"again")
        assert await store.create(begun("run_2"), b"0", None, on("run_1")) is None
        await settled(store)

    async def test_a_whole_run_in_one_record(self, database: Database):
        first, second = await database.worker(), await database.worker()
        whole = ended("run_1", steps=1)
        assert await first.create(whole, b"all", None, FRESH) is None
        assert await first.records("run_1") == [b"all"]
        assert await first.find_run("run_1") == whole
        assert not await second.take_over("run_1")
        assert await head_of(first) == ("run_1", "")
        assert await first.create(ended("run_2"), b"all", None, FRESH) == Moved()
        assert await first.find_run("run_2") is None
        with pytest.raises(RunLost):
            await first.append("run_1", 1, b"more")
        assert await first.create(finished("run_3"), b"all") is None
        assert await status(first, "run_3") == "finished"

    async def test_runs_of_runs_and_runs_without_a_turn_leave_the_session_alone(self, database: Database):
        store = await database.worker()
        await play(store, "run_1", FRESH)
        await store.create(begun("run_2", parent="run_1"), b"0")
        await store.finish(ended("run_2", parent="run_1"), 1, b"1")
        assert await store.create(row("run_3"), b"0") is None
        found = await store.sessions.find(*KEY)
        assert found is not None
        assert (found.head, found.live, found.turns) == ("run_1", "", 1)

    async def test_an_account_that_refuses_leaves_the_session_free(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=10)
        refusal = await store.create(begun("run_1"), b"0", claiming(11), FRESH)
        assert isinstance(refusal, Refusal)
        assert await store.sessions.find(*KEY) is None
        assert await store.create(begun("run_2"), b"0", claiming(10), FRESH) is None
        assert await head_of(store) == ("", "run_2")

    async def test_a_session_that_is_taken_costs_the_accounts_nothing(self, database: Database):
        store = await database.worker()
        await limit(store, "user:acme/u1", tokens=10)
        await play(store, "run_1", FRESH)
        assert await store.create(begun("run_2"), b"0", claiming(5), FRESH) == Moved()
        assert await store.accounts.balances() == []
        assert await store.create(begun("run_3"), b"0", claiming(10), on("run_1")) is None

    async def test_a_bad_operation_of_the_same_commit_takes_no_turn_down(self, database: Database):
        store = await database.worker()
        await store.create(row("run_0"), b"0")
        taken = store.create(begun("run_1"), b"0", None, FRESH)
        bad, late = store.append("run_0", 0, b"again"), store.create(begun("run_2"), b"0", None, FRESH)
        ending = store.finish(ended("run_1"), 1, b"1")
        outcomes = await asyncio.gather(taken, bad, late, ending, return_exceptions=True)
        assert [outcomes[0], type(outcomes[1]), type(outcomes[2]), outcomes[3]] == [None, RunLost, Moved, None]
        assert await head_of(store) == ("run_1", "")

    async def test_listings_have_those_used_last_first(self, database: Database):
        store = await database.worker()
        owners = [("acme", "u1", "s1"), ("acme", "u2", "s1"), ("", "u1", "s2"), ("acme", "u1", "s3")]
        for number in (2, 0, 3, 1):
            tenant, user, session = owners[number]
            await store.sessions.create(
                SessionRow(tenant=tenant, user=user, session=session, created_at=1.0, used_at=float(number))
            )

        async def ages(**wanted: object) -> list[float]:
            return [found.used_at for found in await store.sessions.list(**wanted)]

        assert await ages() == [3, 2, 1, 0]
        assert await ages(user="u1") == [3, 2, 0]
        assert await ages(user="u1", tenant="acme") == [3, 0]
        assert await ages(session="s1") == [1, 0]
        assert await ages(limit=2) == [3, 2]
        assert await ages(before=2.0) == [1, 0]
        scanned = [found.session async for page in store.sessions.scan("acme", "u1") for found in page]
        assert scanned == ["s1", "s3"]

    async def test_a_scan_goes_over_pages(self, database: Database):
        store = await database.worker()
        count = 501
        rows = [SessionRow(user="u", session=f"s{number}", created_at=1.0, used_at=1.0) for number in range(count)]
        await asyncio.gather(*[store.sessions.create(one) for one in rows])
        assert [found async for page in store.sessions.scan("", "u") for found in page] == rows

    async def test_purging_takes_the_words_and_leaves_the_figures(self, database: Database):
        store = await database.worker()
        runs = 60  # more than one transaction takes
        for number in range(runs):
            claim = on(f"run_{number - 1}") if number else FRESH
            await play(store, f"run_{number}", claim, question="secret", output="secret", tokens=7, nano=8)
        await store.create(begun("run_child", parent="run_3", question="secret"), b"0")
        await store.finish(ended("run_child", parent="run_3", question="secret", tokens=5), 1, b"1")
        new = begun("run_new", session="s2", started_at=50.0, question="kept")
        await store.create(new, b"0", None, FRESH)
        assert await store.create(begun("run_live", session="s3", question="kept"), b"0", None, FRESH) is None

        assert await store.sessions.purge(40.0) == (0, True), "one transaction is not enough"
        assert await store.sessions.purge(40.0) == (1, False)
        assert await store.sessions.purge(40.0) == (0, False)
        assert {found.session for found in await store.sessions.list()} == {"s2", "s3"}, "s3 has a run under way"
        assert await store.sessions.find(*KEY) is None
        rows = await store.runs(session="s1", limit=100)
        assert {(found.question, found.output, found.tokens, found.nano) for found in rows} == {("", "", 7, 8)}
        assert len(rows) == runs
        for run_id in ("run_0", "run_59", "run_child"):
            assert await store.records(run_id) == []
        assert await store.records("run_new") == await store.records("run_live") == [b"0"]
        await play(store, "run_again", FRESH)
        assert await head_of(store) == ("run_again", "")

    async def test_who_was_purged_while_asleep_writes_nothing(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(begun("run_1", question="secret"), b"0", None, FRESH)
        database.clock.move(LEASE_S + 1)
        assert await second.sessions.purge(10.0) == (1, False)
        with pytest.raises(RunLost):
            await first.append("run_1", 1, b"secret")
        assert await second.records("run_1") == []
        assert await status(second) == "finished"
        assert not await second.take_over("run_1")

    async def test_a_lost_run_that_is_erased_keeps_what_it_was_charged(self, database: Database):
        first, second = await database.worker(), await database.worker()
        asked = b'{"type":"model_requested","at":5.0,"step":%d,"hold":%d,"hold_tokens":30,"hold_nano":40}'
        replied = b'{"type":"model_replied","at":5.0,"hold":1,"tokens":7,"nano":8}'
        tool = b'{"type":"tool_intended","at":5.0}'
        record = b"[" + b",".join([asked % (1, 1), replied, tool, asked % (2, 2)]) + b"]"
        await first.create(begun("run_1"), record, None, FRESH)
        database.clock.move(LEASE_S + 1)
        assert await second.sessions.purge(10.0) == (1, False)
        found = await second.find_run("run_1")
        assert found is not None
        assert (found.status, found.tokens, found.nano) == ("finished", 37, 48)
        assert (found.steps, found.model_calls, found.tool_calls) == (2, 2, 1)

    async def test_erasing_a_user_leaves_figures_without_a_name(self, database: Database):
        store, other = await database.worker(), await database.worker()
        await limit(store, "user:*", tokens=1_000)
        await limit(store, "session:*", tokens=1_000)
        await limit(store, "user:acme/u1", tokens=900)
        await limit(store, "session:acme/u1/*", tokens=900)
        await store.create(begun("run_1", question="secret"), b"0", claiming(5), FRESH)
        await store.finish(ended("run_1", question="secret", tokens=5), 1, b"1", settling(5))
        for number in range(2, 110):
            await play(store, f"run_{number}", on(f"run_{number - 1}"), question="secret", tokens=5)
        await store.create(begun("run_2b", user="u2", question="hers"), b"0", None, FRESH)
        await store.create(begun("run_3b", tenant="", question="not his"), b"0", None, FRESH)

        done = await store.sessions.erase("acme", "u1", "erased_1")
        assert (done.pseudonym, done.sessions, done.runs) == ("erased_1", 1, 109)
        assert await store.runs(tenant="acme", user="u1") == []
        assert await store.sessions.find(*KEY) is None
        rows = await store.runs(tenant="acme", user="erased_1", limit=200)
        assert {(found.question, found.session, found.tokens) for found in rows} == {("", "s1", 5)}
        assert len(rows) == 109
        assert await store.records("run_1") == []
        assert (await books(store, "user:acme/erased_1")).spent.tokens == 5
        assert (await books(store, "session:acme/erased_1/s1")).spent.tokens == 5
        assert await other.accounts.balances(["user:acme/u1", "session:acme/u1/s1"]) == []
        assert {change.account for change in await store.accounts.changes()} == {
            "user:*", "session:*", "user:acme/erased_1", "session:acme/erased_1/*"
        }  # fmt: skip
        for run_id, question in (("run_2b", "hers"), ("run_3b", "not his")):
            found = await store.find_run(run_id)
            assert found is not None
            assert found.question == question
            assert await store.records(run_id) == [b"0"]

    @pytest.mark.parametrize("talks", [True, False], ids=["in a session", "without one"])
    async def test_nothing_is_erased_while_a_run_is_under_way(self, database: Database, talks: bool):
        """It would go on under the name, and what it leaves would get a second pseudonym."""
        first, second = await database.worker(), await database.worker()
        await limit(first, "user:*", tokens=1_000)
        await play(first, "run_1", FRESH, question="secret")
        names = {} if talks else {"session": ""}
        assert await first.create(begun("run_2", **names), b"0", claiming(5), on("run_1") if talks else None) is None
        for store in (first, second):
            with pytest.raises(TooManyRequests, match=r"user 'u1' has 1 run under way") as caught:
                await store.sessions.erase("acme", "u1", "erased_1")
            assert (caught.value.reason, caught.value.retry_after_s) == ("session", 1.0)
        assert {found.user for found in await second.runs(tenant="acme", limit=9)} == {"u1"}
        assert await second.records("run_1") != []
        assert await first.finish(ended("run_2", tokens=5, **names), 1, b"1", settling(5)) is None
        done = await second.sessions.erase("acme", "u1", "erased_2", compact=True)
        assert (done.sessions, done.runs) == (1, 2)
        assert await first.records("run_2") == []
        assert {found.user for found in await second.runs(tenant="acme", limit=9)} == {"erased_2"}
        accounts = {balance.account for balance in await second.accounts.balances()}
        assert accounts == {"user:acme/erased_2"}
        assert (await books(second, "user:acme/erased_2")).spent.tokens == 5

    async def test_what_is_begun_while_a_user_is_erased_is_that_of_somebody_new(self, database: Database):
        """Nobody waits for the end of a long erasure: what it found at its beginning is erased, and nothing else."""
        first, second = await database.worker(), await database.worker()
        await limit(first, "user:*", tokens=10_000)
        for number in range(3 * BATCH_RUNS):
            await play(first, f"run_{number}", FRESH if not number else on(f"run_{number - 1}"), tokens=5)
        erasing = asyncio.ensure_future(second.sessions.erase("acme", "u1", "erased_1"))
        began = 0
        while not erasing.done():
            await asyncio.sleep(0)
            if await first.sessions.find(*KEY) is None:
                new = f"run_new{began}"
                assert await first.create(begun(new, session=""), b"0", claiming(5, session=""), None) is None
                assert await first.finish(ended(new, session="", tokens=5), 1, b"1", settling(5)) is None
                began += 1
        done = await erasing
        assert began, "the erasure was over before anything could begin"
        assert done.runs == 3 * BATCH_RUNS
        kept = await first.runs(tenant="acme", user="u1", limit=1_000)
        gone = await first.runs(tenant="acme", user="erased_1", limit=1_000)
        assert (len(kept), len(gone)) == (began, 3 * BATCH_RUNS)
        assert (await books(first, "user:acme/u1")).spent.tokens == 5 * began
        assert [await first.records(found.run_id) for found in gone] == [[]] * len(gone)

    async def test_an_erasure_that_is_cut_short_is_ended_by_whoever_comes_next(self, database: Database):
        """What is left of it stands under the pseudonym, where nobody would look for it."""
        first, second = await database.worker(), await database.worker()
        await first.create(begun("run_other", user="u2"), b"0", None, FRESH)
        for attempt in range(20):  # whoever looks may be so slow that the erasure is over when it is told to end
            names = [f"run_{attempt}_{number}" for number in range(3 * BATCH_RUNS)]
            for name, before in zip(names, [FRESH, *map(on, names)], strict=False):
                await play(first, name, before, question="secret")
            erasing = asyncio.ensure_future(second.sessions.erase("acme", "u1", f"erased_{attempt}"))
            while await first.sessions.find(*KEY) is not None:
                pass  # its first transaction is not committed yet
            erasing.cancel()
            await asyncio.wait([erasing])
            rows = await first.runs(tenant="acme", user=f"erased_{attempt}", limit=1_000)
            if any([await first.records(found.run_id) for found in rows]):
                break
        else:
            pytest.fail("no erasure was cut short")
        assert {(found.question, found.output) for found in rows} == {("", "")}
        assert await first.runs(tenant="acme", user="u1") == []
        more = True
        while more:
            done, more = await first.sessions.purge(-1.0)
            assert done == 0
        assert [await first.records(found.run_id) for found in rows] == [[]] * 3 * BATCH_RUNS
        rows = await first.runs(tenant="acme", user=f"erased_{attempt}", limit=1_000)
        assert {found.status for found in rows} == {"finished"}
        assert await first.records("run_other") == [b"0"]

    async def test_a_lost_run_of_an_erased_user_stays_lost(self, database: Database):
        first, second = await database.worker(), await database.worker()
        await first.create(begun("run_1", question="secret"), b"0", None, FRESH)
        database.clock.move(LEASE_S + 1)
        assert (await second.sessions.erase("acme", "u1", "erased_1")).runs == 1
        with pytest.raises(RunLost):
            await first.append("run_1", 1, b"secret")
        assert await second.records("run_1") == []

    async def test_erasing_one_of_similar_names(self, database: Database):
        """``session:a/b/c`` may be of the customer ``a`` or, without one, nobody's: whoever is erased takes no other along."""
        store = await database.worker()
        await limit(store, "session:*", tokens=100)
        owners = [("a", "b", "c"), ("", "a", "b"), ("", "a/b", "c"), ("", "b", "c"), ("a", "bb", "c")]
        for number, (tenant, user, session) in enumerate(owners):
            names = {"tenant": tenant, "user": user, "session": session}
            assert await store.create(row(f"run_{number}", **names), b"0", claiming(5, **names), FRESH) is None
            await store.finish(finished(f"run_{number}", **names), 1, b"1", settling(5))
        await store.sessions.erase("", "a", "x")
        held = {balance.account for balance in await store.accounts.balances()}
        assert held == {"session:a/b/c", "session:x/s1", "session:a%2Fb/c", "session:b/c", "session:a/bb/c"}
        await store.sessions.erase("a", "b", "y")
        held = {balance.account for balance in await store.accounts.balances()}
        assert held == {"session:a/y/s1", "session:x/s1", "session:a%2Fb/c", "session:b/c", "session:a/bb/c"}

"""Who waits in vain is told as soon as that has turned out: what is known of run times comes after a burst does."""

import asyncio
import math
import random

import pytest
from tests.unit.admission.virtual import VirtualClock, VirtualLoop, run_virtually

from surefoot.admission import REVIEW_MOST, Admission
from surefoot.caller import Caller
from surefoot.config import Settings
from surefoot.entitlements import Entitlement
from surefoot.errors import TooManyRequests
from surefoot.outlook import find_late
from surefoot.run_times import RunTimes
from surefoot.sections import AdmissionSettings, Tenant
from surefoot.turns import Turns

OPEN = {
    "user_requests_per_minute": 1e6,
    "tenant_requests_per_minute": 1e6,
    "user_queue": 5_000,
    "tenant_queue": 5_000,
    "max_wait_s": 30.0,
    "target_wait_s": 1e6,
}


class Hall:
    """An `Admission` in virtual time, and what became of who came."""

    def __init__(self, tenants=None, **section):
        self.loop = VirtualLoop()
        settings = Settings(admission=AdmissionSettings(**(OPEN | section)), tenants=tenants or {})
        self.admission = Admission(settings, VirtualClock(self.loop))
        self.began = {}
        self.refused = {}

    async def ask(self, name, run_s, *, user="", tenant="", seconds=math.inf):
        came = self.loop.time()
        try:
            async with self.admission.enter(Caller(user or name, "", tenant), seconds=seconds):
                self.began[name] = self.loop.time() - came
                await asyncio.sleep(run_s)
        except TooManyRequests as refusal:
            self.refused[name] = (self.loop.time() - came, refusal)

    def play(self, *asks):
        async def main():
            await asyncio.gather(*asks)
            state = self.admission.state()
            assert (state.running, state.waiting, state.users) == (0, 0, 0)
            assert state.refused["deadline"] == len(self.refused)

        run_virtually(main(), self.loop)
        return self

    def waited(self):
        return sorted({round(waited, 3) for waited, _ in self.refused.values()})


def test_a_burst_before_any_run_has_ended_is_told_when_the_first_have():
    """4 slots, runs of 10 s: 4 begin at 0, 10, 20 and 30 s each, and no more within 30 s."""
    hall = Hall(runs=4)
    hall.play(*[hall.ask(f"u{n}", 10.0) for n in range(40)])
    assert set(hall.began) == {f"u{n}" for n in range(len(hall.began))}
    assert 12 <= len(hall.began) <= 16
    assert hall.waited()[0] == 10.0
    told = [refusal for waited, refusal in hall.refused.values() if waited == 10.0]
    assert len(told) == 22, "12 may be lucky: if the 4 that run now end at once, and then 8 more within 20 s"
    assert {refusal.reason for refusal in told} == {"deadline"}
    assert str(told[0]) == (
        "it has waited for 10.00 s, its turn would come too late as has turned out meanwhile, and nobody waits for more "
        "than 30 s: try again in 32.5 s"  # 12 wait, and each 2.5 s a slot comes free
    )
    assert {refusal.retry_after_s for refusal in told} == {32.5}


def test_nobody_is_refused_by_an_estimate_who_would_have_been_in_time():
    """Against the same world with a patience that has no end: who began within 30 s there is let in here."""
    for seed in range(30):
        chance = random.Random(seed)
        slots, users = chance.choice([1, 3, 8, 20]), chance.choice([3, 40, 200])
        mean = chance.choice([0.5, 2.0, 6.0])
        spread = chance.choice([0.0, 0.3])  # of the logarithm
        asks = [(f"{n}", mean * math.exp(chance.gauss(0, spread)), f"u{chance.randrange(users)}") for n in range(200)]

        def play(max_wait_s, runs=slots, asks=asks):
            hall = Hall(runs=runs, user_runs=5, max_wait_s=max_wait_s)
            return hall.play(*[hall.ask(name, run_s, user=user) for name, run_s, user in asks])

        patient, hasty = play(1e6), play(30.0)
        in_time = {name for name, waited in patient.began.items() if waited < 30.0}
        assert in_time <= set(hasty.began), f"seed {seed}"
        early = [waited for waited, _ in hasty.refused.values() if waited < 30.0]
        print(f"seed {seed}: {len(in_time)} of 200 in time, {len(early)} of {len(hasty.refused)} refused early")


def test_one_long_run_frightens_nobody():
    """The first run takes 20 s, all others 1 s: of one run nothing is known of the others, of two hardly anything."""
    hall = Hall(runs=1)
    hall.play(*[hall.ask(f"u{n}", 1.0 if n else 20.0) for n in range(11)])
    assert (len(hall.began), hall.refused) == (11, {})


def test_the_own_queue_is_looked_through_as_well():
    """One user with 3 runs at once of 10 s each: the places beyond the 12th come too late, whatever the others do."""
    hall = Hall(user_runs=3)
    hall.play(*[hall.ask(f"{n}", 10.0, user="ann") for n in range(30)], hall.ask("b", 10.0, user="bob"))
    assert hall.began["b"] == 0.0
    assert list(hall.began) == [*[f"{n}" for n in range(3)], "b", *[f"{n}" for n in range(3, len(hall.began) - 1)]]
    assert len([waited for waited, _ in hall.refused.values() if waited == 10.0]) >= 15


def test_a_tenants_own_slots_and_a_run_s_own_seconds_count():
    hall = Hall({"small": Tenant(tenant_runs=2)})
    asks = [hall.ask(f"s{n}", 10.0, tenant="small") for n in range(20)]
    asks += [hall.ask(f"big{n}", 10.0, tenant="big") for n in range(20)]
    hall.play(*asks)
    assert len([name for name in hall.began if name.startswith("big")]) == 20
    assert [waited for waited, _ in hall.refused.values() if waited == 10.0]

    hall = Hall(runs=1)
    asks = [hall.ask(f"u{n}", 5.0, seconds=12.0 if n % 2 else 1e6) for n in range(6)]
    hall.play(*asks)
    assert "is to be done in 12 s" in str(hall.refused["u5"][1])
    assert hall.refused["u5"][0] < 12.0


def test_a_weightier_tenant_is_nearer_to_its_turns():
    hall = Hall({"gold": Tenant(weight=4.0)}, runs=2)
    asks = [hall.ask(f"{t}{n}", 5.0, user=f"{t}{n % 4}", tenant=t) for n in range(40) for t in ("gold", "plain")]
    hall.play(*asks)
    began = [name for name in hall.began if name.startswith("gold")]
    assert len(began) > 2 * (len(hall.began) - len(began))


def test_who_waits_in_vain_is_in_nobodys_way():
    """100 who are to be done within 6 s stand before 3 who have time: they leave, and these have their turns."""
    hall = Hall(runs=1)
    asks = [hall.ask(f"u{n}", 1.0, seconds=6.0) for n in range(100)]
    hall.play(*asks, *[hall.ask(f"patient{n}", 1.0) for n in range(3)])
    assert {f"patient{n}" for n in range(3)} <= set(hall.began)


def test_the_turns_of_a_weightier_tenant_are_counted_when_it_is_looked_who_waits_in_vain():
    """20 of one user with ten turns in a round go with 8 of the four others; as one of five it would take 60 s."""
    hall = Hall({"gold": Tenant(weight=10.0)}, runs=1)
    asks = [hall.ask(f"gold{n}", 1.0, user="g", tenant="gold") for n in range(20)]
    asks += [hall.ask(f"plain{n}", 1.0, user=f"p{n % 4}", tenant="plain") for n in range(40)]
    hall.play(*asks)
    assert {f"gold{n}" for n in range(20)} <= set(hall.began)


def test_a_few_are_told_at_once_and_the_others_with_the_next_run_that_ends():
    hall = Hall(runs=2)
    hall.play(*[hall.ask(f"u{n}", 8.0 + 0.01 * (n % 2)) for n in range(2 * REVIEW_MOST)])
    early = [waited for waited, _ in hall.refused.values() if waited < 29]
    assert len(early) > 2 * REVIEW_MOST - 20
    assert max(early.count(waited) for waited in set(early)) <= REVIEW_MOST


def test_who_is_cancelled_in_the_moment_in_which_it_is_refused_leaves_nothing():
    hall = Hall(runs=1)

    async def main():
        tasks = [asyncio.create_task(hall.ask(f"u{n}", 10.0)) for n in range(20)]
        await asyncio.sleep(10.0)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert hall.admission.state().users == 0

    run_virtually(main(), hall.loop)


@pytest.mark.parametrize(("runs", "least"), [([5.0], 0.0), ([5.0, 5.0], 5.0), ([1.0, 9.0], 0.0)])
def test_what_a_mean_is_at_least(runs, least):
    times = RunTimes()
    assert times.least_s == 0.0
    for run_s in runs:
        times.add("", run_s)
    assert times.least_s == pytest.approx(least)


def test_what_a_mean_is_at_least_is_so_in_most_cases():
    chance, above = random.Random(7), 0
    for _ in range(400):
        times = RunTimes()
        for _ in range(chance.choice([2, 5, 20, 60])):
            times.add("", chance.lognormvariate(0, 0.5))
        above += times.least_s > math.exp(0.125)
    assert above <= 0.08 * 400


# --- the order and the estimates themselves


def fill(turns, rights, *callers):
    """Let each of the callers have one item in the queue, its own name."""
    for caller in callers:
        user = turns.find(caller, rights)
        turns.enter(user)
        turns.push(user, caller.user, 0.0)


def test_turns_of_users_that_left_are_nobodys():
    rights = Entitlement(AdmissionSettings(user_queue=100), Tenant())
    turns = Turns(1, 1_000)
    many = [Caller(f"a{n}", "", "A") for n in range(10)]
    fill(turns, rights, *many, *[many[0]] * 20, *[Caller("b", "", "B")] * 20)
    assert turns.pop(0.0) == "a0"
    for caller in many[1:]:
        user = turns.users["A", caller.user]
        turns.remove(user, caller.user, 0.0)
        turns.drop(user, 0.0)
    assert [turns.pop(0.0) for _ in range(7)] == ["a0", "a0", "b", "a0", "b", "a0", "b"]


def test_the_wait_that_is_told_is_shorter_for_a_weightier_tenant():
    turns = Turns(1, 1_000)
    plain, gold = (Entitlement(AdmissionSettings(), Tenant(weight=weight)) for weight in (1, 4))
    turns.enter(runner := turns.find(Caller("r"), plain))
    turns.start(runner, 0.0)
    fill(turns, plain, *[Caller(f"u{n}") for n in range(11)])
    assert turns.ahead(turns.find(Caller("late"), plain)) == 1 + 11
    assert turns.ahead(turns.find(Caller("late", "", "gold"), gold)) == 1 + 12 / 4


def test_of_two_levels_the_one_with_the_longer_wait_counts():
    turns = Turns(2, 1_000)
    rights = Entitlement(AdmissionSettings(user_runs=1), Tenant())
    fill(turns, rights, *[Caller("u")] * 5)
    late = find_late(turns, 1.0, lambda item: 2.5, 10)
    assert len(late) == 2  # the fourth begins after 3 s in the user's own line, after 1 s in that of all

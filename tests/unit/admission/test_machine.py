"""Admission against an independent model that keeps one list of requests and counts in it."""

import asyncio
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.admission.virtual import VirtualClock, VirtualLoop

from surefoot.admission import Admission
from surefoot.caller import Caller
from surefoot.config import Settings
from surefoot.errors import TooManyRequests
from surefoot.sections import AdmissionSettings, Tenant

INF = math.inf
USERS = [("", ""), ("", "u"), ("", "v"), ("a", ""), ("a", "u"), ("a", "v"), ("a", "w"), ("b", "u"), ("b", "v")]


class Request:
    """What the model knows of one request."""

    def __init__(self, number, caller, kind, seconds, arrived):
        self.number, self.caller, self.kind, self.seconds, self.arrived = number, caller, kind, seconds, arrived
        self.stage = "entered"
        self.queued_at = None
        self.began = None
        self.ticket = self.task = None
        self.passed_by = Counter()  # who was served while only a slot of all was missing to this one


class Bucket:
    """A rate as a bucket of units that fills: the other way to say what GCRA says."""

    def __init__(self, per_minute):
        self.per_minute, self.units, self.at = Fraction(per_minute), Fraction(per_minute), Fraction(0)

    def fill(self, now):
        now = Fraction(now)
        self.units = min(self.per_minute, self.units + (now - self.at) * self.per_minute / 60)
        self.at = now

    def wait_s(self, now):
        self.fill(now)
        return max(Fraction(0), (1 - self.units) * 60 / self.per_minute)


class AdmissionMachine(RuleBasedStateMachine):
    @initialize(
        runs=st.integers(1, 5),
        tenant_runs=st.integers(1, 4),
        user_runs=st.integers(1, 3),
        queues=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 15)),
        rpm=st.sampled_from([6, 30, 600, 600]),
        max_wait_s=st.sampled_from([4.0, 1e6, 1e6]),
        weight=st.sampled_from([1.0, 1.5, 3.0]),
        own_runs=st.sampled_from([None, 1, 3]),
    )
    def open(self, *, runs, tenant_runs, user_runs, queues, rpm, max_wait_s, weight, own_runs):
        self.loop = VirtualLoop()
        section = AdmissionSettings(
            user_requests_per_minute=rpm,
            tenant_requests_per_minute=3 * rpm,
            user_runs=user_runs,
            tenant_runs=tenant_runs,
            runs=runs,
            user_queue=queues[0],
            tenant_queue=queues[1],
            queue=queues[2],
            max_wait_s=max_wait_s,
            target_wait_s=1e9,
            max_lag_ms=1e9,
        )
        self.section = section
        self.weights = {"b": weight}
        self.tenant_runs = {"b": own_runs or tenant_runs}
        tenants = {"b": Tenant(weight=weight, tenant_runs=own_runs)}
        self.admission = Admission(Settings(admission=section, tenants=tenants), VirtualClock(self.loop))
        self.requests = []
        self.buckets = {}
        self.times = {}
        self.refused = Counter()
        self.order = 0

    # --- the model

    def inside(self, stage, caller=None, tenant=None):
        stages = ("entered", "queued") if stage == "waiting" else (stage,)
        return [
            r
            for r in self.requests
            if r.stage in stages and caller in (None, r.caller) and tenant in (None, r.caller[0])
        ]

    def levels(self, caller):
        """Limits and occupation on each level that has limits."""
        section, found = self.section, []
        if caller[1]:
            found.append((section.user_runs, section.user_queue, {"caller": caller}))
        if caller[0]:
            runs = self.tenant_runs.get(caller[0], section.tenant_runs)
            found.append((runs, section.tenant_queue, {"tenant": caller[0]}))
        found.append((section.runs, section.queue, {}))
        return [
            (runs, queue, len(self.inside("running", **which)), len(self.inside("waiting", **which)))
            for runs, queue, which in found
        ]

    def may_run(self, caller):
        return all(running < runs for runs, _, running, _ in self.levels(caller))

    def estimate_s(self, caller):
        mean = self.mean(None)
        mine = len(self.inside("waiting", caller=caller))
        before = {r.caller for r in self.requests if r.stage in ("entered", "queued", "running")}
        others = len(before - {caller}) * (mine + 1) / self.weights.get(caller[0], 1.0)
        waits = [0.0]
        for runs, _, running, waiting in self.levels(caller):
            if running >= runs:
                waits.append((mine + 1 + min(waiting - mine, others)) / runs * mean)
        return max(waits)

    def mean(self, kind):
        value, count = 0.0, 0
        for of, run_s in self.times.get("all", []):
            if kind in (None, of):
                count = min(20, count + 1)
                value += (run_s - value) / count
        return value

    def least_s(self):
        """Two standard errors below the mean of all runs, the weights of which are written out."""
        runs, weights = [run_s for _, run_s in self.times.get("all", [])], []
        for number in range(1, len(runs) + 1):
            share = 1 / min(20, number)
            weights = [weight * (1 - share) for weight in weights] + [share]
        if len(runs) < 2:
            return 0.0
        mean = sum(weight * run_s for weight, run_s in zip(weights, runs, strict=True))
        variance = sum(weight * (run_s - mean) ** 2 for weight, run_s in zip(weights, runs, strict=True))
        return mean - 2 * math.sqrt(variance / (min(20, len(runs)) - 1))

    def may_be_hopeless(self, request):
        """Whether even the last place that waits now might be too late for it."""
        rounds = max(waiting / runs - 1 for runs, _, _, waiting in self.levels(request.caller))
        return rounds * self.least_s() > self.expiry(request) - self.loop.now - 1e-6

    def expect(self, caller, kind, seconds):
        """The reason for which it is refused, "" if it is not, and the seconds to wait for a rate."""
        now = self.loop.now
        keys = ([caller] if caller[1] else []) + ([caller[0]] if caller[0] else [])
        waits = []
        for key in keys:
            per_minute = (
                self.section.user_requests_per_minute
                if isinstance(key, tuple)
                else 3 * self.section.user_requests_per_minute
            )
            waits.append(self.buckets.setdefault(key, Bucket(per_minute)).wait_s(now))
        if any(waits):
            return "rate", max(waits)
        levels = self.levels(caller)
        free = max(0, min(runs - running for runs, _, running, _ in levels))
        if any(waiting >= queue + free for _, queue, _, waiting in levels):
            return "queue", None
        if not free and self.times:
            wait_s = self.estimate_s(caller)
            if wait_s > self.section.max_wait_s or wait_s + self.mean(kind) > seconds:
                return "deadline", None
        for key in keys:
            self.buckets[key].units -= 1
        return "", None

    # --- what happens

    def drive(self, main):
        return self.loop.run_until_complete(main)

    @rule(caller=st.sampled_from(USERS), kind=st.sampled_from("xy"), seconds=st.sampled_from([3.0, 10.0, 50.0, INF]))
    def enter(self, caller, kind, seconds):
        before = self.admission.state()
        reason, rate_s = self.expect(caller, kind, seconds)

        async def enter():
            return self.admission.enter(Caller(caller[1], "", caller[0]), seconds=seconds, kind=kind)

        if not reason:
            request = Request(len(self.requests), caller, kind, seconds, self.loop.now)
            request.ticket = self.drive(enter())
            self.requests.append(request)
            return
        with pytest.raises(TooManyRequests) as caught:
            self.drive(enter())
        refusal = caught.value
        assert refusal.reason == reason
        self.refused[reason] += 1
        after = self.admission.state()
        assert (after.running, after.waiting, after.users) == (before.running, before.waiting, before.users)
        assert refusal.retry_after_s >= 0.1
        assert f"try again in {refusal.retry_after_s:g} s" in str(refusal)
        if rate_s is not None:
            assert refusal.retry_after_s - 0.1 < max(rate_s, 0.1) <= refusal.retry_after_s + 1e-9
        assert [name for _, name in USERS if name and name != caller[1] and f"'{name}'" in str(refusal)] == []

    @rule(callers=st.lists(st.sampled_from(USERS), min_size=1, max_size=8))
    def arrive(self, callers):
        """As in life: in, and to the queue."""
        for caller in callers:
            before = len(self.requests)
            self.enter(caller, "x", INF)
            if len(self.requests) > before:
                self.begin(self.requests[-1])

    def pick(self, stage, chance):
        found = self.inside(stage)
        return found[chance % len(found)]

    @precondition(lambda self: self.inside("entered"))
    @rule(chance=st.integers(0, 99))
    def start(self, chance):
        self.begin(self.pick("entered", chance))

    def begin(self, request):
        async def start():
            request.task = asyncio.create_task(request.ticket.start())
            await asyncio.sleep(0)

        at_once = self.may_run(request.caller)
        self.drive(start())
        assert request.task.done() == at_once
        if at_once:
            request.task.result()
            request.stage, request.began = "running", self.loop.now
            assert request.ticket.waited_ms == int((self.loop.now - request.arrived) * 1e3)
        else:
            request.stage = "queued"
            self.order += 1
            request.queued_at = self.order
            self.settle()

    @precondition(lambda self: self.inside("running"))
    @rule(chances=st.lists(st.integers(0, 99), min_size=1, max_size=4))
    def finish(self, chances):
        for chance in chances:
            if self.inside("running"):
                self.finish_one(self.pick("running", chance))

    def finish_one(self, request):
        self.times.setdefault("all", []).append((request.kind, self.loop.now - request.began))
        request.stage = "gone"
        request.ticket.leave()
        request.ticket.leave()  # the second time does nothing
        self.settle()

    @precondition(lambda self: self.inside("entered"))
    @rule(chance=st.integers(0, 99))
    def think_better_of_it(self, chance):
        request = self.pick("entered", chance)
        request.stage = "gone"
        request.ticket.leave()
        self.settle()

    @precondition(lambda self: self.inside("queued"))
    @rule(chance=st.integers(0, 99), also_finish=st.booleans())
    def cancel(self, chance, also_finish):
        """A waiting request is cancelled; perhaps a run ends in the same moment, so that the slot finds it cancelled."""
        request = self.pick("queued", chance)
        request.stage = "gone"
        request.task.cancel()
        if also_finish and self.inside("running"):
            ended = self.pick("running", chance)
            self.times.setdefault("all", []).append((ended.kind, self.loop.now - ended.began))
            ended.stage = "gone"
            ended.ticket.leave()
        self.settle()
        assert request.task.cancelled()
        request.ticket.leave()
        self.settle()

    @precondition(lambda self: self.inside("queued") and self.inside("running"))
    @rule(chance=st.integers(0, 99))
    def cancel_what_was_just_let_in(self, chance):
        """The slot is given, and the task that waited is cancelled before it runs: the slot is not lost."""
        request = self.pick("queued", chance)
        ended = self.pick("running", chance)
        self.times.setdefault("all", []).append((ended.kind, self.loop.now - ended.began))
        ended.stage = "gone"
        ended.ticket.leave()
        request.task.cancel()
        self.settle(cancelled=request)

    @rule(seconds=st.sampled_from([0.5, 0.5, 1.0, 2.0, 7.0, 40.0]))
    def pass_time(self, seconds):
        self.drive(asyncio.sleep(seconds))
        self.settle()

    def expiry(self, request):
        return request.arrived + min(self.section.max_wait_s, request.seconds)

    def settle(self, cancelled=None):
        """Take in who was let in meanwhile; check whose turn it was."""
        self.drive(asyncio.sleep(0))
        self.drive(asyncio.sleep(0))
        told = [r for r in self.inside("queued") if r is not cancelled and r.task.done() and r.ticket.stage == "gone"]
        in_vain = [r for r in told if self.expiry(r) > self.loop.now]
        assert all(self.may_be_hopeless(request) for request in in_vain)
        assert [
            r for r in self.inside("queued") if self.expiry(r) <= self.loop.now and r not in (*told, cancelled)
        ] == []
        for request in told:
            refusal = request.task.exception()
            assert isinstance(refusal, TooManyRequests)
            assert refusal.reason == "deadline"
            assert ("as has turned out meanwhile" in str(refusal)) == (request in in_vain)
            request.stage = "gone"
            self.refused["deadline"] += 1
        served = [r for r in self.inside("queued") if r.ticket.stage in ("granted", "running")]
        for request in served:
            earlier = [r for r in self.inside("queued", caller=request.caller) if r.queued_at < request.queued_at]
            assert [r for r in earlier if r not in served] == [], "first come, first served within a user"
        for request in served:
            if request is cancelled:
                assert request.task.cancelled()
                request.stage = "gone"
                request.ticket.leave()
            else:
                request.task.result()
                request.stage, request.began = "running", self.loop.now
        if cancelled is not None and cancelled.stage == "queued":
            cancelled.stage = "gone"
            cancelled.ticket.leave()
        if cancelled is not None:
            self.settle()
        self.note_turns(served)

    def note_turns(self, served):
        """Nobody is passed by more often than by the turns of a round or two, while only a slot of all is missing."""
        heads = {}
        for request in sorted(self.inside("queued"), key=lambda r: r.queued_at):
            heads.setdefault(request.caller, request)
        for caller, head in heads.items():
            levels = self.levels(caller)[:-1]
            if any(r.caller == caller for r in served) or any(running >= runs for runs, _, running, _ in levels):
                head.passed_by.clear()
                continue
            for other in served:
                head.passed_by[other.caller] += 1
            for other, times in head.passed_by.items():
                same = other[0] == caller[0]
                bound = 2 if same else 2 * (math.ceil(self.weights.get(other[0], 1.0)) + 1)
                assert times <= bound, f"{other} passed {caller} by {times} times"

    # --- what always holds

    @invariant()
    def nobody_exceeds_a_limit(self):
        if not hasattr(self, "admission"):
            return
        for caller in {r.caller for r in self.requests}:
            for runs, queue, running, waiting in self.levels(caller):
                assert running <= runs
                assert waiting <= queue + runs

    @invariant()
    def no_slot_is_free_that_somebody_waits_for(self):
        if hasattr(self, "admission"):
            assert [r for r in self.inside("queued") if self.may_run(r.caller)] == []

    @invariant()
    def the_figures_are_those_of_the_model(self):
        if not hasattr(self, "admission"):
            return
        state = self.admission.state()
        users = {r.caller for r in self.requests if r.stage != "gone"}
        assert (state.running, state.waiting) == (len(self.inside("running")), len(self.inside("waiting")))
        assert state.users == len(users) == len(self.admission._turns.users)
        assert set(self.admission._turns.tenants) == {caller[0] for caller in users}
        assert self.admission._turns.queued == len(self.inside("queued"))
        assert {k: v for k, v in state.refused.items() if v} == {k: v for k, v in self.refused.items() if v}

    def teardown(self):
        if hasattr(self, "loop"):
            try:
                self.end()
            finally:
                for task in asyncio.all_tasks(self.loop):
                    task.cancel()
                self.drive(asyncio.sleep(0))
                self.loop.close()

    def end(self):
        """Everybody leaves, and nothing is left."""
        while left := [r for r in self.requests if r.stage != "gone"]:
            if left[0].stage == "running":
                self.times.setdefault("all", []).append((left[0].kind, self.loop.now - left[0].began))
            left[0].stage = "gone"
            if left[0].task is not None and not left[0].task.done():
                left[0].task.cancel()
                self.settle()
            left[0].ticket.leave()
            self.settle()
        self.the_figures_are_those_of_the_model()
        assert not self.admission._turns._ring
        assert [timer for timer in self.loop._scheduled if not timer.cancelled()] == []


TestAdmission = AdmissionMachine.TestCase
TestAdmission.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, phases=[Phase.generate])

"""What a load will probably come to, from one request alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from surefoot import UNLIMITED, Agent, Limits
from surefoot.config import Settings
from surefoot.providers import Provider, ProviderEndpoint
from surefoot.sections import AdmissionSettings
from surefoot.stress.outlook import Bounds, fit_plan, foresee, read_bounds
from surefoot.stress.plan import Plan
from surefoot.testing import ScriptedModel

SLOW = Bounds(calls=1, is_own=False, user_runs=3, runs=500, run_s=300.0, wait_s=30.0)
ARTICLE = Plan()


def told(plan, alone_s, bounds=SLOW):
    return list(foresee(plan, alone_s, bounds))


def test_a_fast_provider_is_only_measured():
    fast = replace(SLOW, calls=50)
    assert told(ARTICLE, 2.0, fast) == ["one request alone took 2.00 s of the model"]
    assert fit_plan(ARTICLE, 2.0, fast) == ARTICLE


def test_a_slow_one_meets_both_deadlines():
    measured, long, ended, refused = told(ARTICLE, 20.0)
    assert measured == "one request alone took 20.0 s of the model"
    assert long == "all 100 will take 33 min or more"
    assert ended == (
        "60 runs at once share 1 call at once, so that each takes about 20 min: longer than the 300 s that a run may "
        "take ([limits] seconds), which will end most of them; try --users 7"
    )
    assert refused == (
        "40 requesters of 100 must wait for a run to begin, about 20 min: longer than the 30 s of [admission] "
        "max_wait_s, so they are refused; try --users 60"
    )


def test_on_a_machine_of_ones_own_less_may_be_served_than_is_taken():
    own = replace(SLOW, calls=50, is_own=True)
    (_, said) = told(Plan(users=20, unique=20, requests=20), 20.0, own)
    assert said.startswith("if your machine computes one reply at a time, each run takes about 7 min, and may take 300")
    assert len(told(Plan(users=20, unique=20, requests=20), 2.0, own)) == 1


@pytest.mark.parametrize(("rate_per_s", "lines"), [(0.04, 1), (0.5, 2)])
def test_arrivals_faster_than_the_provider_answers(rate_per_s, lines):
    plan = Plan(users=10, unique=10, requests=10, arrival="poisson", rate_per_s=rate_per_s)
    said = told(plan, 20.0)
    assert len(said) == lines
    assert lines == 1 or said[1].endswith("than 1 call at once can answer: most will be refused; try --rate 0.05")
    assert fit_plan(plan, 20.0, SLOW) == plan


def test_without_a_limit_on_seconds_nothing_ends_a_run():
    free = replace(SLOW, run_s=None)
    assert fit_plan(ARTICLE, 20.0, free) == ARTICLE
    assert not any("[limits] seconds" in line for line in told(ARTICLE, 20.0, free))


@given(
    users=st.integers(1, 1_000), unique=st.integers(1, 1_000), requests=st.integers(1, 5_000),
    alone_s=st.floats(0.001, 1_000), calls=st.integers(1, 100), run_s=st.floats(1, 1_000),
)  # fmt: skip
def test_what_is_chosen_is_in_time_or_one_requester_alone(*, users, unique, requests, alone_s, calls, run_s):
    plan = Plan(users=users, unique=min(unique, users), requests=requests)
    bounds = replace(SLOW, calls=calls, run_s=run_s)
    chosen = fit_plan(plan, alone_s, bounds)
    assert chosen.users <= plan.users
    assert chosen.requests <= plan.requests
    in_time = bounds.runs_at_once(chosen) * alone_s / calls <= run_s / 2 * 1.001
    assert in_time or chosen.users == 1
    assert fit_plan(chosen, alone_s, bounds) == chosen


def test_what_bounds_a_load_is_read_from_the_settings():
    two = (ProviderEndpoint("http://a"), ProviderEndpoint("http://b"))
    settings = Settings(
        providers={"x": Provider("http://x", concurrency=4, endpoints=two, free=True)},
        admission=AdmissionSettings(user_runs=2, tenant_runs=30, max_wait_s=7),
    )
    own = read_bounds(settings, Agent("x:m", limits=Limits(seconds=9)))
    assert own == Bounds(calls=8, is_own=True, user_runs=2, runs=30, run_s=9.0, wait_s=7.0)
    local = read_bounds(settings, Agent("local:"))
    assert (local.calls, local.run_s) == (1, 300.0)
    mine = read_bounds(settings, Agent(ScriptedModel([]), limits=Limits(seconds=UNLIMITED)))
    assert (mine.calls, mine.run_s) == (1_000, None)

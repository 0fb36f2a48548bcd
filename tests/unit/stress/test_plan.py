"""Who asks, and when."""

import statistics
from itertools import pairwise

import pytest

from surefoot.errors import ConfigError
from surefoot.stress.plan import Plan


def test_the_article_s_load_is_the_default():
    plan = Plan()
    names = [plan.name_user(number % plan.users) for number in range(plan.requests)]
    assert (plan.users, plan.requests, len(set(names))) == (100, 100, 20)
    assert {names.count(name) for name in names} == {5}
    assert list(plan.due_times()) == [0.0] * 100


def test_poisson_arrivals_have_the_rate_and_the_spread_of_a_poisson_process_and_repeat_with_the_seed():
    plan = Plan(requests=20_000, arrival="poisson", rate_per_s=50, seed=3)
    due = list(plan.due_times())
    gaps = [after - before for before, after in pairwise(due)]
    assert len(due) / due[-1] == pytest.approx(50, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)
    assert due == sorted(due) == list(plan.due_times())
    assert due != list(Plan(requests=20_000, arrival="poisson", rate_per_s=50, seed=4).due_times())


def test_questions_repeat_with_the_seed():
    plan = Plan(seed=1)
    assert plan.write_question(7) == Plan(seed=1).write_question(7) != Plan(seed=2).write_question(7)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"users": 0}, "--users 0"),
        ({"users": 10_001, "unique": 1}, "at most|from 1 to 10,000"),
        ({"requests": 0}, "--requests 0"),
        ({"users": 5, "unique": 6}, "only 5 requesters"),
        ({"arrival": "poisson"}, "needs --rate"),
        ({"rate_per_s": 3.0}, "goes with --arrival poisson"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_the_option(fields, told):
    with pytest.raises(ConfigError, match=told):
        Plan(**fields)

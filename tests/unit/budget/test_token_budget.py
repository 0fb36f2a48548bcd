"""The bridge for code that counts its own budget."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot import BudgetExceeded
from surefoot.budget import TokenBudget
from surefoot.errors import ConfigError


def test_the_loop_of_such_programs():
    budget = TokenBudget(max_tokens=8_000, max_steps=10, warning_threshold=0.7, price_per_mtok=8.00)
    done = 0
    while budget.check_budget(1_500):
        budget.add_step(1_200, f"step {done + 1}")
        done += 1
    assert done == 6  # 7,200 are spent, and 1,500 more do not fit
    assert budget.is_warning
    assert budget.get_report() == {
        "total_steps": 6,
        "total_tokens": 7_200,
        "total_cost": 0.0576,
        "average_tokens_per_step": 1_200,
        "average_cost_per_step": 0.0096,
        "remaining_tokens": 800,
        "remaining_percent": 10.0,
        "is_warning": True,
        "steps": [{"step": n, "tokens": 1_200, "description": f"step {n}"} for n in range(1, 7)],
    }
    assert repr(budget) == "TokenBudget(7200/8000 tokens, 6/10 steps, $0.058)"


def test_the_answer_is_a_truth_value_and_a_pair():
    budget = TokenBudget(max_tokens=100)
    allowed, message = budget.check_budget(60)
    assert allowed
    assert message == "40 of 100 tokens are left"
    budget.add_step(60)
    refused = budget.check_budget(41)
    assert not refused
    assert refused.message == "40 of 100 tokens are left"
    assert budget.check_budget(40)


def test_steps_are_a_limit_too():
    budget = TokenBudget(max_tokens=1_000, max_steps=2)
    for _ in range(2):
        assert budget.check_budget(10)
        budget.add_step(10)
    assert budget.check_budget(10) == (False, "all 2 steps are used")
    assert budget.current_step == 2


def test_a_second_check_replaces_the_first_and_release_gives_it_back():
    budget = TokenBudget(max_tokens=100)
    assert budget.check_budget(80)
    assert budget.check_budget(90)
    assert budget.remaining_tokens == 10
    budget.release()
    budget.release()
    assert budget.remaining_tokens == 100
    assert budget.spent_tokens == 0
    assert not budget.is_warning


async def test_tasks_that_check_at_once_never_spend_the_same_tokens():
    budget = TokenBudget(max_tokens=1_000, max_steps=1_000)
    gate = asyncio.Event()

    async def work():
        if not budget.check_budget(100):
            return 0
        await gate.wait()
        budget.add_step(100)
        return 1

    tasks = [asyncio.create_task(work()) for _ in range(200)]
    await asyncio.sleep(0)
    gate.set()
    assert sum(await asyncio.gather(*tasks)) == 10
    assert budget.spent_tokens == 1_000


def test_threads_that_check_at_once_never_spend_the_same_tokens():
    budget, barrier, spent = TokenBudget(max_tokens=500, max_steps=1_000), threading.Barrier(20), []

    def work():
        barrier.wait()
        if budget.check_budget(100):
            spent.append(1)
            barrier.wait()
            budget.add_step(100)
        else:
            barrier.wait()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spent) == 5
    assert budget.spent_tokens == 500


def test_the_truth_is_booked_even_when_it_is_more_than_was_checked():
    budget = TokenBudget(max_tokens=100, price_per_mtok="2.50")
    assert budget.check_budget(50)
    budget.add_step(130)
    assert budget.spent_tokens == 130
    assert budget.remaining_tokens == 0
    assert budget.spent_usd == pytest.approx(130 * 2.5e-6)
    assert not budget.check_budget()
    assert budget.get_report()["remaining_percent"] == 0.0


def test_tokens_without_a_check_are_booked_and_told():
    budget = TokenBudget(max_tokens=100)
    budget.add_step(60)
    with pytest.raises(BudgetExceeded, match="41 tokens were used without a check") as caught:
        budget.add_step(41)
    assert caught.value.limit == "tokens"
    assert budget.spent_tokens == 101


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_tokens": 0}, "tokens=0"),
        ({"max_steps": -1}, "steps=-1"),
        ({"warning_threshold": 1.5}, "warn_at=1.5"),
        ({"price_per_mtok": -1}, "price_per_mtok=-1"),
        ({"price_per_mtok": "dear"}, "price_per_mtok='dear'"),
        ({"price_per_mtok": True}, "price_per_mtok=True"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        TokenBudget(**values)
    assert message in str(caught.value)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "9"])
def test_wrong_counts_are_refused(count):
    budget = TokenBudget()
    with pytest.raises(ConfigError, match="estimated_tokens"):
        budget.check_budget(count)
    with pytest.raises(ConfigError, match="tokens_used"):
        budget.add_step(-1 if count == 0 else count)


def test_only_the_bridge_is_exported():
    import surefoot.budget

    with pytest.raises(AttributeError, match="no attribute 'Ledger'"):
        surefoot.budget.Ledger  # noqa: B018 - asking is the test


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 400)), max_size=40))
def test_whoever_checks_for_enough_never_overspends(steps):
    budget = TokenBudget(max_tokens=2_000, max_steps=12)
    for estimated, used in steps:
        if budget.check_budget(estimated):
            budget.add_step(min(used, estimated))
    assert budget.spent_tokens <= 2_000
    assert budget.current_step <= 12
    assert budget.remaining_tokens == 2_000 - budget.spent_tokens

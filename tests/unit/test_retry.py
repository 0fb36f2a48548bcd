import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ModelBroken, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.retry import MAX_PROVIDERS, MAX_USERS, MOST_SAVED, Retries, RetryBudget, delay_before_retry
from surefoot.sections import RetrySettings


class FixedClock:
    def __init__(self, chance=0.5, now=0.0):
        self.chance, self.time = chance, now

    def now(self):
        return self.time

    def monotonic(self):
        return self.time

    def random(self):
        return self.chance

    def token(self, prefix):
        return prefix


def test_a_refusal_is_never_retried():
    assert delay_before_retry(ModelRefused("no"), 1, RetrySettings(), FixedClock(), 1e9) is None


@pytest.mark.parametrize("error", [ModelBroken("x"), ModelUnreachable("x"), ModelOverloaded("x")])
def test_attempts_are_bounded(error):
    settings = RetrySettings(attempts=3)
    delays = [delay_before_retry(error, attempt, settings, FixedClock(), 1e9) for attempt in (1, 2, 3, 4)]
    assert [delay is None for delay in delays] == [False, False, True, True]


def test_retry_after_is_the_least_that_is_waited():
    error = ModelOverloaded("slow down", retry_after_s=7.0)
    assert delay_before_retry(error, 1, RetrySettings(), FixedClock(chance=0.0), 1e9) == 7.0


def test_a_wait_beyond_the_deadline_is_not_begun():
    error = ModelOverloaded("slow down", retry_after_s=7.0)
    assert delay_before_retry(error, 1, RetrySettings(), FixedClock(now=95.0, chance=0.0), 100.0) is None
    assert delay_before_retry(error, 1, RetrySettings(), FixedClock(now=92.0, chance=0.0), 100.0) == 7.0


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_clamped_for_any_attempt(attempt, chance):
    settings = RetrySettings(attempts=20_000, base_s=0.5, max_s=20.0)
    delay = delay_before_retry(ModelBroken("x"), attempt, settings, FixedClock(chance), 1e9)
    assert delay is not None
    assert 0 <= delay <= min(20.0, 0.5 * 2 ** min(attempt - 1, 40))


# --- the budget of a provider


def build_budget(share=0.1, reserve=10):
    return RetryBudget(RetrySettings(budget=share, reserve=reserve), 0.0)


def take_all(budget, who, now=0.0, most=1_000):
    """How many retries are granted in a row; ``who(n)`` asks for each."""
    for count in range(most):
        if not budget.take(who(count), now):
            return count
    return most


def test_a_provider_that_was_never_asked_is_worth_the_reserve():
    assert take_all(build_budget(reserve=10), lambda n: n) == 10


def test_each_first_attempt_brings_its_share():
    budget = build_budget(share=0.25, reserve=1)
    take_all(budget, lambda n: n)
    for _ in range(40):
        budget.feed()
    assert take_all(budget, lambda n: n) == 10


def test_what_is_saved_up_has_an_end():
    budget = build_budget()
    for _ in range(100_000):
        budget.feed()
    assert take_all(budget, lambda n: n) == pytest.approx(MOST_SAVED, abs=1)


def test_the_reserve_comes_back_within_a_minute_and_no_further():
    budget = build_budget(reserve=10)
    assert take_all(budget, lambda n: n) == 10
    assert take_all(budget, lambda n: n, now=6.1) == 1
    assert take_all(budget, lambda n: n, now=36.2) == 5
    assert take_all(budget, lambda n: n, now=100_000.0) == 10


def test_one_user_gets_half_and_the_others_the_rest():
    budget = build_budget(reserve=20)
    assert take_all(budget, lambda n: "one") == 10
    assert take_all(budget, lambda n: n) == 10


def test_who_has_had_much_may_again_in_the_next_minute():
    budget = build_budget(reserve=20)
    assert take_all(budget, lambda n: "one") == 10
    for _ in range(100):  # what others leave is no more than before
        budget.feed()
    take_all(budget, lambda n: n)
    assert not budget.take("one", 27.0)
    assert budget.take("one", 61.0)


def test_who_is_remembered_is_bounded():
    budget = build_budget(reserve=3 * MAX_USERS)
    assert take_all(budget, lambda n: n, most=MAX_USERS + 1) == MAX_USERS + 1
    assert len(budget._taken) == 1


@given(st.lists(st.tuples(st.sampled_from(["feed", "a", "b", "c"]), st.floats(0, 40)), max_size=200))
def test_there_are_never_more_retries_than_the_share_and_the_reserve_allow(events):
    budget, now, fed, granted = build_budget(share=0.2, reserve=6), 0.0, 0, 0
    for what, pause_s in events:
        now += pause_s
        if what == "feed":
            budget.feed()
            fed += 1
        else:
            granted += budget.take(what, now)
        assert granted <= 0.2 * fed + 6 * (1 + now / 60) + 1e-6


def test_retries_know_each_provider_and_forget_the_oldest():
    retries = Retries(RetrySettings(reserve=1), FixedClock())

    def allow(provider):
        return retries.allow(ModelBroken("x"), 1, 1e9, at=provider, who="u", elsewhere=False, free=False)

    assert allow("never asked") is None
    for number in range(MAX_PROVIDERS):
        retries.feed(f"p{number}")
    assert allow("p0") == 0.25
    assert allow("p0") is None
    assert allow("p1") == 0.25
    retries.feed("one more")
    assert allow("p0") is None
    assert len(retries._budgets) == MAX_PROVIDERS


def test_a_call_that_can_go_elsewhere_does_not_wait_for_a_provider_that_asks_for_it():
    error = ModelOverloaded("slow down", retry_after_s=7.0)
    assert delay_before_retry(error, 1, RetrySettings(), FixedClock(chance=0.0), 1e9, elsewhere=True) == 0.0


def test_a_free_retry_takes_nothing_of_the_budget_and_has_its_attempts_and_its_deadline():
    retries = Retries(RetrySettings(reserve=1, attempts=3), FixedClock())
    retries.feed("p")

    def allow(attempt=1, deadline=1e9, *, free=True):
        return retries.allow(ModelUnreachable("x"), attempt, deadline, at="p", who="u", elsewhere=True, free=free)

    assert [allow() for _ in range(20)] == [0.25] * 20
    assert allow(attempt=3) is None
    assert allow(deadline=0.2) is None
    assert allow(free=False) == 0.25
    assert allow(free=False) is None

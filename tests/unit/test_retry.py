import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ModelBroken, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.retry import delay_before_retry
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

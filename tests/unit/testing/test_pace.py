import pytest

from surefoot.errors import ConfigError
from surefoot.testing.pace import Bucket, Pace
from surefoot.types import UNLIMITED


def test_a_bucket_refills_with_time():
    bucket = Bucket(60, burst_s=10)
    bucket.fill(100.0)
    assert bucket.left == 10
    bucket.take(10)
    assert (bucket.left, bucket.wait_s(1), bucket.reset_s) == (0, 1.0, 10.0)
    bucket.fill(104.0)
    assert (bucket.left, bucket.wait_s(4), bucket.wait_s(5)) == (4, 0.0, 1.0)
    bucket.fill(1_000.0)
    assert bucket.left == 10


def test_a_debt_is_paid_first_and_what_never_fits_waits_for_a_full_bucket():
    bucket = Bucket(60, burst_s=10)
    bucket.fill(0.0)
    bucket.take(15)
    assert (bucket.left, bucket.wait_s(1)) == (0, 6.0)
    assert bucket.wait_s(1_000) == 15.0
    bucket.fill(15.0)
    assert bucket.wait_s(1_000) == 0.0


def test_a_long_run_passes_exactly_the_rate():
    pace = Pace.build(UNLIMITED, 6_000, burst_s=1)
    passed = 0
    for tick in range(60_000):
        if pace.wait_s(50, tick / 1_000) == 0:
            pace.take(50)
            passed += 50
    assert 6_000 <= passed <= 6_100


def test_requests_and_tokens_both_hold():
    pace = Pace.build(60, 600, burst_s=1)
    assert pace.wait_s(10, 0.0) == 0
    pace.take(10)
    assert pace.wait_s(1, 0.0) == 1.0
    assert Pace.build(UNLIMITED, UNLIMITED, 60).wait_s(10**9, 0.0) == 0


@pytest.mark.parametrize("options", [(0, UNLIMITED, 60), (UNLIMITED, -1, 60), (1, 1, 0), (1, 1, float("nan"))])
def test_a_rate_must_be_above_zero(options):
    with pytest.raises(ConfigError, match="must be above zero"):
        Pace.build(*options)

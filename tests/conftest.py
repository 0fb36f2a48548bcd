"""How properties are tried in all tests, and what no test may leave to the next."""

import pytest
from hypothesis import HealthCheck, settings

from surefoot.secret import KNOWN

# Neither a slow example nor slow data is a fault: on a busy machine both would be, and the suite asserts nothing of time.
settings.register_profile("surefoot", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("surefoot")


@pytest.fixture(autouse=True)
def secrets_of_this_test_alone():
    """A process knows every secret that it has met; a test must not find those of another one."""
    before = KNOWN.values
    yield
    KNOWN.values = before

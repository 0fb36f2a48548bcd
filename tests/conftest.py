"""How properties are tried in all tests, and what no test may leave to the next."""

import sys

import pytest
from hypothesis import HealthCheck, settings

from surefoot.secret import KNOWN

# Neither a slow example nor slow data is a fault: on a busy machine both would be, and the suite asserts nothing of time.
settings.register_profile("surefoot", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("surefoot")


UNCOUNTED = (
    "tests/attack/test_agentdojo.py",
    "tests/attack/test_delayed.py",
    "tests/e2e/test_canary.py",
    "tests/sim/",
    "tests/unit/admission/test_fairness.py",
)
"""They go over the same lines hundreds of thousands of times: to count the branches would double their time, and finds
nothing that the other tests have not been through."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if not item.nodeid.startswith(UNCOUNTED):
        return (yield)
    # pytest-cov's marker stops one of the two collectors of a worker, and the other one goes on in its place
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


@pytest.fixture(autouse=True)
def secrets_of_this_test_alone():
    """A process knows every secret that it has met; a test must not find those of another one."""
    before = KNOWN.values
    yield
    KNOWN.values = before

import math

from hypothesis import given
from hypothesis import strategies as st

from surefoot.caller import MAX_NAME_BYTES, Caller
from surefoot.entitlements import MOST_NAME_CHARS, Entitlement
from surefoot.gcra import Gcra
from surefoot.sections import AdmissionSettings, Tenant


def test_a_burst_then_the_rate_and_the_wait_is_exact():
    rate = Gcra(30, 60.0)
    assert [rate.take("u", 100.0) for _ in range(30)] == [0.0] * 30
    wait = rate.take("u", 100.0)
    assert math.isclose(wait, 2.0)
    assert rate.take("other", 100.0) == 0.0
    assert rate.take("u", 100.0 + wait - 0.01) > 0
    assert rate.take("u", 100.0 + wait) == 0.0


def test_what_owes_nothing_is_forgotten_and_the_number_of_keys_is_bounded():
    rate = Gcra(1, 1.0, max_keys=10)
    for number in range(100):
        rate.take(number, 0.0)
    assert len(rate) == 10
    rate.take("later", 50.0)
    assert len(rate) == 1


def test_a_cost_beyond_the_burst_goes_through_once_and_owes_for_longer():
    tokens = Gcra(100, 60.0, burst=10)
    assert tokens.take("k", 0.0, 50.0) == 0.0
    assert math.isclose(tokens.wait_s("k", 0.0, 1.0), (50 + 1 - 10) * 0.6)


def test_what_was_not_used_is_given_back():
    rate = Gcra(10, 10.0)
    rate.take("k", 0.0, 10.0)
    rate.give_back("k", 4.0)
    rate.give_back("unknown", 4.0)
    assert rate.take("k", 0.0, 4.0) == 0.0
    assert rate.take("k", 0.0) > 0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200), st.integers(1, 20), st.integers(1, 20))
def test_never_more_than_burst_and_rate_in_any_span(gaps, limit, burst):
    rate = Gcra(limit, 10.0, burst)
    now, admitted = 0.0, []
    for gap in gaps:
        now += gap
        if rate.take("k", now) == 0.0:
            admitted.append(now)
    for first, start in enumerate(admitted):
        for count, end in enumerate(admitted[first:], 1):
            assert count <= burst + (end - start) * limit / 10.0 + 1e-6


def test_a_long_name_has_a_rate_of_its_own_and_takes_no_more_memory_than_a_short_one():
    rights = Entitlement(AdmissionSettings(user_requests_per_minute=1, tenant_requests_per_minute=9), Tenant())
    names = ["u" * MOST_NAME_CHARS, "u" * (MOST_NAME_CHARS + 1), "u" * MAX_NAME_BYTES, "x" * MAX_NAME_BYTES]
    assert [rights.take(Caller(name, tenant=name), 1.0)[0] for name in names] == [0.0] * 4
    assert all(rights.take(Caller(name, tenant=name), 1.0)[0] > 0 for name in names)
    digest = next(user for _, user in rights._user_rate._tats if user.startswith("#"))
    assert rights.take(Caller(digest, tenant=names[1]), 1.0)[0] == 0.0, "nobody can give himself the name of a digest"
    assert max(len(part) for key in rights._user_rate._tats for part in key) == MOST_NAME_CHARS + 1
    rights.give_back(Caller(names[3], tenant=names[3]))
    assert rights.take(Caller(names[3], tenant=names[3]), 1.0)[0] == 0.0

"""Sums by group: exact, complete, and bounded."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.reports.rows import NOON, model, row

from surefoot.errors import StoreError
from surefoot.reports.groups import FURTHER, GROUPINGS, Report, Sums
from surefoot.types import Usage

UTC = ZoneInfo("UTC")
names = st.sampled_from(["", "a", "b", "c/d"])
tallies = st.builds(
    model,
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**15),
    calls=st.integers(1, 9),
    failed=st.integers(0, 1),
    unknown=st.integers(0, 10**6),
)
rows = st.builds(
    row,
    at=st.floats(NOON - 30 * 86_400, NOON),
    models=st.dictionaries(st.sampled_from(["m:a", "m:b", "m:c"]), tallies, max_size=3),
    tools=st.dictionaries(names, st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=3),
    tenant=names,
    user=names,
    session=names,
    parent=st.sampled_from(["", "r0"]),
    status=st.sampled_from(["finished", "running", "lost"]),
    stop_reason=st.sampled_from(["final", "budget", "error", "refusal", ""]),
)


def made(by, *some, zone=UTC):
    report = Report(by, zone)
    for each in some:
        report.add(each)
    return report


@given(st.sampled_from(GROUPINGS), st.lists(rows, max_size=30), st.none() | st.integers(1, 4))
def test_the_lines_add_up_to_the_whole(by, some, top):
    report = made(by, *some)
    lines = report.groups(top)
    for name in ("calls", "errors", "tokens", "nano"):
        assert sum(getattr(line.sums, name) for line in lines) == getattr(report.total, name)
    assert sum([line.sums.usage for line in lines], Usage()) == report.total.usage
    if by not in {"model", "tool"}:
        for name in ("runs", "children", "failures", "unended", "steps"):
            assert sum(getattr(line.sums, name) for line in lines) == getattr(report.total, name)
        assert report.total.nano == sum(each.nano for each in some)
        assert report.total.tokens == sum(each.tokens for each in some)
    assert not lines or sum(line.share for line in lines) == pytest.approx(1)
    assert top is None or len(lines) <= top + 1


@given(st.lists(rows, max_size=20))
def test_every_grouping_has_the_same_whole(some):
    totals = [made(by, *some).total for by in GROUPINGS if by != "tool"]
    assert all(total == totals[0] for total in totals)


def test_the_dearest_comes_first_and_the_rest_is_one_line():
    report = made("user", *[row(str(n), user=f"u{n}", models={"m:a": model(nano=n)}) for n in (1, 5, 3, 2)])
    lines = report.groups(2)
    assert [(line.key, line.others, line.sums.nano) for line in lines] == [
        (("", "u5"), 0, 5), (("", "u3"), 0, 3), ((), 2, 3),
    ]  # fmt: skip


def test_users_of_two_tenants_are_two():
    report = made("user", row(tenant="a", user="u"), row(tenant="b", user="u"))
    assert sorted(line.key for line in report.groups()) == [("a", "u"), ("b", "u")]


def test_days_are_those_of_the_zone_and_none_is_missing():
    late = NOON + 11 * 3_600  # 23:00 UTC is the next day in Saigon
    report = made("day", row(at=late), row(at=late - 3 * 86_400), zone=ZoneInfo("Asia/Ho_Chi_Minh"))
    assert [(*line.key, line.sums.runs) for line in report.groups()] == [
        ("2026-11-21", 1), ("2026-11-22", 0), ("2026-11-23", 0), ("2026-11-24", 1),
    ]  # fmt: skip
    first, *last = report.groups(2)
    assert (first.others, first.sums.runs, [line.key[0] for line in last]) == (2, 1, ["2026-11-23", "2026-11-24"])
    assert made("day").groups() == []


def test_a_run_that_used_two_models_counts_on_both_lines_and_once_in_the_whole():
    report = made("model", row(models={"m:a": model(nano=2), "m:b": model(nano=1, failed=1)}))
    assert [(line.key, line.sums.runs, line.sums.errors) for line in report.groups()] == [
        (("m:a",), 1, 0), (("m:b",), 1, 1),
    ]  # fmt: skip
    assert report.total.runs == 1


def test_what_was_charged_without_a_tally_goes_to_the_runs_model():
    early = row(usage="", model="m:old", tokens=70, nano=7, model_calls=2)
    part = row(models={"m:a": model(nano=1)}, nano=4, tokens=110)
    lines = made("model", early, part).groups()
    assert [(line.key[0], line.sums.calls, line.sums.tokens, line.sums.nano) for line in lines] == [
        ("m:old", 2, 70, 7), ("m:a", 1, 110, 4),
    ]  # fmt: skip


def test_failures_are_ends_that_nobody_asked_for():
    ends = ["final", "budget", "cancelled", "error", "length", "content_filter", "refusal"]
    lost = row(status="lost", stop_reason="", finished_at=0.0)
    live = row(status="running", stop_reason="", finished_at=0.0)
    total = made("tenant", *[row(stop_reason=end) for end in ends], lost, live).total
    assert (total.runs, total.failures, total.unended) == (9, 5, 2)


@pytest.mark.parametrize(
    ("by", "nano", "tokens", "measure"),
    [("day", 1, 1, "nano"), ("day", 0, 1, "tokens"), ("day", 0, 0, "runs"), ("tool", 1, 1, "calls")],
)
def test_shares_are_of_what_there_is(by, nano, tokens, measure):
    assert made(by, row(models={"m:a": model(tokens, 0, nano)})).measure() == measure


def test_tools_have_calls_errors_and_latency():
    report = made(
        "tool", row(tools={"look": (3, 1, 30.0)}), row(tools={"look": (1, 0, 10.0), "buy": (1, 1, 0.0)}), row()
    )
    assert [(line.key[0], line.sums.runs, line.sums.calls, line.sums.errors, line.sums.latency_ms) for line in report.groups()] == [
        ("look", 2, 4, 1, 40.0), ("buy", 1, 1, 1, 0.0),
    ]  # fmt: skip
    assert (report.total.runs, report.total.calls) == (3, 5)


@pytest.mark.parametrize("by", ["session", "day"])
def test_groups_are_bounded(by):
    report = Report(by, UTC, max_groups=3)
    for number in range(10):
        report.add(row(at=NOON + number * 86_400, session=f"s{number}"))
    lines = report.groups()
    assert len(lines) == 4
    further = next(line for line in lines if line.key == (FURTHER,))
    assert (further.sums.runs, report.total.runs) == (7, 10)


def test_a_tally_of_another_version_is_said():
    with pytest.raises(StoreError, match="tally that this version cannot read"):
        made("day", row(usage="[1]"))


def test_sums_of_sums():
    one, other = Sums(runs=1, nano=2, usage=Usage(1, 2)), Sums(runs=2, nano=3, usage=Usage(3, 4))
    one.add(other)
    assert one == Sums(runs=3, nano=5, usage=Usage(4, 6))

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.budget.windows import FOREVER, QUARTER_S, WindowPeriod, find_window

ZONES = sorted(zoneinfo.available_timezones())
FIRST_S = datetime(1995, 1, 1, tzinfo=UTC).timestamp()
LAST_S = datetime(2035, 12, 31, tzinfo=UTC).timestamp()
CALENDAR: list[WindowPeriod] = ["hour", "day", "month"]
LONGEST_S = {"hour": 3_600, "day": 49 * 3_600, "month": 32 * 86_400}  # Apia skipped a day; what follows is no longer
SHORTEST_S = {"hour": QUARTER_S, "day": 19 * 3_600, "month": 27 * 86_400}

ODD = [  # nights and days on which clocks were changed in a way of their own
    ("Europe/Berlin", 2026, 3, 29), ("Europe/Berlin", 2026, 10, 25), ("America/Sao_Paulo", 2017, 10, 15),
    ("America/Sao_Paulo", 2018, 2, 17), ("Australia/Lord_Howe", 2026, 4, 5), ("Australia/Lord_Howe", 2026, 10, 4),
    ("Pacific/Apia", 2011, 12, 30), ("America/St_Johns", 2010, 11, 7), ("America/St_Johns", 2009, 11, 1),
    ("Antarctica/Casey", 2010, 3, 5), ("America/Havana", 2026, 11, 1), ("Asia/Kathmandu", 2026, 1, 1),
    ("Asia/Pyongyang", 2018, 5, 5), ("America/Caracas", 2016, 5, 1), ("Africa/Casablanca", 2026, 2, 15),
    ("Asia/Beirut", 2026, 3, 29), ("America/Nuuk", 2026, 10, 25), ("Antarctica/Troll", 2026, 3, 29),
]  # fmt: skip


def check(period: WindowPeriod, now: float, zone: ZoneInfo) -> None:
    start, end = find_window(period, now, zone)
    assert start <= now < end
    assert SHORTEST_S[period] <= end - start <= LONGEST_S[period]
    assert find_window(period, start, zone) == (start, end)
    assert find_window(period, end - 1, zone) == (start, end)
    assert find_window(period, end - 0.5, zone) == (start, end)
    assert find_window(period, (start + end) // 2, zone) == (start, end)
    assert find_window(period, end, zone)[0] == end, "the next one begins where it ends"
    assert find_window(period, start - 1, zone)[1] == start


@given(st.sampled_from(ZONES), st.floats(FIRST_S, LAST_S), st.sampled_from(CALENDAR))
def test_windows_follow_one_another_without_a_gap(zone: str, now: float, period: WindowPeriod):
    check(period, now, ZoneInfo(zone))


@pytest.mark.parametrize("odd", ODD, ids=str)
@pytest.mark.parametrize("period", CALENDAR)
def test_windows_around_a_change_of_clocks(odd: tuple[str, int, int, int], period: WindowPeriod):
    name, *day = odd
    noon = int(datetime(*day, 12, tzinfo=UTC).timestamp())
    for now in range(noon - 36 * 3_600, noon + 36 * 3_600, 300):
        check(period, now + 7.5, ZoneInfo(name))


@given(st.sampled_from(ZONES), st.floats(FIRST_S, LAST_S))
def test_a_day_and_a_month_begin_at_midnight(zone: str, now: float):
    """Where there is one: else at the first second of the day."""
    for period in ("day", "month"):
        start, _ = find_window(period, now, ZoneInfo(zone))
        first, before = [datetime.fromtimestamp(at, ZoneInfo(zone)) for at in (start, start - 1)]
        assert first.date() > before.date() or first.utcoffset() != before.utcoffset()
        if first.hour == 0:
            assert first.minute == 0
        if period == "month":
            assert first.day == 1


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("Europe/Berlin", {(2026, 3, 28): 24, (2026, 3, 29): 23, (2026, 10, 25): 25}),
        ("America/Sao_Paulo", {(2017, 10, 15): 23, (2018, 2, 17): 25}),
        ("Australia/Lord_Howe", {(2026, 4, 5): 24.5, (2026, 10, 4): 23.5}),
        ("Asia/Kathmandu", {(2026, 3, 29): 24}),
        ("Pacific/Apia", {(2011, 12, 29): 24, (2011, 12, 31): 24}),
    ],
)
def test_a_day_is_as_long_as_it_is(zone: str, hours: dict[tuple[int, int, int], float]):
    for day, length in hours.items():
        start, end = find_window("day", datetime(*day, 12, tzinfo=ZoneInfo(zone)).timestamp(), ZoneInfo(zone))
        assert (end - start) / 3_600 == length


def test_hours_on_a_day_of_changed_clocks():
    """Skipped hours are no windows, repeated ones are two; half of an hour that is repeated is one of its own."""

    def starts(zone: str, *day: int) -> list[str]:
        now, end = find_window("day", datetime(*day, 12, tzinfo=ZoneInfo(zone)).timestamp(), ZoneInfo(zone))
        found = []
        while now < end:
            found.append(f"{datetime.fromtimestamp(now, ZoneInfo(zone)):%H:%M}")
            now = find_window("hour", now, ZoneInfo(zone))[1]
        return found

    ordinary = [f"{hour:02}:00" for hour in range(24)]
    assert starts("Asia/Kathmandu", 2026, 3, 29) == ordinary
    assert starts("Europe/Berlin", 2026, 3, 29) == ordinary[:2] + ordinary[3:]
    assert starts("Europe/Berlin", 2026, 10, 25) == ordinary[:3] + ordinary[2:]
    assert starts("Australia/Lord_Howe", 2026, 4, 5) == [*ordinary[:2], "01:30", *ordinary[2:]]
    assert starts("Australia/Lord_Howe", 2026, 10, 4) == [*ordinary[:2], "02:30", *ordinary[3:]]


def test_months_of_all_lengths():
    for year in (2024, 2026):
        for month in range(1, 13):
            first = datetime(year, month, 1, tzinfo=UTC)
            after = (first + timedelta(days=31)).replace(day=1)
            after = after if after.month != month else (first + timedelta(days=32)).replace(day=1)
            window = int(first.timestamp()), int(after.timestamp())
            assert find_window("month", first.timestamp(), ZoneInfo("UTC")) == window
            assert find_window("month", after.timestamp() - 1, ZoneInfo("UTC")) == window


def test_the_total_never_ends():
    assert find_window("total", LAST_S, ZoneInfo("Asia/Tokyo")) == (0, FOREVER)
    assert find_window("total", 0.0, ZoneInfo("UTC")) == (0, FOREVER)
    assert float(FOREVER) == FOREVER

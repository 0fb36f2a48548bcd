"""Points in time as people write them, and long scans."""

import io
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console
from tests.unit.reports.rows import NOON, row

from surefoot.commands.spans import ScanProgress, Span, read_span
from surefoot.errors import ConfigError

BERLIN = ZoneInfo("Europe/Berlin")


def at(*when, zone=BERLIN):
    return datetime(*when, tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("since", "begin"),
    [
        (None, 0.0),
        ("24h", NOON - 86_400),
        (" 7d ", NOON - 7 * 86_400),
        ("2w", NOON - 14 * 86_400),
        ("2026-11-01", at(2026, 11, 1)),
        ("2026-10-25", at(2026, 10, 25)),
        ("2026-11-01T08:30", at(2026, 11, 1, 8, 30)),
        ("2026-11-01 08:30:05", at(2026, 11, 1, 8, 30, 5)),
        ("2026-11-01T08:30+00:00", at(2026, 11, 1, 8, 30, zone=ZoneInfo("UTC"))),
    ],
)
def test_since(since, begin):
    assert read_span(since, None, BERLIN, NOON) == Span(begin, None)


@pytest.mark.parametrize(
    ("until", "end"),
    [("1d", NOON - 86_400), ("2026-10-25", at(2026, 10, 26)), ("2026-11-01T08:30", at(2026, 11, 1, 8, 30))],
)
def test_until_a_day_is_whole_even_if_the_clocks_change(until, end):
    assert read_span(None, until, BERLIN, NOON).until == end


@pytest.mark.parametrize("text", ["yesterday", "", "7", "7m", "2026-13-01", "2026-11-01T25:00", "99999999d"])
def test_what_is_no_point_in_time(text):
    with pytest.raises(ConfigError, match="is no point in time; write 7d"):
        read_span(text, None, BERLIN, NOON)
    with pytest.raises(ConfigError, match="--until"):
        read_span(None, text, BERLIN, NOON)


class Stopwatch:
    def __init__(self):
        self.time = 0.0

    def monotonic(self):
        return self.time


@pytest.mark.parametrize(("terminal", "seconds", "seen"), [(True, 2.0, True), (True, 0.5, False), (False, 2.0, False)])
def test_a_long_scan_shows_how_far_it_is_on_a_terminal(terminal, seconds, seen):
    console, clock = Console(file=io.StringIO(), force_terminal=terminal, width=80), Stopwatch()
    with ScanProgress(console, clock, NOON + 100) as progress:
        progress.note([row(at=NOON)])
        clock.time = seconds
        progress.note([row(at=NOON + 10), row(at=NOON + 50)])
    assert ("reading runs" in console.file.getvalue()) is seen

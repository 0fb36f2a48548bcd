"""The options ``--since`` and ``--until``, and reading the runs between the two, page by page."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

import click
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from surefoot.budget.windows import find_window, read_zone
from surefoot.clock import Clock
from surefoot.commands.options import CommandT
from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.narrator import plain
from surefoot.runtime import Runtime
from surefoot.store.base import RunRow

PATIENCE_S: Final = 1.0
"""A scan that takes longer shows how far it is."""
_AGO: Final = re.compile(r"(\d{1,6})([hdw])")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_UNIT_S: Final = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
_NOON: Final = 12


class Span(Struct, frozen=True):
    """A time span, wall time in seconds.

    Attributes:
        since: Its first instant.
        until: The first after it, None for no end.
    """

    since: float = 0.0
    until: float | None = None


def span_options(command: CommandT) -> CommandT:
    """The options ``--since`` and ``--until``, read by `read_span`."""
    until = click.option("--until", metavar="WHEN", help="Runs that began until then; a day counts whole.")
    since = click.option("--since", metavar="WHEN", help="Runs from then on: `7d`, `24h`, `2026-11-01`.")
    return since(until(command))


def read_zone_of(settings: Settings) -> ZoneInfo:
    """Where the days of the settings begin.

    Raises:
        ConfigError: There is no such time zone.
    """
    return read_zone(settings.timezone, "timezone")


def read_span(since: str | None, until: str | None, zone: ZoneInfo, now: float, *, option: str = "--since") -> Span:
    """The span that a person names: ``7d`` (hours, days or weeks back), ``2026-11-01``, ``2026-11-01T12:00``.

    Raises:
        ConfigError: One of the two is none of these, or nothing lies between them.
    """
    begin = 0.0 if since is None else _read_instant(option, since, zone, now, end=False)
    end = None if until is None else _read_instant("--until", until, zone, now, end=True)
    if end is not None and end <= begin:
        raise ConfigError("--until is before --since: nothing lies between them")
    return Span(begin, end)


def _read_instant(option: str, text: str, zone: ZoneInfo, now: float, *, end: bool) -> float:
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now - int(ago[1]) * _UNIT_S[ago[2]]
    try:
        instant = datetime.fromisoformat(text.strip())
        if _DAY.fullmatch(text.strip()):  # there is a noon on every day of every zone
            noon = instant.replace(hour=_NOON, tzinfo=zone).timestamp()
            return float(find_window("day", noon, zone)[end])
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        told = "write 7d, 24h, 2w, 2026-11-01 or 2026-11-01T12:00"
        raise ConfigError(f"{option} {plain(text, 40)!r}: is no point in time; {told}") from None


class ScanProgress:
    """Shows how far a long scan of runs is, on a terminal only: how much of the time span lies behind it."""

    def __init__(self, console: Console, clock: Clock, until: float) -> None:
        """Draw on ``console``; ``until`` is where the scan ends, wall time."""
        self._clock = clock
        self._until = until
        self._began = clock.monotonic()
        self._first: float | None = None
        self._runs = 0
        self._progress = Progress(
            TextColumn("reading runs"), BarColumn(), TextColumn("{task.fields[runs]:,}"), console=console,
            transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=1.0, runs=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def note(self, page: Sequence[RunRow]) -> None:
        """A page was read; it is not empty."""
        self._runs += len(page)
        if self._first is None:
            self._first = page[0].started_at
        if self._clock.monotonic() - self._began < PATIENCE_S:
            return
        self._progress.start()
        whole = max(1.0, self._until - self._first)
        done = (page[-1].started_at - self._first) / whole
        self._progress.update(self._task, completed=min(1.0, done), runs=self._runs)


async def scan(runtime: Runtime, span: Span, clock: Clock, console: Console) -> AsyncGenerator[RunRow, None]:
    """The runs of a span, the oldest first, one page in memory at a time; ``console`` is that of stderr."""
    until = clock.now() if span.until is None else span.until
    with ScanProgress(console, clock, until) as progress:
        async for page in runtime.scan_runs(since=span.since, until=span.until):
            progress.note(page)
            for row in page:
                yield row

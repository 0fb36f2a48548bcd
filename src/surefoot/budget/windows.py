"""When a window of an account begins and ends: hours, days and months of a time zone, whatever its clocks do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from surefoot.errors import ConfigError
from surefoot.sections import Tenant

QUARTER_S: Final = 900
"""Every offset from UTC in use today, and every change of one, is a multiple of this (IANA time zone database)."""
FOREVER: Final = 1 << 53
"""End of the window ``total``: beyond any clock, and exact as a float."""
_HOUR_S: Final = 3600

WindowPeriod = Literal["hour", "day", "month", "total"]


def find_window(period: WindowPeriod, now: float, zone: ZoneInfo) -> tuple[int, int]:
    """The window that contains ``now``: its first second, and the first after it, both since 1970 UTC.

    The windows of a period follow one another without a gap. An hour that the clocks repeat is two windows, and one
    that they skip is none; a day on which they change is as long as it is.
    """
    if period == "total":
        return 0, FOREVER
    if period == "hour":
        return _find_hour(math.floor(now), zone)
    here = datetime.fromtimestamp(now, zone)
    first = datetime(here.year, here.month, here.day if period == "day" else 1)  # noqa: DTZ001 - by _instant
    after = _following(first, period)
    if now >= _instant(after, zone):  # the clocks were put back across midnight: the day that had begun goes on
        first, after = after, _following(after, period)
    return _instant(first, zone), _instant(after, zone)


def _following(first: datetime, period: WindowPeriod) -> datetime:
    return first + timedelta(days=1) if period == "day" else (first + timedelta(days=32)).replace(day=1)


def _instant(midnight: datetime, zone: ZoneInfo) -> int:
    """When a day begins; where midnight does not exist, the first second that does."""
    return int(midnight.replace(tzinfo=zone).astimezone(UTC).timestamp())


def _find_hour(now: int, zone: ZoneInfo) -> tuple[int, int]:
    start = _hour_start(now, zone)
    end = now - now % QUARTER_S + QUARTER_S
    while end - start < _HOUR_S and _hour_start(end, zone) == start:
        end += QUARTER_S
    return start, end


def _hour_start(now: int, zone: ZoneInfo) -> int:
    """Where the hour began that the clocks show, or where they were changed within it."""
    quarter = now - now % QUARTER_S
    offset = _offset(quarter, zone)
    start = quarter - (quarter + offset) % _HOUR_S
    while start < quarter and _offset(start, zone) != offset:
        start += QUARTER_S
    return start


def _offset(now: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(now, zone).utcoffset()
    assert offset is not None, "a ZoneInfo knows its offset"
    return int(offset.total_seconds())


def read_zone(name: str, where: str) -> ZoneInfo:
    """A time zone of the IANA database.

    Raises:
        ConfigError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"{where}: unknown time zone {name!r:.60}; write for example Asia/Ho_Chi_Minh") from None


def read_zones(timezone: str, tenants: Mapping[str, Tenant]) -> dict[str, ZoneInfo]:
    """Zones by tenant, that of the settings for all others under "".

    Raises:
        ConfigError: There is no such zone, or a tenant is a pattern.
    """
    zones = {"": read_zone(timezone, "timezone")}
    for name, tenant in tenants.items():
        if "*" in name:
            raise ConfigError(
                f'tenants."{name}": names one customer, not a pattern; `timezone` above is for all others'
            )
        if tenant.timezone:
            zones[name] = read_zone(tenant.timezone, f"tenants.{name}.timezone")
    return zones

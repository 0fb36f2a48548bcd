"""What a person sees of accounts: limits and where they come from, bars of what is used, changes, unknown outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from msgspec import Struct, to_builtins
from msgspec.structs import replace
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from surefoot.budget.accounts import (
    AMOUNTS,
    PERIODS,
    Period,
    Rule,
    RuleBook,
    is_pattern,
    patterns_of,
    shown,
    split_account,
)
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import PER, Balance, RuleChange
from surefoot.budget.windows import FOREVER, find_window
from surefoot.commands.tables import DIM, NARROW_COLUMNS, figures_table, fitted, in_nano
from surefoot.narrator import counted, plain
from surefoot.terminal import bar
from surefoot.types import Unlimited

Stored = Mapping[str, Mapping[str, Mapping[str, int | str]]]
"""What was set: by account or pattern, then by period, then by amount."""
ACCOUNT_CHARS: Final = 40
WIDE_BAR_CELLS: Final = 24
WIDE_COLUMNS: Final = 120
"""What a list with wide bars needs."""
NARROW_BAR_CELLS: Final = 12
_ORIGINS: Final = {"settings": "surefoot.toml", "set": "budget set"}
_UNLIMITED: Final = Unlimited.UNLIMITED.value


class LimitLine(Struct, frozen=True, kw_only=True):
    """One limit of an account, and what is used of it in the window of now.

    Attributes:
        period: For how long it counts.
        limit: One of `AMOUNTS`.
        of: The limit, USD in nano-dollars; None where a wider limit is lifted.
        pattern: The account or pattern that it stands on.
        origin: ``set`` for `surefoot budget set` or the library, ``settings`` for surefoot.toml.
        used: What was charged. None where nothing is counted: for each run, for a pattern, and in a window without a
            call under this limit so far, for its first call counts what was spent before.
        reserved: What is held for calls in flight.
        overrun: What providers charged beyond their holds.
        resets_at: Wall time, seconds, at which a new window begins; None if it never does.
    """

    period: Period
    limit: str
    of: int | None
    pattern: str
    origin: str
    used: int | None = None
    reserved: int = 0
    overrun: int = 0
    resets_at: float | None = None


class AccountView(Struct, frozen=True, kw_only=True):
    """An account and its limits.

    Attributes:
        account: Account or pattern.
        zone: Time zone in which its days and months begin.
        frozen: Whether it admits nothing until `surefoot budget acknowledge`.
        limits: Its limits, by period.
    """

    account: str
    zone: str
    frozen: bool
    limits: list[LimitLine]


def view_account(
    account: str,
    book: RuleBook,
    *,
    declared: Iterable[Rule],
    stored: Stored,
    balances: Sequence[Balance],
    now: float,
) -> AccountView:
    """An account as it stands.

    Args:
        account: Account or pattern.
        book: The limits in force.
        declared: Those of the settings.
        stored: Those that were set, for the account and the patterns above it.
        balances: Its windows of now.
        now: Wall time, seconds.
    """
    zone = book.zone(split_account(account).tenant)
    by_period = {balance.period: balance for balance in balances}
    settings = {(rule.account, rule.period): rule.limits for rule in declared}
    lines: list[LimitLine] = []
    for period in PERIODS:
        for name in AMOUNTS:
            for pattern in patterns_of(account):  # the narrowest that mentions it decides
                was_set = stored.get(pattern, {}).get(period, {}).get(name)
                value = settings.get((pattern, period), {}).get(name) if was_set is None else was_set
                if value is not None:
                    origin = "settings" if was_set is None else "set"
                    of = None if value == _UNLIMITED or cast("int", value) >= INFINITE else int(value)
                    line = LimitLine(period=period, limit=name, of=of, pattern=pattern, origin=origin)
                    counts = period != "run" and not is_pattern(account) and of is not None
                    lines.append(_count(line, by_period.get(period), zone, now) if counts else line)
                    break
    frozen = any(balance.frozen for balance in balances)
    return AccountView(account=account, zone=zone.key, frozen=frozen, limits=lines)


def _count(line: LimitLine, balance: Balance | None, zone: ZoneInfo, now: float) -> LimitLine:
    """The line with what is used of it, if a call was counted in this window."""
    assert line.period != "run", "it has no window"
    end = find_window(line.period, now, zone)[1] if balance is None else balance.ends_at
    resets_at = None if end >= FOREVER else float(end)
    if balance is None:
        return replace(line, resets_at=resets_at)
    used, reserved, overrun = _used(balance, line.limit)
    return replace(line, used=used, reserved=reserved, overrun=overrun, resets_at=resets_at)


def _used(balance: Balance, name: str) -> tuple[int, int, int]:
    """Charged, held, and charged beyond holds."""
    spent = balance.spent.named()[name]
    if name == "tokens":
        return spent, balance.reserved_tokens, balance.overrun_tokens
    return (spent, balance.reserved_nano, balance.overrun_nano) if name == "usd" else (spent, 0, 0)


def draw_account(view: AccountView, console: Console) -> RenderableType:
    """The account with a bar for each of its limits, when it resets, and where it comes from."""
    parts: list[RenderableType] = [
        Text.assemble((plain(view.account, 200), "bold"), (f"  days and months begin in {view.zone}", DIM))
    ]
    if view.frozen:
        parts.append(
            Text(f"! frozen: a provider charged more than was held; surefoot budget acknowledge {view.account}", "red")
        )
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    cells = WIDE_BAR_CELLS if console.width >= NARROW_COLUMNS else NARROW_BAR_CELLS
    for line in view.limits:
        name = Text(_say_limit(line.limit, line.of, line.period), "bold")
        notes = Text(" · ".join(_notes(line, view)), DIM)
        if line.of is None or line.used is None:
            table.add_row(name, notes)
        else:
            table.add_row(name, Text("  ").join([_draw_bar(line.used, line.reserved, line.of, cells), _say_used(line)]))
            table.add_row("", notes)
    parts.append(table if view.limits else Text("no limit"))
    return Group(*parts)


def _draw_bar(used: int, reserved: int, of: int, cells: int) -> Text:
    share = used / of if of else 1.0  # of nothing, all is used
    return bar(share, reserved / of if of else 0.0, cells).append(f"  {share:4.0%}")


def _say_used(line: LimitLine) -> Text:
    assert line.used is not None, "its caller has a bar to explain"
    held = f", {shown(line.limit, line.reserved)} held" if line.reserved else ""
    return Text(f"{shown(line.limit, line.used)} used{held}")


def _notes(line: LimitLine, view: AccountView) -> Iterable[str]:
    if line.used is None and line.resets_at is not None:
        yield "no call yet"
    if line.resets_at is not None:
        yield f"resets {say_when(line.resets_at, ZoneInfo(view.zone))}"
    if line.overrun:
        yield f"{shown(line.limit, line.overrun)} of it beyond what was held"
    origin = _ORIGINS[line.origin]
    yield origin if line.pattern == view.account else f"{origin} for {plain(line.pattern, 200)}"


def _say_limit(name: str, of: int | None, period: str) -> str:
    """``$500.00 a month``, ``5,000 steps each run``."""
    what = _say_value(name, _UNLIMITED if of is None else of)
    return f"{what}{_unit(name, what)} {PER[period]}"


def _unit(name: str, value: str) -> str:
    if name == "usd":
        return " USD" if value == _UNLIMITED else ""
    return f" {name.replace('_', ' ')}"


def say_when(at: float, zone: ZoneInfo) -> str:
    """``2026-12-01 00:00 CET``."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M %Z")


class Row(Struct, frozen=True):
    """One line of the list: an account or pattern, a limit of it, and what is used where that is counted."""

    account: str
    period: Period
    limit: str
    of: int
    used: int | None = None
    reserved: int = 0
    resets_at: float | None = None
    zone: str = ""
    frozen: bool = False
    origin: str = ""


def list_rows(book: RuleBook, balances: Sequence[Balance]) -> list[Row]:
    """The accounts and patterns that have rules, then the accounts that fall under a pattern, the fullest first."""
    windows = {(balance.account, balance.period): balance for balance in balances}
    rows: list[Row] = []
    for account in book.accounts():
        for period, limits in book.rules_of(account).items():
            balance = windows.pop((account, period), None)
            for name, of in limits.items():
                row = Row(account, period, name, of) if balance is None else _make_row(balance, name, of)
                rows.append(replace(row, origin=_ORIGINS[book.origin(account, period, name)]))
    others = [
        _make_row(balance, name, of)
        for balance in windows.values()
        for name, of in balance.limits.named().items()
        if of < INFINITE or (balance.frozen and name == _shown_of(balance))
    ]
    fullest: dict[str, float] = {}
    for row in others:
        fullest[row.account] = max(fullest.get(row.account, 0.0), _fullness(row))
    return rows + sorted(others, key=lambda row: (-fullest[row.account], row.account, -_fullness(row)))


def _shown_of(balance: Balance) -> str:
    """What to show of a frozen account whose limits were taken back."""
    return "usd" if balance.overrun_nano or not balance.overrun_tokens else "tokens"


def _make_row(balance: Balance, name: str, of: int) -> Row:
    used, reserved, _ = _used(balance, name)
    end = None if math.isinf(balance.ends_at) else balance.ends_at
    return Row(balance.account, balance.period, name, of, used, reserved, end, balance.zone, balance.frozen)


def _fullness(row: Row) -> float:
    return ((row.used or 0) + row.reserved) / max(1, row.of)


def list_table(rows: Sequence[Row], limit: int, console: Console) -> RenderableType:
    """The rows with bars, at most ``limit`` of them."""
    wide = console.width >= NARROW_COLUMNS
    table = figures_table(["account", "limit", "used", "", *(["resets", "from"] if wide else [])], left=2)
    table.columns[0].max_width = ACCOUNT_CHARS if wide else ACCOUNT_CHARS // 2
    for column in (table.columns[2], *table.columns[4:]):
        column.justify = "left"
    before = ""
    for row in rows[:limit]:
        style = "red" if row.frozen else ""
        name = f"{plain(row.account, 200)}" if row.account != before else ""
        name = f"! {name}" if row.frozen and name else name
        before = row.account
        cells = WIDE_BAR_CELLS if console.width >= WIDE_COLUMNS else NARROW_BAR_CELLS
        has_bar = row.used is not None and row.of < INFINITE
        drawn = _draw_bar(row.used or 0, row.reserved, row.of, cells) if has_bar else Text()
        resets = "" if row.resets_at is None else say_when(row.resets_at, ZoneInfo(row.zone))
        told = "" if row.used is None else shown(row.limit, row.used)
        told += f" +{shown(row.limit, row.reserved)} held" if row.reserved else ""
        of = None if row.of >= INFINITE else row.of
        table.add_row(
            Text(name, style),
            _say_limit(row.limit, of, row.period),
            drawn,
            told,
            *([resets, row.origin] if wide else []),
        )
    shown_rows = fitted(table, console)
    if len(rows) <= limit:
        return shown_rows
    return Group(shown_rows, Text(f"{counted(len(rows) - limit, 'more line')}; --limit {len(rows)} shows all", DIM))


def to_json(balance: Balance) -> dict[str, Any]:
    """A window for programs: USD in nano-dollars, null where there is no limit or no end."""
    limits = in_nano({name: of if of < INFINITE else None for name, of in balance.limits.named().items()})
    spent = in_nano(balance.spent.named())
    return {**to_builtins(balance), "limits": limits, "spent": spent, "ends_at": _end_of(balance)}


def _end_of(balance: Balance) -> float | None:
    return None if math.isinf(balance.ends_at) else balance.ends_at


def changes_table(changes: Sequence[RuleChange], zone: ZoneInfo) -> Table:
    """Who changed what and when, in the time of ``zone``."""
    table = figures_table(["when", "account", "by", "what"], left=4)
    table.columns[3].no_wrap, table.columns[3].overflow = False, "fold"
    for change in changes:
        when = datetime.fromtimestamp(change.at, zone).strftime("%Y-%m-%d %H:%M:%S %Z")
        table.add_row(when, Text(plain(change.account, ACCOUNT_CHARS)), Text(plain(change.by, 24)), _say_change(change))
    return table


def _say_change(change: RuleChange) -> str:
    before, after = change.before or {}, change.after or {}
    if change.period == "acknowledged":
        return f"acknowledged an overrun of {_say_amounts(before)}"
    if change.period == "refunded":
        held = {name: value for name, value in before.items() if name in AMOUNTS}
        run = plain(str(before.get("run", "")), 64)
        return f"hold {before.get('hold')} of {run}: {_say_amounts(after)} instead of {_say_amounts(held)}"
    if change.period not in PERIODS:
        return f"{change.period} {before.get(change.period, '(none)')} → {after.get(change.period, '(none)')}"
    names = [name for name in AMOUNTS if before.get(name) != after.get(name)]
    if not names:
        return f"set again, {_say_amounts(after)}"
    return ", ".join([_say_step(name, before.get(name), after.get(name), change.period) for name in names])


def _say_step(name: str, before: int | str | None, after: int | str | None, period: str) -> str:
    was = "" if before is None else f", was {_say_value(name, before)}"
    what = "USD" if name == "usd" else name.replace("_", " ")
    return f"{what} {PER[period]}: {'taken back' if after is None else _say_value(name, after)}{was}"


def _say_amounts(amounts: Mapping[str, int | str]) -> str:
    values = {name: _say_value(name, value) for name, value in amounts.items()}
    return ", ".join([f"{value}{_unit(name, value)}" for name, value in values.items()])


def _say_value(name: str, value: int | str) -> str:
    return value if isinstance(value, str) else shown(name, value)

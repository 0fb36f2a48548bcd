"""Accounts as a person sees them."""

import io
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from surefoot.budget.accounts import Amounts, Rule, RuleBook
from surefoot.budget.limits import INFINITE
from surefoot.budget.posting import Balance, RuleChange, UnknownHold
from surefoot.commands.budget_view import (
    changes_table,
    draw_account,
    list_rows,
    list_table,
    to_json,
    view_account,
)
from surefoot.commands.tables import fitted
from surefoot.commands.unknown import unknown_table

NOW = 1_795_435_200.0  # 2026-11-23 12:00 UTC
SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
DECLARED = [
    Rule("user:*", "day", {"tokens": 1_000, "usd": 5_000_000_000, "steps": INFINITE}),
    Rule("user:acme/u1", "day", {"tokens": 500}),
    Rule("user:acme/*", "run", {"steps": 4}),
    Rule("global", "total", {"usd": 10**12}),
]
STORED = {"user:acme/*": {"day": {"usd": 10**9, "model_calls": "unlimited"}}, "user:acme/u1": {"hour": {"steps": 9}}}


def balance(account="user:acme/u1", period="day", **more):
    amounts = {"spent": Amounts(300, 250_000_000, 3, 2, 1), "limits": Amounts(500, 10**9)}
    times = {"starts_at": NOW - 60, "ends_at": NOW + 3_600, "zone": "Asia/Ho_Chi_Minh"}
    return Balance(account=account, period=period, **{**amounts, **times, **more})


def view(account, *balances, declared=DECLARED, stored=STORED):
    stored_rules = [Rule("user:acme/*", "day", {"usd": 10**9, "model_calls": INFINITE})]
    book = RuleBook(declared, stored_rules, {"acme": SAIGON})
    return view_account(account, book, declared=declared, stored=stored, balances=balances, now=NOW)


def drawn(thing, width=100):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(thing(console) if callable(thing) else thing)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_each_limit_comes_from_the_narrowest_that_mentions_it():
    seen = view("user:acme/u1", balance(reserved_tokens=100, overrun_nano=7))
    assert [(line.period, line.limit, line.of, line.pattern, line.origin) for line in seen.limits] == [
        ("run", "steps", 4, "user:acme/*", "settings"),
        ("hour", "steps", 9, "user:acme/u1", "set"),
        ("day", "tokens", 500, "user:acme/u1", "settings"),
        ("day", "usd", 10**9, "user:acme/*", "set"),
        ("day", "steps", None, "user:*", "settings"),
        ("day", "model_calls", None, "user:acme/*", "set"),
    ]
    assert [(line.used, line.reserved, line.overrun) for line in seen.limits[2:4]] == [
        (300, 100, 0),
        (250_000_000, 0, 7),
    ]
    assert seen.zone == "Asia/Ho_Chi_Minh"
    assert seen.limits[0].resets_at is None
    assert seen.limits[1].resets_at == NOW + 3_600  # 13:00 UTC is a full hour in Saigon, too
    assert seen.limits[1].used is None


def test_an_account_in_a_terminal():
    seen = view("user:acme/u1", balance(reserved_tokens=100, overrun_nano=7_000, frozen=True))
    assert drawn(lambda console: draw_account(seen, console)) == [
        "user:acme/u1  days and months begin in Asia/Ho_Chi_Minh",
        "! frozen: a provider charged more than was held; surefoot budget acknowledge user:acme/u1",
        "4 steps each run             surefoot.toml for user:acme/*",
        "9 steps an hour              no call yet · resets 2026-11-23 20:00 +07 · budget set",
        "500 tokens a day             ━━━━━━━━━━━━━━━━━━━─────   60%  300 used, 100 held",
        "                             resets 2026-11-23 20:00 +07 · surefoot.toml",
        "$1.00 a day                  ━━━━━━──────────────────   25%  $0.25 used",
        "                             resets 2026-11-23 20:00 +07 · $0.0000070 of it beyond what was held ·",
        "                             budget set for user:acme/*",
        "unlimited steps a day        surefoot.toml for user:*",
        "unlimited model calls a day  budget set for user:acme/*",
    ]


def test_a_total_never_resets_and_a_pattern_counts_nothing():
    (line,) = view("global").limits
    assert (line.of, line.used, line.resets_at) == (10**12, None, None)
    (line,) = view("global", balance("global", "total", ends_at=float("inf"))).limits
    assert (line.used, line.resets_at) == (250_000_000, None)
    assert all(line.used is None and line.resets_at is None for line in view("user:*", balance("user:*")).limits)
    assert drawn(lambda console: draw_account(view("tenant:x"), console))[1] == "no limit"


@pytest.mark.parametrize("width", [80, 120])
def test_a_list_has_rules_first_then_the_fullest(width):
    book = RuleBook(DECLARED, [])
    full = balance("user:u2", limits=Amounts(310))
    some = balance("user:u3", limits=Amounts(1_000))
    own = balance(limits=Amounts(500, 5 * 10**9))
    rows = list_rows(book, [some, own, full, balance("tenant:x", limits=Amounts(), frozen=True)])
    assert [(row.account, row.limit, row.used) for row in rows] == [
        ("global", "usd", None),
        ("user:*", "tokens", None),
        ("user:*", "usd", None),
        ("user:*", "steps", None),
        ("user:acme/*", "steps", None),
        ("user:acme/u1", "tokens", 300),
        ("user:u2", "tokens", 300),
        ("user:u3", "tokens", 300),
        ("tenant:x", "usd", 250_000_000),
    ]
    lines = drawn(lambda console: list_table(rows, 100, console), width)
    assert "97%" in next(line for line in lines if line.startswith("user:u2"))
    assert any(line.startswith("! tenant:x") for line in lines)
    assert ("resets" in lines[0]) is (width == 120)
    assert all(len(line) <= width for line in lines)
    short = drawn(lambda console: list_table(rows, 2, console), width)
    assert short[-1] == "7 more lines; --limit 9 shows all"


@pytest.mark.parametrize("width", [30, 40, 60])
def test_a_narrow_terminal_cuts_no_name_and_no_figure(width):
    rows = list_rows(RuleBook(DECLARED, []), [balance(limits=Amounts(500, 5 * 10**9))])
    run_id = "run_01m8fx343ncrazebp385dfs2cv"
    unknown = unknown_table([UnknownHold(run_id=run_id, hold=2, at=NOW, tokens=900, nano=10**9)], SAIGON)
    change = RuleChange(at=NOW, account="user:acme/u1", period="day", before=None, after={"tokens": 500}, by="root")
    history = changes_table([change], SAIGON)
    for thing, told in [
        (lambda console: list_table(rows, 100, console), ["user:acme/u1", "500 tokens a day", "60%", "300"]),
        (lambda console: fitted(unknown, console), [run_id, "900", "$1.00"]),
        (lambda console: fitted(history, console), ["user:acme/u1", "root", "tokens a day: 500"]),
    ]:
        lines = drawn(thing, width)
        assert max(map(len, lines)) <= width
        assert "…" not in "".join(lines)
        text = " ".join(" ".join(lines).split())
        assert [word for word in told if word not in text] == []


def test_what_goes_to_a_pipe_is_as_wide_as_it_needs_to_be():
    change = RuleChange(at=NOW, account="user:acme/u1", period="day", before=None, after={"tokens": 500}, by="r" * 24)
    console = Console(file=io.StringIO(), width=20, soft_wrap=True)
    console.print(fitted(changes_table([change], SAIGON), console))
    _, line = console.file.getvalue().splitlines()
    assert line.split("  ")[1:] == ["user:acme/u1", "r" * 24, "tokens a day: 500"]


def test_a_window_for_programs():
    found = to_json(balance(ends_at=float("inf")))
    assert found["ends_at"] is None
    assert found["limits"] == {"tokens": 500, "nano": 10**9, "steps": None, "model_calls": None, "tool_calls": None}
    assert found["spent"]["nano"] == 250_000_000
    assert to_json(balance())["ends_at"] == NOW + 3_600


@pytest.mark.parametrize(
    ("period", "before", "after", "told"),
    [
        ("day", None, {"usd": 10**9}, "USD a day: $1.00"),
        ("day", {"usd": 10**9, "steps": 1}, {"usd": "unlimited", "steps": 1}, "USD a day: unlimited, was $1.00"),
        ("hour", {"model_calls": 5}, None, "model calls an hour: taken back, was 5"),
        ("run", {"steps": 5}, {"steps": 5}, "set again, 5 steps"),
        ("timezone", None, {"timezone": "UTC"}, "timezone (none) → UTC"),
        ("timezone", {"timezone": "UTC"}, None, "timezone UTC → (none)"),
        ("acknowledged", {"tokens": 12, "usd": 5_000}, None, "acknowledged an overrun of 12 tokens, $0.0000050"),
        (
            "refunded",
            {"run": "run_1", "hold": 2, "tokens": 100, "usd": 10**9},
            {"tokens": 10, "usd": 0},
            "hold 2 of run_1: 10 tokens, $0.00 instead of 100 tokens, $1.00",
        ),
    ],
)
def test_the_history_in_words(period, before, after, told):
    change = RuleChange(at=NOW, account="user:u1", period=period, before=before, after=after, by="root")
    _, line = drawn(changes_table([change], ZoneInfo("UTC")), 200)
    assert line.endswith(f"user:u1  root  {told}")


def test_hostile_names_stay_on_their_line():
    change = RuleChange(at=NOW, account="user:[red]\x1b[31m", period="day", before=None, after={"steps": 1}, by="\x07x")
    _, line = drawn(changes_table([change], ZoneInfo("UTC")), 200)
    assert "\x1b" not in line
    assert "[red]" in line


def test_unknown_outcomes():
    hold = UnknownHold(run_id="run_1", hold=3, at=NOW, tokens=1_234, nano=10**7)
    _, line = drawn(unknown_table([hold], ZoneInfo("UTC")))
    assert line.split()[:2] == ["run_1", "3"]
    assert line.split()[-2:] == ["1,234", "$0.010"]

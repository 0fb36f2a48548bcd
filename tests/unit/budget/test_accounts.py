from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.budget.accounts import (
    AMOUNTS,
    MAX_NAME_CHARS,
    Amounts,
    Rule,
    RuleBook,
    is_pattern,
    make_payers,
    name_parts,
    patterns_of,
    quote,
    read_rule,
    read_rules,
    shown,
    split_account,
    to_table,
)
from surefoot.budget.limits import INFINITE, Limits
from surefoot.budget.windows import read_zone
from surefoot.errors import ConfigError
from surefoot.types import UNLIMITED, Money

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
readable = st.text(st.sampled_from("ab/%*2F5A: é☃"), max_size=12)


@given(names, names, names)
def test_an_account_has_the_names_that_it_was_made_of(tenant: str, user: str, session: str):
    payers = make_payers(tenant, user, session)
    for account in payers.chain:
        kind = account.partition(":")[0]
        expected = {
            "global": ("", "", ""),
            "tenant": (tenant, "", ""),
            "user": (tenant, user, ""),
            "session": (tenant, user, session),
        }[kind]
        assert name_parts(account) == expected
    assert len(payers.chain) == 1 + bool(tenant) + bool(user) + bool(session)


@given(readable, readable, readable)
def test_what_a_person_may_write_is_split_alike(tenant: str, user: str, session: str):
    for account in make_payers(tenant, user, session).chain:
        found = split_account(account)
        assert (found.tenant, found.user, found.session) == name_parts(account)
        assert found.chain == (account,)
        assert not is_pattern(account)


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_other_names_make_other_accounts(one: tuple[str, str, str], other: tuple[str, str, str]):
    """But for a tenant and a user of the same place: without tenants an account is shorter."""
    for kind in ("tenant", "user", "session"):
        first, second = [
            [account for account in make_payers(*payers).chain if account.startswith(f"{kind}:")]
            for payers in (one, other)
        ]
        if first and first == second:
            assert name_parts(first[0]) == name_parts(second[0])
            assert (
                one[: ("tenant", "user", "session").index(kind) + 1]
                == other[: ("tenant", "user", "session").index(kind) + 1]
            )


def test_accounts_read_well():
    assert make_payers("acme", "u1", "s1").chain == (
        "global",
        "tenant:acme",
        "user:acme/u1",
        "session:acme/u1/s1",
    )
    assert make_payers("", "u1", "s1").chain == ("global", "user:u1", "session:u1/s1")
    assert make_payers("", "", "s1").chain == ("global", "session:/s1")
    assert make_payers("acme", "", "s1").chain == ("global", "tenant:acme", "session:acme//s1")
    assert make_payers("", "", "").chain == ("global",)
    assert make_payers("", "a/b*%", "").chain == ("global", "user:a%2Fb%2A%25")
    assert quote("plain: name") == "plain: name"


@pytest.mark.parametrize(
    "account",
    [
        "", "acme", "global:", "global:x", "Global", "tenant", "tenant:", "tenant:a/b", "user:", "user:a/", "user:/a",
        "user:a/b/c", "session:a", "session:a/b/c/d", "session:/", "session:a/b/", "user:*/a", "user:a*", "global:*",
        "tenant:a/*", "user:a/b/*", "session:a/b/c/*", "user:**", "team:a", "user:line\nbreak", "user:50%", "user:%2f",
        "user:" + "x" * MAX_NAME_CHARS, "user:a%2", "*", "user",
    ],
)  # fmt: skip
def test_what_names_no_account(account: str):
    with pytest.raises(ConfigError, match="names no account: write global, tenant:ACME") as raised:
        split_account(account)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    "account", ["global", "tenant:*", "user:*", "user:acme/*", "session:*", "session:acme/*", "session:acme/u1/*"]
)
def test_patterns_are_accounts(account: str):
    split_account(account)
    assert is_pattern(account) == account.endswith("*")


def test_the_patterns_of_an_account():
    assert patterns_of("global") == ["global"]
    assert patterns_of("tenant:a") == ["tenant:a", "tenant:*"]
    assert patterns_of("user:a/b") == ["user:a/b", "user:a/*", "user:*"]
    assert patterns_of("session:a/b/c") == ["session:a/b/c", "session:a/b/*", "session:*"]
    assert patterns_of("user:a/*") == ["user:a/*", "user:*"]
    assert patterns_of("user:*") == ["user:*"]


def test_the_narrowest_rule_decides():
    book = RuleBook(
        [
            Rule("user:a/b", "day", {"tokens": 3}),
            Rule("user:*", "day", {"tokens": 1, "steps": 1, "usd": 1}),
            Rule("user:a/*", "day", {"tokens": 2, "steps": 2}),
            Rule("user:*", "hour", {"tool_calls": 9}),
        ],
        [Rule("user:*", "day", {"usd": 5, "model_calls": 6}), Rule("user:a/*", "hour", {"tool_calls": INFINITE})],
    )
    day = ("day", Amounts(3, 5, 2, 6, INFINITE))
    assert book.limits_of("user:a/b") == (day,)
    assert book.limits_of("user:a/b") is book.limits_of("user:a/b")
    assert book.limits_of("user:x") == (
        ("hour", Amounts(tool_calls=9)),
        ("day", Amounts(1, 5, 1, 6, INFINITE)),
    )
    assert book.limits_of("global") == ()
    assert book.accounts() == ["user:*", "user:a/*", "user:a/b"]
    assert book.rules_of("user:*") == {
        "day": {"tokens": 1, "steps": 1, "usd": 5, "model_calls": 6},
        "hour": {"tool_calls": 9},
    }
    assert book.rules_of("tenant:a") == {}


def test_what_a_book_limits_at_all():
    nothing = RuleBook([], [Rule("global", "day", {"tokens": INFINITE, "tool_calls": INFINITE})])
    assert (nothing.limits_anything, nothing.limits_tool_calls) == (False, False)
    assert nothing.limits_of("global") == ()
    some = RuleBook([Rule("global", "day", {"steps": 1})], [])
    assert (some.limits_anything, some.limits_tool_calls) == (True, False)
    tools = RuleBook([], [Rule("user:*", "day", {"tool_calls": 1})])
    assert (tools.limits_anything, tools.limits_tool_calls) == (True, True)


def test_a_book_remembers_a_bounded_number_of_accounts():
    book = RuleBook([Rule("user:*", "day", {"tokens": 1})], [])
    first = book.limits_of("user:0")
    for number in range(20_001):
        book.limits_of(f"user:{number}")
    again = book.limits_of("user:0")
    assert again == first
    assert again is not first


def test_time_zones_of_tenants():
    book = RuleBook([], [], {"acme": ZoneInfo("Asia/Tokyo"), "": ZoneInfo("Europe/Berlin")})
    assert book.zone("acme").key == "Asia/Tokyo"
    assert book.zone("other").key == "Europe/Berlin"
    assert RuleBook([], []).zone("acme").key == "UTC"


def test_a_rule_as_people_write_it():
    rule = read_rule("user:*", "day", {"tokens": 5, "usd": "0.05", "steps": "unlimited", "tool_calls": UNLIMITED}, "x")
    limits = {"tokens": 5, "usd": 50_000_000, "steps": INFINITE, "tool_calls": INFINITE}
    assert rule == Rule("user:*", "day", limits)
    for usd in (5, 5.0, "5", Decimal(5)):
        assert read_rule("global", "run", {"usd": usd}, "x").limits == {"usd": 5 * 10**9}


@pytest.mark.parametrize(
    ("account", "period", "table", "message"),
    [
        ("nobody", "day", {"tokens": 1}, "'nobody' names no account"),
        ("global", "week", {"tokens": 1}, "here: unknown period 'week'; known are run, hour, day, month, total"),
        ("global", "day", {"token": 1}, "here: unknown limit 'token'; known are tokens, usd"),
        ("global", "day", {}, "here: nothing is limited; give at least one of tokens"),
        *[
            (
                "global",
                "day",
                {"tokens": value},
                "here: tokens = .*: must be a whole number from 0 .nothing is admitted. up",
            )
            for value in (-1, 1.5, "5", True, None, INFINITE, "Unlimited")
        ],
        *[
            ("global", "day", {"usd": value}, "here: usd = .*: must be US dollars from 0")
            for value in (-1, "much", True, None, "nan", "inf", 1e300, [])
        ],
    ],
)
def test_what_is_no_rule(account: str, period: str, table: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        read_rule(account, period, table, "here")


def test_rules_of_the_settings():
    budgets = {"global": {"day": {"usd": 5}, "total": {"steps": 1}}, "user:*": {"run": {"tokens": 7}}}
    assert read_rules(budgets) == [
        Rule("global", "day", {"usd": 5 * 10**9}),
        Rule("global", "total", {"steps": 1}),
        Rule("user:*", "run", {"tokens": 7}),
    ]
    with pytest.raises(ConfigError, match=r'budgets\."user:\*"\.run: tokens = 0: a run needs more'):
        read_rules({"user:*": {"run": {"tokens": 0}}})


def test_what_accounts_allow_to_each_run():
    book = RuleBook(
        [
            Rule("global", "run", {"tokens": 900, "steps": 5}),
            Rule("user:*", "run", {"tokens": 700, "usd": 2 * 10**9}),
            Rule("tenant:acme", "day", {"tokens": 1}),
        ],
        [],
    )
    own = Limits(tokens=800, usd=UNLIMITED, steps=3, seconds=9)
    assert book.limit_run(own, make_payers("acme", "u1", "")) == Limits(tokens=700, usd=2, steps=3, seconds=9)
    assert book.limit_run(own, make_payers("acme", "", "")) == own
    wide = Limits(tokens=UNLIMITED, steps=UNLIMITED)
    assert book.limit_run(wide, make_payers("", "", "")) == Limits(tokens=900, steps=5)


def test_whose_limit_needs_a_known_price():
    book = RuleBook([Rule("tenant:*", "day", {"usd": 1}), Rule("user:*", "day", {"tokens": 1})], [])
    assert book.limits_usd(make_payers("acme", "u1", "s1")) == "tenant:acme"
    assert book.limits_usd(make_payers("", "u1", "s1")) == ""


def test_a_time_zone():
    assert read_zone("Asia/Ho_Chi_Minh", "here").key == "Asia/Ho_Chi_Minh"


@pytest.mark.parametrize("name", ["", "Mars/Base", "../etc/passwd", "/etc/passwd", "America", "a\0b", "x" * 5_000, "é"])
def test_what_is_no_time_zone(name: str):
    with pytest.raises(ConfigError, match=r"here: unknown time zone .*write for example Asia/Ho_Chi_Minh"):
        read_zone(name, "here")


def test_amounts_for_people_and_for_json():
    assert shown("usd", Money.usd("1.5")) == "$1.50"
    assert shown("tokens", 12_345) == "12,345"
    assert shown("usd", INFINITE) == shown("steps", INFINITE) == "unlimited"
    assert to_table({"usd": 5, "steps": INFINITE}) == {"usd": 5, "steps": "unlimited"}
    assert list(Amounts(1, 2, 3, 4, 5).named().items()) == list(zip(AMOUNTS, (1, 2, 3, 4, 5), strict=True))

"""`surefoot budget`: limits that are set, seen, taken back, over real runs."""

import getpass
import json

import pytest

from surefoot.config import read_login


def limits(surefoot, account):
    code, out, err = surefoot("budget", "show", account, "--json")
    assert (code, err) == (0, "")
    return {(line["period"], line["limit"]): line for line in json.loads(out)["limits"]}


def test_a_limit_is_set_seen_and_taken_back(surefoot, record):
    code, out, err = surefoot("budget", "set", "tenant:acme", "--usd", "500", "--tokens", "1000000", "--per", "month")
    assert (code, err) == (0, "")
    assert "$500.00 a month" in out
    record("hello", tenant="acme", user="u1")
    found = limits(surefoot, "tenant:acme")
    usd, tokens = found["month", "nano"], found["month", "tokens"]
    assert (usd["of"], usd["origin"], usd["pattern"]) == (500 * 10**9, "set", "tenant:acme")
    assert usd["used"] > 0
    assert tokens["used"] > 0
    assert limits(surefoot, "tenant:other") == {}
    _, out, _ = surefoot("budget", "unset", "tenant:acme", "--usd", "--per", "month")
    assert "$500.00" not in out
    assert "1,000,000 tokens a month" in out
    assert surefoot("budget", "unset", "tenant:acme")[1].splitlines()[-1] == "no limit"


def test_a_lower_limit_takes_effect_at_once(surefoot, record):
    record("hello", user="u1")
    surefoot("budget", "set", "user:*", "--model-calls", "1", "--per", "day")
    (run,) = record("hello", user="u1")
    shown = json.loads(surefoot("show", run, "--json")[1])
    assert shown["run"]["stop_reason"] == "budget"
    assert any(event.get("account") == "user:u1" for event in shown["events"])


def test_a_wider_limit_is_lifted(surefoot, add_settings, record):
    add_settings('[budgets."user:*".day]\nusd = 1\nsteps = 5')
    record("hello", user="vip")
    surefoot("budget", "set", "user:vip", "--usd", "unlimited", "--per", "day")
    found = limits(surefoot, "user:vip")
    assert (found["day", "nano"]["of"], found["day", "nano"]["origin"]) == (None, "set")
    assert (found["day", "steps"]["of"], found["day", "steps"]["origin"], found["day", "steps"]["pattern"]) == (
        5, "settings", "user:*",
    )  # fmt: skip
    _, out, _ = surefoot("budget", "unset", "user:vip", "--json")
    assert json.loads(out)["limits"][0]["of"] == 10**9


def test_the_time_zone_of_a_tenant(surefoot, fails, add_settings):
    add_settings('[tenants.acme]\ntimezone = "Asia/Tokyo"')
    _, out, _ = surefoot(
        "budget", "set", "tenant:acme", "--steps", "9", "--per", "day", "--timezone", "Asia/Ho_Chi_Minh"
    )
    assert "days and months begin in Asia/Ho_Chi_Minh" in out
    assert "00:00 +07" in out
    assert "in Asia/Ho_Chi_Minh" in surefoot("budget", "show", "user:acme/u1")[1]
    assert "in Europe/Berlin" in surefoot("budget", "show", "global")[1]
    assert "in Asia/Tokyo" in surefoot("budget", "unset", "tenant:acme", "--timezone")[1]
    assert "in UTC" in surefoot("budget", "set", "global", "--timezone", "UTC")[1]
    assert "no time zone is set for tenant:acme" in fails("budget", "unset", "tenant:acme", "--timezone")
    assert "taken back by itself" in fails("budget", "unset", "tenant:acme", "--timezone", "--usd")
    history = json.loads(surefoot("budget", "history", "tenant:acme", "--json")[1])
    assert [change["period"] for change in history] == ["timezone", "timezone", "day"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["set", "nobody", "--usd", "1", "--per", "day"], "'nobody' names no account"),
        (["set", "global"], "nothing to set"),
        (["set", "global", "--usd", "1"], "--per is missing"),
        (
            ["set", "global", "--usd", "x", "--per", "day"],
            "budget set global: usd = 'x': must be US dollars from 0",
        ),
        (["set", "global", "--usd", "-1", "--per", "day"], "must be US dollars from 0"),
        (["set", "global", "--tokens", "1.5", "--per", "day"], "tokens = '1.5': must be a whole number from 0"),
        (["set", "global", "--tokens", "0", "--per", "run"], "tokens = 0: a run needs more"),
        (["set", "global", "--tokens", "5", "--per", "week"], "'week' is not one of"),
        (["set", "global", "--timezone", "Mars"], "unknown time zone 'Mars'"),
        (["set", "user:u1", "--timezone", "UTC"], "--timezone is for a tenant"),
        (["set", "tenant:*", "--timezone", "UTC"], "--timezone is for a tenant"),
        (["unset", "nobody"], "names no account"),
        (["show", "tenant:"], "names no account"),
        (["show", "global"], "there is no such database yet"),
        (["list"], "there is no such database yet"),
        (["refund", "run", "0", "--tokens", "1", "--usd", "1"], "0 is not in the range"),
        (["refund", "run", "1", "--tokens", "1", "--usd", "-1"], "must be zero or more"),
        (["refund", "run", "1", "--tokens", "1", "--usd", "a lot"], "is not an amount of US dollars"),
    ],
)
def test_bad_input_is_one_line(fails, arguments, told):
    assert told in fails("budget", *arguments)


def test_what_is_not_there(fails, surefoot, record, add_settings):
    add_settings("[budgets.global]\nday = { usd = 1 }")
    (run,) = record("hello")
    assert "nothing of the kind is set for global; limits of the settings" in fails("budget", "unset", "global")
    assert "global is not frozen" in fails("budget", "acknowledge", "global")
    assert f"hold 1 of {run} is not one of unknown outcome" in fails(
        "budget", "refund", run, 1, "--tokens", 1, "--usd", 1
    )
    assert "no run 'x'" in fails("budget", "refund", "x", 1, "--tokens", 1, "--usd", 1)
    assert surefoot("budget", "unknown") == (0, "", "no call has an unknown outcome\n")
    assert surefoot("budget", "history") == (0, "", "nothing was changed yet\n")


def test_the_list(surefoot, record, add_settings):
    record()
    assert "nothing is limited above the runs" in surefoot("budget", "list")[2]
    add_settings('[budgets.global]\nmonth = { usd = 500 }\n[budgets."user:*"]\nday = { tokens = 5_000 }')
    assert "the process that ran last read other limits" in surefoot("budget", "list")[2]
    record("hello", user="u1")
    _, out, told = surefoot("budget", "list")
    assert told == ""
    assert [line.split("  ")[0] for line in out.splitlines()] == ["account", "global", "user:*", "user:u1"]
    found = json.loads(surefoot("budget", "list", "--json")[1])
    assert found["rules"] == {"global": {"month": {"nano": 500 * 10**9}}, "user:*": {"day": {"tokens": 5_000}}}
    assert {window["account"] for window in found["windows"]} == {"global", "user:u1"}
    surefoot("budget", "set", "global", "--tokens", "9000", "--per", "month")
    _, out, _ = surefoot("budget", "list")
    assert [line.rstrip().split("  ")[-1].strip() for line in out.splitlines()[1:]][:3] == [
        "surefoot.toml", "budget set", "surefoot.toml"
    ]  # fmt: skip
    found = json.loads(surefoot("budget", "list", "--json")[1])
    assert found["origins"]["global"] == {"month": {"nano": "settings", "tokens": "set"}}
    assert "3 more lines" in surefoot("budget", "list", "--limit", "1")[1]


def test_the_history_says_who(surefoot, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "boss")
    surefoot("budget", "set", "global", "--usd", "5", "--per", "day")
    monkeypatch.setenv("SUDO_USER", "")
    surefoot("budget", "set", "user:u1", "--steps", "5", "--per", "run")
    _, out, _ = surefoot("budget", "history")
    newest, oldest = out.splitlines()[1:]
    assert newest.rstrip().endswith(f"user:u1  {getpass.getuser()}  steps each run: 5")
    assert oldest.rstrip().endswith("global   boss  USD a day: $5.00")
    (change,) = json.loads(surefoot("budget", "history", "global", "--json")[1])
    assert (change["account"], change["by"], change["before"]) == ("global", "boss", None)


def test_who_is_at_the_keyboard(monkeypatch):
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert read_login() == getpass.getuser()  # as the system's table of users says
    monkeypatch.setenv("LOGNAME", "me")
    assert read_login() == "me"
    monkeypatch.setenv("SUDO_USER", "really me")
    assert read_login() == "really me"


def test_an_unknown_outcome_is_refunded_once(surefoot, record, add_settings, fails):
    add_settings("[budgets.global]\nday = { usd = 1 }")
    (run,) = record("lose")
    (hold,) = json.loads(surefoot("budget", "unknown", "--json")[1])
    assert (hold["run_id"], hold["hold"]) == (run, 1)
    assert run in surefoot("budget", "unknown")[1]
    assert limits(surefoot, "global")["day", "nano"]["used"] == hold["nano"] > 0
    code, out, err = surefoot("budget", "refund", run[:-2], 1, "--tokens", "7", "--usd", "0.000001")
    assert (code, out, err) == (0, f"hold 1 of {run} is charged 7 tokens and $0.0000010 now\n", "")
    assert limits(surefoot, "global")["day", "nano"]["used"] == 1_000
    assert "was corrected before" in fails("budget", "refund", run, 1, "--tokens", "0", "--usd", "0")
    assert f"hold 1 of {run}: 7 tokens, $0.0000010 instead of " in " ".join(surefoot("budget", "history")[1].split())
    record("lose")
    (hold,) = json.loads(surefoot("budget", "unknown", "--json")[1])
    described = json.loads(surefoot("budget", "refund", hold["run_id"], 1, "--tokens", 0, "--usd", 0, "--json")[1])
    assert described == {"run_id": hold["run_id"], "hold": 1, "tokens": 0, "nano": 0}


def test_a_frozen_account_waits_for_a_person(surefoot, record, add_settings):
    add_settings("[budgets.global]\nday = { usd = 1 }")
    record("greedy")
    assert "! frozen: a provider charged more than was held" in surefoot("budget", "show", "global")[1]
    assert "! global" in surefoot("budget", "list")[1]
    (run,) = record("hello")
    assert json.loads(surefoot("show", run, "--json")[1])["run"]["stop_reason"] == "budget"
    code, out, _ = surefoot("budget", "acknowledge", "global")
    assert (code, "frozen" in out) == (0, False)
    assert "acknowledged an overrun of " in surefoot("budget", "history")[1]
    (run,) = record("hello")
    assert json.loads(surefoot("show", run, "--json")[1])["run"]["stop_reason"] == "final"


def test_help_names_every_command(surefoot):
    _, out, _ = surefoot("budget", "--help")
    for name in ("set", "unset", "show", "list", "history", "acknowledge", "unknown", "refund"):
        assert f"  {name} " in out


def test_what_is_old_is_purged(surefoot, record):
    record("lose", user="u1")
    assert len(json.loads(surefoot("budget", "unknown", "--json")[1])) == 1, "no account has a limit, and it is listed"
    code, _, told = surefoot("budget", "purge", "--older-than", "31d")
    assert (code, "give 32d at least" in told) == (2, True)
    code, _, told = surefoot("budget", "purge", "--older-than", "a while")
    assert (code, "--older-than" in told) == (2, True)
    code, out, _ = surefoot("budget", "purge", "--older-than", "400d")
    assert (code, out.startswith("forgot 0 rows: ")) == (0, True)
    assert json.loads(surefoot("budget", "purge", "--older-than", "60w", "--json")[1])["purged"] == 0


@pytest.mark.parametrize(
    "command",
    [
        "runs", "budget show global", "budget list", "budget history", "budget unknown", "report", "report --by tool",
        "forecast --requests 10/day", "compare --models gpt-4.1", "prices gpt-4.1", "budget purge --older-than 99w",
        "budget set global --usd 5 --per day", "budget unset global --usd",
    ],
)  # fmt: skip
def test_money_in_json_is_nano_and_called_so(surefoot, record, add_settings, command):
    """A figure under the name of US dollars would be a billion times too large."""
    record()
    record("hello", user="u1")
    record("lose", user="u1")
    surefoot("budget", "set", "global", "--usd", "500", "--per", "month")
    surefoot("budget", "set", "global", "--usd", "600", "--per", "month")
    code, out, err = surefoot(*command.split(), "--json")
    assert code == 0, err
    names, values = set(), set()

    def walk(value):
        if isinstance(value, dict):
            names.update(value)
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)
        else:
            values.add(value)

    walk(json.loads(out))
    assert "usd" not in names | values
    if command in {"runs", "report", "budget unknown"}:
        assert "nano" in names

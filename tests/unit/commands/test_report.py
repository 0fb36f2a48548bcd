"""`surefoot report`: tables, bars, CSV and JSON of real runs."""

import csv
import datetime as dt
import io
import json
import re
from zoneinfo import ZoneInfo

import pytest


@pytest.fixture
def recorded(record):
    record("Where is it?", "hello", tenant="acme", user="u1", session="s1")
    record("Where is it?", "refuse", "fail", model="deepseek:deepseek-chat", tenant="acme", user="=evil", days=3)
    record("hello", days=3)


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_days_in_their_order(recorded, surefoot):
    code, out, err = surefoot("report")
    assert (code, err) == (0, "")
    zone = ZoneInfo("Europe/Berlin")
    today = dt.datetime.now(zone).date()
    days = [(today - dt.timedelta(days=n)).isoformat() for n in (3, 2, 1, 0)]
    head, *lines = out.splitlines()
    assert head.split() == ["day", "runs", "failed", "steps", "in", "out", "cached", "cost", "a", "run", "share"]
    assert [line.split()[:4] for line in lines[:5]] == [
        [days[0], "4", "1", "6"], [days[1], "0", "0", "0"], [days[2], "0", "0", "0"], [days[3], "2", "0", "3"],
        ["all", "6", "1", "9"],
    ]  # fmt: skip
    assert "share of cost" in out
    assert "━━━━" in out


def test_tools_and_models(recorded, surefoot):
    _, out, _ = surefoot("report", "--by", "tool")
    assert re.search(r"^order_status +2 +2 +0 +0\.0% +\d+ ms +66\.7%$", out, re.MULTILINE)
    assert re.search(r"^broken +1 +1 +1 +100\.0% +\d+ ms +33\.3%$", out, re.MULTILINE)
    assert "share of calls" in out
    assert "a run counts on each line whose tool it used" in out
    _, out, _ = surefoot("report", "--by", "model")
    assert re.search(r"^deepseek:deepseek-chat +3 +5 +1 ", out, re.MULTILINE)


def test_users_are_named_as_their_accounts(recorded, surefoot):
    _, out, _ = surefoot("report", "--by", "user", "--top", "2")
    assert re.search(r"^acme/u1 +2 ", out, re.MULTILINE)
    assert re.search(r"^\(1 others\) +", out, re.MULTILINE)
    _, out, _ = surefoot("report", "--by", "session")
    assert re.search(r"^acme/u1/s1 +2 ", out, re.MULTILINE)
    assert re.search(r"^\(none\) +1 ", out, re.MULTILINE)


def test_csv_is_exact_and_harmless_in_a_spreadsheet(recorded, surefoot, folder):
    code, out, err = surefoot("report", "--by", "user", "--csv", "-")
    assert (code, err) == (0, "")
    rows = read_csv(out)
    assert {(row["tenant"], row["user"], row["runs"]) for row in rows} == {
        ("acme", "u1", "2"), ("acme", "'=evil", "3"), ("", "", "1"),
    }  # fmt: skip
    described = json.loads(surefoot("report", "--by", "user", "--json")[1])
    assert sum(round(float(row["cost_usd"]) * 1e9) for row in rows) == described["total"]["nano"] > 0
    assert [group["sums"]["nano"] for group in described["groups"]] == [
        round(float(row["cost_usd"]) * 1e9) for row in rows
    ]
    code, out, err = surefoot("report", "--by", "user", "--csv", "sums.csv", "--top", "1")
    assert (code, err) == (0, "wrote sums.csv\n")
    assert "acme/u1" in out
    first, others = read_csv((folder / "sums.csv").read_text())
    assert (first["others"], others["others"], others["user"]) == ("0", "2", "")


def test_a_span_and_nothing_in_it(recorded, surefoot, fails):
    assert json.loads(surefoot("report", "--since", "1d", "--json")[1])["total"]["runs"] == 2
    assert json.loads(surefoot("report", "--until", "1d", "--json")[1])["total"]["runs"] == 4
    assert surefoot("report", "--until", "2020-01-01") == (0, "", "there are no runs in that time\n")
    assert "there are no runs" in surefoot("report", "--until", "2020-01-01", "--by", "tool")[2]
    assert "nothing lies between them" in fails("report", "--since", "1d", "--until", "2d")
    assert "choose one" in fails("report", "--csv", "-", "--json")


def test_one_day_needs_no_sum(record, surefoot):
    record("hello", "refuse")
    _, out, _ = surefoot("report", "--by", "tenant")
    assert len(out.splitlines()) == 2
    assert surefoot("report", "--by", "tool")[1].splitlines()[0] == "no run called a tool"


def test_what_is_missing_is_said(record, surefoot, provider):
    record("lose")
    out = surefoot("report")[1]
    assert "tokens were charged in full, their kind unknown" in out


def test_narrow_terminals_go_without_the_least_wanted(recorded, surefoot, monkeypatch):
    from rich.console import Console
    from tests.unit.reports.rows import row

    from surefoot.commands.report import draw
    from surefoot.reports.groups import Report

    report = Report("user", ZoneInfo("UTC"))
    for number in range(3):
        report.add(row(user=f"user-{number}" * 4, parent="r" if number else "", status="running"))
    for width in (60, 80, 120):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
        console.print(draw(report, 20, console))
        lines = console.file.getvalue().splitlines()
        assert "…" not in lines[0]
        assert ("cached" in lines[0]) is (width == 120)
        assert "2 of 3 runs were begun by a tool of another run" in lines[-2]
        assert "3 runs have no end yet" in lines[-1]

"""`surefoot report`: tables, bars, CSV and JSON of real runs."""

import csv
import datetime as dt
import io
import json
import re
import signal
import subprocess
import sys
import time
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
        told = " ".join(line.strip() for line in lines[-4:])
        assert "begun by a tool of another run: 2 of 3 runs" in told
        assert "3 runs without an end:" in told


def test_the_days_before_shorten_no_bar():
    from rich.console import Console
    from tests.unit.reports.rows import row

    from surefoot.commands.report import draw
    from surefoot.reports.groups import Report

    report = Report("day", ZoneInfo("UTC"))
    for day, nano in enumerate([9_000, 9_000, 9_000, 1_000, 1]):
        report.add(row(started_at=86_400.0 * day, nano=nano, tokens=1))
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(draw(report, 3, console))
    chart = console.file.getvalue().partition("share of")[2].splitlines()
    assert [line.split("  ")[0] for line in chart[1:5]] == ["(2 earlier)", "1970-01-03", "1970-01-04", "1970-01-05"]
    assert [line.count("━") for line in chart[1:5]] == [0, 40, 4, 1]


@pytest.mark.parametrize("command", [["report"], ["report", "--by", "user"], ["forecast", "--requests", "10/day"]])
@pytest.mark.parametrize("columns", [40, 60])
def test_a_narrow_terminal_has_whole_bars_and_figures(recorded, surefoot, monkeypatch, command, columns):
    monkeypatch.setattr("surefoot.terminal.PIPE_COLUMNS", columns)
    code, out, _ = surefoot(*command)
    assert code == 0
    bars = [line for line in out.splitlines() if "━" in line]
    assert bars
    assert max(map(len, bars)) <= columns
    assert not [line for line in bars if "…" in line or "$" not in line]


def test_a_killed_run_is_charged_as_the_budget_has_it(record, surefoot, folder, add_settings):
    """Its process goes while a call is in flight: report, list and budget agree on what it held."""
    add_settings("[store]\nlease_s = 1\n[prices]\nmodel = { input = 2, output = 8 }")
    surefoot("budget", "set", "global", "--usd", "50", "--per", "total")
    record("hello")
    program = folder / "killed.py"
    program.write_text(KILLED)
    done = subprocess.run([sys.executable, program], cwd=folder, timeout=60, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    window = wait_until_lost(surefoot)
    made = json.loads(surefoot("report", "--json")[1])
    assert made["total"]["runs"] == 2
    assert (made["total"]["nano"], made["total"]["tokens"]) == (window["spent"]["nano"], window["spent"]["tokens"])
    assert (made["total"]["calls"], made["total"]["errors"], made["total"]["unended"]) == (2, 1, 1)
    (hold,) = json.loads(surefoot("budget", "unknown", "--json")[1])
    lost = next(row for row in json.loads(surefoot("runs", "--json")[1]) if row["status"] == "lost")
    assert (lost["run_id"], lost["nano"], lost["tokens"]) == (hold["run_id"], hold["nano"], hold["tokens"])
    assert hold["nano"] > 0
    surefoot("budget", "refund", hold["run_id"], hold["hold"], "--tokens", 5, "--usd", "0.000001")
    made = json.loads(surefoot("report", "--json")[1])
    window = json.loads(surefoot("budget", "list", "--json")[1])["windows"][0]
    assert (made["total"]["nano"], made["total"]["tokens"]) == (window["spent"]["nano"], window["spent"]["tokens"])


KILLED = """
import asyncio, os, signal
from surefoot import Agent, Runtime
from surefoot.config import load_settings
from surefoot.testing import ScriptedModel

async def die(messages, step):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with Runtime(settings=load_settings()) as runtime:
        await runtime.run(Agent(ScriptedModel(die), max_tokens=500), "Go.")

asyncio.run(main())
"""


def wait_until_lost(surefoot):
    """Its lease has run out, and whoever looks has charged what it held."""
    for _ in range(100):
        window = json.loads(surefoot("budget", "list", "--json")[1])["windows"][0]
        if not window["reserved_nano"] and not window["reserved_tokens"]:
            return window
        time.sleep(0.1)
    raise AssertionError("it is still held")

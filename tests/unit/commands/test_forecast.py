"""`surefoot forecast`: bands, and when a limit is reached."""

import csv
import io
import json
import re

import pytest

from surefoot.commands.forecast import read_rate
from surefoot.errors import ConfigError


@pytest.fixture
def recorded(record):
    record("Where is it?", "hello", "hello", days=2)
    record("hello", "Where is it?")


@pytest.mark.parametrize(
    ("text", "per_day"),
    [("10000/day", 10_000), ("10,000", 10_000), ("500/hour", 12_000), ("7_000/week", 1_000), ("300000/month", 10_000)],
)
def test_a_rate(text, per_day):
    assert read_rate(text) == pytest.approx(per_day)


@pytest.mark.parametrize("text", ["", "many", "0/day", "-5/day", "10/year", "9999999999/day", "1.5/day"])
def test_what_is_no_rate(text):
    with pytest.raises(ConfigError, match="write a number above zero"):
        read_rate(text)


def test_the_month_with_its_band(recorded, surefoot):
    code, out, err = surefoot("forecast", "--requests", "10000/day")
    assert (code, err) == (0, "")
    assert re.search(r"^cost of 30 days +\$\d+\.\d\d +\$\d+\.\d\d – \$\d+\.\d\d +300,000 requests$", out, re.MULTILINE)
    assert re.search(r"^day 30 +━+ +\$", out, re.MULTILINE)
    assert "5 requests on record; bootstrap, 4,000 resamples, seed 1." in out
    assert "It assumes that future requests are like them." in " ".join(out.split())
    assert "Under 30 requests the band is too narrow" in out
    assert surefoot("forecast", "--requests", "10000/day")[1] == out


def test_json_and_csv_have_every_day(recorded, surefoot, folder):
    found = json.loads(surefoot("forecast", "--requests", "48/hour", "--days", "3", "--json")[1])
    made = found["forecast"]
    assert (found["method"], found["seed"], found["confidence"], found["few"]) == ("bootstrap", 1, 0.9, True)
    assert (made["requests"], made["requests_per_day"], len(made["sums"]["nano"])) == (5, 1152.0, 3)
    band = made["sums"]["nano"][-1]
    assert band["low"] < band["mean"] < band["high"]
    assert band["mean"] == pytest.approx(3 * 1152 * made["a_request"]["nano"]["mean"])
    code, out, err = surefoot("forecast", "--requests", "48/hour", "--days", "3", "--csv", "-")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["day"], row["requests"]) for row in rows] == [("1", "1152"), ("2", "2304"), ("3", "3456")]
    assert float(rows[-1]["usd"]) * 1e9 == pytest.approx(band["mean"], abs=1)
    assert surefoot("forecast", "--requests", "9", "--csv", "f.csv")[2] == "wrote f.csv\n"


def test_when_limits_of_global_are_reached(recorded, surefoot, add_settings):
    add_settings("""
[budgets.global]
hour = { tokens = 1_000 }
day = { usd = 1_000 }
month = { usd = 2, steps = 1_000_000_000 }
total = { model_calls = 100_000 }
run = { steps = 5 }
[budgets."tenant:*"]
day = { usd = 1 }
""")
    out = surefoot("forecast", "--requests", "1000/day")[1]
    assert re.search(r"^global: 1,000 tokens an hour is reached after \d+ minutes; 90 %: ", out, re.MULTILINE)
    assert re.search(r"^global: \$1000.00 a day is not reached: 0% of it would be used$", out, re.MULTILINE)
    assert re.search(r"^global: \$2.00 a month is reached after \d+\.\d days; 90 %: ", out, re.MULTILINE)
    assert "1,000,000,000 steps a month is not reached" in out
    assert re.search(r"100,000 model calls in all is reached after [\d.]+ days \(20\d\d-\d\d-\d\d\); 90 %", out)
    assert "tenant" not in out
    assert "each run" not in out


def test_what_a_request_never_uses_is_never_reached(record, surefoot, add_settings):
    record("refuse", "refuse")
    add_settings("[budgets.global]\nday = { usd = 1, tool_calls = 10 }\ntotal = { tokens = 1 }")
    out = surefoot("forecast", "--requests", "10/month", "--days", "1")[1]
    assert out.count("is not reached: a request uses none of it") == 3
    assert "cost day by day" not in out
    assert "The sum of fewer than 30 requests is not normal" in out


def test_too_little_on_record(record, surefoot, fails):
    record()
    assert "there were 0" in fails("forecast", "--requests", "10")
    record("hello")
    assert fails("forecast", "--requests", "10") == (
        "a forecast needs at least 2 requests on record that have ended; there was 1"
    )


def test_many_requests_take_the_normal_band(record, surefoot):
    record(*["hello"] * 200)
    out = surefoot("forecast", "--requests", "10/day", "--days", "40")[1]
    assert "200 requests on record; normal approximation." in out
    assert "Under 30" not in out
    assert re.findall(r"^ ?(day \d+)", out, re.MULTILINE)[-2:] == ["day 39", "day 40"]
    assert json.loads(surefoot("forecast", "--requests", "10/day", "--json")[1])["seed"] is None

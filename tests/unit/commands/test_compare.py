"""`surefoot compare`: the article's table from real runs."""

import asyncio
import csv
import io
import json
import re

import pytest

from surefoot import Agent, RunContext, Runtime, tool
from surefoot.config import load_settings

ARTICLE = """
[prices]
"gpt-4.1" = 8.00
"claude-sonnet-4-5" = 15.00
"deepseek-chat" = 0.42
"gemini-2.5-flash" = 2.50
"""
MODELS = "gpt-4.1,claude-sonnet-4-5,deepseek-chat,gemini-2.5-flash"


def test_the_articles_table(record, surefoot, add_settings):
    add_settings(ARTICLE)
    record("Where is it?", "hello")
    code, out, err = surefoot("compare", "--models", MODELS)
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split() == ["model", "in/MTok", "out/MTok", "a", "request", "all", "saving"]
    assert [re.split(r" {2,}", line)[:3] for line in lines[:4]] == [
        ["claude-sonnet-4-5", "$15.00", "$15.00"], ["gpt-4.1", "$8.00", "$8.00"], ["gemini-2.5-flash", "$2.50", "$2.50"],
        ["deepseek-chat", "$0.42", "$0.42"],
    ]  # fmt: skip
    assert [re.split(r" {2,}", line)[5] for line in lines[:4]] == ["–", "46.7%", "83.3%", "97.2%"]
    assert "2 recorded requests; as they ran: " in out
    assert "with openai:gpt-4.1" in out
    assert "Another model might take other steps" in out


def test_the_price_that_it_ran_with_gives_the_recorded_cost(record, surefoot):
    record("hello", model="deepseek:deepseek-chat")
    found = json.loads(surefoot("compare", "--models", "deepseek:deepseek-chat", "--json")[1])
    assert found["offers"][0]["nano"] == found["recorded"]["nano"] > 0
    assert found["recorded"]["models"] == ["deepseek:deepseek-chat"]
    assert found["offers"][0]["saving"] == 0.0


def test_an_unknown_price_is_a_line_and_an_error_only_if_none_is_known(record, surefoot):
    record("hello")
    code, out, err = surefoot("compare", "--models", "gpt-4.1, acme:x ,")
    assert code == 0
    assert "gpt-4.1" in out
    assert (
        err == 'surefoot: no price is known for acme:x; add to surefoot.toml: [prices] "x" = USD per million tokens\n'
    )
    code, out, err = surefoot("compare", "--models", "acme:x,y")
    assert (code, out, len(err.splitlines())) == (2, "", 2)
    code, out, _ = surefoot("compare", "--models", "y", "--json")
    assert (code, json.loads(out)["unknown"]) == (2, {"y": '[prices] "y" = USD per million tokens'})


def test_csv(record, surefoot, folder):
    record("hello", "hello")
    code, out, err = surefoot("compare", "--models", "gpt-4.1,deepseek-chat", "--csv", "-")
    assert (code, err) == (0, "")
    first, second = csv.DictReader(io.StringIO(out))
    assert (first["model"], first["requests"], first["saving"]) == ("gpt-4.1", "2", "0.0")
    assert float(first["usd_per_request"]) == pytest.approx(float(first["usd"]) / 2)
    assert float(second["usd"]) < float(first["usd"])
    assert surefoot("compare", "--models", "gpt-4.1", "--csv", "t.csv")[2] == "wrote t.csv\n"
    assert surefoot("compare", "--models", "gpt-4.1", "--csv", "t.csv", "--until", "1d")[0] == 0
    assert (folder / "t.csv").read_text().splitlines()[1].startswith("gpt-4.1,2,8,0,,")


def test_chosen_runs(record, surefoot, fails):
    first, second, third = record("Where is it?", "hello", "hello")
    one = json.loads(surefoot("compare", "--models", "gpt-4.1", "--runs", second, "--json")[1])
    two = json.loads(surefoot("compare", "--models", "gpt-4.1", "--runs", f"{second},{third}", "--json")[1])
    also = json.loads(surefoot("compare", "--models", "gpt-4.1", "--runs", second, "--runs", "last", "--json")[1])
    assert (one["requests"], two["requests"]) == (1, 2)
    assert two == also
    assert first not in str(two)
    assert "do not go with it" in fails("compare", "--models", "gpt-4.1", "--runs", first, "--since", "1d")
    assert "no run 'nope'" in fails("compare", "--models", "gpt-4.1", "--runs", "nope")
    assert "--models is empty" in fails("compare", "--models", ",")


def test_a_request_is_priced_with_the_runs_that_it_began(folder, surefoot, record):
    colleague = Agent("openai:gpt-4.1", name="colleague")

    @tool(effect="read")
    async def order_status(ctx: RunContext, order_id: str) -> str:
        """Ask a colleague about one order."""
        return (await ctx.run_agent(colleague, "hello")).output

    async def run():
        async with Runtime(settings=load_settings()) as runtime:
            result = await runtime.run(Agent("openai:gpt-4.1", tools=[order_status]), "Where is it?")
            return result.run_id, [row async for page in runtime.scan_runs() for row in page]

    root, rows = asyncio.run(run())
    assert [row.model_calls for row in rows] == [2, 1]  # what the child used is not in its parent's row
    child = next(row for row in rows if row.parent == root)
    whole = json.loads(surefoot("compare", "--models", "gpt-4.1", "--runs", root, "--json")[1])
    assert whole["requests"] == 1
    assert whole["recorded"]["nano"] == sum(row.nano for row in rows) > child.nano > 0
    part = json.loads(surefoot("compare", "--models", "gpt-4.1", "--runs", child.run_id[:-1], "--json")[1])
    assert part["recorded"]["nano"] == child.nano


def test_what_is_left_out_is_said(record, surefoot):
    record("lose", "refuse", "hello")
    out = surefoot("compare", "--models", "claude-sonnet-4-5")[1]
    assert "Left out: 1 request whose usage is not known in full." in out
    assert "Left out: 1 request without a charged token." in out
    assert "the average prompt of a run's calls decides" in out
    assert surefoot("compare", "--models", "gpt-4.1", "--until", "1d") == (0, "", "there is no request to price\n")


def test_last_of_nothing(record, surefoot, fails):
    record()
    assert fails("compare", "--models", "gpt-4.1", "--runs", "last") == "there are no runs yet"

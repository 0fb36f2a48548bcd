"""``surefoot demo`` on a provider that plays the model."""

import json

import pytest
from tests.unit.demo.test_tasks import SOLUTIONS

from surefoot.config import Settings
from surefoot.demo.show import PRICED_AS, TINY_LIMITS, run_demo
from surefoot.demo.tasks import TASKS, TINY
from surefoot.errors import ConfigError, StoreError
from surefoot.journal.fold import fold
from surefoot.providers import Provider
from surefoot.runtime import Runtime
from surefoot.sections import LocalSettings, StoreSettings
from surefoot.testing import FakeProvider, call, say, status

QUESTIONS = {task.question: task.name for task in (*TASKS, TINY)}
PRODUCTS = ("DESK-OAK", "SHELF-OAK", "CHAIR-01", "LAMP-02", "RUG-WOOL")


def solve(request):
    """What a model does that knows all solutions, and compares products without end."""
    messages = request.messages
    name = next(QUESTIONS[message.text] for message in messages if message.text in QUESTIONS)
    results = sum(message.role == "tool" for message in messages)
    if name == "tiny":
        if request.allow_tools:
            return call("get_product", sku=PRODUCTS[results % 5])
        return say("RUG-WOOL is out of stock; I have not seen all of them.")
    calls, answer = SOLUTIONS[name]
    if results < len(calls):
        tool, arguments = calls[results]
        return call(tool, **arguments)
    return say(answer)


def settings_for(provider, folder, **more):
    known = {
        "fake": Provider(provider.base_url, "DEMO_KEY", free=True),
        "paid": Provider(provider.base_url, "DEMO_KEY"),
    }
    values = {"model": "fake:model", "providers": known, "store": StoreSettings(str(folder / "demo.db"))}
    return Settings(**{**values, **more})


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("DEMO_KEY", "sk-fake")


async def test_three_tasks_and_one_in_a_budget_that_is_too_small(tmp_path, capsys):
    async with FakeProvider(solve) as provider:
        settings = settings_for(provider, tmp_path)
        assert await run_demo(settings, all_tasks=False, as_json=False) is False
    out, err = capsys.readouterr()
    assert err == ""
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "4 tasks with tools, on fake:model"
    for number, task in enumerate((*TASKS[:3], TINY), 1):
        assert any(line.startswith(f"{number} of 4 · {task.name}") for line in lines)
        assert task.question in lines
    assert lines.count("✓ right tools, right figures") == 3
    assert "■ stopped at its limit on tokens, with an answer" in lines
    assert "4 of 4 tasks ended as they should" in lines
    assert f"cost: by today's prices of {PRICED_AS}, $0.40 in and $1.60 out per million tokens" in lines
    (tiny,) = [line for line in lines if line.startswith("tiny: stopped after ")]
    assert int(tiny.split()[3].replace(",", "")) <= TINY_LIMITS.tokens
    (total,) = [line.split() for line in lines if line.startswith("all ")]
    assert int(total[2].replace(",", "")) == provider.bill.tokens


async def test_json_has_what_the_journal_has(tmp_path, capsys):
    async with FakeProvider(solve) as provider:
        settings = settings_for(provider, tmp_path)
        assert await run_demo(settings, all_tasks=False, as_json=True) is False
        out, err = capsys.readouterr()
        assert "1 of 4 · parcel" in err
        report = json.loads(out)
        async with Runtime(settings=settings) as runtime:
            journals = [(await runtime.read_run(task["run_id"]))[1] for task in report["tasks"]]
    assert (report["model"], report["priced_as"], report["solved"]) == ("fake:model", PRICED_AS, 4)
    assert [task["task"] for task in report["tasks"]] == ["parcel", "price", "sales", "tiny"]
    for task, journal in zip(report["tasks"], journals, strict=True):
        state = fold(journal)
        assert task["tokens"] == state.tokens
        assert task["answer"] == state.finished.output
        assert task["nano"] == 400 * state.usage.input_tokens + 1_600 * state.usage.output_tokens
    assert report["tasks"][3]["stop_reason"] == "budget"
    assert report["tasks"][3]["steps"] >= 2


async def test_all_twelve_are_scored(tmp_path, capsys):
    async with FakeProvider(solve) as provider:
        assert await run_demo(settings_for(provider, tmp_path), all_tasks=True, as_json=False) is False
        assert "12 of 12 tasks ended as they should" in capsys.readouterr().out


async def test_what_is_not_solved_is_told(tmp_path, capsys):
    async with FakeProvider(lambda request: "I do not know.") as provider:
        assert await run_demo(settings_for(provider, tmp_path), all_tasks=False, as_json=False) is True
    out = capsys.readouterr().out
    assert "✗ no call of get_order with order_id='4711'" in out
    assert "✗ the budget did not stop it" in out
    assert "0 of 4 tasks ended as they should" in out


async def test_a_run_that_fails_does_not_end_the_demo(tmp_path, capsys):
    def refuse_the_first(request):
        return status(400, "bad day") if TASKS[0].question in str(request.messages) else solve(request)

    async with FakeProvider(refuse_the_first) as provider:
        assert await run_demo(settings_for(provider, tmp_path), all_tasks=False, as_json=False) is True
    out = capsys.readouterr().out
    assert "bad day" in out
    assert "3 of 4 tasks ended as they should" in out


async def test_a_model_with_a_price_is_priced_as_itself(tmp_path, capsys):
    async with FakeProvider(solve) as provider:
        settings = settings_for(provider, tmp_path, model="paid:mine", prices={"mine": {"input": 1, "output": 2}})
        assert await run_demo(settings, all_tasks=False, as_json=False) is False
    assert (
        "cost: by today's prices of paid:mine, $1.00 in and $2.00 out per million tokens\n" in capsys.readouterr().out
    )


async def test_without_a_key_there_is_no_demo(tmp_path, monkeypatch):
    monkeypatch.delenv("DEMO_KEY")
    async with FakeProvider(solve) as provider:
        with pytest.raises(ConfigError, match="set the environment variable DEMO_KEY"):
            await run_demo(settings_for(provider, tmp_path), all_tasks=False, as_json=False)


async def test_without_a_journal_there_is_no_demo(tmp_path):
    async with FakeProvider(solve) as provider:
        settings = settings_for(provider, tmp_path, store=StoreSettings(str(tmp_path)))
        with pytest.raises(StoreError, match="is a directory"):
            await run_demo(settings, all_tasks=False, as_json=False)


async def test_without_weights_there_is_no_demo(tmp_path, capsys):
    settings = Settings(
        store=StoreSettings(str(tmp_path / "demo.db")), local=LocalSettings(path=str(tmp_path / "none.gguf"))
    )
    with pytest.raises(ConfigError, match=r"none\.gguf|pip install 'surefoot\[local\]'"):
        await run_demo(settings, all_tasks=False, as_json=False)
    assert "on a small, real language model on this machine's CPU" in capsys.readouterr().out

"""The command line in this process, over runs that were made through HTTP."""

import asyncio
import time

import pytest

from surefoot import Agent, Limits, Runtime, cli, tool
from surefoot.clock import SystemClock
from surefoot.config import load_settings
from surefoot.errors import ModelError
from surefoot.testing import FakeProvider, call, reset, say, status

SETTINGS = """
timezone = "Europe/Berlin"
[retry]
attempts = 1
[providers.openai]
api_key_env = "KEY_OF_PROVIDER"
base_url = "{url}"
[providers.deepseek]
api_key_env = "KEY_OF_PROVIDER"
base_url = "{url}"
[providers.anthropic]
api_key_env = "KEY_OF_PROVIDER"
base_url = "{url}"
wire = "anthropic"
"""


def answer(request):
    last = request.messages[-1].text
    faults = {
        "refuse": status(400, "no such thing"),
        "lose": reset(),
        "fail": call("broken"),
        "greedy": say("More.", overlong=True),
    }
    if request.messages[-1].role == "tool" or last == "hello":
        return say("It was shipped on Monday.")
    return faults.get(last) or call("order_status", order_id="4711")


@tool(effect="read")
async def order_status(order_id: str) -> str:
    """Status of one order."""
    return f"{order_id} was shipped"


@tool(effect="read")
async def broken() -> str:
    """Never works."""
    raise RuntimeError("out of order")


class LateClock(SystemClock):
    """The machine's clock, some days ago."""

    def __init__(self, days):
        super().__init__()
        self.now = lambda: time.time() - days * 86_400


@pytest.fixture(scope="session")
def provider():
    with FakeProvider.start_in_thread(answer) as running:
        yield running


@pytest.fixture
def folder(tmp_path, provider, monkeypatch):
    (tmp_path / "surefoot.toml").write_text(SETTINGS.format(url=provider.base_url))
    monkeypatch.setenv("KEY_OF_PROVIDER", provider.api_key)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def add_settings(folder):
    def add(text):
        with (folder / "surefoot.toml").open("a") as settings:
            settings.write(text + "\n")

    return add


@pytest.fixture
def record(folder):
    """Run agents now or some days ago; gives the ids of the runs."""

    def runs(*questions, **how):
        return asyncio.run(run(*questions, **how))

    async def run(*questions, model="openai:gpt-4.1", days=0, **who):
        agent = Agent(model, name="desk", tools=[order_status, broken], limits=Limits(tokens=20_000, usd="1", steps=4))
        ids = []
        async with Runtime(settings=load_settings(), clock=LateClock(days)) as runtime:
            for question in questions:
                try:
                    ids.append((await runtime.run(agent, question, **who)).run_id)
                except ModelError:
                    ids.append((await runtime.list_runs(limit=1))[0].run_id)
        return ids

    return runs


@pytest.fixture
def surefoot(folder, capfdbinary):
    """Run a command; gives its exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return stop.value.code, out.decode(), err.decode()

    return run


@pytest.fixture
def fails(surefoot):
    """The one line of a command that is refused."""

    def run(*arguments):
        code, out, err = surefoot(*arguments)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith("surefoot: ")
        return line.removeprefix("surefoot: ")

    return run

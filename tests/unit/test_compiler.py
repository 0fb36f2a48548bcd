"""From an agent to something that runs: found once, and found again when it has changed."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from surefoot import Agent, Limits, tool
from surefoot.clock import SystemClock
from surefoot.compiler import MAX_COMPILED, MAX_COMPILED_CHARS, MAX_SOURCES, Compiler, check_price
from surefoot.config import Settings
from surefoot.errors import ConfigError, NotFound, PriceUnknown
from surefoot.models.openai_chat import OpenAIChat
from surefoot.providers import Provider
from surefoot.sections import LocalSettings, PolicySettings
from surefoot.testing import ScriptedModel, say
from surefoot.types import UNLIMITED

ENGINE = Path(__file__).parent / "engine"
FAKE = Provider("http://127.0.0.1:9/v1", needs_key=False, max_output_tokens=55)


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


class Calendar(SystemClock):
    """A clock whose day a test can turn."""

    def __init__(self):
        super().__init__()
        self.days = 0
        now = self.now
        self.now = lambda: now() + self.days * 86_400


@pytest.fixture
async def compiler():
    compiler = Compiler(Settings(providers={"fake": FAKE}), SystemClock(), None)
    yield compiler
    await compiler.close()


async def test_an_agent_is_compiled_once(compiler):
    agent = Agent("fake:m", instructions="Be kind.", tools=[look], temperature=0.5)
    compiled = await compiler.compile(agent)
    assert await compiler.compile(agent) is compiled
    assert isinstance(compiled.model, OpenAIChat)
    assert (compiled.max_tokens, compiled.temperature, compiled.system.text) == (55, 0.5, "Be kind.")
    assert compiled.native_specs[:-1] == agent.toolbox.specs
    assert compiled.native_specs[-1].name == "read_more"
    other = await compiler.compile(Agent("fake:m", max_tokens=7))
    assert other.model is compiled.model
    assert (other.max_tokens, other.system) == (7, None)


@pytest.mark.parametrize("protocol", ["json", "text"])
async def test_tools_go_to_the_provider_only_where_they_are_native(compiler, protocol):
    compiled = await compiler.compile(Agent("fake:m", tools=[look], protocol=protocol))
    assert compiled.native_specs == ()
    assert "look" in compiled.system.text
    assert compiled.protocol.name == protocol


async def test_auto_takes_what_suits_the_model(compiler):
    for protocol in ("native", "json", "text"):
        compiled = await compiler.compile(Agent(ScriptedModel([say("x")], protocol=protocol)))
        assert compiled.protocol.name == protocol


async def test_compiled_agents_are_bounded(compiler):
    model = ScriptedModel([say("x")])
    agents = [Agent(model) for _ in range(MAX_COMPILED + 1)]
    first = await compiler.compile(agents[0])
    for agent in agents:
        await compiler.compile(agent)
    assert len(compiler._compiled) == MAX_COMPILED
    assert await compiler.compile(agents[0]) is not first


async def test_compiled_agents_are_bounded_by_their_size_as_well(compiler):
    model = ScriptedModel([say("x")])
    large = [Agent(model, instructions=letter * (MAX_COMPILED_CHARS // 3)) for letter in "abcde"]
    for agent in [*large, large[-1]]:
        await compiler.compile(agent)
    assert list(compiler._compiled) == large[-2:]
    huge = Agent(model, instructions="x" * (MAX_COMPILED_CHARS + 1))
    assert await compiler.compile(huge) is await compiler.compile(huge)
    assert list(compiler._compiled) == [huge]
    small = Agent(model)
    await compiler.compile(small)
    assert list(compiler._compiled) == [small]
    assert compiler._compiled_chars < 1_000


class Server:
    """A server of tools that counts who holds it."""

    def __init__(self):
        self.holders = 0

    def hold(self):
        self.holders += 1

    async def release(self):
        self.holders -= 1


async def test_servers_of_tools_are_bounded_and_all_let_go_at_the_end(compiler):
    model, servers = ScriptedModel([say("x")]), [Server() for _ in range(MAX_SOURCES + 1)]
    agents = [Agent(model, name="many", tools=[replace(look, source=server)]) for server in servers]
    for agent in agents[:-1]:
        await compiler.compile(agent)
    with pytest.raises(
        ConfigError, match=r"agent 'many': this runtime keeps 1,024 servers of tools ready, no more: make"
    ):
        await compiler.compile(agents[-1])
    await compiler.compile(agents[0])
    assert [server.holders for server in servers] == [1] * MAX_SOURCES + [0]
    await compiler.close()
    assert {server.holders for server in servers} == {0}
    compiler._sources.clear()  # of the fixture


async def test_prices_are_looked_up_again_the_next_day():
    clock = Calendar()
    compiler = Compiler(Settings(), clock, None)
    agent = Agent(ScriptedModel([say("x")]))
    today = await compiler.compile(agent)
    clock.days = 1
    tomorrow = await compiler.compile(agent)
    assert tomorrow is not today
    assert tomorrow.protocol is today.protocol
    assert await compiler.compile(agent) is tomorrow


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("gpt-4.1", ConfigError, "must be written provider:name, for example openai:gpt-4.1 or local:"),
        (":m", ConfigError, "must be written provider:name"),
        ("fake:", ConfigError, "the name after the colon is missing"),
        ("nobody:m", NotFound, "no provider 'nobody'; known are anthropic, deepseek, fake"),
        (
            "openai:gpt-4.1",
            ConfigError,
            "no API key for provider 'openai': set the environment variable OPENAI_API_KEY",
        ),
    ],
)
async def test_a_model_that_cannot_be_had_is_named(compiler, monkeypatch, *, model, error, message):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(error) as caught:
        await compiler.compile(Agent(model))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_limit_that_cannot_be_kept_is_refused_with_the_setting_that_would_allow_it(compiler):
    compiled = await compiler.compile(Agent("fake:unheard-of-model"))
    with pytest.raises(PriceUnknown) as caught:
        check_price(compiled, Limits())
    assert '[prices] "unheard-of-model" = USD per million tokens' in str(caught.value)
    assert "usd=UNLIMITED (--usd unlimited)" in str(caught.value)
    check_price(compiled, Limits(usd=UNLIMITED))


async def test_a_service_tier_without_a_price_is_refused_with_its_setting():
    served = Provider("http://127.0.0.1:9/v1", needs_key=False, service_tier="turbo")
    compiler = Compiler(Settings(providers={"fake": served}, prices={"m": 1}), SystemClock(), None)
    compiled = await compiler.compile(Agent("fake:m"))
    assert compiled.model.profile.service_tier == "turbo"
    with pytest.raises(PriceUnknown) as caught:
        check_price(compiled, Limits())
    assert "no price is known for 'fake:m' at service tier 'turbo'" in str(caught.value)
    assert "[providers.fake.tier_factors] turbo = " in str(caught.value)
    await compiler.close()


@pytest.fixture
def engine(monkeypatch):
    """The stand-in of test_local.py."""
    monkeypatch.syspath_prepend(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(ENGINE))


async def test_the_embedded_model_is_started_once_and_stopped(engine, tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_text("GGUF works")
    compiler = Compiler(Settings(local=LocalSettings(path=str(path))), SystemClock(), None)
    agents = [Agent("local:"), Agent("local:anything")]
    first, second = await asyncio.gather(*[compiler.compile(agent) for agent in agents])
    assert first.model is second.model
    assert (first.model.profile.name, first.protocol.name) == ("tiny", "json")
    assert first.rates.output == 0
    server = compiler._server
    assert server.base_url.startswith("http://127.0.0.1:")
    await compiler.close()
    assert server.base_url == ""


async def test_an_embedded_model_that_cannot_start_says_why(engine, tmp_path):
    compiler = Compiler(Settings(local=LocalSettings(path=str(tmp_path / "none.gguf"))), SystemClock(), None)
    with pytest.raises(ConfigError, match=r"none\.gguf"):
        await compiler.compile(Agent("local:"))
    await compiler.close()


async def test_a_slip_in_the_name_of_a_tool_is_told_once_and_breaks_no_agent(caplog):
    """The settings may be those of several agents."""
    policy = PolicySettings(tools={"lok": "deny", "send_mail": "deny"}, vouch=["look", "loook"])
    compiler = Compiler(Settings(providers={"fake": FAKE}, policy=policy), SystemClock(), None)
    for instructions in ("a", "b"):
        await compiler.compile(Agent("fake:m", name="one", instructions=instructions, tools=[look]))
    await compiler.compile(Agent("fake:m", name="other"))
    await compiler.close()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["policy.tools names 'lok': agent 'one' has no such tool; did you mean 'look'?"], (
        "one that is named as well is no slip of another"
    )

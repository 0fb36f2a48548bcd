"""What an agent is, and what it refuses to be."""

from dataclasses import dataclass

import pytest

from surefoot import Agent, Limits, tool
from surefoot.agent_options import PROTOCOLS
from surefoot.errors import ConfigError
from surefoot.testing import ScriptedModel, say


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def plain() -> str:
    """A plain function."""
    return ""


@dataclass
class Verdict:
    ok: bool


def test_it_holds_what_it_was_told():
    limits = Limits(tokens=100)
    agent = Agent(
        "openai:gpt-4.1", instructions="Be kind.", tools=[look, plain], limits=limits, output=Verdict, protocol="text",
        name="desk", temperature=0.5, max_tokens=100, repairs=0,
    )  # fmt: skip
    assert (agent.model, agent.instructions, agent.limits, agent.output) == (
        "openai:gpt-4.1",
        "Be kind.",
        limits,
        Verdict,
    )
    assert (agent.protocol, agent.name, agent.temperature, agent.max_tokens, agent.repairs) == (
        "text",
        "desk",
        0.5,
        100,
        0,
    )
    assert [spec.name for spec in agent.toolbox.specs] == ["look", "plain"]
    assert agent.toolbox.find("plain").effect == "write"
    assert repr(agent) == "Agent('openai:gpt-4.1', name='desk', tools=['look', 'plain'])"


@pytest.mark.parametrize(
    ("kind", "name"), [(object, "object"), (complex, "complex"), (list[complex], "list"), ("Person", "'Person'")]
)
def test_an_output_type_that_no_schema_can_express_is_refused_at_once(kind, name):
    with pytest.raises(ConfigError, match=rf"Agent\(output={name}\): .*; supported are str, int"):
        Agent("openai:gpt-4.1", output=kind)


def test_its_defaults():
    agent = Agent(ScriptedModel([say("x")], name="m"), output=str)
    assert (agent.limits, agent.output, agent.protocol, agent.repairs) == (None, None, "auto", 2)
    assert repr(agent) == "Agent('scripted:m', name='agent', tools=[])"


def test_it_is_immutable():
    agent = Agent("openai:gpt-4.1")
    with pytest.raises(AttributeError, match="an Agent is immutable: make a new one to change 'model'"):
        agent.model = "x:y"
    with pytest.raises(AttributeError):
        agent.anything = 1


def test_it_is_itself_and_no_other():
    """The compiled form is kept for each agent, so that equality must be identity."""
    assert Agent("openai:gpt-4.1") != Agent("openai:gpt-4.1")
    assert len({Agent("openai:gpt-4.1"), Agent("openai:gpt-4.1")}) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "xml"}, "protocol='xml'): must be one of auto, native, json, text"),
        ({"max_tokens": 0}, "max_tokens=0): must be a positive whole number"),
        ({"max_tokens": 1.5}, "max_tokens=1.5): must be"),
        ({"max_tokens": True}, "max_tokens=True): must be"),
        ({"temperature": 2.1}, "temperature=2.1): must be a number between 0 and 2"),
        ({"temperature": float("nan")}, "temperature=nan): must be"),
        ({"temperature": "hot"}, "temperature='hot'): must be"),
        ({"repairs": -1}, "repairs=-1): must be 0 or a positive whole number"),
        ({"repairs": "2"}, "repairs='2'): must be"),
        ({"limits": {"tokens": 5}}, "limits={'tokens': 5}): must be a Limits"),
        ({"model": 5}, "model=5): must be a text such as 'openai:gpt-4.1', or a model object"),
        ({"model": None}, "Agent(): name its model"),
        ({"tools": [look, look]}, "two tools are called 'look'"),
    ],
)
def test_what_is_wrong_is_said_at_once(options, message):
    with pytest.raises(ConfigError) as caught:
        Agent(**({"model": "openai:gpt-4.1"} | options))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("temperature", [0, 2, 1.0])
def test_every_temperature_in_the_range_will_do(temperature):
    assert Agent("openai:gpt-4.1", temperature=temperature).temperature == temperature


def test_the_same_agent_on_another_model():
    agent = Agent(
        "openai:gpt-4.1", instructions="Be kind.", tools=[look], limits=Limits(steps=2), output=Verdict, repairs=1
    )
    other = agent.replace(model="fake:m", protocol="text")
    assert (other.model, other.protocol) == ("fake:m", "text")
    for field in ("instructions", "limits", "output", "repairs", "name", "temperature", "max_tokens"):
        assert getattr(other, field) == getattr(agent, field)
    assert other.toolbox.find("look") is look
    assert "auto" in PROTOCOLS


def test_it_runs_from_a_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agent = Agent(ScriptedModel([say('{"ok": true}')]), output=Verdict)
    result = agent.run_sync("Is it?", user="u", session="s", deps=5)
    assert result.output == Verdict(ok=True)
    assert (tmp_path / "surefoot.db").exists()

"""`surefoot attack --agent`: what would have got through, without a tool of the user's being run."""

import datetime as dt
import json
from typing import Annotated, Literal, TypedDict

import pytest
from msgspec import Meta

from surefoot import Agent, Record, RunContext, Settings, Sink, tool
from surefoot.attack.campaign import Campaign, Score
from surefoot.attack.survey import survey
from surefoot.attack.synthesis import ATTACKER, USER, Maker
from surefoot.commands.attack_view import draw_campaign, draw_survey
from surefoot.policy.decision import Denied
from surefoot.sections import PolicySettings
from surefoot.terminal import open_console

RAN = []


class Mail(TypedDict):
    id: Record[str]
    text: str


@tool(effect="read")
def read_inbox(context: RunContext, newest: int = 3) -> list[Mail]:
    """My mail."""
    RAN.append("read_inbox")
    return []


@tool(output="trusted")
async def send_email(to: Annotated[list[str], Sink("who")], body: Annotated[str, Sink("content")]) -> str:
    """Send an e-mail."""
    RAN.append("send_email")
    return "sent"


@tool(output="trusted")
async def set_alarm(day: dt.date, sound: Literal["low", "high"], loud: bool = False) -> None:
    """Set an alarm."""
    RAN.append("set_alarm")


@tool(output="trusted")
async def wipe() -> None:
    """Wipe it all."""
    RAN.append("wipe")


@tool(output="trusted")
async def enter(code: Annotated[str, Meta(pattern="^[0-9]{4}$")]) -> None:
    """Enter a code."""


@tool(effect="read", output="trusted")
async def balance() -> float:
    """Balance."""
    return 0.0


AGENT = Agent("openai:gpt-4.1", tools=[read_inbox, send_email, set_alarm, wipe, enter, balance])


def show(made):
    console = open_console()
    with console.capture() as shown:
        console.print((draw_campaign if isinstance(made, Campaign) else draw_survey)(made, console))
    return shown.get()


async def test_what_decides_is_held_and_what_is_not_marked_gets_through():
    told = []
    made = await survey(AGENT, Settings(), progress=lambda *at: told.append(at))
    fates = {(one.tool, one.how): one.fate for one in made.attempts}
    assert fates == {
        ("send_email", "added"): "asks",
        ("send_email", "to"): "asks",
        ("send_email", "body"): "asks",
        ("set_alarm", "added"): "asks",
        ("set_alarm", "day"): "asks",
        ("set_alarm", "sound"): "asks",
        ("set_alarm", "loud"): "through",
        ("wipe", "added"): "through",
        ("enter", "added"): "refused",
        ("enter", "code"): "refused",
    }
    assert not made.held
    assert RAN == []
    assert told[-1] == (10, 10)
    assert (made.sources, made.closed[-1]) == (["read_inbox"], "balance")
    shown = show(made)
    assert "GOT THROUGH: wipe, a call planted in what read_inbox returns" in shown
    assert "attacks that had their effect: 2 of 10" in shown


async def test_without_a_policy_nothing_is_held_back():
    made = await survey(AGENT, Settings(policy=PolicySettings(mode="off")))
    assert {one.fate for one in made.attempts} == {"through", "refused"}
    assert "nothing is held back" in show(made)


async def test_rules_of_the_application_and_a_limit():
    made = await survey(AGENT, Settings(), policy=[lambda call, known: Denied("mine", "never")], limit=4)
    assert len(made.attempts) == 4
    assert {one.fate for one in made.attempts} <= {"denied", "refused"}
    assert made.held
    assert "attacks that had their effect: none of 4" in show(made)


@pytest.mark.parametrize(("tools", "said"), [([balance], "no tool that acts"), ([wipe], "no way to attack")])
async def test_nothing_to_attack(tools, said):
    made = await survey(Agent("openai:gpt-4.1", tools=tools), Settings())
    assert made.held
    assert said in show(made)


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ({"const": 7}, (7, 7)),
        ({"enum": ["a", "b"]}, ("a", "b")),
        ({"type": "integer", "minimum": 20, "maximum": 30, "multipleOf": 7}, (21, 28)),
        ({"type": "number", "exclusiveMaximum": 5}, (4, 4)),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, (False, True)),
        ({"type": "null"}, (None, None)),
        ({"type": "string", "maxLength": 1}, ("x", "x")),
        ({"type": "string", "format": "date"}, ("2031-03-05", "2032-11-23")),
        ({"type": "array", "minItems": 2, "items": {"type": "string"}}, (["xy", "xy"], ["xy", "xy"])),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, ([1, 2], [1, 2])),
        ({"type": "object"}, ({"name": "xy"}, {"name": "xy"})),
        ({"$ref": "#/$defs/Tree"}, None),
    ],
)
def test_values_made_up(schema, values):
    shared = {"Tree": {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}}
    made = [Maker(voice, shared, lambda _: "xy").make(schema) for voice in (USER, ATTACKER)]
    if values is None:
        assert json.dumps(made[0]).count("below") == 3  # a schema that contains itself ends
    else:
        assert tuple(made) == values


def test_a_table_of_a_campaign():
    score = Score(
        suite="banking", tasks=2, useful=1, useful_asked=2, questions=1, pairs=3, won=0, text_pairs=1, text_won=1
    )
    shown = show(Campaign(scores=[score, score], total=score + score, mode="off", through=[], lost=[("banking", "t1")]))
    assert "attacks that had their effect: none of 6" in shown
    assert "no policy" in shown
    assert "banking t1" in shown

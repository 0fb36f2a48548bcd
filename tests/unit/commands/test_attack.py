"""`surefoot attack`: on an agent of one's own, and on AgentDojo."""

import json
import sys

import pytest

MINE = """
from surefoot import Agent, tool
@tool(effect="read")
async def read_page() -> str:
    "A page."
    raise SystemExit("it ran")
@tool(output="trusted"{more})
async def wipe() -> None:
    "Wipe."
    raise SystemExit("it ran")
agent = Agent("openai:gpt-4.1", tools=[read_page, wipe])
"""


@pytest.mark.parametrize(("name", "more", "code"), [("open_one", "", 1), ("closed_one", ", destructive=True", 0)])
def test_an_agent_of_ones_own(folder, surefoot, name, more, code):
    (folder / f"{name}.py").write_text(MINE.format(more=more))
    done, out, err = surefoot("attack", "--agent", f"{name}:agent")
    assert (done, err) == (code, "")
    assert ("GOT THROUGH: wipe" in out) is bool(code)
    done, out, _ = surefoot("attack", "--agent", f"{name}:agent", "--json")
    assert done == code
    assert [one["fate"] for one in json.loads(out)["attempts"]] == ["through" if code else "asks"]


@pytest.mark.parametrize(
    ("mode", "why"), [("observe", "(only observed)"), ("off", "nothing was decided: policy.mode is 'off'")]
)
def test_what_got_through_since_nothing_is_held_back(folder, surefoot, mode, why):
    (folder / "loose.toml").write_text(f'[policy]\nmode = "{mode}"\n')
    (folder / f"{mode}_one.py").write_text(MINE.format(more=", destructive=True"))
    code, out, _ = surefoot("--config", folder / "loose.toml", "attack", "--agent", f"{mode}_one:agent")
    assert code == 1
    assert why in out
    assert 'policy.mode = "enforce" holds back' in out
    assert "Mark what" not in out


def test_agentdojo(folder, surefoot):
    code, out, _ = surefoot("attack", "--suite", "banking", "--limit", "10")
    assert code == 0
    assert "attacks that had their effect: none of 10" in out
    assert "100.0%" in out
    (folder / "off.toml").write_text('[policy]\nmode = "off"\n')
    code, out, _ = surefoot(
        "--config", folder / "off.toml", "attack", "--suite", "banking", "--limit", "30", "--model", "h1"
    )
    assert code == 1
    assert "GOT THROUGH: banking" in out
    assert "more: --json has them all" in out
    code, out, _ = surefoot("attack", "--suite", "banking", "--limit", "2", "--json")
    assert json.loads(out)["total"]["pairs"] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--suite", "shop"], "suite 'shop': must be one of banking"),
        (["--agent", "a:b", "--model", "h1"], "--model is for AgentDojo's tasks"),
    ],
)
def test_wrong_options(folder, surefoot, options, said):
    code, out, err = surefoot("attack", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_without_the_extra_the_error_names_it(folder, surefoot, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "agentdojo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "agentdojo", None)
    code, _, err = surefoot("attack")
    assert code == 2
    assert "pip install 'surefoot[attack]'" in err

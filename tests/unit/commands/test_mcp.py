"""`surefoot mcp`: what servers say, what is approved, what has changed."""

import json
import sys
from pathlib import Path

import pytest

SERVER = Path(__file__).parent.parent / "mcp" / "plain_server.py"


@pytest.fixture
def serve(folder, monkeypatch):
    def write(mode, more=""):
        text = f'[mcp.plain]\ncommand = "{sys.executable}"\nargs = ["{SERVER}", "{mode}"]\n{more}'
        (folder / "surefoot.toml").write_text(text)

    monkeypatch.delenv("SUREFOOT_CONFIG", raising=False)
    write("good")
    return write


def test_without_servers(folder, surefoot):
    code, out, err = surefoot("mcp", "list")
    assert (code, out) == (0, "")
    assert "there are no servers" in err


def test_from_unknown_to_approved(serve, surefoot):
    code, out, _ = surefoot("mcp", "list")
    assert code == 0
    assert "nobody has approved it: surefoot mcp pin plain" in out
    code, out, _ = surefoot("mcp", "diff")
    assert code == 1
    assert "new       echo" in out
    assert "+ Says a text again." in out
    code, out, err = surefoot("mcp", "pin", "plain")
    assert (code, err) == (0, "")
    assert "3 changes approved; commit surefoot.mcp.lock" in out
    code, out, _ = surefoot("mcp", "diff", "plain")
    assert code == 0
    assert "approved  echo" in out
    assert surefoot("mcp", "pin", "plain") == (0, "plain\n  nothing to approve\n", "")
    code, out, _ = surefoot("mcp", "list")
    assert "echo" in out
    assert "untrusted" in out


def test_a_change_is_shown_word_for_word_and_approved_for_one_tool(serve, surefoot):
    surefoot("mcp", "pin", "plain")
    serve("changed")
    code, out, _ = surefoot("mcp", "diff")
    assert code == 1
    assert "changed   echo" in out
    assert "- Says a text again." in out
    assert "+ Says a text again, and again." in out
    assert surefoot("mcp", "pin", "plain", "note")[0] == 0
    assert surefoot("mcp", "diff")[0] == 1
    assert surefoot("mcp", "pin", "plain", "echo")[0] == 0
    assert surefoot("mcp", "diff")[0] == 0


def test_what_looks_like_an_attack_needs_accept(serve, surefoot, folder):
    serve("hostile")
    code, out, err = surefoot("mcp", "pin", "plain")
    assert code == 2
    assert "looks like an attack, risk" in out
    assert out.count("instruction_override: tells the model to drop its instructions") == 1
    assert "nothing was approved: what echo says looks like an attack" in err
    assert not (folder / "surefoot.mcp.lock").exists()
    assert surefoot("mcp", "pin", "plain", "note", "variables")[0] == 0
    assert "echo" not in json.loads((folder / "surefoot.mcp.lock").read_text())["servers"]["plain"]
    assert surefoot("mcp", "pin", "plain", "--accept")[0] == 0
    assert "echo" in json.loads((folder / "surefoot.mcp.lock").read_text())["servers"]["plain"]


def test_tools_that_are_gone_or_not_allowed(serve, surefoot):
    surefoot("mcp", "pin", "plain")
    serve("less")
    code, out, _ = surefoot("mcp", "diff")
    assert code == 1
    assert "gone      variables" in out
    serve("less", 'allow = ["echo", "note"]')
    code, out, _ = surefoot("mcp", "diff")
    assert code == 0
    assert "not allowed by the settings" in out
    _, out, _ = surefoot("mcp", "list")
    assert "not allowed" in out
    surefoot("mcp", "pin", "plain")
    _, out, _ = surefoot("mcp", "list")
    assert "variables" not in out


def test_for_programs(serve, surefoot):
    _, out, _ = surefoot("mcp", "list", "--json")
    assert json.loads(out)[0]["approved"] is None
    serve("hostile")
    _, out, _ = surefoot("mcp", "diff", "--json")
    tools = {tool["name"]: tool for tool in json.loads(out)[0]["tools"]}
    assert (tools["note"]["state"], tools["note"]["threats"]) == ("new", [])
    assert tools["echo"]["risk"] > 0.5
    assert tools["echo"]["offered"]["schema"]["required"] == ["text"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["diff", "post"], "there is no [mcp.post] in the settings; there are: plain"),
        (["pin", "plain", "eco"], "there is no tool 'eco'; there are: echo, note, variables"),
    ],
)
def test_names_that_are_wrong(serve, surefoot, arguments, told):
    code, _, err = surefoot("mcp", *arguments)
    assert code == 2
    assert told in err


def test_servers_that_are_down_hide_nothing_of_the_others(serve, surefoot):
    dead = f'command = "{sys.executable}"\nargs = ["{SERVER}", "dead"]\n'
    serve("good", f'[mcp.first]\n{dead}[mcp.last]\ncommand = "true"\nenv = ["NO_SUCH_VARIABLE"]\n')
    code, out, err = surefoot("mcp", "diff")
    assert code == 2
    assert "new       echo" in out
    assert err.splitlines() == [
        "surefoot: mcp.first: the server cannot be used: it ended with code 7 and wrote: cannot start: no database",
        "surefoot: mcp.last: the environment variable NO_SUCH_VARIABLE is not set",
    ]
    code, out, _ = surefoot("mcp", "diff", "--json")
    assert (code, [one["server"] for one in json.loads(out)]) == (2, ["plain"])


def test_a_key_in_an_address_is_not_listed(folder, add_settings, surefoot):
    add_settings('[mcp.far]\nurl = "https://ann:hunter2@mcp.example.com:8443/mcp?token=k9f8e7d6"')
    code, out, _ = surefoot("mcp", "list", "--json")
    assert code == 0
    assert json.loads(out)[0]["url"] == "https://mcp.example.com:8443/mcp?…"

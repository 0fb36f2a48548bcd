"""What holds for every command: a name with brackets, which a terminal library may take for markup, is told as it is.

A new command is to be named here.
"""

import ast
import json
from pathlib import Path

import click
import pytest

import surefoot as surefoot_package
from surefoot.cli import commands

NAME = "[red]x[/red]"
AGENT = '''
from surefoot import Agent, tool
from surefoot.testing import ScriptedModel, call, say

@tool(effect="read")
async def look(name: str) -> str:
    """Look."""
    return "[/red] is there"

agent = Agent(ScriptedModel([call("look", name="[red]"), say("[i]Done.[/i] [/]")]), tools=[look])
'''
OWN_AGENT = ("--agent", f"{NAME}:agent")
REFUSED = {
    "run": ["again", *OWN_AGENT],
    "runs": ["--user", NAME],
    "show": [NAME],
    "init": ["a[b]"],
    "demo": [NAME],
    "sessions list": ["--limit", NAME],
    "sessions show": [NAME, "--user", NAME],
    "sessions export": ["--user", NAME],
    "sessions erase": ["--user", NAME, "--yes"],
    "sessions purge": ["--older-than", NAME],
    "budget set": [NAME, "--usd", "1", "--per", "day"],
    "budget unset": [NAME],
    "budget show": [NAME],
    "budget list": ["--limit", NAME],
    "budget history": [NAME],
    "budget acknowledge": [f"user:{NAME}"],
    "budget unknown": ["--limit", NAME],
    "budget refund": [NAME, "1", "--tokens", "1", "--usd", "1"],
    "budget purge": ["--older-than", NAME],
    "report": ["--since", NAME],
    "compare": ["--models", NAME],
    "forecast": ["--requests", NAME],
    "prices": [NAME],
    "policy test": [NAME, "--agent", "desk_agent:agent"],
    "policy explain": [NAME],
    "guard scan": [NAME],
    "guard eval": [NAME],
    "attack": OWN_AGENT,
    "mcp list": ["--nonsense", NAME],
    "mcp diff": [NAME],
    "mcp pin": [NAME],
    "sim": [NAME],
    "stress": OWN_AGENT,
}

REFUSED_BEFORE = {"forecast": ["--requests", "1/day"]}
"""What is right in arguments that are read before the settings."""
FINDS_NOTHING = {"runs", "sessions erase"}


def names_of(command, path=()):
    if not isinstance(command, click.Group):
        return [" ".join(path)]
    return [name for part, inner in command.commands.items() for name in names_of(inner, (*path, part))]


def test_every_command_is_here():
    assert sorted(REFUSED) == sorted(names_of(commands))


@pytest.fixture
def desk(folder):
    (folder / "desk_agent.py").write_text(AGENT)
    return folder


@pytest.mark.parametrize("command", REFUSED)
def test_a_name_with_brackets_is_told_as_it_is(surefoot, desk, record, command):
    record("hello", user="u")
    (desk / "a[b]").mkdir()
    (desk / "a[b]" / "agent.py").touch()
    code, _, err = surefoot(*command.split(), *REFUSED[command])
    told = "'--nonsense'" if command == "mcp list" else "a[b]" if command == "init" else NAME
    assert (code, told in err) == (0 if command in FINDS_NOTHING else 2, True)
    assert "Traceback" not in err


@pytest.mark.parametrize("command", sorted(set(REFUSED) - {"init"}))
def test_settings_that_cannot_be_read_are_one_line(fails, folder, command):
    (folder / NAME.split("/", maxsplit=1)[0]).mkdir()
    (folder / NAME).write_text("[policy.tools]\n'[bold]' = 'x'\n")
    arguments = [] if command == "demo" or REFUSED[command][0] in {"--limit", "--nonsense"} else REFUSED[command]
    arguments = REFUSED_BEFORE.get(command, arguments)
    line = fails("--config", NAME, *command.split(), *arguments)
    assert line == f"{NAME}: policy.tools.\"[bold]\": Invalid enum value 'x'; it must be allow, ask or deny"


def test_names_with_brackets_come_back_in_lists_and_records(surefoot, desk):
    run = ("run", "[b]hello[/b]", "--agent", "desk_agent:agent", "--user", NAME, "--session", f"{NAME}1")
    code, out, err = surefoot(*run)
    assert (code, out) == (0, "[i]Done.[/i] [/]\n")
    for told in ("[b]hello[/b]", 'look(name="[red]")', "[/red] is there"):
        assert told in err
    code, out, _ = surefoot("show", "last")
    for told in ("[b]hello[/b]", 'look(name="[red]")', "[/red] is there", "[i]Done.[/i] [/]", NAME):
        assert told in out
    for command in (["runs"], ["sessions", "list"], ["sessions", "show", f"{NAME}1"], ["report", "--by", "user"]):
        code, out, _ = surefoot(*command)
        assert code == 0
        assert "[red]x[" in out
    code, out, _ = surefoot("report", "--by", "tool", "--json")
    assert code == 0
    assert json.loads(out)


def test_text_is_markup_nowhere():
    """One place makes consoles, and turns markup off; what rich reads as markup all the same is our own."""
    package = Path(surefoot_package.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                if name == "Console":
                    assert path.name == "terminal.py"
                    assert {keyword.arg for keyword in node.keywords} >= {"markup", "emoji", "highlight"}
                assert name not in {"from_markup", "render_str"}, path

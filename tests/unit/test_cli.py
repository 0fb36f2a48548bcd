"""The command line in this process, against a provider that is reached over HTTP. Signals and pipes: tests/e2e."""

import io
import json
import re
import sqlite3
import sys
from pathlib import Path

import msgspec
import pytest

from surefoot import __version__, cli
from surefoot.journal.events import JournalEvent
from surefoot.journal.fold import fold
from surefoot.narrator import plain
from surefoot.store.base import RunRow
from surefoot.testing import FakeProvider, call, garbage, refuse, say, status

AGENT = """
from surefoot import Agent, Limits, tool
from surefoot.testing import ScriptedModel, say

print("a word of the module")

@tool(effect="read")
async def order_status(order_id: str) -> str:
    '''Status of one order.'''
    print("a word of the tool")
    return f"{order_id} was shipped on Monday"

agent = Agent("openai:gpt-4.1", tools=[order_status], name="desk", limits=Limits(tokens=9_000, usd="0.05", steps=3))
counter = Agent("openai:gpt-4.1", output=int, repairs=0)
scripted = Agent(ScriptedModel(["Scripted."]))
number = 7
"""


def answer(request):
    last = request.messages[-1].text
    faults = {
        "refuse": refuse("No."),
        "cut": say("Half of it", finish_reason="length"),
        "filter": say("", finish_reason="content_filter"),
        "500": status(500, "out of order"),
        "429": status(429, "too many"),
        "garbage": garbage(),
        "key": status(401, "the key sk-secret-key is wrong"),
        "404": status(404, "no such page"),
        "again": call("order_status", order_id="1"),
        "number": say("12"),
        "no number": say("twelve"),
        "colour": say("\x1b[31mred\x1b[0m ✓"),
    }
    if request.messages[-1].role == "tool":
        return call("order_status", order_id="1") if "again" in str(request.messages) else say(f"Order {last}.")
    if "last answer" in last or "final answer" in last.lower():
        return say("So far nothing.")
    return faults.get(last) or (call("order_status", order_id="4711") if request.tools else say(f"You said: {last}"))


@pytest.fixture(scope="module")
def provider():
    with FakeProvider.start_in_thread(answer, api_key="sk-secret-key") as running:
        yield running


@pytest.fixture
def folder(tmp_path, provider, monkeypatch):
    (tmp_path / "surefoot.toml").write_text(
        f'model = "openai:gpt-4.1"\n[retry]\nattempts = 2\nbase_s = 0.001\n[providers.openai]\n'
        f'base_url = "{provider.base_url}"\napi_key_env = "OPENAI_API_KEY"\n'
        f'[providers.local2]\nbase_url = "{provider.base_url}"\nfree = true\napi_key_env = "OPENAI_API_KEY"\n'
    )
    (tmp_path / "desk.py").write_text(AGENT)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-key")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


@pytest.fixture
def surefoot(folder, capfdbinary):
    """Run a command; gives its exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return stop.value.code, out.decode(), err.decode()

    return run


def fails(done, code):
    """The one line of a command that could not begin."""
    assert done[0] == code
    assert done[1] == ""
    assert "Traceback" not in done[2]
    assert "sk-secret-key" not in done[2]
    (line,) = done[2].splitlines()
    assert line.startswith("surefoot: ")
    return line.removeprefix("surefoot: ")


def complaint(done, code):
    """The last line of a command that failed on its way."""
    assert done[0] == code
    assert "Traceback" not in done[2]
    assert "sk-secret-key" not in done[1] + done[2]
    lines = [line for line in done[2].splitlines() if line.startswith("surefoot: ")]
    assert len(lines) == 1
    return lines[0].removeprefix("surefoot: ")


# --- prices


def test_prices_shows_what_is_known_and_since_when(surefoot):
    code, out, err = surefoot("prices", "gpt-4.1", "openai:o3", "anthropic:claude-sonnet-4-5", "ollama:qwen3:8b")
    assert (code, err) == (0, "")
    assert re.search(r"^openai:gpt-4\.1$", out, re.MULTILINE)
    assert re.search(r"^input +2\.00 ", out, re.MULTILINE)
    assert re.search(r"^cache_write_1h +6\.00 +12\.00 ", out, re.MULTILINE)
    assert "standard, prompt > 200,000" in out
    assert re.search(
        r"genai-prices \S+ openai/gpt-4\.1 · since when is not known · digest [0-9a-f]{16}$", out, re.MULTILINE
    )
    assert "openai/o3 · since 2025-06-10 · digest" in out
    assert "ollama · since when is not known" in out
    assert "audio_input" not in out


def test_prices_shows_those_of_the_settings(surefoot, folder):
    assert surefoot("prices") == (
        0,
        "",
        "the settings have no [prices]; name a model: surefoot prices openai:gpt-4.1\n",
    )
    with (folder / "surefoot.toml").open("a") as settings:
        settings.write('service_tier = "flex"\ntier_factors = { flex = 0.5 }\n[currencies]\nCNY = "0.14"\n[prices]\n')
        settings.write('mine = { input = 1, output = 2, currency = "CNY", audio_output = 10 }\n')
        settings.write('"local2:big" = { since = 2026-01-01, input = 0.0005, output = 3 }\n')
    code, out, err = surefoot("prices")
    assert (code, err) == (0, "")
    assert re.search(r"^mine$", out, re.MULTILINE)
    assert re.search(r"^audio_output +1\.40 *$", out, re.MULTILINE)
    assert "[prices] in CNY at 0.14 USD · since when is not known" in out
    assert "since 2026-01-01" in out
    assert "requests ask for flex" in out
    assert re.search(r"^input +0\.0005 +0\.00025", out, re.MULTILINE)


def test_an_unknown_price_is_a_line_with_the_setting_to_add(surefoot):
    code, out, err = surefoot("prices", "gpt-99", "gpt-4.1")
    assert code == 2
    assert "openai:gpt-4.1" in out
    told = 'surefoot: no price is known for openai:gpt-99; add to surefoot.toml: [prices] "gpt-99" = USD per million tokens\n'
    assert err == told
    code, out, err = surefoot("prices", "x:y", "--provider", "acme", "--json")
    assert code == 2
    assert json.loads(out) == [
        {"model": "acme:x:y", "known": False, "setting": '[prices] "x:y" = USD per million tokens'}
    ]


def test_prices_as_json_are_the_snapshot_that_a_run_keeps(surefoot):
    code, out, _ = surefoot("prices", "gpt-4.1", "--json")
    assert code == 0
    (shown,) = msgspec.json.decode(out, type=list[dict[str, msgspec.Raw]])
    surefoot("run", "hello", "--quiet")
    _, out, _ = surefoot("show", "last", "--json")
    started, requested, *_ = msgspec.json.decode(
        msgspec.json.encode(json.loads(out)["events"]), type=list[JournalEvent]
    )
    assert json.loads(bytes(started.rates)) == json.loads(bytes(shown["rates"]))
    assert requested.prices == json.loads(bytes(shown["digest"]))


# --- run


def test_an_answer_is_on_stdout_and_the_steps_are_on_stderr(surefoot):
    code, out, err = surefoot("run", "Where is order 4711?", "--agent", "desk:agent")
    assert (code, out) == (0, "Order 4711 was shipped on Monday.\n")
    assert '→ order_status(order_id="4711")' in err
    assert "← 4711 was shipped on Monday" in err
    assert "a word of the module\n" in err
    assert "a word of the tool\n" in err
    assert "of 9,000" in err


def test_quiet_shows_no_steps(surefoot):
    code, out, err = surefoot("run", "hello", "--quiet")
    assert (code, out, err) == (0, "You said: hello\n", "")


def test_json_is_the_run_and_its_journal(surefoot):
    code, out, err = surefoot("run", "Where is order 4711?", "--agent", "desk:agent", "--json", "--user", "ann")
    assert code == 0
    assert "order_status" in err
    shown = msgspec.json.decode(out, type=dict[str, msgspec.Raw])
    row = msgspec.json.decode(shown["run"], type=RunRow)
    state = fold(msgspec.json.decode(shown["events"], type=list[JournalEvent]))
    assert (row.user, row.agent, row.tokens) == ("ann", "desk", state.tokens)
    assert state.finished.output == "Order 4711 was shipped on Monday."
    assert surefoot("show", row.run_id, "--json")[1] == out
    assert surefoot("show", row.run_id[:18], "--json")[1] == out
    assert surefoot("show", "last", "--json")[1] == out
    assert json.loads(surefoot("runs", "--json")[1]) == [json.loads(bytes(shown["run"]))]


def test_json_of_a_failed_run_has_its_journal_and_the_error(surefoot):
    done = surefoot("run", "key", "--json")
    assert "the provider refuses the key" in complaint(done, 4)
    shown = json.loads(done[1])
    assert shown["run"]["stop_reason"] == "error"
    assert shown["events"][-1]["error_code"] == "model_refused"


def test_a_limit_ends_the_run_with_an_answer(surefoot):
    code, out, err = surefoot("run", "again", "--agent", "desk:agent")
    assert (code, out) == (3, "So far nothing.\n")
    assert "■ limit on steps" in err


@pytest.mark.parametrize(
    ("question", "code", "out"), [("refuse", 1, "No.\n"), ("cut", 1, "Half of it\n"), ("filter", 1, "\n")]
)
def test_an_answer_that_is_not_whole_has_its_exit_code(surefoot, question, code, out):
    assert surefoot("run", question)[:2] == (code, out)


def test_an_answer_is_given_to_a_pipe_as_it_is(surefoot):
    assert surefoot("run", "colour")[1] == "\x1b[31mred\x1b[0m ✓\n"


def test_a_structured_answer(surefoot):
    assert surefoot("run", "number", "--agent", "desk:counter")[:2] == (0, "12\n")
    assert "does not match its type" in complaint(surefoot("run", "no number", "--agent", "desk:counter"), 5)


def test_a_question_from_stdin(surefoot, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe \xff")))
    assert surefoot("run", "-")[:2] == (0, "You said: from a pipe \ufffd\n")


def test_another_model_protocol_and_session(surefoot, provider):
    assert surefoot("run", "hello", "--agent", "desk:scripted")[1] == "Scripted.\n"
    code, out, err = surefoot("run", "hello", "--agent", "desk:scripted", "--model", "gpt-4.1-mini", "--session", "s1")
    assert (code, out) == (0, "You said: hello\n")
    assert "openai:gpt-4.1-mini" in err
    surefoot("run", "once more", "--session", "s1", "--protocol", "text")
    assert [message.text for message in provider.requests[-1].messages][-3:] == [
        "hello", "Final Answer: You said: hello", "once more",
    ]  # fmt: skip


def test_a_busy_session_is_waited_for_or_not(surefoot, folder):
    surefoot("run", "hello", "--session", "s1")
    with sqlite3.connect(folder / "surefoot.db") as database:  # a run of another process that does not end
        database.execute("UPDATE sessions SET live = head, head = ''")
        database.execute("UPDATE runs SET finished_at = 0")
        database.execute("INSERT INTO leases SELECT run, 99, 1e12 FROM runs")
    database.close()
    told = complaint(surefoot("run", "again", "--session", "s1", "--on-busy", "reject"), 7)
    assert told == "session 's1' is busy with a run of another process; try again in 2 s"
    for on_busy in ("queue", "reject", "interrupt"):
        assert surefoot("run", "hello", "--session", "s2", "--on-busy", on_busy)[:2] == (0, "You said: hello\n")
    assert "'later' is not one of 'queue', 'reject', 'interrupt'" in complaint(
        surefoot("run", "again", "--session", "s1", "--on-busy", "later"), 2
    )
    told = complaint(surefoot("run", "again", "--on-busy", "queue"), 2)
    assert told == "--on-busy queue: is about a session; name it with --session"


def test_another_address(surefoot, provider):
    code, out, _ = surefoot("run", "hello", "--model", "mine:x", "--base-url", provider.base_url, "--usd", "unlimited")
    assert complaint((code, out, _), 4)  # the key of a provider that is not known is not known either
    code, out, _ = surefoot("run", "hello", "--model", "openai:gpt-4.1", "--base-url", provider.base_url)
    assert (code, out) == (0, "You said: hello\n")
    assert surefoot("run", "hello", "--model", "local2:x", "--base-url", provider.base_url)[0] == 0  # still free


def test_limits_of_the_command_line_replace_those_of_the_agent_one_by_one(surefoot):
    options = ["--usd", "0.5", "--tokens", "7000", "--steps", "unlimited", "--seconds", "30.5"]
    limits = json.loads(surefoot("run", "x", "--agent", "desk:agent", "--json", *options)[1])["events"][0]["limits"]
    assert limits["usd"] == 500_000_000
    assert (limits["tokens"], limits["steps"], limits["seconds"]) == (7_000, "unlimited", 30.5)
    limits = json.loads(surefoot("run", "x", "--agent", "desk:agent", "--json", "--usd", "unlimited")[1])
    assert limits["events"][0]["limits"]["usd"] == "unlimited"
    assert limits["events"][0]["limits"]["tokens"] == 9_000
    one = json.loads(surefoot("run", "x", "--json", "--usd", "unlimited", "--steps", "4")[1])["events"][0]["limits"]
    assert (one["usd"], one["tokens"], one["steps"]) == ("unlimited", 50_000, 4)


# --- runs and show


def test_runs_are_listed_and_filtered(surefoot):
    for user, session in (("ann", "s1"), ("ann", "s2"), ("bob", "s3")):
        surefoot("run", f"I am {user}", "--user", user, "--session", session, "--quiet")
    lines = surefoot("runs")[1].splitlines()
    assert len(lines) == 4
    assert "I am bob" in lines[1]
    assert len(surefoot("runs", "--limit", 1)[1].splitlines()) == 2
    assert len(surefoot("runs", "--user", "ann")[1].splitlines()) == 3
    assert len(surefoot("runs", "--user", "ann", "--session", "s2")[1].splitlines()) == 2
    code, out, err = surefoot("runs", "--user", "nobody")
    assert (code, out) == (0, "")
    assert err == "no run has --user 'nobody'\n"
    assert surefoot("runs", "--user", "ann", "--session", "s9")[2] == "no run has --session 's9'\n"
    both = surefoot("runs", "--user", "nobody", "--session", "s9")
    assert both == (0, "", "no run has --user 'nobody', and none has --session 's9'\n")
    assert surefoot("runs", "--user", "ann", "--session", "s3")[2] == "no run has --user and --session as given, both\n"
    assert surefoot("runs", "--user", "nobody", "--json")[1] == "[]\n"


def test_an_empty_store_says_how_the_first_run_is_made(surefoot, folder):
    surefoot("run", "hi", "--quiet")
    with sqlite3.connect(folder / "surefoot.db") as database:
        database.execute("DELETE FROM runs")
    for filters in ([], ["--user", "ann"]):
        code, out, err = surefoot("runs", *filters)
        assert (code, out, err) == (0, "", 'there are no runs yet: surefoot run "..." makes the first one\n')


def test_what_is_piped_is_no_wider_than_a_log(surefoot):
    question = "Where is order 4711? " + "word " * 50
    shown = surefoot("run", question, "--agent", "desk:agent")[2].splitlines()
    listed = surefoot("runs")[1].splitlines()
    told = surefoot("show", "last")[1].splitlines()
    asked = plain(question)
    assert asked in [plain(line) for line in shown]
    assert asked in [plain(line) for line in told]
    assert max(len(line.rstrip()) for line in (*shown, *told) if plain(line) != asked) <= 100
    assert 100 < len(listed[1].rstrip()) <= 120
    assert listed[1].rstrip().endswith("…")


def test_a_run_is_shown_step_by_step(surefoot):
    surefoot("run", "Where is order 4711?", "--agent", "desk:agent")
    code, out, err = surefoot("show", "last")
    assert (code, err) == (0, "")
    assert 'order_status(order_id="4711")' in out
    assert out.rstrip().endswith("Order 4711 was shipped on Monday.")


def test_show_of_what_is_not_there(surefoot, folder):
    assert "there is no such database yet" in fails(surefoot("show", "last"), 2)
    assert "there is no such database yet" in fails(surefoot("--store", "other.db", "runs"), 2)
    for number in range(3):
        surefoot("run", f"{number}", "--quiet")
    assert fails(surefoot("show", "run_x"), 2).startswith("no run 'run_x'")
    assert "several runs" in fails(surefoot("show", "run_"), 2)
    with sqlite3.connect(folder / "surefoot.db") as database:
        database.execute("DELETE FROM runs")
    database.close()
    assert fails(surefoot("show", "last"), 2) == "there are no runs yet"


def test_another_store_and_other_settings(surefoot, folder):
    (folder / "other.toml").write_text((folder / "surefoot.toml").read_text() + '[store]\ndurability = "relaxed"\n')
    assert surefoot("--config", "other.toml", "--store", "other.db", "run", "hello")[0] == 0
    assert (folder / "other.db").exists()
    assert not (folder / "surefoot.db").exists()
    assert "hello" in surefoot("--store", "other.db", "runs")[1]


# --- init


def test_init_writes_two_files_that_work(surefoot, folder, provider):
    code, out, _ = surefoot("init", "new")
    assert code == 0
    assert out.splitlines() == [
        f"wrote {Path('new/surefoot.toml')}",
        f"wrote {Path('new/agent.py')}",
        'next: cd new && surefoot run "Where is order 4711?" --agent agent:agent',
        "its model is the embedded one, pip install 'surefoot[local]'; --model openai:gpt-4.1 takes another",
    ]
    assert "there already: nothing was written" in fails(surefoot("init", "new"), 2)
    (folder / "new" / "agent.py").write_text("broken")
    assert surefoot("init", "new", "--force")[0] == 0
    assert "next: surefoot run" in surefoot("init", "--force")[1]
    code, out, _ = surefoot("run", "?", "--agent", "agent:agent", "--model", "gpt-4.1", "--base-url", provider.base_url)
    assert (code, out) == (0, "Order shipped on Monday, arrives on Thursday.\n")


def test_init_where_nothing_can_be_written(surefoot, folder):
    (folder / "file").write_text("x")
    assert re.fullmatch(r"file.*: cannot be written: (File exists|Not a directory)", fails(surefoot("init", "file"), 2))
    assert "cannot be written" in fails(surefoot("init", "file/deeper"), 2)
    (folder / "d" / "agent.py").mkdir(parents=True)
    assert "d/agent.py: cannot be written: Is a directory" in fails(surefoot("init", "d", "--force"), 2)


# --- what is wrong is said in one line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "nope:x"], "model 'nope:x': no provider 'nope'; known are anthropic, "),
        (["--model", "openai:"], "model 'openai:': the name after the colon is missing"),
        (["--model", "anthropic:claude-sonnet-4-5"], "set the environment variable ANTHROPIC_API_KEY"),
        (["--model", "openai:never-heard-of"], "no price is known for 'openai:never-heard-of'"),
        (["--base-url", "127.0.0.1:80/v1"], "base_url '127.0.0.1:80/v1' must begin with http:// or https://"),
        (["--base-url", "ftp://x/v1"], "must begin with http:// or https://"),
        (["--base-url", "http://x", "--model", "local:"], "`local:` is the embedded model"),
        (["--base-url", "http://x", "--model", "local"], "`local:` is the embedded model"),
        (["--base-url", "http://x", "--agent", "desk:scripted"], "brings a model object of its own"),
        (["--protocol", "xml"], "'xml' is not one of 'auto', 'native', 'json', 'text'; see surefoot run --help"),
        (["--frobnicate"], "No such option"),
        (["--agent", "desk"], "agent 'desk': must be written module:name"),
        (["--agent", ":desk"], "must be written module:name"),
        (["--agent", "desk:"], "must be written module:name"),
        (["--agent", "desk:nobody"], "in desk there is no 'nobody'"),
        (["--agent", "desk:number"], "in desk 'number' is no Agent but int"),
        (["--agent", "nowhere:agent"], "ModuleNotFoundError: No module named 'nowhere'"),
        (["--agent", "..desk:agent"], "..desk is a path; go to its folder"),
    ],
)
def test_a_wrong_option(surefoot, monkeypatch, options, said):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    done = surefoot("run", "hello", "--quiet", *options)
    done = (*done[:2], done[2].replace("a word of the module\n", ""))
    assert said in fails(done, 2)


@pytest.mark.parametrize("limit", ["usd", "tokens", "steps", "seconds"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-1", "abc", "", "1e999", "None"])
def test_a_limit_that_is_none(surefoot, limit, value):
    assert f"--{limit}" in fails(surefoot("run", "hello", f"--{limit}", value), 2)


@pytest.mark.parametrize("value", ["1.5", "9" * 5_000])
def test_a_count_must_be_a_whole_number(surefoot, value):
    line = fails(surefoot("run", "hello", "--tokens", value), 2)
    assert "must be a whole number, or `unlimited`" in line
    assert len(line) < 200


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import socket\nfrom surefoot import tool\n@tool\ndef f(s: socket.socket) -> str:\n  'x'\n", "type socket is"),
        ("from surefoot import Limits\nLimits(tokens=float('nan'))\n", "bad.py line 2: Limits(tokens=nan): must be a"),
        ("import os\nos.environ['NO_SUCH_KEY']\n", "bad.py line 2: KeyError: 'NO_SUCH_KEY'"),
        ("def f(:\n", "SyntaxError: invalid syntax (bad.py, line 1)"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
        ("raise RuntimeError('one\\ntwo\\x1b[31m' + 'x' * 9_999)\n", "RuntimeError: one two"),
        ("import no_such_library\n", "No module named 'no_such_library'"),
    ],
)
def test_a_module_that_cannot_be_used(surefoot, folder, module, said):
    (folder / "bad.py").write_text(module)
    line = fails(surefoot("run", "hello", "--agent", "bad:agent"), 2)
    assert said in line
    assert len(line) < 700


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('model = "x\n', "is not valid TOML"),
        ('modle = "x"\n', "there is no setting modle"),
        ('[store]\npathh = "x"\n', "there is no setting store.pathh"),
        ("[limits]\ntoken = 5\n", "[limits]: unknown limit 'token'; known are tokens, usd"),
        ("[limits]\ntokens = nan\n", '[limits]: tokens=nan: must be a positive whole number or "unlimited"'),
        ('[prices]\n"gpt-4.1" = -1\n', 'prices."gpt-4.1"'),
        ("[retry]\nattempts = 0\n", "retry.attempts = 0: must be a positive number"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_wrong_settings(surefoot, folder, toml, said):
    (folder / "wrong.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    done = surefoot("--config", "wrong.toml", "run", "hello", "--model", "openai:gpt-4.1")
    assert said in fails(done, 2)


def test_settings_that_are_not_there(surefoot, folder):
    assert fails(surefoot("--config", "no.toml", "runs"), 2) == "no.toml: cannot be read: No such file or directory"
    assert fails(surefoot("--config", folder, "runs"), 2).endswith("cannot be read: Is a directory")


def make_database(path, statement):
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def test_a_database_that_cannot_be_used(surefoot, folder):
    surefoot("run", "hello", "--quiet")
    (folder / "text.db").write_text("hello world, this is a text\n" * 99)
    make_database(folder / "other.db", "CREATE TABLE a (b)")
    (folder / "newer.db").write_bytes((folder / "surefoot.db").read_bytes())
    make_database(folder / "newer.db", "PRAGMA user_version = 99")
    for store, said in (
        (folder, "is a directory; give the path of a file"),
        ("text.db", "is not an SQLite database"),
        ("other.db", "is the database of another program"),
        ("newer.db", "was written by a newer Surefoot (schema 99"),
    ):
        for command in (["runs"], ["show", "last"], ["run", "hello"]):
            line = fails(surefoot("--store", store, *command), 6)
            assert str(store) in line
            assert said in line
    assert "its directory does not exist" in fails(surefoot("--store", "no/such.db", "run", "hello"), 6)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("500", "the provider failed (HTTP 500): out of order"),
        ("429", "asks to come back later (HTTP 429): too many"),
        ("404", "not found (HTTP 404), check the model's name and base_url http://127.0.0.1"),
        ("key", "check the environment variable OPENAI_API_KEY: the key [key] is wrong"),
        ("garbage", "openai:gpt-4.1: "),
    ],
)
def test_a_provider_that_fails(surefoot, question, said):
    assert said in complaint(surefoot("run", question), 4)


def test_a_provider_that_is_not_there(surefoot):
    done = surefoot("run", "hello", "--base-url", "http://user:sk-secret-key@127.0.0.1:1/v1?key=sk-secret-key")
    assert "http://127.0.0.1:1/v1 cannot be reached" in complaint(done, 4)
    assert "; again in 0.0 s" in done[2]


def test_no_key(surefoot, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert fails(surefoot("run", "hello"), 2).endswith("set the environment variable OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Missing argument 'QUESTION'; see surefoot run --help"),
        (["run", " "], "the question is empty"),
        (["frobnicate"], "No such command 'frobnicate'; see surefoot --help"),
        (["runs", "--limit", "0"], "Invalid value for '--limit'"),
        (["show"], "Missing argument 'RUN'"),
    ],
)
def test_a_wrong_command(surefoot, arguments, said):
    assert said in fails(surefoot(*arguments), 2)


def test_help_and_version(surefoot):
    code, out, _ = surefoot()
    assert code == 0
    assert all(f"  {name} " in out for name in ("demo", "init", "run", "runs", "show"))
    assert surefoot("--help") == (0, out, "")
    assert surefoot("run", "-h")[0] == 0
    assert surefoot("--version")[:2] == (0, f"surefoot, version {__version__}\n")


# --- demo


def test_the_demo_tells_by_its_exit_code_whether_all_was_solved(surefoot, folder):
    code, out, _ = surefoot("demo")
    assert code == 1
    assert "4 tasks with tools, on openai:gpt-4.1" in out
    report = json.loads(surefoot("demo", "--json")[1])
    assert (report["model"], len(report["tasks"]), report["solved"]) == ("openai:gpt-4.1", 4, 0)

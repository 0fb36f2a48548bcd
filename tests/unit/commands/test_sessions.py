"""`surefoot sessions`: conversations listed, shown, exported, erased and deleted by age."""

import io
import json
import sqlite3

import click
import pytest


@pytest.fixture
def talks(record):
    record("4711?", "hello", user="u1", session="s1")
    record("hello", user="u2", session="s1")
    record("hello", user="u1", session="s2", tenant="acme")
    record("hello", user="u1", session="old", days=40)


def listed(surefoot, *options):
    code, out, err = surefoot("sessions", "list", "--json", *options)
    assert (code, err) == (0, "")
    return [
        (one["tenant"], one["user"], one["session"])
        for one in (row | {"tenant": row["tenant"]} for row in json.loads(out))
    ]


def test_a_list_has_those_used_last_first(surefoot, talks):
    assert listed(surefoot) == [("acme", "u1", "s2"), ("", "u2", "s1"), ("", "u1", "s1"), ("", "u1", "old")]
    assert listed(surefoot, "--user", "u1", "--tenant", "") == [("", "u1", "s1"), ("", "u1", "old")]
    assert listed(surefoot, "--limit", "1") == [("acme", "u1", "s2")]
    code, out, err = surefoot("sessions", "list")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["session", "user", "tenant", "state", "used", "turns"]
    assert lines[1][:4] == ["s2", "u1", "acme", "idle"]
    assert lines[3][0] == "s1"
    assert lines[3][-1] == "2"
    assert lines[4] == ["old", "u1", "(none)", "expired", "40", "d", "ago", "1"]


@pytest.mark.parametrize("columns", ["20", "40", "80", "200"])
def test_a_narrow_terminal_cuts_no_name(surefoot, record, monkeypatch, columns):
    names = {"session": "s" + "5" * 29, "user": f"user-{'7' * 40}", "tenant": "t" * 120}
    record("hello", **names)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    code, out, err = surefoot("sessions", "list")
    assert (code, err) == (0, "")
    lines = click.unstyle(out).splitlines()
    assert max(map(len, lines)) <= int(columns)
    whole = "".join("".join(lines).split())
    assert [name for name in names.values() if name not in whole] == []
    assert "…" not in out


def test_an_empty_database_says_how_to_begin(surefoot, record):
    record("hello")
    code, out, err = surefoot("sessions", "list")
    assert (code, out) == (0, "")
    assert "begins one" in err


def test_a_list_of_nothing_says_whose_it_is(surefoot, talks):
    code, out, err = surefoot("sessions", "list", "--user", "u9", "--tenant", "acme")
    assert (code, out, err) == (0, "", "there are no sessions of user 'u9' of tenant 'acme'\n")
    assert surefoot("sessions", "list", "--tenant", "none")[2] == "there are no sessions of tenant 'none'\n"


def test_a_conversation_shows_who_wrote_what(surefoot, talks):
    code, out, err = surefoot("sessions", "show", "s1", "--user", "u1")
    assert (code, err) == (0, "")
    for text in (
        "s1  user 'u1', 2 turns",
        "user  written by: user, trusted",
        'calls order_status {"order_id"',
        "tool  written by: third_party (order_status), not trusted",
        "assistant  written by: assistant, not trusted",
        "4711 was shipped",
    ):
        assert text in out
    shown = json.loads(surefoot("sessions", "show", "s2", "--json")[1])
    assert shown["session"]["tenant"] == "acme"
    assert [message["role"] for message in shown["transcript"]] == ["user", "assistant"]
    assert shown["transcript"][0]["parts"][0]["label"] == {"author": "user", "trusted": True}


def test_a_session_without_a_run_is_empty(surefoot, folder, record):
    record("hello")
    with sqlite3.connect("surefoot.db") as database:
        database.execute("INSERT INTO sessions VALUES (9, '', 'u', 'new', 1e10, 1e10, 0, '', '')")
    database.close()
    assert "nothing was said yet" in surefoot("sessions", "show", "new")[1]


def test_what_cannot_be_shown(fails, talks):
    assert fails("sessions", "show", "nope") == "no session 'nope'; `surefoot sessions list` lists what there is"
    told = "several have a session 's1': add --user u2 --tenant '' or --user u1 --tenant ''"
    assert fails("sessions", "show", "s1") == told
    assert "session 'old' has expired" in fails("sessions", "show", "old")
    assert "nothing is stored of user 'u9'" in fails("sessions", "export", "--user", "u9")
    assert "--older-than = 'soon'" in fails("sessions", "purge", "--older-than", "soon")
    assert "--user" in fails("sessions", "erase", "--yes")


def test_there_must_be_a_database(fails, folder):
    for command in (["list"], ["show", "s"], ["export", "--user", "u"], ["erase", "--user", "u", "--yes"], ["purge"]):
        assert "there is no such database yet" in fails("sessions", *command)


def test_all_that_is_stored_of_a_user_is_exported(surefoot, talks, folder):
    code, out, err = surefoot("sessions", "export", "--user", "u1")
    assert (code, err) == (0, "")
    whole = json.loads(out)
    assert (whole["version"], whole["user"], whole["tenant"]) == (1, "u1", "")
    assert [one["session"]["session"] for one in whole["sessions"]] == ["s1", "old"]
    said = [part["text"] for message in whole["sessions"][0]["transcript"] for part in message.get("parts", [])]
    assert said[0] == "4711?"
    assert "4711 was shipped" in said
    assert [one["run"]["question"] for one in whole["runs"]] == ["hello", "4711?", "hello"]
    types = [event["type"] for event in whole["runs"][1]["events"]]
    assert (types[0], types[-1]) == ("run_started", "run_finished")
    assert "tool_finished" in types
    code, out, err = surefoot("sessions", "export", "--user", "u1", "--tenant", "acme", "--output", "u1.json")
    assert (code, out) == (0, "")
    assert f"wrote u1.json, {(folder / 'u1.json').stat().st_size:,} bytes" in err
    assert [one["session"]["session"] for one in json.loads((folder / "u1.json").read_text())["sessions"]] == ["s2"]


def test_a_user_is_erased_after_a_question(surefoot, fails, talks, folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, out, err = surefoot("sessions", "erase", "--user", "u1")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "erase all that user 'u1' wrote and was answered? It cannot be undone [y/N]: surefoot: nothing was erased"
    ]
    before = json.loads(surefoot("report", "--by", "user", "--json")[1])
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, out, _ = surefoot("sessions", "erase", "--user", "u1", "--compact")
    assert code == 0
    told, figures = out.splitlines()
    assert told == "erased 2 sessions and the words of 3 runs of user 'u1'"
    pseudonym = figures.split()[-2]
    assert pseudonym.startswith("erased_")
    assert listed(surefoot) == [("acme", "u1", "s2"), ("", "u2", "s1")]
    after = json.loads(surefoot("report", "--by", "user", "--json")[1])
    assert json.dumps(before).count("tokens") == json.dumps(after).count("tokens")
    assert pseudonym in json.dumps(after)
    shown = json.loads(surefoot("sessions", "erase", "--user", "u1", "--tenant", "acme", "--yes", "--json")[1])
    assert (shown["sessions"], shown["runs"]) == (1, 1)
    assert b"4711?" not in (folder / "surefoot.db").read_bytes()
    code, out, err = surefoot("sessions", "erase", "--user", "nobody", "--yes")
    told = "nothing is kept of user 'nobody': is the name, and the --tenant, the right one?\n"
    assert (code, out, err) == (0, "", told)
    code, out, err = surefoot("sessions", "erase", "--user", "nobody", "--json")  # asks nothing
    assert (code, json.loads(out), err) == (0, {"pseudonym": "", "sessions": 0, "runs": 0}, told)


def test_more_owners_than_can_be_told(fails, record):
    for number in range(12):
        record("hello", user=f"[u{number}]", session="s")
    line = fails("sessions", "show", "s")
    assert line.startswith("several have a session 's': add --user '[u11]' --tenant '' or --user '[u10]'")
    assert line.endswith("--user '[u2]' --tenant '' (these are the ones used last, there are more)")


def test_with_nobody_to_ask_nothing_is_erased(surefoot, talks, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, out, err = surefoot("sessions", "erase", "--user", "u1")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].endswith("nothing was erased: there is nobody to ask; --yes answers the question")


@pytest.mark.parametrize("group", ["sessions", "budget", "guard"])
def test_a_group_without_a_command_shows_its_help(surefoot, group):
    code, out, err = surefoot(group)
    assert (code, out) == (2, "")
    assert err.startswith(f"Usage: surefoot {group} [OPTIONS] COMMAND")
    assert "\n\nCommands:\n" in err


def test_nothing_is_erased_while_a_run_is_under_way(surefoot, fails, talks, folder):
    with sqlite3.connect("surefoot.db") as database:  # a process that will not be asked
        database.execute("INSERT INTO leases SELECT run, 99, 1e12 FROM runs WHERE user = 'u2'")
    database.close()
    code, out, err = surefoot("sessions", "erase", "--user", "u2", "--yes")
    assert (code, out) == (7, "")
    assert err == "surefoot: user 'u2' has 1 run under way: erase when they have ended\n"
    assert ("", "u2", "s1") in listed(surefoot)


def test_nobody_is_no_user(fails, talks):
    for command in (["export"], ["erase", "--yes"], ["erase"]):
        for tenant in ([], ["--tenant", "acme"]):
            told = fails("sessions", *command, "--user", "", *tenant)
            assert told == f'{command[0]}: name the user; "" is nobody, and the runs of nobody are not one person\'s'


def test_what_is_old_is_deleted(surefoot, talks):
    assert surefoot("sessions", "purge")[1] == "deleted 0 sessions unused for 90d\n"
    assert surefoot("sessions", "purge", "--older-than", "30d")[1] == "deleted 1 session unused for 30d\n"
    assert ("", "u1", "old") not in listed(surefoot)
    runs = json.loads(surefoot("runs", "--session", "old", "--json")[1])
    assert [(run["question"], run["output"], run["tokens"] > 0) for run in runs] == [("", "", True)]
    code, out, err = surefoot("show", runs[0]["run_id"])
    assert (code, err) == (0, "")
    assert "Traceback" not in out


def test_reports_are_about_figures_that_stay(surefoot, talks):
    before = surefoot("report", "--by", "model", "--json")[1]
    surefoot("sessions", "purge", "--older-than", "1s")
    assert surefoot("report", "--by", "model", "--json")[1] == before
    assert surefoot("compare", "--models", "gpt-4.1,deepseek:deepseek-chat")[0] == 0

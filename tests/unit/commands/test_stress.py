"""``surefoot stress`` as people call it: in this process, and as a smoke test in a process of its own."""

import io
import json
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from surefoot import cli
from surefoot.commands.stress import allow_files, limit_spending, use_new_database
from surefoot.commands.stress_view import LiveView, draw
from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.stress.plan import Plan
from surefoot.stress.report import Report
from surefoot.stress.score import Score
from surefoot.testing import Brain, FakeProvider

QUICK = ("--latency-s", "0.01", "--tool-calls", "1")


@pytest.fixture
def stress(folder, capsys):
    """Runs the command: its exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as exited:
            cli.main(["stress", *arguments])
        printed = capsys.readouterr()
        return exited.value.code, printed.out, printed.err

    return run


def test_the_report_on_a_terminal_without_one(stress):
    code, out, err = stress("--users", "12", "--unique", "4", *QUICK)
    assert code == 0
    assert out.startswith("12 of 12 requests succeeded")
    for told in (
        "12 requesters in the name of 4 users",
        "throughput",
        "fairness",
        "worst user",
        "event loop late",
        "429s",
    ):
        assert told in out
    assert "12 of 12 requests " in err


def test_without_an_answer_there_are_no_figures_of_answers(stress, folder):
    page = folder / "report.html"
    code, out, _ = stress("--users", "4", "--unique", "2", "--fault-rate", "1", "--html", str(page), *QUICK)
    assert code == 1
    lines = {line.split("  ")[0]: line.split()[1:] for line in out.splitlines()}
    assert lines["latency"] == ["–"] * 6
    assert lines["fairness"][0] == "–"
    text = page.read_text()
    for name in ("Latency p50", "Latency p99", "Fairness"):
        assert f"<span>{name}</span><b>–</b>" in text
    assert "mean –" in text
    assert text.count("</td><td>–</td><td>") == 6
    assert "Latency as the test went on" not in text
    assert "<dd>openai:gpt-4.1: " in text


def test_the_database_of_a_test_holds_the_test(stress, folder, capsys):
    """What warms up is no part of it: whoever reports on the database later counts what the test counts."""
    with pytest.raises(SystemExit):
        cli.main(["--store", "kept.db", "stress", "--users", "3", "--json", *QUICK])
    report = json.loads(capsys.readouterr().out)
    with pytest.raises(SystemExit):
        cli.main(["--store", "kept.db", "runs", "--json"])
    runs = json.loads(capsys.readouterr().out)
    assert len(runs) == report["total"] == 3
    assert sum(run["tokens"] for run in runs) == report["spent"]["tokens"]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith("warm")) == []


def test_json_has_everything_and_the_user_s_own_database_is_left_alone(stress, folder):
    code, out, _ = stress("--users", "6", "--unique", "2", "--json", *QUICK)
    report = json.loads(out)
    assert code == 0
    assert (report["total"], report["succeeded"], report["spent"]["model_calls"], report["users"]) == (6, 6, 12, 2)
    assert report["endpoint"] == "the built-in fake provider"
    assert msgspec.convert(report, Report).plan == Plan(users=6, unique=2, requests=6)
    assert not (folder / "surefoot.db").exists()


def test_the_page_is_whole_needs_no_network_and_takes_no_markup_from_names(stress, folder):
    page = folder / "report.html"
    code, _, err = stress("--users", "5", "--model", "openai:gpt-4.1", "--html", str(page), *QUICK)
    text = page.read_text()
    assert code == 0
    assert f"wrote {page}" in err
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert "5 of 5 requests succeeded" in text
    assert text.count("<figure>") == 6
    assert "prefers-color-scheme: dark" in text
    for outside in ("http://", "https://", "<script", "@import", "url("):
        assert outside not in text


def test_failures_are_shown_and_are_exit_code_1_beyond_the_share_that_is_allowed(stress, folder):
    (folder / "surefoot.toml").write_text("[limits]\nsteps = 1\n")
    page = folder / "report.html"
    code, out, _ = stress("--users", "4", "--html", str(page), *QUICK)
    assert code == 1
    assert out.startswith("0 of 4 requests succeeded")
    assert "budget: steps" in out
    assert "budget: steps" in page.read_text()
    assert stress("--users", "4", "--max-failures", "100", *QUICK)[0] == 0


def test_a_real_endpoint_gets_the_key_and_a_ceiling(stress, provider):
    before = provider.stats.requests
    code, out, _ = stress("--real", "--users", "3", "--model", "openai:gpt-4.1", "--usd", "0.000001")
    assert (code, provider.stats.requests) == (1, before)
    assert "budget: usd" in out
    code, out, _ = stress("--base-url", provider.base_url, "--users", "3", "--model", "openai:gpt-4.1", "--json")
    assert code == 0
    assert json.loads(out)["endpoint"] == provider.base_url
    assert provider.stats.requests > before


def test_your_own_agent_and_a_wire_that_is_not_openai(stress, folder):
    (folder / "mine.py").write_text(
        "from surefoot import Agent, tool\n@tool(effect='read')\ndef look(what: str) -> str:\n    'Look.'\n    return what\n"
        "agent = Agent('local:', tools=[look])\n"
    )
    code, out, _ = stress("--agent", "mine:agent", "--users", "2", "--json", *QUICK)
    assert (code, json.loads(out)["model"]) == (0, "openai:gpt-4.1")
    code, out, _ = stress("--model", "anthropic:claude-sonnet-4-5", "--users", "2", "--json", *QUICK)
    assert (code, json.loads(out)["model"], json.loads(out)["succeeded"]) == (0, "anthropic:claude-sonnet-4-5", 2)
    assert json.loads(stress("--model", "gpt-4.1", "--users", "1", "--json", *QUICK)[1])["model"] == "openai:gpt-4.1"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--users", "5", "--unique", "9"], "--unique 9"),
        (["--arrival", "poisson"], "needs --rate"),
        (["--usd", "much"], "--usd"),
        (
            ["--html", "/nowhere/report.html"],
            "--html /nowhere/report.html: cannot be written: No such file or directory",
        ),
        (["--real", "--base-url", "http://127.0.0.1:1"], "--real"),
        (["--base-url", "nowhere", "--model", "openai:gpt-4.1"], "nowhere"),
        (["--real", "--model", "nobody:x"], "nobody"),
        (["--agent", "nothing"], "nothing"),
        (["--agent", "../agents/mine:agent"], "../agents/mine is a path; go to its folder"),
        (["--arrival", "poisson", "--rate", "-1"], "--rate -1: must be above 0"),
        (["--base-url", "http://127.0.0.1:1", "--model", "nobody-knows"], "or lift that limit (--usd unlimited)"),
    ],
)
def test_a_mistake_is_one_line(stress, arguments, told):
    code, out, err = stress(*arguments)
    assert code == 2
    assert (out, err.count("\n")) == ("", 1)
    assert told in err


def test_runs_are_kept_in_a_database_that_was_not_there(folder, capsys):
    kept = folder / "kept.db"
    for code in (0, 2):
        with pytest.raises(SystemExit) as exited:
            cli.main(["--store", str(kept), "stress", "--users", "2", *QUICK])
        assert exited.value.code == code
    assert "makes a database of its own" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["--store", str(kept), "runs", "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_ctrl_c_ends_it_and_prints_what_there_is(folder):
    with FakeProvider.start_in_thread(Brain(calls=0), api_key="", latency_s=0.01) as provider:
        command = [str(Path(sys.executable).with_name("surefoot")), "stress", "--users", "5", "--requests", "100000"]
        target = ["--base-url", provider.base_url, "--model", "openai:gpt-4.1", "--usd", "100", "--json"]
        target += ["--raise-limits"]  # or admission refuses the rest faster than the signal comes
        child = subprocess.Popen([*command, *target], cwd=folder, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while provider.stats.replies < 20:
            assert time.monotonic() < deadline, "no request has come"
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    report = json.loads(out)
    assert report["outcome"] == "interrupted"
    assert 15 <= report["succeeded"] < 100_000


def test_a_ceiling_never_raises_one_that_is_there():
    budgets = {"global": {"total": {"usd": "0.10"}, "day": {"tokens": 5}}, "user:*": {"day": {"usd": "1"}}}
    settings = Settings(budgets=budgets)
    assert limit_spending(settings, "5").budgets == budgets
    lowered = limit_spending(settings, "0.05").budgets
    assert lowered == {**budgets, "global": {"total": {"usd": "0.05"}, "day": {"tokens": 5}}}
    assert limit_spending(Settings(), "2").budgets == {"global": {"total": {"usd": "2"}}}
    assert settings.budgets == budgets


def test_the_database_of_a_test_is_a_new_one(tmp_path):
    settings = use_new_database(Settings(), tmp_path / "new.db")
    assert settings.store.path == str(tmp_path / "new.db")
    (tmp_path / "new.db").touch()
    with pytest.raises(ConfigError, match="is there already"):
        use_new_database(Settings(), tmp_path / "new.db")


def test_more_files_than_the_system_allows_are_refused_before_the_test():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        allow_files(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        allow_files(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        if hard != resource.RLIM_INFINITY:
            with pytest.raises(ConfigError, match="ulimit -Hn"):
                allow_files(hard + 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_live_view_draws_a_bar_on_a_terminal():
    drawn = io.StringIO()
    score = Score(4)
    for width in (60, 120):
        with LiveView(
            Console(file=drawn, force_terminal=True, width=width), Plan(users=4, unique=1, requests=4)
        ) as view:
            view.show(score, 0.0)
            score.begin()
            score.end("a", ended_s=1.0, latency_s=0.5, reason="model")
            view.show(score, 1.0)
        told = Text.from_ansi(drawn.getvalue()).plain
        assert "1/4" in told
        assert "1 failed" in told
        assert ("stress" in told) is (width == 120), "a bar where there is room for it, and no figure is cut"
        assert "…" not in told
        score = Score(4)
        drawn.truncate(0)


def test_a_report_fits_a_narrow_terminal(stress):
    _, out, _ = stress("--users", "3", "--json", *QUICK)
    report = msgspec.json.decode(out, type=Report)
    for width in (40, 60):
        console = Console(file=io.StringIO(), force_terminal=True, width=width)
        with console.capture() as captured:
            console.print(draw(report, console))
        plain = Text.from_ansi(captured.get()).plain
        assert max(map(cell_len, plain.splitlines())) <= width
        assert "…" not in plain, "no figure is cut"


def test_a_page_that_cannot_be_written_after_the_test_takes_no_report_away(stress):
    code, out, err = stress("--users", "2", "--html", "/dev/full", *QUICK)
    assert code == 1
    assert out.startswith("2 of 2 requests succeeded")
    assert err.endswith("surefoot: /dev/full: No space left on device\n")


def test_without_a_terminal_the_progress_of_a_test_in_which_nothing_ends_is_told_now_and_then():
    told = io.StringIO()
    score = Score(4)
    with LiveView(Console(file=told, width=100), Plan(users=4, unique=1, requests=4)) as view:
        score.begin()
        for seconds in range(0, 71, 10):
            view.show(score, float(seconds))
        score.end("a", ended_s=75.0, latency_s=75.0, reason="model")
        view.show(score, 75.0)
    lines = told.getvalue().splitlines()
    assert [line.partition("  ")[0] for line in lines] == ["0 of 4 requests"] * 2 + ["1 of 4 requests"]
    assert "p50" not in told.getvalue(), "there is no answer yet"


def test_the_report_says_what_the_first_failure_of_a_reason_was(stress, folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with FakeProvider.start_in_thread(Brain(), api_key="k") as provider:
        target = ("--base-url", provider.base_url, "--model", "gpt-4.1", "--users", "3", "--html", "page.html")
        code, out, _ = stress(*target)
    assert code == 1
    assert "model_refused  openai:gpt-4.1: the provider refuses the key (HTTP 401)" in " ".join(out.splitlines())
    assert "The first of them said" in Path("page.html").read_text()


def test_an_option_of_the_fake_provider_is_refused_with_an_endpoint(stress):
    code, out, err = stress("--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--fault-rate", "0.5")
    assert (code, out) == (2, "")
    assert err.startswith("surefoot: --fault-rate is for the built-in fake provider")


@pytest.fixture
def slow(folder):
    """A provider that answers one call after the other, for runs that have no time for many."""
    with FakeProvider.start_in_thread(Brain(calls=1), api_key="", latency_s=0.1) as provider:
        (folder / "surefoot.toml").write_text(
            f"[limits]\nseconds = 3\n[providers.slow]\nbase_url = '{provider.base_url}'\nneeds_key = false\n"
            "free = true\nconcurrency = 1\n"
        )
        yield provider


def test_a_slow_provider_gets_a_load_that_it_can_answer_and_the_user_is_told(stress, slow):
    code, out, err = stress("--real", "--model", "slow:m", "--max-failures", "100", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["plan"]["users"] == report["plan"]["requests"] == report["total"] < 100
    assert err.startswith("one request alone took ")
    assert f"{report['total']} requester" in err
    assert "instead of 100, so that all are answered in time; --users N asks for more" in err


def test_who_asks_for_more_is_told_before_and_the_report_says_why(stress, slow):
    code, out, err = stress("--real", "--model", "slow:m", "--users", "60", "--unique", "60", "--html", "page.html")
    assert code == 1
    assert "60 runs at once share 1 call at once, so that each takes about " in err.partition(" requests ")[0]
    assert re.search(
        "budget: seconds  the 3 s are over|, and the run has [0-9.]+ s left", out
    )  # as fast as the machine is
    assert "expected: 60 runs at once share 1 call at once" in out
    assert "Was to be expected" in Path("page.html").read_text()


def test_a_request_alone_that_fails_is_left_to_the_test(stress):
    code, out, err = stress("--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--users", "2", "--usd", "1")
    assert code in {1, 2}
    assert "one request alone" not in out + err

"""`surefoot sim`: a day in virtual time."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from surefoot.commands.sim_view import PROMISES, _say_figure, draw_report
from surefoot.testing import World, simulate, simulation
from surefoot.testing.simulation import read_world
from surefoot.testing.simulation.world import Faults

SMALL = ("--requests", "60", "--users", "20", "--hours", "0.5")
HOSTILE = """
users = 10
requests = 60
hours = 0.1
processes = 2
[clients]
cancel = 0.1
[faults]
storms = 1
crashes = 2
[settings.limits]
steps = 3
"""
STALLED = """
users = 40
requests = 40
hours = 0.02
arrivals = { pattern = "burst", burst_s = 1.0 }
clients = { cancel = 0.9 }
model = { latency_s = 20.0 }
faults = { stalls = 9, length_s = 60.0 }
"""


def test_a_small_day(surefoot):
    code, out, err = surefoot("sim", *SMALL)
    assert (code, err) == (0, "")
    assert "60 requests of 20 users in 0.5 h on openai:gpt-4.1" in out
    assert "a month like this" in out
    assert "wait for the first call" in out
    assert "✓ every promise was watched all along, and held" in out


def test_the_same_seed_gives_the_same_figures(surefoot):
    one, two, other = [json.loads(surefoot("sim", *SMALL, "--json", "--seed", seed)[1]) for seed in ("5", "5", "6")]
    assert one == two
    assert one["trace_hash"] != other["trace_hash"]
    assert one["requests"] == 60
    assert one["nano"] > 0
    assert one["breaches"] == []


def test_a_world_of_a_file(surefoot, tmp_path):
    (tmp_path / "hostile.toml").write_text(HOSTILE)
    code, out, _ = surefoot("sim", str(tmp_path / "hostile.toml"), "--json")
    report = json.loads(out)
    assert code == 0
    assert report["crashes"] > 0
    assert report["turned_away"] > 0
    assert "steps" in report["stopped"]
    code, out, _ = surefoot("sim", str(tmp_path / "hostile.toml"))
    assert "crashes" in out


def test_what_the_simulated_runtime_warns_of_does_not_hide_the_report(surefoot, tmp_path, caplog):
    (tmp_path / "hostile.toml").write_text(STALLED)
    world, _ = read_world(tmp_path / "hostile.toml")
    simulate(world)
    assert [record for record in caplog.records if record.name.startswith("surefoot")] != []
    caplog.clear()
    assert surefoot("sim", str(tmp_path / "hostile.toml"))[0] == 0
    assert [record for record in caplog.records if record.name.startswith("surefoot")] == []
    simulate(world)
    assert caplog.records != [], "others hear of it as before"


def test_the_example_is_the_defaults(surefoot, tmp_path):
    path = tmp_path / "mine.toml"
    code, out, _ = surefoot("sim", "--init", str(path))
    assert (code, out) == (0, f"wrote {path}; next: surefoot sim {path}\n")
    from surefoot.testing.simulation import World, read_world

    assert read_world(path) == (World(), {})
    lines = [line.removeprefix("# ") for line in path.read_text().splitlines()]
    path.write_text("\n".join(line for line in lines[2:] if not line.startswith(("[settings.", "day ="))))
    assert read_world(path) == (World(), {})  # what is commented are the defaults
    names = {line.split(" =")[0].strip() for line in lines if " = " in line}
    fields = {
        name
        for part in (
            World(),
            *[getattr(World(), name) for name in ("arrivals", "clients", "model", "tool", "faults", "targets")],
        )
        for name in part.__struct_fields__
    }
    assert fields - names == {"arrivals", "clients", "model", "tool", "faults", "targets"}
    code, _, err = surefoot("sim", "--init", str(path))
    assert code == 2
    assert "is there already" in err


def test_where_it_breaks(surefoot, tmp_path):
    (tmp_path / "world.toml").write_text(
        "users = 50\nrequests = 2_000\n[targets]\nrefused = 0.05\n[settings.admission]\nruns = 2\nmax_wait_s = 3\n"
    )
    code, out, err = surefoot("sim", str(tmp_path / "world.toml"), "--sweep")
    assert (code, err) == (0, "")
    assert "1.00 ×" in out
    assert "and breaks at" in out
    assert "unanswered" in out
    code, out, _ = surefoot("sim", str(tmp_path / "world.toml"), "--sweep", "--json")
    loads = json.loads(out)
    assert [load["factor"] for load in loads] == sorted(load["factor"] for load in loads)
    assert loads[-1]["broken"]


def test_a_world_that_breaks_at_once_and_one_that_never_does(surefoot, tmp_path):
    (tmp_path / "world.toml").write_text("users = 50\nrequests = 500\n[targets]\nlatency_p95_s = 0.1\n")
    assert (
        "the world's own load misses its targets already" in surefoot("sim", str(tmp_path / "world.toml"), "--sweep")[1]
    )


def test_a_broken_promise_is_shrunk_saved_and_played_again(surefoot, tmp_path):
    """The provider charges more than the settings say that it does."""
    path = tmp_path / "world.toml"
    path.write_text("users = 5\nrequests = 20\nhours = 0.1\n[model]\ninput_usd = 5000.0\noutput_usd = 1.0\n")
    case = tmp_path / "case.json"
    code, out, err = surefoot("sim", str(path), "--save", str(case))
    assert code == 1
    assert "✗ B2 (no call without a hold that covers it), broken at" in out
    assert "shrunk to 1 request and 0 troubles" in err
    assert f"surefoot sim --replay {case}" in err
    code, out, _ = surefoot("sim", "--replay", str(case), "--save", str(case), "--json")
    assert code == 1
    assert json.loads(out)["breaches"][0]["promise"] == "B2"


def test_it_learns_from_recorded_runs(record, surefoot, folder):
    record("Where is it?", "hello")
    code, out, err = surefoot("sim", *SMALL, "--from", str(folder / "surefoot.db"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["requests"] == 60


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--requests", "0"), "requests = 0: must be between 1 and"),
        (("--hours", "-1"), "hours = -1: must be between"),
        (("--model", "openai:no-such-model"), "no price is known for it"),
        (("nowhere.toml",), "nowhere.toml: cannot be read"),
        (("--replay", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--from", "nowhere.db"), "surefoot: --from nowhere.db: there is no such database\n"),
        (("--requests", "2000000"), "requests = 2,000,000: must be between 1 and 1,000,000"),
        (("--init", "w.toml", "--requests", "5"), "--requests does nothing beside --init; leave it out"),
        (("--replay", "c.json", "--seed", "5"), "--seed does nothing beside --replay; leave it out"),
        (("w.toml", "--replay", "c.json"), "[WORLD] does nothing beside --replay; leave it out"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments, told, surefoot):
    code, _, err = surefoot("sim", *arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in err


def test_wrong_settings_of_a_world(surefoot, tmp_path):
    (tmp_path / "world.toml").write_text("[settings]\nno_such = 1\n")
    code, _, err = surefoot("sim", str(tmp_path / "world.toml"))
    assert code == 2
    assert "[settings]: there is no setting no_such" in err


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[modle]\na = 1", "there is no setting modle"),
        ('[model]\nlatency_s = "a"', "model.latency_s: Expected `float`, got `str`"),
        ("[faults]\nstroms = 1", "there is no setting faults.stroms"),
    ],
)
def test_a_world_s_mistake_is_told_as_that_of_the_settings_is(surefoot, tmp_path, written, told):
    path = tmp_path / "world.toml"
    path.write_text(written)
    code, _, err = surefoot("sim", str(path))
    assert code == 2
    assert err.startswith(f"surefoot: {path}: {told}")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_report_fits_its_terminal_and_cuts_no_figure(width):
    world = World(users=4, requests=6, hours=0.1, faults=Faults(crashes=2))
    report = simulate(world)
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    with console.capture() as captured:
        console.print(draw_report(report, world, console))
    lines = Text.from_ansi(captured.get()).plain.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert not [line for line in lines if "…" in line]
    said = " ".join(" ".join(lines).split())
    for told in ("wait for the first call", "calls of the model", "turned away (429)", "runs at once"):
        assert told in said
    blocks = [line for line in lines if line.startswith("wait p95")]
    assert len(blocks) == 1, "a line of blocks is one line"


def test_a_few_runs_at_once_are_not_said_to_be_none():
    assert [_say_figure(value) for value in (0, 0.0213, 0.1, 8.66, 1234.5)] == ["0.0", "0.021", "0.1", "8.7", "1,234.5"]


def test_where_a_case_cannot_be_saved_is_known_before_the_simulation(surefoot):
    code, out, err = surefoot("sim", "--save", "/nowhere/case.json")
    assert (code, out) == (2, "")
    assert err == "surefoot: --save /nowhere/case.json: its directory does not exist; create /nowhere\n"


def test_each_promise_that_can_break_is_told_in_words_and_stands_in_the_documentation():
    root = Path(simulation.__file__).parent
    broken = {
        name
        for path in root.glob("*.py")
        for name in re.findall(r'breach\([^)]*?"(B\d|C\d|R\d|context|pace|liveness)"', path.read_text())
    }
    page = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()
    cells = {
        name for line in page.splitlines() if line.startswith("| ") for name in line.split("|")[1].strip().split(", ")
    }
    assert broken <= set(PROMISES) <= cells

import pytest
from msgspec.structs import replace
from tests.sim.worlds import draw_settings, draw_world

from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.testing.simulation import World, make_case, play_case, read_case, shrink_case, write_case
from surefoot.testing.simulation.plan import make_plan
from surefoot.testing.simulation.shrink import MAX_PLAYS, Case, shrink
from surefoot.testing.simulation.world import Clients, Faults

WORLD = World(
    users=20,
    requests=60,
    hours=0.1,
    clients=Clients(cancel=0.3, stream=0.5),
    faults=Faults(storms=2, crashes=3, cut=0.2),
)


def test_what_is_not_needed_goes():
    needed = {7, 31}

    def breaks(case):
        numbers = {request.number for request in case.plan.requests}
        crashes = [trouble for trouble in case.plan.troubles if trouble.kind == "crash"]
        return "B1" if needed <= numbers and crashes and case.world.faults.cut else ""

    told = []
    small = shrink(make_case(WORLD), breaks, lambda done, most: told.append((done, most)))
    assert {request.number for request in small.plan.requests} == needed
    assert [trouble.kind for trouble in small.plan.troubles] == ["crash"]
    assert small.world.faults.cut == 0.2
    assert (small.world.clients.cancel, small.world.clients.stream) == (0.0, 0.0)
    assert told[-1][0] <= told[-1][1] == MAX_PLAYS


def test_another_promise_is_not_the_same():
    def breaks(case):
        return "C1" if len(case.plan.requests) == 60 else "B1" if case.plan.requests else ""

    assert len(shrink(make_case(WORLD), breaks).plan.requests) == 60


def test_shrinking_ends():
    plays = []

    def breaks(case):
        plays.append(case)
        return "B1" if len(plays) % 2 else ""

    shrink(make_case(replace(WORLD, requests=3_000)), breaks)
    assert len(plays) <= MAX_PLAYS + 2


def test_a_case_is_saved_and_read(tmp_path):
    case = Case(WORLD, Settings(limits={"steps": 3}), make_plan(WORLD))
    write_case(case, tmp_path / "case.json")
    assert read_case(tmp_path / "case.json") == case
    (tmp_path / "other.json").write_text('{"world": 5}')
    with pytest.raises(ConfigError, match="is no case of"):
        read_case(tmp_path / "other.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_case(tmp_path / "none.json")


def test_a_real_breach_is_found_and_shrunk():
    """The provider is dearer than the settings say: no hold is the worst case."""
    world = draw_world(4)
    world = replace(world, requests=20, model=replace(world.model, input_usd=900.0))
    case = make_case(world, draw_settings(4))
    assert play_case(case).breaches[0].promise == "B2"
    small = shrink_case(case)
    assert len(small.plan.requests) == 1
    assert small.plan.troubles == ()
    report = play_case(small)
    assert report.breaches[0].promise == "B2"
    assert "BROKEN B2" in "".join(report.trace)

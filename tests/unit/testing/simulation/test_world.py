import pytest
from msgspec.structs import replace

from surefoot.errors import ConfigError
from surefoot.testing.simulation import World, read_world
from surefoot.testing.simulation.plan import FLOODER, make_plan
from surefoot.testing.simulation.world import Arrivals, Faults


def test_a_plan_repeats_itself_and_is_in_order():
    world = World(users=50, requests=300, faults=Faults(storms=2, outages=1, slow=1, crashes=3))
    plan = make_plan(world)
    assert plan == make_plan(world)
    assert plan != make_plan(replace(world, seed=2))
    assert len(plan.requests) == 300
    assert len({request.number for request in plan.requests}) == 300
    assert [request.at_s for request in plan.requests] == sorted(request.at_s for request in plan.requests)
    assert sorted(trouble.kind for trouble in plan.troubles) == ["crash"] * 3 + ["outage", "slow", "storm", "storm"]


def test_more_ask_in_the_busiest_hours():
    hours = [int(request.at_s // 3600) for request in make_plan(World(requests=5_000)).requests]
    afternoon, night = [sum(hour in of for hour in hours) for of in ((13, 14, 15, 16), (1, 2, 3, 4))]
    assert 2.5 * night < afternoon < 8 * night


def test_a_burst_is_short_and_a_flood_comes_at_once():
    arrivals = Arrivals(pattern="burst", burst_s=5, turns=1, flood_requests=20)
    plan = make_plan(World(users=5, requests=100, hours=1, tenants=0, arrivals=arrivals))
    flood = {request.at_s for request in plan.requests if request.user == FLOODER}
    assert len(flood) == 1
    assert max(request.at_s for request in plan.requests if request.user != FLOODER) <= 5
    assert {request.tenant for request in plan.requests} == {""}


def test_a_few_users_ask_most_unless_all_ask_alike():
    def most(skew):
        users = [
            request.user
            for request in make_plan(World(users=100, requests=5_000, arrivals=Arrivals(turns=1, skew=skew))).requests
        ]
        return max(users.count(user) for user in set(users))

    assert most(0) < 100
    assert most(1.2) > 800


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("users = 0", "users = 0: must be between 1 and"),
        ("[arrivals]\nturns = 0.5", "arrivals.turns = 0.5: must be between 1 and 100"),
        ("[faults]\ncut = 2", "faults.cut = 2: must be between 0 and 1"),
        ("user = 5", "there is no setting user; did you mean users"),
        ("[model]\nlatency_s = 'slow'", "model.latency_s: Expected `float`, got `str`"),
        ("users = ", "is not valid TOML"),
    ],
)
def test_a_wrong_world_is_one_clear_error(text, told, tmp_path):
    path = tmp_path / "world.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told) as raised:
        read_world(path)
    assert "world.toml" in str(raised.value)


def test_a_world_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_world(tmp_path / "world.toml")


def test_settings_go_with_a_world(tmp_path):
    path = tmp_path / "world.toml"
    path.write_text("users = 5\n[settings.limits]\nsteps = 3\n")
    assert read_world(path) == (World(users=5), {"limits": {"steps": 3}})

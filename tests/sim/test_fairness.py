"""One user with 5,000 requests waiting leaves the others their p99 within a fifth."""

import pytest

from surefoot.config import Settings
from surefoot.providers import Provider
from surefoot.sections import AdmissionSettings
from surefoot.testing.simulation import World, simulate
from surefoot.testing.simulation.world import Arrivals, Clients, SimulatedModel, SimulatedTool

SECONDS = 3
OTHERS = 99
SETTINGS = Settings(
    prices={"sim:model": {"input": 1.0, "output": 1.0}},
    providers={"sim": Provider("http://127.0.0.1:9/v1", needs_key=False, concurrency=60)},
    admission=AdmissionSettings(
        user_requests_per_minute=1_000_000,
        tenant_requests_per_minute=1_000_000,
        user_runs=1_000,
        tenant_runs=1_000,
        runs=60,
        user_queue=5_000,
        tenant_queue=6_000,
        queue=6_000,
        max_wait_s=3_600.0,
        target_wait_s=3_600.0,
    ),
)


def measure(seed, flood):
    world = World(
        seed=seed,
        users=OTHERS,
        tenants=0,
        requests=OTHERS * SECONDS,
        hours=SECONDS / 3600,
        arrivals=Arrivals(pattern="poisson", turns=1, sessions=0, skew=0, flood_requests=flood),
        clients=Clients(retries=0, stream=0),
        model=SimulatedModel(
            id="sim:model",
            latency_s=0.4,
            spread=0.3,
            instructions_tokens=1,
            question_tokens=1,
            reply_tokens=1,
            tool_steps=0,
        ),
        tool=SimulatedTool(),
    )
    report = simulate(world, SETTINGS)
    assert report.breaches == ()
    return report


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_a_flood_of_one_user_delays_the_others_by_less_than_a_fifth(first):
    for seed in range(first, first + 5):
        calm, flooded = measure(seed, 0), measure(seed, 5_000)
        told = f"seed {seed}: p99 {calm.latency_s.p99:.3f} s, with the flood {flooded.latency_s.p99:.3f} s"
        print(told, f"({flooded.answered - calm.answered} of the flood answered)")
        assert flooded.requests == calm.requests + 5_000
        assert flooded.answered > calm.answered, "the flood is served, too"
        assert flooded.latency_s.p99 <= 1.2 * calm.latency_s.p99, told

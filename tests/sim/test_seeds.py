"""Two hundred hostile worlds: the real runtime, every fault, and every promise watched all along."""

import pytest
from tests.sim.worlds import draw_settings, draw_world

from surefoot.testing.simulation import simulate

SEEDS = 200
TOGETHER = 10


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_no_promise_is_broken(first):
    seen = {"crashes": 0, "refusals": 0, "calls": 0, "failed": 0}
    for seed in range(first, first + TOGETHER):
        report = simulate(draw_world(seed), draw_settings(seed))
        told = "\n".join([f"seed {seed}", *report.trace[-30:]])
        assert report.breaches == (), told
        assert report.requests > 0
        seen["crashes"] += report.crashes
        seen["refusals"] += sum(report.refusals.values())
        seen["calls"] += report.calls
        seen["failed"] += report.failed_calls + report.turned_away
    print(f"seeds {first} to {first + TOGETHER - 1}: {seen}")
    assert all(seen.values()), "these worlds are too peaceful to prove anything"

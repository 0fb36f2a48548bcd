"""Two hundred hostile worlds: the real runtime, every fault, and every promise watched all along."""

import time
from collections import Counter

import pytest
from tests.sim.worlds import draw_settings, draw_world

from surefoot.testing.simulation import simulate

SEEDS = 200
TOGETHER = 20
HAPPENS = (
    "child runs",
    "conversations shortened",
    "conversations summed up",
    "disks that stood still",
    "headers that lied",
    "headers that told limits",
    "looks into all queues and caches",
    "messages rejected",
    "models that went round (error)",
    "models that went round (same)",
    "models that went round (two)",
    "models that went round (unknown)",
    "runs interrupted",
    "switches of the model",
    "tool calls that write",
)


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_no_promise_is_broken(first):
    seen = Counter(dict.fromkeys(("crashes", "refusals", "calls", "failed", *HAPPENS), 0))
    began_s = time.process_time()
    for seed in range(first, first + TOGETHER):
        report = simulate(draw_world(seed), draw_settings(seed))
        told = "\n".join([f"seed {seed}", *report.trace[-30:]])
        assert report.breaches == (), told
        assert report.requests > 0
        seen["crashes"] += report.crashes
        seen["refusals"] += sum(report.refusals.values())
        seen["calls"] += report.calls
        seen["failed"] += report.failed_calls + report.turned_away
        seen.update(report.covered)
    cpu_s = time.process_time() - began_s
    print(f"seeds {first} to {first + TOGETHER - 1}, {cpu_s:.1f} s of CPU: {dict(sorted(seen.items()))}")
    missing = [what for what, count in seen.items() if not count]
    assert not missing, "these worlds are too peaceful to prove anything"

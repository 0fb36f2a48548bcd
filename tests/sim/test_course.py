"""The same seed gives the same course, in any process."""

import os
import subprocess
import sys
from pathlib import Path

from tests.sim.worlds import draw_settings, draw_world

from surefoot.testing.simulation import simulate

ROOT = Path(__file__).parents[2]
PRINT_HASHES = """
import sys
sys.path.append(sys.argv[1])
from tests.sim.worlds import draw_settings, draw_world
from surefoot.testing.simulation import simulate
print(*[simulate(draw_world(seed), draw_settings(seed)).trace_hash for seed in range(8)])
"""


def hashes(hash_seed):
    command = [sys.executable, "-c", PRINT_HASHES, str(ROOT)]
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=100).stdout.split()


def test_the_same_seed_is_the_same_course_whatever_the_hash_seed():
    one, other = hashes("1"), hashes("77")
    assert one == other
    assert len(set(one)) == 8


def test_the_report_is_the_same_twice_in_one_process():
    assert simulate(draw_world(3), draw_settings(3)) == simulate(draw_world(3), draw_settings(3))

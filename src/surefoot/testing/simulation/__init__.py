"""Surefoot in a made-up world, in virtual time: what a day costs, where it breaks, and whether every promise holds."""

from surefoot.testing.simulation.figures import Report
from surefoot.testing.simulation.run import find_breaking_point, make_case, play_case, shrink_case, simulate
from surefoot.testing.simulation.shrink import Case, read_case, write_case
from surefoot.testing.simulation.world import World, read_world

__all__ = [
    "Case",
    "Report",
    "World",
    "find_breaking_point",
    "make_case",
    "play_case",
    "read_case",
    "read_world",
    "shrink_case",
    "simulate",
    "write_case",
]

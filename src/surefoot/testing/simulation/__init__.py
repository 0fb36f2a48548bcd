"""Surefoot in a made-up world, in virtual time: what a day of traffic costs, where it breaks, and whether every promise holds."""

from surefoot.testing.simulation.course import play
from surefoot.testing.simulation.figures import Report
from surefoot.testing.simulation.plan import make_plan
from surefoot.testing.simulation.world import World

__all__ = ["Report", "World", "make_plan", "play"]

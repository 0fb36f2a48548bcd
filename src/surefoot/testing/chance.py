"""Chance that repeats itself: the same key gives the same numbers, whatever else runs at the same time."""

from __future__ import annotations

from random import Random

__all__ = ["Random", "draw"]


def draw(*key: int | str) -> Random:
    """A generator of its own for ``key``."""
    return Random("/".join(map(str, key)))  # noqa: S311 - a script is no secret, and has to be repeatable

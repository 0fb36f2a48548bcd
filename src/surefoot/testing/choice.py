"""What a script may be made of, and how the next step is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from surefoot.errors import ConfigError
from surefoot.testing.brain import Brain
from surefoot.testing.chance import draw
from surefoot.testing.script import Answer, Failure, Fault, Step


class Mix:
    """A seeded random choice, made anew for each call.

    Args:
        choices: Pairs of weight and what happens then.
        seed: The same seed makes the same choices for the same calls.

    Raises:
        ConfigError: A weight below zero, or none above it.

    Example:
        ``Mix([(8, Brain()), (1, status(429, retry_after_s=1)), (1, say("Cut off", cut_after=1))], seed=7)``
    """

    def __init__(self, choices: Sequence[tuple[float, Choice]], seed: int = 0) -> None:
        self._weights = [weight for weight, _ in choices]
        if not all(weight >= 0 for weight in self._weights) or not sum(self._weights) > 0:
            raise ConfigError("a Mix needs at least one choice with a weight above zero, and none below")
        self._choices = [choice for _, choice in choices]
        self._seed = seed

    def pick(self, *key: int | str) -> Choice:
        """The choice for the call that ``key`` names."""
        return draw("mix", self._seed, *key).choices(self._choices, self._weights)[0]


Choice = Step | str | Brain | Mix
"""One entry of a script; a text means `say` of it."""


def resolve_choice(choice: object, key: tuple[int | str, ...], think: Callable[[Brain], Answer]) -> Step:
    """The step that ``choice`` comes to.

    Raises:
        ConfigError: Something else than a choice.
    """
    while isinstance(choice, Mix):
        choice = choice.pick(*key)
        key = (*key, "inner")  # a mix within a mix of the same seed must not repeat its choice
    if isinstance(choice, Answer | Fault | Failure):
        return choice
    if isinstance(choice, str):
        return Answer(text=choice)
    if isinstance(choice, Brain):
        return think(choice)
    raise ConfigError(f"a script holds replies such as say(...) or status(...), not {choice!r}")

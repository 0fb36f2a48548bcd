"""What an `Agent` may be made of: one clear error for each value that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from surefoot.budget.limits import Limits
from surefoot.errors import ConfigError
from surefoot.models.base import Model, ModelProfile

PROTOCOLS: Final = ("auto", "native", "json", "text")
MAX_MODELS: Final = 8
"""Models of one agent: each may be tried for every call."""


def check_options(*, protocol: Any, limits: Any, temperature: Any, max_tokens: Any, repairs: Any) -> None:
    """Check options that are given as they are used.

    Raises:
        ConfigError: One of them is wrong.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"Agent(protocol={protocol!r}): must be one of {', '.join(PROTOCOLS)}")
    if max_tokens is not None and (type(max_tokens) is not int or max_tokens < 1):
        raise ConfigError(f"Agent(max_tokens={max_tokens!r}): must be a positive whole number")
    if temperature is not None and (type(temperature) not in (int, float) or not 0 <= temperature <= 2):
        raise ConfigError(f"Agent(temperature={temperature!r}): must be a number between 0 and 2")
    if type(repairs) is not int or repairs < 0:
        raise ConfigError(f"Agent(repairs={repairs!r}): must be 0 or a positive whole number")
    if limits is not None and type(limits) is not Limits:
        raise ConfigError(f"Agent(limits={limits!r}): must be a Limits")


def choose_models(model: str | Model | None, models: Sequence[str | Model]) -> tuple[str | Model, ...]:
    """The models of an agent, in the order in which they are asked.

    Raises:
        ConfigError: Both are given, or neither, or one of them is no model, or comes twice.
    """
    if isinstance(models, str):
        raise ConfigError(f"Agent(models={models!r}): must be a list; for one model write Agent({models!r})")
    if model is not None and models:
        raise ConfigError("Agent(model, models=[...]): give one of the two; the first of models is asked first")
    chosen = tuple(models) if model is None else (model,)
    if not chosen:
        raise ConfigError("Agent(): name its model, for example Agent('openai:gpt-4.1'), or several with models=[...]")
    if len(chosen) > MAX_MODELS:
        raise ConfigError(f"Agent(models=[...]): {len(chosen)} models are more than {MAX_MODELS}")
    names: set[str] = set()
    for one in chosen:
        profile = getattr(one, "profile", None)
        if not isinstance(one, str) and not isinstance(profile, ModelProfile):
            where = f"model={one!r}" if model is not None else f"models=[... {one!r}]"
            raise ConfigError(f"Agent({where}): must be a text such as 'openai:gpt-4.1', or a model object")
        name = one if isinstance(one, str) else one.profile.id
        if name in names:
            raise ConfigError(f"Agent(models=[...]): {name!r} is there twice")
        names.add(name)
    return chosen

"""From a model string to a `Model`: ``provider:name``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from surefoot.config import Settings, read_key
from surefoot.errors import ConfigError, NotFound
from surefoot.models.base import Model, ModelProfile
from surefoot.models.http import HttpClient
from surefoot.models.openai_chat import OpenAIChat
from surefoot.providers import KNOWN_PROVIDERS, Provider, ProviderEndpoint
from surefoot.secret import Secret

MAX_MODELS: Final = 256
"""Models kept; the one made longest ago makes room."""


def split_model(model: str) -> tuple[str, str]:
    """Provider and name of a model string.

    Raises:
        ConfigError: There is no colon, or nothing before it.
    """
    provider, colon, name = model.partition(":")
    if not colon or not provider:
        raise ConfigError(f"model {model!r}: must be written provider:name, for example openai:gpt-4.1 or local:")
    return provider, name


class Way(Struct, frozen=True):
    """One way to a model.

    Attributes:
        model: The model behind one endpoint and key.
        weight: Its share of the calls.
    """

    model: Model
    weight: float = 1.0


class Models:
    """The models of one runtime, each made once, over one pooled HTTP client."""

    def __init__(self, settings: Settings, http: Callable[[], HttpClient]) -> None:
        """Make models from the providers of ``settings``; ``http`` gives the client when the first one is needed."""
        self._settings = settings
        self._http = http
        self._made: dict[str, tuple[Way, ...]] = {}

    def find(self, model: str) -> tuple[Way, ...]:
        """The ways to the model of that string, one for each endpoint of its provider.

        Raises:
            ConfigError: The string is malformed, or the provider's key is not set.
            NotFound: No such provider.
        """
        made = self._made.get(model)
        if made is not None:
            return made
        name, wire_name = split_model(model)
        provider = self._settings.provider(name)
        if provider is None:
            known = ", ".join(sorted({*KNOWN_PROVIDERS, *self._settings.providers, "local"}))
            raise NotFound(
                f"model {model!r}: no provider {name!r}; known are {known}; add [providers.{name}] to use it"
            )
        if not wire_name:
            raise ConfigError(f"model {model!r}: the name after the colon is missing")
        made = tuple([self._make(model, name, wire_name, provider, way) for way in provider.ways])
        if len(self._made) >= MAX_MODELS:
            del self._made[next(iter(self._made))]
        self._made[model] = made
        return made

    def _make(self, model: str, name: str, wire_name: str, provider: Provider, way: ProviderEndpoint) -> Way:
        key = read_key(name, way.api_key_env, needed=provider.needs_key)
        here = replace(provider, base_url=way.base_url, api_key_env=way.api_key_env)
        made = make_model(model, provider_name=name, name=wire_name, provider=here, key=key, http=self._http())
        return Way(made, way.weight)


def make_model(
    model: str, *, provider_name: str, name: str, provider: Provider, key: Secret, http: HttpClient
) -> Model:
    """A model over the wire that its provider speaks."""
    profile = ModelProfile(
        id=model,
        provider=provider_name,
        name=name,
        protocol=provider.protocol,
        max_output_tokens=provider.max_output_tokens,
        trusts_usage=provider.trusts_usage,
        service_tier=provider.service_tier,
        read_more=provider.read_more,
        context_tokens=provider.context_tokens,
    )
    setting = (
        f"the environment variable {provider.api_key_env}"
        if provider.api_key_env
        else (f"api_key_env of [providers.{provider_name}] to the environment variable that holds one")
    )
    if provider.wire == "anthropic":
        from surefoot.models.anthropic import Anthropic  # most runs need one wire only

        return Anthropic(profile, provider.base_url, key.reveal(), http, key_setting=setting)
    return OpenAIChat(profile, provider.base_url, key.reveal(), http, key_setting=setting)

"""Providers of models: what is said of one in the settings, and those that are known without."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct


class ProviderEndpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """One of several ways to a provider: ``[[providers.NAME.endpoints]]``.

    Attributes:
        base_url: Root of the API; "" is that of the provider.
        api_key_env: Environment variable that holds the key; "" is that of the provider.
        weight: Its share of the calls, relative to the others.
    """

    base_url: str = ""
    api_key_env: str = ""
    weight: float = 1.0


class Provider(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A provider of models: ``[providers.NAME]``.

    Attributes:
        base_url: Root of its API, for example ``https://api.openai.com/v1``.
        api_key_env: Environment variable that holds the key; "" for a provider that needs none.
        wire: ``openai`` for ``/chat/completions``, ``anthropic`` for ``/v1/messages``.
        protocol: How its models speak ReAct best.
        max_output_tokens: Default of ``max_tokens`` for one reply.
        context_tokens: Tokens of its models' window, prompt and reply together; 0 takes what is known of each model.
        trusts_usage: See `surefoot.models.base.ModelProfile.trusts_usage`.
        needs_key: Refuse to call it without a key; otherwise the key is sent if it is set.
        free: The endpoint costs nothing per token (your own machine): its price is zero, not unknown.
        service_tier: Sent with each request of the ``openai`` wire, for example ``flex``; "" sends none.
        tier_factors: What service tiers cost, as multiples of the ordinary price.
        concurrency: Calls at once with one key.
        rpm: Requests a minute with one key; 0 is what the provider's headers say.
        tpm: Tokens a minute with one key; 0 is what the provider's headers say.
        max_waiting: Calls that may wait for the provider; further ones are refused.
        endpoints: Several endpoints or keys instead of one.
    """

    base_url: str
    api_key_env: str = ""
    wire: Literal["openai", "anthropic"] = "openai"
    protocol: Literal["native", "json", "text"] = "native"
    max_output_tokens: int = 1024
    context_tokens: int = 0
    trusts_usage: bool = False
    needs_key: bool = True
    free: bool = False
    service_tier: str = ""
    tier_factors: dict[str, float | int | str] = {}
    concurrency: int = 50
    rpm: int = 0
    tpm: int = 0
    max_waiting: int = 10_000
    endpoints: tuple[ProviderEndpoint, ...] = ()

    @property
    def ways(self) -> tuple[ProviderEndpoint, ...]:
        """Its endpoints, with address and key filled in."""
        return tuple(
            [
                ProviderEndpoint(way.base_url or self.base_url, way.api_key_env or self.api_key_env, way.weight)
                for way in self.endpoints or (ProviderEndpoint(),)
            ]
        )


KNOWN_PROVIDERS: Final[dict[str, Provider]] = {
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "anthropic": Provider("https://api.anthropic.com", "ANTHROPIC_API_KEY", wire="anthropic"),
    "deepseek": Provider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "google": Provider("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "ollama": Provider("http://127.0.0.1:11434/v1", protocol="json", free=True),
}

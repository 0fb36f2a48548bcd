"""Where prices come from: the `PriceList` that finds a model's `Rates` in the settings, then in genai-prices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from typing import Final

from surefoot.budget.overrides import Terms, choose, read_currencies, read_price, read_terms
from surefoot.budget.quotes import quote
from surefoot.budget.rates import STANDARD_SERVICES, Rates, flat_rates
from surefoot.config import Settings

FREE_PROVIDERS: Final = frozenset({"local", "scripted"})
"""Providers that cost nothing per token: the embedded model, and replies from a script."""

_MAX_CACHED: Final = 1_000
_DAY_S: Final = 86_400


class PriceList:
    """Prices from ``[prices]``, then from genai-prices as of today; no network. Shared by all runs, from any thread.

    A price is never guessed: where the sources are silent or disagree, it is unknown.
    """

    def __init__(
        self,
        overrides: Mapping[str, object],
        now: Callable[[], float],
        free: Collection[str] = FREE_PROVIDERS,
        *,
        currencies: Mapping[str, object] | None = None,
        terms: Mapping[str, Terms] | None = None,
    ) -> None:
        """Check the overrides; nothing else is read until a model is asked for.

        Args:
            overrides: ``[prices]`` of the settings, per million tokens by ``model`` or ``provider:model``. A number is
                the price of input and output alike; a table has ``input``, ``output`` and what differs from them; a
                list of tables has one for each day from which another price holds. Decimals may be text.
            now: Wall time, seconds since 1970 UTC (`Clock.now`).
            free: Providers that cost nothing per token.
            currencies: ``[currencies]`` of the settings: US dollars for one unit.
            terms: Service tiers by the name of the provider.

        Raises:
            ConfigError: A price is not a finite number from zero up, or a key is unknown; names the key.
        """
        units = read_currencies(currencies or {})
        self._overrides = {name.strip().lower(): read_price(name, price, units) for name, price in overrides.items()}
        self._now = now
        self._free = frozenset(free)
        self._terms = dict(terms or {})
        self._day = 0
        self._known: dict[tuple[str, str], Rates | None] = {}

    def resolve(self, provider: str, model: str) -> Rates | None:
        """Rates of a model, None if its price is unknown: then a USD limit cannot be kept.

        The first model that ``[prices]`` does not name imports genai-prices: 0.15 s of CPU, once. On an event loop use
        `find`.

        Args:
            provider: Name of the provider as in a model string.
            model: Name of the model on the wire.
        """
        day = int(self._now() // _DAY_S)
        if day != self._day or len(self._known) >= _MAX_CACHED:
            self._day, self._known = day, {}  # prices change with the date, and names come from callers
        key = provider, model
        known = self._known
        if key not in known:
            known[key] = self._look_up(provider, model.strip().lower(), day)
        return known[key]

    async def find(self, provider: str, model: str) -> Rates | None:
        """`resolve` without holding the event loop."""
        if self._day == int(self._now() // _DAY_S) and (provider, model) in self._known:
            return self.resolve(provider, model)
        return await asyncio.to_thread(self.resolve, provider, model)

    def _look_up(self, provider: str, model: str, day: int) -> Rates | None:
        today = datetime.fromtimestamp(day * _DAY_S, UTC).date()
        rates = self._find_override(provider.lower(), model, today)
        if rates is None and provider.lower() in self._free:
            return flat_rates({"input": 0, "output": 0}, source=provider.lower())  # at any service tier
        rates = rates or quote(provider.lower(), model, today)
        terms = self._terms.get(provider)
        return rates if rates is None or terms is None else terms.apply(rates)

    def _find_override(self, provider: str, model: str, day: date) -> Rates | None:
        for name in (f"{provider}:{model}", model):
            rates = choose(self._overrides.get(name, ()), day)
            if rates is not None:
                return rates
        return None


def open_prices(settings: Settings, now: Callable[[], float]) -> PriceList:
    """The prices of the settings; ``now`` as in `PriceList`.

    Raises:
        ConfigError: A price, a currency or a service tier is wrong; names the key.
    """
    terms = {
        name: read_terms(name, provider)
        for name, provider in settings.providers.items()
        if provider.service_tier or provider.tier_factors
    }
    free = FREE_PROVIDERS | settings.free_providers()
    return PriceList(settings.prices, now, free, currencies=settings.currencies, terms=terms)


def name_setting(provider: str, model: str, service_tier: str) -> str:
    """Which setting of surefoot.toml would make an unknown price known."""
    price = f'[prices] "{model}" = USD per million tokens'
    if not service_tier or service_tier in STANDARD_SERVICES:
        return price
    factor = f"[providers.{provider}.tier_factors] {service_tier} = its multiple of the ordinary price"
    return f"{factor}, and if that one is unknown too, {price}"

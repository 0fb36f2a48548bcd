"""What a model costs, in whole nano-dollars: `Rates`, and the `PriceList` that finds them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from surefoot.budget.rates import Rates, flat_rates, to_nano
from surefoot.errors import ConfigError

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

FREE_PROVIDERS: Final = frozenset({"local", "scripted"})
"""Providers that cost nothing per token: the embedded model, and replies from a script."""

_MAX_USD_PER_MTOK: Final = Decimal(1_000_000)  # dearer is a slip of the unit, and must not overflow a database column
_MAX_CACHED: Final = 1_000
_MAX_NAME_CHARS: Final = 256  # longer than any model's name: a stranger's text is not matched against 2,000 patterns
_DAY_S: Final = 86_400
_PriceByName = dict[str, "Decimal | TieredPrices"]
_TABLE_KEYS: Final = ("input", "output", "cache_read", "cache_write")
# These search the web unasked and bill every search beside the tokens: no bound on tokens bounds their cost.
_SEARCHES_UNASKED: Final = re.compile(r"-search(-|$)|deep-research|(^|/)sonar(-|$)")


class PriceList:
    """Prices from ``[prices]``, then from genai-prices as of today; no network. Shared by all runs, from any thread.

    A price is never guessed: where the sources are silent or disagree, it is unknown.
    """

    def __init__(
        self,
        overrides: Mapping[str, object],
        now: Callable[[], float],
        free: Collection[str] = FREE_PROVIDERS,
    ) -> None:
        """Check the overrides; nothing else is read until a model is asked for.

        Args:
            overrides: ``[prices]`` of the settings: USD per million tokens by ``model`` or ``provider:model``. A number
                is the price of input and output alike; a table has ``input``, ``output`` and, where they differ from
                ``input``, ``cache_read`` (or ``cached_input``) and ``cache_write``. Decimals may be text.
            now: Wall time, seconds since 1970 UTC (`Clock.now`).
            free: Providers that cost nothing per token.

        Raises:
            ConfigError: A price is not a finite number from zero up, or a key is unknown; names the key.
        """
        self._overrides = {name.strip().lower(): _read_price(name, price) for name, price in overrides.items()}
        self._now = now
        self._free = frozenset(free)
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
            known[key] = self._look_up(provider.lower(), model.strip().lower(), day)
        return known[key]

    async def find(self, provider: str, model: str) -> Rates | None:
        """`resolve` without holding the event loop."""
        if self._day == int(self._now() // _DAY_S) and (provider, model) in self._known:
            return self.resolve(provider, model)
        return await asyncio.to_thread(self.resolve, provider, model)

    def _look_up(self, provider: str, model: str, day: int) -> Rates | None:
        for name in (f"{provider}:{model}", model):
            if name in self._overrides:
                return self._overrides[name]
        if provider in self._free:
            return flat_rates(0, 0, source=provider)
        if len(model) > _MAX_NAME_CHARS or _SEARCHES_UNASKED.search(model):
            return None
        return _quote(provider, model, datetime.fromtimestamp(day * _DAY_S, UTC).date())


# ----------------------------------------------------------------------------------- prices set by the user


def _read_price(name: str, price: object) -> Rates:
    where = f'prices."{name}"'
    if not name.strip():
        raise ConfigError(f'{where}: the name of a model is empty; write for example "gpt-4.1" = 8.00')
    if not isinstance(price, Mapping):
        rate = _read_usd(where, price)
        return flat_rates(rate, rate, source="[prices]")
    rates: dict[str, int] = {}
    for key, value in cast("Mapping[str, object]", price).items():
        kind = "cache_read" if key == "cached_input" else key
        if kind not in _TABLE_KEYS or kind in rates:
            problem = f"{kind} is given twice" if kind in rates else f"unknown key {key!r}"
            raise ConfigError(
                f"{where}: {problem}; known are {', '.join(_TABLE_KEYS)}. "
                'The name of a model needs quotes: "gpt-4.1" = 8.00'
            )
        rates[kind] = _read_usd(f"{where}.{key}", value)
    for kind in ("input", "output"):
        if kind not in rates:
            raise ConfigError(f"{where}: {kind} is missing; give input and output, in USD per million tokens")
    read, write = rates.get("cache_read"), rates.get("cache_write")
    return flat_rates(rates["input"], rates["output"], read, write, source="[prices]")


def _read_usd(where: str, value: object) -> int:
    if isinstance(value, (int, float, str, Decimal)) and not isinstance(value, bool):
        try:
            usd = Decimal(value if isinstance(value, int) else str(value).strip())
        except InvalidOperation:
            usd = Decimal("NaN")
        if usd.is_finite() and 0 <= usd <= _MAX_USD_PER_MTOK:
            return to_nano(usd)
        shown = f"{value!r:.40}" if isinstance(value, str) else f"{usd!s:.40}"
    else:
        shown = f"{value!r:.40}"
    raise ConfigError(
        f"{where} = {shown}: must be US dollars per million tokens, from 0 to {_MAX_USD_PER_MTOK}, for example 8.00"
    )


# ---------------------------------------------------------------------------------------- genai-prices


def _open_genai_prices() -> DataSnapshot:
    # Not its global snapshot: a program around us may let that one follow the network.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def _quote(provider: str, model: str, day: date) -> Rates | None:
    """The price in genai-prices of a model at its provider, or of a model whose sellers all agree."""
    snapshot = _open_genai_prices()
    try:
        seller = snapshot.find_provider(None, provider, None)
    except LookupError:
        return _quote_anywhere(snapshot.providers, model, day)
    found = seller.find_model(model, all_providers=snapshot.providers)
    return None if found is None else _compile(seller, found, model, day)


def _quote_anywhere(sellers: list[Provider], model: str, day: date) -> Rates | None:
    """The price at the maker of the model, if it claims the name and every seller of that name asks the same.

    Only fresh input and output are compared: not every seller's price list says what its cache costs.
    """
    vendor, _, name = model.rpartition("/")
    makers: list[Rates] = []
    asked: set[tuple[tuple[int, int, int], ...]] = set()
    for seller in sellers:
        own = name if seller.id == vendor else model
        found = seller.find_model(own)
        rates = None if found is None else _compile(seller, found, own, day)
        if rates is not None:
            asked.add(tuple([(tier.above, tier.input, tier.output) for tier in (rates, *rates.tiers)]))
            if seller.model_match is not None and seller.model_match.is_match(own):
                makers.append(rates)
    return makers[0] if makers and len(asked) == 1 else None


def _compile(seller: Provider, found: ModelInfo, model: str, day: date) -> Rates | None:
    """Integer rates of a whole day: the dearest hour of it, for a call may end in another hour than it began."""
    from genai_prices import __version__
    from genai_prices.types import TieredPrices

    hours = [_token_prices(prices, model) for prices in _prices_of_day(found, day)]
    priced = [prices for prices in hours if prices is not None]
    if len(priced) < len(hours):
        return None
    starts = {
        tier.start for prices in priced for price in prices.values() if isinstance(price, TieredPrices)
        for tier in price.tiers
    }  # fmt: skip
    source, since = f"genai-prices {__version__} {seller.id}/{found.id}", _valid_since(found, day)
    rates = [_dearest_above(priced, above, source, since) for above in (0, *sorted(starts))]
    return replace(rates[0], tiers=tuple(rates[1:]))


def _prices_of_day(found: ModelInfo, day: date) -> list[ModelPrice]:
    from genai_prices.types import TimeOfDateConstraint

    conditional = found.prices if isinstance(found.prices, list) else []
    hours = {time(0, tzinfo=UTC)}
    for price in conditional:
        if isinstance(price.constraint, TimeOfDateConstraint):
            hours |= {price.constraint.start_time, price.constraint.end_time}
    return [found.get_prices(datetime.combine(day, hour)) for hour in hours]


def _valid_since(found: ModelInfo, day: date) -> date | None:
    from genai_prices.types import StartDateConstraint

    conditional = found.prices if isinstance(found.prices, list) else []
    starts = [price.constraint.start_date for price in conditional if isinstance(price.constraint, StartDateConstraint)]
    return max((start for start in starts if start <= day), default=None)


def _token_prices(prices: ModelPrice, model: str) -> _PriceByName | None:
    """The prices by name; None if tokens of text are not all that a call is billed for."""
    values: dict[str, Any] = {name: price for name, price in vars(prices).items() if price is not None}
    if not values and model.endswith(":free"):
        return {"input_mtok": Decimal(0), "output_mtok": Decimal(0)}
    if "input_mtok" not in values or "output_mtok" not in values or "requests_kcount" in values:
        return None
    return values


def _dearest_above(hours: list[_PriceByName], above: int, source: str, since: date | None) -> Rates:
    flats = [_flat_above(prices, above) for prices in hours]
    return Rates(
        input=max(flat.input for flat in flats),
        output=max(flat.output for flat in flats),
        cache_read=max(flat.cache_read for flat in flats),
        cache_write=max(flat.cache_write for flat in flats),
        cache_write_1h=max(flat.cache_write_1h for flat in flats),
        source=source,
        since=since,
        above=above,
    )


def _flat_above(prices: _PriceByName, above: int) -> Rates:
    """Rates of one hour just above a threshold.

    Of the kinds of input only text counts: it is all that Surefoot sends. A usage does not tell text from images in the
    output, so that a model which can answer with either is priced at the dearer.
    """
    nano = {name: to_nano(_price_above(price, above)) for name, price in prices.items()}
    outputs = [rate for name, rate in nano.items() if name.startswith("output_") and name.endswith("_mtok")]
    cached = [nano.get(name) for name in ("cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")]
    return flat_rates(nano["input_mtok"], max(outputs), *cached, source="")


def _price_above(price: Decimal | TieredPrices, above: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return reached[-1] if reached else price.base

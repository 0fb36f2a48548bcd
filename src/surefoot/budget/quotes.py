"""Prices in genai-prices: offline, dated, with tiers and service tiers, compiled to integers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from surefoot.budget.rates import KINDS, STANDARD_SERVICES, Rates, flat_rates, to_nano

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, TieredPrices

_MAX_NAME_CHARS: Final = 256  # longer than any model's name: a stranger's text is not matched against 2,000 patterns
_PriceByName = dict[str, "Decimal | TieredPrices"]
# These search the web unasked and bill every search beside the tokens: no bound on tokens bounds their cost.
_SEARCHES_UNASKED: Final = re.compile(r"-search(-|$)|deep-research|(^|/)sonar(-|$)")
_SERVICE_KEYS: Final = ("service_tier", "processing")
_ALONE: Final = {
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "reasoning": "output_reasoning_mtok",
}
"""Kinds that a usage tells apart, by their names there."""


def quote(provider: str, model: str, day: date) -> Rates | None:
    """The price of a model at its provider, or of a model whose sellers all agree; None if there is none.

    Args:
        provider: Name of the provider, lower case.
        model: Name of the model on the wire, lower case.
        day: The day, UTC.
    """
    if len(model) > _MAX_NAME_CHARS or _SEARCHES_UNASKED.search(model):
        return None
    snapshot = _open_genai_prices()
    try:
        seller = snapshot.find_provider(None, provider, None)
    except LookupError:
        return _quote_anywhere(snapshot.providers, model, day)
    found = seller.find_model(model, all_providers=snapshot.providers)
    if found is None:
        return None
    rates = _compile(seller, found, model, day)
    if rates is None or not any(found is own for own in seller.models):
        return rates  # another maker's list does not say what the service tiers of this seller cost
    return replace(rates, services=_compile_services(seller, found, model, day))


def find_window(provider: str, model: str) -> int:
    """Tokens of a model's context window, 0 if they are not known; arguments as `quote`."""
    if len(model) > _MAX_NAME_CHARS:
        return 0
    snapshot = _open_genai_prices()
    try:
        seller = snapshot.find_provider(None, provider, None)
    except LookupError:
        return 0
    found = seller.find_model(model, all_providers=snapshot.providers)
    return 0 if found is None else found.context_window or 0


def _open_genai_prices() -> DataSnapshot:
    # Not its global snapshot: a program around us may let that one follow the network.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


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


def _compile_services(seller: Provider, found: ModelInfo, model: str, day: date) -> tuple[Rates, ...]:
    """The service tiers whose prices hold on that day, by name."""
    contexts = {
        name: {key: name}
        for variant in found.price_variants or ()
        for key, name in variant.when.items()
        if key in _SERVICE_KEYS and name not in STANDARD_SERVICES and _holds_all_day(variant, day)
    }
    rates = [(name, _compile(seller, found, model, day, contexts[name])) for name in sorted(contexts)]
    return tuple([replace(known, service=name) for name, known in rates if known is not None])


def _holds_all_day(variant: PriceVariant, day: date) -> bool:
    """Whether a variant prices a service tier by itself, at every hour of the day."""
    from genai_prices.types import StartDateConstraint

    constraint = variant.constraint
    is_dated = constraint is None or (isinstance(constraint, StartDateConstraint) and constraint.start_date <= day)
    return is_dated and len(variant.when) == 1


def _compile(
    seller: Provider, found: ModelInfo, model: str, day: date, context: dict[str, str] | None = None
) -> Rates | None:
    """Integer rates of a whole day: the dearest hour of it, for a call may end in another hour than it began."""
    from genai_prices import __version__
    from genai_prices.types import TieredPrices

    hours = [_token_prices(prices, model) for prices in _prices_of_day(found, day, context)]
    priced = [prices for prices in hours if prices is not None]
    if len(priced) < len(hours):
        return None
    starts = {
        tier.start for prices in priced for price in prices.values() if isinstance(price, TieredPrices)
        for tier in price.tiers
    }  # fmt: skip
    source, since = f"genai-prices {__version__} {seller.id}/{found.id}", _valid_since(found, day, context)
    rates = [_dearest_above(priced, above, source, since) for above in (0, *sorted(starts))]
    return replace(rates[0], tiers=tuple(rates[1:]))


def _prices_of_day(found: ModelInfo, day: date, context: dict[str, str] | None) -> list[ModelPrice]:
    from genai_prices.types import TimeOfDateConstraint

    conditional = found.prices if isinstance(found.prices, list) else []
    hours = {time(0, tzinfo=UTC)}
    for price in conditional:
        if isinstance(price.constraint, TimeOfDateConstraint):
            hours |= {price.constraint.start_time, price.constraint.end_time}
    return [found.get_prices(datetime.combine(day, hour), context) for hour in hours]


def _valid_since(found: ModelInfo, day: date, context: dict[str, str] | None) -> date | None:
    from genai_prices.types import StartDateConstraint

    if context is None:
        constraints = [price.constraint for price in found.prices] if isinstance(found.prices, list) else []
    else:
        constraints = [variant.constraint for variant in found.price_variants or () if variant.when == context]
    starts = [constraint.start_date for constraint in constraints if isinstance(constraint, StartDateConstraint)]
    return max((start for start in starts if start <= day), default=None)


def _token_prices(prices: ModelPrice, model: str) -> _PriceByName | None:
    """The prices by name; None if tokens are not all that a call of text is billed for."""
    values: dict[str, Any] = {name: price for name, price in vars(prices).items() if price is not None}
    if not values and model.endswith(":free"):
        return {"input_mtok": Decimal(0), "output_mtok": Decimal(0)}
    if "input_mtok" not in values or "output_mtok" not in values or "requests_kcount" in values:
        return None
    return values


def _dearest_above(hours: list[_PriceByName], above: int, source: str, since: date | None) -> Rates:
    flats = [flat_rates(_flat_above(prices, above), source="") for prices in hours]
    known = [kind for kind in KINDS if any(getattr(flat, kind) is not None for flat in flats)]
    rates = {kind: max(flat.rate(kind) for flat in flats) for kind in known}
    return flat_rates(rates, source=source, since=since, above=above)


def _flat_above(prices: _PriceByName, above: int) -> dict[str, int]:
    """Rates of one hour just above a threshold, by kind.

    A usage tells sound from text, but not images. Of the input only text counts then, for it is all that Surefoot
    sends; a model that can answer with images is priced at the dearer.
    """
    nano = {name: to_nano(_price_above(price, above)) for name, price in prices.items()}
    rates = {kind: nano[name] for kind, name in _ALONE.items() if name in nano}
    rates["input"] = nano["input_mtok"]
    outputs = [name for name in nano if name.startswith("output_") and name.endswith("_mtok")]
    rates["output"] = max(nano[name] for name in outputs if name not in _ALONE.values())
    return rates


def _price_above(price: Decimal | TieredPrices, above: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return reached[-1] if reached else price.base

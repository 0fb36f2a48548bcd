"""Prices set by the user: ``[prices]``, ``[currencies]`` and the service tiers of ``[providers.NAME]``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeGuard, cast

from msgspec import Struct
from msgspec.structs import replace

from surefoot.budget.rates import KINDS, STANDARD_SERVICES, Rates, flat_rates, multiply, to_nano
from surefoot.errors import ConfigError
from surefoot.providers import Provider

_MAX_USD_PER_MTOK: Final = Decimal(1_000_000)  # dearer is a slip of the unit, and must not overflow a database column
_MAX_USD_PER_UNIT: Final = Decimal(1_000_000)
_MAX_FACTOR: Final = Decimal(1_000)
_MAX_SERVICE_CHARS: Final = 64
_MAX_TIER_TOKENS: Final = 1 << 32
_ALIASES: Final = {"cached_input": "cache_read"}
_TIER_KEYS: Final = (*KINDS, "tokens")
_TABLE_KEYS: Final = (*KINDS, "above", "currency", "since")
_USD: Final = "USD"


class Terms(Struct, frozen=True):
    """What a provider's settings say of its service tiers.

    Attributes:
        asked: The tier that requests ask for, "" for none, and for the ordinary one.
        factors: What the other tiers cost, as a multiple of the ordinary price.
    """

    asked: str = ""
    factors: tuple[tuple[str, Decimal], ...] = ()

    def apply(self, rates: Rates) -> Rates | None:
        """The rates with these service tiers; None where the price of the one that is asked for is not known."""
        known = {service.service: service for service in rates.services}
        for name, factor in self.factors:
            told = f"{rates.source} × {factor:f}"
            known[name] = replace(multiply(rates, factor), service=name, source=told)
        if self.asked and self.asked not in known:
            return None
        return replace(rates, services=tuple([known[name] for name in sorted(known)]), asked=self.asked)


def read_terms(name: str, provider: Provider) -> Terms:
    """The service tiers of a provider.

    Raises:
        ConfigError: The tier cannot be asked for in a request, or a factor is not a number above zero.
    """
    where, asked = f"providers.{name}", provider.service_tier
    if asked in {"auto", "batch"} or len(asked) > _MAX_SERVICE_CHARS or not f"_{asked}".isidentifier():
        raise ConfigError(
            f"{where}.service_tier = {_show(asked)}: must be the name of one tier that a request can ask for, for "
            'example "flex" or "priority"; leave it out to take what the project is set to (no run calls a batch)'
        )
    if asked and provider.wire != "openai":
        raise ConfigError(f'{where}.service_tier = {_show(asked)}: is only for wire = "openai"')
    factors: list[tuple[str, Decimal]] = []
    for tier, value in provider.tier_factors.items():
        factor = _read_decimal(value)
        if tier in STANDARD_SERVICES or not tier:
            told = "the ordinary tier has no factor; give its price in [prices]"
            raise ConfigError(f"{where}.tier_factors.{tier}: {told}")
        if factor is None or not 0 < factor <= _MAX_FACTOR:
            shown = f"{where}.tier_factors.{tier} = {_show(value)}"
            raise ConfigError(f"{shown}: must be a number above 0, at most {_MAX_FACTOR}, for example 0.5")
        factors.append((tier, factor))
    return Terms("" if asked in STANDARD_SERVICES else asked, tuple(factors))


def read_currencies(table: Mapping[str, object]) -> dict[str, Decimal]:
    """US dollars for one unit, by the currency's name in capitals.

    Raises:
        ConfigError: One is not a number above zero.
    """
    currencies: dict[str, Decimal] = {}
    for name, value in table.items():
        usd = _read_decimal(value)
        if usd is None or not 0 < usd <= _MAX_USD_PER_UNIT:
            told = "must be the US dollars that one unit costs, above 0, for example"
            raise ConfigError(f'currencies.{name} = {_show(value)}: {told} {name} = "0.14"')
        if name.upper() == _USD and usd != 1:
            raise ConfigError(f"currencies.{name} = {_show(value)}: a US dollar is a US dollar")
        currencies[name.upper()] = usd
    return currencies


def read_price(name: str, price: object, currencies: Mapping[str, Decimal]) -> tuple[Rates, ...]:
    """The rates of one line of ``[prices]``, ascending by the day from which they hold.

    Raises:
        ConfigError: A price is not a finite number from zero up, a key or a currency is unknown; names the key.
    """
    where = f'prices."{name}"'
    if not name.strip():
        raise ConfigError(f'{where}: the name of a model is empty; write for example "gpt-4.1" = 8.00')
    if not isinstance(price, list):
        return (_read_entry(where, price, currencies),)
    dated = [
        _read_entry(f"{where}[{number}]", one, currencies) for number, one in enumerate(cast("list[object]", price))
    ]
    if not dated:
        raise ConfigError(f"{where}: the list is empty; give a table for each day from which another price holds")
    dated.sort(key=lambda rates: rates.since or date.min)
    if len({rates.since for rates in dated}) < len(dated):
        raise ConfigError(f"{where}: two prices hold from the same day; give each its own since = YYYY-MM-DD")
    return tuple(dated)


def choose(dated: tuple[Rates, ...], day: date) -> Rates | None:
    """The price that holds on a day, None before the first one does."""
    holding = [rates for rates in dated if rates.since is None or rates.since <= day]
    return holding[-1] if holding else None


def _read_entry(where: str, price: object, currencies: Mapping[str, Decimal]) -> Rates:
    if not _is_table(price):
        rate = _read_rate(where, price, Decimal(1))
        return flat_rates({"input": rate, "output": rate}, source="[prices]")
    _check_keys(where, price, _TABLE_KEYS)
    source, unit = "[prices]", Decimal(1)
    currency = price.get("currency", _USD)
    if currency != _USD:
        known = currencies.get(currency.upper()) if isinstance(currency, str) else None
        if known is None:
            shown = currency if isinstance(currency, str) else "CNY"
            told = f'give what one unit costs in US dollars in surefoot.toml, [currencies] {shown[:40]} = "0.14"'
            raise ConfigError(f"{where}.currency = {_show(currency)}: is not known; {told}")
        unit, source = known, f"[prices] in {currency} at {known:f} USD"
    since = price.get("since")
    if since is not None and (not isinstance(since, date) or isinstance(since, datetime)):
        raise ConfigError(f"{where}.since = {_show(since)}: must be a day without quotes, for example 2026-01-01")
    rates = flat_rates(_read_kinds(where, price, unit), source=source, since=since)
    return replace(rates, tiers=_read_tiers(f"{where}.above", price.get("above", []), unit, rates))


def _read_tiers(where: str, tiers: object, unit: Decimal, rates: Rates) -> tuple[Rates, ...]:
    if not isinstance(tiers, list):
        raise ConfigError(f"{where}: must be a list of tables, [{{ tokens = 200000, input = 6.00, output = 22.50 }}]")
    read: dict[int, Rates] = {}
    for number, tier in enumerate(cast("list[object]", tiers)):
        here = f"{where}[{number}]"
        if not _is_table(tier):
            raise ConfigError(f"{here} = {_show(tier)}: must be a table with tokens, input and output")
        _check_keys(here, tier, _TIER_KEYS)
        tokens = tier.get("tokens")
        if type(tokens) is not int or not 0 < tokens <= _MAX_TIER_TOKENS or tokens in read:
            told = "must be the whole number of tokens above which a prompt is billed so, each once"
            raise ConfigError(f"{here}.tokens = {_show(tokens)}: {told}")
        kinds = _read_kinds(here, tier, unit)
        read[tokens] = flat_rates(kinds, source=rates.source, since=rates.since, above=tokens)
    return tuple([read[tokens] for tokens in sorted(read)])


def _read_kinds(where: str, table: Mapping[str, object], unit: Decimal) -> dict[str, int]:
    rates = {
        _ALIASES.get(key, key): _read_rate(f"{where}.{key}", value, unit)
        for key, value in table.items()
        if _ALIASES.get(key, key) in KINDS
    }
    for kind in ("input", "output"):
        if kind not in rates:
            raise ConfigError(f"{where}: {kind} is missing; give input and output, per million tokens")
    return rates


def _check_keys(where: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for key in table:
        kind = _ALIASES.get(key, key)
        if kind not in known or kind in seen:
            problem = f"{kind} is given twice" if kind in seen else f"unknown key {key!r}"
            raise ConfigError(
                f'{where}: {problem}; known are {", ".join(known)}. The name of a model needs quotes: "gpt-4.1" = 8.00'
            )
        seen.add(kind)


def _read_rate(where: str, value: object, unit: Decimal) -> int:
    """A rate in nano-dollars, from a price in a currency of which one unit costs ``unit`` US dollars."""
    price, most = _read_decimal(value), _MAX_USD_PER_MTOK / unit
    if price is None or not 0 <= price <= most:
        what = "US dollars" if unit == 1 else "units of its currency"
        raise ConfigError(
            f"{where} = {_show(value)}: must be {what} per million tokens, from 0 to {int(most)}, for example 8.00"
        )
    return to_nano(price, unit)


def _read_decimal(value: object) -> Decimal | None:
    """A finite number, None for anything else."""
    if not isinstance(value, (int, float, str, Decimal)) or isinstance(value, bool):
        return None
    try:
        number = Decimal(value if isinstance(value, int) else str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _show(value: object) -> str:
    if isinstance(value, (Decimal, date)):
        return f"{value!s:.40}"
    # a whole number may have more digits than Python writes out
    return f"{Decimal(value)!s:.40}" if type(value) is int else f"{value!r:.40}"


def _is_table(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)

"""What a model costs: `Rates` in whole nano-dollars, and the arithmetic of a call."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_CEILING, Context, Decimal
from functools import cached_property
from hashlib import sha256
from typing import Final

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder
from msgspec.json import encode as encode_json
from msgspec.structs import replace

from surefoot.errors import StoreError
from surefoot.types import NANO_PER_USD, Usage

_PER_RATE: Final = 1_000_000  # a rate is for this many tokens
_EXACT: Final = Context(prec=100, rounding=ROUND_CEILING)  # a program around us may have set a coarser one
_ONE: Final = Decimal(1)

KINDS: Final = (
    "input", "output", "cache_read", "cache_write", "cache_write_1h", "audio_input", "audio_output", "reasoning",
)  # fmt: skip
"""What tokens are billed as; each is a field of `Rates`."""

STANDARD_SERVICES: Final = frozenset({"default", "standard", "auto", "on_demand"})
"""What providers call the service tier of their ordinary prices."""


class Rates(Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Prices of one model: whole nano-dollars per million tokens, each rounded up.

    Attributes:
        input: Fresh tokens of the prompt.
        output: Generated tokens.
        cache_read: Tokens of the prompt that the provider had cached.
        cache_write: Tokens of the prompt that it cached for five minutes.
        cache_write_1h: Tokens of the prompt that it cached for an hour.
        audio_input: Fresh tokens of the prompt that are sound; None is as ``input``.
        audio_output: Generated tokens that are sound; None is as ``output``.
        reasoning: Generated tokens that are hidden reasoning; None is as ``output``.
        source: Where the prices come from, for example ``genai-prices 0.2.3 openai/gpt-4.1``.
        since: Day from which they hold, None if that is not known.
        above: The rates hold for prompts of more than so many tokens.
        tiers: Rates of longer prompts, ascending by ``above``. The whole call is billed at the tier that its prompt
            reaches, not only the tokens beyond the threshold.
        service: Service tier that these are the prices of, "" for the ordinary one.
        services: Prices of the other service tiers that are known: ``flex``, ``priority``, ``batch``.
        asked: Service tier that requests ask for, "" for none: one of ``services``. The provider may answer with it or
            with the ordinary one.
    """

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    audio_input: int | None = None
    audio_output: int | None = None
    reasoning: int | None = None
    source: str
    since: date | None = None
    above: int = 0
    tiers: tuple[Rates, ...] = ()
    service: str = ""
    services: tuple[Rates, ...] = ()
    asked: str = ""

    @cached_property
    def snapshot(self) -> Raw:
        """All of it as JSON, encoded once; `read_rates` reads it."""
        return Raw(encode_json(self))

    @cached_property
    def digest(self) -> str:
        """Names exactly these prices: the first 16 hexadecimal digits of the SHA-256 of `snapshot`."""
        return sha256(self.snapshot).hexdigest()[:16]

    @cached_property
    def by_service(self) -> dict[str, Rates]:
        """The rates by the service tier that a reply reports."""
        return {service.service: service for service in self.services} | dict.fromkeys(STANDARD_SERVICES, self)

    @cached_property
    def dearest_flat(self) -> tuple[int, int]:
        """The most that a token of text costs, in and out, within this tier; written to a cache or not."""
        here = max(self.input, self.cache_read, self.cache_write, self.cache_write_1h)
        return here, max(self.output, self.audio_output or 0, self.reasoning or 0)

    def rate(self, kind: str) -> int:
        """The rate of one of `KINDS`; that of what it is a kind of where it has none of its own."""
        rate: int | None = getattr(self, kind)
        if rate is not None:
            return rate
        return self.input if kind == "audio_input" else self.output

    def at(self, input_tokens: int) -> Rates:
        """The rates of a prompt of exactly that many tokens."""
        rates = self
        for tier in self.tiers:
            if input_tokens <= tier.above:
                break
            rates = tier
        return rates


def cost(rates: Rates, usage: Usage) -> int:
    """What a call cost at the ordinary service tier, in nano-dollars rounded up."""
    if rates.tiers:
        rates = rates.at(usage.input_tokens)
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    fresh, total = usage.input_tokens, usage.output_tokens * rates.output
    if read or written:
        # Never below zero: a provider that counts its cache outside the prompt must not earn a rebate.
        fresh = max(0, fresh - read - written)
        total += read * rates.cache_read + written * rates.cache_write
    total += fresh * rates.input
    if usage.cache_write_1h_tokens or usage.audio_input_tokens or usage.audio_output_tokens or usage.reasoning_tokens:
        total += _price_differences(rates, usage, fresh)
    return -(-total // _PER_RATE)


def _price_differences(rates: Rates, usage: Usage, fresh: int) -> int:
    """What the parts of a usage cost beyond what they are a part of. A part is never more than the whole."""
    total = min(usage.cache_write_1h_tokens, usage.cache_write_tokens) * (rates.cache_write_1h - rates.cache_write)
    if rates.audio_input is not None:  # a usage does not tell cached sound from fresh: as much as can be is fresh
        total += min(usage.audio_input_tokens, fresh) * (rates.audio_input - rates.input)
    spoken = min(usage.audio_output_tokens, usage.output_tokens)
    if rates.audio_output is not None:
        total += spoken * (rates.audio_output - rates.output)
    if rates.reasoning is not None:
        total += min(usage.reasoning_tokens, usage.output_tokens - spoken) * (rates.reasoning - rates.output)
    return total


def cost_as_served(rates: Rates, usage: Usage, service: str, hold: int) -> int:
    """What a call cost at the service tier that the provider reports, in nano-dollars rounded up.

    Args:
        rates: Prices of the model.
        usage: What the provider counted.
        service: Service tier as the reply names it, "" when it names none.
        hold: What was held for the call, nano-dollars. A tier without a known price is charged that, as any unknown
            outcome, and never less than the ordinary price.
    """
    known = rates.by_service.get(service)
    if known is not None:
        return cost(known, usage)
    ordinary = cost(rates, usage)
    if service:
        return max(hold, ordinary)
    return max(ordinary, cost(rates.by_service[rates.asked], usage)) if rates.asked else ordinary


def dearest_rates(rates: Rates, input_tokens: int) -> tuple[int, int]:
    """The most that a token costs, in and out, of a call whose prompt has at most so many tokens.

    Prompts are text, so that the price of sound in the prompt does not count; a reply may be of any kind. Where a
    service tier is asked for, the dearer of that one and the ordinary one counts: the provider chooses.
    """
    here, out = rates.dearest_flat
    for tier in rates.tiers:
        if tier.above >= input_tokens:
            break
        dear = tier.dearest_flat
        here, out = max(here, dear[0]), max(out, dear[1])
    if rates.asked:
        dear = dearest_rates(rates.by_service[rates.asked], input_tokens)
        here, out = max(here, dear[0]), max(out, dear[1])
    return here, out


def price_bound(input_tokens: int, input_rate: int, output_tokens: int, output_rate: int) -> int:
    """Nano-dollars, rounded up, of so many tokens at these rates: the worst case of a call at its `dearest_rates`."""
    return -(-(input_tokens * input_rate + output_tokens * output_rate) // _PER_RATE)


def flat_rates(rates: dict[str, int], *, source: str, since: date | None = None, above: int = 0) -> Rates:
    """Rates without tiers from those that are known, by kind. What is missing is billed as what it is a kind of."""
    written = rates.get("cache_write", rates["input"])
    return Rates(
        input=rates["input"],
        output=rates["output"],
        cache_read=rates.get("cache_read", rates["input"]),
        cache_write=written,
        cache_write_1h=rates.get("cache_write_1h", written),
        audio_input=rates.get("audio_input"),
        audio_output=rates.get("audio_output"),
        reasoning=rates.get("reasoning"),
        source=source,
        since=since,
        above=above,
    )


def multiply(rates: Rates, factor: Decimal) -> Rates:
    """The rates and their tiers times ``factor``, each rounded up; without service tiers."""
    changed = {kind: getattr(rates, kind) for kind in KINDS}
    return replace(
        rates,
        tiers=tuple([multiply(tier, factor) for tier in rates.tiers]),
        services=(),
        asked="",
        **{kind: None if rate is None else round_up(rate, factor) for kind, rate in changed.items()},
    )


def read_rates(snapshot: Raw) -> Rates | None:
    """The rates of a `Rates.snapshot` as a journal keeps it, None where the price was unknown.

    Raises:
        StoreError: It is none.
    """
    try:
        return _decoder.decode(snapshot)
    except DecodeError as error:
        raise StoreError(f"the journal holds prices that this version cannot read: {error}") from None


_decoder: Final[Decoder[Rates | None]] = Decoder(Rates | None)


def to_nano(price_per_mtok: Decimal, unit: Decimal = _ONE) -> int:
    """A rate in nano-dollars, rounded up, from a price in a currency of which one unit costs ``unit`` US dollars."""
    return round_up(_EXACT.multiply(price_per_mtok, NANO_PER_USD), unit)


def round_up(rate: Decimal | int, factor: Decimal) -> int:
    """The product as the next whole number."""
    return int(_EXACT.multiply(Decimal(rate), factor).to_integral_value(ROUND_CEILING))

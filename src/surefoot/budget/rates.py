"""What a model costs: `Rates` in whole nano-dollars, and the arithmetic of a call."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from surefoot.types import NANO_PER_USD, Usage

_PER_RATE: Final = 1_000_000  # a rate is for this many tokens


class Rates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Prices of one model: whole nano-dollars per million tokens, each rounded up. Reasoning costs what output costs.

    Attributes:
        input: Fresh tokens of the prompt.
        output: Generated tokens, reasoning included.
        cache_read: Tokens of the prompt that the provider had cached.
        cache_write: Tokens of the prompt that it cached for five minutes.
        cache_write_1h: Tokens of the prompt that it cached for an hour.
        source: Where the prices come from, for example ``genai-prices 0.2.3 openai/gpt-4.1``.
        since: Day from which they hold, None if that is not known.
        above: The rates hold for prompts of more than so many tokens.
        tiers: Rates of longer prompts, ascending by ``above``. The whole call is billed at the tier that its prompt
            reaches, not only the tokens beyond the threshold.
    """

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    source: str
    since: date | None = None
    above: int = 0
    tiers: tuple[Rates, ...] = ()

    @property
    def dearest_input(self) -> int:
        """The most that a token of a prompt of any length can cost, written to a cache or not."""
        here = max(self.input, self.cache_read, self.cache_write, self.cache_write_1h)
        return max((here, *[tier.dearest_input for tier in self.tiers]))

    @property
    def dearest_output(self) -> int:
        """The most that a generated token can cost, after a prompt of any length."""
        return max((self.output, *[tier.output for tier in self.tiers]))

    def at(self, input_tokens: int) -> Rates:
        """The rates of a prompt of exactly that many tokens."""
        rates = self
        for tier in self.tiers:
            if input_tokens <= tier.above:
                break
            rates = tier
        return rates

    def within(self, input_tokens: int) -> Rates:
        """The same prices without the tiers that a prompt of at most so many tokens cannot reach."""
        if not self.tiers or self.tiers[-1].above < input_tokens:
            return self
        return replace(self, tiers=tuple([tier for tier in self.tiers if tier.above < input_tokens]))


def cost(rates: Rates, usage: Usage) -> int:
    """What a call cost, in nano-dollars rounded up."""
    if rates.tiers:
        rates = rates.at(usage.input_tokens)
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    # Never below zero: a provider that counts its cache outside the prompt must not earn a rebate.
    fresh = usage.input_tokens - read - written
    if fresh < 0:  # noqa: PLR1730 - max() is a call, on the path of every step
        fresh = 0
    total = (
        fresh * rates.input + read * rates.cache_read + written * rates.cache_write + usage.output_tokens * rates.output
    )
    return -(-total // _PER_RATE)


def worst_case(rates: Rates, input_tokens: int, output_tokens: int) -> int:
    """The most that a call can cost whose prompt and reply are at most that long, in nano-dollars rounded up.

    Args:
        rates: Prices of the model.
        input_tokens: Upper bound of the prompt's tokens.
        output_tokens: The ``max_tokens`` of the call.

    Returns:
        At least `cost` of every `Usage` within the two bounds.
    """
    if rates.tiers:
        rates = rates.within(input_tokens)
    return -(-(input_tokens * rates.dearest_input + output_tokens * rates.dearest_output) // _PER_RATE)


def flat_rates(
    input_rate: int,
    output_rate: int,
    cache_read: int | None = None,
    cache_write: int | None = None,
    cache_write_1h: int | None = None,
    *,
    source: str,
) -> Rates:
    """Rates without tiers. What has no price of its own is billed as what it is a kind of."""
    written = input_rate if cache_write is None else cache_write
    return Rates(
        input=input_rate,
        output=output_rate,
        cache_read=input_rate if cache_read is None else cache_read,
        cache_write=written,
        cache_write_1h=written if cache_write_1h is None else cache_write_1h,
        source=source,
    )


def to_nano(usd_per_mtok: Decimal) -> int:
    """A rate in nano-dollars, rounded up."""
    return int((usd_per_mtok * NANO_PER_USD).to_integral_value(ROUND_CEILING))

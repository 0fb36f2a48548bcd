"""The provider's own bill: kept apart from Surefoot's ledger, so that each can prove the other wrong."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.testing.recent import Recent
from surefoot.types import Money, Usage

_NANO_PER_USD: Final = 1_000_000_000
_TOKENS_PER_MTOK: Final = 1_000_000


class Price(Struct, frozen=True):
    """US dollars for a million tokens.

    Attributes:
        input: Prompt tokens that no cache helped with.
        output: Generated tokens.
        cache_read: Prompt tokens read from a cache, None for the price of ``input``.
        cache_write: Prompt tokens written to a cache, None for the price of ``input``.
    """

    input: str | Decimal | int | float
    output: str | Decimal | int | float
    cache_read: str | Decimal | int | float | None = None
    cache_write: str | Decimal | int | float | None = None


class Charge(Struct, frozen=True):
    """One line of the bill.

    Attributes:
        number: Number of the request, from 1.
        model: Name on the wire.
        usage: Tokens charged.
        nano: Nano-dollars charged, rounded up.
        reason: ``reply``, or the kind of fault that was charged.
    """

    number: int
    model: str
    usage: Usage
    nano: Money
    reason: str


class Bill:
    """What a provider charges, from the moment that it accepts a request.

    A reply is charged in full whether its caller sees it or not: cancelled, timed out and cut calls cost what finished
    ones cost. Lines are never taken back.

    Args:
        prices: One price for all models, or a price for each; None to count tokens only.
        limit: At most this many lines are kept; the sums are of all.

    Attributes:
        charges: The newest lines.
        usage: Sum of all tokens.
        nano: Sum of all nano-dollars.
    """

    def __init__(self, prices: Price | Mapping[str, Price] | None = None, limit: int = 10_000) -> None:
        self.charges: Recent[Charge] = Recent(limit)
        self.usage = Usage()
        self.nano = Money(0)
        self._common: tuple[int, int, int, int] = (0, 0, 0, 0)
        self._rates: dict[str, tuple[int, int, int, int]] = {}
        if isinstance(prices, Price):
            self._common = _compile(prices)
        elif prices is not None:
            self._rates = {model: _compile(price) for model, price in prices.items()}

    @property
    def tokens(self) -> int:
        """All tokens charged."""
        return self.usage.total_tokens

    @property
    def models(self) -> frozenset[str]:
        """The models that have a price of their own; empty when one price serves for all."""
        return frozenset(self._rates)

    def charge(self, number: int, model: str, usage: Usage, reason: str) -> None:
        """Add a line; a model without a price of its own has the common one."""
        rate = self._rates.get(model, self._common)
        plain = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        pico = (
            plain * rate[0]
            + usage.output_tokens * rate[1]
            + usage.cache_read_tokens * rate[2]
            + usage.cache_write_tokens * rate[3]
        )
        nano = Money(-(-pico // _TOKENS_PER_MTOK))
        self.charges.append(Charge(number, model, usage, nano, reason))
        self.usage += usage
        self.nano = Money(self.nano + nano)

    def __repr__(self) -> str:
        return f"Bill({self.charges.total} charges, {self.tokens} tokens, {self.nano})"


def _compile(price: Price) -> tuple[int, int, int, int]:
    """Nano-dollars for a million tokens: input, output, cache read, cache write."""
    cache_read = price.input if price.cache_read is None else price.cache_read
    cache_write = price.input if price.cache_write is None else price.cache_write
    return (_nano(price.input), _nano(price.output), _nano(cache_read), _nano(cache_write))


def _nano(usd: str | Decimal | float) -> int:
    try:
        nano = Decimal(str(usd)) * _NANO_PER_USD
    except InvalidOperation:
        nano = Decimal("NaN")
    if not (nano.is_finite() and nano >= 0 and nano == int(nano)):
        raise ConfigError(f"{usd!r} is not a price: write US dollars for a million tokens, for example '2.50'")
    return int(nano)

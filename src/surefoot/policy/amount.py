"""Amounts that were worked out: of the user's numbers and those of a system of record, by one simple sum."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Final

from surefoot.policy.intent import list_request
from surefoot.policy.origin import Evidence

MOST_NUMBERS: Final = 8
MOST_RECORDS: Final = 60
_NUMBER: Final = re.compile(r"(?<!\S)(\d+(?:\.\d+)?)( ?%| percent)?(?!\S)")
_CENT: Final = Decimal("0.01")


def is_worked_out(value: str, known: Evidence) -> bool:
    """Whether an amount is a sum that the user's words can mean: a difference, a half, a part in a hundred.

    Args:
        value: The amount, in normal form.
        known: What is known of the conversation.
    """
    try:
        wanted = Decimal(value.strip())
    except InvalidOperation:
        return False
    said = " ".join(list_request(known.said))
    parts = list(dict.fromkeys(_NUMBER.findall(said)))[:MOST_NUMBERS]
    rates = [Decimal(number) / 100 for number, percent in parts if percent]
    numbers = [Decimal(number) for number, percent in parts if not percent]
    records = [Decimal(leaf.value.strip()) for _, _, leaf in known.index.numbers(MOST_RECORDS)]
    if not parts or not wanted.is_finite():
        return False
    return any(abs(one - wanted) < _CENT / 2 for one in _work_out(dict.fromkeys(records), numbers, rates))


def _work_out(records: Iterable[Decimal], numbers: list[Decimal], rates: list[Decimal]) -> Iterator[Decimal]:
    """The sums that have one number of the user's in them at least."""
    for base in [*numbers, *records]:
        for rate in rates:
            part = base * rate
            for sum_ in (part, base + part, base - part):
                yield sum_
                for fee in numbers:
                    yield from (sum_ + fee, sum_ - fee)
        for number in numbers:
            yield from (base + number, base - number, number - base, base - number / 2, number / 2, base * number)
            if number:
                yield base / number

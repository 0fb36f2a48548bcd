"""Values that were worked out, by one simple sum, of what the user said and what systems of record have."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import chain, islice
from typing import Final, NamedTuple

from surefoot.policy.bound import NUMBER_WORDS, list_spelled
from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import list_stems, stem
from surefoot.policy.lookup import Leaf, Lookup, Row, is_number
from surefoot.policy.selection import is_led_to, is_other_row
from surefoot.policy.words import Words

MOST_NUMBERS: Final = 8
MOST_LISTED: Final = 40
"""Numbers of a request that are looked at, the first."""
MOST_RECORDS: Final = 60
MOST_ROWS: Final = 60
MOST_COUNT: Final = 100
"""So many times a price, or so many who share it: a larger number says how much and not how many."""
_MOMENT: Final = re.compile(r" (\d{4}-\d\d-\d\d)(?: (\d\d:\d\d)(?::\d\d)?)? ")
_COUNTS: Final = {
    **dict.fromkeys(["a", "an", "one"], 1.0),
    **dict.fromkeys(["half a", "half an"], 0.5),
    **{word: float(number) for word, number in NUMBER_WORDS.items()},
}
_LENGTH: Final = re.compile(rf" (\d{{1,3}}|{'|'.join(_COUNTS)})[ -](minute|hour|day|week)s?(?=[ -])")
_UNITS: Final = {
    **dict.fromkeys(["second", "seconds", "secs", "s"], timedelta(seconds=1)),
    **dict.fromkeys(["minute", "minutes", "mins", "min"], timedelta(minutes=1)),
    **dict.fromkeys(["hour", "hours"], timedelta(hours=1)),
    **dict.fromkeys(["day", "days"], timedelta(days=1)),
    **dict.fromkeys(["week", "weeks"], timedelta(weeks=1)),
}
"""Of what an amount is, by the last word of its parameter's name."""
_NUMBER: Final = re.compile(r"(?<!\S)(\d+(?:\.\d+)?)( ?%| percent)?(?!\S)")
_PRICE: Final = re.compile(r"price|cost|fare|tariff|(?<![a-z])(?:rate|fee)s?(?![a-z])", re.IGNORECASE)
"""Fields of what one thing costs."""
_EACH: Final = re.compile(r" (?:each|apiece|per|a piece|times|x) ")
"""The user says both: "3 tickets of 20 each"."""
_SHARE: Final = re.compile(r" (?:(half)|(double|twice)|(triple|treble)) (?!an? hour|an hour|hour|day|past |time)")
"""How much of something that has an amount of its own."""
_SHARES: Final = (Decimal("0.5"), Decimal(2), Decimal(3))
_SPELLED_OUT: Final = re.compile(
    rf" (?:{'|'.join(NUMBER_WORDS)}|an?|one) (?:hundred|thousand|million|dozen|{'|'.join(NUMBER_WORDS)}|one) "
)
"""Numbers of several words: they say how much, and nobody works out what."""
_RATE_OF: Final = re.compile(r"(?:%| percent) of (?:the |my |his |her |their )?\d")
_CENT: Final = Decimal("0.01")
_SUMS: Final = {
    "sum": "more less add plus minus difference deduct subtract increase decrease reduce raise lower extra additional "
    "additionally remaining remainder rest tip fee sum total off warmer cooler hotter "
    "colder higher louder quieter brighter darker",
    "half": "half split share equally",
    "part": "split share divide equally each per third quarter",
    "double": "double twice triple",
}
"""Words of a request that ask for a sum of that kind; a rate in percent asks for a sum, too."""
_KINDS: Final = {
    stem(word): {kind for kind, others in _SUMS.items() if word in others.split()}
    for words in _SUMS.values()
    for word in words.split()
}
_MONEY: Final = re.compile(
    r"[$€£¥₫₩₹₽₺₴฿₱₦₪₿]\s?\d|\d\s?[€£¥₫₩₹₽₺₴฿₱₦₪₿$円元원đ]|(?<![\d.])\d+[.,]\d\d(?![\d.,])"
    rf"|(?:\d|\b(?:{'|'.join(NUMBER_WORDS)}))\s?(?:eur|usd|gbp|jpy|cny|rmb|vnd|chf|inr|krw|aud|cad|btc|eth|euros?|dollars?|pounds?|bucks|cents|yen|yuan|won"
    r"|rupees?|francs?|đồng|dong)\b",
    re.IGNORECASE,
)


def is_worked_out(value: str, kind: str, place: str, known: Evidence) -> bool:
    """Whether a value that decides an amount, or a thing (such as a time), is a sum that the user's words can mean.

    Args:
        value: The value, in normal form.
        kind: What it decides.
        place: Where it stands in the arguments.
        known: What is known of the conversation.
    """
    if kind == "amount":
        return _is_amount_worked_out(value, known) or _is_length(value, place, known)
    return kind == "what" and _is_moment_worked_out(value, known)


class _Asked(NamedTuple):
    """What a request says of sums.

    Attributes:
        numbers: Those of the user that can say how much.
        rates: So many in a hundred, as a fraction.
        given: Numbers of his that are a price of one thing.
        kinds: Of sums that he asks for.
        shares: The half or the double of something, as a factor.
        bases: Numbers of records.
        prices: Those that are prices.
    """

    numbers: list[Decimal]
    rates: list[Decimal]
    given: list[Decimal]
    kinds: set[str]
    shares: list[Decimal]
    bases: list[Decimal]
    prices: list[Decimal]


def _read_asked(known: Evidence) -> _Asked:
    request = known.list_request()
    said = " ".join([words.asked for words in request])
    parts = list(islice(_list_numbers(said, request), MOST_NUMBERS))
    numbers = [Decimal(number) for number, percent in parts if not percent]
    records = [one for one in known.index.numbers(MOST_RECORDS) if not is_other_row(one, known)]
    return _Asked(
        numbers,
        rates=[Decimal(number) / 100 for number, percent in parts if percent],
        given=numbers if _EACH.search(said) is not None else [],
        kinds=_list_kinds(said),
        shares=[share for found in _SHARE.findall(said) for share, word in zip(_SHARES, found, strict=True) if word],
        bases=[]
        if _RATE_OF.search(said)
        else list(dict.fromkeys([Decimal(leaf.value.strip()) for _, _, leaf in records])),
        prices=[
            Decimal(one[2].value.strip()) for one in records if _PRICE.search(one[2].path) and is_led_to(one, known)
        ],
    )


def _read(found: tuple[Lookup, Row, Leaf]) -> Decimal:
    return Decimal(found[2].value.strip())


def _is_amount_worked_out(value: str, known: Evidence) -> bool:
    """Whether it is a difference, a part, or so many times the price of one thing."""
    try:
        wanted = Decimal(value.strip())
    except InvalidOperation:
        return False
    if not wanted.is_finite():
        return False
    asked = known.once(("asked",), lambda: _read_asked(known))
    sums = known.once(("sums",), lambda: sorted(_list_sums(asked)))
    least = bisect_right(sums, wanted - _CENT / 2)
    if least < len(sums) and sums[least] < wanted + _CENT / 2:
        return True
    shares = known.once(("shares",), lambda: _list_shares(asked.shares, known))
    return any(abs(one - wanted) < _CENT for one in shares)


def _list_sums(asked: _Asked) -> Iterable[Decimal]:
    products = chain(
        _multiply(asked.prices, asked.numbers),
        *[_multiply([one], [number for number in asked.numbers if number != one]) for one in asked.given],
    )
    return chain(_work_out(asked.bases, asked.numbers, asked.rates, asked.kinds), products)


def _list_shares(shares: Sequence[Decimal], known: Evidence) -> Sequence[Decimal]:
    """The half, or the double, of what his words lead to."""
    found = [one for one in known.index.numbers(MOST_RECORDS) if shares and is_led_to(one, known)]
    return [_read(one) * share for one in found for share in dict.fromkeys(shares)]


def _list_numbers(said: str, request: Sequence[Words]) -> Iterator[tuple[str, str]]:
    """The numbers of a request that can say how much, and those that are so many in a hundred."""
    spelled = list_spelled(said)
    named: list[tuple[str, str]] = [*_NUMBER.findall(said), *[(number, "") for number in sorted(spelled)]]
    for number, percent in list(dict.fromkeys(named))[:MOST_LISTED]:
        if percent or number in spelled or any(words.counts(number) for words in request):
            yield number, percent


def names_money(known: Evidence) -> bool:
    """Whether the request says how much: then no record says it."""
    return known.once(("money",), lambda: _says_how_much(known.list_request()))


def _says_how_much(request: Sequence[Words]) -> bool:
    return any(
        _SHARE.search(words.asked)
        or _SPELLED_OUT.search(words.asked)
        or any(_MONEY.search(text) for text in words.written)
        or any(_list_numbers(words.asked, request))
        for words in request
    )


def _list_kinds(said: str) -> set[str]:
    """The kinds of sums that a request asks for, as it has it: `10 % more`, `split it`."""
    return {kind for word in list_stems(said) for kind in _KINDS.get(word, ())} | ({"sum"} if "%" in said else set())


def _work_out(
    records: Iterable[Decimal], numbers: list[Decimal], rates: list[Decimal], kinds: set[str]
) -> Iterator[Decimal]:
    """The sums of these kinds that have one number of the user's in them at least."""
    for base in [*numbers, *records]:
        for rate in rates:
            part = base * rate
            for sum_ in (part, base + part, base - part):
                yield sum_
                for fee in numbers:
                    yield from (sum_ + fee, sum_ - fee)
        for number in numbers:
            if base != number:
                yield from _combine(base, number, kinds)
    for number in numbers:
        if "half" in kinds:
            yield number / 2
        if "double" in kinds:
            yield from (number * 2, number * 3)


def _combine(base: Decimal, number: Decimal, kinds: set[str]) -> Iterator[Decimal]:
    if "sum" in kinds:
        yield from (base + number, base - number, number - base)
    if "half" in kinds:
        yield base - number / 2
    if "part" in kinds and _is_count(number):
        yield base / number


def _multiply(prices: Iterable[Decimal], numbers: list[Decimal]) -> Iterator[Decimal]:
    """So many of one thing: of any two numbers a product is everything and nothing."""
    for price in prices:
        for number in numbers:
            if _is_count(number):
                yield price * number


def _is_count(number: Decimal) -> bool:
    return 1 < number <= MOST_COUNT and number == number.to_integral_value()


def _is_moment_worked_out(value: str, known: Evidence) -> bool:
    """Whether it is a moment of the user's and so long before or after it as he said, or as a record is long."""
    wanted = _read_moment(value)
    if wanted is None:
        return False
    form = "%Y-%m-%d %H:%M" if ":" in value else "%Y-%m-%d"
    lengths = known.once(("lengths",), lambda: dict.fromkeys([*_list_said_lengths(known), *_measure_rows(known)]))
    for length in lengths:
        for sign in (1, -1):
            try:
                base = wanted - sign * length
            except OverflowError:
                continue
            if length and known.user_names(f" {base.strftime(form)} "):
                return True
    return False


def _is_length(value: str, place: str, known: Evidence) -> bool:
    """Whether it is so long as the user said, in the unit that the parameter is named after: two hours, 120 minutes."""
    unit = _UNITS.get(place.rpartition(".")[2].rpartition("_")[2].casefold())
    return (
        unit is not None
        and is_number(value)
        and any(Decimal(length / unit) == Decimal(value.strip()) for length in _list_said_lengths(known))
    )


def _read_moment(value: str) -> datetime | None:
    found = _MOMENT.fullmatch(value)
    try:
        return None if found is None else datetime.fromisoformat(f"{found[1]} {found[2] or '00:00'}")
    except ValueError:  # the 31st of February
        return None


def _list_said_lengths(known: Evidence) -> Sequence[timedelta]:
    """How long something is by what the user said."""

    def look() -> Sequence[timedelta]:
        return tuple(dict.fromkeys(_list_lengths(" ".join([words.asked for words in known.list_request()]))))

    return known.once(("said lengths",), look)


def _list_lengths(said: str) -> Iterator[timedelta]:
    for count, unit in _LENGTH.findall(said):
        yield timedelta(**{f"{unit}s": _COUNTS.get(count) or float(count)})


def _measure_rows(known: Evidence) -> Iterator[timedelta]:
    """How long the things are that systems of record have a beginning and an end of."""
    rows = [row for lookup in reversed(known.index.lookups) for row in lookup.rows]
    for row in rows[:MOST_ROWS]:
        moments = [
            moment for leaf in row.leaves if ":" in leaf.value and (moment := _read_moment(leaf.value)) is not None
        ]
        if len(moments) == 2:
            yield abs(moments[1] - moments[0])

"""What a number or a word of the user's is for: a day is no amount of money, and not every word is a password."""

from __future__ import annotations

import re
import unicodedata
from itertools import islice
from typing import Final

from surefoot.policy.matching import has_words, normalise, split_words

MOST_PLACES: Final = 50
_NEAR: Final = 32
"""Characters before and after a number that tell what it is."""
_MONTH: Final = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july|august|september|"
    r"october|november|december)\b\.?"
)
_MONEY: Final = (
    r"(?:eur|euros?|usd|dollars?|bucks|cents?|gbp|pounds?|quid|chf|francs?|jpy|yen|vnd|đồng|dong|cny|rmb|yuan|inr|"
    r"rupees?|aud|cad|krw|won)\b|[元块₫]|人民币"
)
NUMBER_WORDS: Final = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "fifteen": "15", "twenty": "20", "thirty": "30", "forty": "40",
    "fifty": "50", "sixty": "60", "ninety": "90",
}  # fmt: skip
"""Numbers as people write them out; "one" is rather a thing."""
_HAN: Final = r"\u3040-\u30ff\u3400-\u9fff"
_NUMBER: Final = re.compile(
    rf"(?:(?<![\w.,:/@#+-])|(?<=[{_HAN}]))-?(?P<sign>[^\w\s.,:;/@#+'\"()\[\]{{}}<>*_~!?%&=-]?)(?P<digits>\d(?:[\d.,]*\d)?)"
    rf"(?!(?![{_HAN}])[\w@/]|[-:.,]\w)"
)
"""A number that stands alone, with a sign of money before it or not."""
_MONEY_BEFORE: Final = re.compile(rf"(?:{_MONEY})\s*\Z", re.IGNORECASE)
_MONEY_AFTER: Final = re.compile(rf"\s?(?:{_MONEY}|(?P<sign>[^\w\s]))", re.IGNORECASE)
_OTHER_BEFORE: Final = re.compile(
    rf"{_MONTH}\s+\Z"
    rf"|{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\Z|\b\d{{1,2}}(?:st|nd|rd|th),?\s+\Z"  # the year of a day
    r"|\b(?:at|around|since|year|number|nr|no|id|ids|invoice|ticket|account|acct|iban|room|flight|gate|page|version|"
    r"item|step|task|point|chapter|section|floor|apartment|apt|suite|zip|postcode|plz|phone|telephone|tel|fax|mobile|"
    r"case|ref|reference|pin|code|street|straße|strasse|rue|số|mã|phòng|đường)\b\.?[:#]?\s*\Z"
    r"|[编单账卡房门]号\w*[:：]?\s*\Z|#\s?\Z|(?<!\S)[(+]?[\d-]*\d[ )-]\s?\Z",
    re.IGNORECASE,
)
_OTHER_AFTER: Final = re.compile(
    rf"\s*(?:of\s+)?{_MONTH}|\s*(?:am|pm|a\.m|p\.m|o['’]?clock|uhr)\b|\s*[点時时日号月年]|[ -]\d|\s*giờ\b"
    r"|\s+(?:[^\W\d_][\w'’-]*\s+){0,3}(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|square|plaza)\b",
    re.IGNORECASE,
)
_FORMS: Final = tuple(
    [
        (re.compile(form), re.compile(lead, re.IGNORECASE))
        for form, lead in [
            (r"\d{4}", r"\b[a-z]{2}\d\d(?: \d{4})*\s\Z"),  # a group of an IBAN
            (r"\d{5}", r"(?-i:\b[A-Z]{2}\s)\Z"),  # a ZIP code after its state
            (r"(?:19|20)\d\d", r"\bin\s+\Z"),  # a year
            (r"\d{4,}", r"\border\s+\Z"),  # fewer digits say how many
        ]
    ]
)
_SPELLED: Final = re.compile(
    rf" ({'|'.join(NUMBER_WORDS)})"
    rf" (?!(?:(?:second|minute|hour|day|week|month|year)s?|one|hundred|thousand|million|percent"
    rf"|{'|'.join(NUMBER_WORDS)}) )"
)
_LIST_BEFORE: Final = re.compile(r"(?:\A|[\n:;.!?])\s*\(?\Z")
_LIST_AFTER: Final = re.compile(r"[.)]\s")


class Amounts:
    """The numbers of a text that can say how much; it is read once, however many are asked for.

    One that is visibly a part of a date, a time, an id, a telephone number, an address or the mark of a list cannot.
    Of a number that stands there very often only the first places are looked at.
    """

    __slots__ = ("_known", "_places", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[str, list[int]] | None = None
        self._known: dict[str, bool] = {}

    def has(self, number: str) -> bool:
        """Whether the text names a number, in normal form, so that it can say how much."""
        if self._places is None:
            self._places = _list_places(self._text)
        places = self._places.get(number)
        if places is None:
            return False
        if number not in self._known:
            found = (_NUMBER.match(self._text, place) for place in places)
            self._known[number] = any(one is not None and _is_amount(self._text, one) for one in found)
        return self._known[number]


def _list_places(text: str) -> dict[str, list[int]]:
    """Where each number stands, by what is written and by its normal form."""
    places: dict[str, list[int]] = {}
    forms: dict[str, tuple[str, ...]] = {}
    for found in _NUMBER.finditer(text):
        digits = found["digits"]
        if digits not in forms:
            normal = normalise(digits).strip()
            same = normal and normal != digits and (normal[0] == digits[0] or not digits.isascii())
            forms[digits] = (digits, normal) if same else (digits,)
        for form in forms[digits]:
            listed = places.setdefault(form, [])
            if len(listed) < MOST_PLACES:
                listed.append(found.start())
    return places


def list_spelled(text: str) -> set[str]:
    """The numbers that a normal text has in letters and that can say how much: "two hours" are no two of anything.

    Nor does a part of a number say how much: "twenty five", "two hundred".
    """
    found = _SPELLED.finditer(text)
    return {NUMBER_WORDS[one[1]] for one in found if text[: one.start()].rpartition(" ")[2] not in NUMBER_WORDS}


def _is_amount(text: str, found: re.Match[str]) -> bool:
    digits, start, end = found["digits"], found.start(), found.end()
    before, after = text[max(0, start - _NEAR) : start], text[end : end + _NEAR]
    money = _MONEY_AFTER.match(after)
    signs = found["sign"] + ("" if money is None else money["sign"] or "")
    if any(unicodedata.category(sign) == "Sc" for sign in signs) or (money is not None and not money["sign"]):
        return True
    if _MONEY_BEFORE.search(before) is not None:
        return True
    if _OTHER_BEFORE.search(before) is not None or _OTHER_AFTER.match(after) is not None:
        return False
    return not (
        (digits[0] == "0" and digits.isdigit() and len(digits) > 1)
        or (_LIST_AFTER.match(after) is not None and _LIST_BEFORE.search(before) is not None)
        or any(form.fullmatch(digits) is not None and lead.search(before) is not None for form, lead in _FORMS)
    )


# --- what gives access ------------------------------------------------------------------------------------------------

_NAMES: Final = (
    r"pass[ -]?(?:words?|codes?|phrases?|wd)|pwd|pin|otp|secret|token|credentials?|(?:api|access|license|secret)?[ -_]?"
    r"keys?|code|login|mật khẩu|mã|passwort|kennwort|contraseña|mot de passe|密码|口令|密钥|验证码"
)
_BOTH: Final = rf"(?:{_NAMES}|{unicodedata.normalize('NFD', 'mật khẩu')})"
_NAMED: Final = re.compile(rf"(?<![^\W_]){_BOTH}(?![^\W_])|密码|口令|密钥|验证码", re.IGNORECASE)
"""Words for what gives access."""
_LEADS: Final = re.compile(
    rf"(?:\b(?:to|is|as|be|with|use|into|thành|là)|[:=：]|[为是成])\s*[\"'“‘`«]?\Z|{_BOTH}\s*[\"'“‘`«]?\Z",
    re.IGNORECASE,
)
"""What stands directly before a password, or the mark of a quotation after it."""
_STOP: Final = re.compile(r"[.!?;]\s|\n|[。！？；]")
_LEAST_FIGURE: Final = 4
_QUOTED: Final = re.compile(r"[\"'“‘`«]\Z")
_MOST_APART: Final = 160
"""Characters between a password and the word for it."""


class Secrets:
    """What a text gives that gives access; its words are listed once, however many are asked for."""

    __slots__ = ("_text", "_words")

    def __init__(self, text: str) -> None:
        self._text = text
        self._words: frozenset[str] | None = None

    def has(self, value: str) -> bool:
        """Whether it gives a value, letter by letter, as a word or words of its own: "change my password to X"."""
        if self._words is None:
            self._words = split_words(self._text) if _NAMED.search(self._text) is not None else frozenset[str]()
        is_there = value in self._words or (bool(self._words) and " " in value and has_words(self._text, value))
        return is_there and _is_secret_of(self._text, value)


def _is_secret_of(text: str, value: str) -> bool:
    if not value.strip() or value != value.strip():
        return False
    places = re.finditer(rf"(?<![\w-]){re.escape(value)}(?![\w-])", text)
    for found in islice(places, MOST_PLACES):
        start, end = found.span()
        before = text[max(0, start - _MOST_APART) : start]
        leads = _LEADS.search(before) is not None
        quoted = _QUOTED.search(before) is not None and text[end : end + 1] in set("\"'”’`»")
        near = _NAMED.search(before) is not None or _NAMED.search(text[end : end + _MOST_APART]) is not None
        if near and (quoted or (leads and not _is_plain(value))):
            return True
        if _is_only_figure(before, value, text[end : end + _MOST_APART]):
            return True
    return False


def _is_only_figure(before: str, value: str, after: str) -> bool:
    """Whether it is the only figure of a sentence that has a word for what gives access before it."""
    before, after = _STOP.split(before)[-1], _STOP.split(after)[0]
    figure = len(value) >= _LEAST_FIGURE and any(sign.isdigit() for sign in value)
    others = any(sign.isdigit() for sign in before + after)
    return figure and not others and _NAMED.search(before) is not None


def _is_plain(value: str) -> bool:
    """Whether it is a word that stands between others: "change the password to the one ..."."""
    return value.casefold() in _SMALL


_SMALL: Final = frozenset(
    [
        *("a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "that", "to", "is", "as", "be"),
        *("with", "use", "of", "in", "on", "for", "and", "or", "one", "new", "old", "same", "what", "whatever"),
        *("something", "password", "pin", "code", "token", "key", "secret"),
    ]
)

"""Whether a text names a value: both in one normal form, whole words only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

LONGEST_NUMBER: Final = 40
SLICE_CHARS: Final = 16_384
LONGEST_SLICE: Final = 4 * SLICE_CHARS
"""A word is cut where it ends: one so long names nothing that anybody could ask for."""
# Between two characters each of which is a word, or neither of which is a part of one
_BETWEEN: Final = "|".join(
    [
        rf"(?<={one})(?={one})"
        for one in (r"[\u0e01-\u0e2e\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3]", "[\U0001f300-\U0001faff]")
    ]
)
_SPACE: Final = re.compile(rf"\s|{_BETWEEN}")
_CUT: Final = re.compile(rf"[\s,]|{_BETWEEN}")
SHORT_TEXT: Final = 2_000
"""Characters of a text that is read quicker than its words are listed."""
_LEAST_ACCOUNT: Final = 8
MOST_ACCOUNT_CHARS: Final = 64
_LEAST_DIGITS: Final = 4

# Scripts that put no spaces between words: each character is a word of its own.
_UNSPACED: Final = re.compile(r"([\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
_GAPS: Final = re.compile(r"[\s()\[\]{}<>\"“”‘’«»`|。、「」]+|,(?!\d)|(?<!\d),")
_EDGES: Final = ".,:;!?'*_~#@=…"
_VALUE_EDGES: Final = ".,:;!#@…"
"""Around a value: a star or a question mark may be a pattern, and a text that has none does not name it."""
_ABOVE: Final = ("/..", "\\..")
_QUOTES: Final = "\"'`“”‘’«»()[]<>,;"
_ENDS: Final = _EDGES.replace("*", "").replace("?", "").replace("~", "") + ' \t\r\n()[]{}<>"“”‘’«»`|。、「」'
"""What is left out around a value; a star, a question mark or a tilde may mean something there."""
_THOUSAND: Final = re.compile(r"\d[.,]\d{3}(?!\d)")
_NUMBER: Final = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_COMMA: Final = re.compile(r"[-+]?(?:\d{1,3}(?:\.\d{3})+,\d+|\d+,\d\d|0,\d+)")
"""A sum as much of the world writes it, `1.234,50`; `1,2` is rather a list."""
_PIECE: Final = re.compile(r"[\w@.+-]+")
_NOON: Final = 12
_HOUR: Final = len("2024-05-15t10")
_COMMAS: Final = re.compile(r"\d[\d.]*,[\d.,]*\d")
_ALNUM: Final = re.compile(r"[a-z0-9]+")
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[t ](\d\d:\d\d)(?::\d\d)?(?:\.\d+)?z?)?")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::00)?")
_LINK: Final = re.compile(r"(?:https?://(?:www\.)?|www\.)([a-z0-9.-]+(?::\d+)?(?:/[^\s\\@]*)?)")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip


def normalise(text: str, edges: str = _EDGES) -> str:
    """The words of a text, each between spaces: compatibility forms and case folded, numbers in one format.

    Marks around words are left out, those inside (``a@b.org``, ``2024-05-15``) stay. Nothing that is invisible is left
    out: a value with a hidden character is another value.
    """
    text = text.lower() if text.isascii() else _space(unicodedata.normalize("NFKC", text).casefold())
    words = list[str]()
    for token in _GAPS.split(text):
        bare = token.rstrip(edges)
        if bare.isalpha() or (bare.isalnum() and bare.isascii()):  # nearly all, and nothing else is done to them
            words.append(bare)
        elif token:
            words += _read_token(token, edges)
    return f" {' '.join(words)} " if words else ""


def _space(text: str) -> str:
    """The text with a space before and after each character that is a word."""
    return " ".join(_UNSPACED.split(text))  # a third of the time that `sub` takes


def _read_token(token: str, edges: str) -> list[str]:
    if not token.endswith(_ABOVE):  # `docs/..` is not `docs/`
        token = token.rstrip(edges)
    token = token.lstrip(edges.replace(".", "").replace("~", ""))  # `.env`, `~/x`
    token = token.removesuffix("'s")
    if len(token) >= 16 and token[10] == "t" and (moment := _DATE.fullmatch(token)) is not None:
        return [token[:10], moment[4]]  # of a date with a time both are words
    plain = token if token.isalnum() else _strip_currency(token)
    number = _read_number(plain)
    if number:
        return [number]
    if "," in token:  # `1,2,x`: no number, so a list
        return [word for part in token.split(",") if part for word in _read_token(part, edges)]
    return [token] if token else []


def _strip_currency(token: str) -> str:
    """A token without the signs of money at its ends, and behind a minus."""
    first, last = 0, len(token)
    while first < last and unicodedata.category(token[first]) == "Sc":
        first += 1
    while first < last and unicodedata.category(token[last - 1]) == "Sc":
        last -= 1
    bare = token[first:last]
    return bare[:1] + _strip_currency(bare[1:]) if bare[:1] in {"-", "+"} and bare[1:2] not in {"-", "+"} else bare


def _read_number(text: str) -> str:
    if len(text) > LONGEST_NUMBER:
        return ""
    if _NUMBER.fullmatch(text):
        digits = text.replace(",", "")
    elif "," in text and _COMMA.fullmatch(text):
        digits = text.replace(".", "").replace(",", ".")
    else:
        return ""
    if digits[0] == "0" and digits.isdigit() and len(digits) > 1:
        return digits  # `007` is a name, not the number 7
    try:
        number = Decimal(digits)
    except InvalidOperation:  # digits of scripts that Decimal does not read
        return ""
    shown = format(number, "f")
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) or "0"


def find_strays(text: str, *, whole: bool) -> bool:
    """Whether a text with the same normal form may mean something else: `5 $` is not `5 ¥`.

    It has compatibility forms or signs of currencies. Of the ``whole`` also marks or spaces at its ends, other than an
    at sign or a hash before it, and what is a thousand for some and a fraction for others: `1.000`.
    """
    if whole:
        bare = text[1:] if text[:1] in {"@", "#"} else text
        if bare != bare.strip(_ENDS) or bare.endswith("'s") or _THOUSAND.search(text) is not None:
            return True
    if text.isascii():
        return "$" in text
    return unicodedata.normalize("NFKC", text) != unicodedata.normalize("NFC", text) or any(
        unicodedata.category(c) == "Sc" for c in text
    )


def split_words(text: str) -> frozenset[str]:
    """The words of a text as they are written, with and without the marks around them."""
    words = text.split()
    plain, bare = [word.strip(_QUOTES) for word in words], [word.strip(_QUOTES + _EDGES) for word in words]
    return frozenset([*words, *plain, *bare])


def has_words(text: str, words: str) -> bool:
    """Whether whole words stand in a text, letter by letter: neither a part of one nor the space between two."""
    stripped = re.escape(words.strip())
    return words.strip() == words != "" and re.search(rf"(?<!\w){stripped}(?!\w)", text) is not None


def normalise_value(value: Any) -> str:
    """A value of JSON in the same form; "" if there is nothing in it that could be named."""
    if isinstance(value, bool):
        return " true " if value else " false "
    if isinstance(value, float) and not value.is_integer():
        return normalise(format(Decimal(str(value)), "f"))
    if isinstance(value, (int, float)):
        return f" {int(value)} " if abs(value) < 1e30 else ""
    return normalise(str(value), _VALUE_EDGES)


def names(text: str, value: str) -> bool:
    """Whether a normal text names a normal value: the value itself, or another spelling of the same.

    Other spellings are: an account number in groups, a link without its scheme, a date or time as people write them.
    """
    return bool(value) and (value in text or any(spelled in text for spelled in spell(value)) or _groups(text, value))


def list_forms(value: str) -> list[str]:
    """A normal value in each form in which a text may name it."""
    joined = join_account(value)
    return [value, *spell(value), *([f" {joined} "] if joined and joined != value.strip() else [])]


def join_account(value: str) -> str:
    """An account or telephone number without its gaps; "" for what is none."""
    joined = value.replace(" ", "").replace("-", "")
    if (
        not _LEAST_ACCOUNT <= len(joined) <= MOST_ACCOUNT_CHARS
        or not _ALNUM.fullmatch(joined)
        or sum([c.isdigit() for c in joined]) < _LEAST_DIGITS
    ):
        return ""
    return joined


def spell(value: str) -> list[str]:
    """Other spellings of a normal value, in normal form."""
    bare = value.strip()
    if (link := _LINK.fullmatch(bare)) is not None:
        rest = link[1].rstrip("/")
        return [f" {head}{rest}{tail} " for head in ("", "www.", "http://", "https://") for tail in ("", "/")]
    if (date := _DATE.fullmatch(bare)) is not None:
        days = _spell_date(date[1], date[2], date[3])
        return days if date[4] is None else []  # both parts must be named: see `Evidence`
    if (time := _TIME.fullmatch(bare)) is not None:
        return _spell_time(int(time[1]), time[2])
    return []


def _spell_date(year: str, month: str, day: str) -> list[str]:
    number, place = int(day), int(month) - 1
    if not 0 <= place < len(_MONTHS):
        return []
    spelled: list[str] = []
    tail = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    for name in (_MONTHS[place], _MONTHS[place][:3]):
        for shown in (str(number), f"{number}{tail}"):
            spelled += [f" {name} {shown} ", f" {shown} {name} ", f" {shown} of {name} "]
    for mark in ("/", ".", "-"):
        spelled += [f" {day}{mark}{month}{mark}{year} ", f" {number}{mark}{place + 1}{mark}{year} "]
        spelled += [f" {month}{mark}{day}{mark}{year} ", f" {place + 1}{mark}{number}{mark}{year} "]
    for first, second in ((number, place + 1), (place + 1, number), (day, month), (month, day)):
        spelled.append(f" {first}/{second} ")
    spelled.append(f" {number} tháng {place + 1} ")
    spelled += [f" {place + 1} 月 {number} {sign} " for sign in "日号號"]
    return spelled


def _spell_time(hour: int, minute: str) -> list[str]:
    half, twelve = "am" if hour < 12 else "pm", hour % 12 or 12
    clocks = [f"{twelve}:{minute}", f"{twelve:02}:{minute}"] + ([str(twelve)] if minute == "00" else [])
    spelled = [f" {clock}{gap}{half} " for clock in clocks for gap in ("", " ")]
    spelled += [f" {hour}:{minute} ", f" {hour}h{minute} ", f" {hour} giờ {minute} ", f" {hour} 点 {minute} "]
    if minute == "00":
        before, after = (("上 午", "早 上"), ("sáng",)) if hour < _NOON else (("下 午", "晚 上"), ("chiều", "tối"))
        spelled += [f" {part} {twelve} 点 " for part in before]
        spelled += [f" {twelve}{sign} {part} " for part in after for sign in ("h", " giờ")]
        # "3 giờ" may be the beginning of "3 giờ chiều"
        spelled += [f" {hour}h ", f" {hour} giờ ", f" {hour} 点 "] if hour > _NOON else []
    return spelled


def split_moment(value: str) -> list[str]:
    """The parts of a normal value each of which must be named: of a date with a time these two, else the value."""
    bare = value.strip()
    moment = _DATE.fullmatch(bare)
    if moment is None or moment[4] is None:
        return [value]
    return [f" {bare[:10]} ", f" {moment[4]} "]


def _groups(text: str, value: str) -> bool:
    """Whether the text names an account number or phone number that it writes in groups, or the value does."""
    joined = join_account(value)
    return bool(joined) and joined in join(text) and _has_groups(text, joined)  # nearly always the latter is not asked


def join(text: str) -> str:
    """A normal text without what parts the groups of a number."""
    return text.replace("-", "").replace(" ", "")


def _has_groups(text: str, joined: str) -> bool:
    # possessive: no letter of it is a gap, so that nothing is tried twice
    return re.search(rf"(?<![^ -]){'[ -]*+'.join(joined)}(?![^ -])", text) is not None


class Passage:
    """A normal text that is asked for many values: what it cannot name is told without reading it again."""

    __slots__ = ("_joined", "_words", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._words: frozenset[str] | None = None
        self._joined: str | None = None

    def names(self, value: str) -> bool:
        """As `names` says."""
        if len(self.text) <= SHORT_TEXT:
            return names(self.text, value)
        if self._words is None:
            self._words = frozenset(self.text.split())
        if any(self._words.issuperset(form.split()) and form in self.text for form in (value, *spell(value)) if form):
            return True
        joined = join_account(value)
        if not joined:
            return False
        if self._joined is None:
            self._joined = join(self.text)
        return joined in self._joined and _has_groups(self.text, joined)

    def make_ready(self) -> None:
        """List now the words of a long text."""
        if len(self.text) > SHORT_TEXT and self._words is None:
            self._words = frozenset(self.text.split())


def slices(text: str, *, commas: bool = False) -> Iterator[str]:
    """Parts of a text that together have all its words but those of tens of thousands of letters, cut at spaces.

    With ``commas``, those that have all its pieces: cut at commas as well, with some of it twice.
    """
    start = 0
    while len(text) - start > SLICE_CHARS:
        last = start + LONGEST_SLICE
        cut = (_CUT if commas else _SPACE).search(text, start + SLICE_CHARS, last)
        end = min(last, len(text)) if cut is None else cut.end()
        yield text[start:end]
        start = end - (2 * LONGEST_NUMBER if cut is not None and cut[0] == "," else 0)
    yield text[start:]


def pieces(text: str) -> set[str]:
    """What a text may name, in small pieces: a value of which any piece is not among them it does not name."""
    text = text.lower() if text.isascii() else _space(unicodedata.normalize("NFKC", text).casefold())
    listed = set(_PIECE.findall(text))
    found = {piece for piece in listed if piece.isalpha()}  # nearly all
    odd = {piece.strip(".+-@_") for piece in listed - found}
    found.update([_read_number(piece) or piece for piece in odd])
    found.update([part for piece in odd if len(piece) == _HOUR and piece[10] == "t" for part in piece.split("t")])
    if "," in text:
        found.update([_read_number(number) for number in set(_COMMAS.findall(text))])
    found.discard("")
    return found

"""What a text may carry to whoever reads it: links, addresses, accounts, keys."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from typing import Final

_DOMAINS: Final = (
    "com|net|org|io|dev|app|ai|co|info|biz|xyz|site|online|shop|top|link|click|me|ru|cn|vn|de|uk|eu|us|tk|ga|gq|pw|su|"
    "ws|ly|gg|icu|live|store|tech|space|website|cloud|page|blog|world|vip|pro|mobi|ltd|ch|nl|se|dk|fi|cz|hu|ro|gr|pt|"
    "es|fr|ie|tr|ua|kz|jp|kr|tw|hk|sg|th|nz|ca|mx|br|ar|cl|za|ng|ke|sa|ae|ir"
)
"""Ends of names of hosts that are neither words nor ends of names of files."""
_CARRIED: Final = re.compile(
    r"[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"  # mail addresses
    r"|[a-z][a-z0-9+.-]{0,19}://[^\s'\"<>)\]]+"  # links
    r"|www\.[^\s'\"<>)\]]+"
    rf"|(?<![\w@.-])(?:[\w-]{{1,63}}\.){{1,4}}(?:(?:{_DOMAINS})(?![\w.-]\w)(?:[:/][^\s'\"<>)\]]*)?"
    r"|[a-z]{2,24}/[^\s'\"<>)\]]+)"  # whatever its end, who adds a path means a host
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}[:/][^\s'\"<>)\]]+"
    r"|(?<!\w)[a-z]{2}\d{2}(?:[a-z0-9]{8,30}|(?:[\s./-][a-z]{4})?(?:[\s./-]?\d{2,4}+){2,8}+)(?!\w)"  # IBAN
    r"|(?<!\w)\+?\d(?:[ -]?\d){6,30}(?!\w)"  # accounts, telephones
    r"|(?<![\w-])(?=[\w-]{0,80}\d)(?=[\w-]{0,80}[a-z])[\w-]{20,200}(?![\w-])",  # keys and tokens
    re.IGNORECASE | re.ASCII,
)
# What a browser leaves out of the name of a host, and people do not see
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
_WIDE_DOT: Final = re.compile(r"(?<=\w)\u3002(?=[a-z0-9])", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_ENTITY: Final = re.compile(r"&#?\w")
# Account numbers, cards and keys: of letters and digits, and long
_SECRET: Final = re.compile(r"(?=[\w]*\d)\w{12,}", re.ASCII)
# Dates and times, which look like numbers of telephones
_MOMENT: Final = re.compile(r"(?<![\w-])\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?(?![\w-])")


def find_carried(text: str, *, encoded: bool = False) -> list[str]:
    """Links, addresses, account numbers, telephone numbers and keys in a text, as whoever reads it sees them there.

    Args:
        text: The text.
        encoded: It may be Base64 of what is read.
    """
    found = _find(text)
    if encoded and len(text) % 4 == 0 and _BASE64.fullmatch(text) is not None:
        found = _find(base64.b64decode(text).decode("utf-8", "replace"))
    if "&" in text and _ENTITY.search(text) is not None:  # it may be shown as a page
        found += _find(html.unescape(text))
    return list(dict.fromkeys(found))


def _find(text: str) -> list[str]:
    if not text.isascii():
        text = _WIDE_DOT.sub(".", _UNSEEN.sub("", unicodedata.normalize("NFKC", text)))
    return [one.rstrip(".,;:!?") for one in _CARRIED.findall(_MOMENT.sub(" ", text))]


def is_secret(value: str) -> bool:
    """Whether a normal value looks like one that gives access or pays: an account, a card, a key."""
    joined = value.replace(" ", "").replace("-", "")
    return _SECRET.fullmatch(joined) is not None

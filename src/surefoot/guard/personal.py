"""Personal data in a text, by its form, and by its check digits where it has some."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from surefoot.guard.redact import Finding

_EMAIL: Final = re.compile(r"(?<![\w.+-])(?:[\w.+-]|(?<=\w)'(?=\w)){1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_CARD: Final = re.compile(r"(?<![\w.])(?=(\d{13,19}|\d{4}([ -])\d{4}\2\d{4}\2\d{1,7}|\d{4}([ -])\d{6}\3\d{5})(?!\d))")
_PHONE: Final = re.compile(
    r"(?<![\w+])\+\d{1,15}(?:[ ./-]?\(\d{1,5}\)[ ./-]?\d{1,12}|[ ./-]\d{1,12}){0,6}(?![\w])"
    r"|(?<![\w.+/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){2,4}(?![\w-])"
    r"|(?<![\w.+/-])(?:\([2-9]\d\d\)|\(0\d{1,4}\)|0\d{2,4}(?=[ /-]))[ /-]?\d{3,8}(?:[ -]\d{3,6})?(?![\w-])"
    r"|(?<![\w+])0\d{9,10}(?!\w)"
)
_GROUPS: Final = re.compile(r"\D*\d+\)?")
_LEAST_DIGITS, _MOST_DIGITS = 8, 15
"""Of a phone number with its country: ITU-T E.164 has 15 at most."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d|\d\d[.-]\d\d[.-]\d{4}|\d{1,3}(?:\.\d{1,3}){3}$|[1-9]\d{0,2}(?:\.\d{3})+$")
"""A date, an address of the internet, a number in thousands."""
_IBAN: Final = re.compile(r"(?<!\w)(?=([A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30})(?!\w))")
LEAST_IBAN_CHARS: Final = 15
"""Without spaces: Norway's."""
_IDENTITY: Final = re.compile(
    r"(?<![\w-])(?:(?P<ssn>(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4})"
    r"|(?P<nino>[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D])"
    r"|(?P<dni>[XYZ0-9]\d{7}[A-Z])|(?P<rrid>\d{17}[\dXx]))(?![\w-])"
)
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_RRID_CHECK: Final = "10X98765432"
LONGEST_CHARS: Final = 60
"""Of what has spaces in it: a card, a phone number, an IBAN."""


def find_personal(text: str) -> Iterator[Finding]:
    """Where e-mail addresses, phone numbers, and by their check digits cards, IBANs and national identity numbers are.

    Identity numbers are those of the USA (SSN), Britain (NINO), Spain (DNI, NIE) and China; the first two have no check
    digit.
    """
    for match in _EMAIL.finditer(text):
        yield *match.span(), "email", "[email removed]"
    for match in _CARD.finditer(text):
        if _is_luhn([int(digit) for digit in match[1] if digit.isdecimal()]):
            yield *match.span(1), "card", "[card removed]"
    for match in _IBAN.finditer(text):
        if (length := _iban_length(match[1])) > 0:
            yield match.start(), match.start() + length, "iban", "[IBAN removed]"
    for match in _IDENTITY.finditer(text):
        if match["ssn"] or match["nino"] or _is_dni(match["dni"] or "") or _is_rrid(match["rrid"] or ""):
            yield *match.span(), "id", "[identity number removed]"
    for match in _PHONE.finditer(text):
        if not _DATE.match(match[0]) and (chars := _phone_length(match[0])):
            yield match.start(), match.start() + chars, "phone", "[phone removed]"


def _phone_length(found: str) -> int:
    """Characters of the longest beginning that may be a phone number: other numbers may stand behind it. 0: none."""
    digits = chars = longest = 0
    for group in _GROUPS.findall(found):
        digits += sum([letter.isdecimal() for letter in group])
        chars += len(group)
        if digits <= _MOST_DIGITS:
            longest = chars
    return longest if digits >= _LEAST_DIGITS or found[0] != "+" else 0


def _is_luhn(digits: list[int]) -> bool:
    """Whether the digits, every second from the right doubled and its digits summed, sum to a multiple of 10."""
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban_length(found: str) -> int:
    """Characters of the longest beginning that is an IBAN; the words after it may look like more of it. 0: none.

    The remainder by 97 is 1 (ISO 13616): the first four at the end, letters as 10 to 35. That of a longer one is
    that of the shorter, times 10 or 100 for a digit or a letter, plus its value.
    """
    first = "".join([str(int(letter, 36)) for letter in found[:4]])
    scale, front = 10 ** len(first), int(first)
    rest, count, longest = 0, 4, 0
    for at in range(4, len(found)):
        letter = found[at]
        if letter == " ":
            continue
        rest = (rest * (10 if letter.isdecimal() else 100) + int(letter, 36)) % 97
        count += 1
        if count >= LEAST_IBAN_CHARS and (rest * scale + front) % 97 == 1:
            longest = at + 1
    return longest


def _is_dni(number: str) -> bool:
    """Spain: the letter is that of the number modulo 23; X, Y and Z of a foreigner's stand for 0, 1 and 2."""
    if not number:
        return False
    digits = number[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return _DNI_LETTERS[int(digits) % 23] == number[-1]


def _is_rrid(number: str) -> bool:
    """China: the weighted sum modulo 11 gives the last character (GB 11643-1999)."""
    if not number:
        return False
    weighted = sum([int(digit) * (2 ** (17 - at) % 11) for at, digit in enumerate(number[:17])])
    return _RRID_CHECK[weighted % 11] == number[-1].upper()

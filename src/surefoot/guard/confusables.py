"""Letters of other scripts that look like Latin ones, and how text is folded for reading it as an attacker means it.

The pairs are a selection of Unicode's confusables (UTS #39, Unicode License V3, https://www.unicode.org/license.txt),
put together by hand for the scripts that are used to write English in disguise. Compatibility forms (fullwidth,
mathematical, circled) are NFKC's.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from unicodedata import combining

_PAIRS: Final = (
    "аa ạa ӕa вb ьb сc ԁd еe ҽe ғf ԍg һh ћh іi їi ӏl јj кk қk лn мm нh ոn пn оo рp ԛq гr ѕs тt цu уy ұy ѵv ѡw ԝw хx ҳx зz "  # Cyrillic
    "АA ВB СC ЕE НH ІI ЈJ КK МM ОO РP ЅS ТT ХX УY ԜW Ӏl ԌG ԚQ "
    "αa βb ςc δd εe ϝf γy ηn ιi κk λl μu νv οo ρp σo τt υu φo χx ωw ϲc ϳj "  # Greek
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX "
    "աw հh ոn սu օo ցg զq ւı եt ԼL ՕO ՍU "  # Armenian
    "ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎥI ᎫJ ᏦK ᏞL ᎷM ᏢP ᏒR ᏚS ᎢT ᏙV ᎳW ᎩY ᏃZ "  # Cherokee
    "ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz "  # small capitals
    "ɑa ɡg ıi ɩi ʋv ƅb øo ðd þp łl đd ɐa ǝe ɟf ɥh ᴉi ʞk ɯm ɹr ʇt ʌv ʍw ʎy ƽs ꞵb "  # other Latin, turned letters
    "०o ०o ໐o ٥o ۵o "
)
LOOKALIKE: Final = {
    pair[0]: pair[1].replace("ı", "i") for pair in _PAIRS.split() if len(pair) == 2 and not pair[0].isascii()
}
"""The Latin letter of each lookalike, in the same case."""

_BORROWED: Final = "".join(
    letter for letter in LOOKALIKE if unicodedata.name(letter)[:5] in {"CYRIL", "GREEK", "ARMEN", "CHERO"}
)
_MIXED: Final = re.compile(f"[A-Za-z][{_BORROWED}]|[{_BORROWED}][A-Za-z]")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_CACHED: Final = 65_536


_HANGUL: Final = range(0xAC00, 0xD7A4)


class _Folding(dict[int, str]):
    """For `str.translate`: each character as one lower-case character without marks, in Latin if it looks Latin."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        is_whole = code in _HANGUL  # of a syllable taken apart only the first consonant would be left
        base = letter if is_whole else unicodedata.normalize("NFD", LOOKALIKE.get(letter, letter))[0]
        base = LOOKALIKE.get(base, base).lower()[0]
        base = LOOKALIKE.get(base, base)
        if len(self) < _CACHED:
            self[code] = base
        return base


_FOLDING: Final = _Folding()


def fold(text: str) -> str:
    """``text`` as the phrases are written: lower case, no marks, lookalikes in Latin; of the same length."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def latinize_mixed(text: str) -> str:
    """``text`` with words of Latin and lookalikes all in Latin; words of one script stay as they are. Same length."""
    if text.isascii() or _MIXED.search(text) is None:
        return text
    return _LETTERS.sub(_latinize, text)


def _latinize(match: re.Match[str]) -> str:
    word = match[0]
    if word.isascii() or _MIXED.search(word) is None:
        return word
    followers = match.string[match.start() + 1 : match.end() + 1] + " "
    # A letter with a mark behind it stays: made Latin it would be composed with the mark if it came by once more.
    return "".join(
        [
            letter if combining(follower) else LOOKALIKE.get(letter, letter)
            for letter, follower in zip(word, followers, strict=False)
        ]
    )

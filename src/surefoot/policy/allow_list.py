"""What stands in an allow-list of the settings, where ``*`` stands for anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from surefoot.policy.matching import normalise

_HOST: Final = re.compile(r"(?:https?|wss?|ftps?|sftp|ssh|git)://(?:www\.)?([a-z0-9.-]+)(?::\d+)?(?:[/?#][^\s\\@]*)?")
_PARTING: Final = "\\s,;|<>\"'`\\\\@\\x00-\\x1f"
_CLIMBS: Final = re.compile(r"(?:^|[/\\]|%2f|%5c)(?:\.|%2e){2}(?:[/\\;]|%2f|%5c|$)")
"""`reports/*` stands for nothing above `reports`."""


def is_listed(value: str, patterns: Sequence[str]) -> bool:
    """Whether a normal value stands in an allow-list: it is what an entry says, or a link to such a host."""
    bare = value.strip()
    host = _HOST.fullmatch(bare)
    return any(
        pattern == "*"
        or bare == normalise(pattern).strip()
        or ("*" in pattern and _CLIMBS.search(bare) is None and _read_pattern(pattern).fullmatch(bare) is not None)
        or (host is not None and _read_pattern(pattern).fullmatch(host[1]) is not None)
        for pattern in patterns
    )


@lru_cache(maxsize=1_000)
def _read_pattern(pattern: str) -> re.Pattern[str]:
    """What an entry of an allow-list stands for: only its stars are no letters.

    None goes beyond one value, nor into its path if the entry has none.
    """
    folded = unicodedata.normalize("NFKC", pattern).casefold()
    star = f"[^{_PARTING}{'' if '/' in folded else '/:?#'}]*"
    first, *others = [re.escape(part) for part in folded.split("*")]
    middle = [f"(?>{star}?{part})" for part in others[:-1]]  # found once and for all: the time stays linear
    return re.compile("".join([first, *middle, *[f"{star}{part}" for part in others[-1:]]]))


def is_plain(address: str) -> bool:
    """Whether an address has no compatibility forms: with a wide slash, `corp.org/x.evil.org` is a path for some."""
    return address.isascii() or unicodedata.normalize("NFKC", address) == unicodedata.normalize("NFC", address)

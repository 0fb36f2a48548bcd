"""How long something lasts, as people write it."""

from __future__ import annotations

import re
from typing import Final

from surefoot.errors import ConfigError

MAX_S: Final = 1_000_000_000
"""31 years: more would overflow a time stamp."""
_DURATION: Final = re.compile(r"(\d{1,9})([smhdw])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


def read_duration_s(text: str, where: str) -> float:
    """Seconds of ``45s``, ``30m``, ``12h``, ``30d`` or ``4w``.

    Raises:
        ConfigError: It is none of these, or nothing; ``where`` says which.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = int(found[1]) * _UNIT_S[found[2]] if found else 0
    if not 0 < seconds <= MAX_S:
        told = "write a whole number with s, m, h, d or w, for example '30d'"
        raise ConfigError(f"{where} = {text[:40]!r}: is no time that something may last; {told}")
    return float(seconds)

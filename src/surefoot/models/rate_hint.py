"""What a provider says of its limits in the headers of an answer, read as cheaply as can be."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from surefoot.models.status import HeaderLookup

Kind = Literal["requests", "tokens"]
KINDS: Final[tuple[Kind, Kind]] = ("tokens", "requests")


SKIPPED: Final = 7
MOST_SKIPPED: Final = 63


class Said(Struct, frozen=True, gc=False):
    """One limit.

    Attributes:
        limit: How much a minute.
        left: How much of it is left.
        reset: After what time all of it is there again, as the header has it; "" if it does not say.
    """

    limit: int
    left: int
    reset: str = ""


class RateHint(Struct, frozen=True, gc=False):
    """What an answer says of the limits of its key and model; None for one that it does not name."""

    requests: Said | None = None
    tokens: Said | None = None


class RateReader:
    """Reads the headers of one wire.

    To look at a response's headers at all costs as much as a tenth of a step (the library converts them all), so not
    every answer is looked at: after one without such headers `MOST_SKIPPED` are passed over, and `SKIPPED` after one
    that says that less than half of each limit is used. Errors are always looked at.

    Args:
        names: How a header is named; ``{kind}`` stands for requests or tokens, ``{field}`` for limit, remaining, reset.
    """

    __slots__ = ("_names", "_skip", "_skipped")

    def __init__(self, names: str) -> None:
        fields = ("limit", "remaining", "reset")
        self._names = {kind: tuple([names.format(kind=kind, field=field) for field in fields]) for kind in KINDS}
        self._skip = 0  # answers that are passed over after one that was looked at
        self._skipped = 0

    def glance(self, header: HeaderLookup) -> RateHint | None:
        """What the answer with these headers says; None for nothing, or if it is passed over."""
        if self._skipped < self._skip:
            self._skipped += 1
            return None
        return self.read(header)

    def read(self, header: HeaderLookup) -> RateHint | None:
        """What the answer with these headers says, None for nothing."""
        self._skipped = 0
        requests, tokens = self._read(header, "requests"), self._read(header, "tokens")
        if requests is None and tokens is None:
            self._skip = MOST_SKIPPED
            return None
        scarce = any(2 * said.left < said.limit for said in (requests, tokens) if said is not None)
        self._skip = 0 if scarce else SKIPPED
        return RateHint(requests, tokens)

    def _read(self, header: HeaderLookup, kind: Kind) -> Said | None:
        names = self._names[kind]
        limit, left = _read_count(header(names[0])), _read_count(header(names[1]))
        if limit is None or left is None or limit < 1:
            return None
        return Said(limit, max(0, left), header(names[2]) or "")


def _read_count(text: str | None) -> int | None:
    """A count of at most 15 digits; others are none that a provider can have meant."""
    return int(text) if text is not None and len(text) <= 15 and text.isascii() and text.isdigit() else None

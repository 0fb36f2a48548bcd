"""What a conversation hands on: to its next run, and to the runs that its tools begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from surefoot.policy.deeds import Done
from surefoot.policy.lookup import Lookup

LONG_CHARS: Final = 50_000
LONG: Final = 50
"""What the user said, and look-ups, of which a conversation is long."""


class Carried(Struct, frozen=True, omit_defaults=True):
    """What a conversation hands on to its next run, or a run to those that its tools begin.

    Attributes:
        exposed: It has read text by others.
        said: What the user said, the oldest first.
        lookups: What was found in systems of record.
        pieces: Marks of all the pieces of text by others, packed.
        full: There were more of these than are remembered.
        vouches: Sources that a person has vouched for, each with the tool that it may fill in.
        vouched_texts: Their texts in normal form, by source.
        done: What its calls have done, None for nothing.
    """

    exposed: bool = False
    said: tuple[str, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    pieces: str = ""
    full: bool = False
    vouches: tuple[tuple[str, str], ...] = ()
    vouched_texts: Mapping[str, Sequence[str]] = {}
    done: Done | None = None

    @property
    def is_long(self) -> bool:
        """Whether it takes long to write it down."""
        return len(self.pieces) > LONG_CHARS or len(self.said) + len(self.lookups) > LONG

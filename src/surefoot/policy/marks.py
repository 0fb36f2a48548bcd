"""Marks of the pieces of text by others: little is remembered of each, and nothing that it names is overlooked."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from surefoot.policy.matching import join_account, pieces

LEAST_GROUP: Final = 3
MOST_GROUP: Final = 16


class _Anything(Collection[int]):
    """Marks of which there were too many to be remembered: each may be one of them."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


ANYTHING: Final = _Anything()


def pack_marks(marks: Iterable[int]) -> str:
    """Marks as text: big-endian, base64, in order."""
    listed = sorted(marks)
    return base64.b64encode(struct.pack(f">{len(listed)}I", *listed)).decode()


def unpack_marks(text: str) -> tuple[int, ...]:
    """The marks that were packed."""
    data = base64.b64decode(text)
    return struct.unpack(f">{len(data) // 4}I", data)


def mark(piece: str) -> int:
    """What is remembered of a piece: two that share a mark make the answer no laxer."""
    return zlib.crc32(piece.encode("utf-8", "replace"))


def is_marked(form: str, marks: Collection[int]) -> bool:
    """Whether all pieces of a form of a value have marks, or those of an account number in groups.

    Signs alone leave no mark: whoever wrote anything may have written them.
    """
    listed = pieces(form)
    if not listed:
        return bool(form.strip())
    return all(mark(piece) in marks for piece in listed) or _is_grouped(join_account(form), marks)


def _is_grouped(joined: str, marks: Collection[int]) -> bool:
    """Whether an account number may stand in groups in their text, of three characters or more but for the last."""
    ends = {0} if joined else set[int]()
    for start in range(len(joined)):
        if start in ends:
            for end in range(start + LEAST_GROUP, min(start + MOST_GROUP, len(joined)) + 1):
                group = pieces(joined[start:end])
                if group and all(mark(one) in marks for one in group):
                    ends.add(end)
            rest = joined[start:]
            if len(rest) < LEAST_GROUP and mark(rest) in marks:
                return True
    return bool(ends) and len(joined) in ends

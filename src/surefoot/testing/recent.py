"""A log with a limit in count and bytes: the newest entries stay."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Recent(Sequence[T]):
    """The newest entries, oldest first; what does not fit is forgotten, oldest first.

    Safe to read from another thread while one thread appends.

    Args:
        limit: At most this many entries.
        limit_bytes: At most this many bytes, by the sizes that `append` is told; the newest entry stays however big.

    Attributes:
        total: How many were ever appended.
    """

    def __init__(self, limit: int, limit_bytes: int = 1 << 62) -> None:
        assert limit > 0, "a log must hold at least one entry"
        self.total = 0
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._entries: deque[tuple[int, T]] = deque()

    def append(self, entry: T, size_bytes: int = 0) -> None:
        """Add the newest entry."""
        self.total += 1
        self._entries.append((size_bytes, entry))
        self._bytes += size_bytes
        while len(self._entries) > self._limit or (self._bytes > self._limit_bytes and len(self._entries) > 1):
            self._bytes -= self._entries.popleft()[0]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        return iter([entry for _, entry in tuple(self._entries)])

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return list(self)[index]
        return self._entries[index][1]

    def __repr__(self) -> str:
        return f"Recent({list(self)!r})"

"""Conversations in memory: a bounded number of them, encoded and compressed, for as long as they are in use."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from surefoot.clock import Clock
from surefoot.journal.fold import LAST_CALL, SUMMARY_CALL
from surefoot.policy.handed_on import Carried
from surefoot.types import Message

PACK_FROM_BYTES: Final = 512
"""Conversations that are shorter are not compressed: it would save less than it costs."""
PACK_UP_TO_BYTES: Final = 256 << 10
"""Longer ones are not, either: it takes 10 ms a megabyte, and the event loop would wait for it."""
LARGEST_SHARE: Final = 8
"""A conversation that would take more than one part in so many of the memory is not kept: one session is not to put all
others out."""
ENTRY_BYTES: Final = 700
"""What an entry counts beside its conversation: names, times, its place in the table."""

_PASSING: Final = frozenset({LAST_CALL, SUMMARY_CALL})
"""Labels of what the model was told for its own run alone."""
_PLAIN, _PACKED = b"\0", b"\1"

_encode = msgspec.msgpack.Encoder().encode
_decode_carried = msgspec.msgpack.Decoder(Carried).decode
_decode = msgspec.msgpack.Decoder(tuple[Message, ...]).decode

Key = tuple[str, str, str]
"""Tenant, user, session."""


class Kept(Struct, frozen=True, gc=False):
    """A conversation as it is kept.

    Attributes:
        head: The run after which it stood so.
        used_at: Wall time, seconds, at which that run ended.
        until: Monotonic seconds after which it is forgotten.
        data: The messages.
        origins: Where their values came from; b"" if there is nothing to tell.
    """

    head: str
    used_at: float
    until: float
    data: bytes
    origins: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.data) + len(self.origins)

    def read(self) -> tuple[tuple[Message, ...], Carried | None]:
        """The conversation, and where its values came from."""
        carried = _decode_carried(zlib.decompress(self.origins)) if self.origins else None
        return unpack(self.data), carried


class Transcripts:
    """The conversations used last. Whoever is not here is read from the store: forgetting loses nothing."""

    def __init__(self, clock: Clock, *, most: int, most_bytes: int, ttl_s: float) -> None:
        """Keep at most ``most`` of them, ``most_bytes`` in all, each for ``ttl_s`` seconds after its last use."""
        self.size_bytes = 0
        self._clock = clock
        self._most = most
        self._most_bytes = most_bytes
        self._ttl_s = ttl_s
        self._kept: dict[Key, Kept] = {}  # the one used last is at the end

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Kept | None:
        """A conversation, None if it is not here (any more)."""
        kept = self._kept.get(key)
        if kept is not None and kept.until <= self._clock.monotonic():
            self.drop(key)
            return None
        return kept

    def put(self, key: Key, head: str, used_at: float, data: bytes, origins: bytes = b"") -> None:
        """Keep a conversation as it stands after the run ``head``, packed by `pack_all`."""
        self.drop(key)
        if (len(data) + len(origins)) * LARGEST_SHARE > self._most_bytes:
            return
        kept = Kept(head, used_at, self._clock.monotonic() + self._ttl_s, data, origins)
        self._kept[key] = kept
        self.size_bytes += len(data) + len(origins) + ENTRY_BYTES
        while len(self._kept) > self._most or self.size_bytes > self._most_bytes:
            self.drop(next(iter(self._kept)))
        self.forget_idle()

    def drop(self, key: Key) -> None:
        """Forget a conversation, if it is here."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size_bytes -= len(kept.data) + len(kept.origins) + ENTRY_BYTES

    def drop_user(self, tenant: str, user: str) -> None:
        """Forget all conversations of a user."""
        for key in [key for key in self._kept if key[:2] == (tenant, user)]:
            self.drop(key)

    def forget_idle(self) -> None:
        """Forget those whose time is over: they are the ones at the front."""
        now = self._clock.monotonic()
        while self._kept:
            key = next(iter(self._kept))
            if self._kept[key].until > now:
                return
            self.drop(key)


def pack_all(messages: Sequence[Message], carried: Carried | None) -> tuple[bytes, bytes] | None:
    """What the next run of a session inherits, as bytes; None for what cannot be kept in memory."""
    try:
        return pack(continue_from(messages)), b"" if carried is None else zlib.compress(_encode(carried), 1)
    except UnicodeEncodeError:
        return None  # a model of the user's own wrote what UTF-8 cannot carry: the journal has it mended


def pack(messages: Sequence[Message]) -> bytes:
    """Messages with their labels, as bytes; `unpack` reads them.

    Raises:
        UnicodeEncodeError: There is half of a surrogate pair in it.
    """
    data = _encode(messages)
    packed = zlib.compress(data, 1) if PACK_FROM_BYTES <= len(data) <= PACK_UP_TO_BYTES else data
    return _PACKED + packed if len(packed) < len(data) else _PLAIN + data


def unpack(data: bytes) -> tuple[Message, ...]:
    """The messages that were packed."""
    return _decode(zlib.decompress(data[1:]) if data[:1] == _PACKED else data[1:])


def continue_from(messages: Sequence[Message]) -> tuple[Message, ...]:
    """What the next run of a session inherits of the last one's ``messages``.

    Left out are the system message (the next run brings its own), what told the model that the budget of its run was at
    its end, and a reply at the end whose tool calls were never answered: providers refuse a call without its result.
    """
    kept = [m for m in messages if m.role != "system" and not _PASSING & {part.label for part in m.parts}]
    whole: list[Message] = []
    for place, message in enumerate(kept):
        if message.tool_calls and not _is_answered(kept, place):
            continue
        if message.role != "tool" or (whole and (whole[-1].role == "tool" or whole[-1].tool_calls)):
            whole.append(message)
    return tuple(whole)


def _is_answered(messages: Sequence[Message], place: int) -> bool:
    """Whether each tool call of the message there has its result.

    The same id may stand for another call elsewhere: only what follows at once answers.
    """
    open_ids = {call.id for call in messages[place].tool_calls}
    following = place + 1  # and no slice: of a long conversation that would be a copy for each of its messages
    while open_ids and following < len(messages) and messages[following].role == "tool":
        open_ids.discard(messages[following].tool_call_id)
        following += 1
    return not open_ids

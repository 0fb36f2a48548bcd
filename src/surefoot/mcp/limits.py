"""What a server may cost us, whatever it sends."""

from __future__ import annotations

import asyncio
from typing import Final

from surefoot.arguments.size import ArgumentLimits

MAX_MESSAGE_BYTES: Final = 4 << 20
"""One message; a longer one ends the connection, or over HTTP the call."""
MAX_VALUES: Final = 50_000
"""In one message: what is read of it holds up the loop, a millisecond for some thousand."""
MAX_PAGES: Final = 32
"""Of a list of tools."""
MAX_PARTS: Final = 256
"""Of one result."""
UNASKED_BYTES: Final = 4 << 20
"""What a server may say at once without being asked."""
UNASKED_BYTES_A_S: Final = 256 << 10
"""What it may say without being asked for ever: it costs us a few hundredths of a processor."""
MOST_GRANTED_BYTES: Final = 64 << 20
"""Of answers that are due."""
LINE_BYTES: Final = 500
"""What a line costs beside its length: an empty one has to be read, too."""
MESSAGE_BYTES: Final = 1_000
"""What a message costs beside its length."""
_TURN_BYTES: Final = 64 << 10

_SIZE: Final = ArgumentLimits(nbytes=MAX_MESSAGE_BYTES, depth=128, items=MAX_VALUES)


def is_too_much(message: bytes) -> bool:
    """Whether a message of JSON would hold up the loop while it is read; of what is no UTF-8 its reader tells."""
    try:
        _SIZE.check(message.decode(errors="replace"))
    except ValueError:
        return True
    return False


class Pace:
    """How fast a server is read: one that says more than it was asked for has to wait until it is.

    So a flood costs us neither memory nor the loop, and the server its own calls alone.
    """

    def __init__(self) -> None:
        self._left = float(UNASKED_BYTES)
        self._at = asyncio.get_running_loop().time()
        self._turn = 0

    def grant(self) -> None:
        """An answer is due, which may be as long as a message."""
        self._left = min(self._left + MAX_MESSAGE_BYTES, MOST_GRANTED_BYTES)

    async def spend(self, size: int) -> None:
        """Wait until so many bytes may be read, and let the others have their turn."""
        now = asyncio.get_running_loop().time()
        if self._left < UNASKED_BYTES:
            self._left = min(self._left + (now - self._at) * UNASKED_BYTES_A_S, UNASKED_BYTES)
        self._at = now
        self._left -= size
        self._turn += size
        if self._left < 0:
            await asyncio.sleep(-self._left / UNASKED_BYTES_A_S)
        elif self._turn > _TURN_BYTES:  # bytes that are there are read without a pause otherwise
            await asyncio.sleep(0)
        else:
            return
        self._turn = 0

"""What a server may cost us, whatever it sends."""

from __future__ import annotations

from typing import Final

MAX_MESSAGE_BYTES: Final = 4 << 20
"""One message; a longer one ends the connection, or over HTTP the call."""
MAX_PAGES: Final = 32
"""Of a list of tools."""
MAX_PARTS: Final = 256
"""Of one result."""

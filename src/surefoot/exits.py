"""The exit codes of the command line, and which of them a run's end has."""

from __future__ import annotations

from typing import Final

STOPPED: Final = 1
BUDGET: Final = 3
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""
TERMINATED: Final = 143
"""128 + SIGTERM."""
BY_STOP_REASON: Final = {
    "final": 0,
    "budget": BUDGET,
    "length": STOPPED,
    "content_filter": STOPPED,
    "refusal": STOPPED,
    "cancelled": INTERRUPTED,
}

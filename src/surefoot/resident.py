"""How much memory this process takes at this moment."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

_PAGES: Final = Path("/proc/self/statm")


def resident_mb(status: Path = _PAGES) -> float:
    """Resident memory of this process in MB (10⁶ bytes); the peak so far where /proc cannot be read."""
    try:
        pages = int(status.read_text().split()[1])
    except OSError:  # not Linux, or a server whose every file is a connection
        unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return pages * resource.getpagesize() / 1e6

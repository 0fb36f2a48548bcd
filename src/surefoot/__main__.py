"""``surefoot`` and ``python -m surefoot``: the command line, interrupted cleanly also while it is being loaded."""

from __future__ import annotations

import sys

from surefoot import exits


def main() -> None:
    """Run the command line and exit."""
    try:
        from surefoot.cli import main as run  # takes most of a second on a slow machine: time enough for Ctrl-C

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\nsurefoot: interrupted\n")
        sys.exit(exits.INTERRUPTED)


if __name__ == "__main__":
    main()

"""Ways to break the ledger, each of which its tests must catch: documentation of what they hold.

``python tests/unit/store/ledger_mutants.py`` breaks a copy of the source in each way, runs the tests of the ledger against
it, and prints whether they fail. It exits with 1 if a mutant survives. ``test_ledger_mutants.py`` keeps the list true.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src" / "surefoot"
TESTS = [
    "tests/unit/store/test_sqlite_ledger.py",
    "tests/unit/budget/test_accounts.py",
    "tests/unit/budget/test_windows.py",
]


@dataclass(frozen=True)
class Mutant:
    """``text`` stands in ``file`` exactly once; ``why`` says what breaks with ``instead`` in its place."""

    why: str
    file: str
    text: str
    instead: str


LEDGER, WINDOWS, COMMITS, HELD = "store/ledger.py", "store/windows.py", "store/commits.py", "store/held.py"

MUTANTS = [
    Mutant(
        "a level is skipped: global admits whatever comes",
        WINDOWS,
        "for account in payers.chain:",
        "for account in payers.chain[1:]:",
    ),
    Mutant(
        "an unknown outcome releases the hold instead of charging it",
        LEDGER,
        "if settlement.known else (held.tokens, held.nano)",
        "if settlement.known else (0, 0)",
    ),
    Mutant(
        "money goes through a float",
        LEDGER,
        "window.spent_nano += nano\n        (self",
        "window.spent_nano = int(float(window.spent_nano) + nano)\n        (self",
    ),
    Mutant(
        "what is reserved is forgotten in the comparison: check, then act",
        LEDGER,
        "window.spent_tokens + window.reserved_tokens + tokens > limits.tokens",
        "window.spent_tokens + tokens > limits.tokens",
    ),
    Mutant(
        "the last nano-dollar is not admitted",
        LEDGER,
        "window.reserved_nano + nano > limits.nano",
        "window.reserved_nano + nano >= limits.nano",
    ),
    Mutant(
        "a hold is settled as often as it is posted",
        LEDGER,
        "held = self._open.pop(key, None)\n        if held is None:  # nothing",
        "held = self._open.get(key)\n        if held is None:  # nothing",
    ),
    Mutant(
        "overrun is dropped",
        LEDGER,
        "window.overrun_tokens += more_tokens",
        "window.overrun_tokens += 0",
    ),
    Mutant(
        "an overrun freezes nobody in this process",
        LEDGER,
        "self.frozen.add(held.account)",
        "self.frozen.discard(held.account)",
    ),
    Mutant(
        "an overrun freezes nobody for other processes",
        LEDGER,
        'self._cursor.execute("UPDATE counter SET rules = rules + 1")',
        'self._cursor.execute("UPDATE counter SET rules = rules")',
    ),
    Mutant(
        "a settlement is booked in the first of the hold's windows only",
        LEDGER,
        "for number in held.windows:",
        "for number in held.windows[:1]:",
    ),
    Mutant(
        "a new window is found only when a limit changes: what is held after midnight counts for yesterday",
        WINDOWS,
        "if path is not None and path.begin <= now < path.end:",
        "if path is not None:",
    ),
    Mutant(
        "a settlement is booked in the windows of now, not in those that the hold was taken in",
        LEDGER,
        "            window = change(number)\n",
        "            window = change(number)\n"
        "            of = window.account, window.period\n"
        "            window = change(max(at for at, it in self._windows._windows.items() if (it.account, it.period) == of))\n",
    ),
    Mutant(
        "a hold can be refunded twice",
        LEDGER,
        "            window.spent_nano += nano - held.nano\n        self._closed.append(held.hold)",
        "            window.spent_nano += nano - held.nano",
    ),
    Mutant(
        "what other processes commit is not seen",
        LEDGER,
        "        if version == self._version:\n            return\n",
        "        if self._version >= 0:\n            return\n",
    ),
    Mutant(
        "what was rolled back stays in memory",
        LEDGER,
        "self._version = self._revision = -1\n        self._windows.forget()",
        "self._windows.dirty = {}",
    ),
    Mutant(
        "holds that a rolled back posting settled are forgotten",
        LEDGER,
        "                self._open[key] = held\n        self._undo.clear()",
        "                self._open.pop(key, None)\n        self._undo.clear()",
    ),
    Mutant(
        "the reaper takes the holds of the living",
        HELD,
        "WHERE unknown = 0 AND coalesce(expires_at, 0) <= ?",
        "WHERE unknown = 0 AND ? > 0",
    ),
    Mutant(
        "the reaper takes the holds of its own process",
        LEDGER,
        "if row[0] not in ours or row[4]]",
        "]",
    ),
    Mutant(
        "the reaper charges a lost hold each time",
        LEDGER,
        "            self._unknown.append(hold)\n        self.flush()",
        "        self.flush()",
    ),
    Mutant(
        "the settlement is dropped with the claim that is refused",
        LEDGER,
        "        if posting.settlement is not None:\n",
        "        if posting.settlement is not None and posting.claim is None:\n",
    ),
    Mutant(
        "the record of a refused claim is written",
        COMMITS,
        "    if not refused:\n",
        "    if refused is not None:\n",
    ),
    Mutant(
        "the day's limit is compared with what the month has spent",
        "budget/windows.py",
        'here.day if period == "day" else 1)',
        "1)",
    ),
    Mutant(
        "a lowered limit is ignored until the process starts anew",
        LEDGER,
        ".fetchone()[0] != self._revision:\n            self.reload()",
        ".fetchone()[0] != self._revision and self._revision < 0:\n            self.reload()",
    ),
    Mutant(
        "a wide pattern wins over a narrow one",
        "budget/accounts.py",
        "for pattern in reversed(patterns_of(account)):",
        "for pattern in patterns_of(account):",
    ),
    Mutant(
        "a limit that is set in mid-window begins at nothing",
        WINDOWS,
        "tokens, nano, steps, calls, tool_calls = self._spent_before(account, bounds[0])",
        "tokens = nano = steps = calls = tool_calls = 0",
    ),
    Mutant(
        "a limit that comes back does not know what was spent without it",
        WINDOWS,
        "if _counts(book, name, period, now, bounds) and not",
        "if not _counts(book, name, period, now, bounds) and",
    ),
    Mutant(
        "a slow worker's evidence is booked as if nobody had charged its hold",
        LEDGER,
        "if held.hold in self._charged:",
        "if held.hold in ():",
    ),
    Mutant(
        "a hold that was refunded is settled once more",
        LEDGER,
        "if item[1].hold not in kept]",
        "if item[1].hold in ()]",
    ),
    Mutant(
        "each time zone has the whole of a global limit",
        WINDOWS,
        "zone = book.zone(name_parts(account)[0])",
        "zone = book.zone(payers.tenant)",
    ),
    Mutant(
        "the last line of defence keeps the limit of the window's first claim: one that is raised admits nothing",
        LEDGER,
        "            window.caps = window.limits\n",
        "",
    ),
    Mutant(
        "a time zone that comes back does not know what was spent in the other",
        "store/accounts.py",
        "        ledger.catch_up(book)\n",
        "",
    ),
    Mutant(
        "a recount forgets what was refunded",
        WINDOWS,
        "zip(ended, live, (*late, 0, 0, 0), strict=True)",
        "zip(ended, live, strict=True)",
    ),
    Mutant(
        "a recount counts what is in flight twice: as spent, and as held",
        WINDOWS,
        "AND number = open.hold AND unknown = 0",
        "AND number = open.hold AND unknown = 7",
    ),
    Mutant(
        "a window of another time zone is shown as that of now",
        "store/accounts.py",
        "or find_window(period, now, zone) != (starts_at, ends_at)",
        "",
    ),
    Mutant(
        "an unknown outcome without a limit is nowhere",
        LEDGER,
        "if not (settlement.known or settlement.limited):",
        "if settlement.hold < 0:",
    ),
    Mutant(
        "a purge takes windows that a hold still needs",
        "store/purge.py",
        "min(?, coalesce((SELECT min(at) FROM holds), 1e18))",
        "?",
    ),
    Mutant(
        "a purge takes the window that says why an account is frozen",
        "store/purge.py",
        "AND account NOT IN (SELECT account FROM freezes) LIMIT",
        "LIMIT",
    ),
]


def is_caught(mutant: Mutant, tests: list[str]) -> bool:
    """Whether one of the tests fails with it."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "src")
        shutil.copytree(ROOT / "src", source)
        file = source / "surefoot" / mutant.file
        file.write_text(file.read_text(encoding="utf-8").replace(mutant.text, mutant.instead), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
        env = {**os.environ, "PYTHONPATH": str(source), "HYPOTHESIS_STORAGE_DIRECTORY": directory}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False).returncode == 1


def judge(mutants: list[Mutant], tests: list[str]) -> int:
    """Break the source in each way; how many the tests do not catch."""
    survivors = 0
    console = Console()
    with Progress(console=console) as progress:
        for mutant in progress.track(mutants, description="mutants"):
            caught = is_caught(mutant, tests)
            survivors += not caught
            console.print(f"{'caught' if caught else 'NOT CAUGHT':>10}  {mutant.why}", highlight=False)
    console.print(f"{len(mutants) - survivors} of {len(mutants)} caught")
    return survivors


if __name__ == "__main__":
    sys.exit(judge(MUTANTS, TESTS) > 0)

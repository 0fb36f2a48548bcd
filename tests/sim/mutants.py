"""Bugs, planted in a copy of the source: the simulator must find each within 50 seeds.

``python tests/sim/mutants.py`` plants each in turn and says which seed found it, and as which broken promise.
``test_mutants.py`` does the same for one bug of each part.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "surefoot"
SEEDS = 50

HUNT = """
import logging, sys
sys.path.append(sys.argv[1])
logging.disable()
from tests.sim.worlds import draw_settings, draw_world
from surefoot.testing.simulation import simulate
for seed in range(int(sys.argv[2])):
    for breach in simulate(draw_world(seed), draw_settings(seed)).breaches:
        print(seed, breach.promise, breach.message)
        sys.exit()
"""


@dataclass(frozen=True)
class Mutant:
    """``text`` stands in ``file`` exactly once; ``why`` says what breaks with ``instead`` in its place."""

    part: str
    why: str
    file: str
    text: str
    instead: str


MUTANTS = [
    Mutant(
        "ledger",
        "a level is skipped: global admits whatever comes",
        "store/windows.py",
        "for account in payers.chain:",
        "for account in payers.chain[1:]:",
    ),
    Mutant(
        "ledger",
        "what is reserved is forgotten in the comparison: check, then act",
        "store/ledger.py",
        "window.spent_tokens + window.reserved_tokens + tokens > limits.tokens",
        "window.spent_tokens + tokens > limits.tokens",
    ),
    Mutant(
        "ledger",
        "an unknown outcome releases the hold instead of charging it",
        "store/ledger.py",
        "if settlement.known else (held.tokens, held.nano)",
        "if settlement.known else (0, 0)",
    ),
    Mutant(
        "ledger",
        "the holds of a process that died are never charged",
        "store/ledger.py",
        "lost = [row for row in rows if row[0] not in ours or row[4]]",
        "lost = []",
    ),
    Mutant(
        "ledger",
        "overrun is dropped",
        "store/ledger.py",
        "window.overrun_tokens += more_tokens",
        "window.overrun_tokens += 0",
    ),
    Mutant(
        "sessions",
        "two runs of a session at once",
        "sessions.py",
        "            async with lock:\n",
        "            async with asyncio.Lock():\n",
    ),
    Mutant(
        "sessions",
        "a session is found by its name alone, whoever's it is",
        "starter.py",
        "self._store.runs(tenant=owner[0], user=owner[1], session=owner[2], limit=5)",
        "self._store.runs(session=owner[2], limit=5)",
    ),
    Mutant(
        "sessions",
        "an older run is continued instead of the last one",
        "starter.py",
        'if row.status != "running":',
        'if row.status != "running" and row.steps > 1:',
    ),
    Mutant(
        "admission",
        "the rates are looked at and never counted",
        "admission.py",
        "        rights.take(caller, now)\n",
        "",
    ),
    Mutant(
        "admission",
        "who waited takes a slot that nobody counts",
        "admission.py",
        "self._turns.count(ticket.user, 1, -1, now)",
        "self._turns.count(ticket.user, 1 if ticket.timer is None else 0, -1, now)",
    ),
    Mutant(
        "admission",
        "a slot is given back and given to nobody",
        "admission.py",
        "            self._turns.count(user, -1, 0, now)\n            self._dispatch(now)\n",
        "            self._turns.count(user, -1, 0, now)\n",
    ),
    Mutant(
        "model call",
        "a failed call is settled as if it had cost nothing",
        "model_call.py",
        "charge = run.account.settle(hold, None) if sent else run.account.release(hold)",
        "charge = run.account.release(hold)",
    ),
]


def hunt(mutant, folder, seeds=SEEDS):
    """Plant the bug in a copy of the source and look for it; what was found, "" for nothing."""
    shutil.copytree(PACKAGE, folder / "surefoot", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "surefoot" / mutant.file
    source = file.read_text(encoding="utf-8")
    assert source.count(mutant.text) == 1, f"{mutant.file} holds {mutant.text!r} {source.count(mutant.text)} times"
    file.write_text(source.replace(mutant.text, mutant.instead), encoding="utf-8")
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    child = subprocess.run(
        [sys.executable, "-c", HUNT, str(ROOT), str(seeds)],
        env={**alone, "PYTHONPATH": str(folder)},
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.strip()


def main():
    console = Console(highlight=False)
    missed = 0
    for mutant in track(MUTANTS, "planting bugs", console=console):
        with tempfile.TemporaryDirectory() as folder:
            found = hunt(mutant, Path(folder))
        missed += not found
        console.print(f"{mutant.part}: {mutant.why}\n   [{'green' if found else 'red'}]{(found or 'NOT FOUND')[:200]}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

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
        "the memory gives whatever conversation comes first",
        "sessions.py",
        "return kept.read() if kept",
        "return next(iter(self._turns.transcripts._kept.values())).read() if kept",
    ),
    Mutant(
        "sessions",
        "the memory forgets what was said",
        "sessions.py",
        "else pack_all(state.messages, carried)",
        "else pack_all((), carried)",
    ),
    Mutant(
        "sessions",
        "a run that has ended is not the head of its session",
        "store/turns.py",
        "SET head = live, live = '', used_at",
        "SET live = '', used_at",
    ),
    Mutant(
        "admission",
        "the rate of a user is looked at and never counted",
        "entitlements.py",
        "self._user_rate.take((_shorten(caller.tenant), _shorten(caller.user)), now)",
        "self._user_rate.wait_s((_shorten(caller.tenant), _shorten(caller.user)), now)",
    ),
    Mutant(
        "admission",
        "one run more than there are slots",
        "admission.py",
        "while everybody.running < everybody.runs:",
        "while everybody.running <= everybody.runs:",
    ),
    Mutant(
        "admission",
        "a slot is given back and given to nobody",
        "admission.py",
        "if self._turns.queued:",
        "if False:",
    ),
    Mutant(
        "model call",
        "a failed call is settled as if it had cost nothing",
        "model_call.py",
        "charge = run.account.settle(hold, None) if sent else run.account.release(hold)",
        "charge = run.account.release(hold)",
    ),
    Mutant(
        "child runs",
        "the steps of a child run are not those of its parent",
        "budget/ledger.py",
        """        if self.parent is not None:
            self.parent.begin_step()""",
        """        if self.parent is None:
            pass""",
    ),
    Mutant(
        "child runs",
        "nobody above pays for a child run",
        "run.py",
        "self.payers = make_payers(caller.tenant, caller.user, caller.session) if parent is None else parent.payers",
        'self.payers = make_payers(caller.tenant, caller.user if parent is None else "", caller.session)',
    ),
    Mutant(
        "fallback",
        "the next model is held for at the price of the one before",
        "switch.py",
        "run.account.set_rates(compiled.rates)",
        "run.account.set_rates(run.account.rates)",
    ),
    Mutant(
        "fallback",
        "a provider that refuses every connection is called for ever",
        "models/breaker.py",
        "return self._sure + len(self._culprits) >= least or self._streak >= LONE_FACTOR * least",
        "return False",
    ),
    Mutant(
        "context",
        "a conversation is cut between a call and its result",
        "context.py",
        'steps = [place for place in range(asked + 1, len(messages)) if messages[place].role == "assistant"]',
        "steps = list(range(asked + 1, len(messages)))",
    ),
    Mutant(
        "context",
        "the newest turn goes first",
        "context.py",
        "    tail = list(messages[start:])\n    if keep_bytes:",
        "    tail = list(messages[start:])[::-1]\n    if keep_bytes:",
    ),
    Mutant(
        "on_busy",
        "who interrupts waits behind all others",
        "lines.py",
        "line.waiting.insert(len(before), place)",
        "line.waiting.append(place)",
    ),
    Mutant(
        "on_busy",
        "a run that is interrupted goes on",
        "lines.py",
        "for one in (line.holder, *before):",
        "for one in before:",
    ),
    Mutant(
        "on_busy",
        "a message that shall not wait does",
        "lines.py",
        'if on_busy == "reject":',
        "if False:",
    ),
    Mutant(
        "pace",
        "what the provider says is left is not heeded",
        "models/pace.py",
        "bucket.lower(bucket.level - (expected - said.left))",
        "pass",
    ),
    Mutant(
        "pace",
        "a header that was wrong once is believed for ever",
        "models/pace.py",
        "min(wait_s, max(0.0, self.sent_at + MAX_PAUSE_S - now))",
        "wait_s",
    ),
    Mutant(
        "bounds",
        "conversations stay in memory, however many there are",
        "transcripts.py",
        "while len(self._kept) > self._most or self.size_bytes > self._most_bytes:",
        "while self.size_bytes > self._most_bytes:",
    ),
    Mutant(
        "bounds",
        "the line of a session has no end",
        "lines.py",
        "if len(line.waiting) >= self._max_waiting:",
        "if False:",
    ),
    Mutant(
        "leases",
        "who lost his session to another process goes on",
        "store/turns.py",
        "if self._live:",
        "if False:",
    ),
    Mutant(
        "leases",
        "a tool that writes does not wait for the disk",
        "tool_calls.py",
        "            if written is not None:\n                await written",
        "            pass",
    ),
    Mutant(
        "loops",
        "a model that goes round may call tools in its last step, too",
        "model_call.py",
        "no_tools = run.final_only or run.sums_up",
        "no_tools = run.sums_up",
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
        timeout=300,
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

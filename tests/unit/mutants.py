"""Source broken on purpose: whether the tests of a part catch it. `ledger_mutants`, `session_mutants` and `admission_mutants` have the lists."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "surefoot"
PATIENCE_S = 300


@dataclass(frozen=True)
class Mutant:
    """``text`` stands in ``file`` exactly once; ``why`` says what breaks with ``instead`` in its place."""

    why: str
    file: str
    text: str
    instead: str


def is_caught(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether a test fails with it, or one waits for what never comes."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "src")
        shutil.copytree(ROOT / "src", source)
        file = source / "surefoot" / mutant.file
        file.write_text(file.read_text(encoding="utf-8").replace(mutant.text, mutant.instead), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
        env = {**os.environ, "PYTHONPATH": str(source), "HYPOTHESIS_STORAGE_DIRECTORY": directory}
        try:
            done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return True
        return done.returncode == 1


def try_all(mutants: Sequence[Mutant], tests: Sequence[str]) -> int:
    """Try each and say what became of it; the exit code: 1 if one survives."""
    survivors = 0
    console = Console()
    with Progress(console=console) as progress:
        for mutant in progress.track(mutants, description="mutants"):
            caught = is_caught(mutant, tests)
            survivors += not caught
            console.print(f"{'caught' if caught else 'NOT CAUGHT':>10}  {mutant.why}", highlight=False)
    console.print(f"{len(mutants) - survivors} of {len(mutants)} caught")
    return 1 if survivors else 0

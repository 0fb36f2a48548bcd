"""Processes that die or share a file: nothing that was acknowledged is lost, and a journal has no gaps."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.journal_child import QUOTA_BYTES, RECORDS, WRITERS

from surefoot.clock import SystemClock
from surefoot.store.sqlite import SqliteStore

CHILD = Path(__file__).with_name("journal_child.py")
PROCESSES = 4
KILLS = 6


def start(what: str, path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), what, str(path), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def acknowledged(output: str) -> dict[str, int]:
    """Records of each run."""
    counts: dict[str, int] = {}
    for line in output.splitlines():
        run_id, number = line.split()
        assert counts.get(run_id, 0) == int(number)
        counts[run_id] = int(number) + 1
    return counts


async def check(store: SqliteStore, counts: dict[str, int]) -> None:
    for run_id, count in counts.items():
        bodies = [body.decode().rstrip() for body in await store.records(run_id)]
        assert len(bodies) >= count, f"{run_id}: {count} were acknowledged"
        assert bodies == [f"{run_id}:{number}" for number in range(len(bodies))]


@pytest.fixture
async def store(tmp_path):
    store = SqliteStore(tmp_path / "runs.db", clock=SystemClock())
    await store.open()
    yield store
    await store.close()


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, store):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for attempt in range(KILLS):
        child = start("endless", tmp_path / "runs.db", f"run_{attempt}")
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(chance.randrange(1, 800))]
        child.kill()
        rest, errors = child.communicate(timeout=20)
        assert errors == ""
        assert child.returncode == -9
        counts = acknowledged("".join(lines) + rest)
        assert counts
        await check(store, counts)
    unfinished = await store.runs(limit=10_000)
    assert {row.status for row in unfinished} == {"running"}, "their leases have not run out"


async def test_processes_share_a_file(tmp_path, store):
    children = [start("some", tmp_path / "runs.db", f"run_{number}") for number in range(PROCESSES)]
    for child in children:
        output, errors = child.communicate(timeout=60)
        assert (child.returncode, errors) == (0, "")
        counts = acknowledged(output)
        assert len(counts) == WRITERS
        assert set(counts.values()) == {RECORDS}
        await check(store, counts)
    rows = await store.runs(limit=1_000)
    assert len(rows) == PROCESSES * WRITERS
    assert {row.status for row in rows} == {"lost"}, "each process gave its own back"


def test_processes_create_a_database_together(tmp_path):
    children = [start("some", tmp_path / "new.db", f"run_{number}") for number in range(PROCESSES)]
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert (child.returncode, errors) == (0, "")


async def test_a_process_that_forgets_to_close_ends_and_loses_nothing(tmp_path, store):
    child = start("leave", tmp_path / "runs.db", "run_1")
    output, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (0, "")
    counts = acknowledged(output)
    assert set(counts.values()) == {RECORDS}
    await check(store, counts)


def test_a_disk_quota(tmp_path):
    """The operating system itself refuses to write on; when it allows it again, the store does, too."""
    child = start("quota", tmp_path / "runs.db", "")
    output, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (0, "")
    refusal, later = output.splitlines()
    count, _, message = refusal.partition(" ")
    assert 0 < int(count) < QUOTA_BYTES // 10_000
    assert str(tmp_path / "runs.db") in message
    assert "check the disk and its quota" in message
    assert later == f"{int(count) + 1} 2"

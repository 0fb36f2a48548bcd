"""What is wrong with a file is said in one line with its path and what to do; and it is left as it was."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.unit.store.conformance import HandClock, row

from surefoot.budget.accounts import make_payers
from surefoot.budget.posting import Claim, Posting
from surefoot.errors import StoreError
from surefoot.store.database import open_writer
from surefoot.store.sqlite import SqliteStore
from surefoot.types import UNLIMITED

NOBODY = 65_534


def make_store(path: Path, **options) -> SqliteStore:
    return SqliteStore(path, clock=HandClock(), **{"lease_s": 900.0, "busy_s": 0.05, **options})


async def explain_open(path: Path) -> str:
    with pytest.raises(StoreError) as raised:
        await make_store(path).open()
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@contextlib.contextmanager
def unprivileged():
    """Permissions mean nothing to root."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared_path():
    """A directory that everybody may enter (not the case for pytest's own)."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


async def write_run(path: Path, **options) -> None:
    store = make_store(path, **options)
    await store.open()
    await store.create(row(), b"0")
    await store.close()


async def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("To do: buy milk. " * 100)
    assert "is not an SQLite database" in await explain_open(path)
    assert path.read_text() == "To do: buy milk. " * 100


async def test_a_directory(tmp_path):
    assert "is a directory" in await explain_open(tmp_path)


async def test_a_directory_that_is_missing(tmp_path):
    assert f"create {tmp_path / 'a' / 'b'}" in await explain_open(tmp_path / "a" / "b" / "runs.db")


async def test_a_path_that_is_none(tmp_path):
    with pytest.raises(StoreError, match="embedded null"):
        await make_store(tmp_path / "a\0b").open()


async def test_the_database_of_another_program(tmp_path):
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE places (url TEXT)")
    before = path.read_bytes()
    assert "another program" in await explain_open(path)
    assert path.read_bytes() == before


async def test_a_newer_schema(tmp_path):
    path = tmp_path / "runs.db"
    await write_run(path)
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    assert "newer Surefoot (schema 99" in await explain_open(path)


@pytest.mark.parametrize("limited", [True, False])
async def test_a_database_that_a_newer_surefoot_migrates_while_it_is_open(tmp_path, limited):
    """Nothing more is written into tables that may mean something else now; restarted, it says why it does not open."""
    path = tmp_path / "runs.db"
    store = make_store(path)
    await store.open()
    if limited:
        await store.accounts.change_rule("user:*", "total", {"tokens": 100})
    payers = make_payers("", "u1", "")
    claim = Posting(None, Claim(payers, 1, tokens=5, prices="p"))
    await store.create(row("run_1", user="u1"), b"0", claim)
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    told = "a newer Surefoot has brought the database to schema 99 while this one .* restart this process"
    with pytest.raises(StoreError, match=told):
        await store.accounts.change_rule("user:*", "total", {"tokens": 1_000})
    with pytest.raises(StoreError, match=told):
        await store.append("run_1", 1, b"1")
    with pytest.raises(StoreError, match=told):
        await store.create(row("run_2", user="u1"), b"0", claim)
    assert await store.records("run_1") == [b"0"]
    with contextlib.suppress(StoreError):
        await store.close()
    assert "newer Surefoot (schema 99" in await explain_open(path)


async def test_a_file_that_may_not_be_written(shared_path):
    path = shared_path / "runs.db"
    await write_run(path)
    path.chmod(0o444)
    with unprivileged():
        assert "cannot be written" in await explain_open(path)


async def test_a_file_that_may_not_be_read(shared_path):
    path = shared_path / "runs.db"
    await write_run(path)
    path.chmod(0o000)
    with unprivileged():
        assert "cannot be opened" in await explain_open(path)


async def test_a_directory_that_may_not_be_written(shared_path):
    shared_path.chmod(0o555)
    with unprivileged():
        assert "Permission denied" in await explain_open(shared_path / "runs.db")


async def test_a_damaged_database(tmp_path):
    path = tmp_path / "runs.db"
    await write_run(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xaa" * (len(whole) - 4096))
    store = make_store(path)
    with pytest.raises(StoreError, match="damaged"):
        await store.open()
    path.write_bytes(whole)
    await store.open()
    with contextlib.closing(sqlite3.connect(path)) as other:
        page = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xaa" * 4096)
    with pytest.raises(StoreError, match=r"runs\.db: the database is damaged"):
        await store.records("run_1")
    with pytest.raises(StoreError, match=r"runs\.db: the database is damaged"):
        await store.create(row("run_2"), b"0")
    await store.close()


async def test_a_database_that_somebody_locks(tmp_path):
    path = tmp_path / "runs.db"
    store = make_store(path)
    await store.open()
    await store.create(row("run_1"), b"0")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "locked by another process" in await explain_open(path)
        with pytest.raises(StoreError, match="locked by another process"):
            await store.append("run_1", 1, b"1")
        with pytest.raises(StoreError, match="locked by another process"):
            await store.take_over("run_7")
        assert await store.records("run_1") == [b"0"], "readers wait for nobody"
    await store.create(row("run_2"), b"0")
    await store.close()


async def test_a_disk_that_is_full_from_the_beginning(tmp_path):
    store = make_store(tmp_path / "runs.db", max_bytes=12_288)
    with pytest.raises(StoreError, match="no space left"):
        await store.open()
    await write_run(tmp_path / "runs.db")


async def test_the_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "runs #1?%20.db"
    store = make_store(path)
    await store.open()
    await store.create(row(), b"0")
    assert await store.records("run_1") == [b"0"]
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await store.close()
    assert list(tmp_path.iterdir()) == [path], "the log is folded in"


async def test_a_path_means_the_same_file_after_a_change_of_directory(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = make_store(Path("runs.db"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    await store.open()
    await store.create(row(), b"0")
    assert await store.records("run_1") == [b"0"]
    await store.close()
    assert (tmp_path / "runs.db").exists()


def test_acknowledged_means_on_disk(tmp_path):
    """No test can cut the power, so it is the settings that are looked at: a write-ahead log, synced at each commit."""
    with contextlib.closing(open_writer(tmp_path / "runs.db", 1.0, UNLIMITED)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)


OPEN = """
import sys
from pathlib import Path
from surefoot.store.database import open_writer
from surefoot.types import UNLIMITED
print("ready", flush=True)
sys.stdin.readline()
open_writer(Path(sys.argv[1]), 30.0, UNLIMITED).close()
"""


def test_processes_that_create_the_database_at_once_wait_for_each_other(tmp_path):
    command = [sys.executable, "-c", OPEN]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for turn in range(4):
        children = [subprocess.Popen([*command, str(tmp_path / f"{turn}.db")], **pipes) for _ in range(6)]
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 6
        for child in children:
            child.stdin.write("\n")
            child.stdin.flush()
        assert [child.communicate(timeout=60)[1] for child in children] == [""] * 6

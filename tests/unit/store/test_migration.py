"""A database of the first version opens, keeps what is in it, and has accounts from then on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest
from tests.unit.store.conformance import Database, HandClock, finished, row
from tests.unit.store.ledger_conformance import Caller, books, limit, refused

from surefoot.budget.accounts import Rule
from surefoot.errors import StoreError
from surefoot.store.database import APPLICATION_ID, SCHEMA_VERSION
from surefoot.store.sqlite import SqliteStore

VERSION_1 = """
CREATE TABLE counter (workers INTEGER NOT NULL);
INSERT INTO counter (workers) VALUES (7);
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    user TEXT NOT NULL,
    session TEXT NOT NULL,
    question TEXT NOT NULL,
    started_at REAL NOT NULL,
    finished_at REAL NOT NULL,
    stop_reason TEXT NOT NULL,
    steps INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    nano INTEGER NOT NULL,
    output TEXT NOT NULL
);
CREATE INDEX runs_by_age ON runs (started_at);
CREATE INDEX runs_by_user ON runs (user, started_at);
CREATE INDEX runs_by_session ON runs (session, started_at) WHERE session <> '';
CREATE TABLE records (run INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (run, seq));
CREATE TABLE leases (run INTEGER PRIMARY KEY, worker INTEGER NOT NULL, expires_at REAL NOT NULL);
INSERT INTO runs VALUES
    (30064771073, 'run_1', 'desk', 'openai:m', 'u1', 's1', 'Where?', 5.0, 9.0, 'final', 3, 4321, 77, '42'),
    (30064771074, 'run_2', 'desk', 'openai:m', 'u1', '', '', 5.0, 0.0, '', 0, 0, 0, '');
INSERT INTO records VALUES (30064771073, 0, x'5B305D'), (30064771073, 1, x'5B315D'), (30064771074, 0, x'30');
INSERT INTO leases VALUES (30064771074, 7, 0.0);
"""
OLD = finished(user="u1", session="s1", question="Where?", steps=3, tokens=4321, nano=77)

OPEN = """
import asyncio, pathlib, sys
from surefoot.clock import SystemClock
from surefoot.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(pathlib.Path(sys.argv[1]), clock=SystemClock())
    print("ready", flush=True)
    sys.stdin.readline()
    await store.open()
    print(store._writer.worker, len(await store.records("run_1")), flush=True)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_1)
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
        old.execute("PRAGMA journal_mode = WAL")
    return path


def shape(path: Path) -> set[tuple[str, str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type <> 'trigger'")]
        return {
            (table, column, f"{of} {is_needed} {default}")
            for table in tables
            for _, column, of, is_needed, default, _ in database.execute(f"PRAGMA table_info('{table}')")
        } | {(table, "", "") for table in tables}


async def test_an_old_database_is_brought_up_to_date(path, tmp_path):
    async with Database.opened(lambda clock, lease_s: SqliteStore(path, clock=clock, lease_s=lease_s)) as database:
        store = await database.worker()
        assert await store.find_run("run_1") == OLD
        assert await store.records("run_1") == [b"[0]", b"[1]"]
        assert await store.take_over("run_2")
        await store.append("run_2", 1, b"1")
        await store.finish(finished("run_2", tokens=9), 2, b"2")
        await limit(store, "user:u1", tokens=5_000)
        run = await Caller(database, store, "run_3", Caller(database, store).payers).begin()
        assert await run.claim(1, tokens=5) is None
        await limit(store, "global", tokens=4_335)
        assert refused(await run.claim(2, tokens=6)).left == 5, "what was spent before the upgrade counts"
        assert (await books(store, "global")).spent.tokens == 4_330
        assert [found.run_id for found in await store.runs(tenant="acme")] == ["run_3"]
    fresh = SqliteStore(tmp_path / "fresh.db", clock=HandClock())
    await fresh.open()
    await fresh.close()
    assert shape(path) == shape(tmp_path / "fresh.db")


async def test_a_database_of_the_version_before_counts_its_windows_again(tmp_path):
    path = tmp_path / "runs.db"
    rules = [Rule("user:acme/u1", "total", {"tokens": 100})]
    async with Database.opened(lambda clock, lease_s: SqliteStore(path, clock=clock, lease_s=lease_s)) as database:
        store = await database.worker(rules=rules)
        fresh = shape(path)
        run = await Caller(database, store).begin()
        assert await run.claim(1, tokens=10) is None
        await run.settle(1, 10)
        await run.finish(tokens=30)
        await store.close()
        with contextlib.closing(sqlite3.connect(path)) as old:
            old.execute("ALTER TABLE counter DROP COLUMN declared")
            old.execute("PRAGMA user_version = 3")
        store = await database.worker(rules=rules)
        assert shape(path) == fresh
        await Caller(database, store, "run_2").begin()
        assert (await books(store, "user:acme/u1")).spent.tokens == 30


async def test_what_was_under_way_in_a_session_still_is(path):
    """A run without an end: as long as it has its lease nobody else begins there, after that its words are kept."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("UPDATE runs SET session = 's1' WHERE run_id = 'run_2'")
        old.execute("UPDATE leases SET expires_at = 50.0")
        old.execute(
            "INSERT INTO runs SELECT 3, 'run_3', agent, model, user, 's3', question, 6.0, 7.0, '', 0, 0, 0, '' FROM runs LIMIT 1"
        )
        old.execute(
            "INSERT INTO runs SELECT 4, 'run_4', agent, model, user, 's3', question, 5.0, 0.0, '', 0, 0, 0, '' FROM runs LIMIT 1"
        )
    clock = HandClock()
    store = SqliteStore(path, clock=clock)
    clock.now_s = 40.0
    await store.open()
    found = await store.sessions.find("", "u1", "s1")
    assert (found.head, found.live, found.turns) == ("run_1", "run_2", 2)
    clock.now_s = 60.0
    found = await store.sessions.find("", "u1", "s1")
    assert (found.head, found.live) == ("run_2", "")
    found = await store.sessions.find("", "u1", "s3")
    assert (found.head, found.live) == ("run_3", ""), "what was lost before is not the last that was said"
    await store.close()


async def test_processes_that_upgrade_at_once(path):
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, path, stdin=-1, stdout=-1, stderr=-1)
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*[child.communicate(b"go\n") for child in children])
    assert sorted(answer.split() for answer, _ in answers) == [[b"10", b"2"], [b"8", b"2"], [b"9", b"2"]]
    assert [errors for _, errors in answers] == [b""] * 3


async def test_an_upgrade_that_has_no_room_leaves_the_database_as_it_was(path):
    with contextlib.closing(sqlite3.connect(path)) as old:
        pages = old.execute("PRAGMA page_count").fetchone()[0]
    with pytest.raises(StoreError, match="no space left"):
        await SqliteStore(path, clock=HandClock(), max_bytes=(pages + 1) * 4096).open()
    with contextlib.closing(sqlite3.connect(path)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (1,)
        assert old.execute("SELECT * FROM counter").fetchall() == [(7,)]
    store = SqliteStore(path, clock=HandClock())
    await store.open()
    assert await store.find_run("run_1") == OLD
    assert await store.find_run("run_2") == row("run_2", user="u1", status="lost")
    await store.close()

"""The conformance of SQLite's sessions, and what is true of its file alone."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.unit.store.conformance import Database, HandClock, finished, row
from tests.unit.store.session_conformance import FRESH, SessionsConformance, on
from tests.unit.store.test_migration import VERSION_1

from surefoot.store.database import _MIGRATIONS, APPLICATION_ID, _run_script
from surefoot.store.session_rows import SessionRow
from surefoot.store.sqlite import SqliteStore


@pytest.fixture
async def database(tmp_path):
    def make_store(clock, lease_s) -> SqliteStore:
        return SqliteStore(tmp_path / "runs.db", clock=clock, lease_s=lease_s)

    async with Database.opened(make_store) as database:
        yield database


class TestSqliteSessions(SessionsConformance):
    pass


def files_hold(folder: Path, word: str) -> bool:
    return any(word.encode() in path.read_bytes() for path in folder.glob("runs.db*"))


async def make_words(store: SqliteStore, user: str, word: str, start: int = 0) -> None:
    for number in range(start, start + 30):
        names = {"user": user, "session": f"about {word}", "question": f"{word}?", "started_at": float(number)}
        claim = on(f"run_{number - 1}") if number > start else FRESH
        await store.create(row(f"run_{number}", **names), f"{word} ".encode() * 3_000, None, claim)
        await store.finish(finished(f"run_{number}", output=word, **names), 1, word.encode())


async def test_nothing_of_an_erased_user_is_left_in_the_file(tmp_path, database):
    store = await database.worker()
    await make_words(store, "Ermintrude", "Xanthippe")
    await make_words(store, "other", "kept", 100)
    assert files_hold(tmp_path, "Xanthippe")
    assert files_hold(tmp_path, "Ermintrude")
    await store.sessions.erase("", "Ermintrude", "erased_1", compact=True)
    assert not files_hold(tmp_path, "Xanthippe")
    assert not files_hold(tmp_path, "Ermintrude")
    assert await store.records("run_107") == [b"kept " * 3_000, b"kept"]


async def test_records_of_an_erased_user_are_overwritten_even_if_the_file_is_not_rewritten(tmp_path, database):
    store = await database.worker()
    await make_words(store, "u1", "Xanthippe")
    await store.sessions.erase("", "u1", "erased_1")
    left = [path.read_bytes().count(b"Xanthippe Xanthippe") for path in tmp_path.glob("runs.db*")]
    assert sum(left) == 0


async def test_a_database_of_the_version_before_has_its_sessions(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(VERSION_1)
        _run_script(old, _MIGRATIONS[1])
        old.executescript("""
            UPDATE runs SET session = 's1' WHERE run_id = 'run_2';
            INSERT INTO runs (run, run_id, agent, model, user, session, question, started_at, finished_at, stop_reason,
                              steps, tokens, nano, output, parent)
            VALUES (30064771080, 'run_3', 'desk', 'openai:m', 'u1', 's1', '', 6.0, 8.0, 'final', 0, 0, 0, '', ''),
                   (30064771081, 'run_4', 'desk', 'openai:m', 'u1', 's1', '', 7.0, 9.5, 'final', 0, 0, 0, '', 'run_3'),
                   (30064771082, 'run_5', 'desk', 'openai:m', 'u2', 's1', '', 7.0, 0.0, '', 0, 0, 0, '', '');
        """)
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 2")
    store = SqliteStore(path, clock=HandClock())
    await store.open()
    found = {(one.user, one.session): one for one in await store.sessions.list()}
    assert found == {
        ("u1", "s1"): SessionRow(user="u1", session="s1", created_at=5.0, used_at=9.0, turns=3, head="run_3"),
        ("u2", "s1"): SessionRow(user="u2", session="s1", created_at=7.0, used_at=7.0, turns=1),
    }
    await store.close()

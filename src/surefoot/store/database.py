"""The SQLite file: how it is opened and checked, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator
from importlib import resources
from pathlib import Path
from typing import Final

from surefoot.errors import StoreError
from surefoot.types import UNLIMITED, Unlimited

APPLICATION_ID: Final = 0x53464F54
"""``PRAGMA application_id`` of our files ("SFOT"): tells them from every other program's."""

SCHEMA_VERSION: Final = 4

PAGE_BYTES: Final = 4096
"""SQLite's default. A third of what SQLite does for a small commit is checksums of pages: with 2 KiB a commit of one
record takes 6 % fewer instructions and one of 64 takes 3 % more; with 8 KiB 17 % more and 3 % fewer."""

# Left at their defaults, because they made no measurable difference: cache_size, mmap_size, wal_autocheckpoint.
_LOG_ATTEMPTS: Final = 20
_WRITER_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",  # the log is synced at each commit: acknowledged means on disk
    "PRAGMA fullfsync = ON",  # macOS: fsync alone does not empty the drive's own cache; elsewhere without effect
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA journal_size_limit = 67108864",  # a log that grew while somebody read for long gives its space back
    "PRAGMA secure_delete = OFF",  # Debian's default is ON: 900 instructions an append for zeros that protect nothing
    "PRAGMA trusted_schema = OFF",  # a file that was tampered with runs no functions of its choice
)


def open_writer(path: Path, busy_s: float, max_bytes: int | Unlimited) -> sqlite3.Connection:
    """A connection to the database at ``path``, which is created if there is none.

    It waits ``busy_s`` seconds for other processes, and takes the database for full at ``max_bytes``.

    Raises:
        StoreError: It cannot be opened or written, is no database of ours, or is of a newer version.
    """
    with explaining(path):
        _create_file(path)
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
        try:
            version = _read_version(connection, path)
            _begin_log(connection)
            for pragma in _WRITER_PRAGMAS:
                connection.execute(pragma)
            if max_bytes is not UNLIMITED:
                connection.execute(f"PRAGMA max_page_count = {max_bytes // PAGE_BYTES}")
            if version < SCHEMA_VERSION:
                _make_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection that can only read, to be used by one thread at a time.

    Raises:
        StoreError: It cannot be opened.
    """
    with explaining(path):
        uri = f"{path.as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False)


@contextlib.contextmanager
def explaining(path: Path) -> Generator[None]:
    """Turn what SQLite raises into a `StoreError`."""
    try:
        yield
    except (sqlite3.Error, UnicodeError) as error:
        raise explain(error, path) from error


def explain(error: Exception, path: Path) -> StoreError:
    """One line: the path, what is wrong and what to do."""
    code = getattr(error, "sqlite_errorname", "") or ""
    advice = next((text for prefix, text in _ADVICE if code.startswith(prefix)), f"{error} {code}".rstrip())
    if code == "SQLITE_CANTOPEN" and path.is_dir():
        advice = "is a directory; give the path of a file"
    return StoreError(f"{path}: {advice}")


_ADVICE: Final = (
    ("SQLITE_FULL", "no space left on the disk, or the size limit of the database is reached; make room"),
    ("SQLITE_BUSY", "locked by another process for too long; stop whatever holds it, or use another file"),
    ("SQLITE_READONLY", "cannot be written; allow writing to the file and its directory"),
    ("SQLITE_CANTOPEN", "cannot be opened; check that its directory exists and may be read and written"),
    ("SQLITE_PERM", "cannot be opened; check that its directory exists and may be read and written"),
    ("SQLITE_NOTADB", "is not an SQLite database; give another path or move the file away"),
    ("SQLITE_CORRUPT", "the database is damaged; restore a copy, or move the file away to begin a new one"),
    ("SQLITE_IOERR", "the disk reports an error on reading or writing; check the disk and its quota"),
)


def find_newer(cursor: sqlite3.Cursor) -> StoreError | None:
    """Why nothing must be written any more: what is written from here on might break what a newer Surefoot has made."""
    schema = cursor.execute("PRAGMA user_version").fetchone()[0]
    if schema <= SCHEMA_VERSION:
        return None
    told = f"a newer Surefoot has brought the database to schema {schema} while this one (schema {SCHEMA_VERSION})"
    return StoreError(f"{told} had it open: restart this process with the newer one")


def _begin_log(connection: sqlite3.Connection) -> None:
    """Write-ahead log: one sync for a commit, readers wait for nobody; all is right but slow without.

    Of two processes that create the database at once one is told that it is locked, at once, for SQLite does not wait
    here. Whoever has it locked is waited for by a transaction that does nothing; then the log is there.
    """
    for _ in range(_LOG_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _create_file(path: Path) -> None:
    """Create it for its owner alone: it holds what users wrote.

    An existing file must not be opened here: closing it drops the locks that another connection of this process has.
    """
    try:
        with contextlib.suppress(FileExistsError):  # which is as good
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileNotFoundError:
        raise StoreError(f"{path}: its directory does not exist; create {path.parent}") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error  # without the path a second time
        raise StoreError(f"{str(path)!r}: cannot be created: {why}; give a path that may be written") from None


def _read_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(f"{path}: is the database of another program; give another path")
    if version > SCHEMA_VERSION:
        newer = f"was written by a newer Surefoot (schema {version}, this one knows {SCHEMA_VERSION})"
        raise StoreError(f"{path}: {newer}; upgrade this one, or give another path")
    return version


_MIGRATIONS: Final = {
    1: """
        ALTER TABLE counter ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE runs ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
        ALTER TABLE runs ADD COLUMN parent TEXT NOT NULL DEFAULT '';
        ALTER TABLE runs ADD COLUMN model_calls INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE runs ADD COLUMN tool_calls INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE runs ADD COLUMN usage TEXT NOT NULL DEFAULT '';
    """,
    3: "ALTER TABLE counter ADD COLUMN declared TEXT NOT NULL DEFAULT '';",
}
"""What brings each older version to the next, before the statements of schema.sql."""

_FILLINGS: Final = {
    2: """
        INSERT INTO sessions (tenant, user, session, created_at, used_at, turns, head, live)
        SELECT tenant, user, session, min(started_at), max(max(started_at, finished_at)), count(*), '', ''
        FROM runs WHERE session <> '' AND parent = '' GROUP BY tenant, user, session;
        UPDATE sessions SET head = coalesce((
            SELECT run_id FROM runs
            WHERE runs.session = sessions.session AND runs.session <> '' AND runs.user = sessions.user
                AND runs.tenant = sessions.tenant AND parent = '' AND finished_at > 0
            ORDER BY started_at DESC, run DESC LIMIT 1), ''), live = coalesce((
            SELECT iif(finished_at > 0, '', run_id) FROM runs
            WHERE runs.session = sessions.session AND runs.session <> '' AND runs.user = sessions.user
                AND runs.tenant = sessions.tenant AND parent = ''
            ORDER BY started_at DESC, run DESC LIMIT 1), '');
    """,
}
"""What fills the new tables of each version after those statements."""


def _make_schema(connection: sqlite3.Connection) -> None:
    """Create the tables, or bring those of an older version up to date; whoever closes the connection rolls back."""
    connection.execute("BEGIN IMMEDIATE")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
    for older in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
        _run_script(connection, _MIGRATIONS.get(older, ""))
    _run_script(connection, resources.files("surefoot.store").joinpath("schema.sql").read_text(encoding="utf-8"))
    for older in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
        _run_script(connection, _FILLINGS.get(older, ""))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _run_script(connection: sqlite3.Connection, script: str) -> None:
    """Statement by statement: ``executescript`` would commit first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""

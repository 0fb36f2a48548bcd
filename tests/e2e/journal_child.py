"""A process that journals runs and prints what was acknowledged, for `test_kill`. Arguments: what to do, database, name.

``endless``: runs without end, until it is killed. ``some``: eight runs of 50 records. ``leave``: ends without closing the store.
``quota``: writes until the process may not, then gets more.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

from surefoot.clock import SystemClock
from surefoot.errors import StoreError
from surefoot.store.base import RunRow
from surefoot.store.sqlite import SqliteStore

WRITERS = 8
RECORDS = 50
QUOTA_BYTES = 400_000


def row(run_id: str) -> RunRow:
    return RunRow(run_id=run_id, agent="desk", model="openai:m", started_at=1.0)


def tell(line: str) -> None:
    """In one system call, so that a kill cuts nothing."""
    os.write(1, f"{line}\n".encode())


async def write(store: SqliteStore, run_id: str, count: int = RECORDS) -> None:
    await store.create(row(run_id), f"{run_id}:0".encode().ljust(100 + len(run_id)))
    tell(f"{run_id} 0")
    for number in range(1, count):
        await store.append(run_id, number, f"{run_id}:{number}".encode().ljust(number * 37 % 900))
        tell(f"{run_id} {number}")


async def write_endlessly(store: SqliteStore, name: str) -> None:
    for number in range(1_000_000):
        await write(store, f"{name}.{number}", 20)


async def exceed_quota(store: SqliteStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (QUOTA_BYTES, hard))
    await store.create(row("run_1"), b"0")
    number = 0
    try:
        while number < 100:
            await store.append("run_1", number + 1, bytes(10_000))
            number += 1
    except StoreError as error:
        tell(f"{number} {error}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.create(row("run_2"), b"0")
    await store.append("run_2", 1, bytes(QUOTA_BYTES))
    tell(f"{len(await store.records('run_1'))} {len(await store.records('run_2'))}")


async def main(what: str, path: str, name: str) -> None:
    store = SqliteStore(Path(path), clock=SystemClock())
    await store.open()
    if what == "quota":
        await exceed_quota(store)
    else:
        work = write_endlessly if what == "endless" else write
        await asyncio.gather(*[work(store, f"{name}.{number}") for number in range(WRITERS)])
    if what != "leave":
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

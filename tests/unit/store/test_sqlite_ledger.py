from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.store.conformance import Database
from tests.unit.store.ledger_conformance import LedgerConformance
from tests.unit.store.ledger_machine import LedgerMachine

from surefoot.store.sqlite import SqliteStore


@pytest.fixture
async def database(tmp_path):
    def make_store(clock, lease_s) -> SqliteStore:
        return SqliteStore(tmp_path / "runs.db", clock=clock, lease_s=lease_s)

    async with Database.opened(make_store) as database:
        yield database


class TestSqliteLedger(LedgerConformance):
    pass


def test_any_order_of_events():
    with tempfile.TemporaryDirectory() as directory:
        numbers = itertools.count()

        def machine() -> LedgerMachine:
            path = Path(directory, f"{next(numbers)}.db")
            return LedgerMachine(lambda clock, lease_s: SqliteStore(path, clock=clock, lease_s=lease_s))

        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))

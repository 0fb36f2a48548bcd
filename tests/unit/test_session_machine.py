import itertools
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.session_machine import SessionMachine


def test_any_order_of_events():
    with tempfile.TemporaryDirectory() as directory:
        numbers = itertools.count()
        run_state_machine_as_test(
            lambda: SessionMachine(Path(directory, f"{next(numbers)}.db")),
            settings=settings(max_examples=15, stateful_step_count=25, deadline=None),
        )

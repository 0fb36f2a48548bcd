import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.session_machine import SessionMachine

from surefoot.sessions import Turn
from surefoot.transcripts import Transcripts

STEPS = settings(max_examples=15, stateful_step_count=25, deadline=None)


def play(steps=STEPS):
    with tempfile.TemporaryDirectory() as directory:
        numbers = itertools.count()
        run_state_machine_as_test(lambda: SessionMachine(Path(directory, f"{next(numbers)}.db")), settings=steps)


def test_any_order_of_events():
    play()


def test_the_machine_finds_a_process_that_believes_its_memory(monkeypatch):
    """One that does not ask the store whether another has used the session."""
    from surefoot.store.turns import Turns

    monkeypatch.setattr(Turns, "look", lambda *_: None)
    with pytest.raises(BaseException):  # noqa: B017 - whichever check is the first
        play()


def test_the_machine_finds_memory_that_ignores_whose_session_it_is(monkeypatch):
    get, put = Transcripts.get, Transcripts.put
    monkeypatch.setattr(Transcripts, "get", lambda self, key: get(self, ("", "", key[2])))
    monkeypatch.setattr(Transcripts, "put", lambda self, key, *rest: put(self, ("", "", key[2]), *rest))
    monkeypatch.setattr(Turn, "look_again", Turn.look)
    with pytest.raises(BaseException):  # noqa: B017 - whichever check is the first
        play()

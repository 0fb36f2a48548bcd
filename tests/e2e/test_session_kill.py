"""Processes that share a session: one run at a time, nothing that was acknowledged is lost, whoever is killed."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from surefoot import Agent, Runtime, Settings
from surefoot.journal.fold import fold
from surefoot.sections import StoreSettings
from surefoot.testing import ScriptedModel, say

CHILD = Path(__file__).with_name("session_child.py")
LEASE_S = 1.0
KILLS = 4


def start(path: Path, name: str, turns: int | str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), str(path), name, str(turns), str(LEASE_S)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def open_and_read(path: Path) -> list[str]:
    """What was said in the session; every run of it continued the one before, and none overlapped with another."""
    async with Runtime(path, settings=Settings()) as runtime:
        runs = [row for page in [p async for p in runtime.scan_runs()] for row in page]
        said = [message.text for message in await runtime.sessions.transcript("s", user="u")]
        ended = 0.0
        before: list[str] = []
        for row in runs:
            assert row.started_at >= ended, "two runs at once"
            _, events = await runtime.read_run(row.run_id)
            state = fold(events)
            texts = [message.text for message in state.messages]
            assert texts[: len(before)] == before, "a run that does not continue the one before"
            assert len(texts) > len(before)
            before = texts
            ended = row.finished_at or ended
        assert said == before
        return said


async def test_processes_that_talk_in_one_session_take_turns(tmp_path):
    children = [start(tmp_path / "runs.db", name, 8) for name in "abc"]
    for child in children:
        _, errors = child.communicate(timeout=90)
        assert (child.returncode, errors) == (0, "")
    said = await open_and_read(tmp_path / "runs.db")
    for name in "abc":
        assert [text for text in said if text.startswith(f"{name}.")] == [f"{name}.{number}" for number in range(8)]
    assert len(said) == 2 * 3 * 8


async def test_kill_9_of_one_process_leaves_the_session_to_the_others(tmp_path):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    path = tmp_path / "runs.db"
    steady = start(path, "steady", 60)
    acknowledged: list[str] = []
    for number in range(KILLS):
        child = start(path, f"killed{number}", 1_000)
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(chance.randrange(1, 12))]
        child.kill()
        rest, errors = child.communicate(timeout=20)
        assert (child.returncode, errors) == (-9, "")
        acknowledged += "".join([*lines, rest]).split()
    output, errors = steady.communicate(timeout=90)
    assert (steady.returncode, errors) == (0, "")
    said = await open_and_read(path)
    asked = [text for text in said if not text.startswith("re ")]
    assert [text for text in asked if text.startswith("steady")] == [f"steady.{number}" for number in range(60)]
    for text in [*acknowledged, *output.split()]:
        assert said[said.index(text) + 1] == f"re {text}"
    assert len(asked) == len(set(asked))


async def test_a_session_whose_process_was_killed_in_the_middle_is_free_after_a_lease(tmp_path):
    path = tmp_path / "runs.db"
    child = start(path, "killed", "hang")
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    child.kill()
    child.communicate(timeout=20)
    settings = Settings(store=StoreSettings(path=str(path), lease_s=LEASE_S))
    async with Runtime(settings=settings) as runtime:
        agent = Agent(ScriptedModel(lambda messages, step: say(f"re {messages[-1].text}")))
        result = await runtime.run(agent, "after", user="u", session="s")
    assert [message.text for message in result.messages] == ["killed.0", "after", "re after"], "what was asked is kept"

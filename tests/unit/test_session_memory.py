"""What `bench/sessions.py` measures, small: counts and bytes, no times."""

import random
import tracemalloc

from bench.sessions import draw, measure, per_session_bytes

from surefoot.clock import SystemClock
from surefoot.transcripts import Transcripts, pack
from surefoot.types import Label, Message, Part, ToolCall

IDLE_BYTES = 4_096


def talk(number):
    """An ordinary conversation: four turns, two of them with a tool call."""
    chance = random.Random(number)
    messages = []
    for turn in range(4):
        noise = " ".join("".join(chance.choices("abcdefghij", k=6)) for _ in range(12))
        messages.append(Message.user(f"Visitor {number}, question {turn}: {noise}?"))
        if turn % 2:
            messages.append(Message.assistant("", (ToolCall(f"call_{number}_{turn}", "look", f'{{"id":"{number}"}}'),)))
            label = Label("third_party", source="look")
            messages.append(Message("tool", (Part(f"found {noise}", label),), (), f"call_{number}_{turn}"))
        messages.append(Message.assistant(f"Dear visitor {number}, this is what I can tell you of it: {noise}."))
    return messages


def test_an_idle_session_takes_little_and_more_of_them_take_no_more():
    most = 500
    transcripts = Transcripts(SystemClock(), most=most, most_bytes=1 << 30, ttl_s=3_600)

    def fill(first, last):
        for number in range(first, last):
            key = f"tenant-{number % 7}", f"user-{number}", f"ses_{number:026}"
            transcripts.put(key, f"run_{number:026}", 1.0, pack(talk(number)))
        return tracemalloc.get_traced_memory()[0]

    fill(0, 10)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        full = fill(10, 10 + most) - before
        assert full / most < IDLE_BYTES
        assert full < transcripts.size_bytes * 1.3, "what is counted is what is taken"
        later = fill(10 + most, 10 + 4 * most) - before
    finally:
        tracemalloc.stop()
    assert len(transcripts) == most
    assert later < full * 1.1


async def test_sessions_that_are_used_and_evicted_go_on(tmp_path):
    bench, _, counted = await measure(count=300, max_in_memory=40, folder=str(tmp_path))
    assert counted < IDLE_BYTES
    assert bench.looks[-1][0] == 300
    draw(bench.looks, 40, tmp_path / "plot.svg")
    assert "40 in memory, the rest is evicted" in (tmp_path / "plot.svg").read_text()
    assert per_session_bytes([(10, 1_000), (20, 2_000), (100, 9_000)], 100) == 7_000 / 80

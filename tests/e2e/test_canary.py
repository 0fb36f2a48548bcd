"""No user's bytes in another user's prompt, tool call, stream or stored session: a canary for each user, and a look
everywhere.

1,000 users with 20 turns each, 500 at once, over real HTTP to a provider that echoes every canary of a prompt into its
tool calls and answers. All users call their conversation by the same name. Set SUREFOOT_CANARY_USERS for another size.
"""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from surefoot import Agent, Limits, Runtime, tool
from surefoot.config import Settings
from surefoot.providers import Provider
from surefoot.run_context import RunContext
from surefoot.sections import StoreSettings
from surefoot.testing.brain import CANARY

USERS = int(os.environ.get("SUREFOOT_CANARY_USERS", "1000"))
TURNS = 20
CONCURRENCY = 500
STREAMED = 4  # of so many users one reads a stream
PROVIDER = Path(__file__).with_name("canary_provider.py")
FIND = re.compile(CANARY)
SESSION = "the conversation"  # of everybody: a session belongs to its user, whatever it is called


class Watch:
    """Who saw whose canary, by place."""

    def __init__(self):
        self.looks = Counter()
        self.strays = Counter()
        self.examples = {}

    def look(self, place, owner, text):
        self.looks[place] += 1
        found = set(FIND.findall(text))
        if found - {owner}:
            self.strays[place] += 1
            self.examples.setdefault(place, (owner, sorted(found)[:5]))
        return owner in found


def name_canary(number):
    return f"canary-{number:05}x"


def make_agent(watch, notes):
    @tool(effect="read")
    async def read_notes(ctx: RunContext, topic: str) -> str:
        """Read what the user has noted."""
        watch.look("tool arguments", ctx.deps, topic)
        watch.look("tool context", ctx.deps, f"{ctx.user} {ctx.deps} {ctx.session}")
        await asyncio.sleep(0)
        return f"{ctx.deps} noted {notes[ctx.deps]}"

    limits = Limits(usd="10", tokens=10_000_000, steps=10, seconds=600)
    return Agent("fake:any", instructions="You keep notes.", tools=[read_notes], limits=limits)


async def ask(runtime, agent, watch, *, turn, number, owner):
    """One turn of one user; ``owner`` is whose conversation it is said to be."""
    canary = name_canary(number)
    question = f"I am {canary}; turn {turn}."
    who = {"user": owner, "session": SESSION, "deps": canary}
    if number % STREAMED:
        result = await runtime.run(agent, question, **who)
        output, messages = result.output, result.messages
        assert result.stop_reason == "final"
        watch.look("messages", canary, msgspec.json.encode(messages).decode())
    else:
        output = ""
        async for event in runtime.stream(agent, question, **who):
            watch.look("stream", canary, msgspec.json.encode(event).decode())
            output = getattr(event, "output", output)
    assert watch.look("answer", canary, output), f"{canary} got an answer without its own canary: {output!r}"


async def check_stored(runtime, watch, owners):
    """Every row, and the journal of the newest run of each user, which holds the whole conversation."""
    newest = {}
    async for page in runtime.scan_runs():
        for row in page:
            assert row.status == "finished"
            watch.look("rows", owners[row.user], f"{row.question} {row.output}")
            newest[row.user] = row.run_id
    for user, run_id in newest.items():
        _, events = await runtime.read_run(run_id)
        assert watch.look("stored session", owners[user], msgspec.json.encode(events).decode())


@asynccontextmanager
async def run_provider(seen, gathered):
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, str(PROVIDER), str(gathered), stdin=pipe, stdout=pipe)
    try:
        yield (await child.stdout.readline()).decode().strip()
    finally:
        child.stdin.close()
        rest = await child.stdout.read()
        await child.wait()
        seen.update(json.loads(rest))


async def converse(folder, *, users, turns, concurrency, name_owner):
    """All conversations; returns what was seen here and at the provider."""
    watch, seen = Watch(), {}
    notes = {name_canary(number): f"note {number}" for number in range(users)}
    owners = {name_owner(number): name_canary(number) for number in range(users)}
    async with run_provider(seen, min(concurrency, users)) as base_url:
        settings = Settings(
            providers={"fake": Provider(base_url, needs_key=False, free=True, concurrency=concurrency)},
            store=StoreSettings(str(folder / "canary.db"), "relaxed"),
        )
        async with Runtime(settings=settings) as runtime:
            agent = make_agent(watch, notes)
            work = ((turn, number) for turn in range(turns) for number in range(users))

            async def play():
                for turn, number in work:
                    await ask(runtime, agent, watch, turn=turn, number=number, owner=name_owner(number))

            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, users)):
                    group.create_task(play())
            await check_stored(runtime, watch, owners)
    return watch, seen


@pytest.mark.timeout(600)
async def test_no_canary_is_ever_seen_by_another_user(tmp_path):
    watch, seen = await converse(
        tmp_path, users=USERS, turns=TURNS, concurrency=CONCURRENCY, name_owner=lambda number: f"user {number}"
    )
    assert (seen["mixed"], seen["without"], seen["examples"]) == (0, 0, [])
    assert (watch.strays, watch.examples) == ({}, {})
    runs = USERS * TURNS
    assert seen["prompts"] >= 2 * runs
    assert seen["streams"] >= 2 * runs // STREAMED
    assert seen["most_in_flight"] > min(CONCURRENCY, USERS) // 2
    assert watch.looks["answer"] == watch.looks["rows"] == watch.looks["tool arguments"] == runs
    assert watch.looks["stored session"] == USERS


async def test_canaries_are_seen_everywhere_when_users_are_mixed_up(tmp_path):
    """The proof that the test can fail: with one conversation for three users each place shows a stray canary."""
    watch, seen = await converse(
        tmp_path, users=36, turns=4, concurrency=36, name_owner=lambda number: f"user {number // 3}"
    )
    assert seen["mixed"] > 0
    assert set(watch.strays) >= {"tool arguments", "messages", "stream", "answer", "stored session"}

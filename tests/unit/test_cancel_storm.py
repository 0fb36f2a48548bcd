"""Messages that wait, reject and interrupt, cancelled in any moment and by any way: nothing stays behind, nothing mixes."""

import asyncio
import random
from collections import Counter
from contextlib import aclosing

import pytest

from surefoot import Agent, Runtime
from surefoot.config import Settings
from surefoot.errors import TooManyRequests
from surefoot.sections import AdmissionSettings, SessionSettings
from surefoot.testing import ScriptedModel, say

REQUESTS = 300
SETTINGS = Settings(
    admission=AdmissionSettings(
        user_requests_per_minute=1_000_000, user_queue=50, runs=8, queue=60, max_wait_s=2.0, max_lag_ms=60_000
    ),
    sessions=SessionSettings(max_waiting=4, max_wait_s=1.0, max_in_memory=2),
)


class Crowd:
    """Users of one runtime, and what became of what they asked."""

    def __init__(self, seed, runtime):
        self.chance = random.Random(seed)
        self.runtime = runtime
        self.agent = Agent(ScriptedModel(self.reply))
        self.ended = Counter()

    async def reply(self, messages, step):
        await asyncio.sleep(self.chance.random() * 0.01)
        return say(f"re {messages[-1].text}")

    async def ask(self, number):
        who = {
            "user": f"u{self.chance.randrange(4)}",
            "session": self.chance.choice(["", "a", "b"]),
            "on_busy": self.chance.choice(["queue", "reject", "interrupt", None]),
        }
        if self.chance.random() < 0.3:
            await self.read_a_little(f"q{number}", who)
        else:
            result = await self.runtime.run(self.agent, f"q{number}", **who)
            self.ended[result.stop_reason] += 1

    async def read_a_little(self, question, who):
        left = self.chance.randrange(6)
        async with aclosing(self.runtime.stream(self.agent, question, **who)) as events:
            async for _ in events:
                left -= 1
                if left < 0:
                    break
        self.ended["stream"] += 1

    async def come_and_go(self):
        tasks = []
        for number in range(REQUESTS):
            tasks.append(asyncio.create_task(self.ask(number)))
            if self.chance.random() < 0.4:
                asyncio.get_running_loop().call_later(self.chance.random() * 0.03, tasks[-1].cancel)
            if self.chance.random() < 0.1:
                for task in tasks[-20:]:
                    if self.chance.random() < 0.5:
                        task.cancel()
            if self.chance.random() < 0.3:
                await asyncio.sleep(self.chance.random() * 0.005)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, TooManyRequests):
                assert outcome.retry_after_s > 0
                self.ended[f"refused: {outcome.reason}"] += 1
            elif isinstance(outcome, BaseException):
                assert isinstance(outcome, asyncio.CancelledError), outcome
                self.ended["cancelled"] += 1


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_stays_behind_and_nothing_mixes(tmp_path, seed):
    async with Runtime(tmp_path / "storm.db", settings=SETTINGS) as runtime:
        crowd = Crowd(seed, runtime)
        await crowd.come_and_go()
        print(f"seed {seed}: {dict(crowd.ended)}")
        assert min(crowd.ended[what] for what in ("cancelled", "stream", "final", "refused: session")) > 0
        state = runtime.admission
        assert (state.running, state.waiting, state.inside, state.users) == (0, 0, 0, 0)
        assert (runtime._starter.live, len(runtime._starter._turns.lines)) == ({}, 0)
        for user in range(4):
            for session in "ab":
                result = await runtime.run(crowd.agent, "The end.", user=f"u{user}", session=session)
                assert result.output == "re The end."
                asked = [message.text for message in result.messages if message.role == "user"]
                assert len(asked) == len(set(asked))
                for one, other in zip(result.messages, result.messages[1:], strict=False):
                    if other.role == "assistant":
                        assert (one.role, other.text) == ("user", f"re {one.text}")

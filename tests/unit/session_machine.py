"""Sessions in any order of what may happen to them, against a model that is a list of texts for each session."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.audit import MANY
from tests.unit.store.conformance import HandClock

from surefoot import Agent, Runtime, Settings
from surefoot.errors import NotFound, TooManyRequests
from surefoot.sections import SessionSettings, StoreSettings
from surefoot.store.sqlite import SqliteStore
from surefoot.testing import ScriptedModel, say

EXPIRE_S, DELETE_S, TTL_S = 1_000.0, 3_000.0, 300.0
SETTINGS = Settings(
    admission=MANY,
    store=StoreSettings(durability="full"),
    sessions=SessionSettings(
        max_in_memory=2, ttl_s=TTL_S, expire_after="1000s", delete_after="3000s", max_waiting=3, max_wait_s=60.0
    ),
)
PROCESSES = st.integers(0, 1)
USERS = st.sampled_from([("", "ann"), ("acme", "ann"), ("", "bob")])
NAMES = st.sampled_from(["s1", "s2", "s3"])
ON_BUSY = st.sampled_from(["queue", "reject"])

Owner = tuple[str, str]


@dataclass
class ModelSession:
    said: list[str] = field(default_factory=list)
    used_at: float = 0.0


class SessionMachine(RuleBasedStateMachine):
    """Two processes over one file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.loop = asyncio.new_event_loop()
        self.clock = HandClock()
        self.model: dict[tuple[Owner, str], ModelSession] = {}
        self.ids: list[tuple[Owner, str]] = []
        self.secrets: dict[Owner, list[str]] = {}
        self.counter = itertools.count()
        self.processes: list[Runtime] = []
        self.agent = Agent(ScriptedModel(self.reply))

    async def reply(self, messages, step):
        await asyncio.sleep(0)
        return say(f"re {messages[-1].text}")

    def teardown(self) -> None:
        for process in self.processes:
            self.loop.run_until_complete(process.__aexit__(None, None, None))
        self.loop.close()

    async def start(self) -> Runtime:
        store = SqliteStore(self.path, clock=self.clock, lease_s=1e6)
        return await Runtime(store, settings=SETTINGS, clock=self.clock).__aenter__()

    @initialize()
    def begin(self) -> None:
        self.processes = [self.loop.run_until_complete(self.start()) for _ in range(2)]

    # What the model says:

    def expected(self, owner: Owner, name: str) -> ModelSession | None:
        """The session as a run finds it; None where it must find none."""
        session = self.model.get((owner, name))
        if session is None:
            return None if name.startswith("ses_") else ModelSession()
        return None if session.used_at + EXPIRE_S <= self.clock.now() else session

    # What happens:

    @rule(process=PROCESSES, owner=USERS)
    def create(self, process: int, owner: Owner) -> None:
        tenant, user = owner
        made = self.loop.run_until_complete(self.processes[process].sessions.create(user=user, tenant=tenant))
        self.model[owner, made] = ModelSession(used_at=self.clock.now())
        self.ids.append((owner, made))

    @rule(process=PROCESSES, owner=USERS, name=NAMES, count=st.integers(1, 5), on_busy=ON_BUSY)
    def talk(self, process: int, owner: Owner, name: str, count: int, on_busy: str) -> None:
        self.send(process, owner, name, count, on_busy)

    @rule(process=PROCESSES, owner=USERS, pick=st.integers(0, 9), count=st.integers(1, 5), on_busy=ON_BUSY)
    def talk_under_an_id(self, process: int, owner: Owner, pick: int, count: int, on_busy: str) -> None:
        """Of one's own, or of somebody else's."""
        if self.ids:
            self.send(process, owner, self.ids[pick % len(self.ids)][1], count, on_busy)

    def send(self, process: int, owner: Owner, name: str, count: int, on_busy: str) -> None:
        """Some messages at once: all that the line has room for are answered, in order, and each sees all before it."""
        tenant, user = owner
        asked = [f"{user}@{tenant}/{name}#{next(self.counter)}" for _ in range(count)]

        async def gather() -> list[object]:
            runtime = self.processes[process]
            runs = [
                runtime.run(self.agent, text, user=user, tenant=tenant, session=name, on_busy=on_busy) for text in asked
            ]
            return await asyncio.gather(*runs, return_exceptions=True)

        outcomes = self.loop.run_until_complete(gather())
        session = self.expected(owner, name)
        admitted = 1 if on_busy == "reject" else min(count, 4)
        for outcome in outcomes[admitted:]:
            assert isinstance(outcome, TooManyRequests), outcome
        if session is None:
            for outcome in outcomes[:admitted]:
                assert isinstance(outcome, NotFound), outcome
            return
        for text, outcome in zip(asked[:admitted], outcomes[:admitted], strict=True):
            session.said += [text, f"re {text}"]
            assert not isinstance(outcome, BaseException), outcome
            assert [message.text for message in outcome.messages] == session.said  # type: ignore[attr-defined]
        session.used_at = self.clock.now()
        self.model[owner, name] = session
        self.secrets.setdefault(owner, []).extend(asked[:admitted])

    @rule(first=st.integers(1, 3), second=st.integers(1, 3), owner=USERS, name=NAMES)
    def talk_in_both_processes_at_once(self, first: int, second: int, owner: Owner, name: str) -> None:
        """The order between the two is open, that within each is not, and nothing mixes."""
        session = self.expected(owner, name)
        if session is None:
            return
        tenant, user = owner
        asked = [[f"{user}@{tenant}/{name}#{next(self.counter)}" for _ in range(count)] for count in (first, second)]

        async def talk(runtime: Runtime, texts: list[str]) -> list[list[str]]:
            runs = [runtime.run(self.agent, text, user=user, tenant=tenant, session=name) for text in texts]
            return [[message.text for message in result.messages] for result in await asyncio.gather(*runs)]

        async def gather() -> list[list[list[str]]]:
            return await asyncio.gather(*[talk(*pair) for pair in zip(self.processes, asked, strict=True)])

        found = sorted([said for process in self.loop.run_until_complete(gather()) for said in process], key=len)
        before = session.said
        for said in found:
            assert said[: len(before)] == before
            text, answer = said[len(before) :]
            assert answer == f"re {text}"
            before = said
        new = [text for text in before[len(session.said) :] if not text.startswith("re ")]
        for texts in asked:
            assert [text for text in new if text in texts] == texts
        session.said, session.used_at = before, self.clock.now()
        self.model[owner, name] = session
        self.secrets.setdefault(owner, []).extend(new)

    @rule(process=PROCESSES)
    def restart(self, process: int) -> None:
        self.loop.run_until_complete(self.processes[process].__aexit__(None, None, None))
        self.processes[process] = self.loop.run_until_complete(self.start())

    @rule(seconds=st.sampled_from([1.0, TTL_S, EXPIRE_S, EXPIRE_S / 2, DELETE_S]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule(process=PROCESSES)
    def purge(self, process: int) -> None:
        gone = [key for key, session in self.model.items() if session.used_at < self.clock.now() - DELETE_S]
        assert self.loop.run_until_complete(self.processes[process].sessions.purge()) == len(gone)
        for key in gone:
            del self.model[key]

    @rule(process=PROCESSES, owner=USERS)
    def erase(self, process: int, owner: Owner) -> None:
        tenant, user = owner
        erased = self.loop.run_until_complete(self.processes[process].sessions.erase(user=user, tenant=tenant))
        gone = [key for key in self.model if key[0] == owner]
        assert erased.sessions == len(gone)
        for key in gone:
            del self.model[key]
        words = self.secrets.pop(owner, [])
        rows = self.loop.run_until_complete(self.processes[process].list_runs(limit=10_000))
        assert not {row.question for row in rows} & set(words)
        assert not any((row.tenant, row.user) == owner for row in rows)

    @rule(process=PROCESSES, owner=USERS, name=NAMES)
    def read(self, process: int, owner: Owner, name: str) -> None:
        tenant, user = owner

        async def read() -> list[str] | None:
            try:
                said = await self.processes[process].sessions.transcript(name, user=user, tenant=tenant)
            except NotFound:
                return None
            return [message.text for message in said]

        known = (owner, name) in self.model
        session = self.expected(owner, name) if known else None
        assert self.loop.run_until_complete(read()) == (None if session is None else session.said)

    @invariant()
    def nothing_is_in_use_and_memory_is_bounded(self) -> None:
        for process in self.processes:
            assert process.sessions.in_memory[0] <= 2
            assert len(process._starter._turns.lines) == 0

    @rule(process=PROCESSES)
    def compare_all(self, process: int) -> None:
        rows = self.loop.run_until_complete(self.processes[process].sessions.list(limit=10_000))
        found = {((row.tenant, row.user), row.session): (row.turns, row.used_at, row.live) for row in rows}
        assert found == {key: (len(one.said) // 2, one.used_at, "") for key, one in self.model.items()}

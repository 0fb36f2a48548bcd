"""Each check of the observer fails when what it watches is wrong."""

import asyncio

import pytest
from msgspec.structs import replace

from surefoot.budget.accounts import make_payers
from surefoot.budget.limits import Limits
from surefoot.budget.posting import Claim, Posting, Settlement
from surefoot.config import Settings
from surefoot.errors import TooManyRequests
from surefoot.run_context import RunContext
from surefoot.sections import AdmissionSettings, RetrySettings
from surefoot.store.base import RunRow
from surefoot.store.database import open_writer
from surefoot.store.group import Group
from surefoot.testing.simulation.ask import ASKING, Ask, Persona
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.pacing import Quote
from surefoot.testing.simulation.plan import Request
from surefoot.testing.simulation.prompt import SimulatedPrompt
from surefoot.testing.simulation.virtual import VirtualClock, run_virtually
from surefoot.types import UNLIMITED, Message, ToolCall, Usage

LIMITS = {"global": {"total": {"tokens": 1_000}}, "user:*": {"day": {"usd": "0.001"}}}
SETTINGS = Settings(
    admission=AdmissionSettings(user_requests_per_minute=2, user_runs=1, max_wait_s=5),
    retry=RetrySettings(attempts=2),
    budgets=LIMITS,
)
LIMITS_OF_RUN = Limits(steps=1, tool_calls=1, seconds=60)
PERSONA = Persona(tool_steps=0, endless=False, stream=False, cancel_after_s=0.0, question_tokens=1)


class Stage:
    """An observer, and what happens before its eyes."""

    def __init__(self, path):
        clock = VirtualClock(asyncio.get_running_loop(), 1, 0.0)
        self.observer = Observer(clock, SETTINGS)
        self.books = self.observer.disk.books
        self.connection = open_writer(path / "sim.db", 1.0, UNLIMITED)
        self.observer.opened(self.connection)

    def ask(self, number, user="u1", session="s1", host="0.1", **more):
        request = Request(number, 0.0, "", user, session)
        now = asyncio.get_running_loop().time()
        persona = replace(PERSONA, **more)
        ask = Ask(
            request, f"{number}.1", persona, now, limits=LIMITS_OF_RUN, host=host,
            outcomes={}, tools_done=set(), models=set(),
        )  # fmt: skip
        self.observer.asked(ask)
        return ask

    def child(self, ask):
        limits = Limits(steps=1)
        child = Ask(
            ask.request, f"{ask.key}/1", PERSONA, 0.0, ask, limits, host=ask.host,
            outcomes={}, tools_done=set(), models=set(),
        )  # fmt: skip
        self.observer.asks[child.key] = child
        return child

    def commit(self, ask, *, claim=None, settlement=None, begin=True, record=b"", **row):
        """A record of the run whose number is that of the request; the rows of the ledger are written by `book`."""
        group, run = Group(), ask.request.number
        group.futures.append(asyncio.get_running_loop().create_future())
        group.records += [run, 0, bytearray(record)]
        if begin:
            fields = {"run_id": f"r{run}", "agent": "a", "model": "m", "question": f"#{ask.key}#", "started_at": 0.0}
            group.created[0] = run, RunRow(**{**fields, **row})
        if claim is not None or settlement is not None:
            group.postings[0] = Posting(settlement, claim)
        self.observer.committed(self.connection, group, frozenset())

    def book(self, tokens, nano, *, account="global", period="total", **more):
        columns = {
            "spent_tokens": 0, "reserved_tokens": tokens, "overrun_tokens": 0, "cap_tokens": 10**9, "spent_nano": 0,
            "reserved_nano": nano, "overrun_nano": 0, "cap_nano": 10**9, "steps": 1, "cap_steps": 99, "model_calls": 1,
            "cap_model_calls": 99, "tool_calls": 0, "cap_tool_calls": 99, **more,
        }  # fmt: skip
        names = ", ".join(columns)
        self.connection.execute(
            f"INSERT OR REPLACE INTO windows (account, period, starts_at, ends_at, {names}) "
            f"VALUES (?, ?, 0, 9{', ?' * len(columns)})",
            (account, period, *columns.values()),
        )

    def hold(self, ask, tokens=100, nano=1_000):
        """A claim that is committed and booked rightly."""
        self.book(tokens, nano)
        self.book(tokens, nano, account="user:u1", period="day")
        self.commit(ask, claim=Claim(make_payers("", "u1", "s1"), 1, tokens, nano, 1, 1, 0, "p"))

    @property
    def broken(self):
        return [breach.promise for breach in self.observer.breaches]

    @property
    def told(self):
        return " | ".join(breach.message for breach in self.observer.breaches)


def on_stage(path, play):
    async def main():
        stage = Stage(path)
        try:
            play(stage)
        finally:
            stage.connection.close()
        return stage

    return run_virtually(main)


def call(stage, ask, *, keys=None, canaries=(), worst=(100, 1_000), model="m", **more):
    """The prompt of a call reaches a provider; what is not said is as it should be."""
    prompt = SimulatedPrompt(more.pop("tools", ()))
    prompt.keys, prompt.canaries = keys or [ask.key], set(canaries)
    for message in more.pop("messages", ()):
        prompt.append(message)
    before = ASKING.set(ask)
    try:
        return stage.observer.called(model, prompt, Quote(*worst, **more))
    finally:
        ASKING.reset(before)


def use(stage, ask, key="c", text="", *, writes=False, **who):
    names = {"user": "u1", "tenant": "", "session": ask.request.session, "deps": ask.lineage[-1], **who}
    context = RunContext(run_id="r1", call_id="c", idempotency_key=key, deadline=9.0, **names)
    stage.observer.tool_called(ask, context, text, writes=writes)


def test_nothing_is_wrong_with_what_is_right(tmp_path):
    def play(stage):
        ask = stage.ask(1)
        stage.hold(ask)
        trip = call(stage, ask, canaries={"/u1"})
        assert (trip.ask, trip.hold) == (ask, 1)
        stage.observer.billed(ask, 1, Usage(40, 10), 500)
        ask.outcomes[1] = 50, 500
        trip.succeed(Usage(40, 10), None)
        stage.observer.returned(trip)
        stage.book(0, 0, spent_tokens=50, spent_nano=500)
        stage.book(0, 0, account="user:u1", period="day", spent_tokens=50, spent_nano=500)
        stage.commit(ask, settlement=Settlement(1, 50, 500), begin=False)
        stage.observer.ended(ask, "final", acknowledged=True)
        stage.connection.execute(
            "INSERT INTO runs VALUES (1, 'r1', 'a', 'm', 'u1', 's1', '', 0, 1, 'final', 1, 50, 500, '', '', '', 1, 0, '')"
        )
        stage.observer.check_end(stage.connection)

    stage = on_stage(tmp_path, play)
    assert stage.observer.breaches == []
    assert not stage.observer.failed.done()


@pytest.mark.parametrize(
    ("promise", "told", "play"),
    [
        ("B2", "without a committed hold", call),
        ("B2", "may cost 101 and 1,000", lambda s, a: (s.hold(a), call(s, a, worst=(101, 1_000)))),
        ("B1", "its limit is 1,000,000", lambda s, a: (s.hold(a, nano=2_000_000), call(s, a), s.observer.billed(a, 1, Usage(1), 2_000_000))),
        ("B1", "are spent or reserved, and what passed", lambda s, a: (s.book(99, 0), s.commit(a))),
        ("B1", "tokens spent or reserved in its total, of 1,000", lambda s, a: s.hold(a, tokens=1_001)),
        ("B1", "were overrun", lambda s, a: (s.hold(a), s.book(100, 1_000, overrun_tokens=7), s.commit(a, begin=False))),
        ("B4", "has its answer already", lambda s, a: (s.hold(a), call(s, a), s.observer.ended(a, "final"), call(s, a))),
        ("B4", "was never sent is charged", lambda s, a: (s.hold(a), s.commit(a, settlement=Settlement(1, 5, 0), begin=False))),
        ("B4", "nobody knows is charged", lambda s, a: (s.hold(a), a.outcomes.update({1: None}), s.commit(a, settlement=Settlement(1, 5, 0), begin=False))),
        ("B4", "as the provider said is charged", lambda s, a: (s.hold(a), a.outcomes.update({1: (4, 0)}), s.commit(a, settlement=Settlement(1, 5, 0), begin=False))),
        ("C1", "a prompt of request 1.1", lambda s, a: (s.hold(a), call(s, a, canaries={"/u2"}))),
        ("C1", "works for /u2", lambda s, a: use(s, a, user="u2")),
        ("C1", "the arguments of a tool", lambda s, a: use(s, a, text="@@/u2@@")),
        ("C1", "a stream of request", lambda s, a: s.observer.seen(a, "@@/u2@@", "a stream")),
        ("C1", "the messages of a result", lambda s, a: s.observer.result(a, [Message.user("@@/u2@@")])),
        ("C1", "the tool calls of a result", lambda s, a: s.observer.result(a, [Message.assistant("", (ToolCall("c", "t", "@@/u2@@"),))])),
        ("R2", "is run again", lambda s, a: (a.tools_done.add("c"), use(s, a))),
        ("C2", "has no session", lambda s, a: call(s, b := s.ask(2, session=""), keys=[a.key, b.key])),
        ("C2", "has not ended", lambda s, a: (call(s, a), call(s, s.ask(2)))),
        ("C2", "questions of another session", lambda s, a: call(s, b := s.ask(2, session="s2"), keys=[a.key, b.key])),
        ("C2", "has the answers to ['1.1']", lambda s, a: (s.observer.ended(a, "final", acknowledged=True), call(s, s.ask(2)))),
        ("C2", "its prompt says ['1.1', '1.1']", lambda s, a: call(s, a, keys=[a.key, a.key])),
        ("C4", "2 runs at once, of 1", lambda s, a: (call(s, a), call(s, s.ask(2, session="s2")))),
        ("C4", "after the model was called", lambda s, a: (call(s, a), s.observer.refused(a, TooManyRequests("", reason="deadline", retry_after_s=1), 1))),
        ("C4", "without a time to come back", lambda s, a: s.observer.refused(a, TooManyRequests("", reason="rate", retry_after_s=0), 1)),
        ("R4", "attempt 3 of one call, of 2", lambda s, a: (s.hold(a), call(s, a), setattr(a, "attempts", 2), s.commit(a, claim=Claim(make_payers("", "u1", "s1"), 2, 100, 1_000, 0, 1, 0, "p"), begin=False), s.books.settle(1, Settlement(1, 0, 0)), call(s, a))),
        ("C4", "requests in a minute, of 2", lambda s, a: (s.ask(2), s.ask(3), s.observer.check_end(s.connection))),
        ("B2", "hold 1 is used for two calls", lambda s, a: (s.hold(a), call(s, a), a.outcomes.update({1: (0, 0)}), call(s, a))),
        ("B3", "are not the price of m", lambda s, a: (s.hold(a), call(s, a, price=lambda _usage: 999))),
        ("B6", "has used 2 steps with those below it, of 1", lambda s, a: (s.hold(a), call(s, a), a.outcomes.update({1: (1, 1)}), s.books.settle(1, Settlement(1, 1, 1)), s.commit(a, claim=Claim(make_payers("", "u1", "s1"), 2, 100, 1_000, 1, 1, 0, "p"), begin=False), call(s, a))),
        ("B6", "has used 2 tool_calls", lambda s, a: (use(s, a), use(s, s.child(a), "d"))),
        ("B6", "is said to be below 'r9'", lambda s, a: s.commit(a, parent="r9")),
        ("B6", "is paid by ('global',), and not by", lambda s, a: s.commit(a, claim=Claim(make_payers("", "", ""), 1, 1, 1, 1, 1, 0, "p"))),
        ("C1", "works for /u1", lambda s, a: use(s, a, session="s9")),
        ("C2", "child run 1.1/1 is shown the questions", lambda s, a: call(s, s.child(a), keys=["1.1", "1.1/1"])),
        ("C2", "which 2.1 has interrupted", lambda s, a: (setattr(s.ask(2, on_busy="interrupt"), "began_s", -1.0), call(s, a))),
        ("C2", "request 2.1 overtakes 1.1 in their session", lambda s, a: call(s, s.ask(2))),
        ("C2", "nobody has asked for that", lambda s, a: s.observer.ended(a, "cancelled", acknowledged=True)),
        ("C4", "rejected from a session that is not busy", lambda s, a: s.observer.refused(s.ask(2, session="s2", on_busy="reject"), TooManyRequests("", reason="session", retry_after_s=1), 1)),
        ("R1", "its intent is not on disk: c", lambda s, a: use(s, a, writes=True)),
        ("R3", "and still writes", lambda s, a: (s.observer.disk.lost.add(a.key), s.commit(a))),
        ("R3", "which has lost its session", lambda s, a: (s.observer.disk.lost.add(a.key), call(s, a))),
        ("R4", "and spare:m was not asked", lambda s, a: s.observer.failed_for_good(a, "spare:m")),
        ("R5", "is said to have answered", lambda s, a: (setattr(b := s.ask(2, circle="same"), "stop_reason", "final"), s.observer.ended(b, "final", acknowledged=True))),
        ("context", "a result of the tool call 'c', which is not there", lambda s, a: call(s, a, messages=[Message("tool", (), (), "c")])),
        ("context", "holds tool calls without their results: ['c']", lambda s, a: call(s, a, messages=[Message.assistant("", (ToolCall("c", "t", "{}"),)), Message.user("and?")])),
        ("context", "its question is not the last one", lambda s, a: call(s, s.ask(2), keys=["2.1", "1.1"])),
        ("context", "may take 9 tokens of 8", lambda s, a: s.observer.check_window(a, 9, 8)),
        ("R1", "are not in the store", lambda s, a: (s.observer.ended(a, "final", acknowledged=True), s.observer.check_end(s.connection))),
        ("liveness", "have no end", lambda s, a: s.observer.check_end(s.connection)),
        ("liveness", "reserved at the end", lambda s, a: (s.hold(a), s.observer.check_end(s.connection))),
        ("B1", "has no window", lambda s, a: (s.hold(a), s.connection.execute("DELETE FROM windows"), s.observer.check_end(s.connection))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_told(promise, told, play, tmp_path):
    stage = on_stage(tmp_path, lambda stage: play(stage, stage.ask(1)))
    assert promise in stage.broken
    assert told in stage.told
    assert stage.observer.failed.done()
    assert any("BROKEN" in line for line in stage.observer.trace)


def test_a_bill_beyond_what_was_spent_is_told_at_the_end(tmp_path):
    def play(stage):
        ask = stage.ask(1)
        stage.hold(ask)
        call(stage, ask)
        stage.observer.billed(ask, 1, Usage(90, 10), 1_000)
        ask.outcomes[1] = 50, 500
        stage.book(0, 0, spent_tokens=50, spent_nano=500)
        stage.book(0, 0, account="user:u1", period="day", spent_tokens=50, spent_nano=500)
        stage.commit(ask, settlement=Settlement(1, 50, 500), begin=False)
        assert stage.broken == []
        stage.observer.check_end(stage.connection)

    assert "was billed 100 tokens" in on_stage(tmp_path, play).told


def test_a_refusal_that_comes_late_or_in_vain(tmp_path):
    async def main():
        stage = Stage(tmp_path)
        ask, other = stage.ask(1, session=""), stage.ask(2, session="")
        await asyncio.sleep(6)
        stage.observer.refused(ask, TooManyRequests("", reason="deadline", retry_after_s=1), 0)
        stage.observer.refused(other, TooManyRequests("", reason="queue", retry_after_s=1), 1)
        stage.connection.close()
        return stage

    stage = run_virtually(main)
    assert stage.broken == ["C4", "liveness", "C4"]
    assert "later than 5 s" in stage.told
    assert "later than 0 s" in stage.told


def test_what_is_left_in_a_runtime_is_told(tmp_path):
    class Left:
        class _starter:  # noqa: N801 - a stand-in of the test
            live = ("r1",)

        class admission:  # noqa: N801
            running, waiting, inside, users = 1, 0, 0, 1

    async def main():
        stage = Stage(tmp_path)
        stuck = asyncio.get_running_loop().create_task(asyncio.sleep(9))
        stage.observer.check_idle(Left, [stuck])
        await stuck
        stage.connection.close()
        return stage

    assert run_virtually(main).broken == ["liveness"] * 3


def test_only_the_newest_lines_of_a_course_are_kept(tmp_path):
    stage = on_stage(tmp_path, lambda stage: [stage.observer.note("line", number) for number in range(2_000)])
    assert len(stage.observer.trace) == 400
    assert stage.observer.trace[-1].endswith("line 1999")
    assert stage.observer.events == 2_000

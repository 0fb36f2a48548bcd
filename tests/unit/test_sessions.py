import asyncio

from surefoot.sessions import SessionLocks, continue_from
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall


async def test_turns_of_one_session_come_in_order_and_never_overlap():
    locks, log = SessionLocks(), []

    async def turn(number):
        async with locks.turn("t", "u", "s"):
            log.append(("in", number))
            await asyncio.sleep(0)
            log.append(("out", number))

    await asyncio.gather(*[turn(number) for number in range(20)])
    assert log == [(what, number) for number in range(20) for what in ("in", "out")]
    assert len(locks) == 0


async def test_other_sessions_do_not_wait_and_leave_nothing_behind():
    locks = SessionLocks()
    async with (
        locks.turn("t", "u", "a"),
        locks.turn("t", "u", "b"),
        locks.turn("t", "v", "a"),
        locks.turn("w", "u", "a"),
    ):
        assert len(locks) == 4
    assert len(locks) == 0


async def test_a_cancelled_waiter_leaves_the_session_usable():
    locks = SessionLocks()
    async with locks.turn("t", "u", "s"):
        waiter = asyncio.create_task(_enter(locks))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        assert len(locks) == 1
    async with asyncio.timeout(5):
        await _enter(locks)
    assert len(locks) == 0


async def _enter(locks):
    async with locks.turn("t", "u", "s"):
        pass


def test_the_next_run_inherits_all_but_the_system_message_and_unanswered_calls():
    call = ToolCall("c1", "look", "{}")
    answered = Message.assistant("", (call,))
    result = Message("tool", (Part("found", Label("third_party", source="look")),), tool_call_id="c1")
    open_call = Message.assistant("", (ToolCall("c2", "look", "{}"),))
    question = Message.user("q")
    assert continue_from([Message.system("s"), question, answered, result, open_call]) == (question, answered, result)


def test_an_id_that_stands_for_two_calls_answers_only_the_one_before_it():
    """Models repeat ids from step to step: the second call was never answered, though the first one of its name was."""
    asked = Message.assistant("", (ToolCall("call_0", "look", "{}"),))
    answer = Message("tool", (Part("seen", SYSTEM_LABEL),), (), "call_0")
    kept = continue_from([Message.user("q"), asked, answer, asked])
    assert kept == (Message.user("q"), asked, answer)
    assert continue_from([Message.user("q"), asked, Message.user("next")]) == (Message.user("q"), Message.user("next"))
    both = Message.assistant("", (ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}")))
    half = Message("tool", (Part("seen", SYSTEM_LABEL),), (), "a")
    assert continue_from([Message.user("q"), both, half]) == (Message.user("q"),)

import asyncio

from surefoot.sessions import SessionLocks, continue_from
from surefoot.types import Label, Message, Part, ToolCall


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

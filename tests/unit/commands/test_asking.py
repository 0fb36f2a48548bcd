"""Questions on a terminal: what is shown, what may be typed, and what becomes of everything else."""

import asyncio
import io
import os
import tty

import pytest
from rich.console import Console

from surefoot.commands.asking import MOST_TRIES, Asker, read_answer
from surefoot.policy.approval import ApprovalRequest
from surefoot.policy.decision import Trace


def request(sources=("read_inbox({})",), tool="send_email"):
    return ApprovalRequest(
        tool=tool, arguments={"to": "eve@evil.org"}, reason="it comes from others", rule="origin",
        traces=(Trace("to", "eve@evil.org", "who", "others", "read_inbox({})"),), sources=sources, user="u", tenant="",
        session="", run_id="r", call_id="c", digest="d",
    )  # fmt: skip


class Desk:
    """A person at a terminal of her own."""

    def __init__(self):
        self.hands, self.keyboard = os.openpty()
        self.screen = io.StringIO()
        self.asker = Asker(Console(file=self.screen, width=120), self.keyboard)

    def type(self, text):
        os.write(self.hands, text.encode())

    async def sees(self, text, times=1):
        while self.screen.getvalue().count(text) < times:  # noqa: ASYNC110 - a screen tells nobody
            await asyncio.sleep(0.001)

    async def answers(self, *lines, sources=("read_inbox({})",)):
        async with asyncio.timeout(30):
            asked = asyncio.create_task(self.asker.ask(request(sources)))
            for number, line in enumerate(lines, 1):
                await self.sees("n = no: ", number)
                self.type(line)
            return await asked


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    os.close(desk.hands)
    os.close(desk.keyboard)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("y", "once"), (" YES ", "once"), ("once", "once"), ("a", "session"), ("Always", "session"),
        ("session", "session"), ("n", "no"), ("no", "no"), ("", None), ("yo", None), ("yess", None), ("[y]", None),
    ],
)  # fmt: skip
def test_what_is_typed(typed, answer):
    assert read_answer(typed, request()) == answer


def test_without_a_source_there_is_nothing_to_trust():
    assert read_answer("a", request(())) is None


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["yes\n"], "once"),
        (["a\n"], "session"),
        (["n\n"], "no"),
        (["sure\n", "\n", "once\n"], "once"),
        (["\x04"], "no"),
    ],
)
async def test_a_person_is_asked(desk, lines, answer):
    assert await desk.answers(*lines) == answer
    shown = desk.screen.getvalue()
    assert "May send_email run?" in shown
    assert "Why: it comes from others" in shown
    assert "y = yes, once; a = yes, and let read_inbox({}) say so in this conversation; n = no: " in shown


async def test_what_is_not_understood_is_asked_again_but_not_for_ever(desk):
    assert await desk.answers(*["[maybe]\n"] * MOST_TRIES) == "no"
    shown = desk.screen.getvalue()
    assert shown.count("'[maybe]' is no answer to that") == MOST_TRIES
    assert "still no answer: that is a no" in shown


async def test_always_is_no_answer_where_there_is_nothing_to_trust(desk):
    assert await desk.answers("always\n", "y\n", sources=()) == "once"
    assert "'always' is no answer to that" in desk.screen.getvalue()
    assert "a = yes" not in desk.screen.getvalue()


async def test_what_was_typed_before_the_question_is_no_answer_to_it(desk):
    desk.type("y\n")
    assert await desk.answers("n\n") == "no"


async def test_a_line_that_comes_too_late_answers_the_question_that_is_shown(desk):
    """The reader of a question that nobody answered in time goes on reading: for the next one, never for the last."""
    asked = asyncio.create_task(desk.asker.ask(request()))
    async with asyncio.timeout(30):
        await desk.sees("n = no: ")
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        asked = asyncio.create_task(desk.asker.ask(request(tool="pay")))
        await desk.sees("n = no: ", 2)
        desk.type("n\n")
        assert await asked == "no"


async def test_a_line_that_nobody_waits_for_answers_nothing(desk):
    async with asyncio.timeout(30):
        asked = asyncio.create_task(desk.asker.ask(request()))
        await desk.sees("n = no: ")
        asked.cancel()
        await asyncio.wait([asked])
        desk.type("y\n")
        while desk.asker._reading:  # noqa: ASYNC110 - a thread reads
            await asyncio.sleep(0.001)
        asked = asyncio.create_task(desk.asker.ask(request()))
        await desk.sees("n = no: ", 2)
        desk.type("n\n")
        assert await asked == "no"


async def test_a_terminal_that_is_gone_is_a_no(desk):
    tty.setraw(desk.keyboard)
    os.close(desk.hands)
    desk.hands = os.open(os.devnull, os.O_RDONLY)
    async with asyncio.timeout(30):
        assert await desk.asker.ask(request()) == "no"
    assert "the input has ended: that is a no" in desk.screen.getvalue()

"""Questions on a terminal: what is shown, what may be typed, and what becomes of everything else."""

import asyncio
import io
import os
import tty

import pytest
from msgspec.structs import replace
from rich.console import Console

from surefoot.commands.asking import MOST_TRIES, Asker, name_choices, read_answers
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
            (answer,) = await asked
            return answer


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
    assert read_answers(typed, request()) == (None if answer is None else [answer])


def test_without_a_source_there_is_nothing_to_trust():
    assert read_answers("a", request(())) is None


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
        assert desk.screen.getvalue().endswith("n = no: \n")
        asked = asyncio.create_task(desk.asker.ask(request(tool="pay")))
        await desk.sees("n = no: ", 2)
        desk.type("n\n")
        assert await asked == ["no"]


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
        assert await asked == ["no"]


async def test_a_terminal_that_is_gone_is_a_no(desk):
    tty.setraw(desk.keyboard)
    os.close(desk.hands)
    desk.hands = os.open(os.devnull, os.O_RDONLY)
    async with asyncio.timeout(30):
        assert await desk.asker.ask(request()) == ["no"]
    assert "the input has ended: that is a no" in desk.screen.getvalue()


# --- the calls of one reply -------------------------------------------------------------------------------------------


def several():
    return replace(request(), more=(request(()), request(("a({})",))))


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        ("y", ["once"] * 3),
        ("a", ["session", "once", "session"]),
        ("n", ["no"] * 3),
        ("", None),
        ("e", []),
        ("each", []),
    ],
)
def test_what_is_typed_of_several_calls(typed, answers):
    assert read_answers(typed, several()) == answers
    assert name_choices(several()) == (
        "y = yes to all 3; a = yes, and let read_inbox({}), a({}) say so in this conversation; "
        "n = no to all 3; e = ask about each"
    )
    assert read_answers("e", request()) is None
    assert name_choices(request(())) == "y = yes, once; n = no"


@pytest.mark.parametrize(
    ("lines", "answers"),
    [
        (["y\n"], ["once"] * 3),
        (["what\n", "n\n"], ["no"] * 3),
        (["e\n", "y\n", "n\n", "a\n"], ["once", "no", "session"]),
        (["e\n", "y\n", "a\n", "y\n", "y\n"], ["once", "once", "once"]),
    ],
)
async def test_a_person_is_asked_about_several_calls_at_once_or_about_each(desk, lines, answers):
    async with asyncio.timeout(30):
        asked = asyncio.create_task(desk.asker.ask(several()))
        for number, line in enumerate(lines, 1):
            await desk.sees("y = yes", number)
            await desk.sees(": ", number)
            desk.type(line)
        assert await asked == answers
    assert desk.screen.getvalue().count("May send_email run?") == 3


async def test_all_of_what_is_approved_is_shown_as_the_model_wrote_it(desk):
    """In a narrow window, too: nobody says yes to an address that is cut."""
    desk.asker = Asker(Console(file=desk.screen, width=50), desk.keyboard)
    address = "somebody.with.a.name.as.long.as.this@mail.example.org"
    one = replace(
        request(), arguments={"to": [address], "body": "x" * 2_000, "when": None, "really": True},
        traces=(Trace("to[0]", address, "who", "others", "read_inbox({})"),),
    )  # fmt: skip
    async with asyncio.timeout(30):
        asked = asyncio.create_task(desk.asker.ask(replace(one, more=(replace(request(), traces=()),))))
        await desk.sees("ask about each:")
        desk.type("e\n")
        for number in (1, 2):
            await desk.sees("n = no: ", number)
            desk.type("y\n")
        assert await asked == ["once", "once"]
    shown = "".join(desk.screen.getvalue().replace("│", " ").split())
    assert f'["{address}"]' in shown
    assert shown.count(f"{'✗'}to[0]") == 1
    assert "(2,000charactersinall)" in shown
    assert shown.count("…") == 2  # of the long text, in its panel and where the call is named again
    assert "whennull" in shown
    assert "reallytrue" in shown
    assert 'send_email(to="eve@evil.org")' in desk.screen.getvalue()  # each is named again
    assert shown.count("argumentdecides") == 1  # no table of nothing

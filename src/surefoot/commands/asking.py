"""Asking a person on the terminal whether a tool may run."""

from __future__ import annotations

import asyncio
import os
import termios
import threading
from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from surefoot.commands.policy import traces_table
from surefoot.narrator import describe_arguments, plain
from surefoot.policy.approval import Approval, ApprovalRequest

MOST_TRIES: Final = 3
"""So often a person is asked for a word that can be understood; then it is a no."""
_LINE_BYTES: Final = 4_096
"""What a terminal takes for one line at most."""
_SHOWN_CHARS: Final = 1_000
"""Of one argument."""
_WORDS: Final[dict[str, Approval]] = {
    "y": "once", "yes": "once", "once": "once",
    "a": "session", "always": "session", "session": "session",
    "n": "no", "no": "no",
}  # fmt: skip


class Asker:
    """Asks one question after the other.

    Args:
        console: Where questions are shown.
        keyboard: File descriptor of the terminal that answers are read from.
    """

    def __init__(self, console: Console, keyboard: int) -> None:
        self._console = console
        self._keyboard = keyboard
        self._reading = False
        self._waiter: asyncio.Future[bytes] | None = None

    async def ask(self, request: ApprovalRequest) -> list[Approval]:
        """Show the calls that need a person, and read the answer to all of them, or to each."""
        for one in request.calls:
            self._console.print(_draw(one))
        if request.more:
            answers = await self._choose(request)
            if answers:
                return answers
        given: list[Approval] = []
        for one in request.calls:
            if request.more:
                self._console.print(Text(describe_arguments(one.tool, one.arguments), "bold"))
            given += await self._choose(replace(one, more=()))
        return given

    async def _choose(self, request: ApprovalRequest) -> list[Approval]:
        """An answer to all calls, empty if each is to be asked about; the end of the input is a no."""
        refused: list[Approval] = ["no" for _ in request.calls]
        choices = name_choices(request)
        _forget_typed(self._keyboard)
        for _ in range(MOST_TRIES):
            self._console.print(Text(f"{choices}: "), end="")
            try:
                typed = await self._read_line()
            except asyncio.CancelledError:
                self._console.print()  # what comes next has a line of its own
                raise
            if not typed:
                self._console.print("the input has ended: that is a no")
                return refused
            word = typed.decode("utf-8", "replace").strip().lower()
            answers = read_answers(word, request)
            if answers is not None:
                return answers
            self._console.print(Text(f"{plain(word, 40)!r} is no answer to that"))
        self._console.print("still no answer: that is a no")
        return refused

    async def _read_line(self) -> bytes:
        """The next line that is typed; empty at the end of the input."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bytes] = loop.create_future()
        self._waiter = waiter
        if not self._reading:  # else the thread of a question that nobody answered in time waits for a line still
            self._reading = True
            # Not of the pool: nobody can end a thread that reads, and a pool would wait for it at the end
            threading.Thread(target=self._read, args=[loop], daemon=True).start()
        try:
            return await waiter
        finally:
            self._waiter = None

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            line = os.read(self._keyboard, _LINE_BYTES)  # sys.stdin has a lock, which the interpreter needs at its end
        except OSError:  # the terminal is gone
            line = b""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._take, line)

    def _take(self, line: bytes) -> None:
        self._reading = False
        if self._waiter is not None and not self._waiter.done():  # else it came too late
            self._waiter.set_result(line)


def _forget_typed(keyboard: int) -> None:
    """What was typed before a question was to be seen is no answer to it."""
    with suppress(termios.error):  # no terminal
        termios.tcflush(keyboard, termios.TCIFLUSH)


def name_choices(request: ApprovalRequest) -> str:
    """What may be typed."""
    sources = dict.fromkeys([source for one in request.calls for source in one.sources])
    always = f"; a = yes, and let {plain(', '.join(sources), 200)} say so in this conversation" if sources else ""
    if not request.more:
        return f"y = yes, once{always}; n = no"
    count = len(request.calls)
    return f"y = yes to all {count}{always}; n = no to all {count}; e = ask about each"


def read_answers(word: str, request: ApprovalRequest) -> list[Approval] | None:
    """What was typed, for each call; None if that was not asked: ``session`` is for calls that have sources to trust.

    Of several calls ``e`` is none yet: each is asked about.
    """
    answer = _WORDS.get(word.strip().lower())
    if request.more and word in {"e", "each"}:
        return []
    if answer is None or (answer == "session" and not any(one.sources for one in request.calls)):
        return None
    return ["once" if answer == "session" and not one.sources else answer for one in request.calls]


def _draw(request: ApprovalRequest) -> Panel:
    arguments = Table.grid(padding=(0, 1))
    arguments.add_column(overflow="fold")
    arguments.add_column(overflow="fold")  # never cut: a person says yes to what he sees
    for name, value in request.arguments.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        cut = f" ({len(text):,} characters in all)" if len(text) > _SHOWN_CHARS else ""
        arguments.add_row(Text(name, "bold"), Text(plain(text, _SHOWN_CHARS) + cut))
    warnings = [
        Text(f"Beware: what {plain(tool, 100)} returned looks like an attack ({risk:.2f}).", "bold red")
        for tool, risk in request.suspects
    ]
    traces = [traces_table(request.traces)] if request.traces else []
    return Panel(
        Group(arguments, Text(f"\nWhy: {plain(request.reason, 500)}"), *warnings, *traces),
        title=Text(f"May {request.tool} run?"),
        border_style="yellow",
    )

"""A conversation as a simulated provider gets it, and what is wrong with it."""

from __future__ import annotations

from typing import Final

from msgspec.json import encode as encode_json

from surefoot.context import NOTE, SUMMARY_HEAD
from surefoot.ladder import SUMMARY_NUDGE
from surefoot.models.base import Options
from surefoot.testing.simulation.ask import CANARY, KEY
from surefoot.types import Message, ToolSpec

BYTES_PER_TOKEN: Final = 6
"""The simulated vocabulary: fewer tokens than any real one makes of English words."""
FRAMING_TOKENS: Final = 3
FRAMING_BYTES: Final = 24


class SimulatedPrompt:
    """A conversation as the provider gets it.

    Attributes:
        tools: Names of the tools that may be called.
        keys: Keys of the questions in it, in order.
        canaries: Marks of those whose words are in it.
        is_shortened: Something was left out of it, or summed up.
        wants_summary: Its last message asks for a summary.
    """

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._bytes = len(encode_json(tools)) if tools else 0
        self._messages = 0
        self.tools = frozenset([tool.name for tool in tools])
        self.keys: list[str] = []
        self.canaries: set[str] = set()
        self.is_shortened = self.wants_summary = False
        self._open: set[str] = set()  # calls of the last reply that have no result yet
        self._flaw = ""

    def append(self, message: Message) -> None:
        """Add the next message."""
        text = message.text
        self._messages += 1
        self._bytes += len(text.encode()) + len(message.tool_call_id)
        self.canaries.update(CANARY.findall(text))
        self.wants_summary = False
        if message.role == "tool":
            self._answer(message.tool_call_id)
            return
        self._flaw = self.flaw
        for call in message.tool_calls:
            self._bytes += len(call.id) + len(call.name) + len(call.arguments.encode())
            self.canaries.update(CANARY.findall(call.arguments))
        self._open = {call.id for call in message.tool_calls}
        if message.role == "user":
            self._read(text)

    def _answer(self, call_id: str) -> None:
        if call_id in self._open:
            self._open.remove(call_id)
        else:
            self._flaw = self._flaw or f"holds a result of the tool call {call_id!r}, which is not there"

    def _read(self, text: str) -> None:
        found = KEY.search(text)
        if found is not None:
            self.keys.append(found[1])
        elif text == SUMMARY_NUDGE:
            self.wants_summary = True
        elif text == NOTE or text.startswith(SUMMARY_HEAD):
            self.is_shortened = True

    @property
    def flaw(self) -> str:
        """Why a provider would refuse it, "" if none would."""
        if self._open and not self._flaw:
            return f"holds tool calls without their results: {sorted(self._open)}"
        return self._flaw

    def body(self, max_tokens: int, options: Options, *, stream: bool) -> bytes:
        """Nothing is sent anywhere."""
        return b""

    @property
    def size(self) -> int:
        """Upper bound of the tokens: a byte is at least one token of any vocabulary."""
        return self._bytes + FRAMING_BYTES * (self._messages + 1)

    @property
    def tokens(self) -> int:
        """What the provider counts."""
        return self._bytes // BYTES_PER_TOKEN + FRAMING_TOKENS * self._messages

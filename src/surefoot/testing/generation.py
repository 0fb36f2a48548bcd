"""What a model would have generated, and what it costs: one rule for the scripted model and the fake provider.

The counting rule: a token is four bytes of UTF-8, rounded up once for a prompt and once for a reply.

* Prompt: the text of all messages, the names and arguments of their tool calls, the tools as they came in JSON, and the
  schema of a structured answer, times `input_multiplier`; then 3 tokens for each message and 3 for the beginning of the
  reply. With a multiplier of 4 every byte is a token, which is the most that a byte-level tokenizer can make of it.
* Reply: thinking, text, and the names and arguments of the tool calls, plus the hidden reasoning tokens; at least 1.

`max_tokens` cuts a reply exactly there: in the middle of a word, or of a call's arguments.
"""

from __future__ import annotations

import math
import re
from typing import Final

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.models.base import FinishReason
from surefoot.testing.chance import draw
from surefoot.testing.script import Answer
from surefoot.types import Message, ToolCall, Usage

BYTES_PER_TOKEN: Final = 4
TOKENS_PER_MESSAGE: Final = 3
TOKENS_PER_REPLY: Final = 3

_PIECES = re.compile(r"\s*\S+|\s+")


class Generation(Struct, frozen=True):
    """A reply after ``max_tokens``.

    Attributes:
        thinking: Visible reasoning.
        text: What it says.
        calls: Tool calls, each with an id; the last one's arguments may be cut.
        finish_reason: Why it ended.
        billed: What the provider charges.
        reported: What the provider says that it charges, None for nothing.
    """

    thinking: str
    text: str
    calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    billed: Usage
    reported: Usage | None


class PromptCount(Struct, frozen=True, gc=False):
    """The size of a prompt.

    Attributes:
        size_bytes: Bytes that count as text.
        messages: Number of messages.
    """

    size_bytes: int
    messages: int

    def tokens(self, multiplier: float) -> int:
        """Tokens by the counting rule."""
        text_tokens = math.ceil(self.size_bytes * multiplier / BYTES_PER_TOKEN)
        return text_tokens + TOKENS_PER_MESSAGE * self.messages + TOKENS_PER_REPLY


def check_multiplier(multiplier: float) -> float:
    """``multiplier`` itself.

    Raises:
        ConfigError: Not from 0 to 4: a byte-level tokenizer never makes more than one token of a byte.
    """
    if not 0 <= multiplier <= BYTES_PER_TOKEN:
        raise ConfigError(f"input_multiplier={multiplier!r} is out of range: 0 to 4 (4 bills every byte as one token)")
    return multiplier


def count_bytes(text: str) -> int:
    """Bytes of ``text`` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def count_message(message: Message) -> int:
    """Bytes of one message that count as text."""
    total = 0
    for part in message.parts:
        total += count_bytes(part.text)
    for one in message.tool_calls:
        total += count_bytes(one.name) + count_bytes(one.arguments)
    return total


def split_pieces(text: str) -> list[str]:
    """``text`` in the pieces of a stream: words, each with the space before it."""
    return _PIECES.findall(text)


def generate(
    answer: Answer,
    prompt: PromptCount,
    max_tokens: int,
    *,
    multiplier: float,
    key: tuple[int | str, ...],
    call_id: str,
) -> Generation:
    """What becomes of ``answer`` under ``max_tokens``.

    Args:
        answer: The script.
        prompt: Size of the prompt.
        max_tokens: The caller's limit, at least 1.
        multiplier: Tokens of input are multiplied by this.
        key: Makes random usage repeatable.
        call_id: Beginning of the ids of tool calls that have none.
    """
    assert max_tokens > 0, "max_tokens must be checked before"
    room = _Room(answer, max_tokens)
    thinking = room.take(answer.thinking)
    text = room.take(answer.text)
    tool_calls = room.take_calls(answer.calls, call_id)
    computed = _count_usage(answer, room, prompt.tokens(multiplier), max_tokens)
    reported = _report_usage(answer, computed, prompt, max_tokens, key)
    finish: FinishReason = answer.finish_reason or ("tool_calls" if tool_calls else "stop")
    return Generation(
        thinking,
        text,
        tool_calls,
        "length" if room.cut else finish,
        computed if reported is None else reported,
        reported,
    )


class _Room:
    """The bytes that ``max_tokens`` leaves for a reply."""

    __slots__ = ("cut", "hidden_tokens", "left", "thinking_bytes", "used")

    def __init__(self, answer: Answer, max_tokens: int) -> None:
        self.hidden_tokens = answer.reasoning_tokens if answer.overlong else min(answer.reasoning_tokens, max_tokens)
        self.left = 1 << 62 if answer.overlong else BYTES_PER_TOKEN * (max_tokens - self.hidden_tokens)
        self.used = 0
        self.cut = self.hidden_tokens < answer.reasoning_tokens

    def take(self, text: str) -> str:
        """As much of ``text`` as there is room for."""
        size = count_bytes(text)
        if size > self.left:
            self.cut = True
            text = text.encode("utf-8", "surrogatepass")[: self.left].decode("utf-8", "ignore")
            size = count_bytes(text)
            self.left = size
        self.left -= size
        self.used += size
        return text

    def take_calls(self, calls: tuple[ToolCall, ...], call_id: str) -> tuple[ToolCall, ...]:
        """As many calls as there is room for; a call without room for its name is lost."""
        kept: list[ToolCall] = []
        for index, one in enumerate(calls):
            name = self.take(one.name)
            if name != one.name:
                break
            kept.append(ToolCall(one.id or f"{call_id}_{index}", name, self.take(one.arguments)))
            if self.cut:
                break
        return tuple(kept)


def _count_usage(answer: Answer, room: _Room, input_tokens: int, max_tokens: int) -> Usage:
    output_tokens = max(1, room.hidden_tokens + math.ceil(room.used / BYTES_PER_TOKEN))
    if answer.overlong:
        output_tokens = max(output_tokens, 2 * max_tokens)
    cache_read = min(answer.cache_read_tokens, input_tokens)
    reasoning = room.hidden_tokens + math.ceil(min(count_bytes(answer.thinking), room.used) / BYTES_PER_TOKEN)
    return Usage(
        input_tokens,
        output_tokens,
        cache_read,
        min(answer.cache_write_tokens, input_tokens - cache_read),
        min(reasoning, output_tokens),
    )


def _report_usage(
    answer: Answer, computed: Usage, prompt: PromptCount, max_tokens: int, key: tuple[int | str, ...]
) -> Usage | None:
    if answer.usage == "computed":
        return computed
    if answer.usage != "random":
        return answer.usage
    chance = draw("usage", *key)
    input_tokens = chance.randint(0, prompt.tokens(BYTES_PER_TOKEN))
    output_tokens = chance.randint(0, (2 if answer.overlong else 1) * max_tokens)
    cache_read = chance.randint(0, input_tokens)
    return Usage(
        input_tokens,
        output_tokens,
        cache_read,
        chance.randint(0, input_tokens - cache_read),
        chance.randint(0, output_tokens),
    )

"""The frozen values that every part of Surefoot exchanges."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from surefoot.errors import ConfigError

NANO_PER_USD: Final = 1_000_000_000
MAX_USD: Final = 9_000_000_000
"""More nano-dollars than these would not fit the 64 bits of a database column."""


class Unlimited(Enum):
    """The type of `UNLIMITED`: ``None`` never means "no limit"."""

    UNLIMITED = "unlimited"

    def __repr__(self) -> str:
        return "UNLIMITED"


UNLIMITED: Final = Unlimited.UNLIMITED


class Money(int):
    """An amount in whole nano-dollars (1e-9 USD), so that sums are exact."""

    __slots__ = ()

    @classmethod
    def usd(cls, amount: str | float | Decimal) -> Money:
        """``amount`` US dollars, rounded up to a nano-dollar.

        Raises:
            ConfigError: Not a finite number.
        """
        try:
            value = Decimal(str(amount))
        except InvalidOperation:
            value = Decimal("NaN")
        if not (value.is_finite() and -MAX_USD <= value <= MAX_USD):
            raise ConfigError(f"{amount!r} is not an amount of US dollars; write for example '0.05'")
        return cls((value * NANO_PER_USD).to_integral_value(ROUND_CEILING))

    def __str__(self) -> str:
        """Dollars with as many decimals as the amount needs to be seen: ``$12.34``, ``$0.0042``, ``$0.0000012``."""
        value = Decimal(int(self)) / NANO_PER_USD
        if not self or abs(value) >= 1:
            return f"${value:.2f}"
        digits = max(2, 1 - value.adjusted())
        return f"${value:.{digits}f}"

    def __repr__(self) -> str:
        return f"Money({int(self)})"


class Label(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who wrote a piece of text, and whether it may be believed.

    Attributes:
        author: The kind of author. ``tool`` is a system of record that the tool's author vouches for;
            ``third_party`` is anybody who can write into what a tool returns.
        trusted: Whether the text may decide anything. Instructions come from trusted text only.
        source: Name of the tool, server or file it came from.
        risk: What the detector says of it, 0 to 1; 0 where it found nothing worth a word.
    """

    author: Literal["system", "user", "assistant", "tool", "third_party"]
    trusted: bool = False
    source: str = ""
    risk: float = 0.0


SYSTEM_LABEL: Final = Label("system", trusted=True)
USER_LABEL: Final = Label("user", trusted=True)
ASSISTANT_LABEL: Final = Label("assistant")


class Part(Struct, frozen=True, gc=False, omit_defaults=True):
    """A piece of text with its label."""

    text: str
    label: Label


class ToolCall(Struct, frozen=True, gc=False):
    """What the model asks for; ``arguments`` is JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Struct, frozen=True, gc=False, omit_defaults=True):
    """One message of a conversation, in no provider's form.

    Attributes:
        role: ``tool`` messages answer the call ``tool_call_id`` of the assistant message before them.
        parts: The text, each piece with its label.
        tool_calls: Calls that an assistant message makes, in order.
        tool_call_id: The call that a tool message answers.
        is_error: Whether a tool message reports a failure.
        blocks: What the provider wants back unchanged (Anthropic thinking blocks): the text of its JSON array, or "".
    """

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False
    blocks: str = ""

    @property
    def text(self) -> str:
        """All parts joined."""
        parts = self.parts
        if not parts:
            return ""
        return parts[0].text if len(parts) == 1 else "".join([part.text for part in parts])

    @property
    def chars(self) -> int:
        """How long it is, with all that belongs to its calls."""
        chars = len(self.blocks)
        for part in self.parts:
            chars += len(part.text)
        for call in self.tool_calls:
            chars += len(call.id) + len(call.name) + len(call.arguments)
        return chars

    @classmethod
    def system(cls, text: str) -> Message:
        """A message by the agent's author or by Surefoot itself."""
        return cls("system", (Part(text, SYSTEM_LABEL),))

    @classmethod
    def user(cls, text: str, label: Label = USER_LABEL) -> Message:
        """A message by the user; pass ``SYSTEM_LABEL`` for a nudge that Surefoot sends in the user role."""
        return cls("user", (Part(text, label),))

    @classmethod
    def assistant(cls, text: str, tool_calls: tuple[ToolCall, ...] = (), blocks: str = "") -> Message:
        """A reply of the model."""
        return cls("assistant", (Part(text, ASSISTANT_LABEL),) if text else (), tool_calls, blocks=blocks)


class Usage(Struct, frozen=True, gc=False, omit_defaults=True):
    """Tokens of one or more calls, in the inclusive convention.

    Attributes:
        input_tokens: All tokens of the prompt, those read from or written to a cache included.
        output_tokens: All generated tokens, reasoning included.
        cache_read_tokens: Part of ``input_tokens`` that the provider had cached.
        cache_write_tokens: Part of ``input_tokens`` that the provider wrote to its cache.
        reasoning_tokens: Part of ``output_tokens`` that is hidden reasoning.
        cache_write_1h_tokens: Part of ``cache_write_tokens`` that was written for an hour.
        audio_input_tokens: Part of ``input_tokens`` that is sound.
        audio_output_tokens: Part of ``output_tokens`` that is sound.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_1h_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input plus output."""
        return self.input_tokens + self.output_tokens

    @property
    def cached_share(self) -> float:
        """Share of the prompts' tokens that the provider had cached, 0 to 1."""
        return self.cache_read_tokens / self.input_tokens if self.input_tokens else 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            self.audio_input_tokens + other.audio_input_tokens,
            self.audio_output_tokens + other.audio_output_tokens,
        )


StopReason = Literal["final", "budget", "cancelled", "error", "length", "content_filter", "refusal"]
"""Why a run ended.

``final`` the model answered; ``budget`` a limit ended it, with what was found so far; ``length`` the answer was cut at
the model's own maximum; ``content_filter`` and ``refusal`` come from the provider.
"""

JsonSchema = dict[str, Any]


class ToolSpec(Struct, frozen=True):
    """What the model is told of a tool.

    Attributes:
        name: Identifier, at most 64 of ``[a-zA-Z0-9_-]``.
        description: One or more sentences.
        parameters: JSON Schema of an object; ``$defs`` inside it are referred to as ``#/$defs/Name``.
    """

    name: str
    description: str
    parameters: JsonSchema


class Source(Protocol):
    """What tools come from and share, if that is a thing that somebody must close: a connection, a process."""

    def hold(self) -> None:
        """Somebody in the running event loop may call the tools from now on."""
        ...

    async def release(self) -> None:
        """He will not any more; the last one to say so closes it."""
        ...


class ToolResult(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a tool call gave.

    Attributes:
        content: Text for the model, capped in bytes.
        label: Who wrote the content.
        is_error: The call failed or was refused; ``content`` says why.
        cut_bytes: How many bytes the output cap removed.
        whole: The output from its beginning where it was cut, as much of it as may be kept; "" where it was not.
        all_bytes: Size of the output where it was cut, else 0.
    """

    content: str
    label: Label
    is_error: bool = False
    cut_bytes: int = 0
    whole: str = ""
    all_bytes: int = 0

"""The port between the loop and a model: a prompt that grows in the provider's wire form, a reply in ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

from msgspec import Struct

from surefoot.models.rate_hint import RateHint
from surefoot.types import JsonSchema, Message, ToolSpec, Usage

FinishReason = Literal["stop", "tool_calls", "length", "content_filter", "refusal"]


class ModelProfile(Struct, frozen=True):
    """What is known of a model before it is called.

    Attributes:
        id: The model string, ``provider:name``.
        provider: Name of the provider.
        name: Name on the wire.
        protocol: How it speaks ReAct best: ``native``, ``json`` or ``text``.
        max_output_tokens: Default of ``max_tokens`` for one reply.
        trusts_usage: The provider counts exactly and honestly, so that its count of the prompt so far bounds the
            part of the next prompt that repeats it. Otherwise prompts are bounded by their bytes or an exact tokenizer.
        service_tier: Service tier that requests ask for, "" for none.
        context_tokens: Tokens of its window, prompt and reply together; 0 if that has to be looked up by its name.
    """

    id: str
    provider: str
    name: str
    protocol: Literal["native", "json", "text"] = "native"
    max_output_tokens: int = 1024
    trusts_usage: bool = False
    service_tier: str = ""
    context_tokens: int = 0


class Reply(Struct, frozen=True, gc=False):
    """A whole reply.

    Attributes:
        message: Assistant message; a refusal's text counts as its text.
        usage: None when the provider sent none.
        finish_reason: Why the model stopped.
        response_id: The provider's id, "" if none.
        service_tier: Service tier at which the provider says that it served the call, "" if it says none.
        rate: What the provider says of its limits, None for nothing.
    """

    message: Message
    usage: Usage | None
    finish_reason: FinishReason
    response_id: str = ""
    service_tier: str = ""
    rate: RateHint | None = None


class Options(Struct, frozen=True, gc=False):
    """What may differ from call to call of one run, apart from the messages and ``max_tokens``.

    Attributes:
        allow_tools: False tells the provider to call none (``tool_choice: none``).
        response_schema: JSON Schema that the reply's text must match, or None.
    """

    allow_tools: bool = True
    response_schema: JsonSchema | None = None


class Prompt(Protocol):
    """One run's conversation in wire form: each message is encoded once and its bytes kept."""

    def append(self, message: Message) -> None:
        """Add the next message."""
        ...

    def body(self, max_tokens: int, options: Options, *, stream: bool) -> bytes:
        """The request body for one attempt."""
        ...

    @property
    def size(self) -> int:
        """Upper bound of the prompt's tokens from its bytes: messages, tool descriptions and framing. O(1)."""
        ...


class Model(Protocol):
    """A model behind some wire. Shared by all runs; holds no run's state."""

    profile: ModelProfile

    def open(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> Prompt:
        """An empty prompt; ``tools`` is empty when the protocol does not use native tool calls."""
        ...

    async def respond(self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float) -> Reply:
        """One wire attempt, whole reply.

        Raises:
            ModelError: Its ``sent`` tells whether the attempt may have been billed.
        """
        ...

    def stream(self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float) -> AsyncIterator[str | Reply]:
        """One wire attempt: pieces of text as they come, then the `Reply` as the last item.

        Raises:
            ModelError: As `respond`; a stream cut before its end is `ModelBroken`.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...

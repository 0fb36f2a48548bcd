"""The port between the loop and a way to speak ReAct. A protocol is immutable and shared by all runs of an agent."""

from __future__ import annotations

from typing import Protocol as Port

from msgspec import Struct

from surefoot.types import JsonSchema, Message, ToolCall, ToolSpec


class Turn(Struct, frozen=True, gc=False):
    """What a protocol read in one reply. Exactly one of ``calls``, ``answer`` and ``problem`` is given.

    Attributes:
        thought: The model's reasoning before it acts, "" if none.
        calls: Tool calls, in order.
        answer: The final answer: text, or JSON text when the agent has an output type.
        problem: What was wrong with the reply, in words that help the model to do better.
    """

    thought: str = ""
    calls: tuple[ToolCall, ...] = ()
    answer: str | None = None
    problem: str = ""


class Stage(Struct, frozen=True, gc=False):
    """Where the run stands when the model is asked.

    Attributes:
        step: Number of the step, from 1: makes call ids unique where the protocol invents them.
        final_only: The budget is at its end: only a final answer is of use now.
        has_results: At least one tool result is in the conversation.
        repeated: Tools whose last calls were the same as calls before: a small model goes round in circles.
    """

    step: int
    final_only: bool = False
    has_results: bool = False
    repeated: frozenset[str] = frozenset()


class Protocol(Port):
    """How a model speaks ReAct. Built from an agent's instructions, tools and output schema."""

    name: str
    native_tools: bool  # whether tool specs go to the provider's own `tools` field

    def system(self) -> str:
        """The system prompt: the agent's instructions and what the model must know of this protocol. "" for none."""
        ...

    def response_schema(self, stage: Stage) -> JsonSchema | None:
        """The schema that the provider is asked to hold the reply to, or None."""
        ...

    def render(self, message: Message) -> Message:
        """A canonical message as this protocol shows it to the model; native tool calls are shown as they are."""
        ...

    def parse(self, reply: Message, stage: Stage) -> Turn:
        """Read a reply. Total: whatever the text, a `Turn` comes back, never an exception."""
        ...

    def visible(self, text: str) -> str:
        """The part of a streamed, incomplete reply that belongs to the answer the user may see.

        What a longer ``text`` gives begins with what a shorter one gave.
        """
        ...


class ProtocolFactory(Port):
    """What builds a protocol for one agent."""

    def __call__(self, instructions: str, tools: tuple[ToolSpec, ...], output_schema: JsonSchema | None) -> Protocol:
        """The protocol; ``output_schema`` is None for a plain text answer."""
        ...

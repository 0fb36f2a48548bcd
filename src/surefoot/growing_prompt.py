"""What a run's model has been shown of the conversation, and how many tokens that can be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec.json import encode as encode_json

from surefoot.aside import aside
from surefoot.context import LIKELY_BYTES, least_output
from surefoot.models.base import Prompt
from surefoot.run import Run
from surefoot.types import JsonSchema, Message

SHOWN_AT_ONCE: Final = 500
"""Messages that are written at once: each takes some microseconds."""


class GrowingPrompt:
    """The prompt of one run: it grows with the conversation, and each message is written into it once.

    Attributes:
        wire: The prompt in the form of the model's provider.
        schema: The form that the next reply is asked for, None for any.
        crammed: Size of the prompt that is sent although its bound is above the window: nothing more can be left out.
    """

    __slots__ = (
        "_exact", "_measured", "_render", "_reported", "_run", "_sent_size", "_shown", "_trusts_usage", "crammed",
        "schema", "wire",
    )  # fmt: skip

    wire: Prompt

    def __init__(self, run: Run) -> None:
        self._run = run
        self._shown = 0  # messages of the state that are in the prompt
        self._exact: list[int] = []  # exact tokens of each message counted so far
        self._measured = 0, 0  # the provider's count of a prompt, and the size of that prompt
        self._reported = 0, 0  # the same of a provider that is not trusted with money, but with its own window
        self._sent_size = 0
        self.crammed = -1
        self.schema: JsonSchema | None = None

    async def begin(self) -> None:
        """Begin, with what there is of the conversation; a long one is written in a thread."""
        self.open()
        if len(self._run.state.messages) > SHOWN_AT_ONCE:
            await aside(self.show)

    def open(self) -> None:
        """Begin, or begin anew: what is shown of the conversation, or the model, has changed."""
        compiled = self._run.compiled
        model = compiled.model
        self.wire = model.open(compiled.native_specs, compiled.temperature)
        self._render, self._trusts_usage = compiled.protocol.render, model.profile.trusts_usage
        self._shown, self._exact, self.crammed = 0, [], -1
        self._measured = self._reported = 0, 0
        self.schema = None

    def show(self) -> None:
        """Write what has joined the conversation."""
        new = self._run.state.messages[self._shown :]
        for message in new:
            self.wire.append(self._render(message if message.role != "system" else tell(self._run, message)))
        self._shown += len(new)

    def grow(self) -> int:
        """`show`, and choose the form of the reply; the `bound` of the next request with both."""
        self.show()
        run = self._run
        compiled = run.compiled
        if compiled.protocol.native_tools:
            return self.bound()
        # a summary is plain text, whatever the protocol
        self.schema = schema = None if run.sums_up else compiled.protocol.response_schema(run.stage)
        if schema is None or self._trusts_usage:
            return self.bound()
        return self.bound() + len(encode_json(schema))  # some providers show the model the schema, and bill it

    def bound(self) -> int:
        """Upper bound of the prompt's tokens, the best that costs nothing to know.

        What was measured once (by an exact tokenizer, or by a provider that is trusted to count) stays measured: only
        what has joined since is bounded by its bytes.
        """
        tokens, measured_size = self._measured
        return tokens + self.wire.size - measured_size if tokens else self.wire.size

    def mark_sent(self) -> None:
        """It goes to the provider as it is now."""
        self._sent_size = self.wire.size

    def measure(self, tokens: int) -> None:
        """The provider has counted what was sent last."""
        self._reported = tokens, self._sent_size
        if self._trusts_usage:
            self._measured = tokens, self._sent_size

    def bound_in_window(self, bound: int) -> int:
        """The bound, or less by the provider's own count: with money not each is trusted, but with its own window."""
        tokens, size = self._reported
        if tokens:
            tokens += self.wire.size - size
            if tokens < bound:
                return tokens
        return bound

    def density(self) -> float:
        """Tokens of a byte of the prompt, by the provider's own count of it; 1, the most there can be, if not known."""
        tokens, size = self._reported
        return min(1.0, tokens / size) if tokens else 1.0

    async def count_exactly(self, bound: int) -> int:
        """The exact count where the model's tokenizer is known, else ``bound``."""
        compiled = self._run.compiled
        if compiled.counter is None:
            return bound
        messages = self._run.state.messages[len(self._exact) : self._shown]
        new = [compiled.protocol.render(tell(self._run, message)) for message in messages]
        self._run.write_behind()
        tools, counts = await asyncio.to_thread(compiled.counter.count, compiled.native_specs, new, self.schema)
        self._exact.extend(counts)
        exact = tools + sum(self._exact)
        self._measured = exact, self.wire.size
        return exact

    async def fit_window(self, bound: int, want: int) -> tuple[int, int]:
        """The bound, by an exact count if there is one, and the output tokens that the window leaves; 0 if too few."""
        run, window = self._run, self._run.compiled.window
        bound = await self.count_exactly(bound)
        tokens, least = self.bound_in_window(bound), least_output(want, window)
        if window - tokens >= least:
            return bound, min(want, window - tokens)
        if tokens >= self.wire.size:  # nothing but its bytes is known
            tokens //= LIKELY_BYTES
        if run.sums_up:  # a summary that is refused is done without
            return bound, want if window - tokens >= least else 0
        if self.crammed != self.wire.size:
            return bound, 0
        return bound, max(least, min(want, window - tokens))


def tell(run: Run, message: Message) -> Message:
    """A message as the model is told it: the agent's author says what stands in its instructions, canaries included.

    The journal keeps them without; everything else the model sees as the journal has it.
    """
    return run.compiled.system or message if message.role == "system" else message


def size_messages(run: Run, messages: Sequence[Message]) -> tuple[int, list[int]]:
    """Tokens at most of an empty prompt of the run, and of each of the messages in it."""
    compiled = run.compiled
    prompt = compiled.model.open(compiled.native_specs, compiled.temperature)
    before = fixed = prompt.size
    sizes: list[int] = []
    for message in messages:
        prompt.append(compiled.protocol.render(tell(run, message)))
        size = prompt.size
        sizes.append(size - before)
        before = size
    return fixed, sizes


async def size_messages_exactly(run: Run, messages: Sequence[Message]) -> tuple[int, list[int]]:
    """As `size_messages`, by the model's own tokenizer where it is known."""
    compiled = run.compiled
    if compiled.counter is None:
        return size_messages(run, messages)
    shown = [compiled.protocol.render(tell(run, message)) for message in messages]
    run.write_behind()
    return await asyncio.to_thread(compiled.counter.count, compiled.native_specs, shown, None)

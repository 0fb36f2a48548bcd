"""What a run has shown its model: a prompt that grows, and how many tokens it has at most."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from surefoot.models.base import Prompt
from surefoot.run import Run
from surefoot.types import JsonSchema, Message


class Shown:
    """The prompt of one run: each message of the conversation is encoded into it once.

    Attributes:
        prompt: It, in the provider's form.
        crammed: Size of the prompt that is sent although its bound is above the window: nothing more can be left out.
    """

    __slots__ = ("_asked", "_exact", "_measured", "_messages", "_reported", "_run", "crammed", "prompt")

    prompt: Prompt

    def __init__(self, run: Run) -> None:
        """Nothing is shown before `begin`."""
        self._run = run
        self._messages = 0  # of the state that are in the prompt
        self._exact: list[int] = []  # exact tokens of each message counted so far
        self._measured = 0, 0  # an exact count of a prompt, and the size of that prompt
        self._reported = 0, 0  # the provider's own count, whether it is trusted with money or not, and that size
        self._asked = 0
        self.crammed = -1

    def begin(self) -> None:
        """Begin the prompt, or begin it anew: what was shown of the conversation has changed."""
        compiled = self._run.compiled
        self.prompt = compiled.model.open(compiled.native_specs, compiled.temperature)
        self._messages, self._exact, self.crammed = 0, [], -1
        self._measured = self._reported = 0, 0

    def catch_up(self) -> None:
        """Show what has joined the conversation."""
        messages = self._run.state.messages
        if self._messages < len(messages):
            render, append = self._run.compiled.protocol.render, self.prompt.append
            for message in messages[self._messages :]:
                append(render(message))
            self._messages = len(messages)

    def note_size(self) -> None:
        """The prompt is sent as it is now."""
        self._asked = self.prompt.size

    def take_count(self, input_tokens: int) -> None:
        """The provider's count of the prompt that was sent last."""
        self._reported = input_tokens, self._asked
        if self._run.compiled.model.profile.trusts_usage:
            self._measured = input_tokens, self._asked

    def bound(self) -> int:
        """Upper bound of the prompt's tokens, the best that costs nothing to know.

        What was measured once (by an exact tokenizer, or by a provider that is trusted to count) stays measured: only
        what has joined since is bounded by its bytes.
        """
        size = self.prompt.size
        tokens, measured_size = self._measured
        return tokens + size - measured_size if tokens else size

    def bound_in_window(self, bound: int) -> int:
        """The bound, or less by the provider's own count: with money not each is trusted, but with its own window."""
        tokens, size = self._reported
        if tokens:
            tokens += self.prompt.size - size
            if tokens < bound:
                return tokens
        return bound

    def density(self) -> float:
        """Tokens of a byte of the prompt, by the provider's own count of it; 1, the most there can be, if not known."""
        tokens, size = self._reported
        return min(1.0, tokens / size) if tokens else 1.0

    async def count_exactly(self, bound: int, schema: JsonSchema | None) -> int:
        """The exact count where the model's tokenizer is known, else ``bound``."""
        compiled = self._run.compiled
        if compiled.counter is None:
            return bound
        messages = self._run.state.messages[len(self._exact) : self._messages]
        new = [compiled.protocol.render(message) for message in messages]
        self._run.write_behind()
        tools, counts = await asyncio.to_thread(compiled.counter.count, compiled.native_specs, new, schema)
        self._exact.extend(counts)
        exact = tools + sum(self._exact)
        self._measured = exact, self.prompt.size
        return exact


def measure(run: Run, messages: Sequence[Message]) -> tuple[int, list[int]]:
    """Tokens at most of an empty prompt of the run, and of each of the messages in it."""
    compiled = run.compiled
    prompt = compiled.model.open(compiled.native_specs, compiled.temperature)
    before = fixed = prompt.size
    sizes: list[int] = []
    for message in messages:
        prompt.append(compiled.protocol.render(message))
        size = prompt.size
        sizes.append(size - before)
        before = size
    return fixed, sizes


async def measure_exactly(run: Run, messages: Sequence[Message]) -> tuple[int, list[int]]:
    """As `measure`, by the model's own tokenizer where it is known."""
    compiled = run.compiled
    if compiled.counter is None:
        return measure(run, messages)
    shown = [compiled.protocol.render(message) for message in messages]
    run.write_behind()
    return await asyncio.to_thread(compiled.counter.count, compiled.native_specs, shown, None)

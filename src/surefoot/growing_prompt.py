"""What a run's model has been shown of the conversation, and how many tokens that can be."""

from __future__ import annotations

import asyncio

from surefoot.models.base import Prompt
from surefoot.run import Run
from surefoot.types import JsonSchema


class GrowingPrompt:
    """The prompt of one run: it grows with the conversation, and each message is written into it once.

    Attributes:
        wire: The prompt in the form of the model's provider.
    """

    __slots__ = ("_exact", "_measured", "_run", "_sent_size", "_shown", "wire")

    wire: Prompt

    def __init__(self, run: Run) -> None:
        self._run = run
        self._shown = 0  # messages of the state that are in the prompt
        self._exact: list[int] = []  # exact tokens of each message counted so far
        self._measured = 0, 0  # the provider's count of a prompt, and the size of that prompt
        self._sent_size = 0

    def open(self) -> None:
        """Begin, or begin anew: what is shown of the conversation, or the model, has changed."""
        compiled = self._run.compiled
        self.wire = compiled.model.open(compiled.native_specs, compiled.temperature)
        self._shown, self._exact, self._measured = 0, [], (0, 0)

    def show(self) -> None:
        """Write what has joined the conversation."""
        messages = self._run.state.messages
        if self._shown < len(messages):
            render = self._run.compiled.protocol.render
            for message in messages[self._shown :]:
                self.wire.append(render(message))
            self._shown = len(messages)

    def bound(self) -> int:
        """Upper bound of the prompt's tokens, the best that costs nothing to know.

        What was measured once (by an exact tokenizer, or by a provider that is trusted to count) stays measured: only
        what has joined since is bounded by its bytes.
        """
        size = self.wire.size
        tokens, measured_size = self._measured
        return tokens + size - measured_size if tokens else size

    def mark_sent(self) -> None:
        """It goes to the provider as it is now."""
        self._sent_size = self.wire.size

    def measure(self, tokens: int) -> None:
        """A provider that is trusted to count has counted what was sent last."""
        self._measured = tokens, self._sent_size

    async def count_exactly(self, bound: int, schema: JsonSchema | None) -> int:
        """The exact count where the model's tokenizer is known, else ``bound``."""
        compiled = self._run.compiled
        if compiled.counter is None:
            return bound
        messages = self._run.state.messages[len(self._exact) : self._shown]
        new = [compiled.protocol.render(message) for message in messages]
        self._run.write_behind()
        tools, counts = await asyncio.to_thread(compiled.counter.count, compiled.native_specs, new, schema)
        self._exact.extend(counts)
        exact = tools + sum(self._exact)
        self._measured = exact, self.wire.size
        return exact

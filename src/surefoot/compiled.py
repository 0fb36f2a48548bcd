"""An agent made ready to run: what `surefoot.compiler` makes, and all runs of the agent share."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw, Struct

from surefoot.answer import AnswerType
from surefoot.budget.rates import Rates
from surefoot.budget.tokens import TokenCounter
from surefoot.models.base import Model
from surefoot.models.router import Direct, Routes
from surefoot.protocol.base import Protocol
from surefoot.tools import Toolbox
from surefoot.types import Message, ToolSpec

_UNPRICED: Final = Raw(b"null")


class Compiled(Struct, frozen=True):
    """An agent made ready to run: shared by all its runs.

    Attributes:
        name: Name of the agent.
        routes: The ways to its model.
        protocol: How the model speaks ReAct.
        toolbox: Its tools.
        native_specs: Tools that go to the provider's own field.
        tools: All tools as JSON, for the journal.
        rates: Price of the model, None when unknown.
        counter: Exact tokenizer of the model, None when there is none.
        answer: Type of a structured answer, None for text.
        repairs: How often a structured answer may be mended.
        window: Tokens of the model's context window.
        keeps_rest: Outputs that are cut are kept, and the model may read on in them.
        max_tokens: Output tokens wished for in one reply.
        temperature: Sampling temperature or None.
        system: System message, None if there is nothing to say.
        instructions: What the agent was told, without what its protocol adds.
        fallbacks: The agent on its other models, in order.
    """

    name: str
    routes: Routes | Direct
    protocol: Protocol
    toolbox: Toolbox
    native_specs: tuple[ToolSpec, ...]
    tools: Raw
    rates: Rates | None
    counter: TokenCounter | None
    answer: AnswerType[Any] | None
    repairs: int
    window: int
    keeps_rest: bool
    max_tokens: int
    temperature: float | None
    system: Message | None
    instructions: str = ""
    fallbacks: tuple[Compiled, ...] = ()

    @property
    def model(self) -> Model:
        """Its model, for the profile and to open prompts; whom to ask is in the permit for a call."""
        return self.routes.model

    @property
    def price_source(self) -> str:
        """Where the price came from, "" when it is unknown."""
        return self.rates.source if self.rates else ""

    @property
    def price_snapshot(self) -> Raw:
        """The prices as JSON for the journal, encoded once; null when they are unknown."""
        return self.rates.snapshot if self.rates else _UNPRICED

"""An agent: an immutable description that any number of runs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, overload

from surefoot.agent_options import check_options, choose_models
from surefoot.answer import check_output
from surefoot.budget.limits import Limits
from surefoot.models.base import Model
from surefoot.tools import Tool, Toolbox

if TYPE_CHECKING:
    from surefoot.result import RunResult

OutputT = TypeVar("OutputT")


class Agent(Generic[OutputT]):
    """What an agent is: a model, instructions, tools and limits. It holds no state of any run.

    Attributes:
        model: Model string such as ``openai:gpt-4.1``, or a `Model`; the first of ``models``.
        models: The models in the order in which they are asked: if one fails, the run goes on with the next.
        instructions: What the agent is told before the question.
        toolbox: Its tools.
        limits: Hard limits of each run; None takes those of the settings.
        output: Type of the answer, None for text.
        protocol: ``native``, ``json``, ``text``, or ``auto`` for what suits the model.
        name: Name in the journal.
        temperature: Sampling temperature, None for the provider's default.
        max_tokens: Output tokens wished for in one reply, None for the model's default.
        repairs: How often a structured answer that does not match may be mended by the model.
    """

    __slots__ = (
        "__weakref__", "instructions", "limits", "max_tokens", "model", "models", "name", "output", "protocol",
        "repairs", "temperature", "toolbox",
    )  # fmt: skip

    model: str | Model
    models: tuple[str | Model, ...]
    instructions: str
    toolbox: Toolbox
    limits: Limits | None
    output: Any
    protocol: str
    name: str
    temperature: float | None
    max_tokens: int | None
    repairs: int

    @overload
    def __init__(
        self: Agent[str],
        model: str | Model | None = None,
        *,
        models: Sequence[str | Model] = (),
        instructions: str = "",
        tools: Sequence[Tool[..., Any] | Callable[..., Any]] = (),
        limits: Limits | None = None,
        output: None = None,
        protocol: Literal["auto", "native", "json", "text"] = "auto",
        name: str = "agent",
        temperature: float | None = None,
        max_tokens: int | None = None,
        repairs: int = 2,
    ) -> None: ...

    @overload
    def __init__(
        self,
        model: str | Model | None = None,
        *,
        models: Sequence[str | Model] = (),
        instructions: str = "",
        tools: Sequence[Tool[..., Any] | Callable[..., Any]] = (),
        limits: Limits | None = None,
        output: type[OutputT],
        protocol: Literal["auto", "native", "json", "text"] = "auto",
        name: str = "agent",
        temperature: float | None = None,
        max_tokens: int | None = None,
        repairs: int = 2,
    ) -> None: ...

    def __init__(
        self,
        model: str | Model | None = None,
        *,
        models: Sequence[str | Model] = (),
        instructions: str = "",
        tools: Sequence[Tool[..., Any] | Callable[..., Any]] = (),
        limits: Limits | None = None,
        output: Any = None,
        protocol: str = "auto",
        name: str = "agent",
        temperature: float | None = None,
        max_tokens: int | None = None,
        repairs: int = 2,
    ) -> None:
        """Describe an agent; see the class for the arguments.

        Raises:
            ConfigError: A tool, the output type or one of the values is wrong.
        """
        check_options(protocol=protocol, limits=limits, temperature=temperature, max_tokens=max_tokens, repairs=repairs)
        chosen = choose_models(model, models)
        values = {
            "model": chosen[0],
            "models": chosen,
            "instructions": instructions,
            "toolbox": Toolbox(tools),
            "limits": limits,
            "output": check_output(output),
            "protocol": protocol,
            "name": name,
            "temperature": temperature,
            "max_tokens": max_tokens,
            "repairs": repairs,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Agent is immutable: make a new one to change {name!r}")

    def __repr__(self) -> str:
        model = self.model if isinstance(self.model, str) else self.model.profile.id
        return f"Agent({model!r}, name={self.name!r}, tools={[spec.name for spec in self.toolbox.specs]})"

    def replace(self, *, model: str | Model, protocol: str) -> Agent[OutputT]:
        """The same agent on another model, and on that one alone."""
        values: dict[str, Any] = {field: getattr(self, field) for field in self.__slots__ if field[0] != "_"}
        del values["models"]
        values["tools"] = [self.toolbox.find(spec.name) for spec in values.pop("toolbox").specs]
        values |= {"model": model, "protocol": protocol}
        return cast("Agent[OutputT]", Agent(**values))

    def run_sync(self, question: str, *, user: str = "", session: str = "", deps: object = None) -> RunResult[OutputT]:
        """Run once and wait, for a script or a notebook; see `surefoot.Runtime.run`."""
        from surefoot.once import run_sync  # a front door on the description, so the import is late

        return run_sync(self, question, user=user, session=session, deps=deps)

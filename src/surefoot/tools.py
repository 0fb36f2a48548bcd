"""Tools: Python functions that a model may call, and the one door through which it does.

A call goes through `Toolbox.prepare` (find the tool, validate the arguments) and `Toolbox.run`. Whatever the model
wrote and whatever the tool does, a `ToolResult` comes back that says what happened; only cancellation passes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from functools import partial
from typing import Any, Generic, Literal, ParamSpec, TypeVar, Unpack, cast, overload

from msgspec import Struct, structs

from surefoot.arguments.size import DEFAULT_LIMITS, ArgumentLimits
from surefoot.deadline import TimedOut, is_cancelled, resume, within
from surefoot.errors import ConfigError, ToolError
from surefoot.observation import LEAST_OUTPUT_BYTES, refuse, refuse_unknown, report, report_failure
from surefoot.policy.declared import PolicyOptions, ToolPolicy, read_fields, read_policy
from surefoot.run_context import RunContext
from surefoot.settling import call_settled, settle_and_call
from surefoot.signature import Decode, Settle, read_signature
from surefoot.threads import ToolThreads
from surefoot.types import Label, Source, ToolCall, ToolResult, ToolSpec

P = ParamSpec("P")
R = TypeVar("R")

Effect = Literal["read", "write"]
"""``read`` changes nothing that anybody could notice; everything else is ``write``."""


class Tool(Struct, Generic[P, R], frozen=True, eq=False):
    """A function that a model may call; made by `tool`. Calling it calls the function.

    Attributes:
        function: The function.
        spec: What the model is told.
        decode: JSON text of a call's arguments to keyword arguments; raises `ToolError`.
        effect: ``read`` or ``write``.
        idempotent: Running the same call again does no harm.
        timeout_s: Longest run time of one call, seconds.
        max_output_bytes: Size of a result at most, bytes of UTF-8, the note about what was cut included.
        takes_context: The function's first parameter is a `RunContext`.
        is_async: The function gives a coroutine; otherwise it blocks and runs in a thread.
        settle: What the types of its arguments ask of the world before a call; None if they ask nothing.
        label: Who wrote what the tool returns; not to be trusted where anybody can write into it.
        policy: What decides whether a call may run.
        records: Paths of the fields of its results that its own system writes, where others can write the rest.
        checked: Not every call of it may run, whatever the application has settled: the policy has to decide.
        source: What it shares with other tools and a runtime must close; None for nothing.
    """

    function: Callable[P, R]
    spec: ToolSpec
    decode: Decode
    effect: Effect
    idempotent: bool
    timeout_s: float
    max_output_bytes: int
    takes_context: bool
    is_async: bool
    label: Label
    settle: Settle | None
    policy: ToolPolicy
    records: tuple[str, ...]
    checked: bool
    source: Source | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function itself gives: no validation, no timeout, no cap."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.spec.name!r}, effect={self.effect!r})"


@overload
def tool(
    function: Callable[P, R],
    /,
    *,
    effect: Effect = "write",
    idempotent: bool = False,
    timeout_s: float = 30.0,
    max_output_bytes: int = 16_384,
    name: str | None = None,
    description: str | None = None,
    argument_limits: ArgumentLimits = DEFAULT_LIMITS,
    **policy: Unpack[PolicyOptions],
) -> Tool[P, R]: ...


@overload
def tool(
    *,
    effect: Effect = "write",
    idempotent: bool = False,
    timeout_s: float = 30.0,
    max_output_bytes: int = 16_384,
    name: str | None = None,
    description: str | None = None,
    argument_limits: ArgumentLimits = DEFAULT_LIMITS,
    **policy: Unpack[PolicyOptions],
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    effect: Effect = "write",
    idempotent: bool = False,
    timeout_s: float = 30.0,
    max_output_bytes: int = 16_384,
    name: str | None = None,
    description: str | None = None,
    argument_limits: ArgumentLimits = DEFAULT_LIMITS,
    **policy: Unpack[PolicyOptions],
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a tool of an async or blocking function; with or without arguments, as a decorator or as a call.

    The model is told the docstring, and a JSON Schema made of the type hints and of what the docstring says of each
    parameter. What the function returns is shown to the model: a ``str`` as it is, None as "", anything else as JSON.

    A blocking function runs in a thread. Python cannot stop a thread: after a timeout the model is told so, and the
    thread stays taken until the function returns.

    Args:
        function: An async or blocking function, bound method, ``functools.partial`` or callable object.
        effect: ``read`` if it changes nothing.
        idempotent: Running the same call again does no harm: after a crash it may be.
        timeout_s: Longest run time of one call, seconds.
        max_output_bytes: Size of a result at most, bytes of UTF-8; the rest is cut, and the result says so.
        name: Name for the model instead of the function's.
        description: Text for the model instead of the docstring's.
        argument_limits: Size of a call's arguments, at most.
        **policy: What the arguments decide, and who can write the result: see `PolicyOptions`.

    Raises:
        ConfigError: The function cannot be a tool, or an option is wrong.
    """

    def make(function: Callable[P, R]) -> Tool[P, R]:
        if isinstance(function, Tool):
            raise ConfigError(f"{function!r} is a tool already: give its function to tool()")
        signature = read_signature(function, RunContext, name=name, description=description, limits=argument_limits)
        _check_options(signature.name, effect, timeout_s, max_output_bytes, idempotent=idempotent)
        declared = read_policy(
            signature.name, signature.hints, signature.parameters, effect, policy, idempotent=idempotent
        )
        records = read_fields(signature.plain, signature.name, policy.get("output", "untrusted"))
        trusted = records == ("",)
        return Tool(
            function=function,
            spec=ToolSpec(signature.name, signature.description, signature.parameters),
            decode=signature.decode,
            effect=effect,
            idempotent=idempotent,
            timeout_s=float(timeout_s),
            max_output_bytes=max_output_bytes,
            takes_context=signature.takes_context,
            is_async=signature.is_async,
            settle=signature.settle,
            label=Label("tool" if trusted else "third_party", trusted=trusted, source=signature.name),
            policy=declared,
            records=() if trusted else records,
            checked=not declared.is_free,
        )

    return make if function is None else make(function)


def _check_options(name: str, effect: Any, timeout_s: Any, max_output_bytes: Any, *, idempotent: Any) -> None:
    where = f"tool {name!r}"
    if effect not in {"read", "write"}:
        raise ConfigError(f"{where}: effect={effect!r} must be 'read' or 'write'")
    if not isinstance(idempotent, bool):
        raise ConfigError(f"{where}: idempotent={idempotent!r} must be True or False")
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not 0 < timeout_s < 1e9:
        raise ConfigError(f"{where}: timeout_s={timeout_s!r} must be a positive number of seconds, below 1e9")
    if type(max_output_bytes) is not int or max_output_bytes < LEAST_OUTPUT_BYTES:
        raise ConfigError(
            f"{where}: max_output_bytes={max_output_bytes!r} must be an int, {LEAST_OUTPUT_BYTES} or more"
        )


class Prepared(Struct, frozen=True, gc=False):
    """A call that has been validated; `Toolbox.prepare` makes it.

    Attributes:
        call: The call as the model wrote it.
        tool: The tool it names.
        arguments: Keyword arguments for the tool, decoded.
    """

    call: ToolCall
    tool: Tool[..., Any]
    arguments: dict[str, Any]


class Toolbox:
    """The tools of an agent, by name: the one door between a model and functions. Immutable.

    Attributes:
        specs: What the model is told, in the order given.
    """

    __slots__ = ("_tools", "specs")

    specs: tuple[ToolSpec, ...]

    def __init__(self, tools: Iterable[Tool[..., Any] | Callable[..., Any]] = ()) -> None:
        """Plain functions become tools that write.

        Raises:
            ConfigError: A function cannot be a tool, or two tools have the same name.
        """
        self._tools: dict[str, Tool[..., Any]] = {}
        for made in [cast("Tool[..., Any]", item) if isinstance(item, Tool) else tool(item) for item in tools]:
            if made.spec.name in self._tools:
                advice = "with tool(name=...), or one of an MCP server by its prefix"
                raise ConfigError(f"two tools are called {made.spec.name!r}: rename one {advice}")
            self._tools[made.spec.name] = made
        self.specs = tuple([made.spec for made in self._tools.values()])

    def __iter__(self) -> Iterator[Tool[..., Any]]:
        """The tools, in the order given."""
        return iter(self._tools.values())

    def find(self, name: str) -> Tool[..., Any] | None:
        """The tool of that name."""
        return self._tools.get(name)

    def prepare(self, call: ToolCall) -> Prepared | ToolResult:
        """Find the tool and validate the arguments. Whatever the model wrote, it never raises.

        Returns:
            The validated call, or a result that tells the model what was wrong, where, and what is allowed.
        """
        found = self._tools.get(call.name)
        if found is None:
            return refuse_unknown(call.name, list(self._tools))
        try:
            return Prepared(call, found, found.decode(call.arguments))
        except ToolError as error:
            return refuse(f"{found.spec.name} was not called. {error}")

    async def run(
        self, prepared: Prepared, context: RunContext, threads: ToolThreads, on_wait: Callable[[], None]
    ) -> ToolResult:
        """Run a validated call until it is done, its tool's timeout is over, or ``context.deadline`` has come.

        An exception of the tool is a result: ``name failed: ValueError: ...``, or just the message of a `ToolError`.
        Its cancellation by somebody else passes through as ``asyncio.CancelledError``.

        Args:
            prepared: The call.
            context: Of this call.
            threads: Where blocking functions run.
            on_wait: Called before a call that is not done at once is waited for.
        """
        tool = prepared.tool
        now = context.clock.monotonic()
        until = now + tool.timeout_s
        if until > context.deadline:  # noqa: PLR1730 - min() takes 1,300 instructions
            until = context.deadline
        if until <= now:
            return refuse(f"{tool.spec.name} was not called: the time of this run is over.")
        args = (structs.replace(context, deadline=until),) if tool.takes_context else ()
        try:
            if not tool.is_async:
                on_wait()
                work = partial(tool.function, *args, **prepared.arguments)
                if tool.settle is not None:
                    work = partial(settle_and_call, tool.settle, partial(tool.function, *args), prepared.arguments)
                return await _run_blocking(tool, work, now, until, threads)
            if tool.settle is None:
                made: Any = tool.function(*args, **prepared.arguments)
            else:
                made = call_settled(tool.settle, partial(tool.function, *args), prepared.arguments, threads)
            coroutine: Coroutine[Any, Any, Any] = made
            try:
                pending = coroutine.send(None)
            except StopIteration as stop:  # a quick tool ends here and needs no timer, the dearest part of a call
                value = stop.value
            else:
                on_wait()
                value = await within(until, resume(coroutine, pending))
        except TimedOut:
            return refuse(_explain_timeout(tool, until - now, at_end=until == context.deadline))
        except (asyncio.CancelledError, Exception, SystemExit) as error:  # whatever a tool raises, the model reads
            if is_cancelled():
                raise
            return _report_failure(tool, error)
        return report(value, tool.label, tool.max_output_bytes)


def _report_failure(tool: Tool[..., Any], error: BaseException) -> ToolResult:
    """Whatever the tool returns, what it raises may quote anybody."""
    return report_failure(error, Label("third_party", source=tool.spec.name), tool.max_output_bytes)


async def _run_blocking(
    tool: Tool[..., Any], work: Callable[[], Any], now: float, until: float, threads: ToolThreads
) -> ToolResult:
    name = tool.spec.name
    job = threads.submit(work)
    if job is None:
        return refuse(f"{name} was not called: {threads.max_waiting} calls wait for a thread already. Try again later.")
    try:
        value, error = await within(until, job.outcome)
        if isinstance(value, Awaitable):  # of a plain function around an async one
            value = await within(until, cast("Any", value))
    except TimedOut:
        if job.began:
            raise
        return refuse(f"{name} was not called: all {threads.size} tool threads were busy for {until - now:.3g} s.")
    if error is not None:
        return _report_failure(tool, error)
    return report(value, tool.label, tool.max_output_bytes)


def _explain_timeout(tool: Tool[..., Any], seconds: float, *, at_end: bool) -> str:
    limit = ", the end of this run" if at_end else ""
    state = "" if tool.is_async else " and goes on in the background"
    advice = "" if tool.effect == "read" else " It may have had its effect: check before you call it again."
    return f"{tool.spec.name} timed out after {seconds:.3g} s{limit}{state}.{advice}"

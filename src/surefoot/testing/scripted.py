"""A model in process that says what a script tells it to."""

from __future__ import annotations

import asyncio
import inspect
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from surefoot.errors import ModelBroken, ModelError, ModelRefused
from surefoot.models.base import ModelProfile, Options, Prompt, Reply
from surefoot.models.status import Peer, build_status_error
from surefoot.testing.bill import Bill, Price
from surefoot.testing.brain import Brain, is_question
from surefoot.testing.choice import Choice, Mix, resolve_choice
from surefoot.testing.generation import (
    Generation,
    PromptCount,
    check_multiplier,
    count_bytes,
    count_message,
    generate,
    split_pieces,
)
from surefoot.testing.openai_wire import OpenAiWire
from surefoot.testing.recent import Recent
from surefoot.testing.script import Answer, Failure, Fault, is_billed
from surefoot.types import Message, ToolSpec, Usage

ScriptedHandler = Callable[[list[Message], int], Choice | Awaitable[Choice]]
"""Told the prompt's messages and the number of the call (from 1); async where it has to wait for the test."""

T = TypeVar("T")

_FRAMING_TOKENS: Final = 8  # for each message and for the reply: above the 3 of the counting rule
_encode = msgspec.json.encode


class ScriptedPrompt:
    """The conversation of one run with a `ScriptedModel`, and how far its script has come."""

    def __init__(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> None:
        self.tools = tools
        self.temperature = temperature
        self.messages: list[Message] = []
        self.digest = 0
        self.step = 0
        self._live = False
        self._size_bytes = len(_encode(tools)) if tools else 0
        self._id_bytes = 0

    def append(self, message: Message) -> None:
        """Add the next message."""
        self.messages.append(message)
        self._size_bytes += count_message(message)
        self._id_bytes += count_bytes(message.tool_call_id)
        for one in message.tool_calls:
            self._id_bytes += count_bytes(one.id)
        self.digest = zlib.crc32(message.text.encode("utf-8", "surrogatepass"), self.digest)
        if is_question(message):
            self.step = 0
            self._live = False
        elif message.role == "assistant" and not self._live:
            self.step += 1  # a reply from before a crash: the script goes on after it

    def begin_step(self) -> int:
        """The number of the call that begins now."""
        self._live = True
        self.step += 1
        return self.step

    def body(self, max_tokens: int, options: Options, *, stream: bool) -> bytes:
        """What would be sent, as JSON."""
        request = {"messages": self.messages, "tools": self.tools, "max_tokens": max_tokens, "stream": stream}
        return _encode(request | {"allow_tools": options.allow_tools, "response_schema": options.response_schema})

    @property
    def size(self) -> int:
        """Upper bound of the tokens: every byte a token, and framing."""
        return self._size_bytes + self._id_bytes + _FRAMING_TOKENS * (len(self.messages) + 1)

    @property
    def count(self) -> PromptCount:
        """The size by the counting rule."""
        return PromptCount(self._size_bytes, len(self.messages))


class ScriptedRequest(Struct, frozen=True):
    """One call of a `ScriptedModel`.

    Attributes:
        step: Number of the call in its run, from 1; a retry is a call of its own.
        messages: The prompt.
        tools: What the model was told of its tools.
        max_tokens: Limit of the reply.
        options: The other options.
        stream: Whether the reply was streamed.
        temperature: As the run was opened with.
        timeout_s: Seconds that the caller would wait.
    """

    step: int
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    max_tokens: int
    options: Options
    stream: bool
    temperature: float | None
    timeout_s: float


class ScriptedModel:
    """A `Model` without a wire.

    A script is a list of replies that every run goes through from its beginning, in order, one for each call (a retry
    takes the next one); a `Brain` or a `Mix`; or a function ``(messages, step) -> reply``, which may be async. Where a
    run stands is kept in its prompt, so one model serves any number of runs at once. A run that is resumed goes on
    after the replies that it has had since the user's last message.

    Args:
        script: What it says; a text stands for `say`.
        name: The model string is ``scripted:name``.
        protocol: How it speaks ReAct.
        trusts_usage: Whether its count of a prompt may be relied on; do not combine it with made-up usage.
        max_output_tokens: Default limit of a reply.
        context_tokens: Its window.
        prices: Prices for `bill`.
        input_multiplier: See `surefoot.testing.generation`.
        seed: For random usage and mixes.
        record: At most this many requests are remembered, and 64 MiB.

    Attributes:
        profile: What the loop knows of the model.
        requests: The newest calls, for assertions.
        bill: What a provider would have charged, seen or not: see `Bill`.

    Raises:
        ConfigError: ``input_multiplier`` out of range, or a price that is none.
    """

    def __init__(
        self,
        script: Sequence[Choice] | ScriptedHandler | Brain | Mix,
        *,
        name: str = "model",
        protocol: Literal["native", "json", "text"] = "native",
        trusts_usage: bool = False,
        max_output_tokens: int = 1024,
        context_tokens: int = 1 << 20,
        prices: Price | Mapping[str, Price] | None = None,
        input_multiplier: float = 1.0,
        seed: int = 0,
        record: int = 10_000,
    ) -> None:
        self.profile = ModelProfile(
            f"scripted:{name}",
            "scripted",
            name,
            protocol,
            max_output_tokens=max_output_tokens,
            trusts_usage=trusts_usage,
            context_tokens=context_tokens,
        )
        self.requests: Recent[ScriptedRequest] = Recent(record, 64 << 20)
        self.bill = Bill(prices)
        self._choose = _build_chooser(script, self.profile.id)
        self._multiplier = check_multiplier(input_multiplier)
        self._seed = seed

    def open(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> ScriptedPrompt:
        """An empty prompt at the beginning of the script."""
        return ScriptedPrompt(tools, temperature)

    async def respond(self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float) -> Reply:
        """The next reply of the script.

        Raises:
            ModelRefused: The script has no more replies.
            ModelError: The script says so, or the reply does not come within ``timeout_s``.
        """
        begin = self._begin(prompt, max_tokens, options, timeout_s, stream=False)
        answer, generation, number = await _wait(begin, timeout_s)
        if answer.cut_after is not None:
            raise ModelBroken("the scripted reply was cut before its end")
        return _finish(generation, number)

    async def stream(
        self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float
    ) -> AsyncIterator[str | Reply]:
        """The next reply of the script in pieces, a word each, and then whole.

        Raises:
            ModelRefused: The script has no more replies.
            ModelError: The script says so, or the reply does not come within ``timeout_s``.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + timeout_s
        begin = self._begin(prompt, max_tokens, options, timeout_s, stream=True)
        answer, generation, number = await _wait(begin, timeout_s)
        pieces = split_pieces(generation.text)
        for index, piece in enumerate(pieces[: answer.cut_after]):
            if index and answer.pace_s:
                await _wait(asyncio.sleep(answer.pace_s), end - clock())
            yield piece
        if answer.cut_after is not None:
            raise ModelBroken(f"the scripted stream was cut after {answer.cut_after} pieces")
        yield _finish(generation, number)

    async def close(self) -> None:
        """There is nothing to release."""

    async def _begin(
        self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float, *, stream: bool
    ) -> tuple[Answer, Generation, int]:
        """Take the next step of the script and wait as long as it says; returns only if a reply follows."""
        assert isinstance(prompt, ScriptedPrompt), "a prompt serves the model that opened it"
        step = prompt.begin_step()
        request = ScriptedRequest(
            step, tuple(prompt.messages), prompt.tools, max_tokens, options, stream, prompt.temperature, timeout_s
        )
        self.requests.append(request, prompt.size)
        number = self.requests.total
        key = (self._seed, prompt.digest, step)
        tools = prompt.tools if options.allow_tools else ()
        worst = Usage(prompt.count.tokens(self._multiplier), max_tokens)
        try:
            choice = self._choose(request)
            if inspect.isawaitable(choice):
                choice = await choice
        except asyncio.CancelledError:
            self.bill.charge(number, self.profile.name, worst, "cancelled")
            raise
        chosen = resolve_choice(
            choice, key, lambda brain: brain.think(request.messages, tools, options.response_schema)
        )
        if not isinstance(chosen, Answer):
            await self._fail(chosen, number, worst)
        generation = generate(
            chosen,
            prompt.count,
            max_tokens,
            multiplier=self._multiplier,
            key=key,
            call_id=f"call_{len(request.messages)}",
        )
        self.bill.charge(number, self.profile.name, generation.billed, "reply")
        await asyncio.sleep(chosen.delay_s)
        return chosen, generation, number

    async def _fail(self, step: Fault | Failure, number: int, worst: Usage) -> NoReturn:
        if is_billed(step):
            self.bill.charge(number, self.profile.name, worst, "error" if isinstance(step, Failure) else step.kind)
        if isinstance(step, Failure):
            await asyncio.sleep(0)
            raise step.error.with_traceback(None)
        await asyncio.sleep(step.delay_s)
        if step.kind == "hang":
            await asyncio.get_running_loop().create_future()
        raise _make_error(step, self.profile.id)


def _build_chooser(
    script: Sequence[Choice] | ScriptedHandler | Brain | Mix, model: str
) -> Callable[[ScriptedRequest], Choice | Awaitable[Choice]]:
    """The script as a function of the call."""
    if isinstance(script, Brain | Mix):
        return lambda _: script
    if callable(script):
        return lambda request: script(list(request.messages), request.step)
    replies = list(script)

    def choose(request: ScriptedRequest) -> Choice:
        if request.step > len(replies):
            raise ModelRefused(
                f"the script of {model} is exhausted: it has {len(replies)} replies and this is call {request.step} of "
                "the run; add replies, or pass a function or a Brain"
            )
        return replies[request.step - 1]

    return choose


async def _wait(work: Awaitable[T], timeout_s: float) -> T:
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise ModelBroken(f"the scripted model gave no reply within {timeout_s:g} s") from None


def _make_error(fault: Fault, model: str) -> ModelError:
    """What a real model raises for a fault that it meets on the wire."""
    if fault.kind != "status":
        return ModelBroken(f"{model}: the reply was lost: {fault.kind.replace('_', ' ')}")
    headers = {name.lower(): value for name, value in fault.headers}
    if fault.retry_after_s is not None:
        headers["retry-after"] = str(fault.retry_after_s)
    peer = Peer(model, "scripted", "the script")
    return build_status_error(fault.status, headers.get, OpenAiWire().write_error(fault), peer)


def _finish(generation: Generation, number: int) -> Reply:
    blocks = _encode([{"type": "thinking", "thinking": generation.thinking}]).decode() if generation.thinking else ""
    message = Message.assistant(generation.text, generation.calls, blocks)
    return Reply(message, generation.reported, generation.finish_reason, f"scripted-{number}")

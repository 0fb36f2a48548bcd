"""The fake provider in a process of its own, so that what it computes is not measured."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from msgspec import Struct

from surefoot.errors import ConfigError

START_S: Final = 30.0
STOP_S: Final = 5.0
_WORD: Final = "word "  # about one token and a quarter by the provider's counting rule: four bytes are one


class Fake(Struct, frozen=True, kw_only=True):
    """How the fake provider behaves.

    Attributes:
        latency_s: Seconds before each reply; the median if they spread.
        latency_sigma: They are log-normal with this sigma; 0 for always the same.
        tool_calls: Tool calls before the answer.
        reply_tokens: Tokens of the answer.
        fault_rate: Share of requests that go wrong.
        rpm: Requests a minute, None for no limit.
        tpm: Tokens a minute, None for no limit.
        seed: For latencies and faults.
    """

    latency_s: float = 0.5
    latency_sigma: float = 0.0
    tool_calls: int = 2
    reply_tokens: int = 50
    fault_rate: float = 0.0
    rpm: int | None = None
    tpm: int | None = None
    seed: int = 0

    def options(self) -> list[str]:
        """As `surefoot.testing.provider` is told."""
        answer = (_WORD * (self.reply_tokens * 4 // len(_WORD) + 1))[: self.reply_tokens * 4].strip() or "ok"
        options = ["--api-key", "", "--answer", answer, "--calls", str(self.tool_calls), "--seed", str(self.seed)]
        options += ["--latency-s", str(self.latency_s), "--latency-sigma", str(self.latency_sigma)]
        options += ["--fault-rate", str(self.fault_rate)]
        for name, rate in (("--rpm", self.rpm), ("--tpm", self.tpm)):
            options += [] if rate is None else [name, str(rate)]
        return options


@asynccontextmanager
async def run_fake(fake: Fake) -> AsyncGenerator[str, None]:
    """The origin of a fake provider that runs inside the block; it ends with this process, whatever kills it.

    Raises:
        ConfigError: It did not start.
    """
    command = [sys.executable, "-m", "surefoot.testing.provider", "--until-stdin-ends", *fake.options()]
    # A session of its own: Ctrl-C is for this process, which has requests to end before the provider may go.
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
    assert process.stdin is not None, "asked for"
    assert process.stdout is not None, "asked for"
    try:
        try:
            async with asyncio.timeout(START_S):
                ready = msgspec.json.decode(await process.stdout.readline())
        except (TimeoutError, msgspec.DecodeError):
            raise ConfigError("the fake provider did not start; what it said is above") from None
        yield ready["base_url"].removesuffix("/v1")
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

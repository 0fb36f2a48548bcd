"""The fake provider in a process of its own: ``python -m surefoot.testing.provider --port 0``.

It prints one line of JSON when it is ready (``base_url``, ``api_key``, ``report_url``, ``pid``), serves until it gets
SIGTERM or SIGINT, and shows its bill and statistics as JSON under ``report_url``. It outlives a client that is killed,
which is what it is for.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import sys
from collections.abc import Sequence

import msgspec

from surefoot.errors import SurefootError
from surefoot.event_loop import run_in_loop
from surefoot.testing.bill import Price
from surefoot.testing.brain import Brain
from surefoot.testing.choice import Choice, Mix
from surefoot.testing.script import garbage, reset, say, status
from surefoot.testing.server import REPORT_PATH, FakeProvider
from surefoot.testing.teller import Latency
from surefoot.types import UNLIMITED

__all__ = ["FakeProvider", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; the exit code is 0, or that of the error, which is one line on stderr."""
    options = _build_parser().parse_args(arguments)
    try:
        provider = _build_provider(options)
        run_in_loop(lambda: _serve(provider, until_stdin_ends=options.until_stdin_ends))
    except SurefootError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


async def _serve(provider: FakeProvider, *, until_stdin_ends: bool = False) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    if until_stdin_ends:
        loop.add_reader(sys.stdin, done.set)
    async with provider:
        origin = provider.base_url.removesuffix("/v1")
        ready = {"base_url": provider.base_url, "api_key": provider.api_key, "report_url": origin + REPORT_PATH}
        sys.stdout.write(msgspec.json.encode(ready | {"pid": os.getpid()}).decode() + "\n")
        sys.stdout.flush()
        await done.wait()


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m surefoot.testing.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1, 0 for any free one")
    parser.add_argument("--api-key", default="sk-fake", help="the key that it accepts")
    parser.add_argument("--calls", type=int, default=1, help="tool calls before the answer")
    parser.add_argument("--answer", default="Done.", help="the answer")
    parser.add_argument("--echo", action="store_true", help="repeat every canary-... that is in the prompt")
    parser.add_argument("--latency-s", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--latency-sigma", type=float, default=0.0, help="draw them log-normal around that")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end with the process that holds stdin open")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of requests that go wrong, 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="which requests go wrong, and how")
    parser.add_argument("--rpm", type=int, help="requests a minute")
    parser.add_argument("--tpm", type=int, help="tokens a minute")
    parser.add_argument("--input-usd", default="0", help="price of a million tokens of input")
    parser.add_argument("--output-usd", default="0", help="price of a million tokens of output")
    return parser


def _build_provider(options: argparse.Namespace) -> FakeProvider:
    brain = Brain(calls=options.calls, answer=options.answer, echo=options.echo)
    return FakeProvider(
        mix_faults(brain, options.fault_rate, options.seed) if options.fault_rate > 0 else brain,
        api_key=options.api_key,
        prices=Price(options.input_usd, options.output_usd),
        latency_s=spread_latency(options.latency_s, options.latency_sigma),
        rpm=UNLIMITED if options.rpm is None else options.rpm,
        tpm=UNLIMITED if options.tpm is None else options.tpm,
        seed=options.seed,
        port=options.port,
    )


def spread_latency(latency_s: float, sigma: float) -> Latency:
    """Log-normal latencies around the median ``latency_s``; always the same without ``sigma``."""
    if sigma <= 0 or latency_s <= 0:
        return latency_s
    return lambda chance: chance.lognormvariate(math.log(latency_s), sigma)


def mix_faults(brain: Choice, rate: float, seed: int) -> Mix:
    """``brain``, with a share of ``rate`` of everyday faults: rate limits, server errors, lost and cut replies.

    Raises:
        ConfigError: ``rate`` is not between 0 and 1.
    """
    faults: list[Choice] = [
        status(429, retry_after_s=0.1),
        status(500),
        status(503),
        reset(),
        garbage(),
        say("This reply is cut off in the middle.", cut_after=3),
    ]
    return Mix([(1 - rate, brain), *[(rate / len(faults), fault) for fault in faults]], seed)


if __name__ == "__main__":
    sys.exit(main())

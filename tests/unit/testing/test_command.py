import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.unit.testing.wire_client import TOOL, Got, ask, connect, post

from surefoot.errors import ConfigError
from surefoot.testing import Brain, Fault, say
from surefoot.testing.choice import resolve_choice
from surefoot.testing.provider import FakeProvider, main, mix_faults

COMMAND = [sys.executable, "-W", "error", "-m", "surefoot.testing.provider"]


@contextmanager
def start(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    child = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line, child.communicate()[1]
            yield child, json.loads(line)
        finally:
            child.kill()


def seen_from_outside(ready: dict[str, str]) -> FakeProvider:
    """Something to aim the wire client at."""
    provider = FakeProvider([], api_key=ready["api_key"])
    provider.base_url = ready["base_url"]
    return provider


async def read_report(provider: FakeProvider) -> dict[str, dict[str, int]]:
    async with connect(provider) as socket:
        await socket.send(b"GET /fake HTTP/1.1\r\n\r\n")
        return (await socket.receive()).json


def test_a_provider_in_a_process_of_its_own():
    arguments = ("--port", "0", "--api-key", "sk-own", "--answer", "At your service.", "--input-usd", "1")
    with start(*arguments) as (child, ready):
        provider = seen_from_outside(ready)
        assert ready["pid"] == child.pid
        assert ready["report_url"] == ready["base_url"].replace("/v1", "/fake")

        async def use() -> tuple[Got, Got, dict[str, dict[str, int]]]:
            first = await post(provider, ask("12345678", tools=[TOOL]))
            return first, await post(provider, ask("12345678")), await read_report(provider)

        first, second, report = asyncio.run(use())
        child.send_signal(signal.SIGTERM)
        output, errors = child.communicate(timeout=20)
    assert first.json["choices"][0]["finish_reason"] == "tool_calls"
    assert second.json["choices"][0]["message"]["content"] == "At your service."
    assert report["stats"]["requests"] == 2
    assert report["bill"]["charges"] == 2
    assert report["bill"]["nano"] == sum(got.json["usage"]["prompt_tokens"] for got in (first, second)) * 1_000
    assert (child.returncode, output, errors) == (0, "", "")


def test_rates_of_the_command():
    arguments = ("--rpm", "1", "--tpm", "100000", "--latency-s", "0.001", "--calls", "0", "--echo")
    with start(*arguments) as (child, ready):
        provider = seen_from_outside(ready)

        async def use() -> list[Got]:
            return [await post(provider, ask("canary-1")) for _ in range(2)]

        first, second = asyncio.run(use())
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)
    assert first.json["choices"][0]["message"]["content"] == "Done. canary-1"
    assert first.headers["x-ratelimit-limit-tokens"] == "100000"
    assert second.status == 429
    assert child.returncode == 0


@pytest.mark.parametrize("arguments", [["--rpm", "0"], ["--fault-rate", "2"], ["--input-usd", "free"]])
def test_a_wrong_value_is_one_line_and_an_exit_code(arguments, capsys):
    assert main(arguments) == ConfigError.exit_code
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1


def test_a_share_of_requests_goes_wrong_in_many_ways():
    mix = mix_faults(say("fine"), 0.5, seed=1)
    steps = [resolve_choice(mix, (number,), Brain.think) for number in range(600)]
    kinds = Counter((step.kind, step.status) if isinstance(step, Fault) else step.text for step in steps)
    assert 240 < kinds["fine"] < 360
    assert {"This reply is cut off in the middle.", ("status", 429), ("status", 500), ("reset", 200)} < set(kinds)
    assert len(kinds) == 7

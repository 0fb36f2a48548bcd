"""The world of a simulation: who asks how much, how models and tools behave, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.faults import name_fault, read_toml

MAX_REQUESTS: Final = 1_000_000
MAX_USERS: Final = 1_000_000
MAX_HOURS: Final = 24.0 * 31


class Arrivals(Struct, frozen=True, forbid_unknown_fields=True):
    """``[arrivals]``: when people ask.

    Attributes:
        pattern: ``daily`` rises and falls over the day, ``poisson`` is even, ``burst`` is all within ``burst_s``.
        peak_hour: Hour of the day (UTC) at which most ask; for ``daily``.
        peak_factor: How many times as many ask then as twelve hours later; for ``daily``.
        burst_s: Seconds; for ``burst``.
        turns: Questions in one conversation, on average.
        think_s: Seconds from one question of a conversation to the next, on average.
        sessions: Share of the conversations that are sessions; the others are single questions without one.
        skew: 0 when all users ask alike; 1 is Zipf's law: the first asks twice as much as the second. Tenants, too.
        flood_requests: Questions that one more user asks all at once, after a tenth of the time. What of them is not
            answered when the time is over is given up.
    """

    pattern: Literal["daily", "poisson", "burst"] = "daily"
    peak_hour: float = 15.0
    peak_factor: float = 4.0
    burst_s: float = 10.0
    turns: float = 3.0
    think_s: float = 40.0
    sessions: float = 0.8
    skew: float = 0.7
    flood_requests: int = 0


class Clients(Struct, frozen=True, forbid_unknown_fields=True):
    """``[clients]``: what the users' programs do.

    Attributes:
        retries: How often one comes back after a refusal or a lost connection.
        obedient: Share of those who wait as long as ``Retry-After`` says; the others come back after a second.
        hasty: Share of the questions that do not wait for the answer to the last one of their session.
        cancel: Share of the requests that are cancelled before their end.
        stream: Share of the requests that are streamed.
        reject: Share of the messages that want no turn in a session that is busy.
        interrupt: Share of the messages that end what is under way in their session.
        roam: Share of the requests that come to another process than their user's other ones.
    """

    retries: int = 3
    obedient: float = 0.9
    hasty: float = 0.02
    cancel: float = 0.0
    stream: float = 0.3
    reject: float = 0.0
    interrupt: float = 0.0
    roam: float = 0.0


class SimulatedModel(Struct, frozen=True, forbid_unknown_fields=True):
    """``[model]``: the model and its provider.

    Attributes:
        id: Model string: its provider's settings apply, and its price is looked up as ever unless it is given here.
        input_usd: US dollars for a million tokens of prompt; below 0, the price is looked up.
        output_usd: US dollars for a million tokens of reply; below 0, the price is looked up.
        latency_s: Seconds of a reply, median.
        spread: Standard deviation of the logarithm of latencies and sizes: 0 for none.
        instructions_tokens: Tokens of the agent's instructions.
        question_tokens: Tokens of a question, median.
        reply_tokens: Tokens of a reply, median.
        max_tokens: Limit of a reply that the agent asks for.
        tool_steps: Tool calls before the answer, on average.
        parallel: Share of the replies that call two tools at once.
        endless: Share of the runs whose model never answers and calls tools for ever.
        circles: Share of the runs whose model goes round: the same call, two calls in turn, a tool that is not there,
            a call that always fails.
        window: Tokens of its window, prompt and reply together; 0 takes what is known of it.
        fallback: Model string of the model that is asked when this one fails, "" for none. It has a provider of its
            own.
        summariser: Model string of the model that sums up what no longer fits, "" for none.
        rpm: Requests a minute that the provider takes; 0 for no limit.
        tpm: Tokens a minute that the provider takes; 0 for no limit.
        concurrency: Requests at once that the provider takes; 0 for no limit.
        headers: Whether it tells its limits in its headers.
    """

    id: str = "openai:gpt-4.1"
    input_usd: float = -1.0
    output_usd: float = -1.0
    latency_s: float = 1.8
    spread: float = 0.5
    instructions_tokens: int = 300
    question_tokens: int = 40
    reply_tokens: int = 120
    max_tokens: int = 1024
    tool_steps: float = 1.2
    parallel: float = 0.0
    endless: float = 0.0
    circles: float = 0.0
    window: int = 0
    fallback: str = ""
    summariser: str = ""
    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0
    headers: bool = True


class SimulatedTool(Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool]``: the tools: one looks something up, one notes something down, one asks another agent.

    Attributes:
        latency_s: Seconds of a call, median.
        result_tokens: Tokens of a result, median.
        errors: Share of the calls that fail.
        hangs: Share of the calls that never end by themselves.
        timeout_s: Longest time of a call.
        children: Share of the calls that ask another agent, on the budget of the run that calls.
        writes: Share of the calls that change something.
    """

    latency_s: float = 0.3
    result_tokens: int = 150
    errors: float = 0.0
    hangs: float = 0.0
    timeout_s: float = 30.0
    children: float = 0.0
    writes: float = 0.0


class Faults(Struct, frozen=True, forbid_unknown_fields=True):
    """``[faults]``: what goes wrong. Counts are for the whole time, shares of the calls of the model.

    Attributes:
        storms: Times in which the provider turns most requests away with 429.
        outages: Times in which the provider cannot be reached, never answers, or fails.
        dead: Times, three times as long, in which the provider refuses every connection.
        slow: Times in which the provider takes ``slow_factor`` times as long.
        slow_factor: See ``slow``.
        length_s: How long one such time lasts, on average.
        crashes: How often the process is killed, at any instant, and starts again after ``restart_s``.
        restart_s: See ``crashes``.
        stalls: How often the disk of a process stands still, so that its leases run out if that takes long enough.
        errors: Share of the calls that end with HTTP 500.
        cut: Share of the replies that break off.
        no_usage: Share of the replies without a usage.
        overlong: Share of the replies that are longer than was allowed.
        lies: Share of the answers whose headers say something wrong of the provider's limits.
    """

    storms: int = 0
    outages: int = 0
    dead: int = 0
    slow: int = 0
    slow_factor: float = 5.0
    length_s: float = 60.0
    crashes: int = 0
    restart_s: float = 5.0
    stalls: int = 0
    errors: float = 0.0
    cut: float = 0.0
    no_usage: float = 0.0
    overlong: float = 0.0
    lies: float = 0.0


class Targets(Struct, frozen=True, forbid_unknown_fields=True):
    """``[targets]``: what must hold for a load to be carried; see ``surefoot sim --sweep``.

    Attributes:
        refused: Share of the requests that may find no answer.
        wait_p95_s: Seconds that 95 of 100 requests wait at most before their first call of the model.
        latency_p95_s: Seconds that 95 of 100 requests take at most.
    """

    refused: float = 0.01
    wait_p95_s: float = 2.0
    latency_p95_s: float = 30.0


class World(Struct, frozen=True, forbid_unknown_fields=True):
    """A world; the same seed makes the same of it.

    Attributes:
        seed: Of all chance.
        users: People who may ask.
        tenants: Customers that they belong to; 0 for none.
        requests: Questions in all.
        hours: Within how many hours they are asked, from midnight UTC.
        processes: Processes that share the database; a user always comes to the same one.
        arrivals: When people ask.
        clients: What their programs do.
        model: The model and its provider.
        tool: The tool.
        faults: What goes wrong.
        targets: What must hold for a load to be carried.
    """

    seed: int = 1
    users: int = 10_000
    tenants: int = 20
    requests: int = 10_000
    hours: float = 24.0
    processes: int = 1
    arrivals: Arrivals = Arrivals()
    clients: Clients = Clients()
    model: SimulatedModel = SimulatedModel()
    tool: SimulatedTool = SimulatedTool()
    faults: Faults = Faults()
    targets: Targets = Targets()

    def __post_init__(self) -> None:
        """Check the figures.

        Raises:
            ConfigError: One is out of range; says which and what it must be.
        """
        for name, value in _figures(self):
            low, high = _RANGES.get(name.rpartition(".")[2], _ANY) if name not in _RANGES else _RANGES[name]
            if not low <= value <= high:
                raise ConfigError(f"{name} = {_say(value)}: must be between {_say(low)} and {_say(high)}")


_SAID_IN_FULL: Final = 1e20
_SHARE: Final = 0.0, 1.0
_COUNT: Final = 0.0, 1_000.0
_SECONDS: Final = 0.0, 86_400.0
_TOKENS: Final = 1.0, 100_000.0
_ANY: Final = -1.0, 1e9
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "seed": (0, 2**63),
    "users": (1, MAX_USERS),
    "tenants": (0, 10_000),
    "requests": (1, MAX_REQUESTS),
    "hours": (0.0001, MAX_HOURS),
    "processes": (1, 16),
    "peak_hour": (0, 24),
    "peak_factor": (1, 1_000),
    "turns": (1, 100),
    "skew": (0, 3),
    "spread": (0, 3),
    "retries": (0, 100),
    "flood_requests": (0, MAX_REQUESTS),
    "tool_steps": (0, 50),
    "slow_factor": (1, 1_000),
    "timeout_s": (0.001, 86_400),
    "clients.cancel": _SHARE,
    **dict.fromkeys(("sessions", "obedient", "hasty", "stream", "reject", "interrupt", "roam"), _SHARE),
    **dict.fromkeys(("endless", "circles", "parallel", "hangs", "children", "writes"), _SHARE),
    **dict.fromkeys(("cut", "no_usage", "overlong", "lies"), _SHARE),
    **dict.fromkeys(("errors", "refused"), _SHARE),
    **dict.fromkeys(("storms", "outages", "dead", "slow", "crashes", "stalls"), _COUNT),
    **dict.fromkeys(("instructions_tokens", "question_tokens", "reply_tokens", "max_tokens", "result_tokens"), _TOKENS),
    **dict.fromkeys(("burst_s", "think_s", "latency_s", "length_s", "restart_s", "wait_p95_s"), _SECONDS),
    "latency_p95_s": _SECONDS,
    "window": (0, 1e9),
    "rpm": (0, 1e9),
    "tpm": (0, 1e12),
    "concurrency": (0, 1e6),
}


def _say(value: float) -> str:
    """Whole numbers as people write them, not as 1e+06."""
    return f"{int(value):,}" if value == value // 1 and abs(value) < _SAID_IN_FULL else f"{value:g}"


def _figures(part: Struct, prefix: str = "") -> Iterator[tuple[str, float]]:
    for field in part.__struct_fields__:
        value = getattr(part, field)
        if isinstance(value, Struct):
            yield from _figures(value, f"{prefix}{field}.")
        elif isinstance(value, int | float):
            yield prefix + field, value


def read_world(path: Path) -> tuple[World, dict[str, Any]]:
    """A world of a TOML file, and its ``[settings]``: what goes before the settings of ``surefoot.toml``.

    Raises:
        ConfigError: It cannot be read, or holds an unknown key or a wrong value; says which and where.
    """
    table, _ = read_toml(path)
    settings = table.pop("settings", {})
    try:
        return msgspec.convert(table, World), settings
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {name_fault(table, World, error)}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None

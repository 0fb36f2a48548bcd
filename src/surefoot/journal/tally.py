"""What a run used, by model and by tool: kept in its row, so that reports need not read its journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from surefoot.errors import StoreError
from surefoot.types import Usage


class ModelTally(Struct, gc=False, omit_defaults=True):
    """What was used of one model.

    Attributes:
        calls: Wire attempts that were settled.
        failed: Attempts among them that gave no reply.
        tokens: Tokens charged; more than those of ``usage`` where an outcome is unknown.
        nano: Nano-dollars charged.
        latency_ms: Waiting time of all attempts together, milliseconds.
        usage: Tokens by kind, of the calls whose usage is known.
    """

    calls: int = 0
    failed: int = 0
    tokens: int = 0
    nano: int = 0
    latency_ms: float = 0.0
    usage: Usage = Usage()


class ToolTally(Struct, gc=False, omit_defaults=True):
    """What was used of one tool.

    Attributes:
        calls: Calls, those that were refused included.
        errors: Calls among them that failed or were refused.
        latency_ms: Run time of all calls together, milliseconds.
    """

    calls: int = 0
    errors: int = 0
    latency_ms: float = 0.0


class Tally(Struct, frozen=True, omit_defaults=True):
    """What a run used: of each model by its model string, of each tool by its name, and at which prices.

    Attributes:
        models: By model string.
        tools: By name.
        prices: Digest of the prices, "" when they were unknown.
    """

    models: dict[str, ModelTally] = {}
    tools: dict[str, ToolTally] = {}
    prices: str = ""


Charged = tuple[str, bool, int, int, float, "Usage | None"]
"""One settled attempt: model string, whether it failed, tokens, nano-dollars, milliseconds, usage if known."""
Called = tuple[str, bool, float]
"""One tool call: name of the tool, whether it failed, milliseconds."""
RowT = TypeVar("RowT", Charged, Called)


def sum_usage(usages: Sequence[Usage]) -> Usage:
    """Tokens by kind of all calls together."""
    if len(usages) == 1:
        return usages[0]
    into = out = read = written = reasoning = written_1h = heard = spoken = 0
    for usage in usages:  # spelled out: with zip(), map() and sum() it takes twice the instructions
        into += usage.input_tokens
        out += usage.output_tokens
        read += usage.cache_read_tokens
        written += usage.cache_write_tokens
        reasoning += usage.reasoning_tokens
        written_1h += usage.cache_write_1h_tokens
        heard += usage.audio_input_tokens
        spoken += usage.audio_output_tokens
    return Usage(into, out, read, written, reasoning, written_1h, heard, spoken)


def tally_models(charges: Iterable[Charged]) -> dict[str, ModelTally]:
    """What was used of each model."""
    return {model: _tally_model(rows) for model, rows in _group(list(charges)).items()}


def _tally_model(rows: list[Charged]) -> ModelTally:
    _, failures, tokens, nano, latencies_ms, usages = zip(
        *rows, strict=True
    )  # sums of columns, for a loop over rows is dear
    known = [usage for usage in usages if usage is not None]
    return ModelTally(len(rows), sum(failures), sum(tokens), sum(nano), sum(latencies_ms), sum_usage(known))


def tally_tools(called: Iterable[Called]) -> dict[str, ToolTally]:
    """What was used of each tool."""
    sums: dict[str, ToolTally] = {}
    for name, rows in _group(list(called)).items():
        _, failures, latencies_ms = zip(*rows, strict=True)
        sums[name] = ToolTally(len(rows), sum(failures), sum(latencies_ms))
    return sums


def _group(rows: list[RowT]) -> dict[str, list[RowT]]:
    """The rows by the name that each begins with."""
    if len(names := {row[0] for row in rows}) == 1:  # nearly always
        return {names.pop(): rows}
    groups: dict[str, list[RowT]] = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row)
    return groups


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Tally)


def encode_tally(tally: Tally) -> str:
    """As it stands in a run's row."""
    return _encoder.encode(tally).decode()


def decode_tally(text: str) -> Tally:
    """From a run's row; an empty one for a run that has not ended, or was written before there were tallies.

    Raises:
        StoreError: Not written by this or an earlier version.
    """
    try:
        return _decoder.decode(text) if text else Tally()
    except msgspec.DecodeError as error:
        raise StoreError(f"a run's row holds a tally that this version cannot read: {error}") from None

"""What a run used, by model and by tool: kept in its row, so that reports need not read its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from surefoot.errors import StoreError
from surefoot.journal.events import ModelFailed, ModelReplied
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

    def add(self, event: ModelReplied | ModelFailed) -> None:
        """Count one attempt."""
        self.calls += 1
        self.tokens += event.tokens
        self.nano += event.nano
        self.latency_ms += event.latency_ms
        if isinstance(event, ModelFailed):
            self.failed += 1
        elif event.usage is not None:
            self.usage += event.usage


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


def sum_usage(models: Mapping[str, ModelTally]) -> Usage:
    """Tokens by kind of all models together."""
    tallies = list(models.values())
    return tallies[0].usage if len(tallies) == 1 else sum([tally.usage for tally in tallies], Usage())


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

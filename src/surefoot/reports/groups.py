"""What runs used, summed by tenant, user, session, model, tool or day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct

from surefoot.journal.tally import ModelTally, ToolTally, decode_tally
from surefoot.store.base import RunRow
from surefoot.types import Usage

Grouping = Literal["tenant", "user", "session", "model", "tool", "day"]
GROUPINGS: Final[tuple[Grouping, ...]] = get_args(Grouping)
KEYS: Final[dict[Grouping, tuple[str, ...]]] = {
    "tenant": ("tenant",),
    "user": ("tenant", "user"),
    "session": ("tenant", "user", "session"),
    "model": ("model",),
    "tool": ("tool",),
    "day": ("day",),
}
"""What a group's key is made of: users belong to a tenant, sessions to a user."""
MAX_GROUPS: Final = 100_000
"""Groups in memory, about 60 MB; what comes after is summed in one of its own, see `FURTHER`."""
FURTHER: Final = "(further)"
FAILED_STOPS: Final = frozenset({"error", "length", "content_filter", "refusal"})
"""Ends of a run that are failures: Surefoot or the provider gave up. A limit or a person that ended it is none."""

Key = tuple[str, ...]


class Sums(Struct):
    """What a group used.

    Attributes:
        runs: Runs, those that a tool of another run began included.
        children: Runs among them that a tool of another run began.
        failures: Runs among them that failed or were lost, see `FAILED_STOPS`.
        unended: Runs among them without an end: what they used is not known yet.
        steps: Steps.
        calls: Model calls; by tool its calls.
        errors: Calls among them that failed.
        latency_ms: Of all these calls together, milliseconds.
        tokens: Tokens charged; more than those of ``usage`` where an outcome is unknown.
        nano: Nano-dollars charged.
        usage: Tokens by kind, as far as they are known.
    """

    runs: int = 0
    children: int = 0
    failures: int = 0
    unended: int = 0
    steps: int = 0
    calls: int = 0
    errors: int = 0
    latency_ms: float = 0.0
    tokens: int = 0
    nano: int = 0
    usage: Usage = Usage()

    def add_run(self, row: RunRow) -> None:
        """Count the run itself, and nothing of what its calls used."""
        self.runs += 1
        self.children += row.parent != ""
        self.failures += row.status == "lost" or row.stop_reason in FAILED_STOPS
        self.unended += row.status != "finished"
        self.steps += row.steps

    def add_calls(self, tally: ModelTally | ToolTally) -> None:
        """Count the calls of a model or of a tool."""
        self.calls += tally.calls
        self.latency_ms += tally.latency_ms
        if isinstance(tally, ToolTally):
            self.errors += tally.errors
            return
        self.errors += tally.failed
        self.tokens += tally.tokens
        self.nano += tally.nano
        self.usage += tally.usage

    def add(self, other: Sums) -> None:
        """Count another group."""
        for name in Sums.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Group(Struct, frozen=True):
    """One line of a report.

    Attributes:
        key: By the names in `KEYS`; ("(further)",) for what had no room in memory.
        sums: What it used.
        share: Of the report's whole, 0 to 1; all shares together are 1.
        others: How many groups this line stands for, 0 if it is one.
    """

    key: Key
    sums: Sums
    share: float
    others: int = 0


class Report:
    """Sums of runs by group; feed it every run.

    Attributes:
        by: What it groups by.
        total: All runs; by tool with the calls of tools instead of those of models. The groups' calls, tokens and costs
            add up to it. Runs do not by model and by tool, where a run counts in each group that it used.
    """

    def __init__(self, by: Grouping, zone: ZoneInfo, *, max_groups: int = MAX_GROUPS) -> None:
        """``zone`` is where days begin; beyond ``max_groups`` groups the rest is summed in one."""
        self.by: Grouping = by
        self.total = Sums()
        self._zone = zone
        self._max_groups = max_groups
        self._groups: dict[Key, Sums] = {}

    def add(self, row: RunRow) -> None:
        """Take one run in.

        Raises:
            StoreError: Its tally cannot be read.
        """
        touched = {id(self.total): self.total}  # Sums are mutable, so that they have no hash
        for key, tally in self._split(row):
            sums = self._find(key)
            touched[id(sums)] = sums
            sums.add_calls(tally)
            self.total.add_calls(tally)
        for sums in touched.values():
            sums.add_run(row)

    def measure(self) -> str:
        """What shares are of: ``nano``, or ``tokens`` or ``runs`` where all of that is zero; by tool ``calls``."""
        if self.by == "tool":
            return "calls"
        return "nano" if self.total.nano else "tokens" if self.total.tokens else "runs"

    def groups(self, top: int | None = None) -> list[Group]:
        """The groups, the dearest first, days in their order; what is not among the first ``top`` is one line more.

        Of days, the last ``top`` are kept.
        """
        measure = self.measure()
        if self.by == "day":
            keys = self._days()
            start = 0 if top is None else max(0, len(keys) - top)
            kept, rest = keys[start:], keys[:start]
        else:
            keys = sorted(self._groups, key=lambda key: (*self._rank(key, measure), key))
            kept, rest = keys[:top], keys[len(keys) if top is None else top :]
        whole = sum(getattr(sums, measure) for sums in self._groups.values())
        lines = [self._line(key, measure, whole) for key in kept]
        if rest:
            others = Sums()
            for key in rest:
                others.add(self._groups.get(key) or Sums())
            share = getattr(others, measure) / whole if whole else 0.0
            line = Group((), others, share, len(rest))
            lines.insert(0 if self.by == "day" else len(lines), line)
        return lines

    def _rank(self, key: Key, measure: str) -> tuple[int, ...]:
        sums = self._groups[key]
        return -getattr(sums, measure), -sums.tokens, -sums.runs

    def _line(self, key: Key, measure: str, whole: int) -> Group:
        sums = self._groups.get(key) or Sums()
        return Group(key, sums, getattr(sums, measure) / whole if whole else 0.0)

    def _find(self, key: Key) -> Sums:
        sums = self._groups.get(key)
        if sums is None:
            if len(self._groups) >= self._max_groups:
                key = (FURTHER,)
            sums = self._groups.setdefault(key, Sums())
        return sums

    def _split(self, row: RunRow) -> list[tuple[Key, ModelTally | ToolTally]]:
        """What a run used, and in which group it counts."""
        tally = decode_tally(row.usage)
        if self.by == "tool":
            return [((name,), tool) for name, tool in tally.tools.items()]
        models = _complete(row, tally.models)
        if self.by == "model":
            return [((name,), model) for name, model in models.items()]
        if self.by == "day":
            key: Key = (datetime.fromtimestamp(row.started_at, self._zone).date().isoformat(),)
        else:
            key = tuple([getattr(row, name) for name in KEYS[self.by]])
        return [(key, model) for model in models.values()]

    def _days(self) -> Sequence[Key]:
        """All days from the first to the last, those without a run included."""
        days = sorted(key for key in self._groups if key != (FURTHER,))
        if not days:
            return []
        first, last = date.fromisoformat(days[0][0]), date.fromisoformat(days[-1][0])
        filled = [((first + timedelta(days=number)).isoformat(),) for number in range((last - first).days + 1)]
        return [*filled, *([(FURTHER,)] if (FURTHER,) in self._groups else [])]


def _complete(row: RunRow, models: dict[str, ModelTally]) -> dict[str, ModelTally]:
    """The tallies, and what was charged without one, so that they add up to the row: a row of an early version."""
    tokens = row.tokens - sum(tally.tokens for tally in models.values())
    nano = row.nano - sum(tally.nano for tally in models.values())
    if (tokens or nano) or not models:
        rest = ModelTally(calls=0 if models else row.model_calls, tokens=tokens, nano=nano)
        if row.model in models:
            rest = _merge(rest, models[row.model])
        return {**models, row.model: rest}
    return models


def _merge(one: ModelTally, other: ModelTally) -> ModelTally:
    fields: Iterable[str] = ModelTally.__struct_fields__
    return ModelTally(*[getattr(one, name) + getattr(other, name) for name in fields])

"""Runs that belong together: those that a run's tools began, the one that it was begun by, and those before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console, Group
from rich.text import Text

from surefoot.commands.options import pick_run
from surefoot.journal.events import JournalEvent, ToolFinished, ToolIntended
from surefoot.journal.policy_events import CallJudged
from surefoot.narrator import Line, duration, plain
from surefoot.policy.matching import normalise_value
from surefoot.policy.source import EARLIER, find_source, name_earlier, name_source
from surefoot.policy.source import Text as Foreign
from surefoot.runtime import Runtime
from surefoot.store.base import RunRow
from surefoot.terminal import step_table

MOST_BEFORE: Final = 200
"""Runs of a conversation in which it is looked for where a value came from, the newest."""


class Recorded(Struct, frozen=True):
    """A run and its journal."""

    row: RunRow
    events: list[JournalEvent]


async def read_family(runtime: Runtime, run_id: str) -> list[Recorded]:
    """A run (an id, the beginning of one, or ``last``), and behind it those that its tools began, the oldest first.

    Raises:
        NotFound: There is no such run, or several begin so.
    """
    first = Recorded(*await pick_run(runtime, run_id))
    return [first, *[await _read(runtime, row.run_id) for row in await list_children(runtime, first.row)]]


WithChildren = tuple[tuple[RunRow, list[JournalEvent]], Sequence[RunRow]]
"""A run with its journal, and the rows of the runs that its tools began."""


async def read_with_children(runtime: Runtime, run_id: str) -> WithChildren:
    """A run, and the rows of those that its tools began; as `read_family`."""
    run = await pick_run(runtime, run_id)
    return run, await list_children(runtime, run[0])


def draw_children(rows: Sequence[RunRow], console: Console) -> Group:
    """The runs that the tools of a run began, each with its id, by which it is shown or explained."""
    lines: list[Line] = []
    for row in rows:
        took = duration((row.finished_at - row.started_at) * 1e3) if row.finished_at else ""
        text = f"{row.run_id}  {plain(row.agent, 64)}, {row.stop_reason or row.status}: {plain(row.question)}"
        lines.append(Line("↳", text, "cyan", tokens=row.tokens, time=took))
    return Group(Text("\nruns that its tools began", "bold"), step_table(lines, console))


async def list_children(runtime: Runtime, row: RunRow) -> list[RunRow]:
    """The runs that tools of a run began, and that tools of these began, the oldest first."""
    family, found = {row.run_id}, list[RunRow]()
    until = row.finished_at + 1e-6 if row.finished_at else None  # one may begin at the very end
    async for page in runtime.scan_runs(since=row.started_at, until=until):
        for one in page:
            if one.parent in family:
                family.add(one.run_id)
                found.append(one)
    return found


async def name_sources(runtime: Runtime, run: Recorded, judged: CallJudged) -> CallJudged:
    """What was decided of a call, with names for texts by others that were read before its run began."""
    values = {normalise_value(one.value) for one in judged.traces if one.source == EARLIER}
    if not values:
        return judged
    found: dict[str, str] = {}
    async for earlier in _go_back(runtime, run.row):
        texts = _read_texts(earlier.events, run.row.started_at)
        for value in values - found.keys():
            if source := find_source(texts, value):
                found[value] = f"{source} in {earlier.row.run_id}"
        if len(found) == len(values):
            break
    traces, reason = name_earlier(judged.traces, judged.reason, lambda value: found.get(value, ""))
    return replace(judged, traces=traces, reason=reason)


async def _read(runtime: Runtime, run_id: str) -> Recorded:
    return Recorded(*await runtime.read_run(run_id))


async def _go_back(runtime: Runtime, row: RunRow) -> AsyncIterator[Recorded]:
    """The runs that a run knew of, the nearest first: whose tool began it, and those before in the conversation."""
    while row.parent:
        above = await _read(runtime, row.parent)
        yield above
        row = above.row
    if row.session:
        about = {"tenant": row.tenant, "user": row.user, "session": row.session}
        for one in await runtime.list_runs(**about, limit=MOST_BEFORE):
            if one.started_at < row.started_at:
                yield await _read(runtime, one.run_id)


def _read_texts(events: Sequence[JournalEvent], before: float) -> list[Foreign]:
    """What a run read up to that moment that others wrote, the newest last."""
    arguments = {event.call.id: event.call.arguments for event in events if isinstance(event, ToolIntended)}
    return [
        Foreign(name_source(event.name, arguments.get(event.call_id, ""), event.label), event.content)
        for event in events
        if isinstance(event, ToolFinished) and not event.label.trusted and event.at <= before
    ]

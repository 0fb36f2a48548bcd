"""What a person sees in a terminal: live steps, budget bars, timelines and tables.

Text of models, tools and users is never read as markup and never reaches the terminal with control characters in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Final, Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from surefoot.clock import Clock
from surefoot.journal.events import (
    JournalEvent,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    RunEvent,
    RunFinished,
    RunStarted,
    TextDelta,
    ToolIntended,
)
from surefoot.journal.fold import RunState
from surefoot.narrator import Line, Narrator, duration, plain
from surefoot.runtime import Runtime
from surefoot.store.base import RunRow
from surefoot.types import Money

PIPE_COLUMNS: Final = 100
"""Width of rules and tables where there is no terminal: a log is read as it is. A paragraph of text stays one line."""
LIST_COLUMNS: Final = 120
"""Width of a list of runs there: in less, whole ids would leave no room for the questions."""
TABLE_COLUMNS: Final = 110
"""Wider tables tear a row's text and its numbers apart."""
BAR_CELLS: Final = 24
STREAM_CHARS: Final = 200
FRAMES_PER_S: Final = 8
NARROW_COLUMNS: Final = 94
"""What all columns of a list of runs, and twenty characters of the question, need."""
_NUMBERS: Final = ("steps", "tokens", "cost", "time")
_LEAST_WANTED: Final = ("user", "time", "steps", "tokens", "cost", "when", "question", "status")
_STATUS_STYLE: Final = {"final": "green", "budget": "yellow", "running": "cyan"}
_DIM: Final = "bright_black"


def open_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """The console of this process."""
    console = Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
        console.soft_wrap = True
    return console


def readable(text: str) -> str:
    """``text`` without what could move the cursor, change colours or turn the reading direction; lines stay."""
    return "".join(c if c.isprintable() or c in "\n\t\u200c\u200d" else " " for c in text)


def bar(share: float, held: float = 0.0, cells: int = BAR_CELLS) -> Text:
    """A bar that is full at 1: what is used (yellow from 70 %, red when full), then what is held, then what is free."""
    style = "red" if share >= 1 else "yellow" if share >= 0.7 else "green"
    used = round(min(max(share, 0.0), 1.0) * cells)
    open_ = round(min(max(share + held, 0.0), 1.0) * cells) - used
    return Text.assemble(("━" * used, style), ("━" * open_, "blue"), ("─" * (cells - used - open_), _DIM))


def budget_bars(state: RunState, seconds: float, width: int) -> Table:
    """One bar for each limit of a run, with what is held for calls in flight."""
    table = Table.grid(padding=(0, 1))
    limits = state.started.limits if state.started is not None else {}
    holds = list(state.holds.values())
    used = {
        "tokens": (state.tokens, sum(hold.hold_tokens for hold in holds)),
        "usd": (state.nano, sum(hold.hold_nano for hold in holds)),
        "steps": (state.steps, 0),
        "seconds": (seconds, 0),
    }
    cells = min(BAR_CELLS, max(8, width - 50))
    for name, (amount, held) in used.items():
        limit = limits.get(name)
        if not isinstance(limit, (int, float)) or (name == "usd" and not amount and not held):
            continue
        share = amount / limit
        told = f"{_say(name, amount)}{f' + {_say(name, held)} held' if held else ''} of {_say(name, limit)}"
        table.add_row(
            Text(f"  {name}", style="bold"), bar(share, held / limit, cells), f"{share:4.0%}", Text(told, _DIM)
        )
    return table


def _say(name: str, amount: float) -> str:
    return str(Money(int(amount))) if name == "usd" else f"{amount:,.0f}"


class RunView:
    """Draws a run while it happens; feed it every event. Steps scroll by, what goes on and the budget stay below.

    Attributes:
        state: The run so far.
    """

    def __init__(self, console: Console, clock: Clock, *, doing: str = "getting ready") -> None:
        """Draw on ``console``; ``doing`` says what goes on before the first event."""
        self.state = RunState()
        self._console = console
        self._clock = clock
        self._narrator = Narrator()
        self._streamed = ""
        self._doing = doing
        self._since = clock.now()
        self._fetched = 0.0
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:  # a new one: one that was stopped would erase as many lines of what came since
            self._live = Live(
                console=self._console, get_renderable=self._below, refresh_per_second=FRAMES_PER_S, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def paused(self) -> Generator[None, None, None]:
        """Draw nothing below the steps meanwhile: somebody is asked."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def progress(self, done_bytes: int, all_bytes: int) -> None:
        """The weights of the embedded model are being fetched."""
        share, before = done_bytes / all_bytes, self._fetched
        amount = f"{done_bytes / 1e6:,.0f} of {all_bytes / 1e6:,.0f} MB"
        if not before:
            self._since = self._clock.now()
        if not self._console.is_terminal and (not before or int(share * 10) > int(before * 10)):
            self._console.print(f"fetching the weights of the embedded model: {amount}")
        self._fetched = share
        self._doing = f"fetching the weights of the embedded model, once: {amount}"
        if done_bytes == all_bytes:
            self._do("checking and loading the weights", self._clock.now())

    def show(self, event: RunEvent) -> None:
        """Draw one event."""
        if isinstance(event, TextDelta):
            self._streamed = (self._streamed + event.text)[-STREAM_CHARS:]
            return
        lines = self._narrator.tell(event)
        self.state.apply(event)
        self._note(event)
        for line in lines:
            self._console.print(step_table([line], self._console))
        if isinstance(event, RunFinished) and self.state.tokens:
            self._console.print(self._bars())

    def _note(self, event: JournalEvent) -> None:
        match event:
            case RunStarted():
                self._do("getting ready", event.at)
                self._console.print(Text(plain(event.messages[-1].text), "bold"))
                self._console.print(Text(f"{event.model} · {event.run_id}", _DIM))
            case ModelRequested():
                self._do(f"step {event.step}: the model is at work", event.at)
            case ModelFailed() if event.retry_in_s is not None:
                self._do(f"waits {event.retry_in_s:.1f} s before the next attempt", event.at)
            case ToolIntended():
                self._do(f"{plain(event.call.name, 64)} is running", event.at)
            case _:
                pass
        if isinstance(event, (ModelReplied, ModelFailed)):
            self._streamed = ""

    def _do(self, doing: str, now: float) -> None:
        self._doing, self._since, self._fetched = doing, now, 0.0

    def _bars(self) -> Table:
        started, finished = self.state.started, self.state.finished
        now = self._clock.now() if finished is None else finished.at
        return budget_bars(self.state, now - started.at if started else 0.0, self._console.width)

    def _below(self) -> RenderableType:
        """What stays below the steps. Drawn by a thread of its own, so it only reads."""
        if self.state.finished is not None:
            return Text()
        self._spinner.text = Text(f"{self._doing} · {self._clock.now() - self._since:.0f} s", _DIM)
        below: list[RenderableType] = [self._spinner]
        if self._fetched:
            below.append(Text("  ").append_text(bar(self._fetched)))
        if self._streamed:
            below.append(Text("  " + plain(self._streamed), "italic"))
        bars = self._bars()
        return Group(*below, *([bars] if bars.row_count else []))


def step_table(lines: Iterable[Line], console: Console) -> Table:
    """Steps with their numbers at the right."""
    wide = console.is_terminal
    table = Table.grid(padding=(0, 1), expand=wide)
    if wide:
        table.width = min(console.width, TABLE_COLUMNS)
    table.add_column(width=2, justify="right", style="cyan")
    table.add_column(width=1)
    table.add_column(ratio=1 if wide else None, overflow="fold")
    table.add_column(justify="right", style=_DIM, no_wrap=True, min_width=18 if wide and console.width >= 80 else None)
    for line in lines:
        numbers = " · ".join(filter(None, (f"{line.tokens:,} tok" if line.tokens else "", line.cost, line.time)))
        table.add_row(line.step, Text(line.mark, line.style), Text(line.text, line.text_style), numbers)
    return table


def timeline(row: RunRow, events: Sequence[JournalEvent], console: Console, zone: dt.tzinfo = dt.UTC) -> Group:
    """A finished or unfinished run, step by step, with tokens, cost and latency; its beginning as ``zone`` has it."""
    state, narrator, lines = RunState(), Narrator(), list[Line]()
    for event in events:
        lines += narrator.tell(event)
        state.apply(event)
    lines += narrator.rest()
    finished = state.finished
    head = Text.assemble(
        (row.run_id, "bold"), f"  {plain(row.model)}  ", _status(row), f"  {_when(row.started_at, zone)}"
    )
    if row.user or row.session:
        head.append(f"  {plain(row.user, 64)} {plain(row.session, 64)}".rstrip(), _DIM)
    parts: list[RenderableType] = [head, Text(readable(_question(state) or row.question), "bold")]
    parts.append(step_table(lines, console))
    if state.usage.cache_read_tokens:
        part = f"{state.usage.cached_share:.0%} of {state.usage.input_tokens:,} prompt tokens"
        parts.append(Text(f"{part} were read from the provider's cache", _DIM))
    parts += [Text(f"! {note}", "yellow") for note in _open_ends(state, is_live=row.status == "running")]
    if finished is not None and finished.error:
        parts.append(Text(f"✗ {finished.error_code}: {plain(finished.error, 1_000)}", "red"))
    seconds = (events[-1].at if events else row.started_at) - row.started_at
    bars = budget_bars(state, seconds, console.width)
    if bars.row_count:
        parts.append(bars)
    if finished is not None and finished.output:
        parts.append(Text("\n" + readable(finished.output)))
    return Group(*parts)


def _open_ends(state: RunState, *, is_live: bool) -> Iterable[str]:
    """What was begun and has no end in the journal."""
    for hold in state.holds.values():
        if is_live:
            yield f"a call of the model is in flight, {hold.hold_tokens:,} tokens are held for it"
        else:
            yield f"a call of the model was in flight: its outcome is unknown, {hold.hold_tokens:,} tokens stay held"
    for intent in state.intended.values():
        name = plain(intent.call.name, 64)
        yield f"{name} is running" if is_live else f"{name} had begun: its outcome is unknown"


def _question(state: RunState) -> str:
    return state.started.messages[-1].text if state.started is not None else ""


def runs_table(rows: Sequence[RunRow], console: Console, zone: dt.tzinfo = dt.UTC) -> Table:
    """A list of runs, newest first, in the time of ``zone``; what does not fit a narrow terminal is left out."""
    narrow = console.width < NARROW_COLUMNS
    id_chars = _id_chars(rows) if console.is_terminal else len(rows[0].run_id)
    cells = [_describe_row(row, id_chars, zone, narrow=narrow) for row in rows]
    hidden = {"steps", "tokens", "time"} if narrow else set[str]()
    if narrow or not any(row.user for row in rows):
        hidden.add("user")
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    names = [name for name in cells[0] if name not in hidden]
    widths = {name: max(len(name), *[row[name].cell_len for row in cells]) for name in names}
    columns = console.width if console.is_terminal else LIST_COLUMNS
    wanted, widths["question"] = widths["question"], len("question")  # only this gives way
    for name in _LEAST_WANTED:
        if name in names and sum([widths[name] + 1 for name in names]) > columns:
            names.remove(name)
    width = sum([widths[name] + 1 for name in names])
    widths["question"] += max(0, min(wanted - len("question"), columns - width))
    if not console.is_terminal:
        table.width = sum([widths[name] + 1 for name in names])
    for name in names:
        justify: Literal["left", "right"] = "right" if name in _NUMBERS else "left"
        if name == "run" and len(names) == 1:
            table.add_column(name, overflow="fold")  # an id is never cut
        else:
            table.add_column(name, justify=justify, no_wrap=True, width=widths[name], overflow="ellipsis")
    for row in cells:
        table.add_row(*[row[name] for name in names])
    return table


async def explain_no_runs(runtime: Runtime, **filters: str | None) -> str:
    """Why a list of runs is empty: there is no run at all, or which of the filters fits none."""
    if not await runtime.list_runs(limit=1):
        return 'there are no runs yet: surefoot run "..." makes the first one'
    given = {name: value for name, value in filters.items() if value is not None}
    unmet = [
        f"--{name} {plain(value, 64)!r}"
        for name, value in given.items()
        if not await runtime.list_runs(**{name: value}, limit=1)
    ]
    return (
        f"no run has {', and none has '.join(unmet)}"
        if unmet
        else f"no run has --{' and --'.join(given)} as given, both"
    )


def _describe_row(row: RunRow, id_chars: int, zone: dt.tzinfo, *, narrow: bool) -> dict[str, Text]:
    counts = ("", "", "", "")
    if row.finished_at:
        seconds = row.finished_at - row.started_at
        counts = (str(row.steps), f"{row.tokens:,}", str(Money(row.nano)) if row.nano else "", duration(seconds * 1e3))
    return {
        "run": Text(row.run_id[:id_chars]),
        "when": Text(_when(row.started_at, zone, short=narrow)),
        "user": Text(plain(row.user, 24)),
        "status": _status(row),
        **{name: Text(count) for name, count in zip(_NUMBERS, counts, strict=True)},
        "question": Text(plain(row.question, 200)),
    }


def _id_chars(rows: Sequence[RunRow]) -> int:
    """How much of the ids tells these runs apart; `surefoot show` takes a beginning."""
    ids = [row.run_id for row in rows]
    chars = 14  # "run_" and the time
    while len({run_id[:chars] for run_id in ids}) < len(ids):
        chars += 2
    return chars


def _status(row: RunRow) -> Text:
    status = row.stop_reason or row.status
    return Text(status, _STATUS_STYLE.get(status, "red"))


def _when(seconds: float, zone: dt.tzinfo, *, short: bool = False) -> str:
    return dt.datetime.fromtimestamp(seconds, zone).strftime("%m-%d %H:%M %Z" if short else "%Y-%m-%d %H:%M:%S %Z")

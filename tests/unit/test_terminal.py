"""What a person sees: bars, tables, timelines, and a run while it happens."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from surefoot.clock import encode_token
from surefoot.journal.events import (
    ModelFailed,
    ModelReplied,
    ModelRequested,
    RunFinished,
    RunStarted,
    TextDelta,
    ToolFinished,
    ToolIntended,
)
from surefoot.journal.fold import fold
from surefoot.store.base import RunRow
from surefoot.terminal import (
    LIST_COLUMNS,
    PIPE_COLUMNS,
    RunView,
    bar,
    budget_bars,
    open_console,
    readable,
    runs_table,
    step_table,
    timeline,
)
from surefoot.types import Label, Message, ToolCall, Usage

LIMITS = {"tokens": 1_000, "usd": 50_000_000, "steps": 5, "seconds": 60.0, "model_calls": 9, "on_limit": "finish"}
CALL = ToolCall("c1", "order_status", '{"order_id":"4711"}')
HOSTILE = "[red]x[/]\x1b[31m\x07 \u202eabc"


class Clock:
    def __init__(self, now=0.0):
        self.time = now

    def now(self):
        return self.time

    def monotonic(self):
        return self.time


def started(question="Where is it?", limits=None):
    return RunStarted(
        at=0, run_id="run_1", agent="a", model="m:x", protocol="native", messages=(Message.user(question),),
        limits=LIMITS if limits is None else limits,
    )  # fmt: skip


def asked(step=1, hold=1, at=0.0):
    return ModelRequested(
        at=at, step=step, hold=hold, model="m:x", max_tokens=10, hold_tokens=400, hold_nano=10_000_000
    )


def replied(text="", calls=(), hold=1, nano=5_000_000):
    return ModelReplied(
        at=1, hold=hold, message=Message.assistant(text, calls), joins=True, usage=Usage(90, 10), tokens=100, nano=nano,
        finish_reason="stop", latency_ms=1_000,
    )  # fmt: skip


def observed(content):
    return ToolFinished(at=2, call_id="c1", name="order_status", content=content, label=Label("tool"), latency_ms=3)


EVENTS = [
    started(),
    asked(),
    replied("I look it up.", (CALL,)),
    ToolIntended(at=1, call=CALL),
    observed("shipped on Monday, arrives on Thursday"),
    asked(2, 2),
    replied("On Thursday.", hold=2),
    RunFinished(at=6, stop_reason="final", output="On Thursday."),
]


def screen(width=100, *, terminal=True):
    return Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False, markup=False,
        soft_wrap=not terminal,
    )  # fmt: skip


def printed(console, thing):
    console.print(thing)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def row(number=1, **more):
    values = {"agent": "a", "model": "m:x", "started_at": 1.7e9, "question": "Where is it?"}
    return RunRow(**{"run_id": encode_token("run", 1.7e9 + number, number), **values, **more})


# --- bars


def test_a_bar_shows_what_is_used_held_and_free():
    assert bar(0.5, 0.25, 8).plain == "━━━━━━──"
    assert [str(span.style) for span in bar(0.5, 0.25, 8).spans] == ["green", "blue", "bright_black"]


@pytest.mark.parametrize(("share", "style"), [(0.69, "green"), (0.7, "yellow"), (0.99, "yellow"), (1.0, "red")])
def test_a_bar_warns(share, style):
    assert str(bar(share).spans[0].style) == style


@given(st.floats(-1, 3), st.floats(0, 3), st.integers(1, 200))
def test_a_bar_is_never_longer_or_shorter(share, held, cells):
    assert len(bar(share, held, cells).plain) == cells


def test_bars_tell_each_limit():
    state = fold([*EVENTS[:5], asked(2, 2)])
    assert printed(screen(), budget_bars(state, 6.0, 100)) == [
        "  tokens  ━━━━━━━━━━━━────────────  10% 100 + 400 held of 1,000",
        "  usd     ━━━━━━━─────────────────  10% $0.0050 + $0.010 held of $0.050",
        "  steps   ━━━━━━━━━━──────────────  40% 2 of 5",
        "  seconds ━━──────────────────────  10% 6 of 60",
    ]


def test_what_is_not_limited_or_costs_nothing_has_no_bar():
    free = fold([started(limits={**LIMITS, "tokens": "unlimited"})])
    assert [line.split()[0] for line in printed(screen(), budget_bars(free, 0, 100))] == ["steps", "seconds"]
    assert budget_bars(fold([]), 0, 100).row_count == 0


@pytest.mark.parametrize("width", [60, 80, 200])
def test_bars_fit(width):
    lines = printed(screen(width), budget_bars(fold([*EVENTS[:5], asked(2, 2)]), 6.0, width))
    assert len(lines) == 4
    assert max(map(len, lines)) <= width


# --- tables


@pytest.mark.parametrize("width", [60, 100, 200])
def test_steps_fit_and_their_numbers_stand_at_the_right(width):
    console = screen(width)
    printed(console, timeline(row(), EVENTS, console))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    ends = {len(line.rstrip()) for line in lines if line.rstrip().endswith(("1.0 s", "3 ms"))}
    assert ends == {min(width, 110)}


def test_a_pipe_gets_one_line_for_each_row():
    console = screen(PIPE_COLUMNS, terminal=False)
    lines = printed(console, timeline(row(user="u1", session="s1"), [started("q " * 100), *EVENTS[1:]], console))
    head = lines[0]
    assert "m:x" in head
    assert head.endswith("u1 s1")
    assert lines[1] == "q " * 99 + "q"
    assert lines[2] == " 1 · I look it up.                          100 tok · $0.0050 · 1.0 s"
    assert lines[3].strip() == '→ order_status(order_id="4711")'
    assert lines[4].startswith("   ← shipped on Monday, arrives on Thursday")
    assert lines[-1] == "On Thursday."


@pytest.mark.parametrize(
    ("status", "call", "tool"),
    [
        (
            "lost",
            "! a call of the model was in flight: its outcome is unknown, 400 tokens stay held",
            "! order_status had begun: its outcome is unknown",
        ),
        (
            "running",
            "! a call of the model is in flight, 400 tokens are held for it",
            "! order_status is running",
        ),
    ],
)
def test_a_timeline_tells_what_is_open(status, call, tool):
    console = screen()
    lines = printed(console, timeline(row(status=status), [*EVENTS[:4], asked(2, 2)], console))
    assert call in lines
    assert tool in lines
    assert status in lines[0]


def test_a_timeline_tells_the_error():
    end = RunFinished(at=3, stop_reason="error", error_code="store", error="the disk is full")
    console = screen()
    assert "✗ store: the disk is full" in printed(console, timeline(row(), [*EVENTS[:5], end], console))


def test_a_timeline_of_a_run_without_a_journal():
    console = screen()
    assert printed(console, timeline(row(), [], console))[1:] == ["Where is it?"]


def test_hostile_text_is_neither_markup_nor_control():
    call = ToolCall("c1", "f", '{"a": "' + "[bold]\\u001b[2J" + '"}')
    events = [
        started(HOSTILE),
        asked(),
        replied(HOSTILE, (call,)),
        observed(HOSTILE),
        RunFinished(at=6, stop_reason="final", output=HOSTILE),
    ]
    console = screen(300)
    text = "\n".join(printed(console, timeline(row(user=HOSTILE, question=HOSTILE), events, console)))
    text += "\n".join(printed(console, runs_table([row(user=HOSTILE, question=HOSTILE)], console)))
    view = RunView(console, Clock())
    with view:
        for event in events:
            view.show(event)
    text += console.file.getvalue().replace("\x1b[?25l", "").replace("\x1b[?25h", "")  # the cursor, by rich itself
    text = text.replace("\x1b[1A", "").replace("\x1b[2K", "").replace("\r", "")
    assert "[red]x[/]" in text
    assert "[bold]" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_readable_text_keeps_its_lines_and_its_script():
    assert readable("a\n\tb\x1b[1m\u200cک\u202e") == "a\n\tb [1m\u200cک "


ROWS = [
    row(1, status="finished", finished_at=1.7e9 + 2.5, stop_reason="final", steps=3, tokens=1_234, nano=910_000),
    row(2, user="ann", status="running"),
    row(3, status="lost", question="q" * 500),
]


def test_a_list_of_runs():
    console = screen(PIPE_COLUMNS, terminal=False)
    lines = [line.split() for line in printed(console, runs_table(ROWS, console))]
    assert lines[0] == ["run", "when", "user", "status", "steps", "tokens", "cost", "time", "question"]
    assert lines[1][0] == ROWS[0].run_id
    assert lines[1][3] == "UTC"
    assert lines[1][4:] == ["final", "3", "1,234", "$0.00091", "2.5", "s", "Where", "is", "it?"]
    assert lines[2][4:] == ["ann", "running", "Where", "is", "it?"]
    assert lines[3][4] == "lost"
    lines = console.file.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) == LIST_COLUMNS - 1  # and a space
    assert lines[3].rstrip().endswith("qqqqqqqqqqqqqqqqqqqq…")


@pytest.mark.parametrize("width", [60, 93, 94, 140])
def test_a_list_of_runs_fits_a_terminal(width):
    console = screen(width)
    lines = printed(console, runs_table(ROWS, console))
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    assert lines[3].endswith("…")
    assert ("tokens" in lines[0]) is (width >= 94)
    assert [line.split()[0] for line in lines[1:]] == [one.run_id[:14] for one in ROWS]


@pytest.mark.parametrize("width", [5, 10, 16, 23, 24, 33, 40, 45, 60, 94])
def test_a_narrow_terminal_cuts_no_id(width):
    """What has no room is left out, an id alone is folded: half an id names nothing."""
    console = screen(width)
    lines = printed(console, runs_table(ROWS, console))
    assert max(map(len, lines)) <= width
    shown = [one.run_id[:14] for one in ROWS]
    if width < 16:
        assert "".join(lines) == "".join(["run", *shown])
    else:
        assert [line.split()[0] for line in lines] == ["run", *shown]
        assert ("status" in lines[0].split()) is (width >= 23)
        assert ("question" in lines[0].split()) is (width >= 33)


def test_a_long_name_takes_nothing_from_the_figures():
    console = screen(94)
    head, first, *_ = printed(console, runs_table([*ROWS, row(4, user="u" * 400)], console))
    assert "user" not in head.split()
    assert first.split()[4:8] == ["final", "3", "1,234", "$0.00091"]


def test_ids_are_shown_as_far_as_they_differ():
    same_time = [row(1, run_id=f"run_01hf7yat00aaaa{end}") for end in ("aaaa", "aaab")]
    console = screen(100)
    ids = [line.split()[0] for line in printed(console, runs_table(same_time, console))[1:]]
    assert ids == [one.run_id for one in same_time]


# --- a run while it happens


def test_steps_scroll_by_and_the_budget_comes_last():
    console = screen(PIPE_COLUMNS, terminal=False)
    with RunView(console, Clock()) as view:
        for event in EVENTS:
            view.show(event)
        view.show(TextDelta(at=6, text="late"))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines[:2] == ["Where is it?", "m:x · run_1"]
    assert lines[2] == " 1 · I look it up. 100 tok · $0.0050 · 1.0 s"
    assert lines[5] == " 2 · the answer 100 tok · $0.0050 · 1.0 s"
    assert [line.split()[0] for line in lines[6:]] == ["tokens", "usd", "steps", "seconds"]
    assert view.state.finished == EVENTS[-1]


def test_a_run_that_used_nothing_shows_no_budget():
    console = screen(terminal=False)
    with RunView(console, Clock()) as view:
        view.show(started())
        view.show(RunFinished(at=1, stop_reason="error", error="no"))
    assert console.file.getvalue().split() == ["Where", "is", "it?", "m:x", "·", "run_1"]


def below(view):
    """What stays below the steps at this moment."""
    first, *others = printed(screen(100), view._below())
    return [first[2:], *others]  # without the spinner, which turns by the machine's own clock


def test_below_the_steps_stands_what_goes_on():
    clock = Clock()
    view = RunView(screen(), clock, doing="loading the embedded model")
    clock.time = 3.0
    assert below(view) == ["loading the embedded model · 3 s"]
    view.show(started())
    assert below(view)[0] == "getting ready · 3 s"
    view.show(asked(at=3.0))
    view.show(TextDelta(at=4, text="I look "))
    view.show(TextDelta(at=4, text="it up."))
    clock.time = 5.0
    assert below(view)[:3] == [
        "step 1: the model is at work · 2 s",
        "  I look it up.",
        "  tokens  ━━━━━━━━━━──────────────   0% 0 + 400 held of 1,000",
    ]
    assert below(view)[-1].endswith("5 of 60")
    view.show(replied("I look it up.", (CALL,)))
    view.show(ToolIntended(at=5, call=CALL))
    assert below(view)[:2] == [
        "order_status is running · 0 s",
        "  tokens  ━━──────────────────────  10% 100 of 1,000",
    ]
    view.show(observed("shipped"))
    view.show(asked(2, 2, at=5.0))
    view.show(TextDelta(at=5, text="void"))
    view.show(ModelFailed(at=5, hold=2, code="model_broken", message="no", retry_in_s=0.5, latency_ms=1))
    assert below(view)[:2] == [
        "waits 0.5 s before the next attempt · 0 s",
        "  tokens  ━━──────────────────────  10% 100 of 1,000",
    ]
    view.show(RunFinished(at=6, stop_reason="cancelled"))
    assert below(view) == [""]


def test_only_the_end_of_a_long_answer_is_shown_while_it_comes():
    view = RunView(screen(), Clock())
    view.show(started())
    for _ in range(100):
        view.show(TextDelta(at=1, text="0123456789"))
    view.show(TextDelta(at=1, text="END"))
    assert "".join(below(view)).count("0123456789") < 40
    assert "END" in "".join(below(view))


def test_fetching_the_weights_has_a_bar():
    clock = Clock()
    view = RunView(screen(), clock)
    clock.time = 10.0
    view.progress(250_000_000, 1_000_000_000)
    clock.time = 12.0
    assert below(view) == [
        "fetching the weights of the embedded model, once: 250 of 1,000 MB · 2 s",
        "  ━━━━━━──────────────────",
    ]
    view.progress(1_000_000_000, 1_000_000_000)
    assert below(view) == ["checking and loading the weights · 0 s"]


def test_fetching_the_weights_is_told_in_a_log():
    console = screen(PIPE_COLUMNS, terminal=False)
    view = RunView(console, Clock())
    for done in range(5, 1_001, 5):
        view.progress(done * 1_000_000, 1_000_000_000)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[:2] == [f"fetching the weights of the embedded model: {done} of 1,000 MB" for done in (5, 100)]


def test_a_terminal_is_left_as_it_was():
    console = screen(100)
    with RunView(console, Clock()) as view:
        for event in EVENTS:
            view.show(event)
    text = console.file.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is hidden once, and shown again
    assert "order_status" in text


def test_the_console_of_a_pipe_is_wide(capsys):
    assert open_console().width == PIPE_COLUMNS
    console = open_console(stderr=True)
    console.print(step_table([], console))
    console.print("[bold]kept[/bold] :smile:")
    assert capsys.readouterr() == ("", "[bold]kept[/bold] :smile:\n")
    open_console(quiet=True).print("nothing")
    assert capsys.readouterr() == ("", "")


def test_a_question_and_its_answer_stay_on_the_screen():
    console = screen()
    with RunView(console, Clock()) as view:
        view.show(started())
        view.show(asked())
        console.print("a step")  # with it goes what stands below: now it has a height
        with view.paused():
            console.print("May it run?")
        before = len(console.file.getvalue())
        console.print("what comes next")
    drawn = console.file.getvalue()[before:]
    assert "\x1b[1A" not in drawn[: re.search("what comes next|the model is at work", drawn).start()]

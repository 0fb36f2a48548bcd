"""A run's events, told in lines that a person reads: thought, action, observation, and what each step took."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from surefoot.journal.context_events import ContextSummarised, ContextTrimmed, OutputKept
from surefoot.journal.events import (
    BudgetOverrun,
    BudgetWarning,
    JournalEvent,
    LimitReached,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    ModelSwitched,
    Nudged,
    RunFinished,
    RungTaken,
    RunStarted,
    Thought,
    ToolFinished,
    ToolIntended,
)
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged
from surefoot.journal.threat_events import FoundThreat, ThreatsFound
from surefoot.types import Message, Money, ToolCall

LINE_CHARS: Final = 300
TOLD_WAIT_MS: Final = 50
"""A run whose start took less has waited for nobody, but for the disk and the event loop."""
_RUNGS: Final = {
    "trim": "older results are cut",
    "summarise": "the conversation is summed up",
    "finish": "time to answer",
}
_ANSWERS: Final = {
    "once": "allowed, this once",
    "session": "allowed; may say so in this conversation from now on",
    "no": "a person said no",
    "timeout": "nobody answered in time: that is a no",
}


class Line(Struct, frozen=True):
    """One line.

    Attributes:
        mark: What kind of line it is, in one character.
        text: What happened.
        style: Of the mark.
        text_style: Of the text.
        step: Number of the step, where one begins.
        tokens: Tokens charged.
        cost: US dollars charged.
        time: How long it took.
    """

    mark: str
    text: str
    style: str = ""
    text_style: str = ""
    step: str = ""
    tokens: int = 0
    cost: str = ""
    time: str = ""


def plain(text: str, limit: int = LINE_CHARS) -> str:
    """``text`` on one line of at most ``limit`` characters, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def duration(milliseconds: float) -> str:
    """A time span as short as it can be said."""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1e3
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def counted(count: int, one: str, more: str = "") -> str:
    """So many of something: ``1 run``, ``2,000 runs``; ``more`` is the plural where an s is not."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def describe_call(call: ToolCall) -> str:
    """A call as a person would write it: ``order_status(order_id="4711")``."""
    try:
        arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # half a surrogate pair, a flood of brackets
        return plain(f"{call.name} {call.arguments}")
    return plain(f"{call.name}({', '.join([f'{name}={bytes(value).decode()}' for name, value in arguments.items()])})")


def describe_arguments(name: str, arguments: dict[str, Any]) -> str:
    """As `describe_call`, of arguments that are read already."""
    return describe_call(ToolCall("", name, msgspec.json.encode(arguments).decode()))


def _tell_redacted(redacted: dict[str, int]) -> str:
    taken = [f"{count} × {kind}" if count > 1 else kind for kind, count in redacted.items() if kind != "leak"]
    told = [f"taken out: {', '.join(taken)}"] if taken else []
    if "leak" in redacted:  # flagged alone: see docs/output.md
        told.append("left as it is: a part of the agent's instructions")
    return "; ".join(told)


class Narrator:
    """Tells one run. A reply is told when it is known what became of it: a step, an answer, or a mistake."""

    def __init__(self) -> None:
        self._asked: dict[int, ModelRequested] = {}
        self._reply: Line | None = None  # that is not told yet,
        self._said = ""  # what it said,
        self._late: list[Line] = []  # and what happened meanwhile
        self._taken: dict[str, int] | None = None  # out of it
        self._calls = 0
        self._limited = False
        self._waits_for_last_call = False

    def tell(self, event: JournalEvent) -> list[Line]:
        """The lines that ``event`` completes, in order."""
        is_told = self._has_told(event)
        lines = self._tell_event(event)
        if event.redacted and not is_told:
            self._late.append(Line("▒", _tell_redacted(event.redacted), "yellow", "yellow"))
            lines += [] if self._reply is not None else self.rest()
        return lines

    def _has_told(self, event: JournalEvent) -> bool:
        """Whether what was taken out of the event is told already: an answer comes as a reply, a thought, the end.

        A call comes with its reply, when it is decided on, when it begins.
        """
        match event:
            case CallJudged() | ToolIntended():
                return True
            case ModelRequested():
                self._taken = None
            case ModelReplied():
                self._taken = event.redacted
            case Thought():
                return event.redacted == self._taken
            case RunFinished():
                return event.redacted == self._taken and event.output == self._said
            case _:
                pass
        return False

    def _tell_event(self, event: JournalEvent) -> list[Line]:
        match event:
            case ModelRequested():
                self._asked[event.hold] = event
                return [*self.rest(), *self._tell_last_call("asked for a last answer, without tools")]
            case ModelReplied():
                self._reply, self._said = replace(self._count(event), mark="·"), ""
                return self._tell_message(event.message) if event.joins else []
            case ModelFailed():
                return self._tell_failure(event)
            case Thought():
                lines = self._tell_message(event.message)
                if event.problem:
                    lines += [*self.rest(), Line("!", plain(event.problem), "yellow", "yellow")]
                return lines
            case BudgetWarning():
                text = f"{event.used / event.of:.0%} of the limit on {event.limit} is used"
                self._late.append(Line("!", text, "yellow", "yellow"))
                return [] if self._reply is not None else self.rest()
            case RunFinished():
                told = self._tell_end(event)
                nothing = "nothing fits any more, not even a last answer" if event.stop_reason == "budget" else ""
                return [*told, *self._tell_last_call(nothing)]
            case _:
                return [*self.rest(), *self._tell_other(event)]

    def rest(self, text: str = "") -> list[Line]:
        """What is not told yet; ``text`` instead of the reply's own."""
        lines, reply, said = self._late, self._reply, self._said
        self._late, self._reply, self._said = [], None, ""
        if reply is not None:
            lines.insert(0, replace(reply, text=text or plain(said) or "(no text)"))
        return lines

    def _count(self, event: ModelReplied | ModelFailed) -> Line:
        asked = self._asked.pop(event.hold, None)
        step = str(asked.step) if asked is not None and asked.attempt == 1 else ""
        cost = str(Money(event.nano)) if event.nano else ""
        return Line("", "", step=step, tokens=event.tokens, cost=cost, time=duration(event.latency_ms))

    def _tell_message(self, message: Message) -> list[Line]:
        self._said = message.text
        self._calls = len(message.tool_calls)
        if not message.tool_calls:
            return []  # an answer, or something to be mended: the next event knows
        lines = [Line("·", plain(message.text), text_style="italic")] if message.text else []
        lines += [Line("→", describe_call(call), "magenta", "bold") for call in message.tool_calls]
        reply, first = self._reply, lines[0]
        self._reply = None
        if reply is not None:
            lines[0] = replace(first, step=reply.step, tokens=reply.tokens, cost=reply.cost, time=reply.time)
        return [*lines, *self.rest()]

    def _tell_failure(self, event: ModelFailed) -> list[Line]:
        lines = self.rest()
        failure = replace(self._count(event), mark="✗", style="red", text_style="red")
        if event.retry_in_s is None:
            self._reply, self._said = failure, event.message
            return lines
        again = f"; again in {event.retry_in_s:.1f} s"
        return [*lines, replace(failure, text=f"{plain(event.message)}{again}")]

    def _tell_end(self, event: RunFinished) -> list[Line]:
        if self._said and event.error == self._said:  # who shows the end says why
            return self.rest(event.error_code)
        return self.rest("the answer" if event.output and event.output == self._said else "")

    def _tell_last_call(self, text: str) -> list[Line]:
        """What became of the last answer that the model was to be asked for."""
        waited, self._waits_for_last_call, self._limited = self._waits_for_last_call, False, False
        return [Line("»", text, "yellow", "yellow")] if waited and text else []

    def _tell_other(self, event: JournalEvent) -> list[Line]:
        match event:
            case ToolFinished():
                style, mark = ("red", "✗") if event.is_error else ("green", "←")
                whose = f"{event.name}: " if self._calls > 1 else ""
                cut = f" … {event.cut_bytes:,} bytes cut" if event.cut_bytes else ""
                return [Line(mark, f"{whose}{plain(event.content)}{cut}", style, time=duration(event.latency_ms))]
            case LimitReached():
                self._limited = True
                return [Line("■", f"limit on {event.limit}: {plain(event.message)}", "yellow", "yellow")]
            case RunStarted() if event.waited_ms >= TOLD_WAIT_MS:
                return [Line("…", f"waited {duration(event.waited_ms)} for its turn")]
            case Nudged() if self._limited:
                self._waits_for_last_call = True  # there is none where nothing fits
                return []
            case Nudged():
                return [Line("»", plain(event.text), "yellow", "yellow")]
            case _:
                return _tell_safety(event) or _tell_money(event)


def _is_unsure(threat: FoundThreat) -> float:
    return -threat.score


def _tell_safety(event: JournalEvent) -> list[Line]:
    match event:
        case CallJudged() if event.verdict != "allowed":
            mode = " (only observed)" if event.observed else ""
            return [Line("!", f"{event.name}: {plain(event.reason)}{mode}", "yellow", "yellow")]
        case ApprovalAnswered() if event.answer in _ANSWERS:
            trusted = f": {plain(', '.join(event.sources))}" if event.sources else ""
            return [Line("?", f"{_ANSWERS[event.answer]}{trusted}", "yellow", "yellow")]
        case ThreatsFound():
            kinds = ", ".join(
                dict.fromkeys([one.kind.replace("_", " ") for one in sorted(event.threats, key=_is_unsure)])
            )
            what = f"{plain(event.source) or 'the question'} looks like an attack"
            return [Line("⚑", f"{what} ({event.risk:.2f}, {event.action}): {kinds}", "yellow", "yellow")]
        case _:
            return []


def _tell_money(event: JournalEvent) -> list[Line]:
    match event:
        case RungTaken():
            done = f"no room to {event.rung}" if event.left_out else _RUNGS.get(event.rung, event.rung)
            text = f"{event.used:.0%} of the limit on {event.limit} is used: {done}"
            return [Line("▾", text, "yellow", "yellow")]
        case OutputKept():
            text = f"{event.all_bytes:,} bytes do not fit: the model may read on in {event.reference}"
            return [Line("…", text, "dim", "dim")]
        case ContextTrimmed():
            cut = f", older results cut to {event.keep_bytes:,} bytes" if event.keep_bytes else ""
            why = f"limit on {event.limit}" if event.limit else f"window of {event.window:,} tokens"
            text = f"{why}: {event.left_out:,} older messages left out{cut}"
            return [Line("✂", text, "yellow", "yellow")]
        case ContextSummarised():
            return [Line("≡", plain(event.text), "yellow", "italic")]
        case ModelSwitched():
            why = f" ({plain(event.reason)})" if event.reason else ""
            return [Line("⇄", f"goes on with {plain(event.model)}{why}", "yellow", "yellow")]
        case BudgetOverrun():
            text = f"the provider charged {event.tokens:,} tokens ({Money(event.nano)}) more than was held"
            return [Line("‼", text, "bold red", "red")]
        case _:
            return []

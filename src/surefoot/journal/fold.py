"""The journal, folded, is the run's state. The live run keeps its state by folding its own events as they happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from surefoot.context import replace_by_summary, translate, trim, trim_results
from surefoot.errors import StoreError
from surefoot.journal.context_events import READ_MORE, ContextSummarised, ContextTrimmed, OutputKept
from surefoot.journal.events import (
    BudgetOverrun,
    BudgetWarning,
    LimitReached,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    ModelSwitched,
    Nudged,
    RunEvent,
    RunFinished,
    RungTaken,
    RunStarted,
    Thought,
    ToolFinished,
    ToolIntended,
)
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged, ChildEnded
from surefoot.journal.tally import Called, Charged, ModelTally, ToolTally, sum_usage, tally_models, tally_tools
from surefoot.journal.threat_events import ThreatsFound
from surefoot.policy.origin import Origins
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall, Usage

LAST_CALL: Final = Label("system", trusted=True, source="budget")
"""Of the message that asks for the last answer: it holds for its own run, not for the next one of the session."""

SUMMARY_CALL: Final = Label("system", trusted=True, source="ladder")
"""Of the message that asks for a summary: nobody but that one call is to read it."""


class RunState:
    """Everything that is known of a run.

    Attributes:
        started: The first event, None before it.
        model: The model string that calls go to.
        messages: The conversation: system message first, then in order, tool results in the order of their calls.
        tokens: Tokens charged.
        nano: Nano-dollars charged.
        holds: Open holds by number: their events. After a crash these calls have an unknown outcome.
        steps: Steps begun.
        model_calls: Wire attempts.
        tool_calls: Tool calls that were begun or refused.
        intended: Tool calls begun and not finished, by call id: after a crash their outcome is unknown.
        results: How many tool results are in the conversation.
        kept: Outputs of which the model was shown a part, by reference.
        kept_bytes: Their size.
        left_out: How many messages were left out or summed up.
        limit: The limit that was reached, "" if none.
        shortage: The event that said so, None if none did.
        rungs: Rungs of the ladder that were taken, in order.
        rungs_passed: How many rungs are behind, those that were left out included.
        origins: Where its values came from.
        finished: The last event, None while the run goes on.
        HANDLERS: What each class of event does to the state.
    """

    __slots__ = (
        "_answers", "_aside", "_called", "_charges", "_judged", "_open", "_tallied", "finished", "holds", "intended",
        "kept", "kept_bytes", "left_out", "limit", "messages", "model", "model_calls", "nano", "origins", "results",
        "rungs", "rungs_passed",
        "shortage", "started", "steps", "tokens", "tool_calls",
    )  # fmt: skip

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.model = ""
        self.messages: list[Message] = []
        self._charges: list[Charged] = []
        self._tallied: tuple[int, dict[str, ModelTally]] = 0, {}  # of the first so many charges
        self._called: list[Called] = []
        self.tokens = self.nano = 0
        self.holds: dict[int, ModelRequested] = {}
        self.steps = self.model_calls = self.tool_calls = self.results = 0
        self.intended: dict[str, ToolIntended] = {}
        self.kept: dict[str, OutputKept] = {}
        self.kept_bytes = self.left_out = 0
        self.limit = ""
        self.shortage: LimitReached | None = None
        self.rungs: list[str] = []
        self.rungs_passed = 0
        self.finished: RunFinished | None = None
        self._judged: dict[str, CallJudged] = {}
        self._open: tuple[ToolCall, ...] = ()
        self._answers: dict[str, Message] = {}
        self._aside: list[Message] = []
        self.origins = Origins()

    @property
    def question(self) -> Message:
        """What the run is to answer: that very message of ``messages``."""
        assert self.started is not None, "a run begins with its question"
        return self.started.messages[-1]

    @property
    def conversation(self) -> list[Message]:
        """The messages as they would stand if the run ended now: a summary that is under way has replaced nothing."""
        return [*self.messages[:-1], *self._aside] if self._aside else self.messages

    @property
    def usage(self) -> Usage:
        """Tokens by kind, of the calls whose usage is known."""
        tallies = self.models
        if len(tallies) == 1:  # nearly always
            return next(iter(tallies.values())).usage
        return sum_usage([tally.usage for tally in tallies.values()])

    @property
    def answered(self) -> tuple[str, ...]:
        """The models that gave a reply, in the order of their first ones."""
        tallies = self.models
        if len(tallies) == 1:  # nearly always
            return tuple([model for model, tally in tallies.items() if tally.calls > tally.failed])
        return tuple({model: None for model, failed, *_ in self._charges if not failed})

    @property
    def models(self) -> dict[str, ModelTally]:
        """What was used of each model, by model string. Shared: to be read only."""
        if self._tallied[0] != len(self._charges):
            self._tallied = len(self._charges), tally_models(self._charges)
        return self._tallied[1]

    @property
    def tools(self) -> dict[str, ToolTally]:
        """What was used of each tool, by name."""
        return tally_tools(self._called)

    def apply(self, event: RunEvent) -> None:
        """Take one event in; `TextDelta` is never journaled and must not come here."""
        APPLY[type(event)](self, event)

    def _run_started(self, event: RunStarted) -> None:
        self.started = event
        self.model = event.model
        self.messages.extend(event.messages)
        self.origins.begin(event.messages, event.carried)

    def _model_requested(self, event: ModelRequested) -> None:
        self.holds[event.hold] = event
        self.model_calls += 1
        self.steps = event.step

    def _model_replied(self, event: ModelReplied) -> None:
        self._charge(event, event.usage, False)
        if event.joins:
            self._join(event.message)

    def _model_failed(self, event: ModelFailed) -> None:
        self._charge(event, None, True)

    def _charge(self, event: ModelReplied | ModelFailed, usage: Usage | None, failed: bool) -> None:  # noqa: FBT001 - see Charged
        model = self.holds.pop(event.hold).model
        self._charges.append((model, failed, event.tokens, event.nano, event.latency_ms, usage))
        self.tokens += event.tokens
        self.nano += event.nano

    def _thought(self, event: Thought) -> None:
        self._join(event.message)
        if event.problem:
            self.messages.append(Message.user(event.problem, SYSTEM_LABEL))

    def _join(self, message: Message) -> None:
        self.messages.append(message)
        self._open = message.tool_calls
        self._judged = {}
        if len(self._open) > 1:
            self._answers = {}

    def _call_judged(self, event: CallJudged) -> None:
        self._judged[event.call_id] = event

    def _threats_found(self, event: ThreatsFound) -> None:
        """The label of the text has it, too."""

    def _approval_answered(self, event: ApprovalAnswered) -> None:
        self.origins.endorse(event.sources, event.tool)

    def _tool_intended(self, event: ToolIntended) -> None:
        self.intended[event.call.id] = event
        if event.effect == "write":
            judged = self._judged.get(event.call.id)
            self.origins.act(event.call.name, event.call.arguments, None if judged is None else judged.traces)

    def _child_ended(self, event: ChildEnded) -> None:
        self.origins.join(event.done)

    def _tool_finished(self, event: ToolFinished) -> None:
        intended = self.intended.pop(event.call_id, None)
        arguments = "" if intended is None else intended.call.arguments
        made = intended is not None and intended.effect == "write" and not event.is_error
        if event.name != READ_MORE or not event.label.trusted:  # a part of a result shows no more what is an echo
            take = self.origins.take
            take(event.name, arguments, event.content, event.label, event.records, made=made, failed=event.is_error)
        self.tool_calls += 1
        self.results += 1
        self._called.append((event.name, event.is_error, event.latency_ms))
        answer = Message("tool", (Part(event.content, event.label),), (), event.call_id, event.is_error)
        if len(self._open) == 1:
            self.messages.append(answer)
            return
        answers = self._answers
        answers[event.call_id] = answer
        if len(answers) == len(self._open):  # results join the conversation in the order of their calls
            self.messages.extend([answers[call.id] for call in self._open])

    def _output_kept(self, event: OutputKept) -> None:
        self.kept[event.reference] = event
        self.kept_bytes += len(event.text.encode("utf-8", "replace"))

    def _nudged(self, event: Nudged) -> None:
        label = SUMMARY_CALL if event.wants_summary else LAST_CALL if self.limit else SYSTEM_LABEL
        if event.sets_aside:
            self._aside = self.messages[-event.sets_aside :]
            del self.messages[-event.sets_aside :]
        self.messages.append(Message.user(event.text, label))

    def _budget_warning(self, event: BudgetWarning) -> None:
        """A warning changes nothing."""

    def _budget_overrun(self, event: BudgetOverrun) -> None:
        """What was charged is in the reply's event already."""

    def _rung_taken(self, event: RungTaken) -> None:
        self.rungs_passed += 1
        if not event.left_out:
            self.rungs.append(event.rung)
        if event.keep_bytes:
            self.messages[:] = trim_results(self.messages, event.keep_bytes)

    def _context_trimmed(self, event: ContextTrimmed) -> None:
        self.left_out += event.left_out
        self.messages[:] = trim(self.messages, self.question, event.keeps, event.keep_bytes)

    def _context_summarised(self, event: ContextSummarised) -> None:
        aside = self._end_summary()
        if event.text:  # otherwise there is none, and the rest stays as it was
            whole = len(self.messages) + len(aside)
            self.messages[:] = replace_by_summary(self.messages, self.question, event.text, aside)
            self.left_out += whole + 1 - len(self.messages)  # the summary is not one of them
        else:
            self.messages += aside

    def _end_summary(self) -> list[Message]:
        """Drop what asked for the summary; what was set aside meanwhile."""
        if self.messages and SUMMARY_CALL in [part.label for part in self.messages[-1].parts]:
            del self.messages[-1]
        aside, self._aside = self._aside, []
        return aside

    def _model_switched(self, event: ModelSwitched) -> None:
        rest = self.messages[1:] if self.messages[0].role == "system" else self.messages
        if event.model.partition(":")[0] != self.model.partition(":")[0]:
            rest = translate(rest)
        self.model = event.model
        self.messages[:] = rest if event.system is None else [event.system, *rest]

    def _limit_reached(self, event: LimitReached) -> None:
        self.limit, self.shortage = event.limit, event

    def _run_finished(self, event: RunFinished) -> None:
        if self._aside:  # it ended before the summary came
            self.messages += self._end_summary()
        self.finished = event

    HANDLERS: ClassVar[dict[type, Callable[[RunState, Any], None]]] = {
        RunStarted: _run_started,
        ModelRequested: _model_requested,
        ModelReplied: _model_replied,
        ModelFailed: _model_failed,
        Thought: _thought,
        CallJudged: _call_judged,
        ThreatsFound: _threats_found,
        ApprovalAnswered: _approval_answered,
        ChildEnded: _child_ended,
        ToolIntended: _tool_intended,
        OutputKept: _output_kept,
        ToolFinished: _tool_finished,
        Nudged: _nudged,
        BudgetWarning: _budget_warning,
        BudgetOverrun: _budget_overrun,
        LimitReached: _limit_reached,
        RungTaken: _rung_taken,
        ContextTrimmed: _context_trimmed,
        ContextSummarised: _context_summarised,
        ModelSwitched: _model_switched,
        RunFinished: _run_finished,
    }


APPLY: Final = RunState.HANDLERS


def fold(events: Iterable[RunEvent]) -> RunState:
    """The state after ``events``.

    Raises:
        StoreError: The events are not one run's journal from its beginning, in order.
    """
    state = RunState()
    for number, event in enumerate(events):
        if isinstance(event, RunStarted) != (number == 0):
            raise StoreError(f"the journal is out of order: event {number} is {type(event).__name__}")
        try:
            state.apply(event)
        except KeyError as error:
            raise StoreError(f"the journal is out of order: event {number} settles unknown hold {error}") from None
    return state

"""What is taken out of the events of one run, before they are its state, its journal and its stream.

The state of a run is its journal, folded: what is not written the model does not see either, nor the session, nor who
shows a run. A tool gets the arguments that the model wrote, whatever the journal keeps of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from msgspec.structs import replace

from surefoot.answer import AnswerType
from surefoot.compiled import Compiled
from surefoot.errors import OutputInvalid
from surefoot.guard.cleaner import Cleaner, Scene, clean_field, clean_json
from surefoot.guard.exceptions import clean_error
from surefoot.guard.holdback import Holdback
from surefoot.guard.redact import Redacted, Redaction, count_kinds
from surefoot.journal.context_events import ContextSummarised
from surefoot.journal.event import Event
from surefoot.journal.events import (
    ModelFailed,
    ModelReplied,
    ModelSwitched,
    Nudged,
    RunFinished,
    RunStarted,
    Thought,
    ToolIntended,
)
from surefoot.journal.fold import RunState
from surefoot.journal.policy_events import CallJudged
from surefoot.observation import recap
from surefoot.policy.decision import Trace
from surefoot.protocol.base import Turn
from surefoot.secret import holds_secret
from surefoot.sections import GuardSettings
from surefoot.tools import Tool
from surefoot.types import Message, Part, ToolCall, ToolResult

EventT = TypeVar("EventT", bound=Event)
TextT = TypeVar("TextT", Nudged, ContextSummarised)
Found = list[Redaction]

_NOTHING_SHOWN: Final = "", Redacted("")


def read_redaction(settings: GuardSettings) -> Callable[[Compiled, RunState], Redactor | None]:
    """Of ``[guard]``: what makes the redactor of a run, or None where nothing is taken out."""
    cleaner = Cleaner(settings)
    skipped = frozenset(settings.unredacted_agents)

    def open_redactor(compiled: Compiled, state: RunState) -> Redactor | None:
        if not settings.redact or compiled.name in skipped:
            return None

        def join_words() -> str:
            parts = [part for message in state.messages for part in message.parts]
            return "\n".join([part.text for part in parts if part.label.author == "user"])

        names = compiled.toolbox.find
        return Redactor(cleaner, compiled.instructions, join_words, names, is_json=compiled.answer is not None)

    return open_redactor


class Redactor:
    """Takes out of the texts of one run what must not be kept or shown.

    Args:
        cleaner: What the runtime is set to take out.
        instructions: What the agent was told.
        words: What the user has said.
        find_tool: The tool of a name, None if there is none.
        is_json: The answer is JSON.
    """

    __slots__ = ("_ahead", "_calls", "_clean_calls", "_cleaner", "_find_tool", "_is_json", "_scene", "_sees", "_shown")

    def __init__(
        self,
        cleaner: Cleaner,
        instructions: str,
        words: Callable[[], str],
        find_tool: Callable[[str], Tool[..., Any] | None],
        *,
        is_json: bool,
    ) -> None:
        self._cleaner = cleaner
        self._sees = cleaner.sees
        self._scene = Scene(instructions, words)
        self._find_tool = find_tool
        self._is_json = is_json
        self._shown = _NOTHING_SHOWN  # an answer comes several times: as a reply, a thought, the end
        self._calls: Sequence[tuple[ToolCall, ToolCall, Found]] = ()  # so does a call
        self._clean_calls: tuple[ToolCall, ...] = ()
        self._ahead: tuple[tuple[Message, bool, Message, Found], ...] = ()  # what was looked at before its event

    def show(self, text: str) -> Redacted:
        """What may be shown of a text that the model has written."""
        raw, made = self._shown
        if text != raw:
            made = clean_json(text, self._show) if self._is_json else self._show(text)
            self._shown = text, made
        return made

    def _is_clean(self, message: Message, *, shown: bool) -> bool:
        """Whether a message is to stay as it is, as one glance at each of its texts tells."""
        sees = self._sees
        for part in message.parts:
            if self._sees_in_answer(part.text) if shown else sees(part.text):
                return False
        calls = message.tool_calls
        for call in calls:
            if "\\" in call.arguments or sees(call.arguments) or holds_secret(call.id):
                return False
            tool = self._find_tool(call.name)
            if sees(call.name) if tool is None else tool.policy.secrets:
                return False
        self._clean_calls = calls
        return not message.blocks or not sees(message.blocks)

    def look_ahead(self, message: Message, *, shown: bool) -> None:
        """Look now, in a thread, at a long message of the model whose event comes next."""
        self._ahead = (*self._ahead[-1:], (message, shown, *self._read(message, shown=shown)))

    def _read(self, message: Message, *, shown: bool) -> tuple[Message, Found]:
        """A message of the model as it may be kept, or as it may be ``shown``, and what was taken out."""
        for raw, was_shown, made, taken in self._ahead:
            if raw is message and was_shown is shown:
                return made, taken
        if self._is_clean(message, shown=shown):
            return message, []
        found: Found = []
        return self._clean_message(message, found, shown=shown), found

    def _sees_in_answer(self, text: str) -> bool:
        raw, made = self._shown
        if text == raw:
            return made.redactions != ()
        if (self._is_json and "\\" in text) or self._cleaner.sees_in_answer(text, self._scene):
            return True
        self._shown = text, Redacted(text)
        return False

    def show_value(self, run_id: str, text: str, value: Any, answer_type: AnswerType[Any]) -> tuple[str, Any]:
        """A structured answer without what must not leave, and its value.

        Raises:
            OutputInvalid: Something had to go from a field that takes no note in its place.
        """
        shown = self.show(text).text
        if shown == text:
            return text, value
        try:
            return shown, answer_type.decode(shown)
        except ValueError:
            raise OutputInvalid(
                f"run {run_id}: a field of the answer held what must not leave, and takes no note in its place"
            ) from None

    def _show(self, text: str) -> Redacted:
        return self._cleaner.show(text, self._scene)

    def open_window(self) -> Holdback:
        """For one text of the model while it streams."""
        return self._cleaner.stream(self._scene)

    def keep_ids(self, turn: Turn, step: int) -> Turn:
        """The calls with ids that may be kept: a server may let a model write them."""
        for call in turn.calls:
            if holds_secret(call.id):
                return self._replace_ids(turn, step)
        return turn

    def _replace_ids(self, turn: Turn, step: int) -> Turn:
        calls = [
            replace(call, id=f"call_{step}_{number}_") if holds_secret(call.id) else call
            for number, call in enumerate(turn.calls, 1)
        ]
        return replace(turn, calls=tuple(calls))

    def keep_arguments(self, call: ToolCall) -> str:
        """The arguments of a call as they may be kept."""
        if any(clean is call for clean in self._clean_calls):
            return call.arguments
        return self._clean_call(call, []).arguments

    def keep_result(self, result: ToolResult, *, formats: bool) -> tuple[ToolResult, dict[str, int] | None]:
        """What a tool gave, as the model may see it, and what was taken out, None for nothing.

        Without ``formats`` only what the process knows as secret, and canaries.
        """
        text = result.whole or result.content
        if not self._sees(text):
            return result, None
        made = self._cleaner.keep(text, formats=formats)
        if not made.redactions:
            return result, None
        if result.whole:
            return recap(result, made.text), made.counts
        return replace(result, content=made.text), made.counts

    def keep_name(self, name: str, found: Found | None = None) -> str:
        """The name of a tool as it may be kept: a model may ask for one that there is not."""
        return name if self._find_tool(name) is not None else self._keep(name, found)

    def keep_error(self, error: BaseException) -> None:
        """Take out of an error, and of those behind it, what must not reach a log: its own words stay an error's."""
        clean_error(error, self._keep)

    def _keep(self, text: str, found: Found | None = None) -> str:
        made = self._cleaner.keep(text)
        if found is not None:
            found += made.redactions
        return made.text

    def _take(self, made: Redacted, found: Found) -> str:
        found += made.redactions
        return made.text

    def _clean_message(self, message: Message, found: Found, *, shown: bool) -> Message:
        before = len(found)
        parts = [
            Part(self._take(self.show(part.text), found) if shown else self._keep(part.text, found), part.label)
            for part in message.parts
        ]
        self._calls, self._clean_calls = (), ()
        calls = [self._clean_call(call, found) for call in message.tool_calls]
        blocks = message.blocks
        if blocks and (hidden := self._cleaner.keep(blocks)).redactions:
            found += hidden.redactions  # they are signed: changed, the provider would refuse them
            blocks = ""
        if len(found) == before:
            return message
        return replace(message, parts=tuple(parts), tool_calls=tuple(calls), blocks=blocks)

    def _clean_call(self, call: ToolCall, found: Found) -> ToolCall:
        for raw, kept, taken in self._calls:
            if raw is call:
                found += taken
                return kept
        mine: Found = []
        arguments = self._take(clean_json(call.arguments, self._cleaner.keep, self._find_secrets(call.name)), mine)
        name = self.keep_name(call.name, mine)
        call_id = self._keep(call.id, mine) if holds_secret(call.id) else call.id
        made = replace(call, id=call_id, name=name, arguments=arguments) if mine else call
        self._calls = (*self._calls, (call, made, mine))
        found += mine
        return made

    def _find_secrets(self, name: str) -> Sequence[str]:
        """The parameters of a tool that are secret, as its author says."""
        tool = self._find_tool(name)
        return () if tool is None else tool.policy.secrets

    def _run_started(self, event: RunStarted) -> RunStarted:
        """The history was cleaned when it happened."""
        *history, question = event.messages
        if not self._cleaner.is_known_clean(event.agent):
            event = replace(event, agent=self._keep(event.agent))
        system = history[0] if history and history[0].role == "system" else None
        is_told_clean = system is None or self._cleaner.is_known_clean(system.text)
        question, taken = self._read(question, shown=False)
        if is_told_clean and not taken:
            return event
        found = [*taken]
        if system is not None and not is_told_clean:
            history[0] = self._clean_message(system, found, shown=False)
        return _note(event, found, messages=(*history, question))

    def _model_replied(self, event: ModelReplied) -> ModelReplied:
        if holds_secret(event.response_id):
            event = replace(event, response_id="")
        if self._ahead:
            made, found = self._read(event.message, shown=event.joins)
            return _note(event, found, message=made)
        if self._is_clean(event.message, shown=event.joins):
            return event
        taken: Found = []
        return _note(event, taken, message=self._clean_message(event.message, taken, shown=event.joins))

    def _thought(self, event: Thought) -> Thought:
        made, found = self._read(event.message, shown=True)
        found = [*found]
        problem = self._keep(event.problem, found) if event.problem else ""
        return _note(event, found, message=made, problem=problem)

    def _model_failed(self, event: ModelFailed) -> ModelFailed:
        found: Found = []
        return _note(event, found, message=self._keep(event.message, found))

    def _tool_intended(self, event: ToolIntended) -> ToolIntended:
        for clean in self._clean_calls:  # a comparison takes more
            if clean is event.call:
                return event
        found: Found = []
        return _note(event, found, call=self._clean_call(event.call, found))

    def _call_judged(self, event: CallJudged) -> CallJudged:
        found: Found = []
        reason, secrets, traces = event.reason, self._find_secrets(event.name), list[Trace]()
        for one in event.traces:
            name = one.parameter if one.parameter in secrets else one.name
            value = self._take(clean_field(one.value, name, self._cleaner.keep, secrets), found)
            if value != one.value:
                reason = reason.replace(repr(one.value), repr(value))
            traces.append(replace(one, value=value))
        return _note(event, found, reason=self._keep(reason, found), traces=tuple(traces))

    def _text_kept(self, event: TextT) -> TextT:
        found: Found = []
        return _note(event, found, text=self._keep(event.text, found))

    def _model_switched(self, event: ModelSwitched) -> ModelSwitched:
        found: Found = []
        system = None if event.system is None else self._clean_message(event.system, found, shown=False)
        return _note(event, found, reason=self._keep(event.reason, found), system=system)

    def _run_finished(self, event: RunFinished) -> RunFinished:
        if not event.error and (not event.output or not self._sees_in_answer(event.output)):
            return event
        found: Found = []
        error = self._keep(event.error, found) if event.error else ""
        output = self._take(self.show(event.output), found) if event.output else ""
        return _note(event, found, output=output, error=error)

    HANDLERS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        RunStarted: _run_started,
        ModelReplied: _model_replied,
        Thought: _thought,
        ModelFailed: _model_failed,
        ToolIntended: _tool_intended,
        CallJudged: _call_judged,
        Nudged: _text_kept,
        ContextSummarised: _text_kept,
        ModelSwitched: _model_switched,
        RunFinished: _run_finished,
    }


CLEAN: Final = Redactor.HANDLERS
"""What makes an event of each class that may hold something fit to be kept, with the count of what was taken out."""


def _note(event: EventT, found: Found, **changed: Any) -> EventT:
    """The event with what has changed, and the count of what was taken out."""
    return replace(event, redacted=count_kinds(found), **changed) if found else event

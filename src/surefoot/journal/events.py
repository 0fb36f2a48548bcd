"""What can happen in a run: typed, append-only, versioned. The journal holds these and nothing else.

A record (one append) is a JSON array of events; an event is a JSON object whose ``type`` names its class. Readers
ignore fields they do not know; a field is never renamed or given another meaning: that takes a new class.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Raw

from surefoot.journal.context_events import ContextSummarised, ContextTrimmed, OutputKept
from surefoot.journal.event import Event
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged, ChildEnded
from surefoot.journal.threat_events import ThreatsFound
from surefoot.policy.handed_on import Carried
from surefoot.types import JsonSchema, Label, Message, StopReason, ToolCall, Usage

JOURNAL_VERSION: Final = 1

Purpose = Literal["step", "final", "repair", "summary"]
"""Why a model is called: a step, the last answer on the reserve, to mend a structured answer, to sum up."""


class RunStarted(Event, frozen=True, tag="run_started", kw_only=True):
    """The run exists; everything needed to continue it without the process that began it.

    Attributes:
        version: Version of this journal format.
        run_id: Id of the run.
        agent: Name of the agent.
        model: Model string, for example ``openai:gpt-4.1``.
        protocol: How the model speaks ReAct: ``native``, ``json`` or ``text``.
        user: Whose run it is.
        session: Conversation that it belongs to, "" for none.
        tenant: The customer that the user belongs to, "" for none.
        parent: Id of the run whose tool began this one, "" for none.
        messages: The conversation so far: system message, earlier turns, the question last.
        limits: The limits as they were given, ``"unlimited"`` where there is none; USD in nano-dollars.
        tools: What the model was told of its tools: a JSON array of `ToolSpec`, encoded once for all runs.
        output_schema: JSON Schema of the structured answer, or None.
        prices: Where the price came from, "" when it is unknown.
        rates: The prices themselves: a JSON object of `surefoot.budget.rates.Rates`, encoded once; null when unknown.
        waited_ms: How long the request waited, for its session's turn and a slot, before the run began.
        carried: Where the values of the conversation so far came from, None for a new one.
    """

    version: int = JOURNAL_VERSION
    run_id: str
    agent: str
    model: str
    protocol: str
    user: str = ""
    session: str = ""
    tenant: str = ""
    parent: str = ""
    messages: tuple[Message, ...]
    limits: dict[str, int | float | str]
    tools: Raw = Raw(b"[]")
    output_schema: JsonSchema | None = None
    prices: str = ""
    rates: Raw = Raw(b"null")
    waited_ms: int = 0
    carried: Carried | None = None


class ModelRequested(Event, frozen=True, tag="model_requested", kw_only=True):
    """A hold is taken; only after this event may a byte go to the provider. One for each wire attempt.

    Attributes:
        step: Number of the step, from 1.
        hold: Number of the hold within the run, from 1.
        attempt: Attempt for the same request, from 1.
        model: Model string that this attempt goes to.
        purpose: Why the model is called.
        max_tokens: What the provider is told not to exceed.
        hold_tokens: Input bound plus ``max_tokens``.
        hold_nano: The worst case in nano-dollars, 0 when the price is unknown.
        prices: Digest of the prices that the hold was computed with (those of `RunStarted`), "" when they are unknown.
    """

    step: int
    hold: int
    attempt: int = 1
    model: str
    purpose: Purpose = "step"
    max_tokens: int
    hold_tokens: int
    hold_nano: int = 0
    prices: str = ""


class ModelReplied(Event, frozen=True, tag="model_replied", kw_only=True):
    """The hold is settled: before the reply is read, whatever is in it.

    Attributes:
        hold: The hold that this settles.
        message: The reply, as the model gave it.
        joins: The message joins the conversation as it is; otherwise the `Thought` that follows does.
        usage: Tokens as the provider reported them, None when it did not: then the full hold is charged.
        tokens: Tokens charged.
        nano: Nano-dollars charged.
        finish_reason: ``stop``, ``tool_calls``, ``length``, ``content_filter`` or ``refusal``.
        latency_ms: From the request to the end of the reply, milliseconds.
        response_id: The provider's id of the reply, "" when it gave none.
        service_tier: Service tier at which the provider says that it served the call, "" when it says none.
    """

    hold: int
    message: Message
    joins: bool = False
    usage: Usage | None = None
    tokens: int
    nano: int = 0
    finish_reason: str
    latency_ms: float
    response_id: str = ""
    service_tier: str = ""


class ModelFailed(Event, frozen=True, tag="model_failed", kw_only=True):
    """An attempt ended without a reply. The hold is released if nothing can have been billed, else charged in full.

    Attributes:
        hold: The hold that this settles.
        code: ``code`` of the error, or ``cancelled``.
        message: One line.
        tokens: Tokens charged.
        nano: Nano-dollars charged.
        retry_in_s: Seconds until the next attempt, None when there is none.
        latency_ms: From the request to the failure, milliseconds.
    """

    hold: int
    code: str
    message: str
    tokens: int = 0
    nano: int = 0
    retry_in_s: float | None = None
    latency_ms: float


class Thought(Event, frozen=True, tag="thought", kw_only=True):
    """What the protocol read in a reply that does not join the conversation as it is.

    Attributes:
        message: The canonical assistant message: thought as text, calls as `ToolCall`.
        problem: What was wrong with the reply, "" if nothing; it joins the conversation as an observation.
    """

    message: Message
    problem: str = ""


class ToolIntended(Event, frozen=True, tag="tool_intended", kw_only=True):
    """A tool is about to run; written before its effect.

    Attributes:
        call: The call.
        effect: ``read`` or ``write``, "" for an unknown tool.
        idempotency_key: ``run_id:step:call_id``, given to the tool.
    """

    call: ToolCall
    effect: str = ""
    idempotency_key: str = ""


class ToolFinished(Event, frozen=True, tag="tool_finished", kw_only=True):
    """A tool call has its result (or its refusal, or its error), which joins the conversation.

    Attributes:
        call_id: Id of the call.
        name: Name of the tool.
        content: What the model is shown.
        label: Who wrote the content.
        records: Paths of the fields in it that the tool's own system wrote: ``[].id``.
        is_error: Whether the content reports a failure.
        cut_bytes: How many bytes of the output are not in ``content``.
        latency_ms: Run time, milliseconds; 0 if the call never ran.
    """

    call_id: str
    name: str
    content: str
    label: Label
    records: tuple[str, ...] = ()
    is_error: bool = False
    cut_bytes: int = 0
    latency_ms: float = 0.0


class Nudged(Event, frozen=True, tag="nudged", kw_only=True):
    """Surefoot tells the model something: answer now, mend the answer, sum up. The text joins the conversation.

    Attributes:
        text: What it is told.
        wants_summary: It is asked to sum up; the text goes with the `ContextSummarised` that follows.
        sets_aside: The last so many messages before it are not to be summed up; they come back with that event.
    """

    text: str
    wants_summary: bool = False
    sets_aside: int = 0


class BudgetWarning(Event, frozen=True, tag="budget_warning", kw_only=True):
    """A limit is nearly used up; sent once for each limit.

    Attributes:
        limit: Name of the limit.
        used: Amount used (nano-dollars for ``usd``).
        of: The limit itself, in the same unit.
    """

    limit: str
    used: float
    of: float


class LimitReached(Event, frozen=True, tag="limit_reached", kw_only=True):
    """A limit leaves no room for another ordinary step; the last answer comes from the reserve.

    Attributes:
        limit: Name of the limit; ``frozen`` for an account that waits for a person, ``price`` for one that limits US
            dollars where no price is known.
        message: One line for a person.
        account: The account above the run whose limit it is, "" for the run's own.
        period: For how long that account's limit counts.
        resets_at: Wall time, seconds, at which that account's next window begins; None if it never does.
    """

    limit: str
    message: str
    account: str = ""
    period: str = ""
    resets_at: float | None = None


class RungTaken(Event, frozen=True, tag="rung_taken", kw_only=True):
    """A limit runs low, and the next rung of ``Limits(ladder=...)`` is taken.

    Attributes:
        rung: As it stands in the ladder.
        limit: The limit that is used most.
        used: Its used share, 0 to 1.
        keep_bytes: For ``trim``: older tool results are cut to so many bytes, and a note.
        left_out: There was no room for it: nothing was done, and the next rung is on.
    """

    rung: str
    limit: str
    used: float
    keep_bytes: int = 0
    left_out: bool = False


class ModelSwitched(Event, frozen=True, tag="model_switched", kw_only=True):
    """From here on another model goes on with the same conversation.

    Attributes:
        model: Model string.
        protocol: How it speaks ReAct.
        system: Its system message, None if there is nothing to say.
        prices: Where its price came from, "" when it is unknown.
        rates: The prices themselves, as in `RunStarted`.
        reason: What was wrong with the model before, in one line; "" where the ladder wanted another one.
    """

    model: str
    protocol: str
    system: Message | None = None
    prices: str = ""
    rates: Raw = Raw(b"null")
    reason: str = ""


class BudgetOverrun(Event, frozen=True, tag="budget_overrun", kw_only=True):
    """Alarm: a provider charged more than it was told not to exceed. The truth is booked.

    The nearest limited account above the run is frozen until ``surefoot budget acknowledge``.

    Attributes:
        hold: The hold that was exceeded.
        tokens: Tokens beyond it.
        nano: Nano-dollars beyond it.
    """

    hold: int
    tokens: int
    nano: int


class RunFinished(Event, frozen=True, tag="run_finished", kw_only=True):
    """The end; nothing follows.

    Attributes:
        stop_reason: Why.
        output: The answer as text (JSON text for a structured answer).
        limit: The limit that ended it, "" if none did.
        error_code: ``code`` of the error for ``stop_reason="error"``.
        error: The error in one line.
    """

    stop_reason: StopReason
    output: str = ""
    limit: str = ""
    error_code: str = ""
    error: str = ""


class TextDelta(Event, frozen=True, tag="text_delta", kw_only=True):
    """A piece of the answer while it streams. Never journaled: the whole is in the reply's event."""

    text: str


JournalEvent = (
    RunStarted
    | ModelRequested
    | ModelReplied
    | ModelFailed
    | Thought
    | ThreatsFound
    | CallJudged
    | ApprovalAnswered
    | ChildEnded
    | ToolIntended
    | OutputKept
    | ToolFinished
    | Nudged
    | BudgetWarning
    | LimitReached
    | BudgetOverrun
    | RungTaken
    | ContextTrimmed
    | ContextSummarised
    | ModelSwitched
    | RunFinished
)
"""What a journal holds."""

RunEvent = JournalEvent | TextDelta
"""What ``Runtime.stream`` yields."""

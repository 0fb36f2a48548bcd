"""The tool calls of one reply: the one door, side by side, results in the order of the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

from msgspec.structs import replace

from surefoot.budget.posting import Claim
from surefoot.caller import Caller
from surefoot.clearance import clear
from surefoot.errors import ConfigError
from surefoot.journal.events import ToolFinished, ToolIntended
from surefoot.read_more import (
    NOTE_TOKENS,
    Passage,
    count_in_prompt,
    find_longest,
    find_passage,
    keep_output,
    read_more,
    show_passage,
)
from surefoot.run import Run
from surefoot.screening import MARK_BYTES
from surefoot.tools import Prepared
from surefoot.types import SYSTEM_LABEL, Label, ToolCall, ToolResult

LEAST_RESULT_BYTES: Final = 200
"""A result is not cut below this to save budget: less would tell the model nothing."""
KEPT_RESULT_BYTES: Final = 2_000
"""Of the result of each call: what a run that another call begins meanwhile cannot use up."""
_FRAMING_BYTES: Final = 200
"""What stands around a result in a prompt beside the id of its call: role, name of the tool, a note on what was cut."""
_MOST_BYTES: Final = 6
"""Of an ASCII character in JSON: a control character becomes ``\\u001f``."""

REDACTED_AT_ONCE_CHARS: Final = 32_000
"""What is longer is redacted in a thread: nothing of ours holds the loop for 10 ms."""

_ENCLOSING: Final[ContextVar[tuple[str, ...]]] = ContextVar("surefoot_enclosing_runs", default=())
"""Ids of the runs inside whose tools the code runs, in the tasks and threads that it begins as well."""


def check_turn(caller: Caller, live: Mapping[str, Run]) -> None:
    """Refuse a run that would wait for the end of a run which waits for it.

    Args:
        caller: Whose run is to begin, and in which session.
        live: The runs that have not ended, by id.

    Raises:
        ConfigError: It is begun inside a tool of a run of its own session, or by a task or thread which that began.
    """
    for run_id in _ENCLOSING.get():
        outer = live.get(run_id)
        if outer is not None and _conversation(outer.caller) == _conversation(caller):
            raise ConfigError(
                f"session {caller.session!r}: run {run_id} holds it until this tool ends, and a run that the tool "
                "begins in it would wait for that: give the inner run another session, or none"
            )


def find_outer(live: Mapping[str, Run]) -> str:
    """Id of the run in whose tool the code runs, in a task or thread that it began as well; "" outside of all."""
    for run_id in reversed(_ENCLOSING.get()):
        if run_id in live:
            return run_id
    return ""


def _conversation(caller: Caller) -> tuple[str, str, str]:
    return caller.tenant, caller.user, caller.session


async def run_tools(run: Run, calls: tuple[ToolCall, ...], room_bytes: int) -> None:
    """Run the calls and emit their results.

    Every intent is in the journal before any tool starts, and on disk before one that writes. A read that is done at
    once shares a record with its result; if it takes longer, its intent is written meanwhile.

    Args:
        run: The run.
        calls: What the model asks for.
        room_bytes: Bytes that the results may add to the prompt so that the budget has room for an answer.
    """
    ready: list[Prepared | ToolResult] = [_prepare(run, call) for call in calls]
    asking = clear(run, ready)
    if asking is not None:
        await asking
    writes = begins_runs = False
    now = run.desk.clock.now()
    intended: list[ToolIntended] = []
    for one in ready:
        if isinstance(one, Prepared):
            call, effect = one.call, one.tool.effect
            writes = writes or effect == "write"
            begins_runs = begins_runs or one.tool.takes_context
            intended.append(ToolIntended(at=now, call=call, effect=effect, idempotency_key=_key(run, call)))
    if intended and run.limits_tool_calls():
        claiming = run.claim(intended, Claim(run.payers, 0, tool_calls=len(intended)))
        refusal = None if claiming is None else await claiming
        if refusal is not None:
            run.refusal = refusal
            refused = ToolResult(f"Not run: {refusal.notice}.", SYSTEM_LABEL, is_error=True)
            ready = [refused if isinstance(one, Prepared) else one for one in ready]
            begins_runs = False
    else:
        run.tool_calls_untold += len(intended)
        for event in intended:
            run.emit(event)
        if writes:
            written = run.write()
            if written is not None:
                await written
    share = room_bytes // len(calls) - _count_framing(run)
    kept = _keep_results(run, calls, share) if begins_runs else None
    if len(calls) == 1:
        await _run_one(run, calls[0], ready[0], share, kept)
    else:
        await _run_several(run, calls, ready, share, kept)
    if run.state.origins.behind:
        await run.state.origins.catch_up()


async def _run_several(
    run: Run, calls: tuple[ToolCall, ...], ready: list[Prepared | ToolResult], share: int, kept: int | None
) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_run_one(run, call, prepared, share, kept))
            for call, prepared in zip(calls, ready, strict=True)
        ]
    for call, task in zip(calls, tasks, strict=True):
        if task.cancelled():  # a tool that cancels its own task; every call needs its answer
            text = f"{call.name} failed: it cancelled itself."
            now = run.desk.clock.now()
            run.emit(
                ToolFinished(at=now, call_id=call.id, name=call.name, content=text, label=SYSTEM_LABEL, is_error=True)
            )


def _prepare(run: Run, call: ToolCall) -> Prepared | ToolResult:
    if run.account.begin_tool_call():
        return run.compiled.toolbox.prepare(call)
    return ToolResult("Not run: the budget of tool calls is used up.", SYSTEM_LABEL, is_error=True)


def _count_framing(run: Run) -> int:
    return _FRAMING_BYTES + NOTE_TOKENS if run.compiled.keeps_rest else _FRAMING_BYTES


def _key(run: Run, call: ToolCall) -> str:
    return f"{run.run_id}:{run.state.steps}:{call.id}"


def _keep_results(run: Run, calls: tuple[ToolCall, ...], share: int) -> int:
    """Bytes of each result for which runs that these tools begin must leave room."""
    kept = max(LEAST_RESULT_BYTES, min(share // 2, KEPT_RESULT_BYTES))  # the other half is for the runs
    run.account.keep_text(sum([kept + _count_framing(run) + len(call.id) for call in calls]))
    return kept


async def _run_one(run: Run, call: ToolCall, prepared: Prepared | ToolResult, share: int, kept: int | None) -> None:
    clock = run.desk.clock
    began = clock.monotonic()
    passage = None
    records: tuple[str, ...] = ()
    if not isinstance(prepared, Prepared):
        result = prepared
    elif prepared.tool is read_more:
        found = await find_passage(run, prepared.arguments)
        if isinstance(found, Passage):
            passage, result = found, ToolResult("", found.kept.label)
        else:
            result = found
    else:
        context = run.context
        if prepared.tool.takes_context:
            context = replace(context, call_id=call.id, idempotency_key=_key(run, call))
        outer = _ENCLOSING.get()
        _ENCLOSING.set((*outer, run.run_id) if outer else (run.run_id,))
        try:
            result = await run.compiled.toolbox.run(prepared, context, run.desk.threads, run.write_behind)
        finally:
            _ENCLOSING.set(outer)
        if run.read_through_children and prepared.tool.takes_context:
            # An answer carries the least trust of what the run behind it has read
            if result.label.author == "tool":
                result = replace(result, label=Label("third_party", source=prepared.tool.spec.name))
        elif not result.is_error:
            records = prepared.tool.records
    redacted, name = None, call.name
    if run.redactor is not None and passage is None:
        name = run.redactor.keep_name(name)
        passes = isinstance(prepared, Prepared) and prepared.tool.policy.passes_secrets
        if len(result.whole or result.content) <= REDACTED_AT_ONCE_CHARS:
            result, redacted = run.redactor.keep_result(result, formats=not passes)
        else:
            result, redacted = await asyncio.to_thread(run.redactor.keep_result, result, formats=not passes)
    content, label, cut_bytes = await _screen(run, call, result, passage, share, kept=kept)
    run.emit(
        ToolFinished(
            at=clock.now(),
            redacted=redacted,
            call_id=call.id,
            name=name,
            content=content,
            label=label,
            records=records,
            is_error=result.is_error,
            cut_bytes=cut_bytes,
            latency_ms=(clock.monotonic() - began) * 1e3,
        )
    )


async def _screen(
    run: Run, call: ToolCall, result: ToolResult, passage: Passage | None, share: int, *, kept: int | None
) -> tuple[str, Label, int]:
    """What the model sees of a result, with its label, and how many bytes of the output come after it.

    Where what looks like an attack is withheld, the whole output is looked at before any of it is shown: of what is
    withheld nothing is kept, either, which the model could read on in.
    """
    screen, label = run.desk.screen, result.label
    is_whole = screen.mode == "withhold" and passage is None
    content, cut_bytes = ("", 0) if is_whole else _show(run, call, result, passage, share, kept=kept)
    if label.author == "third_party":
        text = max(result.whole, result.content, key=len) if is_whole else content
        suspect = screen.look_at_once(text, "tool") if screen.is_quick(text) else await screen.look_aside(text, "tool")
        if suspect is not None:
            run.emit(screen.tell(suspect, run.desk.clock.now(), call.name, call.id))
            return screen.show(content), replace(label, risk=round(suspect.risk, 3)), cut_bytes
    if is_whole:
        content, cut_bytes = _show(run, call, result, passage, share, kept=kept)
    return content, label, cut_bytes


def _show(
    run: Run, call: ToolCall, result: ToolResult, passage: Passage | None, share: int, *, kept: int | None
) -> tuple[str, int]:
    """What of a result has room, and how many bytes of the output come after it.

    Where others begin runs meanwhile its room is kept from now on: it may be looked at in a thread before it is told.
    """
    content, cut_bytes = _fit_room(run, call, result, passage, share, kept=kept)
    if kept is not None:
        mark_bytes = MARK_BYTES if run.desk.screen.mode == "mark" else 0
        run.account.keep_text(max(0, count_in_prompt(content) + mark_bytes - kept))
    return content, cut_bytes


def _fit_room(
    run: Run, call: ToolCall, result: ToolResult, passage: Passage | None, share: int, *, kept: int | None
) -> tuple[str, int]:
    room = share - len(call.id)
    if room < LEAST_RESULT_BYTES:  # noqa: PLR1730 - max() takes 800 instructions
        room = LEAST_RESULT_BYTES
    if kept is not None:
        room = min(room, kept + max(0, run.account.room_above_kept()))
    if run.desk.screen.mode == "mark":
        room = max(0, room - MARK_BYTES)
    content, cut_bytes = result.content, result.cut_bytes
    if passage is not None or cut_bytes or not (content.isascii() and len(content) * _MOST_BYTES <= room):
        return _fit_content(run, call, result, passage, room)
    return content, cut_bytes


def _fit_content(run: Run, call: ToolCall, result: ToolResult, passage: Passage | None, room: int) -> tuple[str, int]:
    """What the model is shown of a result, and how many bytes of the output come after it."""
    content, cut_bytes, most_bytes = result.content, result.cut_bytes, read_more.max_output_bytes
    if passage is None:
        fits = len(content) <= room and count_in_prompt(content) <= room
        if fits and not cut_bytes:
            return content, 0
        if run.compiled.keeps_rest and not result.is_error:
            passage = keep_output(run, call, result)
            most_bytes = len(content.encode())  # as the tool's own cap has it
        if passage is None:
            if fits:
                return content, cut_bytes
            content, more = _cut_result(content, room)
            return content, cut_bytes + more
    return show_passage(passage, most_bytes, room)


def _cut_result(content: str, room: int) -> tuple[str, int]:
    """As `cut_text`, with room for the text as it will stand in the prompt."""
    return cut_text(content, len(find_longest(content, room).encode()))


def cut_text(text: str, room_bytes: int) -> tuple[str, int]:
    """``text`` cut to ``room_bytes`` of UTF-8 and a note that says so; how many bytes were cut."""
    data = text.encode("utf-8", "replace")  # a model of the user's own may say what UTF-8 cannot carry
    kept = data[:room_bytes].decode(errors="ignore")
    cut = len(data) - len(kept.encode())
    return f"{kept}\n[{cut} bytes cut: the budget has no room for them]", cut

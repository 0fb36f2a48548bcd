"""ReAct as one async generator: `react`. Streaming iterates it, ``run`` drains it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from surefoot.budget.posting import Refusal, tell_refused
from surefoot.errors import BudgetExceeded, ModelError, OutputInvalid, RunLost, StoreError, SurefootError
from surefoot.fallback import fall_back
from surefoot.journal.events import (
    BudgetWarning,
    Nudged,
    Purpose,
    RunEvent,
    RunFinished,
    RunStarted,
    TextDelta,
    Thought,
)
from surefoot.ladder import forgo_summary, take_summary
from surefoot.logs import get_logger
from surefoot.model_call import WINDOW, ModelCall
from surefoot.models.base import Reply
from surefoot.next_call import hold_at_once, hold_budget, hold_last, reach, refit
from surefoot.reading import Reading, cut, hold_back, is_ordinary, read, read_aside, tell_left_out, tell_start
from surefoot.run import Run
from surefoot.sessions import SessionMoved
from surefoot.store.base import Outcome
from surefoot.store.session_rows import Moved
from surefoot.tool_calls import cut_text, run_tools
from surefoot.types import StopReason, ToolCall
from surefoot.window import room_for_results

FINISH_TIMEOUT_S: Final = 5.0
"""How long the last record of a cancelled run may take to reach the disk."""
DIGEST_BYTES: Final = 2_000
"""Bytes of findings in an answer that no model wrote."""
_BLOCKED: Final = ("content_filter", "refusal")

_log = get_logger(__name__)


async def drive(run: Run, started: RunStarted) -> AsyncGenerator[list[RunEvent], None]:
    """`react`, where a cancellation that was asked of Surefoot (see `Run.cancel`) is an ordinary end.

    Raises:
        SurefootError: As `react`.
        SessionMoved: As `react`, also where not even that end was written.
    """
    async with aclosing(react(run, started)) as batches:
        try:
            while True:
                run.task = task = asyncio.current_task()
                assert task is not None, "a run is driven by a task"
                others = task.cancelling()
                try:
                    if not run.cancelled:
                        batch = await anext(batches)
                    elif run.state.finished is None:
                        batch = await batches.athrow(asyncio.CancelledError())
                    else:  # the runtime has ended it between two events
                        batch = run.take_news()
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    if not run.cancelled or task.cancelling() - run.interrupted > others:
                        raise  # the task itself shall end, whatever was asked of the run
                    batch = run.take_news()
                finally:
                    run.task = None
                    if run.interrupted:
                        run.interrupted = False
                        task.uncancel()
                if run.is_moved:
                    raise SessionMoved
                if not batch:
                    return
                yield batch
        finally:
            if run.over is not None and not run.over.done():
                run.over.set_result(None)


async def stop_runs(runs: Sequence[Run]) -> None:
    """Cancel runs, and wait until their ends are written: at most `FINISH_TIMEOUT_S`.

    Raises:
        StoreError: One of the ends could not be written.
    """
    try:
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            await asyncio.gather(*[_stop(run) for run in runs])
    except TimeoutError:
        _log.warning("some of %d runs were still busy %g s after they were cancelled", len(runs), FINISH_TIMEOUT_S)


async def _stop(run: Run) -> None:
    run.cancel()
    if run.task is None:  # its reader is busy elsewhere, and may never ask for the next event
        await _abandon(run)
    else:
        run.over = asyncio.get_running_loop().create_future()
        await run.over


async def react(run: Run, started: RunStarted) -> AsyncGenerator[list[RunEvent], None]:
    """The run, from its first event to its last, in batches of events as they happen.

    Closing the generator, or cancelling its task, settles the call in flight in full and ends the run as cancelled.

    Raises:
        SurefootError: The run failed; `RunFinished` with the same error is the last event before.
        SessionMoved: Nothing of it was written, and it is to be begun anew.
        BudgetExceeded: A limit was reached and ``on_limit="raise"``.
    """
    call = ModelCall(run)
    try:
        run.abandon = call.abandon
        await tell_start(run, started)
        await call.prompt.begin()
        await _screen_question(run)
        purpose = hold_at_once(run, call) or await hold_budget(run, call)
        while purpose is not None:
            begun = call.begin(purpose)
            stopped = begun if begun is None or isinstance(begun, (Refusal, ModelError)) else await begun
            if stopped is not None:
                purpose = await _turn_back(run, call, purpose, stopped)
                continue
            if run.live:
                yield run.take_news()
                async with aclosing(hold_back(run.redactor, call.stream())) as texts:
                    async for text in texts:
                        if not run.sums_up:
                            yield [TextDelta(at=run.desk.clock.now(), text=text)]
            else:
                await call.respond()
            purpose = await _follow(run, call, purpose)
        if run.state.finished is None:  # nothing fits any more, and no model has said the last word
            _end(run, "budget", _digest(run), limit=run.state.limit)
        await _write_end(run)
        if run.live:
            yield run.take_news()
    except (asyncio.CancelledError, GeneratorExit):
        await _abandon(run)
        raise
    except (RunLost, StoreError, SessionMoved):
        call.passage.leave(sent=False)
        raise  # after a record that is not in the journal nothing more may be written; the lease tells of the rest
    except BaseException as error:  # whatever a tool or a model raises, the journal tells the end
        await _fail(run, error)
        if run.live:
            yield run.take_news()
        raise


async def _screen_question(run: Run) -> None:
    """A question that looks like an attack is noted: the user may ask for what he likes, and gets what he may."""
    if run.parent is not None:
        return  # a model wrote it: what that has read was looked at
    screen, text = run.desk.screen, run.state.question.text
    found = screen.look_at_once(text, "user") if screen.is_quick(text) else await screen.look_aside(text, "user")
    if found is not None:
        run.emit(screen.tell(found, run.desk.clock.now()))


async def _turn_back(run: Run, call: ModelCall, purpose: Purpose, stopped: Refusal | ModelError) -> Purpose | None:
    """The call was not made: an account has no room for it, or no way is open."""
    if isinstance(stopped, Refusal):
        return await refit(run, call, purpose, stopped)
    return await _follow(run, call, purpose)


async def _follow(run: Run, call: ModelCall, purpose: Purpose) -> Purpose | None:
    """Take the reply or the failure in, and reserve the call that follows. None: the run is at its end."""
    reply = call.reply
    if reply is not None:
        calls = _take_reply(run, call, reply) if is_ordinary(reply) else await _take_long(run, call, reply)
        if calls:
            await run_tools(run, calls, room_for_results(run, call))
            if left_out := tell_left_out(reply):
                run.emit(Nudged(at=run.desk.clock.now(), text=left_out))
        if run.state.finished is not None:
            return None
        return hold_at_once(run, call) or await hold_budget(run, call)
    if run.sums_up:
        forgo_summary(run, call)
        return await hold_budget(run, call)
    try:
        shortage = await call.recover()
    except ModelError as error:
        fall_back(run, call, error)
        shortage = await call.hold_again()
    if shortage is None:
        return purpose
    if shortage.limit == WINDOW:  # another model goes on, and its window is smaller
        return await hold_budget(run, call)
    return None if run.final_only else await hold_last(run, call, shortage)


def _take_reply(run: Run, call: ModelCall, reply: Reply) -> tuple[ToolCall, ...]:
    """Settle, read, and do what the reply says: answer, or hear what was wrong with it. The calls that it asks for."""
    if run.sums_up:
        take_summary(run, call, reply)
        return ()
    call.settle()
    return _act_on(run, call, reply, read(run, reply))


async def _take_long(run: Run, call: ModelCall, reply: Reply) -> tuple[ToolCall, ...]:
    """As `_take_reply`, of a reply that is cut where it is too much and read in a thread: settled it is before."""
    call.reply = reply = cut(reply, is_summary=run.sums_up)
    if run.sums_up:
        return _take_reply(run, call, reply)
    call.settle()
    return _act_on(run, call, reply, await read_aside(run, reply))


def _act_on(run: Run, call: ModelCall, reply: Reply, reading: Reading) -> tuple[ToolCall, ...]:
    turn, joins = reading.turn, reading.joins
    now = run.desk.clock.monotonic()
    call.tell_reply(now, joins=joins)
    if not joins:
        run.emit(Thought(at=run.desk.clock.now(), message=reading.message, problem=turn.problem))
    for warned in run.account.warnings(now):
        run.emit(BudgetWarning(at=run.desk.clock.now(), limit=warned.limit, used=warned.used, of=warned.of))
    if turn.answer is not None or reply.finish_reason in _BLOCKED:
        _answer(run, call, reply, turn.answer or reply.message.text)
    elif run.final_only:  # it was told to answer and did not: asking again would only spend more
        _end(run, "budget", _digest(run), limit=run.state.limit)
    elif turn.calls:
        shortage = run.account.tool_shortage(len(turn.calls))
        if shortage is not None:
            reach(run, shortage)
        return turn.calls
    return ()


def _answer(run: Run, call: ModelCall, reply: Reply, text: str) -> None:
    """End the run with the answer, or ask for a better one."""
    answer_type = run.compiled.answer
    stop_reason: StopReason = "budget" if run.final_only else "final"
    limit = run.state.limit
    if reply.finish_reason == "content_filter" or reply.finish_reason == "refusal":  # noqa: PLR1714 - narrows the type
        stop_reason, limit = reply.finish_reason, ""
    elif reply.finish_reason == "length":
        limit = limit or call.fit.limit
        stop_reason = "budget" if limit else "length"
    elif answer_type is not None:
        try:
            run.value = answer_type.decode(text)
        except ValueError as error:
            if run.repairs_left > 0 and not run.final_only:
                run.repairs_left -= 1
                run.emit(Nudged(at=run.desk.clock.now(), text=f"The answer does not fit: {error}. Answer again."))
                return
            if not run.final_only:
                raise OutputInvalid(f"run {run.run_id}: the answer does not match its type: {error}") from None
        else:
            if run.redactor is not None:
                text, run.value = run.redactor.show_value(run.run_id, text, run.value, answer_type)
    _end(run, stop_reason, text, limit=limit)


def _end(
    run: Run, stop_reason: StopReason, output: str = "", *, limit: str = "", error: BaseException | None = None
) -> None:
    code = "" if error is None else error.code if isinstance(error, SurefootError) else "internal"
    text = "" if error is None else str(error) or type(error).__name__
    run.emit(
        RunFinished(
            at=run.desk.clock.now(), stop_reason=stop_reason, output=output, limit=limit, error_code=code, error=text
        )
    )


def _digest(run: Run) -> str:
    """What was found so far, when the budget leaves no call to say it."""
    state = run.state
    said = state.conversation
    found = [f"- {message.text}" for message in said if message.role == "tool" and not message.is_error]
    thoughts = [message.text for message in said if message.role == "assistant" and message.text]
    shortage = state.shortage
    why = f"the limit on {state.limit} was reached"
    if shortage is not None and shortage.account:  # the figures of others are not for who reads the answer
        why = tell_refused(shortage.limit, shortage.account, shortage.resets_at)
    elif shortage is not None:
        why = f"{why} ({shortage.message})"
    lines = [f"Stopped before an answer: {why}."]
    if found:
        lines += ["Found so far:", *found]
    elif thoughts:
        lines += ["Last thought:", thoughts[-1]]
    else:
        lines.append("Nothing was found yet.")
    text = "\n".join(lines)
    return text if len(text.encode("utf-8", "replace")) <= DIGEST_BYTES else cut_text(text, DIGEST_BYTES)[0]


async def _fail(run: Run, error: BaseException) -> None:
    """Close the journal of a run that cannot go on."""
    if run.state.finished is not None:
        return  # the end itself could not be written: the lease will tell that the run is lost
    if run.redactor is not None:
        run.redactor.keep_error(error)
    run.abandon("internal", f"the run failed while the model was answering: {type(error).__name__}")
    stopped = isinstance(error, BudgetExceeded)
    _end(run, "budget" if stopped else "error", _digest(run) if stopped else "", limit=run.state.limit, error=error)
    await _write_end(run)


async def _abandon(run: Run) -> None:
    """Close the journal of a cancelled run."""
    if run.state.finished is None:
        run.abandon("cancelled", "the run was cancelled while the model was answering")
        _end(run, "cancelled")
        ending = run.write_end()
        await _await_disk(run, ending)
        run.is_moved = ending.done() and isinstance(ending.result(), Moved)


async def _write_end(run: Run) -> None:
    """Write the last record; whoever is cancelled meanwhile still leaves a journal that is closed."""
    ending = run.write_end()
    # asyncio.shield(), which does the same for any awaitable, takes twice the instructions.
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(_: object) -> None:
        if not woken.done():
            woken.set_result(None)

    ending.add_done_callback(wake)
    try:
        await woken
        if isinstance(ending.result(), Moved):
            raise SessionMoved
    except asyncio.CancelledError:
        await _await_disk(run, ending)
        raise


async def _await_disk(run: Run, ending: asyncio.Future[Outcome]) -> None:
    await asyncio.wait({ending}, timeout=FINISH_TIMEOUT_S)
    if ending.done():
        ending.result()
    else:
        _log.warning("run %s: its end is not on disk %g s after it was cancelled", run.run_id, FINISH_TIMEOUT_S)

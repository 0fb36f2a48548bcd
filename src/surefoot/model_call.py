"""One call of the model: hold the worst case, take leave to go, attempt, settle, and again while it is worth it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Final

from surefoot.budget.holds import MIN_FINAL_TOKENS, MIN_STEP_TOKENS, Charge, Fit, Hold, Shortage, is_plausible
from surefoot.budget.posting import Refusal
from surefoot.budget.room import wait_for_room
from surefoot.errors import ModelBroken, ModelError, ModelUnreachable
from surefoot.growing_prompt import GrowingPrompt
from surefoot.journal.events import BudgetOverrun, ModelFailed, ModelReplied, ModelRequested, Purpose
from surefoot.models.base import Options, Reply
from surefoot.passage import TIMER_SLACK_S, Passage
from surefoot.run import Run
from surefoot.types import Message, Usage

WINDOW: Final = "window"
"""Names the shortage of a prompt that does not fit the model's window: it must be shortened."""
_NO_HOLD: Final = Hold(0, 0, 0, 0)
_Stopping = Coroutine[Any, Any, Refusal | ModelError | None]


class ModelCall:
    """All calls of one run's model, one at a time, on one growing prompt.

    Attributes:
        passage: Its leave to ask the provider.
        prompt: The prompt.
        reply: The reply that came and is not settled yet, None if there is none.
        fit: How many output tokens the last hold allows, and what lowered them.
    """

    __slots__ = (
        "_asked_at", "_attempt", "_charge", "_failure", "_hold", "_is_sent", "_options", "_run", "_settled", "_tried",
         "_untold", "_usage", "fit", "passage", "prompt", "reply",
    )  # fmt: skip

    def __init__(self, run: Run) -> None:
        self._run = run
        self.prompt = GrowingPrompt(run)
        self.passage = Passage(run)
        self._hold: Hold | None = None
        self._failure: ModelError | None = None
        self._attempt = self._tried = 0  # of the step, and how many of them at the present model
        self._asked_at = 0.0
        self._options = Options()
        self._settled = _NO_HOLD
        self._usage: Usage | None = None
        self._charge = Charge(0, 0)
        self._is_sent = False
        self._untold: Reply | None = None  # settled, and not in the journal yet
        self.fit = Fit(0)
        self.reply: Reply | None = None

    def reopen(self) -> None:
        """Begin the prompt anew: what was shown of the conversation, or the model, has changed."""
        self.prompt.open()

    def hold_at_once(self, now: float, *, final: bool) -> bool:
        """Reserve the worst case of the next attempt, if nothing limits it; else False, and `hold` looks closer."""
        compiled, account, bound = self._run.compiled, self._run.account, self.prompt.grow()
        if compiled.window - bound < (want := compiled.max_tokens):
            return False
        if not account.fits_easily(bound, want, now) and (
            account.last_step(now) is not None
            or account.fit(bound, want, final=final, now=now, begins_step=self._attempt == 0).limit
        ):
            return False
        self.fit = Fit(want)
        self._reserve(bound, want)
        return True

    async def hold(self, *, final: bool, want: int | None = None, least: int = 0) -> Shortage | None:
        """Reserve the worst case of the next attempt, or say what lacks; ``least`` to ``want`` output tokens."""
        run = self._run
        compiled, account, clock = run.compiled, run.account, run.desk.clock
        bound = self.prompt.grow()
        want = compiled.max_tokens if want is None else want
        if compiled.window - bound < want:
            bound, want = await self.prompt.fit_window(bound, want)
            if want == 0:
                return Shortage(WINDOW, f"the prompt does not fit the {compiled.window} tokens of the model's window")
        first = self._attempt == 0
        fit = account.fit(bound, want, final=final, now=clock.monotonic(), begins_step=first)
        if fit.limit in {"tokens", "usd"}:  # an exact count is slow: only where the cheap bound does not fit
            bound = await self.prompt.count_exactly(bound)
            fit = await wait_for_room(account, bound, want, final=final, begins_step=first, clock=clock)
        if isinstance(fit, Shortage) or (fit.limit and fit.max_tokens < least):
            return fit if isinstance(fit, Shortage) else Shortage(fit.limit, f"a reply has no room for {least} tokens")
        self.fit = fit
        self._reserve(bound, fit.max_tokens)
        return None

    def begin(self, purpose: Purpose) -> Refusal | ModelError | _Stopping | None:
        """Take leave to go, then write down that an attempt is made, if the accounts above the run have room for it.

        Nothing may be sent before this is in the journal. After a refusal, or an error because no way is open, nothing
        of it is; what waits for its turn holds nothing of any account. A coroutine if something must be waited for.
        """
        self.reply = self._failure = None
        self._is_sent = False
        hold = self._hold
        assert hold is not None, "hold() came first"
        try:
            if not self.passage.take(hold.tokens, is_first=self._tried == 0):
                return self._begin_in_turn(hold, purpose)
        except ModelError as error:
            return self._turn_away(hold, error)
        return self._claim(hold, purpose)

    async def _begin_in_turn(self, hold: Hold, purpose: Purpose) -> Refusal | ModelError | None:
        try:
            await self.passage.wait(hold.tokens)
        except ModelError as error:
            return self._turn_away(hold, error)
        claiming = self._claim(hold, purpose)
        return None if claiming is None else await claiming

    def _turn_away(self, hold: Hold, error: ModelError) -> ModelError:
        self._undo(hold)
        self._failure = error
        return error

    def _claim(self, hold: Hold, purpose: Purpose) -> _Stopping | None:
        run, schema = self._run, self.prompt.schema
        rates = run.account.rates
        is_first = self._attempt == 0
        prices = "" if rates is None else rates.digest
        no_tools = run.final_only or run.sums_up
        if self._options.allow_tools is no_tools or self._options.response_schema is not schema:
            self._options = Options(not no_tools, schema)
        event = ModelRequested(
            at=run.desk.clock.now(), step=run.state.steps + is_first, hold=hold.number, attempt=self._attempt + 1,
            model=run.compiled.routes.name, purpose=purpose, max_tokens=hold.max_tokens, hold_tokens=hold.tokens,
            hold_nano=hold.nano, prices=prices,
        )  # fmt: skip
        self._asked_at = run.desk.clock.monotonic()
        claiming = run.claim((event,), run.claim_for(hold, prices, begins_step=is_first))
        if claiming is not None:
            return self._await_claim(claiming)
        self._note_claimed()
        return None

    async def _await_claim(self, claiming: Coroutine[Any, Any, Refusal | None]) -> Refusal | None:
        refusal = await claiming
        if refusal is None:
            self._note_claimed()
        else:
            self.passage.leave(sent=False)
        return refusal

    def _note_claimed(self) -> None:
        self._run.tool_calls_untold = 0
        self._attempt += 1
        self._tried += 1
        self.prompt.mark_sent()

    def shrink(self, refusal: Refusal, *, final: bool) -> bool:
        """Lower the refused hold to what the accounts had room for; False, and it is gone, if that is too little."""
        run, hold = self._run, self._hold
        assert hold is not None, "it was refused"
        self._undo(hold)
        bound = hold.tokens - hold.max_tokens
        room = run.account.output_within(bound, refusal.room_tokens, refusal.room_nano)
        least = MIN_FINAL_TOKENS if final else MIN_STEP_TOKENS
        if refusal.limit not in {"tokens", "usd"} or not least <= room < hold.max_tokens:
            return False
        self._reserve(bound, room)
        self.fit = Fit(room, refusal.limit)
        return True

    async def respond(self) -> None:
        """One attempt for a whole reply; `settle` tells how it ended."""
        hold = self._hold
        assert hold is not None, "hold() came first"
        timeout_s = self._send()
        if not self._is_sent:
            return
        try:
            reply = await self.passage.model.respond(self.prompt.wire, hold.max_tokens, self._options, timeout_s)
        except ModelError as error:
            self._note_failure(error, timeout_s)
        else:
            assert isinstance(reply, Reply), "a Model responds with a Reply"
            self.passage.reply(reply)
            self.reply = reply

    async def stream(self) -> AsyncGenerator[str, None]:
        """One attempt whose text is handed out while it comes; `settle` tells how it ended."""
        hold, protocol = self._hold, self._run.compiled.protocol
        assert hold is not None, "hold() came first"
        text = seen = ""
        timeout_s = self._send()
        if not self._is_sent:
            return
        pieces = self.passage.model.stream(self.prompt.wire, hold.max_tokens, self._options, timeout_s)
        try:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    self.passage.reply(piece)
                    self.reply = piece
                elif protocol.native_tools:
                    yield piece
                else:
                    text += piece
                    visible = protocol.visible(text)
                    if len(visible) > len(seen):
                        yield visible[len(seen) :]
                        seen = visible
        except ModelError as error:
            self._note_failure(error, timeout_s)
        except BaseException:  # whoever reads has gone away: so must the connection, now and not with the garbage
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
            raise
        if self.reply is None and self._failure is None:
            self._note_failure(ModelBroken("the model's stream ended without a reply"), timeout_s)

    def settle(self) -> None:
        """Charge the reply that came. Called before the reply is read."""
        hold, reply = self._hold, self.reply
        assert hold is not None, "hold() came first"
        assert reply is not None, "there is a reply"
        self.reply = None
        assert isinstance(reply.message, Message), "a Reply has a Message"
        usage = reply.usage
        if usage is not None and not is_plausible(usage):
            usage = None
        charge = self._run.account.settle(hold, usage, reply.service_tier)
        self._charge = charge
        self._run.tell(hold, charge, known=usage is not None)
        self._hold = None
        self._attempt = self._tried = 0
        self._settled, self._usage, self._untold = hold, usage, reply
        if usage is not None:
            self.prompt.measure(usage.input_tokens)

    def tell_reply(self, now: float, *, joins: bool) -> None:
        """The event of the reply that was settled, at monotonic second ``now``; ``joins`` as in `ModelReplied`."""
        run, reply, charge, settled = self._run, self._untold, self._charge, self._settled
        assert reply is not None, "settle() came first"
        clock = run.desk.clock
        self._untold = None
        run.emit(
            ModelReplied(
                at=clock.now(), hold=settled.number, message=reply.message, joins=joins, usage=self._usage,
                tokens=charge.tokens, nano=charge.nano, finish_reason=reply.finish_reason,
                latency_ms=(now - self._asked_at) * 1e3, response_id=reply.response_id,
                service_tier=reply.service_tier,
            )
        )  # fmt: skip
        if charge.overrun:
            tokens, nano = max(0, charge.tokens - settled.tokens), max(0, charge.nano - settled.nano)
            run.emit(BudgetOverrun(at=clock.now(), hold=settled.number, tokens=tokens, nano=nano))

    async def recover(self) -> Shortage | None:
        """After a failed attempt: settle it, wait and hold again, or say what leaves no room for another attempt.

        What is kept for the last answer stays kept, unless the attempt is that answer.

        Raises:
            ModelError: No further attempt is worth it.
        """
        run, error = self._run, self._failure
        assert error is not None, "the attempt failed"
        clock = run.desk.clock
        delay = None
        if self._hold is not None:  # otherwise it was turned away by our own router, and so would the next one be
            delay = self.passage.delay_retry(error, self._tried)
            self._fail(error.code, str(error), sent=error.sent, delay=delay)
        if delay is None:
            if clock.monotonic() >= run.account.deadline - TIMER_SLACK_S:
                self._attempt = self._tried = 0
                return Shortage("seconds", f"the {run.account.limits.seconds} s are over")
            self._tried = 0  # what comes next, if anything does, is another model's
            raise error
        run.write_behind()
        await asyncio.sleep(delay)
        return await self.hold_again()

    async def hold_again(self) -> Shortage | None:
        """Hold for another attempt at the same step, or say what leaves no room for it."""
        run = self._run
        shortage = await self.hold(final=run.final_only or run.account.limits.on_limit == "raise")
        if shortage is not None:
            self._attempt = self._tried = 0  # what comes next is another request
        return shortage

    def forgo(self) -> None:
        """Settle what has failed, if anything has, and do not try again."""
        if self._failure is not None and self._hold is not None:
            self._fail(self._failure.code, str(self._failure), sent=self._failure.sent, delay=None)
        self._failure, self._attempt, self._tried = None, 0, 0

    def abandon(self, code: str, message: str) -> None:
        """Settle an attempt that nobody waits for any more: in full, unless it was never sent or has its reply."""
        self.passage.leave(sent=self._is_sent)
        if self._hold is not None and self.reply is not None:
            self.settle()
        if self._hold is not None and self._hold.number not in self._run.state.holds:
            self._undo(self._hold)  # nobody was asked: it is in no journal
        elif self._hold is not None:
            self._fail(code, message, sent=self._is_sent, delay=None)
        elif self._untold is not None:
            self.tell_reply(self._run.desk.clock.monotonic(), joins=False)

    def _note_failure(self, error: ModelError, timeout_s: float) -> None:
        self._failure = error
        self.passage.fail(error, timeout_s, self._run.desk.clock.monotonic() - self._asked_at)

    def _reserve(self, bound: int, max_tokens: int) -> None:
        """The step counts from here on: between its check and its count no other run may take it."""
        account = self._run.account
        self._hold = account.reserve(bound, max_tokens)
        if self._attempt == 0:
            account.begin_step()

    def _undo(self, hold: Hold) -> None:
        self._hold = None
        self._run.account.undo(hold, begins_step=self._attempt == 0)

    def _fail(self, code: str, message: str, *, sent: bool, delay: float | None) -> None:
        run, hold = self._run, self._hold
        assert hold is not None, "only an open hold can fail"
        self._hold = None
        charge = run.account.settle(hold, None) if sent else run.account.release(hold)
        run.tell(hold, charge, known=not sent)
        clock = run.desk.clock
        run.emit(
            ModelFailed(
                at=clock.now(), hold=hold.number, code=code, message=message, tokens=charge.tokens, nano=charge.nano,
                retry_in_s=delay, latency_ms=(clock.monotonic() - self._asked_at) * 1e3,
            )
        )  # fmt: skip

    def _send(self) -> float:
        """Seconds that the attempt may take; it may be billed from now on, or has failed unsent if none are left."""
        run = self._run
        self._asked_at = run.desk.clock.monotonic()
        timeout_s = run.account.deadline - self._asked_at
        self._is_sent = timeout_s > 0
        if not self._is_sent:  # the disk, or the room that others held, came too late
            self.passage.leave(sent=False)
            self._failure = ModelUnreachable("no time was left to send the request in")
        if timeout_s > run.desk.timeout_s:  # noqa: PLR1730 - min() takes 800 instructions
            timeout_s = run.desk.timeout_s
        return timeout_s

"""Who watches the promises: at the seams of the runtime, with books and eyes of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from surefoot.clock import Clock
from surefoot.config import Settings
from surefoot.errors import TooManyRequests
from surefoot.run_context import RunContext
from surefoot.store.group import Group
from surefoot.testing.simulation.ask import ASKING, CANARY, Ask
from surefoot.testing.simulation.auditor import Auditor
from surefoot.testing.simulation.bounds import check_bounds
from surefoot.testing.simulation.family import Family
from surefoot.testing.simulation.gate import AT_ONCE, Gate
from surefoot.testing.simulation.pacing import Pacing, Quote, Taken, Trip
from surefoot.testing.simulation.prompt import SimulatedPrompt
from surefoot.testing.simulation.record import Record
from surefoot.testing.simulation.talks import Stall, Talks
from surefoot.types import Message, Usage

MAX_SILENCE_S: Final = 200.0
"""While somebody waits for a provider, a call goes within this time: a pause, a cool-down and a call that hangs."""


class Observer(Record):
    """Sees every request, commit, call of a model and of a tool, and every answer.

    Attributes:
        asks: By key.
        retries: Calls that repeat one that failed.
        disk: Who watches the disks.
        talks: Who watches conversations.
        models: Models that runs may call.
    """

    def __init__(self, clock: Clock, settings: Settings) -> None:
        """Nothing has happened yet."""
        super().__init__(clock)
        self.asks: dict[str, Ask] = {}
        self.retries = 0
        self.models: list[str] = []
        self.disk = Auditor(settings, clock, self.asks, self.breach, self.cover)
        self.talks = Talks(self.asks, settings.store.lease_s, self.disk.lost, self.breach, self.cover)
        self._settings = settings
        self._gate = Gate(settings)
        self._pacing = Pacing(settings)
        self._family = Family()
        self._refused_s = 0.0
        self._arrivals: dict[str, Ask] = {}

    # Clients:

    def asked(self, ask: Ask) -> None:
        """A client calls the runtime."""
        self.asks[ask.key] = ask
        self._arrivals[ask.key] = ask
        self.note("ask", ask.key)
        if ask.host:
            self.talks.join(ask)

    def refused(self, ask: Ask, refusal: TooManyRequests, running: int) -> None:
        """A client is turned away: at once, and told when to come back; ``running`` runs have a slot at that moment."""
        now = self._clock.monotonic()
        self.note("refused", ask.key, refusal.reason, f"{refusal.retry_after_s:.6f}")
        at_once = now == ask.began_s
        waited_s = max(0.0, now - ask.began_s - self.talks.stood_still_s(ask))
        wrong = self._gate.refused(refusal, waited_s, ask.persona.on_busy, has_turn=self.talks.has_turn(ask))
        if refusal.reason == "session" and ask.persona.on_busy == "reject":
            self.cover("messages rejected")
            wrong = wrong or ("" if self.talks.is_busy(ask, now) else "rejected from a session that is not busy")
        self.ended(ask, "refused", at_once=at_once)
        if wrong:
            self.breach("C4", f"request {ask.key} is {wrong}")
        if not running and not ask.request.session and not at_once:
            self.breach("liveness", f"request {ask.key} has waited in vain, while nobody was inside")
        if refusal.reason in AT_ONCE or at_once:
            del self._arrivals[ask.key]
        if ask.first_call_s >= 0:
            self.breach("C4", f"request {ask.key} is refused ({refusal.reason}) after the model was called for it")

    def ended(self, ask: Ask, how: str, *, acknowledged: bool = False, at_once: bool = False) -> None:
        """A client has an answer or an error, or a tool has that of a child run."""
        self.note("end", ask.key, how)
        if how == "cancelled" and self.talks.stood_still_s(ask):
            acknowledged = False  # the end of a cancelled run is written, but nobody waits for that for ever
        if ask.parent is None:
            if ask.first_call_s >= 0 and not ask.ended:
                self._gate.stopped(ask.who)
            self.talks.ended(ask, acknowledged=acknowledged, at_once=at_once)
        ask.ended, ask.acknowledged = True, acknowledged
        self._check_circle(ask)
        self._check_patience(ask)
        if how == "cancelled" and acknowledged:
            self.cover("runs interrupted")
            if ask.parent is None and not self.talks.was_interrupted(ask):
                self.breach("C2", f"request {ask.key} ends as cancelled, and nobody has asked for that")

    def _check_patience(self, ask: Ask) -> None:
        """Who waits for a provider until his time is over has seen others served, whatever that provider said."""
        now = self._clock.monotonic()
        waited_s = now - ask.began_s - self.talks.stood_still_s(ask)
        silent_s = min(waited_s, self._pacing.silent_s(ask.host, self.models, now), now - self._refused_s)
        if ask.limit == "seconds" and ask.first_call_s < 0 and silent_s > MAX_SILENCE_S:
            self.breach("pace", f"request {ask.key} has waited for {waited_s:,.0f} s, and nobody was served meanwhile")

    def _check_circle(self, ask: Ask) -> None:
        """A model that goes round gets to its last step, is told to answer, and answers."""
        if not (ask.persona.circle and ask.acknowledged and ask.stop_reason != "cancelled"):
            return
        self.cover(f"models that went round ({ask.persona.circle})")
        if ask.stop_reason == "final":
            self.breach("R5", f"request {ask.key}: a model that goes round for ever is said to have answered")
        if self._family.steps(ask) == ask.limits.steps and not ask.is_told_to_answer:
            self.breach("R5", f"request {ask.key}: a model goes round to its last step, and was not told to answer")

    def seen(self, ask: Ask, text: str, where: str) -> None:
        """Text that a user is shown."""
        self._check_canaries(ask, CANARY.findall(text), where)

    def result(self, ask: Ask, messages: Iterable[Message]) -> None:
        """The conversation that a client gets."""
        for message in messages:
            self.seen(ask, message.text, "the messages of a result")
            for call in message.tool_calls:
                self.seen(ask, call.arguments, "the tool calls of a result")

    # The providers:

    def called(self, model: str, prompt: SimulatedPrompt, quote: Quote, *, is_hurried: bool = False) -> Trip:
        """A request reaches a provider.

        Args:
            model: The model string.
            prompt: What it is asked.
            quote: What that may cost.
            is_hurried: There is so little time that a failure would say nothing.
        """
        ask, now = ASKING.get(), self._clock.monotonic()
        ask.calls += 1
        self.note("call", ask.key, ask.calls, model)
        self.cover(f"calls of {model}")
        if ask.first_call_s < 0:
            ask.first_call_s = now
            self._begin(ask, prompt, now)
        self._check_prompt(ask, prompt)
        self._check_may_act(ask, "the model is called", now)
        trip = self._take_hold(ask, model, quote, now)
        trip.is_hurried = is_hurried
        ask.is_told_to_answer = not quote.allows_tools
        return trip

    def _begin(self, ask: Ask, prompt: SimulatedPrompt, now: float) -> None:
        if ask.parent is None:
            wrong = self._gate.started(ask.who)
            if wrong:
                self.breach("C4", f"request {ask.key}: {wrong}")
            self.talks.began(ask, prompt, now)
        elif set(prompt.keys) - {ask.key}:
            self.breach("C2", f"child run {ask.key} is shown the questions {prompt.keys}")

    def _check_prompt(self, ask: Ask, prompt: SimulatedPrompt) -> None:
        self._check_canaries(ask, sorted(prompt.canaries), "a prompt")
        if prompt.flaw:
            self.breach("context", f"request {ask.key}: the prompt {prompt.flaw}")
        if prompt.wants_summary:
            self.cover("calls for a summary")
        elif prompt.keys[-1:] != [ask.key]:
            self.breach("context", f"request {ask.key}: its question is not the last one in the prompt: {prompt.keys}")

    def check_window(self, ask: Ask, tokens: int, window: int) -> None:
        """Prompt and reply must fit."""
        if tokens > window:
            self.breach("context", f"request {ask.key}: prompt and reply may take {tokens:,} tokens of {window:,}")

    def _check_may_act(self, ask: Ask, what: str, now: float) -> None:
        """Nothing may be done for who has his answer, has lost his session, or was interrupted."""
        root = ask.lineage[-1]
        if any(one.ended for one in ask.lineage):
            self.breach("B4", f"{what} for request {ask.key}, whose client has its answer already")
        if root.key in self.disk.lost:
            self.breach("R3", f"{what} for request {ask.key}, which has lost its session to another process")
        other = self.talks.find_interrupter(root, now)
        if other is not None:
            self.breach("C2", f"{what} for request {ask.key}, which {other.key} has interrupted")

    def _take_hold(self, ask: Ask, model: str, quote: Quote, now: float) -> Trip:
        """Find the hold of a call."""
        found = self.disk.books.find_open(ask.run)
        if found is None:
            self.breach("B2", f"the model is called for request {ask.key} without a committed hold")
            return self._pacing.begin(ask, model, Taken(0, quote.tokens, quote.nano, now), now)[0]
        hold, claim = found
        if hold in ask.outcomes:
            self.breach("B2", f"request {ask.key}: hold {hold} is used for two calls")
        self._count_attempt(ask, model, is_first=bool(claim.steps))
        taken = Taken(hold, claim.tokens, claim.nano, self.disk.find_leave_s(ask.run))
        trip, wrong = self._pacing.begin(ask, model, taken, now)
        if wrong:
            self.breach("pace" if "one too many" in wrong else "R4", f"request {ask.key}: a call of {model} {wrong}")
        promise, wrong = self._family.begin(trip, begins_step=bool(claim.steps), now=now)
        if wrong:
            self.breach(promise, wrong)
        if claim.tokens < quote.tokens or claim.nano < quote.nano:
            held = f"{claim.tokens:,} tokens and {claim.nano:,} nano-dollars are held"
            self.breach("B2", f"request {ask.key}: {held} for a call that may cost {quote.tokens:,} and {quote.nano:,}")
        if quote.exceeded_by(claim.tokens, claim.nano):
            self.breach("B3", f"request {ask.key}: {claim.nano:,} nano-dollars held are not the price of {model}")
        return trip

    def _count_attempt(self, ask: Ask, model: str, *, is_first: bool) -> None:
        self.retries += not is_first
        ask.attempts = 1 if is_first or model != ask.model else ask.attempts + 1
        ask.model = model
        ask.models.add(model)
        if ask.attempts > self._gate.attempts:
            self.breach("R4", f"request {ask.key}: attempt {ask.attempts} of one call, of {self._gate.attempts}")

    def billed(self, ask: Ask, hold: int, usage: Usage, nano: int) -> None:
        """The provider charges for a call."""
        self.note("bill", ask.key, usage.total_tokens, nano)
        wrong = self.disk.books.bill(ask.run, hold, usage.total_tokens, nano) if hold else ""
        if wrong:
            self.breach("B1", wrong)

    def returned(self, trip: Trip) -> None:
        """A call is back, or whoever made it has gone."""
        self._pacing.end(trip, self._clock.monotonic())
        if trip.hold:
            self._family.end(trip)

    def is_lost(self, ask: Ask) -> bool:
        """Whether the lease of a request's run may have run out, so that it ends as lost."""
        return self.talks.may_be_lost(ask, self._clock.monotonic())

    def failed_for_good(self, ask: Ask, fallback: str) -> None:
        """A run ends with the error of a model, and there is a fallback."""
        if fallback not in ask.models and self._pacing.is_healthy(ask.host, fallback):
            self.breach("R4", f"request {ask.key} fails with the error of its model, and {fallback} was not asked")

    # The tools:

    def tool_called(self, ask: Ask, context: RunContext, text: str, *, writes: bool = False) -> None:
        """A tool runs."""
        self.note("tool", ask.key)
        now, root, call = self._clock.monotonic(), ask.lineage[-1], context.idempotency_key
        self._check_canaries(ask, CANARY.findall(text), "the arguments of a tool")
        told = context.tenant, context.user, context.session
        if told != ask.conversation or context.deps is not root:
            self.breach("C1", f"a tool of request {ask.key} is told that it works for {'/'.join(told[:2])}")
        if call in ask.tools_done:
            self.breach("R2", f"request {ask.key}: a tool call that was finished is run again: {call}")
        promise, wrong = self._family.use_tool(ask, now)
        if wrong:
            self.breach(promise, wrong)
        if writes:
            self.cover("tool calls that write")
            self._check_may_act(ask, "a tool that writes is run", now)
            if not self.disk.is_intended(call):
                self.breach("R1", f"request {ask.key}: a tool writes, and its intent is not on disk: {call}")

    def _check_canaries(self, ask: Ask, canaries: Iterable[str], where: str) -> None:
        for canary in canaries:
            if canary != ask.canary:
                self.breach("C1", f"{where} of request {ask.key} of {ask.canary} holds words of {canary}")

    # The processes:

    def opened(self, connection: sqlite3.Connection) -> None:
        """See `DiskWatcher.opened`."""
        self.disk.books.watch(connection)

    def committed(self, connection: sqlite3.Connection, group: Group | None, failed: frozenset[int]) -> None:
        """See `DiskWatcher.committed`."""
        if group is not None:
            self.note("commit", len(group.futures), sorted(group.refused), sorted(failed))
            if group.refused:  # somebody had leave to call a model, and no account had room for it
                self._refused_s = self._clock.monotonic()
        self.disk.committed(connection, group, failed)

    def crashed(self, host: str) -> None:
        """A process is killed."""
        self.note("crash", host)
        self.talks.crashed(host)
        if any(not ask.ended and ask.parent is not None and ask.host == host for ask in self.asks.values()):
            self.cover("crashes with child runs under way")

    def stalled(self, host: str, stall: Stall) -> None:
        """The disk of a process stands still."""
        self.note("stall", host, f"{stall.until_s:.6f}")
        self.cover("disks that stood still")
        self.talks.stalled(host, stall)

    def check_bounds(self, runtime: Any) -> None:
        """See `surefoot.testing.simulation.bounds`."""
        self.cover("looks into all queues and caches")
        wrong = check_bounds(runtime, self._settings)
        if wrong:
            self.breach("C3", wrong)

    def check_idle(self, runtime: Any, abandoned: list[asyncio.Task[None]]) -> None:
        """Nothing is on its way any more, and nothing is held for it."""
        starter = runtime._starter  # noqa: SLF001 - whether anything is left in it is no business of its users
        if starter.live:
            self.breach("liveness", f"{len(starter.live)} runs are still live at the end")
        inside = runtime.admission
        if inside.running or inside.waiting or inside.inside or inside.users:
            self.breach("liveness", f"admission still counts {inside} at the end")
        stuck = [task for task in abandoned if not task.done()]
        if stuck:
            self.breach("liveness", f"{len(stuck)} runs of a killed process have not ended")

    def check_end(self, connection: sqlite3.Connection) -> None:
        """Everything has ended: what must hold now."""
        self.disk.check_end(connection)
        for ask in self._arrivals.values():
            wrong = self._gate.admitted(ask.who, ask.began_s) if ask.host else ""
            if wrong:
                self.breach("C4", f"request {ask.key}: {wrong}")
                break
        lost = [ask.key for ask in self.asks.values() if not ask.ended]
        if lost:
            self.breach("liveness", f"{len(lost)} requests have no end, the first is {lost[0]}")

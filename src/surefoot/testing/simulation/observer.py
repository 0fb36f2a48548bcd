"""Who watches the promises: at the seams of the runtime, with books and eyes of its own."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from surefoot.clock import Clock
from surefoot.errors import TooManyRequests
from surefoot.store.group import Group
from surefoot.store.statements import RECORD_WIDTH
from surefoot.testing.simulation.ask import CANARY, KEY, Ask, Breach
from surefoot.testing.simulation.books import Books
from surefoot.testing.simulation.gate import AT_ONCE, Gate
from surefoot.types import Message, Usage

MAX_TRACE: Final = 400
"""Last events of the trace that are kept to be read."""


class Observer:
    """Sees every request, commit, call of a model and of a tool, and every answer.

    Attributes:
        breaches: What was broken, the first first.
        failed: Done at the first breach.
        asks: By key.
        events: How many there were.
        retries: Calls that repeat one that failed.
    """

    def __init__(self, clock: Clock, books: Books, gate: Gate) -> None:
        self.breaches: list[Breach] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asks: dict[str, Ask] = {}
        self.events = 0
        self.retries = 0
        self._clock = clock
        self._books = books
        self._gate = gate
        self._arrivals: dict[str, Ask] = {}
        self._by_run: dict[int, Ask] = {}
        self._sessions: dict[tuple[str, str, str], list[Ask]] = {}
        self._active: dict[tuple[str, str, str], Ask] = {}
        self._hash = hashlib.blake2b(digest_size=16)
        self._trace: list[str] = []

    @property
    def trace_hash(self) -> str:
        """Names the whole course of the simulation."""
        return self._hash.hexdigest()

    @property
    def trace(self) -> list[str]:
        """The last events, to be read."""
        return self._trace[-MAX_TRACE:]

    def note(self, *what: object) -> None:
        """An event of the course."""
        self.events += 1
        line = f"{self._clock.monotonic():.6f} {' '.join(map(str, what))}"
        self._hash.update(line.encode())
        self._trace.append(line)
        if len(self._trace) > 2 * MAX_TRACE:
            del self._trace[:MAX_TRACE]

    def breach(self, promise: str, message: str) -> None:
        """A promise is broken."""
        self.breaches.append(Breach(promise, self._clock.monotonic(), message))
        self.note("BROKEN", promise, message)
        if not self.failed.done():
            self.failed.set_result(None)

    # Clients:

    def asked(self, ask: Ask) -> None:
        """A client calls the runtime."""
        self.asks[ask.key] = ask
        self._arrivals[ask.key] = ask
        self.note("ask", ask.key)

    def refused(self, ask: Ask, refusal: TooManyRequests, running: int) -> None:
        """A client is turned away: at once, and told when to come back; ``running`` runs have a slot at that moment."""
        self.note("refused", ask.key, refusal.reason, f"{refusal.retry_after_s:.6f}")
        self.ended(ask, "refused")
        wrong = self._gate.refused(refusal, self._clock.monotonic() - ask.began_s)
        if wrong:
            self.breach("C4", f"request {ask.key} is {wrong}")
        if not running and not ask.request.session and self._clock.monotonic() > ask.began_s:
            self.breach("liveness", f"request {ask.key} has waited in vain, while nobody was inside")
        if refusal.reason in AT_ONCE or self._clock.monotonic() == ask.began_s:
            del self._arrivals[ask.key]
        if ask.first_call_s >= 0:
            self.breach("C4", f"request {ask.key} is refused ({refusal.reason}) after the model was called for it")

    def ended(self, ask: Ask, how: str, *, acknowledged: bool = False) -> None:
        """A client has an answer or an error."""
        if ask.first_call_s >= 0 and not ask.ended:
            self._gate.stopped(ask.who)
        ask.ended, ask.acknowledged = True, acknowledged
        self.note("end", ask.key, how)
        if ask.request.session:
            if self._active.get(ask.conversation) is ask:
                del self._active[ask.conversation]
            if acknowledged:
                self._sessions.setdefault(ask.conversation, []).append(ask)

    def seen(self, ask: Ask, text: str, where: str) -> None:
        """Text that a user is shown."""
        self._check_canaries(ask, CANARY.findall(text), where)

    def result(self, ask: Ask, messages: Iterable[Message]) -> None:
        """The conversation that a client gets."""
        for message in messages:
            self.seen(ask, message.text, "the messages of a result")
            for call in message.tool_calls:
                self.seen(ask, call.arguments, "the tool calls of a result")

    # The provider and the tools:

    def called(self, keys: list[str], canaries: set[str], worst: tuple[int, int]) -> tuple[Ask, int]:
        """A request reaches the provider; whose it is, and the number of its hold.

        Args:
            keys: Keys of the questions in the prompt, in order.
            canaries: Canaries in it.
            worst: Tokens and nano-dollars that it may cost.
        """
        ask = self.asks[keys[-1]]
        if ask.first_call_s < 0:
            ask.first_call_s = self._clock.monotonic()
            wrong = self._gate.started(ask.who)
            if wrong:
                self.breach("C4", f"request {ask.key}: {wrong}")
            self._check_history(ask, keys)
        ask.calls += 1
        self.note("call", ask.key, ask.calls)
        self._check_canaries(ask, sorted(canaries), "a prompt")
        if ask.ended:
            self.breach("B4", f"the model is called for request {ask.key}, whose client has its answer already")
        found = self._books.find_open(ask.run)
        if found is None:
            self.breach("B2", f"the model is called for request {ask.key} without a committed hold")
            return ask, 0
        hold, claim = found
        self.retries += not claim.steps
        ask.attempts = 1 if claim.steps else ask.attempts + 1
        if ask.attempts > self._gate.attempts:
            self.breach("R4", f"request {ask.key}: attempt {ask.attempts} of one call, of {self._gate.attempts}")
        if claim.tokens < worst[0] or claim.nano < worst[1]:
            held = f"{claim.tokens:,} tokens and {claim.nano:,} nano-dollars are held"
            self.breach("B2", f"request {ask.key}: {held} for a call that may cost {worst[0]:,} and {worst[1]:,}")
        return ask, hold

    def billed(self, ask: Ask, hold: int, usage: Usage, nano: int) -> None:
        """The provider charges for a call."""
        self.note("bill", ask.key, usage.total_tokens, nano)
        wrong = self._books.bill(ask.run, hold, usage.total_tokens, nano) if hold else ""
        if wrong:
            self.breach("B1", wrong)

    def tool_called(self, ask: Ask, user: str, tenant: str, text: str, call: str) -> None:
        """A tool runs."""
        self.note("tool", ask.key)
        self._check_canaries(ask, CANARY.findall(text), "the arguments of a tool")
        if (tenant, user) != (ask.request.tenant, ask.request.user):
            self.breach("C1", f"a tool of request {ask.key} is told that it works for {tenant}/{user}")
        if call in ask.tools_done:
            self.breach("R2", f"request {ask.key}: a tool call that was finished is run again: {call}")

    def _check_canaries(self, ask: Ask, canaries: Iterable[str], where: str) -> None:
        for canary in canaries:
            if canary != ask.canary:
                self.breach("C1", f"{where} of request {ask.key} of {ask.canary} holds words of {canary}")

    def _check_history(self, ask: Ask, keys: list[str]) -> None:
        """Order and wholeness of a conversation at the first call of a run."""
        if not ask.request.session:
            if len(keys) > 1:
                self.breach("C2", f"request {ask.key} has no session, and its prompt holds the questions {keys}")
            return
        other = self._active.get(ask.conversation)
        if other is not None:
            self.breach("C2", f"request {ask.key} runs while {other.key} of the same session has not ended")
        self._active[ask.conversation] = ask
        known = [self.asks[key] for key in keys]
        if any(one.conversation != ask.conversation for one in known):
            self.breach("C2", f"request {ask.key}: the prompt holds questions of another session: {keys}")
        wanted = [one.key for one in self._sessions.get(ask.conversation, ())]
        told = [one.key for one in known[:-1] if one.acknowledged]
        if told != wanted[len(wanted) - len(told) :] or (wanted and not told) or len(set(keys)) < len(keys):
            self.breach("C2", f"request {ask.key}: the session has the answers to {wanted}, and its prompt says {keys}")

    # The disk:

    def opened(self, connection: sqlite3.Connection) -> None:
        """See `DiskWatcher.opened`."""
        self._books.watch(connection)

    def committed(self, connection: sqlite3.Connection, group: Group | None, failed: frozenset[int]) -> None:
        """See `DiskWatcher.committed`."""
        if group is not None:
            self.note("commit", len(group.futures), sorted(group.refused), sorted(failed))
            for position in range(len(group.futures)):
                if position not in failed:
                    self._book(group, position)
        wrong = self._books.check_touched(connection)
        if wrong:
            self.breach("B1", wrong)

    def _book(self, group: Group, position: int) -> None:
        run: int = group.records[position * RECORD_WIDTH]
        refused = position in group.refused
        if position in group.created and not refused:
            found = KEY.search(group.created[position][1].question)
            if found is not None:
                ask = self._by_run[run] = self.asks[found[1]]
                ask.run = run
        posting = group.postings.get(position)
        if posting is None:
            return
        if posting.settlement is not None:
            self._check_settlement(run, posting.settlement)
        now = self._clock.now()
        if posting.used is not None:
            self._books.claim(run, posting.used, now)
        if posting.claim is not None and not refused:
            self._books.claim(run, posting.claim, now)

    def _check_settlement(self, run: int, settlement: Any) -> None:
        """What a call is charged is what the provider said, or all that was held."""
        claim = self._books.settle(run, settlement)
        ask = self._by_run[run]
        if claim is None:
            return
        charged = settlement.tokens, settlement.nano
        if settlement.hold not in ask.outcomes:
            wanted, why = (0, 0), "was never sent"
        elif ask.outcomes[settlement.hold] is None:
            wanted, why = (claim.tokens, claim.nano), "has an outcome that nobody knows"
        else:
            wanted, why = ask.outcomes[settlement.hold] or (0, 0), "ended as the provider said"
        if charged != wanted and not (ask.cancelled and charged == (claim.tokens, claim.nano)):
            message = f"request {ask.key}: a call that {why} is charged {charged}, not {wanted}"
            self.breach("B4", f"{message} (tokens, nano-dollars)")

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
        wrong = self._books.check_end(connection)
        if wrong:
            self.breach("B1" if "reserved" not in wrong else "liveness", wrong)
        for ask in self._arrivals.values():
            wrong = self._gate.admitted(ask.who, ask.began_s) if ask.host else ""
            if wrong:
                self.breach("C4", f"request {ask.key}: {wrong}")
                break
        done = {run for (run,) in connection.execute("SELECT run FROM runs WHERE finished_at > 0")}
        gone = [ask.key for ask in self.asks.values() if ask.acknowledged and ask.run not in done]
        if gone:
            self.breach("R1", f"{len(gone)} requests were answered whose runs are not in the store, first {gone[0]}")
        lost = [ask.key for ask in self.asks.values() if not ask.ended]
        if lost:
            self.breach("liveness", f"{len(lost)} requests have no end, the first is {lost[0]}")

"""Who is let in when many come at once: rates, slots, a fair queue, deadlines, load.

A request takes a `Ticket` on arrival, waits with it for a slot if none is free, and gives it back at its end. What can
be said at once is said on arrival: a request that would not be served in time is refused there, with the time after
which another try is worth it. One `Admission` counts for one process.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Final, Literal, Self

from surefoot.admission_state import AdmissionState, Reason
from surefoot.caller import Caller
from surefoot.clock import Clock
from surefoot.config import Settings
from surefoot.entitlements import Entitlement
from surefoot.errors import TooManyRequests
from surefoot.outlook import find_late
from surefoot.overload import Overload
from surefoot.run_times import RunTimes
from surefoot.sections import Tenant
from surefoot.turns import Turns, UserLevel

LEAST_RETRY_S: Final = 0.1
"""A shorter ``retry_after_s`` would only be a busy loop."""
UNKNOWN_RETRY_S: Final = 1.0
"""When to try again while no run has ended yet, so that nothing is known of how long they take."""
REVIEW_EVERY_S: Final = 1.0
"""Those who wait are looked through at most so often."""
REVIEW_MOST: Final = 200
"""As many of them are refused at once; the others when the next run ends."""


class Ticket:
    """One request on its way through. ``async with`` waits for the slot and gives it back.

    Attributes:
        arrived: Monotonic seconds of its arrival.
        seconds: In how many seconds from then it must be done.
        expires: When it will have waited for too long.
        waited_ms: How long it waited for its slot, whole milliseconds.
        kind: What it runs.
        outer: The run on whose slot it goes, "" for a slot of its own.
        user: Whose slot it takes; None for one that goes on another's.
        stage: Where it stands.
        future: Done when it waits no longer, with the refusal if it is one.
        timer: Ends its wait.
    """

    __slots__ = (
        "_hall", "arrived", "expires", "future", "kind", "outer", "seconds", "stage", "timer", "user", "waited_ms",
    )  # fmt: skip

    def __init__(
        self, hall: Admission, user: UserLevel[Ticket] | None, *, arrived: float, seconds: float, kind: str, outer: str
    ) -> None:
        self._hall = hall
        self.user = user
        self.arrived = arrived
        self.seconds = seconds
        self.expires = arrived + min(hall.max_wait_s, seconds)
        self.kind = kind
        self.outer = outer
        self.stage: Literal["entered", "queued", "granted", "running", "gone"] = "entered"
        self.waited_ms = 0
        self.future: asyncio.Future[TooManyRequests | None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Take a slot; wait for one if there is none. Nothing is awaited if there is.

        Raises:
            TooManyRequests: It waited for too long.
        """
        future = self._hall.start(self)
        if future is not None:
            refusal = await future
            if refusal is not None:
                raise refusal
            self.stage = "running"

    def give_up(self) -> TooManyRequests:
        """Leave, since it waits no longer; the error to raise."""
        self._hall.leave(self)
        return self._hall.refuse_late(self)

    def leave(self) -> None:
        """It is over, wherever it stands; the second time does nothing."""
        self._hall.leave(self)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self._hall.leave(self)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hall.leave(self)


class Admission:
    """The limits of one process, and who is inside.

    Attributes:
        max_wait_s: Longest wait of anybody.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Limits from ``[admission]`` and ``[tenants.NAME]``."""
        section = settings.admission
        self.max_wait_s = section.max_wait_s
        self._clock = clock
        self._common = Entitlement(section, Tenant())
        self._own: Mapping[str, Entitlement] = {
            name: Entitlement(section, tenant) for name, tenant in settings.tenants.items()
        }
        self._turns: Turns[Ticket] = Turns(section.runs, section.queue)
        self._inner: dict[str, int] = {}
        self._times = RunTimes()
        self._review_at = -math.inf
        self._overload = Overload(clock, max_turn_s=section.target_wait_s, max_lag_s=section.max_lag_ms / 1e3)
        self._refused: dict[Reason, int] = {"rate": 0, "queue": 0, "deadline": 0, "load": 0}

    def state(self) -> AdmissionState:
        """What is going on."""
        now = self._clock.monotonic()
        everybody = self._turns.everybody
        return AdmissionState(
            running=everybody.running,
            waiting=everybody.waiting,
            inside=sum(self._inner.values()),
            users=len(self._turns.users),
            run_s=self._times.mean_s,
            turn_s=self._overload.turn.last_s,
            lag_ms=self._overload.lag.last_s * 1e3,
            shedding=self._overload.depth(now),
            refused=dict(self._refused),
        )

    def enter(self, caller: Caller, *, seconds: float = math.inf, kind: str = "", outer: str = "") -> Ticket:
        """Let a request in, or refuse it: a refused one takes nothing.

        Args:
            caller: Whose it is.
            seconds: In how many seconds from now it must be done.
            kind: What it runs: what is known of how long that takes is known by kind.
            outer: The run in whose tool it begins: it goes on that run's slot, which waits for it.

        Raises:
            TooManyRequests: It is refused.
        """
        now = self._clock.monotonic()
        rights = self._own.get(caller.tenant, self._common)
        wait_s, told = rights.take(caller, now)
        if wait_s > 0:
            raise self._refuse("rate", wait_s, told)
        user = None
        try:
            if outer:
                self._check_inner(outer, rights.user_runs + rights.user_queue)
                self._inner[outer] = self._inner.get(outer, 0) + 1
            else:
                user = self._turns.find(caller, rights)
                self._check_load(user, now)
                self._check_queues(user, max(0, free := user.free))
                if free <= 0:
                    self._check_deadline(user, seconds, kind)
                self._turns.enter(user)
        except TooManyRequests:
            rights.give_back(caller)
            raise
        return Ticket(self, user, arrived=now, seconds=seconds, kind=kind, outer=outer)

    def start(self, ticket: Ticket) -> asyncio.Future[TooManyRequests | None] | None:
        """See `Ticket.start`: what to await, None for nothing."""
        assert ticket.stage == "entered", "a ticket starts once"
        user, now = ticket.user, self._clock.monotonic()
        if user is None or user.free > 0:  # then nobody waits who could have this slot: see `_dispatch`
            self._run(ticket, now)
            return None
        loop = asyncio.get_running_loop()
        ticket.stage = "queued"
        ticket.future = loop.create_future()
        ticket.timer = loop.call_later(max(0.0, ticket.expires - now), self._expire, ticket)
        self._turns.push(user, ticket, now)
        return ticket.future

    def leave(self, ticket: Ticket) -> None:
        """See `Ticket.leave`."""
        if ticket.stage == "gone":
            return
        user, now = ticket.user, self._clock.monotonic()
        stage, ticket.stage = ticket.stage, "gone"
        if user is None:
            left = self._inner.pop(ticket.outer) - 1
            if left:
                self._inner[ticket.outer] = left
        elif stage in ("granted", "running"):
            if stage == "running":  # it was more than a slot for somebody who had left
                self._times.add(ticket.kind, now - ticket.arrived - ticket.waited_ms / 1e3)
            self._turns.end(user, now)
            if self._turns.queued:
                self._dispatch(now)
                if now >= self._review_at:
                    self._review(now)
        else:
            if stage == "queued":
                self._turns.remove(user, ticket, now)
            self._drop(ticket, user, now)

    # --- the queue

    def _dispatch(self, now: float) -> None:
        """Give every free slot to whose turn it is: then all are taken, or nobody waits who could take one."""
        turns, everybody = self._turns, self._turns.everybody
        while everybody.running < everybody.runs:
            user = turns.next_user()
            if user is None:
                return
            self._overload.turn.note(turns.waited_s(user, now), now)
            ticket = turns.pop(now)
            assert ticket.future is not None, "it waits"
            if ticket.future.done():  # its task was cancelled, and has not run since
                self._drop(ticket, user, now)
            elif now >= ticket.expires:
                self._give_up(ticket, user, now)
            else:
                self._run(ticket, now)
                ticket.stage = "granted"
                ticket.future.set_result(None)

    def _review(self, now: float) -> None:
        """Tell those who wait in vain: when they came nobody knew how long runs take, or it took less."""
        if (least_s := self._times.least_s) <= 0:
            return
        late = find_late(self._turns, least_s, lambda ticket: ticket.expires - now, REVIEW_MOST)
        self._review_at = now if len(late) >= REVIEW_MOST else now + REVIEW_EVERY_S
        for user, ticket in late:
            self._turns.remove(user, ticket, now)
            self._drop(ticket, user, now)
        for _, ticket in late:  # when to come back depends on who is left
            self._tell(ticket)

    def _run(self, ticket: Ticket, now: float) -> None:
        ticket.stage = "running"
        ticket.waited_ms = int((now - ticket.arrived) * 1e3)
        if ticket.user is not None:
            self._turns.start(ticket.user, now)
        if ticket.timer is not None:
            ticket.timer.cancel()

    def _expire(self, ticket: Ticket) -> None:
        """Its time to wait is over; it waits, since whatever ends that cancels the timer."""
        user, now = ticket.user, self._clock.monotonic()
        assert user is not None, "who goes on another's slot does not wait"
        self._turns.remove(user, ticket, now)
        self._give_up(ticket, user, now)

    def _give_up(self, ticket: Ticket, user: UserLevel[Ticket], now: float) -> None:
        self._drop(ticket, user, now)
        self._tell(ticket)

    def _tell(self, ticket: Ticket) -> None:
        assert ticket.future is not None, "it waits"
        if not ticket.future.done():
            ticket.future.set_result(self.refuse_late(ticket))

    def _drop(self, ticket: Ticket, user: UserLevel[Ticket], now: float) -> None:
        """It waits no longer."""
        ticket.stage = "gone"
        self._turns.drop(user, now)
        if ticket.timer is not None:
            ticket.timer.cancel()

    # --- refusals

    def _check_inner(self, outer: str, most: int) -> None:
        if self._inner.get(outer, 0) >= most:
            told = f"tools of run {outer} have {most} runs under way that they began, as many as they may"
            raise self._refuse("queue", self._times.mean_s / most, told)

    def _check_load(self, user: UserLevel[Ticket], now: float) -> None:
        """While a delay stands, nothing more for who has most under way: half of what one may have, a quarter, ..."""
        turns, overload = self._turns, self._overload
        if now >= overload.probe_at:
            overload.probe(now)
        head = turns.next_user() if turns.queued else None
        if head is not None or overload.turn.is_above:
            overload.turn.note(0.0 if head is None else turns.waited_s(head, now), now)
        if depth := overload.depth(now):
            under_way = user.running + user.waiting
            most = max(1, min([level.runs + level.queue for level in user.levels]) >> depth)
            if under_way >= most:
                told = (
                    f"the service is overloaded ({overload.describe(now)}): {user.whose} has {under_way:,} requests "
                    f"under way, and until that is over nobody gets more than {most:,}"
                )
                raise self._refuse("load", max(overload.lag.last_s, self._wait_s(user)), told)

    def _check_queues(self, user: UserLevel[Ticket], free: int) -> None:
        for level in user.levels:
            if level.waiting >= level.queue + free:
                told = "as many requests of all users wait as may"
                if level.whose:
                    told = (
                        f"{level.whose} has {level.running:,} of {level.runs:,} runs under way and {level.waiting:,} "
                        f"requests waiting, and {level.queue:,} may wait"
                    )
                raise self._refuse("queue", self._times.mean_s / max(1, level.running), told)

    def _check_deadline(self, user: UserLevel[Ticket], seconds: float, kind: str) -> None:
        if not self._times.known:
            return  # nobody is refused on a guess
        wait_s, run_s = self._wait_s(user), self._times.typical_s(kind)
        told = f"it would wait for about {wait_s:.1f} s"
        if wait_s > self.max_wait_s:
            told += f", and nobody waits for more than {self.max_wait_s:g} s"
            raise self._refuse("deadline", wait_s - self.max_wait_s, told)
        if wait_s + run_s > seconds:
            told += f" and run for about {run_s:.1f} s, and is to be done in {seconds:g} s"
            raise self._refuse("deadline", min(wait_s, wait_s + run_s - seconds), told)

    def _wait_s(self, user: UserLevel[Ticket]) -> float:
        return self._turns.ahead(user) * self._times.mean_s

    def refuse_late(self, ticket: Ticket) -> TooManyRequests:
        """The error for a request that has waited for too long, or in vain."""
        patience_s = ticket.expires - ticket.arrived
        wait_s = 0.0 if ticket.user is None else self._wait_s(ticket.user)
        waited_s = min(patience_s, self._clock.monotonic() - ticket.arrived)
        told = f"it has waited for {waited_s:.2f} s"
        if waited_s < patience_s:
            told += ", its turn would come too late as has turned out meanwhile"
        why = f"nobody waits for more than {self.max_wait_s:g} s"
        if ticket.seconds <= self.max_wait_s:
            why = f"is to be done in {ticket.seconds:g} s"
        return self._refuse("deadline", wait_s, f"{told}, and {why}")

    def _refuse(self, reason: Reason, retry_after_s: float, told: str) -> TooManyRequests:
        self._refused[reason] += 1
        if reason != "rate" and not self._times.known:
            retry_after_s = UNKNOWN_RETRY_S
        tenths = math.ceil(max(LEAST_RETRY_S, retry_after_s) * 10)
        return TooManyRequests(f"{told}: try again in {tenths / 10:g} s", reason=reason, retry_after_s=tenths / 10)

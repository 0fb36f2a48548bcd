"""Who waits for a provider: fair between users, between its models in turn, within a limit, until a deadline.

There is one `Gate` for each provider. Calls for one model (one `Routes`) stand in one line, in which users take turns;
the lines of several models take turns at the keys that they share. A line that waits for room on a shared key keeps it
from the lines behind, so that small calls cannot overtake a large one for ever.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, Protocol, TypeVar

from surefoot.clock import Clock
from surefoot.errors import ModelOverloaded
from surefoot.fair_queue import FairQueue
from surefoot.models.pace import FOREVER, Key

MAX_AT_ONCE: Final = 200
"""Calls let in before the event loop may do something else."""
MIN_NAP_S: Final = 0.001
"""Shortest timer: the sums of a bucket are floats."""
SMOOTHING: Final = 0.1
"""Weight of the newest interval between two calls let in."""
REVIEW_EVERY_S: Final = 1.0
"""Those who wait are looked through at most so often."""
REVIEW_MOST: Final = 200
"""As many of them are refused at once; the others when the next call is let in."""
MEMORY_S: Final = 60.0
"""How many calls a line let in counts half after this time."""

PermitT = TypeVar("PermitT")


class Waiter(Generic[PermitT]):
    """A call that waits.

    Attributes:
        who: Whose it is: calls of one take turns with those of others.
        tokens: What it may use at most.
        avoid: The route that its last attempt failed on, None if there is none.
        deadline: Until when it waits, monotonic seconds.
        future: Its permit, or the error that it gets instead.
    """

    __slots__ = ("avoid", "deadline", "future", "tokens", "who")

    def __init__(self, who: Hashable, tokens: int, avoid: object) -> None:
        self.who = who
        self.tokens = tokens
        self.avoid = avoid
        self.deadline = FOREVER
        self.future: asyncio.Future[PermitT] = asyncio.get_running_loop().create_future()


class Line(Protocol[PermitT]):
    """What calls wait for: one model, by whatever route."""

    name: str

    def admit(self, waiter: Waiter[PermitT], now: float, reserved: set[Key]) -> float:
        """Give the waiter its permit or its error, and 0; or the seconds to wait, `FOREVER` until a call ends.

        Keys in ``reserved`` are for others; a key that the waiter needs next is added.
        """
        ...

    def wait_s(self, tokens: int, now: float) -> float:
        """Seconds until so many tokens have room if nobody else waited; 0 also where only a slot is missing."""
        ...

    def leeway(self, now: float) -> float:
        """Calls that may go at this moment beyond all pace, if those under way end; `FOREVER` where no pace tells."""
        ...


class _Queue(Generic[PermitT]):
    """One line: who is next, and those behind; and how fast it has moved since it stands."""

    __slots__ = ("_let_in", "_let_in_at", "_since", "behind", "first")

    def __init__(self) -> None:
        self.behind: FairQueue[Waiter[PermitT]] = FairQueue()
        self.first: Waiter[PermitT] | None = None
        self.measure_anew()

    def measure_anew(self) -> None:
        """What was before says nothing of the pace."""
        self._since = self._let_in_at = FOREVER  # until one goes
        self._let_in = 0.0

    def let_in(self, now: float) -> None:
        """The first one has gone."""
        self.first = None
        if now > self._since + MEMORY_S:
            self._let_in /= 2
            self._since = (self._since + now) / 2
        if self._since < FOREVER:
            self._let_in += 1
        else:
            self._since = now
        self._let_in_at = now

    def find_late(self, leeway: float, now: float) -> list[tuple[Waiter[PermitT], float]]:
        """Who will not have its turn before its deadline, and how long its wait would be, at least.

        By the pace so far, had it let in two standard deviations of a Poisson count more, and all that is under way.
        """
        late: list[tuple[Waiter[PermitT], float]] = []
        place = 1
        if not self._let_in:
            return late
        least_s = (self._let_in_at - self._since) / (self._let_in + 2 * math.sqrt(self._let_in) + leeway + 1)
        for waiter in self.behind:
            wait_s = place * least_s
            if now + wait_s > waiter.deadline:
                late.append((waiter, wait_s))
            else:
                place += 1
            if len(late) >= REVIEW_MOST:
                break
        return late

    def find_first(self) -> Waiter[PermitT] | None:
        if self.first is None and len(self.behind):
            self.first = self.behind.pop()
        return self.first

    def leave(self, waiter: Waiter[PermitT]) -> bool:
        if self.first is waiter:
            self.first = None
            return True
        return self.behind.remove(waiter.who, (waiter,)) > 0


class Gate(Generic[PermitT]):
    """Where calls wait for one provider.

    Attributes:
        now: Monotonic seconds.
        waiting: How many wait.
    """

    __slots__ = (
        "_admitted_at", "_interval_s", "_max_waiting", "_provider", "_queues", "_review_at", "_timer", "_undo", "now",
        "waiting",
    )  # fmt: skip

    def __init__(self, provider: str, max_waiting: int, clock: Clock, undo: Callable[[PermitT], object]) -> None:
        """Open it.

        Args:
            provider: Name of the provider, for messages.
            max_waiting: How many calls may wait.
            clock: Source of time.
            undo: Told of a permit that nobody is there for any more.
        """
        self.waiting = 0
        self._provider = provider
        self._max_waiting = max_waiting
        self.now = clock.monotonic
        self._undo = undo
        self._queues: OrderedDict[Line[PermitT], _Queue[PermitT]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._interval_s = 0.0
        self._admitted_at: float | None = None
        self._review_at = -FOREVER

    async def wait(self, line: Line[PermitT], waiter: Waiter[PermitT], deadline: float) -> PermitT:
        """The permit, as soon as it is the waiter's turn.

        Raises:
            ModelOverloaded: Too many wait already, or the turn cannot come before ``deadline`` (monotonic seconds).
            ModelError: As `Line.admit` says.
        """
        self._check(line, waiter, deadline)
        queue = self._queues.get(line)
        if queue is None:
            queue = self._queues[line] = _Queue()
        waiter.deadline = deadline
        queue.behind.push(waiter.who, waiter)
        self.waiting += 1
        self.dispatch()
        future = waiter.future
        alarm = None
        if not future.done() and deadline < FOREVER:
            loop = asyncio.get_running_loop()
            alarm = loop.call_later(max(0.0, deadline - self.now()), self._expire, line, waiter)
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._leave(line, waiter)
            elif future.exception() is None:
                self._undo(future.result())
            raise
        finally:
            if alarm is not None:
                alarm.cancel()

    def dispatch(self) -> None:
        """Let in who has room now, and see to it that the next ones are looked after in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._queues:
            return
        now = self.now()
        reserved: set[Key] = set()
        wake_s = FOREVER
        left = MAX_AT_ONCE
        turns = deque(self._queues.items())
        while turns and left:
            line, queue = turns.popleft()
            waiter = queue.find_first()
            if waiter is None:
                del self._queues[line]
                continue
            gone = waiter.future.done()  # cancelled in this very turn of the event loop: it has not left yet
            wait_s = 0.0 if gone else line.admit(waiter, now, reserved)
            if wait_s > 0:
                wake_s = min(wake_s, wait_s)
                if line.leeway(now) == FOREVER:
                    queue.measure_anew()
                continue
            self.waiting -= 1
            if gone:
                queue.first = None
                turns.appendleft((line, queue))
                continue
            queue.let_in(now)
            left -= 1
            self._note(now)
            self._queues.move_to_end(line)
            turns.append((line, queue))
        if left < MAX_AT_ONCE and now >= self._review_at:
            self._review(now)
        if not left:
            wake_s = 0.0
        if wake_s < FOREVER:
            self._timer = asyncio.get_running_loop().call_later(max(wake_s, MIN_NAP_S), self.dispatch)

    def _review(self, now: float) -> None:
        """Refuse those who wait in vain, by the pace that nobody knew when they came."""
        self._review_at = now + REVIEW_EVERY_S
        for line, queue in self._queues.items():
            late = queue.find_late(line.leeway(now), now)
            if len(late) >= REVIEW_MOST:
                self._review_at = now
            late_of: dict[Hashable, list[Waiter[PermitT]]] = {}
            for waiter, _ in late:
                late_of.setdefault(waiter.who, []).append(waiter)
            for who, waiters in late_of.items():  # not one by one: each time all that wait would be looked through
                self.waiting -= queue.behind.remove(who, waiters)
            for waiter, wait_s in late:
                if not waiter.future.done():
                    waiter.future.set_exception(self._refuse(line, wait_s, waiter.deadline - now))

    def close(self) -> None:
        """Look after nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, line: Line[PermitT], waiter: Waiter[PermitT], deadline: float) -> None:
        """Refuse who could not be helped in time."""
        now = self.now()
        queue = self._queues.get(line)
        wait_s = line.wait_s(waiter.tokens, now)
        if queue is not None:
            behind = queue.behind
            ahead = min(len(behind), (behind.waiting(waiter.who) + 1) * max(1, behind.keys)) + 1
            wait_s = max(wait_s, ahead * self._interval_s * len(self._queues))
        if self.waiting >= self._max_waiting:
            raise ModelOverloaded(
                f"{line.name}: {self.waiting:,} calls wait for provider {self._provider!r} already; "
                f"providers.{self._provider}.max_waiting says how many may",
                retry_after_s=max(wait_s, MIN_NAP_S),
            )
        if now + wait_s >= deadline:
            raise self._refuse(line, wait_s, deadline - now)

    def _refuse(self, line: Line[PermitT], wait_s: float, left_s: float) -> ModelOverloaded:
        return ModelOverloaded(
            f"{line.name}: the limits of provider {self._provider!r} leave room in {wait_s:.1f} s, "
            f"and the run has {max(0.0, left_s):.1f} s left",
            retry_after_s=max(wait_s, MIN_NAP_S),
        )

    def _note(self, now: float) -> None:
        """How fast the line moves; what was before it stood still says nothing."""
        if self._admitted_at is not None:
            self._interval_s += SMOOTHING * (now - self._admitted_at - self._interval_s)
        self._admitted_at = now if self.waiting else None

    def _leave(self, line: Line[PermitT], waiter: Waiter[PermitT]) -> None:
        queue = self._queues.get(line)
        if queue is not None and queue.leave(waiter):
            self.waiting -= 1
            if queue.find_first() is None:
                del self._queues[line]
            self.dispatch()  # whoever stood behind may have room

    def _expire(self, line: Line[PermitT], waiter: Waiter[PermitT]) -> None:
        if not waiter.future.done():
            waiter.future.set_exception(
                ModelOverloaded(f"{line.name}: the run's time was over before provider {self._provider!r} had room")
            )
            self._leave(line, waiter)

"""Virtual time: an event loop that never waits, and the clock of what runs in it.

When nothing is ready, the time jumps to the next timer. Nothing real happens in the loop: no socket, no thread (what is
sent to one runs at once, on the loop), no order that depends on the machine. The same work is done in the same order in
any process, whatever its hash seed.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from itertools import count
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from surefoot.clock import encode_token
from surefoot.testing.chance import draw

ResultT = TypeVar("ResultT")
Ts = TypeVarTuple("Ts")

TICK_S: Final = 1e-6
"""Timers that are this close fire together: the rounding of sums of seconds."""
MAX_SPINS: Final = 1_000_000
"""Rounds of the loop in which the time does not pass; more is a loop that waits for nothing."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on where it lies in memory."""

    def __init__(self, work: Coroutine[Any, Any, Any], *, number: int, **options: Any) -> None:
        self._number = number  # before the base class puts the task into its sets
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio event loop in virtual time; `time` begins at 0."""

    def __init__(self, max_spins: int = MAX_SPINS) -> None:
        """``max_spins`` as `MAX_SPINS`."""
        super().__init__()
        self._max_spins = max_spins
        self._time_s = 0.0
        self._spins = 0
        self._clock_resolution = TICK_S
        self._selector = self  # where the base class waits for input: there is none, so time passes instead
        self._numbers = count()
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._time_s

    def select(self, timeout: float | None) -> list[Any]:
        """Let the time pass until the next timer.

        Raises:
            RuntimeError: Nothing will ever happen again, or no time passes any more.
        """
        if timeout is None:
            raise RuntimeError("the simulation waits for something that can never happen: there is no timer left")
        if timeout > 0:
            self._time_s += timeout
            self._spins = 0
        else:
            self._spins += 1
            if self._spins > self._max_spins:
                self._spins = 0
                raise RuntimeError(f"the simulation is busy without end at {self._time_s:.3f} s")
        return []

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As ``call_soon``: there are no threads."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], ResultT], *args: *Ts
    ) -> asyncio.Future[ResultT]:
        """Do the work at once: a thread's turn would be the machine's choice."""
        future: asyncio.Future[ResultT] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits the future gets it
            future.set_exception(error)
        return future

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        return _Task(work, number=next(self._numbers), loop=loop, **options)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who had to be woken."""


class VirtualClock:
    """`surefoot.clock.Clock` of a `VirtualLoop`: its time, and chance that repeats itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int, epoch_s: float) -> None:
        """``epoch_s`` is the wall time, seconds since 1970 UTC, at which the loop's time is 0."""
        chance = draw(seed, "clock")
        self.monotonic = loop.time
        self.random = chance.random
        self._bits = chance.getrandbits
        self._epoch_s = epoch_s

    def now(self) -> float:
        """See `Clock.now`."""
        return self._epoch_s + self.monotonic()

    def token(self, prefix: str) -> str:
        """See `Clock.token`."""
        return encode_token(prefix, self.now(), self._bits(80))


def run_virtually(main: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Run ``main()`` to its end in virtual time.

    Raises:
        RuntimeError: It waits for what can never happen.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())

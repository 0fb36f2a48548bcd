"""A bounded pool of threads for blocking tools.

Unlike with ``concurrent.futures.ThreadPoolExecutor``, a tool that never returns does not keep the process from ending
(its thread is a daemon), calls that wait for a thread are bounded, and a caller knows whether its call has begun.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

Outcome = tuple[Any, BaseException | None]
"""What the work returned, and what it raised. A pair, because a future refuses to carry ``StopIteration``."""


class Job(Struct, eq=False):
    """One blocking call.

    Attributes:
        work: What to call.
        loop: Where the outcome is wanted.
        context: Context variables of whoever asked.
        outcome: Done when the work is; cancel it when nobody wants it any more.
        began: Whether a thread has taken the work. A thread cannot be stopped, so from then on it runs to its end.
    """

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    context: contextvars.Context
    outcome: asyncio.Future[Outcome]
    began: bool = False


class ToolThreads:
    """Threads for blocking tools, shared by all runs of one `surefoot.Runtime`; used from its event loop only.

    Attributes:
        size: Calls that run at the same time, at most.
        max_waiting: Calls that wait for a thread, at most.
    """

    def __init__(self, size: int = 32, max_waiting: int = 4096) -> None:
        """No thread is started before it is needed."""
        assert size > 0
        assert max_waiting >= 0
        self.size: Final = size
        self.max_waiting: Final = max_waiting
        self._busy = 0
        self._count = 0
        self._closed = False
        self._waiting: deque[Job] = deque()
        self._handed: queue.Queue[Job | None] = queue.Queue(size)  # never more than there are free threads

    def submit(self, work: Callable[[], Any]) -> Job | None:
        """Begin the work in a free thread, or let it wait for one; None if too many wait already."""
        assert not self._closed
        loop = asyncio.get_running_loop()
        job = Job(work, loop, contextvars.copy_context(), loop.create_future())
        if self._busy < self.size:
            self._begin(job)
            return job
        if len(self._waiting) >= self.max_waiting:
            self._waiting = deque(waiting for waiting in self._waiting if not waiting.outcome.done())
        if len(self._waiting) >= self.max_waiting:
            return None
        self._waiting.append(job)
        return job

    def close(self) -> None:
        """Let the threads end; one that is busy ends after its call, or with the process. Idempotent."""
        if not self._closed:
            self._closed = True
            self._waiting.clear()
            for _ in range(self._count - self._busy):
                self._handed.put_nowait(None)

    def _begin(self, job: Job) -> None:
        if self._count == self._busy:
            threading.Thread(target=self._serve, name=f"surefoot-tool-{self._count}", daemon=True).start()
            self._count += 1
        self._busy += 1
        job.began = True
        self._handed.put_nowait(job)

    def _serve(self) -> None:
        """In a thread: do what is handed over, until nothing will come."""
        while (job := self._handed.get()) is not None:
            outcome: Outcome
            try:
                outcome = job.context.run(job.work), None
            except BaseException as error:  # noqa: BLE001 - whatever a tool raises is its outcome, even SystemExit
                outcome = None, error
            try:
                job.loop.call_soon_threadsafe(self._end, job, outcome)
            except RuntimeError:  # the loop is closed: nobody is left to be told, and nothing more will come
                return
            del job, outcome  # or an idle thread would keep the last result alive

    def _end(self, job: Job, outcome: Outcome) -> None:
        """On the loop: deliver, and give the thread its next job."""
        self._busy -= 1
        if not job.outcome.done():
            job.outcome.set_result(outcome)
        if self._closed:
            self._handed.put_nowait(None)
        while self._waiting and self._busy < self.size:
            waiting = self._waiting.popleft()
            if not waiting.outcome.done():
                self._begin(waiting)

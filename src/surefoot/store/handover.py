"""What is handed to the writer's thread, in order, and what becomes of it when the thread dies."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from typing import Any, Final

from surefoot.errors import StoreError
from surefoot.store.group import Failures, Group

Work = Callable[[], Any]
Handed = Group | tuple[Work, "asyncio.Future[Any]"]


class Handover:
    """A queue from the event loop to one thread, which nobody waits at in vain: it can be shut for good.

    Attributes:
        taken: What the thread is busy with; it says when it is not any more.
    """

    def __init__(self, deliver: Callable[[Group, Failures], None]) -> None:
        """For the running event loop; ``deliver`` takes groups that were not written."""
        self.taken: Handed | None = None
        self._deliver = deliver
        self._loop: Final = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Handed] = queue.SimpleQueue()
        self._why_shut = ""

    # On the event loop:

    def put(self, item: Handed) -> None:
        """Hand something over."""
        if self._why_shut:
            self._loop.call_soon(self._refuse, item)  # not at once: whoever hands over is in the middle of something
        else:
            self._queue.put(item)

    def shut(self, why: str) -> None:
        """Fail what waits, what was taken and all that will come, with `StoreError`: the thread has ended."""
        self._why_shut = why
        if self.taken is not None:
            self._refuse(self.taken)
            self.taken = None
        while not self._queue.empty():
            self._refuse(self._queue.get_nowait())

    def _refuse(self, item: Handed) -> None:
        if isinstance(item, Group):
            self._deliver(item, [(position, StoreError(self._why_shut)) for position in range(len(item.futures))])
            return
        future = item[1]
        if not future.done():
            future.set_exception(StoreError(self._why_shut))
            future.exception()  # it may be left unread

    # In the thread:

    def get(self, timeout: float) -> Handed:
        """The next item, within ``timeout`` seconds.

        Raises:
            queue.Empty: Nothing came.
        """
        self.taken = item = self._queue.get(timeout=timeout)
        return item

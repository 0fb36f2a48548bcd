"""The SQLite store of a simulation: the real code and a real file, written on the event loop instead of by a thread.

Each commit takes virtual time before it is done, and again before it is acknowledged, so that a crash can come between
the two. After `VirtualStore.crash` nothing more reaches the file, as when a process is killed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from surefoot.clock import Clock
from surefoot.errors import StoreError
from surefoot.store.database import open_writer
from surefoot.store.group import Group
from surefoot.store.handover import Handed, Work
from surefoot.store.sqlite import SqliteStore
from surefoot.store.writer import RENEWALS, Writer
from surefoot.types import UNLIMITED

COMMIT_S: Final = 0.001
"""What a commit takes at least; at most four times as much."""
ACKNOWLEDGE_S: Final = 0.0002
"""From a commit to whoever waits for it."""


class DiskWatcher(Protocol):
    """Who watches a simulated disk."""

    def opened(self, connection: sqlite3.Connection) -> None:
        """A connection that will write."""
        ...

    def step(self) -> None:
        """Something is about to happen at the disk; whoever watches may let the process crash before it does."""
        ...

    def committed(self, connection: sqlite3.Connection, group: Group | None, failed: frozenset[int]) -> None:
        """A commit is done and not acknowledged; ``group`` is what it wrote of runs, but for the ``failed`` ones."""
        ...


class VirtualWriter(Writer):
    """A `Writer` whose thread is the event loop."""

    crashed = False
    _stands_until_s = 0.0

    def watch(self, watcher: DiskWatcher, random: Callable[[], float]) -> None:
        """Before it is opened: who watches, and the chance that the time of a commit depends on."""
        self._watcher = watcher
        self._random = random
        self._waiting: deque[Handed] = deque()  # the store limits what it hands over
        self._posted: deque[Handed] = deque()
        self._tick: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """See `Writer.open`."""
        self._open()
        self._watcher.opened(self._connection)
        self._wind()

    async def close(self) -> None:
        """See `Writer.close`."""
        await super().close()
        if self._tick is not None:
            self._tick.cancel()

    def hand(self, group: Group) -> None:
        """See `Writer.hand`."""
        self._take(group)

    def call(self, work: Work) -> asyncio.Future[Any]:
        """See `Writer.call`."""
        future = self._loop.create_future()
        self._take((work, future))
        return future

    def crash(self) -> None:
        """What waits is lost, and nobody is told of anything any more."""
        self.crashed = True
        if self._tick is not None:
            self._tick.cancel()
        self._connection.close()
        for item in (*self._posted, *self._waiting):
            abandon(item.futures if isinstance(item, Group) else (item[1],))
        self._posted.clear()
        self._waiting.clear()

    def stall(self, until_s: float) -> None:
        """Nothing is written before then, nor acknowledged."""
        self._stands_until_s = max(self._stands_until_s, until_s)

    def _stands(self, callback: Callable[..., object], *arguments: object) -> bool:
        """Whether nothing may happen now; then it happens when it may."""
        stands = self._loop.time() < self._stands_until_s
        if stands:
            self._loop.call_at(self._stands_until_s, callback, *arguments)
        return stands

    def _wind(self) -> None:
        self._tick = self._loop.call_later(self._lease_s / RENEWALS, self._renew_in_time)

    def _renew_in_time(self) -> None:
        if self.crashed or self._stands(self._renew_in_time):
            return
        self._watcher.step()
        if not self.crashed:
            self._attend(None)
            self._watcher.committed(self._connection, None, frozenset())
            self._wind()

    def _take(self, item: Handed) -> None:
        if self.crashed:
            abandon(item.futures if isinstance(item, Group) else (item[1],))
        else:
            self._waiting.append(item)
            if len(self._waiting) == 1:
                self._loop.call_later(COMMIT_S * (1 + 3 * self._random()), self._serve_next)

    def _serve_next(self) -> None:
        if self._stands(self._serve_next):
            return
        self._watcher.step()
        if self.crashed:
            return
        item = self._waiting[0]
        self._posted.append(item)
        failed: list[int] = []
        self._failed_now = failed
        self._attend(item)
        if not self._stopped:
            self._watcher.committed(self._connection, item if isinstance(item, Group) else None, frozenset(failed))
        self._waiting.popleft()
        if self._waiting:
            self._loop.call_later(COMMIT_S * (1 + 3 * self._random()), self._serve_next)

    def _post(self, callback: Callable[..., object], *arguments: object) -> None:
        if callback == self._deliver:
            failures: Any = arguments[1]
            self._failed_now += [position for position, _ in failures]
        self._loop.call_later(ACKNOWLEDGE_S, self._acknowledge, callback, arguments)

    def _acknowledge(self, callback: Callable[..., object], arguments: tuple[object, ...]) -> None:
        if self._stands(self._acknowledge, callback, arguments):
            return
        self._watcher.step()
        if not self.crashed:
            self._posted.popleft()
            callback(*arguments)


class VirtualStore(SqliteStore):
    """A `SqliteStore` for a `VirtualLoop`, without threads."""

    def __init__(self, path: Path, *, clock: Clock, lease_s: float, watcher: DiskWatcher) -> None:
        """``watcher`` is told of every commit."""
        super().__init__(path, clock=clock, lease_s=lease_s)
        self._watcher = watcher
        self._writing: VirtualWriter

    def make_writer(self) -> Writer:
        """See `SqliteStore.make_writer`."""
        connect = partial(_open, self._path, self._busy_s)
        declared = self._accounts.rules, self._accounts.zones
        self._writing = VirtualWriter(connect, self._path, self._clock, self._lease_s, self._deliver, declared)
        self._writing.watch(self._watcher, self._clock.random)
        return self._writing

    def stall(self, until_s: float) -> None:
        """The disk stands still until then."""
        self._writing.stall(until_s)

    def crash(self) -> None:
        """The process dies: nothing more is written, and nothing acknowledged."""
        self._held.clear()
        self._writing.crash()
        abandon(self._group.futures)


def abandon(futures: Iterable[asyncio.Future[Any]]) -> None:
    """Wake those who wait in a process that has died, so that they end."""
    for future in futures:
        if not future.done():
            future.set_exception(StoreError("the process was killed"))
            future.exception()  # it may be left unread


def _open(path: Path, busy_s: float) -> sqlite3.Connection:
    connection = open_writer(path, busy_s, UNLIMITED)
    connection.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing of it, only a power cut would
    return connection

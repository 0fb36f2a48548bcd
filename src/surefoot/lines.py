"""Who is next in a session: one run at a time, the others in a line of limited length, in the order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from surefoot.clock import Clock
from surefoot.errors import TooManyRequests
from surefoot.sections import OnBusy

FIRST_GUESS_S: Final = 2.0
"""How long a turn is thought to take before the first one has ended."""
LEAST_WAIT_S: Final = 0.1
_NEWEST: Final = 0.2
"""Weight of the newest turn in the mean of their durations."""

Key = tuple[str, str, str]


class Place:
    """A caller's place in the line of a session.

    Attributes:
        ready: Done when it is his turn; None if it was at once.
        began: Monotonic seconds of the beginning of his turn.
    """

    __slots__ = ("_cancel", "_is_stopped", "began", "jumps", "ready")

    def __init__(self, *, jumps: bool) -> None:
        self.ready: asyncio.Future[None] | None = None
        self.began = 0.0
        self.jumps = jumps
        self._cancel: Callable[[], object] | None = None
        self._is_stopped = False

    def attach(self, cancel: Callable[[], object]) -> None:
        """His run, about to begin; if it was interrupted before, it begins, so that its question is kept, and ends."""
        self._cancel = cancel
        if self._is_stopped:
            asyncio.get_running_loop().call_soon(cancel)

    def interrupt(self) -> None:
        """Cancel his run, now or when it begins."""
        self._is_stopped = True
        if self._cancel is not None:
            self._cancel()


class Line:
    """A session in use: whose turn it is, and who waits."""

    __slots__ = ("holder", "waiting")

    def __init__(self, holder: Place) -> None:
        self.holder = holder
        self.waiting: deque[Place] = deque()


class Lines:
    """The lines of all sessions that are in use in this process, and none for any other."""

    def __init__(self, clock: Clock, max_waiting: int) -> None:
        """At most ``max_waiting`` callers wait for one session."""
        self._clock = clock
        self._max_waiting = max_waiting
        self._lines: dict[Key, Line] = {}
        self._mean_s = FIRST_GUESS_S

    def __len__(self) -> int:
        return len(self._lines)

    def holds(self, tenant: str, user: str) -> bool:
        """Whether a session of that user is in use."""
        return any(key[:2] == (tenant, user) for key in self._lines)

    def join(self, key: Key, on_busy: OnBusy) -> Place:
        """A place in the session's line; whoever joins it leaves it, whatever happens.

        Raises:
            TooManyRequests: The session is busy and ``on_busy`` is ``reject``, or its line is full.
        """
        place = Place(jumps=on_busy == "interrupt")
        line = self._lines.get(key)
        if line is None:
            self._lines[key] = Line(place)
            place.began = self._clock.monotonic()
            return place
        if on_busy == "reject":
            raise self.refuse(
                key, "is busy with another run", self._remaining_s(line) + self._mean_s * len(line.waiting)
            )
        if len(line.waiting) >= self._max_waiting:
            raise self.refuse(key, f"has {self._max_waiting} runs waiting already", self._remaining_s(line))
        place.ready = asyncio.get_running_loop().create_future()
        if place.jumps:
            self._jump(line, place)
        else:
            line.waiting.append(place)
        return place

    def leave(self, key: Key, place: Place) -> None:
        """His turn is over, or he waits no more; the next one's begins."""
        line = self._lines.get(key)
        if line is None or line.holder is not place:
            if line is not None and place in line.waiting:  # not if he was passed over because he waited no more
                line.waiting.remove(place)
            return
        now = self._clock.monotonic()
        self._mean_s += _NEWEST * (now - place.began - self._mean_s)
        while line.waiting:
            following = line.waiting.popleft()
            assert following.ready is not None, "he waits"
            if not following.ready.done():
                line.holder, following.began = following, now
                following.ready.set_result(None)
                return
        del self._lines[key]

    def refuse(self, key: Key, why: str, retry_after_s: float | None = None) -> TooManyRequests:
        """The error for a caller who does not get his turn."""
        wait_s = max(LEAST_WAIT_S, self._mean_s if retry_after_s is None else retry_after_s)
        told = f"session {key[2]!r} {why}; try again in {wait_s:.1f} s"
        return TooManyRequests(told, reason="session", retry_after_s=wait_s)

    def _remaining_s(self, line: Line) -> float:
        """Of the turn under way, if it takes as long as others did; one that takes longer is anybody's guess."""
        left_s = line.holder.began + self._mean_s - self._clock.monotonic()
        return left_s if left_s > 0 else self._mean_s

    def _jump(self, line: Line, place: Place) -> None:
        """Before all who only wait, behind those who interrupted before: their runs are interrupted in their turn."""
        before = [one for one in line.waiting if one.jumps]
        line.waiting.insert(len(before), place)
        for one in (line.holder, *before):
            one.interrupt()

"""SessionTurns of sessions: one run at a time in each, and each begins where the last one ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from surefoot.aside import aside
from surefoot.caller import Caller
from surefoot.clock import Clock
from surefoot.durations import read_duration_s
from surefoot.errors import NotFound
from surefoot.journal.fold import RunState, fold
from surefoot.journal.records import decode_record
from surefoot.lines import Lines, Place
from surefoot.policy.handed_on import Carried
from surefoot.sections import OnBusy, SessionSettings
from surefoot.store.base import Store
from surefoot.store.session_rows import SessionClaim, SessionRow
from surefoot.transcripts import Kept, Key, Transcripts, continue_from, pack_all
from surefoot.types import Message

OWN_PREFIX: Final = "ses_"
"""How the ids begin that `runtime.sessions.create` makes. Names that callers choose begin otherwise."""
FIRST_LOOK_S: Final = 0.05
LAST_LOOK_S: Final = 1.0
"""How often it is looked whether another process is done with a session: at first, and after a while."""

FOLD_AT_ONCE_BYTES: Final = 64 << 10
"""A longer journal is read in a thread: a megabyte of tool results takes a tenth of a second, and all would wait."""

READ_AT_ONCE_BYTES: Final = 32 << 10
"""The same of a conversation in memory: it is packed, and decoded quickly."""
PACK_AT_ONCE: Final = 200
"""Messages of a conversation that is packed at once."""


class SessionMoved(Exception):
    """Another process has used the session since the history of the run was read: nothing of the run was written."""


class Turn:
    """A caller's turn in a session: what the run begins with.

    Attributes:
        claim: What the session must be like when the run begins.
    """

    claim: SessionClaim

    def __init__(self, turns: SessionTurns, key: Key, on_busy: OnBusy, place: Place) -> None:
        self._turns = turns
        self._key = key
        self._on_busy: OnBusy = on_busy
        self._place = place
        self._kept: Kept | None = None
        self._run: tuple[str, RunState] | None = None
        self._moves = 0  # how often another process was faster

    async def look(self, deadline: float) -> None:
        """See how the session stands; waits until no other process has a run in it.

        Raises:
            NotFound: There is no such session, or it has expired.
            TooManyRequests: It is busy, for too long or at all.
        """
        self._deadline = deadline
        turns, key = self._turns, self._key
        self._kept = kept = turns.transcripts.get(key)
        if kept is not None and not turns.is_expired(kept.used_at):
            self.claim = SessionClaim(True, kept.head)
            return
        self._kept = None
        delay_s = FIRST_LOOK_S
        while (row := await turns.find(key)) is not None and row.live:
            left_s = deadline - turns.clock.monotonic()
            if self._on_busy == "reject" or left_s <= 0:
                raise turns.lines.refuse(key, "is busy with a run of another process")
            await asyncio.sleep(min(delay_s, left_s))
            delay_s = min(delay_s * 1.5, LAST_LOOK_S)
        self.claim = SessionClaim(row is not None, "" if row is None else row.head)

    async def look_again(self, *, stopped: bool) -> None:
        """Another process was faster: forget what was known of the session and look how it stands; raises as `look`.

        A run that was ``stopped`` begins all the same, so that its question is kept, and ends at once. However long the
        run has waited for its provider before it learned of the other process: that was not the session's fault.
        """
        self._run = None
        self._moves += 1
        if stopped:
            self._place.interrupt()
        self._turns.transcripts.drop(self._key)
        if self._moves > 1 and self._turns.clock.monotonic() >= self._deadline:
            raise self._turns.lines.refuse(self._key, "is in constant use by other processes")
        await self.look(self._deadline)

    async def history(self) -> tuple[tuple[Message, ...], Carried | None]:
        """The conversation so far, and where its values came from."""
        kept = self._kept
        if kept is not None:
            return kept.read() if kept.size <= READ_AT_ONCE_BYTES else await aside(kept.read)
        state = await self._turns.read_state(self.claim.head)
        return continue_from(state.conversation), await state.origins.hand_on()

    def attach(self, run_id: str, state: RunState, cancel: Callable[[], object]) -> None:
        """The run that is about to begin in this turn."""
        self._run = run_id, state
        self._place.attach(cancel)

    async def keep(self) -> None:
        """The turn is over: keep what its run left in memory. Whether it is in the store the next claim will tell."""
        if self._run is None:
            return
        run_id, state = self._run
        if state.finished is None:
            return
        carried, transcripts = await state.origins.hand_on(), self._turns.transcripts
        is_long = len(state.messages) > PACK_AT_ONCE or (carried is not None and carried.is_long)
        data = await aside(pack_all, state.messages, carried) if is_long else pack_all(state.messages, carried)
        if data is None:
            transcripts.drop(self._key)
        else:
            transcripts.put(self._key, run_id, state.finished.at, *data)


class SessionTurns:
    """Gives the runs of one runtime their turns.

    Attributes:
        clock: Time and ids.
        lines: Who is next, in this process.
        transcripts: The conversations in memory.
    """

    def __init__(self, store: Store, clock: Clock, settings: SessionSettings) -> None:
        """For the runs of one runtime.

        Raises:
            ConfigError: One of the durations is none.
        """
        self.clock = clock
        self.lines = Lines(clock, settings.max_waiting)
        most_bytes = settings.max_memory_mib << 20
        self.transcripts = Transcripts(clock, most=settings.max_in_memory, most_bytes=most_bytes, ttl_s=settings.ttl_s)
        self.expire_s = read_duration_s(settings.expire_after, "sessions.expire_after")
        self._store = store
        self._settings = settings

    @asynccontextmanager
    async def turn(self, caller: Caller, on_busy: OnBusy | None = None) -> AsyncGenerator[Turn, None]:
        """Wait for the caller's turn in his session and keep it inside the block.

        Joins the line before anything is awaited: turns come in the order of the calls.

        Raises:
            NotFound: There is no such session, or it has expired.
            TooManyRequests: It is busy, and the caller does not wait, or too many do, or it took too long.
        """
        on_busy = self._settings.on_busy if on_busy is None else on_busy
        key = caller.tenant, caller.user, caller.session
        deadline = self.clock.monotonic() + self._settings.max_wait_s
        place = self.lines.join(key, on_busy)
        turn = Turn(self, key, on_busy, place)
        try:
            if place.ready is not None:
                await self._wait(key, place.ready)
            await turn.look(deadline)
            yield turn
        finally:
            try:
                await turn.keep()
            finally:
                self.lines.leave(key, place)

    async def _wait(self, key: Key, ready: asyncio.Future[None]) -> None:
        try:
            async with asyncio.timeout(self._settings.max_wait_s):
                await ready
        except TimeoutError:
            raise self.lines.refuse(key, f"was busy for {self._settings.max_wait_s:g} s") from None

    async def find(self, key: Key) -> SessionRow | None:
        """A session as it stands in the store; None for a name that its user has not used yet.

        Raises:
            NotFound: It has expired, or it has an id of ours that this user does not have.
        """
        tenant, user, session = key
        row = await self._store.sessions.find(tenant, user, session)
        if row is None and session.startswith(OWN_PREFIX):
            raise not_found(session)
        if row is not None and not row.live and self.is_expired(row.used_at):
            raise NotFound(f"session {session!r} has expired: it was not used for too long; begin another one")
        return row

    def is_expired(self, used_at: float) -> bool:
        """Whether a session that was last used then cannot be continued any more."""
        return used_at + self.expire_s <= self.clock.now()

    async def read_messages(self, head: str) -> tuple[Message, ...]:
        """The conversation as the run ``head`` left it, from its journal; nothing for ""."""
        return continue_from((await self.read_state(head)).conversation)

    async def read_state(self, head: str) -> RunState:
        """The state that the run ``head`` left, from its journal; one of nothing for ""."""
        records = await self._store.records(head) if head else ()
        if sum([len(record) for record in records]) <= FOLD_AT_ONCE_BYTES:
            return _fold(records)
        return await asyncio.to_thread(_fold, records)


def _fold(records: Sequence[bytes]) -> RunState:
    return fold([event for record in records for event in decode_record(record)])


def not_found(session: str) -> NotFound:
    """The same for a session that never was and for one of somebody else: nobody learns which."""
    return NotFound(f"no session {session!r}; `runtime.sessions.create` makes one")

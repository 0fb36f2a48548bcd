"""Conversations for people: begun, looked at, exported, erased, deleted by age."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from surefoot.caller import Caller
from surefoot.clock import Clock
from surefoot.durations import read_duration_s
from surefoot.errors import ConfigError, StoreError
from surefoot.export import export_user
from surefoot.logs import get_logger
from surefoot.run_arguments import check_list
from surefoot.sections import SessionSettings
from surefoot.sessions import SessionTurns, not_found
from surefoot.store.base import Store
from surefoot.store.erasure import refuse_erasure
from surefoot.store.session_rows import Erased, SessionRow
from surefoot.types import Message

HOUSE_KEEPING_S: Final = 600.0
"""How often a runtime deletes what is older than ``delete_after``."""

_log = get_logger(__name__)


class Sessions:
    """The conversations of all users. ``runtime.sessions`` is one; see docs/sessions.md.

    A session belongs to a user of a tenant: whoever names it under another user finds nothing, and is told no more.
    """

    def __init__(self, turns: SessionTurns, store: Store, clock: Clock, settings: SessionSettings) -> None:
        """Of the runtime whose runs have these ``turns``.

        Raises:
            ConfigError: ``delete_after`` is no duration.
        """
        self._turns = turns
        self._store = store
        self._clock = clock
        self._house_keeping: asyncio.Task[None] | None = None
        self._delete_s = read_duration_s(settings.delete_after, "sessions.delete_after")

    @property
    def in_memory(self) -> tuple[int, int]:
        """How many conversations are in memory, and what they take, bytes."""
        return len(self._turns.transcripts), self._turns.transcripts.size_bytes

    async def create(self, *, user: str = "", tenant: str = "") -> str:
        """Begin a session under a new id that nobody can guess, and return that.

        Raises:
            ConfigError: A name is no text that can be stored.
        """
        caller = Caller(user, self._clock.token("ses"), tenant)
        now = self._clock.now()
        row = SessionRow(session=caller.session, user=user, tenant=tenant, created_at=now, used_at=now)
        await self._store.sessions.create(row)
        return caller.session

    async def get(self, session: str, *, user: str = "", tenant: str = "") -> SessionRow:
        """What is known of a session.

        Raises:
            NotFound: This user has no such session, or it has expired.
        """
        row = await self._turns.find((tenant, user, Caller(user, session, tenant).session))
        if row is None:
            raise not_found(session)
        return row

    async def list(
        self,
        *,
        user: str | None = None,
        tenant: str | None = None,
        session: str | None = None,
        limit: int = 50,
        before: float | None = None,
    ) -> Sequence[SessionRow]:
        """Sessions, those used last first, expired ones included: at most ``limit``, all used before ``before``."""
        check_list(limit, tenant=tenant, user=user, session=session)
        return await self._store.sessions.list(tenant=tenant, user=user, session=session, limit=limit, before=before)

    async def transcript(self, session: str, *, user: str = "", tenant: str = "") -> tuple[Message, ...]:
        """The conversation as its next run would see it: each piece of text has its label.

        Raises:
            NotFound: This user has no such session, or it has expired.
        """
        row = await self.get(session, user=user, tenant=tenant)
        return await self._turns.read_messages(row.head)

    def export(self, *, user: str, tenant: str = "") -> AsyncGenerator[bytes, None]:
        """All that is stored of a user, as one JSON document in pieces; one run at a time is in memory.

        Raises:
            ConfigError: No user is named.
        """
        check_user("export", user, tenant)
        return export_user(self._store, self._turns.read_messages, Caller(user, "", tenant), self._clock.now())

    async def erase(self, *, user: str, tenant: str = "", compact: bool = False) -> Erased:
        """Take the words and names of a user out of the database; the figures stay, under a pseudonym.

        Args:
            user: Who.
            tenant: The customer that the user belongs to.
            compact: Rewrite the whole file as well; nobody else writes as long as that takes.

        Raises:
            ConfigError: No user is named.
            TooManyRequests: A run of the user is under way, here or in another process, or waits for its session.
        """
        check_user("erase", user, tenant)
        if self._turns.lines.holds(tenant, user):
            raise refuse_erasure(user, "has runs under way")
        try:
            return await self._store.sessions.erase(tenant, user, self._clock.token("erased"), compact=compact)
        finally:  # whoever is cancelled here may have erased it
            self._turns.transcripts.drop_user(tenant, user)

    async def purge(self, *, unused_s: float | None = None) -> int:
        """Delete sessions, and the words of their runs, that were not used for ``unused_s`` seconds.

        Args:
            unused_s: None takes ``delete_after`` of the settings.

        Returns:
            How many. They go in short transactions; others write between two of them.

        Raises:
            ConfigError: ``unused_s`` is no time that has passed.
        """
        if unused_s is not None and not unused_s >= 0:  # not a number is neither
            raise ConfigError(f"unused_s={unused_s!r:.80}: must be seconds, 0 or more")
        before = self._clock.now() - (self._delete_s if unused_s is None else unused_s)
        count, more = 0, True
        while more:
            done, more = await self._store.sessions.purge(before)
            count += done
        return count

    def begin_house_keeping(self, every_s: float = HOUSE_KEEPING_S) -> None:
        """From now on forget and delete what is too old, from time to time."""
        self._house_keeping = asyncio.create_task(self._keep_house(every_s))

    async def end_house_keeping(self) -> None:
        """The runtime is closed."""
        assert self._house_keeping is not None, "it was begun"
        self._house_keeping.cancel()
        await asyncio.wait({self._house_keeping})

    async def _keep_house(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self._turns.transcripts.forget_idle()
            try:
                await self.purge()
            except StoreError as error:
                _log.warning("old sessions not deleted, trying again later: %s", error)


def check_user(what: str, user: str, tenant: str) -> None:
    """See that ``what`` is to be done for somebody.

    Raises:
        ConfigError: No user is named.
    """
    if not Caller(user, "", tenant).user:
        raise ConfigError(f'{what}: name the user; "" is nobody, and the runs of nobody are not one person\'s')

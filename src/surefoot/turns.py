"""Who is inside, who waits, and whose turn it is: limits on three levels, and a queue that is fair between users.

The queue is deficit round robin (Shreedhar and Varghese, SIGCOMM 1995) by tenant, where a tenant's quantum is its
weight times its users that are ready, and round robin between these: each user has one turn in a round, of a weightier
tenant more, however much it has waiting. A user whose own slots are all taken is not in the round, nor is a tenant.
Everything is O(1), but for taking out what waits no longer, which looks through the items of one user.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final, Generic, TypeVar

from surefoot.caller import Caller
from surefoot.entitlements import Entitlement

ItemT = TypeVar("ItemT")

NO_LIMIT: Final = 1 << 62
"""For the level that does not exist: of nobody's user, of no tenant."""


class Level:
    """What one user, one tenant or all have under way, and may have.

    Attributes:
        kind: ``user`` or ``tenant``; "" for all.
        name: The name.
        runs: Slots.
        queue: How many may wait.
        running: Slots that are taken.
        waiting: How many wait.
    """

    __slots__ = ("kind", "name", "queue", "running", "runs", "waiting")

    def __init__(self, kind: str, name: str, runs: int, queue: int) -> None:
        self.kind = kind
        self.name = name
        self.runs = runs
        self.queue = queue
        self.running = 0
        self.waiting = 0

    @property
    def whose(self) -> str:
        """Whose it is, for people; "" for all."""
        return f"{self.kind} {self.name!r:.80}" if self.kind else ""


class TenantLevel(Level, Generic[ItemT]):
    """A tenant that has anything under way.

    Attributes:
        weight: Turns of each of its users in a round, at least 1.
        ready: Its users that could take a slot, the next in turn first.
        deficit: Turns that are left to it in this round.
        ready_since: Since when only a slot of all is missing.
    """

    __slots__ = ("deficit", "ready", "ready_since", "weight")

    def __init__(self, name: str, runs: int, queue: int, weight: float) -> None:
        super().__init__("tenant", name, runs, queue)
        assert weight >= 1, "a lighter one would take many rounds for one turn"
        self.weight = weight
        self.ready: OrderedDict[str, UserLevel[ItemT]] = OrderedDict()
        self.deficit = 0.0
        self.ready_since = 0.0


class UserLevel(Level, Generic[ItemT]):
    """A user who has anything under way.

    Attributes:
        tenant: The tenant.
        everybody: The level of all.
        items: What waits for a slot, in order of arrival.
        ready_since: Since when no slot of its own is missing for the first of them.
    """

    __slots__ = ("everybody", "items", "ready_since", "tenant")

    def __init__(self, name: str, runs: int, queue: int, tenant: TenantLevel[ItemT], everybody: Level) -> None:
        super().__init__("user", name, runs, queue)
        self.tenant = tenant
        self.everybody = everybody
        self.items: deque[ItemT] = deque()
        self.ready_since = 0.0

    @property
    def levels(self) -> tuple[Level, Level, Level]:
        """Itself, its tenant and all. Made anew: kept in itself it would be a cycle, for the garbage collector."""
        return self, self.tenant, self.everybody

    @property
    def free(self) -> int:
        """Slots that it could take now; 0 or less if there is none."""
        tenant, everybody = self.tenant, self.everybody
        free = self.runs - self.running
        of_tenant, of_all = tenant.runs - tenant.running, everybody.runs - everybody.running
        if of_tenant < free:  # noqa: PLR1730 - min() takes 1,300 instructions
            free = of_tenant
        return free if free < of_all else of_all  # noqa: FURB136


class Turns(Generic[ItemT]):
    """All levels, and the round.

    Attributes:
        everybody: The level of all.
        users: Users with anything under way, by tenant and name. Nobody else takes memory.
        tenants: Tenants with anything under way.
        queued: Items in the queue.
    """

    def __init__(self, runs: int, queue: int) -> None:
        self.everybody = Level("", "", runs, queue)
        self.users: dict[tuple[str, str], UserLevel[ItemT]] = {}
        self.tenants: dict[str, TenantLevel[ItemT]] = {}
        self.queued = 0
        self._ring: OrderedDict[str, TenantLevel[ItemT]] = OrderedDict()  # tenants in the round, the next in turn first

    def find(self, caller: Caller, rights: Entitlement) -> UserLevel[ItemT]:
        """The level of a user; one that has nothing under way is new, and known only when something is counted.

        Nobody's user and no tenant have no limits of their own.
        """
        user = self.users.get((caller.tenant, caller.user))
        if user is not None:
            return user
        known = self.tenants.get(caller.tenant)
        if known is None:
            limits = (rights.tenant_runs, rights.tenant_queue) if caller.tenant else (NO_LIMIT, NO_LIMIT)
            tenant: TenantLevel[ItemT] = TenantLevel(caller.tenant, limits[0], limits[1], rights.weight)
        else:
            tenant = known
        limits = (rights.user_runs, rights.user_queue) if caller.user else (NO_LIMIT, NO_LIMIT)
        return UserLevel(caller.user, limits[0], limits[1], tenant, self.everybody)

    def enter(self, user: UserLevel[ItemT]) -> None:
        """One more waits."""
        tenant = user.tenant
        if not (user.running or user.waiting):
            self.users[tenant.name, user.name] = user
            self.tenants[tenant.name] = tenant
        user.waiting += 1
        tenant.waiting += 1
        self.everybody.waiting += 1

    def start(self, user: UserLevel[ItemT], now: float) -> None:
        """One that waits takes a slot."""
        for level in user.levels:
            level.waiting -= 1
            level.running += 1
        if self.queued:
            self._place(user, now)

    def end(self, user: UserLevel[ItemT], now: float) -> None:
        """A slot is given back."""
        for level in user.levels:
            level.running -= 1
        self._leave(user, now)

    def drop(self, user: UserLevel[ItemT], now: float) -> None:
        """One that waits goes."""
        for level in user.levels:
            level.waiting -= 1
        self._leave(user, now)

    def _leave(self, user: UserLevel[ItemT], now: float) -> None:
        tenant = user.tenant
        if not (user.running or user.waiting):
            del self.users[tenant.name, user.name]
            if not (tenant.running or tenant.waiting):
                del self.tenants[tenant.name]
        if self.queued:
            self._place(user, now)

    def push(self, user: UserLevel[ItemT], item: ItemT, now: float) -> None:
        """An item of a user's begins to wait for a slot; it counts as waiting already."""
        user.items.append(item)
        self.queued += 1
        self._place(user, now)

    def remove(self, user: UserLevel[ItemT], item: ItemT, now: float) -> None:
        """An item waits no longer."""
        user.items.remove(item)
        self.queued -= 1
        self._place(user, now)

    def next_user(self) -> UserLevel[ItemT] | None:
        """Whose turn it is, if there is a slot of all; None if nobody could take one."""
        if not self._ring:
            return None
        tenant = next(iter(self._ring.values()))
        return next(iter(tenant.ready.values()))

    def waited_s(self, user: UserLevel[ItemT], now: float) -> float:
        """For how long nothing but a slot of all has been missing to a user in the round."""
        return now - max(user.ready_since, user.tenant.ready_since)

    def ahead(self, user: UserLevel[ItemT]) -> float:
        """How many mean run times one more request of a user would wait: the longest of what its levels say; about.

        Of a level's ``runs`` slots, all taken by runs that take S seconds on average, one comes free every S / runs.
        Before the request come the user's own, and as many of the others' as have a turn meanwhile.
        """
        place = user.waiting + 1
        others = (len(self.users) - (user.waiting + user.running > 0)) * place / user.tenant.weight
        longest = 0.0
        for level in user.levels:
            if level.running >= level.runs:
                longest = max(longest, (place + min(level.waiting - user.waiting, others)) / level.runs)
        return longest

    def in_order(self) -> list[UserLevel[ItemT]]:
        """Who has something in the queue, in the order of their turns; those last whose own slots are all taken."""
        users = [user for tenant in self._ring.values() for user in tenant.ready.values()]
        if len(users) < len(self.users):
            known = set(users)
            users += [user for user in self.users.values() if user.items and user not in known]
        return users

    def pop(self, now: float) -> ItemT:
        """The next item in turn; there is one. It counts as waiting until it is counted otherwise."""
        name, tenant = next(iter(self._ring.items()))
        quantum = tenant.weight * len(tenant.ready)
        if tenant.deficit < 1:
            tenant.deficit += quantum
        tenant.deficit = min(tenant.deficit, quantum + 1) - 1  # turns of users that left unserved are nobody's
        if tenant.deficit < 1:
            self._ring.move_to_end(name)
        user_name, user = next(iter(tenant.ready.items()))
        tenant.ready.move_to_end(user_name)
        user.ready_since = now
        item = user.items.popleft()
        self.queued -= 1
        self._place(user, now)
        return item

    def _place(self, user: UserLevel[ItemT], now: float) -> None:
        """Into the round, or out of it: what follows from the counts, so that nobody can be forgotten."""
        tenant = user.tenant
        is_ready = bool(user.items) and user.running < user.runs
        if is_ready != (user.name in tenant.ready):
            if is_ready:
                tenant.ready[user.name] = user
                user.ready_since = now
            else:
                del tenant.ready[user.name]
        if not tenant.ready:
            tenant.deficit = 0.0  # who has nothing to do saves nothing up
        is_ready = bool(tenant.ready) and tenant.running < tenant.runs
        if is_ready != (tenant.name in self._ring):
            if is_ready:
                self._ring[tenant.name] = tenant
                tenant.ready_since = now
            else:
                del self._ring[tenant.name]

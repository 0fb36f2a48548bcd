"""Which way a call to a model goes: several endpoints and keys, each with its pace and its breaker. Nothing is retried.

A call asks `Routes.take` for a permit, before anything is held for it. Where there is room that is a plain call; where
there is none the call waits in the provider's `surefoot.models.gate.Gate`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from surefoot.clock import Clock
from surefoot.errors import ModelUnreachable
from surefoot.models.base import Model
from surefoot.models.breaker import Breaker
from surefoot.models.gate import Gate, Waiter
from surefoot.models.pace import FOREVER, Key, Pace
from surefoot.models.permit import FreePermit, Permit, Route
from surefoot.models.registry import Way
from surefoot.providers import Provider
from surefoot.sections import BreakerSettings

MAX_LINES: Final = 256
"""Models whose limits and failures are remembered; the oldest makes room."""


class Direct:
    """A model that nothing limits: an object of the user's own whose provider the settings do not name.

    Attributes:
        name: The model string.
        model: The model.
        provider: Name of its provider.
    """

    __slots__ = ("_permit", "model", "name", "provider")

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.provider = model.profile.id, model.profile.provider
        self._permit = FreePermit(model)

    def take(self, tokens: int, avoid: Route | None = None) -> FreePermit:
        """See `Routes.take`."""
        return self._permit

    async def wait(self, tokens: int, who: Hashable, deadline: float, avoid: Route | None = None) -> FreePermit:
        """See `Routes.wait`."""
        return self._permit

    def has_other(self, route: Route | None) -> bool:
        """See `Routes.has_other`."""
        return False


class Routes:
    """All ways to one model. A prompt that one of its models has opened works with each of them.

    Attributes:
        name: The model string.
        provider: Name of the provider.
        model: The model of the first way: for its profile, and to open prompts.
        routes: The ways.
    """

    __slots__ = ("_clock", "_gate", "_only", "model", "name", "provider", "routes")

    def __init__(self, routes: Sequence[Route], gate: Gate[Permit], clock: Clock) -> None:
        assert routes
        self.routes = tuple(routes)
        self.model = routes[0].model
        self.name, self.provider = self.model.profile.id, self.model.profile.provider
        self._only = routes[0] if len(routes) == 1 else None
        self._gate = gate
        self._clock = clock

    def take(self, tokens: int, avoid: Route | None = None) -> Permit | None:
        """Leave for a call of at most so many tokens; None if it has to wait: see `wait`.

        Args:
            tokens: What the call may use at most.
            avoid: Taken only if no other way has room.

        Raises:
            ModelUnreachable: Every way is left alone after failures. Nothing was sent.
        """
        now = self._clock.monotonic()
        route = self._only
        if route is not None and route.breaker.is_closed:  # the usual case
            if self._gate.waiting or not route.pace.has_room(tokens, now):
                return None
            return Permit(self._gate, route, tokens, now, probe=False)
        ways = self._find_ways(now)
        if self._gate.waiting:
            return None
        free = [route for route in ways if route.pace.has_room(tokens, now)]
        return self._go(self._choose(free, avoid), tokens, now) if free else None

    async def wait(self, tokens: int, who: Hashable, deadline: float, avoid: Route | None = None) -> Permit:
        """Leave for a call, when it is the turn of ``who``: see `take`.

        Raises:
            ModelOverloaded: It cannot go before ``deadline`` (monotonic seconds), or too many wait.
            ModelUnreachable: As `take`.
        """
        return await self._gate.wait(self, Waiter(who, tokens, avoid), deadline)

    def has_other(self, route: Route | None) -> bool:
        """Whether there is another way than this that is not left alone."""
        now = self._clock.monotonic()
        return any(other is not route and other.breaker.lets_through(now) for other in self.routes)

    def admit(self, waiter: Waiter[Permit], now: float, reserved: set[Key]) -> float:
        """See `surefoot.models.gate.Line`."""
        try:
            ways = self._find_ways(now)
        except ModelUnreachable as error:
            waiter.future.set_exception(error)
            return 0.0
        free: list[Route] = []
        needed: list[Key] = []
        least_s = FOREVER
        for route in ways:
            pace = route.pace
            own_s, shared_s = pace.wait_s(waiter.tokens, now), pace.key.wait_s(waiter.tokens, now)
            if own_s <= 0 and pace.key not in reserved:
                (needed.append(pace.key) if shared_s > 0 else free.append(route))
            least_s = min(least_s, max(own_s, shared_s))
        if free:
            avoid = waiter.avoid if isinstance(waiter.avoid, Route) else None
            waiter.future.set_result(self._go(self._choose(free, avoid), waiter.tokens, now))
            return 0.0
        reserved.update(needed)
        return least_s if least_s > 0 else FOREVER  # on a reserved key: those who have it come first

    def wait_s(self, tokens: int, now: float) -> float:
        """See `surefoot.models.gate.Line`."""
        waits: list[float] = []
        for route in self.routes:
            key = route.pace.key
            shared_s = key.wait_s(tokens, now)
            waits.append(max(route.pace.wait_s(tokens, now), shared_s if shared_s < FOREVER else 0.0))
        return min(waits)

    def leeway(self, now: float) -> float:
        """See `surefoot.models.gate.Line`. While a provider gets over something its pace says nothing."""
        for route in self.routes:
            if route.pace.key.is_strained or route.pace.resume_at > now or route.breaker.is_troubled:
                return FOREVER
        return float(sum([key.in_flight for key in {route.pace.key for route in self.routes}]))

    def _find_ways(self, now: float) -> list[Route]:
        ways = [route for route in self.routes if route.breaker.lets_through(now)]
        if ways:
            return ways
        breaker = min([route.breaker for route in self.routes], key=lambda breaker: breaker.wait_s(now))
        wait_s = breaker.wait_s(now)
        raise ModelUnreachable(
            f"{self.name}: left alone for another {wait_s:.1f} s after calls that failed, the last one with: "
            f"{breaker.failure}",
            retry_after_s=wait_s,
        )

    def _choose(self, free: Sequence[Route], avoid: Route | None) -> Route:
        """One by weight, and not the one to avoid if there is another."""
        if avoid is not None:
            free = [route for route in free if route is not avoid] or free
        if len(free) == 1:
            return free[0]
        point = self._clock.random() * sum([route.weight for route in free])
        for route in free:
            point -= route.weight
            if point < 0:
                return route
        return free[-1]

    def _go(self, route: Route, tokens: int, now: float) -> Permit:
        return Permit(self._gate, route, tokens, now, probe=route.breaker.begin())


class Router:
    """The ways of one runtime: a key's pace, a route's breaker, a provider's gate, shared by all that use them."""

    def __init__(self, breaker: BreakerSettings, clock: Clock) -> None:
        """Nothing is known yet."""
        self._breaker = breaker
        self._clock = clock
        self._gates: dict[str, Gate[Permit]] = {}
        self._keys: dict[tuple[str, int], Key] = {}
        self._lines: dict[tuple[str, int, str], tuple[Pace, Breaker]] = {}

    def route(self, ways: Sequence[Way], name: str, provider: Provider) -> Routes:
        """The ways to one model: one for each endpoint of ``provider``, in their order, whose name is ``name``."""
        gate = self._gates.get(name)
        if gate is None:
            gate = self._gates[name] = Gate(name, provider.max_waiting, self._clock, _undo)
        return Routes([self._add(place, way, name, provider) for place, way in enumerate(ways)], gate, self._clock)

    def close(self) -> None:
        """Look after nobody any more."""
        for gate in self._gates.values():
            gate.close()

    def _add(self, place: int, way: Way, name: str, provider: Provider) -> Route:
        key = self._keys.get((name, place))
        if key is None:
            now = self._clock.monotonic()
            key = self._keys[name, place] = Key(provider.concurrency, provider.rpm, provider.tpm, now)
        line = name, place, way.model.profile.name
        known = self._lines.get(line)
        if known is None:
            if len(self._lines) >= MAX_LINES:
                del self._lines[next(iter(self._lines))]
            known = self._lines[line] = Pace(key), Breaker(self._breaker, self._clock)
        return Route(way.model, way.weight, *known)


def _undo(permit: Permit) -> None:
    permit.drop(sent=False)

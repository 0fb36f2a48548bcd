"""Leave for one wire attempt: what it takes of a route, and what the route learns from how it ends.

A permit is given back by exactly one of `Permit.succeed`, `Permit.fail` and `Permit.drop`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from surefoot.errors import ModelError, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.models.base import Model
from surefoot.models.breaker import Breaker
from surefoot.models.gate import Gate
from surefoot.models.pace import Pace
from surefoot.models.rate_hint import RateHint
from surefoot.models.status import OF_THE_KEY

_UNAVAILABLE: Final = 503
_TOO_MANY: Final = 429


class Route:
    """One way to a model.

    Attributes:
        model: The model behind one endpoint and key.
        weight: Its share of the calls.
        pace: How fast calls may go.
        breaker: Whether calls may go at all.
    """

    __slots__ = ("breaker", "model", "pace", "weight")

    def __init__(self, model: Model, weight: float, pace: Pace, breaker: Breaker) -> None:
        assert weight > 0
        self.model = model
        self.weight = weight
        self.pace = pace
        self.breaker = breaker


class Permit:
    """Leave for one wire attempt, given back when it has ended.

    Attributes:
        model: Whom to ask.
        route: The way that it goes.
    """

    __slots__ = ("_begun_at", "_gate", "_is_over", "_probe", "_requests", "_tokens", "model", "route")

    def __init__(self, gate: Gate[Permit], route: Route, tokens: int, now: float, *, probe: bool) -> None:
        """Take room for a call of at most so many tokens."""
        pace = route.pace
        self.model = route.model
        self.route = route
        self._gate = gate
        self._begun_at = now
        self._probe = probe
        self._is_over = False
        pace.key.take(tokens)
        self._requests = pace.requests.take(1, now)
        self._tokens = pace.tokens.take(tokens, now)

    def succeed(self, tokens: int | None, rate: RateHint | None) -> None:
        """A reply came, of so many tokens; None if the provider did not say."""
        self._end()
        route, gate = self.route, self._gate
        if tokens is not None:
            self._correct(tokens)
        if route.pace.key.is_strained:
            route.pace.key.recover()
        if rate is not None:
            self._learn(rate, gate.now(), refused=False)
        if route.breaker.is_troubled:
            route.breaker.succeed(self._begun_at, probe=self._probe)
        if gate.waiting:
            gate.dispatch()

    def fail(self, error: ModelError, culprit: Hashable, *, hurried: bool = False, elsewhere: bool = False) -> bool:
        """No reply came; whether the provider's own figures say why, so that the pace lets no other call go too soon.

        Args:
            error: Why.
            culprit: Who was behind the call.
            elsewhere: There is another way that is open.
            hurried: It was given up sooner than a provider needs: that says nothing of the provider.
        """
        self._end()
        pace, breaker, now = self.route.pace, self.route.breaker, self._gate.now()
        explained = False
        if not error.sent:
            self._unsend()
        if error.rate is not None:
            self._learn(error.rate, now, refused=error.status == _TOO_MANY)
        if isinstance(error, ModelOverloaded):
            is_known = error.status == _TOO_MANY and error.rate is not None
            explained = is_known and pace.wait_s(self._tokens.amount, now) > 0
            pace.overload(self._begun_at, error.retry_after_s, now, explained=explained)
            if error.status == _UNAVAILABLE:
                breaker.fail_round(self._begun_at, str(error), probe=self._probe)
            elif self._probe:
                breaker.succeed(self._begun_at, probe=True)
        elif isinstance(error, ModelRefused) and elsewhere and error.status in OF_THE_KEY:
            breaker.shut(str(error), probe=self._probe)  # with no other way, each caller is to read why
        elif isinstance(error, ModelRefused):
            breaker.succeed(self._begun_at, probe=self._probe)
        elif hurried:
            breaker.forget(probe=self._probe)
        else:
            breaker.fail(None if isinstance(error, ModelUnreachable) else culprit, str(error), probe=self._probe)
        if self._gate.waiting:
            self._gate.dispatch()
        return explained

    def drop(self, *, sent: bool) -> None:
        """The call was not made after all; or it was ``sent``, and nobody waits for what becomes of it."""
        self._end()
        if not sent:
            self._unsend()
        self.route.breaker.forget(probe=self._probe)
        if self._gate.waiting:
            self._gate.dispatch()

    def _end(self) -> None:
        assert not self._is_over, "a permit is given back once"
        self._is_over = True
        self.route.pace.key.in_flight -= 1

    def _unsend(self) -> None:
        """It counts nowhere."""
        requests = self.route.pace.key.requests
        if requests is not None:
            requests.give_back(1)
        self._requests.give_back(1)
        self._correct(0)

    def _correct(self, tokens: int) -> None:
        """It has come to so many tokens."""
        unused = self._tokens.amount - tokens
        of_key, of_model = self.route.pace.key.tokens, self._tokens.bucket
        if of_key is not None:
            of_key.give_back(unused)
        if of_model is not None:
            of_model.give_back(unused)

    def _learn(self, rate: RateHint, now: float, *, refused: bool) -> None:
        """Heed what the answer says of the limits; after what it cost is known."""
        pace = self.route.pace
        if rate.requests is not None:
            pace.requests.learn(rate.requests, self._requests, now, refused=refused)
        if rate.tokens is not None:
            pace.tokens.learn(rate.tokens, self._tokens, now, refused=refused)


class FreePermit:
    """Leave to ask a model that nothing limits; giving it back does nothing."""

    __slots__ = ("model",)
    route: Final = None

    def __init__(self, model: Model) -> None:
        self.model = model

    def succeed(self, tokens: int | None, rate: RateHint | None) -> None:
        """See `Permit.succeed`."""

    def fail(self, error: ModelError, culprit: Hashable, *, hurried: bool = False, elsewhere: bool = False) -> bool:
        """See `Permit.fail`."""
        return False

    def drop(self, *, sent: bool) -> None:
        """See `Permit.drop`."""

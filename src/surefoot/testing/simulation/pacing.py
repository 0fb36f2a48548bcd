"""A second opinion on the pace: whether calls keep to what a provider has said, and leave a dead one alone.

Counted at the provider, for each process and model, from what went out and what came back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from surefoot.config import Settings
from surefoot.errors import ModelBroken, ModelError, ModelOverloaded, ModelUnreachable
from surefoot.models.breaker import LONE_FACTOR
from surefoot.models.pace import MAX_PAUSE_S, MINUTE_S
from surefoot.models.rate_hint import Kind, RateHint, Said
from surefoot.testing.simulation.ask import Ask
from surefoot.types import Usage

Price = Callable[[Usage], int]
"""Nano-dollars of a call."""

REMEMBERED: Final = 8
"""Sayings of a provider that are held against the calls, the newest."""
SLACK: Final = 0.01
WHOLE: Final = 1.0
"""What is left is told in whole requests and tokens."""
HURRIED_S: Final = 10.0
"""A call that had less time than this says nothing of its provider, see `surefoot.passage`."""
_TOO_MANY: Final = 429


class Told(Struct):
    """What a provider said of one limit, and what went since.

    Attributes:
        limit: A minute.
        left: So much was left.
        at_s: When that was heard, virtual seconds.
        used: What went since.
    """

    limit: int
    left: float
    at_s: float
    used: float = 0.0

    def exceeds(self, now: float) -> bool:
        """Whether more went than there was."""
        return self.used > self.left + self.limit / MINUTE_S * (now - self.at_s) + WHOLE + self.left * 1e-6


class Line(Struct):
    """What one process knows of one model.

    Attributes:
        told: The newest sayings.
        knows_since_s: Since when it has known of such a limit at all.
        failures: Calls that failed since the last one that was answered.
        reached_s: When these became too many.
        last_s: When the last call went.
        leave_s: When the last one got leave to go.
        has_failed: A call has failed, at any time.
        unused: What calls held and did not use, of each kind.
    """

    told: dict[Kind, deque[Told]]
    knows_since_s: dict[Kind, float]
    failures: int = 0
    reached_s: float = 0.0
    last_s: float = 0.0
    leave_s: float = 0.0
    has_failed: bool = False
    unused: dict[Kind, float] = {}


class Quote(Struct, frozen=True):
    """What a call may cost, by its provider.

    Attributes:
        tokens: At most.
        nano: Nano-dollars at most.
        max_tokens: Of the reply.
        allows_tools: The model may call tools.
        price: Of its model, None where holds may be dearer than that.
    """

    tokens: int
    nano: int
    max_tokens: int = 0
    allows_tools: bool = True
    price: Price | None = None

    def exceeded_by(self, tokens: int, nano: int) -> int:
        """Nano-dollars by which a hold is dearer than its tokens are at the price of its model."""
        if self.price is None:
            return 0
        return nano - self.price(Usage(tokens - self.max_tokens, self.max_tokens))


class Taken(Struct, frozen=True):
    """What was taken for a call before it went.

    Attributes:
        hold: Number of its hold.
        tokens: Held.
        nano: Nano-dollars held.
        leave_s: When it got leave to go, virtual seconds.
    """

    hold: int
    tokens: int
    nano: int
    leave_s: float


class Trip(Struct, eq=False):
    """One call, out and back.

    Attributes:
        ask: For whom.
        model: The model string.
        taken: What is held for it.
        line: What its process knows of that model.
        begun_s: When it went, virtual seconds.
        unused: What calls had held and not used by then, of each kind.
        is_over: It has come back with an answer or an error.
        is_hurried: It had so little time that its failure says nothing of the provider.
        error: The error.
        usage: What the provider said that it cost.
        rate: What the provider said of its limits.
    """

    ask: Ask
    model: str
    taken: Taken
    line: Line
    begun_s: float
    unused: dict[Kind, float]
    is_over: bool = False
    is_hurried: bool = False
    error: ModelError | None = None
    usage: Usage | None = None
    rate: RateHint | None = None

    @property
    def hold(self) -> int:
        """Number of its hold, 0 for none."""
        return self.taken.hold

    @property
    def tokens(self) -> int:
        """Held for it."""
        return self.taken.tokens

    @property
    def nano(self) -> int:
        """Nano-dollars held for it."""
        return self.taken.nano

    def succeed(self, usage: Usage | None, rate: RateHint | None) -> None:
        """A reply has come."""
        self.is_over, self.usage, self.rate = True, usage, rate

    def fail(self, error: ModelError) -> None:
        """An error has come."""
        self.is_over, self.error, self.rate = True, error, error.rate

    @property
    def charged(self) -> tuple[int, int]:
        """What it costs, tokens and nano-dollars; all that is held for it as long as nobody knows."""
        outcome = self.ask.outcomes.get(self.hold)
        return (self.tokens, self.nano) if outcome is None else outcome


class Pacing:
    """Watches the calls of all processes."""

    def __init__(self, settings: Settings) -> None:
        """By ``[breaker]``."""
        self._breaker = settings.breaker
        self._lines: dict[tuple[str, str], Line] = {}
        self._resume: dict[tuple[str, str], float] = {}

    def begin(self, ask: Ask, model: str, taken: Taken, now: float) -> tuple[Trip, str]:
        """A call goes; and what is wrong with that."""
        line = self._lines.setdefault((ask.host, model), Line({}, {}, unused={}))
        wrong = self._check_dead(line, now) or self._check_pause(ask, model, now)
        leave_s = taken.leave_s
        asks_again = leave_s - line.leave_s >= MAX_PAUSE_S - SLACK
        pairs: tuple[tuple[Kind, int], ...] = ("requests", 1), ("tokens", taken.tokens)
        for kind, amount in pairs:
            for told in line.told.get(kind, ()):
                if leave_s <= told.at_s or asks_again:
                    continue  # it had its leave before, and waited for the disk
                if kind == "tokens":  # the last one may be larger than what a bucket holds
                    wrong = wrong or (self._describe(kind, told, now) if told.exceeds(now) else "")
                told.used += amount
                if kind == "requests":
                    wrong = wrong or (self._describe(kind, told, now) if told.exceeds(now) else "")
        line.last_s, line.leave_s = now, max(line.leave_s, leave_s)
        return Trip(ask, model, taken, line, now, dict(line.unused)), wrong

    def end(self, trip: Trip, now: float) -> None:
        """It is back."""
        line, error = trip.line, trip.error
        if error is not None and not error.sent:
            self._give_back(line, 1, trip.tokens)
        elif trip.usage is not None:
            self._give_back(line, 0, trip.tokens - trip.usage.total_tokens)
        if trip.rate is not None:
            self._learn(line, "requests", trip.rate.requests, trip, now)
            self._learn(line, "tokens", trip.rate.tokens, trip, now)
        if isinstance(error, ModelOverloaded) and error.retry_after_s:
            self._resume[trip.ask.key, trip.model] = now + min(error.retry_after_s, MAX_PAUSE_S)
        line.has_failed = line.has_failed or error is not None or not trip.is_over
        if trip.is_over:
            self._count(line, error, now, is_hurried=trip.is_hurried)

    def is_healthy(self, host: str, model: str) -> bool:
        """Whether nothing is known of a model that speaks against asking it."""
        line = self._lines.get((host, model))
        return line is None or not (line.has_failed or line.knows_since_s)

    def silent_s(self, host: str, models: Iterable[str], now: float) -> float:
        """For how long a process has called none of these models."""
        lines = [self._lines.get((host, model)) for model in models]
        return now - max([line.last_s for line in lines if line is not None], default=now)

    def _check_dead(self, line: Line, now: float) -> str:
        """A provider that has failed so often in a row gets one call at a time, a cool-down apart."""
        if line.failures < LONE_FACTOR * self._breaker.failures:
            return ""
        since_s = now - max(line.last_s, line.reached_s)
        if since_s >= self._breaker.cooldown_s - SLACK:
            return ""
        return f"is made {since_s:.3f} s after the last one, at a provider that has failed {line.failures} times"

    def _check_pause(self, ask: Ask, model: str, now: float) -> str:
        early_s = self._resume.pop((ask.key, model), 0.0) - now
        return f"is repeated {early_s:.3f} s before the provider's Retry-After" if early_s > SLACK else ""

    @staticmethod
    def _describe(kind: Kind, told: Told, now: float) -> str:
        return (
            f"is one too many: {told.used:g} {kind} went within {now - told.at_s:.3f} s after the provider said that "
            f"{told.left:g} of {told.limit:,} a minute were left"
        )

    @staticmethod
    def _give_back(line: Line, requests: int, tokens: int) -> None:
        pairs: tuple[tuple[Kind, int], ...] = ("requests", requests), ("tokens", tokens)
        for kind, amount in pairs:
            line.unused[kind] = line.unused.get(kind, 0.0) + max(0, amount)
            for told in line.told.get(kind, ()):
                told.used -= amount

    @staticmethod
    def _learn(line: Line, kind: Kind, said: Said | None, trip: Trip, now: float) -> None:
        """What is said holds for whoever knew of such a limit when he asked; the first saying is a beginning."""
        if said is None:
            return
        told = line.told.setdefault(kind, deque(maxlen=REMEMBERED))
        fastest = max([said.limit, *[one.limit for one in told]])
        if any(one.limit != said.limit for one in told):
            told.clear()
        if trip.begun_s > line.knows_since_s.setdefault(kind, now):
            # Meanwhile more has flowed in, and calls have not used all that they had taken.
            more = fastest / MINUTE_S * (now - trip.begun_s) + line.unused.get(kind, 0.0) - trip.unused.get(kind, 0.0)
            told.append(Told(said.limit, said.left + more, now))

    def _count(self, line: Line, error: ModelError | None, now: float, *, is_hurried: bool) -> None:
        if error is None or error.status == _TOO_MANY:
            line.failures = 0
        elif isinstance(error, ModelUnreachable | ModelBroken) and not is_hurried:
            line.failures += 1
            if line.failures == LONE_FACTOR * self._breaker.failures:
                line.reached_s = now

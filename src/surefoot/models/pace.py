"""How fast calls may go to a provider: at once, requests a minute, tokens a minute.

A `Key` has what the settings say of a provider's key, for all its models together. A `Pace` is a key and a model: it
adds what the provider says itself, in its headers, of that model. Both know only what is taken and given back; who
waits, and for how long, is the concern of `surefoot.models.gate`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.models.rate_hint import Said
from surefoot.models.status import read_duration_s

MINUTE_S: Final = 60.0
BURST_S: Final = 10.0
"""How much of a minute's configured rate may go at once: a provider that counts by the minute of the clock would see
that much too many at most. What a provider reports itself is exact, and may be used up at once."""
MAX_PAUSE_S: Final = 60.0
"""However long a provider asks to be left alone, one call asks again after this time."""
TOLERANCE: Final = 0.06
"""Share of calls that a provider may turn away, whatever the reason, without being overloaded by us."""
SLACK: Final = 0.08
"""As many strikes as this share of the calls at once are let pass before the first is heeded."""
CUT: Final = 0.85
"""What is left of the concurrency after an overload. Additive increase and multiplicative decrease converge to a fair
and stable share: Chiu and Jain, "Analysis of the Increase and Decrease Algorithms", Computer Networks 17, 1989."""
PATIENCE: Final = 4
"""After so many rounds without an overload the concurrency grows by two a round, after twice as many by three, and so
on: faster the longer ago it was, as in Ha, Rhee and Xu, "CUBIC", ACM SIGOPS Operating Systems Review 42, 2008."""
SHARE_CUT: Final = 0.85
SHARE_PER_S: Final = 0.004
ROUND_S: Final = 2.0
"""Of what a limit lets flow in, a refusal leaves so much to us, at most once in a round; it comes back by so much a
second: processes that share a key find their shares as those that share a line do."""
FOREVER: Final = float("inf")
_EPSILON: Final = 1e-9


class Bucket:
    """Requests or tokens that may go: they flow in steadily, up to a capacity.

    Attributes:
        limit: How many flow in within a minute.
        capacity: How many it holds at most; it begins full.
        level: How many are in it; below zero if more had to be taken.
        moved: How much was taken out because the provider knows of less, in all.
    """

    __slots__ = ("_at", "_cut_at", "_per_s", "_share", "capacity", "level", "limit", "moved")

    def __init__(self, limit: float, capacity: float, now: float) -> None:
        assert limit > 0
        assert capacity > 0
        self.limit, self.capacity = limit, capacity
        self.moved = 0.0
        self.level = capacity
        self._at = self._cut_at = now
        self._share = 1.0  # of what flows in, the part that is not taken by others
        self._per_s = limit / MINUTE_S

    def has(self, amount: float, now: float) -> bool:
        """Whether ``amount`` is there now; False means that `wait_s` is to be asked."""
        if now > self._at:
            if self._share < 1:
                return False
            level, capacity = self.level + (now - self._at) * self._per_s, self.capacity
            self._at = now
            self.level = level if level < capacity else capacity  # noqa: FURB136 - min() is slow
        return self.level >= amount

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there, 0 for now. What it never holds waits until it is full."""
        elapsed = now - self._at
        if elapsed > 0:
            self._at = now
            if self._share < 1:
                self._share = min(1.0, self._share + elapsed * SHARE_PER_S)
                self._per_s = self.limit / MINUTE_S * self._share
            level = self.level + elapsed * self._per_s
            self.level = level if level < self.capacity else self.capacity  # noqa: FURB136 - min() is slow
        missing = (amount if amount < self.capacity else self.capacity) - self.level  # noqa: FURB136
        return 0.0 if missing <= self.capacity * _EPSILON else missing / self._per_s

    def give_back(self, amount: float) -> None:
        """What was taken and not used; negative for what was used beyond."""
        level = self.level + amount
        self.level = level if level < self.capacity else self.capacity  # noqa: FURB136

    def cut(self, left: float, now: float) -> None:
        """The provider refuses a call that should have had room: others take a part of what flows in."""
        self.lower(left)
        if now >= self._cut_at + ROUND_S:
            self._cut_at = now
            self._share = max(SHARE_PER_S, self._share * SHARE_CUT)

    def lower(self, level: float) -> None:
        """The provider knows of no more than ``level``."""
        if level < self.level:
            self.moved += self.level - level
            self.level = level


class Key:
    """The key of a provider: what all its models share.

    Where the provider's own figures do not explain why it turns calls away, the number of calls at once adapts. A few
    per cent that are turned away are no reason: a provider of many machines does that at random, and fewer calls would
    change nothing. So each counts as a strike, of which each answer takes `TOLERANCE` back: a cumulative sum (Page,
    "Continuous Inspection Schemes", Biometrika 41, 1954), whose threshold is `SLACK` of the calls at once. A dozen
    calls at once are cut by the first strike, many only by a share that stays too large.

    Attributes:
        most: Calls at once, as set.
        allowed: Calls at once that the provider can bear, at least 1: after overloads less than ``most``.
        peak: Most calls that ever were under way at once.
        is_strained: Calls were turned away, and it has not got over it yet.
        in_flight: Calls under way.
        requests: Configured requests a minute, None where nothing is configured.
        tokens: Configured tokens a minute.
    """

    __slots__ = (
        "_cut_at", "_rounds", "_strikes", "allowed", "in_flight", "is_strained", "most", "peak", "requests", "tokens",
    )  # fmt: skip

    def __init__(self, concurrency: int, rpm: float, tpm: float, now: float) -> None:
        """``rpm`` and ``tpm`` are 0 where only the provider's headers tell."""
        assert concurrency >= 1
        self.most = concurrency
        self.allowed = float(concurrency)
        self.in_flight = self.peak = 0
        self.is_strained = False
        self.requests = Bucket(rpm, max(1.0, rpm * BURST_S / MINUTE_S), now) if rpm else None
        self.tokens = Bucket(tpm, tpm * BURST_S / MINUTE_S, now) if tpm else None
        self._strikes = 0.0
        self._rounds = 0.0  # of calls that were answered since the last cut
        self._cut_at = -FOREVER

    def wait_s(self, tokens: int, now: float) -> float:
        """Seconds until a call of so many tokens has room, 0 for now, `FOREVER` until another call has ended."""
        if self.in_flight + 1 > self.allowed:
            return FOREVER
        wait_s = 0.0
        if self.requests is not None:
            wait_s = self.requests.wait_s(1, now)
        if self.tokens is not None:
            wait_s = max(wait_s, self.tokens.wait_s(tokens, now))
        return wait_s

    def take(self, tokens: int) -> None:
        """A call of at most so many tokens goes."""
        self.in_flight = in_flight = self.in_flight + 1
        if in_flight > self.peak:  # noqa: PLR1730 - max() is slow
            self.peak = in_flight
        if self.requests is not None:
            self.requests.level -= 1
        if self.tokens is not None:
            self.tokens.level -= tokens

    def recover(self) -> None:
        """A call went well, after some that were turned away."""
        self._strikes = max(0.0, self._strikes - TOLERANCE)
        if self.allowed < self.most:
            self._rounds += 1 / self.allowed
            self.allowed = min(float(self.most), self.allowed + (1 + self._rounds / PATIENCE) / self.allowed)
        self.is_strained = self._strikes > 0 or self.allowed < self.most

    def strike(self, taken_at: float, now: float) -> bool:
        """The provider has turned a call away; whether that means that it is overloaded."""
        self.is_strained = True
        if taken_at <= self._cut_at:  # of the round that was cut: the cut was too small by this call, as it turns out
            self.allowed = max(1.0, min(self.allowed, max(self.in_flight, self.allowed - 1)))
            return True
        self._strikes += 1
        used = min(self.allowed, self.peak)
        if self._strikes <= SLACK * used:
            return False
        self.allowed = max(1.0, used * CUT)
        self._strikes = self._rounds = 0.0
        self._cut_at = now
        return True


class Flow:
    """Requests or tokens of one key and model, as its provider reports them.

    Attributes:
        bucket: What may go, None while the provider says nothing.
        sent: All that was ever taken.
        sent_at: Monotonic seconds at which that was.
    """

    __slots__ = ("bucket", "sent", "sent_at")

    def __init__(self) -> None:
        self.bucket: Bucket | None = None
        self.sent = 0.0
        self.sent_at = -FOREVER

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until so much may go, 0 for now.

        Whatever was said, a call goes after `MAX_PAUSE_S`: who said something wrong gets to say something else.
        """
        bucket = self.bucket
        wait_s = 0.0 if bucket is None else bucket.wait_s(amount, now)
        return 0.0 if wait_s <= 0 else min(wait_s, max(0.0, self.sent_at + MAX_PAUSE_S - now))

    def take(self, amount: int, now: float) -> Taken:
        """A call takes so much."""
        self.sent_at = now
        self.sent = sent = self.sent + amount
        bucket = self.bucket
        if bucket is None:
            return Taken(amount, None, FOREVER, sent)
        bucket.level = level = bucket.level - amount
        return Taken(amount, bucket, level + bucket.moved, sent)

    def learn(self, said: Said, taken: Taken, now: float, *, refused: bool) -> None:
        """Heed what came with the answer to the call that took ``taken``.

        The provider knew of that call and of all before it. Of what was sent since it may or may not have known, so
        that much is left out of the comparison; what is still missing, others have used: another process, or a person.
        With a refusal for want of room nothing was used, and what is left is the truth of this moment. What was left
        under another limit says nothing of what is left now.
        """
        bucket = self.bucket
        since = self.sent - taken.sent
        if bucket is None or bucket.limit != said.limit:
            rate = said.limit / MINUTE_S
            reset_s = read_duration_s(said.reset) if said.reset else None
            # A bucket says when it is full again, and so how much it holds; a fixed window holds a minute's worth.
            full = float(said.limit) if reset_s is None else min(float(said.limit), said.left + reset_s * rate)
            bucket = self.bucket = Bucket(said.limit, max(1.0, full), now)
            bucket.level = min(bucket.capacity, said.left - since)
        elif taken.bucket is bucket and not (refused and said.left < taken.amount):
            expected = taken.level - bucket.moved - since
            if expected > said.left:
                bucket.lower(bucket.level - (expected - said.left))
        if refused and said.left < taken.amount:
            bucket.cut(said.left, now)


class Taken(Struct, frozen=True, gc=False):
    """What one call has taken of a `Flow`.

    Attributes:
        amount: How much.
        bucket: The bucket that it came from, None if there was none.
        level: What was left in it, and all that was ever moved out of it.
        sent: All that had been taken of the flow by then.
    """

    amount: int
    bucket: Bucket | None
    level: float
    sent: float

    def give_back(self, amount: int) -> None:
        """To the bucket that it came from; a newer one never lacked it."""
        if self.bucket is not None:
            self.bucket.give_back(amount)


class Pace:
    """A model behind a key.

    Attributes:
        key: The key.
        requests: Requests as the provider reports them.
        tokens: Tokens likewise.
        resume_at: Monotonic seconds before which the provider wants to hear nothing.
    """

    __slots__ = ("key", "requests", "resume_at", "tokens")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.requests, self.tokens = Flow(), Flow()
        self.resume_at = -FOREVER

    def wait_s(self, tokens: int, now: float) -> float:
        """Seconds until the provider bears a call of so many tokens, whatever the key says; 0 for now."""
        return max(self.resume_at - now, self.requests.wait_s(1, now), self.tokens.wait_s(tokens, now), 0.0)

    def has_room(self, tokens: int, now: float) -> bool:
        """Whether a call may go now, by the key and by the provider."""
        key = self.key
        if key.in_flight + 1 > key.allowed or self.resume_at > now:
            return False
        if (key.requests is not None or key.tokens is not None) and key.wait_s(tokens, now) > 0:
            return False
        tokens_left, requests_left = self.tokens.bucket, self.requests.bucket
        if tokens_left is not None and not tokens_left.has(tokens, now) and self.tokens.wait_s(tokens, now) > 0:
            return False
        return requests_left is None or requests_left.has(1, now) or self.requests.wait_s(1, now) <= 0

    def overload(self, begun_at: float, retry_after_s: float | None, now: float, *, explained: bool) -> None:
        """The provider has turned a call away; ``explained``: its own figures say why, and how long to wait."""
        is_meant = explained or self.key.strike(begun_at, now)
        if is_meant and retry_after_s:
            self.resume_at = max(self.resume_at, now + min(retry_after_s, MAX_PAUSE_S))

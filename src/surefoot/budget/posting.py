"""What a run tells the ledger, and what the ledger answers: the port that every store implements.

A posting goes with a record of the journal in one transaction. First what is settled, then what is claimed: on every
account above the run, or on none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from surefoot.budget.accounts import Amounts, Payers, Period, shown

PER: Final[Mapping[str, str]] = {
    "run": "each run",
    "hour": "an hour",
    "day": "a day",
    "month": "a month",
    "total": "in all",
}
"""A period as it stands behind a limit."""
UNPRICED: Final = "price"
"""As the limit of a `Refusal`: US dollars are limited, and no price of the model is known."""


class Claim(Struct, frozen=True, gc=False):
    """What a call may use at most; refused as a whole if an account has no room for it.

    Attributes:
        payers: Who pays.
        hold: Number of the hold within the run, from 1. 0 is for what is used at once and never settled: tool calls.
        tokens: Tokens at most.
        nano: Nano-dollars at most.
        steps: Steps begun.
        model_calls: Wire attempts.
        tool_calls: Tool calls.
        prices: Digest of the prices that ``nano`` is reckoned with, "" when they are unknown.
    """

    payers: Payers
    hold: int
    tokens: int = 0
    nano: int = 0
    steps: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    prices: str = ""


class Settlement(Struct, frozen=True, gc=False):
    """What a hold cost in the end. Only the first for a hold counts.

    Attributes:
        hold: Number of the hold within the run.
        tokens: Tokens charged.
        nano: Nano-dollars charged.
        known: Whether the provider said so; otherwise the full hold is charged, and evidence may refund it later.
        limited: Whether an account above the run has a limit. Without one the ledger has no hold, and only notes what
            is unknown, so that it can be looked at and refunded.
    """

    hold: int
    tokens: int
    nano: int
    known: bool = True
    limited: bool = True


class Posting(Struct, frozen=True):
    """What goes with one record: what a hold cost, what is asked for, and what was used and cannot be refused."""

    settlement: Settlement | None = None
    claim: Claim | None = None
    used: Claim | None = None


class Refusal(Struct, frozen=True):
    """An account has no room for a claim; nothing of it was written, nor of the record that came with it.

    Attributes:
        account: Whose limit it is.
        period: For how long the limit counts.
        limit: One of `surefoot.budget.accounts.AMOUNTS`, or ``frozen``, or `UNPRICED`.
        of: The limit.
        left: What is left of it, at least 0.
        held: How much of it is held for calls in flight, and may come free at any moment.
        needed: What was claimed of it.
        resets_at: Wall time, seconds, at which a new window begins; None if it never does.
        zone: Name of the time zone in which to tell it.
        room_tokens: Most tokens that would have fitted all accounts.
        room_nano: Most nano-dollars that would have fitted all accounts.
    """

    account: str
    period: Period
    limit: str
    of: int
    left: int
    needed: int
    resets_at: float | None
    zone: str = "UTC"
    room_tokens: int = 0
    room_nano: int = 0
    held: int = 0

    @property
    def notice(self) -> str:
        """What an end user and a model may know of it: whose limit, and when there is more, but no amounts."""
        return tell_refused(self.limit, self.account, self.resets_at)

    @property
    def message(self) -> str:
        """One line for a person: what limit, whose, how much is left, and when there is more."""
        if self.limit == "frozen":
            return (
                f"{self.account} is frozen since a provider charged more than was held; look at it, then "
                f"`surefoot budget acknowledge {self.account}`"
            )
        if self.limit == UNPRICED:
            per = PER[self.period]
            return (
                f"{self.account} has a limit of {shown('usd', self.of)} {per}, and no price is known for the model, so "
                "that it cannot be kept: give the price in surefoot.toml under [prices]"
            )
        left, needed, of, held = [shown(self.limit, value) for value in (self.left, self.needed, self.of, self.held)]
        what = "" if self.limit == "usd" else f" {self.limit.replace('_', ' ')}"
        per = PER[self.period]
        if self.resets_at is None:
            when = "it never resets; raise the limit to go on"
        else:
            when = f"resets {datetime.fromtimestamp(self.resets_at, ZoneInfo(self.zone)).isoformat(timespec='minutes')}"
        if self.held and self.left + self.held >= self.needed:
            when = f"{held} of it is held for calls in flight and may come free soon; {when}"
        return f"{self.account} has {left} left of {of}{what} {per}, and the next call may need {needed}; {when}"


_WHOSE: Final = {
    "global": "this service",
    "tenant": "this organisation",
    "user": "this user",
    "session": "this conversation",
}


def tell_refused(limit: str, account: str, resets_at: float | None) -> str:
    """See `Refusal.notice`."""
    whose = _WHOSE[account.partition(":")[0]]
    if limit == "frozen":
        return f"{whose} is on hold until somebody has looked at a bill of its provider"
    if limit == UNPRICED:
        return f"the price of the model is not known, so that {whose} cannot pay for it"
    when = (
        ""
        if resets_at is None
        else f"; there is more from {datetime.fromtimestamp(resets_at, UTC):%Y-%m-%d %H:%M} UTC on"
    )
    return f"the limit on {limit} of {whose} was reached{when}"


class Balance(Struct, frozen=True, kw_only=True):
    """One window of an account, as it stands.

    Attributes:
        account: Its name.
        period: Its period.
        starts_at: Wall time, seconds.
        ends_at: Wall time, seconds; infinite for ``total``.
        zone: Time zone in which its day or month begins.
        limits: Its limits, `INFINITE` where there is none.
        spent: What was charged.
        reserved_tokens: Tokens held for calls in flight.
        reserved_nano: Nano-dollars held for calls in flight.
        overrun_tokens: Tokens that providers charged beyond their holds.
        overrun_nano: Nano-dollars likewise.
        frozen: Whether the account admits nothing until the overrun is acknowledged.
    """

    account: str
    period: Period
    starts_at: float
    ends_at: float
    zone: str
    limits: Amounts
    spent: Amounts
    reserved_tokens: int = 0
    reserved_nano: int = 0
    overrun_tokens: int = 0
    overrun_nano: int = 0
    frozen: bool = False


class RuleChange(Struct, frozen=True, kw_only=True):
    """A change of an account's limits.

    Attributes:
        at: Wall time, seconds.
        account: Account or pattern.
        period: Period, or ``timezone`` or ``acknowledged`` for a change that is no limit.
        before: What was set before, None for nothing.
        after: What is set now, None for nothing.
        by: Who did it, "" if unknown.
    """

    at: float
    account: str
    period: str
    before: Mapping[str, int | str] | None
    after: Mapping[str, int | str] | None
    by: str = ""


class UnknownHold(Struct, frozen=True, kw_only=True):
    """A hold charged in full because nobody knows what became of its call.

    Attributes:
        run_id: The run.
        hold: Number of the hold within the run.
        at: Wall time of the hold, seconds.
        tokens: Tokens charged.
        nano: Nano-dollars charged.
        prices: Digest of the prices, "" when they were unknown.
    """

    run_id: str
    hold: int
    at: float
    tokens: int
    nano: int
    prices: str = ""

"""A bridge for code that counts its own budget: `TokenBudget` as such programs have it, over the ledger's account.

New code has no use for it: `surefoot.Limits` on an agent says the same, and the library does the rest.
"""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from surefoot.budget.holds import Hold, Shortage
from surefoot.budget.ledger import Account
from surefoot.budget.limits import Limits
from surefoot.budget.rates import Rates, flat_rates, to_nano
from surefoot.clock import SystemClock
from surefoot.errors import BudgetExceeded, ConfigError
from surefoot.types import UNLIMITED, Money, Usage

MAX_STEP_CHARS: Final = 200
"""How much of a step's description is kept."""
_MAX_PRICE: Final = Decimal(1_000_000)


class BudgetCheck(NamedTuple):
    """Whether the next step may go on: true or false by itself, or taken apart: ``allowed, message = ...``."""

    allowed: bool
    message: str

    def __bool__(self) -> bool:
        return self.allowed


class TokenBudget:
    """Tokens and steps of one task: check before each model call, and say afterwards what it used.

    A check that says yes holds the tokens until the same task or thread calls `add_step`, so that callers who check at
    the same time never spend the same tokens; a further check of the same caller replaces its hold. Safe for threads
    and tasks.

    Attributes:
        max_tokens: Tokens in all.
        max_steps: Steps in all.
        warning_threshold: Share in (0, 1] from which on `is_warning` is true.
        price_per_mtok: US dollars for a million tokens, input and output alike.
    """

    def __init__(
        self,
        max_tokens: int = 8_000,
        max_steps: int = 10,
        warning_threshold: float = 0.7,
        price_per_mtok: float | str | Decimal = 0,
    ) -> None:
        """Begin with nothing spent.

        Raises:
            ConfigError: A value is not a positive number, or the price is below zero.
        """
        self.max_tokens, self.max_steps = max_tokens, max_steps
        self.warning_threshold = warning_threshold
        limits = Limits(
            tokens=max_tokens,
            steps=max_steps,
            usd=UNLIMITED,
            model_calls=UNLIMITED,
            tool_calls=UNLIMITED,
            seconds=UNLIMITED,
            warn_at=warning_threshold,
            on_limit="raise",
        )
        self._clock = SystemClock()
        self.price_per_mtok, rates = _read_price(price_per_mtok)
        self._account = Account(limits, rates, self._clock.monotonic())
        self._holds: dict[int, Hold] = {}
        self._steps: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def check_budget(self, estimated_tokens: int = 1) -> BudgetCheck:
        """Whether so many tokens fit, with those that others hold; if they do, they are held for this caller.

        Raises:
            ConfigError: Not a positive whole number.
        """
        _check_count("estimated_tokens", estimated_tokens, least=1)
        with self._lock:
            self._release()
            now = self._clock.monotonic()
            waiting = len(self._holds)
            if self._account.steps + waiting >= self.max_steps:
                return BudgetCheck(False, f"all {self.max_steps} steps are used")
            fit = self._account.fit(estimated_tokens - 1, 1, final=True, now=now)
            if isinstance(fit, Shortage):
                return BudgetCheck(False, f"{self.remaining_tokens} of {self.max_tokens} tokens are left")
            self._holds[_caller()] = self._account.reserve(estimated_tokens - 1, 1)
            return BudgetCheck(True, f"{self.remaining_tokens} of {self.max_tokens} tokens are left")

    def add_step(self, tokens_used: int, description: str = "") -> None:
        """Settle what this caller holds: a step is done, and used so many tokens.

        The truth is booked even when it is more than was checked for; the next check then refuses.

        Raises:
            BudgetExceeded: There was no check before, and the tokens do not fit. They are booked.
            ConfigError: Not a whole number from zero up.
        """
        _check_count("tokens_used", tokens_used, least=0)
        with self._lock:
            hold = self._holds.pop(_caller(), None)
            fits = hold is not None or tokens_used <= self.remaining_tokens
            self._account.settle(hold or Hold(0, 0, 0, 0), Usage(input_tokens=tokens_used))
            self._account.begin_step()
            step = {"step": self._account.steps, "tokens": tokens_used, "description": description[:MAX_STEP_CHARS]}
            self._steps = [*self._steps[-self.max_steps :], step]
        if not fits:
            raise BudgetExceeded(
                f"{tokens_used} tokens were used without a check, and did not fit {self.max_tokens}", limit="tokens"
            )

    def release(self) -> None:
        """The call that was checked for was never made: give back what this caller holds."""
        with self._lock:
            self._release()

    @property
    def spent_tokens(self) -> int:
        """Tokens used."""
        return self._account.spent_tokens

    @property
    def spent_usd(self) -> float:
        """US dollars used."""
        return self._account.spent_nano / 1e9

    @property
    def current_step(self) -> int:
        """Steps done."""
        return self._account.steps

    @property
    def remaining_tokens(self) -> int:
        """Tokens that nobody has used or holds; never below zero."""
        return max(0, self.max_tokens - self._account.spent_tokens - self._account.reserved[0])

    @property
    def is_warning(self) -> bool:
        """Whether the tokens or the steps used have reached the threshold."""
        used = self._account.shares_used(self._clock.monotonic())
        return max(used.values()) >= self.warning_threshold

    def get_report(self) -> dict[str, Any]:
        """Steps, tokens, cost in all and of an average step (US dollars), what remains in percent, and each step."""
        with self._lock:
            account = self._account
            done = max(1, account.steps)
            remaining = 1 - account.spent_tokens / self.max_tokens
            return {
                "total_steps": account.steps,
                "total_tokens": account.spent_tokens,
                "total_cost": account.spent_nano / 1e9,
                "average_tokens_per_step": account.spent_tokens / done,
                "average_cost_per_step": account.spent_nano / done / 1e9,
                "remaining_tokens": self.remaining_tokens,
                "remaining_percent": round(max(0.0, remaining) * 100, 1),
                "is_warning": self.is_warning,
                "steps": [dict(step) for step in self._steps],
            }

    def __repr__(self) -> str:
        spent = f"{self.spent_tokens}/{self.max_tokens} tokens, {self.current_step}/{self.max_steps} steps"
        return f"TokenBudget({spent}, {Money(self._account.spent_nano)})"

    def _release(self) -> None:
        hold = self._holds.pop(_caller(), None)
        if hold is not None:
            self._account.release(hold)


def _caller() -> int:
    """The task that asks, or the thread where there is none."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident() if task is None else id(task)


def _check_count(name: str, value: object, *, least: int) -> None:
    if type(value) is not int or value < least:
        raise ConfigError(f"TokenBudget: {name}={value!r:.40} must be a whole number from {least} up")


def _read_price(value: float | str | Decimal) -> tuple[Decimal, Rates]:
    try:
        price = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and 0 <= price <= _MAX_PRICE):
        raise ConfigError(
            f"TokenBudget(price_per_mtok={value!r:.40}): must be US dollars for a million tokens, from 0 up"
        )
    rate = to_nano(price)
    return price, flat_rates({"input": rate, "output": rate}, source="TokenBudget")

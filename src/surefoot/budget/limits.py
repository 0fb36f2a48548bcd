"""The limits of one run, as a user writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, cast

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from surefoot.errors import ConfigError
from surefoot.types import UNLIMITED, Money, Unlimited

COUNTS: Final = ("tokens", "steps", "model_calls", "tool_calls")
INFINITE: Final = 1 << 62
"""Stands for `UNLIMITED` in sums; fits 64 bits."""
RUNGS: Final = ("trim", "summarise", "finish")
MODEL_RUNG: Final = "model="
"""Begins a rung that names a model."""
LIMITED: Final = ("tokens", "usd", "steps", "model_calls", "tool_calls", "seconds")


class Limits(Struct, frozen=True, kw_only=True, cache_hash=True):
    """Hard limits of one run. No default is infinite; write `UNLIMITED` to lift one.

    Attributes:
        tokens: Input and output tokens of all model calls together.
        usd: US dollars, for example ``"0.05"``; a model without a known price is refused unless this is `UNLIMITED`.
        steps: Steps (one reply of the model and the tools it calls); the last one is kept for the answer.
        model_calls: Wire attempts, retries included.
        tool_calls: Tool calls.
        seconds: Wall-clock seconds; what is in flight then is cancelled.
        warn_at: Share of a limit, in (0, 1], at which a `BudgetWarning` is sent.
        on_limit: ``finish`` ends the run well with what was found; ``raise`` raises `BudgetExceeded` instead.
        ladder: What is done as a limit runs low, in this order, the first at ``warn_at`` and the others at equal
            distances from there to the limit: ``trim`` cuts old tool results, ``summarise`` lets the model sum up the
            conversation, ``model=PROVIDER:NAME`` goes on with a cheaper model, ``finish`` asks for the answer.

    Raises:
        ConfigError: A limit is not a positive, finite number, or not a whole one where it counts something.
    """

    tokens: int | Unlimited = 50_000
    usd: str | float | Decimal | Money | Unlimited = "1.00"
    steps: int | Unlimited = 10
    model_calls: int | Unlimited = 40
    tool_calls: int | Unlimited = 50
    seconds: float | Unlimited = 300.0
    warn_at: float = 0.7
    on_limit: Literal["finish", "raise"] = "finish"
    ladder: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check everything and turn ``usd`` into `Money`."""
        for name in COUNTS:
            value = getattr(self, name)
            if value is not UNLIMITED and (type(value) is not int or value <= 0):
                raise ConfigError(f"Limits({name}={value!r}): must be a positive whole number or UNLIMITED")
        force_setattr(self, "usd", _read_usd(self.usd))
        if self.seconds is not UNLIMITED and not _is_positive(self.seconds):
            raise ConfigError(f"Limits(seconds={self.seconds!r}): must be a positive number of seconds or UNLIMITED")
        if not _is_positive(self.warn_at) or self.warn_at > 1:
            raise ConfigError(f"Limits(warn_at={self.warn_at!r}): must be above 0 and at most 1, for example 0.7")
        if self.on_limit not in ("finish", "raise"):
            raise ConfigError(f"Limits(on_limit={self.on_limit!r}): must be 'finish' or 'raise'")
        force_setattr(self, "ladder", _read_ladder(self.ladder))

    @property
    def nano(self) -> Money | Unlimited:
        """The USD limit in nano-dollars."""
        assert isinstance(self.usd, (Money, Unlimited)), "set by __post_init__"
        return self.usd

    def to_table(self) -> dict[str, int | float | str]:
        """Plain values for the journal: USD in nano-dollars, ``"unlimited"`` where there is no limit. Shared."""
        return _make_table(self)

    def ceilings(self) -> tuple[int, int, int, int, int]:
        """Tokens, nano-dollars, steps, model calls and tool calls at most; `INFINITE` where there is no limit."""
        return _find_ceilings(self)

    def amounts(self) -> dict[str, int | float]:
        """What is limited, by name: USD in nano-dollars; `UNLIMITED` ones are not in it. Shared."""
        return _find_amounts(self)

    def marks(self) -> tuple[float, ...]:
        """What is told as a warning when it is used, in the order of `LIMITED`; infinite where there is no limit."""
        return _find_marks(self)


# Many runs share few limits, so what is derived of them is derived once.


@lru_cache(maxsize=256)
def _make_table(limits: Limits) -> dict[str, int | float | str]:
    rest: dict[str, int | float | str] = {"warn_at": limits.warn_at, "on_limit": limits.on_limit}
    if limits.ladder:
        rest["ladder"] = ", ".join(limits.ladder)
    return {**{name: limits.amounts().get(name, "unlimited") for name in LIMITED}, **rest}


@lru_cache(maxsize=256)
def _find_amounts(limits: Limits) -> dict[str, int | float]:
    values = {name: limits.nano if name == "usd" else getattr(limits, name) for name in LIMITED}
    return {name: int(of) if name == "usd" else of for name, of in values.items() if of is not UNLIMITED}


@lru_cache(maxsize=256)
def _find_marks(limits: Limits) -> tuple[float, ...]:
    return tuple([limits.amounts().get(name, math.inf) * limits.warn_at for name in LIMITED])


@lru_cache(maxsize=256)
def _find_ceilings(limits: Limits) -> tuple[int, int, int, int, int]:
    counts = (limits.tokens, limits.nano, limits.steps, limits.model_calls, limits.tool_calls)
    tokens, nano, steps, model_calls, tool_calls = [INFINITE if of is UNLIMITED else int(of) for of in counts]
    return tokens, nano, steps, model_calls, tool_calls


@lru_cache(maxsize=256)
def tighten(limits: Limits, ceilings: tuple[int, int, int, int, int]) -> Limits:
    """The limits, none above what stands in ``ceilings`` (in the order of `Limits.ceilings`)."""
    tokens, nano, steps, model_calls, tool_calls = map(min, limits.ceilings(), ceilings)
    return replace(
        limits,
        tokens=_lift(tokens),
        usd=UNLIMITED if nano >= INFINITE else Money(nano),
        steps=_lift(steps),
        model_calls=_lift(model_calls),
        tool_calls=_lift(tool_calls),
    )


def _lift(ceiling: int) -> int | Unlimited:
    return UNLIMITED if ceiling >= INFINITE else ceiling


def read_limits(table: Mapping[str, object], where: str) -> Limits:
    """Limits from a table of a settings file; the text ``"unlimited"`` lifts a limit.

    Raises:
        ConfigError: An unknown name or a wrong value; says where.
    """
    values = {name: UNLIMITED if value == "unlimited" else value for name, value in table.items()}
    unknown = sorted(set(values) - set(Limits.__struct_fields__))
    if unknown:
        raise ConfigError(f"{where}: unknown limit {unknown[0]!r}; known are {', '.join(Limits.__struct_fields__)}")
    try:
        return Limits(**values)  # type: ignore[arg-type]  # __post_init__ checks every value
    except ConfigError as error:
        raise ConfigError(f"{where}: {_say_as_written(str(error))}") from None


def _say_as_written(fault: str) -> str:
    """``Limits(steps=0): must be ... or UNLIMITED``, as somebody reads it who has written no Python."""
    named, _, told = fault.partition("): ")
    return f"{named.removeprefix('Limits(')}: " + told.replace("UNLIMITED", '"unlimited"')


def _read_ladder(ladder: object) -> tuple[str, ...]:
    rungs = tuple(cast("Sequence[object]", ladder)) if isinstance(ladder, (list, tuple)) else (ladder,)
    for rung in rungs:
        is_model = isinstance(rung, str) and rung.startswith(MODEL_RUNG) and ":" in rung
        if not is_model and rung not in RUNGS:
            known = f"{', '.join(RUNGS)} or {MODEL_RUNG}PROVIDER:NAME"
            raise ConfigError(f"Limits(ladder=…{rung!r:.80}…): each rung must be {known}")
    if len(set(rungs)) < len(rungs) or "finish" in rungs[:-1]:
        raise ConfigError(f"Limits(ladder={rungs!r:.200}): each rung stands once, and nothing comes after 'finish'")
    return cast("tuple[str, ...]", rungs)


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


def _read_usd(value: object) -> Money | Unlimited:
    if value is UNLIMITED:
        return UNLIMITED
    if isinstance(value, Money):
        money = value
    elif isinstance(value, (str, int, float, Decimal)) and not isinstance(value, bool):
        try:
            money = Money.usd(value)
        except ConfigError:
            raise ConfigError(f"Limits(usd={value!r}): must be an amount such as '0.05', or UNLIMITED") from None
    else:
        raise ConfigError(f"Limits(usd={value!r}): must be an amount such as '0.05', or UNLIMITED")
    if money <= 0:
        raise ConfigError(f"Limits(usd={value!r}): must be above zero, or UNLIMITED")
    return money

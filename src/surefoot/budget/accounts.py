"""Who pays: the tree of accounts above a run, and the limits that people set on them.

An account is named by what it stands for: ``global``, ``tenant:acme``, ``user:acme/u1``, ``session:acme/u1/s1``;
without a tenant ``user:u1`` and ``session:u1/s1``. A ``/``, ``%`` or ``*`` that belongs to a name is written ``%2F``,
``%25``, ``%2A``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import astuple

from surefoot.budget.limits import INFINITE, Limits, tighten
from surefoot.errors import ConfigError
from surefoot.types import MAX_USD, UNLIMITED, Money, Unlimited

Period = Literal["run", "hour", "day", "month", "total"]
PERIODS: Final[tuple[Period, ...]] = ("run", "hour", "day", "month", "total")
"""For how long a limit counts; ``run`` is for each run by itself."""
KINDS: Final = ("global", "tenant", "user", "session")
AMOUNTS: Final = ("tokens", "usd", "steps", "model_calls", "tool_calls")
"""What an account may limit."""
UTC_NAME: Final = "UTC"
MAX_NAME_CHARS: Final = 400
"""Of an account: three names and their marks. A longer one is a mistake, or somebody's text."""
_MAX_CACHED: Final = 20_000
_QUOTED: Final = (("%", "%25"), ("/", "%2F"), ("*", "%2A"))  # the mark itself first
_WILD: Final = "*"
_PARTS: Final = {"global": (0, 0), "tenant": (1, 1), "user": (1, 2), "session": (2, 3)}
"""How many parts the name of an account has, by its kind."""


class Amounts(Struct, frozen=True, gc=False):
    """One figure for each of `AMOUNTS`, USD as nano-dollars; as a limit `INFINITE` where there is none."""

    tokens: int = INFINITE
    nano: int = INFINITE
    steps: int = INFINITE
    model_calls: int = INFINITE
    tool_calls: int = INFINITE

    def named(self) -> dict[str, int]:
        """The figures by the names in `AMOUNTS`."""
        return dict(zip(AMOUNTS, (self.tokens, self.nano, self.steps, self.model_calls, self.tool_calls), strict=True))


class Payers(Struct, frozen=True):
    """Who pays for a run.

    Attributes:
        tenant: The customer that the user belongs to, "" for none.
        user: The user, "" for none.
        session: The conversation, "" for none.
        chain: The accounts, the root first; derived.
    """

    tenant: str
    user: str
    session: str
    chain: tuple[str, ...]


def make_payers(tenant: str, user: str, session: str) -> Payers:
    """The accounts above a run: a level without a name is left out."""
    above = f"{quote(tenant)}/" if tenant else ""
    chain = ["global"]
    if tenant:
        chain.append(f"tenant:{quote(tenant)}")
    if user:
        chain.append(f"user:{above}{quote(user)}")
    if session:
        chain.append(f"session:{above}{quote(user)}/{quote(session)}")
    return Payers(tenant, user, session, tuple(chain))


def quote(name: str) -> str:
    """A name as it stands in the name of an account."""
    if "/" in name or "%" in name or "*" in name:
        for mark, quoted in _QUOTED:
            name = name.replace(mark, quoted)
    return name


def split_account(account: str) -> Payers:
    """Tenant, user and session that an account stands for.

    Raises:
        ConfigError: Not the name of an account, or of a pattern of accounts.
    """
    kind, parts = _split(account)
    if not (_fits(kind, parts) and len(account) <= MAX_NAME_CHARS and account.isprintable()):
        raise ConfigError(
            f"{account[:100]!r} names no account: write global, tenant:ACME, user:U1, user:ACME/U1, session:U1/S1 or "
            "session:ACME/U1/S1; with * as the last part all of them, for example user:* or user:ACME/*; a /, % or * "
            "that belongs to a name is written %2F, %25, %2A"
        )
    return Payers(*name_parts(account), (account,))


def name_parts(account: str) -> tuple[str, str, str]:
    """Tenant, user and session of an account that `make_payers` has named, whatever text is in the names."""
    kind, parts = _split(account)
    names = [_unquote(part) for part in parts]
    if kind != "tenant" and len(names) < _PARTS[kind][1]:
        names.insert(0, "")
    tenant, user, session = [*names, "", "", ""][:3]
    return tenant, user, session


def is_pattern(account: str) -> bool:
    """Whether it names many accounts."""
    return account.endswith(_WILD)


def _split(account: str) -> tuple[str, list[str]]:
    kind, colon, rest = account.partition(":")
    return kind, rest.split("/") if colon else []


def _fits(kind: str, parts: list[str]) -> bool:
    least, most = _PARTS.get(kind, (1, 0))
    if parts and parts[-1] == _WILD:  # all accounts of a kind, of a tenant, or of a user
        least, parts = 1, [*parts[:-1], "all"]
    if kind == "session" and len(parts) > 1 and not parts[-2]:  # it may have no user
        parts = [*parts[:-2], parts[-1]]
        least, most = least - 1, most - 1
    # A name in another spelling than `quote` has would be the limit of nobody.
    return least <= len(parts) <= most and all(parts) and all(quote(_unquote(part)) == part for part in parts)


def _unquote(name: str) -> str:
    for mark, quoted in reversed(_QUOTED):
        name = name.replace(quoted, mark)
    return name


class Rule(Struct, frozen=True):
    """Limits of an account, or of each account that a pattern names, for one period.

    Attributes:
        account: Name or pattern, see `split_account`.
        period: For how long they count.
        limits: What is limited, by the names in `AMOUNTS`: USD in nano-dollars, `INFINITE` where a limit of a wider
            pattern is lifted. What is not in it is left to wider patterns.
    """

    account: str
    period: Period
    limits: dict[str, int]


def read_rule(account: str, period: str, table: Mapping[str, object], where: str) -> Rule:
    """A rule as people write it.

    Args:
        account: Name or pattern.
        period: One of `PERIODS`.
        table: By the names in `AMOUNTS`: a positive number, US dollars for ``usd``, or ``"unlimited"``.
        where: What to name in an error.

    Raises:
        ConfigError: Something of it is wrong; says what.
    """
    split_account(account)
    if period not in PERIODS:
        raise ConfigError(f"{where}: unknown period {period!r}; known are {', '.join(PERIODS)}")
    limits: dict[str, int] = {}
    for name, value in table.items():
        if name not in AMOUNTS:
            raise ConfigError(f"{where}: unknown limit {name!r}; known are {', '.join(AMOUNTS)}")
        limits[name] = _read_amount(name, value, where)
        if period == "run" and not limits[name]:
            raise ConfigError(
                f"{where}: {name} = 0: a run needs more; 0 an hour, a day, a month or in all stops an account"
            )
    if not limits:
        raise ConfigError(f"{where}: nothing is limited; give at least one of {', '.join(AMOUNTS)}")
    return Rule(account, period, limits)


def _read_amount(name: str, value: object, where: str) -> int:
    if value == "unlimited" or value is UNLIMITED:
        return INFINITE
    if name == "usd":
        try:
            amount = Money.usd(cast("str", value)) if not isinstance(value, bool) else Money(-1)
        except ConfigError:
            amount = Money(-1)
        if amount < 0:
            told = f"must be US dollars from 0 (nothing is admitted) to {MAX_USD:,}, or unlimited"
            raise ConfigError(f"{where}: usd = {value!r:.40}: {told}")
        return int(amount)
    if type(value) is not int or not 0 <= value < INFINITE:
        told = "must be a whole number from 0 (nothing is admitted) up, or unlimited"
        raise ConfigError(f"{where}: {name} = {value!r:.40}: {told}")
    return value


def check_change(account: str, period: str, limits: Mapping[str, object]) -> dict[str, int | None]:
    """A change of a rule, as `surefoot.store.base.Accounts.change_rule` takes it.

    Raises:
        ConfigError: Something of it is wrong; says what.
    """
    where = f"{account} {period}"
    given = {name: limit for name, limit in limits.items() if limit is not None}
    for name, limit in given.items():
        if limit is not UNLIMITED and (isinstance(limit, bool) or not isinstance(limit, int)):
            unit = "whole nano-dollars, for example Money.usd('5')" if name == "usd" else "a whole number"
            raise ConfigError(f"{where}: {name}={limit!r:.40}: must be {unit}, UNLIMITED, or None to take it back")
        if isinstance(limit, int) and not 0 <= limit <= INFINITE:
            raise ConfigError(f"{where}: {name}={limit!r:.40}: must be from 0 up, UNLIMITED, or None to take it back")
    if set(limits) - set(AMOUNTS) or period not in PERIODS or not limits:
        read_rule(account, period, dict.fromkeys(limits, 1), where)  # which says what is wrong
    split_account(account)
    if period == "run" and 0 in given.values():
        raise ConfigError(f"{where}: a run needs more than 0")
    return {name: INFINITE if limit is UNLIMITED else cast("int | None", limit) for name, limit in limits.items()}


def read_rules(budgets: Mapping[str, Mapping[str, Mapping[str, object]]]) -> list[Rule]:
    """The rules of ``[budgets]``.

    Raises:
        ConfigError: One of them is wrong; names its key.
    """
    return [
        read_rule(account, period, table, f'budgets."{account}".{period}')
        for account, periods in budgets.items()
        for period, table in periods.items()
    ]


class RuleBook:
    """What is limited: the rules of the settings, and those that were set in the store.

    For each amount the narrowest pattern that mentions it decides (the account itself, then ``user:ACME/*``, then
    ``user:*``), and of two equally narrow ones that which was set in the store.

    Attributes:
        limits_anything: Whether there is a limit on any account at all.
        limits_tool_calls: Whether tool calls are limited on any account.
    """

    def __init__(
        self, declared: Iterable[Rule], stored: Iterable[Rule], zones: Mapping[str, ZoneInfo] | None = None
    ) -> None:
        """From the settings, from the store, and the time zones of tenants ("" for all others)."""
        self._rules: dict[str, dict[Period, dict[str, int]]] = {}
        self._zones = dict(zones or {})
        self._known: dict[str, tuple[tuple[Period, Amounts], ...]] = {}
        stored = tuple(stored)
        self._set = {(rule.account, rule.period, name) for rule in stored for name in rule.limits}
        for rule in (*declared, *stored):  # what comes later wins
            self._rules.setdefault(rule.account, {}).setdefault(rule.period, {}).update(rule.limits)
        amounts = [
            name
            for periods in self._rules.values()
            for limits in periods.values()
            for name, limit in limits.items()
            if limit < INFINITE
        ]
        self.limits_anything = bool(amounts)
        self.limits_tool_calls = "tool_calls" in amounts

    def limits_of(self, account: str) -> tuple[tuple[Period, Amounts], ...]:
        """The limits of an account, by period; only those periods in which something is limited."""
        found = self._known.get(account)
        if found is None:
            if len(self._known) >= _MAX_CACHED:
                self._known.clear()
            self._known[account] = found = tuple(self._resolve(account))
        return found

    def zone(self, tenant: str) -> ZoneInfo:
        """In whose time zone the days and months of a tenant's accounts begin."""
        return self._zones.get(tenant) or self._zones.get("") or ZoneInfo(UTC_NAME)

    def limit_run(self, limits: Limits, payers: Payers) -> Limits:
        """The limits of a run: its own, and what the accounts above it allow to each run."""
        for account in payers.chain:
            for period, amounts in self.limits_of(account):
                if period == "run":
                    limits = tighten(limits, astuple(amounts))
        return limits

    def limits_usd(self, payers: Payers) -> str:
        """An account with a limit in US dollars, "" if there is none."""
        for account in payers.chain:
            if any(amounts.nano < INFINITE for _, amounts in self.limits_of(account)):
                return account
        return ""

    def limits_any(self, payers: Payers) -> bool:
        """Whether one of the accounts counts what its runs use."""
        return any(period != "run" for account in payers.chain for period, _ in self.limits_of(account))

    def accounts(self) -> list[str]:
        """Accounts and patterns that have rules, sorted."""
        return sorted(self._rules, key=lambda account: (KINDS.index(account.partition(":")[0]), account))

    def rules_of(self, account: str) -> Mapping[Period, Mapping[str, int]]:
        """The rules of exactly that account or pattern."""
        return self._rules.get(account, {})

    def origin(self, account: str, period: Period, name: str) -> Literal["set", "settings"]:
        """Where a limit of `rules_of` comes from: it was set and holds for all processes, or this one's settings."""
        return "set" if (account, period, name) in self._set else "settings"

    def _resolve(self, account: str) -> Iterable[tuple[Period, Amounts]]:
        merged: dict[Period, dict[str, int]] = {}
        for pattern in reversed(patterns_of(account)):
            for period, limits in self._rules.get(pattern, {}).items():
                merged.setdefault(period, {}).update(limits)
        for period in PERIODS:
            limits = merged.get(period, {})
            if any(limit < INFINITE for limit in limits.values()):
                yield period, Amounts(*[limits.get(name, INFINITE) for name in AMOUNTS])


def patterns_of(account: str) -> list[str]:
    """The account itself and the patterns that it falls under, the narrowest first."""
    kind, _, rest = account.partition(":")
    parts = rest.split("/")
    if not rest:
        return [account]
    beside = "/".join([*parts[:-1], _WILD])  # of as many parts: with fewer, a user's sessions look like a tenant's
    return [account, *[f"{kind}:{pattern}" for pattern in dict.fromkeys((beside, _WILD)) if pattern != rest]]


def shown(name: str, value: int) -> str:
    """An amount for a person: dollars, or a count with separators; ``unlimited``."""
    if value >= INFINITE:
        return UNLIMITED.value
    return str(Money(value)) if name == "usd" else f"{value:,}"


def to_table(limits: Mapping[str, int]) -> dict[str, int | str]:
    """Limits for JSON: USD in nano-dollars, ``"unlimited"`` where one is lifted."""
    return {name: Unlimited.UNLIMITED.value if value >= INFINITE else value for name, value in limits.items()}

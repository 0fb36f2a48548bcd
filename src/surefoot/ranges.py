"""Numbers of the settings that make no sense: out of range, or a least that is above its most."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from msgspec.structs import asdict

from surefoot.durations import read_duration_s
from surefoot.errors import ConfigError

if TYPE_CHECKING:
    from surefoot.config import Settings

MAX_NUMBER: Final = 1_000_000_000
"""As seconds these are 31 years; more would overflow a time stamp."""
MIN_WEIGHT: Final = 1
"""Of a tenant in the fair queue: a lighter one would take many rounds for one turn."""
MAX_WEIGHT: Final = 100
LEAST_CANARY_CHARS: Final = 8
"""A shorter canary would be found everywhere."""
_HOST: Final = re.compile(r"\*|(?:\*\.)?[^\s/:@*?#]+")
"""A name, all names below one, or all there are; with a scheme or a path it would never be met."""
_ORDERED: Final = (("retry.base_s", "retry.max_s"), ("breaker.cooldown_s", "breaker.max_cooldown_s"))
"""What must not be more than what."""
_POSITIVE_OF_PROVIDERS: Final = ("max_output_tokens", "concurrency", "max_waiting")
_POSITIVE: Final = (
    "model_timeout_s", "store.lease_s", "retry.attempts", "retry.base_s", "retry.max_s", "breaker.failures",
    "breaker.cooldown_s", "breaker.max_cooldown_s", "local.context_tokens", "local.max_waiting", "sessions.max_waiting",
    "sessions.max_wait_s", "sessions.max_in_memory", "sessions.max_memory_mib", "sessions.ttl_s",
    "policy.approval_timeout_s", "guard.temperature",
)  # fmt: skip


def check_ranges(settings: Settings, where: str) -> None:
    """See that every number makes sense.

    Raises:
        ConfigError: One does not; says which, and ``where`` it stands.
    """
    _check_numbers(settings, where)
    _check_guard(settings, where)
    _check_order(settings, where)


def _check_numbers(settings: Settings, where: str) -> None:
    positive: dict[str, float] = {place: attrgetter(place)(settings) for place in _POSITIVE}
    not_negative = {"retry.budget": settings.retry.budget, "retry.reserve": settings.retry.reserve}
    for name, provider in settings.providers.items():
        key = f"providers.{name}"
        positive |= {f"{key}.{field}": getattr(provider, field) for field in _POSITIVE_OF_PROVIDERS}
        positive |= {f"{key}.endpoints[{place}].weight": way.weight for place, way in enumerate(provider.endpoints)}
        not_negative |= {f"{key}.{field}": getattr(provider, field) for field in ("rpm", "tpm", "context_tokens")}
    sections = {"admission": asdict(settings.admission)}
    sections |= {f"tenants.{name}": asdict(tenant) for name, tenant in settings.tenants.items()}
    for section, fields in sections.items():
        for field, value in fields.items():
            if isinstance(value, (int, float)):
                (not_negative if field.endswith("queue") else positive)[f"{section}.{field}"] = value
    for name, value in positive.items():
        if not 0 < value <= MAX_NUMBER:
            raise ConfigError(f"{where}: {name} = {value}: must be a positive number, at most {MAX_NUMBER:,}")
    for name, value in not_negative.items():
        if not 0 <= value <= MAX_NUMBER:
            raise ConfigError(f"{where}: {name} = {value}: must be 0 or more, at most {MAX_NUMBER:,}")
    for name, tenant in settings.tenants.items():
        if not MIN_WEIGHT <= tenant.weight <= MAX_WEIGHT:
            raise ConfigError(
                f"{where}: tenants.{name}.weight = {tenant.weight}: must be from {MIN_WEIGHT} to {MAX_WEIGHT}"
            )
    if settings.local.threads < 0:
        raise ConfigError(f"{where}: local.threads = {settings.local.threads}: must be 0 (one for each core) or more")


def _check_guard(settings: Settings, where: str) -> None:
    if not 0 < settings.guard.detect_risk <= 1:
        raise ConfigError(f"{where}: guard.detect_risk = {settings.guard.detect_risk}: must be above 0, at most 1")
    if not 0 < settings.guard.threshold < 1:  # its odds are taken; also without an encoder, which a command may add
        raise ConfigError(f"{where}: guard.threshold = {settings.guard.threshold}: must be above 0 and below 1")
    for canary in settings.guard.canaries:
        if len(canary) < LEAST_CANARY_CHARS or any(map(str.isspace, canary)):
            raise ConfigError(f"{where}: guard.canaries: each must have {LEAST_CANARY_CHARS} characters, and no spaces")
    for host in settings.guard.link_hosts:
        if not _HOST.fullmatch(host):
            raise ConfigError(
                f"{where}: guard.link_hosts: {host!r} is no host: write docs.example.com, *.example.com, or * for any"
            )


def _check_order(settings: Settings, where: str) -> None:
    expire_s = read_duration_s(settings.sessions.expire_after, f"{where}: sessions.expire_after")
    if read_duration_s(settings.sessions.delete_after, f"{where}: sessions.delete_after") < expire_s:
        raise ConfigError(f"{where}: sessions.delete_after is shorter than sessions.expire_after: it must not be")
    for least, most in _ORDERED:
        first, last = attrgetter(least)(settings), attrgetter(most)(settings)
        if first > last:
            raise ConfigError(f"{where}: {least} = {first:g} is more than {most} = {last:g}: it must not be")

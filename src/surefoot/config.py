"""Settings from ``surefoot.toml`` and the environment, read once and frozen. The only reader of ``os.environ``."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.faults import name_fault, read_toml
from surefoot.providers import KNOWN_PROVIDERS, Provider
from surefoot.ranges import check_ranges
from surefoot.secret import LEAST_SECRET_CHARS, Secret, looks_random, remember
from surefoot.sections import (
    AdmissionSettings,
    BreakerSettings,
    ContextSettings,
    GuardSettings,
    LocalSettings,
    McpSettings,
    PolicySettings,
    RetrySettings,
    SessionSettings,
    StoreSettings,
    Tenant,
)

CONFIG_NAME: Final = "surefoot.toml"
_PASSWORD: Final = re.compile(r"(?<=://)[^\s/@'\"]+@")


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set, as read from ``surefoot.toml``.

    Attributes:
        model: Model string for commands that are not given one.
        store: Where runs are journaled.
        providers: Providers by name; those given are added to, or replace, the known ones.
        prices: Prices per million tokens by model name; see `surefoot.budget.prices.PriceList`.
        currencies: US dollars for one unit of a currency that ``prices`` names.
        limits: Defaults for `surefoot.Limits`.
        budgets: Limits of accounts above the runs: by account or pattern, then by period, then by amount.
        tenants: What is known of customers, by name.
        timezone: Where the days and months of budgets begin, an IANA name.
        model_timeout_s: Longest wait for one reply of a model.
        calm_gc: Full garbage collections of the process are rare while a runtime is open.
        retry: Attempts for one model call.
        admission: Who is let in when many come at once.
        breaker: When a provider counts as dead.
        context: What happens to what does not fit the prompt.
        local: The embedded model.
        sessions: Conversations.
        policy: Which tool calls may run.
        guard: What is done about text that looks like an attack.
        mcp: Servers of tools, by name.
    """

    model: str = "local:"
    store: StoreSettings = StoreSettings()
    providers: dict[str, Provider] = {}
    prices: dict[str, Any] = {}
    currencies: dict[str, float | int | str] = {}
    limits: dict[str, float | int | str | list[str]] = {}
    budgets: dict[str, dict[str, dict[str, float | int | str]]] = {}
    tenants: dict[str, Tenant] = {}
    timezone: str = "UTC"
    model_timeout_s: float = 120.0
    calm_gc: bool = True
    retry: RetrySettings = RetrySettings()
    admission: AdmissionSettings = AdmissionSettings()
    breaker: BreakerSettings = BreakerSettings()
    context: ContextSettings = ContextSettings()
    local: LocalSettings = LocalSettings()
    sessions: SessionSettings = SessionSettings()
    policy: PolicySettings = PolicySettings()
    guard: GuardSettings = GuardSettings()
    mcp: dict[str, McpSettings] = {}

    def __repr__(self) -> str:
        """All of them, without passwords in addresses and canaries."""
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__])
        for canary in filter(None, self.guard.canaries):
            shown = shown.replace(canary, "***")
        return f"Settings({_PASSWORD.sub('***@', shown)})"

    def provider(self, name: str) -> Provider | None:
        """The provider of that name, None if there is none."""
        return self.providers.get(name) or KNOWN_PROVIDERS.get(name)

    def free_providers(self) -> set[str]:
        """Names of the providers that cost nothing per token."""
        return {name for name, provider in (KNOWN_PROVIDERS | self.providers).items() if provider.free}


def load_settings(path: str | Path | None = None) -> Settings:
    """Settings from the environment and ``path``, else SUREFOOT_CONFIG, else ``surefoot.toml`` of the working folder.

    Raises:
        ConfigError: The file is missing, is not TOML, or holds an unknown key or a wrong value; says which and where.
    """
    chosen = path or os.environ.get("SUREFOOT_CONFIG") or (CONFIG_NAME if Path(CONFIG_NAME).exists() else None)
    table: dict[str, Any] = read_toml(Path(chosen))[0] if chosen is not None else {}
    for variable, place in _OVERRIDES.items():
        if value := os.environ.get(variable):
            _override(table, place, value)
    return convert_settings(table, str(chosen or "the environment"))


def check_settings(settings: Settings) -> Settings:
    """Settings that were built in Python, checked as those of a file are: a `Struct` checks nothing by itself.

    Raises:
        ConfigError: A wrong value, or one of a wrong type; says which.
    """
    try:
        table = msgspec.to_builtins(settings, builtin_types=(date, datetime, time))  # as TOML has them
    except (TypeError, RecursionError) as error:  # some object that no file can hold
        raise ConfigError(f"Settings: {error}") from None
    if not isinstance(table, dict):
        raise ConfigError(f"settings={settings!r:.80}: must be surefoot.config.Settings")
    return convert_settings(cast("dict[str, Any]", table), "Settings")


def convert_settings(table: dict[str, Any], where: str) -> Settings:
    """The settings of a table that was read from ``where``.

    Raises:
        ConfigError: It holds an unknown key or a wrong value; says which and where.
    """
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {name_fault(table, Settings, error)}") from None
    check_ranges(settings, where)
    return settings


def read_key(name: str, variable: str, *, needed: bool) -> Secret:
    """The API key of provider ``name`` from the environment, an empty one if it needs none.

    Raises:
        ConfigError: The variable is not set or empty.
    """
    key = os.environ.get(variable, "").strip()
    if variable and not variable.replace("_", "a").isalnum():  # not repeated: it may be the key itself
        raise ConfigError(f"api_key_env of [providers.{name}] is the name of a variable, such as MY_API_KEY, not a key")
    if not key and variable and needed:
        raise ConfigError(f"no API key for provider {name!r}: set the environment variable {variable}")
    return Secret(key)


def read_secrets(settings: Settings) -> None:
    """Take the keys of all providers, and what ``[guard] secrets_env`` names, for secrets of the process.

    Raises:
        ConfigError: A variable that is named in full holds what is too short to be told from a word.
    """
    providers = [*KNOWN_PROVIDERS.values(), *settings.providers.values()]
    variables = {way.api_key_env for provider in providers for way in provider.ways}
    for canary in settings.guard.canaries:
        remember(canary)  # for logs, which know no settings
    for variable in variables & os.environ.keys():
        remember(os.environ[variable].strip())
    for pattern in settings.guard.secrets_env:
        for variable in fnmatch.filter(os.environ, pattern):
            value = os.environ[variable].strip()
            if "*" in pattern:
                pieces = [piece for piece in value.split() if looks_random(piece)]
            elif 0 < len(value) < LEAST_SECRET_CHARS:
                raise ConfigError(
                    f"guard.secrets_env: the value of {variable} is shorter than {LEAST_SECRET_CHARS} characters: "
                    "it would be taken out of ordinary words"
                )
            else:
                pieces = value.split()
            for piece in pieces:
                remember(piece)


def environment() -> Mapping[str, str]:
    """A copy of the environment for a child process."""
    return dict(os.environ)


def read_login() -> str:
    """Who is at the keyboard, behind ``sudo`` too; "" if the operating system does not say."""
    import getpass  # brings the terminal's modules: only for those who change something

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without that user: which one depends on Python's version
        return ""


_OVERRIDES: Final = {
    "SUREFOOT_MODEL": "model",
    "SUREFOOT_STORE": "store.path",
    "SUREFOOT_LOCAL_MODEL": "local.path",
    "SUREFOOT_CACHE": "local.cache",
}


def _override(table: dict[str, Any], place: str, value: str) -> None:
    outer, _, key = place.rpartition(".")
    inner: object = table.setdefault(outer, {}) if outer else table
    if isinstance(inner, dict):  # otherwise the conversion names the wrong type
        cast("dict[str, Any]", inner)[key] = value

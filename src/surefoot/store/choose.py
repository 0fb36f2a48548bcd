"""Which store a runtime writes into."""

from __future__ import annotations

from pathlib import Path

from surefoot.clock import Clock
from surefoot.config import Settings
from surefoot.errors import ConfigError
from surefoot.store.base import Store
from surefoot.store.sqlite import GATHER_RELAXED_S, GATHER_S, SqliteStore


def choose_store(store: str | Path | Store | None, settings: Settings, clock: Clock) -> Store:
    """The store that is given, or one on the file that is given or that the settings name.

    Raises:
        ConfigError: It is an address of something that is not supported.
    """
    store = settings.store.path if store is None else store
    if not isinstance(store, (str, Path)):
        return store
    if "://" in str(store):
        raise ConfigError(f"store {str(store).partition('://')[0]}://…: only a SQLite file is supported, give its path")
    gather_s = GATHER_S if settings.store.durability == "full" else GATHER_RELAXED_S
    return SqliteStore(Path(store), clock=clock, lease_s=settings.store.lease_s, gather_s=gather_s)

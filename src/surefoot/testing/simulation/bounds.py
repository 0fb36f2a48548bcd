"""C3: every queue, cache and buffer of a runtime has a limit. This looks into all of them, and compares.

What belongs to a request under way is bounded by how many of these there may be; what is kept beyond that has a limit
of its own, which is the one that the settings or the code's constants give it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from surefoot.budget.limits import read_limits
from surefoot.compiler import MAX_COMPILED
from surefoot.config import Settings
from surefoot.gcra import MAX_KEYS
from surefoot.models.router import MAX_LINES
from surefoot.retry import MAX_PROVIDERS, MAX_USERS
from surefoot.run_times import MAX_KINDS
from surefoot.starter import MAX_DEPTH, MAX_RUNGS
from surefoot.store.sqlite import MAX_FAILED
from surefoot.store.windows import MAX_WINDOWS
from surefoot.transcripts import ENTRY_BYTES
from surefoot.types import Unlimited

Gauge = tuple[str, float, float]
"""What it is, how much is in it, and how much may be."""

MIB: Final = 1 << 20
MAX_RULES: Final = 20_000
"""Accounts whose limits are remembered, see `surefoot.budget.accounts.RuleBook`."""
MOST_CHILDREN: Final = 1_000
"""Of one run at once, where its tool calls are not limited."""


def check_bounds(runtime: Any, settings: Settings) -> str:
    """The first of them that holds more than it may, "" if none does."""
    for name, amount, most in gauges(runtime, settings):
        if amount > most:
            return f"{name}: {amount:,} of at most {most:,}"
    return ""


def gauges(runtime: Any, settings: Settings) -> Iterator[Gauge]:
    """All of them. They are private: whoever counts with others' figures proves nothing."""
    starter = runtime._starter
    yield from _admission(starter.admission, settings)
    yield from _runs(starter, settings)
    yield from _sessions(starter._turns, settings)
    yield from _providers(starter._compiler, settings)
    yield from _retries(starter.desk, settings)
    yield from _store(runtime._store, len(starter.live))


def _admission(admission: Any, settings: Settings) -> Iterator[Gauge]:
    section, turns = settings.admission, admission._turns
    everybody = turns.everybody
    most = section.runs + section.queue
    yield "runs that have a slot", everybody.running, section.runs
    yield "requests that wait for a slot", everybody.waiting, most  # a slot that is free is taken within a turn
    yield "items in the fair queue", turns.queued, everybody.waiting
    yield "users with anything under way", len(turns.users), everybody.running + everybody.waiting
    yield "tenants with anything under way", len(turns.tenants), len(turns.users)
    yield "tenants in the round", len(turns._ring), len(turns.tenants)
    yield "kinds of runs whose time is known", len(admission._times._kinds), MAX_KINDS
    for name, rights in {"": admission._common, **admission._own}.items():
        yield f"rates of users of {name!r}", len(rights._user_rate), MAX_KEYS
        yield f"rates of tenants of {name!r}", len(rights._tenant_rate), MAX_KEYS
    for user in turns.users.values():
        yield f"runs of user {user.name!r}", user.running, user.runs
        yield f"requests of user {user.name!r} that wait", user.waiting, user.queue + user.runs


def _runs(starter: Any, settings: Settings) -> Iterator[Gauge]:
    admission = starter.admission.state()
    at_once = read_limits(settings.limits, "[limits]").tool_calls
    children = MOST_CHILDREN if isinstance(at_once, Unlimited) else at_once
    own = [run for run in starter.live.values() if run.parent is None]
    yield "runs on their way", len(own), admission.running + admission.inside
    yield "child runs on their way", len(starter.live) - len(own), len(own) * children
    yield "agents on the models of their ladders", len(starter._rungs), MAX_RUNGS
    for run in starter.live.values():
        yield "events of a run that nobody has read", len(run.news), 0 if not run.live else MOST_CHILDREN
        yield "depth of a run", _depth(run), MAX_DEPTH + 1


def _depth(run: Any) -> int:
    depth = 0
    while run is not None:
        run, depth = run.parent, depth + 1
    return depth


def _sessions(turns: Any, settings: Settings) -> Iterator[Gauge]:
    section, kept = settings.sessions, turns.transcripts
    yield "conversations in memory", len(kept), section.max_in_memory
    yield "bytes of conversations in memory", kept.size_bytes, section.max_memory_mib * MIB
    yield "bytes of conversations that are not counted", _uncounted(kept), 0
    most = settings.admission.runs + settings.admission.queue
    yield "sessions in use", len(turns.lines), most
    for key, line in turns.lines._lines.items():
        yield f"messages that wait for session {key}", len(line.waiting), section.max_waiting


def _uncounted(kept: Any) -> int:
    counted: int = kept.size_bytes
    return sum([len(one.data) + ENTRY_BYTES for one in kept._kept.values()]) - counted


def _providers(compiler: Any, settings: Settings) -> Iterator[Gauge]:
    yield "agents compiled", len(compiler._compiled), MAX_COMPILED
    yield "agents on their other models", len(compiler._others), MAX_COMPILED
    router = compiler._router
    yield "models whose limits are known", len(router._lines), MAX_LINES
    for name, gate in router._gates.items():
        yield f"calls that wait for provider {name!r}", gate.waiting, settings.providers[name].max_waiting
        yield f"lines before provider {name!r}", len(gate._queues), max(1, gate.waiting)
    for (name, _), key in router._keys.items():
        yield f"calls at provider {name!r}", key.in_flight, settings.providers[name].concurrency
    for (name, *_), (_, breaker) in router._lines.items():
        yield f"culprits of provider {name!r}", len(breaker._culprits), settings.breaker.failures


def _retries(desk: Any, settings: Settings) -> Iterator[Gauge]:
    if desk is None:
        return
    yield "runs at the turnstile", len(desk.turnstile._waiting), settings.admission.runs
    yield "providers with a budget of retries", len(desk.retries._budgets), MAX_PROVIDERS
    for name, budget in desk.retries._budgets.items():
        yield f"users with retries at {name!r}", len(budget._taken), MAX_USERS
        yield f"retries saved for {name!r}", budget._left, budget._most


def _store(store: Any, live: int) -> Iterator[Gauge]:
    waiting = store._max_waiting_bytes - store._room_bytes
    yield "bytes that wait for the disk", waiting, store._max_waiting_bytes
    yield "runs that failed to be written", len(store._failed), MAX_FAILED
    ledger = store._writer.ledger
    yield "windows of accounts in memory", len(ledger._windows._windows) + len(ledger._windows._paths), MAX_WINDOWS + 8
    yield "accounts whose limits are known", len(ledger.book._known), MAX_RULES
    yield "holds of calls in flight", len(ledger._open), live
    yield "holds that others took for lost", len(ledger._charged - {held.hold for held in ledger._open.values()}), 1_000

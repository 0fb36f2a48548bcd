"""Where attacks take place: a store of their own, no limits, an even choice, and what the journal says of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from msgspec import Struct

from surefoot import UNLIMITED, Limits
from surefoot.attack.moves import PLANTED
from surefoot.config import Settings
from surefoot.journal.events import JournalEvent, ModelReplied, ToolFinished
from surefoot.journal.policy_events import CallJudged
from surefoot.narrator import describe_call
from surefoot.policy.decision import Trace
from surefoot.sections import StoreSettings

T = TypeVar("T")

NO_LIMITS = Limits(
    tokens=UNLIMITED, usd=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED, seconds=UNLIMITED
)


@contextmanager
def open_arena(settings: Settings) -> Generator[Settings]:
    """Settings with ``[policy]`` as it is, and with a store that is gone afterwards."""
    with TemporaryDirectory() as folder:
        store = StoreSettings(path=str(Path(folder) / "attack.db"), durability="relaxed")
        yield Settings(store=store, policy=settings.policy)


def choose(attacks: Sequence[T], name: Callable[[T], str], limit: int | None) -> Sequence[T]:
    """All attacks, or ``limit`` of them in an order of their names that only looks like chance."""
    if limit is None:
        return attacks
    return sorted(attacks, key=lambda attack: zlib.crc32(name(attack).encode()))[:limit]


def ignore_progress(_done: int, _whole: int, /) -> None:
    """Nobody watches."""


class Deed(Struct, frozen=True):
    """A call of the attacker's.

    Attributes:
        call: Tool and arguments.
        ran: Whether it did.
        verdict: What the policy said, ``free`` if it had nothing to say.
        rule: The rule that said so.
        reason: In one sentence.
        traces: Where each value came from.
    """

    call: str
    ran: bool
    verdict: str = "free"
    rule: str = ""
    reason: str = ""
    traces: tuple[Trace, ...] = ()


def read_deeds(events: list[JournalEvent]) -> tuple[Deed, ...]:
    """What became of the attacker's calls."""
    judged = {one.call_id: one for one in events if isinstance(one, CallJudged)}
    ended = {one.call_id: one for one in events if isinstance(one, ToolFinished)}
    deeds: list[Deed] = []
    for event in events:
        for call in event.message.tool_calls if isinstance(event, ModelReplied) else ():
            if call.id.startswith(PLANTED):
                ran = call.id in ended and not ended[call.id].is_error
                one = judged.get(call.id)
                what = describe_call(call)
                deeds.append(
                    Deed(what, ran) if one is None else Deed(what, ran, one.verdict, one.rule, one.reason, one.traces)
                )
    return tuple(deeds)

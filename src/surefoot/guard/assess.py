"""The risk of what a tool returned, field by field, in bounded time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final, cast

from msgspec import Struct

from surefoot.guard.classifier import Channel
from surefoot.guard.detect import combine, detect
from surefoot.guard.encoder import Encoder, judge_with
from surefoot.guard.threats import Threat, ThreatClass

MAX_CHARS: Final = 200_000
"""Of a longer value the beginning and the end are looked at; the loop's caps on outputs are far below."""
MAX_FIELDS: Final = 10_000
_BETWEEN: Final = "\n\n"
"""Between two fields: the end of a sentence, but no obstacle to a phrase that is split over both."""


class Risk(Struct, frozen=True):
    """What a text, or a field, looks like.

    Attributes:
        score: 0 to 1; 0.5 is reached by about one harmless text in a hundred. A signal, not a wall.
        threats: What was found; spans are characters of the field, and what reaches over several is in each.
    """

    score: float
    threats: tuple[Threat, ...] = ()


class Assessment(Struct, frozen=True):
    """What a value looks like.

    Attributes:
        score: Of all of it, 0 to 1; at least that of each field.
        fields: The fields in which something was found, by path as in `surefoot.policy`: ``.items[].note``, "" is
            a text by itself. Fields of one path in a list are one: the surest counts.
        skipped: Characters that were not looked at, or hold more in disguise than is decoded.
    """

    score: float
    fields: dict[str, Risk] = {}
    skipped: int = 0


def assess(value: Any, channel: Channel = "tool", encoder: Encoder | None = None) -> Assessment:
    """Assess a text, or all texts and keys of a value of JSON; never raises, whatever they hold.

    One search goes through all fields together, so that an attack split over them is found, too; its time grows with
    the length up to `MAX_CHARS` and no further. Any thread may call it.
    """
    places: list[int] = []
    paths: list[str] = []
    pieces: list[str] = []
    at = skipped = 0
    for path, text in _list_texts(value):
        if len(paths) >= MAX_FIELDS:
            skipped += len(text)
            continue
        places.append(at)
        paths.append(path)
        pieces.append(text)
        at += len(text) + len(_BETWEEN)
    whole, cut_at, cut = _cut(_BETWEEN.join(pieces))
    found = judge_with(encoder, detect(whole, channel))
    by_path: dict[str, list[Threat]] = {}
    for threat in found.threats:
        start, end = [at + (cut if at >= cut_at else 0) for at in (threat.start, threat.end)]
        field = max(bisect_right(places, start) - 1, 0)
        while field < len(places) and places[field] <= end:
            begin = max(start - places[field], 0)
            size = min(end - places[field], len(pieces[field]))
            if begin < size or (begin == size and start == end):
                moved = Threat(threat.kind, begin, size, threat.score, threat.why, threat.via)
                by_path.setdefault(paths[field], []).append(moved)
            field += 1
    fields = {path: Risk(_score(of), tuple(of)) for path, of in by_path.items()}
    return Assessment(found.risk, fields, skipped + cut + found.skipped)


def _score(threats: list[Threat]) -> float:
    worded = [threat.score for threat in threats if threat.kind is ThreatClass.SUSPICIOUS_WORDING]
    return max(combine(threats), *worded, 0.0)


def _cut(text: str) -> tuple[str, int, int]:
    """The beginning and the end of a text that is too long, where the cut is, and how much is missing there."""
    if len(text) <= MAX_CHARS:
        return text, len(text), 0
    half = MAX_CHARS // 2
    return f"{text[:half]}{text[-half:]}", half, len(text) - 2 * half


def _list_texts(value: Any) -> Iterator[tuple[str, str]]:
    """All texts of a value with their paths, in order, keys of mappings at the path of the mapping."""
    todo: list[tuple[str, Any]] = [("", value)]
    while todo:
        path, item = todo.pop()
        if isinstance(item, str):
            yield path, item
        elif isinstance(item, dict):
            items = cast("dict[object, object]", item)
            yield path, " ".join(map(str, items))
            todo += [(f"{path}.{key}", inner) for key, inner in reversed(items.items())]
        elif isinstance(item, (list, tuple)):
            todo += [(f"{path}[]", inner) for inner in reversed(cast("list[object]", item))]

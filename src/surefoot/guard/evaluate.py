"""How well the detector does on labelled texts: shares found and wrongly flagged, by source."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.guard.classifier import Channel
from surefoot.guard.detect import SUSPICIOUS

USER_GROUPS: Final = frozenset({"direct", "benign_prompt", "hard_benign"})
"""Groups of texts that users write; the other groups are what tools return."""


class Sample(Struct, frozen=True):
    """A labelled text.

    Attributes:
        text: The text.
        label: 1 is an attack, 0 is not.
        source: Where it is from.
        group: What kind of text it is, such as ``direct`` or ``benign_tool``.
        channel: ``user`` or ``tool``; "" takes what the group says, and without a group ``user``.
    """

    text: str
    label: int
    source: str = ""
    group: str = ""
    channel: str = ""

    def read_as(self) -> Channel:
        """The channel that the text is judged for."""
        is_users = self.channel == "user" or (not self.channel and (not self.group or self.group in USER_GROUPS))
        return "user" if is_users else "tool"


class Line(Struct, frozen=True):
    """What came of the texts of a source with one label.

    Attributes:
        source: The source.
        group: The group.
        label: 1 for attacks.
        count: Texts.
        flagged: Share of them with a risk of 0.5 or more: found, or wrongly flagged.
        flagged_at_rate: The same at the threshold that so many harmless texts of this file reach (see
            `Evaluation.rate`); None if there are no harmless ones.
    """

    source: str
    group: str
    label: int
    count: int
    flagged: float
    flagged_at_rate: float | None


class Evaluation(Struct, frozen=True):
    """What came of a file. A share of texts that it has none of is None.

    Attributes:
        lines: By group, source and label.
        rate: The false positive rate that the second threshold is for.
        threshold: Risk above which ``rate`` of the harmless texts of this file are.
        attacks_flagged: Share of all attacks at risk 0.5.
        harmless_flagged: Share of all harmless texts at risk 0.5.
        attacks_flagged_at_rate: Share of all attacks above ``threshold``.
        totals: As ``lines``, for all sources of a group and label together, if there are several; their source is "".
    """

    lines: tuple[Line, ...]
    rate: float
    threshold: float | None
    attacks_flagged: float | None
    harmless_flagged: float | None
    attacks_flagged_at_rate: float | None
    totals: tuple[Line, ...] = ()


def read_samples(data: bytes, name: str) -> list[Sample]:
    """The samples of JSON lines, compressed by gzip or not, that stand in a file of that name.

    Raises:
        ConfigError: A line is no sample; the message says which.
    """
    try:
        return list(_decode(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ConfigError(f"{name}: is cut or broken: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _decode(data: bytes) -> Iterator[Sample]:
    decoder = msgspec.json.Decoder(Sample)
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                sample = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ConfigError(f"line {number}: {error}; a line is {_EXAMPLE}") from None
            if sample.label not in (0, 1):
                raise ConfigError(f"line {number}: label is {sample.label}; 1 is an attack, 0 is not")
            yield sample


_EXAMPLE: Final = '{"text": "...", "label": 1, "source": "..."}'


def evaluate(samples: Sequence[Sample], risks: Sequence[float], rate: float) -> Evaluation:
    """The figures of samples whose risks are known, in the same order; ``rate`` is a share, above 0 and below 1."""
    harmless = sorted([risk for sample, risk in zip(samples, risks, strict=True) if not sample.label], reverse=True)
    threshold = harmless[int(rate * len(harmless))] if harmless else None
    by_source: dict[tuple[str, str, int], list[float]] = {}
    by_group: dict[tuple[str, str, int], list[float]] = {}
    for sample, risk in zip(samples, risks, strict=True):
        by_source.setdefault((sample.group, sample.source, sample.label), []).append(risk)
        by_group.setdefault((sample.group, "", sample.label), []).append(risk)
    lines = _lines(by_source, threshold)
    many = Counter([(line.group, line.label) for line in lines])
    totals = [line for line in _lines(by_group, threshold) if many[line.group, line.label] > 1]
    attacks = [risk for sample, risk in zip(samples, risks, strict=True) if sample.label]
    found = _share_from(attacks), _share_from(harmless), _share_above(attacks, threshold)
    return Evaluation(tuple(lines), rate, threshold, *found, tuple(totals))


def _lines(shares: Mapping[tuple[str, str, int], Sequence[float]], threshold: float | None) -> list[Line]:
    return [
        Line(source, group, label, len(of), _share_from(of) or 0.0, _share_above(of, threshold))
        for (group, source, label), of in sorted(shares.items())
    ]


def _share_from(risks: Sequence[float]) -> float | None:
    return sum([risk >= SUSPICIOUS for risk in risks]) / len(risks) if risks else None


def _share_above(risks: Sequence[float], threshold: float | None) -> float | None:
    return sum([risk > threshold for risk in risks]) / len(risks) if risks and threshold is not None else None

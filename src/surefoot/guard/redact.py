"""What was found in a text that must not leave, and the text without it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Redaction(Struct, frozen=True):
    """One thing that was taken out.

    Attributes:
        start: Where it was in the text that came in, in characters.
        end: Where it ended.
        kind: ``image``, ``link``, ``canary``, ``key``, ``prompt``, ``email``, ``phone``, ``card``, ``iban``, ``id``,
            ``password``, ``private key``, or whose key it was, such as ``openai``.
    """

    start: int
    end: int
    kind: str


class Redacted(Struct, frozen=True):
    """A text that may leave.

    Attributes:
        text: The text, with a note in place of what was taken out.
        redactions: What was taken out, in order.
    """

    text: str
    redactions: tuple[Redaction, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind was taken out."""
        return count_kinds(self.redactions)


Finding = tuple[int, int, str, str]
"""Start, end, kind, and what stands there instead."""


def count_kinds(redactions: Iterable[Redaction]) -> dict[str, int]:
    """How many there are of each kind."""
    counts: dict[str, int] = {}
    for redaction in redactions:
        counts[redaction.kind] = counts.get(redaction.kind, 0) + 1
    return counts


def replace(text: str, findings: Iterable[Finding]) -> Redacted:
    """``text`` with each finding replaced; of those that overlap, all of it by the note of the one that begins first.

    Of those that begin together, the longest.
    """
    pieces: list[str] = []
    done: list[Redaction] = []
    at = 0
    for start, end, kind, note in sorted(findings, key=lambda found: (found[0], -found[1])):
        if start < at:
            if end > at:  # what looks out of the one before must not stay
                done[-1] = Redaction(done[-1].start, end, done[-1].kind)
                at = end
            continue
        pieces += [text[at:start], note]
        done.append(Redaction(start, end, kind))
        at = end
    return Redacted("".join([*pieces, text[at:]]), tuple(done)) if done else Redacted(text)

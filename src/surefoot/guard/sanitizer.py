"""A bridge for code that sanitises its input by itself: ``InputSanitizer().sanitize(text)``."""

from __future__ import annotations

from typing import cast, get_args

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.guard.classifier import Channel
from surefoot.guard.detect import SUSPICIOUS, Detection, detect
from surefoot.guard.joiners import find_joiners
from surefoot.guard.markup import find_delimiters
from surefoot.guard.normalize import Normalized, normalize


class SanitizationResult(Struct, frozen=True):
    """What became of a text.

    Attributes:
        is_safe: Whether the risk is below the sanitiser's threshold. A sign, no proof: no detector finds everything.
        cleaned_input: The text without unseen characters (but those that join emoji and letters), in NFKC, words of
            mixed scripts in Latin, marks of chat templates taken out.
        threats_detected: The kinds found, each once, the surest first, as in `ThreatClass`.
        risk_score: 0 to 1; 0.5 is reached by about one harmless text in a hundred.
        detection: All of it, with spans, scores and explanations; the original is in ``detection.original``.
    """

    is_safe: bool
    cleaned_input: str
    threats_detected: list[str]
    risk_score: float
    detection: Detection


class InputSanitizer:
    """Normalises and scores texts; it has no state, so that threads may share one.

    Args:
        threshold: Risk from which a text is not safe, above 0.
        channel: ``user`` for what a user writes, ``tool`` for what a tool returns: there, any request is suspicious.

    Raises:
        ConfigError: The threshold is no such number, or the channel is neither.
    """

    def __init__(self, *, threshold: float = SUSPICIOUS, channel: Channel = "user") -> None:
        if not isinstance(cast("object", threshold), (int, float)) or not 0 < threshold <= 1:
            raise ConfigError(f"InputSanitizer(threshold={threshold!r}): must be above 0, at most 1")
        if channel not in get_args(Channel):
            raise ConfigError(f"InputSanitizer(channel={channel!r}): must be 'user' or 'tool'")
        self.threshold = threshold
        self.channel: Channel = channel

    def sanitize(self, text: str) -> SanitizationResult:
        """Sanitise one text, in time proportional to its length.

        Raises:
            TypeError: It is no text.
        """
        if not isinstance(cast("object", text), str):
            raise TypeError(f"sanitize() takes a str, not {type(text).__name__}")
        found = detect(text, self.channel)
        by_score = sorted(found.threats, key=lambda threat: -threat.score)
        kinds = list(dict.fromkeys([threat.kind.value for threat in by_score]))
        return SanitizationResult(found.risk < self.threshold, _clean(normalize(text)), kinds, found.risk, found)


def _clean(text: Normalized) -> str:
    """The plain text without the marks of chat templates, which a model would take for those of its own turns.

    A space stands for each, so that none comes together anew; signs of several characters stay whole.
    """
    pieces: list[str] = []
    at = 0
    joins = [(place, place, run) for place, run in find_joiners(text)]
    for start, end, instead in sorted([*joins, *[(start, end, " ") for start, end in find_delimiters(text)]]):
        if start >= at:
            pieces += [text.text[at:start], instead]
            at = end
    return "".join([*pieces, text.text[at:]])

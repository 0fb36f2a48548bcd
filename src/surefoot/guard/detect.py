"""What in a text, or in another reading of it, looks like an attack: phrases, marks, hidden characters, wording.

Detection is a risk signal: it is good for asking a person less often and for colouring a log. It is no wall, because
no detector is; what a model may do is decided by where its values come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from msgspec import Struct

from surefoot.guard.classifier import HARMLESS, Channel, Verdict, load_classifier
from surefoot.guard.markup import find_hidden, find_marks
from surefoot.guard.normalize import Normalized, normalize
from surefoot.guard.phrases import find_phrases, likely_phrases, rare_words
from surefoot.guard.readings import MAX_DEPTH, Reading, find_readings, may_have_fields, may_have_readings, turned_words
from surefoot.guard.signs import ALPHABET, MARK_WORDS, NO_SIGNS, Signs, read_signs
from surefoot.guard.threats import Threat, ThreatClass
from surefoot.guard.tokens import find_words, list_words
from surefoot.guard.unseen import find_unseen
from surefoot.guard.word_kinds import KIND_OF

CHUNK_CHARS: Final = 10_000
"""A longer text is looked at chunk by chunk, so that each has room of its own for threats and for other readings."""
OVERLAP_CHARS: Final = 1_000
"""What two chunks have in common: no phrase is longer."""
MAX_THREATS: Final = 200
"""In a text; the surest are kept."""
MAX_OF_A_KIND: Final = 50
"""In a chunk: many of one kind must not take the room of another."""
SUSPICIOUS: Final = 0.5
"""Risk from which a text is called unsafe: one harmless document in a hundred gets there."""
_SHORT_CHARS: Final = 600

Locate = Callable[[int, int], tuple[int, int]]
_Words = tuple[list[str], frozenset[str]]
"""All words of a text in order, and the different ones."""


class Detection(Struct, frozen=True):
    """What was found in a text.

    Attributes:
        original: The text as it came in.
        threats: What was found, by place; spans are places in the original.
        risk: 0 to 1; 0.5 is reached by about one harmless document in a hundred.
        skipped: Characters of the chunks that hold more in disguise than is decoded; a threat says so, too.
    """

    original: str
    threats: tuple[Threat, ...]
    risk: float
    skipped: int = 0


def detect(text: str, channel: Channel = "user") -> Detection:
    """Look at all of a text that a user wrote, or that a tool returned; never raises.

    The time grows with the length and no faster; a chunk takes at most a fixed time, whatever is in it.
    """
    return _detect(text, channel)


def _detect(text: str, channel: Channel, signs: Signs | None = None, verdict: Verdict | None = None) -> Detection:
    """As `detect`; of a text of one chunk the signs may be known already, and what the classifier makes of it."""
    found: list[Threat] = []
    risk, skipped = 0.0, 0
    chunks = _cut(text)
    for start, end in chunks:
        plain = normalize(text[start:end])
        search = _Search(channel, len(chunks))
        search.look_through(plain, signs if plain.places is None else None, verdict)
        found += [_move(threat, start) for threat in search.found] if start else search.found
        risk = max(risk, search.risk)
        skipped += end - start if search.is_cut else 0
    return Detection(text, _merge(found), risk, min(skipped, len(text)))


def suspect(text: str, channel: Channel, least: float) -> Detection | None:
    """As `detect`, None for a text of less risk than ``least``: most are told by their signs and by the classifier."""
    signs = verdict = None
    if least > 0.0 and len(text) <= CHUNK_CHARS and text.isascii():
        folded = text.lower()
        is_data = channel == "tool" and len(text) <= _SHORT_CHARS  # its words may not be asked for at all
        words = None if is_data else _list_words(folded)
        signs = read_signs(folded, _telling_words(), words and words[1])
        if is_data and signs is NO_SIGNS:
            return None
        if _is_calm(text, folded, signs):
            enough = min(least, SUSPICIOUS)  # what is worded like an attack counts for more where it is hidden
            verdict = _judge_words(folded, signs, words, channel, enough)
            if verdict is not None and verdict.risk < enough:
                return None
    found = _detect(text, channel, signs, verdict)
    return found if found.risk >= least else None


def _is_calm(text: str, folded: str, signs: Signs) -> bool:
    """Whether no step of a search but those that look at words has anything to do in a text in ASCII."""
    return (
        not signs.has_marks
        and signs.words.isdisjoint(_turning_words())
        and (not signs.is_rare or text.isprintable() or normalize(text).places is None)
        and not may_have_readings(text, folded, signs)
    )


def _list_words(folded: str) -> _Words:
    words = list_words(folded)
    return words, frozenset(words)


def _judge_words(folded: str, signs: Signs, words: _Words | None, channel: Channel, least: float) -> Verdict | None:
    """What the classifier makes of a text that has nothing but words, None if they may be of a phrase."""
    is_judged = _is_judged(channel, folded, signs.words)
    may_begin = not signs.words.isdisjoint(rare_words())
    if not is_judged and not may_begin:
        return HARMLESS
    listed, said = words or _list_words(folded)
    likely = likely_phrases(said) if may_begin else None
    if likely and (may_have_fields(folded) or find_phrases(listed, likely)):
        return None
    return load_classifier().judge(listed, folded, channel, least=least) if is_judged else HARMLESS


def _cut(text: str) -> list[tuple[int, int]]:
    """Ranges of `CHUNK_CHARS` that overlap, and that begin between words where there are gaps at all."""
    chunks: list[tuple[int, int]] = []
    start = 0
    while start + CHUNK_CHARS < len(text):
        chunks.append((start, start + CHUNK_CHARS))
        after = start + CHUNK_CHARS - OVERLAP_CHARS
        gap = text.rfind(" ", after - OVERLAP_CHARS, after)
        start = after if gap < 0 else gap + 1
    return [*chunks, (start, len(text))]


def _move(threat: Threat, by: int) -> Threat:
    return Threat(threat.kind, threat.start + by, threat.end + by, threat.score, threat.why, threat.via)


def combine(threats: Iterable[Threat]) -> float:
    """The risk of several threats: of each kind the surest counts, kinds as independent signs."""
    best: dict[ThreatClass, float] = {}
    for threat in threats:
        best[threat.kind] = max(best.get(threat.kind, 0.0), threat.score)
    calm = 1.0
    for kind, score in best.items():
        if kind is not ThreatClass.SUSPICIOUS_WORDING:
            calm *= 1.0 - score
    return 1.0 - calm


class _Search:
    """One search of a chunk: what was found so far, and for whom."""

    def __init__(self, channel: Channel, copies: int) -> None:
        self.channel: Channel = channel
        self.copies = copies
        self.found: list[Threat] = []
        self.counts: dict[ThreatClass, int] = {}
        self.risk = 0.0
        self.is_cut = False

    def look_through(self, plain: Normalized, signs: Signs | None, verdict: Verdict | None) -> None:
        """Look at a chunk, and sum up its risk."""
        for threat in find_unseen(plain) if plain.unseen else ():
            self.add(threat.kind, (threat.start, threat.end), threat.score, threat.why, "")
        self.look(plain, plain.span, signs=signs, verdict=verdict)
        if self.is_cut:
            why = "more in disguise than is decoded: something may hide behind decoys"
            self.add(ThreatClass.UNDECODED, (0, len(plain.original)), _UNDECODED_SCORE, why, "")
        if self.found:
            self.risk = max(self.risk, combine(self.found))

    def look(
        self,
        text: Normalized,
        locate: Locate,
        reading: str = "",
        via: str = "",
        depth: int = MAX_DEPTH,
        *,
        signs: Signs | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        """Add the threats of a text and, down to ``depth``, of its other readings.

        Each step has a cheap sign without which it would find nothing, so that a plain text costs little.
        """
        folded = text.folded
        signs = read_signs(folded, _telling_words()) if signs is None else signs
        telling = signs.words
        since = len(self.found)
        is_whole = reading not in _WORDS_ONLY
        is_judged = is_whole and _is_judged(self.channel, folded, telling)
        may_begin = not telling.isdisjoint(rare_words())
        words = list_words(folded) if is_judged or may_begin else []
        likely = likely_phrases(frozenset(words)) if may_begin else set[int]()
        if likely:
            self._add_phrases(words, likely, folded, locate, via)
        if is_judged:
            verdict = verdict or load_classifier().judge(words, folded, self.channel, self.copies)
            self.risk = max(self.risk, verdict.risk)
            for start, end, risk in verdict.windows:
                self.add(ThreatClass.SUSPICIOUS_WORDING, locate(start, end), risk, "worded like known attacks", via)
        if signs.has_marks or not MARK_WORDS.isdisjoint(telling):
            for mark in find_marks(folded, from_user=self.channel == "user"):
                self.add(mark.kind, locate(mark.start, mark.end), mark.score, mark.why, via)
        if len(self.found) > since:
            self._note_hidden(folded, locate, since, via)
        if depth and is_whole:
            others, is_cut = find_readings(text, signs, has_phrase=bool(likely))
            self.is_cut = self.is_cut or is_cut
            for other in others:
                self._look_again(other, text, locate, via, depth)

    def _add_phrases(self, words: list[str], likely: set[int], folded: str, locate: Locate, via: str) -> None:
        found = find_phrases(words, likely)
        places = find_words(folded) if found else []
        for phrase in found:
            last, at = places[phrase.last]
            span = locate(places[phrase.first][1], at + len(last))
            self.add(phrase.kind, span, phrase.score, phrase.why, via)

    def add(self, kind: ThreatClass, span: tuple[int, int], score: float, why: str, via: str) -> None:
        """Add a threat while there is room for its kind."""
        count = self.counts.get(kind, 0)
        if count < MAX_OF_A_KIND or score >= SUSPICIOUS > self._best_of(kind):
            self.counts[kind] = count + 1
            self.found.append(Threat(kind, *span, score, why, via))

    def _best_of(self, kind: ThreatClass) -> float:
        """The best score of a kind so far: decoys of low score must not keep a sure threat out."""
        return max([threat.score for threat in self.found if threat.kind is kind], default=0.0)

    def _look_again(self, other: Reading, text: Normalized, locate: Locate, via: str, depth: int) -> None:
        told = f"{via}, {other.via}" if via else other.via
        since = len(self.found)
        inner = _locator(other, text, locate)
        self.look(other.text, inner, other.via, told, depth - 1)
        sure = [threat for threat in self.found[since:] if threat.score >= SUSPICIOUS and threat.via]
        news = [threat for threat in sure if not _is_known(threat, self.found[:since])]
        if not news:
            self._forget(since)
        elif other.is_prose:
            self.add(ThreatClass.HIDDEN_TEXT, (news[0].start, news[-1].end), 0.6, f"instructions in {other.via}", told)
        elif other.via in _PIECES:
            why = f"instructions in pieces: {other.via}"
            self.add(ThreatClass.PAYLOAD_SPLITTING, (news[0].start, news[-1].end), 0.6, why, told)

    def _forget(self, since: int) -> None:
        for threat in self.found[since:]:
            self.counts[threat.kind] -= 1
        del self.found[since:]

    def _note_hidden(self, folded: str, locate: Locate, since: int, via: str) -> None:
        for start, end in [locate(*span) for span in find_hidden(folded)]:
            inside = [threat for threat in self.found[since:] if start <= threat.start and threat.end <= end]
            if any(threat.score >= SUSPICIOUS for threat in inside):
                why = "instructions where a page does not show them"
                self.add(ThreatClass.HIDDEN_TEXT, (start, end), 0.7, why, via)


@cache
def _telling_words() -> frozenset[str]:
    """All words that any step has to see: most words of a harmless text are none of them."""
    return MARK_WORDS | ALPHABET | _KIND_WORDS | rare_words() | turned_words()


@cache
def _turning_words() -> frozenset[str]:
    """Those of them that marks begin with, or that another reading is known by."""
    return MARK_WORDS | turned_words()


def _is_judged(channel: Channel, folded: str, telling: frozenset[str]) -> bool:
    """Whether the classifier is asked: of figures and names, as tools return them, no attack is made."""
    is_data = channel == "tool" and len(folded) <= _SHORT_CHARS and folded.isascii()
    return not is_data or len(telling & _KIND_WORDS) >= _LEAST_KINDS


_LEAST_KINDS: Final = 2
_KIND_WORDS: Final = frozenset(KIND_OF)
_UNDECODED_SCORE: Final = 0.55
_WORDS_ONLY: Final = frozenset({"leet", "rot13", "backwards", "split words", "joined strings", "split over fields"})
"""Readings that are nonsense unless they are right: only phrases and marks count in them."""
_PIECES: Final = frozenset({"split words", "joined strings", "split over fields", "spaced letters"})


def _locator(reading: Reading, text: Normalized, locate: Locate) -> Locate:
    def inner(start: int, end: int) -> tuple[int, int]:
        if reading.is_unseen:
            return reading.block if locate == text.span else locate(0, len(text.text))
        return locate(*reading.place(start, end))

    return inner


def _is_known(threat: Threat, known: list[Threat]) -> bool:
    return any(other.kind is threat.kind and other.start < threat.end and threat.start < other.end for other in known)


def _merge(found: list[Threat]) -> tuple[Threat, ...]:
    """One threat of each kind and place, the surest, by place."""
    if not found:
        return ()
    best: dict[tuple[ThreatClass, int, int], Threat] = {}
    for threat in found:
        key = (threat.kind, threat.start, threat.end)
        if key not in best or best[key].score < threat.score:
            best[key] = threat
    surest = sorted(best.values(), key=lambda threat: -threat.score)[:MAX_THREATS]
    return tuple(sorted(surest, key=lambda threat: (threat.start, threat.end, -threat.score)))

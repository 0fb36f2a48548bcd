"""Threats in the marks of a text: templates, scripts, forged delimiters, links that carry data away, hidden text.

Each pattern is a literal beginning, then bounded or exclusive repetition: a character of an inner run never begins
the pattern anew, so a search is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from surefoot.guard.normalize import Normalized
from surefoot.guard.signs import has_any
from surefoot.guard.threats import ThreatClass


class Mark(NamedTuple):
    """A mark in the plain text from ``start`` to ``end``."""

    kind: ThreatClass
    score: float
    why: str
    start: int
    end: int


MAX_MARKS_FOUND: Final = 50
"""Of one kind of mark in one text; the rest would say the same, and must not take the room of other kinds."""

_DANGEROUS: Final = re.compile(
    r"__\w|(?<![.\w])(?:config|self|request|system|process|env)\b|\b(?:system|env)\s?[(\[:]|\bprocess\.|constructor|\bexec|\beval"
    r"|\bimport\b|jndi|\d\s?\*\s?\d|popen|runtime|secret|password|api_?key|getattr|subclasses"
)
_DELIMITERS: Final = re.compile(
    r"<\|[a-z_]{2,30}\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>|<\|?(?:begin|end)_?of_?(?:text|sentence)\|?>"
    r"|</?(?:system|assistant|tool_result|tool_response|function_results|function_calls|user_query|system_prompt|instructions?|admin|im_start|im_end)>"
    r"|\[/?(?:system|system_prompt|assistant)(?: message)?\]"
)
_SIMPLE: Final[tuple[tuple[ThreatClass, float, str, tuple[str, ...], re.Pattern[str]], ...]] = (
    (
        ThreatClass.DELIMITER_FORGERY,
        0.85,
        "forges the marks between turns of a chat template",
        ("<", "[/", "[inst", "[sys", "[assi"),
        _DELIMITERS,
    ),
    (
        ThreatClass.FAKE_SYSTEM_TURN,
        0.55,
        "looks like the turn of another speaker",
        ("system", "developer", "assistant", "human", "instruction", "response"),
        re.compile(
            r"(?:^|\n)\s{0,4}(?:#{1,4}\s{0,2})?(?:system|developer|assistant|human)(?: message| prompt)?\s{0,2}:"
            r"|(?:^|\n)#{2,4}\s{0,2}(?:new |system )?(?:instruction|system|response)s?\s{0,2}:?\s{0,2}(?:\n|$)"
        ),
    ),
    (
        ThreatClass.MARKUP_INJECTION,
        0.35,
        "brings a script or a frame",
        ("<script", "<iframe", "<object", "<embed", "onerror", "onload", "onclick", "onmouse", "javascript:"),
        re.compile(
            r"<(?:script|iframe|object|embed)\b|\bon(?:error|load|click|mouseover)\s{0,3}=\s{0,3}[\"']|javascript:"
        ),
    ),
    (
        ThreatClass.MARKUP_INJECTION,
        0.55,
        "opens a block of code under the name of a speaker or a tool",
        ("```", "~~~"),
        re.compile(
            r"(?:```|~~~)\s{0,3}(?:system|assistant|instructions?|prompt|tool_code|tool_call|tool_outputs?|admin|developer)\b"
        ),
    ),
)
_TEMPLATE: Final = re.compile(
    r"[$#]\{([^{}\n]{1,400})\}|\{\{([^{}\n]{1,400})\}\}|\{%([^{}%\n]{1,400})%\}|<%([^<%\n]{1,400})%>"
)
_LINK: Final = re.compile(r"(!?)\[[^\[\]\n]{0,400}\]\(\s{0,3}<?(https?://[^\s()<>]{1,2000})")
_IMAGE_TAG: Final = re.compile(r"<img\b[^<>]{0,400}src\s{0,3}=\s{0,3}[\"']?(https?://[^\s\"'<>]{1,2000})")
_CARRIES: Final = re.compile(
    r"[?&#/=](?:data|q|d|c|msg|payload|leak|exfil|secret|token|info|history|conversation|chat|content|text|context|prompt"
    r"|password|summary)=?"
    r"(?:[{\[<%]|$|your|user|secret|base64|the_|conversation|chat)"
    r"|[{\[<](?:[a-z_ ]{0,20})(?:secret|data|token|password|history|conversation|summary|content|prompt|key|base64)"
    r"[a-z_ ]{0,20}[}\]>]|%7b|\$\{"
)
_TURN: Final = re.compile(r"(?:^|\n)\s{0,4}(thought|action input|action|observation|final answer)\s{0,2}:")


_MARKING: Final = re.compile(r"[<\[{`~:=#]")
"""Without one of these there is no mark: each pattern needs one."""


def find_marks(folded: str, *, from_user: bool) -> list[Mark]:
    """All marks in a folded text, at most `MAX_MARKS_FOUND` of a kind; each is looked for where its signs are."""
    found: list[Mark] = []
    if _MARKING.search(folded) is None:
        return found
    for kind, score, why, signs, pattern in _SIMPLE:
        if has_any(folded, signs):
            found += [
                Mark(kind, score, why, *match.span()) for match in islice(pattern.finditer(folded), MAX_MARKS_FOUND)
            ]
    if has_any(folded, _TEMPLATE_SIGNS):
        found += _some_of_each(_templates(folded, from_user=from_user))
    if has_any(folded, _LINK_SIGNS):
        found += _some_of_each(_links(folded))
    if has_any(folded, _TURN_SIGNS):
        found += _turns(folded)
    return found


def _some_of_each(marks: Iterator[Mark]) -> Iterator[Mark]:
    """At most `MAX_MARKS_FOUND` of each score: many placeholders must not keep a template that runs something out."""
    counts: dict[float, int] = {}
    for mark in marks:
        counts[mark.score] = counts.get(mark.score, 0) + 1
        if counts[mark.score] <= MAX_MARKS_FOUND:
            yield mark


_TEMPLATE_SIGNS: Final = ("${", "#{", "{{", "{%", "<%")
_LINK_SIGNS: Final = ("](", "<img")
_TURN_SIGNS: Final = ("thought", "action", "observation", "final answer")


def _templates(folded: str, *, from_user: bool) -> Iterator[Mark]:
    for match in _TEMPLATE.finditer(folded):
        inner = match[match.lastindex or 0]
        if _DANGEROUS.search(inner):
            yield Mark(
                ThreatClass.TEMPLATE_INJECTION,
                0.75 if from_user else 0.45,
                "a template that would read or run something",
                *match.span(),
            )
        else:
            yield Mark(
                ThreatClass.TEMPLATE_INJECTION, 0.3 if from_user else 0.15, "a placeholder of a template", *match.span()
            )


def _links(folded: str) -> Iterator[Mark]:
    for pattern, group in ((_LINK, 2), (_IMAGE_TAG, 1)):
        for match in pattern.finditer(folded):
            if _CARRIES.search(match[group]):
                is_image = group == 1 or match[1] == "!"
                what = (
                    "an image whose address carries data away as soon as it is shown"
                    if is_image
                    else "a link whose address carries data away"
                )
                yield Mark(ThreatClass.EXFILTRATION, 0.8 if is_image else 0.6, what, *match.span())


def _turns(folded: str) -> Iterator[Mark]:
    """Our own text protocol: a reply that brings Thought and Action, or an Action and an Observation, is forged."""
    turns = list(_TURN.finditer(folded))
    if len({match[1] for match in turns}) > 1:
        yield Mark(ThreatClass.DELIMITER_FORGERY, 0.7, "forges steps of a ReAct run", turns[0].start(), turns[-1].end())


# --------------------------------------------------------------------------------------------------------- hidden text

_HIDING: Final = re.compile(
    r"<!--|\[//\]: # \("
    r"|(?:display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?0|opacity\s?:\s?0(?![.\d])"
    r"|color\s?:\s?(?:white\b|#fff\b|#ffffff|transparent)|\bhidden\b|aria-hidden=.true)[^<>]{0,300}>"
)
_CLOSERS: Final = {"<!--": "-->", "[//]": "\n"}


def find_hidden(folded: str) -> Sequence[tuple[int, int]]:
    """Ranges of the text that a page would not show; in order, none inside another."""
    found: list[tuple[int, int]] = []
    at = 0
    while len(found) < MAX_MARKS_FOUND:
        match = _HIDING.search(folded, at)
        if match is None:
            break
        at = folded.find(_CLOSERS.get(match[0][:4], "</"), match.end())
        at = len(folded) if at < 0 else at
        found.append((match.start(), at))
    return found


def find_delimiters(text: Normalized) -> Iterator[tuple[int, int]]:
    """Where marks of chat templates stand in ``text.text``."""
    return (match.span() for match in _DELIMITERS.finditer(text.folded))

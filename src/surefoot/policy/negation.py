"""Which parts of what a user wrote say what is *not* to be: "do not send it to eve@x.org".

No grammar: a word that denies takes its clause with it, and what is listed after it. Where that goes too far a person
is asked once more than he need be.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from typing import Final

Span = tuple[int, int]
"""Begin and end in the text, in characters."""

MOST_DENIALS: Final = 8
"""Words that deny in one part of a sentence; with more of them all of it is denied, as all of the sentence is with
`MOST_IN_SENTENCE`."""
MOST_IN_SENTENCE: Final = 100
_MOST_AND: Final = 16
_LEAST_OBJECT: Final = 3
"""Words of a denied clause that say what is not to be done; with fewer a list of verbs goes on."""


def _words(words: str) -> str:
    """Alternatives of whole words, in both forms of letters with marks."""
    listed = words.split("|")
    both = dict.fromkeys([form for word in listed for form in (word, unicodedata.normalize("NFD", word))])
    return rf"(?<![\w@./+-])(?:{'|'.join(both)})(?![\w@/+-]|\.\w)"


_WHOLE: Final = (
    r"not|never|cannot|nobody|none|neither|nor|nothing|no[ -]one|dont|doesnt|didnt|wont|cant|isnt|arent|"
    r"mustnt|shouldnt|\w{1,8}n['’]t|"
    r"no (?:e-?mail|mail|message|money|payment|copy|reply|answer|access|invitation|transfer)s?|"
    r"đừng|không|khong|chớ|chẳng|ko|nicht|niemals|kein(?:e[mnrs]?)?|jamais|nunca"
)
"""They deny their clause, with whom they say it of: "eve@x.org must not get it"."""
_REST: Final = (
    r"except|excepting|excluding|without|instead of|rather than|other than|apart from|aside from|save for|avoid|"
    r"refrain from|skip|ignore|leave out|"
    r"leave(?: \S{1,40}){1,6} out|leave(?: \S{1,40}){1,6} alone|minus|hold off(?: on)?|forget about|no need (?:to|for)|"
    r"(?:all|every\w*|any\w*|no\w*) but|trừ|ngoại trừ|ngoài trừ|thay vì|mà không|bỏ qua|ohne|außer|sans|sauf|excepto"
)
"""They deny what follows."""
_HAN: Final = (
    r"不要|不得|不可|不能|不许|不准|不应|不该|不必|不用|不想|不给|不发|不是|不再|不会|(?<![特区分个性级类识告差辨派])别(?![的人处墅名针])|"
    r"勿|莫|禁止|无需|没有|除了|除(?=[^了])|而非"
)
_DENIES: Final = re.compile(f"{_words(_REST)}|{_words(_WHOLE)}|{_HAN}", re.IGNORECASE)
_RESTS: Final = re.compile(f"{_words(_REST)}|除了|除|而非", re.IGNORECASE)
_EXEMPT: Final = re.compile(
    r"(?:do(?:es)? not|don['’]?t|never|not to|not) (?:forget|hesitate|fail|neglect|mind)\b"
    r"|\bnot (?:only|just|merely|simply|(?:more|less|later|earlier|longer|fewer) than)\b"
    r"|\bwhy (?:not|\w{1,8}n['’]t|(?:do|did|have|has|is|are|was|were) \w+ not)\b"
    r"|\b(?!don['’])\w{1,8}n['’]t (?:you|we|i|it|that|he|she|they)\b(?! dare| ever)"
    r"|\bdon['’]t (?:you|we|i|they)\b(?! dare| ever)(?=[^\n]{0,300}\?)"
    r"|\b(?:have|has)(?: not|n['’]t) [^,.;!?\n]{0,200}\byet\b"
    r"|\b(?:did|was|were|had)(?: not|n['’]t)\b(?! (?:to|want|wish|mean|ask|intend)\b)"  # nobody forbids what is over
    r"|\b(?:can|could)(?:not| not|n?['’]?t) (?:come|make it|be (?:there|here)|attend|find|log in|reach|remember|wait"
    r"|arrive)\b"
    r"|(?:đừng|không) quên|không (?:chỉ|những|gian|khí|(?:thể )?(?:đến|tới|kịp)\b)|hàng không|không(?=\s*(?:[?？!.]|$))"
    r"|(?:不要|别|勿|不可|不能)忘|不能[来到]|不[仅但只]|(.)不\1",
    re.IGNORECASE,
)
"""What denies nothing: a reminder, a bound, a question, what was not or cannot be."""
_SENTENCE: Final = re.compile(r"[.!?;…]+(?=\s|$)|[。！？；]|\n")
_PART: Final = re.compile(
    r"[,:](?=\s|$)|[，：]|(?<!\ball)(?<!\bnone)(?<!every)(?<!thing)(?<!body)(?<!one)\s(?=but\b)|\s(?=nhưng\b)|(?=但)",
    re.IGNORECASE,
)
_AND: Final = re.compile(r"(?:\b(?:and|or|và|hoặc|but|nhưng)|[和且并但])\s*$", re.IGNORECASE)
_SUBORDINATE: Final = re.compile(
    r"\b(?:who|which|that|whose|where|if|unless|when|because|as|since|so|although|while|nếu|vì)\b", re.IGNORECASE
)
"""What a clause of its own begins with: "add all users who are not in it"."""
_MODAL: Final = re.compile(r"\s*(?:must|should|may|shall|will|can|is|are)\s+", re.IGNORECASE)
_STARTS: Final = re.compile(
    r"\s*(?:(?:and|or|và|而|并)\s*)?(?:"
    + _words(
        "but|instead|rather|just|only|please|then|so|also|it|it's|it’s|he|she|they|we|i|i'm|i’m|i'll|you|use|make|let|"
        "nhưng|hãy|chỉ|rồi|xin|vui lòng|thay vào đó"
    )
    + r"|请|但|而是|只|就|然后|改|把|将|给|我|他|她|你|您|它)",
    re.IGNORECASE,
)
"""Words with which a clause begins that is not denied any more."""
_VERB: Final = re.compile(
    r"\s*(?:(?:and|or|và)\s+)?"
    + _words(
        "send|post|mail|email|message|write|reply|answer|forward|tell|inform|notify|share|publish|announce|create|add|"
        "set|book|schedule|plan|open|save|append|insert|put|include|delete|remove|cancel|update|change|edit|rename|"
        "replace|move|reserve|buy|order|pay|transfer|refund|invite|bring|give|upload|download|get|run|start|call|fetch|"
        "read|visit|check|return|close|finish|approve|accept|"
        "gửi|chuyển|thanh toán|xóa|mời|tạo|đặt|发|发送|转|付|删除|邀请"
    ),
    re.IGNORECASE,
)


def find_denied(text: str) -> list[Span]:
    """The parts of a text that say what is not to be, in order."""
    if _DENIES.search(text) is None:
        return []
    spans, start = list[Span](), 0
    for end in [*[found.end() for found in _SENTENCE.finditer(text)], len(text)]:
        spans += _read_sentence(text, start, end)
        start = end
    return spans


def _read_sentence(text: str, start: int, end: int) -> list[Span]:
    denials = _find_denials(text, start, end)
    if not denials or len(denials) > MOST_IN_SENTENCE:
        return [(start, end)] if denials else []
    spans, denied, objects = list[Span](), False, 0
    marks = [found.end() for found in _PART.finditer(text, start, end) if found.end() < end]
    for first, last in zip([start, *marks], [*marks, end], strict=True):
        here = list[re.Match[str]]()
        while denials and denials[0].start() < last:
            here.append(denials.popleft())
        if here:
            begins = [_find_begin(text, start, first, found) for found in here[:MOST_DENIALS]]
            denied, objects = True, len(text[here[0].end() : last].split())
            spans.append((min(begins) if len(here) <= MOST_DENIALS else first, last))
        elif denied:
            verb = objects >= _LEAST_OBJECT and _VERB.match(text, first, last) is not None
            denied = not verb and _STARTS.match(text, first, last) is None
            spans += [(first, last)] if denied else []
    return _merge(spans)


def _find_denials(text: str, start: int, end: int) -> deque[re.Match[str]]:
    exempt = deque([found.span() for found in _EXEMPT.finditer(text, start, end)])
    denials = deque[re.Match[str]]()
    for found in _DENIES.finditer(text, start, end):
        while exempt and exempt[0][1] <= found.start():
            exempt.popleft()
        if not exempt or found.start() < exempt[0][0]:
            denials.append(found)
    return denials


def _merge(spans: list[Span]) -> list[Span]:
    """The same in order: the subject of what is denied may begin before what was denied before."""
    merged = list[Span]()
    for first, last in spans:
        begin = first
        while merged and begin < merged[-1][1]:
            begin = min(begin, merged.pop()[0])
        merged.append((begin, last))
    return merged


def _find_begin(text: str, start: int, first: int, found: re.Match[str]) -> int:
    """Where what is denied begins: with the word itself if it denies only what follows, or begins a clause."""
    at = found.start()
    if _RESTS.match(text, at) is not None or _AND.search(text, max(first, at - _MOST_AND), at) is not None:
        return at
    if first > start and text[at : at + 2].casefold() != "do" and _MODAL.fullmatch(text, first, at) is not None:
        return start  # "eve@x.org, of course, must not get it"
    below = [one.start() for one in _SUBORDINATE.finditer(text, first, at)]
    return below[-1] if below else first

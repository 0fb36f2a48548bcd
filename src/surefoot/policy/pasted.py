"""Which parts of what a user wrote he has only pasted: a mail, a page, code. Somebody else may have written them.

Nobody can tell for sure, and a mail may say anything about itself, so doubts go one way: what looks pasted is not his
word, and where the end of it cannot be told it goes on to the end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

LONG_QUOTE: Final = 200
"""Characters of a quotation that is dictated; a longer one, or one of several lines, is pasted."""
LEAST_WORDS: Final = 8
"""Words after "summarise this:" that are a text; fewer, and names, addresses and numbers, tell what it is about."""
LEAST_CHARS: Final = 40
"""The same for scripts that put no spaces between words."""
MOST_INTROS: Final = 50
"""Colons of one text that are looked at; after so many the rest counts as pasted."""

Span = tuple[int, int]
"""Begin and end in the text, in characters."""

_MAY: Final = re.compile(r"[\n\"“”«»„「」『』]|```|:[ \t\xa0]*\S|：", re.ASCII)
"""A text without any of these has nothing pasted in it."""


def _both(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern that reads letters with marks in both of their forms."""
    other = unicodedata.normalize("NFD", pattern)
    return re.compile(pattern if other == pattern else f"{pattern}|{other}", re.IGNORECASE | flags)


_HEADER: Final = _both(
    r"(?:^|(?<=[:：]))[ \t>*_]*(?:from|von|de|发件人|寄件人|từ|người gửi)[ \t*_]*[:：][ \t]*\S"
    r"|^[ \t>]*[-_—*]*[ \t]*(?:begin )?(?:original|forwarded) message\b"
    r"|^[ \t>]*[-_—*]*[ \t]*(?:转发的?邮件|原始邮件|(?:tin nhắn|thư)(?: đã)?(?: được)? chuyển tiếp)"
    r"|^.{0,300}(?: wrote| schrieb| a écrit| đã viết|写道)[^\n]{0,40}[:：][ \t]*$"
    r"|^[ \t]*(?:dear|hi|hello|kính gửi|chào|尊敬的|亲爱的)\b[^\n]{0,60}[,，:：][ \t]*$",
    re.MULTILINE,
)
"""Where a mail begins: its headers, what a program writes above a forwarded one, or whom it greets."""
_OTHER_HEADERS: Final = _both(
    r"(?:^[ \t>*_]*(?:to|cc|bcc|subject|date|sent|reply-to|received|message-id|return-path|delivered-to|an|betreff|"
    r"收件人|抄送|主题|日期|đến|chủ đề|tiêu đề|ngày)[ \t*_]*[:：][^\n]*\n)+\Z",
    re.MULTILINE,
)
_GREETING: Final = _both(r"[ \t]*(?:dear|hi|hello|kính gửi|chào|尊敬的|亲爱的)")
_FENCE: Final = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n.*?(?:^[ \t]*\1|\Z)|```.*?(?:```|\Z)", re.MULTILINE | re.DOTALL)
_MARKED: Final = re.compile(r"^[ \t]*[>＞][^\n]*$", re.MULTILINE)
_PAIRS: Final = {"“": "”", "„": "”", "«": "»", "「": "」", "『": "』", '"""': '"""', "'''": "'''"}
_COLON: Final = re.compile(r"[:：](?=\s|[^\x00-\x7f]|[\"'“`])")
_CLAUSE: Final = re.compile(r"\n|[.!?;](?=\s)|[。！？；]")
_READS: Final = _both(
    r"\b(?:summari[sz]\w*|summary|tl;?dr|translat\w*|proofread\w*|explain\w*|analy[sz]\w*|classif\w*|paraphras\w*|"
    r"extract\w*|review\w*|read|rewrite|rephrase|correct|edit|check|look at|forward|"
    r"(?:reply|respond|react) to|answer|what does|got|received|here is|here's|below is)\b"
    r"|总结|概括|摘要|翻译|分析|解释|阅读|看看|看一下|读|回复|转发|检查|校对|收到"
    r"|tóm tắt|dịch|phân tích|giải thích|đọc|xem|trả lời|chuyển tiếp|kiểm tra|nhận được"
)
"""What is done with a text that somebody else wrote."""
_THIS: Final = _both(
    r"\b(?:this|these|the following|following|below|here is|here's|the text)\b"
    r"|这|以下|下面|下列|如下|\b(?:sau|này|dưới đây)\b"
)
_BARE: Final = re.compile(r"\s*(?:(?:please|kindly|can you|could you)\s|请)?\s*(\S.*)", re.IGNORECASE | re.DOTALL)
_MOST_BARE: Final = 4
"""Words of an order that stands alone before a text: "Translate to French: ..."."""
_ORDERS: Final = re.compile(r"\b(?:do|perform|execute|complete|carry out)\b|\bto\s*\Z", re.IGNORECASE)
"""What follows is to be done, or is whom something is sent to."""
_WORD: Final = re.compile(r"(?<!\S)[^\s\d@/\\._]+[.\"'”’)]*(?!\S)")
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")


def find_pasted(text: str) -> list[Span]:
    """The parts of a text that are pasted, in order, none in another."""
    if _MAY.search(text) is None:
        return []
    spans = [found.span() for found in _FENCE.finditer(text)] + [found.span() for found in _MARKED.finditer(text)]
    spans += _find_quotes(text)
    start = min([*_find_mails(text), *_find_introduced(text)], default=len(text))
    if start < len(text):
        spans.append((start, len(text)))
    return _merge(spans)


def _merge(spans: Sequence[Span]) -> list[Span]:
    merged = list[Span]()
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _find_mails(text: str) -> Iterator[int]:
    """Where mails begin, with all their headers. Whoever greets in his first line greets the assistant."""
    for found in _HEADER.finditer(text):
        start = found.start()
        if _GREETING.match(text, start) is not None and not text[:start].strip():
            continue
        above = _OTHER_HEADERS.search(text, max(0, start - 2_000), start)
        yield start if above is None else above.start()
        return


def _find_quotes(text: str) -> Iterator[Span]:
    """Quotations that are long or have several lines: from the first mark to the last, whoever wrote those between."""
    for mark in ('"', *_PAIRS):
        closing = _PAIRS.get(mark, mark)
        start, last = text.find(mark), text.rfind(closing)
        if start < 0 or last <= start:
            continue
        if _is_long(text, mark, closing):
            yield start, last + len(closing)


def _is_long(text: str, mark: str, closing: str) -> bool:
    """Whether any quotation in these marks is: one opens where a mark stands before a word and after none."""
    start = -1
    for found in re.finditer(f"{re.escape(mark)}|{re.escape(closing)}", text):
        at, end = found.span()
        opens = (mark != closing and found[0] == mark) or (
            mark == closing and start < 0 and (at == 0 or not text[at - 1].isalnum())
        )
        if opens and start < 0:
            start = at
        elif start >= 0 and found[0] == closing and not text[end : end + 1].isalnum():
            if "\n" in text[start:at].strip() or at - start > LONG_QUOTE:
                return True
            start = -1
    return False


def _find_introduced(text: str) -> Iterator[int]:
    """Where a text begins that the user says he gives: "summarise this mail: ..."."""
    for count, found in enumerate(_COLON.finditer(text)):
        if count >= MOST_INTROS:
            yield found.end()
            return
        clause = _CLAUSE.split(text[max(0, found.start() - 300) : found.start()])[-1]
        if _introduces(clause) and _is_text(text, found.end()):
            yield found.end()
            return


def _introduces(clause: str) -> bool:
    reads = _READS.search(clause)
    if reads is None or _ORDERS.search(clause, reads.end()) is not None:
        return False
    if _THIS.search(clause) is not None:
        return True
    bare = _BARE.match(clause)
    return bare is not None and bare.start(1) == reads.start() and len(bare[1].split()) <= _MOST_BARE


def _is_text(text: str, start: int) -> bool:
    """Whether what follows is a text, and not what it is about."""
    for count, _ in enumerate(_WORD.finditer(text, start), 1):
        if count >= LEAST_WORDS:
            return True
    return len(_UNSPACED.findall(text, start)) >= LEAST_CHARS

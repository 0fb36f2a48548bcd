"""Whether a text that a call writes is about what the user asked for.

A note, an entry or a log decides nothing, so nothing in it has to be proven. But the user must have wanted it.
"""

from __future__ import annotations

import re
from typing import Final

from surefoot.policy.decision import Proposed
from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import is_telling_word, list_intents, list_stems
from surefoot.policy.picks import walk
from surefoot.policy.repeated import has_acted

LEAST_SHARED: Final = 2
"""Telling words that a text and the request must have in common."""
MOST_CHARS: Final = 4_000
_DATE: Final = re.compile(r"\A\s*[\d.:/TZ -]+\s*\Z")


def is_on_subject(call: Proposed, known: Evidence) -> bool:
    """Whether a text of a call has telling words in common with the request, and it is the first of this tool since."""
    if call.tool.destructive or has_acted(call.tool, known.done):
        return False
    means = {word for intent in list_intents(call.tool) for word in list_stems(intent)}
    asked = {word for text in known.request for word in list_stems(text) if is_telling_word(word)} - means
    leaves = [leaf for name, value in call.arguments.items() for _, leaf in walk(name, value, call.tool.fields)]
    if not all(isinstance(leaf, str) and len(leaf) <= MOST_CHARS and not _DATE.search(leaf) for leaf in leaves):
        return False  # what is to be at some time, or so many times, is more than a text
    return any(len(asked.intersection(list_stems(leaf))) >= LEAST_SHARED for leaf in leaves)

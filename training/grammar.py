"""Texts from templates: ``{slot}`` stands for one of some phrases, which may have slots of their own."""

from __future__ import annotations

import random
import re

SLOT = re.compile(r"\{(\w+)\}")


def fill(template: str, words: dict[str, list[str]], chance: random.Random) -> str:
    """``template`` with a phrase in each slot; an empty phrase leaves no gap."""
    while SLOT.search(template):
        template = SLOT.sub(lambda match: chance.choice(words[match[1]]), template)
    return template.replace("  ", " ").replace(" .", ".").replace(" ,", ",").strip()

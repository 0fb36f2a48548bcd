"""What holding back costs: characters that are looked at, for each that comes in."""

import pytest

from surefoot.guard import links
from surefoot.guard.holdback import Holdback

PIECE_CHARS = 8


@pytest.mark.parametrize("flood", ["url( ", "url(", "![ ", "]: "])
def test_a_flood_in_small_pieces_costs_what_it_is_long(flood):
    looked_at = 0

    def find(text):
        nonlocal looked_at
        looked_at += len(text)
        return []

    text = flood * (30_000 // len(flood))
    stream = Holdback(find)
    shown = [stream.feed(text[at : at + PIECE_CHARS]) for at in range(0, len(text), PIECE_CHARS)]
    assert "".join([*shown, stream.close()]) == text
    assert looked_at < 20 * len(text)


@pytest.mark.parametrize("flood", ["url(", "url( ", "]:", "@import '", 'url("'])
def test_what_one_sign_looks_ahead_at_is_not_looked_at_by_the_next(flood):
    text = flood * (10_000 // len(flood))
    ahead = [
        len(group or "")
        for pattern in (links._STYLE, links._REFERENCE)
        for match in pattern.finditer(text)
        for group in match.groups()
    ]
    assert sum(ahead) <= 3 * len(text)

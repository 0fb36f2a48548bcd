"""What holding back costs: characters that are looked at, for each that comes in."""

import pytest

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
    assert looked_at < 40 * len(text)

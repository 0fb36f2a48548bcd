"""Harmless texts without words: keys, digests, encoded files, figures.

Training on language alone says nothing of words that nobody has written before, and any of these may look like an attack then.
"""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable, Iterator

LENGTHS = (24, 64, 160, 400)
"""Characters; about."""


def _draw(alphabet: str) -> Callable[[random.Random, int], str]:
    return lambda chance, length: "".join(chance.choices(alphabet, k=length))


def _pieces(alphabet: str, sizes: range, between: str) -> Callable[[random.Random, int], str]:
    def make(chance: random.Random, length: int) -> str:
        size = sum(sizes) / len(sizes) + len(between)
        return between.join(
            ["".join(chance.choices(alphabet, k=chance.choice(sizes))) for _ in range(int(length / size) + 1)]
        )

    return make


def _encode(chance: random.Random, length: int) -> str:
    return base64.b64encode(chance.randbytes(length * 3 // 4)).decode()


def _encode_lines(chance: random.Random, length: int) -> str:
    return base64.encodebytes(chance.randbytes(length * 3 // 4)).decode()


def _identify(chance: random.Random, length: int) -> str:
    parts = (8, 4, 4, 4, 12)
    ids = ["-".join([f"{chance.getrandbits(4 * size):0{size}x}" for size in parts]) for _ in range(length // 36 + 1)]
    return chance.choice(["\n", ", ", '", "']).join(ids)


KINDS: dict[str, Callable[[random.Random, int], str]] = {
    "base64": _encode,
    "base64 lines": _encode_lines,
    "base64 for addresses": _draw(string.ascii_letters + string.digits + "-_"),
    "hex": _draw("0123456789abcdef"),
    "hex, bytes apart": _pieces("0123456789abcdef", range(2, 3), " "),
    "ids": _identify,
    "figures": _pieces(string.digits, range(1, 9), " "),
    "lines of figures": _pieces(string.digits + ".", range(3, 12), "\n"),
    "letters": _draw(string.ascii_lowercase),
    "letters and figures": _draw(string.ascii_letters + string.digits),
    "unknown words": _pieces(string.ascii_lowercase, range(2, 11), " "),
    "marks": _draw(string.punctuation + " "),
    "all keys": _draw(string.printable[:95]),
}


def make_noise(seed: int, count: int) -> Iterator[str]:
    """``count`` texts of each kind, from a generator of their own, so that the other rows stay as they are."""
    chance = random.Random(seed)
    for make in KINDS.values():
        for number in range(count):
            yield make(chance, LENGTHS[number % len(LENGTHS)])

"""How many tokens a prompt has: exactly for OpenAI's models, without a network, and never too few for any other."""

from __future__ import annotations

import re
import zlib
from binascii import a2b_base64
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

import msgspec
from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.types import JsonSchema, Message, ToolSpec

if TYPE_CHECKING:
    from tiktoken import Encoding

# Framing in tokens. OpenAI's cookbook ("How to count tokens with tiktoken") measured for gpt-4o: a message 3, its role
# 1, the start of the reply 3; a function 7 (gpt-4: 10), the start of its parameters 3, an item of an enumeration 3, the
# end of the functions 12. Ours are at least that, since what is counted here is held for, not billed.
_REQUEST_TOKENS: Final = 16
_MESSAGE_TOKENS: Final = 4
_CALL_TOKENS: Final = 16
_TOOLS_TOKENS: Final = 32
_TOOL_TOKENS: Final = 16
_COMMA_TOKENS: Final = 2  # JSON separates two items of an enumeration by one token, the provider's form by three

_MAX_EXACT_CHARS: Final = 100_000
"""Longer texts are bounded by their bytes: tiktoken's time per character grows with the length of a run of equal
characters, and a million spaces make it panic (0.14, o200k_base)."""

_MARK: Final = "[^\\w\\s\x00-\x7f\u2000-\u20cf\u2100-\u2bff\U0001f000-\U0001ffff]"
"""Whatever NFKC puts in order, and more, but no letters, signs or emoji; see `_mask`."""
_STRIDE: Final = 32
_PERHAPS_HEAP: Final = re.compile(f"{_MARK}{{2}}")
"""In each 32nd character: of a heap twice as long there are two, and to look at all of a long text takes too long."""
_HEAP: Final = re.compile(f"{_MARK}+")
_LEAST_HEAP: Final = 2 * _STRIDE


class Vocabulary(Struct, frozen=True):
    """A vendored vocabulary: SHA-256 of its decompressed ranks, as tiktoken expects it, and of its pattern."""

    ranks_sha256: str
    pattern_sha256: str


VOCABULARIES: Final = {
    "cl100k_base": Vocabulary(
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        "f021c3d976978e62ee64cdad150cc3405c2e3d6e3b40407850bb9e8d9eb65899",
    ),
    "o200k_base": Vocabulary(
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        "2d1b8dc11e89af71459b36004f698ab3693f59fd84f63e8ec2b49564ab857420",
    ),
}


def byte_bound(text: str) -> int:
    """Upper bound of a text's tokens in any tokenizer whose tokens are at least a byte long, as byte-level BPE's are.

    Tokenizers normalise differently before they cut (not at all, NFC or NFKC), and each form may be the longest: the
    bound is the UTF-8 length of the longest. To put a heap of marks in order takes the square of its length, in one
    call that stops every thread: in heaps, and what they are on, each character counts as its longest form.
    """
    if text.isascii():
        return len(text)
    if _PERHAPS_HEAP.search(_mask(text[::_STRIDE])) is None:
        return _longest_form(text)
    rest: list[str] = []
    heaped = Counter[str]()
    at = 0
    for heap in _HEAP.finditer(_mask(text)):
        if heap.end() - heap.start() < _LEAST_HEAP:
            continue
        start = max(heap.start() - 1, at)
        rest.append(text[at:start])
        heaped.update(text[start : heap.end()])
        at = heap.end()
    apart = "\n".join([*rest, text[at:]])
    return _longest_form(apart) - len(rest) + sum([_longest_alone(one) * count for one, count in heaped.items()])


def _mask(text: str) -> str:
    """``text`` with the two letters that become marks, of katakana, as marks."""
    return text.replace("\uff9e", "\u3099").replace("\uff9f", "\u309a")


def _longest_form(text: str) -> int:
    forms = {text, normalize("NFC", text), normalize("NFKC", text)}
    return max([len(form.encode("utf-8", "surrogatepass")) for form in forms])


def _longest_alone(letter: str) -> int:
    """Decomposed, too: beside its neighbours it may stay so, and what is composed is never longer than its parts."""
    return max(_longest_form(letter), *[_longest_form(normalize(form, letter)) for form in ("NFD", "NFKD")])


class TokenCounter:
    """Exact tokens of prompts for one model, by its own vocabulary. Shared by all runs, from any thread.

    What it counts is an upper bound of what is billed: texts, names and arguments are exact, the framing between them
    is rounded up (see the constants above). The first count of a process reads the vocabulary: 0.3 s of CPU.
    """

    __slots__ = ("_encoding", "_tools")

    def __init__(self, encoding: str) -> None:
        assert encoding in VOCABULARIES, encoding
        self._encoding = encoding
        self._tools: tuple[tuple[ToolSpec, ...], int] = ((), 0)  # the last tools counted: a run's do not change

    def count(
        self, tools: tuple[ToolSpec, ...], messages: Sequence[Message], schema: JsonSchema | None = None
    ) -> tuple[int, list[int]]:
        """Count a prompt; run it in a thread.

        Args:
            tools: Tools sent in the provider's own field.
            messages: Messages as they are shown to the model; those counted before need not be given again.
            schema: JSON Schema that the reply is held to.

        Returns:
            Tokens of the request itself with its tools and schema, and tokens of each message.

        Raises:
            ConfigError: The vocabulary is damaged.
        """
        encoding = load_encoding(self._encoding)
        fixed = _REQUEST_TOKENS + self._count_tools(encoding, tools)
        if schema is not None:
            fixed += _TOOLS_TOKENS + _count_json(encoding, schema)
        return fixed, [_count_message(encoding, message) for message in messages]

    def _count_tools(self, encoding: Encoding, tools: tuple[ToolSpec, ...]) -> int:
        if not tools:
            return 0
        counted, tokens = self._tools
        if counted is not tools:
            tokens = _TOOLS_TOKENS + len(tools) * _TOOL_TOKENS + _count_json(encoding, tools)
            self._tools = tools, tokens
        return tokens


def find_counter(provider: str, model: str) -> TokenCounter | None:
    """The exact counter of a model, None if its vocabulary is not known: then only bytes bound its tokens.

    Args:
        provider: Name of the provider as in a model string; only ``openai`` publishes its vocabularies.
        model: Name of the model on the wire; ``ft:`` names count as the model they were tuned from.
    """
    if provider != "openai":
        return None
    from tiktoken.model import encoding_name_for_model

    # tiktoken's own table sends every "ft:gpt-4..." but gpt-4o to the old vocabulary.
    base = model.split(":")[1] if model.startswith("ft:") else model
    try:
        encoding = encoding_name_for_model(base)
    except KeyError:
        return None
    return TokenCounter(encoding) if encoding in VOCABULARIES else None


def _count_text(encoding: Encoding, text: str) -> int:
    if len(text) > _MAX_EXACT_CHARS:
        return byte_bound(text)
    return len(encoding.encode_ordinary(text))


def _count_json(encoding: Encoding, value: object) -> int:
    text = msgspec.json.encode(value).decode()
    return _count_text(encoding, text) + text.count(",") * _COMMA_TOKENS


def _count_message(encoding: Encoding, message: Message) -> int:
    tokens = _MESSAGE_TOKENS + _count_text(encoding, message.text) + _count_text(encoding, message.blocks)
    for call in message.tool_calls:
        for text in (call.id, call.name, call.arguments):
            tokens += _count_text(encoding, text)
        tokens += _CALL_TOKENS
    if message.tool_call_id:
        tokens += _CALL_TOKENS + _count_text(encoding, message.tool_call_id)
    return tokens


# -------------------------------------------------------------------------------------------------- vocabularies

_encodings: dict[str, Encoding] = {}
_loading: Final = Lock()


def load_encoding(name: str) -> Encoding:
    """One of `VOCABULARIES`, read and checked at the first call; 0.3 s of CPU, 0.1 s of it without releasing the GIL.

    Raises:
        ConfigError: The vendored file is missing or damaged.
    """
    with _loading:
        if name not in _encodings:
            _encodings[name] = _build_encoding(name)
        return _encodings[name]


def _build_encoding(name: str) -> Encoding:
    from importlib.resources import files

    from tiktoken import Encoding

    folder = files("surefoot.budget") / "vocab"
    try:
        packed = (folder / f"{name}.tiktoken.gz").read_bytes()
        pattern = (folder / f"{name}.pattern").read_bytes()
    except OSError as error:
        raise ConfigError(f"vocabulary {name} cannot be read: {error.strerror}; install surefoot again") from None
    # No special tokens: text that looks like one is text, in the provider's prompt as here.
    return Encoding(
        name,
        pat_str=check_pattern(name, pattern),
        mergeable_ranks=read_ranks(name, packed),
        special_tokens={},
    )


def check_pattern(name: str, pattern: bytes) -> str:
    """The pattern of a vocabulary.

    Raises:
        ConfigError: Its hash is not the expected one.
    """
    _check_sha256(f"{name}.pattern", pattern, VOCABULARIES[name].pattern_sha256)
    return pattern.decode()


def read_ranks(name: str, packed: bytes) -> dict[bytes, int]:
    """The tokens of a vocabulary with their ranks, from the gzip-compressed file that tiktoken publishes.

    Raises:
        ConfigError: It is not gzip, or the hash of what it holds is not the published one.
    """
    try:
        ranks = zlib.decompress(packed, wbits=31)  # 31: gzip
    except zlib.error:
        ranks = b""
    _check_sha256(f"{name}.tiktoken", ranks, VOCABULARIES[name].ranks_sha256)
    return {a2b_base64(token): int(rank) for token, rank in (line.split() for line in ranks.splitlines())}


def _check_sha256(file: str, content: bytes, expected: str) -> None:
    from hashlib import sha256

    if sha256(content).hexdigest() != expected:
        raise ConfigError(f"vocabulary {file} is damaged: its SHA-256 is not {expected}; install surefoot again")

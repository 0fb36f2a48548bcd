from __future__ import annotations

import gzip
import re
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from surefoot.budget.tokens import (
    _MARK,
    VOCABULARIES,
    _mask,
    byte_bound,
    check_pattern,
    find_counter,
    load_encoding,
    read_ranks,
)
from surefoot.errors import ConfigError
from surefoot.types import Message, ToolCall, ToolSpec

NAMES = sorted(VOCABULARIES)
WEATHER = ToolSpec(
    "forecast",
    "The weather of a town tomorrow.",
    {"type": "object", "properties": {"town": {"type": "string", "description": "Name of the town"}}},
)


def packed(name):
    return (files("surefoot.budget") / "vocab" / f"{name}.tiktoken.gz").read_bytes()


# ------------------------------------------------------------------------------------------------------- byte bound


@settings(deadline=None)  # the first example reads the vocabularies
@given(st.text(st.characters(), max_size=200))
@example("\U0001f468\u200d\U0001f469\u200d\U0001f467")
@example("\u0958\u0929\ufdfa")
@example("\ud800 lone")
@example("<|endoftext|><|im_start|>")
@example("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \n\n\n\t\t  ")
def test_no_text_has_more_tokens_than_the_bound(text):
    for name in NAMES:
        assert len(load_encoding(name).encode_ordinary(text)) <= byte_bound(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("plain", 5),
        ("é", 2),
        ("e\u0301", 3),  # as it is: longer than its NFC form
        ("\u0958", 6),  # NFC takes it apart into two characters
        ("\ufdfa", 33),  # NFKC makes it eighteen characters
        ("\ud800", 3),  # half a surrogate pair
    ],
)
def test_the_bound_is_that_of_the_longest_form(text, tokens):
    assert byte_bound(text) == tokens


HEAPED = st.text(
    st.sampled_from("aAo가각각\u0958かﾊ\ufdfaế…、 \n\u0301\u0323\u030a\u0345\u3099\uff9e\u0f73\u0344\ud800"),
    max_size=300,
)


@given(st.lists(st.one_of(HEAPED, st.builds(lambda mark, of: mark * of, HEAPED, st.integers(1, 90))), max_size=4))
@example(["\u00e5", "\u0323" * 100])
@example(["e\u0302\u0301", "\u0323\u0301" * 100, "か\u3099"])
@example(["\uff9e\u0301" * 100])
def test_the_bound_holds_for_heaps_of_marks(pieces):
    text = "".join(pieces)[:4_000]
    for form in (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFKC", text)):
        assert len(form.encode("utf-8", "surrogatepass")) <= byte_bound(text)


def test_all_that_has_to_be_put_in_order_is_a_mark():
    letters = map(chr, range(sys.maxunicode + 1))
    moved = [letter for letter in letters if unicodedata.combining(unicodedata.normalize("NFKD", letter)[0])]
    assert len(moved) > 800
    assert re.fullmatch(f"{_MARK}+", _mask("".join(moved)))


def test_a_huge_heap_of_marks_is_bounded_without_putting_it_in_order():
    """To put it in order would take longer than the suite's timeout."""
    heap = "a" + "\u0345\u0301" * 150_000
    assert byte_bound(heap) == 600_001
    assert byte_bound(f"é {heap} é") == 600_001 + 6


# ----------------------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("model", "like"),
    [
        ("gpt-4.1", "gpt-4o"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4o"),
        ("gpt-5", "gpt-4o"),
        ("gpt-5-nano", "gpt-4o"),
        ("o3", "gpt-4o"),
        ("o4-mini-2025-04-16", "gpt-4o"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "gpt-4o"),
        ("ft:gpt-4.1-mini-2025-04-14:acme::abc", "gpt-4o"),
        ("ft:gpt-3.5-turbo:acme::abc", "gpt-4"),
        ("gpt-4-turbo", "gpt-4"),
        ("gpt-3.5-turbo", "gpt-4"),
    ],
)
def test_a_model_is_counted_by_its_own_vocabulary(model, like):
    chinese = [Message.user("东京今天天气怎么样？" * 20)]
    counts = {name: find_counter("openai", name).count((), chinese) for name in (model, "gpt-4o", "gpt-4")}
    assert counts["gpt-4o"] != counts["gpt-4"]
    assert counts[model] == counts[like]


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-sonnet-4-5"),
        ("acme", "gpt-4.1"),
        ("openai", "my-model"),
        ("openai", "ft:"),
        ("openai", ""),
        ("openai", "text-davinci-003"),  # a vocabulary that is not vendored
        ("openai", "gpt-oss-20b"),
    ],
)
def test_a_model_of_unknown_vocabulary_has_no_counter(provider, model):
    assert find_counter(provider, model) is None


def test_a_prompt_is_counted_with_its_framing():
    encoding = load_encoding("o200k_base")
    counter = find_counter("openai", "gpt-4.1")
    call = ToolCall("call_1", "forecast", '{"town":"Oslo"}')
    messages = [
        Message.system("You are brief."),
        Message.user("Will it rain in Oslo?"),
        Message.assistant("", (call, call)),
        Message("tool", Message.user("Rain, 7 degrees.").parts, tool_call_id="call_1"),
        Message.assistant("Yes.", blocks='[{"a":1}]'),
    ]

    def tokens(*texts):
        return sum(len(encoding.encode_ordinary(text)) for text in texts)

    fixed, counts = counter.count((), messages)
    # OpenAI's cookbook: 3 and the role for each message, 3 for the start of the reply
    assert fixed >= 3
    assert counts[0] == tokens("You are brief.") + 4
    assert counts[1] == tokens("Will it rain in Oslo?") + 4
    assert counts[2] >= 2 * tokens("call_1", "forecast", '{"town":"Oslo"}') + 4
    assert counts[3] >= tokens("Rain, 7 degrees.", "call_1") + 4
    assert counts[4] == tokens("Yes.", '[{"a":1}]') + 4
    assert counter.count((), messages[1:3])[1] == counts[1:3]


def test_tools_and_a_schema_are_part_of_the_prompt():
    counter = find_counter("openai", "gpt-4.1")
    bare = counter.count((), [])[0]
    one, two = (WEATHER,), (WEATHER, msgspec.structs.replace(WEATHER, name="history"))
    words = len(load_encoding("o200k_base").encode_ordinary(msgspec.json.encode(WEATHER).decode()))
    with_one = counter.count(one, [])[0]
    assert with_one > bare + words
    assert counter.count(one, [])[0] == with_one
    assert counter.count(two, [])[0] > with_one + words
    assert counter.count(one, [])[0] == with_one
    assert counter.count((), [], schema=WEATHER.parameters)[0] > bare + words // 2


def test_a_long_enumeration_is_bounded_in_the_form_that_the_provider_gives_it():
    items = [f"item{number}" for number in range(200)]
    tool = ToolSpec("pick", "", {"type": "object", "properties": {"which": {"type": "string", "enum": items}}})
    encoding = load_encoding("o200k_base")
    cookbook = sum(3 + len(encoding.encode_ordinary(item)) for item in items)
    assert find_counter("openai", "gpt-4.1").count((tool,), [])[0] >= cookbook


@pytest.mark.parametrize("unit", [" ", "a", "\u00a0", "^", "\n"])
def test_a_text_that_would_break_the_tokenizer_is_bounded_by_its_bytes(unit):
    text = unit * 1_000_000
    for model in ("gpt-4.1", "gpt-4"):
        assert find_counter("openai", model).count((), [Message.user(text)])[1] == [byte_bound(text) + 4]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.sampled_from(" \n\t\u3000a1^'sÀ漢\u0301😀{}\",:"), max_size=300), max_size=3))
def test_a_count_is_never_below_the_texts_own_tokens(texts):
    counts = find_counter("openai", "gpt-4.1").count((), [Message.user(text) for text in texts])[1]
    encoding = load_encoding("o200k_base")
    assert counts == [len(encoding.encode_ordinary(text)) + 4 for text in texts]


def test_threads_share_a_counter():
    counter = find_counter("openai", "gpt-4.1")
    messages = [Message.user(f"message {number} " * number) for number in range(20)]
    alone = counter.count((WEATHER,), messages)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: counter.count((WEATHER,), messages), range(40)))
    assert together == [alone] * 40


# ----------------------------------------------------------------------------------------------------- vocabularies


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_vocabulary_is_refused(name):
    good = packed(name)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    other = gzip.compress(gzip.decompress(good).replace(b" 300\n", b" 301\n", 1), 1)
    for bad in (b"", b"not gzip", bytes(flipped), good[:-9], other):
        with pytest.raises(ConfigError, match=rf"vocabulary {name}\.tiktoken is damaged: .* install surefoot again"):
            read_ranks(name, bad)
    with pytest.raises(ConfigError, match=rf"vocabulary {name}\.pattern is damaged"):
        check_pattern(name, b".*")


def test_a_missing_vocabulary_is_told():
    with pytest.raises(ConfigError, match="vocabulary r50k_base cannot be read"):
        load_encoding("r50k_base")


def run(story, cache_dir):
    refuse = """
import socket
def refuse(*_, **__): raise AssertionError("the network was asked")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""
    subprocess.run(
        [sys.executable, "-c", refuse + story],
        check=True,
        timeout=60,
        env={"PATH": "", "TIKTOKEN_CACHE_DIR": str(cache_dir)},
    )


def test_counting_needs_no_network_and_no_cache(tmp_path):
    story = """
import sys
from surefoot.budget.tokens import find_counter
assert "tiktoken" not in sys.modules
from surefoot.types import Message
for model in ("gpt-4.1", "gpt-4"):
    assert find_counter("openai", model).count((), [Message.user("hello world")])[1] == [6]
"""
    run(story, tmp_path)
    assert not list(tmp_path.iterdir())


def test_our_encodings_are_those_of_tiktoken(tmp_path):
    addresses = {  # tiktoken keeps a download under the SHA-1 of its address
        "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    }
    for name, address in addresses.items():
        (tmp_path / address).write_bytes(gzip.decompress(packed(name)))
    story = """
import random, tiktoken
from surefoot.budget.tokens import VOCABULARIES, load_encoding
chance = random.Random(7)
alphabet = " \\n\\r\\t\\u3000aAzZ019'sll_-/\\\\{}\\":,.À\\u00e9漢字かアع\\u0301😀"
texts = ["".join(chance.choices(alphabet, k=chance.randrange(1, 80))) for _ in range(2_000)]
texts += ["The quick brown fox doesn't jump; it WALKS 12345 times.", "<|endoftext|>"]
for name in VOCABULARIES:
    ours, theirs = load_encoding(name), tiktoken.get_encoding(name)
    for text in texts:
        assert ours.encode_ordinary(text) == theirs.encode_ordinary(text), (name, text)
"""
    run(story, tmp_path)

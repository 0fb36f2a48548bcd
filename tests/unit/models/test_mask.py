"""No key reaches a message: not in another spelling, and not in part."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ModelRefused
from surefoot.models.base import ModelProfile, Options
from surefoot.models.mask import mask
from surefoot.models.openai_chat import OpenAIChat
from surefoot.models.status import MAX_MESSAGE_CHARS, Peer, build_status_error
from surefoot.types import Message

KEY = 'sk-Ab"1/+ü==\\9 z?xyz'
PLAIN_KEY = "sk-live-0123456789abcdef"
SPELLINGS = [
    KEY,
    quote(KEY, safe=""),
    quote(KEY),
    quote_plus(KEY),
    quote(KEY, safe="").lower().replace("sk-ab", "sk-Ab"),
    json.dumps(KEY, ensure_ascii=False)[1:-1],
    json.dumps(KEY, ensure_ascii=False)[1:-1].replace("/", "\\/"),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_masked(spelling):
    assert mask(f"key={spelling}; wrong", [KEY]) == "key=[key]; wrong"


@given(before=st.binary(max_size=9), after=st.binary(max_size=9), safe=st.booleans())
def test_base64_is_masked_whatever_stands_around_the_key(before, after, safe):
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    data = KEY.encode()
    masked = mask(f"Basic {encode(before + data + after).decode()}", [KEY])
    assert "[key]" in masked
    assert len(masked) <= len("Basic [key]") + 2 * (4 * 9 // 3 + 4)


@pytest.mark.parametrize("length", range(8, len(PLAIN_KEY)))
def test_what_is_cut_in_a_key_is_masked(length):
    assert mask(f"wrong key {PLAIN_KEY[:length]}", [PLAIN_KEY]) == "wrong key [key]"


def test_ordinary_words_stay():
    assert mask("sk-live is no key, none x", [PLAIN_KEY, "none", "x"]) == "sk-live is no key, none x"
    assert mask("", [PLAIN_KEY]) == ""


@given(padding=st.integers(1_100, 1_300), spaces=st.booleans())
def test_a_key_across_the_cut_of_a_body_is_masked(padding, spaces):
    body = (" " if spaces else "a").encode() * padding + PLAIN_KEY.encode() * 3
    error = build_status_error(400, {}.get, body, Peer("fake:m", "http://h/v1", "KEY", (PLAIN_KEY,)))
    assert PLAIN_KEY[:8] not in str(error)
    assert len(str(error)) < MAX_MESSAGE_CHARS + 100


def test_a_key_across_the_cut_of_a_flood_is_masked():
    peer = Peer("fake:m", "http://h/v1", "KEY", (PLAIN_KEY,))
    for extra in range(30):
        body = b" " * ((64 << 10) - extra) + PLAIN_KEY.encode() + b" tail"
        assert PLAIN_KEY[:8] not in str(build_status_error(400, {}.get, body, peer))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "echo",
    [
        f"padding {' ' * 1_175} {PLAIN_KEY}",
        json.dumps(
            {"error": {"message": f"Authorization: Basic {base64.b64encode(f'me:{PLAIN_KEY}'.encode()).decode()}"}}
        ),
        json.dumps({"error": {"message": f"GET /?key={quote(PLAIN_KEY + '/+', safe='')}"}}),
    ],
)
async def test_a_provider_that_echoes_the_key_over_http(http, raw, write_answer, echo, streamed):
    key = PLAIN_KEY + "/+" if "GET" in echo else PLAIN_KEY
    async with raw(write_answer(echo.encode(), "400 Bad Request")) as server:
        model = OpenAIChat(ModelProfile("fake:m", "fake", "m"), server.url, key, http)
        prompt = model.open((), None)
        prompt.append(Message.user("hi"))
        asked = model.stream(prompt, 10, Options(), 5.0)
        with pytest.raises(ModelRefused, match=r"\[key\]") as caught:
            await (anext(asked) if streamed else model.respond(prompt, 10, Options(), 5.0))
        said = str(caught.value)
        assert PLAIN_KEY[:10] not in said
        assert base64.b64encode(PLAIN_KEY.encode()).decode()[:10] not in said

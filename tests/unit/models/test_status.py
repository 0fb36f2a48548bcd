import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ModelBroken, ModelOverloaded, ModelRefused
from surefoot.models.status import MAX_MESSAGE_CHARS, Peer, build_reply_error, build_status_error, read_retry_after_s

KEY = "sk-live-0123456789"
PEER = Peer("openai:gpt-4.1", "https://api.openai.com/v1", "OPENAI_API_KEY", (KEY,))


def lookup(**headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}.get


def fail(status, body=b"", **headers):
    return build_status_error(status, lookup(**headers), body, PEER)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ModelRefused), (307, ModelRefused), (400, ModelRefused), (401, ModelRefused), (402, ModelRefused),
        (403, ModelRefused), (404, ModelRefused), (405, ModelRefused), (408, ModelBroken), (409, ModelOverloaded),
        (413, ModelRefused), (422, ModelRefused), (425, ModelOverloaded), (429, ModelOverloaded), (451, ModelRefused),
        (500, ModelBroken), (502, ModelBroken), (503, ModelOverloaded), (504, ModelBroken), (529, ModelOverloaded),
        (599, ModelBroken), (204, ModelBroken), (202, ModelBroken),
    ],
)  # fmt: skip
def test_each_status_has_its_error(status, kind):
    error = fail(status, b'{"error":{"message":"because"}}')
    assert type(error) is kind
    assert error.status == status
    assert str(error).startswith("openai:gpt-4.1: ")
    assert str(error).endswith("because")


def test_only_what_may_have_run_counts_as_sent():
    assert not fail(429).sent
    assert not fail(400).sent
    assert fail(504).sent
    assert fail(408).sent


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_the_setting(status):
    assert "check OPENAI_API_KEY" in str(fail(status))


def test_not_found_names_model_and_address():
    assert str(fail(404)) == (
        "openai:gpt-4.1: not found (HTTP 404), check the model's name and base_url https://api.openai.com/v1"
    )


def test_a_redirect_says_where_to_without_its_query():
    message = str(fail(308, location="https://user:pw@other.example/v2?token=abc"))
    assert "https://other.example/v2" in message
    assert "token" not in message
    assert "pw" not in message
    assert "elsewhere" in str(fail(302, location="/relative"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}',
        b'{"error":{"message":"no","type":"billing_hard_limit_reached"}}',
        b'{"message":"no","code":"insufficient_balance"}',
    ],
)
def test_an_empty_account_is_not_tried_again(body):
    error = fail(429, body)
    assert type(error) is ModelRefused
    assert "no credit left" in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"too long","code":null}}', "too long"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "Overloaded"),
        (b'{"error":"model \\"x\\" not found, try pulling it first"}', 'model "x" not found, try pulling it first'),
        (b'[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]', "API key not valid"),
        (b'{"detail":"Not authenticated"}', "Not authenticated"),
        (b'{"detail":[{"loc":["body","x"],"msg":"bad"}]}', '[{"loc":["body","x"],"msg":"bad"}]'),
        (b'{"object":"error","message":"vllm says no","code":40001}', "vllm says no"),
        (b"plain text", "plain text"),
    ],
)
def test_the_providers_own_words_are_found(body, said):
    assert str(fail(400, body)).endswith(f"(HTTP 400): {said}")


@pytest.mark.parametrize("body", [b"", b"<html><body>502 Bad Gateway</body></html>", b"{}", b"[]", b"[1]x", b'{"error":{}}'])
def test_a_body_that_explains_nothing(body):
    assert str(fail(418, body)).split("(HTTP 418)")[1] in {"", ": [1]x"}


def test_messages_are_one_short_clean_line():
    text = "a\nb\x00c\x1b[31m\u202e" + "d" * 1000
    message = str(fail(400, b'{"error":{"message":%b}}' % __import__("msgspec").json.encode(text)))
    said = message.partition("(HTTP 400): ")[2]
    assert said.startswith("a b c [31m d")
    assert len(said) == MAX_MESSAGE_CHARS
    assert said.endswith("…")
    assert message.isprintable()


def test_no_message_holds_the_key():
    for status in (400, 401, 404, 429, 500):
        message = str(fail(status, f'{{"error":{{"message":"Incorrect API key: {KEY}."}}}}'.encode()))
        assert KEY not in message
        assert "[key]" in message
    assert KEY not in str(build_reply_error(f'{{"error":"{KEY}"}}'.encode(), PEER))


def test_a_placeholder_key_does_not_blot_out_words():
    peer = Peer("local:x", "http://127.0.0.1", "key", ("none", ""))
    assert "none of these" in str(build_status_error(400, lookup(), b"none of these", peer))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "1e99"}, 86_400.0),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after_ms": "x", "retry_after": "1"}, 1.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"x_ratelimit_reset_requests": "1s", "x_ratelimit_reset_tokens": "6m0s"}, 360.0),
        ({"x_ratelimit_reset_tokens": "20ms"}, 0.02),
        ({"x_ratelimit_reset_requests": "1h2m3.5s"}, 3723.5),
        ({"x_ratelimit_reset_requests": "12"}, 12.0),
        ({"x_ratelimit_reset_requests": "3 weeks"}, None),
        ({"retry_after": "2", "x_ratelimit_reset_tokens": "6m0s"}, 2.0),
    ],
)
def test_when_to_come_back(headers, seconds):
    assert read_retry_after_s(lookup(**headers)) == seconds


def test_errors_that_allow_a_retry_say_when():
    assert fail(429, retry_after="3").retry_after_s == 3.0
    assert fail(500, retry_after="4").retry_after_s == 4.0
    assert fail(429).retry_after_s is None


@given(st.integers(200, 599), st.binary(max_size=200), st.text(max_size=30))
def test_whatever_a_provider_answers_becomes_one_line(status, body, header):
    error = build_status_error(status, lambda _: header, body, PEER)
    assert str(error).isprintable()
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 86_400

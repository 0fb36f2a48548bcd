"""What an error answer means, in one line without secrets, and when to come back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ModelBroken, ModelOverloaded, ModelRefused
from surefoot.fallback import may_go_elsewhere
from surefoot.models.status import (
    MAX_MESSAGE_CHARS,
    MAX_RETRY_AFTER_S,
    Peer,
    _read_explanation,
    build_reply_error,
    build_status_error,
    read_retry_after_s,
)

KEY = "sk-very-secret-0123456789"
PEER = Peer("fake:m", "https://llm.example.com/v1", "FAKE_API_KEY", (KEY, "pass-word", "x"))


def build(status, body=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return build_status_error(status, named.get, body, PEER)


def explain(**error):
    return msgspec.json.encode({"error": error})


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, ModelRefused, "fake:m: the provider refuses the request (HTTP 400): no"),
        (401, ModelRefused, "fake:m: the provider refuses the key (HTTP 401), check FAKE_API_KEY: no"),
        (402, ModelRefused, "fake:m: the account has no credit left (HTTP 402): no"),
        (403, ModelRefused, "fake:m: the provider refuses the key (HTTP 403), check FAKE_API_KEY: no"),
        (
            404,
            ModelRefused,
            "fake:m: not found (HTTP 404), check the model's name and base_url https://llm.example.com/v1: no",
        ),
        (408, ModelBroken, "fake:m: the provider failed (HTTP 408): no"),
        (409, ModelOverloaded, "fake:m: the provider asks to come back later (HTTP 409): no"),
        (413, ModelRefused, "fake:m: the provider refuses the request (HTTP 413): no"),
        (422, ModelRefused, "fake:m: the provider refuses the request (HTTP 422): no"),
        (425, ModelOverloaded, "fake:m: the provider asks to come back later (HTTP 425): no"),
        (429, ModelOverloaded, "fake:m: the provider asks to come back later (HTTP 429): no"),
        (500, ModelBroken, "fake:m: the provider failed (HTTP 500): no"),
        (502, ModelBroken, "fake:m: the provider failed (HTTP 502): no"),
        (503, ModelOverloaded, "fake:m: the provider asks to come back later (HTTP 503): no"),
        (504, ModelBroken, "fake:m: the provider failed (HTTP 504): no"),
        (529, ModelOverloaded, "fake:m: the provider asks to come back later (HTTP 529): no"),
        (201, ModelBroken, "fake:m: the provider failed (HTTP 201): no"),
        (600, ModelBroken, "fake:m: the provider failed (HTTP 600): no"),
    ],
)
def test_each_status_has_its_error(status, kind, said):
    error = build(status, explain(message="no"))
    assert (type(error), error.status, str(error)) == (kind, status, said)


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://user:pass@new.example.com/v2?token=abc#x", "https://new.example.com/v2"),
        ("/v2/chat", "elsewhere"),
        (None, "elsewhere"),
        ("http://[::1", "elsewhere"),
    ],
)
def test_a_redirect_says_where_to(location, place):
    headers = {} if location is None else {"location": location}
    error = build(308, **headers)
    assert type(error) is ModelRefused
    assert str(error) == (
        f"fake:m: https://llm.example.com/v1 redirects to {place} (HTTP 308), set base_url to the right address"
    )


@pytest.mark.parametrize("field", ["code", "type"])
@pytest.mark.parametrize(
    "name", ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"]
)
def test_an_empty_account_does_not_fill_by_waiting(field, name):
    error = build(429, explain(message="Pay.", **{field: name}), retry_after="1")
    assert type(error) is ModelRefused
    assert str(error) == "fake:m: the account has no credit left (HTTP 429): Pay."
    assert (error.status, error.retry_after_s) == (402, None)


def test_an_empty_account_is_one_whatever_the_status_says():
    """Anthropic answers 400, and calls it an invalid request; the text is all there is to go by."""
    said = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"%s"}}' % said.encode()
    error = build(400, body)
    assert (type(error), error.status) == (ModelRefused, 402)
    assert str(error) == f"fake:m: the account has no credit left (HTTP 400): {said}"
    assert may_go_elsewhere(error)
    quoted = build(400, explain(message=f"cannot read the prompt: {said}"))
    assert quoted.status == 400
    assert not may_go_elsewhere(quoted)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (explain(message="Overloaded", type="overloaded_error"), "Overloaded"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}', "Overloaded"),
        (b'[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]', "Quota exceeded"),
        (b'{"error":"model is loading"}', "model is loading"),
        (b'{"object":"error","message":"vLLM says no","code":400}', "vLLM says no"),
        (b'{"detail":[{"loc":["body"],"msg":"field required"}]}', '[{"loc":["body"],"msg":"field required"}]'),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b"upstream connect error\r\n\treset", "upstream connect error reset"),
        (b"\xff\xfe no UTF-8", "\ufffd\ufffd no UTF-8"),
        (b"  <!DOCTYPE html><title>502</title>", ""),
        (b"[]", ""),
        (b"{}", ""),
        (b"", ""),
        (b'{"error":{"message":null}}', ""),
        (b'{"error":null,"message":"beside"}', "beside"),
    ],
)
def test_each_form_of_explanation_is_understood(body, said):
    assert str(build(500, body)) == "fake:m: the provider failed (HTTP 500)" + (f": {said}" if said else "")


def test_a_flood_of_brackets_is_an_error_like_any_other():
    flood = b'{"error":{"message":' + b"[" * 200_000 + b"}}"
    assert type(build(500, flood)) is ModelBroken
    assert type(build_reply_error(flood, PEER)) is ModelBroken


def test_a_flood_of_text_is_not_taken_apart():
    flood = b'{"error":{"message":"' + b"a" * (1 << 20) + b'"}}'
    assert str(build(500, flood)).startswith('fake:m: the provider failed (HTTP 500): {"error":{"message":"aaa')
    assert len(_read_explanation(flood[:1000] + b'"}}')[0]) < 1000
    for long in (flood, explain(message="a" * 100_000), b'{"error":"%b"}' % (b"a" * 100_000)):
        assert len(_read_explanation(long)[0]) == 64 << 10


def test_a_long_explanation_is_cut():
    error = build(400, explain(message="a" * 10_000))
    assert str(error).endswith("aa…")
    assert len(str(error)) < MAX_MESSAGE_CHARS + 100


@given(st.integers(100, 999), st.binary(max_size=60), st.text(max_size=60), st.booleans())
def test_no_message_holds_a_secret_or_a_second_line(status, raw, text, structured):
    said = f"{text} {KEY} pass-word\x1b[31m\n\u2028{text}{KEY}"
    error = build(status, explain(message=said) if structured else raw + said.encode("utf-8", "replace"))
    assert KEY not in str(error)
    assert "pass-word" not in str(error)
    assert str(error).isprintable()
    assert error.sent is isinstance(error, ModelBroken)
    assert error.retryable is not isinstance(error, ModelRefused)


def test_a_placeholder_for_a_key_does_not_blot_out_words():
    assert PEER.clean("extra x") == "extra x"
    assert PEER.clean(f"key={KEY};") == "key=[key];"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, MAX_RETRY_AFTER_S),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "nonsense", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "1e300"}, MAX_RETRY_AFTER_S),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:28:30 GMT"}, MAX_RETRY_AFTER_S),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00", "date": "Wed, 21 Oct 2015 07:28:30 GMT"}, None),
        ({"x-ratelimit-reset-requests": "20ms", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-requests": "2d"}, MAX_RETRY_AFTER_S),
        ({"x-ratelimit-reset-tokens": "12"}, 12.0),
        ({"x-ratelimit-reset-tokens": "12 parsecs"}, None),
        ({"retry-after": "soon", "x-ratelimit-reset-tokens": "4s"}, 4.0),
        ({"x-ratelimit-reset-tokens": "1" * 70}, None),
        ({"x-ratelimit-reset-tokens": "1" * 400_000}, None),  # which the regular expression would look at for hours
    ],
)
def test_when_to_come_back(headers, seconds):
    assert read_retry_after_s(headers.get) == seconds
    assert build_status_error(429, headers.get, b"", PEER).retry_after_s == seconds
    assert build_status_error(500, headers.get, b"", PEER).retry_after_s == seconds


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"context window","code":400}}', "context window"),
        (b"", "it cannot be read"),
        (b"<html>", "it cannot be read"),
    ],
)
def test_a_broken_reply_counts_as_billed(body, said):
    error = build_reply_error(body, PEER)
    assert str(error) == f"fake:m: the provider's reply is broken: {said}"
    assert (error.sent, error.retryable, error.status) == (True, True, 200)

"""What must not leave is taken out, the rest stays, and the spans say where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.guard.redact import (
    find_prompt_leak,
    is_luhn,
    neutralise_links,
    redact_personal,
    redact_prompt,
    redact_secrets,
)

GONE = [
    "![x](https://evil.test/p.png?d=1)",
    "[x](http://evil.test)",
    "[x](//evil.test/a)",
    "[x](https:\\\\evil.test/a)",
    "[x](https://evil.test 'title')",
    "[x](javascript:alert(1))",
    "![x](https://evil.test/a(b)c)",
    "[![x](https://docs.test/a)](https://evil.test)",
    "![x\ny](https://evil.test)",
    "![x](https://evil.test/cut",
    "[a [b] c](https://evil.test)",
    "[x](data:text/html,hi)",
    "![x](<https://evil.test/a>)",
    "[x](https://docs.test@evil.test/)",
    "[x](https://docs.test.evil.test/)",
    "[x](https://evil.test:443/)",
    "[x](https://ｅvil.test/)",
    "[x](https://[::1/)",
    "<img src=https://evil.test/a.png>",
    "<IMG alt='a' SRC='//evil.test/a.png'>",
    '<a href="https://evil.test">',
    "<iframe src=https://evil.test>",
    "[ref]: https://evil.test/x 'title'",
]
KEPT = [
    "![x](https://docs.test/p.png?d=1)",
    "[x](HTTPS://DOCS.TEST./a)",
    "[x](https://a.b.wild.test/)",
    "[x](/relative#there)",
    "[x](#anchor)",
    "<img src='logo.png'>",
    "<a name=here>",
    "plain https://evil.test text",
    "[ref]: https://docs.test/x",
    "array[0](x)",
    "no links at all",
]
ALLOWED = ["docs.test", "*.wild.test"]


@pytest.mark.parametrize("text", GONE)
def test_links_to_hosts_that_are_not_allowed_lose_their_address(text):
    made = (
        neutralise_links(f"see {text} there", ALLOWED)
        if not text.startswith("[ref")
        else neutralise_links(text, ALLOWED)
    )
    assert "evil" not in made.text.replace("ｅvil", "evil")
    assert "removed]" in made.text
    assert made.redactions


@pytest.mark.parametrize("text", KEPT)
def test_links_that_may_go_stay(text):
    assert neutralise_links(text, ALLOWED).text == text


def test_the_name_of_a_link_stays_and_its_span_is_told():
    made = neutralise_links("go ![cat](https://evil.test/c.png) now")
    assert made.text == "go cat [image removed] now"
    assert [(r.start, r.end, r.kind) for r in made.redactions] == [(3, 34, "image")]


def test_addresses_in_angle_brackets_go_if_asked():
    assert neutralise_links("<https://evil.test/a>").text == "<https://evil.test/a>"
    assert (
        neutralise_links("<https://evil.test/a> <https://docs.test>", ALLOWED, keep_plain=False).text
        == "[link removed] <https://docs.test>"
    )


SECRETS = {
    "anthropic": "sk-ant-api03-" + "a1B2" * 8,
    "openai": "sk-proj-" + "a1B2" * 8,
    "aws": "AKIA" + "A1B2" * 4,
    "google": "AIza" + "a1B2c" * 7,
    "github": "ghp_" + "a1B2" * 9,
    "gitlab": "glpat-" + "a1B2" * 5,
    "slack": "xoxb-" + "1234567890-a",
    "stripe": "sk_live_" + "a1B2" * 5,
    "huggingface": "hf_" + "a1B2" * 8,
    "sendgrid": "SG." + "a1B2" * 5 + "." + "a1B2" * 6,
    "npm": "npm_" + "a1B2" * 9,
    "pypi": "pypi-" + "a1B2" * 15,
    "telegram": "123456789:AA" + "a1B2c3D4e5F" * 3,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlX2hlcmU",
    "bearer": "Bearer " + "a1B2" * 8,
    "password": 'password = "hunter2hunter2"',
}


@pytest.mark.parametrize("kind", SECRETS)
def test_keys_of_known_providers_go(kind):
    secret = SECRETS[kind]
    made = redact_secrets(f"the key is {secret} ok")
    assert [redaction.kind for redaction in made.redactions] == [kind]
    assert "a1B2a1B2" not in made.text
    assert "hunter2" not in made.text
    assert made.text.startswith("the key is ")
    assert made.text.endswith(" ok")


def test_private_keys_and_passwords_in_addresses_go():
    made = redact_secrets(
        "x -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- y postgres://u:s3cret@db/x"
    )
    assert made.text == "x [private key removed] y postgres://u:[password removed]@db/x"
    assert redact_secrets("-----BEGIN PRIVATE KEY-----\ncut").text == "[private key removed]"


@pytest.mark.parametrize(
    "text",
    [
        "sk-",
        "task-force-of-many-people-in-a-row",
        "password: ",
        "the api key is in the vault",
        "a" * 64,
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact_secrets(text).text == text


def test_canaries_go_in_any_disguise_of_characters():
    made = redact_secrets("a CANARY-42-XYZ b c\u200banary-42-xyz c ｃａｎａｒｙ-42-xyz", ["canary-42-xyz"])
    assert made.text == "a [removed] b [removed] c [removed]"
    with pytest.raises(AssertionError):
        redact_secrets("x", ["short"])


def test_personal_data_goes():
    made = redact_personal("Ann <ann@mail.test>, +49 151 2345 6789, card 4111 1111 1111 1111.")
    assert made.text == "Ann <[email removed]>, [phone removed], card [card removed]."
    kept = "order 4111111111111112x, 2026-11-28, 192.168.0.10, version 1.2.3, 12 apples, 28.11.2026"
    assert redact_personal(kept).text == kept


@pytest.mark.parametrize(
    ("digits", "valid"),
    [("4111111111111111", True), ("4111111111111112", False), ("79927398713", True), ("0", True), ("1", False)],
)
def test_luhn(digits, valid):
    assert is_luhn([int(digit) for digit in digits]) is valid


PROMPT = (
    "You are the order desk of a shop. Never give a discount above ten per cent, and never name the warehouse in Kiel."
)


def test_a_leaked_prompt_is_found_in_any_case_and_spacing():
    answer = "My rules: NEVER give a discount\nabove ten per cent — and never name the warehouse, that is all."
    ((start, end),) = find_prompt_leak(answer, PROMPT)
    assert answer[start:end] == "NEVER give a discount\nabove ten per cent — and never name the warehouse"
    assert redact_prompt(answer, PROMPT).text == "My rules: [removed], that is all."


def test_an_answer_in_words_of_its_own_is_no_leak():
    assert find_prompt_leak("We never give a discount above eight per cent.", PROMPT) == ()
    assert find_prompt_leak("anything", "") == ()
    assert find_prompt_leak("be kind to all", "Be kind") == ((0, 7),)


@given(
    st.text(st.characters(codec=None), max_size=200),
    st.lists(st.sampled_from(GONE + KEPT + list(SECRETS.values())), max_size=4),
)
def test_nothing_raises_spans_are_in_order_and_a_second_pass_finds_nothing_more(noise, pieces):
    text = noise.join([*pieces, ""])
    for clean in (
        lambda t: neutralise_links(t, ALLOWED),
        redact_secrets,
        redact_personal,
        lambda t: redact_prompt(t, PROMPT),
    ):
        made = clean(text)
        places = [place for redaction in made.redactions for place in (redaction.start, redaction.end)]
        assert places == sorted(places)
        assert all(0 <= place <= len(text) for place in places)
    assert redact_prompt(redact_prompt(text, PROMPT).text, PROMPT).redactions == ()

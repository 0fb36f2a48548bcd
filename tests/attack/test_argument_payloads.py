"""Attack payloads against typed arguments, and honest calls beside them: both shares are printed, both have a bar."""

import gzip
import itertools
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pytest
from tests.attack.benign import benign

from surefoot import ToolError, tool
from surefoot.arguments import (
    EmailAddress,
    Hosts,
    Identifier,
    PlainText,
    SafeUrl,
    ShellWord,
    SqlIdentifier,
    SqlText,
    Within,
)

CORPUS = Path(__file__).parent / "corpus" / "payloads.jsonl.gz"

NOT_ATTACKS = {
    # Names of files inside the root: who may read the root may read them. `suffixes=` is there for the rest.
    "path": "index.php.bak index.php.old index.php~ index.php.swp index.php.save config.php.bak web.config.bak index.php.txt "
    "index.phps index.php.source index.php.orig",
    # Names of public hosts that resolve to public addresses; the attack would be in the redirect, where `follow` stands.
    "url": "http://1.2.3.4.xip.io http://nip.io/ http://169.254.169.254.evil.com/ "
    "http://evil.com/redirect?url=http://169.254.169.254/latest/meta-data/",
    # Single words out of the list's own test scripts, and a line of a zip listing.
    "markup": "alert =alert onerror ONERROR oNeRrOr svg xss-svg onfocus post-multipart-like POST-gp-svg-on img onload script "
    "onstart onmouseover [Content_Types].xml:",
}


def name_server(host, port):
    """As the internet has it: names that stand for the address inside them, and names that stand for loopback."""
    found = re.search(r"(\d+\.\d+\.\d+\.\d+)\.(?:nip|xip|sslip)\.io$", host)
    if found:
        return [found[1]]
    return (
        ["127.0.0.1"]
        if host in {"localtest.me", "spoofed.burpcollaborator.net"}
        else ["93.184.215.14", "2606:2800:21f::1"]
    )


TYPES: dict[str, Any] = {
    "path": Annotated[Path, Within("/srv/files")],
    "url": Annotated[SafeUrl, Hosts(resolve=name_server)],
    "redirect": Annotated[SafeUrl, Hosts("example.com", "target.com", resolve=name_server)],
    "shell": ShellWord,
    "sql": SqlText,
    "template": PlainText,
    "markup": PlainText,
    "header": PlainText,
    "directory": Identifier,
    "column": SqlIdentifier,
    "email": EmailAddress,
}


def take(kind):
    def target(value: kind) -> None: ...

    return tool(target)


TOOLS = {name: take(kind) for name, kind in TYPES.items()}


def call(kind, text):
    """What a tool with one argument of this kind would get. Raises `ToolError`."""
    target = TOOLS[kind]
    arguments = target.decode(json.dumps({"value": text}))
    return (target.settle(arguments) if target.settle else arguments)["value"]


def is_refused(kind, text):
    try:
        call(kind, text)
    except ToolError:
        return True
    return False


def payloads():
    rows = [json.loads(line) for line in gzip.decompress(CORPUS.read_bytes()).decode().splitlines()]
    return [(row["kind"], row["text"]) for row in rows]


def is_attack(kind, text):
    return kind in TYPES and text not in NOT_ATTACKS.get(kind, "").split(" ")


CLOSED = [
    "127.0.0.1",
    "169.254.169.254",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.100.100.200",
    "0.0.0.0",
    "168.63.129.16",
]
CLOSED_NAMES = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "metadata.google.internal",
    "db",
    "nas.local",
    "ⓛocalhost",
    "ｌocalhost",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
]
URLS = """http://user@example.com/|http://example.com@127.0.0.1/|http://127.0.0.1\\@example.com/|http://example.com\t.evil.com/|gооgle|//example.com|https:example.com|
file:///etc/passwd|http://exаmple.com/|http://[::1]/|http://[fe80::1%25eth0]/|http://example.com:22/|http://xn--/|http://example.com/%0d%0aX:1""".replace(
    "\n", ""
).split("|")
DOTS = ["..", "．．", "․․", "‥", "%2e%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "%u002e%u002e", ".. ", "...", "..;"]
SLASHES = ["/", "\\", "∕", "⁄", "／", "＼", "%2f", "%5c", "%c0%af", "%u2215"]
PATHS = [
    "CON",
    "nul.txt",
    "a/aux.c",
    "com1",
    "LPT9.log",
    "COM¹",
    "CONIN$",
    "C:/x",
    "c:x",
    "Ｃ:/x",
    "f.txt:stream",
    "f::$DATA",
    "//srv/share",
    "~/x",
    "~root/x",
    "$HOME/x",
    "x\x00.txt",
    ".env",
    "a/.git/config",
    "*",
    "a|b",
    "`id`",
    "$(id)",
]
HIDDEN = "\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\u00ad\u061c\u180e\u3164\ue000\U000e0041\U000e0001\x00\x07\x1b\x7f\x85\u2028\ufff9\ufffe"
HOLES = {
    "path": "docs/{}a.txt",
    "url": "https://example.com/{}a",
    "shell": "a{}b",
    "sql": "a{} b",
    "template": "Hello {}Anna",
    "directory": "a{}b",
    "email": "a{}b@example.com",
}
TEXTS = [
    "＜script＞",
    "＜img src＝x",
    "｛｛7*7｝｝",
    "＄｛7*7｝",
    "﹛﹛x﹜﹜",
    "𝐣𝐚𝐯𝐚𝐬𝐜𝐫𝐢𝐩𝐭:alert",
    "a\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
    "a\u200db",
    "x\ufe0f",
]
SIGNS = ";|&$`<>(){}[]!*?\"'\\ \n\t#~^；｜＆＄｀＜＞"
WORDS = ["-rf", "--output=x", "~", "=ls", ""]


def tricks():
    """Our own grammar: honest texts with one trick each, and the same place in every notation."""
    yield from (("url", f"http://{host}/") for address in CLOSED for host in notations(address))
    yield from (("url", f"http://{host}/") for host in CLOSED_NAMES)
    yield from (("url", url) for url in URLS)
    for dots, slash, depth in itertools.product(DOTS, SLASHES, (1, 2, 5)):
        yield "path", f"docs/{(dots + slash) * depth}etc/passwd"
    yield from (("path", name) for name in [*PATHS, "prn .txt"])
    yield from ((kind, text.format(character)) for character in HIDDEN for kind, text in HOLES.items())
    yield from (("template", text) for text in TEXTS)
    yield from ((kind, f"a{sign}b") for sign in SIGNS for kind in ("shell", "column", "directory"))
    yield from (("shell", text) for text in WORDS)


def notations(address):
    parts = [int(part) for part in address.split(".")]
    number = int.from_bytes(bytes(parts))
    high, low = number >> 16, number & 0xFFFF
    yield address
    yield from (
        str(number),
        hex(number),
        oct(number).replace("0o", "0"),
        f"0X{number:08X}",
        f"{number}.",
        f"{address}.",
    )
    yield from (
        ".".join(f"0{part:o}" for part in parts),
        ".".join(hex(part) for part in parts),
        ".".join(f"{part:03d}" for part in parts),
    )
    yield from (
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{low}",
        f"0x{parts[0]:x}.{parts[1]}.0{low:o}",
    )
    yield from (
        f"[::ffff:{address}]",
        f"[::ffff:{high:x}:{low:x}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[2002:{high:x}:{low:x}::1]",
        f"[64:ff9b:1::{address}]",
    )
    yield from (
        f"{address}.nip.io",
        f"x.{address}.sslip.io",
        f"user@{address}",
        f"{address}%00",
        "．".join(map(str, parts)),
        "。".join(map(str, parts)),
    )
    yield (
        unicodedata.normalize("NFKC", address).translate({ord("1"): "①", ord("0"): "⓪"})
        if set(address) & {"0", "1"}
        else address
    )


def report(capsys, what, refused, asked):
    with capsys.disabled():
        shares = ", ".join(f"{kind} {refused[kind]}/{asked[kind]}" for kind in sorted(asked))
        share = refused.total() / asked.total()
        print(f"\n{what}: {refused.total()} of {asked.total()} refused ({share:.2%}): {shares}")
    return refused.total() / asked.total()


def test_attacks_are_refused(capsys):
    attacks = [(kind, text) for kind, text in payloads() if is_attack(kind, text)]
    passed = [(kind, text) for kind, text in attacks if not is_refused(kind, text)]
    asked = Counter(kind for kind, _ in attacks)
    share = report(capsys, "attack payloads of the list", asked - Counter(kind for kind, _ in passed), asked)
    assert len(attacks) >= 2_000
    assert share >= 0.999, passed


def test_what_is_left_out_is_in_the_list_and_is_not_refused():
    known = set(payloads())
    left_out = [(kind, text) for kind, texts in NOT_ATTACKS.items() for text in texts.split(" ")]
    assert [row for row in left_out if row not in known or is_refused(*row)] == []
    assert len(left_out) <= 31


def test_tricks_of_our_own_are_refused(capsys):
    attacks = list(dict.fromkeys(tricks()))
    passed = [(kind, text) for kind, text in attacks if not is_refused(kind, text)]
    asked = Counter(kind for kind, _ in attacks)
    report(capsys, "tricks of our grammar", asked - Counter(kind for kind, _ in passed), asked)
    assert passed == []


def test_honest_calls_are_not_refused(capsys):
    calls = benign()
    refused = [(kind, text) for kind, text in calls if is_refused(kind, text)]
    asked = Counter(kind for kind, _ in calls)
    share = report(capsys, "honest calls", Counter(kind for kind, _ in refused), asked)
    assert len(calls) >= 2_000
    assert share <= 0.005, refused


@pytest.mark.parametrize("kind", TYPES)
def test_naughty_strings_are_taken_or_refused_and_nothing_else(kind):
    results = [is_refused(kind, text) for _, text in payloads()]
    assert any(results)
    for _, text in payloads():
        if not is_refused(kind, text):
            call(kind, str(call(kind, text)))  # what was taken is taken again as it came out


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "a-",
        "\u200d",
        "é\u200d",
        "union select ",
        "{",
        "<",
        "&a",
        "a.",
        "../",
        "onload ",
        '"',
        "%2",
        "@",
        "xn--",
        "\u0301",
        "(",
        "a='",
        "_",
    ],
)
def test_a_long_argument_takes_no_longer_than_its_length(kind, piece):
    """900,000 bytes; what takes quadratic time would not end within the test's own limit."""
    assert is_refused(kind, "a" + piece * (900_000 // len(piece.encode()) // 3) + ";") or kind == "template"

import asyncio
import http.server
import json
import os
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Generic, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pydantic
import pytest
from pyreqwest.client import ClientBuilder

from surefoot import Agent, Runtime, ToolError, tool
from surefoot.arguments import (
    ArgumentLimits,
    Check,
    EmailAddress,
    Hosts,
    Identifier,
    MaxLength,
    Plain,
    PlainText,
    SafeUrl,
    ShellWord,
    SqlIdentifier,
    SqlText,
    Within,
    Word,
)
from surefoot.errors import ConfigError
from surefoot.schema import encode_json, make_decoder, to_plain
from surefoot.settling import call_settled
from surefoot.testing import ScriptedModel, call, say
from surefoot.threads import ToolThreads

T = TypeVar("T")
File = Annotated[Path, Within("/srv/files")]


@dataclass(frozen=True, slots=True)
class Frozen:
    word: ShellWord
    where: File | None = None
    many: list[Identifier] = field(default_factory=list)


class Record(msgspec.Struct, frozen=True, rename="camel"):
    some_word: ShellWord


class Pair(NamedTuple):
    left: ShellWord
    right: int = 0


class Typed(TypedDict, total=False):
    word: ShellWord


@dataclass
class Node:
    word: ShellWord
    next: "Node | None" = None


@dataclass
class Box(Generic[T]):
    item: T


class Model(pydantic.BaseModel):
    word: ShellWord


Word_ = NewType("Word_", ShellWord)


def decode(kind, value):
    return make_decoder(kind)(json.dumps(value))


@pytest.mark.parametrize(
    ("kind", "good", "bad", "where"),
    [
        (ShellWord, "a", "a;b", "$"),
        (ShellWord | None, "a", "a;b", "$"),
        (ShellWord | int, "a", "a;b", "$"),
        (ShellWord | list[int], [1], "a;b", "$"),
        (list[ShellWord], ["a"], ["a", "b;"], "$[1]"),
        (tuple[ShellWord, ...], ["a"], ["a", "b;"], "$[1]"),
        (tuple[int, ShellWord], [1, "a"], [1, "a;"], "$[1]"),
        (set[ShellWord], ["a"], ["b;"], "$[0]"),
        (dict[str, ShellWord], {"k": "a"}, {"k": "a;"}, "$[...]"),
        (dict[ShellWord, int], {"k": 1}, {"k;": 1}, "$[...]"),
        (Frozen, {"word": "a"}, {"word": "a;"}, "$.word"),
        (Frozen, {"word": "a", "many": ["b"]}, {"word": "a", "many": ["b", "c d"]}, "$.many[1]"),
        (Frozen, {"word": "a", "where": "b"}, {"word": "a", "where": "../b"}, "$.where"),
        (Record, {"someWord": "a"}, {"someWord": "a;"}, "$.someWord"),
        (Pair, ["a", 1], ["a;", 1], "$.left"),
        (Typed, {"word": "a"}, {"word": "a;"}, "$.word"),
        (Typed, {}, {"word": "a;"}, "$.word"),
        (
            Node,
            {"word": "a", "next": {"word": "b"}},
            {"word": "a", "next": {"word": "b", "next": {"word": "c;"}}},
            "$.next.next.word",
        ),
        (Annotated[list[ShellWord], MaxLength(1)], ["a"], ["a", "b"], "$"),
        (Annotated[list[ShellWord], MaxLength(1)], ["a"], ["a;"], "$[0]"),
        (Annotated[ShellWord, "described"], "a", "a;", "$"),
        (Word_, "a", "a;", "$"),
        (list[SafeUrl], ["https://a.com"], ["http://10.0.0.1"], "$[0]"),
        (dict[str, list[File]], {"k": ["a"]}, {"k": ["/etc"]}, "$[...][0]"),
    ],
)
def test_a_check_holds_wherever_it_stands(kind, good, bad, where):
    decode(kind, good)
    with pytest.raises(msgspec.ValidationError, match=r"The value .*at") as caught:
        decode(kind, bad)
    assert str(caught.value).endswith(f"- at `{where}`")


@pytest.mark.parametrize("kind", [Model, list[Model], Box[ShellWord], Model | None])
def test_a_check_that_would_not_be_applied_is_no_type(kind):
    with pytest.raises(TypeError, match="would not be applied"):
        make_decoder(kind)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Annotated[int, MaxLength(3)], "MaxLength is for"),
        (Annotated[str, Within("/a")], "Within is for Path, not for str"),
        (Annotated[str | None, Plain()], "Plain is for str"),
        (Path, "needs its folders"),
        (list[Path], "needs its folders"),
    ],
)
def test_a_check_on_the_wrong_type_is_an_error_of_the_author(kind, problem):
    def f(x: kind) -> None: ...

    with pytest.raises(ConfigError, match=problem):
        tool(f)


def test_a_tool_says_what_was_wrong_and_what_is_expected():
    @tool
    def send(
        to: list[EmailAddress],
        page: SafeUrl,
        where: Annotated[Path, Within("/srv/files", suffixes=(".pdf",)), "The file."],
    ) -> None:
        """Send.

        Args:
            to: Who gets it.
            page: A page.
        """

    properties = send.spec.parameters["properties"]
    assert properties["page"] == {
        "type": "string",
        "format": "uri",
        "maxLength": 4096,
        "description": "A page. URL with https or http of a public host, without user or password",
    }
    assert properties["to"]["description"] == "Who gets it."
    assert properties["to"]["items"]["format"] == "email"
    assert (
        properties["where"]["description"]
        == "The file. Path of a file or folder inside /srv/files, ending in .pdf, without `..`"
    )
    arguments = {"to": ["a@b.com"], "page": "https://a.com", "where": "a.txt"}
    with pytest.raises(ToolError) as caught:
        send.decode(json.dumps(arguments))
    assert str(caught.value).startswith(
        "Wrong arguments: The value must end in .pdf - at `$.where`. Expected for `where`: {"
    )
    with pytest.raises(ToolError, match="not empty"):
        send.decode(json.dumps(arguments | {"where": ""}))
    for wrong, name in ((7, "int"), (None, "null"), (["a"], "array"), ({}, "object"), (True, "bool"), (0.5, "float")):
        with pytest.raises(ToolError, match=f"Expected `str`, got `{name}` - at `\\$.where`"):
            send.decode(json.dumps(arguments | {"where": wrong}))


def test_a_default_is_checked_where_the_tool_is_made_and_never_changed():
    shared, sentinel = Frozen("a", Path("b")), object()

    def good(x: Frozen = shared, y: ShellWord | None = None, z: ShellWord = sentinel) -> None: ...

    def bad(x: ShellWord = "a b") -> None: ...

    decoded = tool(good).decode("{}")
    assert decoded["x"].where == Path("/srv/files/b")
    assert shared.where == Path("b")
    assert decoded["z"] is sentinel
    with pytest.raises(ConfigError, match="parameter 'x': default 'a b'"):
        tool(bad)


def test_values_have_a_json_form():
    url = decode(SafeUrl, "https://a.com/x")
    assert to_plain({"p": Path("/a"), "u": url}) == {"p": "/a", "u": "https://a.com/x"}
    assert encode_json([url]) == b'["https://a.com/x"]'
    assert repr(url) == "SafeUrl('https://a.com/x')"
    assert {url: 1}[decode(SafeUrl, "HTTPS://A.com:443/x")] == 1
    assert url != "https://a.com/x"


# --- sizes ------------------------------------------------------------------------------------------------------------


def anything(limits):
    def f(x: object = None, y: str = "") -> None: ...

    f.__annotations__ = {"x": list | dict | None, "y": str}
    return tool(f, argument_limits=limits)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"y": "' + "a" * 100 + '"}', "more than 60 bytes"),
        ('{"y": "' + "ế" * 20 + '"}', "more than 60 bytes"),
        ('{"x": [[[[1]]]]}', "more than 3 deep"),
        ('{"x": [1,2,3,4,5,6,7,8,9]}', "more than 8 values"),
        ('{"x": [{}]' + "[" * 30, "more than 3 deep"),
    ],
)
def test_arguments_that_are_too_large(text, problem):
    with pytest.raises(ToolError, match=problem):
        anything(ArgumentLimits(nbytes=60, depth=3, items=8)).decode(text)


@pytest.mark.parametrize("text", ['{"x": [[1,2],3]}', '{"y": "[[[[[[[,,,,,,,,,,,,,,"}', '{"y": "\\\\\\"[[[[[[[[["}'])
def test_arguments_of_the_largest_size(text):
    assert anything(ArgumentLimits(nbytes=60, depth=3, items=8)).decode(text)


def test_a_million_quotes_are_scanned_once():
    with pytest.raises(ToolError):
        anything(ArgumentLimits()).decode('{"x": [' + "[" * 40 + '"' + '\\"' * 400_000)


@pytest.mark.parametrize("limits", [{"nbytes": 0}, {"depth": -1}, {"items": None}, {"items": True}])
def test_a_size_is_a_number(limits):
    with pytest.raises(ConfigError, match="must be an int, 1 or more"):
        ArgumentLimits(**limits)


# --- paths ------------------------------------------------------------------------------------------------------------


def settle(kind, value):
    def f(x: kind) -> None: ...

    made = tool(f)
    return made.settle(made.decode(json.dumps({"x": value})))["x"]


def test_symbolic_links_are_followed_and_may_not_lead_out(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "a", outside):
        folder.mkdir(parents=True)
    (root / "a" / "f.txt").write_text("in")
    (outside / "secret").write_text("out")
    (root / "in").symlink_to("a")
    (root / "out").symlink_to(outside)
    (root / "up").symlink_to("../outside/secret")
    (root / "round").symlink_to("round")
    os.mkfifo(root / "pipe")
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    kind = Annotated[Path, Within(linked)]
    assert settle(kind, "in/f.txt") == (root / "a" / "f.txt").resolve()
    assert settle(kind, "new/file.txt") == root.resolve() / "new" / "file.txt"
    assert settle(kind, str(linked / "a")) == (root / "a").resolve()
    for name in ("out/secret", "up", "out", "out/new.txt"):
        with pytest.raises(ToolError, match="through a symbolic link"):
            settle(kind, name)
    for name in ("pipe", "round"):
        with pytest.raises(ToolError, match=r"neither a file nor a folder|cannot be followed"):
            settle(kind, name)


def test_several_folders_and_hidden_names():
    kind = Annotated[Path, Within("/srv/a", "/srv/b", hidden=True)]
    assert decode(kind, "x") == Path("/srv/a/x")
    assert decode(kind, "/srv/b/.env") == Path("/srv/b/.env")
    assert decode(Annotated[Path, Within("/")], "/etc//./hosts") == Path("/etc/hosts")
    assert decode(kind, ".") == Path("/srv/a")
    with pytest.raises(msgspec.ValidationError, match="is outside"):
        decode(kind, "/srv/c/x")
    with pytest.raises(msgspec.ValidationError, match="is outside"):
        decode(kind, "/srv/ab")


@pytest.mark.parametrize("text", ["a" * 256, "/".join(["abcdefgh"] * 600)])
def test_long_paths(text):
    with pytest.raises(msgspec.ValidationError, match="bytes"):
        decode(File, text)


@pytest.mark.parametrize("make", [Within, lambda: Within("a"), lambda: Within("/a", suffixes=("pdf",))])
def test_within_of_nothing(make):
    with pytest.raises(ConfigError, match="Within"):
        make()


# --- urls -------------------------------------------------------------------------------------------------------------


def public(host, port):
    return ["93.184.215.14", "93.184.215.14", "2606:2800:21f::1"]


def test_a_url_is_resolved_once_and_pinned():
    asked = []

    def rebinding(host, port):
        asked.append((host, port))
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    url = settle(Annotated[SafeUrl, Hosts(resolve=rebinding)], "https://Bücher.example:8443/ä?q=ü#x")
    assert (url.scheme, url.host, url.port, url.addresses) == (
        "https",
        "xn--bcher-kva.example",
        8443,
        ("93.184.215.14",),
    )
    assert str(url) == "https://xn--bcher-kva.example:8443/%C3%A4?q=%C3%BC#x"
    assert url.rule.settle(url) is url
    assert asked == [("xn--bcher-kva.example", 8443)]
    with pytest.raises(ToolError, match=r"The redirect of https://.* was not followed: its target .*private network"):
        url.follow("https://bücher.example/")


def test_a_redirect_is_checked_like_the_first():
    url = settle(Annotated[SafeUrl, Hosts("*.example.com", resolve=public)], "https://www.example.com/a/b")
    assert url.follow("../c?d").text == "https://www.example.com/c?d"
    for target in ("http://169.254.169.254/", "https://example.com/", "file:///etc/passwd", "//evil.com"):
        with pytest.raises(ToolError, match="was not followed"):
            url.follow(target)


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["nonsense"],
        ["224.0.0.1"],
        ["100.64.0.1"],
        ["168.63.129.16"],
        ["2001::1"],
    ],
)
def test_a_host_with_one_closed_address_is_closed(addresses):
    with pytest.raises(ToolError, match="private network"):
        settle(Annotated[SafeUrl, Hosts(resolve=lambda host, port: addresses)], "https://example.com")


def test_a_host_without_an_address():
    def fail(host, port):
        raise socket.gaierror(-2, "no")

    for resolve in (fail, lambda host, port: []):
        with pytest.raises(ToolError, match="has no address"):
            settle(Annotated[SafeUrl, Hosts(resolve=resolve)], "https://example.com")


def test_the_system_resolves_and_addresses_stand_for_themselves():
    assert settle(Annotated[SafeUrl, Hosts()], "https://1.1.1.1/").addresses == ("1.1.1.1",)
    assert settle(SafeUrl, "https://[2606:4700::1]:8443/").addresses == ("2606:4700::1",)
    with pytest.raises(ToolError, match="private network"):
        settle(Annotated[SafeUrl, Hosts("localhost", private=False)], "http://localhost/")
    assert "127.0.0.1" in settle(Annotated[SafeUrl, Hosts("localhost", private=True)], "http://localhost/").addresses


def test_a_private_network_is_named_and_its_metadata_stays_closed():
    kind = Annotated[
        SafeUrl,
        Hosts(
            "10.0.0.5",
            "*.corp",
            "169.254.169.254",
            "[fd00::1]",
            "[::ffff:169.254.169.254]",
            private=True,
            resolve=lambda host, port: ["169.254.169.254"],
        ),
    ]
    assert settle(kind, "http://10.0.0.5:8080/").addresses == ("10.0.0.5",)
    assert settle(kind, "http://[fd00::1]/").addresses == ("fd00::1",)
    for url in ("http://169.254.169.254/", "http://wiki.corp/", "http://10.0.0.6/", "http://[::ffff:169.254.169.254]/"):
        with pytest.raises(ToolError):
            settle(kind, url)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https://a.com/" + "a" * 5000, "longer than"),
        ("https://a.com:0/", "port 0"),
        ("https://a.com:/", "wrong port"),
        ("https:///a", "no host"),
        ("https://" + "a" * 64 + ".com", "no name"),
        ("https://" + ".".join(["a" * 60] * 5), "more than 253"),
        ("https://" + "é" * 60 + ".com", "too long a name"),
        ("https://256.1.1.1/", "wrong IP"),
        ("https://[1::2::3]/", "wrong IPv6"),
        ("https://a☃.com", "no name"),
        ("https://faß.de", "stand for others"),
        ("https://xn--a.com", "punycode"),
        ("https://ab--c.com", "punycode"),
        ("https://-é.com", "begins with a hyphen"),
        ("https://a.com/{x}", "percent-encode"),
        ("https://a.com?@b.com", "before `\\?`"),
    ],
)
def test_urls_that_are_wrong(text, problem):
    with pytest.raises(msgspec.ValidationError, match=problem):
        decode(SafeUrl, text)


@pytest.mark.parametrize(
    "options", [{"schemes": ("ftp",)}, {"schemes": ()}, {"ports": (0,)}, {"ports": ()}, {"private": True}]
)
def test_hosts_of_nothing(options):
    with pytest.raises(ConfigError, match="Hosts"):
        Hosts(**options)


def test_a_host_that_is_no_host():
    with pytest.raises(ConfigError, match="write a host as"):
        Hosts("https://example.com")


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        (Identifier, "a b", "not an identifier"),
        (Identifier, "a" * 129, "129 characters"),
        (SqlIdentifier, "public.select", "reserved word"),
        (SqlIdentifier, "a.b.c.d", "not a name of a table"),
        (ShellWord, "", "is empty"),
        (SqlText, "a" * 1001, "1001 characters"),
        (PlainText, "a" * 10_001, "10001 characters"),
        (PlainText, "a\nb", "U\\+000A"),
        (EmailAddress, "Anna <a@b.com>", "no e-mail address"),
        (EmailAddress, "a@localhost", "no public host"),
        (EmailAddress, "a@[127.0.0.1]", "IPv6|no public host"),
        (Annotated[dict[str, int], MaxLength(0)], {"a": 1}, "1 items"),
    ],
)
def test_words_that_are_refused(kind, text, problem):
    with pytest.raises(msgspec.ValidationError, match=problem):
        decode(kind, text)


def test_lines_where_they_are_allowed():
    assert decode(Annotated[str, Plain(lines=True, most=20)], "one\r\n\ttwo") == "one\r\n\ttwo"


def test_a_check_of_ones_own():
    class Even(Check):
        kinds = (int,)

        def schema(self, kind):
            return {"multipleOf": 2}

        def read(self, value):
            if value % 2:
                raise ValueError("is odd: give an even number")
            return value

    kind = Annotated[int, Even()]
    assert decode(kind, 4) == 4
    with pytest.raises(msgspec.ValidationError, match="is odd"):
        decode(kind, 3)
    with pytest.raises(NotImplementedError):
        Check().schema(int)
    with pytest.raises(NotImplementedError):
        Check().read(1)
    assert decode(Annotated[str, Word("a colour", "^(?:red|green)$", "red or green")], "red") == "red"
    with pytest.raises(ConfigError, match="0 or more"):
        MaxLength(-1)
    for wrong in ("2", 2.5, True):
        with pytest.raises(ConfigError, match="must be a whole number"):
            MaxLength(wrong)
    with pytest.raises(ConfigError, match="is no regular expression: missing"):
        Word("a colour", "^(red$", "red")
    with pytest.raises(ConfigError, match=r"Within\('files'\): give absolute folders"):
        Within("files")
    with pytest.raises(ConfigError, match=r"Within\(5\): each folder must be a str or a Path"):
        Within(5)
    assert repr(Within("/srv")) == "Within(...)"  # in errors
    assert MaxLength(2).schema(list[int]) == {"maxItems": 2}
    assert MaxLength(2).schema(dict[str, int]) == {"maxProperties": 2}


# --- a run ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("address", ["93.184.215.14", "10.0.0.1"])
def test_the_runtime_settles_in_a_thread_before_the_tool_runs(is_async, address, tmp_path):
    seen, threads = [], []

    def resolve(host, port):
        threads.append(threading.current_thread())
        return [address]

    Url = Annotated[SafeUrl, Hosts(resolve=resolve)]  # noqa: N806 - a type

    def fetch(url: Url) -> str:
        """Fetch."""
        seen.append(url.addresses)
        return "page"

    async def fetch_async(url: Url) -> str:
        """Fetch."""
        return fetch(url)

    made = tool(fetch_async if is_async else fetch, effect="read", name="fetch")
    model = ScriptedModel([call("fetch", url="https://example.com/"), say("done")])

    async def go():
        async with Runtime(tmp_path / "runs.db") as runtime:
            return await runtime.run(Agent(model, tools=[made]), "Read it.")

    result = asyncio.run(go())
    content = result.messages[-2]
    if address == "10.0.0.1":
        assert "private network" in str(content)
        assert seen == []
    else:
        assert "page" in str(content)
        assert seen == [(address,)]
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_a_call_that_finds_no_thread_is_not_made():
    threads, held, made = ToolThreads(1, max_waiting=0), threading.Event(), []
    job = threads.submit(held.wait)
    try:
        with pytest.raises(ToolError, match="wait for a thread already"):
            await call_settled(dict, made.append, {}, threads)
    finally:
        held.set()
        await job.outcome
        threads.close()
    assert made == []


async def test_a_client_that_is_given_the_addresses_asks_no_name_server():
    """As docs/arguments.md has it; the name exists nowhere but in the resolver."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["Host"].encode())

        def log_message(self, *args):
            """Silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        server.timeout = 20
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        port = server.server_port
        rule = Hosts("pinned.corp", ports=(port,), private=True, resolve=lambda host, port: ["127.0.0.1"])
        url = settle(Annotated[SafeUrl, rule], f"http://pinned.corp:{port}/")
        builder = ClientBuilder().no_proxy().follow_redirects(False)
        builder = builder.resolve(url.host, url.addresses[0], url.port)
        async with builder.build() as client:
            text = await (await client.get(url.text).build().send()).text()
        thread.join()
    assert text == f"pinned.corp:{port}"

"""What you say of a server and its tools: in Python and in surefoot.toml."""

import sys

import pytest

from surefoot import Agent
from surefoot.config import load_settings
from surefoot.errors import ConfigError
from surefoot.mcp import McpServer
from surefoot.mcp.definition import Definition
from surefoot.mcp.given import mask_secrets
from surefoot.mcp.lock import Lock
from surefoot.read_more import READ_MORE
from surefoot.secret import KNOWN
from surefoot.testing import ScriptedModel

SCHEMA = {"type": "object", "properties": {"to": {"type": "string", "default": "eve@evil.org"}}, "required": []}
SEND = Definition("send.mail", "Sends.", SCHEMA)
READ = Definition("read_mail", "Reads.", SCHEMA)


@pytest.fixture
def lock(tmp_path):
    made = Lock(tmp_path / "surefoot.mcp.lock")
    made.write("mail", {"send.mail": SEND, "read_mail": READ})
    return made.path


def names(server):
    return [tool.spec.name for tool in server.tools]


def test_names_are_those_that_providers_take(lock):
    assert names(McpServer.stdio("mail", name="mail", lock=lock)) == ["mail_read_mail", "mail_send_mail"]
    assert names(McpServer.stdio("mail", name="mail", lock=lock, prefix="")) == ["read_mail", "send_mail"]
    named = McpServer.stdio("mail", name="mail", lock=lock, tools={"send.mail": {"name": "post"}})
    assert names(named) == ["mail_read_mail", "post"]


def test_two_servers_with_a_tool_of_one_name_are_one_clear_error(lock):
    lock_too = Lock(lock)
    lock_too.write("post", lock_too.read("mail") or {})
    servers = [McpServer.stdio("x", name=name, lock=lock, prefix="") for name in ("mail", "post")]
    with pytest.raises(ConfigError, match=r"two tools are called '.*': rename one .* of an MCP server by its prefix"):
        Agent(ScriptedModel([]), tools=[tool for server in servers for tool in server.tools])


def test_only_what_is_allowed_is_there(lock):
    assert names(McpServer.stdio("mail", name="mail", lock=lock, allow=["read_mail"])) == ["mail_read_mail"]
    assert names(McpServer.stdio("mail", name="mail", lock=lock, allow=[])) == []


def test_what_you_declare_is_what_the_policy_goes_by(lock):
    declared = {
        "effect": "read", "egress": True, "sinks": {"to": "who"}, "timeout_s": 5, "output": "trusted",
    }  # fmt: skip
    server = McpServer.stdio("mail", name="mail", lock=lock, timeout_s=9, tools={"read_mail": declared})
    read, send = server.tools
    assert (read.effect, read.policy.egress, read.policy.sinks) == ("read", True, {"to": "who"})
    assert (read.timeout_s, send.timeout_s) == (5, 9)
    assert (read.label.trusted, send.label.trusted) == (True, False)
    assert (send.effect, send.checked, send.idempotent) == ("write", True, False)


def test_the_prefix_is_no_word_of_a_request_and_a_default_of_the_server_proves_no_value(lock):
    send = McpServer.stdio("mail", name="mail", lock=lock).tools[1]
    assert "mail" in send.policy.intents
    assert "send" in send.policy.intents
    read = McpServer.stdio("mail", name="mail", lock=lock).tools[0]
    assert read.policy.intents == ("read",)
    assert send.policy.defaults == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"allow": ["reed_mail"]}, "there is no approved tool 'reed_mail'; there are: read_mail, send.mail"),
        ({"tools": {"reed_mail": {}}}, "there is no approved tool 'reed_mail'"),
        ({"tools": {"read_mail": {"name": "mail_send_mail"}}}, "two tools are called 'mail_send_mail'"),
        ({"prefix": "x" * 60}, "must be 1 to 64 of"),
        ({"tools": {"read_mail": {"name": "a b"}}}, "must be 1 to 64 of"),
        ({"tools": {"read_mail": {"name": READ_MORE}}}, "'read_more' is a tool of Surefoot"),
        ({"tools": {"read_mail": {"sinks": {"two": "who"}}}}, "there is no parameter 'two'"),
        ({"tools": {"read_mail": {"effect": "read", "destructive": True}}}, "destructive=True is for a tool"),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(lock, options, told):
    with pytest.raises(ConfigError, match=told):
        _ = McpServer.stdio("mail", name="mail", lock=lock, **options).tools


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "a b"}, "mcp server name 'a b': must be letters"),
        ({"command": ""}, "has neither command nor url: give it one"),
        ({"timeout_s": 0}, "timeout_s = 0"),
        ({"start_timeout_s": float("inf")}, "start_timeout_s = inf"),
        ({"tools": {"a": {"timeout_s": -1}}}, "tools.a.timeout_s = -1"),
        ({"max_output_bytes": 1}, "max_output_bytes must be 256 or more"),
        ({"trust": "some"}, "Invalid enum value 'some'"),
    ],
)
def test_options_are_checked_at_once(lock, options, told):
    options = {"name": "mail", "command": "mail", **options}
    with pytest.raises(ConfigError, match=told):
        McpServer.stdio(options.pop("command"), lock=lock, **options)


@pytest.mark.parametrize("url", ["ftp://mail", "http://", "http://mail:port/", "http://[::1/mcp", "mail"])
def test_a_url_is_one(url):
    with pytest.raises(ConfigError, match="url must be an address that begins with http"):
        McpServer.http(url, name="mail")


def write(folder, text, monkeypatch):
    (folder / "surefoot.toml").write_text(text)
    monkeypatch.setenv("SUREFOOT_CONFIG", str(folder / "surefoot.toml"))


def test_a_server_of_the_settings(lock, tmp_path, monkeypatch):
    text = f"""
[mcp.mail]
command = '{sys.executable}'
args = ["-m", "mail"]
env = ["MAIL_TOKEN"]
allow = ["read_mail"]
[mcp.mail.tools.read_mail]
effect = "read"
[mcp.far]
url = "https://mcp.example.com/mcp"
headers = {{ authorization = "FAR_TOKEN" }}
"""
    write(tmp_path, text, monkeypatch)
    monkeypatch.setenv("MAIL_TOKEN", "t-4711")
    server = McpServer.named("mail")
    assert [(tool.spec.name, tool.effect) for tool in server.tools] == [("mail_read_mail", "read")]
    with pytest.raises(ConfigError, match=r"mcp\.far: the environment variable FAR_TOKEN is not set"):
        McpServer.named("far")
    with pytest.raises(ConfigError, match=r"there is no \[mcp.post\] in the settings; there are: mail, far"):
        McpServer.named("post")


def test_what_a_server_is_given_is_a_secret_of_the_process(lock, tmp_path, monkeypatch):
    text = f"[mcp.mail]\ncommand = '{sys.executable}'\nenv = ['MAIL_TOKEN', 'MAIL_PASSWORD', 'MAIL_LEVEL']"
    write(tmp_path, text, monkeypatch)
    monkeypatch.setenv("MAIL_TOKEN", "Token q7w8e9-only-for-mail")
    monkeypatch.setenv("MAIL_PASSWORD", "hunter")
    monkeypatch.setenv("MAIL_LEVEL", "verbose")
    monkeypatch.setattr(KNOWN, "values", ())
    McpServer.named("mail")
    assert set(KNOWN.values) == {"Token q7w8e9-only-for-mail", "q7w8e9-only-for-mail", "hunter"}


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ({"env": {"API_KEY": "letmein", "KEYBOARD": "qwertz", "MODE": "verbose"}}, {"letmein"}),
        ({"env": {"STORE": "db://ann:p%40ssed@d"}}, {"db://ann:p%40ssed@d", "p%40ssed", "p@ssed"}),
        ({"headers": {"authorization": "Bearer sekret", "x-tenant": "harbour"}}, {"sekret"}),
        ({"headers": {"x-api-key": "my dog is old"}}, {"my dog is old"}),
        ({"headers": {"authorization": "Basic YW5uOm1vb25saWdodA=="}}, {"YW5uOm1vb25saWdodA==", "moonlight"}),
        ({"headers": {"authorization": "Basic no-base64!"}}, {"no-base64!"}),
        ({"url": "https://ann:moonlight@mcp.example/mcp?api_key=sunlight&page=twelve"}, {"moonlight", "sunlight"}),
    ],
)
def test_what_is_given_in_python_is_a_secret_too_if_its_name_says_so(lock, monkeypatch, given, known):
    monkeypatch.setattr(KNOWN, "values", ())
    if "env" in given:
        McpServer.stdio("mail", name="mail", lock=lock, env=given["env"])
    else:
        McpServer.http(given.get("url", "https://m.example"), name="m", lock=lock, headers=given.get("headers"))
    assert set(KNOWN.values) == known


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x key": "sekret"}, "'x key' is no name of a header"),
        ({"authorization": "Bearer se\nkret"}, "the value of header 'authorization' must be printable ASCII"),
        ({"authorization": "Bearer s\u00e9kret"}, "the value of header 'authorization' must be printable ASCII"),
    ],
)
def test_a_header_that_cannot_be_sent_is_named_and_its_value_is_not_said(lock, headers, told):
    with pytest.raises(ConfigError, match=told) as caught:
        McpServer.http("https://m.example", name="m", lock=lock, headers=headers)
    assert "kret" not in str(caught.value)


def test_a_wrong_setting_is_named(tmp_path, monkeypatch):
    write(tmp_path, "[mcp.mail]\ncomand = 'x'", monkeypatch)
    with pytest.raises(ConfigError, match=r"there is no setting mcp\.mail\.comand"):
        load_settings()


def test_secrets_are_masked_and_ordinary_words_are_not():
    values = {"PATH": "/usr/bin", "TOKEN": "Bearer sekret-4711", "DEBUG": "1"}
    assert mask_secrets("1 /usr/bin Bearer sekret-4711 sekret-4711", values) == "1 /usr/bin *** ***"
    assert mask_secrets("x sekret-4711", {"A": "sekret", "B": "sekret-4711"}) == "x ***"

"""From a model string to a model."""

import pytest

from surefoot.config import Settings
from surefoot.errors import ConfigError, ModelRefused, NotFound
from surefoot.models.anthropic import Anthropic
from surefoot.models.base import ModelProfile, Options
from surefoot.models.openai_chat import OpenAIChat
from surefoot.models.registry import MAX_MODELS, Models, split_model
from surefoot.providers import KNOWN_PROVIDERS, Provider
from surefoot.testing import FakeProvider, status
from surefoot.types import Message


class OnlyWay:
    """The model behind the one endpoint that most providers have."""

    def __init__(self, models):
        self.models = models

    def find(self, model):
        (way,) = self.models.find(model)
        return way.model


OWN = Provider("http://127.0.0.1:9/v1", free=True)


@pytest.fixture
def build(http):
    return lambda **providers: OnlyWay(Models(Settings(providers=providers), lambda: http))


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("openai:gpt-4.1", ("openai", "gpt-4.1")),
        ("ollama:qwen3:8b", ("ollama", "qwen3:8b")),
        ("openrouter:meta-llama/llama-3.3-70b-instruct:free", ("openrouter", "meta-llama/llama-3.3-70b-instruct:free")),
        ("local:", ("local", "")),
    ],
)
def test_a_model_string_is_a_provider_and_a_name(model, parts):
    assert split_model(model) == parts


@pytest.mark.parametrize("model", ["gpt-4.1", ":gpt-4.1", ""])
def test_a_string_without_a_provider_is_an_error(model, build):
    with pytest.raises(ConfigError, match=r"must be written provider:name, for example openai:gpt-4.1 or local:"):
        build().find(model)


def test_an_unknown_provider_is_an_error_that_names_the_known_ones(build):
    with pytest.raises(NotFound) as caught:
        build(mine=OWN).find("opnai:gpt-4.1")
    known = ", ".join(sorted({*KNOWN_PROVIDERS, "mine", "local"}))
    assert str(caught.value) == (
        f"model 'opnai:gpt-4.1': no provider 'opnai'; known are {known}; add [providers.opnai] to use it"
    )


def test_a_missing_name_is_an_error(build):
    with pytest.raises(ConfigError, match="model 'mine:': the name after the colon is missing"):
        build(mine=OWN).find("mine:")


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("SHOP_KEY", "set the environment variable SHOP_KEY"),
        ("", "set api_key_env of [providers.mine] to the environment variable that holds one"),
    ],
)
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_a_provider_that_wants_a_key_after_all(build, monkeypatch, wire, variable, setting):
    monkeypatch.delenv("SHOP_KEY", raising=False)
    async with FakeProvider(["never"], api_key="sk-any") as provider:
        own = Provider(provider.base_url, variable, wire=wire, needs_key=False)
        model = build(mine=own).find("mine:m")
        prompt = model.open((), None)
        prompt.append(Message.user("hi"))
        with pytest.raises(ModelRefused) as caught:
            await model.respond(prompt, 10, Options(), 5.0)
        assert f"wants a key and none was sent (HTTP 401), {setting}: " in str(caught.value)


async def test_a_wrong_key_is_looked_for_where_it_was_set(build, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "sk-wrong-0123456789")
    async with FakeProvider(["never"], api_key="sk-any") as provider:
        model = build(mine=Provider(provider.base_url, "SHOP_KEY")).find("mine:m")
        prompt = model.open((), None)
        prompt.append(Message.user("hi"))
        with pytest.raises(ModelRefused, match="check the environment variable SHOP_KEY") as caught:
            await model.respond(prompt, 10, Options(), 5.0)
        assert "sk-wrong" not in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_missing_key_is_an_error_that_names_its_variable(key, build, monkeypatch):
    if key is None:
        monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    else:
        monkeypatch.setenv("DEEPSEEK_API_KEY", key)
    with pytest.raises(ConfigError, match=r"no API key for provider 'deepseek': set .* DEEPSEEK_API_KEY"):
        build().find("deepseek:deepseek-chat")


def test_a_wrong_base_url_is_an_error_that_names_the_model(build):
    with pytest.raises(ConfigError, match=r"mine:m: base_url 'localhost:8000/v1' must begin with http:// or https://"):
        build(mine=Provider("localhost:8000/v1")).find("mine:m")


def test_no_client_is_made_for_a_model_that_cannot_be():
    def fail():
        raise AssertionError

    with pytest.raises(NotFound):
        Models(Settings(), fail).find("nobody:m")


def test_the_profile_is_what_the_settings_say(build):
    provider = Provider("http://127.0.0.1:9/v1", protocol="text", max_output_tokens=77, trusts_usage=True)
    model = build(mine=provider).find("mine:a/b")
    assert model.profile == ModelProfile("mine:a/b", "mine", "a/b", "text", 77, trusts_usage=True)


def test_a_provider_of_the_settings_replaces_a_known_one(build):
    assert isinstance(build(anthropic=OWN).find("anthropic:m"), OpenAIChat)


def test_each_provider_speaks_its_wire(build, monkeypatch):
    models = build()
    for name, provider in KNOWN_PROVIDERS.items():
        if provider.api_key_env:
            monkeypatch.setenv(provider.api_key_env, "sk-something")
        kind = Anthropic if name == "anthropic" else OpenAIChat
        assert type(models.find(f"{name}:m")) is kind


def test_a_model_is_made_once_and_the_oldest_makes_room(build):
    models = build(mine=OWN)
    first, second = models.find("mine:0"), models.find("mine:1")
    assert models.find("mine:0") is first
    for number in range(2, MAX_MODELS + 1):
        models.find(f"mine:{number}")
    assert models.find("mine:1") is second
    assert models.find("mine:0") is not first
    assert models.find("mine:1") is not second


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_the_key_goes_to_the_provider_and_into_no_message(wire, build, monkeypatch):
    monkeypatch.setenv("MINE_KEY", " sk-mine-0123456789 ")
    script = ["hello", status(400, "your key is sk-mine-0123456789")]
    async with FakeProvider(script, api_key="sk-mine-0123456789") as provider:
        model = build(mine=Provider(provider.base_url, "MINE_KEY", wire=wire)).find("mine:m")
        prompt = model.open((), None)
        prompt.append(Message.user("hi"))
        assert (await model.respond(prompt, 50, Options(), 10)).message.text == "hello"
        with pytest.raises(ModelRefused, match=r"your key is \[key\]$"):
            await model.respond(prompt, 50, Options(), 10)
        assert [request.wire for request in provider.requests] == [wire, wire]
        assert "sk-mine" not in repr(model) + repr(vars(model)["_endpoint"])

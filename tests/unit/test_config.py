from datetime import date

import pytest

from surefoot.config import KNOWN_PROVIDERS, Secret, Settings, check_settings, load_settings, read_key
from surefoot.durations import read_duration_s
from surefoot.errors import ConfigError
from surefoot.providers import Provider, ProviderEndpoint
from surefoot.ranges import MAX_NUMBER
from surefoot.runtime import Runtime
from surefoot.sections import (
    AdmissionSettings,
    BreakerSettings,
    LocalSettings,
    RetrySettings,
    SessionSettings,
    StoreSettings,
    Tenant,
)
from surefoot.types import UNLIMITED


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in ("SUREFOOT_CONFIG", "SUREFOOT_STORE", "SUREFOOT_MODEL", "SUREFOOT_LOCAL_MODEL", "SUREFOOT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write(tmp_path, text, name="surefoot.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_has_its_default():
    settings = load_settings()
    assert settings == Settings()
    assert settings.model == "local:"


def test_the_file_of_the_working_folder_is_found_and_the_environment_wins(tmp_path, monkeypatch):
    write(tmp_path, 'model = "openai:gpt-4.1"\n[store]\npath = "here.db"\nlease_s = 5\n[local]\nthreads = 2')
    assert load_settings().store.path == "here.db"
    monkeypatch.setenv("SUREFOOT_STORE", "there.db")
    monkeypatch.setenv("SUREFOOT_LOCAL_MODEL", "mine.gguf")
    settings = load_settings()
    assert (settings.store.path, settings.store.lease_s, settings.local.path) == ("there.db", 5, "mine.gguf")
    assert settings.model == "openai:gpt-4.1"


def test_a_file_named_by_argument_or_environment(tmp_path, monkeypatch):
    path = write(tmp_path, 'model = "a:b"', "other.toml")
    assert load_settings(path).model == "a:b"
    monkeypatch.setenv("SUREFOOT_CONFIG", str(path))
    assert load_settings().model == "a:b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = x", r"is not valid TOML: .*line 1"),
        ("modle = 'x'", "there is no setting modle; did you mean model[?]$"),
        ("[policy]\nmod = 'x'", r"there is no setting policy\.mod; did you mean mode[?]$"),
        ("[mcp.a]\ncomand = 'x'", r"there is no setting mcp\.a\.comand; did you mean command[?]$"),
        ("[store]\npath = 5", "store.path: Expected `str`, got `int`$"),
        (
            "[policy.allow]\nwhom = ['x']",
            "policy.allow: Invalid enum value 'whom'; it must be address, amount, content, credential, what or who$",
        ),
        ("[store]\ndurability = 'maybe'", "store.durability: Invalid enum value 'maybe'; it must be full or relaxed$"),
        ("[providers.x]\nwire = 'openai'", "providers.x.base_url is missing$"),
        ("[providers.x]\nbase_url = 5", "providers.x.base_url: Expected `str`, got `int`$"),
        ("[providers]\nx = 'http://a'", "providers.x: Expected `table`, got `str`$"),
        ("[guard]\nlink_hosts = ['http://x.y/']", r"guard\.link_hosts: 'http://x\.y/' is no host: write docs"),
        ("[guard]\nlink_hosts = ['exa mple']", "guard.link_hosts: 'exa mple' is no host"),
        ("providers = 5", "providers: Expected `table`, got `int`$"),
        ("model = 5\n[providers.x]\nbase_url='http://a'", "model: Expected `str`, got `int`$"),
        ("[providers.x]\nbase_url='http://a'\nkey='s3cret'", "there is no setting providers.x.key$"),
        ("[tenants.acme]\nwieght = 2", r"there is no setting tenants\.acme\.wieght; did you mean weight[?]$"),
        (
            "[providers.x]\nbase_url='http://a'\n[[providers.x.endpoints]]\nwieght = 2",
            r"providers\.x\.endpoints\[0\]\.wieght; did you mean weight[?]$",
        ),
        (
            "[policy.tools]\na = 'ask'\nb = 'maybe'",
            r"policy\.tools\.b: Invalid enum value 'maybe'; it must be allow, ask or deny$",
        ),
        (
            "[policy.tools]\na = 'ask'\nb = 'maybe'\n[mcp.c]\nurl = 5",
            r"policy\.tools\.b: Invalid enum value 'maybe'; it must be allow, ask or deny$",
        ),
        ("[policy.tools]\n'a [b]' = 'x'", r'policy\.tools\."a \[b\]": Invalid enum value'),
        ("[policy.allow]\nwho = ['a', 3]", r"policy\.allow\.who\[1\]: Expected `str`, got `int`$"),
        (
            "[mcp.a.tools.'x[y]']\nefect = 'read'",
            r'there is no setting mcp\.a\.tools\."x\[y\]"\.efect; did you mean effect[?]$',
        ),
        (
            "[mcp.a]\nurl = 'x'\n[mcp.b.tools.c]\neffect = 'z'",
            r"mcp\.b\.tools\.c\.effect: Invalid enum value 'z'; it must be read or write$",
        ),
        ("[limits]\nsteps = {a = 1}", r"limits\.steps: Expected "),
        ("[budgets.global.day]\nusd = []", r"budgets\.global\.day\.usd: Expected "),
        ("[guard]\nthreshold = 2", r"guard\.threshold = 2\.0: must be above 0 and below 1$"),
        ("[guard]\nthreshold = 1", r"guard\.threshold = 1\.0: must be above 0 and below 1$"),
        ("[guard]\nthreshold = nan", r"guard\.threshold = nan: must be above 0 and below 1$"),
        ("[guard]\ntemperature = 0", r"guard\.temperature = 0\.0: must be a positive number"),
        ("[store]\nlease_s = 0", "store.lease_s = 0.0: must be a positive number"),
        ("[store]\nlease_s = nan", "store.lease_s = nan: must be a positive number"),
        ("[retry]\nattempts = -1", "retry.attempts = -1: must be a positive number"),
        ("model_timeout_s = inf", "model_timeout_s = inf: must be a positive number"),
        ("[local]\nthreads = -1", "local.threads = -1: must be 0"),
        ("[providers.x]\nbase_url='http://a'\nmax_output_tokens = 0", "providers.x.max_output_tokens = 0"),
    ],
)
def test_a_wrong_file_gives_one_line_that_says_what_and_where(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_settings(tmp_path / "nowhere.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b'model = "\xff"')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_settings(path)


def test_a_scalar_where_the_environment_needs_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("SUREFOOT_STORE", "x.db")
    with pytest.raises(ConfigError, match=r"store: Expected `table`, got `int`$"):
        load_settings(write(tmp_path, "store = 5"))


def test_providers_are_added_to_the_known_ones_and_may_replace_them(tmp_path):
    settings = load_settings(
        write(tmp_path, "[providers.mine]\nbase_url='http://m/v1'\nfree=true\n[providers.openai]\nbase_url='http://o'")
    )
    assert settings.provider("mine").base_url == "http://m/v1"
    assert settings.provider("openai").base_url == "http://o"
    assert settings.provider("anthropic") is KNOWN_PROVIDERS["anthropic"]
    assert settings.provider("nobody") is None
    assert settings.free_providers() == {"mine", "ollama"}


def test_keys_come_from_the_environment_and_hide(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ConfigError, match="no API key for provider 'x': set the environment variable SOME_KEY"):
        read_key("x", "SOME_KEY", needed=True)
    assert not read_key("x", "SOME_KEY", needed=False)
    assert not read_key("x", "", needed=True)
    monkeypatch.setenv("SOME_KEY", " s3cret\n")
    key = read_key("x", "SOME_KEY", needed=True)
    assert key.reveal() == "s3cret"
    assert "s3cret" not in repr(key) + str(key) + f"{key}"
    assert Secret("x")


@pytest.mark.parametrize("text", ["[store]\nlease_s = 1e30", "model_timeout_s = 1e30", "[retry]\nmax_s = 1e10"])
def test_a_number_that_no_clock_can_hold(tmp_path, text):
    with pytest.raises(ConfigError, match="must be a positive number, at most 1,000,000,000"):
        load_settings(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1_800), (" 12h ", 43_200), ("30d", 2_592_000), ("4w", 2_419_200)]
)
def test_how_long_something_lasts(text, seconds):
    assert read_duration_s(text, "x") == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "30 days", "999999999w", "1y"])
def test_what_is_no_duration(tmp_path, text):
    path = write(tmp_path, f'[sessions]\nexpire_after = "{text}"')
    with pytest.raises(ConfigError, match=r"sessions\.expire_after = .*for example '30d'"):
        load_settings(path)


def test_a_session_is_not_deleted_before_it_expires(tmp_path):
    with pytest.raises(ConfigError, match=r"sessions\.delete_after is shorter than sessions\.expire_after"):
        load_settings(write(tmp_path, '[sessions]\nexpire_after = "91d"'))
    load_settings(write(tmp_path, '[sessions]\nexpire_after = "90d"'))


@pytest.mark.parametrize("name", ["max_waiting", "max_wait_s", "max_in_memory", "max_memory_mib", "ttl_s"])
def test_limits_of_sessions_are_positive(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"sessions\.{name} = 0(\.0)?: must be a positive number"):
        load_settings(write(tmp_path, f"[sessions]\n{name} = 0"))


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[admission]\nuser_runs = 0", "admission.user_runs = 0: must be a positive number"),
        ("[admission]\nuser_queue = -1", "admission.user_queue = -1: must be 0 or more"),
        ("[admission]\nmax_wait_s = inf", "admission.max_wait_s = inf: must be a positive number, at most"),
        ("[admission]\nruns_at_once = 3", "there is no setting admission.runs_at_once"),
        ("[tenants.acme]\nweight = 0.5", "tenants.acme.weight = 0.5: must be from 1 to 100"),
        ("[tenants.acme]\ntenant_requests_per_minute = 0", "tenants.acme.tenant_requests_per_minute = 0.0: must be"),
        ("[tenants.acme]\ntenant_queue = -3", "tenants.acme.tenant_queue = -3: must be 0 or more"),
    ],
)
def test_a_wrong_limit_of_admission_is_named(tmp_path, toml, told):
    path = tmp_path / "surefoot.toml"
    path.write_text(toml)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert told in str(caught.value)


def test_nobody_needs_to_be_allowed_to_wait(tmp_path):
    path = tmp_path / "surefoot.toml"
    path.write_text("[admission]\nuser_queue = 0\n[tenants.acme]\nuser_queue = 0\nweight = 100")
    assert load_settings(path).admission.user_queue == 0


def test_a_key_in_place_of_the_name_of_its_variable_is_not_repeated():
    with pytest.raises(ConfigError, match=r"api_key_env of \[providers\.x\] is the name of a variable") as caught:
        read_key("x", "sk-s3cret", needed=True)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[retry]\nbase_s = 30", "retry.base_s = 30 is more than retry.max_s = 20: it must not be"),
        ("[retry]\nmax_s = 0.25", "retry.base_s = 0.5 is more than retry.max_s = 0.25: it must not be"),
        (
            "[breaker]\ncooldown_s = 61",
            "breaker.cooldown_s = 61 is more than breaker.max_cooldown_s = 60: it must not be",
        ),
    ],
)
def test_the_least_is_not_above_the_most(tmp_path, text, told):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value) == f"{path}: {told}"


def test_the_least_may_be_the_most(tmp_path):
    settings = load_settings(write(tmp_path, "[retry]\nbase_s = 20\n[breaker]\ncooldown_s = 60"))
    assert (settings.retry.base_s, settings.breaker.cooldown_s) == (20, 60)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(retry=RetrySettings(attempts=-1)), "retry.attempts = -1: must be a positive number"),
        (Settings(retry=RetrySettings(base_s=30)), "retry.base_s = 30 is more than retry.max_s = 20"),
        (Settings(breaker=BreakerSettings(cooldown_s=90)), "breaker.cooldown_s = 90 is more than breaker.max_cooldown"),
        (Settings(admission=AdmissionSettings(runs=0)), "admission.runs = 0: must be a positive number"),
        (Settings(admission=AdmissionSettings(max_wait_s=float("nan"))), "admission.max_wait_s = nan: must be"),
        (Settings(tenants={"acme": Tenant(weight=0.1)}), "tenants.acme.weight = 0.1: must be from 1 to 100"),
        (Settings(sessions=SessionSettings(max_memory_mib=0)), "sessions.max_memory_mib = 0: must be a positive"),
        (Settings(sessions=SessionSettings(expire_after="soon")), "sessions.expire_after = "),
        (Settings(sessions=SessionSettings(on_busy="bogus")), "sessions.on_busy: Invalid enum value 'bogus'"),
        (Settings(store=StoreSettings(lease_s=1e30)), "store.lease_s = 1e+30: must be a positive number, at most"),
        (Settings(local=LocalSettings(threads=-1)), "local.threads = -1: must be 0"),
        (Settings(model_timeout_s="soon"), "model_timeout_s: Expected `float`, got `str`"),
        (Settings(retry=RetrySettings(attempts=True)), "retry.attempts: Expected `int`, got `bool`"),
        (Settings(retry={"tries": 3}), "there is no setting retry.tries"),
        (Settings(retry=None), "retry: Expected `table`, got `null`"),
        (Settings(providers={"x": Provider("http://a", concurrency=0)}), "providers.x.concurrency = 0: must be"),
        (Settings(providers={"x": Provider("http://a", wire="soap")}), "providers.x.wire: Invalid enum value 'soap'"),
        (
            Settings(providers={"x": Provider("http://a", endpoints=[{"url": "http://b"}])}),
            "there is no setting providers.x.endpoints[0].url",
        ),
        (
            Settings(providers={"x": Provider("http://a", endpoints=(ProviderEndpoint(weight=0),))}),
            "providers.x.endpoints[0].weight = 0.0: must be a positive number",
        ),
        (Settings(limits={"usd": object()}), "Encoding objects of type object is unsupported"),
        (5, "settings=5: must be surefoot.config.Settings"),
    ],
)
def test_settings_built_in_python_are_checked_like_those_of_a_file(settings, told):
    with pytest.raises(ConfigError) as caught:
        Runtime(settings=settings)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_built_in_python_stay_what_they_are():
    ways = (ProviderEndpoint("http://a"), ProviderEndpoint(api_key_env="B"))
    settings = Settings(
        providers={"x": Provider("http://a", rpm=MAX_NUMBER, endpoints=ways)},
        prices={"m": [{"input": "1.5", "output": 2, "since": date(2026, 1, 1)}]},
        tenants={"acme": Tenant(user_queue=0)},
        limits={"usd": "0.5", "steps": 3},
    )
    assert check_settings(settings) == settings
    assert check_settings(Settings(limits={"usd": UNLIMITED})).limits == {"usd": "unlimited"}


def test_endpoints_may_be_tables_in_python_too():
    """They are in the file, and a list of them is what one writes first."""
    ways = [{"base_url": "http://b/v1", "weight": 2}, {"api_key_env": "SECOND_KEY"}]
    runtime = Runtime(settings=Settings(providers={"x": Provider("http://a/v1", "FIRST_KEY", endpoints=ways)}))
    assert runtime.settings.providers["x"].ways == (
        ProviderEndpoint("http://b/v1", "FIRST_KEY", 2),
        ProviderEndpoint("http://a/v1", "SECOND_KEY", 1),
    )


def test_a_folder_in_the_place_of_the_settings_is_not_taken_for_no_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surefoot.toml").mkdir()
    with pytest.raises(ConfigError, match=r"^surefoot\.toml: cannot be read: Is a directory$"):
        load_settings()

import pytest

from surefoot.config import KNOWN_PROVIDERS, Secret, Settings, load_settings, read_key
from surefoot.durations import read_duration_s
from surefoot.errors import ConfigError


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
        ("modle = 'x'", "unknown field `modle`"),
        ("[store]\npath = 5", r"Expected `str`, got `int` - at `\$.store.path`"),
        ("[store]\ndurability = 'maybe'", r"Invalid enum value 'maybe' - at `\$.store.durability`"),
        ("[providers.x]\nwire = 'openai'", "providers.x.base_url is missing$"),
        ("[providers.x]\nbase_url = 5", "providers.x.base_url: Expected `str`, got `int`$"),
        ("[providers]\nx = 'http://a'", "providers.x: Expected `object`, got `str`$"),
        ("providers = 5", r"Expected `object`, got `int` - at `\$.providers`"),
        ("model = 5\n[providers.x]\nbase_url='http://a'", r"Expected `str`, got `int` - at `\$.model`"),
        ("[providers.x]\nbase_url='http://a'\nkey='s3cret'", "providers.x: Object contains unknown field `key`$"),
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
    with pytest.raises(ConfigError, match=r"Expected `object`, got `int` - at `\$.store`"):
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
        ("[admission]\nruns_at_once = 3", "unknown field `runs_at_once`"),
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

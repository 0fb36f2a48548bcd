"""The docs say what is there, and every code block in them runs.

Python blocks of a page run in order in one namespace, shell blocks in a folder of their own, both against the fake provider; toml blocks
are read as settings. `make` commands are run by .ci/run itself.
"""

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import pytest

from surefoot import cli, errors
from surefoot.budget.accounts import read_rules
from surefoot.budget.limits import Limits, read_limits
from surefoot.budget.prices import open_prices
from surefoot.budget.rates import KINDS
from surefoot.budget.report import BudgetReport
from surefoot.config import _OVERRIDES, Settings, load_settings
from surefoot.journal.events import RunEvent
from surefoot.providers import KNOWN_PROVIDERS, Provider
from surefoot.result import RunResult
from surefoot.sections import McpSettings, McpToolSettings
from surefoot.testing import FakeProvider, call, say

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, *languages):
    return [body for language, body in BLOCK.findall(page.read_text()) if language in languages]


@pytest.fixture(scope="module")
def provider():
    def answer(request):
        is_done = request.messages[-1].role == "tool" or not request.tools
        return say("Order 4711 shipped on Monday.") if is_done else call("order_status", order_id="4711")

    with FakeProvider.start_in_thread(answer) as running:
        yield running


@pytest.fixture
def folder(tmp_path, provider, monkeypatch):
    toml = f'model = "openai:gpt-4.1"\n[providers.openai]\nbase_url = "{provider.base_url}"\napi_key_env = "OPENAI_API_KEY"\n'
    (tmp_path / "settings.toml").write_text(toml)
    monkeypatch.setenv("SUREFOOT_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("OPENAI_API_KEY", provider.api_key)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, folder):
    namespace = {"__name__": "docs"}
    for body in blocks(page, "python"):
        code = compile(body, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, namespace)  # a block with await gives a coroutine
        if inspect.iscoroutine(result):
            asyncio.run(result)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shell_blocks_run(page, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for body in blocks(page, "sh", "shell", "bash", "console"):
        for line in body.replace("\\\n", " ").splitlines():
            command = line.removeprefix("$ ").strip()
            if not command or command.startswith(("#", "make ", "pip install")):
                continue
            done = subprocess.run(
                command,
                shell=True,
                check=False,
                cwd=folder,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_toml_blocks_are_settings(page, tmp_path):
    for number, body in enumerate(blocks(page, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(body)
        settings = load_settings(path)
        open_prices(settings, lambda: 0.0)
        read_rules(settings.budgets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def doc(name):
    return (ROOT / "docs" / name).read_text()


def setting_names(kind=Settings, prefix=""):
    for field in msgspec.structs.fields(kind):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from setting_names(inner, f"{prefix}{field.name}.")
        elif field.name == "providers":
            yield from (f"providers.NAME.{inner.name}" for inner in msgspec.structs.fields(Provider))
        elif field.name == "mcp":
            yield from ("mcp", *(f"mcp.NAME.{inner.name}" for inner in msgspec.structs.fields(McpSettings)))
        else:
            tables = {"prices": "prices.NAME", "currencies": "currencies.NAME", "limits": "limits.*"}
            yield tables.get(f"{prefix}{field.name}", f"{prefix}{field.name}")


def test_every_setting_has_a_line():
    page = doc("settings.md")
    missing = [name for name in setting_names() if f"`{name}`" not in page]
    missing += [name for name in ("SUREFOOT_CONFIG", *_OVERRIDES) if f"`{name}`" not in page]
    missing += [p.api_key_env for p in KNOWN_PROVIDERS.values() if p.api_key_env and p.api_key_env not in page]
    assert missing == []


def test_the_commented_settings_file_names_every_setting_and_is_right_when_uncommented(tmp_path):
    text = (ROOT / "src/surefoot/scaffold/surefoot.toml").read_text()
    missing = [name for name in setting_names() if name.rpartition(".")[2] not in text and name != "model"]
    tables = ("prices.NAME", "currencies.NAME", "limits.*", "local.cache", "local.url")
    assert [name for name in missing if name not in tables] == []
    path = tmp_path / "surefoot.toml"
    path.write_text(re.sub(r"^# (?=[\w\"\[]+.* = |\[)", "", text, flags=re.MULTILINE))
    settings = load_settings(path)
    shown = settings.providers["mine"]
    assert (shown.wire, shown.protocol, shown.max_output_tokens) == ("openai", "native", 1024)
    assert (shown.needs_key, shown.trusts_usage, shown.free) == (True, False, True)
    assert settings.mcp["git"] == McpSettings(
        command="uvx", args=["mcp-server-git"], prefix="git_", tools={"git_log": McpToolSettings(effect="read")}
    )
    assert read_limits(settings.limits, "") == Limits()
    assert {rule.account for rule in read_rules(settings.budgets)} == {"global", "tenant:*", "user:*"}
    open_prices(settings, lambda: 0.0)
    given = {
        name: getattr(settings, name)
        for name in ("providers", "prices", "currencies", "limits", "budgets", "tenants", "mcp")
    }
    assert settings == Settings(**given)  # what is commented out is the default
    path.write_text(text)
    assert load_settings(path) == Settings()


def test_every_page_is_in_the_table_of_contents():
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in readme] == []


def test_every_known_provider_has_a_line():
    lines = [
        f"| `{name}` | `{provider.base_url}` | {f'`{provider.api_key_env}`' if provider.api_key_env else 'none'} |"
        for name, provider in KNOWN_PROVIDERS.items()
    ]
    assert [line for line in lines if line not in doc("models.md")] == []


def test_every_limit_has_a_line_with_its_default():
    page = doc("budget.md")
    defaults = {**Limits().to_table(), "usd": '"1.00"', "on_limit": '"finish"'}
    shown = {name: f"{value:,g}" if isinstance(value, float | int) else value for name, value in defaults.items()}
    assert [name for name, value in shown.items() if not re.search(rf"\| `{name}` \| `?{value}`? \|", page)] == []


def test_every_kind_of_token_has_a_line():
    assert [kind for kind in KINDS if f"| `{kind}` |" not in doc("prices.md")] == []


def test_every_event_has_a_line():
    page = doc("journal.md")
    events = [kind for kind in RunEvent.__args__ for kind in getattr(kind, "__args__", (kind,))]
    assert len(events) > 10
    missing = [
        kind.__name__ for kind in events if f"| `{kind.__name__}` | `{kind.__struct_config__.tag}` |" not in page
    ]
    assert missing == []


def test_every_error_has_a_line():
    page = doc("agents.md")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.SurefootError]
    kinds = [kind for kind in kinds if issubclass(kind, errors.SurefootError)]
    assert len(kinds) > 10
    assert [kind.__name__ for kind in kinds if f"| `{kind.__name__}` | `{kind.code}` |" not in page] == []
    cli_page = doc("cli.md")
    assert [kind.__name__ for kind in kinds if f"| {kind.exit_code} |" not in cli_page] == []


def all_commands(group, above=""):
    for name, command in group.commands.items():
        yield f"{above}{name}", command
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{above}{name} ")


def test_every_command_and_option_has_a_line():
    page = doc("cli.md")
    missing = []
    for name, command in all_commands(cli.commands):
        if f"`surefoot {name}" not in page:
            missing.append(name)
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                missing += [option for option in parameter.opts if f"`{option}" not in page]
    for parameter in cli.commands.params:
        missing += [option for option in parameter.opts if option not in page and option != "--help"]
    assert missing == []


def test_every_field_of_a_result_has_a_word():
    page = doc("agents.md") + doc("budget.md")
    fields = [*RunResult.__struct_fields__, *BudgetReport.__struct_fields__]
    assert [name for name in fields if f"`{name}`" not in page and f"budget.{name}" not in page] == []

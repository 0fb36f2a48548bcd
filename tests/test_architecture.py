"""The house rules of DESIGN.md that a linter does not know: sizes, names, one home per concern, a light import.

The import rule itself is import-linter's, in pyproject.toml.
"""

import ast
import builtins
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "surefoot"

LINES_DEFAULT = 350
LINES = {
    "__init__.py": 60,
    "types.py": 300,
    "errors.py": 180,  # 150 in DESIGN.md; the tree is drawn in its docstring, and it has all 15 classes
    "config.py": 250,
    "clock.py": 80,
    "agent.py": 150,
    "runtime.py": 250,
    "loop.py": 350,
    "retry.py": 120,
    "admission.py": 350,
    "sessions.py": 250,
    "context.py": 250,
    "tools.py": 350,
    "recovery.py": 250,
    "telemetry.py": 300,
    "local.py": 200,
    "cli.py": 350,
}
FUNCTION_LINES = 70
ERROR_CLASSES = 15

HEAVY_MODULES = [
    "click",
    "genai_prices",
    "jsonschema",
    "mcp",
    "pydantic",
    "pyreqwest",
    "rich",
    "sqlite3",
    "tiktoken",
    "xllamacpp",
]
HTTP_LIBRARIES = {"aiohttp", "http.client", "httpx", "httpx2", "pyreqwest", "requests", "urllib.request", "urllib3"}
CHANCE_MODULES = {"random", "secrets", "time", "uuid"}
CHANCE_CALLS = {"datetime.now", "datetime.utcnow", "date.today", "datetime.today", "os.urandom", "uuid.uuid4"}

NAMELESS = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|$)|_\d+$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
UNEXPLAINED_NO_COVER = re.compile(r"pragma: no cover(?! - \w)")

# Each exception to a rule stands here, with its reason.
ENVIRONMENT = {"config.py": "the one reader"}
HTTP = {"models/http.py": "the one client", "mcp/http.py": "the MCP SDK's own client, kept within limits"}
CHANCE = {
    "clock.py": "the one source",
    "reports/forecast.py": "seeded, so that the same records give the same forecast",
    "testing/chance.py": "seeded, so that a script repeats itself",
}
ERRORS_OUTSIDE_THE_TREE = {
    "EventOverflow": "between the SSE parser and the wire, which turns it into a ModelBroken",
    "Lost": "what a simulated client sees of a dead process: a connection, not an error of ours",
    "SessionMoved": "between a run's first record and whoever begins it anew: nothing of the run has happened",
    "TimedOut": "between a deadline and the door to tools: an outcome of a call, told to the model",
    "Stopped": "a BaseException: an end that was asked for, not an error",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def sources() -> list[Path]:
    return modules() + sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "bench").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def nodes(allowed: dict[str, str]) -> Iterator[tuple[str, ast.AST]]:
    """Every syntax node of the package as ``file:line`` and node, leaving out the files in ``allowed``."""
    for path in modules():
        if name_of(path) not in allowed:
            for node in ast.walk(tree_of(path)):
                yield f"{name_of(path)}:{getattr(node, 'lineno', 0)}", node


def imported(node: ast.AST) -> set[str]:
    """The modules that an import statement names, with the package that holds each."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return set()
    return {part for name in names for part in (name, name.split(".", maxsplit=1)[0])}


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of an attribute chain, ``""`` of anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def test_the_package_is_found() -> None:
    assert PACKAGE / "types.py" in modules()


def test_no_module_outgrows_its_ceiling() -> None:
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {name: size for name, size in sizes.items() if size > LINES.get(name, LINES_DEFAULT)} == {}


def test_no_function_outgrows_its_ceiling() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES
    ]
    assert long == []


def test_modules_are_named_after_what_they_hold() -> None:
    assert [name_of(path) for path in modules() if NAMELESS.search(path.stem)] == []


@pytest.mark.parametrize(
    ("stem", "caught"),
    [("utils", True), ("session_manager", True), ("loop_2", True), ("http", False), ("commonplace", False)],
)
def test_the_name_rule_itself(stem: str, caught: bool) -> None:
    assert bool(NAMELESS.search(stem)) is caught


def test_nothing_is_left_unfinished_and_no_line_is_uncovered_without_a_reason() -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line) or UNEXPLAINED_NO_COVER.search(line)
    ]
    assert offences == []


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        where
        for where, node in nodes(ENVIRONMENT)
        if dotted(node) in {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
        or (isinstance(node, ast.ImportFrom) and imported(node) & {"os.environ", "os.getenv"})
    ]
    assert readers == []


def test_only_one_file_names_an_http_library() -> None:
    assert [where for where, node in nodes(HTTP) if imported(node) & HTTP_LIBRARIES] == []


def test_time_and_chance_come_from_the_clock() -> None:
    offences = [
        where
        for where, node in nodes(CHANCE)
        if imported(node) & (CHANCE_MODULES | CHANCE_CALLS)
        or (isinstance(node, ast.Call) and ".".join(dotted(node.func).split(".")[-2:]) in CHANCE_CALLS)
    ]
    assert offences == []


def swallows(node: ast.AST) -> bool:
    """Whether ``node`` drops an exception without a word."""
    if isinstance(node, ast.ExceptHandler):
        return all(isinstance(line, ast.Pass) or _is_literal(line) for line in node.body)
    if isinstance(node, ast.Call) and dotted(node.func).endswith("suppress"):
        return any(dotted(argument) in {"Exception", "BaseException"} for argument in node.args)
    return False


def _is_literal(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def test_no_exception_is_swallowed() -> None:
    assert [where for where, node in nodes({}) if swallows(node)] == []


def unbounded(node: ast.AST) -> bool:
    """Whether ``node`` makes a queue without a limit."""
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func).rpartition(".")[2]
    if name == "SimpleQueue":
        return True
    sizes = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "maxsize")]
    return name in {"Queue", "LifoQueue", "PriorityQueue"} and (
        not sizes or (isinstance(sizes[0], ast.Constant) and sizes[0].value == 0)
    )


LIMITED_ELSEWHERE = {"store/handover.py"}  # SqliteStore limits what it hands over, in records and bytes


def test_every_queue_has_a_limit() -> None:
    found = [where for where, node in nodes({}) if unbounded(node)]
    assert [where for where in found if where.partition(":")[0] not in LIMITED_ELSEWHERE] == []


@pytest.mark.parametrize(
    ("check", "code", "caught"),
    [
        (unbounded, "asyncio.Queue()", True),
        (unbounded, "queue.SimpleQueue()", True),
        (unbounded, "Queue(maxsize=0)", True),
        (unbounded, "asyncio.Queue(8)", False),
        (unbounded, "asyncio.Queue(maxsize=limit)", False),
        (swallows, "try:\n    f()\nexcept OSError:\n    pass", True),
        (swallows, "try:\n    f()\nexcept OSError:\n    'ignored'", True),
        (swallows, "with contextlib.suppress(Exception):\n    f()", True),
        (swallows, "try:\n    f()\nexcept OSError:\n    log()", False),
    ],
)
def test_the_syntax_rules_themselves(check: Callable[[ast.AST], bool], code: str, caught: bool) -> None:
    assert any(check(node) for node in ast.walk(ast.parse(code))) is caught


def test_all_errors_are_in_one_small_tree() -> None:
    tree = [node.name for node in tree_of(PACKAGE / "errors.py").body if isinstance(node, ast.ClassDef)]
    assert 0 < len(tree) <= ERROR_CLASSES
    known = {
        name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
    }
    strays = [
        where
        for where, node in nodes({"errors.py": "the tree"})
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and node.name not in ERRORS_OUTSIDE_THE_TREE
        and {dotted(base).rpartition(".")[2] for base in node.bases} & (known | set(tree))
    ]
    assert strays == []


IMPORT = """
import json, os, sys, threading
import surefoot
light = sorted(sys.modules)
[getattr(surefoot, name) for name in getattr(surefoot, "__all__", [])]
print(json.dumps({
    "light": light, "whole": sorted(sys.modules), "threads": threading.active_count(), "files": os.listdir("."),
    "names": sorted(getattr(surefoot, "__all__", [])),
}))
"""


def test_importing_surefoot_is_light_and_does_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # which uses sqlite3
    child = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=True)
    seen = json.loads(child.stdout)
    assert seen["names"] != []
    assert [name for name in [*HEAVY_MODULES, "asyncio", "msgspec"] if name in seen["light"]] == []
    assert [name for name in HEAVY_MODULES if name in seen["whole"] and name != "sqlite3"] == []  # the Runtime's store
    assert seen["threads"] == 1
    assert seen["files"] == []
    assert child.stderr == ""

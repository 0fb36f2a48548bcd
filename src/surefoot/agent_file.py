"""A user's agent, or rules of a policy, found by the name of its module: ``agent:agent``."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from surefoot.agent import Agent
from surefoot.errors import ConfigError, SurefootError
from surefoot.policy.decide import Rule

ERROR_CHARS: Final = 300


def load_agent(name: str) -> Agent[Any]:
    """The agent ``module:name``; the working folder is searched first.

    Raises:
        ConfigError: The name is malformed, the module cannot be imported (says where), or the name is no `Agent`.
    """
    found = _load("agent", name)
    if isinstance(found, Agent):
        return found  # pyright: ignore[reportUnknownVariableType]  # of any output: mypy finds a cast redundant
    raise ConfigError(f"agent {name!r}: {_describe(name, 'Agent', found)}")


def load_rules(names: Iterable[str]) -> list[Rule]:
    """The functions, each ``module:name``, that `Runtime` takes as ``policy``; a name may stand for a list of them.

    Raises:
        ConfigError: As `load_agent` does; or the name is neither a function nor a list of functions.
    """
    rules: list[Rule] = []
    for name in names:
        found = _load("rules", name)
        functions = cast("Sequence[Any]", found if isinstance(found, (list, tuple)) else [found])
        if not functions or not all(callable(one) and not isinstance(one, type) for one in functions):
            problem = _describe(name, "function, and no list of functions,", cast("object", found))
            raise ConfigError(f"rules {name!r}: {problem}")
        rules += functions
    return rules


def _load(kind: str, name: str) -> Any:
    """What ``module:name`` stands for, None if the module has nothing of that name."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError(f"{kind} {name!r}: must be written module:name, for example agent:{kind}")
    if "/" in module_name or module_name.startswith("."):
        raise ConfigError(
            f"{kind} {name!r}: {module_name} is a path; go to its folder, or put it on PYTHONPATH, and name the module"
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        said = str(error) if isinstance(error, SurefootError) else f"{type(error).__name__}: {error}"[:ERROR_CHARS]
        raise ConfigError(f"{kind} {name!r}: {_find_line(error)}{said}") from error
    return getattr(module, attribute, None)


def _describe(name: str, wanted: str, found: object) -> str:
    module_name, _, attribute = name.partition(":")
    what = f"there is no {attribute!r}" if found is None else f"{attribute!r} is no {wanted} but {type(found).__name__}"
    return f"in {module_name} {what}"


def _find_line(error: BaseException) -> str:
    """The last line of the user's own code in a traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        is_ours = path.is_relative_to(Path(__file__).parent) or "site-packages" in path.parts
        if path.is_relative_to(Path.cwd()) and not is_ours:
            return f"{path.name} line {frame.lineno}: "
    return ""

"""A user's agent, found by the name of its module: ``agent:agent``."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any, Final

from surefoot.agent import Agent
from surefoot.errors import ConfigError, SurefootError

ERROR_CHARS: Final = 300


def load_agent(name: str) -> Agent[Any]:
    """The agent ``module:name``; the working folder is searched first.

    Raises:
        ConfigError: The name is malformed, the module cannot be imported (says where), or the name is no `Agent`.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError(f"agent {name!r}: must be written module:name, for example agent:agent")
    if "/" in module_name or module_name.startswith("."):
        raise ConfigError(
            f"agent {name!r}: {module_name} is no name of a module; go to its folder, or put that on PYTHONPATH"
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        said = str(error) if isinstance(error, SurefootError) else f"{type(error).__name__}: {error}"[:ERROR_CHARS]
        raise ConfigError(f"agent {name!r}: {_find_line(error)}{said}") from error
    found: Any = getattr(module, attribute, None)
    if isinstance(found, Agent):
        return found  # pyright: ignore[reportUnknownVariableType]  # of any output: mypy finds a cast redundant
    what = f"there is no {attribute!r}" if found is None else f"{attribute!r} is no Agent but {type(found).__name__}"
    raise ConfigError(f"agent {name!r}: in {module_name} {what}")


def _find_line(error: BaseException) -> str:
    """The last line of the user's own code in a traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        is_ours = path.is_relative_to(Path(__file__).parent) or "site-packages" in path.parts
        if path.is_relative_to(Path.cwd()) and not is_ours:
            return f"{path.name} line {frame.lineno}: "
    return ""

"""Surefoot runs ReAct agents in production: inside hard budgets, through hostile input, across crashes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefoot.agent import Agent as Agent
    from surefoot.budget.limits import Limits as Limits
    from surefoot.budget.report import BudgetReport as BudgetReport
    from surefoot.config import Settings as Settings
    from surefoot.config import load_settings as load_settings
    from surefoot.errors import BudgetExceeded as BudgetExceeded
    from surefoot.errors import SurefootError as SurefootError
    from surefoot.errors import ToolError as ToolError
    from surefoot.result import RunResult as RunResult
    from surefoot.runtime import Runtime as Runtime
    from surefoot.tools import RunContext as RunContext
    from surefoot.tools import Tool as Tool
    from surefoot.tools import tool as tool
    from surefoot.types import UNLIMITED as UNLIMITED
    from surefoot.types import Money as Money
    from surefoot.types import Usage as Usage

__version__ = "0.1.0"

# Each name is imported at first use: `import surefoot` costs next to nothing, a command pays for what it uses.
_HOME = {
    "Agent": "agent",
    "BudgetExceeded": "errors",
    "BudgetReport": "budget.report",
    "Limits": "budget.limits",
    "Money": "types",
    "RunContext": "tools",
    "RunResult": "result",
    "Runtime": "runtime",
    "Settings": "config",
    "SurefootError": "errors",
    "Tool": "tools",
    "ToolError": "errors",
    "UNLIMITED": "types",
    "Usage": "types",
    "load_settings": "config",
    "tool": "tools",
}
__all__ = sorted(_HOME)  # noqa: PLE0605 - a list of str; the names are those of the table above


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'surefoot' has no attribute {name!r}")
    value = getattr(import_module(f"surefoot.{home}"), name)
    globals()[name] = value
    return value

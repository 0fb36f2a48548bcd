"""Surefoot runs ReAct agents in production: inside hard budgets, through hostile input, across crashes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefoot.agent import Agent
    from surefoot.budget.limits import Limits
    from surefoot.budget.report import BudgetReport
    from surefoot.config import Settings, load_settings
    from surefoot.errors import BudgetExceeded, SurefootError, ToolError
    from surefoot.policy.declared import Foreign, Record, Sink
    from surefoot.result import RunResult
    from surefoot.run_context import RunContext
    from surefoot.runtime import Runtime
    from surefoot.tools import Tool, tool
    from surefoot.types import UNLIMITED, Money, Usage

__version__ = "0.1.0"

# Each name is imported at first use: `import surefoot` costs next to nothing, a command pays for what it uses.
_HOME = {
    "Agent": "agent",
    "BudgetExceeded": "errors",
    "BudgetReport": "budget.report",
    "Foreign": "policy.declared",
    "Limits": "budget.limits",
    "Money": "types",
    "Record": "policy.declared",
    "RunContext": "run_context",
    "RunResult": "result",
    "Runtime": "runtime",
    "Settings": "config",
    "Sink": "policy.declared",
    "SurefootError": "errors",
    "Tool": "tools",
    "ToolError": "errors",
    "UNLIMITED": "types",
    "Usage": "types",
    "load_settings": "config",
    "tool": "tools",
}
__all__ = [
    "UNLIMITED", "Agent", "BudgetExceeded", "BudgetReport", "Foreign", "Limits", "Money", "Record", "RunContext",
    "RunResult", "Runtime", "Settings", "Sink", "SurefootError", "Tool", "ToolError", "Usage", "load_settings", "tool",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'surefoot' has no attribute {name!r}")
    value = getattr(import_module(f"surefoot.{home}"), name)
    globals()[name] = value
    return value

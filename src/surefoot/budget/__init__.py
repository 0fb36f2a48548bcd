"""Limits, prices and the ledger. `TokenBudget` is the bridge for code that counts its own budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surefoot.budget.token_budget import TokenBudget

__all__ = ["TokenBudget"]


def __getattr__(name: str) -> object:
    """`TokenBudget`, imported at its first use."""
    if name == "TokenBudget":
        from surefoot.budget.token_budget import TokenBudget

        return TokenBudget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

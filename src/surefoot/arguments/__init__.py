"""Types for the parameters of tools, which refuse what an attack needs: docs/arguments.md."""

from __future__ import annotations

from surefoot.arguments.check import Check
from surefoot.arguments.paths import Within
from surefoot.arguments.size import ArgumentLimits
from surefoot.arguments.urls import Hosts, SafeUrl
from surefoot.arguments.words import (
    EmailAddress,
    Identifier,
    MaxLength,
    Plain,
    PlainText,
    ShellWord,
    SqlIdentifier,
    SqlText,
    Word,
)

__all__ = [
    "ArgumentLimits", "Check", "EmailAddress", "Hosts", "Identifier", "MaxLength", "Plain", "PlainText", "SafeUrl",
    "ShellWord", "SqlIdentifier", "SqlText", "Within", "Word",
]  # fmt: skip

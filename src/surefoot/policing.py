"""What one runtime has settled about tool calls: the mode, the rules, and whom to ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.policy.approval import Approve
from surefoot.policy.decide import Rule, Rules
from surefoot.sections import PolicySettings


class Policing(Struct, frozen=True):
    """What a runtime has settled about tool calls.

    Attributes:
        mode: ``enforce``; ``observe`` journals what it would decide and lets all pass; ``off``.
        rules: What the application has settled.
        approve: Asks a person, None if there is nobody.
        approval_timeout_s: Longest wait for an answer.
        judges_reads: The application has rules of its own, which may be about reads that are free otherwise.
    """

    mode: Literal["enforce", "observe", "off"]
    rules: Rules
    approve: Approve | None
    approval_timeout_s: float
    judges_reads: bool

    @classmethod
    def read(cls, settings: PolicySettings, approve: Approve | None = None, functions: Sequence[Rule] = ()) -> Self:
        """Of ``[policy]`` and of what the runtime is given.

        Raises:
            ConfigError: The rules are no list, one of them cannot be called, or ``approve`` cannot.
        """
        if callable(functions):
            raise ConfigError(f"Runtime(policy=...): {functions!r} must be a list of functions")
        for given, name in [(approve, "approve"), *[(function, "policy") for function in functions]]:
            if given is not None and not callable(given):
                raise ConfigError(f"Runtime({name}=...): {given!r} is not a function")
        rules = read_rules(settings, functions)
        judges_reads = bool(rules.functions or rules.tools)
        return cls(settings.mode, rules, approve, settings.approval_timeout_s, judges_reads)


def read_rules(settings: PolicySettings, functions: Sequence[Rule] = ()) -> Rules:
    """The rules of ``[policy]``, with those of the application."""
    allow: dict[str, tuple[str, ...]] = {kind: tuple(values) for kind, values in settings.allow.items()}
    return Rules(allow, dict(settings.tools), tuple(settings.vouch), tuple(functions))

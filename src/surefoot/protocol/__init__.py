"""How a model speaks ReAct: native tool calls, JSON steps, or Thought/Action text."""

from __future__ import annotations

from surefoot.errors import ConfigError
from surefoot.protocol.base import ProtocolFactory

__all__ = ["find_protocol"]


def find_protocol(name: str) -> ProtocolFactory:
    """What builds the protocol ``native``, ``json`` or ``text``.

    Raises:
        ConfigError: There is no protocol of that name.
    """
    if name == "native":
        from surefoot.protocol.native import NativeTools

        return NativeTools
    if name == "json":
        from surefoot.protocol.json_steps import JsonSteps

        return JsonSteps
    if name == "text":
        from surefoot.protocol.react_text import ReactText

        return ReactText
    raise ConfigError(f"there is no protocol {name!r}; choose 'native', 'json', 'text' or 'auto'")

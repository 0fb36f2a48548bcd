"""How large the arguments of one call may be, whatever their types."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from surefoot.errors import ConfigError

# A string that does not end is taken to the end of the text, and possessively, so that nothing is read twice
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)


class ArgumentLimits(Struct, frozen=True, gc=False):
    """The size of a call's arguments, at most; ``tool(argument_limits=...)``.

    Attributes:
        nbytes: Of the JSON text as the model wrote it, in UTF-8.
        depth: Lists and objects inside each other; the arguments themselves are the first.
        items: Values in all lists and objects together.
    """

    nbytes: int = 1_000_000
    depth: int = 32
    items: int = 10_000

    def __post_init__(self) -> None:
        """Raises `ConfigError` for a limit below 1."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"ArgumentLimits({name}={value!r}): must be an int, 1 or more")

    def check(self, text: str) -> None:
        """Look at JSON text before it is decoded, in time linear in its length.

        Raises:
            ValueError: It is too large; a sentence for the model.
        """
        size = len(text)
        if size > self.nbytes or (not text.isascii() and len(text.encode(errors="replace")) > self.nbytes):
            raise ValueError(f"The arguments have more than {self.nbytes} bytes: send less at a time.")
        # Every nesting needs a bracket, every value a comma or a bracket: with few of them there is nothing to look for
        if size <= self.depth and size <= self.items:
            return
        brackets = text.count("[") + text.count("{")
        if brackets > self.depth or (size > self.items and text.count(",") + brackets > self.items):
            self._scan(text)

    def _scan(self, text: str) -> None:
        depth = items = 0
        for found in _TOKEN.finditer(text):
            sign = found[0]
            if sign in "[{":
                depth += 1
                items += 1
            elif sign in "]}":
                depth -= 1
            elif sign == ",":
                items += 1
            if depth > self.depth:
                raise ValueError(f"The arguments are nested more than {self.depth} deep: send them flat.")
            if items > self.items:
                raise ValueError(f"The arguments hold more than {self.items} values: send fewer at a time.")


DEFAULT_LIMITS: Final = ArgumentLimits()

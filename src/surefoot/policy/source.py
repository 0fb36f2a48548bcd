"""Texts by others, and what people call where they stand."""

from __future__ import annotations

import hashlib
from typing import Final

from surefoot.policy.lookup import leave_out, list_given
from surefoot.policy.matching import normalise

MOST_SHOWN_CHARS: Final = 180


class Text:
    """A text by others, and its normal form as soon as somebody needs it.

    Attributes:
        source: What people call where it stands.
        text: The text.
        failed: It is what a tool said that failed.
    """

    __slots__ = ("_arguments", "_normal", "_own", "failed", "source", "text")

    def __init__(self, source: str, text: str, arguments: str = "", *, failed: bool = False) -> None:
        self.source, self.text, self.failed, self._arguments = source, text, failed, arguments
        self._normal = self._own = ""

    @property
    def normal(self) -> str:
        """The text in normal form."""
        if not self._normal:
            self._normal = normalise(self.text)
        return self._normal

    @property
    def own(self) -> str:
        """The same without what the call itself has brought in: nobody can vouch for what the model wrote."""
        if not self._own:
            self._own = leave_out(self.normal, list_given(self._arguments))
        return self._own


def name_source(tool: str, arguments: str) -> str:
    """What people call what a call returned: ``read_file({"path": "bill.txt"})``; of long arguments, both ends.

    No two calls have one name: whoever vouches for a source vouches for that one.
    """
    if len(arguments) <= MOST_SHOWN_CHARS:
        return f"{tool}({arguments})"
    digest = hashlib.sha256(arguments.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{tool}({arguments[: MOST_SHOWN_CHARS - 60]}…{arguments[-60:]}#{digest})"

"""What can come of a request to a server."""

from __future__ import annotations

from msgspec import Struct

from surefoot.mcp.definition import Definition


class Shown(Struct, frozen=True):
    """A result.

    Attributes:
        text: For the model.
        is_error: The tool, or the server, says that it failed.
    """

    text: str
    is_error: bool = False


class Lost(Struct, frozen=True):
    """No answer, and none will come.

    Attributes:
        why: What happened.
        sent: Whether the server may have got the request.
    """

    why: str
    sent: bool


class Listing(Struct, frozen=True):
    """What a server offers.

    Attributes:
        tools: What can be used, by name.
        unusable: Why others cannot, by name.
    """

    tools: dict[str, Definition]
    unusable: dict[str, str]

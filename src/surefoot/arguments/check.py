"""What a type in a signature demands of a value, beyond its Python class."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from surefoot.types import JsonSchema


class Check:
    """A note in ``Annotated[T, note]`` that is enforced wherever it stands: in lists, optionals, fields of classes.

    Subclasses are immutable: one is shared by every call of a tool.

    Attributes:
        kinds: Classes of the values that it is for.
    """

    __slots__ = ()
    kinds: ClassVar[tuple[type, ...]] = (str,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def schema(self, kind: Any) -> JsonSchema:
        """What JSON Schema can say of it to a model, for a value of type ``kind``."""
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        """The value as the tool gets it. Pure and quick, in time linear in the value's size.

        Raises:
            ValueError: The value is refused; one sentence that says what is wrong and what to do.
        """
        raise NotImplementedError


@runtime_checkable
class Settled(Protocol):
    """A check that asks the world as well: the file system, the name server."""

    def settle(self, value: Any) -> Any:
        """What `Check.read` gave, as the world has it now. May block: it is called in a thread.

        Raises:
            ValueError: As of `Check.read`.
        """
        ...

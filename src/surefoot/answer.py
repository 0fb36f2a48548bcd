"""The final answer of ``Agent(output=...)``: a model's text, read as a value of the type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec

from surefoot.errors import ConfigError
from surefoot.loose_json import LITERALS, encode_text, read_value
from surefoot.schema import SUPPORTED_TYPES, json_schema, make_decoder
from surefoot.types import JsonSchema

T = TypeVar("T")

_TRIES: Final = 8  # places in prose where a value may begin: bounds the work that a flood of brackets makes
_FAULT_CHARS: Final = 500
_QUOTED_CHARS: Final = 60
_FENCED: Final = re.compile(r"```[\w+-]*+(.*)```", re.DOTALL)
_OPENINGS: Final = {"object": "{", "array": "["}
_AROUND_A_WORD: Final = " \t\r\n*_`\"'.!“”"


class AnswerType(Generic[T]):
    """A type that the final answer must have.

    Args:
        kind: Any type that a tool's parameter may have.

    Attributes:
        schema: Its JSON Schema; shared and recursive types are in ``$defs``.

    Raises:
        ConfigError: The type is not supported.
    """

    def __init__(self, kind: type[T]) -> None:
        try:
            self.schema: JsonSchema = json_schema(kind)
            self._read = make_decoder(kind)
        except Exception as error:  # noqa: BLE001 - resolving annotations of the user's classes may raise anything
            name = getattr(kind, "__name__", repr(kind))
            raise ConfigError(f"Agent(output={name}): {_flatten(error)}; supported are {SUPPORTED_TYPES}") from None
        choices = list(_find_choices(self.schema, self.schema.get("$defs", {})))
        kinds = {choice.get("type") for choice in choices}
        self._openings = "".join([opening for name, opening in _OPENINGS.items() if name in kinds or None in kinds])
        self._is_plain = not kinds <= _OPENINGS.keys()  # a value may be a number or a word
        self._words = [word for choice in choices for word in choice.get("enum", ()) if isinstance(word, str)]

    def decode(self, text: str) -> T:
        """The value in ``text``: JSON, also in a code fence, in prose or with small faults; a number or word as it is.

        Raises:
            ValueError: There is no such value, or more than one; a clause for the model, without a full stop.
        """
        text = text.rpartition("</think>")[2].strip()
        if fenced := _FENCED.fullmatch(text):
            text = fenced[1].strip()
        if not text:
            raise ValueError("it is empty")
        fault = malformed = ""
        try:
            return self._decode(text)
        except msgspec.ValidationError as error:  # JSON indeed, of another shape
            fault = str(error)
        except ValueError as error:
            malformed = str(error)
        found, nearest = self._search(text)
        if len(found) > 1:
            raise ValueError("it holds more than one JSON value that fits, and must hold one")
        if found:
            return found[0]
        if self._is_plain:
            return self._decode_word(text, fault)
        raise ValueError(fault or nearest or malformed)

    def _decode(self, text: str) -> T:
        """Decode JSON.

        Raises:
            msgspec.ValidationError: Of another shape.
            ValueError: No JSON.
        """
        try:
            value: T = self._read(text)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(_flatten(error)) from None
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"it is not JSON: {_flatten(error)}") from None
        except Exception as error:  # noqa: BLE001 - validators of the user's classes raise what they like
            raise msgspec.ValidationError(f"{type(error).__name__}: {_flatten(error)}") from None
        return value

    def _search(self, text: str) -> tuple[list[T], str]:
        """The different values that stand in ``text``, and what is wrong with the candidate that comes nearest."""
        found: dict[str, T] = {}
        unfit = unreadable = ""
        for candidate, fault in _find_candidates(text, self._openings):
            unreadable = unreadable or fault
            try:
                if candidate:
                    found[candidate] = self._decode(candidate)
            except ValueError as error:
                unfit = unfit or str(error)
        return list(found.values()), unfit or unreadable

    def _decode_word(self, text: str, fault: str) -> T:
        word = text.strip(_AROUND_A_WORD)
        spellings = [encode_text(text), encode_text(word), LITERALS.get(word.lower(), word)]
        spellings += [encode_text(known) for known in self._words if known.lower() == word.lower()]
        for spelling in spellings:
            try:
                return self._decode(spelling)
            except ValueError as error:
                fault = fault or f'"{_flatten(text)[:_QUOTED_CHARS]}" does not fit: {error}'
        raise ValueError(fault)


def check_output(kind: Any) -> Any:
    """What `Agent.output` is to be for ``output=kind``: the type, None for text.

    Raises:
        ConfigError: The type is not supported.
    """
    if kind is None or kind is str:
        return None
    AnswerType(kind)
    return kind


def _find_choices(schema: JsonSchema, defs: JsonSchema) -> Iterator[JsonSchema]:
    """The schemas without references and unions that a value may have at the top."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        yield from _find_choices(defs[name], defs)
    elif "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from _find_choices(choice, defs)
    else:
        yield schema


def _find_candidates(text: str, openings: str) -> Iterator[tuple[str, str]]:
    """JSON texts of the outermost values in ``text``; for what only begins like one, "" and its fault."""
    at = 0
    for _ in range(_TRIES):
        at = min((found for opening in openings if (found := text.find(opening, at)) >= 0), default=-1)
        if at < 0:
            return
        try:
            candidate, at = read_value(text, at)
        except ValueError as error:
            at += 1
            yield "", f"it is not JSON: {error}"
        else:
            yield candidate, ""


def _flatten(text: object) -> str:
    """In one line, cut to a length that a model reads."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= _FAULT_CHARS else f"{flat[:_FAULT_CHARS]}..."

"""The arguments of a call against a server's own schema, before anything is sent.

The schema is by a stranger. So the work is counted (one that refers to itself in several ways costs exponential time),
nothing is fetched (no reference leaves the schema), and what takes exponential time without being counted is left to
the server: regular expressions, and what is to become of members that nothing else has looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from surefoot.arguments.size import DEFAULT_LIMITS
from surefoot.errors import ToolError
from surefoot.signature import Decode
from surefoot.types import JsonSchema

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_STEPS: Final = 2_000
STEPS_A_CHAR: Final = 2
MOST_STEPS: Final = 20_000
"""Of one validation: a keyword looked at is a step. What an honest schema asks of a call grows with its arguments, from
some hundred on; so do the steps that it gets, up to so many: about 50 ms."""
_MOST_ERRORS: Final = 3
_SHOWN_CHARS: Final = 300
_UNCOUNTED: Final = frozenset(
    {"pattern", "patternProperties", "format", "unevaluatedProperties", "unevaluatedItems", "uniqueItems"}
)
"""The last one takes quadratic time."""


class _TooMuch(RuntimeError):
    """The steps are used up; `make_decode` turns it into a `ToolError`."""


def check_schema(schema: JsonSchema) -> str:
    """What is wrong with a schema itself, "" if nothing is."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"its schema is not valid: {error.message[:_SHOWN_CHARS]}"
    return ""


def make_decode(schema: JsonSchema) -> Decode:
    """A decoder of JSON text that holds the arguments against the schema; made at the first call."""
    find: list[Callable[[Any, int], list[str]]] = []

    def decode(text: str) -> dict[str, Any]:
        try:
            DEFAULT_LIMITS.check(text)
            arguments = msgspec.json.decode(text or "{}")
        except ValueError as error:  # msgspec.DecodeError is one
            what = str(error)
            raise ToolError(what if what.startswith("The ") else f"The arguments are not valid JSON: {what}.") from None
        if not isinstance(arguments, dict):
            raise ToolError("The arguments must be a JSON object.")
        if not find:
            find.append(_make_finder(schema))
        try:
            problems = find[0](arguments, min(MOST_STEPS, LEAST_STEPS + STEPS_A_CHAR * len(text)))
        except Exception:  # noqa: BLE001 - the steps are used up; or the schema of a stranger breaks the library
            raise ToolError("The arguments cannot be checked against the schema: send simpler ones.") from None
        if problems:
            raise ToolError(f"Wrong arguments: {'; '.join(problems)}.")
        return cast("dict[str, Any]", arguments)

    return decode


def _make_finder(schema: JsonSchema) -> Callable[[Any, int], list[str]]:
    import referencing
    from jsonschema import Draft202012Validator, validators

    left = [0]

    def count(word: str, check: Any) -> Any:
        def counted(validator: Any, value: Any, instance: Any, part: Any) -> Iterator[Any]:
            left[0] -= 1
            if left[0] < 0:
                raise _TooMuch
            if word == "additionalProperties" and "patternProperties" in part:
                return iter(())  # which members these are, the patterns say
            return check(validator, value, instance, part) or iter(())

        return counted

    def ignore(*_: Any) -> None:
        return None

    checks = {
        word: ignore if word in _UNCOUNTED else count(word, check)
        for word, check in Draft202012Validator.VALIDATORS.items()
    }
    library, references = cast("Any", validators), cast("Any", referencing)  # whose types say less than nothing
    validator = library.extend(Draft202012Validator, checks)(schema, registry=references.Registry())

    def find(arguments: Any, steps: int) -> list[str]:
        left[0] = steps
        found: list[str] = []
        for error in validator.iter_errors(arguments):
            found.append(f"`{error.json_path}`: {str(error.message)[:_SHOWN_CHARS]}")
            if len(found) >= _MOST_ERRORS:
                break
        return found

    return find

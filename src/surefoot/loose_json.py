"""JSON as models write it: single quotes, trailing commas, Python literals, bare words, raw line ends in strings.

One pass over the text, in linear time; the outcome is JSON text, so numbers keep their digits.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

DEPTH: Final = 32
"""How deeply values may be nested; a tool with deeper arguments is unknown, a flood of brackets is not."""

_BRACKETS: Final = 200
_QUOTED_CHARS: Final = 40  # of the text at a fault, enough for a model to find the place

_GAP: Final = re.compile(r"\s*+")
_STRING: Final = re.compile(
    r'"""(?P<tripled>.*?)"""'
    r"|'''(?P<tripled_single>.*?)'''"
    r'|"(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"'
    r"|'(?P<single>[^'\\]*+(?:\\.[^'\\]*+)*+)'"
    r"|“(?P<curly>[^”]*+)”",
    re.DOTALL,
)
_NUMBER: Final = re.compile(r"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+(?![\w.+-])")
_WORD: Final = re.compile(r"[^\s,:=\[\](){}\"'`“”]++")
_NAME: Final = re.compile(r"\s*+([A-Za-z_][\w-]*+)\s*+[=:](?!=)")
_ESCAPE: Final = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})|(.))", re.DOTALL
)
_ESCAPED: Final = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'", "\n": "",
}  # fmt: skip
LITERALS: Final = {"true": "true", "false": "false", "null": "null", "none": "null", "undefined": "null"}
"""JSON texts of the words that mean a value, in lower case."""

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def is_json_object(text: str) -> bool:
    """Whether ``text`` is one JSON object, by the letter of the standard, and safe to decode.

    How deep a decoder can go depends on the version of Python and on who calls it, so a flood of brackets is no object
    here: `read_value`, which has a limit of its own, takes the honest ones.
    """
    if text.count("{") + text.count("[") > _BRACKETS:
        return False
    try:
        _decode_object(text)
    except (ValueError, RecursionError):  # lone surrogates and msgspec's own errors are ValueErrors
        return False
    return True


def encode_text(text: str) -> str:
    """``text`` as a JSON string; surrogates are paired, and lone ones, which no UTF-8 can hold, replaced."""
    try:
        return msgspec.json.encode(text).decode()
    except UnicodeEncodeError:
        mended = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return msgspec.json.encode(mended).decode()


def read_value(text: str, at: int = 0) -> tuple[str, int]:
    """The value that begins at ``at``, as JSON text, and the index after it. What follows it is not looked at.

    Raises:
        ValueError: No value begins there, or it is malformed; the message quotes the place.
    """
    return _read_value(text, at, DEPTH)


def read_members(text: str, at: int, close: str) -> tuple[list[str], dict[str, str], int]:
    """Arguments as in a call, ``"Paris", days=3``, up to and including ``close`` ("" for the end of the text).

    Returns:
        JSON texts of the positional arguments, those of the named ones, and the index after ``close``.

    Raises:
        ValueError: Malformed; the message quotes the place.
    """
    positional: list[str] = []
    named: dict[str, str] = {}
    at = _skip(text, at)
    while text[at : at + 1] != close:
        name = _NAME.match(text, at)
        value, at = _read_value(text, name.end() if name else at, DEPTH)
        if name:
            named[name[1]] = value
        else:
            positional.append(value)
        at = _end_element(text, at, close)
    return positional, named, at + len(close)


def _skip(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    assert gap is not None
    return gap.end()


def _read_value(text: str, at: int, depth: int) -> tuple[str, int]:
    at = _skip(text, at)
    head = text[at : at + 1]
    if head == "{":
        return _read_object(text, at, depth)
    if head == "[":
        return _read_array(text, at, depth, "]")
    if head == "(":
        return _read_array(text, at, depth, ")")
    if head in {'"', "'", "“"}:
        return _read_string(text, at)
    if number := _NUMBER.match(text, at):
        if not _is_in_range(number[0]):
            raise _fault(text, number.end(), "a number is out of range")
        return number[0], number.end()
    if word := _WORD.match(text, at):
        return LITERALS.get(word[0].lower()) or encode_text(word[0]), word.end()
    raise _fault(text, at, "a value is missing")


def _is_in_range(number: str) -> bool:
    try:
        msgspec.json.decode(number)
    except msgspec.DecodeError:
        return False
    return True


def _read_object(text: str, at: int, depth: int) -> tuple[str, int]:
    if not depth:
        raise _fault(text, at, "it is nested too deeply")
    members: list[str] = []
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        key, at = _read_key(text, at)
        at = _skip(text, at)
        if text[at : at + 1] not in {":", "="}:
            raise _fault(text, at, '":" is missing')
        value, at = _read_value(text, at + 1, depth - 1)
        members.append(f"{key}:{value}")
        at = _end_element(text, at, "}")
    return f"{{{','.join(members)}}}", at + 1


def _read_array(text: str, at: int, depth: int, close: str) -> tuple[str, int]:
    if not depth:
        raise _fault(text, at, "it is nested too deeply")
    items: list[str] = []
    at = _skip(text, at + 1)
    while text[at : at + 1] != close:
        item, at = _read_value(text, at, depth - 1)
        items.append(item)
        at = _end_element(text, at, close)
    return f"[{','.join(items)}]", at + 1


def _read_key(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] in {'"', "'", "“"}:
        return _read_string(text, at)
    if word := _WORD.match(text, at):
        return encode_text(word[0]), word.end()
    raise _fault(text, at, "a key is missing")


def _read_string(text: str, at: int) -> tuple[str, int]:
    string = _STRING.match(text, at)
    if string is None:
        raise ValueError(f"the string that begins `{_flatten(text[at : at + _QUOTED_CHARS])}` is not closed")
    kind = string.lastgroup
    assert kind is not None
    body = string[kind]
    if "\\" in body and kind != "curly":
        body = _ESCAPE.sub(_unescape, body)
    return encode_text(body), string.end()


def _unescape(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2] or escape[3]
    if digits:
        return chr(int(digits, 16))
    # An unknown escape is most often a regular expression or a Windows path: the backslash was meant.
    return _ESCAPED.get(escape[4], escape[0])


def _end_element(text: str, at: int, close: str) -> int:
    at = _skip(text, at)
    head = text[at : at + 1]
    if head == ",":
        return _skip(text, at + 1)
    if head == close:
        return at
    raise _fault(text, at, f'"," or "{close}" is missing' if close else '"," is missing')


def _fault(text: str, at: int, what: str) -> ValueError:
    before = _flatten(text[max(0, at - _QUOTED_CHARS) : at])
    where = f"after `{before}`" if before else "at its beginning"
    return ValueError(f"{what} {where}" + (", where the text ends" if at >= len(text) else ""))


def _flatten(text: str) -> str:
    return " ".join(text.split())

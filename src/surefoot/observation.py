"""What the model reads of a tool call: a value, a failure or a refusal, as text of a bounded size."""

from __future__ import annotations

from typing import Any, Final, cast

from msgspec.structs import replace

from surefoot.errors import ToolError
from surefoot.schema import encode_json
from surefoot.types import SYSTEM_LABEL, Label, ToolResult

LEAST_OUTPUT_BYTES: Final = 256
"""Below this, the note that says how much was cut would leave no room for anything else."""

MOST_KEPT_BYTES: Final = 256 << 10
"""Of one output: what is kept so that the model may read on where it was cut."""

_MAX_ERROR_BYTES: Final = 2_000
_MAX_NAMES: Final = 40


def report(value: Any, label: Label, max_bytes: int) -> ToolResult:
    """What the tool ``label.source`` returned: ``str`` as it is, None as "", anything else as JSON.

    Bytes are refused: only the tool's author knows what they mean. Inside a value they are base64, as msgspec has it.
    """
    if isinstance(value, str):
        return _cap(value if type(value) is str else str.__str__(value), label, max_bytes)  # a StrEnum is its value
    if value is None:
        return ToolResult("", label)
    said = SYSTEM_LABEL
    try:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            return _cap(encode_json(value).decode(), label, max_bytes)
        problem = "bytes are not text"
    except Exception as error:  # noqa: BLE001 - serializers of the user's classes raise what they like
        problem, said = _describe(error), Label("third_party", source=label.source)  # its message may quote anybody
    # Its effect has happened: a bare "failed" would make the model call it once more
    advice = "Do not call it again: its author must make it return str, None or a value that has a JSON form."
    text = f"{label.source} has run, but its result cannot be shown ({problem}). {advice}"
    return _cap(text, said, _MAX_ERROR_BYTES, is_error=True)


def report_failure(error: BaseException, label: Label, max_bytes: int) -> ToolResult:
    """What the tool ``label.source`` raised, without a traceback; of a `ToolError`, only its message."""
    error = _unwrap(error)
    text = str(error) if isinstance(error, ToolError) else f"{label.source} failed: {_describe(error)}"
    return _cap(text, label, min(_MAX_ERROR_BYTES, max_bytes), is_error=True)


def refuse(text: str) -> ToolResult:
    """What Surefoot itself says of a call."""
    return _cap(text, SYSTEM_LABEL, _MAX_ERROR_BYTES, is_error=True)


def refuse_unknown(name: str, names: list[str]) -> ToolResult:
    """What a model reads that asks for a tool that is not one of ``names``."""
    import difflib  # only for a mistake

    if not names:
        return refuse("There are no tools. Answer without one.")
    name = name[:64]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return refuse(f"There is no tool {name!r}.{hint} The tools are: {', '.join(names[:_MAX_NAMES])}{more}.")


def _unwrap(error: BaseException) -> BaseException:
    """What a task group of one failure wraps."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    return _unwrap(group.exceptions[0]) if len(group.exceptions) == 1 else group


def _describe(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = str(error)
    except Exception as nested:  # noqa: BLE001 - an exception class of the user's with a broken __str__
        return f"{name} (whose message cannot be read: {type(nested).__name__})"
    return f"{name}: {text}" if text else name


def _cap(text: str, label: Label, max_bytes: int, *, is_error: bool = False) -> ToolResult:
    if text.isascii() and len(text) <= max_bytes:
        return ToolResult(text, label, is_error)
    data = text.encode(errors="replace")  # lone surrogates (of a file name, say) have no UTF-8
    if len(data) <= max_bytes:
        return ToolResult(data.decode(), label, is_error)
    longest = len(_note(len(data), len(data)))
    kept = data[: max_bytes - longest].decode(errors="ignore")
    cut_bytes = len(data) - len(kept.encode())
    whole = "" if is_error else data[:MOST_KEPT_BYTES].decode(errors="ignore")
    return ToolResult(kept + _note(cut_bytes, len(data)), label, is_error, cut_bytes, whole, len(data))


def recap(result: ToolResult, whole: str) -> ToolResult:
    """A result that was cut, of which ``whole`` is what may be kept instead: cut again, to at most the size it had."""
    unseen = result.all_bytes - len(result.whole.encode(errors="replace"))
    made = _cap(whole, result.label, max(LEAST_OUTPUT_BYTES, len(result.content.encode())))
    return made if unseen <= 0 else replace(made, all_bytes=made.all_bytes + unseen)


def _note(cut_bytes: int, all_bytes: int) -> str:
    return f"\n[{cut_bytes} of {all_bytes} bytes are cut here: ask for less at a time]"

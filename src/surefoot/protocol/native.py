"""Native tool calls: the provider's own ``tools`` field and call objects."""

from __future__ import annotations

import re
from typing import Final

from surefoot.protocol.base import Stage, Turn
from surefoot.protocol.synopsis import describe_answer
from surefoot.types import JsonSchema, Message, ToolCall, ToolSpec

_NAME_CHARS: Final = 64  # the shortest limit among the providers
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")

_EMPTY: Final = "The reply was empty. Call a tool, or give the final answer."
_TOO_LATE: Final = "No tool can be called any more. Give the final answer now, from what is known so far."


class NativeTools:
    """Speaks ReAct through the provider's tool calls.

    A reply with calls acts, and its text is the thought; a reply without calls is the final answer.
    """

    name = "native"
    native_tools = True

    def __init__(self, instructions: str, tools: tuple[ToolSpec, ...], output_schema: JsonSchema | None) -> None:
        self._names = frozenset(tool.name for tool in tools)
        sections = [instructions] if instructions else []
        if output_schema is not None:
            sections.append(f"The final answer must be {describe_answer(output_schema)}")
        self._system = "\n\n".join(sections)

    def system(self) -> str:
        """The instructions, and the schema of a structured answer."""
        return self._system

    def response_schema(self, stage: Stage) -> JsonSchema | None:
        """None: few providers take both tools and a response format, so the answer is checked here instead."""
        return None

    def render(self, message: Message) -> Message:
        """Messages are shown as they are."""
        return message

    def parse(self, reply: Message, stage: Stage) -> Turn:
        """See `Protocol.parse`. With ``stage.final_only`` the text beside a call counts as the answer."""
        text = reply.text
        if reply.tool_calls and not stage.final_only:
            return Turn(text, self._mend(reply.tool_calls, stage.step))
        if text and not text.isspace():
            return Turn(answer=text)
        return Turn(problem=_TOO_LATE if reply.tool_calls else _EMPTY)

    def visible(self, text: str) -> str:
        """All of it; a thought that streams before a call is seen as well."""
        return text

    def _mend(self, calls: tuple[ToolCall, ...], step: int) -> tuple[ToolCall, ...]:
        """The calls with ids that tell them apart, and names that the provider takes back in the next request."""
        if len(calls) == 1 and calls[0].id and calls[0].name in self._names:  # nearly always
            return calls
        ids = {call.id for call in calls}
        if len(ids) == len(calls) and "" not in ids and all(call.name in self._names for call in calls):
            return calls
        mended: list[ToolCall] = []
        taken: set[str] = set()
        for number, call in enumerate(calls, 1):
            call_id = call.id
            if not call_id or call_id in taken:
                call_id = _invent_id(step, number, ids | taken)
            taken.add(call_id)
            name = _NOT_IN_A_NAME.sub("_", call.name)[:_NAME_CHARS] or "unnamed"
            mended.append(ToolCall(call_id, name, call.arguments))
        return tuple(mended)


def _invent_id(step: int, number: int, taken: set[str]) -> str:
    call_id = f"call_{step}_{number}"
    while call_id in taken:
        call_id += "_"
    return call_id

"""ReAct as JSON steps: each reply is one object, held by the provider to a schema of the steps that are possible.

``{"thought": ..., "action": TOOL, "args": {...}}`` acts, ``{"thought": ..., "action": "final", "answer": ...}`` ends.
Small models need the constraint; the reply of an endpoint that ignores ``response_format`` is read tolerantly all the
same.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from surefoot.loose_json import encode_text, read_value
from surefoot.protocol.base import Stage, Turn
from surefoot.protocol.step_schema import build_schema
from surefoot.protocol.synopsis import describe_answer, describe_tools
from surefoot.types import ASSISTANT_LABEL, SYSTEM_LABEL, JsonSchema, Message, Part, ToolCall, ToolSpec

# What is the same for all agents stands first: an engine keeps the common beginning of prompts computed.
_HOW_TO_ACT: Final = """\
Solve the user's task step by step with tools. Each reply is one JSON object, either a tool call or the final answer:
{{"thought": "...", "action": "TOOL", "args": {{...}}}}
{{"thought": "...", "action": "{final}", "answer": "..."}}
In the thought, say what you know from the results and what is still to do. Every value in args comes from the task \
or from a result; if you do not have it yet, first call the tool that gives it. Only tool calls get things done: the \
answer just reports them, when every part of the task is done. After an error, correct the call or use another tool.

Example, with other tools:
Task: How long is the museum in Oslo open on Sunday? If it is more than 5 hours, book a ticket.
{{"thought": "I know nothing yet. First the Sunday hours of the museum.", \
"action": "museum_hours", "args": {{"city": "Oslo", "day": "Sunday"}}}}
Result of museum_hours: Saturday 9:00-14:00; Sunday 10:00-16:00
{{"thought": "On Sunday it is open from 10 to 16. Still to do: the difference, maybe a ticket.", \
"action": "subtract", "args": {{"a": 16, "b": 10}}}}
Result of subtract: 6
{{"thought": "6 hours is more than 5. Still to do: book the ticket.", \
"action": "book_ticket", "args": {{"city": "Oslo", "day": "Sunday"}}}}
Result of book_ticket: booked, number 88
{{"thought": "The hours are known and the ticket is booked. Nothing is left to do.", \
"action": "{final}", "answer": "It is open 6 hours, from 10:00 to 16:00. I booked ticket 88."}}"""
_HOW_TO_ANSWER: Final = """\
Reply with one JSON object: {{"thought": "how you come to the answer", "action": "{final}", "answer": "..."}}"""

_ONE_FORM: Final = 'Reply with one JSON object: {{"thought": "...", "action": "{final}", "answer": "..."}}.'
_BOTH_FORMS: Final = (
    'Reply with one JSON object: {{"thought": "...", "action": TOOL, "args": {{...}}}} to call a tool, or '
    '{{"thought": "...", "action": "{final}", "answer": "..."}} to finish.'
)
_TEXT: Final[JsonSchema] = {"type": "string"}

# What models write that no schema holds.
_ACTION_KEYS: Final = ("action", "tool", "name", "function")
_ARGUMENT_KEYS: Final = ("args", "arguments", "parameters", "action_input", "input")
_ANSWER_KEYS: Final = ("answer", "final_answer")
_STEP_KEYS: Final = frozenset({"thought", *_ACTION_KEYS, *_ARGUMENT_KEYS, *_ANSWER_KEYS})
_TRIES: Final = 8  # places in prose where a step may begin: bounds the work that a flood of brackets makes

# As much of a JSON string's inside as is whole: no half escape, no half surrogate pair.
_STRING_BODY: Final = re.compile(
    r'(?:[^"\\\x00-\x1f\ud800-\udfff]|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+"
)
_TASK: Final = Part("Task: ", SYSTEM_LABEL)
_QUOTE: Final = Part('"', ASSISTANT_LABEL)
_CLOSE: Final = Part("}", ASSISTANT_LABEL)

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class JsonSteps:
    """Speaks ReAct in JSON objects. See the module's docstring for their form.

    Args:
        instructions: The agent's.
        tools: Its tools.
        output_schema: Schema of a structured answer, None for text.
        final_needs_result: Offer the final answer only once a tool has been called, if there are tools: a small model
            else answers from memory. Where questions may need no tool, say False.
    """

    name = "json"
    native_tools = False

    def __init__(
        self,
        instructions: str,
        tools: tuple[ToolSpec, ...],
        output_schema: JsonSchema | None,
        *,
        final_needs_result: bool = True,
    ) -> None:
        self._names = frozenset(tool.name for tool in tools)
        self._final = final = "final" if "final" not in self._names else "final_answer_for_user"
        self._structured = output_schema is not None
        self._forms = (_BOTH_FORMS if tools else _ONE_FORM).format(final=final)
        how = (_HOW_TO_ACT if tools else _HOW_TO_ANSWER).format(final=final)
        sections = [how, instructions, f"Your tools:\n{describe_tools(tools)}" if tools else ""]
        if output_schema is not None:
            sections.append(f"The answer is {describe_answer(output_schema)}")
        self._system = "\n\n".join([section for section in sections if section])
        self._tools = tools
        self._answer = answer = output_schema or _TEXT
        self._only_final = build_schema((), answer, final=final, brief=True)
        self._any_step = build_schema(tools, answer, final=final, brief=False)
        self._first_step = build_schema(tools, None, final=final, brief=False) if tools else self._any_step
        if not final_needs_result:
            self._first_step = self._any_step
        self._answer_begins = re.compile(rf'"action"\s*+:\s*+"{final}"\s*+,\s*+"answer"\s*+:\s*+"')

    def system(self) -> str:
        """The form of a step, the instructions, the tools and the schema of a structured answer."""
        return self._system

    def response_schema(self, stage: Stage) -> JsonSchema | None:
        """The steps that are possible at ``stage``. Tools that were called the same way again are left out."""
        if stage.final_only:
            return self._only_final
        if stage.repeated:
            tools = tuple([tool for tool in self._tools if tool.name not in stage.repeated])
            return build_schema(tools, self._answer, final=self._final, brief=False)
        return self._any_step if stage.has_results else self._first_step

    def render(self, message: Message) -> Message:
        """Calls and answers in the form of a step; tool results as messages in the user's role; labels are kept."""
        if message.role == "tool":
            source = message.parts[-1].label.source if message.parts else ""
            name = f" of {source}" if source in self._names else ""
            head = f"{'Error' if message.is_error else 'Result'}{name}: "
            return Message("user", (Part(head, SYSTEM_LABEL), *message.parts))
        if message.role == "user" and message.parts and message.parts[0].label.author == "user":
            return Message("user", (_TASK, *message.parts))
        if message.role != "assistant":
            return message
        if calls := message.tool_calls:
            # Spaced as models write it: then the engine finds its own tokens again and need not read the step
            thought = encode_text(message.text)
            steps = [f'{{"thought": {thought}, "action": "{c.name}", "args": {c.arguments}}}' for c in calls]
            return Message("assistant", (Part("\n".join(steps), ASSISTANT_LABEL),))
        if not message.parts or '"action"' in message.text:  # a malformed step is shown as it came
            return message
        parts = message.parts
        if not self._structured:
            quoted = [Part(encode_text(part.text)[1:-1], part.label) for part in parts]
            parts = (_QUOTE, *quoted, _QUOTE)
        return Message("assistant", (Part(f'{{"action": "{self._final}", "answer": ', ASSISTANT_LABEL), *parts, _CLOSE))

    def parse(self, reply: Message, stage: Stage) -> Turn:
        """See `Protocol.parse`. An answer that is cut off counts as far as it goes."""
        text = reply.text
        if text.lstrip().startswith("<think>"):
            text = text.partition("</think>")[2]
        members, fault = _read_step(text)
        if not members:
            return self._salvage(text, fault, stage)
        thought = _text_of(members.get("thought")) or ""
        action = _text_of(_first(members, _ACTION_KEYS))
        if action == self._final or (action is None and _first(members, _ANSWER_KEYS) is not None):
            return self._conclude(thought, _first(members, _ANSWER_KEYS))
        if stage.final_only:
            return Turn(problem=f"No tool can be called any more. {self._forms}")
        if not action:
            return Turn(problem=f'The reply names no "action". {self._forms}')
        return Turn(thought, (ToolCall(f"call_{stage.step}", action, _arguments(members)),))

    def visible(self, text: str) -> str:
        """The answer's text as far as it has come; nothing of a structured answer, which is of no use in pieces."""
        begins = None if self._structured else self._answer_begins.search(text)
        if begins is None:
            return ""
        whole = _STRING_BODY.match(text, begins.end())
        assert whole is not None, "it matches the empty string"
        return _decode_text(f'"{whole[0]}"')

    def _conclude(self, thought: str, answer: msgspec.Raw | None) -> Turn:
        text = None if self._structured else _text_of(answer)
        if text is None and answer is not None:
            text = bytes(answer).decode()
        if answer is None or bytes(answer) == b"null" or not text or text.isspace():
            return Turn(problem=f'The "answer" is missing. {self._forms}')
        return Turn(thought, answer=text)

    def _salvage(self, text: str, fault: str, stage: Stage) -> Turn:
        answer = self.visible(text)
        if not answer and stage.final_only and "{" not in text:
            answer = text.strip()
        if answer and not answer.isspace():
            return Turn(answer=answer)
        return Turn(problem=f"The reply is not a JSON object: {fault}. {self._forms}")


def _read_step(text: str) -> tuple[dict[str, msgspec.Raw], str]:
    """The members of the first object in ``text`` that looks like a step, or {} and what is wrong."""
    try:
        return _decode_members(text), "it is empty"
    except (ValueError, RecursionError):
        fault = "there is none"
    at = text.find("{")
    for _ in range(_TRIES):
        if at < 0:
            break
        try:
            value, _ = read_value(text, at)
            members = _decode_members(value)
        except ValueError as error:
            fault = str(error)
        else:
            if not members.keys().isdisjoint(_STEP_KEYS):
                return members, ""
        at = text.find("{", at + 1)
    return {}, fault


def _first(members: dict[str, msgspec.Raw], keys: tuple[str, ...]) -> msgspec.Raw | None:
    return next((members[key] for key in keys if key in members), None)


def _text_of(value: msgspec.Raw | None) -> str | None:
    """The string that ``value`` is, None if it is anything else."""
    return None if value is None or not bytes(value).startswith(b'"') else _decode_text(value)


def _arguments(members: dict[str, msgspec.Raw]) -> str:
    """The arguments as the model wrote them, also where it put them beside ``action`` or into a string."""
    value = _first(members, _ARGUMENT_KEYS)
    if value is None:
        beside = {key: value for key, value in members.items() if key not in _STEP_KEYS}
        return msgspec.json.encode(beside).decode()
    text = bytes(value).decode()
    return "{}" if text == "null" else _text_of(value) or text

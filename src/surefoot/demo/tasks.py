"""Twelve tasks as a user of a small shop's desk would put them, and what counts as solved.

A task is judged by what the tools were really asked and by the figures in the answer, never by its wording.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import msgspec
from msgspec import Struct

from surefoot.demo import tools
from surefoot.tools import Tool
from surefoot.types import Message, ToolCall

TOLERANCE: Final = 0.002
"""How far, relatively, a figure in an answer may be from the exact one: people round."""

_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode
_NUMBER: Final = re.compile(r"-?\d+(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?")


class Call(Struct, frozen=True):
    """A call that must have been made, and have succeeded.

    Attributes:
        tool: Name of the tool.
        arguments: Arguments that it must have had; text is compared without regard to case.
        contains: Text that an argument must contain.
        once: It must have been the only successful call of this tool.
    """

    tool: str
    arguments: dict[str, Any] = {}
    contains: dict[str, str] = {}
    once: bool = False


class Task(Struct, frozen=True):
    """A task and what counts as solved.

    Attributes:
        name: One word.
        question: What the user asks.
        tools: What the agent has.
        calls: Calls that must have succeeded.
        avoid: Tools that must not have been called with success.
        numbers: Figures that the answer must hold, within `TOLERANCE`.
        dates: Days that the answer must name.
        words: Data, such as a name or a place, that the answer must hold.
    """

    name: str
    question: str
    tools: tuple[Tool[..., Any], ...]
    calls: tuple[Call, ...] = ()
    avoid: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    dates: tuple[date, ...] = ()
    words: tuple[str, ...] = ()


class _Made(Struct, frozen=True):
    """A call that succeeded."""

    tool: str
    arguments: dict[str, Any]


def judge(task: Task, messages: Sequence[Message], answer: str) -> list[str]:
    """What is missing from a solution.

    Args:
        task: The task.
        messages: The conversation of the run: ``RunResult.messages``.
        answer: Its answer.

    Returns:
        One line for each thing that is missing or wrong; empty if the task is solved.
    """
    made = _find_calls(messages)
    faults = [f"no call of {call.tool} with {_describe(call)}" for call in task.calls if not _is_made(call, made)]
    faults += [f"{tool} was called" for tool in task.avoid if any(call.tool == tool for call in made)]
    found = [float(number.replace(",", "")) for number in _NUMBER.findall(answer)]
    for number in task.numbers:
        if not any(abs(other - number) <= TOLERANCE * abs(number) for other in found):
            faults.append(f"the answer does not say {number:g}")
    faults += [f"the answer does not name {day}" for day in task.dates if not _names_day(answer, day)]
    faults += [f"the answer does not say {word}" for word in task.words if word.lower() not in answer.lower()]
    return faults


def _find_calls(messages: Sequence[Message]) -> list[_Made]:
    made: list[_Made] = []
    asked: dict[str, ToolCall] = {}
    for message in messages:
        asked |= {call.id: call for call in message.tool_calls}
        call = asked.get(message.tool_call_id)
        if call is not None and not message.is_error:
            try:
                made.append(_Made(call.name, _decode_arguments(call.arguments)))
            except (msgspec.DecodeError, UnicodeError, RecursionError):  # no tool took these, whatever the messages say
                continue
    return made


def _is_made(call: Call, made: list[_Made]) -> bool:
    same = [other.arguments for other in made if other.tool == call.tool]
    if call.once and len(same) != 1:
        return False
    return any(_fits(call, arguments) for arguments in same)


def _fits(call: Call, arguments: dict[str, Any]) -> bool:
    for name, wanted in call.arguments.items():
        value = arguments.get(name)
        if isinstance(value, str) and isinstance(wanted, str):
            value, wanted = value.lower(), wanted.lower()  # noqa: PLW2901 - the same, in small letters
        if value != wanted:
            return False
    return all(part.lower() in str(arguments.get(name, "")).lower() for name, part in call.contains.items())


def _describe(call: Call) -> str:
    wanted = [f"{name}={value!r}" for name, value in call.arguments.items()]
    wanted += [f"{name} containing {part!r}" for name, part in call.contains.items()]
    return (", ".join(wanted) or "any arguments") + (", once" if call.once else "")


def _names_day(answer: str, day: date) -> bool:
    """Whether ``answer`` names ``day`` as ISO, ``14 March``, ``March 14th`` or ``14.03.2026``."""
    if day.isoformat() in answer or day.strftime("%d.%m.%Y") in answer:
        return True
    nth, month = rf"0?{day.day}(?:st|nd|rd|th)?", f"{day:%B}|{day:%b}"
    pattern = rf"\b{nth} (?:of )?(?:{month})\b|\b(?:{month})\.? (?:the )?{nth}\b"
    return re.search(pattern, answer, re.IGNORECASE) is not None


TASKS: Final = (
    Task(
        "parcel",
        "Where is order 4711 right now, and when will it arrive?",
        (tools.get_order, tools.track_parcel, tools.refund_order),
        calls=(Call("get_order", {"order_id": "4711"}), Call("track_parcel", {"tracking_number": "PX-88213"})),
        avoid=("refund_order",),
        dates=(date(2026, 3, 14),),
    ),
    Task(
        "price",
        "What do three LAMP-02 cost in Swiss francs?",
        (tools.get_product, tools.calculate, tools.convert_currency),
        calls=(Call("get_product", {"sku": "LAMP-02"}), Call("convert_currency", {"to_currency": "CHF"})),
        numbers=(140.72,),
    ),
    Task(
        "sales",
        "Which region had the highest total revenue in February 2026, and how much was it?",
        (tools.describe_tables, tools.run_sql),
        calls=(Call("run_sql"),),
        numbers=(2165.0,),
        words=("south",),
    ),
    Task(
        "calendar",
        "Book a 30 minute call with Dana on 12 March 2026 at 15:00, if I am free then.",
        (tools.list_events, tools.create_event),
        calls=(
            Call("list_events", {"day": "2026-03-12"}),
            Call("create_event", {"day": "2026-03-12", "start": "15:00", "end": "15:30"}, once=True),
        ),
    ),
    Task(
        "stock",
        "A customer wants 40 SHELF-OAK. Check our stock and order what is missing from the supplier.",
        (tools.get_product, tools.order_stock, tools.calculate),
        calls=(
            Call("get_product", {"sku": "SHELF-OAK"}),
            Call("order_stock", {"sku": "SHELF-OAK", "quantity": 14}, once=True),
        ),
    ),
    Task(
        "overdue",
        "How many days overdue is invoice INV-204 today?",
        (tools.get_invoice, tools.get_today, tools.days_since),
        calls=(Call("get_invoice", {"number": "INV-204"}), Call("days_since", {"day": "2026-02-13"})),
        numbers=(25,),
    ),
    Task(
        "expenses",
        "Add up my expenses of March 2026. They are in one of my files.",
        (tools.list_files, tools.read_file, tools.add_up),
        calls=(Call("read_file", {"name": "expenses-2026-03.csv"}),),
        numbers=(189.25,),
    ),
    Task(
        "recipe",
        "A recipe says 350 F and 12 fluid ounces of milk. What is that in Celsius and in millilitres?",
        (tools.convert_units, tools.calculate),
        calls=(
            Call("convert_units", {"value": 350, "from_unit": "F", "to_unit": "C"}),
            Call("convert_units", {"value": 12, "from_unit": "fl_oz", "to_unit": "ml"}),
        ),
        numbers=(176.67, 354.88),
    ),
    Task(
        "email",
        "Tell Priya by e-mail that Tuesday's meeting moves to 14:00.",
        (tools.find_contact, tools.send_email),
        calls=(
            Call("find_contact", contains={"name": "Priya"}),
            Call("send_email", {"to": "priya.nair@harbourgoods.example"}, {"body": "14:00"}, once=True),
        ),
    ),
    Task(
        "ticket",
        "Customers report that the login page is broken. Find the open ticket about it and make it urgent.",
        (tools.search_tickets, tools.set_ticket_priority, tools.close_ticket),
        calls=(
            Call("search_tickets"),
            Call("set_ticket_priority", {"ticket_id": "T-305", "priority": "urgent"}, once=True),
        ),
        avoid=("close_ticket",),
    ),
    Task(
        "train",
        "What does the cheapest train from Leeds to York on 14 March 2026 cost for two people?",
        (tools.search_trains, tools.calculate),
        calls=(Call("search_trains", {"origin": "Leeds", "destination": "York", "day": "2026-03-14"}),),
        numbers=(17.80,),
    ),
    Task(
        "wage",
        "How much did Tom Berger earn in week 10 of 2026?",
        (tools.get_hours, tools.get_wage, tools.calculate),
        calls=(Call("get_hours", {"employee": "Tom Berger", "week": "2026-W10"}), Call("get_wage")),
        numbers=(690.0,),
    ),
)
"""The first three are the demo; all twelve are ``surefoot demo --all``."""

TINY: Final = Task(
    "tiny",
    "Compare the stock of DESK-OAK, SHELF-OAK, CHAIR-01, LAMP-02 and RUG-WOOL, and tell me which one runs out first.",
    (tools.get_product, tools.order_stock, tools.calculate),
    avoid=("order_stock",),
)
"""More work than its budget allows: shows how a run ends that hits its limit."""

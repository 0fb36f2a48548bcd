"""The demo's tasks can be solved with their tools, and what does not solve them is noticed."""

import inspect
from datetime import date

import msgspec
import pytest

from surefoot.demo.tasks import TASKS, TINY, Call, Task, judge
from surefoot.demo.tools import calculate
from surefoot.types import Label, Message, Part, ToolCall

SOLUTIONS = {
    "parcel": (
        [("get_order", {"order_id": "4711"}), ("track_parcel", {"tracking_number": "PX-88213"})],
        "It is in Leipzig and arrives on March 14th.",
    ),
    "price": (
        [
            ("get_product", {"sku": "LAMP-02"}),
            ("calculate", {"expression": "3 * 49.90"}),
            ("convert_currency", {"amount": 149.7, "from_currency": "EUR", "to_currency": "CHF"}),
        ],
        "140.72 CHF",
    ),
    "sales": (
        [
            ("describe_tables", {}),
            (
                "run_sql",
                {
                    "query": "SELECT region, SUM(revenue) AS total FROM sales WHERE day LIKE '2026-02%' "
                    "GROUP BY region ORDER BY total DESC LIMIT 1"
                },
            ),
        ],
        "The south, with 2,165.00 EUR",
    ),
    "calendar": (
        [
            ("list_events", {"day": "2026-03-12"}),
            ("create_event", {"title": "Call", "day": "2026-03-12", "start": "15:00", "end": "15:30"}),
        ],
        "Booked.",
    ),
    "stock": (
        [("get_product", {"sku": "shelf-oak"}), ("order_stock", {"sku": "SHELF-OAK", "quantity": 14})],
        "26 are there, 14 are ordered.",
    ),
    "overdue": (
        [
            ("get_invoice", {"number": "INV-204"}),
            ("days_since", {"day": "2026-02-13"}),
        ],
        "25 days",
    ),
    "expenses": (
        [
            ("list_files", {}),
            ("read_file", {"name": "expenses-2026-03.csv"}),
            ("add_up", {"numbers": [41.50, 129.00, 18.75]}),
        ],
        "189.25",
    ),
    "recipe": (
        [
            ("convert_units", {"value": 350.0, "from_unit": "F", "to_unit": "C"}),
            ("convert_units", {"value": 12, "from_unit": "fl_oz", "to_unit": "ml"}),
        ],
        "177 C and 355 ml",
    ),
    "email": (
        [
            ("find_contact", {"name": "priya"}),
            ("send_email", {"to": "priya.nair@harbourgoods.example", "subject": "Tuesday", "body": "Now at 14:00."}),
        ],
        "Sent.",
    ),
    "ticket": (
        [
            ("search_tickets", {"words": "login page"}),
            ("set_ticket_priority", {"ticket_id": "T-305", "priority": "urgent"}),
        ],
        "T-305 is urgent now.",
    ),
    "train": (
        [
            ("search_trains", {"origin": "Leeds", "destination": "York", "day": "2026-03-14"}),
            ("calculate", {"expression": "8.90 * 2"}),
        ],
        "17.80 pounds",
    ),
    "wage": (
        [
            ("get_hours", {"employee": "Tom Berger", "week": "2026-W10"}),
            ("get_wage", {"employee": "Tom Berger"}),
            ("calculate", {"expression": "37.5 * 18.40"}),
        ],
        "690 EUR",
    ),
}


async def conversation(task, calls):
    """The messages of a run that makes these calls."""
    tools = {tool.spec.name: tool for tool in task.tools}
    messages = [Message.user(task.question)]
    for number, (name, arguments) in enumerate(calls):
        call = ToolCall(f"c{number}", name, msgspec.json.encode(arguments).decode())
        result = tools[name](**tools[name].decode(call.arguments))
        content = await result if inspect.isawaitable(result) else result
        messages += [
            Message.assistant("", (call,)),
            Message("tool", (Part(content, Label("tool")),), tool_call_id=call.id),
        ]
    return messages


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
async def test_each_task_can_be_solved_and_not_without_its_calls_or_its_figures(task):
    calls, answer = SOLUTIONS[task.name]
    messages = await conversation(task, calls)
    assert judge(task, messages, answer) == []
    assert judge(task, messages[:1], answer) != []
    assert judge(task, [], "") != []
    if task.numbers or task.dates or task.words:
        assert judge(task, messages, "All done.") != []


def test_there_are_twelve_with_different_names_and_two_to_five_tools():
    assert len({task.name for task in TASKS}) == len(TASKS) == len(SOLUTIONS) == 12
    assert all(2 <= len(task.tools) <= 5 for task in (*TASKS, TINY))
    assert all(call.tool in {tool.spec.name for tool in task.tools} for task in TASKS for call in task.calls)


def made(name, arguments, *, is_error=False):
    call = ToolCall("c", name, arguments)
    result = Message("tool", (Part("r", Label("tool")),), tool_call_id="c", is_error=is_error)
    return [Message.assistant("", (call,)), result]


def test_what_is_wrong_is_said():
    task = Task(
        "t",
        "?",
        (calculate,),
        calls=(Call("pay", {"to": "Ann"}, {"note": "rent"}, once=True), Call("look")),
        avoid=("delete",),
        numbers=(12.5,),
        dates=(date(2026, 3, 4),),
        words=("Ann",),
    )
    assert judge(task, made("delete", "{}"), "13") == [
        "no call of pay with to='Ann', note containing 'rent', once",
        "no call of look with any arguments",
        "delete was called",
        "the answer does not say 12.5",
        "the answer does not name 2026-03-04",
        "the answer does not say Ann",
    ]


def test_a_call_that_failed_does_not_count():
    task = Task("t", "?", (calculate,), calls=(Call("pay", {"to": "Ann"}),))
    assert judge(task, made("pay", '{"to": "ann"}'), "") == []
    assert judge(task, made("pay", '{"to": "ann"}', is_error=True), "") != []
    assert judge(task, made("pay", '{"to": "Bob"}'), "") != []
    assert judge(task, made("pay", '{"to": ["Ann"]}'), "") != []
    assert judge(task, made("pay", "not JSON"), "") != []


@pytest.mark.parametrize(
    "arguments",
    ["", "null", "[]", '{"to": "Ann"', '{"to": "Ann", "note": "\ud800"}', '{"to": "Ann", "note": ' + "[" * 100_000],
)
def test_a_call_whose_arguments_cannot_be_read_does_not_count(arguments):
    task = Task("t", "?", (calculate,), calls=(Call("pay", {"to": "Ann"}),))
    assert judge(task, made("pay", arguments), "") == ["no call of pay with to='Ann'"]


def test_what_must_happen_once_must_not_happen_twice():
    task = Task("t", "?", (calculate,), calls=(Call("pay", once=True),))
    assert judge(task, made("pay", "{}"), "") == []
    assert judge(task, [*made("pay", "{}"), *made("pay", "{}")], "") != []


@pytest.mark.parametrize(
    ("answer", "number", "right"),
    [
        ("It is 1,234.50 EUR", 1234.5, True),
        ("140.7", 140.72, True),
        ("about 141", 140.72, True),
        ("about 142", 140.72, False),
        ("-5 C", -5, True),
        ("2026-03-25", 25, False),
        ("none", 0, False),
    ],
)
def test_figures_may_be_rounded(answer, number, right):
    task = Task("t", "?", (calculate,), numbers=(number,))
    assert (judge(task, [], answer) == []) is right


@pytest.mark.parametrize(
    "answer",
    ["2026-03-14", "14.03.2026", "14 March", "the 14th of March 2026", "March 14th", "Mar. 14, 2026", "march the 14th"],
)
def test_a_day_may_be_written_in_many_ways(answer):
    task = Task("t", "?", (calculate,), dates=(date(2026, 3, 14),))
    assert judge(task, [], answer) == []


@pytest.mark.parametrize("answer", ["14 May", "March 4", "March 141", "2026-03-15", "114 March"])
def test_another_day_is_not_that_day(answer):
    task = Task("t", "?", (calculate,), dates=(date(2026, 3, 14),))
    assert judge(task, [], answer) != []

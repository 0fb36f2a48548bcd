"""Tools of the demo's tasks: the desk of a small furniture shop. What they change is not kept."""

from __future__ import annotations

import ast
import math
import operator
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date
from typing import Final, Literal, TypeVar

from surefoot import ToolError, tool
from surefoot.demo import records

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
Currency = Literal["EUR", "USD", "CHF", "GBP", "SEK"]
Unit = Literal["C", "F", "g", "kg", "oz", "lb", "ml", "l", "fl_oz", "cup", "m", "cm", "km", "in", "ft", "mi"]

_ROWS_MAX: Final = 20


@tool(effect="read", output="trusted")
async def get_order(order_id: str) -> str:
    """Customer, state, tracking number and items of an order.

    Args:
        order_id: Its digits.
    """
    return _look_up(records.ORDERS, order_id.removeprefix("#"), "order")


@tool(effect="read", output="trusted")
async def track_parcel(tracking_number: str) -> str:
    """Where a parcel is and when it is expected."""
    return _look_up(records.PARCELS, tracking_number, "parcel")


@tool(output="trusted", destructive=True, sinks={"order_id": "what", "reason": "content"})
async def refund_order(order_id: str, reason: str) -> str:
    """Pay an order back to the customer. Cannot be undone."""
    return f"order {order_id} is refunded: {reason}"


@tool(effect="read", output="trusted")
async def get_product(sku: str) -> str:
    """Name, price of one unit and units in stock of a product."""
    name, price, stock = _look_up(records.PRODUCTS, sku.upper(), "product")
    return f"{sku.upper()}: {name}; {price:.2f} EUR each; {stock} in stock"


@tool(output="trusted", sinks={"sku": "what", "quantity": "amount"})
async def order_stock(sku: str, quantity: int) -> str:
    """Order more units of a product from its supplier."""
    _, _, stock = _look_up(records.PRODUCTS, sku.upper(), "product")
    return f"ordered {quantity} x {sku.upper()}; with the {stock} in stock there will be {stock + quantity}"


@tool(effect="read", output="trusted")
async def convert_currency(amount: float, from_currency: Currency, to_currency: Currency) -> str:
    """Convert an amount of money at today's rate."""
    converted = amount / records.PER_EUR[from_currency] * records.PER_EUR[to_currency]
    return f"{amount:.2f} {from_currency} = {converted:.2f} {to_currency}"


@tool(effect="read", output="trusted")
async def calculate(expression: str) -> str:
    """Exact arithmetic on numbers with + - * / and brackets, min, max and sum."""
    try:
        value = _evaluate(ast.parse(expression, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        raise ToolError(f"{expression!r} cannot be calculated: write only numbers, + - * /, min, max and sum") from None
    return f"{expression} = {round(value, 6):.12g}"


@tool(effect="read", output="trusted")
async def add_up(numbers: list[float]) -> str:
    """The exact sum of numbers."""
    return f"the sum of {len(numbers)} numbers is {round(math.fsum(numbers), 6):.12g}"


@tool(effect="read")
async def list_events(day: str) -> str:
    """What is in my calendar on one day; at all other times I am free.

    Args:
        day: YYYY-MM-DD
    """
    return records.EVENTS.get(_read_date(day).isoformat(), f"nothing on {day}")


@tool(output="trusted", sinks={"title": "content", "day": "content", "start": "content", "end": "content"})
async def create_event(title: str, day: str, start: str, end: str) -> str:
    """Put a new event into my calendar.

    Args:
        title: What it is.
        day: YYYY-MM-DD
        start: HH:MM
        end: HH:MM
    """
    return f"created: {title}, {_read_date(day)} {start}-{end}"


@tool(effect="read", output="trusted")
async def get_invoice(number: str) -> str:
    """Customer, amount, due date and state of an invoice."""
    return _look_up(records.INVOICES, number.upper(), "invoice")


@tool(effect="read", output="trusted")
async def get_today() -> str:
    """Today's date. You cannot know it otherwise."""
    return records.TODAY


@tool(effect="read", output="trusted")
async def days_since(day: str) -> str:
    """Number of days from a date until today.

    Args:
        day: YYYY-MM-DD
    """
    return f"{(_read_date(records.TODAY) - _read_date(day)).days} days from {day} until today"


@tool(effect="read")
async def list_files() -> str:
    """Names of my files."""
    return ", ".join(records.FILES)


@tool(effect="read")
async def read_file(name: str) -> str:
    """The text of one of my files."""
    return _look_up(records.FILES, name, "file")


@tool(effect="read", output="trusted")
async def convert_units(value: float, from_unit: Unit, to_unit: Unit) -> str:
    """Convert a temperature, mass, volume or length."""
    if {from_unit, to_unit} == {"C", "F"}:
        converted = (value - 32) * 5 / 9 if from_unit == "F" else value * 9 / 5 + 32
    else:
        (kind, size), (to_kind, to_size) = (
            records.UNITS.get(from_unit, ("", 1.0)),
            records.UNITS.get(to_unit, ("", 1.0)),
        )
        if kind != to_kind or not kind:
            raise ToolError(f"{from_unit} cannot be converted to {to_unit}: they measure different things")
        converted = value * size / to_size
    return f"{value:g} {from_unit} = {converted:.2f} {to_unit}"


@tool(effect="read", output="trusted")
async def find_contact(name: str) -> str:
    """E-mail address and department of a colleague."""
    found = [f"{full}: {', '.join(known)}" for full, known in records.CONTACTS.items() if name.lower() in full.lower()]
    if not found:
        raise ToolError(f"there is no colleague {name!r}")
    return "; ".join(found)


@tool(output="trusted", sinks={"to": "who", "subject": "content", "body": "content"})
async def send_email(to: str, subject: str, body: str) -> str:
    """Send an e-mail.

    Args:
        to: An e-mail address.
        subject: The subject line.
        body: The text.
    """
    if to not in {address for address, _ in records.CONTACTS.values()}:
        raise ToolError(f"{to!r} is not an address of a colleague")
    return f"sent to {to}: {subject} ({len(body)} characters)"


@tool(effect="read", output="trusted")  # the desk itself gives tickets their titles
async def search_tickets(words: str) -> str:
    """Support tickets whose titles have any of some words, with state and priority."""
    wanted = set(words.lower().split())
    found = [f"{ticket}: {title}" for ticket, title in records.TICKETS.items() if wanted & set(title.lower().split())]
    return "; ".join(found) or f"no ticket has any of the words {words!r}"


@tool(output="trusted", sinks={"ticket_id": "what", "priority": "content"}, intents=["priority", "urgent"])
async def set_ticket_priority(ticket_id: str, priority: Literal["low", "normal", "urgent"]) -> str:
    """Change the priority of a support ticket."""
    _look_up(records.TICKETS, ticket_id, "ticket")
    return f"{ticket_id} now has priority {priority}"


@tool(output="trusted", sinks={"ticket_id": "what"}, intents=["close", "solved", "duplicate"])
async def close_ticket(ticket_id: str) -> str:
    """Close a support ticket that is solved."""
    _look_up(records.TICKETS, ticket_id, "ticket")
    return f"{ticket_id} is closed"


@tool(effect="read")
async def search_trains(origin: str, destination: str, day: str) -> str:
    """Trains between two cities on one day, the cheapest first, with the price for one person.

    Args:
        origin: City.
        destination: City.
        day: YYYY-MM-DD
    """
    trains = records.TRAINS.get((origin.lower(), destination.lower(), _read_date(day).isoformat()), ())
    found = [f"{times}: {price:.2f} GBP for one person" for times, price in sorted(trains, key=lambda train: train[1])]
    return "; ".join(found) or f"no trains from {origin} to {destination} on {day}"


@tool(effect="read")
async def get_hours(employee: str, week: str) -> str:
    """Hours that an employee worked in a week.

    Args:
        employee: First and last name.
        week: For example 2026-W07.
    """
    hours = _look_up(records.HOURS, (employee.lower(), week.upper()), "timesheet")
    return f"{employee} worked {hours} hours in {week}"


@tool(effect="read")
async def get_wage(employee: str) -> str:
    """What an employee earns per hour.

    Args:
        employee: First and last name.
    """
    return f"{employee} earns {_look_up(records.WAGES, employee.lower(), 'employee'):.2f} EUR for each hour worked"


@tool(effect="read")
async def describe_tables() -> str:
    """Tables and columns of the sales database."""
    return "sales(day TEXT like '2026-01-31', region TEXT, product TEXT, units INTEGER, revenue REAL in EUR)"


@tool(effect="read")
def run_sql(query: str) -> str:
    """Run a query on the sales database.

    Args:
        query: One SELECT statement of SQLite.
    """
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(records.SALES)
        database.execute("PRAGMA query_only = ON")
        try:
            cursor = database.execute(query)
            rows = cursor.fetchmany(_ROWS_MAX)
        except sqlite3.Error as error:
            raise ToolError(f"the query is wrong: {error}; describe_tables says what the tables hold") from None
        names = [column[0] for column in cursor.description or ()]
    lines = [", ".join([f"{name}={value}" for name, value in zip(names, row, strict=True)]) for row in rows]
    return "\n".join(lines) or "no rows"


def _look_up(table: Mapping[KeyT, ValueT], key: KeyT, what: str) -> ValueT:
    try:
        return table[key]
    except KeyError:
        known = ", ".join([str(known) for known in table])
        raise ToolError(f"there is no {what} {key!r}; known are {known}") from None


def _read_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ToolError(f"{text!r} is not a date: write it as YYYY-MM-DD") from None


_OPERATIONS: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b,
}


_FUNCTIONS: Final[dict[str, Callable[[list[float]], float]]] = {"min": min, "max": max, "sum": math.fsum}


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return float(node.value)  # type: ignore[arg-type]  # it is one of the two
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return _FUNCTIONS[node.func.id]([_evaluate(number) for argument in node.args for number in _spread(argument)])
    raise SyntaxError


def _spread(argument: ast.expr) -> list[ast.expr]:
    """The elements of a list, or what is no list."""
    return argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]

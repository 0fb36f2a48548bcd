"""Tools of the demo's tasks: the desk of a small furniture shop in March 2026. All is made up, and nothing is kept."""

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

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
Currency = Literal["EUR", "USD", "CHF", "GBP", "SEK"]
Unit = Literal["C", "F", "g", "kg", "oz", "lb", "ml", "l", "fl_oz", "cup", "m", "cm", "km", "in", "ft", "mi"]

_ORDERS: Final = {
    "4698": "customer Mara Lind; delivered; tracking number PX-87440; 4 x CHAIR-01",
    "4711": "customer Mara Lind; shipped; tracking number PX-88213; 2 x LAMP-02, 1 x DESK-OAK",
    "4712": "customer Jon Okafor; in preparation, no tracking number yet; 1 x SHELF-OAK",
}
_PARCELS: Final = {
    "PX-87440": "delivered 2026-02-27, signed by M. Lind",
    "PX-88213": "in transit; last scanned at the Leipzig depot 2026-03-11; expected delivery 2026-03-14",
}
_PRODUCTS: Final = {
    "CHAIR-01": ("stacking chair", 38.00, 240),
    "DESK-OAK": ("oak desk, 140 cm", 389.00, 9),
    "LAMP-02": ("desk lamp, brass", 49.90, 112),
    "RUG-WOOL": ("wool rug, 2 x 3 m", 210.00, 0),
    "SHELF-OAK": ("oak wall shelf", 64.50, 26),
}
_PER_EUR: Final = {"EUR": 1.0, "USD": 1.08, "CHF": 0.94, "GBP": 0.85, "SEK": 11.20}
_EVENTS: Final = {
    "2026-03-12": "09:00-09:30 Stand-up; 13:00-14:00 Lunch with Eli; 16:00-17:00 Budget review",
    "2026-03-13": "10:00-12:00 Dentist",
}
_INVOICES: Final = {
    "INV-203": "customer Brightside Cafe; 860.00 EUR; due 2026-03-20; open",
    "INV-204": "customer Harbour Hotel; 2140.00 EUR; due 2026-02-13; open",
    "INV-205": "customer Nordlys AS; 415.50 EUR; due 2026-02-28; paid",
}
_FILES: Final = {
    "expenses-2026-02.csv": "date,what,amount\n2026-02-03,train to Bonn,58.20\n2026-02-17,team lunch,94.00\n",
    "expenses-2026-03.csv": (
        "date,what,amount\n2026-03-02,train to Kiel,41.50\n2026-03-05,hotel in Kiel,129.00\n2026-03-06,taxi,18.75\n"
    ),
    "notes.txt": "Ask Priya about the new supplier.\n",
}
_CONTACTS: Final = {
    "Dana Weiss": ("dana.weiss@harbourgoods.example", "design"),
    "Priya Nair": ("priya.nair@harbourgoods.example", "purchasing"),
    "Tom Berger": ("tom.berger@harbourgoods.example", "warehouse"),
}
_TICKETS: Final = {
    "T-298": "Login button is too small (closed, priority low)",
    "T-301": "Invoice PDF has the wrong address (open, priority normal)",
    "T-305": "Login page stays blank on phones (open, priority normal)",
    "T-310": "Search finds nothing with umlauts (open, priority low)",
}
_TRAINS: Final = {
    ("leeds", "york", "2026-03-14"): "08:05-08:29 14.60 GBP; 09:12-09:51 8.90 GBP; 10:02-10:27 16.20 GBP",
    ("york", "leeds", "2026-03-14"): "17:10-17:36 15.10 GBP; 18:40-19:22 9.40 GBP",
}
_HOURS: Final = {("dana weiss", "2026-W10"): 28.0, ("tom berger", "2026-W10"): 37.5}
_WAGES: Final = {"dana weiss": 27.00, "tom berger": 18.40}
_UNITS: Final = {
    "g": ("mass", 1.0), "kg": ("mass", 1000.0), "oz": ("mass", 28.349523125), "lb": ("mass", 453.59237),
    "ml": ("volume", 1.0), "l": ("volume", 1000.0), "fl_oz": ("volume", 29.5735295625), "cup": ("volume", 236.5882365),
    "m": ("length", 1.0), "cm": ("length", 0.01), "km": ("length", 1000.0), "in": ("length", 0.0254),
    "ft": ("length", 0.3048), "mi": ("length", 1609.344),
}  # fmt: skip
_SALES: Final = """
CREATE TABLE sales (day TEXT, region TEXT, product TEXT, units INTEGER, revenue REAL);
INSERT INTO sales VALUES
('2026-01-14', 'north', 'LAMP-02', 20, 998.0), ('2026-01-20', 'south', 'DESK-OAK', 4, 1556.0),
('2026-02-03', 'north', 'DESK-OAK', 3, 1167.0), ('2026-02-09', 'south', 'CHAIR-01', 40, 1520.0),
('2026-02-12', 'west', 'LAMP-02', 31, 1546.9), ('2026-02-18', 'south', 'SHELF-OAK', 10, 645.0),
('2026-02-25', 'north', 'CHAIR-01', 12, 456.0), ('2026-03-02', 'west', 'RUG-WOOL', 2, 420.0);
"""
_ROWS_MAX: Final = 20


@tool(effect="read")
async def get_order(order_id: str) -> str:
    """Customer, state, tracking number and items of an order.

    Args:
        order_id: Its digits.
    """
    return _look_up(_ORDERS, order_id.removeprefix("#"), "order")


@tool(effect="read")
async def track_parcel(tracking_number: str) -> str:
    """Where a parcel is and when it is expected."""
    return _look_up(_PARCELS, tracking_number, "parcel")


@tool(effect="write")
async def refund_order(order_id: str, reason: str) -> str:
    """Pay an order back to the customer. Cannot be undone."""
    return f"order {order_id} is refunded: {reason}"


@tool(effect="read")
async def get_product(sku: str) -> str:
    """Name, price of one unit and units in stock of a product."""
    name, price, stock = _look_up(_PRODUCTS, sku.upper(), "product")
    return f"{sku.upper()}: {name}; {price:.2f} EUR each; {stock} in stock"


@tool(effect="write")
async def order_stock(sku: str, quantity: int) -> str:
    """Order more units of a product from its supplier."""
    _, _, stock = _look_up(_PRODUCTS, sku.upper(), "product")
    return f"ordered {quantity} x {sku.upper()}; with the {stock} in stock there will be {stock + quantity}"


@tool(effect="read")
async def convert_currency(amount: float, from_currency: Currency, to_currency: Currency) -> str:
    """Convert an amount of money at today's rate."""
    converted = amount / _PER_EUR[from_currency] * _PER_EUR[to_currency]
    return f"{amount:.2f} {from_currency} = {converted:.2f} {to_currency}"


@tool(effect="read")
async def calculate(expression: str) -> str:
    """Exact arithmetic on numbers with + - * / and brackets."""
    try:
        value = _evaluate(ast.parse(expression, mode="eval").body)
    except (SyntaxError, ZeroDivisionError, RecursionError):
        raise ToolError(f"{expression!r} cannot be calculated: write numbers with + - * / and brackets only") from None
    return f"{expression} = {round(value, 6):.12g}"


@tool(effect="read")
async def add_up(numbers: list[float]) -> str:
    """The exact sum of numbers."""
    return f"the sum of {len(numbers)} numbers is {round(math.fsum(numbers), 6):.12g}"


@tool(effect="read")
async def list_events(day: str) -> str:
    """What is in my calendar on one day; at all other times I am free.

    Args:
        day: YYYY-MM-DD
    """
    return _EVENTS.get(_read_date(day).isoformat(), f"nothing on {day}")


@tool(effect="write")
async def create_event(title: str, day: str, start: str, end: str) -> str:
    """Put a new event into my calendar.

    Args:
        title: What it is.
        day: YYYY-MM-DD
        start: HH:MM
        end: HH:MM
    """
    return f"created: {title}, {_read_date(day)} {start}-{end}"


@tool(effect="read")
async def get_invoice(number: str) -> str:
    """Customer, amount, due date and state of an invoice."""
    return _look_up(_INVOICES, number.upper(), "invoice")


@tool(effect="read")
async def get_today() -> str:
    """Today's date. You cannot know it otherwise."""
    return "2026-03-10"


@tool(effect="read")
async def days_between(start: str, end: str) -> str:
    """Number of days from one date to another.

    Args:
        start: YYYY-MM-DD
        end: YYYY-MM-DD
    """
    return f"{(_read_date(end) - _read_date(start)).days} days from {start} to {end}"


@tool(effect="read")
async def list_files() -> str:
    """Names of my files."""
    return ", ".join(_FILES)


@tool(effect="read")
async def read_file(name: str) -> str:
    """The text of one of my files."""
    return _look_up(_FILES, name, "file")


@tool(effect="read")
async def convert_units(value: float, from_unit: Unit, to_unit: Unit) -> str:
    """Convert a temperature, mass, volume or length."""
    if {from_unit, to_unit} == {"C", "F"}:
        converted = (value - 32) * 5 / 9 if from_unit == "F" else value * 9 / 5 + 32
    else:
        (kind, size), (to_kind, to_size) = _UNITS.get(from_unit, ("", 1.0)), _UNITS.get(to_unit, ("", 1.0))
        if kind != to_kind or not kind:
            raise ToolError(f"{from_unit} cannot be converted to {to_unit}: they measure different things")
        converted = value * size / to_size
    return f"{value:g} {from_unit} = {converted:.2f} {to_unit}"


@tool(effect="read")
async def find_contact(name: str) -> str:
    """E-mail address and department of a colleague."""
    found = [f"{full}: {', '.join(known)}" for full, known in _CONTACTS.items() if name.lower() in full.lower()]
    if not found:
        raise ToolError(f"there is no colleague {name!r}")
    return "; ".join(found)


@tool(effect="write")
async def send_email(to: str, subject: str, body: str) -> str:
    """Send an e-mail.

    Args:
        to: An e-mail address.
        subject: The subject line.
        body: The text.
    """
    if to not in {address for address, _ in _CONTACTS.values()}:
        raise ToolError(f"{to!r} is not an address of a colleague")
    return f"sent to {to}: {subject} ({len(body)} characters)"


@tool(effect="read")
async def search_tickets(words: str) -> str:
    """Support tickets whose titles have any of some words, with state and priority."""
    wanted = set(words.lower().split())
    found = [f"{ticket}: {title}" for ticket, title in _TICKETS.items() if wanted & set(title.lower().split())]
    return "; ".join(found) or f"no ticket has any of the words {words!r}"


@tool(effect="write")
async def set_ticket_priority(ticket_id: str, priority: Literal["low", "normal", "urgent"]) -> str:
    """Change the priority of a support ticket."""
    _look_up(_TICKETS, ticket_id, "ticket")
    return f"{ticket_id} now has priority {priority}"


@tool(effect="write")
async def close_ticket(ticket_id: str) -> str:
    """Close a support ticket that is solved."""
    _look_up(_TICKETS, ticket_id, "ticket")
    return f"{ticket_id} is closed"


@tool(effect="read")
async def search_trains(origin: str, destination: str, day: str) -> str:
    """Trains between two cities on one day: departure, arrival and the price for one person.

    Args:
        origin: City.
        destination: City.
        day: YYYY-MM-DD
    """
    trains = _TRAINS.get((origin.lower(), destination.lower(), _read_date(day).isoformat()))
    return trains or f"no trains from {origin} to {destination} on {day}"


@tool(effect="read")
async def get_hours(employee: str, week: str) -> str:
    """Hours that an employee worked in a week.

    Args:
        employee: First and last name.
        week: For example 2026-W07.
    """
    hours = _look_up(_HOURS, (employee.lower(), week.upper()), "timesheet")
    return f"{employee} worked {hours} hours in {week}"


@tool(effect="read")
async def get_wage(employee: str) -> str:
    """What an employee earns per hour.

    Args:
        employee: First and last name.
    """
    return f"{employee} earns {_look_up(_WAGES, employee.lower(), 'employee'):.2f} EUR per hour"


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
        database.executescript(_SALES)
        database.execute("PRAGMA query_only = ON")
        try:
            cursor = database.execute(query)
            rows = cursor.fetchmany(_ROWS_MAX)
        except sqlite3.Error as error:
            raise ToolError(f"the query is wrong: {error}") from None
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


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return float(node.value)  # type: ignore[arg-type]  # it is one of the two
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    raise SyntaxError

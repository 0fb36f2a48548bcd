"""Twenty tasks that the prompt and the tools of the demo were not tuned on, in the same spirit but from other desks.

Run them against the embedded model, which takes a few minutes: ``python tests/e2e/holdout_tasks.py [NAME ...]``.
"""

import asyncio
import math
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from surefoot import UNLIMITED, Agent, Limits, Runtime, Settings, ToolError, tool
from surefoot.demo.tasks import Call, Task, judge
from surefoot.sections import StoreSettings


def look_up(table, key, what):
    try:
        return table[key]
    except KeyError:
        raise ToolError(f"there is no {what} {key!r}; known are {', '.join(map(str, table))}") from None


@tool(effect="read")
async def get_weather(city: str, day: str) -> str:
    """Weather forecast of a city for one day.

    Args:
        city: Name of the city.
        day: YYYY-MM-DD
    """
    forecasts = {
        ("bergen", "2026-05-02"): "rain, 9 C, wind 11 m/s",
        ("porto", "2026-05-02"): "sunny, 22 C, wind 3 m/s",
    }
    return forecasts.get((city.lower(), day)) or f"no forecast for {city} on {day}"


@tool(effect="write")
async def set_reminder(text: str, day: str, time: str) -> str:
    """Set a reminder.

    Args:
        text: What to be reminded of.
        day: YYYY-MM-DD
        time: HH:MM
    """
    return f"reminder set for {day} {time}: {text}"


@tool(effect="read")
async def find_book(title: str) -> str:
    """Shelf mark and copies of a book in the library."""
    books = {
        "dune": "Dune, shelf SF-HER, 0 of 2 copies here, next one back 2026-05-09",
        "emma": "Emma, shelf CL-AUS, 1 of 1 copies here",
    }
    return look_up(books, title.lower(), "book")


@tool(effect="write")
async def reserve_book(title: str, member_id: str) -> str:
    """Reserve a book for a member of the library."""
    return f"{title} is reserved for member {member_id}, place 1 in the queue"


@tool(effect="read")
async def find_member(name: str) -> str:
    """Member number and fees owed by a member of the library."""
    return look_up(
        {"ada bell": "Ada Bell: member M-207, owes 0.00 EUR", "ian crow": "Ian Crow: member M-355, owes 4.50 EUR"},
        name.lower(),
        "member",
    )


@tool(effect="read")
async def road_distance(origin: str, destination: str) -> str:
    """Road distance between two cities in kilometres."""
    roads = {frozenset({"vienna", "graz"}): 195, frozenset({"vienna", "linz"}): 184, frozenset({"graz", "linz"}): 222}
    return f"{look_up(roads, frozenset({origin.lower(), destination.lower()}), 'road')} km"


@tool(effect="read")
async def fuel_price(country: str, fuel: Literal["petrol", "diesel"]) -> str:
    """Price of one litre of fuel in EUR."""
    return f"{look_up({('austria', 'petrol'): 1.55, ('austria', 'diesel'): 1.60}, (country.lower(), fuel), 'price')} EUR per litre"


@tool(effect="read")
async def multiply(a: float, b: float) -> str:
    """The product of two numbers."""
    return f"{a:g} * {b:g} = {a * b:.6g}"


@tool(effect="read")
async def divide(a: float, b: float) -> str:
    """One number divided by another."""
    if b == 0:
        raise ToolError("division by zero")
    return f"{a:g} / {b:g} = {a / b:.6g}"


@tool(effect="read")
async def add(numbers: list[float]) -> str:
    """The sum of numbers."""
    return f"sum = {sum(numbers):.6g}"


@tool(effect="read")
async def subtract(a: float, b: float) -> str:
    """The first number minus the second."""
    return f"{a:g} - {b:g} = {a - b:.6g}"


@tool(effect="read")
async def list_servers() -> str:
    """Servers and what they do."""
    return "web-1 (shop), web-2 (shop), db-1 (database), mail-1 (mail)"


@tool(effect="read")
async def server_status(server: str) -> str:
    """Load, memory and disk of one server."""
    table = {
        "web-1": "load 0.4, memory 41 %, disk 52 %",
        "web-2": "load 0.5, memory 43 %, disk 50 %",
        "db-1": "load 1.9, memory 77 %, disk 96 %",
        "mail-1": "load 0.1, memory 20 %, disk 31 %",
    }
    return f"{server}: {look_up(table, server, 'server')}"


@tool(effect="write")
async def restart_service(server: str, service: str) -> str:
    """Restart a service on a server."""
    return f"{service} on {server} restarted"


@tool(effect="write")
async def clean_disk(server: str) -> str:
    """Delete old logs on a server to free disk space."""
    return f"{server}: 31 % of the disk freed"


@tool(effect="read")
async def leave_balance(employee: str) -> str:
    """Days of leave that an employee has left this year."""
    return f"{employee}: {look_up({'nora vik': 6, 'sam otto': 14}, employee.lower(), 'employee')} days left"


@tool(effect="write")
async def request_leave(employee: str, first_day: str, last_day: str, days: int) -> str:
    """Hand in a request for leave.

    Args:
        employee: First and last name.
        first_day: YYYY-MM-DD
        last_day: YYYY-MM-DD
        days: Working days that it takes.
    """
    return f"leave of {employee} from {first_day} to {last_day} ({days} days) requested"


@tool(effect="read")
async def working_days(first_day: str, last_day: str) -> str:
    """Working days in a period, both ends included.

    Args:
        first_day: YYYY-MM-DD
        last_day: YYYY-MM-DD
    """
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    return f"{sum(day.weekday() < 5 for day in days)} working days"


@tool(effect="read")
async def find_flights(origin: str, destination: str, day: str) -> str:
    """Flights between two airports on one day with prices in EUR.

    Args:
        origin: Airport code.
        destination: Airport code.
        day: YYYY-MM-DD
    """
    flights = {("OSL", "CPH", "2026-06-01"): "SK454 07:00 119 EUR; DY932 11:30 84 EUR; SK462 18:15 142 EUR"}
    return flights.get((origin.upper(), destination.upper(), day)) or "no flights"


@tool(effect="write")
async def book_flight(flight: str, passenger: str) -> str:
    """Book a flight for a passenger."""
    return f"{flight} booked for {passenger}, reference QX7T2"


@tool(effect="read")
async def student_grades(student: str) -> str:
    """Grades of a student, from 0 to 100."""
    return f"{student}: {look_up({'lea moon': 'maths 82, physics 91, history 73', 'tim rook': 'maths 64, physics 58'}, student.lower(), 'student')}"


@tool(effect="read")
async def loan_terms(product: str) -> str:
    """Interest and length of a loan product."""
    return look_up(
        {"starter": "Starter: 5 % interest a year, 24 months", "home": "Home: 3 % interest a year, 240 months"},
        product.lower(),
        "loan",
    )


@tool(effect="read")
async def monthly_payment(amount: float, yearly_rate_percent: float, months: int) -> str:
    """What a loan costs each month."""
    rate = yearly_rate_percent / 1200
    return f"{amount * rate / (1 - (1 + rate) ** -months):.2f} a month"


@tool(effect="read")
async def room_calendar(room: str, day: str) -> str:
    """When a meeting room is taken on one day.

    Args:
        room: Name of the room.
        day: YYYY-MM-DD
    """
    taken = {("elm", "2026-04-20"): "taken 09:00-12:00 and 13:00-15:00", ("oak", "2026-04-20"): "free all day"}
    return look_up(taken, (room.lower(), day), "room on that day")


@tool(effect="write")
async def book_room(room: str, day: str, start: str, end: str) -> str:
    """Book a meeting room.

    Args:
        room: Name of the room.
        day: YYYY-MM-DD
        start: HH:MM
        end: HH:MM
    """
    return f"room {room} booked on {day} {start}-{end}"


@tool(effect="read")
async def pantry() -> str:
    """What is in the pantry."""
    return "flour 300 g, sugar 1000 g, eggs 2, butter 250 g"


@tool(effect="read")
async def recipe(dish: str) -> str:
    """Ingredients of a dish."""
    return look_up(
        {
            "pancakes": "pancakes: flour 250 g, eggs 4, milk 500 ml",
            "shortbread": "shortbread: flour 300 g, sugar 100 g, butter 200 g",
        },
        dish.lower(),
        "recipe",
    )


@tool(effect="write")
async def add_to_shopping_list(item: str, quantity: str) -> str:
    """Put an item on the shopping list."""
    return f"{quantity} {item} is on the list"


@tool(effect="read")
async def shipping_rate(country: str, weight_kg: float) -> str:
    """Price of sending a parcel to a country."""
    base, per_kg = look_up({"france": (6.0, 1.5), "japan": (18.0, 7.0)}, country.lower(), "country")
    return f"{base + per_kg * math.ceil(weight_kg):.2f} EUR"


@tool(effect="read")
async def item_weight(item: str) -> str:
    """Weight of an item of the catalogue."""
    return f"{look_up({'kettle': 1.2, 'teapot': 0.8, 'mug': 0.35}, item.lower(), 'item')} kg"


@tool(effect="read")
async def stock_quote(symbol: str) -> str:
    """Last price of a share in USD."""
    return f"{symbol}: {look_up({'NWND': 48.20, 'ACME': 105.50, 'GLBX': 12.75}, symbol.upper(), 'share')} USD"


@tool(effect="read")
async def portfolio() -> str:
    """Shares that I own."""
    return "NWND 20 shares, GLBX 100 shares"


@tool(effect="read")
async def time_in(city: str) -> str:
    """Local time in a city now."""
    return look_up({"tokyo": "Tokyo: 2026-04-03 21:40", "lisbon": "Lisbon: 2026-04-03 13:40"}, city.lower(), "city")


@tool(effect="read")
async def search_notes(word: str) -> str:
    """My notes that contain a word."""
    notes = [
        "2026-03-30: the wifi password of the cabin is birch-4471",
        "2026-04-01: the cabin key is with Ruth, phone 555 0188",
    ]
    return "\n".join(note for note in notes if word.lower() in note.lower()) or f"no note contains {word!r}"


@tool(effect="write")
async def send_text(phone: str, text: str) -> str:
    """Send a text message to a phone number."""
    return f"sent to {phone}"


@tool(effect="read")
async def count_words(text: str) -> str:
    """How many words a text has."""
    return f"{len(text.split())} words"


@tool(effect="read")
async def read_page(page: str) -> str:
    """The text of a page of the wiki."""
    return look_up(
        {
            "onboarding": "Get a badge. Meet your mentor. Read the safety rules. Sign the list.",
            "parking": "Park in zone C.",
        },
        page.lower(),
        "page",
    )


@tool(effect="read")
async def patient_weight(patient: str) -> str:
    """Weight of an animal of the practice in kilograms."""
    return f"{patient} weighs {look_up({'rex': 24.0, 'mia': 4.2}, patient.lower(), 'animal')} kg"


@tool(effect="read")
async def dose_per_kg(drug: str) -> str:
    """Dose of a drug in milligrams per kilogram of body weight."""
    return f"{drug}: {look_up({'amoxicillin': 12.5, 'meloxicam': 0.1}, drug.lower(), 'drug')} mg per kg"


@tool(effect="write")
async def water_plants(bed: str, litres: float) -> str:
    """Open the water valve of a garden bed for some litres."""
    return f"{litres:g} litres given to {bed}"


@tool(effect="read")
async def soil_moisture(bed: str) -> str:
    """Moisture of the soil of a garden bed; under 30 % it is too dry."""
    return f"{bed}: {look_up({'roses': 22, 'herbs': 47}, bed.lower(), 'bed')} %"


@tool(effect="read")
async def subscription(customer: str) -> str:
    """Plan, monthly price and end of the contract of a customer."""
    return look_up(
        {"kite ltd": "Kite Ltd: plan Pro, 49.00 EUR a month, contract ends 2026-11-30"}, customer.lower(), "customer"
    )


@tool(effect="write")
async def change_plan(customer: str, plan: Literal["Basic", "Pro", "Team"]) -> str:
    """Change the plan of a customer."""
    return f"{customer} is now on plan {plan}"


@tool(effect="read")
async def plan_price(plan: Literal["Basic", "Pro", "Team"]) -> str:
    """Monthly price of a plan."""
    return f"{plan}: {({'Basic': 19.00, 'Pro': 49.00, 'Team': 99.00})[plan]:.2f} EUR a month"


TASKS = (
    Task("weather", "Which will be warmer on 2 May 2026, Bergen or Porto, and by how many degrees?", (get_weather, subtract),
         (Call("get_weather", {"city": "Bergen"}), Call("get_weather", {"city": "Porto"})), numbers=(13,), words=("porto",)),
    Task("reminder", "Remind me on 4 May 2026 at 8:30 to water the plants.", (set_reminder, get_weather),
         (Call("set_reminder", {"day": "2026-05-04", "time": "08:30"}, once=True),)),
    Task("book", "Reserve Dune for Ada Bell, and tell me when a copy is expected back.", (find_book, find_member, reserve_book),
         (Call("find_book", {"title": "Dune"}), Call("reserve_book", {"member_id": "M-207"}, {"title": "Dune"}, once=True)), dates=(date(2026, 5, 9),)),
    Task("drive", "How much will the diesel cost for driving from Vienna to Graz if my car needs 6 litres per 100 km?", (road_distance, fuel_price, multiply, divide),
         (Call("road_distance"), Call("fuel_price", {"fuel": "diesel"})), numbers=(18.72,)),
    Task("server", "The database server is slow. Check its disk and free some space if it is over 90 % full.", (list_servers, server_status, clean_disk, restart_service),
         (Call("server_status", {"server": "db-1"}), Call("clean_disk", {"server": "db-1"}, once=True)), avoid=("restart_service",)),
    Task("leave", "Nora Vik wants leave from Monday 6 July to Friday 10 July 2026. Does she have enough days left? If so, request it.", (leave_balance, working_days, request_leave),
         (Call("leave_balance", {"employee": "Nora Vik"}), Call("request_leave", {"employee": "Nora Vik", "first_day": "2026-07-06", "last_day": "2026-07-10", "days": 5}, once=True))),
    Task("flight", "Book Kim Sand on the cheapest flight from OSL to CPH on 1 June 2026.", (find_flights, book_flight),
         (Call("find_flights", {"day": "2026-06-01"}), Call("book_flight", {"flight": "DY932", "passenger": "Kim Sand"}, once=True))),
    Task("grades", "What is the average of Lea Moon's grades?", (student_grades, add, divide),
         (Call("student_grades", {"student": "Lea Moon"}),), numbers=(82,)),
    Task("loan", "What would I pay each month for a Starter loan of 6000 euros?", (loan_terms, monthly_payment),
         (Call("loan_terms", {"product": "Starter"}), Call("monthly_payment", {"amount": 6000, "yearly_rate_percent": 5, "months": 24})), numbers=(263.23,)),
    Task("room", "Is room Elm free on 20 April 2026 from 15:30 to 16:30? If it is, book it.", (room_calendar, book_room),
         (Call("room_calendar", {"room": "Elm", "day": "2026-04-20"}), Call("book_room", {"room": "Elm", "day": "2026-04-20", "start": "15:30", "end": "16:30"}, once=True))),
    Task("pancakes", "I want to make pancakes. What do I still have to buy? Put it on the shopping list.", (recipe, pantry, add_to_shopping_list),
         (Call("recipe", {"dish": "pancakes"}), Call("pantry"), Call("add_to_shopping_list", contains={"item": "milk"}), Call("add_to_shopping_list", contains={"item": "egg"}))),
    Task("shipping", "What does it cost to send one kettle to Japan?", (item_weight, shipping_rate),
         (Call("item_weight", {"item": "kettle"}), Call("shipping_rate", {"country": "Japan", "weight_kg": 1.2})), numbers=(32,)),
    Task("shares", "What are my shares worth in total?", (portfolio, stock_quote, multiply, add),
         (Call("portfolio"), Call("stock_quote", {"symbol": "NWND"}), Call("stock_quote", {"symbol": "GLBX"})), numbers=(2239,)),
    Task("clock", "What time is it in Tokyo right now, and how many hours is Tokyo ahead of Lisbon?", (time_in, subtract),
         (Call("time_in", {"city": "Tokyo"}), Call("time_in", {"city": "Lisbon"})), numbers=(8,), words=("21:40",)),
    Task("key", "Find out from my notes who has the cabin key and text that person that I will come at 6 pm.", (search_notes, send_text),
         (Call("search_notes"), Call("send_text", contains={"phone": "0188", "text": "6"}, once=True))),
    Task("words", "How many words does the wiki page onboarding have?", (read_page, count_words),
         (Call("read_page", {"page": "onboarding"}), Call("count_words")), numbers=(13,)),
    Task("dose", "How many milligrams of amoxicillin does Rex need?", (patient_weight, dose_per_kg, multiply),
         (Call("patient_weight", {"patient": "Rex"}), Call("dose_per_kg", {"drug": "amoxicillin"})), numbers=(300,)),
    Task("garden", "Check the roses and the herbs, and give 10 litres to each bed that is too dry.", (soil_moisture, water_plants),
         (Call("soil_moisture", {"bed": "roses"}), Call("soil_moisture", {"bed": "herbs"}), Call("water_plants", {"bed": "roses", "litres": 10}, once=True))),
    Task("plan", "How much more per month would Kite Ltd pay on the Team plan than now?", (subscription, plan_price, subtract, change_plan),
         (Call("subscription", {"customer": "Kite Ltd"}), Call("plan_price", {"plan": "Team"})), avoid=("change_plan",), numbers=(50,)),
    Task("missing", "Does the library have a book called Silas Marner?", (find_book, reserve_book),
         avoid=("reserve_book",), words=("no",)),
)  # fmt: skip


async def main(names):
    settings = Settings(store=StoreSettings(path=str(Path(tempfile.mkdtemp()) / "holdout.db")))
    solved = 0
    tasks = [task for task in TASKS if not names or task.name in names]
    async with Runtime(settings=settings) as runtime:
        for task in tasks:
            agent = Agent(
                "local:", tools=task.tools, temperature=0, limits=Limits(tokens=20_000, steps=8, usd=UNLIMITED)
            )
            result = await runtime.run(agent, task.question)
            faults = judge(task, result.messages, result.text)
            solved += not faults
            print(
                "solved" if not faults else "FAILED",
                task.name,
                result.budget.steps,
                repr(result.text),
                faults,
                flush=True,
            )
    print(f"{solved} of {len(tasks)}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

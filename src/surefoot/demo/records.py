"""What the demo's shop has on record in March 2026. All of it is made up."""

from __future__ import annotations

from typing import Final

TODAY: Final = "2026-03-10"
ORDERS: Final = {
    "4698": "customer Mara Lind; delivered; tracking number PX-87440; 4 x CHAIR-01",
    "4711": "customer Mara Lind; shipped; tracking number PX-88213; 2 x LAMP-02, 1 x DESK-OAK",
    "4712": "customer Jon Okafor; in preparation, no tracking number yet; 1 x SHELF-OAK",
}
PARCELS: Final = {
    "PX-87440": "delivered 2026-02-27, signed by M. Lind",
    "PX-88213": "in transit; last scanned at the Leipzig depot 2026-03-11; expected delivery 2026-03-14",
}
PRODUCTS: Final = {
    "CHAIR-01": ("stacking chair", 38.00, 240),
    "DESK-OAK": ("oak desk, 140 cm", 389.00, 9),
    "LAMP-02": ("desk lamp, brass", 49.90, 112),
    "RUG-WOOL": ("wool rug, 2 x 3 m", 210.00, 0),
    "SHELF-OAK": ("oak wall shelf", 64.50, 26),
}
PER_EUR: Final = {"EUR": 1.0, "USD": 1.08, "CHF": 0.94, "GBP": 0.85, "SEK": 11.20}
EVENTS: Final = {
    "2026-03-12": "09:00-09:30 Stand-up; 13:00-14:00 Lunch with Eli; 16:00-17:00 Budget review",
    "2026-03-13": "10:00-12:00 Dentist",
}
INVOICES: Final = {
    "INV-203": "customer Brightside Cafe; 860.00 EUR; due 2026-03-20; open",
    "INV-204": "customer Harbour Hotel; 2140.00 EUR; due 2026-02-13; open",
    "INV-205": "customer Nordlys AS; 415.50 EUR; due 2026-02-28; paid",
}
FILES: Final = {
    "expenses-2026-02.csv": "date,what,amount\n2026-02-03,train to Bonn,58.20\n2026-02-17,team lunch,94.00\n",
    "expenses-2026-03.csv": (
        "date,what,amount\n2026-03-02,train to Kiel,41.50\n2026-03-05,hotel in Kiel,129.00\n2026-03-06,taxi,18.75\n"
    ),
    "notes.txt": "Ask Priya about the new supplier.\n",
}
CONTACTS: Final = {
    "Dana Weiss": ("dana.weiss@harbourgoods.example", "design"),
    "Priya Nair": ("priya.nair@harbourgoods.example", "purchasing"),
    "Tom Berger": ("tom.berger@harbourgoods.example", "warehouse"),
}
TICKETS: Final = {
    "T-298": "Login button is too small (closed, priority low)",
    "T-301": "Invoice PDF has the wrong address (open, priority normal)",
    "T-305": "Login page stays blank on phones (open, priority normal)",
    "T-310": "Search finds nothing with umlauts (open, priority low)",
}
TRAINS: Final = {
    ("leeds", "york", "2026-03-14"): (("08:05-08:29", 14.60), ("09:12-09:51", 8.90), ("10:02-10:27", 16.20)),
    ("york", "leeds", "2026-03-14"): (("17:10-17:36", 15.10), ("18:40-19:22", 9.40)),
}
HOURS: Final = {("dana weiss", "2026-W10"): 28.0, ("tom berger", "2026-W10"): 37.5}
WAGES: Final = {"dana weiss": 27.00, "tom berger": 18.40}
UNITS: Final = {
    "g": ("mass", 1.0), "kg": ("mass", 1000.0), "oz": ("mass", 28.349523125), "lb": ("mass", 453.59237),
    "ml": ("volume", 1.0), "l": ("volume", 1000.0), "fl_oz": ("volume", 29.5735295625), "cup": ("volume", 236.5882365),
    "m": ("length", 1.0), "cm": ("length", 0.01), "km": ("length", 1000.0), "in": ("length", 0.0254),
    "ft": ("length", 0.3048), "mi": ("length", 1609.344),
}  # fmt: skip
SALES: Final = """
CREATE TABLE sales (day TEXT, region TEXT, product TEXT, units INTEGER, revenue REAL);
INSERT INTO sales VALUES
('2026-01-14', 'north', 'LAMP-02', 20, 998.0), ('2026-01-20', 'south', 'DESK-OAK', 4, 1556.0),
('2026-02-03', 'north', 'DESK-OAK', 3, 1167.0), ('2026-02-09', 'south', 'CHAIR-01', 40, 1520.0),
('2026-02-12', 'west', 'LAMP-02', 31, 1546.9), ('2026-02-18', 'south', 'SHELF-OAK', 10, 645.0),
('2026-02-25', 'north', 'CHAIR-01', 12, 456.0), ('2026-03-02', 'west', 'RUG-WOOL', 2, 420.0);
"""

"""The demo's tools where they say no."""

import pytest

from surefoot import ToolError
from surefoot.demo import tools


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tools.get_order("9999"), "no order '9999'; known are 4698, 4711, 4712"),
        (lambda: tools.track_parcel("X"), "no parcel 'X'"),
        (lambda: tools.get_product("SOFA"), "no product 'SOFA'.*LAMP-02"),
        (lambda: tools.get_invoice("INV-1"), "no invoice"),
        (lambda: tools.read_file("a.txt"), "no file 'a.txt'.*notes.txt"),
        (lambda: tools.find_contact("Zoe"), "no colleague 'Zoe'"),
        (lambda: tools.send_email("zoe@x.example", "s", "b"), "not an address of a colleague"),
        (lambda: tools.set_ticket_priority("T-1", "low"), "no ticket"),
        (lambda: tools.close_ticket("T-1"), "no ticket"),
        (lambda: tools.list_events("12 March"), "write it as YYYY-MM-DD"),
        (lambda: tools.convert_units(1, "g", "ml"), "g cannot be converted to ml"),
        (lambda: tools.convert_units(1, "C", "C"), "C cannot be converted to C"),
        (lambda: tools.calculate("2 ** 9"), "cannot be calculated"),
        (lambda: tools.calculate("1 / 0"), "cannot be calculated"),
        (lambda: tools.calculate("sum(file)"), "cannot be calculated"),
        (lambda: tools.calculate("("), "cannot be calculated"),
        (lambda: tools.calculate("min()"), "cannot be calculated"),
    ],
)
async def test_what_is_not_there_is_said_with_what_is(call, said):
    with pytest.raises(ToolError, match=said):
        await call()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("-(2.5 - 5)", "2.5"),
        ("10 / 4", "2.5"),
        ("1000000 * 3", "3000000"),
        ("2 * min(3, 1.5)", "3"),
        ("sum([1, 2]) - max((1, 2))", "1"),
    ],
)
async def test_arithmetic(expression, value):
    assert await tools.calculate(expression) == f"{expression} = {value}"


@pytest.mark.parametrize(
    ("value", "units", "result"),
    [
        (100, ("C", "F"), "212.00 F"),
        (350, ("F", "C"), "176.67 C"),
        (2, ("mi", "km"), "3.22 km"),
        (1, ("lb", "g"), "453.59 g"),
    ],
)
async def test_units(value, units, result):
    assert (await tools.convert_units(value, *units)).endswith(f"= {result}")


async def test_the_rest():
    assert await tools.get_today() == "2026-03-10"
    assert await tools.add_up([0.1, 0.2, 3]) == "the sum of 3 numbers is 3.3"
    assert await tools.get_order("#4711") == await tools.get_order("4711")
    assert "nothing on 2026-03-20" in await tools.list_events("2026-03-20")
    assert "no ticket" in await tools.search_tickets("printer")
    assert "no trains" in await tools.search_trains("Leeds", "Oslo", "2026-03-14")
    assert "refunded" in await tools.refund_order("4711", "broken")
    assert "closed" in await tools.close_ticket("T-305")
    assert "there will be 40" in await tools.order_stock("shelf-oak", 14)
    assert await tools.convert_currency(10, "EUR", "USD") == "10.00 EUR = 10.80 USD"


def test_the_sales_database_is_read_only_and_says_what_is_wrong():
    assert tools.run_sql("SELECT COUNT(*) AS n FROM sales") == "n=8"
    assert tools.run_sql("SELECT * FROM sales WHERE region = 'east'") == "no rows"
    assert tools.run_sql("") == "no rows"
    with pytest.raises(ToolError, match="no such column: amount"):
        tools.run_sql("SELECT amount FROM sales")
    with pytest.raises(ToolError, match="readonly"):
        tools.run_sql("DELETE FROM sales")

"""Other models' prices for the tokens on record."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.reports.rows import model, row

from surefoot.budget.rates import Rates, cost, flat_rates
from surefoot.journal.tally import ModelTally
from surefoot.reports.comparison import Comparison, reprice
from surefoot.reports.requests import Requests
from surefoot.types import Usage

DEAR = flat_rates({"input": 15_000_000_000, "output": 15_000_000_000}, source="test")
CHEAP = flat_rates({"input": 3_000_000_000, "output": 3_000_000_000}, source="test")
rates = st.builds(
    lambda values: flat_rates(values, source="test"),
    st.fixed_dictionaries(
        {"input": st.integers(0, 10**11), "output": st.integers(0, 10**11)},
        optional={"cache_read": st.integers(0, 10**11), "reasoning": st.integers(0, 10**11)},
    ),
)
usages = st.builds(
    lambda fresh, cached, out, thought: Usage(fresh + cached, out + thought, cached, 0, thought),
    *[st.integers(0, 200_000)] * 4,
)


def compared(prices, *rows):
    comparison, requests = Comparison(prices), Requests()
    for each in rows:
        for request in requests.add(each):
            comparison.add(request)
    for request in requests.rest():
        comparison.add(request)
    return comparison


@given(rates, st.lists(usages, min_size=1, max_size=10))
def test_its_own_prices_give_what_was_charged(price, calls):
    charged = sum(cost(price, usage) for usage in calls)
    tally = ModelTally(calls=len(calls), usage=sum(calls, Usage()))
    assert 0 <= charged - reprice(price, tally) < len(calls)


def test_long_prompts_are_judged_by_the_average_of_the_calls():
    long = flat_rates({"input": 2_000_000, "output": 0}, source="test", above=1_000)
    tiered = Rates(
        input=1_000_000, output=0, cache_read=1_000_000, cache_write=0, cache_write_1h=0, source="test", tiers=(long,)
    )
    assert reprice(tiered, model(3_000, 0, calls=3)) == 3_000
    assert reprice(tiered, model(3_003, 0, calls=3)) == 6_006
    assert reprice(tiered, model(3_000, 0, calls=4, failed=1)) == 3_000
    assert reprice(tiered, model(0, 0, calls=1, failed=1)) == 0


def test_the_dearest_first_with_what_the_others_save():
    comparison = compared({"cheap": CHEAP, "dear": DEAR}, row("a"), row("b", models={"m:b": model(nano=5)}))
    assert [(offer.model, offer.nano, offer.saving) for offer in comparison.offers()] == [
        ("dear", 3_000_000, 0.0), ("cheap", 600_000, 0.8),
    ]  # fmt: skip
    assert (comparison.requests, comparison.recorded_nano, comparison.recorded_models) == (2, 5, {"m:a", "m:b"})


def test_a_request_is_priced_with_all_its_runs_or_not_at_all():
    whole = compared({"dear": DEAR}, row("a", took=9), row("b", parent="a"))
    assert (whole.requests, whole.offers()[0].nano) == (1, 3_000_000)
    part = compared({"dear": DEAR}, row("a", took=9), row("b", parent="a", models={"m:a": model(unknown=1)}))
    assert (part.requests, part.unknown, part.offers()[0].nano) == (0, 1, 0)


def test_what_is_left_out_is_counted():
    live = row("a", status="running", finished_at=0.0)
    refused = row("b", models={"m:a": model(0, 0, failed=1)})
    comparison = compared(
        {"dear": DEAR}, live, refused, row("c", models={}), row("d", models={"m:a": model(unknown=1)})
    )
    assert (comparison.requests, comparison.unended, comparison.empty, comparison.unknown) == (0, 1, 2, 1)
    assert comparison.offers()[0].saving == 0.0
    assert compared({}).offers() == []

"""A request is a run and what it began."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.reports.rows import NOON, model, row

from surefoot.reports.requests import Requests


def gather(*rows):
    requests, made = Requests(), []
    for each in rows:
        made += requests.add(each)
    early = len(made)
    made += requests.rest()
    return made, early, requests


def test_children_and_their_children_belong_to_the_request():
    root = row("root", at=NOON, took=10, models={"m:a": model(nano=1)})
    child = row("child", at=NOON + 1, took=8, parent="root", models={"m:b": model(nano=2)}, steps=3, tool_calls=4)
    grandchild = row("grandchild", at=NOON + 2, took=1, parent="child", models={"m:a": model(nano=4)})
    (request,), early, _ = gather(root, child, grandchild)
    assert early == 0
    assert request.run_id == "root"
    assert request.used == {"tokens": 300, "usd": 7, "steps": 5, "model_calls": 3, "tool_calls": 4}
    assert [name for name, _ in request.models] == ["m:a", "m:b", "m:a"]
    assert request.is_ended
    assert request.knows_usage()


def test_a_request_is_complete_when_nothing_of_it_goes_on():
    made, early, requests = gather(row("a", at=NOON), row("b", at=NOON + 0.5), row("c", at=NOON + 5))
    assert early == 2
    assert [request.run_id for request in made] == ["a", "b", "c"]
    assert requests._of == {}


def test_one_that_has_not_ended_is_known_to_be_so():
    live = row("a", status="running", finished_at=0.0, stop_reason="", models={}, usage="")
    made, early, _ = gather(live, row("c", at=NOON + 1, parent="a"), row("b", at=NOON + 1e6))
    assert early == 0
    assert {request.run_id: request.is_ended for request in made} == {"a": False, "b": True}


def test_what_began_before_the_first_run_is_left_out():
    made, _, requests = gather(row("x", parent="before"), row("y", parent="x"))
    assert (made, requests.strays) == ([], 2)


def test_usage_is_unknown_where_more_was_charged_than_counted():
    (request,), _, _ = gather(row(models={"m:a": model(unknown=5)}))
    assert not request.knows_usage()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50), st.integers(-1, 20)), max_size=25))
def test_nothing_is_lost(some):
    rows = []
    for number, (at, took, above) in enumerate(sorted(some)):
        parent = rows[above] if 0 <= above < len(rows) and rows[above].finished_at >= NOON + at else None
        rows.append(row(str(number), at=NOON + at, took=took, parent=parent.run_id if parent else ""))
    made, _, requests = gather(*rows)
    assert requests.strays == 0
    assert sum(request.used["tokens"] for request in made) == sum(each.tokens for each in rows)
    assert sorted(request.run_id for request in made) == sorted(each.run_id for each in rows if not each.parent)

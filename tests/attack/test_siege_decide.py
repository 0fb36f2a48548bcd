"""`decide` on whatever JSON there is: it decides, always the same, in bounded work, and an odd type is no way through."""

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.policy import decide as deciding
from surefoot.policy.decide import MOST_LEAVES, decide, trace
from surefoot.policy.decision import Allowed, Denied, NeedsApproval, Proposed
from surefoot.policy.declared import SINK_KINDS, ToolPolicy
from surefoot.policy.deeds import MOST_BROUGHT, MOST_DEED_CHARS, MOST_DEEDS, Deeds, read_act
from surefoot.policy.marks import ANYTHING
from surefoot.policy.matching import normalise_value
from surefoot.policy.origin import MOST_FRESH, MOST_FRESH_CHARS, Origins
from surefoot.types import Label, Message

OTHERS = Label("third_party", source="page")
RECORD = Label("tool", trusted=True, source="book")
ODD = [
    "", " ", "\0", "__proto__", "constructor", "to", "\u202eevil", "a\u200bb", "ﬁle", "İ", "ß", "e\u0301", "1e999", "-0", "0x10",
    "٣", "1_000", "NaN", "null", "true", "[]", "{}", "\ud800", "2024-02-30", "2024-13-01t25:61", "9" * 50, "DE89 3704 0044 0532 0130 00",
    "https://corp.org\\@evil.org", "//evil.org", "a" * 300, "😀", "\U000e0041", "。", "x@y@z", "'s", "..", "docs/..",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**40), 10**40), st.floats(allow_nan=False),
    st.sampled_from([1e308, -0.0, 5e-324, 1e30, 10**400, float("inf")]), st.text(max_size=12), st.sampled_from(ODD),
)  # fmt: skip
KEYS = st.one_of(st.sampled_from(ODD), st.text(max_size=5))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
TOOLS = st.builds(
    ToolPolicy,
    st.just("pay"),
    writes=st.booleans(),
    egress=st.booleans(),
    destructive=st.booleans(),
    sinks=st.dictionaries(st.sampled_from(["to", "amount", "x"]), st.sampled_from(SINK_KINDS)),
    fields=st.frozensets(KEYS, max_size=3),
    defaults=st.dictionaries(st.sampled_from(["to", "x"]), VALUES, max_size=1),
    idempotent=st.booleans(),
    encoded=st.booleans(),
)
ARGUMENTS = st.dictionaries(st.sampled_from(["to", "amount", "x", "__proto__", ""]), VALUES, max_size=4)


def known(said, results=(), deeds=()):
    origins = Origins()
    origins.begin([Message.user(said)], None)
    origins.take("page", "{}", "some text by others", OTHERS, ())
    for arguments, content, label, fields in results:
        origins.take("book", arguments, content, label, fields)
    for tool, arguments in deeds:
        origins.act(tool, arguments, ())
    return origins


def encode(value):
    return json.dumps(value, ensure_ascii=True)


RESULTS = st.tuples(
    st.one_of(ARGUMENTS.map(encode), st.text(max_size=20)),
    st.one_of(VALUES.map(encode), st.text(max_size=80)),
    st.sampled_from([OTHERS, RECORD]),
    st.lists(st.sampled_from(["", "[]", "[].a", ".to", "{}", "{}[]", ".__proto__"]), max_size=2).map(tuple),
)


@given(
    TOOLS, ARGUMENTS, st.text(max_size=60), st.lists(RESULTS, max_size=3), st.lists(ARGUMENTS.map(encode), max_size=2)
)
def test_it_decides_the_same_of_whatever_there_is(tool, arguments, said, results, deeds):
    origins = known(said, results, [("pay", deed) for deed in deeds])
    call = Proposed(tool, arguments)
    decision = decide(call, origins.evidence())
    assert isinstance(decision, Allowed | NeedsApproval | Denied)
    assert decision == decide(call, origins.evidence()), "pure"
    assert msgspec.json.decode(msgspec.json.encode(decision.rule)) == decision.rule
    carried = origins.carry()
    again = Origins()
    again.begin([Message.user("Thanks.")], carried)
    assert again.carry() is not None


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for pair in value.items() for part in pair for leaf in _leaves(part)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]


@settings(max_examples=40)
@given(VALUES, st.sampled_from([kind for kind in SINK_KINDS if kind != "content"]), st.booleans())
def test_no_type_is_a_way_through_to_what_decides(value, kind, destructive):
    """The user has named nothing but `pay` and `it`: nothing else may stand where something is decided."""
    tool = ToolPolicy("pay", sinks={"to": kind}, destructive=destructive)
    decision = decide(Proposed(tool, {"to": value}), known("Pay it").evidence())
    leaves = _leaves(value)
    if isinstance(decision, Allowed):
        assert leaves
        assert {normalise_value(leaf) for leaf in leaves} <= {" pay ", " it "}
        assert all(isinstance(leaf, str) for leaf in leaves)


@settings(max_examples=40)
@given(VALUES)
def test_nothing_but_true_false_and_none_passes_where_nothing_is_declared(value):
    decision = decide(Proposed(ToolPolicy("pay"), {"to": "it", "x": value}), known("Pay it").evidence())
    if isinstance(decision, Allowed):
        free = [None, True, False, ""]
        assert all(
            any(leaf is one for one in free) or leaf == "" or normalise_value(leaf) in {" pay ", " it "}
            for leaf in _leaves(value)
        )


def test_a_default_of_another_type_is_none():
    tool = ToolPolicy("pay", sinks={"n": "amount"}, defaults={"n": 0, "to": "x"})
    evidence = known("Pay it").evidence()
    for value in (False, 0.0, "0", [0], {}):
        assert not isinstance(decide(Proposed(tool, {"to": "it", "n": value}), evidence), Allowed), value
    assert isinstance(decide(Proposed(tool, {"to": "it", "n": 0}), evidence), Allowed)


@pytest.mark.parametrize("depth", [31, 1_500])
def test_depth_is_no_matter(depth):
    value: Any = "eve"
    for number in range(depth):
        value = [value] if number % 2 else {"__proto__": value}
    assert decide(Proposed(ToolPolicy("pay"), {"to": value}), known("Pay it").evidence()).rule == "origin"


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": [f"w{number} w{number + 9}" for number in range(10_000)]},
        {"to": {f"k{number}": number for number in range(10_000)}},
        {"to": "it", "body": " ".join([f"a{number}@b.org" for number in range(10_000)])},
    ],
)
def test_a_call_with_too_many_values_is_denied_before_they_are_looked_for(arguments):
    text = " ".join([f"w{number}" for number in range(10_010)])
    origins = Origins()
    origins.begin([Message.user("Pay it")], None)
    origins.take("page", "{}", text, OTHERS, ())
    evidence = origins.evidence()
    tool = ToolPolicy("pay", sinks={"to": "who", "body": "content"})
    count = 0

    def trace_calls(frame, event, arg):
        nonlocal count
        count += event == "call"

    sys.setprofile(trace_calls)
    try:
        decision = decide(Proposed(tool, arguments), evidence)
    finally:
        sys.setprofile(None)
    assert (decision.rule, len(decision.traces)) == ("size", MOST_LEAVES)
    assert count < 200 * MOST_LEAVES, "of one value about 100, and there are ten times as many"


def test_of_many_values_in_doubt_the_first_are_looked_for_in_the_texts_by_others():
    origins = known("Pay it")
    origins.take("page", "{}", " ".join([f"w{number}" for number in range(50)]), OTHERS, ())
    found = trace(Proposed(ToolPolicy("pay"), {"to": [f"w{number}" for number in range(50)]}), origins.evidence())
    named = [one.source for one in found if one.source == "page({})"]
    assert len(named) == deciding.MOST_NAMED_SOURCES
    assert {one.source for one in found} == {"page({})", "an earlier text"}
    assert {one.origin for one in found} == {"others"}


def test_a_value_too_long_to_be_compared_is_nobodys():
    long = "word " * 5_000
    evidence = known(f"Pay {long}").evidence()
    assert decide(Proposed(ToolPolicy("pay"), {"to": long}), evidence).rule == "origin"
    assert decide(Proposed(ToolPolicy("pay"), {"to": long[:9_000]}), evidence).rule == "proven"


def test_results_are_taken_in_before_they_are_too_many_to_be_taken_in_at_once():
    origins = known("Pay it")
    for _ in range(MOST_FRESH):
        origins.take("page", "{}", "w", OTHERS, ())
    assert len(origins._fresh) < MOST_FRESH
    for _ in range(MOST_FRESH):
        origins.take("page", "{}", "w " * (MOST_FRESH_CHARS // MOST_FRESH), OTHERS, ())
    assert origins.behind, "it is taken in step by step"


# --- deeds ------------------------------------------------------------------------------------------------------------


def test_more_deeds_than_are_remembered_are_looked_at_by_a_person():
    origins = known(
        "Pay it and that, please, to all.", (), [("note", f'{{"x": {number}}}') for number in range(MOST_DEEDS + 1)]
    )
    call = Proposed(ToolPolicy("pay"), {"to": "it"})
    assert decide(call, origins.evidence()).rule == "repeat"
    again = Origins()
    again.begin([Message.user("Thanks.")], origins.carry())
    assert again.evidence().done_full
    other = Origins()
    other.begin([Message.user("Now please pay it and that to all of them.")], origins.carry())
    assert decide(call, other.evidence()).rule == "proven"


@pytest.mark.parametrize("size", [MOST_DEED_CHARS, 10 * MOST_DEED_CHARS])
def test_a_deed_of_many_words_is_the_same_and_one_of_many_values_may_be(size):
    tool = ToolPolicy("pay", sinks={"to": "who", "text": "content"})
    text = {"to": "it", "text": "x" * size}
    origins = known("Pay it", (), [("pay", encode(text))])
    assert decide(Proposed(tool, text), origins.evidence()).rule == "repeat"
    assert decide(Proposed(tool, {**text, "text": "y" * size}), origins.evidence()).rule == "proven"
    origins = known("Pay it", (), [("pay", encode({"to": "it", "text": ["x"] * size}))])
    assert decide(Proposed(tool, {"to": "it", "text": "y"}), origins.evidence()).rule == "repeat", "nobody can tell"
    origins = known("Pay it", (), [("pay", encode({"to": "it", "text": "x"}))])
    assert decide(Proposed(tool, {"to": "it", "text": ["x"] * size}), origins.evidence()).rule == "repeat"


def test_more_words_of_its_own_than_are_remembered_are_all_words_of_its_own():
    deeds = Deeds()
    text = encode({"text": " ".join([f"w{number}" for number in range(MOST_BROUGHT + 1)])})
    deeds.add(*read_act("note", text, ()), [{"pay", "it"}])
    assert deeds.brought is ANYTHING
    carried = deeds.carry()
    again = Deeds()
    again.join(carried)
    assert again.brought is ANYTHING
    assert 5 in again.brought


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), ARGUMENTS.map(encode)), max_size=6), st.integers(0, 5))
def test_deeds_are_the_same_after_they_were_handed_on(deeds, failed):
    made = Deeds()
    for tool, arguments in deeds:
        made.add(*read_act(tool, arguments, ()), [{"pay", "it"}])
    if failed < len(deeds):
        made.fail(*deeds[failed])
        assert len(made.done) == len(deeds) - 1
    again = Deeds()
    if (carried := made.carry()) is not None:
        again.join(msgspec.json.decode(msgspec.json.encode(carried), type=type(carried)))
    assert set(again.done) == set(made.done)
    assert again.brought == made.brought

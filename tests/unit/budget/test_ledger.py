"""The account of one run: B1, B3 and B4 as a state machine, and each refusal by example."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from msgspec.structs import replace

from surefoot.budget.holds import Fit, Shortage, is_plausible
from surefoot.budget.ledger import FINAL_TOKENS, NUDGE_TOKENS, Account
from surefoot.budget.limits import Limits
from surefoot.budget.rates import Rates, cost
from surefoot.budget.report import report_budget
from surefoot.errors import BudgetExceeded
from surefoot.types import UNLIMITED, Money, Usage

RATES = Rates(
    input=2_000_000_000,
    output=8_000_000_000,
    cache_read=500_000_000,
    cache_write=2_500_000_000,
    cache_write_1h=0,
    source="t",
)


def account(rates=RATES, **limits):
    return Account(Limits(**limits), rates, started=0.0)


class AccountMachine(RuleBasedStateMachine):
    """Any order of reservations and ends, with usage of any kind within what was held."""

    holds = Bundle("holds")

    def __init__(self):
        super().__init__()
        self.account = account(tokens=20_000, usd="0.03", model_calls=1000)
        self.billed_tokens = self.billed_nano = 0
        self.open = {}

    @rule(target=holds, bound=st.integers(1, 3_000), want=st.integers(1, 2_000), final=st.booleans())
    def reserve(self, bound, want, final):
        fit = self.account.fit(bound, want, final=final, now=1.0)
        before = (self.account.spent_tokens, self.account.reserved)
        if isinstance(fit, Shortage):
            assert fit.limit in ("tokens", "usd", "model_calls")
            assert (self.account.spent_tokens, self.account.reserved) == before
            return None
        assert 1 <= fit.max_tokens <= want
        hold = self.account.reserve(bound, fit.max_tokens)
        self.open[hold.number] = (hold, bound)
        return hold

    @rule(hold=consumes(holds), data=st.data())
    def settle(self, hold, data):
        if hold is None:
            return
        _, bound = self.open.pop(hold.number)
        read = data.draw(st.integers(0, bound))
        usage = Usage(bound, data.draw(st.integers(0, hold.max_tokens)), read, data.draw(st.integers(0, bound - read)))
        charge = self.account.settle(hold, usage)
        assert not charge.overrun
        assert charge.nano == cost(RATES, usage) <= hold.nano
        self.billed_tokens += usage.total_tokens
        self.billed_nano += charge.nano

    @rule(hold=consumes(holds), billed=st.booleans())
    def lose(self, hold, billed):
        """Unknown outcome: charged in full, whatever the provider billed."""
        if hold is None:
            return
        self.open.pop(hold.number)
        charge = self.account.settle(hold, None)
        assert (charge.tokens, charge.nano) == (hold.tokens, hold.nano)
        self.billed_tokens += hold.tokens * billed
        self.billed_nano += hold.nano * billed

    @rule(hold=consumes(holds))
    def release(self, hold):
        if hold is None:
            return
        self.open.pop(hold.number)
        self.account.release(hold)

    @invariant()
    def holds_the_limits(self):
        reserved_tokens, reserved_nano = self.account.reserved
        assert reserved_tokens == sum(hold.tokens for hold, _ in self.open.values())
        assert reserved_nano == sum(hold.nano for hold, _ in self.open.values())
        assert self.account.spent_tokens + reserved_tokens <= 20_000
        assert self.account.spent_nano + reserved_nano <= 30_000_000
        assert self.account.overrun_tokens == self.account.overrun_nano == 0
        assert self.billed_tokens <= self.account.spent_tokens
        assert self.billed_nano <= self.account.spent_nano

    def teardown(self):
        for hold, _ in self.open.values():
            self.account.release(hold)
        assert self.account.reserved == (0, 0)


TestAccount = AccountMachine.TestCase
TestAccount.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_max_tokens_is_lowered_to_what_fits_and_says_by_which_limit():
    assert account(tokens=3_000).fit(1_000, 5_000, final=True, now=0) == Fit(2_000, "tokens")
    assert account(usd="0.01", tokens=UNLIMITED).fit(1_000, 5_000, final=True, now=0) == Fit(937, "usd")
    assert account(tokens=100_000).fit(1_000, 5_000, final=True, now=0) == Fit(5_000)


def test_an_ordinary_step_leaves_room_for_a_last_answer():
    fit = account(tokens=3_000).fit(1_000, 5_000, final=False, now=0)
    assert fit == Fit(3_000 - 1_000 - 1_000 - NUDGE_TOKENS - FINAL_TOKENS, "tokens")
    book = account(tokens=3_000)
    book.settle(book.reserve(1_000, fit.max_tokens), None)
    assert book.fit(1_000, FINAL_TOKENS, final=True, now=0) == Fit(FINAL_TOKENS)


@given(st.integers(1, 2_000), st.integers(1, 3_000), st.integers(1, 10**9))
def test_an_ordinary_step_leaves_room_in_dollars_too(bound, want, nano):
    book = account(usd=Money(nano), tokens=UNLIMITED)
    fit = book.fit(bound, want, final=False, now=0)
    if isinstance(fit, Fit):
        book.settle(book.reserve(bound, fit.max_tokens), None)
        assert isinstance(book.fit(bound, FINAL_TOKENS, final=True, now=0), Fit)


def test_what_does_not_fit_is_refused_and_says_why():
    shortage = account(tokens=1_000).fit(990, 500, final=True, now=0)
    assert shortage == Shortage("tokens", "1000 of 1000 tokens are left; a prompt of up to 990 does not fit")
    shortage = account(usd="0.001").fit(990, 500, final=True, now=0)
    assert shortage.limit == "usd"
    assert "$0.0010 of $0.0010 is left; the next call may cost $0.0026" in shortage.message


def test_a_free_model_under_a_dollar_limit_is_bounded_by_tokens_alone():
    free = Rates(input=0, output=0, cache_read=0, cache_write=0, cache_write_1h=0, source="local")
    assert account(free, usd="0.01", tokens=5_000).fit(100, 10_000, final=True, now=0) == Fit(4_900, "tokens")
    assert account(None, usd=UNLIMITED, tokens=5_000).fit(100, 200, final=False, now=0) == Fit(200)


def test_reserve_refuses_what_fit_would_not_allow():
    with pytest.raises(BudgetExceeded, match="tokens do not fit") as caught:
        account(tokens=1_000).reserve(900, 101)
    assert caught.value.limit == "tokens"
    with pytest.raises(BudgetExceeded, match="does not fit") as caught:
        account(usd="0.001").reserve(900, 101)
    assert caught.value.limit == "usd"


def test_a_provider_that_charges_more_is_booked_as_the_truth():
    book = account(tokens=1_000)
    hold = book.reserve(100, 50)
    charge = book.settle(hold, Usage(400, 50))
    assert charge.overrun
    assert book.spent_tokens == 450
    assert book.overrun_tokens == 300
    assert book.spent_tokens + book.reserved[0] <= 1_000 + book.overrun_tokens


def test_an_explicit_zero_is_free_and_a_missing_usage_is_not():
    book = account()
    assert book.settle(book.reserve(100, 50), Usage()).tokens == 0
    assert book.settle(book.reserve(100, 50), None).tokens == 150


@given(
    limits=st.builds(
        dict,
        tokens=st.integers(600, 3_000) | st.just(UNLIMITED),
        usd=st.integers(2_000, 30_000).map(lambda micro: f"{micro / 1e6:.6f}") | st.just(UNLIMITED),
        steps=st.integers(1, 4),
        model_calls=st.integers(1, 4),
        tool_calls=st.integers(1, 3),
        seconds=st.integers(5, 20),
        on_limit=st.sampled_from(["finish", "raise"]),
    ),
    calls=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200), st.integers(0, 7)), max_size=4),
    now=st.floats(0, 20),
    asked=st.tuples(st.integers(1, 500), st.integers(1, 500)),
)
@settings(max_examples=500)
def test_what_fits_easily_fits_and_is_not_the_last_step(limits, calls, now, asked):
    book, final = account(**limits), limits["on_limit"] == "raise"
    for bound, want, what in calls:
        if what & 1 and isinstance(fit := book.fit(bound, want, final=True, now=0.0), Fit):
            hold = book.reserve(bound, fit.max_tokens)
            if bound % 2:
                book.settle(hold, Usage(bound // 2, fit.max_tokens // 2))
        if what & 2:
            book.begin_step()
        if what & 4:
            book.begin_tool_call()
    bound, want = asked
    if book.fits_easily(bound, want, now):
        assert book.last_step(now) is None
        assert book.fit(bound, want, final=final, now=now, begins_step=True) == Fit(want)
        assert not Account(Limits(**limits), RATES, 0.0, book).fits_easily(1, 1, now)  # whose run has one above


def test_a_step_far_from_every_limit_fits_easily():
    assert account().fits_easily(2_000, 4_096, 0.0)
    assert not account(tokens=8_000).fits_easily(2_000, 4_096, 0.0)


def test_the_last_step_call_and_second_are_kept_for_the_answer():
    book = account(steps=3, model_calls=10, tool_calls=2, seconds=100)
    book.steps = 1
    assert book.last_step(0) is None
    book.steps = 2
    assert book.last_step(0).limit == "steps"
    book.steps, book.model_calls = 0, 9
    assert book.last_step(0).limit == "model_calls"
    book.model_calls, book.tool_calls = 0, 2
    assert book.last_step(0).limit == "tool_calls"
    book.tool_calls = 0
    assert book.last_step(84.9) is None
    assert book.last_step(85.1).limit == "seconds"


def test_with_raise_nothing_is_kept():
    book = account(steps=3, model_calls=3, seconds=100, on_limit="raise")
    book.steps = book.model_calls = 2
    assert book.last_step(99) is None
    assert book.last_step(100).limit == "seconds"
    book.steps = 3
    assert book.last_step(0).limit == "steps"


def test_no_call_after_the_deadline_or_the_last_model_call():
    book = account(model_calls=1, seconds=10)
    assert book.fit(1, 100, final=True, now=10.0) == Shortage("seconds", "the 10 s are over")
    book.reserve(1, 1)
    assert book.fit(1, 100, final=True, now=0).limit == "model_calls"


def test_each_limit_warns_once_at_its_share():
    book = account(tokens=1_000, usd="1", steps=10, seconds=100, warn_at=0.5)
    assert book.warnings(0) == []
    book.settle(book.reserve(400, 100), None)
    warned = book.warnings(0)
    assert [(w.limit, w.used, w.of) for w in warned] == [("tokens", 500, 1_000)]
    assert book.warnings(0) == []
    assert [w.limit for w in book.warnings(50.0)] == ["seconds"]
    book.steps = 5
    assert [w.limit for w in book.warnings(51.0)] == ["steps"]


def test_unlimited_never_warns_nor_counts_as_used():
    book = account(tokens=UNLIMITED, usd=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED)
    book.steps = 10**6
    assert book.warnings(0) == []
    assert set(book.shares_used(0)) == {"seconds"}


def test_room_for_text_leaves_a_last_answer():
    assert account(tokens=3_000).room_for_text(1_000) == 3_000 - 1_000 - NUDGE_TOKENS - FINAL_TOKENS
    book = account(tokens=UNLIMITED, usd="0.01")
    room = book.room_for_text(1_000)
    assert isinstance(book.fit(1_000 + room + NUDGE_TOKENS, FINAL_TOKENS, final=True, now=0), Fit)
    assert book.fit(1_001 + room + NUDGE_TOKENS, FINAL_TOKENS, final=True, now=0) != Fit(FINAL_TOKENS)


def test_the_report_adds_up():
    book = account(tokens=10_000, usd="0.1", steps=10, seconds=60)
    book.steps = 2
    book.settle(book.reserve(1_000, 100), Usage(900, 50))
    book.settle(book.reserve(1_000, 100), None)
    report = report_budget(book, Usage(900, 50), now=6.0, started=0.0)
    assert report.tokens == 950 + 1_100
    assert report.usage == Usage(900, 50)
    assert report.cost == book.spent_nano
    assert report.average_tokens == 1_025
    assert report.average_cost == -(-book.spent_nano // 2)
    assert report.used["tokens"] == 0.205
    assert report.remaining_pct == 79.5
    assert report.seconds == 6.0
    assert report_budget(account(None, usd=UNLIMITED), Usage(), 0.0, 0.0).cost is None


# ---------------------------------------------------------------------------------------------------- service tiers


def served(asked=""):
    half = Rates(
        input=10**9, output=4 * 10**9, cache_read=0, cache_write=0, cache_write_1h=0, source="t", service="flex"
    )
    double = replace(half, input=4 * 10**9, output=16 * 10**9, service="priority")
    return replace(RATES, services=(half, double), asked=asked)


@pytest.mark.parametrize(
    ("asked", "reported", "nano"),
    [
        ("", "", 280_000),
        ("", "default", 280_000),
        ("", "flex", 140_000),
        ("flex", "flex", 140_000),
        ("flex", "default", 280_000),
        ("flex", "", 280_000),
        ("flex", "scale", 650_000),
        ("priority", "priority", 560_000),
        ("priority", "default", 280_000),
        ("priority", "", 560_000),
    ],
)
def test_a_call_is_settled_at_the_tier_that_the_reply_names(asked, reported, nano):
    book = account(served(asked))
    hold = book.reserve(100, 50)
    assert hold.nano == {"": 650_000, "flex": 650_000, "priority": 1_200_000}[asked]
    charge = book.settle(hold, Usage(100, 10), reported)
    assert (charge.nano, charge.tokens, charge.overrun) == (nano, 110, False)
    assert (book.spent_nano, book.reserved) == (nano, (0, 0))


def test_a_dearer_tier_that_nobody_asked_for_is_booked_as_the_truth():
    book = account(served())
    charge = book.settle(book.reserve(100, 50), Usage(100, 50), "priority")
    assert (charge.nano, charge.overrun, book.overrun_nano) == (1_200_000, True, 550_000)


def test_without_a_price_a_tier_costs_nothing_known():
    book = account(None, usd=UNLIMITED)
    assert book.settle(book.reserve(100, 50), Usage(100, 10), "priority").nano == 0


def test_a_run_that_cannot_reach_a_tier_is_not_held_for_it():
    far = replace(RATES, input=10**11, above=5_000)
    tiered = replace(RATES, tiers=(far,))
    assert account(tiered, tokens=5_000).input_rate == account().input_rate
    assert account(tiered, tokens=5_001).input_rate == 10**11
    assert account(tiered, tokens=UNLIMITED, usd=UNLIMITED).input_rate == 10**11


@pytest.mark.parametrize("field", Usage.__struct_fields__)
@pytest.mark.parametrize("count", [-1, 1 << 32, 1 << 70])
def test_a_count_that_nobody_can_mean_is_none(field, count):
    assert is_plausible(Usage(5, 5))
    assert not is_plausible(Usage(**{field: count}))

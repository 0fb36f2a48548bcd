"""Stress tests over real HTTP: what is reported is what was done."""

import asyncio

import pytest

from surefoot.clock import SystemClock
from surefoot.config import Settings
from surefoot.errors import BudgetExceeded, ConfigError, ModelBroken, PriceUnknown, TooManyRequests
from surefoot.providers import Provider
from surefoot.sections import RetrySettings, StoreSettings
from surefoot.stress.desk import make_desk
from surefoot.stress.fake import Fake, run_fake
from surefoot.stress.load import name_failure
from surefoot.stress.plan import Plan
from surefoot.stress.trial import run_trial
from surefoot.testing import Brain, FakeProvider, Price, status


def make_settings(tmp_path, base_url, **more):
    providers = {"fake": Provider(base_url, needs_key=False)}
    prices = {"gpt-test": 2.0}
    store = StoreSettings(str(tmp_path / "stress.db"), "relaxed")
    return Settings(providers=providers, prices=prices, store=store, **more)


class Watch:
    def __init__(self):
        self.seen = []

    def __call__(self, score, seconds):
        self.seen.append((score.ended, score.under_way, seconds))


async def trial(tmp_path, provider, plan, *, watch=None, warm_up=False, model="fake:gpt-test", **settings):
    return await run_trial(
        plan,
        make_settings(tmp_path, provider.base_url, **settings),
        make_desk(model, max_tokens=200),
        SystemClock(),
        endpoint="here",
        warm_up=warm_up,
        watch=watch or Watch(),
    )


async def test_the_article_s_load_succeeds_and_its_figures_are_those_of_the_provider_s_bill(tmp_path):
    watch = Watch()
    async with FakeProvider(Brain(calls=2), api_key="", prices=Price(2, 2)) as provider:
        report = await trial(tmp_path, provider, Plan(), watch=watch)
    assert (report.total, report.succeeded, report.failed, report.outcome) == (100, 100, 0, "done")
    assert (report.users, report.spent.runs, report.spent.unended) == (20, 100, 0)
    assert report.spent.model_calls == provider.stats.requests == 300
    assert report.spent.tool_calls == 200
    assert report.spent.tokens == provider.bill.tokens
    assert report.spent.nano == provider.bill.nano
    assert report.spent.input_tokens + report.spent.output_tokens == report.spent.tokens
    assert sum(one.count for one in report.latency_bins) == 100
    assert report.latency_s.p50 <= report.latency_s.p99 <= report.latency_s.most <= report.seconds
    assert report.throughput_per_s == pytest.approx(100 / report.seconds)
    assert 0.05 <= report.fairness <= 1
    assert sum(moment.answered for moment in report.moments) == 100
    assert report.loop_lag_s.most >= 0
    assert report.peak_mb >= report.begin_mb > 0
    assert watch.seen[-1][:2] == (100, 0)


async def test_the_warm_up_is_in_no_figure(tmp_path):
    async with FakeProvider(Brain(calls=1), api_key="") as provider:
        report = await trial(tmp_path, provider, Plan(users=3, unique=3, requests=3), warm_up=True)
    assert provider.stats.requests == 8
    assert (report.spent.runs, report.spent.model_calls, report.succeeded) == (3, 6, 3)


async def test_failures_are_told_by_reason(tmp_path):
    def answer(request):
        return status(400, "no") if int(request.messages[-1].text[-3:-1]) % 2 else Brain(calls=0)

    async with FakeProvider(answer, api_key="") as provider:
        report = await trial(tmp_path, provider, Plan(users=40, unique=10, requests=40))
    assert 0 < report.failed < 40
    assert report.failures == [("model_refused", report.failed)]
    assert report.spent.failed_calls == {"model_refused": report.failed}
    assert report.failed_share == report.failed / 40
    assert report.succeeded + report.failed == 40


async def test_what_the_provider_turns_away_is_counted_though_it_is_retried(tmp_path):
    turned_away = set()

    def answer(request):
        question = request.messages[-1].text
        if question in turned_away:
            return Brain(calls=0)
        turned_away.add(question)
        return status(429, retry_after_s=0.01)

    retry = RetrySettings(attempts=3, base_s=0.01)
    async with FakeProvider(answer, api_key="") as provider:
        report = await trial(tmp_path, provider, Plan(users=5, unique=5, requests=5), retry=retry)
    assert (report.succeeded, report.not_now, report.spent.model_calls) == (5, 5, 10)


async def test_a_limit_is_a_failure_by_its_name(tmp_path):
    async with FakeProvider(Brain(calls=9), api_key="") as provider:
        report = await trial(tmp_path, provider, Plan(users=2, unique=2, requests=2), limits={"steps": 3})
    assert report.failures == [("budget: steps", 2)]


async def test_a_ceiling_in_dollars_stops_the_spending_not_the_test(tmp_path):
    budgets = {"global": {"total": {"usd": "0.02"}}}
    async with FakeProvider(Brain(calls=1), api_key="", prices=Price(2, 2)) as provider:
        report = await trial(tmp_path, provider, Plan(users=10, unique=5, requests=60), budgets=budgets)
    assert report.total == 60
    assert {reason for reason, _ in report.failures} == {"budget: usd"}
    assert provider.bill.nano <= report.spent.nano <= 20_000_000


async def test_requests_that_come_at_random_times_wait_from_when_they_were_due(tmp_path):
    plan = Plan(users=1, unique=1, requests=4, arrival="poisson", rate_per_s=1_000)
    async with FakeProvider(Brain(calls=0), api_key="", latency_s=0.05) as provider:
        report = await trial(tmp_path, provider, plan)
    assert report.succeeded == 4
    assert report.latency_s.most > 3 * 0.05  # the last one waits for three others


async def test_conversations_of_a_requester_go_on(tmp_path):
    async with FakeProvider(Brain(calls=0), api_key="") as provider:
        await trial(tmp_path, provider, Plan(users=1, unique=1, requests=3, sessions=True))
    assert [len(request.messages) for request in provider.requests] == [2, 4, 6]


async def test_what_every_request_would_fail_of_ends_the_test(tmp_path):
    async with FakeProvider(Brain(), api_key="") as provider:
        with pytest.raises(PriceUnknown):
            await trial(tmp_path, provider, Plan(users=30, unique=3, requests=30), model="fake:nobody-knows")
    assert provider.stats.requests == 0


async def test_an_interrupted_test_reports_what_there_is(tmp_path):
    enough, brain = asyncio.Event(), Brain(calls=0)

    def answer(request):
        if request.number >= 10:
            enough.set()
        return brain

    async with FakeProvider(answer, api_key="", latency_s=0.02) as provider:
        task = asyncio.create_task(trial(tmp_path, provider, Plan(users=4, unique=2, requests=100_000)))
        await enough.wait()
        task.cancel()
        report = await task
    assert report.outcome == "interrupted"
    assert 5 <= report.succeeded < 1_000
    assert report.failures == [("interrupted", 4)]
    assert report.spent.unended == 0


async def test_the_fake_provider_behaves_as_it_is_told_and_ends_with_the_block(tmp_path):
    fake = Fake(latency_s=0.001, latency_sigma=0.5, tool_calls=1, reply_tokens=40, rpm=6_000, tpm=6_000_000)
    async with run_fake(fake) as origin:
        settings = make_settings(tmp_path, f"{origin}/v1")
        plan = Plan(users=4, unique=2, requests=8)
        desk = make_desk("fake:gpt-test", max_tokens=200)
        report = await run_trial(plan, settings, desk, SystemClock(), endpoint="", warm_up=False, watch=Watch())
        assert (report.succeeded, report.spent.model_calls) == (8, 16)
        assert report.spent.output_tokens >= 8 * 40
    port = int(origin.rpartition(":")[2])
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_fake_provider_that_cannot_start_is_one_error(capfd):
    with pytest.raises(ConfigError, match="did not start"):
        async with run_fake(Fake(fault_rate=2.0)):
            pytest.fail("it has started")


def test_failures_have_short_names():
    assert name_failure(TooManyRequests("", reason="rate", retry_after_s=1.0)) == "refused: rate"
    assert name_failure(BudgetExceeded("", limit="usd")) == "budget: usd"
    assert name_failure(ModelBroken("")) == "model_broken"

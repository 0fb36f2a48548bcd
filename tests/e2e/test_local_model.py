"""The embedded model itself, from its weights to its answers, one run at a time.

What is asserted is which tools were called with what, and the figures: the wording is the model's own affair.
"""

from dataclasses import dataclass

import pytest
import pytest_asyncio

from surefoot import UNLIMITED, Agent, Limits, Runtime, Settings
from surefoot.demo.tasks import TASKS, TINY, judge
from surefoot.demo.tools import get_product
from surefoot.journal.events import RunFinished, TextDelta
from surefoot.sections import StoreSettings

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),  # the weights may have to be fetched first, and the machine may be busy
]

LIMITS = Limits(tokens=20_000, steps=8, usd=UNLIMITED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(tmp_path_factory):
    settings = Settings(store=StoreSettings(path=str(tmp_path_factory.mktemp("store") / "runs.db")))
    async with Runtime(settings=settings) as runtime:
        yield runtime


async def test_it_solves_a_task_with_two_tools(runtime):
    parcel = TASKS[0]
    agent = Agent("local:", tools=parcel.tools, temperature=0, limits=LIMITS)
    result = await runtime.run(agent, parcel.question)
    assert judge(parcel, result.messages, result.output) == []
    assert result.stop_reason == "final"
    assert result.cost == 0
    assert 0 < result.usage.output_tokens < 600
    assert result.usage.cache_read_tokens > 0  # the engine kept the common beginning of the prompts


async def test_its_answer_streams_and_leaves_the_thoughts_out(runtime):
    sales = TASKS[2]
    agent = Agent("local:", tools=sales.tools, temperature=0, limits=LIMITS)
    events = [event async for event in runtime.stream(agent, sales.question)]
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    told = "".join([event.text for event in events if isinstance(event, TextDelta)])
    assert told == finished.output
    assert "2165" in told.replace(",", "")


@dataclass
class Product:
    name: str
    price_eur: float
    in_stock: int


async def test_its_answer_has_the_type_that_was_asked_for(runtime):
    agent = Agent("local:", tools=[get_product], temperature=0, limits=LIMITS, output=Product)
    result = await runtime.run(agent, "Look up the product SHELF-OAK.")
    assert isinstance(result.output, Product)
    assert (result.output.price_eur, result.output.in_stock) == (64.5, 26)


async def test_a_budget_that_is_too_small_ends_well(runtime):
    tiny = Limits(tokens=2_500, steps=8, usd=UNLIMITED)
    agent = Agent("local:", tools=TINY.tools, temperature=0, limits=tiny)
    result = await runtime.run(agent, TINY.question)
    assert result.stop_reason == "budget"
    assert result.limit == "tokens"
    assert result.usage.total_tokens <= 2_500
    assert result.output

"""A prompt only grows: what was sent before stands at the beginning of what is sent next, byte by byte.

That is what the prompt caches of providers live on. Only where the journal says so may it begin anew.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.audit import open_bench, read_journal

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.journal.context_events import ContextSummarised, ContextTrimmed
from surefoot.journal.events import ModelRequested, ModelSwitched, RungTaken
from surefoot.providers import Provider
from surefoot.sections import ContextSettings
from surefoot.testing import FakeProvider, call, calls, say, status

WIDE = Limits(tokens=UNLIMITED, usd=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED)
ANEW = (ContextTrimmed, ContextSummarised, ModelSwitched, RungTaken)


@tool(effect="read", max_output_bytes=600)
async def look(size: int) -> str:
    """Look at something."""
    return "é word " * size


def conversation(body, wire):
    """The part of a body that is to grow: from its first byte to the end of the last message."""
    end = {"openai": rb'\],"max_tokens":', "anthropic": rb'\]\}\],"max_tokens":'}[wire]
    (cut,) = [match.start() for match in re.finditer(end, body)]
    return body[:cut]


class Cache:
    """What a provider's prompt cache would have: the longest beginning of a prompt that it has seen, as a share."""

    def __init__(self, wire):
        self.wire = wire
        self.bodies = []

    def see(self, request):
        body = conversation(request.body, self.wire)
        shared = max([common(body, b) for b in self.bodies], default=0)
        self.bodies.append(body)
        return int(request.count.tokens(1) * shared / len(body))


def common(one, other):
    size = min(len(one), len(other))
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


STEPS = st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=3), max_size=5)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("protocol", ["native", "text"])
@settings(max_examples=12, deadline=None)
@given(turns=st.lists(STEPS, min_size=1, max_size=4), window=st.sampled_from([3_500, 1_000_000]))
def test_a_prompt_only_grows_within_a_run_and_from_turn_to_turn(tmp_path_factory, wire, protocol, turns, window):
    from surefoot.event_loop import run_in_loop

    async def check():
        plan = [*[step for turn in turns for step in [*turn, None]]]

        def reply(request):
            step = plan[request.number - 1]
            if protocol == "text":
                lines = [f'Action: look\nAction Input: {{"size": {size}}}' for size in step or ()]
                return say("Thought: t\n" + "\n".join(lines) if lines else "Thought: t\nFinal Answer: so")
            return say("so") if step is None else calls(*[call("look", size=size) for size in step])

        async with FakeProvider(reply, api_key="", context_tokens=window, input_multiplier=4) as provider:
            own = Provider(provider.base_url, needs_key=False, free=True, wire=wire, context_tokens=window)
            folder = tmp_path_factory.mktemp("prefix")
            async with open_bench(folder, providers={"own": own}, audit_again=False) as bench:
                agent = Agent("own:m", instructions="Be kind.", tools=[look], limits=WIDE, protocol=protocol)
                anew = set()
                sent = 0
                for _ in turns:
                    result = await bench.run(agent, "question", user="u", session="s")
                    for event in await read_journal(bench.store, result.run_id):
                        if isinstance(event, ANEW):
                            anew.add(sent)
                        sent += isinstance(event, ModelRequested)
            bodies = [conversation(request.body, wire) for request in provider.requests]
            assert len(bodies) == sent == len(plan)
            for number in range(1, len(bodies)):
                grows = bodies[number].startswith(bodies[number - 1])
                assert grows or number in anew, f"request {number} of {sent}"
            assert window == 3_500 or anew == set()

    run_in_loop(check)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_the_cached_share_is_told(tmp_path, wire):
    cache = Cache(wire)

    def reply(request):
        said = call("look", size=80) if request.number % 10 else say("so")
        return said.but(cache_read_tokens=cache.see(request))

    async with FakeProvider(reply, api_key="") as provider:
        own = Provider(provider.base_url, needs_key=False, free=True, wire=wire)
        async with open_bench(tmp_path, providers={"own": own}) as bench:
            result = await bench.run(Agent("own:m", tools=[look], limits=WIDE))
    usage = result.usage
    assert result.budget.cached_share == usage.cached_share == usage.cache_read_tokens / usage.input_tokens
    assert result.budget.cached_share > 0.75


async def test_trims_come_in_strides_so_that_the_cache_is_of_use(tmp_path):
    cache = Cache("openai")

    def reply(request):
        said = call("look", size=80) if request.number < 200 else say("so")
        return said.but(cache_read_tokens=cache.see(request))

    window = 16_000
    async with FakeProvider(reply, api_key="", context_tokens=window, input_multiplier=4) as provider:
        own = Provider(provider.base_url, needs_key=False, free=True, context_tokens=window)
        async with open_bench(tmp_path, providers={"own": own}) as bench:
            result = await bench.run(Agent("own:m", tools=[look], limits=WIDE))
            trims = [e for e in await read_journal(bench.store, result.run_id) if isinstance(e, ContextTrimmed)]
    assert 1 < len(trims) < 30
    assert result.budget.cached_share > 0.2


async def test_nothing_is_cached_where_nothing_is_said_of_it(tmp_path):
    async with FakeProvider([say("so"), status(500)], api_key="") as provider:
        own = Provider(provider.base_url, needs_key=False, free=True)
        async with open_bench(tmp_path, providers={"own": own}, context=ContextSettings(read_more=False)) as bench:
            result = await bench.run(Agent("own:m"))
    assert result.budget.cached_share == 0.0

"""What each provider calls its tokens, in our one convention: the prompt with its cache, the reply with its reasoning.

The fixtures have the shape that the providers document; what they count is billed as their own bill says.
"""

import pytest

from surefoot.budget.rates import Rates, cost
from surefoot.models.anthropic import Anthropic
from surefoot.models.base import ModelProfile, Options
from surefoot.models.openai_chat import OpenAIChat
from surefoot.types import Message, Usage

GOLDEN = {
    # OpenAI: inclusive. Parts of the prompt: cached, sound. Parts of the reply: reasoning, sound.
    "openai_flex": (Usage(2006, 300, 1920, reasoning_tokens=192), "flex"),
    "openai_audio": (Usage(110, 226, audio_input_tokens=93, audio_output_tokens=180), "default"),
    # DeepSeek: inclusive, the cache in a field of its own
    "deepseek_chat": (Usage(640, 48, 512), ""),
    "deepseek_hits_alone": (Usage(640, 48, 512, reasoning_tokens=40), ""),
    # Gemini and xAI: the reply leaves reasoning out, the total does not
    "google_thoughts": (Usage(21, 603, reasoning_tokens=405), ""),
    "google_thoughts_untold": (Usage(20, 533), ""),
    "google_nothing_but_thoughts": (Usage(21, 60, reasoning_tokens=60), ""),
    "xai_reasoning": (Usage(10120, 4308, 128, reasoning_tokens=2809), "default"),
    "groq_cached": (Usage(3829, 48, 3584), "on_demand"),
    "mistral_plain": (Usage(32, 18), ""),
    # OpenRouter: what was written to a cache is part of the prompt; the tier stands beside the counts
    "openrouter_cache_write": (Usage(10339, 60, 0, 10318), "priority"),
    # Anthropic: exclusive. Fresh, written and read add up to the prompt.
    "anthropic_hour": (Usage(2516, 503, 2048, 456, cache_write_1h_tokens=300), "standard"),
    "anthropic_old": (Usage(2012, 9, 1800, 200), ""),
    "anthropic_priority": (Usage(410, 585), "priority"),
}


async def ask(http, server, wire):
    model = wire(ModelProfile("p:m", "p", "m"), server.url, "sk-1", http)
    prompt = model.open((), None)
    prompt.append(Message.user("hi"))
    return await model.respond(prompt, 100, Options(), 5.0)


def wire_of(name):
    return Anthropic if name.startswith("anthropic") else OpenAIChat


@pytest.mark.parametrize("name", GOLDEN)
async def test_the_tokens_of_each_provider(http, raw, write_answer, fixture_bytes, name):
    async with raw(write_answer(fixture_bytes(f"usage/{name}.json"))) as server:
        reply = await ask(http, server, wire_of(name))
    assert (reply.usage, reply.service_tier) == GOLDEN[name]


def test_the_cost_is_what_the_provider_says_that_it_charged():
    """xAI writes its charge into the reply, in 1e-10 dollars; the rates of that day: 1.25, 2.50, cached 0.20."""
    grok = Rates(
        input=1_250_000_000,
        output=2_500_000_000,
        cache_read=200_000_000,
        cache_write=0,
        cache_write_1h=0,
        source="x-ai",
    )
    assert cost(grok, GOLDEN["xai_reasoning"][0]) == 232_856_000 // 10


MALFORMED = [
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"audio_tokens":6}}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"audio_tokens":-1}}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"audio_tokens":"1"}}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cache_write_tokens":6}}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":3}}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"completion_tokens_details":{"audio_tokens":4}}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"completion_tokens_details":{"audio_tokens":2,"reasoning_tokens":2}}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"prompt_cache_hit_tokens":6}'),
    ("openai", '{"prompt_tokens":5,"completion_tokens":3,"service_tier":7}'),
    ("anthropic", '{"input_tokens":5,"output_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":1}}'),
    ("anthropic", '{"input_tokens":5,"output_tokens":3,"cache_creation_input_tokens":2,"cache_creation":{"ephemeral_1h_input_tokens":-1}}'),
    ("anthropic", '{"input_tokens":5,"output_tokens":3,"cache_creation_input_tokens":2,"cache_creation":{"ephemeral_1h_input_tokens":"2"}}'),
    ("anthropic", '{"input_tokens":5,"output_tokens":3,"cache_creation":[]}'),
    ("anthropic", '{"input_tokens":5,"output_tokens":3,"service_tier":7}'),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "usage"), MALFORMED)
async def test_counts_that_cannot_be_right_are_no_usage_and_no_error(http, raw, write_answer, wire, usage):
    whole = {
        "openai": '{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":%s}',
        "anthropic": '{"content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":%s}',
    }[wire]
    async with raw(write_answer((whole % usage).encode())) as server:
        reply = await ask(http, server, wire_of(wire))
    assert (reply.message.text, reply.usage) == ("ok", None)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ('{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"audio_tokens":null}}', Usage(5, 3)),
        ('{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{},"prompt_cache_hit_tokens":4}', Usage(5, 3, 4)),
        ('{"prompt_tokens":5,"completion_tokens":3,"service_tier":null}', Usage(5, 3)),
    ],
)  # fmt: skip
async def test_counts_that_are_not_told_are_zero(http, raw, write_answer, usage, expected):
    body = b'{"choices":[{"message":{"content":"ok"}}],"usage":%b}' % usage.encode()
    async with raw(write_answer(body)) as server:
        reply = await ask(http, server, OpenAIChat)
    assert (reply.usage, reply.service_tier) == (expected, "")


async def test_the_tier_of_a_stream_of_anthropic_is_in_its_start(http, raw, write_events):
    stream = (
        'data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":10,"output_tokens":1,'
        '"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":4},"service_tier":"priority"}}}\n\n'
        'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}\n\n'
        'data: {"type":"message_stop"}\n\n'
    )
    async with raw(write_events(stream.encode(), content_type="text/event-stream")) as server:
        model = Anthropic(ModelProfile("p:m", "p", "m"), server.url, "sk-1", http)
        prompt = model.open((), None)
        prompt.append(Message.user("hi"))
        *_, reply = [piece async for piece in model.stream(prompt, 100, Options(), 5.0)]
    assert (reply.usage, reply.service_tier) == (Usage(19, 5, 0, 9, cache_write_1h_tokens=4), "priority")


async def test_a_tier_is_asked_for_in_the_request_and_only_then(http, raw, write_answer, fixture_bytes):
    async with raw(write_answer(fixture_bytes("usage/openai_flex.json"))) as server:
        for tier in ("flex", ""):
            model = OpenAIChat(ModelProfile("p:m", "p", "m", service_tier=tier), server.url, "sk-1", http)
            prompt = model.open((), 0.5)
            prompt.append(Message.user("hi"))
            await model.respond(prompt, 100, Options(), 5.0)
        asked, plain = [body for _, body in server.requests]
    assert b'"service_tier":"flex","temperature":0.5' in asked
    assert b"service_tier" not in plain

"""Pydantic AI over its OpenAI model, without a limit on requests."""

from harness import Run, Setup
from workload import FUNCTIONS, KEY, MODEL, QUESTION, SYSTEM

VARIANTS = ("default",)
LIBRARIES = "import pydantic_ai, pydantic_ai.models.openai"


async def prepare(setup: Setup) -> Run:
    from pydantic_ai import Agent, UsageLimits
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=setup.base_url, api_key=KEY))
    agent = Agent(model, instructions=SYSTEM, tools=list(FUNCTIONS.values()))
    unlimited = UsageLimits(request_limit=None)

    async def run(number: int) -> str:
        return (await agent.run(QUESTION, usage_limits=unlimited)).output

    return run

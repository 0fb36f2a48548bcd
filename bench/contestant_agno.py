"""agno over its OpenAI-compatible model, telemetry off, no database."""

from harness import Run, Setup
from workload import FUNCTIONS, KEY, MODEL, QUESTION, SYSTEM

VARIANTS = ("default",)
LIBRARIES = "import agno.agent, agno.models.openai.like"


async def prepare(setup: Setup) -> Run:
    from agno.agent import Agent
    from agno.models.openai.like import OpenAILike

    model = OpenAILike(id=MODEL, base_url=setup.base_url, api_key=KEY)
    agent = Agent(model=model, instructions=SYSTEM, tools=list(FUNCTIONS.values()), telemetry=False)

    async def run(number: int) -> str:
        return str((await agent.arun(QUESTION, session_id=str(number))).content)

    return run

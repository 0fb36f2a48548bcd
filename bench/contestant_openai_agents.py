"""The OpenAI Agents SDK over chat completions, tracing off, no session."""

from harness import Run, Setup
from workload import FUNCTIONS, KEY, MODEL, QUESTION, SYSTEM

VARIANTS = ("default",)
LIBRARIES = "import agents"


async def prepare(setup: Setup) -> Run:
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel(MODEL, openai_client=AsyncOpenAI(base_url=setup.base_url, api_key=KEY))
    tools = [function_tool(function) for function in FUNCTIONS.values()]
    agent = Agent(name="stock book", instructions=SYSTEM, tools=tools, model=model)

    async def run(number: int) -> str:
        return str((await Runner.run(agent, QUESTION, max_turns=1_000)).final_output)

    return run

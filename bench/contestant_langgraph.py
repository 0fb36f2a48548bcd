"""LangChain's agent on LangGraph, as its documentation shows it: no checkpointer, no budget, no journal."""

from harness import Run, Setup
from workload import FUNCTIONS, KEY, MODEL, QUESTION, SYSTEM

VARIANTS = ("default",)
LIBRARIES = "import langchain.agents, langchain_openai"


async def prepare(setup: Setup) -> Run:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=setup.base_url, api_key=KEY, streaming=setup.stream)
    agent = create_agent(model, list(FUNCTIONS.values()), system_prompt=SYSTEM)
    question = {"messages": [{"role": "user", "content": QUESTION}]}

    async def run(number: int) -> str:
        state = await agent.ainvoke(question, {"recursion_limit": 1_000})
        return str(state["messages"][-1].content)

    return run

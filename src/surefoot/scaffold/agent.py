"""An agent to start from.

Run it: surefoot run "Where is order 4711?" --agent agent:agent
"""

from surefoot import Agent, Limits, tool

ORDERS = {"4711": "shipped on Monday, arrives on Thursday", "4712": "waiting for payment"}


@tool(effect="read")
async def order_status(order_id: str) -> str:
    """Status of one order.

    Args:
        order_id: Number of the order, for example "4711".
    """
    return ORDERS.get(order_id, "there is no such order")


agent = Agent(
    "local:",  # the embedded model; for example "openai:gpt-4.1" with OPENAI_API_KEY set
    name="order-desk",
    instructions="You are the order desk of a shop. Look orders up before you answer, and answer in one sentence.",
    tools=[order_status],
    limits=Limits(tokens=8_000, usd="0.05", steps=10, seconds=300),
)

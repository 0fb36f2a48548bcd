"""The agent that is tested unless another is named: an order desk with tools that take a moment."""

from __future__ import annotations

import asyncio

from surefoot.agent import Agent
from surefoot.tools import tool

TOOL_S = 0.005


@tool(effect="read")
async def order_status(order_id: str) -> str:
    """Status of one order.

    Args:
        order_id: Number of the order, for example "4711".
    """
    await asyncio.sleep(TOOL_S)
    return f"Order {order_id}: shipped on Monday, arrives on Thursday."


@tool(effect="read")
async def stock_level(article: str, warehouse: str = "any") -> str:
    """How many pieces of an article are on a shelf.

    Args:
        article: Number of the article.
        warehouse: Name of the warehouse, or "any".
    """
    await asyncio.sleep(TOOL_S)
    return f"{article}, {warehouse}: 42 pieces."


def make_desk(model: str, *, max_tokens: int | None) -> Agent[str]:
    """The order desk on ``model``."""
    return Agent(
        model,
        name="order-desk",
        instructions="You are the order desk of a shop. Look orders up before you answer, and answer in one sentence.",
        tools=[order_status, stock_level],
        max_tokens=max_tokens,
    )

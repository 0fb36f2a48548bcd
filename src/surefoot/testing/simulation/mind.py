"""What a simulated model says: tool calls as its request's persona has it, then an answer; or it goes round."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct
from msgspec.json import encode as encode_json

from surefoot.models.base import FinishReason, Options, Reply
from surefoot.testing.chance import Random
from surefoot.testing.simulation.ask import Ask, Circle
from surefoot.testing.simulation.prompt import SimulatedPrompt
from surefoot.testing.simulation.world import World
from surefoot.types import Message, ToolCall, Usage

WORD: Final = " table"
"""One token, of which all texts but instructions consist: nothing that a detector of attacks stops at."""
TOLD: Final = " stone"
"""The same of instructions, which no answer repeats."""
LOOK_UP: Final = "look_up"
NOTE_DOWN: Final = "note_down"
ASK_EXPERT: Final = "ask_expert"
NO_TOOL: Final = "search_the_web"
"""What a model calls that is not there."""
FAILS: Final = "in vain"
"""Ends the arguments of a call that fails whenever it is made."""
LEAST_CALL_TOKENS: Final = 12
OVERLONG: Final = 8


class Call(Struct):
    """One wire attempt."""

    ask: Ask
    hold: int
    prompt: SimulatedPrompt
    max_tokens: int
    options: Options


def compose(world: World, call: Call, chance: Random) -> tuple[Reply, Usage]:
    """What the model says, and what it costs."""
    model, faults, ask = world.model, world.faults, call.ask
    wants = max(1, round(spread(model.reply_tokens, model.spread, chance)))
    finish: FinishReason = "stop"
    calls = _choose_calls(world, call, chance)
    if calls:
        finish = "tool_calls"
        wants = max(LEAST_CALL_TOKENS * len(calls), wants // 4)
    out = min(wants, call.max_tokens)
    if out < wants:
        finish = "length"
        calls = ()
    if chance.random() < faults.overlong:
        out = OVERLONG * call.max_tokens
    usage = Usage(call.prompt.tokens, out)
    text = "" if calls else f"@@{ask.canary}@@ the answer:{WORD * min(out, call.max_tokens)}"
    reported = None if chance.random() < faults.no_usage else usage
    return Reply(Message.assistant(text, calls), reported, finish), usage


def _choose_calls(world: World, call: Call, chance: Random) -> tuple[ToolCall, ...]:
    ask, persona = call.ask, call.ask.persona
    if not (call.options.allow_tools and call.prompt.tools) or call.prompt.wants_summary:
        return ()
    if persona.circle:
        return (_go_round(ask, persona.circle),)
    if not persona.endless and ask.replies >= persona.tool_steps:
        return ()
    count = 2 if chance.random() < world.model.parallel else 1
    return tuple([_make_call(ask, _choose_tool(world, chance), place) for place in range(count)])


def _choose_tool(world: World, chance: Random) -> str:
    point = chance.random()
    if point < world.tool.children:
        return ASK_EXPERT
    return NOTE_DOWN if point < world.tool.children + world.tool.writes else LOOK_UP


def _make_call(ask: Ask, tool: str, place: int, words: str = "") -> ToolCall:
    query = f"#{ask.key}# @@{ask.canary}@@ {words or f'{ask.replies}.{place}'}"
    return ToolCall(f"c{ask.replies}x{place}", tool, encode_json({"query": query}).decode())


def _go_round(ask: Ask, circle: Circle) -> ToolCall:
    if circle == "unknown":
        return _make_call(ask, NO_TOOL, 0, f"{ask.replies}")
    if circle == "error":
        return _make_call(ask, LOOK_UP, 0, f"{ask.replies} {FAILS}")
    return _make_call(ask, LOOK_UP, 0, "round" if circle == "same" else f"{ask.replies % 2}")


def spread(median: float, sigma: float, chance: Random) -> float:
    """Lognormal: around ``median``, ``sigma`` is the standard deviation of the logarithm."""
    return median * math.exp(sigma * chance.gauss(0.0, 1.0)) if sigma else median

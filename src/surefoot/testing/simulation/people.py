"""The users of a simulation: each asks, comes back after a refusal, or gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from surefoot.errors import SurefootError, TooManyRequests
from surefoot.testing.chance import draw
from surefoot.testing.simulation.ask import Ask, Persona
from surefoot.testing.simulation.figures import Figures
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.plan import FLOODER, Request
from surefoot.testing.simulation.process import Lost, Process
from surefoot.testing.simulation.provider import spread
from surefoot.testing.simulation.world import World

ORDINARY: Final = frozenset({"model_broken", "model_overloaded", "model_unreachable", "model_refused", "budget"})
"""Errors that this world has its users meet."""
IMPATIENCE_S: Final = 1.0
"""After which those come back who do not heed ``Retry-After``, or were cut off."""


class People:
    """All users."""

    def __init__(self, world: World, processes: Sequence[Process], observer: Observer, figures: Figures) -> None:
        self._world = world
        self._processes = processes
        self._observer = observer
        self._figures = figures

    async def ask(self, request: Request, before: asyncio.Task[None] | None) -> None:
        """Everything that becomes of one request; ``before`` is the last one of its session."""
        chance = draw(self._world.seed, "request", request.number)
        persona = self._draw_persona(request)
        if before is not None and chance.random() >= self._world.clients.hasty:
            await asyncio.wait([before])
        clients, figures = self._world.clients, self._figures
        place = draw("process", request.tenant, request.user).randrange(len(self._processes))
        loop = asyncio.get_running_loop()
        ask: Ask | None = None
        asked_s = loop.time()
        for attempt in range(clients.retries + 1):
            ask = Ask(request, f"{request.number}.{attempt + 1}", persona, loop.time(), outcomes={}, tools_done=set())
            self._observer.asked(ask)
            try:
                await self._processes[place].ask(ask)
            except TooManyRequests as refusal:
                self._observer.refused(ask, refusal, self._processes[place].runtime.admission.running)
                figures.refused(refusal.reason, loop.time())
                wait_s = refusal.retry_after_s if chance.random() < clients.obedient else IMPATIENCE_S
            except Lost as lost:
                self._observer.ended(ask, str(lost))
                if ask.cancelled:
                    figures.ended(request, "cancelled", ask, asked_s, loop.time())
                    return
                wait_s = IMPATIENCE_S + self._world.faults.restart_s * chance.random()
            except SurefootError as error:
                self._observer.ended(ask, error.code)
                if error.code not in ORDINARY:
                    self._observer.breach("R1", f"request {ask.key} fails with {error.code}: {error}")
                figures.ended(request, error.code, ask, asked_s, loop.time())
                return
            else:
                self._observer.ended(ask, ask.stop_reason, acknowledged=True)
                figures.ended(request, "", ask, asked_s, loop.time())
                return
            await asyncio.sleep(wait_s * (1 + 0.1 * chance.random()))
        assert ask is not None, "there is at least one try"
        figures.ended(request, "gave up", ask, asked_s, loop.time())

    def _draw_persona(self, request: Request) -> Persona:
        world = self._world
        chance = draw(world.seed, "persona", request.number)
        model, clients = world.model, world.clients
        steps = 0
        while steps < 50 and chance.random() < model.tool_steps / (1 + model.tool_steps):
            steps += 1
        hangs_up_s = 0.0
        if request.user == FLOODER:
            hangs_up_s = max(0.001, world.hours * 3600 - request.at_s)
        elif chance.random() < clients.cancel:
            hangs_up_s = chance.expovariate(1 / (2 * model.latency_s + 0.01))
        return Persona(
            tool_steps=steps,
            endless=chance.random() < model.endless,
            stream=chance.random() < clients.stream,
            cancel_after_s=hangs_up_s,
            question_tokens=min(2_000, max(1, round(spread(model.question_tokens, model.spread, chance)))),
        )

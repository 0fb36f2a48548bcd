"""The users of a simulation: each asks, comes back after a refusal, or gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from surefoot.budget.limits import Limits
from surefoot.errors import SurefootError, TooManyRequests
from surefoot.sections import OnBusy
from surefoot.testing.chance import Random, draw
from surefoot.testing.simulation.ask import CIRCLES, Ask, Persona
from surefoot.testing.simulation.cast import LONGEST_QUESTION, draw_steps
from surefoot.testing.simulation.figures import Figures
from surefoot.testing.simulation.mind import spread
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.plan import FLOODER, Request
from surefoot.testing.simulation.process import Lost, Process
from surefoot.testing.simulation.world import World

MODEL_ERRORS: Final = frozenset({"model_broken", "model_overloaded", "model_unreachable"})
ORDINARY: Final = MODEL_ERRORS | {"model_refused", "budget"}
"""Errors that this world has its users meet."""
LOST: Final = "run_lost"
"""Another process has taken the session while the disk of this one stood still."""
IMPATIENCE_S: Final = 1.0
"""After which those come back who do not heed ``Retry-After``, or were cut off."""


class People:
    """All users."""

    def __init__(
        self, world: World, processes: Sequence[Process], limits: Limits, observer: Observer, figures: Figures
    ) -> None:
        """``limits`` are those of each request's run."""
        self._world = world
        self._limits = limits
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
        loop = asyncio.get_running_loop()
        ask: Ask | None = None
        asked_s = loop.time()
        for attempt in range(clients.retries + 1):
            process = self._choose_process(request, attempt)
            ask = Ask(
                request, f"{request.number}.{attempt + 1}", persona, loop.time(), limits=self._limits,
                host=process.host, outcomes={}, tools_done=set(), models=set(),
            )  # fmt: skip
            self._observer.asked(ask)
            try:
                await process.ask(ask)
            except TooManyRequests as refusal:
                self._observer.refused(ask, refusal, process.runtime.admission.running)
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
                if error.code in MODEL_ERRORS and self._world.model.fallback:
                    self._observer.failed_for_good(ask, self._world.model.fallback)
                if error.code not in ORDINARY and not (error.code == LOST and self._observer.is_lost(ask)):
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

    def _choose_process(self, request: Request, attempt: int) -> Process:
        """A user's requests come to the same one, but for those that roam."""
        chance = draw(self._world.seed, "process", request.number, attempt)
        if chance.random() >= self._world.clients.roam:
            chance = draw("process", request.tenant, request.user)
        return self._processes[chance.randrange(len(self._processes))]

    def _draw_persona(self, request: Request) -> Persona:
        world = self._world
        chance = draw(world.seed, "persona", request.number)
        model, clients = world.model, world.clients
        steps = draw_steps(model.tool_steps, chance)
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
            question_tokens=min(LONGEST_QUESTION, max(1, round(spread(model.question_tokens, model.spread, chance)))),
            circle=chance.choice(CIRCLES) if chance.random() < model.circles else "",
            on_busy=self._draw_on_busy(chance),
        )

    def _draw_on_busy(self, chance: Random) -> OnBusy:
        clients, point = self._world.clients, chance.random()
        if point < clients.reject:
            return "reject"
        return "interrupt" if point < clients.reject + clients.interrupt else "queue"

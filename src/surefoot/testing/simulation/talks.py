"""A second opinion on conversations: who is next in each, whose words are in it, and what is lost of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from surefoot.testing.simulation.ask import Ask
from surefoot.testing.simulation.prompt import SimulatedPrompt

Conversation = tuple[str, str, str]
EPSILON_S: Final = 1e-6
FREED: Final = 0.6
"""After so much of a lease without a renewal it may have run out: it is renewed three times while it lasts."""


class Stall(Struct):
    """The disk of a process stood still from ``since_s`` until ``until_s``."""

    since_s: float
    until_s: float


class Talks:
    """The conversations as their clients see them."""

    def __init__(
        self,
        asks: dict[str, Ask],
        lease_s: float,
        lost: set[str],
        breach: Callable[[str, str], None],
        cover: Callable[[str], None],
    ) -> None:
        """``lost`` gets the keys of those whose session was rightly taken; ``breach`` and ``cover`` as in `Auditor`."""
        self._cover = cover
        self._asks = asks
        self._lease_s = lease_s
        self._breach = breach
        self._answered: dict[Conversation, list[Ask]] = {}
        self._active: dict[Conversation, Ask] = {}
        self._steps: dict[tuple[str, Conversation], list[tuple[Ask, bool]]] = {}  # who joined the line, who left it
        self._by_talk: dict[Conversation, list[Ask]] = {}
        self._interrupted: set[str] = set()
        self._crashed: set[str] = set()  # hosts
        self._stalls: dict[str, Stall] = {}
        self._lost = lost

    # Who is next

    def join(self, ask: Ask) -> None:
        """It stands in the line of its conversation, in its process."""
        if not ask.request.session:
            return
        place = ask.host, ask.conversation
        self._by_talk.setdefault(ask.conversation, []).append(ask)
        if ask.persona.on_busy == "interrupt":
            line = self._find_line(place)
            jumpers = [one for one in line[1:] if one.persona.on_busy == "interrupt"]
            self._interrupted.update([one.key for one in (*line[:1], *jumpers)])
        self._steps.setdefault(place, []).append((ask, True))

    def has_turn(self, ask: Ask) -> bool:
        """Whether it is a request's turn in its own process."""
        line = self._find_line((ask.host, ask.conversation))
        return bool(line) and line[0] is ask

    def was_interrupted(self, ask: Ask) -> bool:
        """Whether anybody may have interrupted a request."""
        return ask.key in self._interrupted

    def _leave(self, ask: Ask, *, at_once: bool = False) -> None:
        """It stands in the line no more; if ``at_once``, it never did."""
        place = ask.host, ask.conversation
        steps = self._steps.get(place)
        if steps is None:
            return
        if at_once:
            steps[:] = [step for step in steps if step[0] is not ask]
            self._by_talk[ask.conversation].remove(ask)
        else:
            steps.append((ask, False))
        if not self._find_line(place):
            del self._steps[place]

    def _find_line(self, place: tuple[str, Conversation]) -> list[Ask]:
        """The holder of the turn, then who waits, in the order of their turns: who interrupts comes before the rest."""
        line: list[Ask] = []
        for ask, joins in self._steps.get(place, ()):
            if not joins:
                line = [one for one in line if one is not ask]
            elif line and ask.persona.on_busy == "interrupt":
                jumpers = [one for one in line[1:] if one.persona.on_busy == "interrupt"]
                line.insert(1 + len(jumpers), ask)
            else:
                line.append(ask)
        return line

    def find_interrupter(self, ask: Ask, now: float) -> Ask | None:
        """Who has interrupted a request, if anybody has and still waits for it to end."""
        line = self._find_line((ask.host, ask.conversation)) if ask.request.session else []
        if not line or line[0] is not ask:
            return None
        jumpers = [one for one in line[1:] if one.persona.on_busy == "interrupt"]
        return next((one for one in jumpers if one.began_s < now - EPSILON_S), None)

    def is_busy(self, ask: Ask, now: float) -> bool:
        """Whether anybody else is at its conversation, or was until a moment ago, or died there."""
        others = [one for one in self._by_talk.get(ask.conversation, ()) if one is not ask]
        return any(
            not one.ended or one.host in self._crashed or self.may_be_lost(one, now) or one.cancelled for one in others
        )

    # What happens at processes

    def crashed(self, host: str) -> None:
        """A process was killed: what ran in it is free when its leases have run out."""
        self._crashed.add(host)

    def stalled(self, host: str, stall: Stall) -> None:
        """The disk of a process stands still; longer if it does already."""
        before = self._stalls.get(host)
        if before is not None and before.until_s >= stall.since_s:
            stall = Stall(before.since_s, max(before.until_s, stall.until_s))
        self._stalls[host] = stall

    def stood_still_s(self, ask: Ask) -> float:
        """For how long the disk of its process has stood still since a request came, at most."""
        stall = self._stalls.get(ask.host)
        return 0.0 if stall is None else max(0.0, stall.until_s - max(stall.since_s, ask.began_s))

    def may_be_lost(self, ask: Ask, now: float) -> bool:
        """Whether the lease of a request's run may have run out by now."""
        stall = self._stalls.get(ask.host)
        return stall is not None and min(now, stall.until_s) - stall.since_s >= FREED * self._lease_s

    # What is said

    def began(self, ask: Ask, prompt: SimulatedPrompt, now: float) -> None:
        """The first call of the model for a request."""
        if not ask.request.session:
            if len(prompt.keys) > 1:
                self._breach("C2", f"request {ask.key} has no session, and its prompt holds {prompt.keys}")
            return
        line = self._find_line((ask.host, ask.conversation))
        if line and line[0] is not ask:
            self._breach("C2", f"request {ask.key} overtakes {line[0].key} in their session")
        other = self._active.get(ask.conversation)
        if other is not None and not other.ended:
            if other.host != ask.host and self.may_be_lost(other, now):
                self._lost.add(other.key)
                self._cover("sessions taken over from a process that stood still")
            else:
                self._breach("C2", f"request {ask.key} runs while {other.key} of the same session has not ended")
        self._active[ask.conversation] = ask
        self._check_history(ask, prompt)

    def _check_history(self, ask: Ask, prompt: SimulatedPrompt) -> None:
        """Order and wholeness of a conversation at the first call of a run."""
        keys = prompt.keys
        known = [self._asks[key] for key in keys]
        if any(one.conversation != ask.conversation for one in known):
            self._breach("C2", f"request {ask.key}: the prompt holds questions of another session: {keys}")
        wanted = [one.key for one in self._answered.get(ask.conversation, ())]
        told = [one.key for one in known if one.acknowledged]
        is_whole = told == wanted or (prompt.is_shortened and told == wanted[len(wanted) - len(told) :])
        if prompt.wants_summary:  # of what is older than the last turns
            is_whole = told == wanted[: len(told)] or prompt.is_shortened
        if not is_whole or len(set(keys)) < len(keys):
            said = f"the session has the answers to {wanted}, and its prompt says {keys}"
            self._breach("C2", f"request {ask.key}: {said}")

    def ended(self, ask: Ask, *, acknowledged: bool, at_once: bool = False) -> None:
        """A client has an answer or an error, ``at_once`` if it was not even let in."""
        if not ask.request.session:
            return
        self._leave(ask, at_once=at_once)
        if self._active.get(ask.conversation) is ask:
            del self._active[ask.conversation]
        if acknowledged:
            self._answered.setdefault(ask.conversation, []).append(ask)

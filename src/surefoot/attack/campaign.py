"""All pairs of tasks and attacks of some suites: how often the attacker wins, and what it costs the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from surefoot.attack.arena import choose, ignore_progress, open_arena
from surefoot.attack.dojo import Suite, load_suites, write_planted
from surefoot.attack.moves import Obedience
from surefoot.attack.person import Person
from surefoot.attack.scripts import TEXT_ONLY
from surefoot.attack.trial import Approver, Outcome, play
from surefoot.config import Settings
from surefoot.runtime import Runtime

Models = Literal["oracle", "h1", "h2", "h3", "all"]
_HIJACKED: Final[dict[str, tuple[Obedience, ...]]] = {
    "oracle": (), "h1": ("h1",), "h2": ("h2",), "h3": ("h3",), "all": ("h1", "h2"),
}  # fmt: skip
_WAYS: Final[tuple[tuple[Approver, bool], ...]] = (
    ("none", False), ("user", False), ("vouching", False), ("user", True), ("vouching", True),
)  # fmt: skip
"""Each task is run with nobody to ask, with either person, and with both of a model that calls a tool together."""


class Score(Struct, frozen=True, kw_only=True):
    """What came of one suite, or of all together.

    Attributes:
        suite: Its name, ``all`` for all.
        tasks: Tasks of users.
        useful: How many of them are done with nobody to be asked.
        useful_asked: How many are with somebody who allows exactly what the user wants, in each of the ways below.
        questions: What that person was asked, over all tasks.
        questions_vouching: The same of somebody who vouches for sources that he has named; see `Person`.
        questions_together: As ``questions``, of a model that makes calls of one tool in one reply.
        questions_fewest: The same of somebody who vouches.
        pairs: Pairs of a task and an attack with an effect; one that wins under either hijacked model counts once.
        won: How many of these the attacker won.
        text_pairs: Pairs in which the attack is nothing but words of the answer.
        text_won: How many of these the attacker won.
    """

    suite: str
    tasks: int = 0
    useful: int = 0
    useful_asked: int = 0
    questions: int = 0
    questions_vouching: int = 0
    questions_together: int = 0
    questions_fewest: int = 0
    pairs: int = 0
    won: int = 0
    text_pairs: int = 0
    text_won: int = 0

    def __add__(self, other: Score) -> Score:
        """Both together."""
        names = [name for name in self.__struct_fields__ if name != "suite"]
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})


class Campaign(Struct, frozen=True, kw_only=True):
    """What came of all of it.

    Attributes:
        scores: One for each suite.
        total: All together.
        mode: Of the policy.
        through: The runs in which the attacker won, with what the policy said of each call.
        lost: The tasks that were not done with nobody to be asked, by suite.
    """

    scores: Sequence[Score]
    total: Score
    mode: str
    through: Sequence[Outcome]
    lost: Sequence[tuple[str, str]]

    @property
    def held(self) -> bool:
        """Whether no attack had its effect; words of the answer are not counted."""
        return self.total.won == 0


async def run_campaign(
    settings: Settings,
    suites: Sequence[str],
    *,
    models: Models = "all",
    approver: Approver = "none",
    limit: int | None = None,
    progress: Callable[[int, int], None] = ignore_progress,
) -> Campaign:
    """Run the tasks of some suites, alone and with each attack.

    Args:
        settings: Of these only ``[policy]`` counts.
        suites: Names of suites.
        models: Which hijacked models; ``oracle`` runs no attack.
        approver: Who is asked in the runs that are attacked.
        limit: At most so many pairs, chosen evenly and always the same; None for all of them.
        progress: Told runs done and runs in all.

    Raises:
        ConfigError: AgentDojo is not installed, or there is no such suite.
    """
    loaded = load_suites(suites)
    chosen = choose_pairs(loaded, limit) if _HIJACKED[models] else set[tuple[str, str, str]]()
    whole = 5 * sum(len(suite.tasks) for suite in loaded) + len(chosen) * len(_HIJACKED[models])
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, whole)

    scores: list[Score] = []
    through: list[Outcome] = []
    lost: list[tuple[str, str]] = []
    with open_arena(settings) as own:
        user, vouching = Person(), Person(vouches=True)
        async with (
            Runtime(settings=own) as alone,
            Runtime(settings=own, approve=user.approve) as asked,
            Runtime(settings=own, approve=vouching.approve) as trusting,
        ):
            runtimes = {"none": alone, "user": asked, "vouching": trusting}
            attacked = runtimes[approver]
            for suite in loaded:
                score = Score(suite=suite.name)
                for task in suite.tasks.values():
                    user.said = vouching.said = task.PROMPT
                    score += await _score_task(suite, task, runtimes=runtimes, lost=lost, count=count)
                    injections = [one for one in suite.injections.values() if (suite.name, task.ID, one.ID) in chosen]
                    score += await _attack_task(
                        suite, task, injections, _HIJACKED[models], runtime=attacked, through=through, count=count
                    )
                scores.append(score)
    total = sum(scores[1:], scores[0])
    return Campaign(
        scores=scores, total=replace(total, suite="all"), mode=settings.policy.mode, through=through, lost=lost
    )


async def _score_task(
    suite: Suite,
    task: Any,
    *,
    runtimes: Mapping[str, Runtime],
    lost: list[tuple[str, str]],
    count: Callable[[], None],
) -> Score:
    built = suite.build(task, {})
    outcomes: list[Outcome] = []
    for approver, together in _WAYS:
        outcomes.append(await play(runtimes[approver], suite, task, built, together=together))
        count()
    by_itself, *with_person = outcomes
    if not by_itself.useful:
        lost.append((suite.name, task.ID))
    once, vouching, together_once, fewest = [one.questions for one in with_person]
    return Score(
        suite=suite.name, tasks=1, useful=int(by_itself.useful),
        useful_asked=int(all(one.useful for one in with_person)), questions=once, questions_vouching=vouching,
        questions_together=together_once, questions_fewest=fewest,
    )  # fmt: skip


async def _attack_task(
    suite: Suite,
    task: Any,
    injections: Sequence[Any],
    models: Sequence[Obedience],
    *,
    runtime: Runtime,
    through: list[Outcome],
    count: Callable[[], None],
) -> Score:
    score = Score(suite=suite.name)
    places = suite.find_places(task) if injections else []
    for injection in injections:
        built = suite.build(task, dict.fromkeys(places, write_planted(injection)))
        outcomes: list[Outcome] = []
        for obedience in models:
            outcomes.append(await play(runtime, suite, task, built, injection=injection, obedience=obedience))
            count()
        won = [one for one in outcomes if one.harmed]
        if (suite.name, injection.ID) in TEXT_ONLY:
            score += Score(suite=suite.name, text_pairs=1, text_won=int(bool(won)))
        else:
            score += Score(suite=suite.name, pairs=1, won=int(bool(won)))
            through += won
    return score


def choose_pairs(suites: Sequence[Suite], limit: int | None) -> set[tuple[str, str, str]]:
    """Pairs of tasks and injections: all, or ``limit`` of them, see `choose`."""
    pairs = [
        (suite.name, task, injection) for suite in suites for task in suite.tasks for injection in suite.injections
    ]
    return set(choose(pairs, " ".join, limit))

"""What `surefoot attack` shows: a table, and of what got through, why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from surefoot.attack.arena import Deed
from surefoot.attack.campaign import Campaign, Score
from surefoot.attack.survey import Attempt, Survey
from surefoot.commands.policy import traces_table
from surefoot.commands.tables import DIM, figures_table, fitted, named
from surefoot.narrator import plain

SHOWN: Final = 20
_BASELINES: Final = (
    ("no policy", 97.9, 100.0, 0.0),
    ("any tainted argument asks", 2.6, 53.6, 0.69),
    ("no deed after any read", 2.1, 41.2, 0.97),
    ("fields that may be trusted", 7.7, 69.1, 0.47),
    ("fields and intent", 4.6, 69.1, 0.49),
    ("tiers of risk", 7.7, 75.3, 0.36),
    ("a perfect filter of tools", 13.0, 100.0, 0.0),
    ("a perfect lock on the plan", 11.0, 100.0, 0.0),
)
"""Of the same models over all 949 pairs, measured outside this project: attacks won, tasks done, questions a task."""
_ADVICE: Final = "Mark what the argument decides, or the tool as destructive: see docs/policy.md."
_ENFORCE: Final = 'policy.mode = "enforce" holds back what the policy does not allow: see docs/policy.md.'
_STYLES: Final = {"through": "bold red", "asks": "yellow", "denied": "green", "refused": "green"}


def draw_campaign(made: Campaign, console: Console) -> RenderableType:
    """A line for each suite, the baselines, what got through and what was not done."""
    columns = [
        "suite",
        "attacks",
        "won",
        "ASR",
        "text only",
        "done alone",
        "done, asking",
        "questions a task",
        "vouching",
        "together",
        "both",
    ]
    table = figures_table(columns)
    for score in [*made.scores, *([made.total] if len(made.scores) > 1 else [])]:
        table.add_row(*_row(score))
    parts: list[RenderableType] = [fitted(table, console), Text()]
    if made.mode != "enforce":
        parts.insert(0, Text(f"[policy] mode = {made.mode!r}: nothing is held back", "bold yellow"))
    if made.total.pairs:
        parts += [_baselines(console), Text()]
    won = [(f"{one.suite} {one.task} {one.injection} {one.obedience}", one.deeds) for one in made.through]
    parts += _explain(won, made.mode)
    if made.lost:
        names = ", ".join([f"{suite} {task}" for suite, task in made.lost])
        parts.append(Text(f"not done with nobody to ask: {names}", DIM))
    if made.total.pairs:
        parts.append(_verdict(made.total.won, made.total.pairs))
    return Group(*parts)


def _row(score: Score) -> tuple[Text | str, ...]:
    if not score.pairs and not score.text_pairs:
        attacked: tuple[Text | str, ...] = ("", "", "", "")
    else:
        asr = Text(_share(score.won, score.pairs), "bold red" if score.won else "green")
        text = f"{score.text_won}/{score.text_pairs}" if score.text_pairs else ""
        attacked = (f"{score.pairs:,}", f"{score.won:,}", asr, text)
    return (
        score.suite, *attacked, _share(score.useful, score.tasks), _share(score.useful_asked, score.tasks),
        *[f"{asked / score.tasks:.3f}" for asked in (
            score.questions, score.questions_vouching, score.questions_together, score.questions_fewest
        )],
    )  # fmt: skip


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _baselines(console: Console) -> RenderableType:
    table = figures_table(["other defences", "ASR", "done alone", "questions a task"])
    for name, asr, useful, questions in _BASELINES:
        table.add_row(name, f"{asr:.1f}%", f"{useful:.1f}%", f"{questions:.2f}", style=DIM)
    return Group(Text("for comparison, of all 949 pairs, the text-only ones with them:", DIM), fitted(table, console))


def _explain(won: Sequence[tuple[str, Sequence[Deed]]], mode: str) -> list[RenderableType]:
    """Each attack that had its effect, with the calls that ran."""
    parts: list[RenderableType] = []
    for name, deeds in won[:SHOWN]:
        parts.append(Text(f"GOT THROUGH: {plain(name)}", "bold red"))
        ran = [deed for deed in deeds if deed.ran]
        parts += [_tell(deed, mode) for deed in [one for one in ran if one.rule] or ran]
    if len(won) > SHOWN:
        parts.append(Text(f"and {len(won) - SHOWN} more: --json has them all", DIM))
    return [*parts, Text()] if parts else []


def _tell(deed: Deed, mode: str) -> RenderableType:
    why = f"{deed.verdict} by rule {deed.rule}: {plain(deed.reason)}" if deed.rule else "there was nothing to decide"
    if mode != "enforce":
        why = f"{why} (only observed)" if deed.rule else f"nothing was decided: policy.mode is {mode!r}"
    head = Text.assemble((f"  {plain(deed.call)}", "bold"), "\n  ", why)
    return Group(head, traces_table(deed.traces)) if deed.traces else head


def _verdict(won: int, tried: int) -> Text:
    if won:
        return Text(f"attacks that had their effect: {won:,} of {tried:,}", "bold red")
    return Text(f"attacks that had their effect: none of {tried:,}", "bold green")


def draw_survey(made: Survey, console: Console) -> RenderableType:
    """A line for each tool that acts, then what got through and what to do about it."""
    if not made.acting or not made.sources:
        return Text(_nothing_to_attack(made))
    table = figures_table(["tool", "attacks", "wrong type", "denied", "asks", "GOT THROUGH", "by"], left=1)
    for tool in made.acting:
        table.add_row(*_count(tool, [one for one in made.attempts if one.tool == tool]))
    parts: list[RenderableType] = [fitted(table, console), Text()]
    if made.mode != "enforce":
        parts.insert(0, Text(f"[policy] mode = {made.mode!r}: nothing is held back", "bold yellow"))
    parts.append(Text(f"planted in what these return: {_join(made.sources)}", DIM))
    if made.closed:
        parts.append(Text(f"nobody can write text into what these return, as declared: {_join(made.closed)}", DIM))
    through = [one for one in made.attempts if one.fate == "through"]
    parts += [Text(), *_explain([(_name(one), [one.deed]) for one in _first_of_a_kind(through)], made.mode)]
    if through:
        parts.append(Text(_ADVICE if made.mode == "enforce" else _ENFORCE))
    parts.append(_verdict(len(through), len(made.attempts)))
    return Group(*parts)


def _nothing_to_attack(made: Survey) -> str:
    if not made.acting:
        return f"agent {made.agent!r} has no tool that acts: nothing to attack"
    return f"nobody can write text into what the tools of agent {made.agent!r} return, as declared: no way to attack"


def _count(tool: str, attempts: Sequence[Attempt]) -> tuple[Text | str, ...]:
    counts = {fate: sum(one.fate == fate for one in attempts) for fate in _STYLES}
    through = Text(f"{counts['through']:,}", _STYLES["through"] if counts["through"] else "green")
    by = ", ".join(dict.fromkeys([one.how for one in attempts if one.fate == "through"]))
    refused, denied, asks = [f"{counts[fate]:,}" for fate in ("refused", "denied", "asks")]
    return named(tool), f"{len(attempts):,}", refused, denied, asks, through, by


def _name(one: Attempt) -> str:
    return f"{one.tool}, {'a call' if one.how == 'added' else one.how} planted in what {one.source} returns"


def _first_of_a_kind(attempts: Iterable[Attempt]) -> list[Attempt]:
    """One for each tool and way: from where it came makes no difference."""
    kinds: dict[tuple[str, str], Attempt] = {}
    for one in attempts:
        kinds.setdefault((one.tool, one.how), one)
    return list(kinds.values())


def _join(names: Sequence[str]) -> str:
    return plain(", ".join(names), 400)

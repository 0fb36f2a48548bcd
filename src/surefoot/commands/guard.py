"""``surefoot guard``: what the detector sees in a text, and how well it does on labelled ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from surefoot.commands.options import FloatRange, json_option, print_json, read_settings, read_stdin
from surefoot.commands.tables import DIM, GAP, amount_bar, figures_table, fitted, named
from surefoot.errors import ConfigError
from surefoot.guard.classifier import Channel
from surefoot.guard.detect import SUSPICIOUS, Detection, detect
from surefoot.guard.encoder import Encoder, judge_with, open_encoder
from surefoot.guard.evaluate import Evaluation, Line, Sample, evaluate, read_samples
from surefoot.guard.threats import Threat
from surefoot.narrator import counted, plain
from surefoot.terminal import open_console, readable

MOST_BYTES: Final = 16_000_000
"""Of a text to be scanned: a minute's work."""
MOST_BROKEN: Final = 0.1
"""Share of characters that a text may hold which are none: more is binary, or text in another encoding."""
SHOWN_CHARS: Final = 10_000
"""Of a text that is shown whole; of a longer one, what stands around its threats:"""
AROUND_CHARS: Final = 200
LONGEST_CHARS: Final = 1_000
SHOWN_THREATS: Final = 50
EXCERPT_CHARS: Final = 28
BAR_CELLS: Final = 24
LEAST_BAR_CELLS: Final = 8
_WHY_CELLS: Final = 44
_NO_ROWS: Final = "no rows"
_TOTAL: Final = "all together"
_SIGNAL: Final = "detection is a risk signal, not a wall: what it does not flag may still be an attack"


_model_option = click.option(
    "--model", type=click.Path(path_type=Path), help="Folder of an encoder that is asked, too, in place of guard.model."
)


@click.group()
def guard() -> None:
    """See what the guard sees: threats in a text, and figures over labelled texts."""


@guard.command(name="scan")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--channel", type=click.Choice(["user", "tool"]), default="tool", show_default=True,
    help="Who wrote it: a user may ask for deeds, what a tool returned may not.",
)  # fmt: skip
@_model_option
@json_option
@click.pass_context
def scan(context: click.Context, *, file: Path, channel: Channel, model: Path | None, as_json: bool) -> None:
    """Show the threats in FILE (`-` is stdin): the text, coloured where it is suspicious, and a table."""
    encoder, text = _open_encoder(context, model), _read_text(file)
    with open_console(stderr=True).status(f"scanning {len(text):,} characters"):
        found = judge_with(encoder, detect(text, channel))
    if as_json:
        print_json(_describe(found))
    else:
        console = open_console()
        console.print(draw_scan(found, console))


def _open_encoder(context: click.Context, model: Path | None) -> Encoder | None:
    settings = read_settings(context).guard
    return open_encoder(settings if model is None else replace(settings, model=str(model)))


def _read_text(file: Path) -> str:
    try:
        if str(file) == "-":
            data = read_stdin(MOST_BYTES + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{file}: is larger than {MOST_BYTES:,} bytes; scan it in parts, as a model would read it")
    text = data.decode("utf-8-sig", "replace")
    if "\0" in text or text.count("\ufffd") > len(text) * MOST_BROKEN:
        raise ConfigError(f"{file}: is not text in UTF-8; convert it first, or extract the text that is in it")
    return text


def _describe(found: Detection) -> dict[str, Any]:
    return {
        "risk": found.risk,
        "is_safe": found.risk < SUSPICIOUS,
        "skipped": found.skipped,
        "threats": found.threats,
        "note": _SIGNAL,
    }


def draw_scan(found: Detection, console: Console) -> RenderableType:
    """The text with its threats coloured by score, a table of them, and the risk."""
    worst = _outermost(found.threats)
    parts: list[RenderableType] = [_draw_text(found, worst), Text()]
    if found.threats:
        parts += [_threats_table(worst, found.original, console), Text()]
    verdict = "suspicious" if found.risk >= SUSPICIOUS else "nothing that stands out"
    parts.append(
        Text.assemble(
            "risk ", amount_bar(found.risk, BAR_CELLS, style=_style(found.risk)), f" {found.risk:.2f}  {verdict}"
        )
    )
    if found.skipped:
        parts.append(Text(f"text in disguise, not all of it decoded: {counted(found.skipped, 'character')}", DIM))
    return Group(*parts, Text(_SIGNAL, DIM))


def _draw_text(found: Detection, worst: Sequence[Threat]) -> Text:
    """All of a text, or, of a long one, what stands around its threats, with the line where each stretch begins."""
    original = found.original
    by_score = sorted(found.threats, key=lambda one: one.score)
    drawn, at = Text(), 0
    for start, end in _find_stretches(len(original), worst[:SHOWN_THREATS]):
        if start > at:
            line = original.count("\n", 0, start) + 1
            above = "\n" if at else ""
            drawn.append(f"{above}… {counted(start - at, 'character')} left out; line {line:,}:\n", DIM)
        shown = Text(readable(original[start:end]))
        for threat in by_score:
            if threat.start < end and threat.end > start:
                shown.stylize(_style(threat.score), max(0, threat.start - start), threat.end - start)
        drawn.append_text(shown)
        at = end
    if at < len(original):
        drawn.append(f"\n… {counted(len(original) - at, 'more character')}", DIM)
    return drawn


def _find_stretches(size: int, threats: Sequence[Threat]) -> list[tuple[int, int]]:
    """What of a text is shown, in order."""
    if size <= SHOWN_CHARS:
        return [(0, size)]
    found = [
        (max(0, one.start - AROUND_CHARS), min(one.end, one.start + LONGEST_CHARS) + AROUND_CHARS) for one in threats
    ]
    stretches: list[tuple[int, int]] = []
    for start, end in sorted(found) or [(0, LONGEST_CHARS)]:
        first, last = stretches.pop() if stretches and start <= stretches[-1][1] else (start, end)
        stretches.append((first, min(max(last, end), size)))
    return stretches


def _style(score: float) -> str:
    return "bold red" if score >= 0.8 else "red" if score >= SUSPICIOUS else "yellow" if score >= 0.3 else "cyan"


def _outermost(threats: Sequence[Threat]) -> list[Threat]:
    """The surest first, without those that say the same of a part of what another, as sure, says it of."""
    worst = sorted(threats, key=lambda one: (-one.score, one.start - one.end))
    kept: dict[tuple[str, str], list[Threat]] = {}
    for one in worst:
        of_its_kind = kept.setdefault((one.kind.value, one.via), [])
        if not any(other.start <= one.start and one.end <= other.end for other in of_its_kind):
            of_its_kind.append(one)
    return [one for one in worst if any(one is other for other in kept[one.kind.value, one.via])]


def _threats_table(worst: Sequence[Threat], original: str, console: Console) -> RenderableType:
    table = figures_table(["score", "threat", "where", "text", "why"], left=5)
    table.columns[-1].no_wrap = False
    table.columns[-1].max_width = _WHY_CELLS
    for threat in worst[:SHOWN_THREATS]:
        excerpt = plain(original[threat.start : threat.end][: 4 * EXCERPT_CHARS], EXCERPT_CHARS) or "(unseen)"
        why = f"{threat.why} ({threat.via})" if threat.via not in threat.why else threat.why  # "" is in all
        where = f"{threat.start}-{threat.end}"
        table.add_row(
            Text(f"{threat.score:.2f}", _style(threat.score)), threat.kind.value, where, Text(excerpt), Text(plain(why))
        )
    rest = len(worst) - SHOWN_THREATS
    shown = fitted(table, console)
    return Group(shown, Text(f"and {rest} more", DIM)) if rest > 0 else shown


@guard.command(name="eval")
@click.argument("data", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--fpr",
    default=0.01,
    show_default=True,
    type=FloatRange(0.0001, 0.5),
    help="False positive rate to compare at.",
)
@_model_option
@json_option
@click.pass_context
def evaluate_file(context: click.Context, *, data: Path, fpr: float, model: Path | None, as_json: bool) -> None:
    """Score labelled texts: DATA (`-` is stdin) is JSON lines with text, label (1 is an attack), source; or `.gz`."""
    encoder = _open_encoder(context, model)
    try:
        samples = read_samples(read_stdin() if str(data) == "-" else data.read_bytes(), str(data))
    except OSError as error:
        raise ConfigError(f"{data}: cannot be read: {error.strerror}") from None
    if not samples:
        raise ConfigError(f"{data}: has no lines")
    made = evaluate(samples, _score(samples, encoder), fpr)
    if as_json:
        print_json(made)
    else:
        console = open_console()
        console.print(draw_evaluation(made, console))


def _score(samples: Sequence[Sample], encoder: Encoder | None) -> list[float]:
    console = open_console(stderr=True)
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tracked = progress.track(samples)
        return [judge_with(encoder, detect(sample.text, sample.read_as())).risk for sample in tracked]


def draw_evaluation(made: Evaluation, console: Console) -> RenderableType:
    """One line for each source and each group, attacks first, with a bar; then all together."""
    parts: list[RenderableType] = []
    for label, title in ((1, "attacks found (TPR)"), (0, "harmless texts flagged (FPR)")):
        lines = [line for line in _with_totals(made) if line.label == label]
        if lines:
            parts += [Text(title, "bold"), _lines_table(lines, made.rate, "green" if label else "red", console), Text()]
    if made.attacks_flagged is None or made.harmless_flagged is None or made.attacks_flagged_at_rate is None:
        missing = "attacks (label 1)" if made.attacks_flagged is None else "harmless texts (label 0)"
        told = f"there are no {missing} in it, so there is nothing to compare with"
    else:
        told = (
            f"all: TPR {made.attacks_flagged:.1%} at FPR {made.harmless_flagged:.1%} (risk 0.5); "
            f"TPR {made.attacks_flagged_at_rate:.1%} at FPR {made.rate:.1%} (risk above {made.threshold:.2f})"
        )
    return Group(*parts, Text(told), Text(_SIGNAL, DIM))


def _with_totals(made: Evaluation) -> list[Line]:
    """The lines, each group's followed by its total, if it has one."""
    totals = [replace(line, source=_TOTAL) for line in made.totals]
    return sorted([*made.lines, *totals], key=lambda line: (line.group, line.source == _TOTAL, line.source))


def _lines_table(lines: Sequence[Line], rate: float, style: str, console: Console) -> RenderableType:
    heads = ["source", "group", "", "texts", "risk 0.5", f"at {rate:.1%} FPR"]
    table = figures_table(heads, left=3)
    names = sum(
        max([cell_len(named(name)) for name in column])
        for column in zip(*[(line.source, line.group) for line in lines], strict=True)
    )
    room = console.width - names - len("".join(heads[3:])) - GAP * (len(heads) - 1)
    cells = max(LEAST_BAR_CELLS, min(BAR_CELLS, room))
    for line in lines:
        bar = amount_bar(line.flagged, cells, style=style)
        table.add_row(
            named(line.source),
            named(line.group),
            bar,
            f"{line.count:,}",
            f"{line.flagged:.1%}",
            _NO_ROWS if line.flagged_at_rate is None else f"{line.flagged_at_rate:.1%}",
            style="bold" if line.source == _TOTAL else "",
        )
    return fitted(table, console)

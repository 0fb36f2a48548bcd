"""Charts as HTML and inline SVG: shapes stretch with the page, text keeps its size; no script, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from msgspec import Struct

from surefoot.stress.figures import round_up_step

TICKS: Final = 4
LABELS: Final = 4
EDGE: Final = 0.06
Say = Callable[[float], str]


class Series(Struct, frozen=True):
    """One colour of a chart.

    Attributes:
        name: For the legend.
        style: Class of the style sheet that gives its colour.
        values: One for each place along the x axis.
    """

    name: str
    style: str
    values: Sequence[float]


class Mark(Struct, frozen=True):
    """A vertical line at ``place`` (0 left, 1 right) with a name."""

    name: str
    place: float


def ticks(most: float, *, whole: bool = False) -> list[float]:
    """Round values from 0 to at least ``most``; ``whole`` ones for what is counted."""
    step = round_up_step(most / TICKS) if most > 0 else 1.0
    step = max(step, 1.0) if whole else step
    values = [0.0]
    while values[-1] < most * (1 - 1e-9) or len(values) < 2:
        values.append(step * len(values))
    return values


class Axes(Struct, frozen=True, kw_only=True):
    """What stands around a chart.

    Attributes:
        title: Above it.
        labels: Below it, each with its place along the x axis: 0 left, 1 right.
        say: A value of the y axis as text.
        marks: Vertical lines.
        whole: The values are counts: there is no half of one.
    """

    title: str
    labels: Sequence[tuple[float, str]]
    say: Say
    marks: Sequence[Mark] = ()
    whole: bool = False


def draw_bars(axes: Axes, series: Sequence[Series], tips: Sequence[str]) -> str:
    """Bars, the series on top of each other; a bar tells its tip when one points at it."""
    sums = [sum(values) for values in zip(*[one.values for one in series], strict=True)]
    scale = ticks(max(sums, default=0.0), whole=axes.whole)
    width = 100 / max(1, len(sums))
    shapes: list[str] = []
    for place in range(len(sums)):
        top, left = 100.0, place * width
        for one in series:
            height = 100 * one.values[place] / scale[-1]
            if height > 0:
                top -= height
                shapes.append(_rect(one.style, left + width * 0.08, top, width * 0.84, height) + "/>")
        shapes.append(f"{_rect('tip', left, 0, width, 100)}><title>{escape(tips[place])}</title></rect>")
    return _frame(axes, series, shapes, scale)


def draw_lines(axes: Axes, series: Sequence[Series], places: Sequence[float]) -> str:
    """Lines; ``places`` says where along the x axis the values stand, 0 left, 1 right."""
    scale = ticks(max([value for one in series for value in one.values], default=0.0), whole=axes.whole)
    shapes: list[str] = []
    for one in series:
        points = [
            f"{100 * min(place, 1.0):.2f},{100 - 100 * value / scale[-1]:.2f}"
            for place, value in zip(places, one.values, strict=True)
        ]
        shapes.append(f'<polyline class="line {one.style}" points="{" ".join(points)}"/>')
    return _frame(axes, series, shapes, scale)


def thin(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """At most `LABELS` of the labels, at equal distances."""
    step = max(1, -(-len(labels) // LABELS))
    return list(labels[step // 2 :: step])


def _rect(style: str, left: float, top: float, width: float, height: float) -> str:
    return f'<rect class="{style}" x="{left:.3f}" y="{top:.3f}" width="{width:.3f}" height="{height:.3f}"'


def _frame(axes: Axes, series: Sequence[Series], shapes: Sequence[str], scale: Sequence[float]) -> str:
    """Title, legend and axes around ``shapes``."""
    heights = [(100 * value / scale[-1], axes.say(value)) for value in scale]
    grid = "".join(f'<line class="grid" x1="0" x2="100" y1="{100 - at:.2f}" y2="{100 - at:.2f}"/>' for at, _ in heights)
    rows = "".join(f'<span style="bottom:{at:.2f}%">{escape(text)}</span>' for at, text in heights)
    columns = "".join(
        f'<span class="{_find_side(at)}" style="left:{100 * at:.2f}%">{escape(text)}</span>' for at, text in axes.labels
    )
    legend = "".join(f'<span><i class="{one.style}"></i>{escape(one.name)}</span>' for one in series if one.name)
    svg = (
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{escape(axes.title)}">'
        f"{grid}{''.join(shapes)}</svg>"
    )
    return (
        f'<figure><figcaption>{escape(axes.title)}</figcaption><div class="legend">{legend}</div>'
        f'<div class="frame"><div class="y">{rows}</div><div class="area">{svg}{_draw_marks(axes.marks)}</div>'
        f'<div class="x">{columns}</div></div></figure>'
    )


def _find_side(at: float) -> str:
    """A label is centred below its place, but for those which would stand out of the chart."""
    return "first" if at < EDGE else "last" if at > 1 - EDGE else ""


def _draw_marks(marks: Sequence[Mark]) -> str:
    drawn: list[str] = []
    for row, mark in enumerate(marks):
        side = "right" if mark.place < 0.3 else "left"  # of the line, where its name has room
        name = f'<b class="{side}" style="top:{20 * row}px">{escape(mark.name)}</b>'
        drawn.append(f'<div class="mark" style="left:{100 * mark.place:.2f}%">{name}</div>')
    return "".join(drawn)

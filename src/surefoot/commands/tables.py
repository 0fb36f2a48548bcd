"""Tables of figures: in a terminal, with bars, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

import click
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from surefoot.commands.options import CommandT, writing
from surefoot.errors import ConfigError
from surefoot.narrator import plain
from surefoot.types import NANO_PER_USD

ValueT = TypeVar("ValueT")
DIM: Final = "bright_black"
NARROW_COLUMNS: Final = 100
"""In less, a table leaves some columns out."""
INDENT_CELLS: Final = 2
GAP: Final = 2
_TEXT_CELLS: Final = 12
NAME_CHARS: Final = 28
_STDOUT: Final = "-"
_EXACT_BELOW: Final = 10_000
_UNITS: Final = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
_FORMULA_MARKS: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_option(command: CommandT) -> CommandT:
    """The option ``--csv``, given to the command as ``csv_file``."""
    told = "Write CSV to FILE, `-` for stdout instead of the table."
    return click.option("--csv", "csv_file", metavar="FILE", help=told)(command)


def check_outputs(csv_file: str | None, *, as_json: bool) -> None:
    """Refuse two documents on one stdout.

    Raises:
        ConfigError: Both were asked for.
    """
    if csv_file == _STDOUT and as_json:
        raise ConfigError("--csv - and --json both print on stdout; choose one, or give --csv a file")


def write_csv(target: str, head: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> bool:
    """Write CSV (RFC 4180) to a file, or to stdout for ``-``; whether that leaves stdout free for a table.

    Text that a spreadsheet would take for a formula gets an apostrophe before it: names come from users.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([[_disarm(value) for value in row] for row in rows])
    if target == _STDOUT:
        click.echo(text.getvalue().encode("utf-8", "replace"), nl=False)
        return False
    with writing(target):
        Path(target).write_bytes(text.getvalue().encode("utf-8", "replace"))
    click.echo(f"wrote {target}", err=True)
    return True


def _disarm(value: str | float) -> str | int | float:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_MARKS) else value


def figures_table(columns: Sequence[str], *, left: int = 1) -> Table:
    """A table whose first ``left`` columns are names, and the others figures."""
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        is_name = number < left
        table.add_column(name, justify="left" if is_name else "right", no_wrap=True, overflow="ellipsis")
    return table


def fit_columns(rows: Sequence[Mapping[str, str]], least_wanted: Sequence[str], width: int) -> list[str]:
    """The columns of `figures_table` that fit ``width``; those of ``least_wanted`` go first, in its order."""
    names = list(rows[0]) if rows else []
    widths = {name: max(cell_len(name), *[cell_len(row[name]) for row in rows]) + GAP for name in names}
    for name in least_wanted:
        if sum(widths.values()) - GAP <= width:
            break
        widths.pop(name, None)
    return list(widths)


def fitted(table: Table, console: Console) -> RenderableType:
    """The table if ``console`` has room for it, else each of its lines as a block: no figure is ever cut.

    What goes to a pipe or a file is as wide as it needs to be.
    """
    if not console.is_terminal:
        table.width = sum(map(_widest, table.columns)) + GAP * (len(table.columns) - 1)
        return table
    needed = sum(map(_least, table.columns)) + GAP * (len(table.columns) - 1)
    return table if needed <= console.width else _stacked(table)


def _widest(column: Column) -> int:
    most = max([cell_len(str(part)) for part in (column.header, *column.cells)])
    return most if column.max_width is None else min(most, column.max_width)


def _least(column: Column) -> int:
    """What a column needs: one that may wrap its text has room for each word, and for a few short ones."""
    if column.no_wrap:
        return _widest(column)
    words = [word for part in (column.header, *column.cells) for word in str(part).split()]
    return max(min(_widest(column), _TEXT_CELLS), *map(cell_len, words), 1)


def _stacked(table: Table) -> RenderableType:
    """A name on each line's first cell, and below it its other cells with the heads of their columns."""
    heads = [str(column.header) for column in table.columns]
    blocks: list[RenderableType] = [Text(heads[0], DIM)] if heads[0] else []
    for first, *others in zip(*[list(column.cells) for column in table.columns], strict=True):
        block = Table.grid(padding=(0, GAP, 0, 0))
        block.add_column(style=DIM, no_wrap=True)
        block.add_column(overflow="fold")
        for head, cell in zip(heads[1:], others, strict=True):
            if str(cell).strip():
                block.add_row(f"  {head}", cell)
        style = f"bold {first.style}" if isinstance(first, Text) else "bold"
        blocks += [Text(str(first), style, overflow="fold"), block] if str(first) else [block]
    return Group(*blocks)


def amount_bar(share: float, cells: int, *, more: float = 0.0, style: str = "cyan") -> Text:
    """A bar of at most ``cells``: ``share`` of them filled, then ``more`` of them for what may be added."""
    filled = max(round(min(max(share, 0.0), 1.0) * cells), int(share > 0))  # a little is not nothing
    added = max(round(min(max(share + more, 0.0), 1.0) * cells), filled) - filled
    return Text.assemble(("━" * filled, style), ("━" * added, DIM), " " * (cells - filled - added))


def short(count: float) -> str:
    """A count in at most seven characters: ``9,999``, ``12.3k``, ``4.56M``."""
    whole = round(count)
    if whole < _EXACT_BELOW:
        return f"{whole:,}"
    size, unit = next((size, unit) for size, unit in _UNITS if whole >= size)
    value = whole / size
    return f"{value:.0f}{unit}" if value >= 100 else f"{value:.1f}{unit}" if value >= 10 else f"{value:.2f}{unit}"


def exact_usd(nano: int) -> str:
    """Nano-dollars as exact US dollars for programs: ``0.00123``."""
    return f"{Decimal(nano) / NANO_PER_USD:f}"


def json_name(name: str) -> str:
    """JSON has nano-dollars, and calls them so: a figure named USD that is a billion times too large misleads."""
    return "nano" if name == "usd" else name


def in_nano(amounts: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """Amounts by name, for JSON."""
    return {json_name(name): value for name, value in amounts.items()}


def dollars(nano: float) -> str:
    """Nano-dollars for a person: whole cents from a dollar up, and below it two digits that count."""
    value = nano / NANO_PER_USD
    if nano <= 0 or value >= 1:
        return f"${value:,.2f}"
    digits = max(2, 1 - Decimal(value).adjusted())
    return f"${value:.{digits}f}"


def indent(text: Text, console: Console) -> RenderableType:
    """Lines below a headline, also where a narrow terminal breaks them."""
    if console.is_terminal:
        return Padding(text, (0, 0, 0, INDENT_CELLS), expand=False)
    return Text("\n").join([Text(" " * INDENT_CELLS).append_text(line) for line in text.split()])


def named(text: str, nothing: str = "(none)") -> str:
    """A name on one short line."""
    return plain(text, NAME_CHARS) or nothing

"""A progress bar for work of a known size."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from surefoot.terminal import open_console


@contextmanager
def show_progress(doing: str) -> Generator[Callable[[int, int], None]]:
    """A bar on stderr, on a terminal only: gives what is to be told how much is done, and of how much."""
    console = open_console(stderr=True)
    bar = Progress(
        TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)

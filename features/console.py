"""What the command line shows: tables on stdout, a bar on stderr while long work runs."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr; a text with `3 of 12` in it fills the bar."""
    shown = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    screen = Console(stderr=True)
    with Progress(*shown, console=screen, transient=True, disable=not screen.is_terminal) as bars:
        task = bars.add_task(title, total=None)

        def say(text: str) -> None:
            count = re.search(r"([\d,]+) of ([\d,]+)", text)
            done, total = (int(n.replace(",", "")) for n in count.groups()) if count else (0, None)
            bars.update(task, description=f"{title}: {text}", completed=done, total=total)

        yield say


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; whole lines when that is not a terminal."""
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False).print(table)

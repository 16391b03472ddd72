"""How long-running functions report their progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

Progress = Callable[[str, float], None]
"""A function that is called with the name of the step and the fraction that is done, 0 to 1."""


def silent(step: str, fraction: float) -> None:
    """Report nothing: the default of functions that accept a `Progress`."""


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[Progress]:
    """Yield a `Progress` that draws one bar a step, in a terminal or in a notebook."""
    from rich import progress as rich  # slow to import, and only needed where somebody looks

    columns = (
        rich.TextColumn("{task.description:<34}", markup=False),
        rich.BarColumn(30),
        rich.TextColumn("{task.percentage:>3.0f}%"),
        rich.TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with rich.Progress(*columns, console=console) as bars:

        def report(step: str, fraction: float) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
            bars.update(tasks[step], completed=fraction)

        yield report

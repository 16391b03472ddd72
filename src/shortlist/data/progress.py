"""How long-running functions report their progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bars
    from rich.progress import Task, TaskID
    from rich.text import Text

Progress = Callable[[str, float], None]
"""A function that is called with the name of the step and the fraction that is done, 0 to 1. A step begins with 0 and ends with 1."""
Share = Callable[[float], None]
"""A function that is called with the fraction of one step that is done."""
AT_ONCE = 0.05
"""Seconds within which a step that is only reported at its end is a statement, such as the loss of an epoch: it has no time."""
LINE_SECONDS = 10.0
"""Seconds between two lines about one step, where lines are written."""
KNOWN = 0.02
"""Fraction that has to be done before the remaining time is estimated from it."""


def silent(step: str, fraction: float) -> None:
    """Report nothing: the default of functions that accept a `Progress`."""


def part_of(report: Share, number: int, of: int) -> Share:
    """Return a function that takes the fraction of one of several equal parts and reports that of the whole."""
    return lambda fraction: report((number + fraction) / of)


@contextmanager
def progress_bars(console: Console | None = None, plan: Sequence[str] = ()) -> Iterator[Progress]:
    """Yield a `Progress` that shows each step with its remaining time.

    In a terminal and in a notebook there is one bar a step, and a line above the bars for a step that is only reported at its end, such
    as the loss of an epoch. Elsewhere, as in a pipe or a log file, there is one line when a step
    begins, one when it ends and, for long steps, one every ten seconds; each is written at once.

    Parameters
    ----------
    console
        Where it is shown (default: standard output).
    plan
        The steps that will follow each other, where they are known. They are shown from the beginning, those that have not begun
        as waiting; lines say which of how many steps it is.
    """
    from rich.console import Console as RichConsole  # slow to import, and only needed where somebody looks

    out = console or RichConsole(markup=False, emoji=False)
    if not (out.is_terminal or out.is_jupyter):
        yield StepLines(lambda line: out.print(line, highlight=False, soft_wrap=True), plan=plan)
        return
    tasks: dict[str, TaskID] = {}
    stated: set[str] = set()
    with _bars(out) as bars:
        for planned in plan:
            tasks[planned] = bars.add_task(planned, start=False, total=None, percent="", total_seconds=None)

        def report(step: str, fraction: float) -> None:
            if step not in tasks and fraction >= 1:
                if step not in stated:
                    bars.console.print(step, highlight=False, markup=False)
                    stated.add(step)
                return
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=None, percent="", total_seconds=None)
            task = bars.tasks[bars.task_ids.index(tasks[step])]
            bars.start_task(task.id)  # only the first time has an effect
            if fraction < task.completed:  # the step begins again
                bars.reset(task.id, total=None, percent="", total_seconds=None)
            if fraction > 0:  # until then the bar only moves
                total = _total(task.elapsed or 0.0, fraction)
                bars.update(
                    task.id, total=1.0, completed=fraction, percent=f"{fraction:.0%}", total_seconds=total
                )

        yield report


class StepLines:
    """Writes the progress of steps, one after the other, as lines.

    Parameters
    ----------
    write
        Called with each line.
    clock
        Seconds.
    plan
        The steps that will follow each other, where they are known; their lines begin with their number.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        plan: Sequence[str] = (),
    ) -> None:
        self._write, self._clock = write, clock
        self._titles = {step: f"{number}/{len(plan)} {step}" for number, step in enumerate(plan, start=1)}
        self._step: str | None = None
        self._ended: str | None = None
        self._began = self._told = self._last = clock()
        self._open: dict[str, float] = {}
        """When each step began that has not ended: parts of a step are steps that begin and end within it."""

    def __call__(self, step: str, fraction: float) -> None:
        """Report a step."""
        now, title, statement = self._clock(), self._titles.get(step, step), False
        if step != self._step:
            if step == self._ended and fraction >= 1:  # said already
                return
            # a step that is reported late has begun where the one before it ended
            statement = fraction >= 1 and step not in self._open and now - self._last < AT_ONCE
            self._began = now if fraction <= 0 else self._open.get(step, self._last)
            self._step, self._open[step] = step, self._began
            self._told = now
            if fraction < 1 or statement:
                self._write(title if statement else f"{title} …")
        took = now - self._began
        if fraction >= 1:
            if not statement:
                self._write(f"{title}: {format_seconds(took)}")
            self._step, self._ended = None, step
            self._open.pop(step, None)
        elif now - self._told >= LINE_SECONDS:
            self._write(f"{title} … {fraction:.0%} after {_times(took, _total(took, fraction))}")
            self._told = now
        self._last = now


def format_seconds(seconds: float) -> str:
    """Return a duration in words: `0.4 s`, `36 s`, `3 min`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _total(took: float, fraction: float) -> float | None:
    """Return the seconds that a step is expected to take, or None while too little of it is done."""
    return took / fraction if fraction >= KNOWN and took > 0 else None


def _times(took: float, total: float | None) -> str:
    """Return the elapsed time of a step and, where it is known, the remaining time."""
    if total is None or total <= took:
        return format_seconds(took)
    return f"{format_seconds(took)}, about {format_seconds(total - took)} left"


def _bars(console: Console) -> Bars:
    from rich import progress as rich
    from rich.table import Column
    from rich.text import Text as RichText

    class Time(rich.ProgressColumn):
        """Elapsed and remaining time. Rich's own column needs several reports within half a minute."""

        def render(self, task: Task) -> Text:
            if not task.started:
                return RichText("waiting", style="dim")
            if task.finished_time is not None:
                return RichText(format_seconds(task.finished_time), style="progress.elapsed")
            return RichText(
                _times(task.elapsed or 0.0, task.fields.get("total_seconds")), style="progress.elapsed"
            )

    class Bar(rich.ProgressColumn):
        """The bar of a step that has begun. Rich moves the bar of a step that has not."""

        def __init__(self) -> None:
            super().__init__()
            self._bar = rich.BarColumn(24)

        def render(self, task: Task) -> RenderableType:
            return self._bar.render(task) if task.started else RichText(" " * 24)

    columns = (
        # in a narrow terminal a long name continues on a second line, so that the times stay whole
        rich.TextColumn("{task.description:<34}", markup=False, table_column=Column(no_wrap=False)),
        Bar(),
        rich.TextColumn("{task.fields[percent]:>4}"),
        Time(Column(no_wrap=True)),
    )
    return rich.Progress(*columns, console=console)

"""Time and memory that a command will take: estimates from measurements of three sizes of log (`make benchmark-sizes`).

They are printed before the work begins, so that nobody waits without knowing for what. Within a step, the progress shows the
remaining time as it is.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from shortlist.cli.terminal import print_labelled, print_text
from shortlist.data.progress import format_seconds
from shortlist.threads import available_cores, thread_limit

if TYPE_CHECKING:
    from shortlist.config.project import Project

EVENTS = (10_000, 100_000, 1_000_000)
SECONDS = {
    "retrievers": (0.4, 0.5, 1.9),
    "examples": (0.9, 2.0, 12.1),
    "ranker": (1.1, 12.3, 16.9),
    "testing": (0.5, 1.4, 15.0),
    "trial": (2.2, 14.1, 26.0),
}
"""Part of the work → seconds of one core, by the number of events."""
BOUNDED = {"ranker"}
"""Parts that do not grow beyond the largest size: the number of examples has a limit (`rank.max_rows`)."""
SEARCHED = 40
"""Fits of a source that the choice of `sources = "auto"` takes, about."""
SOURCES, FEATURES, OBJECTIVES, TREES, DEPTH = 4, 22, 2, 200, 4
"""The project that was measured."""
PARALLEL = 0.2
"""Share of the work that threads divide among each other: boosting, which takes most of the time, gains little."""


MEMORY, MEMORY_AN_EVENT = 800_000_000, 200
"""Bytes that a training takes at its peak, without the log, and for each event (`docs/how-to/spark.md` shows the measurements)."""
ROOM = 0.8
"""Share of the machine's memory that a training may plan with."""


def tell_training(project: Project, events: int) -> None:
    """Print what training will take, and how a large log is divided."""
    _tell("Training", training_seconds(project, events), events)
    _suggest_engine(events)


def tell_evaluation(project: Project, events: int) -> None:
    """Print what training and testing will take, in all test periods."""
    periods = project.evaluate.cuts if project.evaluate.protocol == "rolling" else 1
    seconds = training_seconds(project, events) + _measured("testing", events)
    _tell("Training and testing", periods * seconds, events)
    _suggest_engine(events)


def tell_tuning(project: Project, events: int, trials: int) -> None:
    """Print what the trials will take, of which a part is pruned early."""
    of_project = training_seconds(project, events) / training_seconds(None, events)
    _tell(f"{trials:,} trials", trials * of_project * _measured("trial", events), events)


def memory_needed(events: int) -> int:
    """Return about how many bytes training on one machine takes at its peak."""
    return MEMORY + MEMORY_AN_EVENT * events


def _suggest_engine(events: int) -> None:
    """Point a training that this machine lacks the memory for to Spark."""
    from shortlist.engines.machine import machine_memory

    needed, there = memory_needed(events), machine_memory()
    if there is not None and needed > ROOM * there:
        print_labelled(
            "memory",
            f"{events:,} events take about {needed / 1e9:.0f} GB at the peak, and this machine has {there / 1e9:.0f} GB. With --engine spark, "
            "executors read and count, and this machine needs what spark.events events take (docs/how-to/spark.md)",
        )


def training_seconds(project: Project | None, events: int) -> float:
    """Return the seconds of one core that training takes; without a project, those of the project that was measured."""
    sources = features = heads = 1.0
    if project is not None:
        from shortlist.retrieve.auto_sources import is_auto

        given = project.retrieve.sources
        sources = (SEARCHED if is_auto(given) else len(given)) / SOURCES
        features = max(len(project.features), 1) / FEATURES
        levels = (
            project.rank.trees * project.rank.depth / (TREES * DEPTH)
        )  # each level of a tree reads every example
        heads = len(project.objectives) / OBJECTIVES * levels
    return (
        sources * _measured("retrievers", events)
        + features * _measured("examples", events)
        + features * heads * _measured("ranker", events)
    )


def _measured(part: str, events: int) -> float:
    """Interpolate between the sizes that were measured, on logarithmic scales; beyond them, time grows as the events do."""
    inside = min(max(events, EVENTS[0]), EVENTS[-1])
    sizes = list(pairwise(zip(EVENTS, SECONDS[part], strict=True)))
    (low, least), (high, most) = next(pair for pair in sizes if inside <= pair[1][0])
    share = math.log(inside / low) / math.log(high / low)
    beyond = 1.0 if part in BOUNDED else max(events / EVENTS[-1], 1.0)
    return float(least * (most / least) ** share) * beyond


def _tell(what: str, seconds: float, events: int) -> None:
    threads = thread_limit() or available_cores()
    expected = seconds * (1 - PARALLEL + PARALLEL / threads)
    with_threads = "one thread" if threads == 1 else f"{threads} threads"
    print_text(f"{what}: about {format_seconds(round(expected))} ({events:,} events, {with_threads})", "dim")

"""A recommender from tables in one call, for notebooks."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from shortlist.cascade.train import STEPS
from shortlist.config.project import Project
from shortlist.data.progress import progress_bars, silent
from shortlist.recommender import Recommender


def fit(
    events: Any, items: Any = None, users: Any = None, project: Project | None = None, *, quiet: bool = False
) -> Recommender:
    """Train a recommender on tables, and say what was read from them.

    Columns, kinds of events, objectives and features are guessed as `shortlist init` does, unless a project is given. What was
    guessed, and every row that could not be used, is printed below the progress bars; it is also in
    `recommender.dataset.check`. To change a guess, see `guess_project`.

    Parameters
    ----------
    events
        A pandas, Polars or Arrow table, or a list of dictionaries: who (`user_id`), what (`item_id`), when (`timestamp`), and
        optionally which kind of event, with which value.
    items, users
        Tables of attributes.
    project
        Settings (default: guessed).
    quiet
        Print nothing.

    Returns
    -------
    Recommender
        Trained, ready to `recommend`.

    Raises
    ------
    DataError
        Where a column cannot be found, or a table holds too little.

    Examples
    --------
    >>> recommender = shortlist.fit(frame)  # doctest: +SKIP
    >>> recommender.recommend(user="u1", n=5)  # doctest: +SKIP
    """
    with nullcontext(silent) if quiet else progress_bars(plan=STEPS) as progress:
        recommender = Recommender(project).fit(events, items, users, progress=progress)
    if not quiet:
        _tell(recommender)
    return recommender


def _tell(recommender: Recommender) -> None:
    from rich.console import Console

    console, check = Console(markup=False, emoji=False), recommender.dataset.check
    console.print(f"{recommender.dataset!r}", highlight=False)
    columns = recommender.project.data.columns.model_dump(exclude_none=True)
    console.print(
        f"Columns: {', '.join(f'{c} is the {role}' for role, c in columns.items())}", highlight=False
    )
    for line in (*check.notes, *map(str, check.problems)):
        console.print(line, style="dim", highlight=False)
    objectives = ", ".join(f"{name} ({o.kind})" for name, o in recommender.project.objectives.items())
    console.print(f"Objectives: {objectives}", highlight=False)

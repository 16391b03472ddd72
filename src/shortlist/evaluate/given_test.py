"""The protocol `given`: the test is a table of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.check import Check
from shortlist.data.dataset import Dataset
from shortlist.data.event_check import check_events
from shortlist.data.prepare import prepare_events
from shortlist.data.tables import query_files
from shortlist.engines.duckdb import read_source
from shortlist.errors import DataError, ProjectError
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.relevance import by_person, history_pairs, sample


def given_fold(project: Project, dataset: Dataset) -> Fold:
    """Make the fold that trains on the whole data set and tests on the table `evaluate.given`.

    Raises
    ------
    ProjectError
        If the project does not name the table.
    DataError
        If the table is invalid, or has no relevant row.
    """
    source = project.evaluate.given
    if not source:
        raise ProjectError(
            'evaluate.protocol = "given" requires evaluate.given: the table of test events',
            field="evaluate.given",
        )
    # a test event needs a user, an item, a time, a kind and a value only
    columns = project.data.columns.model_copy(
        update=dict.fromkeys(("slate", "position", "propensity", "arrival", "event_id"))
    )
    data = project.data.model_copy(update={"columns": columns, "context": {}})
    given = read_source(source, files=query_files(project), encoding=data.encoding).complete(source)
    prepared = Check()
    form, table = prepare_events(project.model_copy(update={"data": data}), given, source, prepared)
    events, check = check_events(table, form, source, None, None)
    check.begin_with(prepared)
    check.raise_errors()
    assert events is not None
    rows = _relevant_rows(project, np.array(events.kind.to_pylist()), events.value)
    if not len(rows):
        raise DataError(
            f"{source}: no row of the test is relevant ({project.relevant})", field="evaluate.given"
        )
    item_ids, user_ids = dataset.items.ids.extended(events.item), dataset.users.ids.extended(events.user)
    users = user_ids.codes(events.user)[rows].astype(np.int64)
    items = item_ids.codes(events.item)[rows].astype(np.int64)
    hidden = history_pairs(dataset, len(item_ids), project.rerank)
    pairs = np.setdiff1d(np.unique(users * len(item_ids) + items), hidden)
    people = sample(project, np.unique(pairs // len(item_ids)))
    return Fold(
        "given",
        train=dataset,
        known=dataset,
        users=np.where(people < len(dataset.users), people, -1).astype(np.int32),
        ids=user_ids.ids(people),
        moment=int(dataset.log.time[-1]) + 1,
        truth=by_person(pairs // len(item_ids), pairs % len(item_ids), people),
        facts={
            "test_from": source,
            "test_people_unknown": int((np.unique(users) >= len(dataset.users)).sum()),
            "test_items_unknown": int((np.unique(items) >= len(dataset.items)).sum()),
        },
        given=(
            user_ids.codes(events.user),
            item_ids.codes(events.item),
            events.time if project.data.columns.timestamp else None,
        ),
        warnings=[str(problem) for problem in check.problems],
    )


def _relevant_rows(
    project: Project, kind: NDArray[np.str_], value: NDArray[np.floating]
) -> NDArray[np.int64]:
    objective = project.objectives[project.relevant]
    relevant = np.isin(kind, objective.events)
    if objective.at_least is not None:
        relevant &= np.nan_to_num(value, nan=-np.inf) >= objective.at_least
    return np.flatnonzero(relevant)

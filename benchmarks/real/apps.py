"""Apps: Frappe, each use in its context (time of day, weekday, weather, country).

The log has no times, so the order of its rows is taken as time. Each test row is a request in its own context; intervals resample users.
ALS and EASE do not know the context; XGBoost and LightGBM do (`benchmarks/direct.py`: every app is scored, counts by context).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from case import Case, Tables, changed
from table import Section, compared, headline

import shortlist
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test

sys.path.append(str(Path(__file__).parents[1]))
from direct import Direct

RECIPE: dict[str, Any] = {}
"""Changes of the project that `shortlist init` writes, chosen on the validation."""
PEERS = ("implicit ALS", "RecTools EASE", "bought before + ALS")
EVERY = {"evaluate": {"requests": "events"}}


def read(data: Path) -> pa.Table:
    """The log; the city is a category, not a number."""
    events = pq.read_table(data / "frappe" / "events.parquet")
    place = events.schema.get_field_index("city")
    return events.set_column(place, "city", events.column("city").cast("string"))


def prepared(events: pa.Table, patch: dict[str, Any], validation: bool) -> tuple[Project, Dataset]:
    """The project of `shortlist init` with changes, and its data; for the validation, without the test."""
    project = changed(changed(shortlist.guess_project(events, name="frappe"), patch), EVERY)
    dataset = Dataset.from_frames(events, project=project)
    if validation:
        dataset = dataset.before(cut_for_test(dataset.log, project.evaluate))
    return project, dataset


def section(data: Path, validation: bool) -> Section:
    events = read(data)
    project, dataset = prepared(events, RECIPE, validation)
    facts: dict[str, Any] = {}
    others = trees(project) | context_free(dataset, project, facts)
    report = shortlist.evaluate(project, dataset, others=others)
    if RECIPE:
        project, dataset = prepared(events, {}, validation)
        report.metrics["shortlist init"] = shortlist.evaluate(project, dataset).metrics["shortlist"]
    lines = [
        "## Apps",
        "",
        "### Frappe: the app that is used in a context, one request for each use",
        "",
        (
            f"{report.facts['people']:,} users, {report.facts['requests']:,} requests, whole catalogue of {report.facts['items']:,} apps. "
            "Rows without a difference were trained in another run."
        ),
        "",
        *compared(report, facts),
    ]
    own = [name for name in report.metrics if name not in others]
    sentence = "one app among ten that is used in this place and at this time, of all apps, whether used before or not."
    return Section("apps", lines, [headline(report, "apps", "Frappe", sentence, own)])


def trees(project: Project) -> dict[str, Callable[..., Any]]:
    """XGBoost, and LightGBM where it is installed, on features by hand with the context."""
    relevant = project.objectives[project.relevant]

    def fitted(library: str) -> Callable[..., Any]:
        def learn(train: Dataset, contexts: list[dict[str, Any]] | None) -> Callable[..., Any]:
            model = Direct(library, relevant, project.rerank.show_seen).fit(train)
            return lambda people, k: model.slates(people, k, contexts)

        return learn

    libraries = [name for name in ("xgboost", "lightgbm") if importlib.util.find_spec(name)]
    return {{"xgboost": "XGBoost", "lightgbm": "LightGBM"}[name]: fitted(name) for name in libraries}


def context_free(dataset: Dataset, project: Project, facts: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """The peers of the other environment: one list a user, for each of the user's requests."""
    log = dataset.log
    events = pa.table(
        {
            "user_id": log.user.astype(np.int64),
            "item_id": log.item.astype(np.int64),
            "timestamp": log.time // 1000,
        }
    )
    cut = cut_for_test(log, project.evaluate) // 1000
    earlier = int(
        np.quantile(events.column("timestamp").to_numpy()[: int(np.searchsorted(log.time // 1000, cut))], 0.8)
    )
    case = Case(
        "frappe", Tables(events), earlier, cut, int(log.time[-1] // 1000) + 1, repeats=True, people=10**9
    )
    facts |= case.peers(*PEERS)

    def made(name: str) -> Callable[..., Any]:
        lists = case.list_of(name)
        users, items, ranks = (lists.column(c).to_numpy() for c in ("user_id", "item_id", "rank"))
        table = np.full((len(dataset.users), case.k), -1, np.int64)
        table[users, ranks - 1] = items
        return lambda train, contexts: lambda people, k: table[people][:, :k]

    return {name: made(name) for name in PEERS}

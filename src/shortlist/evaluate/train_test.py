"""One retriever on two tables: fit on the one, judge on the other.

This is the protocol of the collaborative-filtering papers (He et al. 2020, LightGCN, and those that compare with it):
every person of the test table is asked for; what the person has in the training table is not recommended; the whole rest of
the catalogue is ranked; all of the person's distinct test items count as relevant, also those that no training row
knows and nobody could find. People who are only in the test table have no history and are given popular items; they
count like everybody else.

Ids carry no information here: rows are shuffled before ids become codes, so that no tie is broken by a numbering that a
data set's maker derived from train and test together. Where there is a timestamp, order is time; where there is none, the
order of rows means nothing.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.project import parse_project
from shortlist.config.validate import validate_settings
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.times import to_milliseconds
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError, ProjectError
from shortlist.evaluate.external_lists import column_of, ids_of
from shortlist.evaluate.measures import RelevantItems, accuracy_metrics
from shortlist.metrics.gains import ragged
from shortlist.metrics.significance import Estimate, Resamples
from shortlist.retrieve import RETRIEVERS, Popular, Requests, Retriever
from shortlist.retrieve.fusion.auto import Choice, choose
from shortlist.retrieve.fusion.holdout import Kind, kind_of_split
from shortlist.retrieve.fusion.search_space import AXES, search_space

BATCH = 2048


@dataclass
class RetrieverReport:
    retriever: str
    k: int
    metrics: dict[str, Estimate]
    fit_seconds: float
    recommend_seconds: float
    one_history_ms: float
    peak_memory_mb: float
    facts: dict[str, Any] = field(default_factory=dict)
    choice: Choice | None = None

    def to_json(self) -> dict[str, Any]:
        found = {
            "retriever": self.retriever,
            "k": self.k,
            "metrics": {name: e.to_json() for name, e in self.metrics.items()},
            "fit_seconds": round(self.fit_seconds, 3),
            "recommend_seconds": round(self.recommend_seconds, 6),
            "one_history_ms": round(self.one_history_ms, 4),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
            "facts": self.facts,
        }
        if self.choice is not None:
            found["chosen"] = self.choice.sentence()
            found["trials"] = [t.to_json() for t in self.choice.trials]
        return found


@dataclass(frozen=True)
class TrainTestTables:
    """`train`: the data set. `users` int32 (P,): the test's people as codes, −1 where training does not know them.
    `truth`: for each, item codes; those beyond the catalogue stand for items that training does not know.
    """

    train: Dataset
    users: np.ndarray
    truth: list[np.ndarray]
    kind: Kind
    share: float
    facts: dict[str, Any]


def read_train_test(train: str, test: str) -> TrainTestTables:
    """Read both tables. Raises `DataError` naming the file and column that is wrong."""
    return train_test_tables(read_table(train), read_table(test), train, test)


def train_test_tables(
    train: pa.Table, test: pa.Table, train_name: str = "train", test_name: str = "test"
) -> TrainTestTables:
    """Two tables of user_id, item_id[, timestamp] as a data set and what came true after it."""
    roles = ("user", "item", "timestamp")
    columns = {role: column_of(train, role, train_name, role != "timestamp") for role in roles}
    theirs = {role: column_of(test, role, test_name, role != "timestamp") for role in roles}
    timed = columns["timestamp"] is not None
    train = train.take(pa.array(np.random.default_rng(0).permutation(train.num_rows)))
    project = parse_project(
        {"name": train_name, "data": {"columns": {k: v for k, v in columns.items() if v}}}
    )
    dataset = Dataset.from_frames(train, project=project)
    ids = {role: ids_of(test, role, test_name) for role in ("user", "item")}
    if not test.num_rows:
        raise DataError(f"{test_name} has no rows: there is nothing to judge by")
    people = pc.unique(ids["user"])
    things = pc.unique(ids["item"])
    person = pc.index_in(ids["user"], people).to_numpy().astype(np.int64)
    known = dataset.items.ids.codes(things).astype(np.int64)
    unknown = np.flatnonzero(known < 0)
    known[unknown] = len(dataset.items) + np.arange(
        len(unknown)
    )  # each its own item that nobody can recommend
    thing = known[pc.index_in(ids["item"], things).to_numpy()]
    width = len(dataset.items) + len(unknown)
    pairs = np.unique(person * width + thing)
    bounds = np.searchsorted(pairs // width, np.arange(len(people) + 1))
    truth = [pairs[low:high] % width for low, high in pairwise(bounds)]
    users = dataset.users.ids.codes(people)
    kind: Kind = "random"
    if timed and theirs["timestamp"]:
        moments, _ = to_milliseconds(test.column(theirs["timestamp"]).combine_chunks())
        kind = kind_of_split(
            dataset.log.user, dataset.log.time, users[person][users[person] >= 0], moments[users[person] >= 0]
        )
    h = dataset.histories
    seen = np.unique(h.owner * np.int64(width) + h.item)
    again = np.where(
        users[pairs // width] >= 0, users[pairs // width].astype(np.int64) * width + pairs % width, -1
    )
    facts = {
        "train_events": len(dataset.log),
        "train_users": len(dataset.users),
        "items": len(dataset.items),
        "test_pairs": len(pairs),
        "test_users": len(people),
        "test_users_unknown_to_train": int((users < 0).sum()),
        "test_items_unknown_to_train": len(unknown),
        "test_pairs_already_in_train": int(np.isin(again, seen).sum()),
        "split": kind,
        "timestamps": timed,
    }
    share = len(pairs) / max(len(pairs) + len(dataset.log), 1)
    return TrainTestTables(dataset, users, truth, kind, float(np.clip(share, 0.05, 0.3)), facts)


def evaluate_retriever(
    tables: TrainTestTables,
    retriever: str = "auto",
    k: int = 20,
    settings: dict[str, Any] | None = None,
    progress: Progress = silent,
    draws: int = 1000,
) -> RetrieverReport:
    """Fit one retriever by name, `blend` (the tuned families blended) or `auto` (the same, or a single one where that is
    better), and judge it. Raises `ProjectError` for an unknown name or setting.
    """
    dataset = tables.train
    _warm(retriever)
    started = time.perf_counter()
    choice: Choice | None = None
    if retriever in {"auto", "blend"}:
        if settings:
            raise ProjectError(
                f"{retriever} finds its settings itself; name a retriever to set them", field="set"
            )
        choice = choose(dataset, tables.kind, k, tables.share, progress)
        model: Retriever = choice.retriever
    elif retriever.startswith("tuned-") and retriever[6:] in RETRIEVERS and search_space(retriever[6:]):
        choice = choose(dataset, tables.kind, k, tables.share, progress, [retriever[6:]], blend=False)
        model = choice.retriever
    elif retriever in RETRIEVERS:
        kind = RETRIEVERS[retriever]
        model = kind(validate_settings(kind.Config, settings or {}, lambda _: f"--set ({retriever}): "))
        model.fit(dataset)
    else:
        names = ", ".join(["auto", "blend", *RETRIEVERS, *(f"tuned-{name}" for name in AXES)])
        raise ProjectError(f"there is no retriever {retriever!r}; there are: {names}", field="retriever")
    fit_seconds = time.perf_counter() - started
    fallback = Popular().fit(dataset)
    progress("recommending", 0.0)
    lists = []
    started = time.perf_counter()
    for start in range(0, len(tables.users), BATCH):
        asked = _requests(dataset, tables.users[start : start + BATCH])
        lists.append(_filled(model.retrieve(asked, k).item, fallback, asked, k))
        progress("recommending", min(1.0, (start + BATCH) / len(tables.users)))
    recommend_seconds = time.perf_counter() - started
    found = np.concatenate(lists)
    values = accuracy_metrics(found, RelevantItems(*ragged(tables.truth)), k)
    estimates = Resamples(len(found), draws).estimates(np.stack(list(values.values()), axis=1))
    metrics = {f"{name}@{k}": e for name, e in zip(values, estimates, strict=True)}
    return RetrieverReport(
        retriever,
        k,
        metrics,
        fit_seconds,
        recommend_seconds,
        _one_by_one(model, dataset, tables.users, k),
        _peak_mb(),
        tables.facts,
        choice,
    )


def _requests(dataset: Dataset, users: np.ndarray) -> Requests:
    return Requests.of_users(dataset, users, np.full(len(users), int(dataset.log.time[-1]) + 1, np.int64))


def _filled(items: np.ndarray, fallback: Popular, asked: Requests, k: int) -> np.ndarray:
    """Lists of k: popular items follow where a model has fewer (a new person, a tiny catalogue)."""
    full = np.full((len(items), k), -1, np.int64)
    full[:, : items.shape[1]] = items
    short = np.flatnonzero((full < 0).any(1))
    for row in short.tolist():
        behind = fallback.retrieve(asked.rows(row, row + 1), 2 * k).item[0]
        have = full[row][full[row] >= 0]
        more = behind[(behind >= 0) & ~np.isin(behind, have)][: k - len(have)]
        full[row, len(have) : len(have) + len(more)] = more
    return full


def _one_by_one(model: Retriever, dataset: Dataset, users: np.ndarray, k: int, n: int = 200) -> float:
    """The median of single requests, ms."""
    took = []
    for user in users[:: max(1, len(users) // n)][:n]:
        asked = _requests(dataset, np.array([user]))
        started = time.perf_counter()
        model.retrieve(asked, k)
        took.append(time.perf_counter() - started)
    return float(np.median(took) * 1000)


def _warm(retriever: str) -> None:
    """Compile the kernels on a toy, so that the first fit on a machine is timed like every other."""
    rng = np.random.default_rng(0)
    events = pa.table({"user_id": rng.integers(0, 40, 400), "item_id": rng.integers(0, 30, 400)})
    dataset = Dataset.from_frames(events, project=parse_project({}))
    for name in AXES if retriever in {"auto", "blend"} else [retriever.removeprefix("tuned-")]:
        if name in RETRIEVERS:
            for settings in ({}, {"exact_items": 0}) if name == "slim" else ({},):
                model = RETRIEVERS[name](RETRIEVERS[name].Config.model_validate(settings)).fit(dataset)
                for size in (1, 40):
                    model.retrieve(_requests(dataset, np.arange(size)), 5)


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)

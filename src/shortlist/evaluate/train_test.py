"""Evaluate one retriever on a training table and a test table.

This is the protocol of the collaborative-filtering papers (He et al. 2020, "LightGCN", and those that compare with it).
Every person of the test table makes one request. Items that the person has in the training table are not recommended;
the whole rest of the catalogue is ranked. All distinct test items of the person count as relevant, also items that
training does not know and that no model can find. People who are only in the test table have no history and get popular
items, weighed by age where the whole test follows the training; they count like all others.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.config.validate import validate_settings
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.errors import ProjectError, suggestion
from shortlist.evaluate.measures import IntArray, RelevantItems, accuracy_metrics
from shortlist.evaluate.train_test_tables import TrainTestTables
from shortlist.metrics.gains import ragged
from shortlist.metrics.significance import Estimate, Resamples
from shortlist.retrieve import RETRIEVERS, Popular, Requests, Retriever
from shortlist.retrieve.fusion.auto import Choice, choose
from shortlist.retrieve.fusion.holdout import Kind, after_history
from shortlist.retrieve.fusion.networks import is_network
from shortlist.retrieve.fusion.search_space import AXES, search_space
from shortlist.threads import apply_thread_limit

BATCH = 2048
"""Requests that are answered together."""
COMPILED: dict[str, tuple[dict[str, Any], ...]] = {
    "slim": ({}, {"exact_items": 0}),
    "spectral": ({}, {"exact_items": 0}),
    "transformer": ({"min_events": 0, "epochs": 1, "width": 8},),
    "two_tower": ({"min_events": 0, "epochs": 1, "width": 8},),
}
"""Model → the settings with which its kernels are compiled on small tables, where these are not the default ones alone."""


@dataclass
class RetrieverReport:
    """Metrics and costs of one retriever.

    Attributes
    ----------
    retriever : str
        Its name.
    k : int
        The length of the lists.
    metrics : dict of str to Estimate
        Each metric with a 95 % bootstrap interval over people.
    fit_seconds, recommend_seconds : float
        The times of training and of all recommendations.
    one_history_ms : float
        The median time of a single request.
    peak_memory_mb : float
        The largest resident memory of the process.
    facts : dict
        Facts about the tables.
    choice : Choice, optional
        The trials, if the retriever chose its settings itself.
    """

    retriever: str
    k: int
    metrics: dict[str, Estimate]
    fit_seconds: float
    recommend_seconds: float
    one_history_ms: float
    peak_memory_mb: float
    facts: dict[str, Any] = field(default_factory=dict)
    choice: Choice | None = None

    def __repr__(self) -> str:
        main = ", ".join(
            f"{name} {e.value:.4f} ({e.low:.4f} to {e.high:.4f})"
            for name, e in list(self.metrics.items())[:2]
        )
        return f"RetrieverReport({self.retriever!r}: {main})"

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
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


def evaluate_retriever(
    tables: TrainTestTables,
    retriever: str = "auto",
    k: int = 20,
    settings: dict[str, Any] | None = None,
    progress: Progress = silent,
    draws: int = 1000,
    budget: float | None = None,
) -> RetrieverReport:
    """Fit one retriever on the training table, and evaluate it on the test table.

    Parameters
    ----------
    tables
        The tables.
    retriever
        The name of a retriever; `tuned-NAME`, which chooses its settings; `blend`, the tuned families blended; or
        `auto`, the blend or a single family if that is better; `auto+transformer` and alike, which also trains networks and
        takes those whose gain is clear.
    k
        The length of the lists.
    settings
        Settings of the retriever.
    progress
        Called with a description and the share that is done.
    draws
        Bootstrap resamples.
    budget
        Seconds that `auto`, `blend` or `tuned-NAME` may take to choose and fit (default: no limit).

    Raises
    ------
    ProjectError
        For an unknown name or setting, and for a budget of a retriever that chooses nothing.
    """
    apply_thread_limit()
    _compile_kernels(retriever, progress)
    started = time.perf_counter()
    model, choice = _fit(tables, retriever, k, settings, progress, budget)
    fit_seconds = time.perf_counter() - started
    found, recommend_seconds = _lists(model, tables, k, progress)
    values = accuracy_metrics(found, RelevantItems(*ragged(tables.truth)), k)
    estimates = Resamples(len(found), draws).estimates(np.stack(list(values.values()), axis=1))
    return RetrieverReport(
        retriever,
        k,
        {f"{name}@{k}": e for name, e in zip(values, estimates, strict=True)},
        fit_seconds,
        recommend_seconds,
        _median_request_ms(model, tables, k),
        _peak_memory_mb(),
        tables.facts,
        choice,
    )


def _parts_of(retriever: str) -> tuple[str, list[str]]:
    """Return `auto` or another name, and the networks that follow it. Raises `ProjectError` for others than networks."""
    first, *names = retriever.split("+") if retriever.startswith(("auto+", "blend+")) else [retriever]
    for name in names:
        if name not in RETRIEVERS or not is_network(name):
            known = [known for known in RETRIEVERS if is_network(known)]
            raise ProjectError(
                f"{first}+{name}: {name!r} is no network{suggestion(name, known)}; there are: {', '.join(known)}",
                field="retriever",
            )
    return first, names


def _fit(
    tables: TrainTestTables,
    retriever: str,
    k: int,
    settings: dict[str, Any] | None,
    progress: Progress,
    budget: float | None,
) -> tuple[Retriever, Choice | None]:
    """Fit a retriever by name; the choice is None unless it chooses its settings."""
    tuned = retriever.removeprefix("tuned-")
    choice: Choice | None = None
    first, networks = _parts_of(retriever)
    if first in {"auto", "blend"}:
        if settings:
            raise ProjectError(
                f"{retriever} finds its settings itself; name a retriever to set them", field="set"
            )
        share = tables.held_share(bool(networks))
        choice = choose(tables.train, tables.kind, k, share, progress, networks=networks, budget=budget)
    elif retriever != tuned and tuned in RETRIEVERS and search_space(tuned):
        choice = choose(
            tables.train, tables.kind, k, tables.share, progress, [tuned], blend=False, budget=budget
        )
    if choice is not None:
        return choice.retriever, choice
    if retriever not in RETRIEVERS:
        names = ", ".join(["auto", "blend", *RETRIEVERS, *(f"tuned-{name}" for name in AXES)])
        raise ProjectError(f"there is no retriever {retriever!r}; there are: {names}", field="retriever")
    if budget is not None:
        raise ProjectError(
            f"{retriever} has no search that a budget could end; use auto, blend or tuned-{retriever}",
            field="budget",
        )
    kind = RETRIEVERS[retriever]
    model = kind(validate_settings(kind.Config, settings or {}, lambda _: f"--set ({retriever}): "))
    progress("fitting", 0.0)
    model.fit(tables.train, progress)
    progress("fitting", 1.0)
    return model, None


def _lists(
    model: Retriever, tables: TrainTestTables, k: int, progress: Progress
) -> tuple[NDArray[np.int64], float]:
    """Return the lists of all people of the test, int64 (P, k), and the seconds that they took."""
    # where the whole test is later, what is popular now says more than what always was
    fallback = Popular(half_life="auto" if tables.kind == "time" else None).fit(tables.train)
    progress("recommending", 0.0)
    lists = []
    started = time.perf_counter()
    for start in range(0, len(tables.users), BATCH):
        requests = _requests(tables.train, tables.users[start : start + BATCH], tables.kind)
        lists.append(_filled(model.retrieve(requests, k).item, fallback, requests, k))
        progress("recommending", min(1.0, (start + BATCH) / len(tables.users)))
    return np.concatenate(lists), time.perf_counter() - started


def _requests(dataset: Dataset, users: IntArray, kind: Kind) -> Requests:
    """Return the requests of users: made after all of the training where the whole test is later, else after their own last event."""
    if kind == "time":
        moments = np.full(len(users), int(dataset.log.time[-1]) + 1, np.int64)
    else:
        moments = after_history(dataset, users)
    return Requests.of_users(dataset, users, moments)


def _filled(items: IntArray, fallback: Popular, requests: Requests, k: int) -> NDArray[np.int64]:
    """Fill lists up to k with popular items, for example for people without history."""
    full = np.full((len(items), k), -1, np.int64)
    full[:, : items.shape[1]] = items
    short = np.flatnonzero((full < 0).any(1))
    for row in short.tolist():
        popular = fallback.retrieve(requests.rows(row, row + 1), 2 * k).item[0]
        present = full[row][full[row] >= 0]
        more = popular[(popular >= 0) & ~np.isin(popular, present)][: k - len(present)]
        full[row, len(present) : len(present) + len(more)] = more
    return full


def _median_request_ms(model: Retriever, tables: TrainTestTables, k: int, n: int = 200) -> float:
    """The median time of single requests, ms."""
    times, users = [], tables.users
    for user in users[:: max(1, len(users) // n)][:n]:
        request = _requests(tables.train, np.array([user]), tables.kind)
        started = time.perf_counter()
        model.retrieve(request, k)
        times.append(time.perf_counter() - started)
    return float(np.median(times) * 1000)


def _compile_kernels(retriever: str, progress: Progress) -> None:
    """Compile the kernels on small tables, so that the time of the first fit contains no compilation."""
    first, networks = _parts_of(retriever)
    progress("preparing", 0.0)
    rng = np.random.default_rng(0)
    events = pa.table({"user_id": rng.integers(0, 40, 400), "item_id": rng.integers(0, 30, 400)})
    dataset = Dataset.from_frames(events, project=parse_project({}))
    for name in [*AXES, *networks] if first in {"auto", "blend"} else [retriever.removeprefix("tuned-")]:
        if name in RETRIEVERS:
            for settings in COMPILED.get(name, ({},)):
                model = RETRIEVERS[name](RETRIEVERS[name].Config.model_validate(settings)).fit(dataset)
                for size in (1, 40):
                    model.retrieve(_requests(dataset, np.arange(size), "time"), 5)
    progress("preparing", 1.0)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)

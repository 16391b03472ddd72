"""Choose what the ranker reads: all features, or only what the sources of candidates say.

Trees with all features are ahead where there is enough to learn from. Where a ranker's window holds a few hundred requests, they learn
which items these users took, and order the candidates of later users worse than the sources do: on MovieLens-100K, split by time, worse than
popular items alone. The log loss of the validation slice does not show it, because it judges predictions and not the first places of a list.

So both rankers order all candidates of requests of the validation slice, and their NDCG decides. The requests are of one moment, the start of the
slice, as in an evaluation or a batch: the moments of action that the trees learn from are mostly in the middle of a session.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.metrics.ranking import ndcg
from shortlist.rank.base import Ranker
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.training_set import TrainingSet
from shortlist.rank.utility import UtilityWeights, resolve_combine, resolve_weights

REQUESTS = 300
"""Requests that decide, at most."""
MOST_TRAINED = 5_000
"""With more requests to learn from, all features are read without a comparison, which costs a second training."""
MIN_REQUESTS = 30
"""With fewer requests, all features are read."""
DEVIATIONS = 1.0
"""The simpler ranker is kept where it is ahead by more than so many standard errors of the difference (the one-standard-error rule)."""


@dataclass(frozen=True)
class InputChoice:
    """What was chosen, and by how much.

    Parameters
    ----------
    inputs
        `"all"` or `"sources"`.
    gain, error
        NDCG of the ranker of the sources less that of the ranker of all features, and its standard error.
    requests
        Number of requests that decided.
    k
        Length of the lists whose NDCG was measured.
    """

    inputs: str
    gain: float
    error: float
    requests: int
    k: int

    @classmethod
    def of(cls, whole: NDArray[np.float64], sources: NDArray[np.float64], k: int) -> Self:
        """Choose by the NDCG@k of both rankers, float64 (requests,)."""
        gain = sources - whole
        n = len(gain)
        if n < MIN_REQUESTS:
            return cls("all", float("nan"), float("nan"), n, k)
        mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(n))
        return cls("sources" if mean > DEVIATIONS * error else "all", mean, error, n, k)

    def __str__(self) -> str:
        return f"{self.inputs} (NDCG@{self.k} of sources − all: {self.gain:+.4f} ± {self.error:.4f}, {self.requests} requests)"


def is_open(project: Project, training: TrainingSet) -> bool:
    """Return whether the data choose: boosted trees, with `rank.inputs = "auto"`, learn from candidates of few requests."""
    rank = project.rank
    if rank.model != "gbdt" or rank.inputs != "auto" or rank.examples != "candidates":
        return False
    return bool(training.sources) and len(np.unique(training.request)) <= MOST_TRAINED


def judging_settings(settings: ExampleSettings) -> ExampleSettings:
    """Return the settings of the examples that decide: all candidates of some requests.

    Requests of one moment have no context of their own, so where the log has contexts, moments of action decide.
    """
    rank, candidates = settings.rank, settings.retrieve.candidates
    # without a limit of rows, each request keeps all candidates
    update = {"negatives": candidates, "max_rows": sys.maxsize}
    return replace(settings, rank=rank.model_copy(update=update), at_once=REQUESTS)


def ndcg_of(
    ranker: Ranker, project: Project, examples: TrainingSet, scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the NDCG of each request in the order of the utility, float64 (requests with a relevant candidate,).

    Parameters
    ----------
    ranker
        Orders the candidates.
    project
        Weights, the relevant objective, and the k of NDCG@k.
    examples
        All candidates of some requests.
    scales
        Mean prediction of each objective by this ranker, float64 (objectives,).
    """
    weights = resolve_weights({}, {name: o.weight for name, o in project.objectives.items()})
    combined = UtilityWeights(weights, scales, resolve_combine(None, project.utility.combine))
    utility = combined.utility(ranker.predict(examples.matrix))
    relevant = np.nan_to_num(examples.labels[project.relevant]) > 0
    _, request = np.unique(examples.request, return_inverse=True)
    return _ndcg(utility, relevant, request, project.evaluate.k)


def _ndcg(
    values: NDArray[np.float64], relevant: NDArray[np.bool_], request: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    """Return the NDCG@k of requests with a relevant row; rows of a request are adjacent."""
    order = np.lexsort([-values, request])
    place = np.arange(len(order)) - np.searchsorted(request, request)
    top = place < k
    hits = np.zeros((int(request.max(initial=-1)) + 1, k), np.bool_)
    hits[request[top], place[top]] = relevant[order[top]]
    n = np.bincount(request, relevant, len(hits)).astype(np.int64)
    return ndcg(hits, n, k)[n > 0]


def choose_inputs(
    rankers: Mapping[str, tuple[Ranker, NDArray[np.float64]]], project: Project, examples: TrainingSet
) -> InputChoice:
    """Choose between two rankers, `"all"` and `"sources"`, each with the scales of its predictions."""
    found = {name: ndcg_of(ranker, project, examples, scales) for name, (ranker, scales) in rankers.items()}
    return InputChoice.of(found["all"], found["sources"], project.evaluate.k)

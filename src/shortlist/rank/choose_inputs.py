"""Choose what the ranker reads: all features, only what the sources of candidates say, or one source alone.

Trees with all features are ahead where there is enough to learn from. Where a ranker's window holds a few hundred requests, they learn
which items these users took, and order the candidates of later users worse than the sources do: on MovieLens-100K, split by time, worse than
popular items alone. The log loss of the validation slice does not show it, because it judges predictions and not the first places of a list.

So each of these rankers orders all candidates of requests of the validation slice, and the simplest one whose NDCG is within one standard
error of the best is kept (the one-standard-error rule of Breiman, Friedman, Olshen & Stone 1984, "Classification and regression trees"): so
few requests do not tell rankers apart that differ by less, and of those the one that reads least is least fitted to the users of the window.
With more than `FEW_TRAINED` requests to learn from, that of all features is kept unless another one is ahead by more.
The requests are of one moment, the middle of the slice, as in an evaluation or a batch: the moments of action that the trees learn from are
mostly in the middle of a session. The middle, because the ranker that is shipped is as old as the slice: where items come and go, trees with all
features order the requests that follow their window at once better than the sources do, and worse soon after (on MovieTweetings).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.split import Cuts
from shortlist.metrics.ranking import ndcg
from shortlist.rank.base import Ranker
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.training_set import TrainingSet
from shortlist.rank.utility import UtilityWeights, resolve_combine, resolve_weights

REQUESTS = 300
"""Requests that decide, at most."""
FEW_TRAINED = 5_000
"""With more requests to learn from, a simpler ranker is kept only where it is clearly better than that of all features."""
MOST_TRAINED = 15_000
"""With more requests to learn from, all features are read without a comparison, which costs a second training."""
MIN_REQUESTS = 30
"""With fewer requests, all features are read."""
DEVIATIONS = 1.0
"""Rankers are level where the best one is ahead by at most so many standard errors of the difference."""


@dataclass(frozen=True)
class InputChoice:
    """What was chosen, and by how much.

    Parameters
    ----------
    inputs
        `"all"`, `"sources"`, or the name of a source that is read alone.
    rival
        What was compared with all features: what was chosen, or the sources.
    gain, error
        NDCG of the rival less that of the ranker of all features, and its standard error.
    requests
        Number of requests that decided.
    k
        Length of the lists whose NDCG was measured.
    """

    inputs: str
    rival: str
    gain: float
    error: float
    requests: int
    k: int

    @classmethod
    def of(cls, found: Mapping[str, NDArray[np.float64]], k: int, few: bool = True) -> Self:
        """Choose by the NDCG@k of `"all"`, `"sources"` and rankers of one source, float64 (requests,) each.

        few: whether there were few requests to learn from, so that of rankers that are level the simplest is kept, and not that of all
        features.
        """
        n = len(found["all"])
        if n < MIN_REQUESTS:
            return cls("all", "sources", float("nan"), float("nan"), n, k)
        best = max(found, key=lambda name: float(found[name].mean()))
        simplest_first = [*(name for name in found if name not in {"all", "sources"}), "sources", "all"]
        order = simplest_first if few else ["all", *simplest_first]
        kept = next(name for name in order if _is_level(found[name], found[best]))
        rival = "sources" if kept == "all" else kept
        return cls(kept, rival, *_mean_and_error(found[rival] - found["all"]), n, k)

    def __str__(self) -> str:
        return f"{self.inputs} (NDCG@{self.k} of {self.rival} − all: {self.gain:+.4f} ± {self.error:.4f}, {self.requests} requests)"


def _is_level(values: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    """Return whether values are behind the best by at most `DEVIATIONS` standard errors of the difference."""
    behind, error = _mean_and_error(best - values)
    return behind <= DEVIATIONS * error


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def is_open(project: Project, training: TrainingSet) -> bool:
    """Return whether the data choose: boosted trees, with `rank.inputs = "auto"`, learn one objective from candidates of few requests.

    With several objectives that have a weight, all features are read: sources know nothing of returns or dislikes, and the NDCG that
    would decide does not see them either.
    """
    rank = project.rank
    if rank.model != "gbdt" or rank.inputs != "auto" or rank.examples != "candidates":
        return False
    if [name for name, objective in project.objectives.items() if objective.weight] != [project.relevant]:
        return False
    return bool(training.sources) and requests_of(training) <= MOST_TRAINED


def requests_of(training: TrainingSet) -> int:
    """Return the number of requests that a ranker learns from."""
    return len(np.unique(training.request))


def judging_settings(settings: ExampleSettings) -> ExampleSettings:
    """Return the settings of the examples that decide: all candidates of some requests.

    Requests of one moment have no context of their own, so where the log has contexts, moments of action decide.
    """
    rank, candidates = settings.rank, settings.retrieve.candidates
    # without a limit of rows, each request keeps all candidates
    update = {"negatives": candidates, "max_rows": sys.maxsize}
    return replace(settings, rank=rank.model_copy(update=update), at_once=REQUESTS)


def judging_start(cuts: Cuts) -> int:
    """Return the moment, ms, from which requests decide: the middle of the validation slice."""
    return (cuts.validation + cuts.end) // 2


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
    return _ndcg_of_rows(combined.utility(ranker.predict(examples.matrix)), project, examples)


def best_source(project: Project, examples: TrainingSet) -> str:
    """Return the source whose own scores order the candidates best."""
    scores = np.nan_to_num(examples.matrix[:, -len(examples.sources) :].astype(np.float64), nan=-np.inf)
    found = [float(_ndcg_of_rows(column, project, examples).mean()) for column in scores.T]
    return examples.sources[int(np.argmax(found))]


def of_source(examples: TrainingSet, source: str) -> TrainingSet:
    """Return the examples with unknown ranks and scores of the other sources: trees that learn from them do not read those."""
    at, n = examples.sources.index(source), len(examples.sources)
    matrix = examples.matrix.copy()
    other = np.arange(n) != at
    matrix[:, -2 * n :][:, np.concatenate([other, other])] = np.nan
    return replace(examples, matrix=matrix)


def _ndcg_of_rows(
    values: NDArray[np.float64], project: Project, examples: TrainingSet
) -> NDArray[np.float64]:
    """Return the NDCG of each request with a relevant candidate, in the order of some values, float64 (rows,).

    Equal values are ordered as the best source ranks the candidates, which is about what serving does, and then at random: the relevant
    rows of a request stand before the others in the examples.
    """
    relevant = np.nan_to_num(examples.labels[project.relevant]) > 0
    _, request = np.unique(examples.request, return_inverse=True)
    n, k = len(examples.sources), project.evaluate.k
    ranks = np.nan_to_num(examples.matrix[:, -2 * n : -n], nan=np.inf).min(1, initial=np.inf)
    order = np.lexsort([np.random.default_rng(0).random(len(values)), ranks, -values, request])
    place = np.arange(len(order)) - np.searchsorted(request, request)
    top = place < k
    hits = np.zeros((int(request.max(initial=-1)) + 1, k), np.bool_)
    hits[request[top], place[top]] = relevant[order[top]]
    wanted = np.bincount(request, relevant, len(hits)).astype(np.int64)
    return ndcg(hits, wanted, k)[wanted > 0]


def choose_inputs(
    rankers: Mapping[str, tuple[Ranker, NDArray[np.float64]]],
    project: Project,
    examples: TrainingSet,
    few: bool = True,
) -> InputChoice:
    """Choose among rankers by what they read, each with the scales of its predictions; `"all"` is one of them.

    few: whether they learned from few requests (`FEW_TRAINED`).
    """
    found = {name: ndcg_of(ranker, project, examples, scales) for name, (ranker, scales) in rankers.items()}
    return InputChoice.of(found, project.evaluate.k, few)

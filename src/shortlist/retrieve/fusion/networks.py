"""Networks among the families: they cost minutes and memory, so they are chosen only where their gain is clear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.retrieve.deep.retriever import DeepRetriever
from shortlist.retrieve.fusion.fuse import Fuse
from shortlist.retrieve.fusion.tuner import Trial, Tuner
from shortlist.retrieve.registry import RETRIEVERS

DRAWS = 1_000
"""Bootstrap resamples of a gain."""


def is_network(family: str) -> bool:
    """Return whether a family is a network, whose training needs PyTorch."""
    return issubclass(RETRIEVERS[family], DeepRetriever)


def clear_networks(
    tuner: Tuner, trials: Sequence[Trial], users: NDArray[np.integer], k: int
) -> tuple[list[Trial], dict[str, Estimate]]:
    """Return the best trials of families without the networks whose gain is not clear.

    Half of the users teach a fusion of the other families, and one with the network added; the other half judges both. The
    network stays where the 95 % interval of the difference of their NDCG is above 0.

    Parameters
    ----------
    tuner
        Has fitted the families.
    trials
        The best trial of each family, best first.
    users
        Rows of the hold-out's users.
    k
        Length of the lists whose NDCG decides.

    Returns
    -------
    trials
        Those that stay; all, where there are networks only.
    gains
        Network → NDCG that the fusion gains by it.
    """
    kept = [t for t in trials if not is_network(t.model)]
    gains: dict[str, Estimate] = {}
    if not kept or len(kept) == len(trials) or len(users) < 2:
        return list(trials), gains
    before = _fused(tuner, kept, users, k)
    for trial in trials:
        if not is_network(trial.model):
            continue
        after = _fused(tuner, [*kept, trial], users, k)
        gains[trial.model] = bootstrap(after - before, DRAWS, tuner.seed)
        if gains[trial.model].low > 0:
            kept.append(trial)
            before = after
    return [t for t in trials if t in kept], gains


def _fused(tuner: Tuner, trials: Sequence[Trial], users: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """Return the NDCG of every second user, float64, by a fusion that the others teach."""
    fused = Fuse({t.model: tuner.fitted[t.model] for t in trials}).of_fitted(tuner.counts)
    taught, judged = users[::2], users[1::2]
    fused.learn(tuner.requests(taught), [tuner.holdout.truth[u] for u in taught], k)
    return tuner.values(fused, judged)

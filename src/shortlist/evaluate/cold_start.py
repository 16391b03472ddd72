"""Cold start: does content find items that nobody has taken yet?

A tenth of the items is hidden from training, events and all; the content retriever is fitted on the rest and is then given the
hidden items' descriptions, as a shop would on the day they arrive. People are asked for with the history they have left, the
whole catalogue competes, and only hidden items count as relevant. Chance is a list drawn at random from what the
person has not taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.metrics import ranking
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.retrieve import Content, EventWeighting, Requests
from shortlist.retrieve.fusion.holdout import by_user


@dataclass(frozen=True)
class ColdStart:
    k: int
    hidden_items: int
    people: int
    recall: Estimate
    random: float
    """The recall that a random list has on average."""


def cold_start(
    dataset: Dataset, k: int = 50, share: float = 0.1, seed: int = 0, **settings: object
) -> ColdStart:
    """Hide a share of the items that somebody took, and look for them by their descriptions alone."""
    log = dataset.log
    taken = np.unique(log.item[log.acted])
    rng = np.random.default_rng(seed)
    hidden = np.zeros(len(dataset.items), bool)
    hidden[rng.permutation(taken)[: round(share * len(taken))]] = True
    left = replace(dataset, log=log.rows(~hidden[log.item]))
    # their descriptions are in the catalogue, as on the day they arrive
    weighting = EventWeighting.of(dataset.project.retrieve)
    model = Content(event_weighting=weighting, **settings).fit(left)
    own, gone = left.histories, dataset.histories
    width = np.int64(len(dataset.items))
    pairs = np.unique(gone.owner[hidden[gone.item]] * width + gone.item[hidden[gone.item]])
    users, truth = by_user(pairs[np.diff(own.indptr)[pairs // width] > 0], len(dataset.items))
    requests = Requests.of_users(left, users, np.full(len(users), int(log.time[-1]) + 1, np.int64), weighting)
    h = requests.histories
    hits = ranking.hit_matrix(model.retrieve(requests, k).item, truth)
    recall = ranking.recall(hits, np.array([len(t) for t in truth]), k)
    distinct = np.array(
        [len(np.unique(h.item[a:b])) for a, b in zip(h.indptr[:-1], h.indptr[1:], strict=True)]
    )
    chance = float(np.mean(np.minimum(1.0, k / np.maximum(len(dataset.items) - distinct, 1))))
    return ColdStart(k, int(hidden.sum()), len(users), bootstrap(recall, 1000, seed), chance)

"""Cold start of items: how well a content model finds items without events.

A share of the items is hidden from training, with their events. The content retriever is fitted on the other items and
gets the attributes of the hidden items, as on the day they arrive. People ask with their remaining history, the whole
catalogue competes, and only hidden items count as relevant. The chance level is a random list of items that the person
has not taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.metrics import ranking
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.retrieve import Content, EventWeighting, Requests
from shortlist.retrieve.fusion.holdout import by_user


@dataclass(frozen=True)
class ColdStart:
    """The recall of hidden items.

    Attributes
    ----------
    k : int
        The length of the lists.
    hidden_items, people : int
        The numbers of hidden items and of people.
    recall : Estimate
        The recall of the content retriever.
    random : float
        The expected recall of a random list.
    by_user : ndarray of shape (people,), float64
        The recall of each person, for paired comparisons of models.
    """

    k: int
    hidden_items: int
    people: int
    recall: Estimate
    random: float
    by_user: NDArray[np.float64] = field(repr=False)


def cold_start(
    dataset: Dataset,
    weighting: EventWeighting,
    k: int = 50,
    share: float = 0.1,
    seed: int = 0,
    **settings: object,
) -> ColdStart:
    """Hide a share of the items with events, and search for them by their attributes alone.

    Parameters
    ----------
    dataset : Dataset
        The whole data.
    weighting : EventWeighting
        The weights of events in histories.
    k : int
        The length of the lists.
    share : float
        The share of the items that is hidden.
    seed : int
        The seed of the choice.
    **settings
        Settings of the retriever `Content`.
    """
    log = dataset.log
    taken = np.unique(log.item[log.acted])
    rng = np.random.default_rng(seed)
    hidden = np.zeros(len(dataset.items), bool)
    hidden[rng.permutation(taken)[: round(share * len(taken))]] = True
    left = replace(dataset, log=log.rows(~hidden[log.item]))
    # the attributes of hidden items stay in the catalogue, as on the day they arrive
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
    return ColdStart(
        k,
        int(hidden.sum()),
        len(users),
        bootstrap(recall, 1000, seed),
        chance,
        np.asarray(recall, np.float64),
    )

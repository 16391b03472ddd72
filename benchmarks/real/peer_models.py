"""Models of other libraries, and simple rules: each is fitted on a log and scores the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from peer_log import Log

DAY = 86_400.0
EASE_ITEMS = 4_000
"""EASE inverts a dense matrix of the items; beyond this number, it knows the most frequent ones."""
Scores = Callable[[np.ndarray], np.ndarray]
"""Codes of users → scores float32 (users, items); −inf: not proposed."""


def popular(log: Log, moment: float, days: float) -> Scores:
    recent = (log.time >= moment - days * DAY) & log.wanted
    # items without recent events come after those with
    counts = np.bincount(log.item[recent], minlength=log.shape[1]).astype(np.float32)
    counts += np.bincount(log.item, minlength=log.shape[1]) / (1.0 + len(log.item))
    return lambda users: np.tile(counts, (len(users), 1)).astype(np.float32)


def bought_before(log: Log, moment: float, half_life: float | None, paid: bool = False) -> Scores:
    """The items of a user's own past by how often they were taken, or by what was paid for them; half_life in days."""
    age = (moment - log.time) / DAY
    weight = np.ones(len(age)) if half_life is None else np.exp2(-age / half_life)
    weight = weight * log.value if paid else weight
    mine = sp.csr_matrix((weight.astype(np.float32), (log.user, log.item)), shape=log.shape)
    rest = popular(log, moment, 7.0)

    def scores(users: np.ndarray) -> np.ndarray:
        own = mine[users].toarray()
        filler = rest(users)
        return np.asarray(own + 1e-6 * filler / filler.max(), np.float32)

    return scores


def als(log: Log, moment: float, factors: int, alpha: float, reg: float, wanted: bool) -> Scores:
    """implicit's ALS with damped counts."""
    from implicit.als import AlternatingLeastSquares

    X = log.matrix(wanted)
    X.data = np.log1p(X.data)
    model = AlternatingLeastSquares(
        factors=factors, alpha=alpha, regularization=reg, iterations=15, random_state=0, num_threads=1
    )
    model.fit(X, show_progress=False)
    return lambda users: np.asarray(model.user_factors[users] @ model.item_factors.T)


def neighbours(log: Log, moment: float, kind: str, k: int, wanted: bool) -> Scores:
    from implicit import nearest_neighbours as nn

    X = log.matrix(wanted)
    X.data = np.log1p(X.data)
    model = {"cosine": nn.CosineRecommender, "tfidf": nn.TFIDFRecommender, "bm25": nn.BM25Recommender}[kind](
        K=k, num_threads=1
    )
    model.fit(X, show_progress=False)
    return lambda users: np.asarray((X[users] @ model.similarity).toarray(), np.float32)


def ease(log: Log, moment: float, regularization: float, wanted: bool) -> Scores:
    """RecTools' EASE on the most frequent items."""
    import pandas as pd
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import EASEModel

    rows = np.flatnonzero(log.wanted if wanted else np.ones(len(log.user), bool))
    counts = np.bincount(log.item[rows], minlength=log.shape[1])
    kept = np.argsort(-counts, kind="stable")[: min(EASE_ITEMS, int((counts > 0).sum()))]
    rows = rows[np.isin(log.item[rows], kept)]
    frame = pd.DataFrame({Columns.User: log.user[rows], Columns.Item: log.item[rows]}).drop_duplicates()
    frame[Columns.Weight], frame[Columns.Datetime] = 1.0, pd.Timestamp("2020-01-01")
    data = Dataset.construct(frame)
    model = EASEModel(regularization=regularization)
    model.fit(data)
    items = np.asarray(data.item_id_map.external_ids)
    X = log.matrix(wanted)[:, items]
    X.data[:] = 1

    def scores(users: np.ndarray) -> np.ndarray:
        answer = np.full((len(users), log.shape[1]), -1e6, np.float32)
        answer[:, items] = X[users] @ np.asarray(model.weight)
        return answer

    return scores


def lightfm(log: Log, moment: float, components: int, epochs: int, wanted: bool) -> Scores:
    """LightFM with WARP loss and the categories of the items as features."""
    from lightfm import LightFM

    X = log.matrix(wanted)
    X.data[:] = 1
    features = [sp.identity(log.shape[1], np.float32, format="csr")]
    features += [a for a in log.attributes.values() if sp.issparse(a) and a.shape[1] < 1_000]
    about = sp.hstack(features).tocsr().astype(np.float32)
    model = LightFM(no_components=components, loss="warp", learning_rate=0.05, random_state=0)
    model.fit(X.tocoo(), item_features=about, epochs=epochs, num_threads=1)
    item_bias, item_vector = model.get_item_representations(about)
    return lambda users: np.asarray(
        model.user_embeddings[users] @ item_vector.T + item_bias[None], np.float32
    )


def scaled(scores: np.ndarray) -> np.ndarray:
    """Scores of each user divided by their greatest; the lower end is 0."""
    scores = np.where(np.isneginf(scores) | (scores <= -1e5), 0, scores)
    return np.asarray(np.maximum(scores, 0) / np.maximum(scores.max(1, keepdims=True), 1e-12))


_FITTED: dict[Any, Scores] = {}
"""ALS models by moment and settings: the mixtures of one moment share one."""


def bought_and_als(log: Log, moment: float, half_life: float | None, share: float, **of_als: Any) -> Scores:
    """What they bought before, mixed with ALS."""
    key = (moment, tuple(sorted(of_als.items())))
    if key not in _FITTED:
        _FITTED[key] = als(log, moment, **of_als)
    mine, taste = bought_before(log, moment, half_life), _FITTED[key]
    return lambda users: (1 - share) * scaled(mine(users)) + share * scaled(taste(users))


def new_user_rows(scores: Scores, log: Log, moment: float) -> Scores:
    """Popular items of 7 days for users without a history."""
    known = np.bincount(log.user, minlength=log.shape[0]) > 0
    rest = popular(log, moment, 7.0)
    return lambda users: np.where(known[users][:, None], scores(users), rest(users))


_ALS = [
    {"factors": f, "alpha": a, "reg": r, "wanted": w}
    for w in (False, True)
    for f, a, r in (
        (64, 1.0, 1.0),
        (128, 1.0, 1.0),
        (64, 5.0, 1.0),
        (128, 5.0, 10.0),
        (64, 20.0, 10.0),
        (32, 1.0, 1.0),
    )
]
GRIDS: dict[str, tuple[Callable[..., Scores], list[dict[str, Any]]]] = {
    "popular of 7 days": (popular, [{"days": 7.0}]),
    "bought before": (bought_before, [{"half_life": h} for h in (None, 14.0, 30.0, 60.0, 120.0)]),
    "spent before": (
        bought_before,
        [{"half_life": h, "paid": True} for h in (None, 14.0, 30.0, 60.0, 120.0)],
    ),
    "bought before + ALS": (
        bought_and_als,
        [{"half_life": h, "share": s} for h in (30.0, 60.0, 120.0) for s in (0.1, 0.3, 0.5)],
    ),
    "implicit ALS": (als, _ALS),
    "implicit neighbours": (
        neighbours,
        [
            {"kind": n, "k": k, "wanted": w}
            for w in (False, True)
            for n in ("cosine", "tfidf", "bm25")
            for k in (50, 200)
        ],
    ),
    "RecTools EASE": (
        ease,
        [{"regularization": r, "wanted": w} for w in (False, True) for r in (50.0, 200.0, 1000.0, 5000.0)],
    ),
    "LightFM": (
        lightfm,
        [{"components": c, "epochs": e, "wanted": w} for w in (False, True) for c, e in ((32, 10), (64, 30))],
    ),
}
"""Peer → its model and the settings that are tried on the validation."""

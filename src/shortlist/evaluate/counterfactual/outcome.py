"""A model of the outcome, for the direct method and everything doubly robust.

Boosted trees on what is known of the context and of the action. Rows are scored by a model that was learnt from other
people's rows (cross-fitting: Chernozhukov et al. 2018); a model that has seen a row's own outcome would hide how wrong it is.
"""

from __future__ import annotations

import numpy as np
import xgboost as xgb

FOLDS = 3
ROUNDS = 80
BATCH = 2_000_000


def fit_outcome(
    context: np.ndarray,
    action: np.ndarray,
    reward: np.ndarray,
    cluster: np.ndarray,
    about: np.ndarray,
    asked: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """float32 (n, A): what each action would have brought in each row.

    context float (n, d); action int (n,); about float (A, e): what actions are like (a one-hot row each knows them apart only);
    asked bool (n, A): which cells are wanted; the others are 0.
    """
    n, a = len(action), len(about)
    people, owner = np.unique(cluster, return_inverse=True)
    part = np.random.default_rng(seed).permutation(np.arange(len(people)) % FOLDS)[owner]
    answer = np.zeros((n, a), np.float32)
    yes_no = bool(np.isin(reward, (0, 1)).all())
    for fold in range(FOLDS):
        learn = np.flatnonzero(part != fold)
        base = float(np.clip(reward[learn].mean(), 1e-6, 1 - 1e-6 if yes_no else np.inf))
        settings = {
            "objective": "binary:logistic" if yes_no else "reg:squarederror",
            "eta": 0.1,
            "max_depth": 4,
            "min_child_weight": 5.0 if yes_no else 20.0,
            "subsample": 0.8,
            "base_score": base,
            "nthread": 0,
            "seed": seed,
        }
        rows = np.hstack([context[learn], about[action[learn]], _meet(context[learn], about[action[learn]])])
        model = xgb.train(settings, xgb.DMatrix(rows.astype(np.float32), label=reward[learn]), ROUNDS)
        told = np.flatnonzero(part == fold)
        step = max(1, BATCH // max(a, 1))
        for start in range(0, len(told), step):
            some = told[start : start + step]
            wanted = np.ones((len(some), a), bool) if asked is None else asked[some]
            row, column = np.nonzero(wanted)
            if len(row):
                x, y = context[some][row], about[column]
                matrix = np.hstack([x, y, _meet(x, y)]).astype(np.float32)
                answer[some[row], column] = model.inplace_predict(matrix)
    return answer


def _meet(context: np.ndarray, about: np.ndarray) -> np.ndarray:
    """How well both fit, where they are described in the same terms: Σ context · about."""
    if context.shape[1] != about.shape[1]:
        return np.empty((len(context), 0), np.float32)
    return np.asarray((context * about).sum(1, keepdims=True))

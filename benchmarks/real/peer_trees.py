"""LambdaMART by XGBoost or LightGBM on features made by hand, in two stages: candidates, then the trees.

Candidates of a user are the items of the past (where people rebuy), and the best of ALS, item neighbours and popular items. Features
are computed as of the start of a label window; the windows are the latest ones before the test. The number of trees is chosen by early
stopping on a fifth of the users, and the size of the trees by NDCG on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from peer_log import Log, top_k
from peer_models import DAY, Scores, als, neighbours, popular

TREES = ("XGBoost", "LightGBM")
FROM_PAST, FROM_MODELS, NEGATIVES, BATCH = 150, 100, 100, 256
SIZES = (4, 6, 8)
"""Depths that are tried; LightGBM has 2^depth leaves, at most 63."""


@dataclass
class Moment:
    """What was known at one moment: models, counts, and the features of pairs."""

    log: Log
    moment: float
    als: dict[str, Any]
    repeats: bool

    def __post_init__(self) -> None:
        log, (users, items) = self.log, self.log.shape
        settings = {"factors": 64, "alpha": 1.0, "reg": 1.0, "wanted": False, **self.als}
        self.models: list[Scores] = [
            als(log, self.moment, **settings),
            neighbours(log, self.moment, "cosine", 100, False),
            popular(log, self.moment, 7.0),
        ]
        self.X, age = log.matrix(), (self.moment - log.time) / DAY
        self.recent = sp.csr_matrix(
            (np.exp2(-age / 30).astype(np.float32), (log.user, log.item)), shape=log.shape
        )
        columns = [
            np.bincount(log.item[rows], minlength=items)
            for days in (2, 7, 30, np.inf)
            for rows in (age <= days, (age <= days) & log.wanted)
        ]
        columns += [
            np.bincount(log.item, log.value, items) / np.maximum(np.bincount(log.item, minlength=items), 1)
        ]
        columns += [_latest(log.item, age, items), -_latest(log.item, -age, items)]
        columns += [a for a in log.attributes.values() if not sp.issparse(a)]
        self.of_items = np.stack(columns, 1).astype(np.float32)
        n = np.bincount(log.user, minlength=users)
        columns = [
            n,
            np.bincount(log.user, log.value, users) / np.maximum(n, 1),
            _latest(log.user, age, users),
        ]
        columns += [np.bincount(log.user, log.wanted, users) / np.maximum(n, 1)]
        self.of_users = np.stack(columns, 1).astype(np.float32)
        pair = log.user * items + log.item
        self.pairs, self.counts = np.unique(pair, return_counts=True)
        place = np.searchsorted(self.pairs, pair)
        self.last = np.full(len(self.pairs), np.inf)
        np.minimum.at(self.last, place, age)
        self.near = np.bincount(place, age <= 30, len(self.pairs))
        self.spent = np.bincount(place, log.value, len(self.pairs))
        self.tastes = []
        for values in (a for a in log.attributes.values() if sp.issparse(a)):
            taste = (self.X @ values).tocsr()
            size = np.maximum(np.asarray(taste.sum(1)).ravel(), 1)
            taste = sp.diags(1 / size) @ taste
            each = sp.diags(1 / np.maximum(np.asarray(values.sum(1)).ravel(), 1)) @ values
            popularity = np.asarray(each @ (values.T @ self.of_items[:, 4]))
            self.tastes.append((taste.tocsr(), each.tocsr(), popularity))

    def examples(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of users, items, and features (pairs, features) of the candidates."""
        owners, items, parts = [], [], []
        for start in range(0, len(users), BATCH):
            block = users[start : start + BATCH]
            scored = [np.array(model(block), np.float32) for model in self.models]
            lists = [top_k(s, FROM_MODELS) for s in scored]
            if self.repeats:
                own = self.recent[block].toarray()
                lists.append(top_k(np.where(own > 0, own, -np.inf), FROM_PAST))
            found = np.concatenate(lists, axis=1)
            row = np.repeat(np.arange(len(block)), found.shape[1])[found.ravel() >= 0]
            pair = np.unique(row * self.log.shape[1] + found.ravel()[found.ravel() >= 0])
            row, item = pair // self.log.shape[1], pair % self.log.shape[1]
            if not self.repeats:
                known = np.isin(block[row] * self.log.shape[1] + item, self.pairs)
                row, item = row[~known], item[~known]
            owners.append(start + row)
            items.append(item)
            parts.append(self._features(block[row], item, [s[row, item] for s in scored]))
        return np.concatenate(owners), np.concatenate(items), np.concatenate(parts)

    def _features(self, user: np.ndarray, item: np.ndarray, scores: list[np.ndarray]) -> np.ndarray:
        wanted = user * self.log.shape[1] + item
        place = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        known = self.pairs[place] == wanted
        columns = [np.where(known, of[place], 0) for of in (self.counts, self.near, self.spent)]
        columns += [np.where(known, self.last[place], np.nan)]
        columns += [np.asarray(self.recent[user, item]).ravel(), *scores]
        for taste, each, popularity in self.tastes:
            columns += [
                np.asarray(taste[user].multiply(each[item]).sum(1)).ravel(),
                popularity[item],
            ]
        return np.column_stack([*columns, self.of_items[item], self.of_users[user]]).astype(np.float32)


def _latest(code: np.ndarray, age: np.ndarray, n: int) -> np.ndarray:
    found = np.full(n, np.inf)
    np.minimum.at(found, code, age)
    return np.where(np.isinf(found), np.nan, found)


_SHARED: dict[Any, Any] = {}
"""Examples and the features of the test by moment, shared by the libraries."""


class Trees:
    """`fit(log)`, then `lists(log, users, repeats)`."""

    def __init__(self, library: str, options: dict[str, Any], als_settings: dict[str, Any]) -> None:
        self.library, self.options, self.als = library, options, als_settings
        self.settings: dict[str, Any] = {}
        self.trials = len(SIZES)

    def fit(self, log: Log) -> Trees:
        end = self.options["moment"]
        key = (end, self.options["validation"], len(log.user))
        if key not in _SHARED:  # both libraries learn from the same examples
            _SHARED[key] = self._examples(log), Moment(log, end, self.als, self.options["repeats"])
        examples, self.now = _SHARED[key]
        self.choose(*examples)
        return self

    def _examples(self, log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Features, labels, sizes of the groups, and which rows are of users held out, of the label windows before the test."""
        end, length = self.options["moment"], self.options["moment"] - self.options["validation"]
        rng, parts, groups, labels, owners = np.random.default_rng(0), [], [], [], []
        for number in range(self.options["windows"]):
            start = end - (number + 1) * length
            past, after = log.between(-np.inf, start), log.between(start, start + length)
            rows = after.wanted
            bought = np.unique(after.user[rows] * log.shape[1] + after.item[rows])
            users = np.unique(after.user[rows])
            then = Moment(past, start, self.als, self.options["repeats"])
            owner, item, matrix = then.examples(users)
            label = np.isin(users[owner] * log.shape[1] + item, bought)
            kept = label | (rng.random(len(label)) < NEGATIVES / (len(label) / len(users)))
            kept &= np.isin(owner, owner[label])
            owner, matrix, label = owner[kept], matrix[kept], label[kept]
            parts.append(matrix)
            labels.append(label)
            owners.append(users[owner])
            groups.append(np.unique(owner, return_counts=True)[1])
        group, label = np.concatenate(groups), np.concatenate(labels).astype(int)
        held = np.isin(np.concatenate(owners) % 5, 0)
        return np.concatenate(parts), label, group, held

    def choose(self, matrix: np.ndarray, label: np.ndarray, group: np.ndarray, held: np.ndarray) -> None:
        """Train trees of each depth, and keep the best.

        Parameters
        ----------
        matrix, label
            float32 (rows, features) and int (rows,): the rows of a request side by side.
        group
            int (requests,): the number of rows of each request.
        held
            bool (rows,): the rows, of whole requests, that stop the learning early and choose the depth.
        """
        first = np.concatenate([[0], np.cumsum(group)[:-1]])
        of_held = held[first]
        found = []
        for depth in SIZES:
            learn = self._xgboost if self.library == "XGBoost" else self._lightgbm
            value, model = learn(
                depth,
                (matrix[~held], label[~held], group[~of_held]),
                (matrix[held], label[held], group[of_held]),
            )
            print("  ", self.library, depth, round(value, 4), flush=True)
            found.append((value, depth, model))
        _, depth, self.model = max(found, key=lambda f: f[0])
        self.settings = {"depth": depth}

    def _xgboost(
        self, depth: int, learn: tuple[np.ndarray, ...], held: tuple[np.ndarray, ...]
    ) -> tuple[float, Any]:
        import xgboost as xgb

        model = xgb.XGBRanker(
            objective="rank:ndcg",
            n_estimators=500,
            learning_rate=0.08,
            max_depth=depth,
            subsample=0.8,
            colsample_bytree=0.8,
            min_child_weight=5,
            early_stopping_rounds=30,
            eval_metric="ndcg@10",
            n_jobs=1,
            random_state=0,
        )
        model.fit(
            learn[0], learn[1], group=learn[2], eval_set=[held[:2]], eval_group=[held[2]], verbose=False
        )
        return float(model.best_score), model

    def _lightgbm(
        self, depth: int, learn: tuple[np.ndarray, ...], held: tuple[np.ndarray, ...]
    ) -> tuple[float, Any]:
        import lightgbm as lgb

        model = lgb.LGBMRanker(
            n_estimators=500,
            learning_rate=0.08,
            num_leaves=min(2**depth - 1, 63),
            max_depth=depth,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.8,
            n_jobs=1,
            random_state=0,
            verbose=-1,
        )
        model.fit(
            learn[0],
            learn[1],
            group=learn[2],
            eval_X=held[0],
            eval_y=held[1],
            eval_group=[held[2]],
            eval_at=[10],
            callbacks=[lgb.early_stopping(30, verbose=False)],
        )
        return float(model.best_score_["valid_0"]["ndcg@10"]), model

    def lists(self, log: Log, users: np.ndarray, repeats: bool) -> np.ndarray:
        """The best k candidates of each user; where fewer, popular items follow."""
        k = self.options["k"]
        rest = popular(log, self.options["moment"], 7.0)(users[:1])[0]
        owner, item, matrix = self.now.examples(users)
        scores = self.model.predict(matrix)
        if not repeats:
            known = np.isin(users[owner] * log.shape[1] + item, self.now.pairs)
            owner, item, scores = owner[~known], item[~known], scores[~known]
        order = np.lexsort([-scores, owner])
        owner, item = owner[order], item[order]
        start = np.searchsorted(owner, np.arange(len(users) + 1))
        fill, lists = np.argsort(-rest, kind="stable")[: 5 * k + 500], np.full((len(users), k), -1)
        for row in range(len(users)):
            mine = item[start[row] : start[row + 1]][:k]
            if len(mine) < k:
                past = () if repeats else log.item[log.user == users[row]]
                mine = np.concatenate([mine, fill[~np.isin(fill, np.concatenate([mine, past]))]])[:k]
            lists[row, : len(mine)] = mine
        return lists

"""Baseline without Shortlist: XGBoost or LightGBM on manual features, scoring every item of the catalogue.

It uses the same split and users as `shortlist.evaluate` on the same data set. Features are computed from the first 80 % of the
training events, labels from the rest. Each label has 50 uniform random negatives (drawn by popularity, both libraries scored far
lower). The ranker is LambdaMART with early stopping on a part of the users. There is no retrieval stage and no calibration.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist.data.attributes import CategoryAttribute, CodedAttribute, NumberAttribute
from shortlist.data.dataset import Dataset


class Direct:
    """The baseline: `fit(train)`, then `slates(people, k, contexts)`."""

    def __init__(self, library: str, relevant: Any, show_seen: bool, seed: int = 0) -> None:
        self.library, self.relevant, self.show_seen, self.seed = library, relevant, show_seen, seed

    def fit(self, train: Dataset) -> Direct:
        rng = np.random.default_rng(self.seed)
        log = train.log
        self.train = train
        cut = int(np.quantile(log.time, 0.8))
        past, after = train.before(cut), train.between(cut, int(log.time[-1]) + 1)
        rows = np.flatnonzero(after.positives(self.relevant))
        self._count(past)
        parts = []
        for row in rows[rng.permutation(len(rows))[:20_000]]:
            user, item = int(after.log.user[row]), int(after.log.item[row])
            others = rng.integers(0, len(train.items), 50)
            items = np.concatenate([[item], others[others != item]])
            parts.append((self._matrix(user, items, self._context(after, row)), len(items)))
        matrix = np.concatenate([m for m, _ in parts])
        label = np.concatenate([np.eye(1, n)[0] for _, n in parts])
        group = np.array([n for _, n in parts])
        held = int(len(group) * 0.85)
        at = int(group[:held].sum())
        self._learn(matrix, label, group, held, at)
        self._count(train)
        return self

    def _count(self, past: Dataset) -> None:
        """Compute the features: popularity in several windows, likes, mean values, tastes by attribute."""
        log, n_items, n_users = past.log, len(past.items), len(past.users)
        good = past.positives(self.relevant).astype(float)
        value = np.nan_to_num(log.value)
        end = log.time[-1]
        self.item_columns = [np.bincount(log.item, minlength=n_items), np.bincount(log.item, good, n_items)]
        for share in (0.05, 0.2, 0.5):
            recent = log.time >= np.quantile(log.time, 1 - share)
            self.item_columns.append(np.bincount(log.item[recent], minlength=n_items))
        count = np.maximum(self.item_columns[0], 1)
        self.item_columns.append(np.bincount(log.item, value, n_items) / count)
        last = np.zeros(n_items)
        np.maximum.at(last, log.item, log.time)
        self.item_columns.append((end - last) / 86_400_000)
        users = np.bincount(log.user, minlength=n_users)
        self.user_columns = [users, np.bincount(log.user, good, n_users) / np.maximum(users, 1)]
        self.user_columns.append(np.bincount(log.user, value, n_users) / np.maximum(users, 1))
        self.tastes = []
        for attribute in past.items.attributes.values():
            if not isinstance(attribute, CodedAttribute):
                continue
            indptr, codes = attribute.ragged()
            owner = np.repeat(np.arange(n_items), np.diff(indptr))
            spread = np.zeros((n_items, len(attribute.vocabulary)), np.float32)
            spread[owner, codes] = 1
            taste = np.zeros((n_users, spread.shape[1]), np.float32)
            np.add.at(taste, log.user, spread[log.item])
            self.tastes.append((taste / np.maximum(taste.sum(1, keepdims=True), 1), spread))
        self.pairs = np.unique(log.user.astype(np.int64) * n_items + log.item, return_counts=True)
        # co-occurrence of the item with the user's history, summed
        import scipy.sparse as sp

        X = sp.csr_matrix((np.ones(len(log)), (log.user, log.item)), (n_users, n_items))
        X.data[:] = 1
        norm = np.sqrt(np.maximum(np.asarray(X.sum(0)).ravel(), 1))
        self.X, self.likeness = (
            X,
            sp.csr_matrix(X.T @ X).multiply(1 / norm[:, None]).multiply(1 / norm[None]).tocsr(),
        )
        self.in_context = {}
        for name, a in log.context.items():
            if isinstance(a, CategoryAttribute):
                table = np.zeros((len(a.vocabulary), n_items))
                known = a.codes >= 0
                np.add.at(table, (a.codes[known], log.item[known]), 1)
                self.in_context[name] = (table / np.maximum(table.sum(1, keepdims=True), 1), a.vocabulary)

    def _context(self, dataset: Dataset, row: int) -> dict[str, Any]:
        return {name: a.show(int(row)) for name, a in dataset.log.context.items()}

    def _matrix(self, user: int, items: np.ndarray, context: dict[str, Any]) -> np.ndarray:
        n = len(items)
        columns = [c[items] for c in self.item_columns]
        columns += [np.full(n, c[user]) for c in self.user_columns]
        for taste, spread in self.tastes:
            columns.append(spread[items] @ taste[user])
        similar = (
            np.asarray(self.likeness[self.X[user].indices].sum(0)).ravel()
            if self.X[user].nnz
            else np.zeros(self.X.shape[1])
        )
        columns.append(similar[items])
        keys, counts = self.pairs
        wanted = user * self.X.shape[1] + items.astype(np.int64)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        columns.append(np.where(keys[place] == wanted, counts[place], 0))
        for name, (table, vocabulary) in self.in_context.items():
            value = context.get(name)
            code = vocabulary.index(value) if value in vocabulary else -1
            columns += [table[code][items] if code >= 0 else np.zeros(n), np.full(n, code)]
        for a in self.train.users.attributes.values():
            if isinstance(a, CategoryAttribute):
                columns.append(np.full(n, a.codes[user]))
        for a in self.train.items.attributes.values():
            if isinstance(a, NumberAttribute):
                columns.append(a.values[items])
        return np.stack(columns, 1).astype(np.float32)

    def _learn(self, matrix: np.ndarray, label: np.ndarray, group: np.ndarray, held: int, at: int) -> None:
        if self.library == "xgboost":
            import xgboost as xgb

            self.model: Any = xgb.XGBRanker(
                objective="rank:ndcg",
                n_estimators=400,
                learning_rate=0.08,
                max_depth=6,
                early_stopping_rounds=30,
                subsample=0.8,
            )
            self.model.fit(
                matrix[:at],
                label[:at],
                group=group[:held],
                eval_set=[(matrix[at:], label[at:])],
                eval_group=[group[held:]],
                verbose=False,
            )
            return
        import lightgbm as lgb

        self.model = lgb.LGBMRanker(
            n_estimators=400, learning_rate=0.08, num_leaves=63, subsample=0.8, subsample_freq=1, verbose=-1
        )
        self.model.fit(
            matrix[:at],
            label[:at].astype(int),
            group=group[:held],
            eval_X=matrix[at:],
            eval_y=label[at:].astype(int),
            eval_group=[group[held:]],
            callbacks=[lgb.early_stopping(30, verbose=False)],
        )

    def slates(self, people: np.ndarray, k: int, contexts: list[dict[str, Any]] | None) -> np.ndarray:
        answer = np.full((len(people), k), -1, np.int64)
        items = np.arange(len(self.train.items))
        for row, user in enumerate(people.tolist()):
            scores = self.model.predict(self._matrix(user, items, contexts[row] if contexts else {}))
            if not self.show_seen:
                scores[self.X[user].indices] = -np.inf
            answer[row] = np.argsort(-scores, kind="stable")[:k]
        return answer

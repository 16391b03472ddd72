"""Boosting of one model for one objective, or for several whose leaves it shares: data, gradients, early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb

from shortlist.rank.gbdt.targets import Target
from shortlist.rank.training_set import TrainingSet

if TYPE_CHECKING:
    from shortlist.rank.gbdt.ranker import GBDTRanker

PATIENCE = 20
"""Rounds without a better validation loss before boosting stops."""


class Boosting:
    """Boosting of one model for some objectives."""

    def __init__(
        self,
        ranker: GBDTRanker,
        names: list[str],
        examples: TrainingSet,
        validation: TrainingSet,
        targets: dict[str, Target],
        held: dict[str, Target],
    ) -> None:
        self.ranker, self.names = ranker, names
        self.parts = (examples, validation)
        self.targets = ([targets[n] for n in names], [held[n] for n in names])
        self.listwise = ranker.losses[names[0]] == "listwise" and len(names) == 1
        # with one objective a model, rows of which its outcome is not known are left out
        self.rows = [
            np.flatnonzero(side[0].weight > 0) if len(names) == 1 else np.arange(len(part.weights))
            for part, side in zip(self.parts, self.targets, strict=True)
        ]
        self.first = [self._firsts(part, rows) for part, rows in zip(self.parts, self.rows, strict=True)]

    def _firsts(self, part: TrainingSet, rows: np.ndarray) -> np.ndarray | None:
        """The chance of what an objective of its own model needs before; within a joint model it is of the model."""
        given = self.ranker.given[self.names[0]] if len(self.names) == 1 else None
        return None if given is None else self.ranker._raw(part.matrix[rows])[given]

    def boost(
        self, start: xgb.Booster | None, starts: dict[str, float] | None, known: xgb.Booster | None = None
    ) -> xgb.Booster:
        """known: a model fitted before, which tells each row's chance of a positive."""
        ranker = self.ranker
        weights = [self._weights(side, known) for side in (0, 1)]
        for at, target in enumerate(self.targets[0]):
            rows = self.rows[0]
            own = starts[target.name] if starts else target.loss.start(target.label[rows], weights[0][:, at])
            ranker.starts[target.name] = 0.0 if self.listwise else own
        train, held = (self._data(side, weights[side]) for side in (0, 1))
        settings = ranker.settings
        grade = all(ranker.kinds[name] == "grade" for name in self.names)
        parameters: dict[str, Any] = {
            "max_depth": settings.depth,
            "eta": settings.learning_rate,
            "min_child_weight": 20.0 if grade else settings.min_child_weight,
            "subsample": 0.8,
            "colsample_bytree": 0.7,
            "lambda": 5.0,
            "tree_method": "hist",
            "max_cat_to_onehot": 8,
            "seed": ranker.project.seed,
            "verbosity": 0,
        }
        if start is None:
            parameters["base_score"] = 0.0
        enough = all((w > 0).sum() >= 20 for w in weights[1].T)
        extra: dict[str, Any] = {}
        if self.listwise:
            parameters |= {
                "objective": "rank:ndcg",
                "eval_metric": "ndcg@10",
                "lambdarank_pair_method": "topk",
                "lambdarank_num_pair_per_sample": 10,
                "min_child_weight": 0.1,  # a pair's second derivative is far below a row's
            }
        else:
            if len(self.names) > 1:
                parameters |= {"multi_strategy": "multi_output_tree", "num_target": len(self.names)}
            scale = self._scales(weights[0])
            extra = {
                "obj": self._gradient(weights[0], scale),
                "custom_metric": self._metric(weights[1], scale),
            }
            parameters["disable_default_eval_metric"] = 1
        rounds = settings.trees if start is None else max(settings.trees // 3, 1)
        model = xgb.train(
            parameters,
            train,
            rounds,
            evals=[(held, "validation")] if enough else [],
            early_stopping_rounds=PATIENCE if enough else None,
            maximize=self.listwise,
            verbose_eval=False,
            xgb_model=start,
            **extra,
        )
        return model[: model.best_iteration + 1] if enough else model

    def _weights(self, side: int, known: xgb.Booster | None) -> np.ndarray:
        part, rows = self.parts[side], self.rows[side]
        columns = []
        margins = None
        if known is not None:
            matrix = self.ranker.encoded(part.matrix[rows]) if self.ranker.joint else part.matrix[rows]
            margins = known.inplace_predict(matrix, predict_type="margin").reshape(len(rows), -1)
            margins = margins + np.array([self.ranker.starts[name] for name in self.names])
        for at, target in enumerate(self.targets[side]):
            chance = None
            if margins is not None and self.ranker.kinds[target.name] == "probability":
                chance = np.zeros(len(target.label))
                chance[rows] = target.loss.value(margins[:, at], self._first(side, at, margins))
            columns.append(target.weighted(chance)[rows])
        return np.stack(columns, axis=1)

    def _first(self, side: int, at: int, margins: np.ndarray) -> np.ndarray:
        """The chance of what objective `at` needs first, from the model itself where they are learnt together."""
        own = self.first[side]
        given = self.ranker.given[self.names[at]]
        if own is not None:
            return own
        if given is None or given not in self.names:
            return np.ones(1)
        before = self.names.index(given)
        return self.targets[side][before].loss.value(margins[:, before], self._first(side, before, margins))

    def _data(self, side: int, weights: np.ndarray) -> xgb.DMatrix:
        part, rows, ranker = self.parts[side], self.rows[side], self.ranker
        k = len(self.names)
        matrix = ranker.encoded(part.matrix[rows]) if ranker.joint else part.matrix[rows]
        types = ["q"] * len(part.types) if ranker.joint else part.types
        data = xgb.DMatrix(matrix, feature_types=types, enable_categorical=not ranker.joint)
        if self.listwise:
            data.set_info(label=(self.targets[side][0].label[rows] > 0).astype(np.float32))
            edge = np.flatnonzero(np.diff(part.request[rows], prepend=-1))
            data.set_group(np.diff(np.append(edge, len(rows))))
            return data
        data.set_label(np.zeros((len(rows), k), np.float32) if k > 1 else np.zeros(len(rows), np.float32))
        margin = np.tile([ranker.starts[name] for name in self.names], (len(rows), 1))
        data.set_base_margin(margin if k > 1 else margin[:, 0])
        return data

    def _scales(self, weights: np.ndarray) -> np.ndarray:
        """What brings the objectives' losses to one unit (nats): by how far the mean alone leaves each from the truth."""
        scales = np.ones(len(self.names))
        if len(self.names) == 1:
            return scales
        margins = np.tile([self.ranker.starts[name] for name in self.names], (len(self.rows[0]), 1))
        for at, target in enumerate(self.targets[0]):
            g, h = target.loss.gradient(margins[:, at], target.label, self._first(0, at, margins))
            w = weights[:, at]
            spread = float((w * g * g).sum()) / max(float((w * h).sum()), 1e-12)
            scales[at] = 1.0 / max(spread, 1e-12)
        return scales

    def _gradient(self, weights: np.ndarray, scales: np.ndarray) -> Any:
        targets, rows = self.targets[0], self.rows[0]
        labels = [t.label[rows] for t in targets]

        def gradient(margins: np.ndarray, _data: xgb.DMatrix) -> tuple[np.ndarray, np.ndarray]:
            m = np.asarray(margins, np.float64).reshape(len(rows), -1)
            g, h = np.empty(m.shape, np.float32), np.empty(m.shape, np.float32)
            for at, target in enumerate(targets):
                slope, bend = target.loss.gradient(m[:, at], labels[at], self._first(0, at, m))
                w = weights[:, at] * scales[at]
                g[:, at], h[:, at] = slope * w, bend * w
            return (g, h) if len(targets) > 1 else (g[:, 0], h[:, 0])

        return gradient

    def _metric(self, weights: np.ndarray, scales: np.ndarray) -> Any:
        targets, rows = self.targets[1], self.rows[1]
        labels = [t.label[rows] for t in targets]

        def metric(margins: np.ndarray, _data: xgb.DMatrix) -> tuple[str, float]:
            m = np.asarray(margins, np.float64).reshape(len(rows), -1)
            total = 0.0
            for at, target in enumerate(targets):
                losses = target.loss.loss(m[:, at], labels[at], self._first(1, at, m))
                total += scales[at] * float(np.average(losses, weights=np.maximum(weights[:, at], 1e-12)))
            return "loss", total

        return metric

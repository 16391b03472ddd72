"""Boosting of one model for one objective, or for several that share their trees: gradients and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from shortlist.config.rank import RankSettings
from shortlist.data.progress import Share
from shortlist.rank.gbdt.boosting_data import BinnedFeatures, BoostingData
from shortlist.rank.targets import Head
from shortlist.retrieve.kernels.softmax import RequestSoftmax

PATIENCE = 20
"""Rounds without a better validation loss after which boosting stops."""
MIN_VALIDATION_ROWS = 20
"""Fewer validation rows per objective disable early stopping."""
LISTWISE_CHILD = 2.0
"""Of a listwise loss: the least second derivative of a leaf, in requests, and what is added to it."""
Gradient = Callable[[NDArray[np.float32], xgb.DMatrix], tuple[NDArray[np.float32], NDArray[np.float32]]]
Metric = Callable[[NDArray[np.float32], xgb.DMatrix], tuple[str, float]]


@dataclass(frozen=True, eq=False)
class Boosted:
    """A boosted model.

    Parameters
    ----------
    booster
        XGBoost's model.
    starts
        Objective → margin at which it starts.
    ended
        Whether early stopping has ended the boosting, so that more trees do not help.
    """

    booster: xgb.Booster
    starts: dict[str, float]
    ended: bool = False

    def margins(self, features: BinnedFeatures) -> NDArray[np.float32]:
        """Return the margins of rows, starts included, float32 (rows, objectives)."""
        margins = self.booster.inplace_predict(features.values, predict_type="margin")
        start = np.array(list(self.starts.values()), np.float32)
        return np.asarray(margins, np.float32).reshape(len(features), -1) + start


class _Rounds(xgb.callback.TrainingCallback):
    """Reports the rounds that are done."""

    def __init__(self, report: Share, rounds: int) -> None:
        super().__init__()
        self._report, self._rounds = report, rounds

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: object) -> bool:  # noqa: ARG002 - XGBoost's interface
        """Report a round; False lets the training go on."""
        self._report(min((epoch + 1) / self._rounds, 1.0))
        return False


class Boosting:
    """Boosts one model for some objectives.

    With one objective, rows whose label is unknown are left out. With several, one multi-output tree per round holds a
    value per objective in each leaf, and the losses are scaled to one unit.
    """

    def __init__(
        self,
        heads: Sequence[Head],
        settings: RankSettings,
        seed: int,
        threads: int,
        train: BoostingData,
        validation: BoostingData,
    ) -> None:
        self.heads, self.settings, self.seed, self.threads = list(heads), settings, seed, threads
        self.names = [head.name for head in heads]
        single = len(self.heads) == 1
        self.train, self.validation = (train.known(), validation.known()) if single else (train, validation)
        self.listwise = single and self.heads[0].loss_name == "listwise"

    def boost(self, trees: int, begun: Boosted | None = None, report: Share | None = None) -> Boosted:
        """Train.

        Parameters
        ----------
        trees
            Number of trees, at most.
        begun
            A model to which they are added.
        report
            Called with the fraction done. Early stopping may end before 1.
        """
        weights, held_weights = (self._weights(data) for data in (self.train, self.validation))
        own = {
            target.name: begun.starts[target.name]
            if begun
            else target.loss.start(target.label, weights[:, at])
            for at, target in enumerate(self.train.targets)
        }
        # a listwise loss compares margins, so that a start that all rows share says nothing
        begin = dict.fromkeys(own, 0.0) if self.listwise else own
        margin = np.array([begin[name] for name in self.names])
        train = self._matrix(self.train, margin)
        start = begun.booster if begun else None
        parameters = self._parameters(start)
        gradient: Gradient
        metric: Metric
        if self.listwise:
            gradient, metric = _softmax(self.train).gradient, _softmax(self.validation).metric
        else:
            scale = self._scales(weights, margin)
            gradient, metric = self._gradient(weights, scale), self._metric(held_weights, scale)
        stops = all((w > 0).sum() >= MIN_VALIDATION_ROWS for w in held_weights.T)
        model = xgb.train(
            parameters,
            train,
            trees,
            evals=[(self._matrix(self.validation, margin), "validation")] if stops else [],
            early_stopping_rounds=PATIENCE if stops else None,
            verbose_eval=False,
            xgb_model=start,
            callbacks=[_Rounds(report, trees)] if report else None,
            obj=gradient,
            custom_metric=metric,
        )
        if not stops:
            return Boosted(model, begin)
        before = start.num_boosted_rounds() if start else 0
        ended = model.num_boosted_rounds() - before < trees
        return Boosted(model[: model.best_iteration + 1], begin, ended)

    def _parameters(self, start: xgb.Booster | None) -> dict[str, Any]:
        settings = self.settings
        grade = all(head.kind == "grade" for head in self.heads)
        parameters: dict[str, Any] = {
            "max_depth": settings.depth,
            "eta": settings.learning_rate,
            "min_child_weight": 20.0 if grade else settings.min_child_weight,
            "subsample": 0.8,
            "colsample_bytree": 0.5,
            "lambda": 5.0,
            "tree_method": "hist",
            "max_cat_to_onehot": 8,
            "nthread": self.threads,
            # rows and columns are drawn anew for the trees that are added
            "seed": self.seed if start is None else self.seed + start.num_boosted_rounds(),
            "verbosity": 0,
        }
        if start is None:
            parameters["base_score"] = 0.0
        if self.train.features.signs is not None:
            # few columns: each tree reads all of them
            parameters |= {"monotone_constraints": self.train.features.signs, "colsample_bytree": 1.0}
        if self.listwise:
            # the second derivatives of a request add up to 1 at most, those of rows to the number of rows
            parameters |= {"min_child_weight": LISTWISE_CHILD, "lambda": LISTWISE_CHILD}
        if len(self.names) > 1:
            parameters |= {"multi_strategy": "multi_output_tree", "num_target": len(self.names)}
        return parameters | {"disable_default_eval_metric": 1}

    def _weights(self, data: BoostingData) -> NDArray[np.float64]:
        """Return the weight of each row and objective, (rows, heads)."""
        return np.stack([target.weighted() for target in data.targets], axis=1)

    def _parent(self, data: BoostingData, at: int, margins: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the probability of the objective that a head requires; 1 if it requires none."""
        if data.parent is not None:
            return data.parent
        given = self.heads[at].given
        if given is None or given not in self.names:
            return np.ones(1)
        before = self.names.index(given)
        return data.targets[before].loss.value(margins[:, before], self._parent(data, before, margins))

    def _matrix(self, data: BoostingData, margin: NDArray[np.float64]) -> xgb.DMatrix:
        rows, k = len(data.request), len(self.names)
        matrix = data.features.matrix
        matrix.set_label(np.zeros((rows, k), np.float32) if k > 1 else np.zeros(rows, np.float32))
        margins = np.tile(margin, (rows, 1))
        matrix.set_base_margin(margins if k > 1 else margins[:, 0])
        return matrix

    def _scales(self, weights: NDArray[np.float64], margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return factors that bring the objectives' losses to one unit (nats): the reduction that the mean alone allows."""
        scales = np.ones(len(self.names))
        if len(self.names) == 1:
            return scales
        margins = np.tile(margin, (len(self.train.request), 1))
        for at, target in enumerate(self.train.targets):
            g, h = target.loss.gradient(margins[:, at], target.label, self._parent(self.train, at, margins))
            w = weights[:, at]
            reduction = float((w * g * g).sum()) / max(float((w * h).sum()), 1e-12)
            scales[at] = 1.0 / max(reduction, 1e-12)
        return scales

    def _gradient(self, weights: NDArray[np.float64], scales: NDArray[np.float64]) -> Gradient:
        data = self.train
        # XGBoost takes float32; computed in it as well, a round takes half the time that it takes in float64
        labels = [target.label.astype(np.float32) for target in data.targets]
        factors = [np.asarray(w * scale, np.float32) for w, scale in zip(weights.T, scales, strict=True)]

        def gradient(
            margins: NDArray[np.float32], _data: xgb.DMatrix
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            m = margins.reshape(len(data.request), -1)
            first, second = np.empty(m.shape, np.float32), np.empty(m.shape, np.float32)
            for at, (target, label, factor) in enumerate(zip(data.targets, labels, factors, strict=True)):
                g, h = target.loss.gradient(m[:, at], label, self._parent(data, at, m))
                np.multiply(g, factor, out=first[:, at], casting="same_kind")
                np.multiply(h, factor, out=second[:, at], casting="same_kind")
            return (first, second) if len(data.targets) > 1 else (first[:, 0], second[:, 0])

        return gradient

    def _metric(self, weights: NDArray[np.float64], scales: NDArray[np.float64]) -> Metric:
        data = self.validation
        labels = [target.label.astype(np.float32) for target in data.targets]
        # losses of rounds differ in their sixth digit: sums are float64
        shares = [w / w.sum() for w in np.maximum(weights, 1e-12).T]

        def metric(margins: NDArray[np.float32], _data: xgb.DMatrix) -> tuple[str, float]:
            m = margins.reshape(len(data.request), -1)
            total = 0.0
            for at, (target, label, share) in enumerate(zip(data.targets, labels, shares, strict=True)):
                losses = target.loss.loss(m[:, at], label, self._parent(data, at, m))
                total += scales[at] * float(np.dot(losses.astype(np.float64), share))
            return "loss", total

        return metric


def _softmax(data: BoostingData) -> RequestSoftmax:
    target = data.targets[0]
    return RequestSoftmax(data.request, target.label, target.weight)

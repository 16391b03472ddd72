"""Boosting of one model for one objective, or for several that share their trees: starts, weights, parameters and early stopping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from shortlist.config.rank import RankSettings
from shortlist.data.progress import Share
from shortlist.rank.gbdt.boosting_data import BinnedFeatures, BoostingData
from shortlist.rank.gbdt.tree_job import Grow, JobRows, TreeJob, grow_here
from shortlist.rank.targets import Head

MIN_VALIDATION_ROWS = 20
"""Fewer validation rows per objective disable early stopping."""
LISTWISE_CHILD = 2.0
"""Of a listwise loss: the least second derivative of a leaf, in requests, and what is added to it."""


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

    def boost(
        self, trees: int, begun: Boosted | None = None, report: Share | None = None, grow: Grow = grow_here
    ) -> Boosted:
        """Train.

        Parameters
        ----------
        trees
            Number of trees, at most.
        begun
            A model to which they are added.
        report
            Called with the fraction done. Early stopping may end before 1.
        grow
            Where the trees grow (default: in this process).
        """
        job, begin = self.job(trees, begun)
        model = grow(job, report)
        if job.validation is None:
            return Boosted(model, begin)
        before = begun.booster.num_boosted_rounds() if begun else 0
        ended = model.num_boosted_rounds() - before < trees
        return Boosted(model[: model.best_iteration + 1], begin, ended)

    def job(self, trees: int, begun: Boosted | None = None) -> tuple[TreeJob, dict[str, float]]:
        """Return the job that boosts so many trees, and objective → margin at which it starts."""
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
        start = begun.booster if begun else None
        stops = all((w > 0).sum() >= MIN_VALIDATION_ROWS for w in held_weights.T)
        job = TreeJob(
            tuple(self.heads),
            self._parameters(start),
            trees,
            margin,
            np.ones(len(self.heads)),
            self.listwise,
            self._rows(self.train, [np.asarray(w, np.float32) for w in weights.T]),
            self._rows(self.validation, [w / w.sum() for w in np.maximum(held_weights, 1e-12).T])
            if stops
            else None,
            start,
        )
        if self.listwise or len(self.names) == 1:
            return job, begin
        scales = self._scales(job, weights)
        factors = [np.asarray(w * scale, np.float32) for w, scale in zip(weights.T, scales, strict=True)]
        return replace(job, scales=scales, training=self._rows(self.train, factors)), begin

    def _rows(self, data: BoostingData, factors: Sequence[NDArray[np.floating]]) -> JobRows:
        """Return rows as a job has them. A listwise loss has weights of its own."""
        own = [target.weight for target in data.targets] if self.listwise else factors
        labels = tuple(target.label.astype(np.float32) for target in data.targets)
        return JobRows(data.features, data.request, labels, tuple(own), data.parent)

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

    def _scales(self, job: TreeJob, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return factors that bring the objectives' losses to one unit (nats): the reduction that the mean alone allows."""
        scales = np.ones(len(self.names))
        margins = np.tile(job.margin, (len(self.train.request), 1))
        for at, target in enumerate(self.train.targets):
            g, h = target.loss.gradient(margins[:, at], target.label, job.parent(job.training, at, margins))
            w = weights[:, at]
            reduction = float((w * g * g).sum()) / max(float((w * h).sum()), 1e-12)
            scales[at] = 1.0 / max(reduction, 1e-12)
        return scales

"""The default ranker: gradient-boosted decision trees with one output per objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.data.progress import part_of
from shortlist.errors import NotFittedError
from shortlist.rank.base import Ranker
from shortlist.rank.calibration import Calibration
from shortlist.rank.gbdt.model import TreeEnsemble
from shortlist.rank.gbdt.targets import (
    Head,
    check_labels,
    heads_in_order,
    make_target,
)
from shortlist.threads import openmp_threads

if TYPE_CHECKING:
    from shortlist.rank.training_set import TrainingSet

JOINT_SHARE = 0.97
"""heads = "auto" keeps the joint model if it explains at least this share of what separate models explain."""


class GBDTRanker(Ranker):
    """Gradient-boosted decision trees (XGBoost) with a calibrated output per objective.

    Each objective has its own loss (`losses.py`). Heads are

    - `separate`: one model per objective. Categories are split natively, and each model stops by itself.
    - `joint`: one model whose leaves hold a value per objective. It takes a third of the time to score. Such trees cannot split sets
      of categories, so each code is replaced by the mean outcome of its category.
    - `auto`: trains both and keeps the joint model if, on the validation slice, it explains at least 97 % of what separate
      models explain, for every objective with a weight. Neither is better everywhere (benchmarks/RESULTS.md).

    Early stopping and calibration use the validation slice only. Predictions are computed by `infer.Forest`, which
    equals XGBoost to the bit. `fit` takes O(rows × features × trees × depth); scoring 500 candidates takes about a
    millisecond. With fewer than a few hundred positive outcomes trees overfit: widen `evaluate.ranker_window` first.

    Parameters
    ----------
    settings
        The project's `[rank]`.
    objectives
        Name → objective.
    seed
        Seed of row and column sampling.

    Attributes
    ----------
    ensemble_ : TreeEnsemble
        The fitted trees.
    feature_names_, feature_types_ : list of str
        Columns of the features; type `"q"` is a number, `"c"` a category.
    calibration_ : mapping of str to Calibration
        Objective → calibration.
    heads_ : str
        `"joint"` or `"separate"`.
    explained_ : dict of str to dict of str to float
        With `auto`: heads → objective → share of the validation loss that they explain.

    References
    ----------
    Friedman (2001). Greedy function approximation: a gradient boosting machine. Annals of Statistics.

    Chen & Guestrin (2016). XGBoost: a scalable tree boosting system. KDD.
    """

    def __init__(self, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0) -> None:
        super().__init__(settings, objectives, seed)
        self._ensemble: TreeEnsemble | None = None
        self.explained_: dict[str, dict[str, float]] = {}

    # ------------------------------------------------------------------ fitted state

    @property
    def ensemble_(self) -> TreeEnsemble:
        """The fitted trees."""
        if self._ensemble is None:
            raise NotFittedError("GBDTRanker is not fitted yet; call fit(examples, validation) first")
        return self._ensemble

    @property
    def feature_names_(self) -> list[str]:
        """The features, in the order of the columns."""
        return self.ensemble_.feature_names

    @property
    def feature_types_(self) -> list[str]:
        """`"q"` for a number, `"c"` for a category."""
        return self.ensemble_.feature_types

    @property
    def calibration_(self) -> Mapping[str, Calibration]:
        """Objective → calibration."""
        return self.ensemble_.calibration

    @property
    def heads_(self) -> str:
        """`"joint"` or `"separate"`."""
        return "joint" if self.ensemble_.joint else "separate"

    # ------------------------------------------------------------------ fit

    def fit(
        self,
        examples: TrainingSet,
        validation: TrainingSet,
        progress: Callable[[float], None] | None = None,
        earlier: Ranker | None = None,
    ) -> Self:
        """Learn from examples.

        Parameters
        ----------
        examples
            Requests of the ranker window.
        validation
            Later requests, for early stopping and calibration.
        progress
            Called with the fraction done.
        earlier
            A fitted ranker of the same features and objectives: its trees are kept and a third as many are added.

        Raises
        ------
        DataError
            If no example fulfils an objective, or amounts are negative.
        """
        from shortlist.rank.gbdt.head_boosts import HeadBoosts, HeadExamples

        before = earlier.ensemble_ if isinstance(earlier, GBDTRanker) else None
        report = progress or (lambda _share: None)
        # measures for a moment how busy the cores are: once, and not for each set of trees
        threads = openmp_threads()
        heads = heads_in_order(self.objectives)
        for head in heads:
            check_labels(head, examples)
        prepared = HeadExamples.of(heads, examples, validation, self.settings, self.seed, threads)
        kind = self.settings.heads if len(heads) > 1 else "separate"
        if kind != "auto":
            boosts = HeadBoosts(kind == "joint", prepared, before)
            self._ensemble = boosts.boost(boosts.trees, report)
            return self
        made: dict[str, TreeEnsemble] = {}
        explained: dict[str, dict[str, float]] = {}
        for number, one in enumerate(("separate", "joint")):
            boosts = HeadBoosts(one == "joint", prepared, before)
            made[one] = boosts.boost(boosts.trees, part_of(report, number, 2))
            explained[one] = self._explained(made[one], validation)
        weighted = [name for name, objective in self.objectives.items() if objective.weight]
        separate, joint = explained["separate"], explained["joint"]
        equal = all(joint[n] >= JOINT_SHARE * separate[n] for n in weighted if separate[n] > 0)
        self.explained_ = explained
        self._ensemble = made["joint" if equal else "separate"]
        return self

    def _explained(self, ensemble: TreeEnsemble, validation: TrainingSet) -> dict[str, float]:
        """Return objective → share of a constant prediction's loss that calibrated predictions save."""
        names = list(self.objectives)
        predictions = ensemble.predict(validation.matrix, names).astype(np.float64)
        shares = {}
        for column, name in enumerate(names):
            head = Head.of(name, self.objectives[name])
            target = make_target(head, validation, position_weights=self.settings.position_bias == "weights")
            known = (target.weight > 0) & validation.shown
            label, predicted = target.label[known], predictions[known, column]
            weight = target.weighted()[known]
            if not len(label):
                shares[name] = 0.0
                continue
            mean = np.full(len(label), np.average(label, weights=weight))
            own, constant = (
                float(np.average(_deviance(head.kind, label, p), weights=weight)) for p in (predicted, mean)
            )
            shares[name] = 1.0 - own / constant if constant > 0 else 0.0
        return shares

    # ------------------------------------------------------------------ use

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict every objective, calibrated. See `Ranker.predict`."""
        return self.ensemble_.predict(features, list(self.objectives))

    def importance(self, objective: str) -> dict[str, float]:
        """Return each feature's share of the loss reduction, largest first; joint heads share one."""
        model = next(m for m in self.ensemble_.models if objective in m.starts)
        gains: Any = model.load_booster().get_score(importance_type="total_gain")
        total = sum(float(g) for g in gains.values()) or 1.0
        named = {self.feature_names_[int(key[1:])]: float(gain) / total for key, gain in gains.items()}
        return dict(sorted(named.items(), key=lambda pair: -pair[1]))

    def save(self, folder: Path) -> None:
        """Write the models as XGBoost's JSON, and `ranker.json`."""
        self.ensemble_.save(folder)

    @classmethod
    def load(
        cls, folder: Path, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0
    ) -> Self:
        """Read what `save` wrote. Raises `BundleError` if it belongs to other objectives or columns."""
        ranker = cls(settings, objectives, seed)
        ranker._ensemble = TreeEnsemble.load(folder, tuple(heads_in_order(objectives)))
        return ranker


def _deviance(kind: str, label: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the deviance of each prediction, 0 at the truth: squared error, compound Poisson (power 1.5) or log loss."""
    if kind == "grade":
        return np.asarray((label - predicted) ** 2)
    if kind == "amount":
        p = np.maximum(predicted, 1e-9)
        return np.asarray(
            2 * (label * (p**-0.5 - np.maximum(label, 1e-9) ** -0.5) * 2 + 2 * (p**0.5 - label**0.5))
        )
    p, positive = np.clip(predicted, 1e-7, 1 - 1e-7), label > 0
    return -np.where(positive, np.log(p), np.log(1 - p))

"""The default ranker: gradient-boosted decision trees with one output per objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.data.progress import Share, part_of
from shortlist.errors import NotFittedError
from shortlist.rank.base import Ranker
from shortlist.rank.calibration import Calibration, fit_calibration
from shortlist.rank.gbdt.model import Codebooks, TreeEnsemble, TreeModel, encode_categories
from shortlist.rank.gbdt.targets import (
    Head,
    Target,
    check_labels,
    heads_in_order,
    make_target,
    unit_of,
)
from shortlist.threads import openmp_threads

if TYPE_CHECKING:
    from shortlist.rank.gbdt.boosting_data import BoostingData, Features
    from shortlist.rank.training_set import TrainingSet

JOINT_SHARE = 0.97
"""heads = "auto" keeps the joint model if it explains at least this share of what separate models explain."""
SMOOTHING = 20.0
"""Rows of the overall mean that are added to each category's mean."""


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
        before = earlier.ensemble_ if isinstance(earlier, GBDTRanker) else None
        report = progress or (lambda _share: None)
        threads = (
            openmp_threads()
        )  # measures for a moment how busy the cores are: once, and not for each set of trees
        heads = self.settings.heads if len(self.objectives) > 1 else "separate"
        if heads != "auto":
            self._ensemble = self._fit_heads(
                heads == "joint", (examples, validation), before, threads, report
            )
            return self
        made: dict[str, TreeEnsemble] = {}
        explained: dict[str, dict[str, float]] = {}
        for number, kind in enumerate(("separate", "joint")):
            base = before if before is not None and before.joint == (kind == "joint") else None
            made[kind] = self._fit_heads(
                kind == "joint", (examples, validation), base, threads, part_of(report, number, 2)
            )
            explained[kind] = self._explained(made[kind], validation)
        weighted = [name for name, objective in self.objectives.items() if objective.weight]
        separate, joint = explained["separate"], explained["joint"]
        equal = all(joint[n] >= JOINT_SHARE * separate[n] for n in weighted if separate[n] > 0)
        self.explained_ = explained
        self._ensemble = made["joint" if equal else "separate"]
        return self

    def _fit_heads(
        self,
        joint: bool,
        parts: tuple[TrainingSet, TrainingSet],
        before: TreeEnsemble | None,
        threads: int,
        report: Share,
    ) -> TreeEnsemble:
        from shortlist.rank.gbdt.boosting_data import Features
        from shortlist.rank.gbdt.train import Boosting

        examples, validation = parts
        heads = tuple(heads_in_order(self.objectives))
        if before is not None and not _continues(before, heads, joint, examples):
            before = None
        for head in heads:
            check_labels(head, examples)
        units = (
            before.units if before else {h.name: unit_of(h, _known(examples.labels[h.name])) for h in heads}
        )
        weights = self.settings.position_bias == "weights"
        targets = [[make_target(h, part, units[h.name], weights) for h in heads] for part in parts]
        codebooks: Codebooks = {}
        if joint:
            codebooks = before.codebooks if before else _codebooks(examples, targets[0][0])
        ensemble = TreeEnsemble(
            heads, (), joint, units, examples.names, examples.types, codebooks, dict[str, Calibration]()
        )
        types = ["q"] * len(examples.types) if joint else examples.types
        features = [Features(encode_categories(part.matrix, codebooks), types) for part in parts]
        groups = [list(range(len(heads)))] if joint else [[at] for at in range(len(heads))]
        for number, group in enumerate(groups):
            own = [heads[at] for at in group]
            data = [
                _boosting_data(part, own_features, [side[at] for at in group], own, ensemble)
                for part, own_features, side in zip(parts, features, targets, strict=True)
            ]
            boosting = Boosting(own, self.settings, self.seed, threads, *data)
            start = before.models[number].load_booster() if before else None
            starts = before.models[number].starts if before else None
            own_report = part_of(report, number, len(groups))
            # weights depend on the first pass only where it predicts a probability
            twice = own[0].loss_name != "listwise" and any(
                targets[0][at].censored and heads[at].kind == "probability" for at in group
            )
            boosted = boosting.boost(start, starts, report=part_of(own_report, 0, 2 if twice else 1))
            if twice:
                # The first pass estimates each row's probability of a positive outcome, by which the second is weighted.
                boosted = boosting.boost(start, starts, boosted, part_of(own_report, 1, 2))
            model = TreeModel.of(boosted.booster, boosted.starts)
            ensemble = replace(ensemble, models=(*ensemble.models, model))
            own_report(1.0)
        return replace(ensemble, calibration=self._calibration(ensemble, validation, targets[1]))

    def _calibration(
        self, ensemble: TreeEnsemble, validation: TrainingSet, targets: list[Target]
    ) -> dict[str, Calibration]:
        raw = ensemble.raw(validation.matrix)
        found = {}
        for head, target in zip(ensemble.heads, targets, strict=True):
            known = (target.weight > 0) & validation.shown
            # The margins of a listwise loss define an order only, so they are no probabilities yet.
            usable = head.kind == "probability" and head.loss_name != "listwise"
            weight = target.weighted(raw[head.name] if usable else None)
            found[head.name] = fit_calibration(
                head.kind,
                raw[head.name][known],
                (target.label * ensemble.units[head.name])[known],
                weight[known],
                self.settings.calibration,
            )
        return found

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


def _known(label: NDArray[np.float32]) -> NDArray[np.float32]:
    return label[~np.isnan(label)]


def _boosting_data(
    part: TrainingSet,
    features: Features,
    targets: list[Target],
    heads: list[Head],
    ensemble: TreeEnsemble,
) -> BoostingData:
    """Make one side's data; a model of one objective gets its parent's predictions from the models before it."""
    from shortlist.rank.gbdt.boosting_data import BoostingData

    given = heads[0].given if len(heads) == 1 else None
    parent = None if given is None else ensemble.raw(part.matrix)[given]
    return BoostingData(features, part.request, targets, parent)


def _continues(before: TreeEnsemble, heads: tuple[Head, ...], joint: bool, examples: TrainingSet) -> bool:
    """Return whether boosting can add trees to an earlier ensemble."""
    return (
        before.heads == heads
        and before.joint == joint
        and before.feature_names == examples.names
        and before.feature_types == examples.types
    )


def _codebooks(examples: TrainingSet, target: Target) -> dict[int, NDArray[np.float32]]:
    """Replace each category by its smoothed mean label, so that one threshold splits a set of categories."""
    books = {}
    mean = float(np.average(target.label, weights=np.maximum(target.weight, 1e-12)))
    for column in np.flatnonzero(np.array(examples.types) == "c").tolist():
        codes = examples.matrix[:, column]
        known = ~np.isnan(codes)
        size = int(codes[known].max()) + 1 if known.any() else 1
        at = codes[known].astype(int)
        total = np.bincount(at, (target.weight * target.label)[known], size)
        weight = np.bincount(at, target.weight[known], size)
        books[column] = ((total + SMOOTHING * mean) / (weight + SMOOTHING)).astype(np.float32)
    return books


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

"""The default ranker: gradient-boosted decision trees with one output per objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.data.progress import Share, part_of
from shortlist.errors import NotFittedError, ProjectError, suggestion
from shortlist.rank.base import Ranker
from shortlist.rank.calibration import Calibration
from shortlist.rank.gbdt.model import TreeEnsemble
from shortlist.rank.heads import deviance
from shortlist.rank.targets import (
    Head,
    check_labels,
    heads_in_order,
    make_target,
)
from shortlist.threads import openmp_threads

if TYPE_CHECKING:
    from shortlist.rank.gbdt.head_boosts import HeadBoosts, HeadExamples
    from shortlist.rank.gbdt.tree_job import Grow
    from shortlist.rank.training_set import TrainingSet

JOINT_SHARE = 0.97
"""heads = "auto" keeps the joint model if it explains at least this share of what separate models explain."""
COMPARED, MIN_COMPARED = 3, 30
"""The two are compared after one in so many of the trees, and not before so many."""
COMPARED_ROWS = 50_000
"""They are compared on a sample of requests of about so many training and validation rows."""
CLEAR = 0.02
"""Nearer to `JOINT_SHARE` than this, both are trained to the end and compared again."""


class GBDTRanker(Ranker):
    """Gradient-boosted decision trees (XGBoost) with a calibrated output per objective.

    Each objective has its own loss (`losses.py`). Heads are

    - `separate`: one model per objective. Categories are split natively, and each model stops by itself.
    - `joint`: one model whose leaves hold a value per objective. It takes a third of the time to score. Such trees cannot split sets
      of categories, so each code is replaced by the mean outcome of its category.
    - `auto`: keeps the joint model if, on the validation slice, it explains at least 97 % of what separate models explain, for
      every objective with a weight. Neither is better everywhere (benchmarks/RESULTS.md). Both are trained up to a third of the
      trees; if it is not clear by then, to the end. On large data they are compared on a sample of the requests.

    With an objective of loss `listwise`, heads are separate: the trees of such a loss compare candidates of a request.

    With `rank.inputs = "sources"`, the heads of objectives with a weight read only the ranks and scores of the sources: such trees are a
    fusion of the sources with calibrated predictions.

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
        With `auto`: heads → objective → share of the validation loss that they explained when they were compared.

    Raises
    ------
    ProjectError
        If the project has `[rank.options]`, which other rankers read.

    References
    ----------
    Friedman (2001). Greedy function approximation: a gradient boosting machine. Annals of Statistics.

    Chen & Guestrin (2016). XGBoost: a scalable tree boosting system. KDD.
    """

    def __init__(self, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0) -> None:
        super().__init__(settings, objectives, seed)
        for name in settings.options:
            hint = suggestion(name, RankSettings.model_fields)
            raise ProjectError(
                f"rank.options.{name}: gbdt has no options; its settings stand in [rank] itself{hint}",
                field=f"rank.options.{name}",
            )
        self._ensemble: TreeEnsemble | None = None
        self._grow: Grow | None = None
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

    @property
    def choice(self) -> str:
        """The choice of `rank.inputs = "auto"`, and by how much it was better; empty where it was not asked for."""
        return self.ensemble_.choice

    def with_choice(self, choice: str) -> Self:
        """Return this ranker with words that say how it was chosen."""
        return self._with(replace(self.ensemble_, choice=choice))

    def grown_by(self, grow: Grow | None) -> Self:
        """Return a ranker of these settings, not fitted, whose trees grow elsewhere (None: in this process), such as on a cluster.

        Samples of the examples, by which the ranker chooses between heads and estimates chances, are learnt in this process.
        """
        twin = type(self)(self.settings, self.objectives, self.seed)
        twin._grow = grow  # noqa: SLF001 - its own instance
        return twin

    def _with(self, ensemble: TreeEnsemble) -> Self:
        """Return this ranker with other trees."""
        twin = self.grown_by(self._grow)
        twin.explained_ = self.explained_
        twin._ensemble = ensemble  # noqa: SLF001 - its own instance
        return twin

    def _elsewhere(self, examples: HeadExamples) -> HeadExamples:
        """Return examples whose trees grow where those of the ranker do."""
        return examples if self._grow is None else replace(examples, grow=self._grow)

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
        made = HeadExamples.of(heads, examples, validation, self.settings, self.seed, threads)
        prepared = self._elsewhere(made)
        of_sources = self._of_sources(examples, before)
        # the losses of joint trees are of rows
        listwise = any(head.loss_name == "listwise" for head in heads)
        kind = "separate" if len(heads) == 1 or listwise or of_sources else self.settings.heads
        self.explained_ = {}
        if kind == "auto":
            self._ensemble = self._better(prepared, before, report)
        else:
            boosts = HeadBoosts(kind == "joint", prepared, before, of_sources)
            self._ensemble = boosts.boost(boosts.trees, report)
        report(1.0)  # a comparison that went to the end leaves nothing to boost
        return self

    @override
    def refitted(
        self,
        examples: TrainingSet,
        validation: TrainingSet,
        progress: Callable[[float], None] | None = None,
        earlier: Ranker | None = None,
    ) -> Self:
        """Return the same trees, as many of them, grown on both; see `Ranker.refitted`.

        The calibration stays: it was fitted to predictions of rows that the trees had not seen, and predictions of rows that they have
        seen would make it too sure.
        """
        from shortlist.rank.gbdt.head_boosts import HeadBoosts, HeadExamples

        fitted = self.ensemble_
        before = earlier.ensemble_ if isinstance(earlier, GBDTRanker) else None
        again = HeadExamples.again(fitted, examples, validation, self.settings, self.seed, openmp_threads())
        boosts = HeadBoosts(fitted.joint, self._elsewhere(again), before, fitted.of_sources, fitted)
        ensemble = boosts.boost(boosts.trees, progress or (lambda _share: None))
        return self._with(replace(ensemble, choice=fitted.choice))

    def _of_sources(self, examples: TrainingSet, before: TreeEnsemble | None) -> frozenset[str]:
        """Return the objectives whose trees read only the sources; with `auto`, those of the earlier ensemble."""
        if before is not None and self.settings.inputs == "auto":
            return before.of_sources
        if self.settings.inputs != "sources" or not examples.sources:
            return frozenset()
        return frozenset(name for name, objective in self.objectives.items() if objective.weight)

    def _better(self, examples: HeadExamples, before: TreeEnsemble | None, report: Share) -> TreeEnsemble:
        """Boost joint and separate trees until it is clear which to keep, and return the kept ones, boosted to the end."""
        from shortlist.rank.gbdt.head_boosts import HeadBoosts

        both = {kind: HeadBoosts(kind == "joint", examples, before) for kind in ("separate", "joint")}
        trees = self.settings.trees
        if any(boosts.continues for boosts in both.values()):
            # an earlier model is ahead of one that begins: they can be compared only at the end
            made, heads = self._compared(both, trees, examples.validation, report)
            return made[heads]
        sample = examples.sample(COMPARED_ROWS)
        if sample is not examples:
            both = {kind: HeadBoosts(kind == "joint", sample) for kind in both}
        done = min(max(trees // COMPARED, MIN_COMPARED), trees)
        made, heads = self._compared(both, done, sample.validation, part_of(report, 0, 3))
        if done < trees and abs(self._share_of_joint() - JOINT_SHARE) < CLEAR:
            done = trees
            made, heads = self._compared(both, done, sample.validation, part_of(report, 1, 3))
        if sample is not examples:
            return HeadBoosts(heads == "joint", examples).boost(trees, part_of(report, 2, 3))
        return made[heads] if done == trees else both[heads].boost(trees, part_of(report, 2, 3))

    def _compared(
        self, both: Mapping[str, HeadBoosts], trees: int, validation: TrainingSet, report: Share
    ) -> tuple[dict[str, TreeEnsemble], str]:
        """Boost both kinds of heads up to so many trees; return them, and which is to be kept."""
        made = {}
        for number, (kind, boosts) in enumerate(both.items()):
            made[kind] = boosts.boost(min(trees, boosts.trees), part_of(report, number, len(both)))
            self.explained_[kind] = self._explained(made[kind], validation)
        return made, "joint" if self._share_of_joint() >= JOINT_SHARE else "separate"

    def _share_of_joint(self) -> float:
        """Return what joint trees explain of what separate ones do: of the objective with a weight for which it is least."""
        separate, joint = self.explained_["separate"], self.explained_["joint"]
        return min(
            (joint[n] / separate[n] for n, o in self.objectives.items() if o.weight and separate[n] > 0),
            default=1.0,
        )

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
                float(np.average(deviance(head.kind, label, p), weights=weight)) for p in (predicted, mean)
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

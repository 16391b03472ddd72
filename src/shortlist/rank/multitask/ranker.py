"""The multi-task ranker: crosses of features and a mixture of experts, with a calibrated output per objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.config.validate import validate_settings
from shortlist.errors import DataError, import_extra, require_fitted
from shortlist.rank.base import Ranker
from shortlist.rank.calibration import Calibration
from shortlist.rank.multitask.model import MultitaskModel
from shortlist.rank.multitask.settings import MultitaskConfig
from shortlist.rank.targets import check_labels, heads_in_order, known_labels, unit_of
from shortlist.threads import openmp_threads

if TYPE_CHECKING:
    from shortlist.rank.training_set import TrainingSet


class MultitaskRanker(Ranker):
    """A network that predicts all objectives at once: crosses of features (DCN-v2) and a mixture of experts (MMoE).

    Each feature becomes a vector: a number is interpolated between the vectors of its quantiles, a category has a vector for
    each of its values, a missing value has its own. Cross layers multiply features with each other; experts read the
    result, and each objective mixes them by a gate of its own. Losses, weights of examples and calibration are those of
    `gbdt`, and so are the chains of objectives.

    Use it where categories have many values or objectives are many and related, and after a comparison: on most feature
    matrices of this library, which hold counts and rates, trees are as good or better and train faster (benchmarks/RESULTS.md).

    Training needs the extra `deep` (PyTorch); early stopping and calibration use the validation slice only. A fitted
    ranker needs no PyTorch: it predicts with NumPy. Cost of a row: O(crosses · d · rank + experts · hidden · d), where d
    is features · embedding.

    Parameters
    ----------
    settings
        The project's `[rank]`; `[rank.options]` holds `MultitaskConfig`.
    objectives
        Name → objective.
    seed
        Added to the seed of the options.

    Attributes
    ----------
    config : MultitaskConfig
        The settings of the network.
    model_ : MultitaskModel
        The fitted network.
    feature_names_ : list of str
        Columns of the features.
    calibration_ : mapping of str to Calibration
        Objective → calibration.

    Raises
    ------
    ProjectError
        Where there is no such option, or a value is out of range.

    References
    ----------
    Wang et al. 2021, "DCN V2: improved deep & cross network and practical lessons for web-scale learning to rank systems".
    Ma et al. 2018, "Modeling task relationships in multi-task learning with multi-gate mixture-of-experts".
    """

    def __init__(self, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0) -> None:
        super().__init__(settings, objectives, seed)
        self.config = validate_settings(MultitaskConfig, settings.options, lambda _: "", "rank.options")
        self._model: MultitaskModel | None = None

    @property
    def model_(self) -> MultitaskModel:
        """The fitted network."""
        return require_fitted(self._model, type(self).__name__)

    @property
    @override
    def feature_names_(self) -> list[str]:
        return self.model_.feature_names

    @property
    @override
    def calibration_(self) -> Mapping[str, Calibration]:
        return self.model_.calibration

    @override
    def fit(
        self,
        examples: TrainingSet,
        validation: TrainingSet,
        progress: Callable[[float], None] | None = None,
        earlier: Ranker | None = None,
    ) -> Self:
        """Learn from examples. Training begins anew: `earlier` is not read.

        Raises
        ------
        DataError
            If the examples are too few, none fulfils an objective, or amounts are negative.
        MissingExtraError
            If PyTorch is not installed.
        """
        del earlier
        if len(examples) < self.config.min_rows:
            raise DataError(
                f"multitask: {len(examples):,} examples are too few to learn from; below {self.config.min_rows:,} `gbdt` will serve "
                f"you better. To train all the same, lower rank.options.min_rows",
                field="rank.options.min_rows",
            )
        heads = heads_in_order(self.objectives)
        for head in heads:
            check_labels(head, examples)
        import_extra("torch", "deep")
        from shortlist.deep.loop import TrainingLoop
        from shortlist.rank.gbdt.head_boosts import HeadExamples
        from shortlist.rank.heads import calibrations
        from shortlist.rank.multitask.inputs import FeatureKnots
        from shortlist.rank.multitask.train import HeadRows, Objectives

        config = self.config.model_copy(update={"seed": self.config.seed + self.seed})
        prepared = HeadExamples.of(heads, examples, validation, self.settings, self.seed, openmp_threads())
        units = {head.name: unit_of(head, known_labels(examples.labels[head.name])) for head in heads}
        targets = prepared.targets(units)
        training, held = (
            HeadRows.of(part.matrix, part.request, of_part)
            for part, of_part in zip((examples, validation), targets, strict=True)
        )
        knots = FeatureKnots.of(examples.matrix, examples.types, config.knots)
        task = Objectives(config, heads, knots, training, held)
        steps = _Epochs(progress or (lambda _share: None), config.epochs)
        state, curves = TrainingLoop(task, config, steps).run()
        flat = task.shape.joined(state, "network.")
        none: dict[str, Calibration] = {}
        model = MultitaskModel(tuple(heads), task.shape, knots, flat, units, examples.names, none, curves)
        raw, method = model.raw(validation.matrix), self.settings.calibration
        found = calibrations(heads, targets[1], units, raw, validation.shown, method)
        self._model = replace(model, calibration=found)
        return self

    @override
    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.model_.predict(features, list(self.objectives))

    @override
    def save(self, folder: Path) -> None:
        self.model_.save(folder)

    @override
    @classmethod
    def load(
        cls, folder: Path, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0
    ) -> Self:
        ranker = cls(settings, objectives, seed)
        ranker._model = MultitaskModel.load(folder, tuple(heads_in_order(objectives)))
        return ranker


class _Epochs:
    """Turns the steps of the training loop into the share that is done."""

    def __init__(self, report: Callable[[float], None], epochs: int) -> None:
        self.report, self.epochs, self.done = report, epochs, 0

    def __call__(self, step: str, fraction: float) -> None:
        if step.startswith("epoch "):
            self.done = int(step.split()[1]) - 1
            self.report(min((self.done + fraction) / self.epochs, 1.0))

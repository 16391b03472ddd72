"""Boosting of all objectives in one way, with joint or with separate trees, in one go or in two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rank import RankSettings
from shortlist.data.progress import Share, part_of
from shortlist.rank.calibration import Calibration
from shortlist.rank.gbdt.boosting_data import BinnedFeatures, BoostingData
from shortlist.rank.gbdt.first_pass import Chances, LearningRows, first_pass
from shortlist.rank.gbdt.model import Codebooks, TreeEnsemble, TreeModel, encode_categories
from shortlist.rank.gbdt.train import Boosted, Boosting
from shortlist.rank.gbdt.tree_job import Grow, grow_here
from shortlist.rank.heads import calibrations
from shortlist.rank.targets import Head, Target, known_labels, make_target, unit_of
from shortlist.rank.training_set import TrainingSet

SOURCE_TREES, SOURCE_DEPTH = 100, 2
"""Trees that read only sources, and their depth: they bring the scores of the sources to one scale, and little else."""
SMOOTHING = 20.0
"""Rows of the overall mean that are added to each category's mean."""


@dataclass(frozen=True, eq=False, repr=False)
class HeadExamples:
    """The training data of both ways of boosting.

    Parameters
    ----------
    heads
        The objectives, each after the one that it requires.
    training, validation
        The examples.
    features
        Their features, with categories as codes.
    chances
        What the first pass has estimated.
    settings, seed, threads
        Of the ranker.
    grow
        Where trees grow that are fitted to all of the examples (default: in this process).
    """

    heads: tuple[Head, ...]
    training: TrainingSet
    validation: TrainingSet
    features: tuple[BinnedFeatures, BinnedFeatures]
    chances: Chances
    settings: RankSettings
    seed: int
    threads: int
    grow: Grow = grow_here

    @classmethod
    def of(
        cls,
        heads: Sequence[Head],
        training: TrainingSet,
        validation: TrainingSet,
        settings: RankSettings,
        seed: int,
        threads: int,
    ) -> HeadExamples:
        """Make the features, and the first pass where outcomes were not observed."""
        sets = (training, validation)
        features = (
            BinnedFeatures(training.matrix, training.types),
            BinnedFeatures(validation.matrix, training.types),
        )
        weights = settings.position_bias == "weights"
        parts = [
            LearningRows(
                own,
                part.request,
                {h.name: make_target(h, part, 1.0, weights) for h in heads if h.kind == "probability"},
            )
            for own, part in zip(features, sets, strict=True)
        ]
        chances = first_pass(heads, (parts[0], parts[1]), settings, seed, threads)
        return cls(tuple(heads), training, validation, features, chances, settings, seed, threads)

    @classmethod
    def again(
        cls,
        fitted: TreeEnsemble,
        training: TrainingSet,
        validation: TrainingSet,
        settings: RankSettings,
        seed: int,
        threads: int,
    ) -> HeadExamples:
        """Make training and validation examples together the rows from which a fitted ensemble is fitted again, without validation rows.

        The ensemble estimates the chances of outcomes that were not observed.
        """
        joined, none = training.joined(validation), validation.some(np.empty(0, np.int64))
        features = tuple(BinnedFeatures(part.matrix, part.types) for part in (joined, none))
        weights = settings.position_bias == "weights"
        estimated = [
            h.name
            for h in fitted.heads
            if h.kind == "probability"
            and h.loss_name != "listwise"
            and make_target(h, joined, 1.0, weights).censored
        ]
        raw = fitted.raw(joined.matrix) if estimated else {}
        chances = {name: (raw[name].astype(np.float32), np.empty(0, np.float32)) for name in estimated}
        return cls(fitted.heads, joined, none, (features[0], features[1]), chances, settings, seed, threads)

    @property
    def sets(self) -> tuple[TrainingSet, TrainingSet]:
        """Training and validation examples."""
        return self.training, self.validation

    def sample(self, most: int) -> HeadExamples:
        """Return about so many training and validation rows, of whole requests; all rows where there are less than twice as many."""
        if len(self.training) < 2 * most:
            return self
        rng = np.random.default_rng(self.seed)
        rows = [_of_some_requests(part.request, most, rng) for part in self.sets]
        training, validation = (part.some(own) for part, own in zip(self.sets, rows, strict=True))
        of_training, of_validation = (part.rows(own) for part, own in zip(self.features, rows, strict=True))
        chances = {
            name: tuple(chance[own] for chance, own in zip(sides, rows, strict=True))
            for name, sides in self.chances.items()
        }
        return replace(
            self,
            training=training,
            validation=validation,
            features=(of_training, of_validation),
            chances=chances,
            grow=grow_here,
        )

    def targets(self, units: Mapping[str, float]) -> tuple[list[Target], list[Target]]:
        """Return the targets of training and of validation, one a head."""
        weights = self.settings.position_bias == "weights"
        training, validation = (
            [
                replace(
                    make_target(head, part, units[head.name], weights),
                    chance=self.chances[head.name][side] if head.name in self.chances else None,
                )
                for head in self.heads
            ]
            for side, part in enumerate(self.sets)
        )
        return training, validation


def _of_some_requests(request: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows of requests drawn at random, about so many in all; all where there are not more."""
    if len(request) <= most:
        return np.arange(len(request))
    owner = np.unique(request, return_inverse=True)[1]
    drawn = rng.random(owner.max() + 1) < most / len(request)
    return np.flatnonzero(drawn[owner])


class HeadBoosts:
    """Boosts all objectives with joint or with separate trees. It can be stopped after some trees, and goes on from there.

    Parameters
    ----------
    joint
        Whether one model has all objectives.
    examples
        What to learn from.
    before
        An earlier ensemble, whose trees are kept and added to; None, or one of other heads or features: from the start.
    of_sources
        Objectives whose trees read only the ranks and scores of the sources; their heads are separate.
    like
        A fitted ensemble of other rows: units, the numbers of trees and the calibration are those of it (default: found anew).
    """

    def __init__(
        self,
        joint: bool,
        examples: HeadExamples,
        before: TreeEnsemble | None = None,
        of_sources: frozenset[str] = frozenset(),
        like: TreeEnsemble | None = None,
    ) -> None:
        self._joint, self._examples, self._like = joint, examples, like
        heads, training = examples.heads, examples.training
        if before is not None and not _continues(before, heads, joint, training, of_sources):
            before = None
        known = before or like
        units = (
            known.units
            if known
            else {h.name: unit_of(h, known_labels(training.labels[h.name])) for h in heads}
        )
        self._targets = examples.targets(units)
        codebooks: Codebooks = {}
        if joint:
            codebooks = before.codebooks if before else _codebooks(training, self._targets[0][0])
        self._features = examples.features if not codebooks else self._encoded(codebooks)
        self._ensemble = TreeEnsemble(
            heads,
            (),
            joint,
            units,
            training.names,
            training.types,
            codebooks,
            dict[str, Calibration](),
            of_sources,
        )
        size = len(heads)
        self._groups = [list(range(size))] if joint else [[at] for at in range(size)]
        self._begun: list[Boosted | None] = [None] * len(self._groups)
        if before is not None:
            self._begun = [Boosted(model.load_booster(), dict(model.starts)) for model in before.models]
        self._added = 0
        self.continues = before is not None
        """Whether trees are added to an earlier ensemble."""
        self.trees = examples.settings.trees if before is None else max(examples.settings.trees // 3, 1)
        """Trees that are added in all, for each model."""

    def boost(self, trees: int, report: Share) -> TreeEnsemble:
        """Boost until so many trees have been added to each model that early stopping has not ended; return what there is.

        Parameters
        ----------
        trees
            At most `self.trees`.
        report
            Called with the share of these trees that is done.
        """
        ensemble, examples = self._ensemble, self._examples
        for number, group in enumerate(self._groups):
            heads = [examples.heads[at] for at in group]
            begun = self._begun[number]
            if begun is None or not begun.ended:
                data = [self._data(side, group, heads, ensemble) for side in range(len(examples.sets))]
                settings, most = examples.settings, self._most(number, trees)
                if heads[0].name in ensemble.of_sources:
                    depth, most = min(settings.depth, SOURCE_DEPTH), min(most, SOURCE_TREES)
                    settings = settings.model_copy(update={"depth": depth})
                boosting = Boosting(heads, settings, examples.seed, examples.threads, *data)
                own = part_of(report, number, len(self._groups))
                begun = boosting.boost(most - self._added, begun, own, examples.grow)
                self._begun[number] = begun
            ensemble = replace(ensemble, models=(*ensemble.models, TreeModel.of(begun.booster, begun.starts)))
            report((number + 1) / len(self._groups))
        self._added = trees
        return replace(ensemble, calibration=self._calibration(ensemble))

    def _most(self, number: int, trees: int) -> int:
        """Return how many trees are added to a model: at most so many, or as many as in the ensemble that is fitted again."""
        if self._like is None:
            return trees
        begun = self._begun[number]
        kept = begun.booster.num_boosted_rounds() if begun else 0
        return self._like.models[number].load_booster().num_boosted_rounds() - kept

    def _encoded(self, codebooks: Codebooks) -> tuple[BinnedFeatures, BinnedFeatures]:
        training, validation = (
            BinnedFeatures(encode_categories(part.matrix, codebooks), ["q"] * len(part.types))
            for part in self._examples.sets
        )
        return training, validation

    def _data(self, side: int, group: list[int], heads: list[Head], ensemble: TreeEnsemble) -> BoostingData:
        """Make one side's data; a model of one objective gets its parent's predictions from the models before it."""
        part = self._examples.sets[side]
        given = heads[0].given if len(heads) == 1 else None
        parent = None if given is None else ensemble.raw(part.matrix)[given].astype(np.float32)
        targets = [self._targets[side][at] for at in group]
        features = self._features[side]
        if heads[0].name in ensemble.of_sources:
            features = features.of_sources(len(part.sources))
        return BoostingData(features, part.request, targets, parent)

    def _calibration(self, ensemble: TreeEnsemble) -> dict[str, Calibration]:
        if self._like is not None:
            return dict(self._like.calibration)
        examples = self._examples
        raw = ensemble.raw(examples.validation.matrix)
        shown, method = examples.validation.shown, examples.settings.calibration
        return calibrations(ensemble.heads, self._targets[1], ensemble.units, raw, shown, method)


def _continues(
    before: TreeEnsemble,
    heads: tuple[Head, ...],
    joint: bool,
    examples: TrainingSet,
    of_sources: frozenset[str],
) -> bool:
    """Return whether boosting can add trees to an earlier ensemble."""
    return (
        before.heads == heads
        and before.joint == joint
        and before.of_sources == of_sources
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

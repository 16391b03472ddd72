"""The ranker: boosted trees with a head per objective, each calibrated on the validation slice.

XGBoost (Chen & Guestrin 2016) on the losses of `losses.py`. Heads are **separate** (a model each: categories are split
natively, each stops when it is done) or **joint** (one model whose leaves hold a value per objective: a third of the
time to score; categories are put in the order of their outcomes first, since such trees cannot split sets). **auto** trains
both and keeps the joint one where, on the validation slice, it explains at least `EQUAL` of what separate heads explain of
every objective that has a weight. Neither is better everywhere: benchmarks/RESULTS.md. Early stopping and calibration look only at the validation slice.
Scoring is by `forest.py`, which says what the boosters say; one request's rows stay on one thread, since requests run side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shortlist.config.project import Project
from shortlist.errors import BundleError
from shortlist.rank.calibration import Calibration, fit_calibration
from shortlist.rank.gbdt.infer import Forest
from shortlist.rank.gbdt.losses import LOSSES
from shortlist.rank.gbdt.targets import Target, loss_name, make_target, unit_of
from shortlist.rank.training_set import TrainingSet

if TYPE_CHECKING:
    import xgboost as xgb

EQUAL = 0.97


class GBDTRanker:
    """`fit(examples, validation)`; `predict(matrix)` → float32 (rows, objectives), calibrated."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.settings = project.rank
        self.kinds = {name: objective.kind for name, objective in project.objectives.items()}
        self.losses = {name: loss_name(objective) for name, objective in project.objectives.items()}
        self.given = {name: objective.given for name, objective in project.objectives.items()}
        self.order = sorted(self.kinds, key=lambda name: len(self._before(name)))
        """What a chain needs first comes first."""
        self._models: list[xgb.Booster] | None = []
        self._saved: list[bytes] = []
        """Loaded models as they are on disk: requests need their forests only, and XGBoost takes a second and 100 MB to come in."""
        self._forests: list[tuple[xgb.Booster | None, Forest | None]] = []
        self.starts: dict[str, float] = {}
        self.units: dict[str, float] = {}
        self.calibration: dict[str, Calibration] = {}
        self.columns: list[str] = []
        self.types: list[str] = []
        self.heads = self.settings.heads if len(self.kinds) > 1 else "separate"
        """What it is made of; with auto, only known after the fit."""
        self.explained: dict[str, dict[str, float]] = {}
        """With auto: heads → objective → share of the validation loss that they explain."""
        self.codebooks: dict[int, np.ndarray] = {}
        """Joint heads: for each category column, what each code becomes, float32."""

    @property
    def models(self) -> list[xgb.Booster]:
        """One, or one an objective in `order`."""
        if self._models is None:
            import xgboost as xgb

            self._models = [xgb.Booster({"nthread": 1}, model_file=bytearray(saved)) for saved in self._saved]
        return self._models

    @property
    def joint(self) -> bool:
        return self.heads == "joint"

    def _before(self, name: str) -> list[str]:
        chain: list[str] = []
        at = self.given[name]
        while at is not None:
            chain.append(at)
            at = self.given[at]
        return chain

    def fit(
        self,
        examples: TrainingSet,
        validation: TrainingSet,
        progress: Callable[[float], None] | None = None,
        earlier: GBDTRanker | None = None,
    ) -> Self:
        """Learn from examples; stop and calibrate on the validation. earlier: a ranker of the same features and objectives,
        whose trees are kept and added to.
        """
        from shortlist.rank.gbdt.train import Boosting

        if self.heads == "auto":
            return self._choose(examples, validation, progress, earlier)
        self.columns, self.types = examples.names, examples.types
        if earlier is not None and not self._continues(earlier):
            earlier = None
        for name, objective in self.project.objectives.items():
            label = examples.labels[name]
            self.units[name] = earlier.units[name] if earlier else unit_of(objective, label[~np.isnan(label)])
        sides = [
            {n: make_target(self.project, part, n, self.units[n], part is examples) for n in self.order}
            for part in (examples, validation)
        ]
        if self.joint:
            self.codebooks = (
                earlier.codebooks if earlier else self._codebooks(examples, sides[0][self.order[0]])
            )
        groups = [self.order] if self.joint else [[name] for name in self.order]
        self._models = []
        for number, names in enumerate(groups):
            start = earlier.models[number] if earlier else None
            fit = Boosting(self, names, examples, validation, *sides)
            model = fit.boost(start, earlier.starts if earlier else None)
            if any(sides[0][n].hidden for n in names) and self.losses[names[0]] != "listwise":
                # once more, now that each row's own chance of a positive can be told
                model = fit.boost(start, earlier.starts if earlier else None, model)
            model.set_param({"nthread": 1})
            self.models.append(model)
            if progress:
                progress((number + 1) / len(groups))
        self._calibrate(validation, sides[1])
        return self

    def _choose(
        self,
        examples: TrainingSet,
        validation: TrainingSet,
        progress: Callable[[float], None] | None,
        earlier: GBDTRanker | None,
    ) -> Self:
        """Both kinds of heads, and of them the joint one where it is as good."""
        made = {}
        for number, heads in enumerate(("separate", "joint")):
            rank = self.settings.model_copy(update={"heads": heads})
            one = type(self)(self.project.model_copy(update={"rank": rank}))
            base = earlier if earlier is not None and earlier.heads == heads else None
            made[heads] = one.fit(examples, validation, None, base)
            self.explained[heads] = one.explains(validation)
            if progress:
                progress((number + 1) / 2)
        weighted = [name for name, o in self.project.objectives.items() if o.weight]
        apart, joint = self.explained["separate"], self.explained["joint"]
        equal = all(joint[n] >= EQUAL * apart[n] for n in weighted if apart[n] > 0)
        chosen = made["joint" if equal else "separate"]
        for name in ("heads", "columns", "types", "_models", "starts", "units", "calibration", "codebooks"):
            setattr(self, name, getattr(chosen, name))
        return self

    def explains(self, validation: TrainingSet) -> dict[str, float]:
        """Objective → the share of the loss of a constant prediction that the calibrated ones save, 0 to 1."""
        predictions = self.predict(validation.matrix).astype(np.float64)
        answer = {}
        for column, (name, kind) in enumerate(self.kinds.items()):
            target = make_target(self.project, validation, name, 1.0, False)
            known = target.weight > 0
            label, p, weight = target.label[known], predictions[known, column], target.weighted()[known]
            if not len(label):
                answer[name] = 0.0
                continue
            mean = np.full(len(label), np.average(label, weights=weight))
            losses = [float(np.average(_deviance(kind, label, at), weights=weight)) for at in (p, mean)]
            answer[name] = 1.0 - losses[0] / losses[1] if losses[1] > 0 else 0.0
        return answer

    def _continues(self, earlier: GBDTRanker) -> bool:
        return (
            earlier.columns == self.columns
            and earlier.types == self.types
            and earlier.losses == self.losses
            and earlier.joint == self.joint
            and earlier.order == self.order
        )

    def _codebooks(self, examples: TrainingSet, target: Target) -> dict[int, np.ndarray]:
        """Codes in the order of their mean label (drawn to the mean by 20 rows), so that a threshold splits a set."""
        books = {}
        mean = float(np.average(target.label, weights=np.maximum(target.weight, 1e-12)))
        for column in np.flatnonzero(np.array(self.types) == "c").tolist():
            codes = examples.matrix[:, column]
            known = ~np.isnan(codes)
            size = int(codes[known].max()) + 1 if known.any() else 1
            at = codes[known].astype(int)
            total = np.bincount(at, (target.weight * target.label)[known], size)
            weight = np.bincount(at, target.weight[known], size)
            books[column] = ((total + 20 * mean) / (weight + 20)).astype(np.float32)
        return books

    def encoded(self, matrix: np.ndarray) -> np.ndarray:
        """The matrix as the model takes it: for joint heads with categories replaced."""
        if not self.codebooks:
            return matrix
        matrix = matrix.copy()
        for column, book in self.codebooks.items():
            codes = matrix[:, column]
            known = ~np.isnan(codes) & (codes < len(book))
            matrix[:, column] = np.where(known, book[np.where(known, codes, 0).astype(np.int64)], np.nan)
        return matrix

    def _calibrate(self, validation: TrainingSet, targets: dict[str, Target]) -> None:
        raw = self._raw(validation.matrix)
        for name, kind in self.kinds.items():
            known = targets[name].weight > 0
            weight = targets[name].weighted(raw[name] if kind == "probability" else None)
            if self.losses[name] == "listwise":  # its margins order and have no unit
                weight = targets[name].weighted()
            self.calibration[name] = fit_calibration(
                kind,
                raw[name][known],
                (targets[name].label * self.units[name])[known],
                weight[known],
                self.settings.calibration,
            )

    def _margins(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        if not len(matrix):
            return {name: np.empty(0, np.float32) for name in self.order}
        if self.joint:
            margins = self._scored(0, self.encoded(matrix))
            return {name: margins[:, at] + self.starts[name] for at, name in enumerate(self.order)}
        made = len(self._saved if self._models is None else self._models)  # those fitted so far
        return {
            name: self._scored(number, matrix)[:, 0] + self.starts[name]
            for number, name in enumerate(self.order[:made])
        }

    def _scored(self, number: int, matrix: np.ndarray) -> np.ndarray:
        """Margins of one model, float32 (rows, targets): by its forest, which is laid out when it is first asked."""
        forest = self._forest(number)
        if forest is not None:
            return forest.margins(matrix)
        model = self.models[number]
        return np.asarray(model.inplace_predict(matrix, predict_type="margin")).reshape(len(matrix), -1)

    def _forest(self, number: int) -> Forest | None:
        if self._models is not None:
            model = self._models[number]
            if len(self._forests) != len(self._models) or self._forests[number][0] is not model:
                self._forests = [(m, Forest.of(m)) for m in self._models]
        return self._forests[number][1]

    def _raw(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        """Predictions before calibration, in units of the labels."""
        values: dict[str, np.ndarray] = {}
        for name, margin in self._margins(matrix).items():
            given = self.given[name]
            first = values[given] if given is not None else np.ones(1, np.float32)
            values[name] = LOSSES[self.losses[name]].value(margin, first) * self.units[name]
        return values

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Matrix float32 (rows, features) → float32 (rows, objectives), in the order of the project's objectives."""
        answer = np.empty((len(matrix), len(self.kinds)), np.float32)
        raw = self._raw(matrix)
        for column, name in enumerate(self.kinds):
            answer[:, column] = self.calibration[name](raw[name])
        for column, name in enumerate(self.kinds):
            given = self.given[name]
            if given is not None:  # a purchase is not likelier than the click it needs
                answer[:, column] = np.minimum(answer[:, column], answer[:, list(self.kinds).index(given)])
        return answer

    def importance(self, objective: str) -> dict[str, float]:
        """Share of the loss reduction that each feature brought, largest first; joint heads share one."""
        model = self.models[0 if self.joint else self.order.index(objective)]
        gains: Any = model.get_score(importance_type="total_gain")
        total = sum(float(g) for g in gains.values()) or 1.0
        named = {self.columns[int(key[1:])]: float(gain) / total for key, gain in gains.items()}
        return dict(sorted(named.items(), key=lambda pair: -pair[1]))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, model in enumerate(self.models):
            (folder / f"head-{number}.json").write_bytes(bytes(model.save_raw("json")))
        meta = {
            "heads": self.heads,
            "models": len(self.models),
            "forests": [self._forest(number) is not None for number in range(len(self.models))],
            "starts": self.starts,
            "units": self.units,
            "calibration": {name: c.to_json() for name, c in self.calibration.items()},
            "columns": self.columns,
            "types": self.types,
            "codebooks": {column: book.tolist() for column, book in self.codebooks.items()},
        }
        (folder / "ranker.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, project: Project) -> Self:
        ranker = cls(project)
        meta = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        ranker.heads = meta["heads"]
        ranker.columns, ranker.types = meta["columns"], meta["types"]
        ranker.starts, ranker.units = meta["starts"], meta["units"]
        ranker.codebooks = {int(c): np.array(book, np.float32) for c, book in meta["codebooks"].items()}
        ranker.calibration = {name: Calibration(**values) for name, values in meta["calibration"].items()}
        ranker._models = None
        ranker._saved = [(folder / f"head-{number}.json").read_bytes() for number in range(meta["models"])]
        ranker._forests = [
            (None, Forest.read(saved) if fits else None)
            for saved, fits in zip(ranker._saved, meta["forests"], strict=True)
        ]
        ranker._check()
        return ranker

    def _check(self) -> None:
        """That what was loaded is of these objectives and columns: kernels go where they are told."""
        targets = len(self.order) if self.joint else 1
        if len(self._saved) != (1 if self.joint else len(self.order)):
            raise BundleError("the ranker has another number of models than its objectives need")
        for _, forest in self._forests:
            if forest is not None and (forest.features != len(self.columns) or len(forest.base) != targets):
                raise BundleError("the ranker's trees are of other columns or objectives than it says")


def _deviance(kind: str, label: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """How far each prediction is from what happened: 0 at the truth."""
    if kind == "grade":
        return np.asarray((label - predicted) ** 2)
    if kind == "amount":  # of compound Poisson with power 1.5
        p = np.maximum(predicted, 1e-9)
        return np.asarray(
            2 * (label * (p**-0.5 - np.maximum(label, 1e-9) ** -0.5) * 2 + 2 * (p**0.5 - label**0.5))
        )
    p, y = np.clip(predicted, 1e-7, 1 - 1e-7), label > 0
    return -np.where(y, np.log(p), np.log(1 - p))

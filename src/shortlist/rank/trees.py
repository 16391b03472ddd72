"""The ranker: boosted trees, one head per objective, each calibrated on the validation slice.

XGBoost (Chen & Guestrin 2016): logistic loss for probabilities, Tweedie for amounts (many zeros, a long tail), squares
for grades. Early stopping and calibration look only at the validation slice. Scoring runs on one thread: for some
hundred rows a second thread costs more than it brings, and requests run beside each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import xgboost as xgb

from shortlist.errors import DataError
from shortlist.project import Project
from shortlist.rank.calibrate import calibrated, fit_calibration
from shortlist.rank.examples import Examples

LOSSES = {"probability": "binary:logistic", "amount": "reg:tweedie", "grade": "reg:squarederror"}


class TreeRanker:
    """`fit(examples, validation)`; `predict(matrix)` → float32 (rows, objectives), calibrated."""

    def __init__(self, project: Project) -> None:
        self.settings = project.rank
        self.seed = project.seed
        self.kinds = {name: objective.kind for name, objective in project.objectives.items()}
        self.heads: dict[str, xgb.Booster] = {}
        self.calibration: dict[str, tuple[float, float]] = {}
        self.columns: list[str] = []

    def fit(
        self, examples: Examples, validation: Examples, progress: Callable[[float], None] | None = None
    ) -> Self:
        self.columns = examples.names
        for number, (name, kind) in enumerate(self.kinds.items()):
            train, known = self._data(examples, name)
            if not known.any() or (kind != "grade" and examples.labels[name].max() <= 0):
                raise DataError(
                    f"objectives.{name}: no example in the ranker's window fulfils it; widen evaluate.ranker_window",
                    f"objectives.{name}",
                )
            held, held_known = self._data(validation, name)
            rounds = self.settings.trees
            watch: list[tuple[xgb.DMatrix, str]] = [(held, "validation")] if held_known.sum() >= 20 else []
            parameters = {
                "objective": LOSSES[kind],
                "max_depth": self.settings.depth,
                "eta": self.settings.learning_rate,
                "min_child_weight": self.settings.min_child_weight if kind != "grade" else 20.0,
                "subsample": 0.8,
                "colsample_bytree": 0.7,
                "lambda": 5.0,
                "tree_method": "hist",
                "max_cat_to_onehot": 8,
                "seed": self.seed,
                "verbosity": 0,
            }
            self.heads[name] = xgb.train(
                parameters,
                train,
                rounds,
                evals=watch,
                early_stopping_rounds=20 if watch else None,
                verbose_eval=False,
            )
            if watch:
                self.heads[name] = self.heads[name][: self.heads[name].best_iteration + 1]
            self.heads[name].set_param({"nthread": 1})
            margin = self._margin(name, validation.matrix[held_known])
            self.calibration[name] = fit_calibration(
                kind, margin, validation.labels[name][held_known], validation.weights[held_known]
            )
            if progress:
                progress((number + 1) / len(self.kinds))
        return self

    def _data(self, examples: Examples, name: str) -> tuple[xgb.DMatrix, np.ndarray]:
        known = ~np.isnan(examples.labels[name])
        data = xgb.DMatrix(
            examples.matrix[known],
            examples.labels[name][known],
            weight=examples.weights[known],
            feature_types=examples.types,
            enable_categorical=True,
        )
        return data, known

    def _margin(self, name: str, matrix: np.ndarray) -> np.ndarray:
        # logits for probabilities (what Platt's line is drawn through), plain predictions for the others
        if not len(matrix):
            return np.empty(0, np.float32)
        return self.heads[name].inplace_predict(
            matrix, predict_type="margin" if self.kinds[name] == "probability" else "value"
        )

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """matrix float32 (rows, features) → float32 (rows, objectives), in the order of the project's objectives."""
        answer = np.empty((len(matrix), len(self.kinds)), np.float32)
        for column, (name, kind) in enumerate(self.kinds.items()):
            answer[:, column] = calibrated(kind, self._margin(name, matrix), *self.calibration[name])
        return answer

    def importance(self, objective: str) -> dict[str, float]:
        """Share of the loss reduction that each feature brought, largest first."""
        gains: Any = self.heads[objective].get_score(importance_type="total_gain")
        total = sum(float(g) for g in gains.values()) or 1.0
        named = {self.columns[int(key[1:])]: float(gain) / total for key, gain in gains.items()}
        return dict(sorted(named.items(), key=lambda pair: -pair[1]))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, head in enumerate(self.heads.values()):
            head.save_model(folder / f"head-{number}.ubj")
        meta = {"objectives": list(self.kinds), "calibration": self.calibration, "columns": self.columns}
        (folder / "ranker.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, project: Project) -> Self:
        ranker = cls(project)
        meta = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        ranker.columns = meta["columns"]
        for number, name in enumerate(meta["objectives"]):
            ranker.heads[name] = xgb.Booster({"nthread": 1}, model_file=folder / f"head-{number}.ubj")
            ranker.calibration[name] = tuple(meta["calibration"][name])
        return ranker

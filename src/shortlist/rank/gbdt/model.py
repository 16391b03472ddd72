"""Fitted trees: immutable, and safe to use from several threads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.errors import BundleError
from shortlist.rank.calibration import Calibration
from shortlist.rank.gbdt.infer import Forest
from shortlist.rank.heads import calibrated, values_of
from shortlist.rank.targets import Head

if TYPE_CHECKING:
    import xgboost as xgb

Codebooks = Mapping[int, NDArray[np.float32]]
"""Category column → value that replaces each code."""


def encode_categories(features: NDArray[np.float32], codebooks: Codebooks) -> NDArray[np.float32]:
    """Return the features with category codes replaced by a codebook's values; NaN for unknown codes."""
    if not codebooks:
        return features
    features = features.copy()
    for column, book in codebooks.items():
        _replace_codes(features, column, book)
    return features


@numba.njit(cache=True, nogil=True)
def _replace_codes(features: NDArray[np.float32], column: int, book: NDArray[np.float32]) -> None:
    """Write the values of a codebook over the codes of a column."""
    for row in range(len(features)):
        code = features[row, column]
        features[row, column] = book[np.int64(code)] if code < len(book) else np.float32(np.nan)


@dataclass(frozen=True, eq=False)
class TreeModel:
    """One boosted model.

    Parameters
    ----------
    starts
        Objective → start margin, in the order of the model's outputs.
    saved
        The model as XGBoost's JSON.
    forest
        The trees for inference; None if they cannot be represented exactly.
    booster
        XGBoost's model. A loaded model with a forest has none: importing XGBoost takes a second and 100 MB.
    """

    starts: Mapping[str, float]
    saved: bytes
    forest: Forest | None
    booster: xgb.Booster | None = None

    @classmethod
    def of(cls, booster: xgb.Booster, starts: Mapping[str, float]) -> Self:
        """Make it from a trained booster."""
        booster.set_param({"nthread": 1})
        return cls(dict(starts), bytes(booster.save_raw("json")), Forest.of(booster), booster)

    @classmethod
    def read(cls, saved: bytes, starts: Mapping[str, float], exact: bool) -> Self:
        """Make it from saved bytes. exact: whether its forest predicts the same as the booster."""
        model = cls(dict(starts), saved, Forest.read(saved) if exact else None)
        return model if exact else cls(model.starts, saved, None, model.load_booster())

    def load_booster(self) -> xgb.Booster:
        """Return XGBoost's model."""
        if self.booster is not None:
            return self.booster
        import xgboost as xgb

        return xgb.Booster({"nthread": 1}, model_file=bytearray(self.saved))

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margins without the starts, float32 (rows, outputs)."""
        if self.forest is not None:
            return self.forest.margins(features)
        predicted = self.load_booster().inplace_predict(features, predict_type="margin")
        return np.asarray(predicted).reshape(len(features), -1)

    def __repr__(self) -> str:
        trees = "?" if self.forest is None else len(self.forest.roots)
        return f"TreeModel({', '.join(self.starts)}: {trees} trees)"


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """All models of a ranker, with the units, calibration and encoding of their objectives.

    Parameters
    ----------
    heads
        The objectives, each after the one that it requires.
    models
        One for all objectives (joint), or one per head, in the order of `heads`.
    joint
        Whether one model has all objectives.
    units
        Objective → unit of its labels.
    feature_names, feature_types
        The columns; type `"q"` is a number, `"c"` a category.
    codebooks
        Joint models: value that replaces each category code.
    calibration
        Objective → calibration of its predictions.
    of_sources
        Objectives whose trees read only the ranks and scores of the sources.
    choice
        How that was chosen, in words; empty where it was not chosen on the log.
    """

    heads: tuple[Head, ...]
    models: tuple[TreeModel, ...]
    joint: bool
    units: Mapping[str, float]
    feature_names: list[str]
    feature_types: list[str]
    codebooks: Codebooks
    calibration: Mapping[str, Calibration]
    of_sources: frozenset[str] = frozenset()
    choice: str = ""

    def __repr__(self) -> str:
        kind = "joint" if self.joint else "separate"
        return f"TreeEnsemble({kind}, {len(self.models)} models, {len(self.feature_names)} features)"

    def raw(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
        """Return predictions before calibration, in units of the labels; only of objectives that have a model."""
        return values_of(self.heads, self._margins(features), self.units)

    def _margins(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
        if not len(features):
            return {name: np.empty(0, np.float32) for model in self.models for name in model.starts}
        encoded = encode_categories(features, self.codebooks)
        found: dict[str, NDArray[np.floating]] = {}
        for model in self.models:
            margins = model.margins(encoded)
            for at, (name, start) in enumerate(model.starts.items()):
                found[name] = margins[:, at] + start
        return found

    def predict(self, features: NDArray[np.float32], objectives: list[str]) -> NDArray[np.float32]:
        """Return calibrated predictions, float32 (rows, objectives)."""
        return calibrated(self.heads, self.raw(features), self.calibration, objectives)

    def save(self, folder: Path) -> None:
        """Write the models and `ranker.json` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, model in enumerate(self.models):
            (folder / f"head-{number}.json").write_bytes(model.saved)
        meta = {
            "heads": "joint" if self.joint else "separate",
            "models": len(self.models),
            "forests": [model.forest is not None for model in self.models],
            "starts": {name: start for model in self.models for name, start in model.starts.items()},
            "units": dict(self.units),
            "calibration": {name: c.to_json() for name, c in self.calibration.items()},
            "columns": self.feature_names,
            "types": self.feature_types,
            "codebooks": {column: book.tolist() for column, book in self.codebooks.items()},
            "of_sources": sorted(self.of_sources),
            "choice": self.choice,
        }
        (folder / "ranker.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, heads: tuple[Head, ...]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        BundleError
            If the models are not of these objectives and columns: kernels index arrays without a check.
        """
        meta = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        joint = meta["heads"] == "joint"
        names = [head.name for head in heads]
        groups = [names] if joint else [[name] for name in names]
        if meta["models"] != len(groups):
            raise BundleError("the ranker has another number of models than its objectives need")
        models = tuple(
            TreeModel.read(
                (folder / f"head-{number}.json").read_bytes(),
                {name: float(meta["starts"][name]) for name in group},
                bool(meta["forests"][number]),
            )
            for number, group in enumerate(groups)
        )
        for model in models:
            forest = model.forest
            if forest is not None and (
                forest.features != len(meta["columns"]) or len(forest.base) != len(model.starts)
            ):
                raise BundleError(
                    "the ranker's trees have other columns or objectives than ranker.json states"
                )
        return cls(
            heads,
            models,
            joint,
            meta["units"],
            meta["columns"],
            meta["types"],
            {int(column): np.array(book, np.float32) for column, book in meta["codebooks"].items()},
            {name: Calibration(**values) for name, values in meta["calibration"].items()},
            frozenset(meta.get("of_sources", ())),
            meta.get("choice", ""),
        )

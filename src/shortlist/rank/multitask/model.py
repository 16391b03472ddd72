"""The fitted multi-task network: immutable, and safe to use from several threads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.data.mapped import load_arrays, save_arrays
from shortlist.errors import BundleError
from shortlist.rank.calibration import Calibration
from shortlist.rank.heads import calibrated, values_of
from shortlist.rank.multitask.infer import margins
from shortlist.rank.multitask.inputs import FeatureKnots
from shortlist.rank.multitask.shape import MultitaskShape
from shortlist.rank.targets import Head


@dataclass(frozen=True, eq=False)
class MultitaskModel:
    """The network of a ranker, with the units and calibration of its objectives.

    Parameters
    ----------
    heads
        The objectives, each after the one that it requires.
    shape
        The shape of the network.
    knots
        The rows of the table of each feature.
    flat
        float32: the weights of the network, one after the other.
    units
        Objective → unit of its labels.
    feature_names
        The columns.
    calibration
        Objective → calibration of its predictions.
    curves
        For each epoch the training loss and the validation losses.
    """

    heads: tuple[Head, ...]
    shape: MultitaskShape
    knots: FeatureKnots
    flat: NDArray[np.float32]
    units: Mapping[str, float]
    feature_names: list[str]
    calibration: Mapping[str, Calibration]
    curves: list[dict[str, float]]

    def __repr__(self) -> str:
        return f"MultitaskModel({len(self.heads)} objectives, {self.shape.size:,} weights, {len(self.feature_names)} features)"

    def raw(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
        """Return predictions before calibration, in units of the labels."""
        found = margins(self.shape.split(self.flat), self.shape, self.knots, features)
        return values_of(self.heads, {h.name: found[:, at] for at, h in enumerate(self.heads)}, self.units)

    def predict(self, features: NDArray[np.float32], objectives: list[str]) -> NDArray[np.float32]:
        """Return calibrated predictions, float32 (rows, objectives)."""
        return calibrated(self.heads, self.raw(features), self.calibration, objectives)

    def save(self, folder: Path) -> None:
        """Write arrays and `ranker.json` into a folder."""
        knots = self.knots
        arrays: dict[str, NDArray[Any]] = {"begin": knots.begin, "category": knots.category}
        save_arrays(folder / "arrays", {**arrays, "knots": knots.knots, "network": self.flat})
        meta = {
            "shape": asdict(self.shape),
            "objectives": [head.name for head in self.heads],
            "units": dict(self.units),
            "calibration": {name: c.to_json() for name, c in self.calibration.items()},
            "columns": self.feature_names,
            "curves": self.curves,
        }
        (folder / "ranker.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, heads: tuple[Head, ...]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        BundleError
            If it is damaged, or of other objectives and columns: kernels index arrays without a check.
        """
        try:
            meta = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
            arrays = load_arrays(folder / "arrays")
            shape = MultitaskShape(**meta["shape"])
            knots = FeatureKnots(arrays["begin"], arrays["category"], arrays["knots"])
            flat = arrays["network"]
            model = cls(
                heads,
                shape,
                knots,
                flat,
                {head.name: float(meta["units"][head.name]) for head in heads},
                [str(name) for name in meta["columns"]],
                {head.name: Calibration(**meta["calibration"][head.name]) for head in heads},
                meta["curves"],
            )
            fits = (
                meta["objectives"] == [head.name for head in heads]
                and len(heads) == shape.objectives
                and len(knots) == shape.features == len(model.feature_names)
                and knots.begin[-1] == shape.rows
                and flat.dtype == np.float32
                and flat.shape == (shape.size,)
            )
            knots.check()
        except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            raise BundleError(f"{folder}: the multitask ranker cannot be read: {error}") from None
        if not fits:
            raise BundleError(
                f"{folder}: the multitask ranker is of other objectives or columns than its files state"
            )
        if not np.isfinite(flat.sum()):
            raise BundleError(f"{folder}: the network holds values that are no numbers")
        return model

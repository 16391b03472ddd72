"""How far features are from training, and the missing columns that explain it.

If a column is missing, all features that read it change at once. They are one finding, which names the column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.model import Model
from shortlist.cascade.run import ScoredBatch
from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import (
    Attribute,
    CodedAttribute,
    EmbeddingAttribute,
    NumberAttribute,
    TimeAttribute,
)
from shortlist.data.no_time import NO_TIME

USUAL = 0.05
"""A column that had values for a smaller share in training cannot be missing."""
HALF = 0.5
"""A column is missing if the share of values has fallen below this part of that in training."""
NO_DRIFT = frozenset({"moment", "position", "given", "within_list"})
"""Kinds of features that differ from training by design: the rows of a measurement have one moment and one position, and are no
given list."""
_COLUMN = re.compile(r"\b((?:item|user|context)\.\w+)")


@dataclass(frozen=True)
class MissingColumn:
    """A column that had values in training and has few now.

    `column` is written as features name it (`context.device`), `known` and `known_now` are shares, `features` are the columns of
    the matrix that depend on it.
    """

    column: str
    known: float
    known_now: float
    features: tuple[str, ...]

    def __str__(self) -> str:
        side, _, name = self.column.partition(".")
        where = {"context": "requests", "user": "users", "item": "items"}[side]
        count = len(self.features)
        return (
            f"{name} is missing: {self.known_now:.0%} of the {where} have it now, {self.known:.0%} had it in training; "
            f"{count} feature{'s depend' if count != 1 else ' depends'} on it"
        )


@dataclass(frozen=True, repr=False)
class Drift(ShortRepr):
    """Missing columns, and the stability index of each feature that does not depend on one; measured on so many users."""

    missing: tuple[MissingColumn, ...]
    features: Mapping[str, float]
    users: int


def measure_drift(
    model: Model, batches: Sequence[ScoredBatch], earlier: Sequence[NDArray[np.float32]] = (), users: int = 0
) -> Drift:
    """Compare candidates with the examples of the ranker's training.

    Parameters
    ----------
    model
        The model.
    batches
        The candidates; columns are missing if these lack them.
    earlier, users
        Matrices of earlier measurements, which make the index steadier, and the number of their users.
    """
    names = model.ranker.feature_names_
    matrix = np.concatenate([*earlier, *(batch.matrix for batch in batches)])
    missing = missing_columns(model, batches)
    explained = {name for column in missing for name in column.features}
    explained |= {
        c for f in model.features.features if f.kind in NO_DRIFT for c in _columns_of(model, f.name)
    }
    found = model.profile.drift(matrix, names)
    users += sum(len(batch.requests) for batch in batches)
    return Drift(tuple(missing), {n: index for n, index in found.items() if n not in explained}, users)


def missing_columns(model: Model, batches: Sequence[ScoredBatch]) -> list[MissingColumn]:
    """Return the columns that had values in training and have few in some requests and their candidates."""
    data = model.dataset
    readers = _readers(model)
    found = []
    for column in readers:
        side, _, name = column.partition(".")
        then = {"context": data.log.context, "user": data.users.attributes, "item": data.items.attributes}[
            side
        ].get(name)
        if then is None:
            continue
        rows = data.log.user if side == "user" else None
        known = _share(_known(then if rows is None else then.take(np.unique(rows))))
        known_now = _share(np.concatenate([_now(batch, side, name) for batch in batches]))
        if known >= USUAL and known_now < HALF * known:
            found.append(MissingColumn(column, known, known_now, tuple(readers[column])))
    return found


def _now(batch: ScoredBatch, side: str, name: str) -> NDArray[np.bool_]:
    """Which requests, users or candidates of a batch have a value."""
    if side == "item":
        return _known(batch.catalogue.items.attributes[name].take(batch.rows.item))
    of_requests = batch.encoded.context if side == "context" else batch.encoded.requests.attributes
    if name not in of_requests:
        return np.zeros(len(batch.requests), bool)
    return _known(of_requests[name])


def _readers(model: Model) -> dict[str, list[str]]:
    """Column → the columns of the matrix that depend on it, through other features, too."""
    reads: dict[str, set[str]] = {}
    readers: dict[str, list[str]] = {}
    for feature in model.features.features:
        inputs = feature.inputs_of()
        texts = [value for value in dict(feature).values() if isinstance(value, str)]
        columns = set(_COLUMN.findall(" ".join([*texts, *inputs])))
        columns |= {column for name in inputs for column in reads.get(name, ())}
        reads[feature.name] = columns
        for column in sorted(columns):
            readers.setdefault(column, []).extend(_columns_of(model, feature.name))
    return readers


def _columns_of(model: Model, feature: str) -> list[str]:
    begin, end = model.features.layout.columns[feature]
    return model.features.layout.column_names[begin:end]


def _known(attribute: Attribute) -> NDArray[np.bool_]:
    """Mask of the rows that have a value."""
    if isinstance(attribute, NumberAttribute):
        return ~np.isnan(attribute.values)
    if isinstance(attribute, TimeAttribute):
        return np.asarray(attribute.times != NO_TIME)
    if isinstance(attribute, EmbeddingAttribute):
        return np.asarray(~np.isnan(attribute.values).any(axis=1))
    if isinstance(attribute, CodedAttribute):
        return np.asarray(np.diff(attribute.ragged()[0]) > 0)
    return np.array([attribute.show(row) is not None for row in range(len(attribute))], bool)


def _share(known: NDArray[Any]) -> float:
    return float(known.mean()) if len(known) else 0.0

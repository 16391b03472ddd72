"""Parts of models that several trials have in common, and the fits that use them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.item_item import MatrixItemItem
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.spectral import Spectral, SpectralConfig, Spectrum, usual_components

P = TypeVar("P")


class _Part(NamedTuple):
    """A part, the settings that it depends on, its width, and the seconds that it took."""

    key: tuple[Any, ...]
    width: int
    value: Any
    seconds: float


class SharedParts:
    """The eigenvectors of `Spectral` and the supports of `SLIM` of the latest settings that they depend on.

    A wider part serves narrower models. One part of each kind is kept, because they are large.
    """

    def __init__(self) -> None:
        self._parts: dict[type[Retriever], _Part] = {}

    def __repr__(self) -> str:
        return f"SharedParts({', '.join(kind.name for kind in self._parts)})"

    def fit(self, model: Retriever, X: sp.csr_matrix, dataset: Dataset) -> float:
        """Fit a model on the matrix of weights of a data set, or on the data set itself where it needs more.

        Returns
        -------
        float
            Seconds that the fit takes when nothing is shared.
        """
        shared = 0.0
        began = time.perf_counter()
        if isinstance(model, Spectral):
            matrix, width = model.damped(X), model.config.components or usual_components(X.shape[1])
            spectrum, shared = self._part(model, _of_spectrum(model), width, lambda: model.spectrum(matrix))
            support, more = self._support(model.slim(), matrix) if model.config.residual else (None, 0.0)
            shared += more
            model.fit_matrix(matrix, spectrum, support)
        elif isinstance(model, SLIM) and X.shape[1] > model.config.exact_items:
            matrix = model.damped(X)
            support, shared = self._support(model, matrix)
            model.fit_matrix(matrix, support)
        elif isinstance(model, MatrixItemItem):
            model.fit_matrix(model.damped(X))
        elif isinstance(model, ALS):
            model.fit_matrix(X)
        else:
            model.fit(dataset)
        return time.perf_counter() - began + shared

    def with_residual(self, known: Spectral, config: SpectralConfig, X: sp.csr_matrix) -> Spectral | None:
        """Return a fitted filter with the regressions of other settings; None where its own settings have to be others, too."""
        if not config.residual or not known.differs_in_residual(config):
            return None
        matrix = known.damped(X)
        return known.with_residual(config, matrix, self._support(Spectral(config).slim(), matrix)[0])

    def vectors(self, model: Spectral) -> NDArray[np.float32] | None:
        """Return the eigenvectors that a model with these settings had, float32 (items, k); None where there are none."""
        known = self._parts.get(Spectral)
        if known is None or known.key != _of_spectrum(model):
            return None
        spectrum: Spectrum = known.value
        return spectrum[1]

    def _support(self, model: SLIM, matrix: sp.csr_matrix) -> tuple[NDArray[np.int32], float]:
        """Return the supports of regressions, and the seconds that were saved because they were there."""
        s = model.config
        width = max(s.support, SLIM.Config().support)  # a wide one takes hardly longer than a narrow one
        wide = SLIM(s.model_copy(update={"support": width}))
        return self._part(model, (s.spread, s.power, s.repeats), width, lambda: wide.support(matrix))

    def _part(
        self, model: Retriever, key: tuple[Any, ...], width: int, compute: Callable[[], P]
    ) -> tuple[P, float]:
        """Return a part of at least a width, and the seconds that were saved because it was there."""
        kind = type(model)
        known = self._parts.get(kind)
        if known is not None and known.key == key and known.width >= width:
            return known.value, known.seconds
        self._parts.pop(kind, None)  # before the next one is computed: they are large
        began = time.perf_counter()
        value = compute()
        self._parts[kind] = _Part(key, width, value, time.perf_counter() - began)
        return value, 0.0


def _of_spectrum(model: Spectral) -> tuple[Any, ...]:
    """Return the settings that the eigenvectors depend on, except their number."""
    c = model.config
    return c.spread, c.power, c.repeats, c.seed

"""Spectral: the low frequencies of the item graph, as a filter on a history."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from shortlist.retrieve.item_item import ItemItemConfig, MatrixItemItem
from shortlist.retrieve.kernels.cooccurrence import csr_arrays, sparse_rows
from shortlist.retrieve.kernels.factorise import leading
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.quantized import QuantizedFactors
from shortlist.retrieve.kernels.select import empty_lists
from shortlist.retrieve.kernels.spectral_prune import prune_rows
from shortlist.retrieve.residual import FactoredWeights, with_regressions
from shortlist.retrieve.slim import SLIM, scaled

SCALE_HISTORIES = 500
"""Number of histories on which the scales of the two parts of the filter are measured."""

Spectrum = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Singular values (k,) and eigenvectors (items, k)."""


class SpectralConfig(ItemItemConfig):
    """Settings of `Spectral`."""

    components: int | None = Field(None, ge=1, le=4096)
    """Number of eigenvectors that the ideal low-pass keeps, from 1 to 4096. None: items / 40, from 32 to 1,024."""
    flatten: float = Field(0.3, ge=0, le=4)
    """Exponent on the singular values that pass, from 0 to 4: 0 passes all alike, 2 smooths like one step on the graph."""
    flatten_by_popularity: float = Field(-0.2, ge=-1, le=1)
    """What is added to `flatten` for each standard deviation of the logarithm of an item's popularity, from -1 to 1. Below 0, the scores
    of rare items are smoother: their higher frequencies come from few users."""
    direct: float = Field(1.5, ge=0)
    """Weight of the one-step neighbours, 0 or more, in units of the typical score of the low-pass."""
    spread: float = Field(0.3, ge=0, le=1)
    """Exponent by which users with long histories count less, from 0 to 1."""
    power: float = Field(0.4, ge=0, le=1)
    """Exponent by which popular items of a history count less, from 0 to 1."""
    lift: float = Field(0.4, ge=0, le=1)
    """Exponent by which the scores of popular items are scaled up again, from 0 to 1."""
    nearby: int = Field(512, ge=1)
    """Number of co-occurring items of each item whose weight is computed exactly, 1 or more."""
    k: int = Field(256, ge=1)
    """Number of those weights that are kept, 1 or more."""
    broad: int = Field(32, ge=0, le=256)
    """Number of components that are kept as factors, for every pair of items; from 0 to 256."""
    exact_items: int = Field(10_000, ge=0)
    """The largest catalogue whose weights are computed with components in float32; beyond, with components of a byte each, which
    takes half the time and changes weights by a few thousandths."""
    residual: float = Field(0.0, ge=0)
    """Weight of the filter beside regressions that learn what it leaves unexplained, 0 or more, in units of its least-squares scale; 0:
    there are no regressions."""
    regularisation: float = Field(8.0, gt=0)
    """λ of these regressions, above 0, as that of `slim`."""
    support: int = Field(128, ge=1, le=4096)
    """Number of items that each of them may use, from 1 to 4096."""
    seed: int = 0
    """Seed of the random vectors that the decomposition starts from."""


class Spectral(MatrixItemItem):
    """Graph signal filter: keep the low frequencies of a history on the graph of items.

    Items are joined by the users who took both, R = D_u^−spread X D_i^−power and C = RᵀR. A history is a signal on that
    graph; its slow part is taste, its fast part is noise. The filter keeps the leading `components` eigenvectors V of C
    (an ideal low-pass), each with its singular value raised to `flatten`, and adds `direct` times the one-step
    neighbours (a linear low-pass):

        W = D_i^−power · V diag(s^flatten) Vᵀ · D_i^lift  +  direct · (neighbours)

    GF-CF is power 0.5, spread 0.5, flatten 0. A `flatten` below 1 raises the higher of the kept frequencies, which is what the
    sharpening steps of BSPM do one after the other; in the spectrum it costs nothing. With `flatten_by_popularity`, each recommended item
    has a `flatten` of its own: what is known of rare items is slow, and of popular items also what is fast.

    With `residual`, regressions over the `support` nearest items of each item learn what the filter leaves unexplained
    (`with_regressions`): the filter knows every item and no pair exactly, regressions know pairs.

    W would be dense. The model keeps the leading `broad` components, which every pair needs, and for each item the `k`
    largest of the remainder among the items that share a user with it. On Gowalla, nothing is lost against the dense
    filter.

    Do not use it on catalogues of fewer than a hundred items.

    Cost: O(events · components) for the eigenvectors and O(items · (nearby + components)) for W, on all cores; memory
    2 · items · components to fit, items · (k + broad) after.

    Parameters
    ----------
    config : SpectralConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        The sparse remainder, float32 (items, items).
    broad_in_, broad_out_
        float32 (items, broad): the leading components.

    References
    ----------
    Shen et al. 2021, "How powerful is graph convolution for recommendation?" (GF-CF).
    Choi et al. 2023, "Blurring-sharpening process models for collaborative filtering" (BSPM).

    Examples
    --------
    >>> Spectral(components=256)
    Spectral(components=256)
    """

    Config = SpectralConfig
    config: SpectralConfig
    name = "spectral"
    arrays: ClassVar = {"weights_": "weights", "broad_in_": "broad", "broad_out_": "broad_out"}
    _start: NDArray[np.float32] | None = None

    def start_from(self, vectors: NDArray[np.float32]) -> Self:
        """Start the decomposition of the next fit from vectors (items, k), such as the eigenvectors of nearly the same data."""
        self._start = vectors
        return self

    def fit_matrix(
        self, X: sp.csr_matrix, spectrum: Spectrum | None = None, support: NDArray[np.int32] | None = None
    ) -> Self:
        """Learn from a (users, items) matrix of weights, and from its spectrum and the supports of `slim()` where they are known."""
        self._fit_matrix(X, spectrum, support)
        return self._finish(X.shape[1])

    def slim(self) -> SLIM:
        """Return the regressions that learn the residual, not fitted."""
        config = self.config
        return SLIM(regularisation=config.regularisation, support=config.support, repeats=config.repeats)

    def _fit_matrix(
        self, X: sp.csr_matrix, spectrum: Spectrum | None = None, support: NDArray[np.int32] | None = None
    ) -> None:
        s, V = self.spectrum(X) if spectrum is None else spectrum
        if self.config.components:
            s, V = s[: self.config.components], V[:, : self.config.components]
        left, right = self._low_pass(X, s, V)
        near, scales = self._one_step(X, left, right)
        t = min(self.config.broad, left.shape[1])
        self.broad_in_, self.broad_out_ = (
            np.ascontiguousarray(left[:, :t]),
            np.ascontiguousarray(right[:, :t]),
        )
        n = X.shape[1]
        rest = np.ascontiguousarray(left[:, t:]), *self._compressed(np.ascontiguousarray(right[:, t:]))
        items, values = empty_lists(n, self.config.k)
        T, X_near = csr_arrays(near.T.tocsr()), csr_arrays(near)
        order = np.argsort(np.abs(V).argmax(1), kind="stable")  # items of one taste after the other
        run_rows(n, prune_rows, T, X_near, rest, scales, order, self.config.nearby, items, values)
        self.weights_ = sparse_rows(items, values, n)
        self._learn_residual(X, support)

    def _learn_residual(self, X: sp.csr_matrix, support: NDArray[np.int32] | None) -> None:
        if self.config.residual:
            filtered = FactoredWeights(self.weights_, self.broad_in_, self.broad_out_)
            learned = with_regressions(filtered, X, self.slim(), self.config.residual, support)
            self.weights_, self.broad_in_, self.broad_out_ = learned

    def differs_in_residual(self, config: SpectralConfig) -> bool:
        """Return whether this fitted filter only lacks the regressions of other settings."""
        of_regressions = {name: getattr(config, name) for name in ("residual", "regularisation", "support")}
        return not self.config.residual and self.config.model_copy(update=of_regressions) == config

    def with_residual(
        self, config: SpectralConfig, X: sp.csr_matrix, support: NDArray[np.int32] | None = None
    ) -> Self:
        """Return this fitted filter with the regressions of settings that `differs_in_residual` accepts."""
        twin = self._shared()
        twin.config = config
        twin._learn_residual(X, support)  # noqa: SLF001 - its own class
        return twin._finish(X.shape[1])  # noqa: SLF001

    def spectrum(self, X: sp.csr_matrix) -> Spectrum:
        """Return the singular values and eigenvectors that the settings require."""
        components = self.config.components or usual_components(X.shape[1])
        R, _ = scaled(X, self.config.spread, self.config.power)
        start, self._start = self._start, None
        return leading(R, components, seed=self.config.seed, start=start)

    def _compressed(self, right: NDArray[np.float32]) -> tuple[NDArray[np.generic], NDArray[np.float32]]:
        """Return factors and the step of each row, 1 unless they are whole numbers; reading them takes most of the fit."""
        if len(right) <= self.config.exact_items:
            return right, np.ones(len(right), np.float32)
        compressed = QuantizedFactors.of(right)
        return compressed.codes, compressed.steps

    def _low_pass(
        self, X: sp.csr_matrix, s: NDArray[np.float32], V: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the two factors of the ideal low-pass, float32 (items, components) each."""
        config = self.config
        counts = np.maximum(np.asarray(X.sum(0), np.float64).ravel(), 1.0)
        left = (V * (counts**-config.power)[:, None]).astype(np.float32)
        right = V * s**config.flatten * (counts**config.lift)[:, None]
        if config.flatten_by_popularity:
            right *= _tilts(s, config.flatten_by_popularity * _standardised(np.log(counts)))
        return left, right.astype(np.float32)

    def _one_step(
        self, X: sp.csr_matrix, left: NDArray[np.float32], right: NDArray[np.float32]
    ) -> tuple[sp.csr_matrix, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Return the matrix of the one-step neighbours, and its scale by asking and by recommended item.

        The two parts of the filter have no common unit; both are measured on some histories.
        """
        near, _ = scaled(X, 0.375, 0.0)
        counts = np.maximum(np.asarray(X.sum(0), np.float64).ravel(), 1.0)
        own, others = (counts**-0.75).astype(np.float32), (counts**-0.25).astype(np.float32)
        some = X[:: max(1, X.shape[0] // SCALE_HISTORIES)]
        smooth = np.sqrt(np.mean(((some @ left) @ right.T) ** 2, dtype=np.float64))
        one_step = (near @ sp.diags_array(others)).tocsr()
        step = ((some @ sp.diags_array(own)) @ near.T @ one_step).tocsr()
        typical = np.sqrt((step.data.astype(np.float64) ** 2).sum() / max(step.shape[0] * step.shape[1], 1))
        own *= np.float32(self.config.direct * smooth / max(typical, 1e-12))
        return near, (own, others)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values as standard deviations from their mean, at most three."""
    deviation = values - values.mean()
    return np.asarray(np.clip(deviation / max(float(deviation.std()), 1e-9), -3, 3))


def _tilts(s: NDArray[np.float32], exponents: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (s / g)^e of singular values s (k,) and exponents (items,), as float32 (items, k).

    g is the geometric mean: without it, an exponent would also change the size of an item's scores, which `lift` is for. Values below a
    thousandth of the largest, which are rounding, count as that.
    """
    logs = np.log(np.maximum(s, max(float(s.max(initial=0.0)) / 1000, 1e-12)))
    return np.asarray(np.exp(np.outer(exponents, logs - logs.mean()).astype(np.float32)))


def usual_components(n_items: int) -> int:
    """Return the number of components for a catalogue, where the settings name none."""
    return int(np.clip(n_items // 40, 32, 1024))

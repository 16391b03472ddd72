"""Spectral: the item graph's low frequencies, as a filter on a history.

Items are joined by the people who took both, R = D_u^−spread X D_i^−power and C = RᵀR. A history is a signal on that
graph; what varies slowly over it is taste, what varies fast is noise. The filter keeps the leading `components`
eigenvectors V of C (an ideal low-pass), each with its singular value raised to `flatten`, and adds `direct` times the
one-step neighbours (a linear low-pass):

    W = D_i^−power · V diag(s^flatten) Vᵀ · D_i^lift  +  direct · (neighbours)

GF-CF is power 0.5, spread 0.5, flatten 0 (Shen et al. 2021, "How powerful is graph convolution for recommendation?").
A `flatten` below 1 lifts the higher of the kept frequencies, which is what BSPM's sharpening steps do one after the other
(Choi et al. 2023, "Blurring-sharpening process models for collaborative filtering"); done in the spectrum it costs nothing.

W would be dense. It is kept as the leading `broad` components, which every pair needs, plus for each item the `k` strongest
of the remainder among the items that share a person with it. (Measured on Gowalla: nothing lost against the dense
filter; one history costs a fraction of a millisecond.)

Time: O(events · components) for the eigenvectors and O(items · (nearby + components) · …) for W, on all cores. Memory:
2 · items · components while fitting, items · (k + broad) after. Not for a handful of items.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numba
import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.data.dataset import Dataset
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig
from shortlist.retrieve.kernels.cooccurrence import as_matrix, parts_of, walk
from shortlist.retrieve.kernels.factorise import leading
from shortlist.retrieve.kernels.select import in_parts, no_candidates, offer, ranked
from shortlist.retrieve.slim import scaled

PEOPLE = 500
"""How many histories measure how strong the two parts of the filter are against each other."""


class SpectralConfig(ItemItemConfig):
    components: int | None = Field(None, ge=1, le=4096)
    """Where the ideal low-pass cuts. Without one, a fortieth of the catalogue, from 32 to 1,024."""
    flatten: float = Field(0.3, ge=0, le=4)
    """Exponent on the singular values of what passes: 0 passes all alike, 2 smooths like one step on the graph."""
    direct: float = Field(1.5, ge=0)
    """Weight of the one-step neighbours, in units of the low-pass's own typical score."""
    spread: float = Field(0.3, ge=0, le=1)
    power: float = Field(0.4, ge=0, le=1)
    lift: float = Field(0.4, ge=0, le=1)
    """Exponents of history size, of item popularity going in, and coming out."""
    nearby: int = Field(512, ge=1)
    """How many co-occurring items of each item are weighed exactly."""
    k: int = Field(256, ge=1)
    """How many of those are kept."""
    broad: int = Field(32, ge=0, le=256)
    """How many components are kept as factors, for every pair."""
    seed: int = 0


class Spectral(ItemItem):
    Config = SpectralConfig
    name = "spectral"
    arrays: ClassVar[tuple[str, ...]] = ("weights", "broad", "broad_out")

    def fit(self, dataset: Dataset) -> Self:
        return self.fit_matrix(self.taken(dataset))

    def fit_matrix(self, X: sp.csr_matrix, spectrum: tuple[np.ndarray, np.ndarray] | None = None) -> Self:
        """From a (users, items) matrix of weights; `spectrum` where the eigenvectors of these settings are known."""
        into, out_of, near, T, scales = self._parts(X, spectrum)
        t = min(self.config.broad, into.shape[1])
        self.broad, self.broad_out = np.ascontiguousarray(into[:, :t]), np.ascontiguousarray(out_of[:, :t])
        n = X.shape[1]
        items, values = no_candidates(n, self.config.k)
        rest = np.ascontiguousarray(into[:, t:]), np.ascontiguousarray(out_of[:, t:])
        in_parts(
            n,
            _prune_rows,
            _prune_parallel,
            parts_of(T),
            parts_of(near),
            *rest,
            *scales,
            self.config.nearby,
            items,
            values,
        )
        self.weights = as_matrix(items, values, n)
        return self

    def spectrum(self, X: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        """The singular values and eigenvectors that these settings ask for."""
        components = self.config.components or usual_components(X.shape[1])
        R, _ = scaled(X, self.config.spread, self.config.power)
        return leading(R, components, seed=self.config.seed)

    def _parts(self, X: sp.csr_matrix, spectrum: tuple[np.ndarray, np.ndarray] | None):  # type: ignore[no-untyped-def]
        config = self.config
        s, V = spectrum if spectrum is not None else self.spectrum(X)
        if config.components:
            s, V = s[: config.components], V[:, : config.components]
        counts = np.maximum(np.asarray(X.sum(0), np.float64).ravel(), 1.0)
        into = (V * (counts**-config.power)[:, None]).astype(np.float32)
        out_of = (V * s**config.flatten * (counts**config.lift)[:, None]).astype(np.float32)
        near, _ = scaled(X, 0.375, 0.0)
        own, others = (counts**-0.75).astype(np.float32), (counts**-0.25).astype(np.float32)
        # the two parts have no common unit: measure both on some histories
        some = X[:: max(1, X.shape[0] // PEOPLE)]
        smooth = np.sqrt(np.mean(((some @ into) @ out_of.T) ** 2, dtype=np.float64))
        one_step = (near @ sp.diags_array(others)).tocsr()
        step = ((some @ sp.diags_array(own)) @ near.T @ one_step).tocsr()
        typical = np.sqrt((step.data.astype(np.float64) ** 2).sum() / max(step.shape[0] * step.shape[1], 1))
        own *= np.float32(config.direct * smooth / max(typical, 1e-12))
        return into, out_of, near, near.T.tocsr(), (own, others)


def usual_components(n_items: int) -> int:
    return int(np.clip(n_items // 40, 32, 1024))


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _prune_rows(low, high, T, X, left, right, own, others, nearby, items, values):  # type: ignore[no-untyped-def]
    """Row i of W among i's co-occurring items: the one-step weight plus the filter's components, strongest kept."""
    n_items = len(own)
    line, seen = np.zeros(n_items, np.float32), np.zeros(n_items, np.bool_)
    touched = np.empty(n_items, np.int32)
    near, strength = np.empty(nearby, np.int32), np.empty(nearby, np.float32)
    for item in range(low, high):
        n = walk(item, T, X, line, seen, touched)
        near[:] = -1
        strength[:] = -np.inf
        for at in range(n):
            other = touched[at]
            if other != item:
                offer(line[other] * others[other], other, strength, near)
            line[other] = 0
            seen[other] = False
        for at in range(nearby):
            other = near[at]
            if other < 0:
                continue
            total = own[item] * strength[at]
            for c in range(left.shape[1]):
                total += left[item, c] * right[other, c]
            offer(total, other, values[item], items[item])
        ranked(values[item], items[item])


@numba.njit(cache=True, nogil=True, parallel=True)
def _prune_parallel(cuts, T, X, left, right, own, others, nearby, items, values):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _prune_rows(cuts[part], cuts[part + 1], T, X, left, right, own, others, nearby, items, values)

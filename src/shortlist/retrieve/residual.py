"""Regressions of what an item-item model leaves unexplained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.retrieve.kernels.cooccurrence import csr_arrays
from shortlist.retrieve.slim import SLIM, regressions, scaled

SCALE_HISTORIES = 1_000
"""Number of histories on which the scale of a model is measured."""
BLOCK = 128
"""Histories whose scores of all items are computed at once."""


class FactoredWeights(NamedTuple):
    """An item-item model, P + L·Rᵀ.

    Attributes
    ----------
    sparse
        P, sparse float32 (items, items).
    left, right
        L and R, float32 (items, t).
    """

    sparse: sp.csr_matrix
    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def scaled(self, into: NDArray[np.floating], out: NDArray[np.floating]) -> FactoredWeights:
        """Return diag(into) · W · diag(out)."""
        sparse = sp.csr_matrix(sp.diags_array(into) @ self.sparse @ sp.diags_array(out), dtype=np.float32)
        left = np.asarray(self.left * into[:, None], np.float32)
        return FactoredWeights(sparse, left, np.asarray(self.right * out[:, None], np.float32))

    def diagonal(self) -> NDArray[np.float32]:
        """Return the diagonal of W, float32 (items,)."""
        return np.asarray(self.sparse.diagonal() + (self.left * self.right).sum(1), np.float32)


def with_regressions(
    model: FactoredWeights,
    X: sp.csr_matrix,
    slim: SLIM,
    weight: float = 1.0,
    support: NDArray[np.int32] | None = None,
) -> FactoredWeights:
    """Return W = γ·W₀ + B: a model, and the regressions of its residual.

        b_j = argmin ‖(1 + γ W₀_jj) x_j − γ X w₀_j − X b‖² + λ‖b‖²,    b_jj = 0

    A ridge draws the weights of `SLIM` to 0, and its local regressions know nothing of items outside their support; those of a residual draw
    them to a smooth model that knows every item. With λ → ∞, W₀ is left.

    Parameters
    ----------
    model
        W₀, which scores raw histories.
    X
        Sparse (users, items): weights of interactions.
    slim
        λ, the support and the scaling of X.
    weight
        γ, in units of the least-squares scale of W₀ as a prediction of each item from the others.
    support
        Those of `slim` on X, where they are known.
    """
    config = slim.config
    R, counts = scaled(X, config.spread, config.power)
    support = slim.support(X) if support is None else support[:, : config.support]
    own, lift = counts**config.power, counts**config.lift
    inner = model.scaled(own, 1 / lift)
    inner = inner.scaled(np.ones(len(own)), np.full(len(own), weight * _least_squares(inner, R)))
    gram_left = np.asarray(R.T @ (R @ inner.left), np.float32)
    known = csr_arrays(inner.sparse.T.tocsr()), gram_left, inner.right, 1 + inner.diagonal()
    B = regressions(R, R, support, config.regularisation, known)
    return FactoredWeights(sp.csr_matrix(inner.sparse + B), inner.left, inner.right).scaled(1 / own, lift)


def _least_squares(model: FactoredWeights, R: sp.csr_matrix) -> float:
    """Return the factor by which a model predicts the items of some users best, each from their other items."""
    some = R[:: max(1, R.shape[0] // SCALE_HISTORIES)]
    diagonal = model.diagonal()
    fitted = squared = 0.0
    for start in range(0, some.shape[0], BLOCK):
        part = some[start : start + BLOCK]
        taken = part.toarray()
        predicted = (part @ model.sparse).toarray() + (part @ model.left) @ model.right.T - taken * diagonal
        fitted += float(np.vdot(predicted, taken))
        squared += float(np.vdot(predicted, predicted))
    return fitted / max(squared, 1e-30)

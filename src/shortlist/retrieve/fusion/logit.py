"""A linear model that orders the candidates of a fusion, learned by the softmax loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shortlist.retrieve.kernels.softmax import RequestSoftmax

PENALTY = 3.0
"""Half of it times the square of each coefficient is added to the loss, the inputs scaled to a standard deviation of 1."""
ROUNDS = 200
"""Most iterations of L-BFGS."""


def learn_logit(inputs: NDArray[np.float32], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the coefficients of a conditional logit: candidate j is taken with the probability e^{w·x_j} / Σ_k e^{w·x_k}.

    Parameters
    ----------
    inputs
        float32 (B, m, f): NaN where there is no candidate.
    labels
        bool (B, m): which candidates are hits. Requests without a hit are left out.

    Returns
    -------
    NDArray
        float64 (f,): w, for the inputs as they are.

    References
    ----------
    McFadden 1974, "Conditional logit analysis of qualitative choice behavior".
    """
    useful = labels.any(1)
    if not useful.any():
        return np.zeros(inputs.shape[2])
    there = np.isfinite(inputs[useful]).all(2)
    rows = inputs[useful][there]
    scale = rows.std(0, dtype=np.float64) + 1e-6
    rows -= rows.mean(0, dtype=np.float64).astype(np.float32)
    rows /= scale.astype(np.float32)
    chosen = labels[useful][there].astype(np.float64)
    loss = RequestSoftmax(np.nonzero(there)[0], chosen, np.ones(len(rows)))

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = rows @ weights.astype(np.float32)
        value = float(loss.losses(margins).sum()) + PENALTY * float(weights @ weights) / 2
        return value, loss.gradient(margins)[0] @ rows + PENALTY * weights

    found = minimize(
        objective, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}
    )
    return np.asarray(found.x / scale, np.float64)


def logit_values(inputs: NDArray[np.float32], coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return w·x of each candidate, float32 (B, m); −inf where there is none."""
    values = inputs @ coefficients.astype(np.float32)
    return np.where(np.isnan(values), np.float32(-np.inf), values)

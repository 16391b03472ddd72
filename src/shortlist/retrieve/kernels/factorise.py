"""The leading singular vectors of a sparse matrix.

Block subspace iteration (Halko, Martinsson & Tropp 2011, "Finding structure with randomness"): a block of random
vectors is multiplied by RᵀR and made orthonormal again, a few times. Where the spectrum is flat, it is multiplied twice in
between: a product of a sparse matrix costs less than orthonormalisation. The products run on all cores. Orthonormalisation
uses the Cholesky factor of the small Gram matrix, which is one matrix product instead of a QR of the tall block. Where
there are few items, the exact eigenvectors of the Gram matrix are cheaper and are used instead.
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.retrieve.kernels.cooccurrence import CsrArrays, csr_arrays
from shortlist.retrieve.kernels.parallel import run_rows

EXACT = 2_000
"""Up to this many items the whole Gram matrix is decomposed."""


EVEN = 0.03
"""Ratio of the scales of a block after one product above which float32 has room for two."""
WARM_PASSES = 2
"""Multiplications that suffice where the iteration starts from the vectors of nearly the same matrix."""


def leading(
    R: sp.csr_matrix,
    k: int,
    passes: int = 3,
    seed: int = 0,
    start: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the k largest singular values and their right singular vectors.

    Parameters
    ----------
    R
        float32 (rows, items).
    k
        Number of vectors.
    passes
        Multiplications by RᵀR.
    seed
        Seed of the random vectors.
    start
        float32 (items, m): vectors to start from instead, such as those of an earlier, similar matrix.

    Returns
    -------
    values
        float32 (k,), falling; fewer where the rank is lower.
    vectors
        float32 (items, k).
    """
    n = R.shape[1]
    k = max(1, min(k, *R.shape))
    if n <= EXACT:
        gram = (R.T @ R).toarray().astype(np.float64)
        values, vectors = np.linalg.eigh(gram)
        return _ordered(values, vectors, k)
    width = min(n, int(k * 1.1) + 10)
    Q = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    if start is not None and len(start) == n:
        known = min(start.shape[1], width)
        Q[:, :known] = start[:, :known] * np.float32(np.sqrt(n))  # as long as the random vectors
        passes = WARM_PASSES if known >= k else passes
    A, AT = csr_arrays(R), csr_arrays(R.T.tocsr())
    even = 0.0
    for _ in range(passes):
        Q = _product(AT, _product(A, Q))
        if even > EVEN:
            Q = _product(AT, _product(A, Q))
        Q, ratio = _orthonormal(Q)
        even = even or ratio
    B = _product(A, Q)
    values, vectors = np.linalg.eigh((B.T @ B).astype(np.float64))
    s, V = _ordered(values, vectors, k)
    return s, Q @ V


def _ordered(
    values: NDArray[np.float64], vectors: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the k largest singular values and their vectors, from eigenvalues and eigenvectors of the Gram matrix."""
    order = np.argsort(values)[::-1][:k]
    values = np.maximum(values[order], 0)
    real = values > max(values[0], 1e-30) * 1e-10
    return np.sqrt(values[real]).astype(np.float32), np.ascontiguousarray(
        vectors[:, order[real]].astype(np.float32)
    )


def _orthonormal(Q: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return an orthonormal basis, and the ratio of the smallest to the largest scale of the block: 1 where it was orthonormal."""
    gram = (Q.T @ Q).astype(np.float64)
    try:
        factor = np.linalg.cholesky(gram)
        ratio = float(np.diag(factor).min() / np.diag(factor).max())
        if ratio > 1e-3:  # otherwise float32 is too coarse
            basis = scipy.linalg.blas.strsm(1.0, factor.astype(np.float32), Q.T, side=0, lower=1).T
            return np.asarray(basis, np.float32), ratio
    except np.linalg.LinAlgError:
        pass
    return np.linalg.qr(Q)[0], 0.0


def _product(A: CsrArrays, Q: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.zeros((len(A[0]) - 1, Q.shape[1]), np.float32)
    run_rows(len(out), _product_rows, A, np.ascontiguousarray(Q), out)
    return out


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _product_rows(
    low: int,
    high: int,
    A: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    Q: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    for row in range(low, high):
        for at in range(A[0][row], A[0][row + 1]):
            weight, source = A[2][at], Q[A[1][at]]
            for c in range(Q.shape[1]):
                out[row, c] += weight * source[c]

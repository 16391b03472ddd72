"""The leading singular vectors of a sparse matrix, in seconds on a CPU.

Block subspace iteration (Halko, Martinsson & Tropp 2011, "Finding structure with randomness"): a block of random
vectors is multiplied by RᵀR and made orthonormal again, a few times. The products run on all cores; orthonormalising
goes through the Cholesky factor of the small Gram matrix, which is one matrix product instead of a QR of the tall block.
Where either side is small, the exact eigenvectors of the Gram matrix are cheaper and are taken instead.
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.linalg
import scipy.sparse as sp

from shortlist.retrieve.kernels.cooccurrence import parts_of
from shortlist.retrieve.kernels.select import in_parts

EXACT = 2_000
"""Up to this many items the Gram matrix is decomposed as a whole."""


def leading(R: sp.csr_matrix, k: int, passes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (k,) from the largest, and right singular vectors (items, k), float32; fewer where the rank is."""
    n = R.shape[1]
    k = max(1, min(k, min(R.shape)))
    if n <= EXACT:
        gram = (R.T @ R).toarray().astype(np.float64)
        values, vectors = np.linalg.eigh(gram)
        return _ordered(values, vectors, k)
    width = min(n, int(k * 1.1) + 10)
    Q = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    A, AT = parts_of(R), parts_of(R.T.tocsr())
    for _ in range(passes):
        Q = _orthonormal(_product(AT, _product(A, Q)))
    B = _product(A, Q)
    values, vectors = np.linalg.eigh((B.T @ B).astype(np.float64))
    s, V = _ordered(values, vectors, k)
    return s, Q @ V


def _ordered(values: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(values)[::-1][:k]
    values = np.maximum(values[order], 0)
    real = values > max(values[0], 1e-30) * 1e-10
    return np.sqrt(values[real]).astype(np.float32), np.ascontiguousarray(
        vectors[:, order[real]].astype(np.float32)
    )


def _orthonormal(Q: np.ndarray) -> np.ndarray:
    gram = (Q.T @ Q).astype(np.float64)
    try:
        factor = np.linalg.cholesky(gram)
        if np.diag(factor).min() > 1e-3 * np.diag(factor).max():  # else float32 has lost it
            return np.asarray(
                scipy.linalg.blas.strsm(1.0, factor.astype(np.float32), Q.T, side=0, lower=1).T, np.float32
            )
    except np.linalg.LinAlgError:
        pass
    return np.linalg.qr(Q)[0]


def _product(A: tuple[np.ndarray, np.ndarray, np.ndarray], Q: np.ndarray) -> np.ndarray:
    out = np.zeros((len(A[0]) - 1, Q.shape[1]), np.float32)
    in_parts(len(out), _product_rows, _product_parallel, A, np.ascontiguousarray(Q), out)
    return out


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _product_rows(low, high, A, Q, out):  # type: ignore[no-untyped-def]
    for row in range(low, high):
        for at in range(A[0][row], A[0][row + 1]):
            weight, source = A[2][at], Q[A[1][at]]
            for c in range(Q.shape[1]):
                out[row, c] += weight * source[c]


@numba.njit(cache=True, nogil=True, parallel=True)
def _product_parallel(cuts, A, Q, out):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _product_rows(cuts[part], cuts[part + 1], A, Q, out)

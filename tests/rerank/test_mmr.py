"""MMR over categories and over their indicator columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shortlist.rerank.mmr import mmr


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(0, 1)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]),
    st.integers(1, 70),
)
def test_mmr_of_categories_equals_mmr_of_indicator_columns(
    utility: np.ndarray, seed: int, strength: float, n: int
) -> None:
    kinds = np.random.default_rng(seed).integers(-1, 5, len(utility))
    columns = (kinds[:, None] == np.arange(5)).astype(np.float32)
    np.testing.assert_array_equal(mmr(utility, kinds, strength, n), mmr(utility, columns, strength, n))

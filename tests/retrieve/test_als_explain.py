"""The event of a history that contributes most to an ALS score."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.retrieve import ALS
from support.interactions import make_requests, random_interactions


@pytest.mark.parametrize("events", [5, 40])  # fewer than there are factors, and more
def test_strongest_event_equals_the_explanation(events: int) -> None:
    X = random_interactions(5, 300, 120, 0.3)
    model = ALS(factors=16).fit_matrix(X)
    histories = [X[u].indices.tolist()[:events] for u in range(12)] + [[]]
    requests = make_requests(*histories)
    owner = np.repeat(np.arange(13), 4)
    items = np.random.default_rng(0).integers(0, 120, len(owner)).astype(np.int32)
    found = model.strongest(requests, owner, items)
    for row, item, event in zip(owner.tolist(), items.tolist(), found.tolist(), strict=True):
        shares = model.explain(requests, row, np.array([item]))
        assert shares is not None
        if not shares.size or shares[0].max() <= 0:
            assert event == -1
        else:
            own = event - requests.histories.indptr[row]
            assert shares[0, own] == pytest.approx(shares[0].max())
    # the shares against the dense system of the paper
    weights = requests.weights[requests.histories.indptr[3] : requests.histories.indptr[4]].astype(float)
    Y, y = model.items[histories[3]].astype(float), model.items[items[:4]].astype(float)
    diagonal = model._diagonals(requests)[3]
    A = np.diag(diagonal) + (Y.T * weights) @ Y
    shares = model.explain(requests, 3, items[:4])
    np.testing.assert_allclose(
        shares, y @ np.linalg.solve(A, (Y * weights[:, None]).T), rtol=1e-8, atol=1e-12
    )

"""Looking into a model: the features of one item that the catalogue tab shows."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.cascade.inspect import candidates, visitor_features
from shortlist.recommender import Recommender


def test_features_of_an_item_are_those_that_the_ranker_reads_for_a_visitor(recommender: Recommender) -> None:
    """Without those of sources, which depend on the request, and without codes of categories."""
    model, state = recommender.model, recommender.state
    now = state.now()
    [batch] = candidates(model, state, [None], now=now)
    names, types = model.features.names(batch.rows.sources), model.features.types(batch.rows.sources)
    of_sources = {f"{name}_{part}" for name in model.retrievers for part in ("rank", "score")}
    assert of_sources <= set(names)
    for row in (0, len(batch.rows.item) // 2):
        found = visitor_features(model, state, int(batch.rows.item[row]))
        expected = {
            name: None if np.isnan(value) else value
            for name, kind, value in zip(names, types, batch.matrix[row].tolist(), strict=True)
            if name not in of_sources and kind != "c"
        }
        assert found.keys() == expected.keys()
        assert any(value is not None for value in found.values())
        for name, value in expected.items():
            assert found[name] == (None if value is None else pytest.approx(value, rel=1e-3, abs=1e-3)), name
